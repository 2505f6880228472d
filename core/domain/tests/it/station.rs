//! What a station is told and what is kept of it: inputs in, text out.

use ringmain_domain::event::{DomainEvent, Durability};
use ringmain_domain::id::{ConnectorId, EvseId, TenantId, TokenUid, TransactionId};
use ringmain_domain::load::need::CarWord;
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::meter::{Sample, SampleContext};
use ringmain_domain::outcome::Outcome;
use ringmain_domain::reply::{NeedsAnswer, Registration, StationReply};
use ringmain_domain::report::{
    Boot, ChargingNeeds, DeviceEvent, MessageKey, StationReport, StatusReport, TransactionPhase,
    TransactionRef, TransactionReport, UnreadableMessage, VariablesReport,
};
use ringmain_domain::station::starts::ExpectedStart;
use ringmain_domain::station::{Input, MAX_CONNECTORS, MAX_OPEN, StationState};
use ringmain_domain::time::Timestamp;
use ringmain_domain::token::{Token, TokenKind};

use crate::make::{MORNING, event, minute, policy, snapshot, token};

struct Bench(StationState);

impl Bench {
    fn new(registration: Registration) -> Self {
        Self(StationState::from_snapshot(&snapshot(registration), policy(), MORNING))
    }

    fn accepted() -> Self {
        let mut bench = Self::new(Registration::Accepted);
        bench.say(StationReport::Boot(Boot::default()));
        bench
    }

    fn apply(&mut self, report: StationReport, known: Option<Token>) -> Outcome {
        let input = Input::Report {
            report: Box::new(report),
            token: known.map(|known| Box::new(known.into())),
            is_managed: false,
        };
        self.0.apply(minute(1), input)
    }

    fn say(&mut self, report: StationReport) -> String {
        text(&self.apply(report, None))
    }
}

/// An outcome in one line: reply | events | effects.
fn text(outcome: &Outcome) -> String {
    let reply = match &outcome.reply {
        Some(StationReply::Boot { registration, interval_s }) => {
            format!("boot {} {interval_s}", registration.as_str())
        }
        Some(StationReply::Authorize(verdict)) => format!("authorize {}", verdict.authorization.as_str()),
        Some(StationReply::Transaction(reply)) => {
            let verdict = reply.verdict.as_ref().map_or("-", |verdict| verdict.authorization.as_str());
            format!("transaction {verdict}{}", if reply.number.is_some() { " numbered" } else { "" })
        }
        Some(other) => format!("{other:?}"),
        None => "nothing".to_owned(),
    };
    let events: Vec<_> = outcome.events.iter().map(DomainEvent::name).collect();
    let effects: Vec<_> = outcome.effects.iter().map(|effect| format!("{effect:?}")).collect();
    format!("{reply} | {} | {}", events.join(" "), effects.join(" "))
}

fn start_16(connector: u32, meter_start: i64, at: Timestamp) -> TransactionReport {
    TransactionReport {
        transaction: TransactionRef::ToBeNumbered,
        key: MessageKey::Start,
        connector: Some(ConnectorId(connector)),
        token: Some(token("A1")),
        samples: vec![Sample::import_register(at, meter_start, SampleContext::TransactionBegin)],
        ..event(0, TransactionPhase::Started, at, None)
    }
}

fn number_of(outcome: &Outcome) -> Option<i32> {
    match &outcome.reply {
        Some(StationReply::Transaction(reply)) => reply.number,
        _ => None,
    }
}

#[test]
fn registration_decides_what_a_boot_is_answered() {
    for (registration, expect) in [
        (Registration::Accepted, "boot accepted 300 | station_booted | "),
        (Registration::Pending, "boot pending 30 | station_booted | "),
        (Registration::Rejected, "boot rejected 30 | station_booted | "),
    ] {
        assert_eq!(Bench::new(registration).say(StationReport::Boot(Boot::default())), expect);
    }
}

#[test]
fn call_before_boot_was_accepted_is_refused() {
    let refused = "Refused(NotRegistered) |  | ";
    for registration in [Registration::Accepted, Registration::Pending, Registration::Rejected] {
        assert_eq!(Bench::new(registration).say(StationReport::Heartbeat), refused);
    }
    let mut waiting = Bench::new(Registration::Pending);
    waiting.say(StationReport::Boot(Boot::default()));
    assert_eq!(waiting.say(StationReport::Heartbeat), refused, "a boot that was not accepted opens nothing");
}

#[test]
fn a_waiting_station_may_report_what_it_was_asked_for() {
    let report = || {
        StationReport::Variables(VariablesReport {
            request_id: 7,
            part: 0,
            more: false,
            variables: Vec::new(),
        })
    };
    for (registration, expect) in [
        (Registration::Pending, "Received | variables_reported | "),
        (Registration::Rejected, "Refused(NotRegistered) |  | "),
    ] {
        let mut bench = Bench::new(registration);
        assert_eq!(bench.say(report()), "Refused(NotRegistered) |  | ", "unasked");
        bench.0.apply(minute(1), Input::ReportAsked);
        assert_eq!(bench.say(report()), expect);
    }
}

