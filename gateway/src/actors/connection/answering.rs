//! A station's call on its way: frame, call, report, decision, commit, ack.

use std::sync::Arc;
use std::time::Instant;

use actix::prelude::*;
use ringmain_domain::authorize::TokenStanding;
use ringmain_domain::event::{DomainEvent, Durability};
use ringmain_domain::id::{EvseId, StationId, TenantId, TransactionId};
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::outcome::{Effect, Oddity};
use ringmain_domain::reply::{Registration, StationReply};
use ringmain_domain::report::{StationReport, TransactionPhase};
use ringmain_domain::roaming::Question;
use ringmain_domain::station::Input;
use ringmain_domain::telemetry;
use ringmain_ocpp::action::Action;
use ringmain_ocpp::fault::{CallFault, FaultCode};
use ringmain_ocpp::frame;
use ringmain_ocpp::message_id::MessageId;
use ringmain_ocpp::rpc::{InboundCall, Received};
use ringmain_store::batch::Appended;
use ringmain_store::store::StoreError;

use super::Connection;
use crate::actors::exit::Exit;
use crate::actors::journal::Append;
use crate::app::Node;
use crate::services::meter_keys;
use crate::{clock, record};

/// A call that is being worked on.
struct OpenCall {
    id: MessageId,
    action: Action,
    since: Instant,
    /// A SEND has no answer.
    answered: bool,
    durable: bool,
}

impl Connection {
    pub(super) fn on_text(&mut self, text: &str, ctx: &mut Context<Self>) {
        let now = self.now();
        let version = self.dialect.version();
        if !self.state.is_accepted() && !self.pace.stranger_may(Instant::now()) {
            self.leave(Exit::Abuse);
            return;
        }
        let frame = match frame::parse(text, version) {
            Ok(frame) => frame,
            Err(fault) => {
                self.out_of_turn("unreadable");
                metrics::counter!(telemetry::FRAME_FAULTS, "code" => fault.code().as_str()).increment(1);
                self.node.recorder.inbound(self.state.id(), now, None, text);
                tracing::debug!(station.id = %self.state.id(), %fault, "a text is no frame");
                let consequence = self.rpc.receive_fault(&fault);
                self.state.apply(now, Input::Heard);
                if let Some(answer) = consequence.answer {
                    self.node.recorder.outbound(self.state.id(), now, None, &answer);
                    self.send(&answer);
                }
                if let Some(ended) = consequence.ended {
                    self.order_failed(&ended, FaultCode::Format, "the station's answer is no frame");
                }
                self.pump(now);
                self.arm(ctx);
                return;
            }
        };
        metrics::counter!(telemetry::FRAME_RECEIVED, "kind" => record::kind_of(&frame)).increment(1);
        self.node.recorder.inbound(self.state.id(), now, Some(&frame), text);
        self.state.apply(now, Input::Heard);
        match self.rpc.receive(now, frame) {
            Received::Call(call) => self.begin(&call, true, ctx),
            Received::Send(call) => self.begin(&call, false, ctx),
            Received::Repeat(answer) => {
                self.out_of_turn("repeat");
                self.send(&answer);
            }
            Received::Result { id, action, payload } => self.order_answered(&id, &action, payload),
            Received::Error { id, code, description, .. } => self.order_failed(&id, code, &description),
            Received::ResultRejected { id, code, description } => {
                self.out_of_turn("rejected_result");
                tracing::warn!(
                    station.id = %self.state.id(), message.id = id.as_str(), code = code.as_str(), %description,
                    "the station cannot use our answer"
                );
            }
            Received::Waiting => {}
            Received::RepeatInProcess => self.out_of_turn("repeat"),
            Received::Late(_) => self.out_of_turn("late"),
            Received::Foreign(_) => self.out_of_turn("foreign"),
            Received::Overflow => self.leave(Exit::Abuse),
        }
        self.leave_if_quiet();
        self.pump(now);
        self.arm(ctx);
    }

    /// Something that no answer of ours paces: counted, and too much of it ends the connection.
    fn out_of_turn(&mut self, kind: &'static str) {
        metrics::counter!(telemetry::CALL_OUT_OF_TURN, "kind" => kind).increment(1);
        if !self.pace.out_of_turn_may(Instant::now()) {
            self.leave(Exit::Abuse);
        }
    }

