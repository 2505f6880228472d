//! The way back: orders of operators and partners become calls to the station, each ends exactly once (invariant `CommandEndsOnce`).

use actix::prelude::*;
use ringmain_domain::command::{CommandOutcome, CommandResult, StationCommand};
use ringmain_domain::id::CommandId;
use ringmain_domain::station::Input;
use ringmain_domain::station::starts::ExpectedStart;
use ringmain_domain::time::Timestamp;
use ringmain_ocpp::fault::FaultCode;
use ringmain_ocpp::message_id::MessageId;
use ringmain_ocpp::rpc::{OutboundCall, SubmitRefusal};
use ringmain_ocpp::translate::CommandRefusal;
use serde_json::value::RawValue;

use super::{Connection, Execute, OpenOrder};
use crate::actors::exit::Exit;

impl Handler<Execute> for Connection {
    type Result = ();

    fn handle(&mut self, message: Execute, ctx: &mut Self::Context) {
        self.execute(message, ctx);
    }
}

impl Connection {
    pub(super) fn execute(&mut self, Execute { order, passage, done }: Execute, ctx: &mut Context<Self>) {
        let now = self.now();
        let is_fenced =
            |connection: &mut Self| passage.is_some_and(|passage| !connection.fences.admit(passage));
        if self.exit.is_some() || self.winding_up {
            // Nothing is written here any more; perhaps the station is elsewhere by now.
            let leaves = matches!(self.exit, None | Some(Exit::Drained));
            let outcome = if leaves { CommandOutcome::Draining } else { CommandOutcome::Offline };
            end(done, CommandResult::bare(outcome));
            return;
        }
        if is_fenced(self) {
            end(done, CommandResult::bare(CommandOutcome::Superseded));
            return;
        }
        if let Err(result) = self.take_order(&order, now) {
            end(done, result);
            return;
        }
        // Whoever asks it to boot, or to say that it did, wants it to hear that now.
        self.introduced |=
            matches!(order.command, StationCommand::Trigger { .. } | StationCommand::Reset { .. });
        self.orders.insert(order.id, OpenOrder { order, done });
        self.pump(now);
        self.arm(ctx);
    }

    fn take_order(
        &mut self,
        order: &ringmain_domain::command::CommandOrder,
        now: Timestamp,
    ) -> Result<(), CommandResult> {
        let refused =
            |outcome, why: &str| CommandResult { outcome, response: None, detail: Some(why.into()) };
        let message = self.dialect.write_command(&order.command, now).map_err(|refusal| {
            let why = refusal.to_string();
            match refusal {
                CommandRefusal::NotSupported { .. } | CommandRefusal::Invalid { .. } => {
                    refused(CommandOutcome::NotSupported, &why)
                }
            }
        })?;
        let id = MessageId::new(&order.id.to_string())
            .map_err(|error| refused(CommandOutcome::NotSupported, &error.to_string()))?;
        let call =
            OutboundCall { id, action: message.action, payload: message.payload, deadline: order.deadline };
        match &order.command {
            StationCommand::GetBaseReport { .. } => {
                self.state.apply(now, Input::ReportAsked);
            }
            StationCommand::StartTransaction { evse_id, token, remote_start_id } => {
                let (remote_start_id, evse, token) = (*remote_start_id, *evse_id, token.clone());
                let start = ExpectedStart { remote_start_id, evse, token };
                self.state.apply(now, Input::StartOrdered(start));
            }
            _ => {}
        }
        self.rpc.submit(now, call).map_err(|refusal| {
            let outcome = match refusal {
                SubmitRefusal::QueueFull | SubmitRefusal::SameId => CommandOutcome::StationBusy,
                SubmitRefusal::DeadlinePassed => CommandOutcome::NotSentDeadline,
            };
            refused(outcome, &refusal.to_string())
        })
    }

    /// Writes the next call, if none is open. A station that never booted is told nothing before its boot was answered: orders wait for
    /// that, until their deadlines.
    pub(super) fn pump(&mut self, now: Timestamp) {
        if self.exit.is_some() || !self.introduced {
            return;
        }
        if let Some(outgoing) = self.rpc.next_outbound(now) {
            self.node.recorder.outbound(self.state.id(), now, None, &outgoing.text);
            self.send(&outgoing.text);
        }
    }

    pub(super) fn order_answered(&mut self, id: &MessageId, action: &str, payload: &RawValue) {
        let Some(open) = self.take_open(id) else { return };
        let answer = self.dialect.read_outcome(action, &open.order.command, payload);
        let outcome = if answer.accepted { CommandOutcome::Accepted } else { CommandOutcome::Rejected };
        self.start_ended(&open, answer.accepted);
        let detail = (!answer.status.is_empty()).then_some(answer.status);
        end(open.done, CommandResult { outcome, response: Some(payload.get().into()), detail });
    }

    pub(super) fn order_failed(&mut self, id: &MessageId, code: FaultCode, description: &str) {
        let Some(open) = self.take_open(id) else { return };
        self.start_ended(&open, false);
        let response = serde_json::json!({ "code": code.as_str(), "description": description }).to_string();
        let detail = format!("{}: {description}", code.as_str());
        end(
            open.done,
            CommandResult {
                outcome: CommandOutcome::CallError,
                response: Some(response.into()),
                detail: Some(detail.into()),
            },
        );
    }

    pub(super) fn expire_orders(&mut self, now: Timestamp) {
        for unanswered in self.rpc.expire(now) {
            let outcome = if unanswered.sent {
                CommandOutcome::TimeoutUnknown
            } else {
                CommandOutcome::NotSentDeadline
            };
            self.end_order(&unanswered.id, CommandResult::bare(outcome));
        }
        self.pump(now);
    }

    /// One that came to nothing.
    pub(super) fn end_order(&mut self, id: &MessageId, result: CommandResult) {
        if let Some(open) = self.take_open(id) {
            self.start_ended(&open, false);
            end(open.done, result);
        }
    }

    /// The socket is gone: what was written may have been seen, the rest was not.
    pub(super) fn end_orders(&mut self, exit: Exit) {
        let unsent = match exit {
            Exit::Replaced => CommandOutcome::Superseded,
            Exit::Drained => CommandOutcome::Draining,
            _ => CommandOutcome::Offline,
        };
        for unanswered in self.rpc.close() {
            let outcome = if unanswered.sent { CommandOutcome::TimeoutUnknown } else { unsent };
            if let Some(open) = self.take_open(&unanswered.id) {
                end(open.done, CommandResult::bare(outcome));
            }
        }
    }

    /// A start that the station did not agree to is not waited for.
    fn start_ended(&mut self, open: &OpenOrder, is_accepted: bool) {
        if let StationCommand::StartTransaction { remote_start_id, .. } = open.order.command {
            self.apply(Input::StartEnded { remote_start_id, is_accepted });
        }
    }

    fn take_open(&mut self, id: &MessageId) -> Option<OpenOrder> {
        let id: CommandId = id.as_str().parse().ok()?;
        self.orders.remove(&id)
    }
}

/// Tells how an order ended. Whoever ordered may be gone; the outcome is then only counted by the desk.
fn end(done: tokio::sync::oneshot::Sender<CommandResult>, result: CommandResult) {
    drop(done.send(result));
}
