//! Objects of one kind in a script: each has a name of its own, `order_id`, `order_id_2`, so that an older one is at hand when the next is
//! there.

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use crate::model::{Action, Model};

/// The objects that the requests so far have yielded.
#[derive(Debug, Default)]
pub(super) struct Pools {
    /// By the name in the spec, the newest first.
    objects: IndexMap<String, Vec<Object>>,
    /// On which object the request acts that is written: the name in the spec, and its place.
    chosen: Option<(String, usize)>,
}

#[derive(Debug)]
struct Object {
    /// The name in the script.
    name: String,
    /// As it was seen.
    value: Option<Value>,
}

impl Pools {
    /// The next request is that of this action; `None` for one that belongs to no action.
    pub(super) fn act_for(&mut self, model: &Model, action: Option<&Action>) {
        self.chosen = action
            .and_then(|action| action.chosen.as_ref())
            .and_then(|chosen| {
                let places = model.pools.all_with(chosen.variable);
                let place = places.iter().position(|known| *known == chosen.variable)?;
                Some((chosen.name.clone(), place))
            });
    }

    /// The name in the script of what a name of the spec means now, where that is an object of a pool.
    pub(super) fn named(&self, name: &str) -> Option<&str> {
        let object = self.objects.get(name)?.get(self.place(name))?;
        Some(&object.name)
    }

    /// An object was extracted. Returns its name in the script; `None` where the name of the spec is that of no pool.
    pub(super) fn extract(
        &mut self,
        model: &Model,
        name: &str,
        value: Option<&Value>,
        taken: &IndexSet<String>,
    ) -> Option<String> {
        let variable = model.names.variable(name)?;
        if model.pools.all_with(variable).len() < 2 {
            return None;
        }
        let place = self.place(name);
        let objects = self.objects.entry(name.to_owned()).or_default();
        let known = value.and_then(|value| {
            (objects.iter()).position(|object| object.value.as_ref() == Some(value))
        });
        if known == Some(place) {
            return Some(objects[place].name.clone());
        }
        let object = match known {
            Some(known) => objects.remove(known),
            None => Object {
                name: free_name(name, taken),
                value: value.cloned(),
            },
        };
        let name = object.name.clone();
        objects.insert(0, object);
        Some(name)
    }

    /// The object was forgotten.
    pub(super) fn clear(&mut self, name: &str) {
        let place = self.place(name);
        if let Some(objects) = self.objects.get_mut(name)
            && place < objects.len()
        {
            objects.remove(place);
        }
    }

    fn place(&self, name: &str) -> usize {
        match &self.chosen {
            Some((chosen, place)) if chosen == name => *place,
            _ => 0,
        }
    }
}

/// `order_id`, or the first of `order_id_2`, `order_id_3` that is not taken.
fn free_name(name: &str, taken: &IndexSet<String>) -> String {
    let numbered = (2..).map(|number: u64| format!("{name}_{number}"));
    std::iter::once(name.to_owned())
        .chain(numbered)
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| name.to_owned())
}