    /// Reads a call and, when it presents a token, looks the token up before the decision.
    fn begin(&mut self, call: &InboundCall<'_>, answered: bool, ctx: &mut Context<Self>) {
        let since = Instant::now();
        let Some(action) = Action::parse(&call.action, self.dialect.version()) else {
            let fault = CallFault::new(FaultCode::NotImplemented, "action is unknown");
            self.refuse(&call.id, answered, &fault, ctx);
            return;
        };
        if !answered && !action.is_send() {
            // A SEND has no answer to wait for, so nothing paces it: only the one action that is meant to be sent is taken.
            self.out_of_turn("unexpected_send");
            return;
        }
        if call.reused_id {
            metrics::counter!(telemetry::CALL_OUT_OF_TURN, "kind" => "reused_id").increment(1);
        }
        let open = OpenCall { id: call.id.clone(), action, since, answered, durable: false };
        let strict = self.node.config.stations.strict_enabled;
        match self.dialect.read_report(action, &call.payload, call.received_at, strict) {
            Ok(reading) => {
                for quirk in &reading.quirks {
                    metrics::counter!(telemetry::REPORT_QUIRKS, "quirk" => quirk.kind.as_str()).increment(1);
                }
                self.look_up(open, reading.report, ctx);
            }
            Err(fault) => self.refuse(&open.id, answered, &fault, ctx),
        }
    }

    fn look_up(&mut self, open: OpenCall, mut report: StationReport, ctx: &mut Context<Self>) {
        if meter_keys::signed(&mut report).is_none() {
            self.look_up_token(open, report, ctx);
            return;
        }
        let (store, tenant) = (self.node.store.clone(), self.state.tenant().clone());
        let judged = async move {
            match meter_keys::signed(&mut report) {
                Some(signed) => meter_keys::judge(&store, &tenant, signed).await.map(|left| (report, left)),
                None => Ok((report, 0)),
            }
        };
        ctx.spawn(judged.into_actor(self).map(|judged, connection, ctx| match judged {
            Ok((report, unverified)) => {
                if unverified > 0 {
                    connection.perform(vec![Effect::Count(Oddity::UnverifiedSignatures)]);
                }
                connection.look_up_token(open, report, ctx);
            }
            Err(error) => {
                tracing::warn!(%error, station.id = %connection.state.id(), "a meter's key cannot be looked up");
                connection.leave(Exit::StoreLost);
            }
        }));
    }

    fn look_up_token(&mut self, open: OpenCall, report: StationReport, ctx: &mut Context<Self>) {
        let Some(presented) = report.token().cloned() else {
            self.decide(open, report, None, ctx);
            return;
        };
        let evse = asks_of(&report);
        let (node, tenant, station) =
            (Arc::clone(&self.node), self.state.tenant().clone(), self.state.id().clone());
        let find = async move {
            let mut standing = node.store.token_standing(&tenant, &presented, &station).await?;
            if let Some(evse) = evse {
                ask_owner(&node, (tenant, station, evse), &mut standing).await;
            }
            Ok::<_, StoreError>(standing)
        };
        let find = find.into_actor(self);
        ctx.spawn(find.map(|found, connection, ctx| match found {
            Ok(standing) => connection.decide(open, report, Some(standing), ctx),
            Err(error) => {
                tracing::warn!(%error, station.id = %connection.state.id(), "a token cannot be looked up");
                connection.leave(Exit::StoreLost);
            }
        }));
    }

    fn decide(
        &mut self,
        mut open: OpenCall,
        report: StationReport,
        token: Option<TokenStanding>,
        ctx: &mut Context<Self>,
    ) {
        let now = self.now();
        let is_managed = self.is_managed(&report);
        let input = Input::Report { report: Box::new(report), token: token.map(Box::new), is_managed };
        let outcome = self.state.apply(now, input);
        for event in &outcome.events {
            metrics::counter!(telemetry::DECISION_EVENTS, "event" => event.name()).increment(1);
            count_authorization(event);
            if matches!(event, DomainEvent::UnreadableKept(_)) {
                self.perform(vec![Effect::Count(Oddity::UnreadableMessage)]);
                tracing::warn!(station.id = %self.state.id(), "a billing message cannot be read; it is kept for a person");
            }
        }
        self.perform(outcome.effects);
        let reply = outcome.reply.unwrap_or(StationReply::Received);
        open.durable = outcome.events.iter().any(|event| event.durability() == Durability::AnswerWaits);
        if open.durable {
            self.answer_after_commit(open, reply, outcome.events, ctx);
        } else {
            self.note(outcome.events, now);
            self.answer(&open, &reply, ctx);
        }
    }

