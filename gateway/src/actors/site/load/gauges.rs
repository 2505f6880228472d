//! What SREs see of the load of all sites: how many limits, meters and EVSEs somebody should look at.

use metrics::Gauge;
use ringmain_domain::load::allocation::standing::Strain;
use ringmain_domain::telemetry;

/// What a site adds to the gauges of its node; it takes it away when it goes.
#[derive(Debug, Default)]
pub(super) struct Shown {
    strain: Strain,
}

// === impl Shown ===

impl Shown {
    pub(super) fn show(&mut self, strain: Strain) {
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
