//! Says in words why two states of a run are the same or not, from its log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::event::{Event, RowChange, Step};

/// What the log of a run says of its states.
#[derive(Debug, Default)]
pub struct ExplainStates {
    actions: Vec<String>,
    /// The steps that led to each state, in the order of the log.
    arrivals: BTreeMap<u32, Vec<Arrival>>,
}

#[derive(Debug)]
struct Arrival {
    from: u32,
    action: String,
    accepted: bool,
    is_first: bool,
    rows: Vec<RowChange>,
    extracted: Map<String, Value>,
}

/// System, table and key of a row.
type Place = (String, String, String);

/// What a state is made of, as far as a log tells: how rows differ from the initial state, and extracted values.
#[derive(Debug, Default)]
struct Content {
    rows: BTreeMap<Place, RowChange>,
    values: Map<String, Value>,
    /// Names of the actions that were accepted on the path, sorted.
    accepted: Vec<String>,
    path: Vec<String>,
}

impl ExplainStates {
    /// Takes the next entry of the log. A second run in it replaces the first.
    pub fn entry(&mut self, entry: Event) {
        match entry {
            Event::Started(started) => {
                *self = Self {
                    actions: started
                        .actions
                        .into_iter()
                        .map(|action| action.name)
                        .collect(),
                    ..Self::default()
                }
            }
            Event::Step(step) => self.step(*step),
            _ => {}
        }
    }

    fn step(&mut self, step: Step) {
        let action = self
            .actions
            .get(step.action as usize)
            .cloned()
            .unwrap_or_default();
        let (rows, extracted) = step
            .exchange
            .map(|seen| (seen.rows, seen.extracted))
            .unwrap_or_default();
        self.arrivals.entry(step.to).or_default().push(Arrival {
            from: step.from,
            action,
            accepted: (200..300).contains(&step.status),
            is_first: step.new_state,
            rows,
            extracted,
        });
    }

    /// Whether the run has this state.
    pub fn has(&self, state: u32) -> bool {
        state == 0 || self.arrivals.contains_key(&state)
    }

    /// Why two states are the same, or are not.
    pub fn explain(&self, a: u32, b: u32) -> String {
        if a == b { self.one(a) } else { self.two(a, b) }
    }

    /// How one state was reached, and what the ways to it left in other ways.
    fn one(&self, state: u32) -> String {
        let mut text = format!("state {state} is one state\n");
        let content = self.content(state);
        let _ = writeln!(text, "  reached first by {}", path(&content.path));
        let mut shown = BTreeSet::new();
        let others = self.arrivals.get(&state).into_iter().flatten();
        for arrival in others.filter(|arrival| !arrival.is_first && arrival.from != state) {
            let other = self.content(arrival.from).after(arrival);
            if !shown.insert(other.path.clone()) || shown.len() > 5 {
                continue;
            }
            let differences = content.differences(&other);
            let _ = writeln!(
                text,
                "  and by {}: {}",
                path(&other.path),
                differences.in_short()
            );
        }
        text
    }

    fn two(&self, a: u32, b: u32) -> String {
        let (here, there) = (self.content(a), self.content(b));
        let differences = here.differences(&there);
        let mut text = format!("states {a} and {b} are two states\n");
        for (state, content) in [(a, &here), (b, &there)] {
            let _ = writeln!(text, "  {state}: {}", path(&content.path));
        }
        for line in differences.lines(a, b) {
            let _ = writeln!(text, "  {line}");
        }
        if differences.is_empty() {
            let _ = writeln!(
                text,
                "  their rows and values are equal; they differ in what limits and preconditions count:"
            );
            for (state, mine, other) in [(a, &here, &there), (b, &there, &here)] {
                let _ = writeln!(
                    text,
                    "    accepted on the way to {state} only: {}",
                    list(&rest(&mine.accepted, &other.accepted))
                );
            }
        } else if differences.are_ids_only() {
            let _ = writeln!(
                text,
                "  nothing but ids differs: with `identity: canonical` they are one state, unless a table keeps its ids or rows are referred to in another way"
            );
        }
        text
    }

    /// What a state is made of, along the path by which it was reached first.
    fn content(&self, state: u32) -> Content {
        let mut steps = Vec::new();
        let mut at = state;
        while at != 0 {
            let first = (self.arrivals.get(&at)).and_then(|all| all.iter().find(|it| it.is_first));
            let Some(arrival) = first else { break };
            steps.push(arrival);
            at = arrival.from;
        }
        steps
            .iter()
            .rev()
            .fold(Content::default(), |content, step| content.after(step))
    }
}

impl Content {
    fn after(mut self, step: &Arrival) -> Self {
        for change in &step.rows {
            let key: Vec<String> = change.key.iter().map(plain).collect();
            let place = (change.system.clone(), change.table.clone(), key.join(", "));
            let before = match self.rows.remove(&place) {
                Some(known) => known.before,
                None => change.before.clone(),
            };
            if before != change.after {
                self.rows.insert(
                    place,
                    RowChange {
                        before,
                        ..change.clone()
                    },
                );
            }
        }
        for (name, value) in &step.extracted {
            self.values.insert(name.clone(), value.clone());
        }
        if step.accepted {
            self.accepted.push(step.action.clone());
            self.accepted.sort();
        }
        self.path.push(step.action.clone());
        self
    }

