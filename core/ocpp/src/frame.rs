//! A WebSocket text becomes a frame; place: frame.
//!
//! One pass; ids are copied, action and payload stay borrowed from the text. A text that is no frame gives a [`FrameFault`], which knows
//! whether it is answered, under which id and with which code. Never: a look into the payload (report), the question whether a call is
//! outstanding (call), the size of the message (socket).

pub mod bounds;
pub mod write;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::fault::{CallFault, FaultCode};
use crate::message_id::MessageId;
use crate::version::Version;
use bounds::BoundFault;

/// The most characters of an action's name. The longest official one has 33; signed messages add `-Signed`.
pub const ACTION_CHARS_MAX: usize = 64;

/// One message of the RPC level (OCPP 2.0.1 part 4, 4.2).
#[derive(Debug)]
pub enum Frame<'a> {
    /// Type 2: please do; answered by 3 or 4.
    Call(Call<'a>),
    /// Type 3: done, or declined.
    CallResult(CallResult<'a>),
    /// Type 4: could not be done.
    CallError(CallError<'a>),
    /// Type 5 (2.1): the result we sent cannot be used.
    CallResultError(CallError<'a>),
    /// Type 6 (2.1): for information, never answered.
    Send(Call<'a>),
}

/// A request, of type 2 or 6.
#[derive(Debug)]
pub struct Call<'a> {
    /// Repeated in the answer.
    pub id: MessageId,
    /// The action's name as sent, at most 64 characters; it may be unknown.
    pub action: Cow<'a, str>,
    /// A JSON object, within [`bounds`], not read further.
    pub payload: &'a RawValue,
}

/// A result, of type 3.
#[derive(Debug)]
pub struct CallResult<'a> {
    /// The id of the call it answers.
    pub id: MessageId,
    /// A JSON object, within [`bounds`], not read further.
    pub payload: &'a RawValue,
}

/// A failure, of type 4 or 5. Members that a station leaves out are empty.
#[derive(Debug)]
pub struct CallError<'a> {
    /// The id of the call or result it refers to.
    pub id: MessageId,
    /// The code by meaning; a code of the vendor's own is [`FaultCode::Generic`].
    pub code: FaultCode,
    /// The description as sent, of any length.
    pub description: Cow<'a, str>,
    /// The details, when they are a JSON object.
    pub details: Option<&'a RawValue>,
}

/// The type number of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// 2
    Call,
    /// 3
    CallResult,
    /// 4
    CallError,
    /// 5
    CallResultError,
    /// 6
    Send,
}

/// What is wrong with a text that is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFaultKind {
    /// Not JSON.
    #[error("message is not JSON")]
    NotJson,
    /// JSON, but no list that begins with a type number.
    #[error("message is not a list with a message type number")]
    NotAFrame,
    /// Beyond a bound of [`bounds`].
    #[error("message is out of bounds: {0}")]
    OutOfBounds(BoundFault),
    /// The version has no such type number: the payload is ignored (OCPP 2.0.1 part 4, 4.1.3).
    #[error("message type number is not supported")]
    UnknownKind,
    /// The id is missing, no string, empty or too long.
    #[error("message id cannot be read")]
    UnreadableId,
    /// Too few or too many elements for its type.
    #[error("message has the wrong number of elements")]
    ElementCount,
    /// The action is no string.
    #[error("action is not a string")]
    UnreadableAction,
    /// The action has more than [`ACTION_CHARS_MAX`] characters.
    #[error("action has more than {ACTION_CHARS_MAX} characters")]
    ActionTooLong,
    /// The payload is no JSON object.
    #[error("payload is not a JSON object")]
    PayloadNotObject,
}

/// A text that is no frame, with what could be read of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct FrameFault {
    /// What is wrong.
    pub reason: FrameFaultKind,
    /// The type, when it could be read and the version has it.
    pub kind: Option<FrameKind>,
    /// The id, when it could be read.
    pub id: Option<MessageId>,
}

/// Reads one text.
///
/// # Errors
/// [`FrameFault`]; [`FrameFault::answer`] says what to send back, if anything.
pub fn parse(text: &str, version: Version) -> Result<Frame<'_>, FrameFault> {
    if let Err(bound) = bounds::check(text) {
        return Err(salvage(FrameFaultKind::OutOfBounds(bound), text, version));
    }
    let envelope = match serde_json::from_str::<Envelope<'_>>(text) {
        Ok(envelope) => envelope,
        Err(error) if error.is_data() => return Err(salvage(FrameFaultKind::NotAFrame, text, version)),
        Err(_syntax) => return Err(salvage(FrameFaultKind::NotJson, text, version)),
    };
    envelope.into_frame(version)
}

// === impl FrameKind ===

impl FrameKind {
    fn of(number: &str, version: Version) -> Option<Self> {
        let newer = version.rpc_rules().has_result_errors_and_sends;
        match number {
            "2" => Some(Self::Call),
            "3" => Some(Self::CallResult),
            "4" => Some(Self::CallError),
            "5" if newer => Some(Self::CallResultError),
            "6" if newer => Some(Self::Send),
            _ => None,
        }
    }
}

// === impl FrameFault ===

