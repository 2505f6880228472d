//! A person's word about a session that cannot be billed by itself, or was billed and should not have been.

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::SessionId;
use ringmain_domain::ruling::{MAX_NOTE_CHARS, Ruling, Seen};
use ringmain_domain::session::Session;
use ringmain_domain::site::Change;
use serde_json::json;

use super::audit;
use super::keys::Caller;
use super::refusal::{Flaw, Refusal, check_text};
use crate::clock;
use crate::house::House;

/// What a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Bill it as it stands.
    Approve,
    /// Nobody pays; a bill that was made is taken back.
    Void,
}

/// Gives a ruling about a session that is over. The answer is the session as it is after it.
///
/// `looked_at` is how many facts the session was made of when the person looked at it.
///
/// # Errors
/// Absent; a flaw of the note, which must say why; a conflict while the session goes on, or where more came than was looked at; the
/// store's.
pub async fn give(
    house: &House,
    caller: &Caller,
    id: SessionId,
    (word, note): (Word, &str),
    looked_at: Option<u32>,
) -> Result<Session, Refusal> {
    let note = note.trim();
    let mut flaws = Vec::new();
    check_text(&mut flaws, "/note", note, MAX_NOTE_CHARS);
    if note.is_empty() && flaws.is_empty() {
        flaws.push(Flaw::new("/note", "says why: it is kept with the session"));
    }
    Refusal::unless_sound(flaws)?;
    let found = house.store.session(&caller.tenant, id).await?;
    let session = found.ok_or_else(|| Refusal::absent("session", id))?;
    if session.ended_at.is_none() {
        return Err(Refusal::conflict("the session goes on: stop its transaction first"));
    }
    if looked_at.is_some_and(|facts| facts != session.facts) {
        return Err(Refusal::conflict("more was heard of the session since it was looked at: look again"));
    }
    let now = clock::now();
    let (by, note) = (caller.actor(), note.into());
    let ruling = match word {
        Word::Approve => Ruling::Approved { by, note, seen: Some(Box::new(Seen::of(&session))) },
        Word::Void => Ruling::Voided { by, note },
    };
    let action = format!("session.{}", ruling.as_str());
    let detail = json!({ "note": ruling_note(&ruling), "was": session.status.as_str() });
    audit::record(house, caller, &action, &format!("sessions/{id}"), &detail).await?;
    let fact = Fact {
        tenant: session.tenant.clone(),
        station: session.station.clone(),
        received_at: now,
        event: DomainEvent::Transaction(ruling.into_fact(session.transaction.clone(), now)),
    };
    let appended = house.store.append(&[fact]).await?;
    let ruled = appended.into_iter().next().and_then(|one| one.session).unwrap_or(session);
    house.live.publish(&caller.tenant, now, Change::SessionChanged { session: Box::new(ruled.clone()) });
    Ok(ruled)
}

fn ruling_note(ruling: &Ruling) -> &str {
    match ruling {
        Ruling::Approved { note, .. } | Ruling::Voided { note, .. } => note,
        Ruling::Superseded { .. }
        | Ruling::Overlaps { .. }
        | Ruling::Abandoned
        | Ruling::Queued { .. }
        | Ruling::Contradicted
        | Ruling::GraceOver => "",
    }
}
