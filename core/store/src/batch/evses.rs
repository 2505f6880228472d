//! EVSEs that look different because of a session: whether energy flows there is what the open session says, not the connector.

use std::collections::{BTreeMap, BTreeSet};

use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::EvseId;
use ringmain_domain::session::{Session, SessionStatus};

use crate::batch::Place;
use crate::batch::events::{OutboxRow, row};
use crate::batch::sessions::Projected;
use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::{Statement, Texts};
use crate::outbox::KIND_EVSE_STATUS;
use crate::store::StoreError;

/// What an open session says of its EVSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) evse: EvseId,
    energy_flows: bool,
}

/// What is reported and what sessions say is written by two statements; rivals have other stations in each, so all rows are locked in one
/// order first.
static LOCK: Texts = Texts {
    one: "SELECT station FROM connectors WHERE tenant = $1 AND station = $2 AND evse = $3",
    all: "SELECT c.station FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k(tenant, station, evse) \
          JOIN connectors c ON c.tenant = k.tenant AND c.station = k.station AND c.evse = k.evse \
          ORDER BY c.tenant, c.station, c.evse, c.connector FOR NO KEY UPDATE OF c",
};

/// A connector nobody has reported, at an EVSE where somebody charges.
static LEARN: Texts = Texts {
    one: "INSERT INTO connectors (tenant, station, evse, connector, status, fault, since, reported_at) \
          SELECT $1, $2, $3, $4, 'available', NULL, $5, $5 WHERE NOT EXISTS (SELECT 1 FROM connectors \
          WHERE tenant = $1 AND station = $2 AND evse = $3 AND connector > 0) ON CONFLICT DO NOTHING \
          RETURNING tenant, station, evse, since",
    all: "INSERT INTO connectors (tenant, station, evse, connector, status, fault, since, reported_at) \
          SELECT k.tenant, k.station, k.evse, k.connector, 'available', NULL, k.at, k.at \
          FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) \
          AS k(tenant, station, evse, connector, at) WHERE NOT EXISTS (SELECT 1 FROM connectors c \
          WHERE c.tenant = k.tenant AND c.station = k.station AND c.evse = k.evse AND c.connector > 0) \
          ON CONFLICT DO NOTHING RETURNING tenant, station, evse, since",
};

static RETELL: Texts = Texts {
    one: "UPDATE connectors SET session_changed_at = $4 WHERE tenant = $1 AND station = $2 AND evse = $3 \
          AND session_changed_at < $4",
    all: "UPDATE connectors c SET session_changed_at = k.at \
          FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS k(tenant, station, evse, at) \
          WHERE c.tenant = k.tenant AND c.station = k.station AND c.evse = k.evse AND c.session_changed_at < k.at",
};

/// Locks the connectors that a batch changes, where sessions change some too.
pub(super) fn lock(facts: &[Fact], projected: &Projected) -> Statement {
    let mut keys: BTreeSet<(Place, EvseId)> = projected.retold.keys().cloned().collect();
    if !keys.is_empty() {
        keys.extend(facts.iter().filter_map(|fact| {
            let DomainEvent::StatusChanged { evse, .. } = &fact.event else { return None };
            Some(((fact.tenant.clone(), fact.station.clone()), *evse))
        }));
    }
    let rows = keys.iter().map(|((tenant, station), evse)| params![tenant, station, *evse]);
    Statement::each(&LOCK, rows.collect())
}

/// Makes known the connectors at which sessions stand that were folded anew. Answers which were not known.
pub(super) fn learn(projected: &Projected) -> Statement {
    let mut rows: BTreeMap<(Place, EvseId), Vec<Param>> = BTreeMap::new();
    for (id, at) in &projected.folded {
        let Some(session) = projected.sessions.get(id) else { continue };
        let Some(evse) = session.evse.filter(|evse| evse.0 > 0) else { continue };
        let connector = session.connector.map_or(1, |connector| connector.0.max(1));
        let place = (session.tenant.clone(), session.station.clone());
        rows.entry((place, evse))
            .or_insert_with(|| params![&session.tenant, &session.station, evse, connector, *at]);
    }
    Statement::each(&LEARN, rows.into_values().collect())
}

/// Says since when sessions tell something else of these EVSEs.
pub(super) fn retell(projected: &Projected) -> Statement {
    let rows = projected.retold.iter();
    let rows = rows.map(|(((tenant, station), evse), at)| params![tenant, station, *evse, *at]);
    Statement::each(&RETELL, rows.collect())
}

/// Others must hear of EVSEs of which sessions tell something else.
pub(super) fn retold_rows(projected: &Projected) -> impl Iterator<Item = OutboxRow> {
    projected.retold.iter().map(|(((tenant, station), evse), at)| {
        row(tenant, KIND_EVSE_STATUS, format!("{station}/{evse}"), None, *at)
    })
}

/// Others must hear of EVSEs that [`learn`] made known.
pub(super) fn learned_rows(learned: &[Row]) -> Result<Vec<OutboxRow>, StoreError> {
    let row = |learned: &Row| {
        let subject = format!("{}/{}", learned.text("station")?, learned.int("evse")?);
        Ok(row(&learned.named("tenant")?, KIND_EVSE_STATUS, subject, None, learned.at("since")?))
    };
    learned.iter().map(row).collect()
}

// === impl Said ===

impl Said {
    pub(super) fn by(session: &Session) -> Option<Self> {
        let evse = session.evse.filter(|evse| evse.0 > 0)?;
        (session.status == SessionStatus::Active).then_some(Self { evse, energy_flows: session.energy_flows })
    }
}
