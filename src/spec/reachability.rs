//! Finds actions that can never run: cycles of preconditions, and actions that nothing enables.

use std::collections::{HashMap, HashSet};

use super::problems::Problems;
use crate::diagnostic::{Code, Diagnostic, Path};

/// What an action waits for, and what it provides to others.
#[derive(Debug)]
pub(super) struct Dependencies {
    /// Its name, without parameters.
    pub name: String,
    /// Where it is in the document.
    pub at: Path,
    /// Actions that must have run before: their positions in the list, and where the precondition is written.
    pub after: Vec<(usize, Path)>,
    /// Extracted values that the request requires, without those that `setup` extracts or a constant replaces.
    pub needs: Vec<String>,
    /// What it extracts.
    pub extracts: Vec<String>,
    /// Whether `max_calls` is 0.
    pub switched_off: bool,
}

/// Reports cycles, and actions that can never run.
pub(super) fn check(actions: &[Dependencies], problems: &mut Problems) {
    let cyclic = cycles(actions, problems);
    // An action that waits for a cycle, or for a name that nothing extracts, has been reported already.
    let extracted: HashSet<&str> = actions
        .iter()
        .flat_map(|action| action.extracts.iter().map(String::as_str))
        .collect();
    let wanting = runnable(actions, &cyclic, &extracted, false);
    let off = runnable(actions, &cyclic, &extracted, true);
    for (index, action) in actions.iter().enumerate() {
        if cyclic.contains(&index) || off[index] {
            continue;
        }
        let name = &action.name;
        if action.switched_off {
            problems.at_value(
                &action.at.key("max_calls"),
                "",
                Diagnostic::warning(
                    Code::UnreachableAction,
                    format!("`{name}` never runs: `max_calls` is 0"),
                ),
            );
            continue;
        }
        let can_run = if wanting[index] { &off } else { &wanting };
        let message = format!("`{name}` can never run");
        let diagnostic = if wanting[index] {
            Diagnostic::warning(Code::UnreachableAction, message)
        } else {
            Diagnostic::error(Code::UnreachableAction, message)
        };
        explain(actions, index, can_run, diagnostic, problems);
    }
}

fn explain(
    actions: &[Dependencies],
    index: usize,
    can_run: &[bool],
    diagnostic: Diagnostic,
    problems: &mut Problems,
) {
    let action = &actions[index];
    if let Some((other, at)) = action.after.iter().find(|(other, _)| !can_run[*other]) {
        let label = format!("`{}` can never run", actions[*other].name);
        problems.at_value(at, &label, diagnostic);
        return;
    }
    let missing = action.needs.iter().find_map(|name| {
        let extractors: Vec<usize> = (0..actions.len())
            .filter(|other| actions[*other].extracts.contains(name))
            .collect();
        // A name without any extractor has been reported where it is read.
        let is_missing = !extractors.is_empty() && !extractors.iter().any(|other| can_run[*other]);
        is_missing.then_some((name, extractors))
    });
    let Some((name, extractors)) = missing else {
        problems.at_value(&action.at.key("name"), "", diagnostic);
        return;
    };
    let extractors: Vec<&str> = extractors
        .into_iter()
        .map(|other| actions[other].name.as_str())
        .collect();
    let (label, help) = if extractors == [action.name.as_str()] {
        (
            format!("it needs `{name}`, which only it extracts itself"),
            format!("let another action or `setup` extract `{name}` first"),
        )
    } else {
        (
            format!(
                "it needs `{name}`, which is extracted only by `{}`, and that can never run",
                extractors.join("`, `")
            ),
            "make one of those able to run".to_owned(),
        )
    };
    problems.at_value(&action.at.key("name"), &label, diagnostic.help(help));
}

