//! One run made of several over the same spec, as the jobs of a CI matrix leave them.
//!
//! The result depends neither on the order of the runs nor on earlier merges: every value is a sum, a union, or chosen by a
//! rule without regard to order. Every merged run stays known as a [`Part`](crate::event::Part).

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

/// Collects runs, and merges those over the same spec.
pub struct Merge {
    kept: Detail,
    groups: Vec<Group>,
}

impl Merge {
    /// A merge without runs. Of each step only what these reports read and the fingerprints of states are kept in memory.
    pub fn new(reports: &Reports) -> Self {
        Self {
            kept: reports.detail().max(Detail::Brief),
            groups: Vec::new(),
        }
    }

    /// Adds the runs of a log.
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

    /// Adds a run.
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