#[test]
fn reconnect_of_an_accepted_station_needs_no_boot() {
    let mut known = snapshot(Registration::Accepted);
    known.station.booted_at = Some(MORNING);
    let mut bench = Bench(StationState::from_snapshot(&known, policy(), MORNING));
    assert_eq!(bench.say(StationReport::Heartbeat), "Heartbeat |  | ");
}

#[test]
fn a_station_that_is_rejected_while_it_is_here_is_no_longer_heard() {
    let mut bench = Bench::accepted();
    let mut record = snapshot(Registration::Rejected).station;
    record.booted_at = Some(MORNING);
    bench.0.apply(minute(1), Input::Changed(Box::new(record)));
    assert_eq!(bench.say(StationReport::Heartbeat), "Refused(NotRegistered) |  | ");
}

#[test]
fn status_is_a_fact_only_when_it_changes() {
    let mut bench = Bench::accepted();
    let status = |status| {
        StationReport::Status(StatusReport {
            evse: EvseId(1),
            connector: ConnectorId(1),
            status,
            error: None,
            observed_at: None,
        })
    };
    assert_eq!(bench.say(status(ConnectorStatus::Available)), "Received | status_changed | ");
    assert_eq!(bench.say(status(ConnectorStatus::Available)), "Received |  | ");
    assert_eq!(bench.say(status(ConnectorStatus::Faulted)), "Received | status_changed | ");
}

#[test]
fn status_and_device_events_are_equal_sources() {
    let mut bench = Bench::accepted();
    let event = DeviceEvent {
        evse: Some(EvseId(1)),
        connector: Some(ConnectorId(1)),
        component: "Connector".into(),
        variable: "AvailabilityState".into(),
        value: "Occupied".into(),
        observed_at: MORNING,
    };
    let said = bench.say(StationReport::DeviceEvents(vec![event]));
    assert_eq!(said, "Received | status_changed device_events_reported | ");
}

#[test]
fn the_513th_connector_is_answered_but_not_kept() {
    let mut bench = Bench::accepted();
    let status = |connector| {
        StationReport::Status(StatusReport {
            evse: EvseId(1),
            connector: ConnectorId(connector),
            status: ConnectorStatus::Available,
            error: None,
            observed_at: None,
        })
    };
    for connector in 1..=u32::try_from(MAX_CONNECTORS).unwrap() {
        assert_eq!(bench.say(status(connector)), "Received | status_changed | ");
    }
    assert_eq!(bench.say(status(1_000)), "Received |  | Count(TooMany)");
}

#[test]
fn unknown_token_is_refused_and_the_transaction_is_kept_all_the_same() {
    let mut bench = Bench::accepted();
    assert_eq!(bench.say(StationReport::Authorize(token("A1"))), "authorize unknown | token_presented | ");
    let started = TransactionReport {
        token: Some(token("A1")),
        ..event(0, TransactionPhase::Started, minute(0), Some(0))
    };
    assert_eq!(
        bench.say(StationReport::Transaction(started)),
        "transaction unknown | transaction_started | "
    );
}

#[test]
fn blocked_token_is_called_blocked() {
    let known = Token {
        tenant: TenantId::default_tenant(),
        uid: TokenUid::new("A1").unwrap(),
        kind: TokenKind::Rfid,
        group: None,
        label: None,
        blocked: true,
        expires_at: None,
        concurrent_max: None,
        updated_at: MORNING,
    };
    let outcome = Bench::accepted().apply(StationReport::Authorize(token("A1")), Some(known));
    assert_eq!(text(&outcome), "authorize blocked | token_presented | ");
}

#[test]
fn retried_start_gets_the_same_number() {
    let start = || StationReport::Transaction(start_16(1, 100, minute(0)));
    let mut bench = Bench::accepted();
    let first = number_of(&bench.apply(start(), None)).unwrap();
    assert_eq!(number_of(&bench.apply(start(), None)), Some(first));
    let reborn = number_of(&Bench::accepted().apply(start(), None));
    assert_eq!(reborn, Some(first), "also by another connection or node");
    let other = number_of(&bench.apply(StationReport::Transaction(start_16(2, 100, minute(0))), None));
    assert_ne!(other, Some(first));
}

#[test]
fn a_number_the_store_gave_replaces_the_proposed_one() {
    let mut bench = Bench::accepted();
    let outcome = bench.apply(StationReport::Transaction(start_16(1, 100, minute(0))), None);
    let proposed = TransactionId::new(&number_of(&outcome).unwrap().to_string()).unwrap();
    let given = TransactionId::new("77").unwrap();
    bench.0.apply(minute(1), Input::Numbered { proposed, given: given.clone() });
    let open: Vec<_> = bench.0.open_transactions().map(|open| open.transaction.clone()).collect();
    assert_eq!(open, [given]);
}

