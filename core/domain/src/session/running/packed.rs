//! Stretches as an open session stores them: with every message, so they are short. Each begins where the one before ends.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::segment::{Activity, Segment, Span};
use crate::session::periods::mean_power;
use crate::time::Timestamp;
use crate::unit::WattHours;

/// Milliseconds, Wh, does it charge, W where they are not the mean, mA.
type Row = (i64, i64, bool, Option<(i64, i64)>, Option<(i64, i64)>);

pub(super) fn serialize<S: Serializer>(stretches: &[Segment], serializer: S) -> Result<S::Ok, S::Error> {
    let pair = |span: Span| (span.min, span.max);
    let row = |stretch: &Segment| -> Row {
        let mean = mean_power(stretch.energy.0, stretch.millis());
        let power = stretch.power_w.filter(|_| stretch.power_w != mean);
        let charging = stretch.activity == Activity::Charging;
        (stretch.millis(), stretch.energy.0, charging, power.map(pair), stretch.current_ma.map(pair))
    };
    let from = stretches.first().map(|first| first.from);
    (from, stretches.iter().map(row).collect::<Vec<_>>()).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Segment>, D::Error> {
    let (from, rows) = <(Option<Timestamp>, Vec<Row>)>::deserialize(deserializer)?;
    let mut from = from.unwrap_or_default();
    let span = |(min, max): (i64, i64)| Span { min, max };
    let stretch = |(ms, wh, charging, power, current): Row| {
        let activity = if charging { Activity::Charging } else { Activity::Idle };
        let mut stretch = Segment::new(from, from.plus_millis(ms), WattHours(wh), activity);
        stretch.power_w = power.map(span).or_else(|| mean_power(wh, ms));
        stretch.current_ma = current.map(span);
        from = stretch.to;
        stretch
    };
    Ok(rows.into_iter().map(stretch).collect())
}
