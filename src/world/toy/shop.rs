//! Thirty actions of a shop: customers, products, carts, orders, payments, parcels, returns, coupons.

use super::Column::{Key, Plain, Reference};
use super::Value::{self, Null, Number, Text};
use super::{Answer, Bug, Keys, Request, Row, Rows, State, Toy};

const CUSTOMERS: usize = 0;
const PRODUCTS: usize = 1;
const CARTS: usize = 2;
const LINES: usize = 3;
const ORDERS: usize = 4;
const PAYMENTS: usize = 5;
const PARCELS: usize = 6;
const RETURNS: usize = 7;
const COUPONS: usize = 8;

const CUSTOMER: usize = 0;
const PRODUCT: usize = 1;
const CART: usize = 2;
const ORDER: usize = 3;
const PAYMENT: usize = 4;
const PARCEL: usize = 5;
const RETURN: usize = 6;
const COUPON: usize = 7;

// Columns. The status is the last plain column that every table of documents has.
const BLOCKED: usize = 1;
const STOCK: usize = 1;
const ARCHIVED: usize = 2;
const STATUS: usize = 2;
const QUANTITY: usize = 3;
const TOTAL: usize = 3;
const WHILE_BLOCKED: usize = 4;
const REFUNDS: usize = 3;
const RETURNED: usize = 4;

/// What an order costs that is placed without a cart.
const FLAT: i64 = 20;
/// What a coupon takes off.
const DISCOUNT: i64 = 8;

