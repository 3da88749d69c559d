//! One run made of several over the same spec, as the jobs of a CI matrix leave them.
//!
//! What comes out depends neither on the order in which runs are merged nor on what was merged before: everything is
//! added up, united or chosen by a rule that does not care, and every run that went in stays known as a [`Part`](crate::event::Part).

mod group;
mod stop;
#[cfg(test)]
mod tests;
mod union;

use std::io::BufRead;

use super::log::{self, LogError};
use super::run_builder::RunBuilder;
use super::{Reports, RunReport};
use crate::event::{Detail, Event};
use group::Group;

/// Collects runs, and makes one of all that are over the same spec.
pub struct Merge {
    kept: Detail,
    groups: Vec<Group>,
}

impl Merge {
    /// Nothing yet. Of steps only that is kept in memory what these reports ask for, and what tells states apart.
    pub fn new(reports: &Reports) -> Self {
        Self {
            kept: reports.detail().max(Detail::Brief),
            groups: Vec::new(),
        }
    }

    /// Takes the runs of a log in.
    pub fn read(&mut self, name: &str, reader: impl BufRead) -> Result<(), LogError> {
        let mut builder: Option<RunBuilder> = None;
        log::read(name, reader, |entry| match (entry, &mut builder) {
            (Event::Started(started), builder) => {
                let next = RunBuilder::new(*started, self.kept);
                if let Some(over) = builder.replace(next) {
                    self.add(over.into_report());
                }
            }
            (entry, Some(builder)) => builder.add(entry),
            // The reader refuses a log that begins with anything else.
            (_, None) => {}
        })?;
        if let Some(over) = builder {
            self.add(over.into_report());
        }
        Ok(())
    }

    /// Takes a run in.
    pub fn add(&mut self, run: RunReport) {
        match self.groups.iter_mut().find(|group| group.takes(&run)) {
            Some(group) => group.add(run),
            None => self.groups.push(Group::new(run)),
        }
    }

    /// One run for each spec, by name. A run that is the only one over its spec stays as it was.
    pub fn into_runs(self) -> Vec<RunReport> {
        let mut runs: Vec<RunReport> = self.groups.into_iter().map(Group::into_report).collect();
        runs.sort_by(|one, other| {
            let key = |run: &RunReport| {
                let names: Vec<String> = group::names(run).map(str::to_owned).collect();
                (run.started.spec.name.clone(), names)
            };
            key(one).cmp(&key(other))
        });
        runs
    }
}
