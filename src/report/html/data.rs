//! A run as the page reads it: the object of the JSON report, the walk as columns of numbers, and the exchange and rows of
//! each step. What repeats between steps is written once.

use std::collections::{HashMap, HashSet};

use indexmap::IndexSet;
use serde::Serialize;
use serde_json::{Value, json};

use super::super::RunReport;
use super::super::json::run_json;
use crate::event::{Body, Exchange, Step, Violation};

/// Steps that the page can hold; of a longer run it holds the first ones.
const MAX_STEPS: usize = 100_000;

/// Bytes of a body that are kept where not all bodies fit.
const CUT_BODY: usize = 1000;

/// One run as the text of two data blocks. The second is large; the page reads it when the user opens a step.
#[derive(Debug)]
pub(super) struct Encoded {
    /// The spec, the results and the graph.
    pub(super) summary: String,
    /// Requests, answers and rows by step.
    pub(super) exchanges: String,
}

/// What was left out to keep the page small. The page shows these numbers.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Omitted {
    /// Steps behind the last one that the page holds.
    steps: usize,
    /// Steps whose bodies were cut.
    cut: usize,
    /// Steps without bodies.
    bodies: usize,
    /// Steps of which only the state that they led to was kept.
    exchanges: usize,
}

/// Encodes a run. Its exchanges take about `budget` bytes at most, unless the paths of violations alone take more.
pub(super) fn encode(run: &RunReport, budget: usize) -> Result<Encoded, serde_json::Error> {
    let steps = &run.steps[..run.steps.len().min(MAX_STEPS)];
    let walked = walked(run, steps);
    let on_path: HashSet<usize> = walked.iter().flatten().flatten().copied().collect();

    let mut exchanges = Exchanges::of(steps, &on_path, usize::MAX, usize::MAX)?;
    if exchanges.size > budget {
        exchanges = Exchanges::of(steps, &on_path, CUT_BODY, budget)?;
    }
    exchanges.omitted.steps = run.steps.len() - steps.len();

    let mut summary = run_json(run);
    summary["started_at"] = json!(run.started.started_at);
    summary["venomqa"] = json!(run.started.venomqa);
    summary["walked"] = json!(walked);
    summary["walk"] = walk(steps, run.initial.as_deref());
    summary["omitted"] = json!(exchanges.omitted);
    Ok(Encoded {
        summary: summary.to_string(),
        exchanges: exchanges.finish(),
    })
}

/// For each violation, the steps of the walk that its path follows; `None` from the step where the walk took another way.
fn walked(run: &RunReport, steps: &[Step]) -> Vec<Vec<Option<usize>>> {
    let names: HashMap<&str, u32> = (0..)
        .zip(&run.started.actions)
        .map(|(id, action)| (&*action.name, id))
        .collect();
    let mut known: HashMap<(u32, u32), usize> = HashMap::new();
    for (position, step) in steps.iter().enumerate() {
        known.entry((step.from, step.action)).or_insert(position);
    }
    let follow = |violation: &Violation| {
        let mut state = Some(0);
        let mut followed = Vec::new();
        for step in &violation.path {
            let position = state
                .zip(names.get(&*step.action))
                .and_then(|(from, action)| known.get(&(from, *action)).copied());
            state = position.map(|position| steps[position].to);
            followed.push(position);
        }
        followed
    };
    run.summary.violations.iter().map(follow).collect()
}

/// The state that every step led to, as columns, and which oracles were evaluated.
fn walk(steps: &[Step], initial: Option<&str>) -> Value {
    let column = |of: fn(&Step) -> u64| steps.iter().map(of).collect::<Vec<u64>>();
    let mut names: IndexSet<&[String]> = IndexSet::new();
    let mut judged = Vec::new();
    let mut broken = Vec::new();
    let mut fingerprints: Vec<Option<&str>> = vec![initial];
    for step in steps {
        judged.push(names.insert_full(&step.judged).0);
        broken.push(names.insert_full(&step.broken).0);
        let state = step.to as usize;
        // States are numbered as they are found: a number beyond all steps comes from a damaged log.
        if state <= steps.len() {
            if fingerprints.len() <= state {
                fingerprints.resize(state + 1, None);
            }
            fingerprints[state] = Some(&step.fingerprint);
        }
    }
    json!({
        "from": column(|step| step.from.into()),
        "action": column(|step| step.action.into()),
        "to": column(|step| step.to.into()),
        "status": column(|step| step.status.into()),
        "judged": judged,
        "broken": broken,
        "names": names,
        "fingerprints": fingerprints,
    })
}