/// Nine bugs, three to seven steps deep. Keys come from restored sequences; nothing is volatile.
pub const SHOP: Toy = Toy {
    name: "shop",
    keys: Keys::Restored,
    tables: &[
        // customers: blocked
        &[Key, Plain],
        // products: stock, archived
        &[Key, Plain, Plain],
        // carts: customer, status
        &[Key, Reference(CUSTOMERS), Plain],
        // lines: cart, product, quantity
        &[Key, Reference(CARTS), Reference(PRODUCTS), Plain],
        // orders: customer, status, total, whether the customer was blocked then
        &[Key, Reference(CUSTOMERS), Plain, Plain, Plain],
        // payments: order, status, refunds, whether a return paid it back
        &[Key, Reference(ORDERS), Plain, Plain, Plain],
        // parcels: order, status, whether the order was cancelled when it left
        &[Key, Reference(ORDERS), Plain, Plain],
        // returns: order, status
        &[Key, Reference(ORDERS), Plain],
        // coupons: customer, times used
        &[Key, Reference(CUSTOMERS), Plain],
    ],
    variables: &[
        ("customer_id", CUSTOMERS),
        ("product_id", PRODUCTS),
        ("cart_id", CARTS),
        ("order_id", ORDERS),
        ("payment_id", PAYMENTS),
        ("parcel_id", PARCELS),
        ("return_id", RETURNS),
        ("coupon_id", COUPONS),
    ],
    requests: &[
        Request::write("create_customer", &[], |rows, _| {
            Ok(Some((CUSTOMER, rows.insert(CUSTOMERS, &[Number(0)]))))
        }),
        Request::write("block_customer", &[CUSTOMER], |rows, ids| {
            block(rows, ids[0], 1)
        }),
        Request::write("unblock_customer", &[CUSTOMER], |rows, ids| {
            block(rows, ids[0], 0)
        }),
        Request::write("delete_customer", &[CUSTOMER], |rows, ids| {
            rows.get(CUSTOMERS, ids[0])?;
            if rows.all(ORDERS).iter().any(|order| order[1] == ids[0]) {
                return Err(409);
            }
            // The bug: it does not look for carts.
            rows.delete(CUSTOMERS, |customer| customer[0] == ids[0]);
            Ok(None)
        }),
        Request::read("get_customer", &[CUSTOMER], |rows, ids| {
            rows.get(CUSTOMERS, ids[0]).map(|_| None)
        }),
        Request::read("list_customers", &[], |_, _| Ok(None)),
        Request::write("create_product", &[], |rows, _| {
            let product = rows.insert(PRODUCTS, &[Number(1), Number(0)]);
            Ok(Some((PRODUCT, product)))
        }),
        Request::write("restock_product", &[PRODUCT], |rows, ids| {
            let stock = number(rows.get(PRODUCTS, ids[0])?[STOCK]);
            if stock >= 5 {
                return Err(409);
            }
            // The bug: an archived product gets stock again.
            rows.set(PRODUCTS, ids[0], STOCK, Number(stock + 1));
            Ok(None)
        }),
        Request::write("archive_product", &[PRODUCT], |rows, ids| {
            if rows.get(PRODUCTS, ids[0])?[ARCHIVED] == 1 {
                return Err(409);
            }
            rows.set(PRODUCTS, ids[0], STOCK, Number(0));
            rows.set(PRODUCTS, ids[0], ARCHIVED, Number(1));
            Ok(None)
        }),
        Request::read("get_product", &[PRODUCT], |_, _| Ok(None)),
        Request::read("list_products", &[], |_, _| Ok(None)),
        Request::write("open_cart", &[CUSTOMER], |rows, ids| {
            if rows.get(CUSTOMERS, ids[0])?[BLOCKED] == 1 {
                return Err(403);
            }
            let cart = rows.insert(CARTS, &[Number(ids[0]), Text("open")]);
            Ok(Some((CART, cart)))
        }),
        Request::write("add_line", &[CART, PRODUCT], |rows, ids| {
            needs(rows, CARTS, ids[0], &["open"])?;
            let product = rows.get(PRODUCTS, ids[1])?;
            if product[ARCHIVED] == 1 || number(product[STOCK]) < 1 {
                return Err(409);
            }
            let same = |line: &&Row| line[1] == ids[0] && line[2] == ids[1];
            let line = rows.all(LINES).iter().find(same).cloned();
            match line {
                Some(line) if number(line[QUANTITY]) >= 3 => return Err(409),
                Some(line) => {
                    let more = Number(number(line[QUANTITY]) + 1);
                    rows.set(LINES, number(line[0]), QUANTITY, more);
                }
                None => {
                    rows.insert(LINES, &[Number(ids[0]), Number(ids[1]), Number(1)]);
                }
            }
            Ok(None)
        }),
        Request::write("empty_cart", &[CART], |rows, ids| {
            needs(rows, CARTS, ids[0], &["open"])?;
            rows.delete(LINES, |line| line[1] == ids[0]);
            Ok(None)
        }),
        Request::read("get_cart", &[CART], |_, _| Ok(None)),
        Request::write("check_out", &[CART], |rows, ids| {
            needs(rows, CARTS, ids[0], &["open"])?;
            let customer = number(rows.get(CARTS, ids[0])?[1]);
            let lines = rows.all(LINES).iter();
            let lines: Vec<Row> = lines.filter(|line| line[1] == ids[0]).cloned().collect();
            if lines.is_empty() {
                return Err(422);
            }
            let mut total = 0;
            for line in &lines {
                let (product, quantity) = (number(line[2]), number(line[QUANTITY]));
                let stock = number(rows.get(PRODUCTS, product)?[STOCK]);
                // The bug: stock was looked at for each piece alone, when it was added.
                rows.set(PRODUCTS, product, STOCK, Number(stock - quantity));
                total += 10 * quantity;
            }
            rows.set(CARTS, ids[0], STATUS, Text("ordered"));
            Ok(Some(place(rows, customer, total)))
        }),
        Request::write("order_directly", &[CUSTOMER], |rows, ids| {
            if rows.get(CUSTOMERS, ids[0])?[BLOCKED] == 1 {
                return Err(403);
            }
            Ok(Some(place(rows, ids[0], FLAT)))
        }),
        Request::write("cancel_order", &[ORDER], |rows, ids| {
            // The bug: an order that was delivered is cancelled as well.
            needs(rows, ORDERS, ids[0], &["new", "paid", "delivered"])?;
            let status = rows.get(ORDERS, ids[0])?[STATUS];
            let cancelled = if status == "delivered" {
                "cancelled late"
            } else {
                "cancelled"
            };
            rows.set(ORDERS, ids[0], STATUS, Text(cancelled));
            Ok(None)
        }),
        Request::read("get_order", &[ORDER], |_, _| Ok(None)),
        Request::read("list_orders", &[], |_, _| Ok(None)),
        Request::write("pay_order", &[ORDER], |rows, ids| {
            needs(rows, ORDERS, ids[0], &["new"])?;
            rows.set(ORDERS, ids[0], STATUS, Text("paid"));
            let payment = [Number(ids[0]), Text("captured"), Number(0), Number(0)];
            Ok(Some((PAYMENT, rows.insert(PAYMENTS, &payment))))
        }),
        Request::write("refund_payment", &[PAYMENT], |rows, ids| {
            let payment = rows.get(PAYMENTS, ids[0])?;
            let refunds = number(payment[REFUNDS]);
            // The bug: neither an earlier refund nor a return keeps it from paying back again.
            if refunds >= 2 {
                return Err(409);
            }
            rows.set(PAYMENTS, ids[0], STATUS, Text("refunded"));
            rows.set(PAYMENTS, ids[0], REFUNDS, Number(refunds + 1));
            Ok(None)
        }),
        Request::read("get_payment", &[PAYMENT], |_, _| Ok(None)),
        Request::write("ship_order", &[ORDER], |rows, ids| {
            // The bug: it asks whether there is a payment, not what became of the order.
            if !rows
                .all(PAYMENTS)
                .iter()
                .any(|payment| payment[1] == ids[0])
            {
                return Err(402);
            }
            if rows.all(PARCELS).iter().any(|parcel| parcel[1] == ids[0]) {
                return Err(409);
            }
            let was_cancelled = rows.get(ORDERS, ids[0])?[STATUS] == "cancelled";
            if !was_cancelled {
                rows.set(ORDERS, ids[0], STATUS, Text("shipped"));
            }
            let parcel = [
                Number(ids[0]),
                Text("sent"),
                Number(i64::from(was_cancelled)),
            ];
            Ok(Some((PARCEL, rows.insert(PARCELS, &parcel))))
        }),
        Request::write("deliver_parcel", &[PARCEL], |rows, ids| {
            needs(rows, PARCELS, ids[0], &["sent"])?;
            let order = number(rows.get(PARCELS, ids[0])?[1]);
            rows.set(PARCELS, ids[0], STATUS, Text("delivered"));
            rows.set(ORDERS, order, STATUS, Text("delivered"));
            Ok(None)
        }),
        Request::write("open_return", &[ORDER], |rows, ids| {
            needs(rows, ORDERS, ids[0], &["shipped", "delivered"])?;
            if rows.all(RETURNS).iter().any(|it| it[1] == ids[0]) {
                return Err(409);
            }
            let opened = rows.insert(RETURNS, &[Number(ids[0]), Text("open")]);
            Ok(Some((RETURN, opened)))
        }),
        Request::write("accept_return", &[RETURN], |rows, ids| {
            needs(rows, RETURNS, ids[0], &["open"])?;
            let order = number(rows.get(RETURNS, ids[0])?[1]);
            rows.set(RETURNS, ids[0], STATUS, Text("accepted"));
            let payments = rows.all(PAYMENTS).iter();
            let paid: Vec<i64> = (payments.filter(|payment| payment[1] == order))
                .map(|payment| number(payment[0]))
                .collect();
            for payment in paid {
                rows.set(PAYMENTS, payment, RETURNED, Number(1));
            }
            Ok(None)
        }),
        Request::write("give_coupon", &[CUSTOMER], |rows, ids| {
            rows.get(CUSTOMERS, ids[0])?;
            if rows.all(COUPONS).iter().any(|coupon| coupon[1] == ids[0]) {
                return Err(409);
            }
            let coupon = rows.insert(COUPONS, &[Number(ids[0]), Number(0)]);
            Ok(Some((COUPON, coupon)))
        }),
        Request::write("redeem_coupon", &[COUPON, ORDER], |rows, ids| {
            needs(rows, ORDERS, ids[1], &["new"])?;
            let used = number(rows.get(COUPONS, ids[0])?[2]);
            let total = number(rows.get(ORDERS, ids[1])?[TOTAL]);
            // The bug: a coupon may be used three times, which nobody adds up.
            if used >= 3 {
                return Err(409);
            }
            rows.set(COUPONS, ids[0], 2, Number(used + 1));
            rows.set(ORDERS, ids[1], TOTAL, Number(total - DISCOUNT));
            Ok(None)
        }),
        Request::read("get_parcel", &[PARCEL], |_, _| Ok(None)),
    ],
    bugs: &[
        Bug {
            name: "orphan_cart",
            path: "create_customer open_cart delete_customer",
            shows: |state| {
                let customer = |cart: &Row| state.row(CUSTOMERS, number(cart[1]));
                any(state, CARTS, |cart| customer(cart).is_none())
            },
        },
        Bug {
            name: "stock_of_archived",
            path: "create_product archive_product restock_product",
            shows: |state| {
                any(state, PRODUCTS, |it| {
                    it[ARCHIVED] == 1 && it[STOCK] > Number(0)
                })
            },
        },
        Bug {
            name: "double_refund",
            path: "create_customer order_directly pay_order refund_payment refund_payment",
            shows: |state| any(state, PAYMENTS, |it| it[REFUNDS] == 2),
        },
        Bug {
            name: "shipped_cancelled",
            path: "create_customer order_directly pay_order cancel_order ship_order",
            shows: |state| any(state, PARCELS, |it| it[3] == 1),
        },
        Bug {
            name: "negative_stock",
            path: "create_customer create_product open_cart add_line add_line check_out",
            shows: |state| any(state, PRODUCTS, |it| it[STOCK] < Number(0)),
        },
        Bug {
            name: "ordered_while_blocked",
            path: "create_customer create_product open_cart add_line block_customer check_out",
            shows: |state| any(state, ORDERS, |it| it[WHILE_BLOCKED] == 1),
        },
        Bug {
            name: "negative_total",
            path: "create_customer order_directly give_coupon redeem_coupon redeem_coupon redeem_coupon",
            shows: |state| any(state, ORDERS, |it| it[TOTAL] < Number(0)),
        },
        Bug {
            name: "cancelled_delivered",
            path: "create_customer order_directly pay_order ship_order deliver_parcel cancel_order",
            shows: |state| any(state, ORDERS, |it| it[STATUS] == "cancelled late"),
        },
        Bug {
            name: "returned_and_refunded",
            path: "create_customer order_directly pay_order ship_order open_return accept_return refund_payment",
            shows: |state| {
                any(state, PAYMENTS, |it| {
                    it[REFUNDS] > Number(0) && it[RETURNED] == 1
                })
            },
        },
    ],
};

