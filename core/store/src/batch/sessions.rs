//! Sessions and bill records that follow from a batch's facts.
//!
//! A session that goes on is advanced; one that starts, ends or is corrected is folded anew from all its facts. Sessions are
//! locked before their facts are read, so that of two nodes the second sees what the first has stored.

use std::collections::BTreeMap;

use ringmain_domain::cdr::Cdr;
use ringmain_domain::event::{DomainEvent, Fact};
use ringmain_domain::id::{CdrId, EvseId, SessionId, TariffId};
use ringmain_domain::report::TransactionPhase;
use ringmain_domain::roaming::Contract;
use ringmain_domain::ruling::{of_contradiction, of_rivals};
use ringmain_domain::session::plausible::Demands;
use ringmain_domain::session::{Folded, Session, SessionStatus, fold};
use ringmain_domain::settlement::{BillingPolicy, Settlement, estimate, settle};
use ringmain_domain::time::Timestamp;
use ringmain_domain::transaction::TransactionFact;

use crate::batch::evses::Said;
use crate::batch::places::Known;
use crate::batch::prices::PriceList;
use crate::batch::transactions::{Standing, Told};
use crate::batch::{Place, Sessions};
use crate::engine::param::{Param, params};
use crate::engine::{Statement, Texts, Tx};
use crate::store::StoreError;
use crate::tokens::upper;
use crate::transactions::{FACTS, key};

/// What follows from a batch.
#[derive(Debug, Default)]
pub(super) struct Projected {
    /// All sessions the batch speaks of, as they are now.
    pub(super) sessions: Sessions,
    /// Where those of them stand that were known before.
    locations: BTreeMap<SessionId, Box<str>>,
    /// Those of them that changed, and when.
    pub(super) changed: Vec<(Session, Timestamp)>,
    /// Those that were folded anew, and when: they may stand at an EVSE nobody has heard of.
    pub(super) folded: Vec<(SessionId, Timestamp)>,
    /// What sessions said of their EVSEs before the batch.
    said: BTreeMap<SessionId, Said>,
    /// EVSEs of which sessions say something else now, and since when.
    pub(super) retold: BTreeMap<(Place, EvseId), Timestamp>,
    /// Records to freeze.
    pub(super) cdrs: Vec<Cdr>,
    /// Rulings about sessions of the batch that are to be stored with it.
    pub(super) rulings: Vec<Told>,
    /// Rulings about other sessions, to be appended next, by the place of the fact they follow from.
    pub(super) follows: Vec<(usize, Fact)>,
    /// Which fact of the batch completed which record.
    pub(super) billed_by: BTreeMap<usize, CdrId>,
}

/// The most other sessions at one EVSE that are looked at.
const RIVALS_MAX: u32 = 8;

static LOCK: Texts = Texts {
    one: "SELECT id, location_id, document FROM sessions WHERE tenant = $1 AND id = $2",
    all: "SELECT s.id, s.location_id, s.document FROM unnest($1::text[], $2::uuid[]) AS k(tenant, id) \
          JOIN sessions s ON s.tenant = k.tenant AND s.id = k.id ORDER BY s.id FOR UPDATE OF s",
};

/// For sessions that have no row to lock yet; held until the transaction ends.
static LOCK_NEW: Texts = Texts {
    one: "SELECT $1 AS locked",
    all: "SELECT count(pg_advisory_xact_lock(k)) AS locked FROM unnest($1::bigint[]) AS k",
};

static BILLED: Texts = Texts {
    one: "SELECT session_id, document FROM cdrs WHERE tenant = $1 AND session_id = $2 ORDER BY revision DESC LIMIT 1",
    all: "SELECT c.session_id, c.document FROM unnest($1::text[], $2::uuid[]) AS k(tenant, id) CROSS JOIN LATERAL \
          (SELECT session_id, document FROM cdrs WHERE cdrs.tenant = k.tenant AND cdrs.session_id = k.id \
          ORDER BY revision DESC LIMIT 1) AS c",
};

/// Sessions at an EVSE (tenant, station, evse) from an instant until another that are not the one given, at most so many.
static OVERLAPPING: Texts = Texts {
    one: "SELECT $6 AS session, document FROM sessions WHERE tenant = $1 AND station = $2 AND evse = $3 \
          AND coalesce(ended_at, 9223372036854775807) >= $4 AND started_at <= $5 AND id <> $6 AND status <> 'invalid' \
          ORDER BY started_at, id LIMIT $7",
    all: "SELECT k.id AS session, s.document FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], \
          $6::uuid[], $7::bigint[]) AS k(tenant, station, evse, since, until, id, most) CROSS JOIN LATERAL \
          (SELECT document FROM sessions o WHERE o.tenant = k.tenant AND o.station = k.station AND o.evse = k.evse \
          AND coalesce(o.ended_at, 9223372036854775807) >= k.since AND o.started_at <= k.until AND o.id <> k.id \
          AND o.status <> 'invalid' ORDER BY o.started_at, o.id LIMIT k.most) AS s",
};

