//! Dynamic profiles: where a station takes updates, a change of a limit is an update of the profile that it has (OCPP 2.1, K28).
//!
//! An update moves the limit and nothing else. So it stands for a grant only while the profile is of the same connection and transaction
//! and ends when the grant does, or somewhat earlier; a renewal installs the profile anew. Never: what a grant is worth (ledger).

use std::collections::BTreeMap;

use actix::prelude::*;
use ringmain_domain::command::{CommandOutcome, ProfileKind, StationCommand};
use ringmain_domain::id::{Epoch, StationId, TransactionId};
use ringmain_domain::load::allocation::Input;
use ringmain_domain::load::ledger::Slot;
use ringmain_domain::load::ledger::account::Grant;
use ringmain_domain::load::tree::Evse;
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::translate::profile::takes_updates;
use serde_json::value::RawValue;

use super::super::Site;
use super::Load;
use super::calls::{ANSWER_S, phases};
use crate::clock;

/// Which stations take updates, and what their EVSEs have.
#[derive(Debug, Default)]
pub(super) struct Dynamic {
    /// The connection over which a station said that it takes them.
    takes: BTreeMap<StationId, Epoch>,
    /// The dynamic profile that each EVSE accepted last; none where nobody knows, or where there is none.
    installed: BTreeMap<Slot, Installed>,
}

/// A dynamic profile at a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installed {
    connection: Epoch,
    transaction: Option<TransactionId>,
    valid_to: Option<Timestamp>,
}

/// How a grant is told to its station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Telling {
    /// By a profile of this kind.
    Install(ProfileKind),
    /// By a new limit for the profile that is there.
    Update,
}

// === impl Dynamic ===

impl Dynamic {
    /// How to tell a grant, and the dynamic profile that the station has if it accepts. A profile that ends less than `early_ms` before
    /// its grant is good enough; one that ends after it would hold when the ledger counts it no more.
    ///
    /// Of two phases none gets updates: a limit without one for L2 and one for L3 may be read as the sum of all (2.1,
    /// `ChargingScheduleUpdateType.limit`).
    pub(super) fn telling(
        &self,
        (slot, evse): (Slot, &Evse),
        grant: &Grant,
        early_ms: i64,
    ) -> (Telling, Option<Installed>) {
        if self.takes.get(&evse.key.station) != Some(&grant.connection) || phases(evse) == Some(2) {
            return (Telling::Install(ProfileKind::Absolute), None);
        }
        let anew = Installed {
            connection: grant.connection,
            transaction: grant.transaction.clone(),
            valid_to: grant.valid_to,
        };
        let ends_well = |there: &&Installed| match (there.valid_to, grant.valid_to) {
            (None, None) => true,
            (Some(end), Some(due)) => end <= due && due.millis_since(end) < early_ms,
            (None, Some(_)) | (Some(_), None) => false,
        };
        let there = self.installed.get(&slot).filter(ends_well);
        match there.filter(|there| Installed { valid_to: grant.valid_to, ..(*there).clone() } == anew) {
            Some(there) => (Telling::Update, Some(there.clone())),
            None => (Telling::Install(ProfileKind::Dynamic), Some(anew)),
        }
    }

    /// Something is on its way to a profile: nobody knows what is there until it is answered.
    pub(super) fn doubt(&mut self, slot: Slot) {
        self.installed.remove(&slot);
    }

    /// A station answered to what it was told. One that refuses an update gets no more of them over this connection.
    pub(super) fn heard(
        &mut self,
        (slot, station): (Slot, &StationId),
        (telling, profile): (&Telling, Option<Installed>),
        outcome: CommandOutcome,
    ) {
        match (outcome, profile) {
            (CommandOutcome::Accepted, Some(profile)) => {
                self.installed.insert(slot, profile);
            }
            (CommandOutcome::Rejected | CommandOutcome::CallError, _) if *telling == Telling::Update => {
                self.takes.remove(station);
            }
            _ => {}
        }
    }
}

