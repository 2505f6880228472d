//! Calls and answers of one connection, in both directions; place: call.
//!
//! Pure: the time is passed in, frames come parsed, and what is to be written comes back as text. One call of ours is open at a time,
//! and one of theirs (OCPP 2.0.1 part 4, 4.1.1); everything that has to wait does so in a bounded queue. A repeat is answered with the
//! stored answer, an answer that fits no call is dropped and counted. Never: what a payload says, when a socket is closed.

mod kept;

use std::borrow::Cow;
use std::collections::VecDeque;

use ringmain_domain::time::Timestamp;
use serde_json::value::RawValue;

use crate::fault::{CallFault, FaultCode};
use crate::frame::{self, Call, CallError, Frame, FrameFault, FrameKind};
use crate::message_id::MessageId;
use crate::version::Version;
use kept::{KeptAnswers, Known, content_of};

/// The most calls of ours that wait for their turn; the next is refused.
pub const OUTBOUND_WAITING_MAX: usize = 16;
/// The most calls of theirs that wait while one is unanswered; the next means close.
pub const INBOUND_WAITING_MAX: usize = 4;
/// The most payload bytes of theirs that wait; the call that passes it means close.
pub const INBOUND_WAITING_BYTES_MAX: usize = 64 * 1024;
/// The most answers kept for repeats.
pub const ANSWERS_KEPT_MAX: usize = 8;
/// The most bytes of answers kept for repeats; an answer that is larger alone is not kept.
pub const ANSWERS_KEPT_BYTES_MAX: usize = 4 * 1024;
/// The most ids remembered of calls of ours that got no answer in time.
const OVERDUE_KEPT_MAX: usize = 8;

/// The RPC state of one connection.
#[derive(Debug)]
pub struct RpcState {
    version: Version,
    answer_timeout_ms: i64,
    open: Option<OpenCall>,
    outbound: VecDeque<OutboundCall>,
    overdue: VecDeque<MessageId>,
    inbound: Option<OpenInbound>,
    waiting: VecDeque<InboundCall<'static>>,
    answered: KeptAnswers,
}

/// A call of ours on its way.
#[derive(Debug)]
pub struct OutboundCall {
    /// The command's id, so that an answer leads back to it.
    pub id: MessageId,
    /// The action's name.
    pub action: Box<str>,
    /// The payload, valid for the station's version.
    pub payload: Box<RawValue>,
    /// By when it must have ended, one way or the other.
    pub deadline: Timestamp,
}

/// A call of the station that is to be processed and answered (or only processed, when it is a SEND).
#[derive(Debug)]
pub struct InboundCall<'a> {
    /// For the answer.
    pub id: MessageId,
    /// The action's name as sent.
    pub action: Cow<'a, str>,
    /// The payload as sent.
    pub payload: Cow<'a, RawValue>,
    /// When it arrived, which is earlier than now if it had to wait.
    pub received_at: Timestamp,
    /// The id was used before on this connection for another content: processed all the same, worth a security event.
    pub reused_id: bool,
}

/// What a frame means in this state.
#[derive(Debug)]
pub enum Received<'a> {
    /// Process it, then [`RpcState::answer`] or [`RpcState::fail`], then [`RpcState::next_inbound`].
    Call(InboundCall<'a>),
    /// Process it; there is no answer.
    Send(InboundCall<'a>),
    /// A call that waits until the one before it is answered: it comes from [`RpcState::next_inbound`].
    Waiting,
    /// The same call again while the first is in process or waits: nothing to do.
    RepeatInProcess,
    /// The same call again: write this, the stored answer.
    Repeat(String),
    /// Our call was answered. Then [`RpcState::next_outbound`].
    Result {
        /// The call's id.
        id: MessageId,
        /// The call's action.
        action: Box<str>,
        /// The answer.
        payload: &'a RawValue,
    },
    /// Our call failed. Then [`RpcState::next_outbound`].
    Error {
        /// The call's id.
        id: MessageId,
        /// The call's action.
        action: Box<str>,
        /// Why, by meaning.
        code: FaultCode,
        /// Why, in the station's words.
        description: Cow<'a, str>,
        /// More about it, a JSON object, where the station sent one.
        details: Option<&'a RawValue>,
    },
    /// The station cannot use the answer we gave to this call of its own (2.1). Nothing is sent back.
    ResultRejected {
        /// The id of the station's call.
        id: MessageId,
        /// Why, by meaning.
        code: FaultCode,
        /// Why, in the station's words.
        description: Cow<'a, str>,
    },
    /// An answer to a call of ours that had timed out: dropped.
    Late(MessageId),
    /// An answer to no call of ours: dropped.
    Foreign(MessageId),
    /// More calls than may wait: close the socket (1008). The station has broken the rule of one open call for long enough.
    Overflow,
}

/// Why a call of ours was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubmitRefusal {
    /// [`OUTBOUND_WAITING_MAX`] calls wait already.
    #[error("{OUTBOUND_WAITING_MAX} calls already wait for this station")]
    QueueFull,
    /// A call with this id is open or waits: it is the same command.
    #[error("a call with this id is already under way")]
    SameId,
    /// Its deadline has passed.
    #[error("the deadline has passed")]
    DeadlinePassed,
}

