//! Where a tariff applies, to whom and when: in words, and the form for one more place.

use ringmain_domain::id::{AssignmentId, EvseId, LocationId, StationId, TariffId, TokenUid};
use ringmain_domain::tariff::assignment::TariffAssignment;
use serde::Deserialize;
use uuid::Uuid;

use crate::clock;
use crate::console::format::{Zone, words};
use crate::console::guard::Visitor;
use crate::console::stations::Places;
use crate::services::tokens::{kind_name, kind_named};

/// An assignment as typed; what is empty does not matter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::console) struct AssignmentForm {
    pub(in crate::console) location_id: String,
    pub(in crate::console) charging_station_id: String,
    pub(in crate::console) evse_id: String,
    pub(in crate::console) token_group_uid: String,
    pub(in crate::console) token_kind: String,
    pub(in crate::console) valid_from: String,
    pub(in crate::console) valid_until: String,
}

/// An assignment in words.
pub(in crate::console) struct AssignmentLine {
    pub(in crate::console) id: String,
    pub(in crate::console) place: String,
    pub(in crate::console) who: String,
    pub(in crate::console) time: Option<String>,
}

// === impl AssignmentLine ===

impl AssignmentLine {
    pub(in crate::console) fn of(one: TariffAssignment, places: &Places, zone: &Zone) -> Self {
        let location = one.location.as_ref().map(|id| places.link(id).1);
        let station = one.station.as_ref().map(|station| format!("station {station}"));
        let evse = one.evse.map(|evse| format!("EVSE {evse}"));
        let place: Vec<_> = [location, station, evse].into_iter().flatten().collect();
        let group = one.token_group.as_ref().map(|group| format!("tokens of group {group}"));
        let kind = one.token_kind.as_ref().map(|kind| format!("tokens of kind {}", words(kind_name(kind))));
        let who: Vec<_> = [group, kind].into_iter().flatten().collect();
        let from = one.valid_from.map(|at| format!("from {}", zone.when(at).text));
        let until = one.valid_until.map(|at| format!("until {}", zone.when(at).text));
        let time: Vec<_> = [from, until].into_iter().flatten().collect();
        Self {
            id: one.id.to_string(),
            place: if place.is_empty() { "Everywhere".to_owned() } else { place.join(", ") },
            who: if who.is_empty() { "everybody".to_owned() } else { who.join(", ") },
            time: (!time.is_empty()).then(|| time.join(" ")),
        }
    }
}

// === impl AssignmentForm ===

impl AssignmentForm {
    /// The assignment, or everything that is wrong with what was typed.
    pub(in crate::console) fn read(
        &self,
        tariff: &TariffId,
        visitor: &Visitor,
    ) -> Result<TariffAssignment, Vec<String>> {
        let mut trouble = Vec::new();
        let location =
            told(&mut trouble, "Location", &self.location_id, |text| LocationId::new(text).map_err(in_words));
        let station = told(&mut trouble, "Charging station", &self.charging_station_id, |text| {
            StationId::new(text).map_err(in_words)
        });
        let evse = told(&mut trouble, "EVSE", &self.evse_id, |text| {
            text.parse().map(EvseId).map_err(|_no_number: std::num::ParseIntError| "is no number".to_owned())
        });
        let group = told(&mut trouble, "Token group", &self.token_group_uid, |text| {
            TokenUid::new(text).map_err(in_words)
        });
        let moment = |text: &str| visitor.zone.moment(text).ok_or_else(|| "is no date and time".to_owned());
        let valid_from = told(&mut trouble, "Valid from", &self.valid_from, moment);
        let valid_until = told(&mut trouble, "Valid until", &self.valid_until, moment);
        let id = AssignmentId::new(&Uuid::now_v7().to_string());
        let id = id.map_err(|cause| trouble.push(format!("Id: {cause}"))).ok();
        let (Some(id), true) = (id, trouble.is_empty()) else { return Err(trouble) };
        Ok(TariffAssignment {
            tenant: visitor.caller.tenant.clone(),
            id,
            tariff: tariff.clone(),
            location,
            station,
            evse,
            token_group: group,
            token_kind: Some(self.token_kind.trim()).filter(|kind| !kind.is_empty()).map(kind_named),
            valid_from,
            valid_until,
            updated_at: clock::now(),
        })
    }
}

/// What was typed, or a line of trouble; an empty field is none.
fn told<T>(
    trouble: &mut Vec<String>,
    label: &str,
    text: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let typed = Some(text.trim()).filter(|text| !text.is_empty())?;
    read(typed).map_err(|cause| trouble.push(format!("{label}: {cause}"))).ok()
}

fn in_words(cause: impl std::fmt::Display) -> String {
    cause.to_string()
}
