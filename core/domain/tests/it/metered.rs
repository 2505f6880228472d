//! What a meter signed against what is billed, and places that bill nothing else.

use ringmain_domain::id::{TariffId, TenantId};
use ringmain_domain::meter::{SignatureVerdict, SignedValue};
use ringmain_domain::money::Currency;
use ringmain_domain::ruling::Ruling;
use ringmain_domain::session::plausible::Demands;
use ringmain_domain::session::{Session, SessionFlag, SessionStatus, fold};
use ringmain_domain::settlement::{BillingPolicy, Prices, settle};
use ringmain_domain::tariff::restriction::Restrictions;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_domain::time::local::{TimeOfDay, Zone};
use ringmain_domain::transaction::TransactionFact;

use crate::make::{MORNING, minute, ruled, session, station_id};

/// A record of page `page` with one reading of the register, so many minutes after the morning began, by a clock in this state.
fn record(page: u32, reason: &str, wh: &str, (minutes, clock): (i64, &str)) -> String {
    let at = minute(minutes).to_string().replace('Z', "+0000");
    format!(
        r#"OCMF|{{"MS":"M-1","PG":"T{page}","RD":[{{"TM":"{at} {clock}","TX":"{reason}","RV":{wh},"RI":"1-b:1.8.0*255","RU":"Wh","EF":"","ST":"G"}}]}}|{{"SD":"00"}}"#
    )
}

/// The fact's reading in its signed form.
fn sign(fact: &mut TransactionFact, data: &str, verdict: SignatureVerdict) {
    let (encoding, method, public_key) = ("OCMF".into(), "".into(), "".into());
    let signed = SignedValue { data: data.into(), encoding, method, public_key, verdict: Some(verdict) };
    fact.samples[0].signed = Some(Box::new(signed));
}

/// An hour with 9 kWh, begin and end signed with these registers.
fn signed(begin: &str, end: &str, verdict: SignatureVerdict, clock: &str) -> Vec<TransactionFact> {
    let mut facts = session(&[(0, 0), (30, 5_000), (60, 9_000)]);
    sign(&mut facts[0], &record(7, "B", begin, (0, clock)), verdict);
    sign(&mut facts[2], &record(8, "E", end, (60, clock)), verdict);
    facts
}

fn folded(facts: &[TransactionFact]) -> Session {
    fold(&TenantId::default_tenant(), &station_id(), facts).unwrap().session
}

/// As it stands where a meter's proof is demanded, with this dimension priced at one.
fn demanded(facts: &[TransactionFact], dimension: Dimension) -> (SessionStatus, bool) {
    demanded_by(facts, dimension, Restrictions::default())
}

fn demanded_by(
    facts: &[TransactionFact],
    dimension: Dimension,
    restrictions: Restrictions,
) -> (SessionStatus, bool) {
    let price = "1".parse().unwrap();
    let component = PriceComponent { dimension, price, tax_percent: None, step_size: 1 };
    let (tenant, id) = (TenantId::default_tenant(), TariffId::new("t").unwrap());
    let elements = vec![TariffElement { restrictions, ..TariffElement::new(vec![component]) }];
    let tariff = Tariff::new(tenant.clone(), id, "test", Currency::new("EUR").unwrap(), elements, MORNING);
    let prices = Prices { tariffs: Timeline::single(&tariff), zone: &Zone::UTC };
    let demands = Demands { max_power_w: None, proof: true };
    let folded = fold(&tenant, &station_id(), facts).unwrap().held_to(demands);
    let settled = settle(folded, facts, Some(&prices), None, &BillingPolicy::default(), minute(100));
    assert_eq!(settled.cdrs.len(), usize::from(settled.session.status == SessionStatus::Completed));
    (settled.session.status, settled.session.flags.contains(&SessionFlag::ProofMissing))
}

const GOOD: (SessionStatus, bool) = (SessionStatus::Completed, false);
const HELD: (SessionStatus, bool) = (SessionStatus::UnderReview, true);

#[test]
fn what_the_meter_signed_must_be_what_is_billed() {
    let check = |begin: &str, end: &str, flag: Option<SessionFlag>, status: SessionStatus| {
        let session = folded(&signed(begin, end, SignatureVerdict::Valid, "S"));
        assert_eq!(session.flags, flag.into_iter().collect::<Vec<_>>(), "{begin} to {end}");
        assert_eq!(session.status, status, "{begin} to {end}");
        assert_eq!(session.signature, Some(SignatureVerdict::Valid));
    };
    check("0", "9000", None, SessionStatus::Completed);
    // Two readings, each rounded to a Wh.
    check("100.4", "9099.6", None, SessionStatus::Completed);
    // Registers in steps of 100 Wh, and a tremble; the energy is that of the reported registers.
    check("0", "8890", None, SessionStatus::Completed);
    check("0", "9112", Some(SessionFlag::SignedEnergyDiffers), SessionStatus::UnderReview);
    check("0", "8500", Some(SessionFlag::SignedEnergyDiffers), SessionStatus::UnderReview);
    // No proof, but no contradiction either.
    check("9000", "0", Some(SessionFlag::SignedValuesFaulty), SessionStatus::Completed);
}