/// There is no call of the station with this id to answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no call {0} waits for an answer")]
pub struct NotOpen(pub MessageId);

/// A frame of ours to write.
#[derive(Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The call's id.
    pub id: MessageId,
    /// The frame.
    pub text: String,
}

/// A call of ours that ended without an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The call's id.
    pub id: MessageId,
    /// Whether the station may have seen it.
    pub sent: bool,
}

/// What follows from a text that was no frame.
#[derive(Debug, PartialEq, Eq)]
pub struct FaultConsequence {
    /// The frame to write back.
    pub answer: Option<String>,
    /// The call of ours that ends, because its answer was the text that cannot be read.
    pub ended: Option<MessageId>,
}

#[derive(Debug)]
struct OpenCall {
    id: MessageId,
    action: Box<str>,
    ends_at: Timestamp,
}

#[derive(Debug)]
struct OpenInbound {
    id: MessageId,
    content: u64,
    keeps_answer: bool,
}

// === impl RpcState ===

impl RpcState {
    /// The state of a new connection. A call of ours ends unanswered after `answer_timeout_ms`, or at its own deadline if that is
    /// earlier.
    #[must_use]
    pub fn new(version: Version, answer_timeout_ms: i64) -> Self {
        Self {
            version,
            answer_timeout_ms,
            open: None,
            outbound: VecDeque::new(),
            overdue: VecDeque::new(),
            inbound: None,
            waiting: VecDeque::new(),
            answered: KeptAnswers::default(),
        }
    }

    /// Takes a call of ours into the queue; [`Self::next_outbound`] says when to write it.
    ///
    /// # Errors
    /// [`SubmitRefusal`]; nothing was or will be sent then.
    pub fn submit(&mut self, now: Timestamp, call: OutboundCall) -> Result<(), SubmitRefusal> {
        let waiting = self.outbound.iter().map(|waiting| &waiting.id);
        if self.open.iter().map(|open| &open.id).chain(waiting).any(|known| *known == call.id) {
            return Err(SubmitRefusal::SameId);
        }
        if call.deadline <= now {
            return Err(SubmitRefusal::DeadlinePassed);
        }
        if self.outbound.len() >= OUTBOUND_WAITING_MAX {
            return Err(SubmitRefusal::QueueFull);
        }
        self.outbound.push_back(call);
        Ok(())
    }

    /// The next frame of ours to write, if none is open. From here on the call counts as sent.
    pub fn next_outbound(&mut self, now: Timestamp) -> Option<Outgoing> {
        if self.open.is_some() {
            return None;
        }
        let position = self.outbound.iter().position(|waiting| waiting.deadline > now)?;
        let OutboundCall { id, action, payload, deadline } = self.outbound.remove(position)?;
        let text = frame::write::call(&id, &action, &payload);
        let ends_at = now.plus_millis(self.answer_timeout_ms).min(deadline);
        self.open = Some(OpenCall { id: id.clone(), action, ends_at });
        Some(Outgoing { id, text })
    }