    fn differences(&self, other: &Self) -> Differences {
        let mut differences = Differences::default();
        let is_same = |place: &Place, row: &RowChange| {
            (other.rows.get(place)).is_some_and(|it| told(it) == told(row))
        };
        let mut here: Vec<String> = Vec::new();
        let mut there: Vec<String> = Vec::new();
        let mut like_here: Vec<String> = Vec::new();
        let mut like_there: Vec<String> = Vec::new();
        for (place, row) in self.rows.iter().filter(|(place, row)| !is_same(place, row)) {
            here.push(in_words(place, row));
            like_here.push(without_ids(place, row));
        }
        let is_same = |place: &Place, row: &RowChange| {
            (self.rows.get(place)).is_some_and(|it| told(it) == told(row))
        };
        for (place, row) in other
            .rows
            .iter()
            .filter(|(place, row)| !is_same(place, row))
        {
            there.push(in_words(place, row));
            like_there.push(without_ids(place, row));
        }
        like_here.sort();
        like_there.sort();
        differences.rows_alike = like_here == like_there;
        (differences.rows_here, differences.rows_there) = (here, there);
        let names: BTreeSet<&String> = self.values.keys().chain(other.values.keys()).collect();
        for name in names {
            let (mine, its) = (self.values.get(name), other.values.get(name));
            if mine != its {
                let shown =
                    |value: Option<&Value>| value.map_or_else(|| "not there".to_owned(), plain);
                differences
                    .values
                    .push((name.clone(), shown(mine), shown(its)));
            }
        }
        differences
    }
}

/// In what two states differ.
#[derive(Debug, Default)]
struct Differences {
    rows_here: Vec<String>,
    rows_there: Vec<String>,
    /// Whether the rows are equal but for ids.
    rows_alike: bool,
    /// Name, here, there.
    values: Vec<(String, String, String)>,
}

impl Differences {
    fn is_empty(&self) -> bool {
        self.rows_here.is_empty() && self.rows_there.is_empty() && self.values.is_empty()
    }

    fn are_ids_only(&self) -> bool {
        self.rows_alike && self.values.iter().all(|(name, ..)| is_id(name))
    }

    fn lines(&self, a: u32, b: u32) -> Vec<String> {
        let rows = [(a, &self.rows_here), (b, &self.rows_there)];
        let rows = rows.into_iter().flat_map(|(state, rows)| {
            rows.iter()
                .map(move |row| format!("only in {state}: {row}"))
        });
        let values = self.values.iter();
        let values =
            values.map(|(name, here, there)| format!("`{name}`: {here} in {a}, {there} in {b}"));
        rows.chain(values).collect()
    }

    fn in_short(&self) -> String {
        match (self.is_empty(), self.are_ids_only()) {
            (true, _) => "the same rows and values".to_owned(),
            (false, true) => "the same but for ids".to_owned(),
            (false, false) => "the same but for ids and for what tells no states apart".to_owned(),
        }
    }
}

/// What there is of a row now, without columns that tell no states apart.
fn told(row: &RowChange) -> Option<Vec<(&String, &Value)>> {
    let cells = row.after.as_ref()?.iter();
    Some(
        cells
            .filter(|(column, _)| !row.ignored.contains(column))
            .collect(),
    )
}

fn in_words((_, table, key): &Place, row: &RowChange) -> String {
    let Some(cells) = told(row) else {
        return format!("{table}[{key}] deleted");
    };
    let cells: Vec<String> = cells
        .iter()
        .map(|(name, value)| format!("{name} {}", plain(value)))
        .collect();
    format!("{table}[{key}] {}", cells.join(", "))
}

/// The row in words that hold no ids.
fn without_ids((system, table, key): &Place, row: &RowChange) -> String {
    let cells = told(row).unwrap_or_default();
    let cells = cells
        .iter()
        .filter(|(name, value)| !is_id(name) && plain(value) != *key);
    let cells: Vec<String> = cells
        .map(|(name, value)| format!("{name} {}", plain(value)))
        .collect();
    // A row of the initial state is known by its key.
    let key = if row.before.is_some() { key } else { "" };
    format!("{system} {table} {key} {}", cells.join(", "))
}

fn is_id(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("id")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn path(names: &[String]) -> String {
    if names.is_empty() {
        "the initial state".to_owned()
    } else {
        names.join(" -> ")
    }
}

/// Those of `these` that are not among `those`, each as often as it is there more often.
fn rest(these: &[String], those: &[String]) -> Vec<String> {
    let mut those = those.to_vec();
    let mut rest = Vec::new();
    for name in these {
        match those.iter().position(|other| other == name) {
            Some(at) => drop(those.swap_remove(at)),
            None => rest.push(name.clone()),
        }
    }
    rest
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        "nothing".to_owned()
    } else {
        names.join(", ")
    }
}