impl Site {
    /// A station came: does it take updates? Only one that says so over this connection does.
    pub(super) fn ask_for_dynamic_profiles(&mut self, input: &Input, ctx: &mut Context<Self>) {
        let Load::Managed(managed) = &mut self.load else { return };
        let (station, connection) = match input {
            Input::Joined { station, connection, .. } => (station.clone(), *connection),
            Input::Left { station, connection } => {
                // An old socket may end after the new one said what it takes.
                if managed.dynamic.takes.get(station) == Some(connection) {
                    managed.dynamic.takes.remove(station);
                }
                return;
            }
            _ => return,
        };
        if !managed.of.evses.iter().any(|evse| evse.station == station) {
            return;
        }
        let generation = self.load_generation;
        let answer =
            self.order(&station, StationCommand::AskDynamicProfiles, None, clock::now().plus_secs(ANSWER_S));
        ctx.spawn(answer.into_actor(self).map(move |result, site, _ctx| {
            let Load::Managed(managed) = &mut site.load else { return };
            let payload = result.response.map(String::from).and_then(|text| RawValue::from_string(text).ok());
            let takes = result.outcome == CommandOutcome::Accepted
                && payload.is_some_and(|told| takes_updates(&told));
            let newer = managed.dynamic.takes.get(&station).is_none_or(|known| *known < connection);
            if takes && newer && site.load_generation == generation {
                managed.dynamic.takes.insert(station, connection);
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use ringmain_domain::id::{CircuitId, EvseId, GrantSeq};
    use ringmain_domain::load::ledger::account::GrantState;
    use ringmain_domain::load::tree::{Connection, EvseKey, Line, Output};
    use ringmain_domain::unit::Milliamps;

    use super::*;

    const EARLY_MS: i64 = 300_000;

    /// EVSE 1 of a station, with alternating current on so many lines.
    fn evse(station: &StationId, lines: usize) -> Evse {
        Evse {
            key: EvseKey { station: station.clone(), evse: EvseId(1) },
            circuit: CircuitId::new("grid").unwrap(),
            voltage_v: 230,
            lines: [Line::L1, Line::L2, Line::L3].into_iter().take(lines).collect(),
            connection: Connection::default(),
            output: Output::Ac,
            min_ma: Milliamps(6_000),
            max_ma: Milliamps(32_000),
            step_ma: Milliamps(1_000),
            can_switch_phases: false,
            rated_ma: Milliamps(32_000),
            fallback_ma: Milliamps(0),
        }
    }

    fn grant(connection: i64, transaction: &str, valid_to_s: Option<i64>) -> Grant {
        Grant {
            seq: GrantSeq(1),
            limit: Milliamps(16_000),
            valid_to: valid_to_s.map(|s| Timestamp::default().plus_secs(s)),
            connection: Epoch(connection),
            transaction: Some(TransactionId::new(transaction).unwrap()),
            state: GrantState::Open,
        }
    }

    /// A station that takes updates over connection 7, and accepted a profile for transaction T1 that ends at 900 s.
    fn told(valid_to_s: Option<i64>) -> (Dynamic, StationId) {
        let station = StationId::new("CS-1").unwrap();
        let mut dynamic = Dynamic::default();
        dynamic.takes.insert(station.clone(), Epoch(7));
        let (telling, profile) =
            dynamic.telling((0, &evse(&station, 3)), &grant(7, "T1", valid_to_s), EARLY_MS);
        assert_eq!(telling, Telling::Install(ProfileKind::Dynamic), "there is nothing to update yet");
        dynamic.heard((0, &station), (&telling, profile), CommandOutcome::Accepted);
        (dynamic, station)
    }

    #[test]
    fn an_update_stands_for_a_grant_only_where_the_profile_ends_with_it() {
        let anew = Telling::Install(ProfileKind::Dynamic);
        for (ends, grant, expect) in [
            (Some(900), grant(7, "T1", Some(900)), Telling::Update),
            (Some(900), grant(7, "T1", Some(1_199)), Telling::Update),
            // A renewal, and one that the profile would outlive.
            (Some(900), grant(7, "T1", Some(1_200)), anew.clone()),
            (Some(900), grant(7, "T1", Some(899)), anew.clone()),
            // With and without an end.
            (None, grant(7, "T1", None), Telling::Update),
            (None, grant(7, "T1", Some(900)), anew.clone()),
            (Some(900), grant(7, "T1", None), anew.clone()),
            // Another transaction, another connection.
            (Some(900), grant(7, "T2", Some(900)), anew),
            (Some(900), grant(8, "T1", Some(900)), Telling::Install(ProfileKind::Absolute)),
        ] {
            let (dynamic, station) = told(ends);
            let two = evse(&station, 2);
            assert_eq!(
                dynamic.telling((0, &two), &grant, EARLY_MS).0,
                Telling::Install(ProfileKind::Absolute)
            );
            assert_eq!(
                dynamic.telling((0, &evse(&station, 3)), &grant, EARLY_MS).0,
                expect,
                "{ends:?} {grant:?}"
            );
            assert_ne!(
                dynamic.telling((1, &evse(&station, 3)), &grant, EARLY_MS).0,
                Telling::Update,
                "another EVSE"
            );
        }
    }

    #[test]
    fn an_update_keeps_the_end_that_the_profile_has() {
        let (mut dynamic, station) = told(Some(900));
        for due in [1_000, 1_100, 1_199] {
            let (telling, profile) =
                dynamic.telling((0, &evse(&station, 3)), &grant(7, "T1", Some(due)), EARLY_MS);
            assert_eq!(telling, Telling::Update, "{due}");
            dynamic.doubt(0);
            dynamic.heard((0, &station), (&telling, profile), CommandOutcome::Accepted);
        }
        let (telling, _) = dynamic.telling((0, &evse(&station, 3)), &grant(7, "T1", Some(1_300)), EARLY_MS);
        assert_eq!(telling, Telling::Install(ProfileKind::Dynamic));
    }

    #[test]
    fn what_was_not_accepted_is_installed_anew() {
        for (outcome, expect) in [
            (CommandOutcome::TimeoutUnknown, ProfileKind::Dynamic),
            (CommandOutcome::Offline, ProfileKind::Dynamic),
            (CommandOutcome::Rejected, ProfileKind::Absolute),
            (CommandOutcome::CallError, ProfileKind::Absolute),
        ] {
            let (mut dynamic, station) = told(Some(900));
            let (telling, profile) =
                dynamic.telling((0, &evse(&station, 3)), &grant(7, "T1", Some(1_000)), EARLY_MS);
            dynamic.doubt(0);
            dynamic.heard((0, &station), (&telling, profile), outcome);
            let (telling, _) =
                dynamic.telling((0, &evse(&station, 3)), &grant(7, "T1", Some(1_000)), EARLY_MS);
            assert_eq!(telling, Telling::Install(expect), "{outcome:?}");
        }
    }
}
