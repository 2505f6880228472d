//! The fake database: its own clock, a sequence, leases, owners of sites, rows of commands. It may be away, slow, or lose its answers.

use std::collections::{BTreeMap, BTreeSet};

use ringmain_domain::cluster::dispatch;
use ringmain_domain::cluster::duplicates::Duplicates;
use ringmain_domain::cluster::lease::{self, LEASE_MS};
use ringmain_domain::cluster::ownership::{self, Owner};
use ringmain_domain::command::CommandOutcome;
use ringmain_domain::id::{Epoch, NodeId};

use super::faults::Planted;
use super::node::Input;
use super::promises::Promise;
use super::world::{At, Event, SITES, World};

/// What a node waits for a connection to a database that is away.
const REFUSED_AFTER_MS: i64 = 1_000;

#[derive(Debug, Clone)]
pub(crate) enum Ask {
    /// When it started, by its wall clock.
    Register(i64),
    Renew,
    /// Bury nodes whose lease is over, end commands that are overdue.
    Tend,
    /// For the socket that is opening.
    NextEpoch(usize),
    Claim(usize),
    /// An order, for the so manieth time.
    Insert(usize, u8),
    End(usize, CommandOutcome),
}

#[derive(Debug, Clone)]
pub(crate) enum Said {
    /// No answer: it was done, or not.
    Failed,
    /// The lease goes on; how late it is there, and who else lives.
    Lease(i64, Vec<Member>),
    /// There is no such lease any more.
    Gone,
    Epoch(Epoch),
    Claimed(bool),
    /// To whom the order was given, its deadline, how it ended.
    Row(NodeId, i64, Option<CommandOutcome>),
    Done,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) id: NodeId,
    pub(crate) node: usize,
    pub(crate) lease_until: i64,
    started_at: i64,
}

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) node: NodeId,
    pub(crate) deadline: i64,
    pub(crate) outcome: Option<CommandOutcome>,
}

#[derive(Debug)]
pub(crate) struct Postgres {
    pub(crate) offset_ms: i64,
    pub(crate) members: BTreeMap<NodeId, Member>,
    pub(crate) owners: Vec<Option<NodeId>>,
    pub(crate) rows: BTreeMap<usize, Row>,
    pub(crate) open: BTreeSet<usize>,
    /// Second sockets that were refused, by station.
    pub(crate) duplicates: BTreeMap<usize, Duplicates>,
    pub(crate) away_until: i64,
    pub(crate) slow_until: i64,
    sequence: i64,
}

impl Postgres {
    pub(crate) fn new(offset_ms: i64) -> Self {
        Self {
            offset_ms,
            members: BTreeMap::new(),
            owners: vec![None; SITES],
            rows: BTreeMap::new(),
            open: BTreeSet::new(),
            duplicates: BTreeMap::new(),
            away_until: 0,
            slow_until: 0,
            sequence: 0,
        }
    }

    fn lease_until(&self, id: NodeId) -> Option<i64> {
        self.members.get(&id).map(|member| member.lease_until)
    }
}

impl World {
    pub(crate) fn reaches_postgres(&self, node: usize) -> bool {
        self.now >= self.postgres.away_until && self.now >= self.cut_postgres_until[node]
    }

    pub(crate) fn ask_postgres(&mut self, node: usize, ask: Ask) {
        let (at, asked_at) = (self.run_of(node), self.boot(node));
        if !self.reaches_postgres(node) {
            let failed = Input::Postgres(asked_at, ask, Said::Failed);
            return self.after(REFUSED_AFTER_MS, Event::Node(at, failed));
        }
        let slow = if self.now < self.postgres.slow_until { self.rng.i64(200..8_000) } else { 0 };
        let travel = self.travel_ms();
        self.after(travel + slow, Event::Postgres(at, asked_at, ask));
    }

    pub(crate) fn at_postgres(&mut self, at: At, asked_at: i64, ask: Ask) {
        let reached = self.reaches_postgres(at.node);
        let mut said = if reached { self.perform(at, &ask) } else { Said::Failed };
        if reached && self.mischief(40) {
            self.count("commit unknown");
            said = Said::Failed;
        }
        let travel = self.travel_ms();
        self.after(travel, Event::Node(at, Input::Postgres(asked_at, ask, said)));
    }

    fn perform(&mut self, at: At, ask: &Ask) -> Said {
        match ask {
            Ask::Register(started_at) => self.register(at, *started_at),
            Ask::Renew => self.renew(at.id),
            Ask::Tend => self.tend(),
            Ask::NextEpoch(_) => {
                self.postgres.sequence += 1;
                Said::Epoch(Epoch(self.postgres.sequence))
            }
            Ask::Claim(site) => Said::Claimed(self.claim(at.id, *site)),
            Ask::Insert(order, _) => self.insert(at.id, *order),
            Ask::End(order, outcome) => {
                self.end(*order, *outcome);
                Said::Done
            }
        }
    }