#[test]
fn stop_without_a_transaction_id_is_answered_and_kept_as_an_orphan() {
    let stop = TransactionReport {
        transaction: TransactionRef::Missing,
        key: MessageKey::Stop,
        ..event(0, TransactionPhase::Ended, minute(5), Some(10))
    };
    let said = Bench::accepted().say(StationReport::Transaction(stop));
    assert_eq!(said, "transaction - | orphan_reported | Count(MissingTransactionId)");
}

#[test]
fn stop_of_an_unknown_transaction_is_answered() {
    let ended = event(7, TransactionPhase::Ended, minute(5), Some(10));
    let said = Bench::accepted().say(StationReport::Transaction(ended));
    assert_eq!(said, "transaction - | transaction_ended | Count(UnknownTransaction)");
}

#[test]
fn second_transaction_on_an_evse_is_kept_and_noticed() {
    let mut bench = Bench::accepted();
    bench.say(StationReport::Transaction(event(0, TransactionPhase::Started, minute(0), Some(0))));
    let second = TransactionReport {
        transaction: TransactionRef::Known(TransactionId::new("tx-2").unwrap()),
        ..event(0, TransactionPhase::Started, minute(1), Some(0))
    };
    let said = bench.say(StationReport::Transaction(second));
    assert_eq!(said, "transaction - | transaction_started | Count(OverlappingTransaction)");
}

#[test]
fn the_257th_open_transaction_is_stored_but_not_tracked() {
    let mut bench = Bench::accepted();
    let started = |number: usize| TransactionReport {
        transaction: TransactionRef::Known(TransactionId::new(&format!("tx-{number}")).unwrap()),
        evse: None,
        ..event(0, TransactionPhase::Started, minute(0), Some(0))
    };
    for number in 0..MAX_OPEN {
        assert_eq!(
            bench.say(StationReport::Transaction(started(number))),
            "transaction - | transaction_started | "
        );
    }
    let said = bench.say(StationReport::Transaction(started(MAX_OPEN)));
    assert_eq!(said, "transaction - | transaction_started | Count(TooMany)");
}

#[test]
fn clock_that_was_never_set_is_replaced_by_ours() {
    let at = Timestamp::from_millis(5_000);
    let mut bench = Bench::accepted();
    let outcome =
        bench.apply(StationReport::Transaction(event(0, TransactionPhase::Started, at, Some(0))), None);
    assert_eq!(text(&outcome), "transaction - | transaction_started | Count(ImplausibleTime)");
    let DomainEvent::Transaction(fact) = &outcome.events[0] else { panic!("no fact") };
    assert_eq!((fact.observed_at, fact.time_repaired), (minute(1), true));
    assert_eq!(fact.samples[0].observed_at, minute(1));
}

#[test]
fn repeat_of_a_repaired_message_is_still_a_repeat() {
    let at = Timestamp::from_millis(5_000);
    let report = || StationReport::Transaction(event(0, TransactionPhase::Started, at, Some(0)));
    let mut bench = Bench::accepted();
    let content = |outcome: &Outcome| match &outcome.events[0] {
        DomainEvent::Transaction(fact) => fact.content.clone(),
        _ => panic!("no fact"),
    };
    let first = bench.apply(report(), None);
    let input = Input::Report { report: Box::new(report()), token: None, is_managed: false };
    let later = bench.0.apply(minute(9), input);
    assert_eq!(content(&first), content(&later));
}

#[test]
fn unreadable_message_about_a_transaction_is_kept_and_answered() {
    let message = UnreadableMessage { action: "StopTransaction".into(), payload: "{}".into() };
    let outcome = Bench::accepted().apply(StationReport::Unreadable(message), None);
    assert_eq!(text(&outcome), "Received | unreadable_kept | ");
    assert_eq!(outcome.events[0].durability(), Durability::AnswerWaits);
}

#[test]
fn being_heard_is_worth_a_fact_every_five_minutes() {
    let mut bench = Bench::accepted();
    let heartbeat = |bench: &mut Bench, at| {
        let input =
            Input::Report { report: Box::new(StationReport::Heartbeat), token: None, is_managed: false };
        text(&bench.0.apply(minute(at), input))
    };
    assert_eq!(heartbeat(&mut bench, 4), "Heartbeat |  | ");
    assert_eq!(heartbeat(&mut bench, 5), "Heartbeat | station_seen | ");
    assert_eq!(heartbeat(&mut bench, 6), "Heartbeat |  | ");
}

