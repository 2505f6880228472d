//! The isolation run: many roaming partners on one node, a crowd that gives them something to hear, and three partners that misbehave.
//!
//! One partner takes connections and says nothing, one is always busy, one talks nonsense. Meanwhile it is measured how late all others
//! hear of what happens at stations. Afterwards all three are well again, the crowd leaves, and everybody must be in step: each EVSE as the
//! node's own list says, each bill of a partner's drivers at that partner, once, and at nobody else. Partners are the simulator's
//! ([`crate::emsp`]), strangers to the node like the stations.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::crowd::{Crowd, DialerOf};
use crate::dial::{Dialer, Endpoint};
use crate::emsp::hostile::Mode;
use crate::machine::{Machine, Usage};
use crate::oracle::{Verdict, judge};
use crate::password::Passwords;
use crate::plan::Plan;
use crate::progress::say;
use crate::socket::Stop;
use crate::tally::Tally;
use crate::witness::Witness;

mod arrived;
mod flaws;
pub mod report;
mod scene;

use super::node::ToNode;
use arrived::Window;
use flaws::Flaws;
use report::{Misbehaved, PartnersReport};
use scene::{Guest, Scene};

/// How the first partners misbehave.
const MISBEHAVIOURS: [(&str, Mode); 3] = [
    ("stalls", Mode::Stalled),
    ("is busy, Retry-After 5", Mode::TooMany { retry_after_s: Some(5) }),
    ("talks nonsense", Mode::Garbage),
];
/// The fewest partners: as many well ones as there are others.
pub const PARTNERS_MIN: usize = 2 * MISBEHAVIOURS.len();
/// How long the crowd has been there at least when the three begin to misbehave.
const WARM: Duration = Duration::from_secs(5);
/// How long partners may take at most to hear of all stations that came.
const CALM: Duration = Duration::from_secs(180);
/// How long the last station of the ramp may take to boot.
const ARRIVAL: Duration = Duration::from_secs(60);
/// How long stations may take to deliver what they have when the run is over.
const DEPARTURE: Duration = Duration::from_secs(90);
/// How long a bill may wait for its grace when all stations have left.
const SETTLE: Duration = Duration::from_secs(30);
/// Between two looks at the same thing.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const SECRET: &str = "of the isolation run";

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct PartnersCourse {
    /// The stations; their drivers show the partners' tokens.
    pub plan: Plan,
    /// The binary `ringmain`.
    pub node: PathBuf,
    /// How many partners.
    pub partners: usize,
    /// How long three misbehave and the others are measured.
    pub length: Duration,
    /// How long everybody may take afterwards until all is in step.
    pub in_step: Duration,
    /// The node stores in a private PostgreSQL, not in a file.
    pub on_postgres: bool,
    /// The arguments, for the report.
    pub command: Vec<String>,
}

/// What the busy part of a run came to.
struct Played {
    window: Window,
    used: [Usage; 2],
    tally: Arc<Tally>,
    witness: Arc<Witness>,
}

/// Runs it.
///
/// # Errors
/// A process cannot be started, a partner cannot register, or stations do not come: then nothing was measured.
pub async fn run(course: &PartnersCourse) -> anyhow::Result<PartnersReport> {
    ensure!(course.partners >= PARTNERS_MIN, "at least {PARTNERS_MIN} partners");
    let scene = Scene::start(course).await?;
    let report = whole(course, &scene).await;
    let is_clean = report.as_ref().is_ok_and(|report| report.flaws_count == 0);
    scene.end(!is_clean).await?;
    report
}

async fn whole(course: &PartnersCourse, scene: &Scene) -> anyhow::Result<PartnersReport> {
    // Before there is a partner that would have to be told of each.
    scene.furnish(&course.plan, &Passwords::Derived(SECRET.to_owned())).await?;
    let guests = scene.invite(course.partners).await?;
    say(&format!("{} partners are registered", guests.len()));
    let plan = dealt(&course.plan, &guests);
    let played = play(course, scene, &guests, &plan).await?;
    let verdict = verdict(scene, &played.witness).await?;
    let bills = scene.bills().await?;
    let mut flaws = Flaws::default();
    wait_in_step(course, &guests, &bills, &mut flaws).await?;
    flaws.look_at_bills(&guests, &bills);
    verdict.violations.iter().for_each(|violation| flaws.accuse(violation.to_string()));
    if verdict.ended == 0 || bills.is_empty() {
        flaws.accuse("no session ended: the run proves nothing".to_owned());
    }
    let (misbehaved, well) = guests.split_at(MISBEHAVIOURS.len());
    let reference = well.last().context("there is no well partner")?;
    let needed = reference.emsp.look(|journal| arrived::needed(journal, played.window.end_ms));
    let misbehaved = misbehaved.iter().zip(MISBEHAVIOURS).map(|(guest, (how, _))| {
        let caught_up_ms =
            guest.emsp.look(|journal| arrived::caught_up(journal, &needed, played.window.end_ms));
        if caught_up_ms.is_none() {
            flaws.accuse(format!("{}: never heard all that the others had heard", guest.party));
        }
        let heard = guest.emsp.look(|journal| played.window.count(journal));
        Misbehaved { how: how.to_owned(), heard, caught_up_ms }
    });
    let misbehaved = misbehaved.collect();
    let lags = arrived::Lags::of(well.iter().map(|guest| &guest.emsp), &played.window);
    if lags.is_empty() {
        flaws.accuse("the others heard nothing: the run proves nothing".to_owned());
    }
    Ok(PartnersReport {
        command: course.command.clone(),
        machine: Machine::look(),
        store: if course.on_postgres { "postgres" } else { "sqlite" }.to_owned(),
        partners: guests.len(),
        stations: plan.stations(),
        measured_ms: played.window.length_ms(),
        calls: well.iter().map(|guest| guest.emsp.look(|journal| played.window.count(journal))).sum(),
        states: reference.emsp.look(|journal| played.window.states(journal)),
        lags: lags.figures(),
        slowest_p99_ms: lags.slowest_p99_ms(),
        misbehaved,
        sessions: verdict.ended,
        bills: bills.len(),
        node: played.used,
        latencies: played.tally.latencies(),
        flaws_count: flaws.count,
        flaws: flaws.first,
    })
}