/// Which actions can run at all, given that those in `assumed` can.
fn runnable(
    actions: &[Dependencies],
    assumed: &HashSet<usize>,
    extracted: &HashSet<&str>,
    heed_max_calls: bool,
) -> Vec<bool> {
    let mut waiting: Vec<usize> = vec![0; actions.len()];
    let mut for_action: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut for_value: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, action) in actions.iter().enumerate() {
        let after: HashSet<usize> = action.after.iter().map(|(other, _)| *other).collect();
        let needs: HashSet<&str> = action
            .needs
            .iter()
            .map(String::as_str)
            .filter(|name| extracted.contains(name))
            .collect();
        waiting[index] = after.len() + needs.len();
        for other in after {
            for_action.entry(other).or_default().push(index);
        }
        for name in needs {
            for_value.entry(name).or_default().push(index);
        }
    }
    let mut can_run = vec![false; actions.len()];
    let mut ready: Vec<usize> = (0..actions.len())
        .filter(|index| waiting[*index] == 0 || assumed.contains(index))
        .collect();
    while let Some(index) = ready.pop() {
        if can_run[index] || (heed_max_calls && actions[index].switched_off) {
            continue;
        }
        can_run[index] = true;
        let mut freed = for_action.remove(&index).unwrap_or_default();
        for name in &actions[index].extracts {
            // Removed, so that a second extractor does not free the same action twice.
            freed.extend(for_value.remove(name.as_str()).unwrap_or_default());
        }
        for other in freed {
            waiting[other] -= 1;
            if waiting[other] == 0 {
                ready.push(other);
            }
        }
    }
    can_run
}

/// Reports each cycle of preconditions once. Returns the actions in cycles and those that wait for one.
fn cycles(actions: &[Dependencies], problems: &mut Problems) -> HashSet<usize> {
    // Actions without an unmet precondition are removed until none is left. Each of the others leads into a cycle.
    let mut waiting: Vec<usize> = actions.iter().map(|action| action.after.len()).collect();
    let mut dependents: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, action) in actions.iter().enumerate() {
        for (other, _) in &action.after {
            dependents.entry(*other).or_default().push(index);
        }
    }
    let mut free: Vec<usize> = (0..actions.len()).filter(|i| waiting[*i] == 0).collect();
    while let Some(index) = free.pop() {
        for other in dependents.remove(&index).unwrap_or_default() {
            waiting[other] -= 1;
            if waiting[other] == 0 {
                free.push(other);
            }
        }
    }
    let mut seen: HashSet<usize> = HashSet::new();
    let mut cyclic: HashSet<usize> = HashSet::new();
    for start in 0..actions.len() {
        let mut way: Vec<(usize, &Path)> = Vec::new();
        let mut on_way: HashMap<usize, usize> = HashMap::new();
        let mut current = start;
        while waiting[current] > 0 && seen.insert(current) {
            on_way.insert(current, way.len());
            // Each of them has a precondition that was not removed either.
            let Some((next, at)) = actions[current]
                .after
                .iter()
                .find(|(other, _)| waiting[*other] > 0)
            else {
                break;
            };
            way.push((current, at));
            current = *next;
        }
        if let Some(first) = on_way.get(&current) {
            report(actions, &way[*first..], problems);
            cyclic.extend(way[*first..].iter().map(|(index, _)| *index));
        }
    }
    // Actions that only wait for a cycle are not reported a second time.
    cyclic.extend((0..actions.len()).filter(|index| waiting[*index] > 0));
    cyclic
}

fn report(actions: &[Dependencies], cycle: &[(usize, &Path)], problems: &mut Problems) {
    let Some(((first, at), others)) = cycle.split_first() else {
        return;
    };
    let mut names: Vec<&str> = cycle
        .iter()
        .map(|(index, _)| actions[*index].name.as_str())
        .collect();
    names.push(&actions[*first].name);
    let message = if others.is_empty() {
        format!("`{}` waits for itself", names[0])
    } else {
        format!("these actions wait for each other: {}", names.join(" -> "))
    };
    let mut diagnostic = Diagnostic::error(Code::PreconditionCycle, message)
        .help("none of them can ever run: remove one of these preconditions");
    for (index, at) in others {
        let label = format!("`{}` waits for this", actions[*index].name);
        diagnostic = problems.beside(at, &label, diagnostic);
    }
    let label = format!("`{}` waits for this", actions[*first].name);
    problems.at_value(at, &label, diagnostic);
}
