//! Many stations at once: made from a plan, started at the ramp's pace, told to stop together.
//!
//! One task per station, nothing shared but counters. Stations of a group share what is the same for all of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::behaviour::{Drivers, Habits};
use crate::clock::Clock;
use crate::dial::Dialer;
use crate::password::Passwords;
use crate::plan::{Group, Plan};
use crate::settings::Settings;
use crate::socket::{Life, Stop};
use crate::station::{Make, Station};
use crate::tally::Tally;
use crate::unit::Energy;

/// Beyond the time stations take to wind down, how long their tasks are waited for.
const STRAGGLERS: Duration = Duration::from_secs(5);

/// Opens the connections of the station of this identity.
pub type DialerOf = Box<dyn Fn(&str) -> anyhow::Result<Arc<Dialer>> + Send>;

/// A running crowd.
pub struct Crowd {
    tasks: JoinSet<()>,
    stop: watch::Sender<Stop>,
    patience: Duration,
}

/// What one station is made from.
struct Blueprint {
    make: Arc<Make>,
    habits: Arc<Habits>,
    settings: Settings,
}

// === impl Crowd ===

impl Crowd {
    /// Starts the stations of a plan. They connect one after the other at `ramp_per_s`; told to end, they deliver for
    /// `patience` at most.
    ///
    /// # Errors
    /// A station's certificate cannot be read.
    pub fn start(
        plan: &Plan,
        passwords: &Passwords,
        dialer_of: &DialerOf,
        clock: Clock,
        tally: &Arc<Tally>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let (stop, _) = watch::channel(Stop::Run);
        let mut tasks = JoinSet::new();
        let gap = Duration::from_secs_f64((1.0 / plan.ramp_per_s).min(1e6));
        let mut first_at = clock.now();
        for (identity, blueprint, off_s) in interleaved(plan)? {
            let dialer = dialer_of(&identity)?;
            let seed = seed_of(plan.seed, &identity);
            let settings = Settings { password: passwords.of(&identity), ..blueprint.settings.clone() };
            let own_clock = clock.off_by(off_s);
            let station = Station::new(
                identity.into(),
                Arc::clone(&blueprint.make),
                settings,
                meter_start(seed),
                own_clock,
                Arc::clone(tally),
            );
            let drivers = Drivers::new(Arc::clone(&blueprint.habits), seed, blueprint.make.evses);
            let life = Life::new(station, drivers, dialer, clock, Arc::clone(tally)).with_patience(patience);
            let told = stop.subscribe();
            let wake = clock.instant(first_at);
            first_at = first_at.plus(gap);
            tasks.spawn(start_later(life, wake, told));
        }
        Ok(Self { tasks, stop, patience })
    }

    /// Tells the stations how to go on.
    pub fn tell(&self, stop: Stop) {
        self.stop.send_replace(stop);
    }

    /// Another hand on what the stations are told, for while they are waited for.
    #[must_use]
    pub fn hurry(&self) -> watch::Sender<Stop> {
        self.stop.clone()
    }

    /// Waits until every station has left; those that do not in time are ended. Returns how many had to be.
    pub async fn gone(mut self) -> usize {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.patience + STRAGGLERS, all).await.is_ok() {
            return 0;
        }
        self.tell(Stop::Now);
        let stuck = self.tasks.len();
        self.tasks.shutdown().await;
        stuck
    }
}

async fn start_later(life: Life, wake: tokio::time::Instant, mut told: watch::Receiver<Stop>) {
    tokio::select! {
        () = tokio::time::sleep_until(wake) => {}
        // Stopped before its turn: it never connects.
        _ = told.wait_for(|order| *order != Stop::Run) => return,
    }
    life.run(told).await;
}

/// The stations in the order they connect: one of each group after the other, so that a ramp is mixed.
/// Each with what its clock is off by, s.
fn interleaved(plan: &Plan) -> anyhow::Result<Vec<(String, Arc<Blueprint>, i64)>> {
    let mut groups: Vec<(&Group, Arc<Blueprint>)> = Vec::new();
    for group in &plan.groups {
        let blueprint =
            Blueprint { make: Arc::new(group.make()?), habits: group.habits(), settings: group.settings() };
        groups.push((group, Arc::new(blueprint)));
    }
    let most = plan.groups.iter().map(|group| group.count).max().unwrap_or(0);
    let mut stations = Vec::with_capacity(plan.stations());
    for number in 1..=most {
        for (group, blueprint) in groups.iter().filter(|(group, _)| number <= group.count) {
            stations.push((group.identity(number), Arc::clone(blueprint), group.clock_off_s(number)));
        }
    }
    Ok(stations)
}

/// A seed per station that depends on nothing but the plan's seed and the identity (FNV-1a).
#[must_use]
pub fn seed_of(seed: u64, identity: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    identity.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What the meters of a station show at first: some years of use, different everywhere.
#[must_use]
pub fn meter_start(seed: u64) -> Energy {
    Energy::from_wh(100_000 + seed % 50_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_connect_in_turn() {
        let group = |prefix: &str, count: usize| {
            format!(
                "[[group]]\ncount = {count}\nversion = \"1.6\"\nid_prefix = \"{prefix}\"\nsite = \"s\"\nkind = \"ac\"\n\
                 connectors = 1\npower_w = 11000\nbehaviour = \"idle\"\n"
            )
        };
        let plan = Plan::parse(&format!("name = \"x\"\n{}{}", group("A-", 3), group("B-", 1))).unwrap();
        let order: Vec<String> =
            interleaved(&plan).unwrap().into_iter().map(|(identity, ..)| identity).collect();
        assert_eq!(order, ["A-01", "B-01", "A-02", "A-03"]);
    }

    #[test]
    fn clocks_are_dealt_in_turn() {
        let group = "[[group]]\ncount = 3\nversion = \"1.6\"\nid_prefix = \"A-\"\nsite = \"s\"\nkind = \"ac\"\n\
                     connectors = 1\npower_w = 11000\nbehaviour = \"idle\"\n";
        let mut plan = Plan::parse(&format!("name = \"x\"\n{group}")).unwrap();
        let offs =
            |plan: &Plan| interleaved(plan).unwrap().into_iter().map(|(.., off_s)| off_s).collect::<Vec<_>>();
        assert_eq!(offs(&plan), [0, 0, 0]);
        plan.set_clocks(&[600, -600]);
        assert_eq!(offs(&plan), [600, -600, 600]);
    }

    #[test]
    fn seeds_differ_by_station_and_plan() {
        assert_eq!(seed_of(1, "A"), seed_of(1, "A"));
        assert_ne!(seed_of(1, "A"), seed_of(1, "B"));
        assert_ne!(seed_of(1, "A"), seed_of(2, "A"));
        assert_ne!(meter_start(seed_of(1, "A")), meter_start(seed_of(1, "B")));
    }
}
