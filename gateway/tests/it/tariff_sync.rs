//! Tariffs of stations that price by themselves, look by look: a desk plays the station, which keeps what it was told and takes no name
//! twice. Over a real socket they are in `station_tariffs`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::sync::Arc;

use ringmain_domain::command::{CommandDesk, CommandOutcome, CommandResult};
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{AssignmentId, ConnectorId, Epoch, EvseId, StationId, TariffId, TenantId};
use ringmain_domain::location::{ChargingStation, ConnectorStatus};
use ringmain_domain::reply::Registration;
use ringmain_domain::report::Boot;
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::assignment::TariffAssignment;
use ringmain_domain::time::Timestamp;
use ringmain_gateway::clock;
use ringmain_gateway::services::station_tariffs::{TariffSync, Turns};
use ringmain_store::station_tariffs::{StationTariffs, Told};
use ringmain_store::store::{Store, StoreSettings};
use serde_json::json;
use tokio::sync::oneshot;

use crate::rig::eventually;

mod played;
use played::{Answer, Played, ended, says};

struct Rig {
    store: Store,
    played: Arc<Played>,
    turns: Turns,
    tenant: TenantId,
    station: StationId,
    _folder: tempfile::TempDir,
}

fn tariff(id: &str, price: &str) -> Tariff {
    let component = json!({"dimension": "energy", "price": price, "step_size": 1});
    let tariff = json!({
        "tenant": "default", "id": id, "name": id, "currency": "EUR", "elements": [{"components": [component]}],
        "updated_at": clock::now(),
    });
    serde_json::from_value(tariff).unwrap()
}

// === impl Rig ===

impl Rig {
    /// A booted station with two EVSEs whose tariff is `ac` at 0.5.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.sqlite").display());
        let store = Store::open(&url, StoreSettings::default()).await.unwrap();
        let (tenant, station) = (TenantId::default_tenant(), StationId::new("CS-1").unwrap());
        let registered =
            ChargingStation::unknown(tenant.clone(), station.clone(), Registration::Accepted, clock::now());
        let registered = ChargingStation { tariff_id: Some(TariffId::new("ac").unwrap()), ..registered };
        assert!(store.insert_station(&registered).await.unwrap());
        let (played, turns) = (Arc::default(), Turns::default());
        let rig = Self { store, played, turns, tenant, station, _folder: folder };
        rig.price("ac", "0.5").await;
        rig.append(
            1,
            DomainEvent::StationConnected { ocpp_version: "ocpp2.1".into(), epoch: Epoch(0), node: None },
        )
        .await;
        rig.boots(1).await;
        for evse in 1..=2 {
            let (status, connector) = (ConnectorStatus::Available, ConnectorId(1));
            let event = DomainEvent::StatusChanged { evse: EvseId(evse), connector, status, fault: None };
            rig.append(1, event).await;
        }
        rig
    }

    /// A station that was told.
    async fn told() -> Self {
        let rig = Self::new().await;
        assert_eq!(rig.look().await.outcome, CommandOutcome::Accepted);
        assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.5"]);
        rig
    }

    async fn append(&self, second: i64, event: DomainEvent) {
        let received_at = Timestamp::from_millis(1_772_352_000_000).plus_secs(second);
        let fact = Fact { tenant: self.tenant.clone(), station: self.station.clone(), received_at, event };
        self.store.append(&[fact]).await.unwrap();
    }

    async fn boots(&self, second: i64) {
        self.append(second, DomainEvent::StationBooted(Boot::default())).await;
    }

    async fn price(&self, id: &str, price: &str) {
        self.store.put_tariff(&tariff(id, price)).await.unwrap();
    }

    /// This tariff at EVSE 2.
    async fn assign(&self, id: &str) {
        let assignment = TariffAssignment {
            tenant: self.tenant.clone(),
            id: AssignmentId::new("at-2").unwrap(),
            tariff: TariffId::new(id).unwrap(),
            location: None,
            station: Some(self.station.clone()),
            evse: Some(EvseId(2)),
            token_group: None,
            token_kind: None,
            valid_from: None,
            valid_until: None,
            updated_at: clock::now(),
        };
        self.store.put_tariff_assignment(&assignment).await.unwrap();
    }

    fn sync(&self, quiet: bool) -> TariffSync {
        let desk: Arc<dyn CommandDesk> = Arc::<Played>::clone(&self.played);
        TariffSync {
            store: self.store.clone(),
            desk,
            turns: self.turns.clone(),
            tenant: self.tenant.clone(),
            station: self.station.clone(),
            default: None,
            assignments: None,
            quiet,
            deadline: clock::now().plus_secs(60),
        }
    }

    /// A look of the node's own accord.
    async fn look(&self) -> CommandResult {
        self.sync(true).carry_out().await
    }

    async fn kept(&self) -> StationTariffs {
        self.store.station_tariffs(&self.tenant, &self.station).await.unwrap().unwrap()
    }

    /// The next look comes after so long.
    async fn assert_pause(&self, pause_s: i64) {
        let left_ms = self.kept().await.due_at.millis_since(clock::now());
        let most_ms = pause_s * 1000;
        assert!((most_ms - 30_000..=most_ms).contains(&left_ms), "{left_ms} ms are not {pause_s} s");
    }

    async fn is_due(&self) -> bool {
        !self.store.due_station_tariffs(&self.tenant, clock::now(), 10).await.unwrap().is_empty()
    }
}

