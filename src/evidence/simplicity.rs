//! Which of two values is the simpler one: for the values of parametrised actions.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use crate::model::{ActionId, Model, Parameter};

/// The actions that do the same as this one with simpler values, the simplest first. None of them is of another who may not do it:
/// that is another bug.
pub(crate) fn simpler(model: &Model, action: ActionId) -> Vec<ActionId> {
    let this = model.action(action);
    let mut siblings: Vec<ActionId> = model
        .action_ids()
        .filter(|other| {
            let other = model.action(*other);
            other.base_name == this.base_name
                && (other.forbidden.is_none() || other.request.principal == this.request.principal)
                && by_parameters(&other.parameters, &this.parameters) == Ordering::Less
        })
        .collect();
    siblings.sort_by(|a, b| {
        let (a, b) = (model.action(*a), model.action(*b));
        by_parameters(&a.parameters, &b.parameters)
    });
    siblings
}

/// By the first parameter in which they differ.
fn by_parameters(a: &[Parameter], b: &[Parameter]) -> Ordering {
    let values = a.iter().zip(b).map(|((_, a), (_, b))| compare(a, b));
    first_difference(values)
}

/// `null < false < true < numbers < texts < lists < objects`; whole numbers before fractions, small before large, and
/// short before long.
fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => by_size(a, b),
        (Value::String(a), Value::String(b)) => {
            let length = |text: &str| text.chars().count();
            length(a).cmp(&length(b)).then_with(|| a.cmp(b))
        }
        (Value::Array(a), Value::Array(b)) => a.len().cmp(&b.len()).then_with(|| {
            let items = a.iter().zip(b).map(|(a, b)| compare(a, b));
            first_difference(items)
        }),
        (Value::Object(a), Value::Object(b)) => a.len().cmp(&b.len()).then_with(|| {
            let entries = a.iter().zip(b);
            first_difference(entries.map(|((a, x), (b, y))| a.cmp(b).then_with(|| compare(x, y))))
        }),
        _ => rank(a).cmp(&rank(b)),
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

fn by_size(a: &Number, b: &Number) -> Ordering {
    // Every JSON number that can be read is some `f64`, if not exactly that one.
    let (x, y) = (
        a.as_f64().unwrap_or(f64::MAX),
        b.as_f64().unwrap_or(f64::MAX),
    );
    let is_fraction = |number: f64| number.fract() != 0.0;
    is_fraction(x)
        .cmp(&is_fraction(y))
        .then_with(|| x.abs().total_cmp(&y.abs()))
        .then_with(|| y.total_cmp(&x))
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(_) => 2,
        Value::String(_) => 3,
        Value::Array(_) => 4,
        Value::Object(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Action;
    use serde_json::json;

    #[test]
    fn values_are_ordered_from_the_simplest_on() {
        let ordered = json!([
            null, false, true, 0, 1, -1, 2, 100, 0.5, -0.5, 1.5, "", "b", "aa", [], [2], [1, 1], {}, {"a": 1}, {"a": 2}
        ]);
        let ordered = ordered.as_array().unwrap();
        for (position, value) in ordered.iter().enumerate() {
            for (other_position, other) in ordered.iter().enumerate() {
                assert_eq!(
                    compare(value, other),
                    position.cmp(&other_position),
                    "{value} and {other}"
                );
            }
        }
    }

    #[test]
    fn only_siblings_with_simpler_values_are_simpler() {
        let with = |name: &str, value: Value| Action {
            parameters: vec![("n".to_owned(), value)].into(),
            ..Action::named(name)
        };
        let model = Model {
            actions: vec![
                with("refund", json!(100)),
                with("refund", json!(50)),
                with("pay", json!(1)),
                with("refund", json!(0)),
                Action::named("list"),
            ],
            ..Model::default()
        };
        let simpler = |id| -> Vec<u32> {
            simpler(&model, ActionId(id))
                .iter()
                .map(|id| id.0)
                .collect()
        };
        assert_eq!(simpler(0), [3, 1]);
        assert_eq!(simpler(1), [3]);
        assert_eq!(simpler(3), [0_u32; 0]);
        assert_eq!(simpler(2), [0_u32; 0]);
        assert_eq!(simpler(4), [0_u32; 0]);
    }
}