fn number(value: Value) -> i64 {
    super::rows::key(value).unwrap_or_default()
}

fn any(state: &State, table: usize, is: impl Fn(&Row) -> bool) -> bool {
    state.tables[table].iter().any(is)
}

/// A refusal, unless the row has one of these statuses.
fn needs(rows: &Rows<'_>, table: usize, key: i64, statuses: &[&'static str]) -> Result<(), u16> {
    let status = rows.get(table, key)?[STATUS];
    let is_one = statuses.iter().any(|wanted| status == *wanted);
    if is_one { Ok(()) } else { Err(409) }
}

fn block(rows: &mut Rows<'_>, customer: i64, blocked: i64) -> Answer {
    if rows.get(CUSTOMERS, customer)?[BLOCKED] == blocked {
        return Err(409);
    }
    rows.set(CUSTOMERS, customer, BLOCKED, Number(blocked));
    Ok(None)
}

fn place(rows: &mut Rows<'_>, customer: i64, total: i64) -> (usize, i64) {
    let owner = rows.get(CUSTOMERS, customer).ok();
    let blocked = owner.map_or(Null, |owner| owner[BLOCKED]);
    let order = [Number(customer), Text("new"), Number(total), blocked];
    (ORDER, rows.insert(ORDERS, &order))
}
