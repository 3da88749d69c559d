//! Pools: the objects of one kind that a path knows, the newest first.
//!
//! `extract: { order_id: $.id }` remembers one value. Where an action says `for_each: order_id`, the values before it are kept as well,
//! each in a variable of its own, and one variant of the action is made for each.

use std::sync::Arc;

use serde_json::Value;

use super::context::{Context, VariableId};

/// The places of every pool, the newest first: the first is the variable that the spec names. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pools(Arc<[Vec<VariableId>]>);

/// The object of a pool on which a variant of an action acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The name that expressions of the action use.
    pub name: String,
    /// The variable that holds the object.
    pub variable: VariableId,
}

impl FromIterator<Vec<VariableId>> for Pools {
    fn from_iter<I: IntoIterator<Item = Vec<VariableId>>>(pools: I) -> Self {
        Self(pools.into_iter().collect())
    }
}

impl Pools {
    /// All places of the pool in which a variable is; the variable alone where it is in none.
    pub fn all_with(&self, variable: VariableId) -> Vec<VariableId> {
        let mut pools = self.0.iter();
        let pool = pools.find(|pool| pool.contains(&variable));
        pool.map_or_else(|| vec![variable], Clone::clone)
    }

    /// The context after a variable was given a value, or forgotten (`None`).
    ///
    /// A new value of a pool becomes its newest; one that the pool knows becomes its newest again, unless it was found where it is. A
    /// forgotten one leaves no gap.
    #[must_use]
    pub fn set(&self, context: &Context, variable: VariableId, value: Option<Value>) -> Context {
        let place = |pool: &Vec<VariableId>| pool.iter().position(|known| *known == variable);
        let found = self.0.iter().find_map(|pool| Some((pool, place(pool)?)));
        let Some((pool, place)) = found else {
            return context.with(variable, value);
        };
        if context.get(variable) == value.as_ref() {
            return context.clone();
        }
        let mut objects: Vec<Value> = (pool.iter())
            .filter_map(|variable| context.get(*variable).cloned())
            .collect();
        match value {
            Some(value) => {
                objects.retain(|known| *known != value);
                objects.insert(0, value);
            }
            None if place < objects.len() => drop(objects.remove(place)),
            None => {}
        }
        let mut objects = objects.into_iter();
        pool.iter().fold(context.clone(), |context, variable| {
            context.with(*variable, objects.next())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(context: &Context) -> Vec<Option<i64>> {
        let values = context.values().iter();
        values
            .map(|value| value.as_ref().and_then(Value::as_i64))
            .collect()
    }

    #[test]
    fn a_new_object_comes_first_and_a_forgotten_one_leaves_no_gap() {
        let [newest, second, third, other] = [0, 2, 3, 1].map(VariableId);
        let pools: Pools = [vec![newest, second, third]].into_iter().collect();
        let mut context = Context::empty(4);
        let mut set = |variable, value: Option<i64>| {
            context = pools.set(&context, variable, value.map(Value::from));
            ids(&context)
        };
        assert_eq!(set(newest, Some(1)), [Some(1), None, None, None]);
        assert_eq!(set(other, Some(9)), [Some(1), Some(9), None, None]);
        assert_eq!(set(newest, Some(2)), [Some(2), Some(9), Some(1), None]);
        assert_eq!(set(newest, Some(3)), [Some(3), Some(9), Some(2), Some(1)]);
        // There is no fourth place.
        assert_eq!(set(newest, Some(4)), [Some(4), Some(9), Some(3), Some(2)]);
        assert_eq!(set(third, Some(2)), [Some(4), Some(9), Some(3), Some(2)]);
        assert_eq!(set(newest, Some(3)), [Some(3), Some(9), Some(4), Some(2)]);
        assert_eq!(set(second, None), [Some(3), Some(9), Some(2), None]);
        assert_eq!(set(newest, None), [Some(2), Some(9), None, None]);
        assert_eq!(set(third, None), [Some(2), Some(9), None, None]);
        assert_eq!(set(other, None), [Some(2), None, None, None]);
    }
}