#[tokio::test]
async fn a_changed_price_is_told_by_itself_and_nothing_is_sent_without_one() {
    let rig = Rig::told().await;
    rig.assert_pause(60).await;
    let first = rig.kept().await;
    assert_eq!(rig.look().await.detail.as_deref(), Some("nothing changed"));
    assert!(rig.played.heard().is_empty());
    let quiet = rig.kept().await;
    assert_eq!(StationTariffs { due_at: first.due_at, ..quiet.clone() }, first, "only due_at moves");
    rig.assert_pause(60).await;

    rig.price("ac", "0.6").await;
    assert_eq!(rig.look().await.detail.as_deref(), Some("1 tariffs"));
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.6"]);
    let kept = rig.kept().await;
    assert_ne!(kept.told.has, first.told.has, "another content has another name");
    assert_eq!((kept.told.has.len(), &kept.told.has, kept.told.certain), (1, &kept.told.wanted, true));
    // By hand it is told again, though it has it.
    assert_eq!(rig.sync(false).carry_out().await.outcome, CommandOutcome::Accepted);
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.6"]);
}

#[tokio::test]
async fn a_station_that_starts_anew_is_told_again_though_it_kept_its_tariff() {
    let rig = Rig::told().await;
    assert!(!rig.is_due().await);
    rig.boots(2).await;
    assert!(rig.is_due().await);
    let before = rig.played.has();
    assert_eq!(rig.look().await.outcome, CommandOutcome::Accepted);
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.5"]);
    assert_eq!((rig.played.has(), rig.is_due().await), (before, false));
    // A start while it is asked is one more start.
    let (go_on, when) = oneshot::channel();
    rig.played.answers("GetVariables", Answer::Later(when));
    rig.price("ac", "0.6").await;
    let look = tokio::spawn(rig.sync(true).carry_out());
    eventually!("the question", (!rig.played.heard.lock().unwrap().is_empty()).then_some(()));
    rig.boots(3).await;
    // Meanwhile nobody else tells it.
    let busy = rig.sync(false).carry_out().await;
    assert_eq!(busy.outcome, CommandOutcome::StationBusy);
    go_on.send(()).unwrap();
    assert_eq!(look.await.unwrap().outcome, CommandOutcome::Accepted);
    assert!(rig.is_due().await, "it started while it was told");
}

#[tokio::test]
async fn after_a_lost_answer_all_is_removed_and_told_again() {
    let rig = Rig::new().await;
    rig.played.answers("SetDefaultTariff", Answer::Lost);
    assert_eq!(rig.look().await.outcome, CommandOutcome::TimeoutUnknown);
    let told = rig.kept().await.told;
    assert_eq!((told.certain, told.has.len(), told.wanted.len()), (false, 0, 1));
    assert_eq!(told.trouble.as_deref(), Some("SetDefaultTariff: timeout_unknown"));
    rig.assert_pause(300).await;
    rig.played.heard();
    assert_eq!(rig.look().await.outcome, CommandOutcome::Accepted);
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.5"]);
    let told = rig.kept().await.told;
    assert_eq!((told.certain, &told.has, told.trouble), (true, &told.wanted, None));
}

