//! Which stretches are one line of the bill: a line's period covers what it bills and nothing else.

use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::local::Zone;
use serde_json::json;

use super::{always, check, stay, tariff, usage};

const DAY: &str = "2026-03-02";

#[test]
fn a_line_ends_where_what_it_bills_pauses() {
    let by_day = json!({"start_time": "08:00", "end_time": "22:00"});
    for (elements, session, expect) in [
        (
            vec![("parking_time 6 step 3600", by_day.clone())],
            stay(DAY, &["idle 20:00 +10:30"]),
            vec![
                "parking_time[0] 20:00-22:00: 2 x 6 = 12 + 0",
                "parking_time[0] 08:00-10:30: 3 x 6 (used 2.5) = 18 + 0",
                "total 30.00 / 30.00",
            ],
        ),
        (
            vec![("time 3, parking_time 6", always())],
            stay(
                DAY,
                &[
                    "charging 08:00 09:00 1000",
                    "idle 09:00 10:00",
                    "charging 10:00 10:30 1000",
                    "charging 10:30 11:00 1000",
                ],
            ),
            vec![
                "time[0] 08:00-09:00: 1 x 3 = 3 + 0",
                "time[0] 10:00-11:00: 1 x 3 = 3 + 0",
                "parking_time[0] 09:00-10:00: 1 x 6 = 6 + 0",
                "total 12.00 / 12.00",
            ],
        ),
        // In a pause nothing of the energy is left out; where it is free, it is.
        (
            vec![("energy 1", always())],
            stay(DAY, &["charging 08:00 09:00 1000", "idle 09:00 10:00", "charging 10:00 11:00 1000"]),
            vec!["energy[0] 08:00-11:00: 2 x 1 = 2 + 0", "total 2.00 / 2.00"],
        ),
        (
            vec![("energy 1", by_day)],
            stay(DAY, &["charging 21:00 +09:00 12000"]),
            vec![
                "energy[0] 21:00-22:00: 1 x 1 = 1 + 0",
                "energy[0] 08:00-09:00: 1 x 1 = 1 + 0",
                "total 2.00 / 2.00",
            ],
        ),
    ] {
        check(&tariff(&elements), "UTC", &session, &expect);
    }
}

#[test]
fn a_bill_of_many_pauses_stays_short_and_costs_what_it_cost() {
    let tariff = tariff(&[("time 1, parking_time 1", always())]);
    let stretch = |minute: i64| {
        let activity = if minute % 2 == 0 { "charging" } else { "idle" };
        let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        stay(DAY, &[&format!("{activity} {} {}", clock(minute), clock(minute + 1))]).remove(0)
    };
    let session: Vec<_> = (0..600).map(stretch).collect();
    let breakdown = price(&Timeline::single(&tariff), &Zone::UTC, &usage(&session));
    assert_eq!(breakdown.lines.len(), 100);
    assert_eq!(breakdown.unrounded.unwrap().incl_tax.to_string(), "10");
    assert_eq!(breakdown.lines[49].period.unwrap().to, session[598].to, "the last one goes on to the end");
}