/// The plan with the partners' tokens, dealt to its groups in turn.
fn dealt(plan: &Plan, guests: &[Guest]) -> Plan {
    let mut dealt = plan.clone();
    let groups = dealt.groups.len().max(1);
    for (place, group) in dealt.groups.iter_mut().enumerate() {
        let own = guests.iter().skip(place % guests.len().max(1)).step_by(groups);
        group.tokens = own.map(|guest| guest.uid.clone()).collect();
    }
    dealt
}

async fn play(
    course: &PartnersCourse,
    scene: &Scene,
    guests: &[Guest],
    plan: &Plan,
) -> anyhow::Result<Played> {
    let passwords = Passwords::Derived(SECRET.to_owned());
    let witness = Arc::new(Witness::default());
    let tally = Arc::new(Tally::new(None)?.witnessed(Arc::clone(&witness)));
    let dialer = Arc::new(Dialer::new(
        Box::new(ToNode::new(scene.node.state())),
        Endpoint::read("ws://127.0.0.1:9000/ocpp")?,
    ));
    let dialer_of: DialerOf = Box::new(move |_| Ok(Arc::clone(&dialer)));
    let crowd = Crowd::start(plan, &passwords, &dialer_of, Clock::start(), &tally, DEPARTURE)?;
    all_booted(&tally, plan).await?;
    calm(guests).await?;
    let (before, start_ms) = (scene.usage()?, now_ms());
    for (guest, (_, mode)) in guests.iter().zip(MISBEHAVIOURS) {
        guest.emsp.set_mode(mode);
    }
    say("three partners misbehave");
    sleep(course.length).await;
    let (after, end_ms) = (scene.usage()?, now_ms());
    guests.iter().for_each(|guest| guest.emsp.set_mode(Mode::Good));
    say("all are well again, the crowd leaves");
    crowd.tell(Stop::WindDown);
    let stuck = crowd.gone().await;
    ensure!(stuck == 0, "{stuck} stations did not leave");
    Ok(Played { window: Window { start_ms, end_ms }, used: [before, after], tally, witness })
}

async fn all_booted(tally: &Tally, plan: &Plan) -> anyhow::Result<()> {
    let (since, wanted) = (Instant::now(), u64::try_from(plan.stations())?);
    while tally.accepted_now() < wanted {
        if since.elapsed() > plan.ramp() + ARRIVAL {
            bail!("{} of {wanted} stations are there; refused: {:?}", tally.accepted_now(), tally.refusals());
        }
        sleep(LOOK_EVERY / 4).await;
    }
    Ok(())
}

/// Waits until every partner hears of what is new: they knew nothing of any station before.
async fn calm(guests: &[Guest]) -> anyhow::Result<()> {
    sleep(WARM).await;
    let since = Instant::now();
    while !guests.iter().all(|guest| guest.emsp.look(arrived::is_in_step)) {
        ensure!(
            since.elapsed() < CALM,
            "partners do not come into step: the machine is too small for so many"
        );
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// What stations know and what the node has billed; a bill may wait for its grace.
async fn verdict(scene: &Scene, witness: &Witness) -> anyhow::Result<Verdict> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let verdict = judge(&scene.operator()?, &witness.told(), &BTreeSet::new()).await?;
        if verdict.is_clean() || Instant::now() >= deadline {
            return Ok(verdict);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until every partner knows every EVSE as it is, and has the bills of its drivers. Nothing changes any more meanwhile.
async fn wait_in_step(
    course: &PartnersCourse,
    guests: &[Guest],
    bills: &[scene::Bill],
    flaws: &mut Flaws,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + course.in_step;
    let reference = guests.last().context("there is no partner")?;
    let mut left: Vec<&Guest> = guests.iter().collect();
    loop {
        let states = scene::states(&reference.emsp).await?;
        left.retain(|guest| guest.lacks(&states, bills).is_some());
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            for guest in left {
                let lacks = guest.lacks(&states, bills).unwrap_or_default();
                flaws.accuse(format!("{}: not in step: {lacks}", guest.party));
            }
            return Ok(());
        }
        sleep(LOOK_EVERY).await;
    }
}

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
