//! Ten actions over rooms, guests and bookings.

use super::Column::{Key, Plain, Reference, Volatile};
use super::Value::{self, Number, Text};
use super::{Answer, Bug, Keys, Request, Rows, Toy};

const ROOMS: usize = 0;
const GUESTS: usize = 1;
const BOOKINGS: usize = 2;

const ROOM: usize = 0;
const GUEST: usize = 1;
const BOOKING_ID: usize = 2;

const SLOT: usize = 3;
const STATUS: usize = 4;
const UPDATED: usize = 5;

/// UUIDs as keys, and a time that every write sets. Moving a booking does not look whether the slot is taken: `create_room`,
/// `create_guest`, `book_slot1`, `book_slot2`, `move_to_slot1` makes two bookings overlap.
pub const BOOKING: Toy = Toy {
    name: "booking",
    keys: Keys::Random,
    tables: &[
        &[Key, Plain, Volatile],
        &[Key, Plain, Volatile],
        &[
            Key,
            Reference(ROOMS),
            Reference(GUESTS),
            Plain,
            Plain,
            Volatile,
        ],
    ],
    variables: &[
        ("room_id", ROOMS),
        ("guest_id", GUESTS),
        ("booking_id", BOOKINGS),
    ],
    requests: &[
        Request::write("create_room", &[], |rows, _| {
            let now = rows.now();
            Ok(Some((ROOM, rows.insert(ROOMS, &[Text("room"), now]))))
        }),
        Request::write("create_guest", &[], |rows, _| {
            let now = rows.now();
            Ok(Some((GUEST, rows.insert(GUESTS, &[Text("ann"), now]))))
        }),
        Request::write("rename_guest", &[GUEST], |rows, ids| {
            let now = rows.now();
            rows.update(GUESTS, ids[0], |guest| {
                guest[1] = Text(if guest[1] == "ann" { "bob" } else { "ann" });
                guest[2] = now;
            });
            Ok(None)
        }),
        Request::write("book_slot1", &[ROOM, GUEST], |rows, ids| book(rows, ids, 1)),
        Request::write("book_slot2", &[ROOM, GUEST], |rows, ids| book(rows, ids, 2)),
        Request::write("move_to_slot1", &[BOOKING_ID], |rows, ids| {
            let booking = rows.get(BOOKINGS, ids[0])?;
            if booking[STATUS] == "cancelled" || booking[SLOT] == 1 {
                return Err(409);
            }
            set(rows, ids[0], SLOT, Number(1));
            Ok(None)
        }),
        Request::write("cancel_booking", &[BOOKING_ID], |rows, ids| {
            if rows.get(BOOKINGS, ids[0])?[STATUS] == "cancelled" {
                return Err(409);
            }
            set(rows, ids[0], STATUS, Text("cancelled"));
            Ok(None)
        }),
        Request::write("confirm_booking", &[BOOKING_ID], |rows, ids| {
            if rows.get(BOOKINGS, ids[0])?[STATUS] != "held" {
                return Err(409);
            }
            set(rows, ids[0], STATUS, Text("confirmed"));
            Ok(None)
        }),
        Request::read("get_booking", &[BOOKING_ID], |_, _| Ok(None)),
        Request::read("list_bookings", &[], |_, _| Ok(None)),
    ],
    bugs: &[Bug {
        name: "overlap",
        path: "create_room create_guest book_slot1 book_slot2 move_to_slot1",
        shows: |state| {
            let live = |booking: &&Vec<Value>| booking[STATUS] != "cancelled";
            let bookings = &state.tables[BOOKINGS];
            bookings.iter().filter(live).any(|one| {
                let other = |other: &Vec<Value>| {
                    other[0] != one[0] && other[1] == one[1] && other[SLOT] == one[SLOT]
                };
                bookings.iter().filter(live).any(other)
            })
        },
    }],
};

fn book(rows: &mut Rows<'_>, ids: &[i64], slot: i64) -> Answer {
    let taken = |booking: &Vec<Value>| {
        booking[1] == ids[0] && booking[SLOT] == slot && booking[STATUS] != "cancelled"
    };
    if rows.all(BOOKINGS).iter().any(taken) {
        return Err(409);
    }
    let now = rows.now();
    let booking = [
        Number(ids[0]),
        Number(ids[1]),
        Number(slot),
        Text("held"),
        now,
    ];
    Ok(Some((BOOKING_ID, rows.insert(BOOKINGS, &booking))))
}

fn set(rows: &mut Rows<'_>, booking: i64, column: usize, value: Value) {
    let now = rows.now();
    rows.update(BOOKINGS, booking, |row| {
        row[column] = value;
        row[UPDATED] = now;
    });
}