/// A roaming driver's session keeps the location as it was when it was first known, and the EVSE as it was described then: the bill record
/// tells both (OCPI 2.2.1 mod_cdrs, `cdr_location`), whatever becomes of them.
static WRITE: Texts = Texts {
    one: "INSERT INTO sessions (tenant, id, station, transaction_id, location_id, evse, token_uid, status, started_at, \
          ended_at, energy_wh, energy_flows, updated_at, settle_at, document, party_country, party_id, place, hardware) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
          CASE WHEN $16 IS NOT NULL THEN (SELECT l.document FROM locations l WHERE l.tenant = $1 AND l.id = $5) END, \
          CASE WHEN $16 IS NOT NULL THEN (SELECT e.value FROM station_hardware h CROSS JOIN json_each(h.document, '$.evses') e \
          WHERE h.tenant = $1 AND h.station = $3 AND json_extract(e.value, '$.evse') = $6) END) \
          ON CONFLICT (tenant, id) DO UPDATE SET place = coalesce(sessions.place, excluded.place), \
          hardware = CASE WHEN sessions.evse IS DISTINCT FROM excluded.evse THEN excluded.hardware \
          ELSE coalesce(sessions.hardware, excluded.hardware) END, \
          location_id = coalesce(sessions.location_id, excluded.location_id), evse = excluded.evse, \
          token_uid = excluded.token_uid, status = excluded.status, started_at = excluded.started_at, \
          ended_at = excluded.ended_at, energy_wh = excluded.energy_wh, energy_flows = excluded.energy_flows, \
          updated_at = excluded.updated_at, settle_at = excluded.settle_at, document = excluded.document, \
          party_country = excluded.party_country, party_id = excluded.party_id",
    all: "INSERT INTO sessions (tenant, id, station, transaction_id, location_id, evse, token_uid, status, started_at, \
          ended_at, energy_wh, energy_flows, updated_at, settle_at, document, party_country, party_id, place, hardware) \
          SELECT k.*, CASE WHEN k.party_country IS NOT NULL THEN (SELECT l.document FROM locations l \
          WHERE l.tenant = k.tenant AND l.id = k.location_id) END, \
          CASE WHEN k.party_country IS NOT NULL THEN (SELECT e FROM station_hardware h \
          CROSS JOIN LATERAL jsonb_array_elements(h.document -> 'evses') e WHERE h.tenant = k.tenant AND h.station = k.station \
          AND CAST(e ->> 'evse' AS BIGINT) = k.evse) END FROM unnest($1::text[], $2::uuid[], \
          $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bigint[], $10::bigint[], \
          $11::bigint[], $12::boolean[], $13::bigint[], $14::bigint[], $15::jsonb[], $16::text[], $17::text[]) \
          AS k(tenant, id, station, transaction_id, location_id, evse, token_uid, status, started_at, ended_at, energy_wh, \
          energy_flows, updated_at, settle_at, document, party_country, party_id) \
          ON CONFLICT (tenant, id) DO UPDATE SET place = coalesce(sessions.place, excluded.place), \
          hardware = CASE WHEN sessions.evse IS DISTINCT FROM excluded.evse THEN excluded.hardware \
          ELSE coalesce(sessions.hardware, excluded.hardware) END, \
          location_id = coalesce(sessions.location_id, excluded.location_id), evse = excluded.evse, \
          token_uid = excluded.token_uid, status = excluded.status, started_at = excluded.started_at, \
          ended_at = excluded.ended_at, energy_wh = excluded.energy_wh, energy_flows = excluded.energy_flows, \
          updated_at = excluded.updated_at, settle_at = excluded.settle_at, document = excluded.document, \
          party_country = excluded.party_country, party_id = excluded.party_id",
};

static FREEZE: Texts = Texts {
    one: "INSERT INTO cdrs (tenant, id, session_id, revision, station, location_id, token_uid, started_at, ended_at, \
          energy_wh, created_at, document, party_country, party_id) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    all: "INSERT INTO cdrs (tenant, id, session_id, revision, station, location_id, token_uid, started_at, ended_at, \
          energy_wh, created_at, document, party_country, party_id) SELECT * FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::bigint[], \
          $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::jsonb[], $13::text[], $14::text[])",
};