#[tokio::test]
async fn each_evse_has_the_tariff_of_its_own_also_when_they_change_places() {
    let rig = Rig::told().await;
    rig.price("dc", "0.7").await;
    rig.assign("dc").await;
    assert_eq!(rig.look().await.detail.as_deref(), Some("2 tariffs"));
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 1 0.5", "set 2 0.7"]);
    let has: Vec<_> = rig.played.has().into_iter().collect();
    let [(1, ac), (2, dc)] = has.as_slice() else { panic!("{has:?}") };
    assert!(ac.starts_with("ac.1.") && dc.starts_with("dc.2."), "{has:?}");
    rig.price("ac", "0.7").await;
    rig.price("dc", "0.5").await;
    assert_eq!(rig.look().await.detail.as_deref(), Some("2 tariffs"));
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 1 0.7", "set 2 0.5"]);
    // The same everywhere again.
    rig.assign("ac").await;
    assert_eq!(rig.look().await.detail.as_deref(), Some("1 tariffs"));
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.7"]);
}

#[tokio::test]
async fn where_tariffs_are_not_removed_none_are_told() {
    let rig = Rig::told().await;
    let before = rig.kept().await.told.has;
    rig.price("ac", "0.6").await;
    rig.played.answers("ClearTariffs", Answer::Instead(ended(CommandOutcome::Rejected, "Rejected")));
    assert_eq!(rig.look().await.outcome, CommandOutcome::Rejected);
    assert_eq!(rig.played.heard(), ["ask", "clear"]);
    let told = rig.kept().await.told;
    assert_eq!((told.certain, &told.has), (false, &before), "it may still have it");
    assert_eq!(told.trouble.as_deref(), Some("ClearTariffs: rejected: Rejected"));
    rig.assert_pause(300).await;
    assert_eq!(rig.look().await.outcome, CommandOutcome::Accepted);
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.6"]);
}

#[tokio::test]
async fn an_error_or_half_an_answer_to_the_question_is_no_no() {
    for (answer, outcome, trouble) in [
        (
            ended(CommandOutcome::CallError, "InternalError: busy"),
            CommandOutcome::CallError,
            "GetVariables: call_error: InternalError: busy",
        ),
        (
            says("Rejected", ""),
            CommandOutcome::Rejected,
            "does the station price by itself? TariffCostCtrlr.Enabled[Tariff]: Rejected",
        ),
        (CommandResult::bare(CommandOutcome::Accepted), CommandOutcome::Accepted, "GetVariables: accepted"),
    ] {
        let rig = Rig::told().await;
        let before = rig.kept().await.told;
        rig.price("ac", "0.6").await;
        rig.played.answers("GetVariables", Answer::Instead(answer));
        assert_eq!(rig.look().await.outcome, outcome);
        assert_eq!(rig.played.heard(), ["ask"]);
        let mut told = rig.kept().await.told;
        assert_eq!(told.trouble.take().as_deref(), Some(trouble));
        assert_eq!(told, before, "what it was told is still known");
        rig.assert_pause(300).await;
        assert_eq!(rig.look().await.outcome, CommandOutcome::Accepted);
        assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.6"]);
        assert_eq!(rig.kept().await.told.trouble, None);
    }
}

#[tokio::test]
async fn a_station_that_prices_no_longer_keeps_no_tariff() {
    let rig = Rig::told().await;
    rig.price("ac", "0.6").await;
    rig.played.answers("GetVariables", Answer::Instead(says("Accepted", "false")));
    rig.played.answers("ClearTariffs", Answer::Instead(ended(CommandOutcome::Rejected, "Rejected")));
    assert_eq!(rig.look().await.outcome, CommandOutcome::Rejected);
    assert_eq!(rig.played.heard(), ["ask", "clear"]);
    let told = rig.kept().await.told;
    assert_eq!((told.prices, told.certain, told.has.len()), (Some(true), false, 1), "not forgotten yet");
    rig.assert_pause(300).await;

    rig.played.answers("GetVariables", Answer::Instead(says("Accepted", "false")));
    assert_eq!(rig.look().await.outcome, CommandOutcome::NotSupported);
    assert_eq!(rig.played.heard(), ["ask", "clear"]);
    assert!(rig.played.has().is_empty());
    let told = rig.kept().await.told;
    assert_eq!((told.prices, told.has.len()), (Some(false), 0));
    rig.assert_pause(24 * 3600).await;
    // It has nothing of ours, so it is only asked.
    rig.played.answers("GetVariables", Answer::Instead(says("Accepted", "false")));
    assert_eq!(rig.look().await.outcome, CommandOutcome::NotSupported);
    assert_eq!(rig.played.heard(), ["ask"]);
}

