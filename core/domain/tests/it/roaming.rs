//! Drivers of other companies at a station: whose session it is when several have a token of one uid.

use ringmain_domain::authorize::{Authorization, Charge, TokenStanding};
use ringmain_domain::event::DomainEvent;
use ringmain_domain::id::{StationId, TransactionId};
use ringmain_domain::outcome::{Effect, Oddity, Outcome};
use ringmain_domain::party::{Party, Role};
use ringmain_domain::reply::{Registration, StationReply};
use ringmain_domain::report::{
    Boot, MessageKey, StationReport, TransactionPhase, TransactionRef, TransactionReport,
};
use ringmain_domain::roaming::{
    AuthMethod, CLEARED_FOR_MS, Clearance, OrderedStart, Roamer, RoamingToken, Whitelist,
};
use ringmain_domain::station::starts::ExpectedStart;
use ringmain_domain::station::{Input, StationState};
use ringmain_domain::token::Token;
use ringmain_domain::transaction::TransactionFact;

use crate::make::{MORNING, event, minute, policy, snapshot, token};

fn of(party_id: &str) -> RoamingToken {
    RoamingToken {
        party: Party { country_code: "DE".into(), party_id: party_id.into(), role: Role::Emsp },
        uid: "A1".into(),
        kind: "RFID".into(),
        contract_id: format!("DE8{party_id}1").into(),
        group: None,
        valid: true,
        whitelist: Whitelist::Never,
    }
}

/// Ordered by a company a minute after the morning began.
fn ordered(remote_start_id: i32, party_id: &str) -> OrderedStart {
    let contract = of(party_id).contract(AuthMethod::Ordered, None);
    let clearance = Clearance { contract, authorization: Authorization::Accepted, at: minute(1) };
    OrderedStart { remote_start_id, clearance }
}

fn ours(blocked: bool) -> TokenStanding {
    let token = token("A1");
    Token {
        tenant: ringmain_domain::id::TenantId::default_tenant(),
        uid: token.uid,
        kind: token.kind,
        group: None,
        label: None,
        blocked,
        expires_at: None,
        concurrent_max: Some(1),
        updated_at: MORNING,
    }
    .into()
}

fn accepted() -> StationState {
    let mut state = StationState::from_snapshot(&snapshot(Registration::Accepted), policy(), MORNING);
    let boot = Box::new(StationReport::Boot(Boot::default()));
    state.apply(MORNING, Input::Report { report: boot, token: None, is_managed: false });
    state
}

fn say(state: &mut StationState, report: StationReport, known: &TokenStanding) -> Outcome {
    let input =
        Input::Report { report: Box::new(report), token: Some(Box::new(known.clone())), is_managed: false };
    state.apply(minute(2), input)
}

fn fact(outcome: &Outcome) -> &TransactionFact {
    let fact = outcome.events.iter().find_map(|event| match event {
        DomainEvent::Transaction(fact) => Some(fact),
        _ => None,
    });
    fact.unwrap()
}

/// What was decided, and whose driver it is.
fn whose(outcome: &Outcome) -> (Authorization, Option<String>) {
    let fact = fact(outcome);
    let party = fact.contract.as_ref().map(|contract| contract.party.party_id.to_string());
    (fact.authorization.unwrap(), party)
}

fn begins(remote_start_id: Option<i32>) -> StationReport {
    let started = event(0, TransactionPhase::Started, minute(2), None);
    StationReport::Transaction(TransactionReport { remote_start_id, token: Some(token("A1")), ..started })
}

fn begins_16() -> StationReport {
    let started = event(0, TransactionPhase::Started, minute(2), None);
    StationReport::Transaction(TransactionReport {
        transaction: TransactionRef::ToBeNumbered,
        key: MessageKey::Start,
        token: Some(token("A1")),
        ..started
    })
}

fn name(party_id: &str) -> Option<String> {
    Some(party_id.to_owned())
}

