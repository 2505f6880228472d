//! The running figures of an open session, kept cheaply from message to message. The fold has the last word.

use super::{Session, fold, meter, periods};
use crate::id::{StationId, TenantId};
use crate::segment::{Activity, Segment};
use crate::transaction::TransactionFact;
use crate::unit::WattHours;

impl Session {
    /// A session that its first fact begins, before anything else is known.
    #[must_use]
    pub fn begin(tenant: &TenantId, station: &StationId, fact: &TransactionFact) -> Option<Self> {
        fold(tenant, station, std::slice::from_ref(fact)).map(|folded| folded.session)
    }

    /// The session with one more fact of an open transaction that came in order. Running figures only: the fold has the last word.
    #[must_use]
    pub fn advance(mut self, fact: &TransactionFact) -> Self {
        if fact.aside {
            return self;
        }
        let was_at = self.meter_last_at.unwrap_or(self.started_at);
        let was_wh = self.meter_last_wh;
        self.learn(fact);
        let readings = meter::Readings::of(&[fact]);
        if let Some((at, wh)) = readings.last_register() {
            let gained = was_wh.map_or(0, |before| wh.saturating_sub(before)).max(0);
            self.energy = self.energy.plus(WattHours(gained));
            let elapsed_ms = at.millis_since(was_at).max(0);
            if periods::is_charging(gained, elapsed_ms) {
                self.charging_ms = self.charging_ms.saturating_add(elapsed_ms);
            } else {
                self.parked_ms = self.parked_ms.saturating_add(elapsed_ms);
            }
            self.meter_first_wh = self.meter_first_wh.or(Some(wh));
            if at >= was_at || self.meter_last_wh.is_none() {
                let trembles =
                    was_wh.filter(|before| (0..=meter::TREMBLE_WH).contains(&before.saturating_sub(wh)));
                self.meter_last_wh = Some(trembles.unwrap_or(wh));
                self.meter_last_at = Some(at);
            }
        }
        self
    }

    /// The running figures as stretches, for an estimate of the cost.
    #[must_use]
    pub fn rough_segments(&self) -> Vec<Segment> {
        let turn = self.started_at.plus_millis(self.charging_ms);
        let end = turn.plus_millis(self.parked_ms);
        vec![
            Segment::new(self.started_at, turn, self.energy, Activity::Charging),
            Segment::new(turn, end, WattHours::ZERO, Activity::Idle),
        ]
    }
}
