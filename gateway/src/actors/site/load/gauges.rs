//! What SREs see of the load of all sites: how many limits, meters and EVSEs somebody should look at.

use metrics::Gauge;
use ringmain_domain::load::allocation::standing::Strain;
use ringmain_domain::telemetry;
use ringmain_domain::time::Timestamp;

use super::super::Site;
use super::Load;

/// Counted so often, milliseconds.
const EVERY_MS: i64 = 5_000;

/// What a site adds to the gauges of its node; it takes it away when it goes.
#[derive(Debug, Default)]
pub(super) struct Shown {
    strain: Strain,
    at: Option<Timestamp>,
}

// === impl Shown ===

impl Shown {
    fn show(&mut self, strain: Strain) {
        let before = std::mem::replace(&mut self.strain, strain);
        let moved = |gauge: Gauge, before: u32, now: u32| {
            if before != now {
                gauge.increment(f64::from(now) - f64::from(before));
            }
        };
        moved(metrics::gauge!(telemetry::LIMITS_NEAR), before.near, strain.near);
        moved(metrics::gauge!(telemetry::LIMITS_OVER), before.over, strain.over);
        moved(metrics::gauge!(telemetry::METERS_STALE), before.stale, strain.stale);
        moved(metrics::gauge!(telemetry::EVSES_DEAF), before.deaf, strain.deaf);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.show(Strain::default());
    }
}

impl Site {
    pub(super) fn show_strain(&mut self, now: Timestamp) {
        let Load::Managed(managed) = &mut self.load else { return };
        if managed.shown.at.is_some_and(|at| now.millis_since(at) < EVERY_MS) {
            return;
        }
        managed.shown.at = Some(now);
        managed.shown.show(managed.state.strain(now));
    }
}