    /// Is the load of the EVSE managed of whose car this tells?
    fn is_managed(&self, report: &StationReport) -> bool {
        let StationReport::ChargingNeeds(needs) = report else { return false };
        self.site.manages(&EvseKey { station: self.state.id().clone(), evse: needs.evse })
    }

    /// No answer without its ticket: the socket closes when there is none, and the station keeps its message.
    fn answer_after_commit(
        &mut self,
        open: OpenCall,
        reply: StationReply,
        events: Vec<DomainEvent>,
        ctx: &mut Context<Self>,
    ) {
        let facts = self.facts(events, clock::now());
        let proposed = facts.iter().map(|fact| proposed_number(&fact.event)).collect::<Vec<_>>();
        let phase = facts.iter().find_map(|fact| phase(&fact.event));
        let committed = self.journal.send(Append { facts, site: Some(self.site.clone()) }).into_actor(self);
        ctx.spawn(committed.map(move |ticket, connection, ctx| match ticket {
            Ok(Ok(appended)) => {
                let reply = connection.complete(reply, &proposed, phase, &appended);
                connection.answer(&open, &reply, ctx);
                connection.tell_costs(&appended, ctx);
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, station.id = %connection.state.id(), "not committed, so not answered");
                connection.leave(Exit::StoreLost);
            }
            Err(_mailbox) => connection.leave(Exit::StoreLost),
        }));
    }

    /// Puts into the reply what only the commit could tell: the number a start got, the cost of a session that ended, and of a start that
    /// comes again the decision its session stands under (reliability F01, F02): the token may have been blocked since.
    fn complete(
        &mut self,
        reply: StationReply,
        proposed: &[Option<TransactionId>],
        phase: Option<TransactionPhase>,
        appended: &[Appended],
    ) -> StationReply {
        self.tell_of(appended);
        let StationReply::Transaction(mut reply) = reply else { return reply };
        for (proposed, appended) in proposed.iter().zip(appended) {
            if let (Some(proposed), Some(given)) = (proposed, &appended.transaction) {
                reply.number = given.as_str().parse().ok();
                if proposed != given {
                    let input = Input::Numbered { proposed: proposed.clone(), given: given.clone() };
                    self.apply(input);
                }
            }
            if let Some(session) = &appended.session {
                let cost = session.cost.map(|cost| cost.incl_tax);
                if session.ended_at.is_some() {
                    reply.total_cost = cost;
                } else if phase == Some(TransactionPhase::Updated) {
                    reply.running_cost = cost;
                }
                let is_repeat = !appended.fresh && !appended.conflict;
                if is_repeat
                    && phase == Some(TransactionPhase::Started)
                    && let (Some(verdict), Some(said)) = (&mut reply.verdict, session.authorization)
                {
                    verdict.authorization = said;
                }
            }
        }
        StationReply::Transaction(reply)
    }

    /// Life events of transactions for the log, and contradictions for somebody to look at.
    fn tell_of(&self, appended: &[Appended]) {
        for one in appended {
            if one.stranger {
                let kind = Oddity::ForeignTransaction.as_str();
                metrics::counter!(telemetry::DECISION_ODDITIES, "kind" => kind).increment(1);
                tracing::warn!(station.id = %self.state.id(), "a station names another station's transaction");
            }
            let Some(transaction) = &one.transaction else { continue };
            let station = self.state.id();
            if one.conflict {
                let kind = Oddity::ContradictingRepeat.as_str();
                metrics::counter!(telemetry::DECISION_ODDITIES, "kind" => kind).increment(1);
                tracing::warn!(
                    station.id = %station, transaction.id = %transaction,
                    "a message came again with other content; the first one counts"
                );
            }
            let Some(session) = one.session.as_ref().filter(|_| one.fresh) else { continue };
            if session.ended_at.is_some() {
                let (energy_wh, status) = (session.energy.0, session.status.as_str());
                tracing::info!(station.id = %station, transaction.id = %transaction, energy_wh, status, "a transaction ended");
            } else if session.facts == 1 {
                tracing::info!(station.id = %station, transaction.id = %transaction, "a transaction started");
            }
        }
    }

    fn refuse(&mut self, id: &MessageId, answered: bool, fault: &CallFault, ctx: &mut Context<Self>) {
        metrics::counter!(telemetry::FRAME_FAULTS, "code" => fault.code().as_str()).increment(1);
        if answered && let Ok(text) = self.rpc.fail(id, fault) {
            self.node.recorder.outbound(self.state.id(), clock::now(), None, &text);
            self.send(&text);
        }
        self.next_call(ctx);
    }

    /// The only place that writes a CALLRESULT.
    fn answer(&mut self, open: &OpenCall, reply: &StationReply, ctx: &mut Context<Self>) {
        if self.exit.is_some() {
            return;
        }
        if !open.answered {
            self.measure(open, "taken");
            return;
        }
        let now = self.now();
        let payload = match self.dialect.write_reply(open.action, reply, now) {
            Ok(payload) => payload,
            Err(fault) => {
                self.measure(open, "refused");
                self.refuse(&open.id, open.answered, &fault, ctx);
                return;
            }
        };
        self.measure(open, "answered");
        if let Ok(text) = self.rpc.answer(&open.id, &payload) {
            self.node.recorder.answered(self.state.id(), now, open.action, &open.id, &text);
            self.send(&text);
        }
        let is_let_in = !matches!(reply, StationReply::Boot { registration: Registration::Rejected, .. });
        if open.action == Action::BootNotification {
            self.came();
        }
        if open.action == Action::BootNotification && is_let_in && !self.introduced {
            self.introduced = true;
            self.pump(now);
            self.arm(ctx);
        }
        self.next_call(ctx);
    }

    fn measure(&self, open: &OpenCall, outcome: &'static str) {
        let took_s = open.since.elapsed().as_secs_f64();
        metrics::histogram!(telemetry::CALL_DURATION, "action" => open.action.as_str(), "outcome" => outcome)
            .record(took_s);
        if open.durable {
            metrics::histogram!(telemetry::ACK_DURATION).record(took_s);
        }
    }

    /// A call that had to wait while another was open.
    fn next_call(&mut self, ctx: &mut Context<Self>) {
        if self.exit.is_none()
            && let Some(call) = self.rpc.next_inbound()
        {
            self.begin(&call, true, ctx);
        }
        self.leave_if_quiet();
    }

    pub(super) fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Ping => {
                    if self.outbound.ping().is_err() {
                        self.leave(Exit::Stalled);
                    }
                }
                Effect::CloseSilent => self.leave(Exit::Silent),
                Effect::Count(oddity) => {
                    metrics::counter!(telemetry::DECISION_ODDITIES, "kind" => oddity.as_str()).increment(1);
                }
            }
        }
    }
}