impl FrameFault {
    /// The CALLERROR to send back: id and fault. None when the text was an answer or a SEND, which are never answered, and in the
    /// first version when no id could be read: there is no id to answer under.
    #[must_use]
    pub fn answer(&self, version: Version) -> Option<(MessageId, CallFault)> {
        match self.kind {
            Some(FrameKind::Call) => {}
            Some(
                FrameKind::CallResult | FrameKind::CallError | FrameKind::CallResultError | FrameKind::Send,
            ) => return None,
            None if version.rpc_rules().answers_unreadable => {}
            None => return None,
        }
        let id = match &self.id {
            Some(id) => id.clone(),
            None if version.rpc_rules().answers_unreadable => MessageId::unreadable(),
            None => return None,
        };
        Some((id, CallFault::new(self.code(), &self.reason.to_string())))
    }

    /// The class of the fault.
    #[must_use]
    pub const fn code(&self) -> FaultCode {
        if self.id.is_none() {
            return FaultCode::RpcFramework;
        }
        match self.reason {
            FrameFaultKind::UnknownKind => FaultCode::MessageTypeNotSupported,
            FrameFaultKind::NotJson | FrameFaultKind::OutOfBounds(_) | FrameFaultKind::PayloadNotObject => {
                FaultCode::Format
            }
            FrameFaultKind::ActionTooLong => FaultCode::NotImplemented,
            FrameFaultKind::NotAFrame
            | FrameFaultKind::UnreadableId
            | FrameFaultKind::ElementCount
            | FrameFaultKind::UnreadableAction => match self.kind {
                Some(_) => FaultCode::Protocol,
                None => FaultCode::RpcFramework,
            },
        }
    }
}

/// The elements of a frame, none of them read yet. More than five are counted and let go.
struct Envelope<'a> {
    items: [Option<&'a RawValue>; 5],
    count: usize,
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;
        impl<'de> Visitor<'de> for Elements {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Envelope<'de>, A::Error> {
                let mut envelope = Envelope { items: [None; 5], count: 0 };
                for slot in &mut envelope.items {
                    let Some(item) = list.next_element::<&'de RawValue>()? else { return Ok(envelope) };
                    *slot = Some(item);
                    envelope.count += 1;
                }
                while list.next_element::<IgnoredAny>()?.is_some() {
                    envelope.count += 1;
                }
                Ok(envelope)
            }
        }
        deserializer.deserialize_seq(Elements)
    }
}

// === impl Envelope ===

impl<'a> Envelope<'a> {
    fn into_frame(self, version: Version) -> Result<Frame<'a>, FrameFault> {
        let [number, id, third, fourth, details] = self.items;
        let fault = |reason, kind, id: &Option<MessageId>| FrameFault { reason, kind, id: id.clone() };
        let read_id = id.and_then(text_of).and_then(|text| MessageId::new(&text).ok());
        let Some(number) = number else { return Err(fault(FrameFaultKind::NotAFrame, None, &None)) };
        let Some(kind) = FrameKind::of(number.get(), version) else {
            let is_number = number.get().bytes().all(|b| b.is_ascii_digit());
            let reason = if is_number { FrameFaultKind::UnknownKind } else { FrameFaultKind::NotAFrame };
            return Err(fault(reason, None, &read_id));
        };
        let fault = |reason| fault(reason, Some(kind), &read_id);
        let Some(id) = read_id.clone() else { return Err(fault(FrameFaultKind::UnreadableId)) };
        match kind {
            FrameKind::Call | FrameKind::Send => {
                let (4, Some(action), Some(payload)) = (self.count, third, fourth) else {
                    return Err(fault(FrameFaultKind::ElementCount));
                };
                let Some(action) = text_of(action) else {
                    return Err(fault(FrameFaultKind::UnreadableAction));
                };
                if action.len() > ACTION_CHARS_MAX && action.chars().count() > ACTION_CHARS_MAX {
                    return Err(fault(FrameFaultKind::ActionTooLong));
                }
                if !is_object(payload) {
                    return Err(fault(FrameFaultKind::PayloadNotObject));
                }
                let call = Call { id, action, payload };
                Ok(if kind == FrameKind::Call { Frame::Call(call) } else { Frame::Send(call) })
            }
            FrameKind::CallResult => {
                let (3, Some(payload)) = (self.count, third) else {
                    return Err(fault(FrameFaultKind::ElementCount));
                };
                if !is_object(payload) {
                    return Err(fault(FrameFaultKind::PayloadNotObject));
                }
                Ok(Frame::CallResult(CallResult { id, payload }))
            }
            FrameKind::CallError | FrameKind::CallResultError => {
                // Stations leave out details, or the description too. The call has failed all the same.
                let (3..=5, Some(code)) = (self.count, third.and_then(text_of)) else {
                    return Err(fault(FrameFaultKind::ElementCount));
                };
                let description = fourth.and_then(text_of).unwrap_or_default();
                let details = details.filter(|details| is_object(details));
                let error = CallError { id, code: FaultCode::parse(&code), description, details };
                Ok(if kind == FrameKind::CallError {
                    Frame::CallError(error)
                } else {
                    Frame::CallResultError(error)
                })
            }
        }
    }
}

/// The text of a JSON string, borrowed unless it holds escapes; None for anything else.
fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str::<String>(raw.get()).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// Reads type and id from the front of a text that cannot be read as a whole: a broken payload should still be answered by its id.
fn salvage(reason: FrameFaultKind, text: &str, version: Version) -> FrameFault {
    let mut fault = FrameFault { reason, kind: None, id: None };
    let Some((number, rest)) = text.trim_start().strip_prefix('[').and_then(|list| list.split_once(','))
    else {
        return fault;
    };
    fault.kind = FrameKind::of(number.trim(), version);
    let id = serde_json::Deserializer::from_str(rest).into_iter::<String>().next();
    fault.id = id.and_then(Result::ok).and_then(|id| MessageId::new(&id).ok());
    fault
}
