//! A desk that plays a station: it keeps tariffs, takes no name twice, and answers otherwise when a test says so.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use ringmain_domain::command::{
    CommandDesk, CommandOrder, CommandOutcome, CommandResult, DeskFuture, StationCommand,
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// A station: what it has by EVSE, what it was asked since last looked, and how it answers next.
#[derive(Default)]
pub(super) struct Played {
    has: Mutex<BTreeMap<u64, String>>,
    pub(super) heard: Mutex<Vec<String>>,
    script: Mutex<VecDeque<(&'static str, Answer)>>,
}

/// How the station answers otherwise than it should.
pub(super) enum Answer {
    /// It does nothing, and this comes back.
    Instead(CommandResult),
    /// It does what it was asked, and the answer is lost.
    Lost,
    /// It answers when the test says so.
    Later(oneshot::Receiver<()>),
}

pub(super) fn ended(outcome: CommandOutcome, detail: &str) -> CommandResult {
    CommandResult { detail: Some(detail.into()), ..CommandResult::bare(outcome) }
}

/// An answer to the question whether it prices by itself.
pub(super) fn says(status: &str, enabled: &str) -> CommandResult {
    let answer = |name: &str, status: &str, value: &str| {
        json!({
            "attributeStatus": status, "attributeValue": value, "component": {"name": "TariffCostCtrlr"},
            "variable": {"name": name, "instance": "Tariff"},
        })
    };
    let answers = [answer("Available", "Accepted", "true"), answer("Enabled", status, enabled)];
    CommandResult {
        response: Some(json!({"getVariableResult": answers}).to_string().into()),
        ..CommandResult::bare(CommandOutcome::Accepted)
    }
}

// === impl Played ===

impl Played {
    pub(super) fn answers(&self, action: &'static str, answer: Answer) {
        self.script.lock().unwrap().push_back((action, answer));
    }

    /// What it heard since this was last asked.
    pub(super) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    pub(super) fn has(&self) -> BTreeMap<u64, String> {
        self.has.lock().unwrap().clone()
    }

    fn obeys(&self, command: &StationCommand) -> CommandResult {
        let StationCommand::Raw { action, payload } = command else { return says("Accepted", "true") };
        let mut has = self.has.lock().unwrap();
        if &**action == "ClearTariffs" {
            has.clear();
            return ended(CommandOutcome::Accepted, "Accepted");
        }
        let set: Value = serde_json::from_str(payload).unwrap();
        let id = set["tariff"]["tariffId"].as_str().unwrap();
        if has.values().any(|has| has == id) {
            return ended(CommandOutcome::Rejected, "DuplicateTariffId");
        }
        has.insert(set["evseId"].as_u64().unwrap(), id.to_owned());
        ended(CommandOutcome::Accepted, "Accepted")
    }
}

impl CommandDesk for Played {
    fn submit(&self, order: CommandOrder) -> DeskFuture {
        let (action, words) = match &order.command {
            StationCommand::GetVariables { .. } => ("GetVariables", "ask".to_owned()),
            StationCommand::Raw { action, .. } if &**action == "ClearTariffs" => {
                ("ClearTariffs", "clear".to_owned())
            }
            StationCommand::Raw { payload, .. } => {
                let set: Value = serde_json::from_str(payload).unwrap();
                let price = &set["tariff"]["energy"]["prices"][0]["priceKwh"];
                ("SetDefaultTariff", format!("set {} {price}", set["evseId"]))
            }
            other => panic!("nobody asks a station for {other:?}"),
        };
        self.heard.lock().unwrap().push(words);
        let mut script = self.script.lock().unwrap();
        let due = script.front().is_some_and(|(scripted, _)| *scripted == action);
        let answer = due.then(|| script.pop_front()).flatten().map(|(_, answer)| answer);
        let obeys = || self.obeys(&order.command);
        match answer {
            None => Box::pin(std::future::ready(obeys())),
            Some(Answer::Instead(result)) => Box::pin(std::future::ready(result)),
            Some(Answer::Lost) => {
                obeys();
                Box::pin(std::future::ready(CommandResult::bare(CommandOutcome::TimeoutUnknown)))
            }
            Some(Answer::Later(when)) => {
                let result = obeys();
                Box::pin(async move {
                    when.await.unwrap();
                    result
                })
            }
        }
    }
}