#[test]
fn a_car_hears_whether_a_profile_will_come() {
    let needs = ChargingNeeds { evse: EvseId(1), word: CarWord::default() };
    for (is_managed, answer) in [(true, NeedsAnswer::Processing), (false, NeedsAnswer::NoProfile)] {
        let report = Box::new(StationReport::ChargingNeeds(needs));
        let outcome = Bench::accepted().0.apply(minute(1), Input::Report { report, token: None, is_managed });
        assert_eq!(outcome.reply, Some(StationReply::ChargingNeeds(answer)));
        assert_eq!(outcome.events[0], DomainEvent::ChargingNeedsReported(needs));
    }
}

fn ordered_start(bench: &mut Bench, remote_start_id: i32, evse: Option<u32>) {
    let start = ExpectedStart { remote_start_id, evse: evse.map(EvseId), token: token("A1") };
    bench.0.apply(MORNING, Input::StartOrdered(start));
}

fn accepts_start(bench: &mut Bench, remote_start_id: i32, evse: Option<u32>) {
    ordered_start(bench, remote_start_id, evse);
    bench.0.apply(MORNING, Input::StartEnded { remote_start_id, is_accepted: true });
}

/// What came to nothing by then.
fn given_up(bench: &mut Bench, at: Timestamp) -> Vec<i32> {
    let id = |event: DomainEvent| match event {
        DomainEvent::StartNotFollowed { remote_start_id, .. } => Some(remote_start_id),
        _ => None,
    };
    bench.0.apply(at, Input::Tick).events.into_iter().filter_map(id).collect()
}

#[test]
fn f27_a_start_that_no_transaction_follows_is_given_up_in_time() {
    let mut bench = Bench::accepted();
    accepts_start(&mut bench, 7, Some(1));
    accepts_start(&mut bench, 8, None);
    // Its order goes on; and one that the station refused.
    ordered_start(&mut bench, 9, None);
    ordered_start(&mut bench, 10, None);
    bench.0.apply(MORNING, Input::StartEnded { remote_start_id: 10, is_accepted: false });
    let due = MORNING.plus_secs(180);
    assert!(bench.0.next_deadline() <= due);
    assert!(given_up(&mut bench, due.plus_millis(-1)).is_empty());
    assert_eq!(given_up(&mut bench, due), [7, 8]);
    assert!(given_up(&mut bench, due.plus_secs(1_000)).is_empty(), "it is told once");
    // The station may take as long as its order's deadline: the wait begins with its answer.
    bench.0.apply(due, Input::StartEnded { remote_start_id: 9, is_accepted: true });
    assert!(given_up(&mut bench, due.plus_secs(179)).is_empty());
    assert_eq!(given_up(&mut bench, due.plus_secs(180)), [9]);
}

#[test]
fn f27_a_start_is_followed_by_its_number_or_by_its_token() {
    let due = MORNING.plus_secs(180);
    let follow = |start: &TransactionReport| {
        let mut bench = Bench::accepted();
        accepts_start(&mut bench, 7, Some(1));
        accepts_start(&mut bench, 8, Some(2));
        bench.apply(StationReport::Transaction(start.clone()), None);
        given_up(&mut bench, due)
    };
    let echoed = event(1, TransactionPhase::Updated, minute(1), None);
    assert_eq!(follow(&TransactionReport { remote_start_id: Some(8), ..echoed.clone() }), [7]);
    assert_eq!(follow(&echoed), [7, 8], "it says nothing of an order");
    // 1.6: the token, at the EVSE that was ordered.
    let begun =
        TransactionReport { evse: Some(EvseId(2)), token: Some(token("a1")), ..start_16(2, 0, minute(1)) };
    assert_eq!(follow(&begun), [7]);
    assert_eq!(follow(&TransactionReport { token: Some(token("B2")), ..begun }), [7, 8]);
    // The transaction may be quicker than the answer to the order, and 0 is no EVSE.
    let quick = TransactionReport { token: Some(token("A1")), ..start_16(2, 0, minute(1)) };
    for begun in [quick, TransactionReport { remote_start_id: Some(7), ..echoed }] {
        let mut bench = Bench::accepted();
        ordered_start(&mut bench, 7, Some(0));
        bench.apply(StationReport::Transaction(begun), None);
        bench.0.apply(MORNING, Input::StartEnded { remote_start_id: 7, is_accepted: true });
        assert!(given_up(&mut bench, due).is_empty());
    }
}

#[test]
fn the_65th_start_is_not_watched() {
    let mut bench = Bench::accepted();
    for id in 1..=65 {
        accepts_start(&mut bench, id, None);
    }
    // A refused one gives its place back.
    bench.0.apply(MORNING, Input::StartEnded { remote_start_id: 1, is_accepted: false });
    accepts_start(&mut bench, 66, None);
    assert_eq!(given_up(&mut bench, MORNING.plus_secs(180)).len(), 64);
}