/// Counts a decision about a token by its reason.
/// At which EVSE, where known, for a message that lets a driver begin; `None`: it is about something that goes on, or was long ago.
fn asks_of(report: &StationReport) -> Option<Option<EvseId>> {
    match report {
        StationReport::Authorize(_) => Some(None),
        StationReport::Transaction(report)
            if report.phase == TransactionPhase::Started && !report.offline =>
        {
            Some(report.evse)
        }
        _ => None,
    }
}

/// Asks another company about its driver, where its token wants that; the station waits, within a bound that is the answerer's.
async fn ask_owner(
    node: &Node,
    (tenant, station, evse): (TenantId, StationId, Option<EvseId>),
    standing: &mut TokenStanding,
) {
    let Some(owners) = node.owners.get() else { return };
    let Some(token) = standing.to_ask(clock::now()).cloned() else { return };
    let answer = owners.ask(Question { tenant, token, station, evse }).await;
    if let (Some(clearance), Some(roamer)) = (answer, &mut standing.roamer) {
        roamer.clearance = Some(clearance);
    }
}

fn count_authorization(event: &DomainEvent) {
    let (authorization, occasion) = match event {
        DomainEvent::TokenPresented { authorization, .. } => (Some(*authorization), "asked"),
        DomainEvent::Transaction(fact) | DomainEvent::OrphanReported { fact, .. } => {
            (fact.authorization, "transaction")
        }
        _ => return,
    };
    if let Some(authorization) = authorization {
        let reason = authorization.as_str();
        metrics::counter!(telemetry::DECISION_AUTHORIZATIONS, "authorization" => reason, "occasion" => occasion)
            .increment(1);
    }
}

/// Where in its transaction it stands: an update's answer may tell the cost so far, a start's is remembered.
fn phase(event: &DomainEvent) -> Option<TransactionPhase> {
    match event {
        DomainEvent::Transaction(fact) => Some(fact.phase),
        _ => None,
    }
}

/// The number proposed for a start that asks for one.
fn proposed_number(event: &DomainEvent) -> Option<TransactionId> {
    match event {
        DomainEvent::Transaction(fact) => fact.numbering.as_ref().map(|_| fact.transaction.clone()),
        _ => None,
    }
}
