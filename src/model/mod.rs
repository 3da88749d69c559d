//! What is explored: pure values. No I/O, nothing async, no printing.
//!
//! A [`Model`] is what `spec` lowers a document to. [`Action`]s and [`Invariant`]s refer to each other by number; every
//! template, condition, JSONPath and regular expression in them is compiled.

mod action;
mod any_order;
mod as_expected;
mod body;
mod context;
mod delta;
mod differences;
mod ensure;
mod exchange;
mod expectation;
mod facts;
mod found;
mod invariant;
pub(crate) mod json;
mod net_delta;
mod pool;
mod principal;
mod regression;
mod reproduction;
mod request;
mod retry;
mod situation;
mod sql_query;
mod value;
mod violation;

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

pub use action::{
    Action, ActionId, ExpectedResponse, ExtractSource, Extraction, OnAnswer, Precondition,
    StatusPattern, SwitchedOff, brief,
};
pub use body::{Body, NoJson};
pub use context::{Context, VariableId};
pub use delta::{Digest, RowChange, RowDelta, RowKey, Table, TableId, TableKind, row_key};
pub use differences::Differences;
pub use ensure::{AllowedChanges, Counts, Ensure, Ensured, WrongChanges};
pub use exchange::{NoAnswer, Request, Response, StepRecord};
pub use expectation::{Assertion, Expectation};
pub use facts::{Effect, FactId, FactRule, Facts};
pub use invariant::{Invariant, InvariantId, Severity, Subject};
pub use net_delta::NetDelta;
pub use pool::{Chosen, Pools};
pub use principal::{Forbidden, PrincipalId};
pub use regression::Regression;
pub use reproduction::{OracleName, Origin, Reproduction, SeenRow, SeenStep};
pub use request::{BodyTemplate, Bytes, Operation, Parameter, Part, PartContent, RequestTemplate};
pub use retry::Retry;
pub use situation::Situation;
pub use sql_query::{SqlOrigin, SqlParameter, SqlQuery};
pub use value::{Cell, Row};
pub use violation::{Evidence, Finding, OracleId, PathStep};

pub(crate) use as_expected::WrongBody;
pub(crate) use found::{Failure, Found, Reference, Source, one_line, values_of};

use crate::expr::{Condition, Draws, Lookup};

/// The graph to be explored, in its compiled form: what can be done, what must hold, what is remembered.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Name of the spec.
    pub name: String,
    /// Everything that can be done.
    pub actions: Vec<Action>,
    /// Everything the user says must hold.
    pub invariants: Vec<Invariant>,
    /// Names that templates and conditions can read.
    pub names: Arc<Names>,
    /// For each variable, whether its value is part of a state's identity.
    pub identity_variables: Vec<bool>,
    /// The variables that hold the objects of one kind.
    pub pools: Pools,
    /// What guards count.
    pub facts: Vec<FactRule>,
    /// How many systems are declared.
    pub systems: usize,
    /// For each call of `counter()` the request that it stands in, by the name of its place.
    pub counters: Vec<String>,
}

/// Names that templates, conditions and SQL parameters can read.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// `variables:` of the spec.
    pub constants: IndexMap<String, Value>,
    /// Names of the context variables, by [`VariableId`].
    pub variables: indexmap::IndexSet<String>,
}

impl Names {
    /// The variable of that name.
    pub fn variable(&self, name: &str) -> Option<VariableId> {
        self.variables
            .get_index_of(name)
            .map(|index| VariableId(index as u32))
    }
}

/// The values that an expression sees at one state: parameters of the action, then the context, then constants.
#[derive(Clone, Debug)]
pub struct Bindings {
    /// Names and constants.
    pub names: Arc<Names>,
    /// Values bound on the path.
    pub context: Context,
    /// Parameters of the action, if it is one.
    pub parameters: Arc<Vec<Parameter>>,
    /// On which object of a pool the action acts.
    pub chosen: Option<Chosen>,
    /// What makes values up, for a request.
    pub draws: Option<Arc<Draws>>,
    /// How often the request had an effect before on this path.
    pub turn: u32,
}

impl Bindings {
    /// The variable that a name means.
    fn variable(&self, name: &str) -> Option<VariableId> {
        match &self.chosen {
            Some(chosen) if chosen.name == name => Some(chosen.variable),
            _ => self.names.variable(name),
        }
    }
}

impl Lookup for Bindings {
    fn lookup(&self, name: &str) -> Option<&Value> {
        self.parameters
            .iter()
            .find(|(parameter, _)| parameter == name)
            .map(|(_, value)| value)
            .or_else(|| self.context.get(self.variable(name)?))
            .or_else(|| self.names.constants.get(name))
    }

    fn draws(&self) -> Option<&Arc<Draws>> {
        self.draws.as_ref()
    }

    fn is_constant(&self, name: &str) -> bool {
        let is_parameter = self
            .parameters
            .iter()
            .any(|(parameter, _)| parameter == name);
        is_parameter
            || self
                .variable(name)
                .is_none_or(|variable| self.context.get(variable).is_none())
    }
}

impl Model {
    /// The action with this number.
    pub fn action(&self, id: ActionId) -> &Action {
        &self.actions[id.0 as usize]
    }

    /// All action numbers, in the order of the spec.
    pub fn action_ids(&self) -> impl Iterator<Item = ActionId> + use<> {
        (0..self.actions.len() as u32).map(ActionId)
    }

    /// The variables that a precondition reads.
    pub fn guarding_variables(&self) -> impl Iterator<Item = VariableId> {
        self.in_conditions(Condition::reads)
    }

    /// The variables of which a precondition reads more than whether they are defined.
    pub fn compared_variables(&self) -> impl Iterator<Item = VariableId> {
        self.in_conditions(Condition::compares)
    }

    fn in_conditions(
        &self,
        names: fn(&Condition) -> &[String],
    ) -> impl Iterator<Item = VariableId> {
        self.actions.iter().flat_map(move |action| {
            let holds = action.preconditions.iter().filter_map(|it| match it {
                Precondition::Holds(condition) => Some(condition),
                Precondition::Accepted(_) => None,
            });
            let named = holds.flat_map(names);
            named.filter_map(|name| action.variable(&self.names, name))
        })
    }

    /// What expressions see in this context, outside any action.
    pub fn bindings(&self, context: &Context) -> Bindings {
        Bindings {
            names: self.names.clone(),
            context: context.clone(),
            parameters: Arc::default(),
            chosen: None,
            draws: None,
            turn: 0,
        }
    }

    /// What the expressions of an action see in this context.
    pub fn action_bindings(&self, action: ActionId, context: &Context) -> Bindings {
        let action = self.action(action);
        Bindings {
            parameters: action.parameters.clone(),
            chosen: action.chosen.clone(),
            ..self.bindings(context)
        }
    }
}