#[test]
fn the_record_says_the_energy_to_the_digit_and_what_is_wrong() {
    let facts = signed("0.25", "9000.5", SignatureVerdict::Valid, "U");
    let session = folded(&facts);
    let metered = session.metered.as_ref().unwrap();
    assert_eq!(metered.energy_wh.map(|wh| wh.to_string()).as_deref(), Some("9000.25"));
    let problems: Vec<_> = metered.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, ["the meter's clock was not synchronised"]);
    let settled = {
        let folded = fold(&TenantId::default_tenant(), &station_id(), &facts).unwrap();
        settle(folded, &facts, None, None, &BillingPolicy::default(), minute(100))
    };
    assert_eq!(settled.cdrs[0].metered, session.metered);
    assert_eq!(settled.cdrs[0].signature, Some(SignatureVerdict::Valid));
}

#[test]
fn order_and_repetition_of_records_do_not_matter() {
    let mut facts = signed("0", "9000", SignatureVerdict::Valid, "S");
    let alike = folded(&facts).metered;
    facts.reverse();
    assert_eq!(folded(&facts).metered, alike);
    // The end repeats the begin, as stations do that send both with the stop.
    let begin = facts[2].samples[0].clone();
    facts[0].samples.push(begin);
    assert_eq!(folded(&facts).metered, alike);
    assert!(alike.unwrap().problems.is_empty());
}

#[test]
fn records_of_the_fiscal_pages_and_other_formats_are_none_of_the_transaction() {
    let mut facts = session(&[(0, 0), (60, 9_000)]);
    sign(&mut facts[0], "EDL|whatever", SignatureVerdict::Unreadable);
    sign(&mut facts[1], &record(9, "E", "9000", (60, "S")).replace("T9", "F9"), SignatureVerdict::Valid);
    let session = folded(&facts);
    assert_eq!((session.metered, session.status), (None, SessionStatus::Completed));
    assert_eq!(session.signature, Some(SignatureVerdict::Unreadable));
}

#[test]
fn more_records_than_are_read_prove_nothing() {
    let mut facts = signed("0", "9000", SignatureVerdict::Valid, "S");
    let one = facts[1].samples[0].clone();
    for page in 100..399 {
        let mut sample = one.clone();
        let data = record(page, "C", "5000", (30, "S")).into();
        let (encoding, method, public_key) = ("OCMF".into(), "".into(), "".into());
        sample.signed = Some(Box::new(SignedValue { data, encoding, method, public_key, verdict: None }));
        facts[1].samples.push(sample);
    }
    let session = folded(&facts);
    assert_eq!(session.flags, [SessionFlag::SignedValuesFaulty]);
    assert_eq!(
        session.metered.unwrap().problems[0].to_string(),
        "there are more records than are read of one transaction"
    );
}

#[test]
fn where_proof_is_demanded_nothing_else_is_billed() {
    let facts = signed("0", "9000", SignatureVerdict::Valid, "S");
    assert_eq!(demanded(&facts, Dimension::Energy), GOOD);
    assert_eq!(demanded(&facts, Dimension::Time), GOOD);
    // A clock nobody set proves the energy, not the time.
    let facts = signed("0", "9000", SignatureVerdict::Valid, "U");
    assert_eq!(demanded(&facts, Dimension::Energy), GOOD);
    assert_eq!(demanded(&facts, Dimension::Time), HELD);
    // A price by the time of day hangs on it too.
    let by_day = || Restrictions { end_time: TimeOfDay::new(22, 0), ..Restrictions::default() };
    assert_eq!(demanded_by(&facts, Dimension::Energy, by_day()), HELD);
    let in_time = signed("0", "9000", SignatureVerdict::Valid, "S");
    assert_eq!(demanded_by(&in_time, Dimension::Energy, by_day()), GOOD);
    // No key of the meter's.
    assert_eq!(demanded(&signed("0", "9000", SignatureVerdict::UnknownKey, "S"), Dimension::Energy), HELD);
    // Half of the time was signed.
    let mut facts = signed("0", "9000", SignatureVerdict::Valid, "S");
    sign(&mut facts[2], &record(8, "E", "9000", (30, "S")), SignatureVerdict::Valid);
    assert_eq!(demanded(&facts, Dimension::Energy), GOOD);
    assert_eq!(demanded(&facts, Dimension::Time), HELD);
    // What is near enough elsewhere is no proof.
    assert_eq!(demanded(&signed("0", "8990", SignatureVerdict::Valid, "S"), Dimension::Energy), HELD);
    // A record that nobody verified.
    let mut facts = signed("0", "9000", SignatureVerdict::Valid, "S");
    facts[0].samples[0].signed.as_mut().unwrap().verdict = None;
    assert_eq!(demanded(&facts, Dimension::Energy), HELD);
    // No signed values at all.
    let bare = session(&[(0, 0), (60, 9_000)]);
    assert_eq!(demanded(&bare, Dimension::Energy), HELD);
    // Until a person has looked.
    let mut approved = bare;
    approved.push(ruled(Ruling::Approved { by: "ann".into(), note: "checked".into(), seen: None }, 90));
    assert_eq!(demanded(&approved, Dimension::Energy), (SessionStatus::Completed, true));
}

