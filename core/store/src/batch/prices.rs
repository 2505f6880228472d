//! What charging costs in a batch: the tariff each session started under, in all versions that may count, and the location's clock.
//!
//! The choice is domain's; this file only finds what it is made from.

use std::collections::{BTreeMap, BTreeSet};

use ringmain_domain::id::{SessionId, TariffId, TenantId, TokenUid};
use ringmain_domain::session::Session;
use ringmain_domain::settlement::Prices;
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::assignment::{Start, TariffAssignment, choose};
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::Zone;

use crate::batch::Place;
use crate::batch::places::Known;
use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::{Statement, Texts, Tx};
use crate::store::StoreError;
use crate::tokens::upper;

/// How many versions before a session's start are looked at: one of them may have run out and given way to the one before.
const VERSIONS_BEFORE: u32 = 8;

static GROUPS: Texts = Texts {
    one: "SELECT tenant, uid, document FROM tokens WHERE tenant = $1 AND uid = $2",
    all: "SELECT t.tenant, t.uid, t.document FROM unnest($1::text[], $2::text[]) AS k(tenant, uid) \
          JOIN tokens t ON t.tenant = k.tenant AND t.uid = k.uid",
};

static ASSIGNMENTS: Texts = Texts {
    one: "SELECT tenant, document FROM tariff_assignments WHERE tenant = $1 \
          AND (station IS NULL OR station = $2) AND (location_id IS NULL OR location_id = $3)",
    all: "SELECT DISTINCT a.tenant, a.id, a.document FROM unnest($1::text[], $2::text[], $3::text[]) \
          AS k(tenant, station, location_id) JOIN tariff_assignments a ON a.tenant = k.tenant \
          AND (a.station IS NULL OR a.station = k.station) AND (a.location_id IS NULL OR a.location_id = k.location_id)",
};

static VERSIONS: Texts = Texts {
    one: "SELECT tenant, id, valid_from, document FROM tariff_versions WHERE tenant = $1 AND id = $2 \
          AND valid_from >= coalesce((SELECT min(valid_from) FROM (SELECT valid_from FROM tariff_versions \
          WHERE tenant = $1 AND id = $2 AND valid_from <= $3 ORDER BY valid_from DESC LIMIT $4) AS before), $3)",
    all: "SELECT v.tenant, v.id, v.valid_from, v.document \
          FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS k(tenant, id, start, most) \
          JOIN tariff_versions v ON v.tenant = k.tenant AND v.id = k.id \
          AND v.valid_from >= coalesce((SELECT min(b.valid_from) FROM (SELECT w.valid_from FROM tariff_versions w \
          WHERE w.tenant = k.tenant AND w.id = k.id AND w.valid_from <= k.start ORDER BY w.valid_from DESC LIMIT k.most) \
          AS b), k.start)",
};

/// The tariffs of a batch's sessions.
#[derive(Debug, Default)]
pub(super) struct PriceList {
    chosen: BTreeMap<SessionId, (TenantId, TariffId)>,
    versions: BTreeMap<(TenantId, TariffId), Vec<(Timestamp, Tariff)>>,
    zones: BTreeMap<Place, Zone>,
}

// === impl PriceList ===

impl PriceList {
    /// For sessions that go on (the tariff of their start stays) and for those that were folded anew, with what was known of them before:
    /// the tariff is chosen when a session becomes known and stays, unless its start, EVSE or token turn out to be others.
    pub(super) async fn of(
        tx: &mut Tx,
        going_on: &[&Session],
        folded: &[(&Session, Option<&Session>)],
        places: &BTreeMap<Place, Known>,
        default: Option<&TariffId>,
    ) -> Result<Self, StoreError> {
        let mut list = Self::default();
        let keeps = |(session, before): &(&Session, Option<&Session>)| {
            before.is_some_and(|before| session.starts_like(before))
        };
        let (kept, chosen): (Vec<_>, Vec<_>) = folded.iter().copied().partition(keeps);
        let kept = kept.into_iter().filter_map(|(_, before)| before);
        for session in going_on.iter().copied().chain(kept) {
            let chosen = session.tariff.clone().map(|tariff| (session.tenant.clone(), tariff));
            list.chosen.extend(chosen.map(|chosen| (session.id, chosen)));
        }
        let chosen: Vec<_> = chosen.into_iter().map(|(session, _)| session).collect();
        let (groups, assignments) = found(tx, &chosen, places).await?;
        for session in chosen {
            let place = place(session);
            let known = places.get(&place);
            let group = session.token.as_ref().and_then(|token| {
                groups.get(&(session.tenant.clone(), token.lookup_uid())).and_then(Option::as_ref)
            });
            let start = Start {
                location: known.and_then(|known| known.location_id.as_ref()),
                station: &session.station,
                evse: session.evse,
                token_group: group,
                token_kind: session.token.as_ref().map(|token| &token.kind),
                at: session.started_at,
            };
            let assigned = assignments.get(&session.tenant).and_then(|all| choose(all, &start));
            let own = known.and_then(|known| known.tariff_id.as_ref());
            let tariff = assigned.map(|assignment| &assignment.tariff).or(own).or(default).cloned();
            list.chosen.extend(tariff.map(|tariff| (session.id, (session.tenant.clone(), tariff))));
        }
        let folded: Vec<_> = folded.iter().map(|(session, _)| *session).collect();
        let all = going_on.iter().chain(&folded);
        for session in all.clone() {
            let zone = places.get(&place(session)).and_then(|known| known.time_zone.as_deref());
            // A zone this build does not know was refused when the location was written.
            let zone = zone.and_then(|name| Zone::named(name).ok()).unwrap_or(Zone::UTC);
            list.zones.insert(place(session), zone);
        }
        list.read_versions(tx, all.copied()).await?;
        Ok(list)
    }

