//! The names of a spec: constants, extracted values, actions.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use super::document::Document;
use crate::diagnostic::did_you_mean;
use crate::model::{Pools, VariableId};

/// What no name holds.
const SEPARATOR: &str = ", ";

/// How many objects of a kind a path keeps, unless the spec says so.
pub(super) const OBJECTS: u16 = 8;

/// Every name that an expression of the spec may use. They come from the tree, not from the document: a mistake in an action
/// must not make its name unknown elsewhere.
#[derive(Debug, Default)]
pub(super) struct DeclaredNames {
    /// `variables:`
    pub constants: IndexMap<String, Value>,
    /// Everything that is extracted, setup first.
    pub variables: IndexSet<String>,
    /// How many objects of each kind a path keeps, by the variable that holds the newest.
    pub pools: IndexMap<String, u16>,
    /// What `setup` extracts.
    pub from_setup: HashSet<String>,
    /// Names of the actions, without parameters, and where each is declared first.
    pub actions: IndexMap<String, usize>,
    /// The calls of `counter()` as a reproduction has them, see [`Model::counters`](crate::model::Model::counters).
    pub counters: Vec<String>,
    /// Names of parameters, for help.
    pub parameters: HashSet<String>,
    meant: RefCell<HashMap<String, Option<String>>>,
}

impl DeclaredNames {
    pub(super) fn collect(tree: &Value, document: &Document) -> Self {
        let mut known = Self {
            constants: document
                .variables
                .iter()
                .map(|(name, value)| (name.clone(), value.0.clone()))
                .collect(),
            ..Self::default()
        };
        let items = |section: &str| -> Vec<Value> {
            tree.get(section)
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let keys = |item: &Value| -> Vec<String> {
            item.get("extract")
                .and_then(Value::as_object)
                .map(|extract| extract.keys().cloned().collect())
                .unwrap_or_default()
        };
        let extracted = |item: &Value| -> Vec<String> {
            let on = item.get("on").and_then(Value::as_object);
            let others = on.into_iter().flatten().flat_map(|(_, entry)| keys(entry));
            keys(item).into_iter().chain(others).collect()
        };
        for item in items("setup") {
            for name in extracted(&item) {
                known.from_setup.insert(name.clone());
                known.variables.insert(name);
            }
        }
        for (position, item) in items("actions").iter().enumerate() {
            known.variables.extend(extracted(item));
            if let Some(name) = item.get("name").and_then(Value::as_str) {
                known.actions.entry(name.to_owned()).or_insert(position);
            }
            for (name, most) in item.get("for_each").into_iter().flat_map(pools) {
                let known_most = known.pools.entry(name).or_default();
                *known_most = most.max(*known_most);
            }
            if let Some(parameters) = item.get("parameters").and_then(Value::as_object) {
                known.parameters.extend(parameters.keys().cloned());
            }
        }
        let pools = known.pools.iter();
        let places =
            pools.flat_map(|(name, most)| (2..=*most).map(move |place| place_in_pool(name, place)));
        let places: Vec<String> = places.collect();
        known.variables.extend(places);
        known
    }

    /// The variables of each pool, the newest first.
    pub(super) fn pools(&self) -> Pools {
        let pools = self.pools.iter();
        pools
            .map(|(name, most)| {
                let places = (1..=*most).map(|place| self.in_pool(name, place));
                places.flatten().collect()
            })
            .collect()
    }

    /// The variable that holds the object at this place of a pool; the newest is at 1.
    pub(super) fn in_pool(&self, name: &str, place: u16) -> Option<VariableId> {
        let index = match place {
            0 | 1 => self.variables.get_index_of(name),
            _ => self.variables.get_index_of(&place_in_pool(name, place)),
        };
        index.map(|index| VariableId(index as u32))
    }

    /// Whether a name has a value somewhere: a constant or an extracted one.
    pub(super) fn is_value(&self, name: &str) -> bool {
        self.constants.contains_key(name) || self.variables.contains(name)
    }

    /// The name with a value that was probably meant. The answer is cached: one misspelling often occurs many times, and there
    /// may be thousands of names.
    pub(super) fn meant(&self, name: &str) -> Option<String> {
        if let Some(meant) = self.meant.borrow().get(name) {
            return meant.clone();
        }
        let names = self.constants.keys().chain(&self.variables);
        let meant = did_you_mean(name, names.map(String::as_str)).map(str::to_owned);
        self.meant
            .borrow_mut()
            .insert(name.to_owned(), meant.clone());
        meant
    }
}

/// The variable that holds the second newest object of a kind, or an older one. No expression can name it.
pub(super) fn place_in_pool(name: &str, place: u16) -> String {
    format!("{name}{SEPARATOR}{}", ordinal(place))
}

/// The name that the spec gives to the newest object of the pool in which this variable is; its own outside any pool.
pub(super) fn newest(variable: &str) -> &str {
    let newest = variable.split_once(SEPARATOR).map(|(newest, _)| newest);
    newest.unwrap_or(variable)
}

/// `2nd newest`
pub(super) fn ordinal(place: u16) -> String {
    let ending = match (place % 10, place % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{place}{ending} newest")
}

/// The pools that a `for_each` names, with how many objects each holds at most.
fn pools(for_each: &Value) -> Vec<(String, u16)> {
    match for_each {
        Value::String(name) => vec![(name.clone(), OBJECTS)],
        Value::Object(pools) => (pools.iter())
            .filter_map(|(name, most)| Some((name.clone(), u16::try_from(most.as_u64()?).ok()?)))
            .collect(),
        _ => Vec::new(),
    }
}

/// Which names an expression may read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope<'s> {
    /// Everything extracted anywhere, constants, and the parameters of the action.
    Path(&'s [String]),
    /// Constants, and what these steps of `setup` have extracted.
    Setup(&'s HashSet<String>),
    /// Constants, and what these steps of the login of a principal have extracted.
    Principal(&'s HashSet<String>),
    /// Constants alone: filled in when the spec is loaded.
    Constants,
}