    /// Ends the calls of ours whose time is over. An answer that comes later is [`Received::Late`].
    pub fn expire(&mut self, now: Timestamp) -> Vec<Unanswered> {
        let mut ended = Vec::new();
        if let Some(open) = self.open.take_if(|open| open.ends_at <= now) {
            if self.overdue.len() >= OVERDUE_KEPT_MAX {
                self.overdue.pop_front();
            }
            self.overdue.push_back(open.id.clone());
            ended.push(Unanswered { id: open.id, sent: true });
        }
        self.outbound.retain(|call| {
            let in_time = call.deadline > now;
            if !in_time {
                ended.push(Unanswered { id: call.id.clone(), sent: false });
            }
            in_time
        });
        ended
    }

    /// The clock that gives the time was set by so much, in milliseconds: an answer is waited for as long as it would have been. A call that
    /// has not been written ends at its deadline by the new time, since everybody else holds it to be over then, and no later than it would
    /// have.
    pub fn clock_moved(&mut self, by_ms: i64) {
        if let Some(open) = &mut self.open {
            open.ends_at = open.ends_at.plus_millis(by_ms);
        }
        for waiting in &mut self.outbound {
            waiting.deadline = waiting.deadline.plus_millis(by_ms.min(0));
        }
    }

    /// When [`Self::expire`] has something to do next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let open = self.open.iter().map(|call| call.ends_at);
        open.chain(self.outbound.iter().map(|call| call.deadline)).min()
    }

    /// Ends the calls of ours that were not written yet; an open one goes on.
    pub fn drop_waiting(&mut self) -> Vec<Unanswered> {
        self.outbound.drain(..).map(|call| Unanswered { id: call.id, sent: false }).collect()
    }

    /// Nothing is under way: no call of ours without its answer, none of the station's without ours.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.open.is_none() && self.inbound.is_none() && self.waiting.is_empty()
    }

    /// Ends everything with the socket: every call of ours that has no answer yet, the open one first.
    pub fn close(&mut self) -> Vec<Unanswered> {
        self.inbound = None;
        self.waiting.clear();
        let open = self.open.take().map(|open| Unanswered { id: open.id, sent: true });
        let waiting = self.outbound.drain(..).map(|call| Unanswered { id: call.id, sent: false });
        open.into_iter().chain(waiting).collect()
    }

    /// Says what a frame means.
    pub fn receive<'a>(&mut self, now: Timestamp, frame: Frame<'a>) -> Received<'a> {
        match frame {
            Frame::Call(call) => self.receive_call(now, call),
            Frame::Send(call) => Received::Send(inbound(call, now, false)),
            Frame::CallResult(result) => match self.take_open(&result.id) {
                Some(open) => Received::Result { id: open.id, action: open.action, payload: result.payload },
                None => self.stray(result.id),
            },
            Frame::CallError(error) => match self.take_open(&error.id) {
                Some(open) => Received::Error {
                    id: open.id,
                    action: open.action,
                    code: error.code,
                    description: error.description,
                    details: error.details,
                },
                None => self.stray(error.id),
            },
            Frame::CallResultError(error) => self.receive_result_error(error),
        }
    }

    /// Says what follows from a text that is no frame. A result that cannot be read ends its call; where the version has
    /// CALLRESULTERROR the station is told.
    pub fn receive_fault(&mut self, fault: &FrameFault) -> FaultConsequence {
        let is_answer = matches!(fault.kind, Some(FrameKind::CallResult | FrameKind::CallError));
        if !is_answer {
            let answer = fault.answer(self.version);
            let answer = answer.map(|(id, call_fault)| frame::write::error(&id, &call_fault, self.version));
            return FaultConsequence { answer, ended: None };
        }
        let Some(open) = fault.id.as_ref().and_then(|id| self.take_open(id)) else {
            return FaultConsequence { answer: None, ended: None };
        };
        let call_fault = CallFault::new(fault.code(), &fault.to_string());
        FaultConsequence {
            answer: self.result_error(&open.id, fault.kind, &call_fault),
            ended: Some(open.id),
        }
    }

    /// Answers the open call of the station with a result; the text is to be written.
    ///
    /// # Errors
    /// [`NotOpen`] when no call with this id is open.
    pub fn answer(&mut self, id: &MessageId, payload: &RawValue) -> Result<String, NotOpen> {
        let open = self.take_inbound(id)?;
        let text = frame::write::result(id, payload);
        self.answered.keep(open.id, open.content, &text, open.keeps_answer);
        Ok(text)
    }

    /// Answers the open call of the station with a fault; the text is to be written. A repeat of the call is processed again.
    ///
    /// # Errors
    /// [`NotOpen`] when no call with this id is open.
    pub fn fail(&mut self, id: &MessageId, fault: &CallFault) -> Result<String, NotOpen> {
        self.take_inbound(id)?;
        Ok(frame::write::error(id, fault, self.version))
    }

    /// The next call of the station that waited, if none is open now.
    pub fn next_inbound(&mut self) -> Option<InboundCall<'static>> {
        if self.inbound.is_some() {
            return None;
        }
        let call = self.waiting.pop_front()?;
        self.open_inbound(&call);
        Some(call)
    }

    fn receive_call<'a>(&mut self, now: Timestamp, call: Call<'a>) -> Received<'a> {
        let content = content_of(&call.action, call.payload);
        let in_process = self.inbound.iter().any(|open| open.id == call.id && open.content == content)
            || self.waiting.iter().any(|w| w.id == call.id && content_of(&w.action, &w.payload) == content);
        if in_process {
            return Received::RepeatInProcess;
        }
        let known = self.answered.find(&call.id, content);
        if let Known::Answered(text) = known {
            return Received::Repeat(text);
        }
        let reused_id = known == Known::ReusedId;
        let call = inbound(call, now, reused_id);
        if self.inbound.is_none() && self.waiting.is_empty() {
            self.open_inbound(&call);
            return Received::Call(call);
        }
        let waiting_bytes: usize = self.waiting.iter().map(|w| w.payload.get().len()).sum();
        let fits = self.waiting.len() < INBOUND_WAITING_MAX
            && waiting_bytes + call.payload.get().len() <= INBOUND_WAITING_BYTES_MAX;
        if !fits {
            return Received::Overflow;
        }
        self.waiting.push_back(call.into_owned());
        Received::Waiting
    }

    fn receive_result_error<'a>(&mut self, error: CallError<'a>) -> Received<'a> {
        // What the station could not use once it cannot use twice.
        if !self.answered.reject(&error.id) {
            return self.stray(error.id);
        }
        Received::ResultRejected { id: error.id, code: error.code, description: error.description }
    }

    fn result_error(&self, id: &MessageId, kind: Option<FrameKind>, fault: &CallFault) -> Option<String> {
        let tells =
            self.version.rpc_rules().has_result_errors_and_sends && kind == Some(FrameKind::CallResult);
        tells.then(|| frame::write::result_error(id, fault, self.version))
    }

    fn take_open(&mut self, id: &MessageId) -> Option<OpenCall> {
        self.open.take_if(|open| open.id == *id)
    }

    fn stray(&mut self, id: MessageId) -> Received<'static> {
        if let Some(position) = self.overdue.iter().position(|overdue| *overdue == id) {
            self.overdue.remove(position);
            return Received::Late(id);
        }
        Received::Foreign(id)
    }

    fn open_inbound(&mut self, call: &InboundCall<'_>) {
        self.inbound = Some(OpenInbound {
            id: call.id.clone(),
            content: content_of(&call.action, &call.payload),
            // An answer that tells the time must not be told again later: some stations use one id for all their heartbeats.
            keeps_answer: !matches!(&*call.action, "Heartbeat" | "BootNotification"),
        });
    }

    fn take_inbound(&mut self, id: &MessageId) -> Result<OpenInbound, NotOpen> {
        self.inbound.take_if(|open| open.id == *id).ok_or_else(|| NotOpen(id.clone()))
    }
}

// === impl InboundCall ===

impl InboundCall<'_> {
    fn into_owned(self) -> InboundCall<'static> {
        InboundCall {
            id: self.id,
            action: Cow::Owned(self.action.into_owned()),
            payload: Cow::Owned(self.payload.into_owned()),
            received_at: self.received_at,
            reused_id: self.reused_id,
        }
    }
}

fn inbound(call: Call<'_>, received_at: Timestamp, reused_id: bool) -> InboundCall<'_> {
    InboundCall {
        id: call.id,
        action: call.action,
        payload: Cow::Borrowed(call.payload),
        received_at,
        reused_id,
    }
}
