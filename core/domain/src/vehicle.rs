//! Vehicles of fleets: by which tokens they are known, and when they must go with how much.

use serde::{Deserialize, Serialize};

use crate::id::{TenantId, TokenUid, VehicleId};
use crate::load::need::Wish;
use crate::time::Timestamp;
use crate::time::local::{TimeOfDay, Weekday, Zone};
use crate::unit::WattHours;

/// The most tokens of a vehicle: a card, a contract certificate, its own address, and their predecessors.
pub const TOKENS_MAX: usize = 16;
/// The most departures in its week: four a day.
pub const DEPARTURES_MAX: usize = 28;
/// A departure is looked for so many days ahead: that of today may be over.
const DAYS_AHEAD: usize = 8;

/// A vehicle of a fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vehicle {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: VehicleId,
    /// For people: a number plate, a line.
    pub name: Box<str>,
    /// Which fleet it belongs to, for people.
    #[serde(default)]
    pub fleet: Option<Box<str>>,
    /// What it shows at a station, in ASCII upper case: its driver's card, its contract, its own address. At most [`TOKENS_MAX`].
    pub tokens: Vec<TokenUid>,
    /// The weight of its priority class, in thousandths.
    #[serde(default)]
    pub weight_permille: Option<u32>,
    /// When it must go, week by week. At most [`DEPARTURES_MAX`].
    #[serde(default)]
    pub schedule: Vec<Departure>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A departure that comes back every week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Departure {
    /// On these days.
    pub weekdays: Vec<Weekday>,
    /// At this time, on the clock of the place where it charges.
    pub at: TimeOfDay,
    /// The energy it needs by then, for the whole session; none: what it takes.
    #[serde(default)]
    pub energy_wh: Option<WattHours>,
}

// === impl Vehicle ===

impl Vehicle {
    /// What its fleet wants of a session that began then, at a place with this clock: the first departure after it.
    #[must_use]
    pub fn wish(&self, started_at: Timestamp, zone: &Zone) -> Wish {
        let next = self.next_departure(started_at, zone);
        Wish {
            departs_at: next.map(|(at, _)| at),
            energy_wh: next.and_then(|(_, departure)| departure.energy_wh),
            weight_permille: self.weight_permille,
        }
    }

    fn next_departure(&self, after: Timestamp, zone: &Zone) -> Option<(Timestamp, &Departure)> {
        let mut day = zone.local(after)?.day;
        for _ in 0..DAYS_AHEAD {
            let weekday = Weekday::from(day.weekday());
            let today = self.schedule.iter().filter(|departure| departure.weekdays.contains(&weekday));
            let at = today.filter_map(|departure| Some((zone.instant(day, departure.at)?, departure)));
            let first = at.filter(|(at, _)| *at > after).min_by_key(|(at, _)| *at);
            if first.is_some() {
                return first;
            }
            day = day.tomorrow().ok()?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLY: &[Weekday] = &[Weekday::Monday, Weekday::Friday];

    fn bus(schedule: &[(&[Weekday], &str, i64)]) -> Vehicle {
        let departure = |(weekdays, at, wh): &(&[Weekday], &str, i64)| Departure {
            weekdays: weekdays.to_vec(),
            at: TimeOfDay::parse(at).unwrap(),
            energy_wh: Some(WattHours(*wh)),
        };
        Vehicle {
            tenant: TenantId::default_tenant(),
            id: VehicleId::new("bus 7").unwrap(),
            name: "Bus 7".into(),
            fleet: None,
            tokens: Vec::new(),
            weight_permille: Some(2_000),
            schedule: schedule.iter().map(departure).collect(),
            updated_at: Timestamp::from_millis(0),
        }
    }

    fn departs(vehicle: &Vehicle, started_at: &str) -> Option<(String, i64)> {
        let zone = Zone::named("Europe/Berlin").unwrap();
        let wish = vehicle.wish(Timestamp::parse(started_at).unwrap(), &zone);
        wish.departs_at.map(|at| (at.to_string(), wish.energy_wh.unwrap().0))
    }

    /// 27 November 2026 is a Friday.
    #[test]
    fn the_next_departure_is_read_from_the_clock_of_the_place() {
        let bus = bus(&[(EARLY, "06:30", 80), (&[Weekday::Friday], "17:00", 30)]);
        let at = |text: &str, wh| Some((text.to_owned(), wh));
        assert_eq!(departs(&bus, "2026-11-26T20:00:00Z"), at("2026-11-27T05:30:00.000Z", 80));
        assert_eq!(departs(&bus, "2026-11-27T05:29:59Z"), at("2026-11-27T05:30:00.000Z", 80));
        assert_eq!(departs(&bus, "2026-11-27T05:30:00Z"), at("2026-11-27T16:00:00.000Z", 30), "it is gone");
        assert_eq!(
            departs(&bus, "2026-11-27T16:00:00Z"),
            at("2026-11-30T05:30:00.000Z", 80),
            "over the weekend"
        );
        assert_eq!(departs(&bus, "2026-07-05T20:00:00Z"), at("2026-07-06T04:30:00.000Z", 80), "summer time");
    }

    #[test]
    fn a_week_later_is_found_and_no_schedule_says_nothing() {
        let once = bus(&[(&[Weekday::Friday], "06:30", 80)]);
        assert_eq!(departs(&once, "2026-11-27T06:00:00Z").unwrap().0, "2026-12-04T05:30:00.000Z");
        let none = bus(&[]);
        let wish = none.wish(Timestamp::from_millis(0), &Zone::UTC);
        assert_eq!((wish.departs_at, wish.weight_permille), (None, Some(2_000)));
        assert_eq!(departs(&bus(&[(&[], "06:30", 80)]), "2026-11-27T06:00:00Z"), None);
    }
}
