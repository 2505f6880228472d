//! Who may charge where: what is known of a presented token, in one reading; the rules of locations; and what was decided, counted.

use ringmain_domain::authorize::rule::AccessRule;
use ringmain_domain::authorize::{Authorization, Charge, MAX_CHARGES, TokenStanding};
use ringmain_domain::id::{EvseId, LocationId, StationId, TenantId, TokenUid, TransactionId};
use ringmain_domain::roaming::{Clearance, OrderedStart, Roamer, RoamingToken};
use ringmain_domain::time::Timestamp;
use ringmain_domain::token::IdToken;

use crate::engine::Statement;
use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::locations::keep_beside;
use crate::store::{Store, StoreError};
use crate::tokens::upper;

/// The most rows of a report.
pub const MAX_ROWS: u32 = 10_000;

/// How often tokens were decided about in one way at one location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationCount {
    /// Where the station stands now; `None`: nowhere, or it is gone.
    pub location_id: Option<LocationId>,
    /// The decision.
    pub authorization: Authorization,
    /// So often when a station asked.
    pub asked: u64,
    /// So often in a message about a transaction; repeats count once.
    pub transactions: u64,
}

const TOKEN: &str = "SELECT t.document AS token, g.document AS token_group FROM tokens t \
     LEFT JOIN token_groups g ON g.tenant = t.tenant AND g.id = t.group_id WHERE t.tenant = $1 AND t.uid = $2";

const CHARGES: &str = "SELECT station, transaction_id, evse, started_at, updated_at, \
     document ->> 'authorization' AS verdict, party_country IS NOT NULL AS roaming FROM sessions \
     WHERE tenant = $1 AND token_uid = $2 AND status = 'active' ORDER BY started_at DESC LIMIT $3";

const PLACE: &str = "SELECT a.document AS rules, l.document ->> 'time_zone' AS time_zone, l.id AS location FROM stations s \
     LEFT JOIN location_access a ON a.tenant = s.tenant AND a.location_id = s.location_id \
     LEFT JOIN locations l ON l.tenant = s.tenant AND l.id = s.location_id WHERE s.tenant = $1 AND s.id = $2";

/// Tokens of other companies by uid: few companies use the same. With the last word about such a driver there, and what was ordered.
const ROAMING: &str = "SELECT document FROM partner_tokens WHERE tenant = $1 AND uid = $2 \
     ORDER BY party_country, party_id, kind LIMIT 32";
const ORDERED: &str = "SELECT remote_start_id, document FROM ordered_starts \
     WHERE tenant = $1 AND uid = $2 AND station = $3 ORDER BY at DESC, remote_start_id LIMIT 8";
const CLEARANCE: &str = "SELECT document FROM clearances WHERE tenant = $1 AND uid = $2 AND station = $3";
const RULES: &str = "SELECT document FROM location_access WHERE tenant = $1 AND location_id = $2";

const ASKED: &str = "SELECT s.location_id, e.body ->> 'authorization' AS verdict, count(*) AS n FROM events e \
     LEFT JOIN stations s ON s.tenant = e.tenant AND s.id = e.station \
     WHERE e.tenant = $1 AND e.name = 'token_presented' AND e.received_at >= $2 AND e.received_at < $3 \
     GROUP BY s.location_id, e.body ->> 'authorization' ORDER BY s.location_id, verdict LIMIT $4";

const CHARGED: &str = "SELECT s.location_id, t.document ->> 'authorization' AS verdict, count(*) AS n \
     FROM transaction_events t LEFT JOIN stations s ON s.tenant = t.tenant AND s.id = t.station \
     WHERE t.tenant = $1 AND t.document ->> 'authorization' IS NOT NULL AND t.received_at >= $2 AND t.received_at < $3 \
     GROUP BY s.location_id, t.document ->> 'authorization' ORDER BY s.location_id, verdict LIMIT $4";

