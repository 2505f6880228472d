//! Sites whose limit binds: which groups stand there, and how much of what they want there is.

use std::sync::Arc;

use anyhow::ensure;
use serde::Deserialize;

use super::Plan;
use crate::unit::Watts;
use crate::vehicle::Current;

/// A site with a limit: all stations of the groups whose `site` it is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Managed {
    /// As the groups name it.
    pub site: String,
    /// How much of what all its EVSEs deliver together it may carry, per cent.
    pub limit_percent: u64,
}

/// A station of such a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// OCPP identity.
    pub identity: Arc<str>,
    /// EVSEs, from 1.
    pub evses: u32,
    /// What one EVSE delivers.
    pub power: Watts,
}

// === impl Plan ===

impl Plan {
    /// The stations of a site, one of each group after the other.
    #[must_use]
    pub fn placed_at(&self, site: &str) -> Vec<Placed> {
        let groups = || self.groups.iter().filter(|group| group.site == site);
        let most = groups().map(|group| group.count).max().unwrap_or(0);
        let all = (1..=most).flat_map(|number| {
            groups().filter(move |group| number <= group.count).map(move |group| Placed {
                identity: group.identity(number).into(),
                evses: group.connectors,
                power: Watts(group.power_w),
            })
        });
        all.collect()
    }

    /// A site that is scaled down to nothing stays in the plan, without stations.
    pub(super) fn check_managed(&self) -> anyhow::Result<()> {
        for (place, Managed { site, limit_percent }) in self.managed.iter().enumerate() {
            let named_before = self.managed.iter().take(place).any(|other| other.site == *site);
            ensure!(!named_before, "managed: site {site} is there twice");
            ensure!((1..=100).contains(limit_percent), "managed: {site}: limit_percent: 1 to 100");
            let is_direct = |group: &&super::Group| group.site == *site && group.kind == Current::Dc;
            ensure!(
                !self.groups.iter().any(|group| is_direct(&group)),
                "managed: {site}: its currents are compared line by line, so its groups are of kind ac"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(managed: &str) -> anyhow::Result<Plan> {
        let group = |prefix: &str, count: usize, site: &str, kind: &str| {
            format!(
                "[[group]]\ncount = {count}\nversion = \"1.6\"\nid_prefix = \"{prefix}\"\nsite = \"{site}\"\nkind = \"{kind}\"\n\
                 connectors = 2\npower_w = 11000\nbehaviour = \"idle\"\n"
            )
        };
        let groups = [("A-", 2, "North", "ac"), ("B-", 1, "North", "ac"), ("C-", 1, "East", "dc")];
        let groups = groups.map(|(prefix, count, site, kind)| group(prefix, count, site, kind)).concat();
        Plan::parse(&format!("name = \"x\"\n{groups}\n{managed}"))
    }

    #[test]
    fn the_stations_of_a_site_are_those_of_its_groups_in_turn() {
        let plan = plan("[[managed]]\nsite = \"North\"\nlimit_percent = 40\n").unwrap();
        let placed = plan.placed_at("North");
        let identities: Vec<_> = placed.iter().map(|placed| &*placed.identity).collect();
        assert_eq!(identities, ["A-01", "B-01", "A-02"]);
        assert!(placed.iter().all(|placed| (placed.evses, placed.power) == (2, Watts(11_000))));
        assert!(plan.placed_at("South").is_empty());
    }

    #[test]
    fn mistakes_are_named() {
        let north = "[[managed]]\nsite = \"North\"\nlimit_percent = 40\n";
        for (text, wanted) in [
            ("[[managed]]\nsite = \"North\"\nlimit_percent = 0\n".to_owned(), "limit_percent"),
            ("[[managed]]\nsite = \"North\"\nlimit_percent = 101\n".to_owned(), "limit_percent"),
            (format!("{north}{north}"), "twice"),
            ("[[managed]]\nsite = \"East\"\nlimit_percent = 40\n".to_owned(), "of kind ac"),
            ("[[managed]]\nsite = \"North\"\n".to_owned(), "limit_percent"),
        ] {
            let told = format!("{:#}", plan(&text).unwrap_err());
            assert!(told.contains(wanted), "{told}");
        }
    }
}
