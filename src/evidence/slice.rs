//! Guesses the steps on which the last step of a path depends, from what the steps read and wrote.
//!
//! A guess costs one trial and is never trusted: it counts only if the shorter path still fails. So it need not consider
//! everything on which a service could depend.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use crate::expr::Template;
use crate::model::{
    Action, ActionId, Cell, FactId, Model, PathStep, Precondition, RowChange, VariableId,
};

/// Paths that hold only the steps on which the last one seems to depend, the shortest guess first.
pub(crate) fn guesses(model: &Model, path: &[PathStep]) -> Vec<Vec<ActionId>> {
    let steps: Vec<Footprint> = path.iter().map(|step| Footprint::of(model, step)).collect();
    let mut guesses: Vec<Vec<ActionId>> = Vec::new();
    for links in [Links::Asked, Links::Rows, Links::Values] {
        let kept = slice(&steps, links);
        let guess: Vec<ActionId> = kept.iter().map(|index| path[*index].action).collect();
        if guess.len() < path.len() && !guesses.contains(&guess) {
            guesses.push(guess);
        }
    }
    // Where no step changed any row there may be no database to see it in.
    let is_blind = steps.iter().all(|step| step.rows.is_empty());
    let effective: Vec<ActionId> = path
        .iter()
        .zip(&steps)
        .enumerate()
        .filter(|(index, (_, step))| {
            index + 1 == path.len() || step.had_effect || (is_blind && step.may_have_had_one)
        })
        .map(|(_, (step, _))| step.action)
        .collect();
    if effective.len() < path.len() && !guesses.contains(&effective) {
        guesses.push(effective);
    }
    guesses
}

/// What makes a step depend on an earlier one. Each holds for those after it as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Links {
    /// It could not be sent without: a value that the earlier one extracted, an action that must have been accepted.
    Asked,
    /// It changed a row that the earlier one had changed.
    Rows,
    /// It changed a row that holds the key of a row which the earlier one had made, or the other way round.
    Values,
}

/// What a step read and left behind.
#[derive(Debug, Default)]
struct Footprint {
    reads: BTreeSet<VariableId>,
    binds: BTreeSet<VariableId>,
    /// Actions that must have been accepted, by what counts them.
    needs: Vec<FactId>,
    counts: Vec<FactId>,
    rows: FxHashSet<(u64, Vec<Cell>)>,
    /// Keys of the rows that it made or changed, as far as they say anything.
    keys: FxHashSet<Cell>,
    /// Every value of those rows.
    values: FxHashSet<Cell>,
    /// The step changed a row, a value or a cookie.
    had_effect: bool,
    /// The step may have changed something that is not observed.
    may_have_had_one: bool,
}

