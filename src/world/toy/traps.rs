//! The smallest services on which merging states, or putting repetitions off, may go wrong.

use super::Column::{Key, Plain, Reference, Volatile};
use super::Value::{Number, Text};
use super::{Answer, Bug, Keys, Request, Rows, Toy};

/// All of them.
pub const ALL: &[&Toy] = &[&FIFO, &REUSE, &UNDECLARED, &EXPIRY, &BULK];

/// The order of creation is behaviour: `pop` takes the oldest job.
pub const FIFO: Toy = Toy {
    name: "fifo",
    keys: Keys::Restored,
    tables: &[&[Key, Plain]],
    variables: &[],
    requests: &[
        Request::write("push_a", &[], |rows, _| {
            rows.insert(0, &[Text("a")]);
            Ok(None)
        }),
        Request::write("push_b", &[], |rows, _| {
            rows.insert(0, &[Text("b")]);
            Ok(None)
        }),
        Request::write("pop", &[], |rows, _| {
            let oldest = rows.all(0).first().ok_or(404_u16)?[0];
            rows.delete(0, |job| job[0] == oldest);
            Ok(None)
        }),
    ],
    bugs: &[],
};

/// The next key is the greatest plus one, so an id without a row comes back to life.
pub const REUSE: Toy = Toy {
    name: "reuse",
    keys: Keys::Restored,
    tables: &[&[Key, Plain]],
    variables: &[("note_id", 0)],
    requests: &[
        Request::write("create", &[], |rows, _| Ok(Some((0, note(rows))))),
        Request::write("create_other", &[], |rows, _| {
            note(rows);
            Ok(None)
        }),
        Request::write("delete_mine", &[0], |rows, ids| {
            rows.get(0, ids[0])?;
            rows.delete(0, |note| note[0] == ids[0]);
            Ok(None)
        }),
        Request::write("edit_mine", &[0], |rows, ids| {
            rows.get(0, ids[0])?;
            rows.update(0, ids[0], |note| note[1] = Text("edited"));
            Ok(None)
        }),
    ],
    bugs: &[],
};

fn note(rows: &mut Rows<'_>) -> i64 {
    let keys = rows
        .all(0)
        .iter()
        .filter_map(|note| super::rows::key(note[0]));
    let greatest = keys.max().unwrap_or(0);
    rows.set_next_key(0, greatest + 1);
    rows.insert(0, &[Text("mine")])
}

/// A reference that the schema does not declare, as in a JSON or text column.
pub const UNDECLARED: Toy = Toy {
    name: "undeclared",
    keys: Keys::Restored,
    tables: &[&[Key, Plain], &[Key, Plain]],
    variables: &[("item_id", 0)],
    requests: &[
        Request::write("red", &[], |rows, _| {
            Ok(Some((0, rows.insert(0, &[Text("red")]))))
        }),
        Request::write("blue", &[], |rows, _| {
            Ok(Some((0, rows.insert(0, &[Text("blue")]))))
        }),
        Request::write("make_default", &[0], |rows, ids| {
            rows.delete(1, |_| true);
            rows.set_next_key(1, 1);
            rows.insert(1, &[Number(ids[0])]);
            Ok(None)
        }),
        Request::write("paint_default", &[], |rows, _| {
            let item = rows.all(1).first().ok_or(404_u16)?[1];
            let item = super::rows::key(item).ok_or(404_u16)?;
            rows.update(0, item, |item| item[1] = Text("green"));
            Ok(None)
        }),
    ],
    bugs: &[],
};

/// A time that decides: without it, a voucher that is valid looks like one that has expired.
pub const EXPIRY: Toy = Toy {
    name: "expiry",
    keys: Keys::Restored,
    tables: &[&[Key, Volatile], &[Key]],
    variables: &[("voucher_id", 0)],
    requests: &[
        Request::write("issue_long", &[], |rows, _| {
            Ok(Some((0, rows.insert(0, &[Number(99)]))))
        }),
        Request::write("issue_short", &[], |rows, _| {
            Ok(Some((0, rows.insert(0, &[Number(-1)]))))
        }),
        Request::write("use", &[0], |rows, ids| {
            if rows.get(0, ids[0])?[1] < Number(0) {
                return Err(410);
            }
            rows.insert(1, &[]);
            Ok(None)
        }),
    ],
    bugs: &[],
};

/// A threshold that no small count can tell: ordering is refused below five items. Who takes a refusal in one basket for a
/// refusal in all of them never sees the bug, seven steps deep.
pub const BULK: Toy = Toy {
    name: "bulk",
    keys: Keys::Restored,
    tables: &[&[Key, Plain], &[Key, Reference(0)]],
    variables: &[("basket_id", 0)],
    requests: &[
        Request::write("open_basket", &[], |rows, _| {
            Ok(Some((0, rows.insert(0, &[Text("open")]))))
        }),
        Request::write("add", &[0], |rows, ids| {
            if rows.all(1).len() >= 8 {
                return Err(409);
            }
            rows.insert(1, &[Number(ids[0])]);
            Ok(None)
        }),
        Request::write("order", &[0], order),
        Request::write("clear", &[0], |rows, ids| {
            rows.delete(1, |item| item[1] == ids[0]);
            Ok(None)
        }),
        Request::read("show", &[0], |_, _| Ok(None)),
    ],
    bugs: &[Bug {
        name: "bulk",
        path: "open_basket add add add add add order",
        shows: |state| state.tables[0].iter().any(|basket| basket[1] == "ordered"),
    }],
};

fn order(rows: &mut Rows<'_>, ids: &[i64]) -> Answer {
    let items = rows.all(1).iter().filter(|item| item[1] == ids[0]);
    if items.count() < 5 {
        return Err(422);
    }
    rows.update(0, ids[0], |basket| basket[1] = Text("ordered"));
    Ok(None)
}
