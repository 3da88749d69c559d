//! Observation queries: what they find is part of a state's identity.

use std::sync::Arc;

use super::WorldError;
use super::config::SystemConfig;
use super::system::System;
use crate::model::{Context, Digest, RowDelta, SqlQuery, Table};

/// The observation queries of all systems, in the order of the spec.
#[derive(Default)]
pub(super) struct Observations(Vec<Observation>);

struct Observation {
    /// How errors name it.
    owner: String,
    query: SqlQuery,
    /// The tables that it reads; `None` where that cannot be known.
    tables: Option<Vec<Arc<Table>>>,
}

impl Observations {
    /// Those that the spec declares.
    pub(super) fn new(configs: &[SystemConfig]) -> Self {
        let queries = configs
            .iter()
            .flat_map(|config| &config.observation_queries);
        let observations = queries.map(|(name, query)| Observation {
            owner: format!("observation query `{name}`"),
            query: query.clone(),
            tables: None,
        });
        Self(observations.collect())
    }

    /// Prepares every query.
    pub(super) async fn prepare(
        &mut self,
        systems: &mut [Box<dyn System>],
    ) -> Result<(), WorldError> {
        for Observation {
            owner,
            query,
            tables,
        } in &mut self.0
        {
            let prepared = systems[query.system].prepare(query).await;
            *tables = prepared.map_err(|error| error.of_query(owner, query))?;
        }
        Ok(())
    }

    /// A digest of each query's result. A query whose tables and parameters did not change since `before` is not run.
    pub(super) async fn observe(
        &self,
        systems: &mut [Box<dyn System>],
        context: &Context,
        rows: &RowDelta,
        before: Option<(&Context, &[Digest])>,
    ) -> Result<Arc<[Digest]>, WorldError> {
        let mut observed = Vec::with_capacity(self.0.len());
        for (position, observation) in self.0.iter().enumerate() {
            let query = &observation.query;
            let parameters = query.parameter_values(context);
            if let Some((context_before, digests)) = before
                && parameters == query.parameter_values(context_before)
                && observation
                    .tables
                    .as_ref()
                    .is_some_and(|tables| !touches(rows, tables))
            {
                observed.push(digests[position]);
                continue;
            }
            let mut hasher = blake3::Hasher::new();
            if let Some(parameters) = parameters {
                let found = systems[query.system]
                    .query(query, &parameters)
                    .await
                    .map_err(|error| error.of_query(&observation.owner, query))?;
                for row in &found.rows {
                    for value in row {
                        let text = value.to_string();
                        hasher
                            .update(&(text.len() as u64).to_le_bytes())
                            .update(text.as_bytes());
                    }
                    hasher.update(&[0xff]);
                }
            }
            observed.push(Digest::from_hash(&hasher.finalize()));
        }
        Ok(observed.into())
    }
}

fn touches(rows: &RowDelta, tables: &[Arc<Table>]) -> bool {
    rows.changes().iter().any(|change| {
        tables
            .iter()
            .any(|table| table.id == change.table.id && table.system == change.table.system)
    })
}