    async fn read_versions<'a>(
        &mut self,
        tx: &mut Tx,
        sessions: impl Iterator<Item = &'a Session>,
    ) -> Result<(), StoreError> {
        let mut from: BTreeMap<(TenantId, TariffId), Timestamp> = BTreeMap::new();
        for session in sessions {
            let Some(chosen) = self.chosen.get(&session.id) else { continue };
            let earliest = from.entry(chosen.clone()).or_insert(session.started_at);
            *earliest = session.started_at.min(*earliest);
        }
        let keys = from
            .iter()
            .map(|((tenant, id), at)| params![tenant, id, *at, VERSIONS_BEFORE])
            .collect::<Vec<_>>();
        let mut rows = tx.run(Statement::each(&VERSIONS, keys)).await?;
        let missing: Vec<_> = {
            let there: BTreeSet<(TenantId, TariffId)> = rows.iter().map(key_of).collect::<Result<_, _>>()?;
            from.keys().filter(|key| !there.contains(*key)).collect()
        };
        // Every version begins after the session: the first one counts already.
        let keys = missing.iter().map(|(tenant, id)| params![tenant, id, Timestamp::from_millis(0), 1_u32]);
        rows.extend(tx.run(Statement::each(&VERSIONS, keys.collect())).await?);
        for row in rows {
            let version = (row.at("valid_from")?, row.json("document")?);
            self.versions.entry(key_of(&row)?).or_default().push(version);
        }
        Ok(())
    }

    /// What a session is priced by; `None`: charging is free.
    pub(super) fn of_session(&self, session: &Session) -> Option<Prices<'_>> {
        let versions = self.versions.get(self.chosen.get(&session.id)?)?;
        let tariffs = Timeline::new(versions.iter().map(|(from, tariff)| (*from, tariff)))?;
        let zone = self.zones.get(&place(session))?;
        Some(Prices { tariffs, zone })
    }
}

fn place(session: &Session) -> Place {
    (session.tenant.clone(), session.station.clone())
}

fn key_of(row: &Row) -> Result<(TenantId, TariffId), StoreError> {
    Ok((row.named("tenant")?, row.named("id")?))
}

type Groups = BTreeMap<(TenantId, TokenUid), Option<TokenUid>>;
type Assignments = BTreeMap<TenantId, Vec<TariffAssignment>>;

/// The groups of the sessions' tokens, and the assignments that may matter to them.
async fn found(
    tx: &mut Tx,
    sessions: &[&Session],
    places: &BTreeMap<Place, Known>,
) -> Result<(Groups, Assignments), StoreError> {
    let tokens: BTreeMap<_, Vec<Param>> = sessions
        .iter()
        .filter_map(|session| {
            let uid = &session.token.as_ref()?.uid;
            Some(((&session.tenant, upper(uid)), params![&session.tenant, upper(uid)]))
        })
        .collect();
    let here: BTreeMap<Place, Vec<Param>> = sessions
        .iter()
        .map(|session| {
            let place = place(session);
            let location = places.get(&place).and_then(|known| known.location_id.as_ref());
            let row = params![&session.tenant, &session.station, location];
            (place, row)
        })
        .collect();
    let statements = vec![
        Statement::each(&GROUPS, tokens.into_values().collect()),
        Statement::each(&ASSIGNMENTS, here.into_values().collect()),
    ];
    let mut answers = tx.run_all(statements).await?.into_iter();
    let mut groups = Groups::new();
    for row in answers.next().unwrap_or_default() {
        let token: ringmain_domain::token::Token = row.json("document")?;
        groups.insert((token.tenant, token.uid), token.group);
    }
    let mut assignments = Assignments::new();
    for row in answers.next().unwrap_or_default() {
        assignments.entry(row.named("tenant")?).or_default().push(row.json("document")?);
    }
    Ok((groups, assignments))
}
