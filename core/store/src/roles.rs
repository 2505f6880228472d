//! Who may do what on PostgreSQL: the owner changes the schema, the app role works on it, the read role sees the schema `reporting`.
//!
//! Roles, their passwords and how they log in are the operator's; what they may touch is said here, once, by the owner
//! (`ringmain migrate --grant-app ROLE --grant-read ROLE`), and holds for tables of later releases too.

use crate::engine::param::params;
use crate::engine::{Statement, Tx};
use crate::store::{Store, StoreError};

/// Facts and bill records: added to, read, never changed, whoever has the role.
const FROZEN: [&str; 6] =
    ["events", "transaction_events", "transaction_conflicts", "orphans", "cdrs", "audit_events"];

impl Store {
    /// Lets a role run a node on this schema: rows, not the schema, and facts and bill records only to add and read. Repeating it
    /// changes nothing. To be done by the owner.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: this is no PostgreSQL, there is no such role, or no grant can bound it. Else as [`StoreError`] says.
    pub async fn grant_app(&self, role: &str) -> Result<(), StoreError> {
        self.grant(role, |role, schema| {
            let frozen = FROZEN.join(", ");
            vec![
                // What it was given before, by whomever: here is said what it has, all of it.
                format!("REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role}"),
                format!("REVOKE ALL ON ALL SEQUENCES IN SCHEMA {schema} FROM {role}"),
                format!("REVOKE ALL ON SCHEMA {schema} FROM {role}"),
                format!("GRANT USAGE ON SCHEMA {schema} TO {role}"),
                format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role}"),
                format!("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"),
                format!("REVOKE UPDATE, DELETE ON {frozen} FROM {role}"),
                format!("REVOKE INSERT, UPDATE, DELETE ON refinery_schema_history FROM {role}"),
                format!("GRANT EXECUTE ON FUNCTION prepare_partitions(BIGINT) TO {role}"),
                format!(
                    "ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}"
                ),
                format!("ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT ON SEQUENCES TO {role}"),
            ]
        })
        .await
    }

    /// Lets a role read the views of the schema `reporting`, and nothing else. Repeating it changes nothing. To be done by the owner.
    ///
    /// # Errors
    /// As [`Store::grant_app`].
    pub async fn grant_read(&self, role: &str) -> Result<(), StoreError> {
        self.grant(role, |role, _schema| {
            vec![
                format!("REVOKE ALL ON ALL TABLES IN SCHEMA reporting FROM {role}"),
                format!("REVOKE ALL ON SCHEMA reporting FROM {role}"),
                format!("GRANT USAGE ON SCHEMA reporting TO {role}"),
                format!("GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO {role}"),
                format!("ALTER DEFAULT PRIVILEGES IN SCHEMA reporting GRANT SELECT ON TABLES TO {role}"),
            ]
        })
        .await
    }

    async fn grant(
        &self,
        role: &str,
        texts: impl FnOnce(&str, &str) -> Vec<String> + Send + 'static,
    ) -> Result<(), StoreError> {
        if !self.engine().is_postgres() {
            return Err(StoreError::conflict("the embedded store has no roles"));
        }
        let role = role.to_owned();
        self.engine().write(move |tx| Box::pin(grant(tx, role, texts))).await
    }
}

async fn grant(
    tx: &mut Tx,
    name: String,
    texts: impl FnOnce(&str, &str) -> Vec<String>,
) -> Result<(), StoreError> {
    let find = "SELECT quote_ident(rolname) AS role, quote_ident(current_schema()) AS schema, \
         CASE WHEN (SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('refinery_schema_history')) \
         THEN 1 ELSE 0 END AS ours, CASE WHEN rolsuper OR rolbypassrls OR pg_has_role(rolname, current_user, 'MEMBER') THEN 1 ELSE 0 END AS unbound \
         FROM pg_roles WHERE CAST(rolname AS TEXT) = $1";
    let found = tx.run(Statement::once(find, params![&*name])).await?;
    let row = found.first().ok_or_else(|| StoreError::conflict("there is no such role: create it first"))?;
    if row.int("ours")? == 0 {
        // The server would do nothing, and call it a success.
        return Err(StoreError::conflict("only the owner of the schema can give rights on it"));
    }
    if row.int("unbound")? == 1 {
        let why =
            "the role is a superuser, passes row-level security, or owns the schema: no grant can bound it";
        return Err(StoreError::conflict(why));
    }
    let (role, schema) = (row.text("role")?, row.text("schema")?);
    // On servers before 15 everybody may make tables here. Who may not take that away is told so by the server, not by an error.
    let mut all = vec![format!("REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC")];
    all.extend(texts(role, schema));
    for text in all {
        tx.run(Statement::once(text, Vec::new())).await?;
    }
    // Whatever gave it that: PUBLIC, or a role it is a member of. What it makes could be run by the owner.
    let may = "SELECT CASE WHEN has_schema_privilege(rolname, current_schema(), 'CREATE') THEN 1 ELSE 0 END AS makes \
         FROM pg_roles WHERE CAST(rolname AS TEXT) = $1";
    let may = tx.run(Statement::once(may, params![&*name])).await?;
    if may.first().map_or(Ok(0), |row| row.int("makes"))? == 1 {
        return Err(StoreError::conflict(format!(
            "the role may make tables and functions in the schema {schema}: as whoever owns the schema, REVOKE CREATE ON SCHEMA {schema} \
             FROM PUBLIC, and from the roles it is a member of"
        )));
    }
    Ok(())
}