#[test]
fn a_start_that_a_company_ordered_is_its_drivers_though_the_uid_is_also_ours() {
    for blocked in [false, true] {
        let known = TokenStanding { ordered: vec![ordered(8, "XYZ"), ordered(7, "ABC")], ..ours(blocked) };
        let began = |remote_start_id| whose(&say(&mut accepted(), begins(remote_start_id), &known));
        assert_eq!(began(Some(7)), (Authorization::Accepted, name("ABC")));
        assert_eq!(began(Some(8)), (Authorization::Accepted, name("XYZ")));
        let own = if blocked { Authorization::Blocked } else { Authorization::Accepted };
        assert_eq!(began(None), (own, None), "our own driver at the reader");
        assert_eq!(began(Some(9)), (own, None), "an order of ours");
        // 1.6 does not say which order it follows; the station was told of one.
        let mut state = accepted();
        let start = ExpectedStart { remote_start_id: 7, evse: None, token: token("A1") };
        state.apply(minute(1), Input::StartOrdered(start));
        assert_eq!(whose(&say(&mut state, begins_16(), &known)), (Authorization::Accepted, name("ABC")));
        assert_eq!(whose(&say(&mut state, begins_16(), &known)), (own, None), "it was followed once");
    }
}

#[test]
fn an_order_is_the_companys_word_for_a_quarter_of_an_hour() {
    let mut late = ordered(7, "ABC");
    late.clearance.at = minute(2).plus_millis(-CLEARED_FOR_MS);
    let known = TokenStanding { ordered: vec![late], ..ours(false) };
    assert_eq!(whose(&say(&mut accepted(), begins(Some(7)), &known)), (Authorization::Accepted, None));
    // A station that asks before it begins is told yes, whatever becomes of our token.
    let known = TokenStanding { ordered: vec![ordered(7, "ABC")], ..ours(true) };
    let asks = StationReport::Authorize(token("A1"));
    let Some(StationReply::Authorize(verdict)) = say(&mut accepted(), asks, &known).reply else { panic!() };
    assert_eq!(verdict.authorization, Authorization::Accepted);
}

#[test]
fn a_roaming_driver_neither_stops_for_our_token_nor_counts_for_it() {
    let charge = |station: &str, id: &str| Charge {
        station: StationId::new(station).unwrap(),
        transaction: TransactionId::new(id).unwrap(),
        evse: None,
        started_at: MORNING,
        heard_at: minute(1),
        authorization: Some(Authorization::Accepted),
        roaming: true,
    };
    let here = accepted().id().clone();
    let goes_on = TokenStanding { charges: vec![charge(here.as_str(), "tx-1")], ..ours(true) };
    let updated = event(1, TransactionPhase::Updated, minute(2), None);
    let updated = StationReport::Transaction(TransactionReport { token: Some(token("A1")), ..updated });
    assert_eq!(whose(&say(&mut accepted(), updated, &goes_on)).0, Authorization::Accepted);
    let elsewhere = TokenStanding { charges: vec![charge("CS-9", "tx-9")], ..ours(false) };
    assert_eq!(whose(&say(&mut accepted(), begins(None), &elsewhere)).0, Authorization::Accepted);
}

#[test]
fn where_partners_know_no_location_their_drivers_do_not_charge() {
    let offline = RoamingToken { whitelist: Whitelist::AllowedOffline, ..of("ABC") };
    let roamer = Roamer { token: Some(offline), ..Roamer::default() };
    let mut known = TokenStanding { roamer: Some(Box::new(roamer)), ..TokenStanding::default() };
    assert_eq!(whose(&say(&mut accepted(), begins(None), &known)), (Authorization::Accepted, name("ABC")));
    assert!(known.to_ask(minute(2)).is_some());
    known.unplaced = true;
    assert_eq!(whose(&say(&mut accepted(), begins(None), &known)), (Authorization::NotAtThisLocation, None));
    assert_eq!(known.to_ask(minute(2)), None);
    assert_eq!(
        whose(&say(&mut accepted(), begins(None), &TokenStanding { unplaced: true, ..ours(false) })).0,
        Authorization::Accepted
    );
}

#[test]
fn a_uid_of_several_companies_is_counted_when_somebody_begins() {
    let both = Roamer::of(&token("A1").kind, vec![of("ABC"), of("XYZ")], vec![ordered(7, "XYZ").clearance]);
    let known = TokenStanding { roamer: both.map(Box::new), ..TokenStanding::default() };
    let outcome = say(&mut accepted(), begins(None), &known);
    assert_eq!(whose(&outcome), (Authorization::Invalid, name("ABC")), "the other one's word is not its own");
    assert!(outcome.effects.contains(&Effect::Count(Oddity::AmbiguousToken)));
}