    fn lease(&self) -> Said {
        Said::Lease(self.database_now(), self.postgres.members.values().copied().collect())
    }

    /// Earlier runs at this address are lost: they cannot live where this one listens.
    fn register(&mut self, at: At, started_at: i64) -> Said {
        let others = self.postgres.members.values();
        let others = others.filter(|member| member.node == at.node && member.id != at.id);
        let earlier = |member: &&Member| {
            lease::is_earlier_run(member.started_at, started_at) || self.planted == Planted::BuryAnyRun
        };
        let (earlier, later): (Vec<&Member>, Vec<&Member>) = others.partition(earlier);
        let (earlier, later): (Vec<NodeId>, usize) =
            (earlier.iter().map(|member| member.id).collect(), later.len());
        if later > 0 {
            self.count("registration of a run that was killed");
        }
        for id in earlier {
            self.count("earlier run buried");
            self.bury(id);
        }
        let lease_until = self.database_now() + LEASE_MS;
        let member = Member { id: at.id, node: at.node, lease_until, started_at };
        self.postgres.members.insert(at.id, member);
        self.lease()
    }

    fn renew(&mut self, id: NodeId) -> Said {
        let (now, until) = (self.database_now(), self.postgres.lease_until(id));
        let may = lease::may_renew(until, now);
        if until.is_some() && !may {
            self.count("renewal of a lease that is over");
        }
        if !may && (self.planted != Planted::RenewWhatIsOver || until.is_none()) {
            return Said::Gone;
        }
        if let Some(member) = self.postgres.members.get_mut(&id) {
            member.lease_until = now + LEASE_MS;
        }
        self.lease()
    }

    fn tend(&mut self) -> Said {
        let now = self.database_now();
        let lost = |member: &&Member| lease::is_over(member.lease_until, now);
        let lost: Vec<NodeId> = self.postgres.members.values().filter(lost).map(|member| member.id).collect();
        for id in lost {
            self.count("lost node buried");
            self.bury(id);
        }
        let overdue = |order: &&usize| dispatch::is_overdue(self.postgres.rows[*order].deadline, now);
        let overdue: Vec<usize> = self.postgres.open.iter().filter(overdue).copied().collect();
        if self.planted == Planted::NobodyEndsOverdue {
            return Said::Done;
        }
        for order in overdue {
            self.count("overdue command ended by any node");
            self.end(order, CommandOutcome::TimeoutUnknown);
        }
        Said::Done
    }

    fn bury(&mut self, id: NodeId) {
        self.tell(|| format!("node {id} is buried"));
        self.postgres.members.remove(&id);
        for owner in self.postgres.owners.iter_mut().filter(|owner| **owner == Some(id)) {
            *owner = None;
        }
        let open = |order: &&usize| self.postgres.rows[*order].node == id;
        let open: Vec<usize> = self.postgres.open.iter().filter(open).copied().collect();
        for order in open {
            self.count("command of a lost node ended");
            self.end(order, CommandOutcome::TimeoutUnknown);
        }
    }

    /// As in one transaction with locked rows.
    fn claim(&mut self, me: NodeId, site: usize) -> bool {
        let now = self.database_now();
        let owner = self.postgres.owners[site];
        let owner = owner.map(|node| Owner { node, lease_until: self.postgres.lease_until(node) });
        let may = ownership::may_claim(owner, me, now);
        if may {
            if owner.is_some_and(|owner| owner.node != me) {
                self.count("site taken from a lost owner");
            }
            self.postgres.owners[site] = Some(me);
        }
        may
    }

    fn insert(&mut self, node: NodeId, order: usize) -> Said {
        let deadline = self.database_now() + self.orders[order].timeout_ms;
        let open = &mut self.postgres.open;
        let row = self.postgres.rows.entry(order).or_insert_with(|| {
            open.insert(order);
            Row { node, deadline, outcome: None }
        });
        Said::Row(row.node, row.deadline, row.outcome)
    }

    /// Written once: whoever comes first.
    fn end(&mut self, order: usize, outcome: CommandOutcome) {
        let Some(row) = self.postgres.rows.get_mut(&order) else { return };
        if let Some(before) = row.outcome {
            if before != outcome {
                self.count("second outcome came too late");
            }
            if self.planted != Planted::SecondOutcomeWins {
                return;
            }
            if before != outcome {
                self.break_promise(Promise::CommandEndsOnce, || {
                    format!("order {order} ended {before:?} and then {outcome:?}")
                });
            }
        }
        if let Some(row) = self.postgres.rows.get_mut(&order) {
            row.outcome = Some(outcome);
        }
        self.postgres.open.remove(&order);
        self.tell(|| format!("order {order} ended {outcome:?}"));
        self.count(outcome.as_str());
        self.check_end(order, outcome);
    }
}
