//! Tokens of other companies, as they told us, and what they said of their drivers.
//!
//! A token is its company's alone: the key has the company in it, so two of them may use the same uid and neither can touch the other's.

use std::collections::BTreeMap;

use ringmain_domain::id::{StationId, TenantId, TokenUid};
use ringmain_domain::party::Party;
use ringmain_domain::roaming::{CLEARED_FOR_MS, Clearance, OrderedStart, RoamingToken};
use ringmain_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::engine::{Statement, Texts, Tx};
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};
use crate::tokens::upper;

/// A token with all that its company said of it.
#[derive(Debug, Clone)]
pub struct ToldToken {
    /// What we decide by.
    pub token: RoamingToken,
    /// All that was said, as it came, in the words of the newest version.
    pub told: Box<RawValue>,
    /// When its company changed it last, by its own clock.
    pub last_updated: Timestamp,
    /// When it said which field.
    pub touched: Touched,
}

/// When a company last said which field of an object, by its own clock: words that overtake each other are told apart by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// When all of it was told.
    pub whole_at: Timestamp,
    /// Fields that were told by themselves since.
    pub fields: BTreeMap<Box<str>, Timestamp>,
}

/// As it is stored: a release that knew nothing of it moved the token on and left it.
#[derive(Serialize, Deserialize)]
struct KeptTouched {
    last_updated: Timestamp,
    touched: Touched,
}

/// What becomes of a token that was told anew, or why it stays.
type Change<E> = dyn FnOnce(ToldToken) -> Result<Option<ToldToken>, E> + Send;

/// Later news win; the same news again change nothing.
static PUT: Texts = Texts {
    one: "INSERT INTO partner_tokens (tenant, party_country, party_id, uid, kind, last_updated, document, told) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, party_country, party_id, uid, kind) DO UPDATE SET \
          last_updated = excluded.last_updated, document = excluded.document, told = excluded.told, touched = NULL \
          WHERE excluded.last_updated >= partner_tokens.last_updated",
    all: "INSERT INTO partner_tokens (tenant, party_country, party_id, uid, kind, last_updated, document, told) \
          SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::jsonb[], \
          $8::jsonb[]) ON CONFLICT (tenant, party_country, party_id, uid, kind) DO UPDATE SET \
          last_updated = excluded.last_updated, document = excluded.document, told = excluded.told, touched = NULL \
          WHERE excluded.last_updated >= partner_tokens.last_updated",
};

const CHANGE: &str = "UPDATE partner_tokens SET last_updated = $6, document = $7, told = $8, touched = $9 \
     WHERE tenant = $1 AND party_country = $2 AND party_id = $3 AND uid = $4 AND kind = $5";

const COLUMNS: &str =
    "SELECT party_country, party_id, uid, kind, last_updated, document, told, touched FROM partner_tokens";

impl Touched {
    /// All fields at one instant.
    #[must_use]
    pub const fn whole(at: Timestamp) -> Self {
        Self { whole_at: at, fields: BTreeMap::new() }
    }

    /// When anything of it was told last.
    #[must_use]
    pub fn newest(&self) -> Timestamp {
        self.fields.values().copied().fold(self.whole_at, Ord::max)
    }

    /// When a field was told last.
    #[must_use]
    pub fn of(&self, field: &str) -> Timestamp {
        self.fields.get(field).copied().unwrap_or(self.whole_at).max(self.whole_at)
    }
}