/// Locks and reads the sessions of a batch, so far as they exist.
pub(super) async fn lock(tx: &mut Tx, told: &[Told]) -> Result<Projected, StoreError> {
    let mut keys: BTreeMap<SessionId, Vec<Param>> = BTreeMap::new();
    for one in told {
        keys.entry(one.session).or_insert_with(|| params![&one.tenant, one.session]);
    }
    let mut known = Projected::default();
    known.read_locked(tx, keys.values().cloned().collect()).await?;
    keys.retain(|id, _| !known.sessions.contains_key(id));
    if tx.has_rivals() && !keys.is_empty() {
        let locks = keys.keys().map(|id| params![half(*id)]).collect();
        tx.run(Statement::each(&LOCK_NEW, locks)).await?;
        // Whoever held the lock before us may have made the session meanwhile.
        known.read_locked(tx, keys.into_values().collect()).await?;
    }
    Ok(known)
}

/// Half of an id, enough to tell locks apart; a chance meeting only makes one wait for the other.
fn half(id: SessionId) -> i64 {
    i64::from_be_bytes(id.0.as_u64_pair().0.to_be_bytes())
}

/// Works out what the fresh facts make of their sessions.
pub(super) async fn project(
    tx: &mut Tx,
    told: &[Told],
    mut projected: Projected,
    places: &BTreeMap<Place, Known>,
    default_tariff: Option<&TariffId>,
    policy: &BillingPolicy,
) -> Result<Projected, StoreError> {
    let mut fresh: BTreeMap<SessionId, Vec<&Told>> = BTreeMap::new();
    for one in told.iter().filter(|one| one.standing == Standing::Fresh) {
        fresh.entry(one.session).or_default().push(one);
    }
    if fresh.is_empty() {
        projected.look_at_contradictions(told, &[]);
        return Ok(projected);
    }
    let (running, folded): (BTreeMap<_, _>, BTreeMap<_, _>) =
        fresh.into_iter().partition(|(id, facts)| goes_on(projected.sessions.get(id), facts));
    let running: Vec<_> =
        running.into_iter().filter_map(|(id, facts)| projected.advance(id, facts)).collect();
    let (facts, mut billed) = read_all(tx, &folded).await?;
    let mut anew = fold_anew(folded, facts, places)?;
    let overlapping = overlapping(tx, &anew).await?;
    projected.look_at_contradictions(told, &anew);
    projected.look_at_rivals(&mut anew, &overlapping);
    let going_on: Vec<_> = running.iter().map(|(session, _)| session).collect();
    let starts: Vec<_> = anew
        .iter()
        .map(|one| (&one.folded.session, projected.sessions.get(&one.folded.session.id)))
        .collect();
    let prices = PriceList::of(tx, &going_on, &starts, places, default_tariff).await?;
    for (session, at) in running {
        let priced = prices.of_session(&session);
        projected.keep(estimate(session, priced.as_ref()), at);
    }
    for Anew { folded, new, facts, .. } in anew {
        let priced = prices.of_session(&folded.session);
        let billed = billed.remove(&folded.session.id);
        let settled = settle(folded, &facts, priced.as_ref(), billed.as_ref(), policy, latest(&new));
        projected.take_over(settled, &new);
    }
    Ok(projected)
}

/// A session that is folded from all its facts.
struct Anew<'a> {
    folded: Folded,
    new: Vec<&'a Told>,
    facts: Vec<TransactionFact>,
    demands: Demands,
}

fn fold_anew<'a>(
    folded: BTreeMap<SessionId, Vec<&'a Told>>,
    mut facts: BTreeMap<SessionId, Vec<TransactionFact>>,
    places: &BTreeMap<Place, Known>,
) -> Result<Vec<Anew<'a>>, StoreError> {
    let mut all = Vec::with_capacity(folded.len());
    for (id, new) in folded {
        let Some(one) = new.first() else { continue };
        let facts = facts.remove(&id).unwrap_or_default();
        let known = places.get(&(one.tenant.clone(), one.station.clone()));
        let demands = known.map(|known| known.demands).unwrap_or_default();
        if let Some(folded) = fold(&one.tenant, &one.station, &facts) {
            all.push(Anew { folded: folded.held_to(demands), new, facts, demands });
        } else if new.iter().any(|one| one.fact.ruling.is_none()) {
            return Err(StoreError::corrupt("stored facts are not there"));
        }
    }
    Ok(all)
}