impl Store {
    /// What is known of a token that is presented at a station: token, group, where it charges now, and who may charge there. One round
    /// trip, because a station waits; by the primary keys and `sessions_open_by_token`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn token_standing(
        &self,
        tenant: &TenantId,
        presented: &IdToken,
        station: &StationId,
    ) -> Result<TokenStanding, StoreError> {
        let (uid, kind) = (&presented.uid, &presented.kind);
        let most = i64::try_from(MAX_CHARGES).unwrap_or(i64::MAX);
        let statements = vec![
            Statement::once(TOKEN, params![tenant, upper(uid)]),
            Statement::once(CHARGES, params![tenant, upper(uid), most]),
            Statement::once(PLACE, params![tenant, station]),
            Statement::once(ROAMING, params![tenant, upper(uid)]),
            Statement::once(CLEARANCE, params![tenant, upper(uid), station]),
            Statement::once(ORDERED, params![tenant, upper(uid), station]),
        ];
        let mut answers = self.engine().read(statements).await?.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        let mut standing = TokenStanding::default();
        if let Some(row) = next().first() {
            standing.token = Some(row.json("token")?);
            standing.group = row.json_or_null("token_group")?;
        }
        standing.charges = next().iter().map(charge).collect::<Result<_, _>>()?;
        standing.unplaced = true;
        if let Some(row) = next().first() {
            standing.rules = row.json_or_null("rules")?.unwrap_or_default();
            standing.time_zone = row.words("time_zone")?;
            standing.unplaced = row.words("location")?.is_none();
        }
        let tokens: Vec<RoamingToken> =
            next().iter().map(|row| row.json("document")).collect::<Result<_, _>>()?;
        let mut said: Vec<Clearance> =
            next().iter().map(|row| row.json("document")).collect::<Result<_, _>>()?;
        standing.ordered = next().iter().map(ordered).collect::<Result<_, _>>()?;
        said.extend(standing.ordered.iter().map(|start| start.clearance.clone()));
        standing.roamer = Roamer::of(kind, tokens, said).map(Box::new);
        Ok(standing)
    }

    /// The transactions of a token that go on at a station, at most two: one is what it charges, two are too many to choose from.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn transactions_of_token(
        &self,
        tenant: &TenantId,
        uid: &TokenUid,
        station: &StationId,
    ) -> Result<Vec<TransactionId>, StoreError> {
        let sql = "SELECT transaction_id FROM sessions WHERE tenant = $1 AND token_uid = $2 AND status = 'active' AND station = $3 \
             ORDER BY transaction_id LIMIT 2";
        let rows = self.engine().rows(sql, params![tenant, upper(uid), station]).await?;
        rows.iter().map(|row| row.named("transaction_id")).collect()
    }

    /// Who may charge at a location; empty is everyone.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn location_access(
        &self,
        tenant: &TenantId,
        location: &LocationId,
    ) -> Result<Vec<AccessRule>, StoreError> {
        let rows = self.engine().rows(RULES, params![tenant, location]).await?;
        rows.first().map_or_else(|| Ok(Vec::new()), |row| row.json("document"))
    }

    /// Says who may charge at a location; an empty list is everyone. `false`: there is no such location, and nothing is kept.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_location_access(
        &self,
        tenant: &TenantId,
        location: &LocationId,
        rules: &[AccessRule],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO location_access (tenant, location_id, updated_at, document) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (tenant, location_id) DO UPDATE SET updated_at = excluded.updated_at, document = excluded.document";
        let mut row = params![tenant, location, now];
        row.push(Param::json(&rules)?);
        let (id, put) = (params![tenant, location], Statement::once(sql, row));
        self.engine().write(move |tx| Box::pin(keep_beside(tx, id, put))).await
    }

    /// What was decided about presented tokens from one instant to before another, by location and decision. At most [`MAX_ROWS`] rows;
    /// by `events_token_presented` and `transaction_events_judged`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn authorization_counts(
        &self,
        tenant: &TenantId,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<AuthorizationCount>, StoreError> {
        let params = || params![tenant, from, to, MAX_ROWS];
        let statements = vec![Statement::once(ASKED, params()), Statement::once(CHARGED, params())];
        let mut answers = self.engine().read(statements).await?.into_iter();
        let mut counts = std::collections::BTreeMap::<_, AuthorizationCount>::new();
        for in_transaction in [false, true] {
            for row in answers.next().unwrap_or_default() {
                let (location_id, authorization) = (row.named_or_null("location_id")?, row.named("verdict")?);
                let key = (location_id.clone(), authorization);
                let empty = AuthorizationCount { location_id, authorization, asked: 0, transactions: 0 };
                let count = counts.entry(key).or_insert(empty);
                if in_transaction {
                    count.transactions = row.number("n")?;
                } else {
                    count.asked = row.number("n")?;
                }
            }
        }
        Ok(counts.into_values().take(usize::try_from(MAX_ROWS).unwrap_or(usize::MAX)).collect())
    }
}

fn charge(row: &Row) -> Result<Charge, StoreError> {
    let evse = row.int_or_null("evse")?.map(u32::try_from).transpose();
    Ok(Charge {
        station: row.named("station")?,
        transaction: row.named("transaction_id")?,
        evse: evse.map_err(|_out_of_range| StoreError::corrupt("an EVSE has no such number"))?.map(EvseId),
        started_at: row.at("started_at")?,
        heard_at: row.at("updated_at")?,
        authorization: row.named_or_null("verdict")?,
        roaming: row.boolean("roaming")?,
    })
}

fn ordered(row: &Row) -> Result<OrderedStart, StoreError> {
    Ok(OrderedStart { remote_start_id: row.number("remote_start_id")?, clearance: row.json("document")? })
}
