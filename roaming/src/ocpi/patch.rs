//! PATCH: a part of an object laid over the one we have, as pure functions of JSON and types. And the other way: what a PATCH must say so
//! that a partner's object becomes ours.
//!
//! OCPI 2.2.1, transport and format: a PATCH carries the fields that change and always `last_updated`, and can take no field away. A
//! location's `last_updated` moves with its EVSEs and connectors (`mod_locations`). Charging periods of a session are added, not replaced
//! (`mod_sessions`).

use ringmain_store::partners::tokens::Touched;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::ocpi::reading::{self, Fault};
use crate::ocpi::v221::types::location::{Connector, Evse, Location};
use crate::ocpi::v221::types::session::Session;
use crate::ocpi::values::{CiString, DateTime};

const LAST_UPDATED: &str = "last_updated";
const PERIODS: &str = "charging_periods";
/// Fields that name an object: a PATCH may repeat them, and not change them.
const NAMES: [&str; 4] = ["country_code", "party_id", "id", "uid"];

/// A part of an object, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    fields: Map<String, Value>,
    at: DateTime,
}

/// What a PATCH did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged<T> {
    /// The object as it is now.
    Changed(T),
    /// The part is older than what we have: nothing changes, and the sender is told that it is done. Messages overtake each other.
    Stale,
}

// === impl Patch ===

impl Patch {
    /// Reads a part; `last_updated` must be in it.
    ///
    /// # Errors
    /// No object, or no instant in it.
    pub fn read(text: &[u8]) -> Result<Self, Fault> {
        let fields = fields(text)?;
        let at = instant(&fields)?.ok_or_else(|| Fault::new("/last_updated", "is missing"))?;
        Ok(Self { fields, at })
    }

    /// Reads a part as 2.1.1 sends it, which need not say when: then it is `now`.
    ///
    /// # Errors
    /// No object, or something in `last_updated` that is no instant.
    pub fn read_undated(text: &[u8], now: DateTime) -> Result<Self, Fault> {
        let mut fields = fields(text)?;
        let at = instant(&fields)?.unwrap_or(now);
        fields.insert(LAST_UPDATED.to_owned(), Value::String(at.to_string()));
        Ok(Self { fields, at })
    }

    /// The same where a field has another name.
    #[must_use]
    pub fn renamed(mut self, from: &str, to: &str) -> Self {
        if let Some(value) = self.fields.remove(from) {
            self.fields.insert(to.to_owned(), value);
        }
        self
    }

    /// When it was made.
    #[must_use]
    pub const fn at(&self) -> DateTime {
        self.at
    }

    /// Lays the part over an object, which was changed at `known`. `null` says nothing, because a PATCH takes no field away.
    ///
    /// # Errors
    /// A field that does not fit the object, or that would give it another name, with its place.
    pub fn onto<T: Serialize + DeserializeOwned>(
        &self,
        object: &T,
        known: DateTime,
    ) -> Result<Merged<T>, Fault> {
        if self.at < known {
            return Ok(Merged::Stale);
        }
        let mut merged = json(object)?;
        for (name, new) in self.fields.iter().filter(|(_, new)| !new.is_null()) {
            if NAMES.contains(&name.as_str()) {
                check_name(name, merged.get(name), new)?;
                continue;
            }
            merged.insert(name.clone(), new.clone());
        }
        reading::value(Value::Object(merged)).map(Merged::Changed)
    }

    /// Lays over an object what nothing newer was said of since, field by field: a part that was overtaken still says what it says. `touched`
    /// tells afterwards when each field was told.
    ///
    /// # Errors
    /// As [`Patch::onto`].
    pub fn onto_touched<T: Serialize + DeserializeOwned>(
        &self,
        object: &T,
        touched: &mut Touched,
    ) -> Result<Merged<T>, Fault> {
        let is_name = |name: &str| NAMES.contains(&name) || name == LAST_UPDATED;
        let mut part = self.clone();
        part.fields.retain(|name, new| is_name(name) || (!new.is_null() && touched.of(name) <= self.at.0));
        if self.at.0 < touched.newest() {
            part.fields.remove(LAST_UPDATED);
        }
        if part.fields.keys().all(|name| NAMES.contains(&name.as_str())) {
            return Ok(Merged::Stale);
        }
        // That it may be older was looked at for each field.
        let Merged::Changed(merged) = part.onto(object, part.at)? else { return Ok(Merged::Stale) };
        // Fields that this object does not have are none of it, however many come.
        let known = json(&merged)?;
        let told =
            part.fields.keys().filter(|name| known.contains_key(*name) && !NAMES.contains(&name.as_str()));
        touched.fields.extend(told.map(|name| (name.as_str().into(), self.at.0)));
        Ok(Merged::Changed(merged))
    }

    /// Lays the part over a session: its charging periods are added to those that are known. One that begins when a known one does takes its
    /// place, so a repeated PATCH does no harm.
    ///
    /// # Errors
    /// As [`Patch::onto`].
    pub fn onto_session(&self, session: &Session) -> Result<Merged<Session>, Fault> {
        let Merged::Changed(mut merged) = self.onto(session, session.last_updated)? else {
            return Ok(Merged::Stale);
        };
        if self.fields.get(PERIODS).is_some_and(|periods| !periods.is_null()) {
            let added = std::mem::take(&mut merged.charging_periods);
            let began = |at: DateTime| added.iter().any(|period| period.start_date_time == at);
            let known = session.charging_periods.iter().filter(|period| !began(period.start_date_time));
            merged.charging_periods = known.cloned().chain(added.iter().cloned()).collect();
            merged.charging_periods.sort_by_key(|period| period.start_date_time);
        }
        Ok(Merged::Changed(merged))
    }

