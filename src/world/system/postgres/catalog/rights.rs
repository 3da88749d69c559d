//! The rights that the role needs.

use super::super::connections::Connections;
use super::super::sql::quoted;
use super::listing::Listed;
use super::names::qualified;

/// What keeps a run from starting.
#[derive(Debug, Default)]
pub(in super::super) struct Blockers {
    /// Statements that give the role the rights that it lacks.
    pub(in super::super) grants: Vec<String>,
    /// Obstacles that no grant removes, each with its cure.
    pub(in super::super) obstacles: Vec<String>,
}

impl Blockers {
    /// Whether a run can start.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.obstacles.is_empty()
    }

    /// Adds the statement that lets the role create the schema of the journal.
    pub(in super::super) fn create(&mut self, connections: &Connections) {
        self.grants.push(format!(
            "GRANT CREATE ON DATABASE {} TO {};",
            quoted(&connections.database_name),
            quoted(&connections.role)
        ));
    }

    /// Whether the role may watch and write the table. Adds the statements that would allow it.
    pub(super) fn check(&mut self, connections: &Connections, table: &Listed) -> bool {
        let role = quoted(&connections.role);
        let name = qualified(&table.schema, &table.name);
        if !table.rights.schema {
            self.grants.push(format!(
                "GRANT USAGE ON SCHEMA {} TO {role};",
                quoted(&table.schema)
            ));
        }
        if !table.rights.table {
            self.grants.push(if table.kind == b'S' {
                format!("GRANT SELECT, UPDATE ON SEQUENCE {name} TO {role};")
            } else {
                format!("GRANT SELECT, INSERT, DELETE, TRIGGER ON {name} TO {role};")
            });
        }
        if table.filtered {
            self.grants.push(format!("ALTER ROLE {role} BYPASSRLS;"));
        }
        table.rights.all() && !table.filtered
    }
}
