//! Tokens of other companies, as they told us, and what they said of their drivers.
//!
//! A token is its company's alone: the key has the company in it, so two of them may use the same uid and neither can touch the other's.

use ringmain_domain::id::{StationId, TenantId, TokenUid};
use ringmain_domain::party::Party;
use ringmain_domain::roaming::{Clearance, RoamingToken};
use ringmain_domain::time::Timestamp;
use serde_json::value::RawValue;

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::engine::{Statement, Texts};
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
}

/// Later news win; the same news again change nothing.
static PUT: Texts = Texts {
    one: "INSERT INTO partner_tokens (tenant, party_country, party_id, uid, kind, last_updated, document, told) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (tenant, party_country, party_id, uid, kind) DO UPDATE SET \
          last_updated = excluded.last_updated, document = excluded.document, told = excluded.told \
          WHERE excluded.last_updated >= partner_tokens.last_updated",
    all: "INSERT INTO partner_tokens (tenant, party_country, party_id, uid, kind, last_updated, document, told) \
          SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::jsonb[], \
          $8::jsonb[]) ON CONFLICT (tenant, party_country, party_id, uid, kind) DO UPDATE SET \
          last_updated = excluded.last_updated, document = excluded.document, told = excluded.told \
          WHERE excluded.last_updated >= partner_tokens.last_updated",
};

const COLUMNS: &str =
    "SELECT party_country, party_id, uid, kind, last_updated, document, told FROM partner_tokens";

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
        for ToldToken { token, told, last_updated } in tokens {
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

    /// Keeps what a company said of its driver at a station, or ordered for it.
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

fn of(tenant: &TenantId, party: &Party) -> Select {
    Select::new(COLUMNS)
        .filter("tenant = ?", params![tenant])
        .filter("party_country = ?", params![&*party.country_code])
        .filter("party_id = ?", params![&*party.party_id])
}

fn told(row: &Row) -> Result<ToldToken, StoreError> {
    Ok(ToldToken {
        token: row.json("document")?,
        told: row.json("told")?,
        last_updated: row.at("last_updated")?,
    })
}
