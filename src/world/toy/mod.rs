//! Toy services: small APIs as pure functions over rows, with known bugs and known numbers of states. Strategies, identity
//! and the rule of repetition are measured and tested against them.
//!
//! [`Booking`](BOOKING), [`Workflow`](WORKFLOW) and the [`traps`] come from the prototype in which the default strategy was
//! chosen; [`Shop`](SHOP) was written afterwards.

mod booking;
mod rows;
mod shop;
#[cfg(test)]
mod tests;
pub mod traps;
mod workflow;
mod world;

use std::sync::Arc;

use indexmap::IndexSet;

use crate::model::{Action, Model, Names, RequestTemplate, VariableId};

pub use booking::BOOKING;
pub use rows::{Answer, Column, Keys, Row, Rows, State, Value};
pub use shop::SHOP;
pub use workflow::WORKFLOW;
pub use world::{Identity, Planted, Remembered, ToyWorld};

/// Those with planted bugs.
pub const ALL: [&Toy; 4] = [&SHOP, &WORKFLOW, &BOOKING, &traps::BULK];

/// A toy service.
#[derive(Debug)]
pub struct Toy {
    /// Its name.
    pub name: &'static str,
    /// Where keys of its rows come from.
    pub keys: Keys,
    /// The columns of each table.
    pub tables: &'static [&'static [Column]],
    /// What a client remembers: for each variable its name, and the table to whose rows it refers.
    pub variables: &'static [(&'static str, usize)],
    /// What can be asked.
    pub requests: &'static [Request],
    /// What is wrong with it.
    pub bugs: &'static [Bug],
}

/// A request to a toy service.
#[derive(Debug)]
pub struct Request {
    /// Its name.
    pub name: &'static str,
    /// The variables whose values it sends.
    pub needs: &'static [usize],
    /// Whether it only reads.
    pub is_safe: bool,
    /// What it does, given the ids that it sends.
    pub run: fn(&mut Rows<'_>, &[i64]) -> Answer,
}

impl Request {
    const fn read(
        name: &'static str,
        needs: &'static [usize],
        run: fn(&mut Rows<'_>, &[i64]) -> Answer,
    ) -> Self {
        Self {
            name,
            needs,
            is_safe: true,
            run,
        }
    }

    const fn write(
        name: &'static str,
        needs: &'static [usize],
        run: fn(&mut Rows<'_>, &[i64]) -> Answer,
    ) -> Self {
        Self {
            name,
            needs,
            is_safe: false,
            run,
        }
    }
}

/// A planted bug.
#[derive(Debug)]
pub struct Bug {
    /// Its name.
    pub name: &'static str,
    /// A shortest path to it: requests, one after the other, with blanks between them.
    pub path: &'static str,
    /// Whether it shows in a state.
    pub shows: fn(&State) -> bool,
}

impl Bug {
    /// Length of a shortest path to it.
    pub fn depth(&self) -> usize {
        self.path.split(' ').count()
    }
}

impl Toy {
    /// The model that is explored.
    pub fn model(&self) -> Model {
        let action = |request: &Request| {
            let method = if request.is_safe { "GET" } else { "POST" };
            let variables = request.needs.iter();
            Action {
                requires: variables.map(|at| VariableId(*at as u32)).collect(),
                request: RequestTemplate {
                    method: method.to_owned(),
                    ..RequestTemplate::get("/")
                },
                ..Action::named(request.name)
            }
        };
        let names = self.variables.iter().map(|(name, _)| (*name).to_owned());
        Model {
            name: self.name.to_owned(),
            actions: self.requests.iter().map(action).collect(),
            names: Arc::new(Names {
                variables: names.collect::<IndexSet<_>>(),
                ..Names::default()
            }),
            // The world's part of the identity says to which rows the context refers.
            identity_variables: vec![false; self.variables.len()],
            ..Model::default()
        }
    }
}