    /// Lays the part over an EVSE of a location, whose own `last_updated` moves too. `None`: there is no such EVSE.
    ///
    /// # Errors
    /// As [`Patch::onto`].
    pub fn onto_evse(&self, location: &Location, uid: &str) -> Result<Option<Merged<Location>>, Fault> {
        let Some(known) = location.evses.iter().find(|evse| evse.uid == uid) else { return Ok(None) };
        Ok(Some(match self.onto(known, known.last_updated)? {
            Merged::Changed(evse) => Merged::Changed(put_evse(location, evse)),
            Merged::Stale => Merged::Stale,
        }))
    }

    /// Lays the part over a connector; its EVSE and its location move too. `None`: there is no such connector.
    ///
    /// # Errors
    /// As [`Patch::onto`].
    pub fn onto_connector(
        &self,
        location: &Location,
        uid: &str,
        id: &str,
    ) -> Result<Option<Merged<Location>>, Fault> {
        let evse = location.evses.iter().find(|evse| evse.uid == uid);
        let known = evse.and_then(|evse| evse.connectors.iter().find(|connector| connector.id == id));
        let (Some(evse), Some(known)) = (evse, known) else { return Ok(None) };
        Ok(Some(match self.onto(known, known.last_updated)? {
            Merged::Changed(connector) => Merged::Changed(put_evse(location, put_connector(evse, connector))),
            Merged::Stale => Merged::Stale,
        }))
    }
}

// === PUT of a part ===

/// A location with an EVSE that is new or takes the place of the one with its uid.
#[must_use]
pub fn put_evse(location: &Location, evse: Evse) -> Location {
    let mut location = location.clone();
    location.last_updated = location.last_updated.max(evse.last_updated);
    replace(&mut location.evses, evse, |one| &one.uid);
    location
}

/// An EVSE with a connector that is new or takes the place of the one with its id.
#[must_use]
pub fn put_connector(evse: &Evse, connector: Connector) -> Evse {
    let mut evse = evse.clone();
    evse.last_updated = evse.last_updated.max(connector.last_updated);
    replace(&mut evse.connectors, connector, |one| &one.id);
    evse
}

fn replace<T>(list: &mut Vec<T>, new: T, name: impl Fn(&T) -> &CiString) {
    match list.iter_mut().find(|one| name(one) == name(&new)) {
        Some(known) => *known = new,
        None => list.push(new),
    }
}

// === what to say ===

/// The part that makes `new` of `old`; `None`: a field or a list went away, so only a PUT can say it, or nothing changed.
#[must_use]
pub fn between<T: Serialize>(old: &T, new: &T) -> Option<Value> {
    let (old, new) = (json(old).ok()?, json(new).ok()?);
    if old.keys().any(|name| !new.contains_key(name)) {
        return None;
    }
    let differs = |(name, value): &(&String, &Value)| old.get(*name) != Some(*value);
    let mut part: Map<String, Value> =
        new.iter().filter(differs).map(|(name, value)| (name.clone(), value.clone())).collect();
    if part.is_empty() {
        return None;
    }
    part.insert(LAST_UPDATED.to_owned(), new.get(LAST_UPDATED)?.clone());
    Some(Value::Object(part))
}

/// The same for a session: of its charging periods only those that are new are said, because they are added. `None` too when one that was
/// said before is another now: it cannot be taken back by a PATCH.
#[must_use]
pub fn between_sessions(old: &Session, new: &Session) -> Option<Value> {
    let added = new.charging_periods.strip_prefix(old.charging_periods.as_slice())?;
    let Value::Object(mut part) = between(old, new)? else { return None };
    if added.is_empty() {
        part.remove(PERIODS);
    } else {
        part.insert(PERIODS.to_owned(), serde_json::to_value(added).ok()?);
    }
    Some(Value::Object(part))
}

fn json<T: Serialize>(object: &T) -> Result<Map<String, Value>, Fault> {
    match serde_json::to_value(object) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Fault::new("/", "is no object")),
        Err(error) => Err(Fault::new("/", error.to_string())),
    }
}

fn fields(text: &[u8]) -> Result<Map<String, Value>, Fault> {
    reading::body(text)
}

fn instant(fields: &Map<String, Value>) -> Result<Option<DateTime>, Fault> {
    let at = fields.get(LAST_UPDATED).filter(|at| !at.is_null());
    at.map(|at| reading::value(at.clone()).map_err(|fault| fault.below("/last_updated"))).transpose()
}

/// Peers repeat names in another case.
fn check_name(name: &str, known: Option<&Value>, new: &Value) -> Result<(), Fault> {
    let same = match (known.and_then(Value::as_str), new.as_str()) {
        (Some(known), Some(new)) => known.eq_ignore_ascii_case(new),
        _ => known.is_none(),
    };
    if same { Ok(()) } else { Err(Fault::new(&format!("/{name}"), "names another object")) }
}

#[cfg(test)]
mod tests;