impl Store {
    /// A company's token, if it told us of it.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_token(
        &self,
        tenant: &TenantId,
        party: &Party,
        (uid, kind): (&TokenUid, &str),
    ) -> Result<Option<ToldToken>, StoreError> {
        let select =
            of(tenant, party).filter("uid = ?", params![upper(uid)]).filter("kind = ?", params![kind]);
        let rows = self.engine().read(vec![select.tail("LIMIT 1", Vec::new())]).await?;
        rows.iter().flatten().next().map(told).transpose()
    }

    /// A company's tokens, by uid and kind.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_tokens(
        &self,
        tenant: &TenantId,
        party: &Party,
        page: &PageRequest,
    ) -> Result<Page<ToldToken>, StoreError> {
        let mut select = of(tenant, party);
        if let Some((uid, kind)) = page.key::<(String, String)>()? {
            select = select.filter("(uid, kind) > (?, ?)", params![uid, kind]);
        }
        let select = select.tail("ORDER BY uid, kind LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, told, |row| Ok((row.text("uid")?.to_owned(), row.text("kind")?.to_owned())))
    }

    /// Makes tokens of companies or replaces them; of two words about one the later one counts. Each at most once.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: an uid is none. Else as [`StoreError`] says.
    pub async fn put_partner_tokens(
        &self,
        tenant: &TenantId,
        tokens: &[ToldToken],
    ) -> Result<(), StoreError> {
        let mut rows = Vec::with_capacity(tokens.len());
        for ToldToken { token, told, last_updated, .. } in tokens {
            let party = &token.party;
            let mut row = params![
                tenant,
                &*party.country_code,
                &*party.party_id,
                token.uid.to_ascii_uppercase(),
                &*token.kind,
                *last_updated,
            ];
            row.push(Param::json(token)?);
            row.push(Param::json(told)?);
            rows.push(row);
        }
        self.engine().change_all(Statement::each(&PUT, rows)).await.map(drop)
    }

    /// Changes a token that is known while nobody else can; `None`: it is not. What `change` refuses, or does not want, stays as it was.
    ///
    /// # Errors
    /// As [`StoreError`] says; then nothing changed, or [`StoreError::Unknown`].
    pub async fn change_partner_token<E: Send + 'static>(
        &self,
        tenant: &TenantId,
        party: &Party,
        (uid, kind): (&TokenUid, &str),
        change: Box<Change<E>>,
    ) -> Result<Option<Result<(), E>>, StoreError> {
        let key = params![tenant, &*party.country_code, &*party.party_id, upper(uid), kind];
        self.engine().write(move |tx| Box::pin(change_token(tx, key, change))).await
    }

    /// Keeps what a company ordered for its driver at a station.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_ordered_start(
        &self,
        tenant: &TenantId,
        station: &StationId,
        ordered: &OrderedStart,
    ) -> Result<(), StoreError> {
        let OrderedStart { remote_start_id, clearance } = ordered;
        let put = "INSERT INTO ordered_starts (tenant, uid, station, remote_start_id, at, document) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (tenant, uid, station, remote_start_id) DO UPDATE SET at = excluded.at, document = excluded.document";
        let uid = clearance.contract.uid.to_ascii_uppercase();
        let mut row = params![tenant, &*uid, station, i64::from(*remote_start_id), clearance.at];
        row.push(Param::json(clearance)?);
        // A node of the release before looks for it here. What somebody said there that still holds, it takes nothing from.
        let beside = "INSERT INTO clearances (tenant, uid, station, at, document) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant, uid, station) DO UPDATE SET at = excluded.at, document = excluded.document \
             WHERE clearances.at <= $6";
        let mut old = params![tenant, &*uid, station, clearance.at];
        old.push(Param::json(clearance)?);
        old.push(clearance.at.plus_millis(-CLEARED_FOR_MS).into());
        let both = vec![Statement::once(put, row), Statement::once(beside, old)];
        self.engine().write(move |tx| Box::pin(async move { tx.run_all(both).await.map(drop) })).await
    }

    /// Keeps what a company said of its driver at a station when it was asked.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_clearance(
        &self,
        tenant: &TenantId,
        station: &StationId,
        clearance: &Clearance,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO clearances (tenant, uid, station, at, document) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (tenant, uid, station) DO UPDATE SET at = excluded.at, document = excluded.document";
        let uid = clearance.contract.uid.to_ascii_uppercase();
        let mut params = params![tenant, uid, station, clearance.at];
        params.push(Param::json(clearance)?);
        self.engine().change(sql, params).await.map(drop)
    }
}

async fn change_token<E: Send>(
    tx: &mut Tx,
    key: Vec<Param>,
    change: Box<Change<E>>,
) -> Result<Option<Result<(), E>>, StoreError> {
    let lock = if tx.has_rivals() { " FOR UPDATE" } else { "" };
    let sql = format!(
        "{COLUMNS} WHERE tenant = $1 AND party_country = $2 AND party_id = $3 AND uid = $4 AND kind = $5{lock}"
    );
    let rows = tx.run(Statement::once(sql, key.clone())).await?;
    let Some(known) = rows.first() else { return Ok(None) };
    let changed = match change(self::told(known)?) {
        Ok(changed) => changed,
        Err(refused) => return Ok(Some(Err(refused))),
    };
    if let Some(ToldToken { token, told, last_updated, touched }) = changed {
        let mut row = key;
        row.push(last_updated.into());
        row.push(Param::json(&token)?);
        row.push(Param::json(&told)?);
        row.push(Param::json(&KeptTouched { last_updated, touched })?);
        tx.run(Statement::once(CHANGE, row)).await?;
    }
    Ok(Some(Ok(())))
}

fn of(tenant: &TenantId, party: &Party) -> Select {
    Select::new(COLUMNS)
        .filter("tenant = ?", params![tenant])
        .filter("party_country = ?", params![&*party.country_code])
        .filter("party_id = ?", params![&*party.party_id])
}

fn told(row: &Row) -> Result<ToldToken, StoreError> {
    let last_updated = row.at("last_updated")?;
    let kept: Option<KeptTouched> = row.json_or_null("touched")?;
    let touched = kept.filter(|kept| kept.last_updated == last_updated).map(|kept| kept.touched);
    Ok(ToldToken {
        token: row.json("document")?,
        told: row.json("told")?,
        last_updated,
        touched: touched.unwrap_or_else(|| Touched::whole(last_updated)),
    })
}
