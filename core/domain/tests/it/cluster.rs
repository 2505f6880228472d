//! A cluster in virtual time: one seed draws nodes that die, sleep and are cut off, stations that come and go, a database and a table of
//! routes that fail; after every step the promises of reliability.md 7.4 are checked.
//!
//! `SEEDS=10000 SEED=1` chooses how many and from where (`make cluster-simulation`), `SIM_SEED=n` tells the story of one. Every decision is
//! the domain's own (`ringmain_domain::cluster`); the simulation carries them out, and planted faults must be found.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use faults::Planted;
use labels::{OUTCOMES, WANTED};
use promises::Promise;
use world::World;

mod close;
mod connect;
mod desk;
mod faults;
mod labels;
mod node;
mod peers;
mod postgres;
mod promises;
mod redis;
mod scenarios;
mod stations;
mod world;

fn number(name: &str) -> Option<u64> {
    std::env::var_os(name).and_then(|text| text.to_str()?.parse().ok())
}

fn run(seed: u64, planted: Planted) -> World {
    let mut world = World::of(seed, planted);
    world.run_all();
    world
}

/// What one thread or all of them saw.
#[derive(Debug, Default)]
struct Seen {
    tally: BTreeMap<&'static str, u64>,
    failed: BTreeSet<u64>,
}

// === impl Seen ===

impl Seen {
    #[expect(clippy::print_stdout, reason = "a seed that fails must be told before the run ends")]
    fn seed(&mut self, seed: u64) {
        let ran = catch_unwind(AssertUnwindSafe(|| run(seed, Planted::Nothing)));
        let broken = match ran {
            Ok(world) => {
                self.add(Self { tally: world.tally, failed: BTreeSet::new() });
                (!world.broken.is_empty()).then(|| format!("{:?}", world.broken))
            }
            Err(_) => Some("panicked".to_owned()),
        };
        if let Some(broken) = broken {
            println!("seed {seed}: {broken}; its story with SIM_SEED={seed} make cluster-simulation");
            self.failed.insert(seed);
        }
    }

    fn add(&mut self, other: Self) {
        for (name, count) in other.tally {
            *self.tally.entry(name).or_default() += count;
        }
        self.failed.extend(other.failed);
    }
}

/// Every core takes the next seed when it has done one.
#[expect(clippy::print_stdout, reason = "a long run says how far it is")]
fn all_seeds(first: u64, seeds: u64) -> Seen {
    let next = AtomicU64::new(0);
    let worker = || {
        let mut seen = Seen::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= seeds {
                return seen;
            }
            if number > 0 && number.is_multiple_of(1_000) {
                println!("cluster simulation: {number} of {seeds} seeds");
            }
            seen.seed(first + number);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut seen = Seen::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            seen.add(worker.join().unwrap());
        }
    });
    seen
}

#[test]
fn no_seed_breaks_a_promise_of_the_cluster() {
    if let Some(seed) = number("SIM_SEED") {
        let mut world = World::of(seed, Planted::Nothing);
        world.trace = true;
        world.run_all();
        assert!(world.broken.is_empty(), "seed {seed}: {:?}", world.broken);
        return;
    }
    let (first, seeds) = (number("SEED").unwrap_or(1), number("SEEDS").unwrap_or(200));
    let Seen { tally, failed } = all_seeds(first, seeds);
    let wanted: Vec<&str> =
        WANTED.iter().copied().chain(OUTCOMES.iter().map(|outcome| outcome.as_str())).collect();
    let missing: Vec<&&str> = wanted.iter().filter(|label| !tally.contains_key(*label)).collect();
    println!(
        "cluster simulation: {seeds} seeds from {first}, {} with a broken promise {failed:?}, {} of {} labels, {tally:?}",
        failed.len(),
        wanted.len() - missing.len(),
        wanted.len()
    );
    assert!(failed.is_empty(), "their stories with SIM_SEED=<one of {failed:?}>");
    if seeds >= 200 {
        assert!(missing.is_empty(), "{missing:?} never happened: nothing is proven");
        let unlisted: Vec<&&str> = tally.keys().filter(|label| !wanted.contains(*label)).collect();
        assert!(unlisted.is_empty(), "{unlisted:?} are told and not wanted");
    }
}

/// The same seed is the same story, or a failure could not be found again.
#[test]
fn a_seed_is_one_story() {
    let (one, other) = (run(7, Planted::Nothing), run(7, Planted::Nothing));
    assert_eq!(one.tally, other.tally);
    assert_eq!(one.orders.len(), other.orders.len());
}

/// A fault of the protocol is found within so many seeds, as this broken promise.
fn check_found(planted: Planted, promise: Promise, seeds: u64) {
    let mut broken = BTreeSet::new();
    let found = (1..=seeds).any(|seed| {
        broken.extend(run(seed, planted).broken.into_keys());
        broken.contains(&promise)
    });
    assert!(found, "{planted:?}: only {broken:?} broken");
}

#[test]
fn deleting_the_route_unconditionally_is_found() {
    check_found(Planted::DeleteUnconditionally, Promise::RouteFencedByEpoch, 20);
}

#[test]
fn setting_the_route_without_comparing_is_found() {
    check_found(Planted::SetWithoutCompare, Promise::RouteFencedByEpoch, 100);
}

#[test]
fn forwarding_again_after_a_lost_answer_is_found() {
    check_found(Planted::ForwardAfterLost, Promise::OutcomeTellsWhatWasSent, 20);
}

#[test]
fn a_node_that_does_not_fence_itself_is_found() {
    check_found(Planted::NoSelfFence, Promise::OneOwner, 20);
}

#[test]
fn sites_that_outlive_their_lease_are_found() {
    check_found(Planted::SitesOutliveLease, Promise::OneOwner, 50);
}

#[test]
fn renewing_a_lease_that_is_over_is_found() {
    check_found(Planted::RenewWhatIsOver, Promise::OneOwner, 200);
}

#[test]
fn a_second_outcome_that_wins_is_found() {
    check_found(Planted::SecondOutcomeWins, Promise::CommandEndsOnce, 20);
}

#[test]
fn commands_that_nobody_else_ends_are_found() {
    check_found(Planted::NobodyEndsOverdue, Promise::CommandEndsOnce, 20);
}

#[test]
fn deadlines_by_wall_clocks_are_found() {
    check_found(Planted::WallClock, Promise::CommandReachesLiveSocket, 20);
}

#[test]
fn routes_that_nobody_says_again_are_found() {
    check_found(Planted::NoSweep, Promise::RouteComesBack, 20);
}

#[test]
fn a_superseded_socket_that_stays_is_found() {
    check_found(Planted::SweepKeepsOld, Promise::OneCurrentEpoch, 200);
}
