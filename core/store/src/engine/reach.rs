//! Whose rows a statement reaches on PostgreSQL: the second wall between tenants, behind the `tenant = $1` of every query.
//!
//! The tenants among a statement's parameters are all it reaches; the database hides the rest (`V0019__walls`). A query that forgets
//! its tenant finds nothing instead of everything. What the house does for all tenants goes through a door that names itself:
//! [`Statement::across`].

use std::collections::BTreeSet;

use crate::engine::Statement;
use crate::engine::param::Param;

/// Neither stands in an id: between tenants, and alone, for all of them.
const BETWEEN: &str = "\u{1f}";
const ALL: &str = "\u{1f}";

/// For as long as the connection has its taker.
pub(crate) const FOR_CONNECTION: &str = "SELECT set_config('ringmain.tenants', $1, FALSE)";
/// For as long as the transaction goes on.
pub(crate) const FOR_TRANSACTION: &str = "SELECT set_config('ringmain.tenants', $1, TRUE)";

/// The tenants that are reached.
#[derive(Debug, Default)]
pub(crate) struct Reach(BTreeSet<String>);

// === impl Reach ===

impl Reach {
    /// Adds the tenants of statements; `false`: they were all there.
    pub(crate) fn widen(&mut self, statements: &[Statement]) -> bool {
        let before = self.0.len();
        statements.iter().for_each(|statement| self.add(statement));
        self.0.len() > before
    }

    fn add(&mut self, statement: &Statement) {
        let params = match statement {
            Statement::Once { params, .. } => std::slice::from_ref(params),
            Statement::Each { rows, .. } => rows.as_slice(),
            Statement::Across(inner) => return self.add(inner),
        };
        for param in params.iter().flatten() {
            if let Param::Tenant(tenant) = param
                && !self.0.contains(tenant)
            {
                self.0.insert(tenant.clone());
            }
        }
    }

    /// As the database is told it.
    pub(crate) fn setting(&self, is_across: bool) -> Vec<Param> {
        let tenants = || self.0.iter().map(String::as_str).collect::<Vec<_>>().join(BETWEEN);
        vec![Param::Text(if is_across { ALL.to_owned() } else { tenants() })]
    }
}

#[cfg(test)]
mod tests {
    use ringmain_domain::id::TenantId;

    use super::*;
    use crate::engine::param::params;

    #[test]
    fn only_tenants_among_the_parameters_are_reached() {
        let (a, b) = (TenantId::new("a").unwrap(), TenantId::new("b").unwrap());
        let mut reach = Reach::default();
        assert!(!reach.widen(&[Statement::once("SELECT 1", params!["a", 1_i64])]));
        assert_eq!(reach.setting(false), [Param::Text(String::new())]);
        assert!(reach.widen(&[Statement::once("SELECT 1", params![&b]).across()]));
        assert!(reach.widen(&[Statement::once("SELECT 1", params![&a, &b])]));
        assert!(!reach.widen(&[Statement::once("SELECT 1", params![&a])]));
        assert_eq!(reach.setting(false), [Param::Text("a\u{1f}b".to_owned())]);
        assert_eq!(reach.setting(true), [Param::Text("\u{1f}".to_owned())]);
    }
}
