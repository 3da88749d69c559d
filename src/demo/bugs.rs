//! What is wrong with the shop on purpose.

/// A planted bug. Each is one `if` in one handler, found by searching for its name.
///
/// `specs/shop.yaml` has an invariant for each. The paths are given in that spec's actions, and none is shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A refund is compared with the payment alone, not with what was refunded before.
    ///
    /// `create_order -> pay_order -> refund_payment -> refund_payment` pays back more than was paid.
    RefundBeyondPayment,
    /// The checkout does not look again whether the products in the cart still exist.
    ///
    /// `open_cart -> delete_product -> checkout` leaves an order line without a product.
    DeletedProductOrdered,
    /// Ordering a cancelled order again takes the stock that the cancellation gave back without looking whether it is
    /// still there.
    ///
    /// `create_order -> cancel_order -> reorder -> reorder` makes the stock negative.
    NegativeStock,
    /// The coupon is counted in a transaction of its own before the card is charged, and stays counted when the card
    /// is declined.
    ///
    /// `open_cart -> apply_coupon -> checkout(card=declined) -> checkout` counts it twice for one cart.
    CouponCountedTwice,
    /// A return takes back the points that the order earned, even where they are already spent.
    ///
    /// `create_order -> pay_order -> ship_order -> deliver_order -> redeem_points -> request_return -> receive_return`
    /// makes the customer's points negative.
    NegativePoints,
}

impl Bug {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 5] = [
        Self::RefundBeyondPayment,
        Self::DeletedProductOrdered,
        Self::NegativeStock,
        Self::CouponCountedTwice,
        Self::NegativePoints,
    ];

    /// The invariant of `specs/shop.yaml` that it breaks.
    pub const fn invariant(self) -> &'static str {
        match self {
            Self::RefundBeyondPayment => "no_refund_beyond_the_payment",
            Self::DeletedProductOrdered => "every_order_line_has_its_product",
            Self::NegativeStock => "stock_is_never_negative",
            Self::CouponCountedTwice => "a_coupon_counts_once_per_cart",
            Self::NegativePoints => "points_are_never_negative",
        }
    }
}

/// Which bugs are switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bugs([bool; Bug::ALL.len()]);

impl Bugs {
    /// Every planted bug.
    pub const ALL: Self = Self([true; Bug::ALL.len()]);
    /// The clean twin.
    pub const NONE: Self = Self([false; Bug::ALL.len()]);

    /// One bug alone.
    pub const fn only(bug: Bug) -> Self {
        let mut bugs = Self::NONE;
        bugs.0[bug as usize] = true;
        bugs
    }

    /// Whether this bug is switched on.
    pub const fn has(self, bug: Bug) -> bool {
        self.0[bug as usize]
    }
}