/// Exchanges for the page: each distinct piece once, and for each step the numbers of its pieces.
#[derive(Default)]
struct Exchanges {
    pieces: IndexSet<String>,
    steps: Vec<Option<String>>,
    size: usize,
    omitted: Omitted,
}

/// How much of a step there is room for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    All,
    NoBodies,
    Nothing,
}

impl Exchanges {
    /// Steps on paths of violations are kept whole. Then come steps that found a state, then all others: with bodies cut to
    /// `cut` bytes until nine tenths of the budget are used, then without bodies, then not at all.
    fn of(
        steps: &[Step],
        on_path: &HashSet<usize>,
        cut: usize,
        budget: usize,
    ) -> Result<Self, serde_json::Error> {
        let mut order: Vec<usize> = (0..steps.len()).collect();
        order.sort_by_key(|position| {
            (
                !on_path.contains(position),
                !steps[*position].new_state,
                *position,
            )
        });
        let mut all = Self {
            steps: vec![None; steps.len()],
            ..Self::default()
        };
        for position in order {
            let Some(exchange) = &steps[position].exchange else {
                continue;
            };
            let path = on_path.contains(&position);
            let room = if path || all.size < budget / 10 * 9 {
                Room::All
            } else if all.size < budget {
                Room::NoBodies
            } else {
                Room::Nothing
            };
            match room {
                Room::All => {}
                Room::NoBodies => all.omitted.bodies += 1,
                Room::Nothing => {
                    all.omitted.exchanges += 1;
                    continue;
                }
            }
            let cut = if path { usize::MAX } else { cut };
            let step = all.step(exchange, cut, room)?;
            all.size += step.len() + 1;
            all.steps[position] = Some(step);
        }
        Ok(all)
    }

    fn step(
        &mut self,
        exchange: &Exchange,
        cut: usize,
        room: Room,
    ) -> Result<String, serde_json::Error> {
        let request = &exchange.request;
        let response = &exchange.response;
        let mut was_cut = false;
        let mut body = |all: &mut Self, body: &Option<Body>| match body {
            None => Ok(json!(null)),
            Some(_) if room != Room::All => Ok(json!(-1)),
            Some(body) => {
                let (text, shorter) = shown(body, cut)?;
                was_cut |= shorter;
                Ok(json!(all.piece(text)))
            }
        };
        let bodies = (body(self, &request.body)?, body(self, &response.body)?);
        self.omitted.cut += usize::from(was_cut);
        let rows = exchange
            .rows
            .iter()
            .map(|row| Ok(self.piece(serde_json::to_string(row)?)))
            .collect::<Result<Vec<_>, serde_json::Error>>()?;
        let milliseconds = response.duration.as_micros() as f64 / 1000.0;
        Ok(json!([
            self.piece(json!(request.method).to_string()),
            self.piece(json!(request.target).to_string()),
            self.piece(serde_json::to_string(&request.headers)?),
            bodies.0,
            response.status,
            self.piece(serde_json::to_string(&response.headers)?),
            bodies.1,
            milliseconds,
            self.piece(serde_json::to_string(&exchange.extracted)?),
            self.piece(serde_json::to_string(&exchange.extract_failures)?),
            rows,
        ])
        .to_string())
    }

    /// The number of a piece.
    fn piece(&mut self, text: String) -> usize {
        let length = text.len();
        let (number, new) = self.pieces.insert_full(text);
        if new {
            self.size += length + 1;
        }
        number
    }

    fn finish(self) -> String {
        let pieces: Vec<String> = self.pieces.into_iter().collect();
        let steps: Vec<&str> = self
            .steps
            .iter()
            .map(|step| step.as_deref().unwrap_or("null"))
            .collect();
        format!(
            "{{\"pieces\":[\n{}\n],\"steps\":[\n{}\n]}}",
            pieces.join(",\n"),
            steps.join(",\n")
        )
    }
}

/// A body as JSON, and whether a part of what was recorded is missing in it.
fn shown(body: &Body, cut: usize) -> Result<(String, bool), serde_json::Error> {
    let whole = serde_json::to_string(body)?;
    if whole.len() <= cut {
        return Ok((whole, false));
    }
    let text = match (&body.json, &body.text) {
        (Some(value), _) => value.to_string(),
        (None, text) => text.clone().unwrap_or_default(),
    };
    let end = (0..=cut.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end))
        .unwrap_or(0);
    let short = Body {
        length: body.length,
        cut: true,
        json: None,
        text: Some(text[..end].to_owned()),
    };
    Ok((serde_json::to_string(&short)?, true))
}