/// Which others stood at the EVSEs of these sessions at the same time.
async fn overlapping(tx: &mut Tx, anew: &[Anew<'_>]) -> Result<Vec<(SessionId, Session)>, StoreError> {
    let keys = anew.iter().filter_map(|one| {
        let session = &one.folded.session;
        let evse = session.evse.filter(|evse| evse.0 > 0)?;
        let until = session.ended_at.unwrap_or(Timestamp::from_millis(i64::MAX));
        let (tenant, station) = (&session.tenant, &session.station);
        Some(params![tenant, station, evse, session.started_at, until, session.id, RIVALS_MAX])
    });
    let rows = tx.run(Statement::each(&OVERLAPPING, keys.collect())).await?;
    rows.iter().map(|row| Ok((SessionId(row.uuid("session")?), row.json("document")?))).collect()
}

fn goes_on(session: Option<&Session>, facts: &[&Told]) -> bool {
    session.is_some_and(|session| session.status == SessionStatus::Active)
        && facts.iter().all(|one| one.fact.phase == TransactionPhase::Updated && one.fact.ruling.is_none())
}

/// All facts and the bill record of sessions.
async fn read_all(
    tx: &mut Tx,
    folded: &BTreeMap<SessionId, Vec<&Told>>,
) -> Result<(BTreeMap<SessionId, Vec<TransactionFact>>, BTreeMap<SessionId, Cdr>), StoreError> {
    let (mut keys, mut bills) = (Vec::new(), Vec::new());
    for (id, new) in folded {
        if let Some(one) = new.first() {
            keys.push(key(&one.tenant, &one.station, &one.fact.transaction, &id.to_string()));
            bills.push(params![&one.tenant, *id]);
        }
    }
    let statements = vec![Statement::each(&FACTS, keys), Statement::each(&BILLED, bills)];
    let mut answers = tx.run_all(statements).await?.into_iter();
    let mut facts: BTreeMap<SessionId, Vec<TransactionFact>> = BTreeMap::new();
    for row in answers.next().unwrap_or_default() {
        facts.entry(SessionId(row.uuid("mark")?)).or_default().push(row.json("document")?);
    }
    let mut billed = BTreeMap::new();
    for row in answers.next().unwrap_or_default() {
        billed.insert(SessionId(row.uuid("session_id")?), row.json("document")?);
    }
    Ok((facts, billed))
}

// === impl Projected ===

impl Projected {
    async fn read_locked(&mut self, tx: &mut Tx, keys: Vec<Vec<Param>>) -> Result<(), StoreError> {
        for row in tx.run(Statement::each(&LOCK, keys)).await? {
            let id = SessionId(row.uuid("id")?);
            let session: Session = row.json("document")?;
            self.said.extend(Said::by(&session).map(|said| (id, said)));
            self.sessions.insert(id, session);
            self.locations.extend(row.words("location_id")?.map(|location| (id, location)));
        }
        Ok(())
    }

    /// Where a session stands: where its station stood when it was first known.
    fn location(&self, id: SessionId, place: &Place, places: &BTreeMap<Place, Known>) -> Option<Param> {
        let now = || places.get(place).and_then(|known| known.location_id.as_ref()).map(Param::from);
        self.locations.get(&id).map(|location| Param::from(&**location)).or_else(now)
    }

    /// A session that goes on, with its new facts, and when the last of them came.
    fn advance(&mut self, id: SessionId, facts: Vec<&Told>) -> Option<(Session, Timestamp)> {
        let session = self.sessions.remove(&id)?;
        let session = facts.iter().fold(session, |session, one| session.advance(&one.fact));
        Some((session, latest(&facts)))
    }

    /// Rulings that follow from messages that were not kept; handed to whoever appended.
    fn look_at_contradictions(&mut self, told: &[Told], anew: &[Anew<'_>]) {
        for one in told.iter().filter(|one| one.standing == Standing::Conflict) {
            let folded =
                anew.iter().map(|anew| &anew.folded.session).find(|session| session.id == one.session);
            let session = folded.or_else(|| self.sessions.get(&one.session));
            if let Some(ruling) = session.and_then(|session| of_contradiction(session, &one.fact)) {
                let ruling = ruling.into_fact(one.fact.transaction.clone(), one.received_at);
                self.follows.push(ruled(one, ruling));
            }
        }
    }

    /// Rulings that follow from others at the same EVSE. Those about the session itself count at once, before it is billed; those about
    /// others are handed to whoever appended.
    fn look_at_rivals(&mut self, anew: &mut [Anew<'_>], overlapping: &[(SessionId, Session)]) {
        for (id, other) in overlapping {
            let Some(anew) = anew.iter_mut().find(|anew| anew.folded.session.id == *id) else { continue };
            let Some(one) = anew.new.last() else { continue };
            let Some((transaction, ruling)) = of_rivals(other, &anew.folded.session) else { continue };
            let fact = ruling.into_fact(transaction, one.received_at);
            if fact.transaction != anew.folded.session.transaction {
                self.follows.push(ruled(one, fact));
            } else if !anew.facts.iter().any(|known| known.key == fact.key) {
                let told = Told {
                    key: fact.key.stored(),
                    fact: fact.clone(),
                    standing: Standing::Fresh,
                    ..(*one).clone()
                };
                self.rulings.push(told);
                anew.facts.push(fact);
                if let Some(folded) = fold(&one.tenant, &one.station, &anew.facts) {
                    anew.folded = folded.held_to(anew.demands);
                }
            }
        }
    }

    fn take_over(&mut self, settled: Settlement, new: &[&Told]) {
        if let Some(cdr) = settled.cdrs.last() {
            // The end completes the bill; when it came before, the last fact that was missing does.
            let end = new.iter().find(|one| one.fact.phase == TransactionPhase::Ended).or(new.last());
            self.billed_by.extend(end.map(|one| (one.index, cdr.id)));
        }
        self.cdrs.extend(settled.cdrs);
        self.folded.push((settled.session.id, latest(new)));
        self.keep(settled.session, latest(new));
    }

    fn keep(&mut self, session: Session, at: Timestamp) {
        let (before, now) = (self.said.get(&session.id).copied(), Said::by(&session));
        if before != now {
            let place = (session.tenant.clone(), session.station.clone());
            for Said { evse, .. } in [before, now].into_iter().flatten() {
                let since = self.retold.entry((place.clone(), evse)).or_insert(at);
                *since = at.max(*since);
            }
        }
        self.sessions.insert(session.id, session.clone());
        self.changed.push((session, at));
    }
}

/// A ruling to append next, and the place of the fact it follows from.
fn ruled(one: &Told, ruling: TransactionFact) -> (usize, Fact) {
    let (tenant, station) = (one.tenant.clone(), one.station.clone());
    (
        one.index,
        Fact { tenant, station, received_at: one.received_at, event: DomainEvent::Transaction(ruling) },
    )
}

fn latest(facts: &[&Told]) -> Timestamp {
    facts.iter().map(|one| one.received_at).max().unwrap_or_default()
}

/// Writes sessions and freezes records.
pub(super) fn writes(
    projected: &Projected,
    places: &BTreeMap<Place, Known>,
) -> Result<Vec<Statement>, StoreError> {
    let mut sessions = Vec::with_capacity(projected.changed.len());
    for (session, at) in &projected.changed {
        let place = (session.tenant.clone(), session.station.clone());
        sessions.push(session_row(session, projected.location(session.id, &place, places), *at)?);
    }
    let mut cdrs = Vec::with_capacity(projected.cdrs.len());
    for cdr in &projected.cdrs {
        let place = (cdr.tenant.clone(), cdr.station.clone());
        cdrs.push(cdr_row(cdr, projected.location(cdr.session_id, &place, places))?);
    }
    Ok(vec![Statement::each(&WRITE, sessions), Statement::each(&FREEZE, cdrs)])
}

fn session_row(session: &Session, location: Option<Param>, at: Timestamp) -> Result<Vec<Param>, StoreError> {
    let mut row = params![
        &session.tenant,
        session.id,
        &session.station,
        &session.transaction,
        location,
        session.evse,
        session.token.as_ref().map(|token| upper(&token.uid)),
        session.status.as_str(),
        session.started_at,
        session.ended_at,
        session.energy.0,
        session.energy_flows,
        at,
        session.settles_at,
    ];
    row.push(Param::json(session)?);
    row.extend(party_of(session.contract.as_deref()));
    Ok(row)
}

fn cdr_row(cdr: &Cdr, location: Option<Param>) -> Result<Vec<Param>, StoreError> {
    let mut row = params![
        &cdr.tenant,
        cdr.id,
        cdr.session_id,
        cdr.revision,
        &cdr.station,
        location,
        cdr.token.as_ref().map(|token| upper(&token.uid)),
        cdr.started_at,
        cdr.ended_at,
        cdr.energy.0,
        cdr.created_at,
    ];
    row.push(Param::json(cdr)?);
    row.extend(party_of(cdr.contract.as_deref()));
    Ok(row)
}

/// Whose driver, in the two columns for it.
fn party_of(contract: Option<&Contract>) -> Vec<Param> {
    let party = contract.map(|contract| &contract.party);
    params![party.map(|party| &*party.country_code), party.map(|party| &*party.party_id)]
}