impl Footprint {
    fn of(model: &Model, step: &PathStep) -> Self {
        let action = model.action(step.action);
        let mut footprint = Self {
            reads: reads(model, action),
            counts: action.counts.clone(),
            ..Self::default()
        };
        for precondition in &action.preconditions {
            if let Precondition::Accepted(fact) = precondition {
                footprint.needs.push(*fact);
            }
        }
        let Some(record) = &step.record else {
            footprint.had_effect = true;
            return footprint;
        };
        // In a pool each object moves where one comes or goes.
        let bound = |variables: &mut dyn Iterator<Item = VariableId>| -> Vec<VariableId> {
            let places = variables.map(|variable| model.pools.all_with(variable));
            places.flatten().collect()
        };
        let extracted = record.extracted.iter().map(|(name, _)| name);
        footprint.binds.extend(bound(
            &mut extracted.filter_map(|name| model.names.variable(name)),
        ));
        let response = &record.response;
        if let Some(on_answer) = action.on_answer(response) {
            footprint
                .binds
                .extend(bound(&mut on_answer.clear.iter().copied()));
        }
        if !action.accepts(response) {
            footprint.counts.clear();
        }
        for change in record.rows.rows() {
            footprint.add_row(change);
        }
        let sets_cookie = (record.response.headers.iter())
            .any(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        footprint.had_effect =
            !footprint.rows.is_empty() || !footprint.binds.is_empty() || sets_cookie;
        footprint.may_have_had_one = !action.request.is_safe() && !action.refuses(response);
        footprint
    }

    fn add_row(&mut self, change: &RowChange) {
        self.rows.insert((place(change), change.key.to_vec()));
        self.keys
            .extend(change.key.iter().filter(|cell| is_telling(cell)).cloned());
        for row in [&change.before, &change.after].into_iter().flatten() {
            self.values
                .extend(row.iter().filter(|cell| is_telling(cell)).cloned());
        }
    }

    /// Whether this step depends on an earlier one.
    fn depends_on(&self, earlier: &Self, links: Links) -> bool {
        (links >= Links::Rows && !self.rows.is_disjoint(&earlier.rows))
            || (links >= Links::Values
                && (!self.values.is_disjoint(&earlier.keys)
                    || !self.keys.is_disjoint(&earlier.values)))
    }
}

/// Which table a row lives in.
fn place(change: &RowChange) -> u64 {
    use std::hash::BuildHasher as _;
    rustc_hash::FxBuildHasher.hash_one((&change.table.system, change.table.id))
}

/// Whether a value is likely to refer to something: zero, one and the like are in every table.
fn is_telling(cell: &Cell) -> bool {
    match cell {
        Cell::Integer(number) => *number > 0,
        // PostgreSQL's numbers are texts.
        Cell::Text(text) => {
            text.len() >= 4
                || std::str::from_utf8(text)
                    .is_ok_and(|text| text.parse().is_ok_and(|number: i64| number > 0))
        }
        Cell::Blob(bytes) => bytes.len() >= 4,
        Cell::Null | Cell::Real(_) => false,
    }
}

/// The positions of the steps that the last one depends on, and itself.
fn slice(steps: &[Footprint], links: Links) -> Vec<usize> {
    let Some((last, earlier)) = steps.split_last() else {
        return Vec::new();
    };
    let mut kept = vec![steps.len() - 1];
    let mut variables = last.reads.clone();
    let mut facts = last.needs.clone();
    for (index, step) in earlier.iter().enumerate().rev() {
        let binds = step.binds.intersection(&variables).next().is_some();
        let counts = facts.iter().any(|fact| step.counts.contains(fact));
        if !binds
            && !counts
            && !kept
                .iter()
                .any(|later| steps[*later].depends_on(step, links))
        {
            continue;
        }
        // Whoever bound a value last is who matters; so is whoever ran last.
        variables.retain(|variable| !step.binds.contains(variable));
        facts.retain(|fact| !step.counts.contains(fact));
        variables.extend(&step.reads);
        facts.extend(&step.needs);
        kept.push(index);
    }
    kept.reverse();
    kept
}

/// The variables that a request or a condition of the action reads.
fn reads(model: &Model, action: &Action) -> BTreeSet<VariableId> {
    let templates = action.request.templates();
    let in_request = templates
        .iter()
        .flat_map(|template| Template::requires(template));
    let in_conditions = action
        .preconditions
        .iter()
        .filter_map(|precondition| match precondition {
            Precondition::Holds(condition) => Some(condition.reads()),
            Precondition::Accepted(_) => None,
        })
        .flatten();
    in_request
        .chain(in_conditions)
        .filter_map(|name| action.variable(&model.names, name))
        .chain(action.requires.iter().copied())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{
        Effect, ExtractSource, Extraction, FactRule, Names, OnAnswer, Request, RequestTemplate,
        Response, RowDelta, StepRecord, Table, TableId, TableKind, row_key,
    };

    /// `create` binds `order`, `refund` reads it; `login` must have been accepted before `delete`.
    fn model() -> Model {
        let action = |name: &str, method: &str, path: &str| Action {
            request: RequestTemplate {
                method: method.to_owned(),
                path: Template::parse(path).unwrap(),
                ..RequestTemplate::get("")
            },
            ..Action::named(name)
        };
        Model {
            actions: vec![
                Action {
                    accepted: OnAnswer {
                        extract: vec![Extraction {
                            variable: VariableId(0),
                            name: "order".to_owned(),
                            source: ExtractSource::Header("x".to_owned()),
                            pattern: None,
                            all: false,
                            optional: false,
                            is_link: false,
                        }],
                        clear: Vec::new(),
                    },
                    ..action("create", "POST", "/orders")
                },
                action("refund", "POST", "/orders/{{ order }}/refund"),
                action("list", "GET", "/orders"),
                Action {
                    counts: vec![FactId(0)],
                    ..action("login", "POST", "/login")
                },
                Action {
                    preconditions: vec![Precondition::Accepted(FactId(0))],
                    ..action("delete", "DELETE", "/all")
                },
                action("note", "POST", "/notes"),
            ],
            facts: vec![FactRule {
                action: "login".to_owned(),
                cap: 1,
                counts: Effect::Accepted,
            }],
            names: Arc::new(Names {
                variables: ["order".to_owned()].into(),
                ..Names::default()
            }),
            ..Model::default()
        }
    }

    /// A step that changed these rows: table, key, another value.
    fn step(action: u32, extracted: Option<i64>, rows: &[(u32, i64, i64)]) -> PathStep {
        let changes = rows.iter().map(|(table, key, value)| RowChange {
            table: Arc::new(Table {
                id: TableId(*table),
                system: "db".into(),
                name: format!("t{table}"),
                columns: vec!["id".to_owned(), "other".to_owned()],
                kind: TableKind::Rows,
                observed: true,
                ignored_columns: vec![false, false],
            }),
            key: row_key([Cell::Integer(*key)]),
            before: None,
            after: Some([Cell::Integer(*key), Cell::Integer(*value)].into()),
        });
        PathStep {
            action: ActionId(action),
            record: Some(Arc::new(StepRecord {
                request: Request {
                    method: "POST".to_owned(),
                    target: "/".to_owned(),
                    headers: Vec::new(),
                    body: None,
                },
                response: Response {
                    status: 200,
                    ..Response::default()
                },
                extracted: extracted
                    .map(|id| ("order".to_owned(), id.into()))
                    .into_iter()
                    .collect(),
                extract_failures: Vec::new(),
                rows: RowDelta::new(changes.collect()),
            })),
        }
    }

    fn guessed(path: &[PathStep]) -> Vec<Vec<u32>> {
        guesses(&model(), path)
            .iter()
            .map(|guess| guess.iter().map(|action| action.0).collect())
            .collect()
    }

    #[test]
    fn what_is_left_are_the_steps_whose_values_and_rows_the_last_one_uses() {
        let path = [
            step(0, Some(1), &[(0, 1, 0)]),
            step(2, None, &[]),
            step(0, Some(2), &[(0, 2, 0)]),
            step(5, None, &[(1, 7, 0)]),
            step(1, None, &[(0, 2, 0), (2, 8, 2)]),
            step(2, None, &[]),
            step(1, None, &[(0, 2, 0), (2, 9, 2)]),
        ];
        assert_eq!(
            guessed(&path),
            [vec![0, 1], vec![0, 1, 1], vec![0, 0, 5, 1, 1]]
        );
    }

    #[test]
    fn an_action_that_must_have_run_is_kept_and_so_is_a_row_that_is_referred_to() {
        let path = [
            step(3, None, &[]),
            step(5, None, &[(1, 70, 0)]),
            step(5, None, &[(1, 71, 0)]),
            step(4, None, &[(3, 900, 70)]),
        ];
        assert_eq!(guessed(&path), [vec![3, 4], vec![3, 5, 4], vec![5, 5, 4]]);
    }

    #[test]
    fn where_no_rows_can_be_seen_what_may_have_had_an_effect_is_kept() {
        let path = [step(5, None, &[]), step(2, None, &[]), step(5, None, &[])];
        assert_eq!(guessed(&path), [vec![5], vec![5, 5]]);
    }
}
