//! The oracle is tested with bugs it must catch: each in a node of its own, over real sockets, with kills between commit and answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringmain_loadtest::clock::Clock;
use ringmain_loadtest::crowd::{Crowd, DialerOf};
use ringmain_loadtest::dial::{Dialer, Endpoint, TcpTransport};
use ringmain_loadtest::oracle::{Verdict, Violation, judge};
use ringmain_loadtest::password::Passwords;
use ringmain_loadtest::plan::Plan;
use ringmain_loadtest::socket::Stop;
use ringmain_loadtest::tally::{Count, Tally};
use ringmain_loadtest::witness::Witness;

use crate::fake_node::{FakeNode, Manner};

/// By when a run must have seen all its kills, and stations must have delivered.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// Transactions that end in a run, at least.
const ENDED_MIN: u64 = 12;

/// Four stations of each version; drivers come one after the other and stay for a moment.
fn plan() -> Plan {
    let group = |version: &str, prefix: &str| {
        format!(
            "[[group]]\ncount = 4\nversion = \"{version}\"\nid_prefix = \"{prefix}-\"\nsite = \"s\"\nkind = \"dc\"\n\
             connectors = 1\npower_w = 150000\nbehaviour = \"drivers\"\ntokens = [\"04A1B2C3\"]\npause_s = [0, 0]\n\
             stay_s = [2, 3]\nenergy_wh = [5000, 9000]\nmeter_interval_s = 1\nretry_interval_s = 0\nbackoff_s = 1\n\
             backoff_random_s = 1\nnewest_first = true\n"
        )
    };
    let groups = [("1.6", "A"), ("2.0.1", "B"), ("2.1", "C")].map(|(version, prefix)| group(version, prefix));
    Plan::parse(&format!("name = \"planted\"\n{}", groups.concat())).unwrap()
}

/// A crowd against a node of this manner until all its kills have happened, and what the oracle says to it.
async fn verdict_on(manner: Manner) -> Verdict {
    let node = FakeNode::start(manner).await;
    let endpoint = Endpoint::read(&format!("ws://{}/ocpp", node.ws)).unwrap();
    let transport = TcpTransport::new(endpoint.look_up().await.unwrap(), &endpoint, None).unwrap();
    let dialer = Arc::new(Dialer::new(Box::new(transport), endpoint));
    let dialer_of: DialerOf = Box::new(move |_| Ok(Arc::clone(&dialer)));
    let witness = Arc::new(Witness::default());
    let tally = Arc::new(Tally::new(None).unwrap().witnessed(Arc::clone(&witness)));
    let clock = Clock::start();
    let crowd = Crowd::start(&plan(), &Passwords::None, &dialer_of, clock, &tally, PATIENCE).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !node.is_through() || tally.of(Count::SessionEnded) < ENDED_MIN {
        assert!(Instant::now() < deadline, "the kills never happened");
        tokio::time::sleep(POLL).await;
    }
    crowd.tell(Stop::WindDown);
    assert_eq!(crowd.gone().await, 0, "stations are stuck");
    assert!(tally.of(Count::CutOff) > 0 && tally.of(Count::Repeated) > 0, "no kill cut anything off");
    judge(&node.operator(), &witness.told(), &BTreeSet::new()).await.unwrap()
}

fn count(verdict: &Verdict, fits: impl Fn(&Violation) -> bool) -> usize {
    verdict.violations.iter().filter(|violation| fits(violation)).count()
}

#[tokio::test]
async fn an_honest_node_is_acquitted() {
    let verdict = verdict_on(Manner::Honest).await;
    assert!(verdict.is_clean(), "{verdict:#?}");
    assert!(verdict.messages > verdict.transactions && verdict.ended >= 12, "{verdict:#?}");
    assert_eq!((verdict.cdrs, i64::try_from(verdict.true_wh)), (verdict.ended, Ok(verdict.billed_wh)));
    assert!(verdict.billed_wh > 0);
}

#[tokio::test]
async fn an_answer_before_the_commit_is_caught() {
    let verdict = verdict_on(Manner::AnswersBeforeCommit).await;
    assert!(count(&verdict, |violation| matches!(violation, Violation::Lost { .. })) > 0, "{verdict:#?}");
}

#[tokio::test]
async fn repeats_that_are_billed_again_are_caught() {
    let verdict = verdict_on(Manner::WithoutDedupe).await;
    let twice = |violation: &Violation| matches!(violation, Violation::BilledTwice { records: 2.., .. });
    assert!(count(&verdict, twice) > 0, "{verdict:#?}");
    // A repeated 1.6 start became a transaction that no station knows.
    assert_eq!(count(&verdict, |violation| matches!(violation, Violation::Lost { .. })), 0, "{verdict:#?}");
}

#[tokio::test]
async fn a_bill_by_the_order_of_arrival_is_caught() {
    let verdict = verdict_on(Manner::FoldsByArrival).await;
    let wrong = |violation: &Violation| matches!(violation, Violation::WrongEnergy { .. });
    assert!(count(&verdict, wrong) > 0, "{verdict:#?}");
    assert_eq!(count(&verdict, wrong), verdict.violations_count, "{verdict:#?}");
}

#[tokio::test]
async fn a_rate_limit_that_makes_stations_give_up_is_caught() {
    let verdict = verdict_on(Manner::RefusesReadings).await;
    let discarded = |violation: &Violation| matches!(violation, Violation::Discarded { .. });
    assert!(count(&verdict, discarded) > 0, "{verdict:#?}");
}