#[test]
fn what_costs_nothing_needs_no_proof() {
    let demands = Demands { max_power_w: None, proof: true };
    let facts = session(&[(0, 0), (60, 9_000)]);
    let folded = fold(&TenantId::default_tenant(), &station_id(), &facts).unwrap().held_to(demands);
    let settled = settle(folded, &facts, None, None, &BillingPolicy::default(), minute(100));
    assert_eq!((settled.session.status, settled.cdrs.len()), (SessionStatus::Completed, 1));
}

#[test]
fn records_of_another_transaction_prove_and_contradict_nothing() {
    let alike = folded(&signed("0", "9000", SignatureVerdict::Valid, "S"));
    // Those of the one before come again with the start.
    let mut facts = signed("0", "9000", SignatureVerdict::Valid, "S");
    for (page, reason, wh, at) in [(5, "B", "0", -300), (6, "E", "4000", -240)] {
        let mut sample = facts[0].samples[0].clone();
        sample.signed.as_mut().unwrap().data = record(page, reason, wh, (at, "S")).into();
        facts[0].samples.push(sample);
    }
    let session = folded(&facts);
    assert_eq!((session.metered, session.status), (alike.metered, alike.status));
    // They alone are none of this session's.
    let mut facts = session_of_an_hour();
    sign(&mut facts[0], &record(5, "B", "0", (-300, "S")), SignatureVerdict::Valid);
    sign(&mut facts[1], &record(6, "E", "9000", (-240, "S")), SignatureVerdict::Valid);
    assert_eq!(demanded(&facts, Dimension::Energy), HELD);
}

#[test]
fn another_energy_is_seen_although_pages_are_missing() {
    let mut facts = signed("0", "5000", SignatureVerdict::Valid, "S");
    sign(&mut facts[2], &record(11, "E", "5000", (60, "S")), SignatureVerdict::Valid);
    let session = folded(&facts);
    assert_eq!(session.flags, [SessionFlag::SignedEnergyDiffers, SessionFlag::SignedValuesFaulty]);
    assert_eq!(session.status, SessionStatus::UnderReview);
}

#[test]
fn the_register_before_cable_losses_is_as_good() {
    let both = |page: u32, reason: &str, minutes: i64, [mains, vehicle]: [u32; 2]| {
        let vehicle = format!(
            r#""RI":"1-b:1.8.0*255","RU":"Wh","EF":"","ST":"G"}},{{"RV":{vehicle},"RI":"01-00:98.08.00*FF"}}]}}"#
        );
        let text = record(page, reason, &mains.to_string(), (minutes, "S"));
        text.replace(r#""RI":"1-b:1.8.0*255","RU":"Wh","EF":"","ST":"G"}]}"#, &vehicle)
    };
    let mut facts = session_of_an_hour();
    sign(&mut facts[0], &both(7, "B", 0, [0, 0]), SignatureVerdict::Valid);
    sign(&mut facts[1], &both(8, "E", 60, [9_000, 8_700]), SignatureVerdict::Valid);
    let session = folded(&facts);
    assert_eq!((session.status, &*session.flags), (SessionStatus::Completed, [].as_slice()));
    let metered = session.metered.unwrap();
    let told =
        [metered.energy_wh, metered.mains_wh].map(|wh| wh.map(|wh| wh.to_string()).unwrap_or_default());
    assert_eq!(told, ["8700", "9000"]);
}

fn session_of_an_hour() -> Vec<TransactionFact> {
    session(&[(0, 0), (60, 9_000)])
}
