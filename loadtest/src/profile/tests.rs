//! Stacking, validity, recurrence, replacement and the bounds.

use super::*;

const NOON: Utc = Utc(1_772_366_400_000);

fn profile(id: i64, stack_level: i64, purpose: Purpose, limits: &[(i64, i64)]) -> Profile {
    let period = |(start_s, limit_w): &(i64, i64)| Period {
        start_s: *start_s,
        limit_thousandths: Some(limit_w * 1_000),
        phases: None,
    };
    Profile {
        id,
        stack_level,
        purpose,
        kind: Kind::Absolute,
        valid_from: None,
        valid_to: None,
        transaction: None,
        offline_max_s: None,
        schedule: Schedule {
            start: Some(NOON),
            duration_s: None,
            unit: RateUnit::Watts,
            periods: limits.iter().map(period).collect(),
        },
        raw: Value::Null,
    }
}

fn occasion(at: Utc) -> Occasion<'static> {
    Occasion { at, transaction: Some(("T", NOON)), offline_for: None, phases: 3 }
}

fn installed(all: &[(u32, Profile)]) -> Profiles {
    let mut profiles = Profiles::default();
    for (evse, profile) in all {
        profile.check(*evse).unwrap();
        profiles.install(*evse, profile.clone(), false).unwrap();
    }
    profiles
}

fn limit_at(profiles: &Profiles, evse: u32, offset_s: i64) -> Option<u64> {
    profiles.evse_limit(evse, &occasion(NOON.plus_s(offset_s))).map(|limit| limit.0)
}

#[test]
fn the_highest_level_that_speaks_wins_and_the_transaction_beats_the_default() {
    let mut brief = profile(3, 5, Purpose::TxDefault, &[(0, 4_000)]);
    brief.schedule.duration_s = Some(60);
    let mut profiles = installed(&[
        (0, profile(1, 0, Purpose::TxDefault, &[(0, 10_000)])),
        (2, profile(2, 0, Purpose::TxDefault, &[(0, 9_000)])),
        (0, brief),
    ]);
    assert_eq!(limit_at(&profiles, 1, 30), Some(4_000));
    assert_eq!(limit_at(&profiles, 1, 60), Some(10_000));
    assert_eq!(limit_at(&profiles, 2, 60), Some(9_000));
    profiles.install(1, profile(4, 0, Purpose::Tx, &[(0, 20_000), (100, 0)]), true).unwrap();
    assert_eq!(limit_at(&profiles, 1, 30), Some(20_000));
    assert_eq!(limit_at(&profiles, 1, 100), Some(0));
    profiles.end_transaction(1);
    assert_eq!(limit_at(&profiles, 1, 100), Some(10_000));
}

#[test]
fn validity_and_offline_time_end_a_profile() {
    let mut limited = profile(1, 0, Purpose::TxDefault, &[(0, 5_000)]);
    limited.valid_from = Some(NOON.plus_s(10));
    limited.valid_to = Some(NOON.plus_s(20));
    limited.offline_max_s = Some(30);
    let profiles = installed(&[(1, limited)]);
    let limits: Vec<_> = [9, 10, 19, 20].iter().map(|s| limit_at(&profiles, 1, *s)).collect();
    assert_eq!(limits, [None, Some(5_000), Some(5_000), None]);
    let offline = |s| Occasion { offline_for: Some(Duration::from_secs(s)), ..occasion(NOON.plus_s(15)) };
    assert_eq!(profiles.evse_limit(1, &offline(29)), Some(Watts(5_000)));
    assert_eq!(profiles.evse_limit(1, &offline(30)), None);
}

#[test]
fn ampere_limits_count_on_each_phase_of_the_car() {
    let mut amperes = profile(1, 0, Purpose::TxDefault, &[(0, 16)]);
    amperes.schedule.unit = RateUnit::Amperes;
    let profiles = installed(&[(1, amperes)]);
    assert_eq!(limit_at(&profiles, 1, 0), Some(11_040));
    let single = Occasion { phases: 1, ..occasion(NOON) };
    assert_eq!(profiles.evse_limit(1, &single), Some(Watts(3_680)));
}

#[test]
fn a_daily_schedule_comes_back_and_its_changes_are_found() {
    let mut daily = profile(1, 0, Purpose::TxDefault, &[(0, 1_000), (3_600, 2_000)]);
    daily.kind = Kind::Daily;
    daily.schedule.duration_s = Some(7_200);
    let profiles = installed(&[(1, daily)]);
    assert_eq!(limit_at(&profiles, 1, -1), None);
    assert_eq!(limit_at(&profiles, 1, 3 * 86_400 + 3_600), Some(2_000));
    assert_eq!(limit_at(&profiles, 1, 3 * 86_400 + 7_200), None);
    let changes = profiles.changes(NOON.plus_s(60), 2 * 86_400, |_| None);
    assert_eq!(changes, [0, 3_540, 7_140, 86_340, 89_940, 93_540, 172_740]);
}