#[tokio::test]
async fn a_station_that_never_priced_is_asked_and_sent_nothing_else() {
    let rig = Rig::new().await;
    rig.played.answers("GetVariables", Answer::Instead(ended(CommandOutcome::CallError, "GenericError: ")));
    assert_eq!(rig.look().await.outcome, CommandOutcome::CallError);
    rig.assert_pause(300).await;
    assert!(!rig.is_due().await, "it is not asked at once again");
    rig.played.answers("GetVariables", Answer::Instead(says("UnknownVariable", "")));
    assert_eq!(rig.look().await.outcome, CommandOutcome::NotSupported);
    assert_eq!(rig.played.heard(), ["ask", "ask"]);
}

#[tokio::test]
async fn a_tariff_that_the_station_has_already_is_removed_once_and_told_once_more() {
    let duplicate = || Answer::Instead(ended(CommandOutcome::Rejected, "DuplicateTariffId"));
    let rig = Rig::new().await;
    rig.played.answers("SetDefaultTariff", duplicate());
    assert_eq!(rig.look().await.outcome, CommandOutcome::Accepted);
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.5", "clear", "set 0 0.5"]);

    rig.price("ac", "0.6").await;
    rig.played.answers("SetDefaultTariff", duplicate());
    rig.played.answers("SetDefaultTariff", duplicate());
    let result = rig.look().await;
    assert_eq!(result.outcome, CommandOutcome::Rejected);
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.6", "clear", "set 0 0.6", "clear"]);
    let told = rig.kept().await.told;
    assert_eq!((told.certain, told.has.len()), (true, 0));
    assert_eq!(told.trouble.as_deref(), Some("tariff ac: DuplicateTariffId"));
    // A refusal stands, with its reason, until something changes; nobody is asked every minute for the same.
    assert_eq!(rig.look().await.detail.as_deref(), Some("nothing changed"));
    assert!(rig.played.heard().is_empty());
    assert_eq!(rig.kept().await.told.trouble.as_deref(), Some("tariff ac: DuplicateTariffId"));
}

#[tokio::test]
async fn an_error_to_a_tariff_leaves_none_and_is_tried_again_later() {
    let rig = Rig::new().await;
    let error = ended(CommandOutcome::CallError, "InternalError: busy");
    rig.played.answers("SetDefaultTariff", Answer::Instead(error));
    assert_eq!(rig.look().await.outcome, CommandOutcome::CallError);
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.5", "clear"]);
    rig.assert_pause(300).await;
    assert_eq!(rig.look().await.outcome, CommandOutcome::Accepted);
    assert_eq!(rig.played.heard(), ["ask", "clear", "set 0 0.5"]);
}

#[tokio::test]
async fn a_station_that_is_elsewhere_waits_its_turn_and_what_is_kept_stays() {
    let rig = Rig::told().await;
    let before = rig.kept().await;
    rig.price("ac", "0.6").await;
    let offline = || Answer::Instead(CommandResult::bare(CommandOutcome::Offline));
    rig.played.answers("GetVariables", offline());
    assert_eq!(rig.look().await.outcome, CommandOutcome::Offline);
    let kept = rig.kept().await;
    assert_eq!(StationTariffs { due_at: before.due_at, ..kept }, before);
    rig.assert_pause(60).await;
    // Also one that started anew, and one that was never told.
    rig.boots(2).await;
    rig.played.answers("GetVariables", offline());
    rig.look().await;
    assert!(!rig.is_due().await);
    assert_eq!(
        rig.kept().await.told,
        Told { certain: false, trouble: Some("GetVariables: offline".into()), ..before.told }
    );
    rig.assert_pause(60).await;
    let rig = Rig::new().await;
    rig.played.answers("GetVariables", offline());
    rig.look().await;
    assert!(!rig.is_due().await);
}

#[tokio::test]
async fn times_of_day_need_a_location() {
    let rig = Rig::told().await;
    let mut tariff = tariff("ac", "0.6");
    tariff.elements[0].restrictions =
        serde_json::from_value(json!({"start_time": "08:00", "end_time": "20:00"})).unwrap();
    rig.store.put_tariff(&tariff).await.unwrap();
    let result = rig.look().await;
    assert_eq!(result.outcome, CommandOutcome::Accepted);
    assert_eq!(rig.played.heard(), ["ask", "clear"]);
    let trouble = rig.kept().await.told.trouble.unwrap();
    assert!(trouble.contains("stands at no location"), "{trouble}");
    assert_eq!(result.detail, Some(format!("no tariffs: {trouble}").into()));
    assert_eq!(rig.look().await.detail.as_deref(), Some("nothing changed"));
    assert!(rig.played.heard().is_empty());
}