#[test]
fn a_relative_schedule_starts_with_the_transaction() {
    let mut relative = profile(1, 0, Purpose::TxDefault, &[(0, 1_000), (60, 2_000)]);
    relative.kind = Kind::Relative;
    relative.schedule.start = None;
    let profiles = installed(&[(1, relative)]);
    assert_eq!(limit_at(&profiles, 1, 59), Some(1_000));
    assert_eq!(limit_at(&profiles, 1, 60), Some(2_000));
    assert_eq!(profiles.changes(NOON.plus_s(10), 600, |_| Some(NOON)), [0, 50]);
}

#[test]
fn a_dynamic_limit_is_changed_in_place() {
    let mut dynamic = profile(9, 0, Purpose::TxDefault, &[(0, 1_000)]);
    dynamic.kind = Kind::Dynamic;
    let mut profiles = installed(&[(1, dynamic)]);
    assert!(profiles.update_dynamic(9, 7_000_000));
    assert!(!profiles.update_dynamic(8, 1));
    assert_eq!(limit_at(&profiles, 1, 5), Some(7_000));
}

#[test]
fn what_the_standard_forbids_is_refused() {
    let refusal = |evse, profile: Profile| profile.check(evse).unwrap_err().0;
    assert_eq!(refusal(1, profile(1, 9, Purpose::Tx, &[(0, 1)])), "InvalidStackLevel");
    assert_eq!(refusal(1, profile(1, 0, Purpose::Tx, &[])), "InvalidSchedule");
    assert_eq!(refusal(1, profile(1, 0, Purpose::Tx, &[(1, 1)])), "InvalidSchedule");
    assert_eq!(refusal(1, profile(1, 0, Purpose::Tx, &[(0, 1), (0, 2)])), "InvalidSchedule");
    assert_eq!(refusal(0, profile(1, 0, Purpose::Tx, &[(0, 1)])), "InvalidProfile");
    assert_eq!(refusal(1, profile(1, 0, Purpose::StationMax, &[(0, 1)])), "InvalidProfile");
    let many: Vec<(i64, i64)> = (0..25).map(|n| (n, 1)).collect();
    assert_eq!(refusal(1, profile(1, 0, Purpose::Tx, &many)), "TooManyElements");
    let mut profiles = installed(&[(1, profile(1, 0, Purpose::Tx, &[(0, 1)]))]);
    let other = profile(2, 0, Purpose::Tx, &[(0, 1)]);
    assert_eq!(profiles.install(1, other.clone(), true), Err(Refusal("DuplicateProfile")));
    assert_eq!(profiles.install(1, other, false), Ok(()));
}

#[test]
fn a_full_station_takes_replacements_only() {
    let mut profiles = Profiles::default();
    for n in 0..i64::try_from(PROFILES_MAX).unwrap() {
        let evse = u32::try_from(n).unwrap() + 1;
        profiles.install(evse, profile(n, 0, Purpose::TxDefault, &[(0, 1)]), true).unwrap();
    }
    let one_more = profile(1_000, 1, Purpose::TxDefault, &[(0, 1)]);
    assert_eq!(profiles.install(1, one_more, true), Err(Refusal("TooManyElements")));
    let replacing = profile(1_000, 0, Purpose::TxDefault, &[(0, 2)]);
    assert_eq!(profiles.install(1, replacing, true), Ok(()));
    assert_eq!(limit_at(&profiles, 1, 0), Some(2));
    assert_eq!(profiles.clear(&Selection { evse: Some(1), ..Selection::default() }), 1);
    assert_eq!(profiles.clear(&Selection { ids: vec![1, 2], ..Selection::default() }), 2);
    assert_eq!(profiles.clear(&Selection { ids: vec![1, 2], ..Selection::default() }), 0);
    let levels =
        Selection { stack_level: Some(0), purpose: Some(Purpose::TxDefault), ..Selection::default() };
    assert_eq!(profiles.select(&levels).count(), PROFILES_MAX - 3);
}

#[test]
fn a_composite_is_cut_at_its_bound() {
    let mut daily = profile(1, 0, Purpose::TxDefault, &[(0, 1_000), (3_600, 2_000)]);
    daily.kind = Kind::Daily;
    let profiles = installed(&[(1, daily)]);
    let changes = profiles.changes(NOON, 10_000 * 86_400, |_| None);
    assert_eq!(changes.len(), CHANGES_MAX);
    assert!(changes.is_sorted());
}
