//! Partners: OCPI platforms we hold credentials with, from the invitation to the farewell. What each may see: [`lists`].
//!
//! A token that a partner shows us is kept as its SHA-256. The one we show it (token B) is kept as it is, in a column of its own, because
//! nothing else can be sent; it is never part of a debug text.

use ringmain_domain::id::{EvseId, StationId, TenantId};
use ringmain_domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::engine::{Statement, Tx};
use crate::page::{Page, PageRequest};
use crate::partners::lanes::Lane;
use crate::partners::settings::{PartnerEndpoints, PartnerSettings};
use crate::store::{Store, StoreError};

pub mod calls;
pub mod commands;
pub mod drivers;
pub mod lanes;
pub mod lists;
pub mod settings;
mod tariffs;
pub mod tokens;

/// A platform and where it stands with us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partner {
    /// Its id, unique in the installation.
    pub id: Uuid,
    /// Whose partner.
    pub tenant: TenantId,
    /// Its name, for people.
    pub name: Box<str>,
    /// Who we are towards it.
    pub ours: PartnerRole,
    /// The address of our versions that it was given: absolute, ends in `/ocpi/versions`. All our other addresses follow from it.
    pub versions_url: Box<str>,
    /// Where it stands.
    pub state: PartnerState,
    /// What was settled with it.
    pub settings: PartnerSettings,
    /// When it was invited.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Where a partner stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartnerState {
    /// It was given token A and has not registered.
    Invited {
        /// From this instant on the invitation is void.
        until: Timestamp,
    },
    /// It has exchanged credentials with us.
    Registered(Peer),
    /// It left, or was shown the door: its tokens are dead.
    Unregistered,
}

/// What a registered partner told us of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The address of its versions.
    pub url: Box<str>,
    /// Token B: what we show it.
    pub token: PeerToken,
    /// The parties it acts for, at least one.
    pub roles: Vec<PartnerRole>,
    /// Where its modules are, of the version that both speak; `None`: it was never asked, or cannot be used.
    pub endpoints: Option<PartnerEndpoints>,
}

/// A secret to be shown to a partner. Its debug text hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerToken(Box<str>);

/// A party as it presents itself in the credentials exchange. Codes are in upper case, so that they compare as OCPI's CiString does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PartnerRole {
    /// ISO 3166-1 alpha-2.
    pub country_code: Box<str>,
    /// Three characters (ISO 15118).
    pub party_id: Box<str>,
    /// OCPI's word, such as `CPO` or `EMSP`; the list is open.
    pub role: Box<str>,
    /// The company's name.
    pub name: Box<str>,
}

/// An invitation to register: what an operator makes, and hands to the partner by other means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// The partner's id from now on.
    pub id: Uuid,
    /// Whose partner.
    pub tenant: TenantId,
    /// Its name, for people.
    pub name: Box<str>,
    /// Who we are towards it.
    pub ours: PartnerRole,
    /// As [`Partner::versions_url`].
    pub versions_url: Box<str>,
    /// SHA-256 of token A's text.
    pub token_hash: Vec<u8>,
    /// From this instant on the invitation is void.
    pub expires_at: Timestamp,
    /// Now.
    pub created_at: Timestamp,
}

/// An exchange of credentials, to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// SHA-256 of the token the partner showed: it dies.
    pub shown: Vec<u8>,
    /// SHA-256 of token C, which it shows from now on.
    pub given: Vec<u8>,
    /// What it told us.
    pub peer: Peer,
    /// Its tokens may have other kinds from now on than were told before: those of a kind that not every version knows are forgotten, and
    /// all of them are asked for anew.
    pub tokens_anew: bool,
    /// Now.
    pub at: Timestamp,
}

const COLUMNS: &str = "SELECT id, tenant, name, ours, versions_url, token_hash IS NOT NULL AS token_held, invited_until, \
     url, roles, token_b, settings, endpoints, created_at, updated_at FROM partners";

// === impl PeerToken ===

impl PeerToken {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, for the one header it is made for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PeerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PeerToken(hidden)")
    }
}

// === impl Store ===

impl Store {
    /// Keeps an invitation; `false`: its id or token is taken.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn insert_invitation(&self, invitation: &Invitation) -> Result<bool, StoreError> {
        let sql = "INSERT INTO partners (tenant, id, name, ours, versions_url, token_hash, invited_until, created_at, \
             updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT DO NOTHING RETURNING id";
        let params = vec![
            Param::from(&invitation.tenant),
            Param::from(invitation.id),
            Param::from(&*invitation.name),
            Param::json(&invitation.ours)?,
            Param::from(&*invitation.versions_url),
            Param::from(invitation.token_hash.as_slice()),
            Param::from(invitation.expires_at),
            Param::from(invitation.created_at),
        ];
        Ok(!self.engine().change(sql, params).await?.is_empty())
    }

    /// The partner that shows this token, invited or registered, over all tenants. Whether an invitation is still good, the caller decides.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_by_token(&self, hash: &[u8]) -> Result<Option<Partner>, StoreError> {
        let select = Select::new(COLUMNS)
            .filter("(token_hash = ? OR token_hash_next = ?)", params![hash, hash])
            .tail("LIMIT 1", Vec::new())
            .across();
        self.engine().read(vec![select]).await?.iter().flatten().next().map(partner).transpose()
    }

    /// The partner, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Partner>, StoreError> {
        let select = Select::new(COLUMNS).filter("tenant = ?", params![tenant]).filter("id = ?", params![id]);
        let rows = self.engine().read(vec![select.tail("LIMIT 1", Vec::new())]).await?;
        rows.iter().flatten().next().map(partner).transpose()
    }

    /// Who acts for a party in a role.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_of_party(
        &self,
        tenant: &TenantId,
        (country_code, party_id, role): (&str, &str, &str),
    ) -> Result<Option<Partner>, StoreError> {
        let sql = "SELECT partner FROM partner_parties WHERE tenant = $1 AND country_code = $2 AND party_id = $3 AND role = $4";
        let rows = self.engine().rows(sql, params![tenant, country_code, party_id, role]).await?;
        match rows.first() {
            Some(row) => self.partner(tenant, row.uuid("partner")?).await,
            None => Ok(None),
        }
    }

    /// Does a driver of this partner charge at an EVSE, or has one done so since an instant? By `sessions_by_station`.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_charges_at(
        &self,
        (tenant, partner): (&TenantId, Uuid),
        (station, evse): (&StationId, EvseId),
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "SELECT x.id FROM sessions x CROSS JOIN partner_parties p WHERE x.tenant = $1 AND x.station = $2 AND x.evse = $3 \
             AND (x.status = 'active' OR x.ended_at >= $4) AND p.tenant = x.tenant AND p.country_code = x.party_country \
             AND p.party_id = x.party_id AND p.role = 'EMSP' AND p.partner = $5 LIMIT 1";
        let rows = self.engine().rows(sql, params![tenant, station, evse, since, partner]).await?;
        Ok(!rows.is_empty())
    }

    /// A tenant's partners by id, those that left too.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partners(&self, tenant: &TenantId, page: &PageRequest) -> Result<Page<Partner>, StoreError> {
        let select = Select::new(COLUMNS)
            .filter("tenant = ?", params![tenant])
            .filter_some("id > ?", page.key::<Uuid>()?)
            .tail("ORDER BY id LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, partner, |row| row.uuid("id"))
    }

    /// Keeps an exchange of credentials, the first one or a later one: the token that was shown is dead, the one given is alive.
    /// `false`: the token that was shown is dead already, so somebody else was faster. The same exchange may be kept again.
    ///
    /// # Errors
    /// [`StoreError::Conflict`]: another partner acts for one of the parties, or a role is named twice. Else as [`StoreError`] says.
    pub async fn register_partner(
        &self,
        tenant: &TenantId,
        id: Uuid,
        exchange: &Exchange,
    ) -> Result<bool, StoreError> {
        let peer = &exchange.peer;
        let keep = vec![
            Param::from(tenant),
            Param::from(id),
            Param::from(exchange.shown.as_slice()),
            Param::from(exchange.given.as_slice()),
            Param::from(&*peer.url),
            Param::json(&peer.roles)?,
            Param::from(peer.token.reveal()),
            Param::from(exchange.at),
            Param::json_or_null(peer.endpoints.as_ref())?,
        ];
        let parties: Vec<_> = peer
            .roles
            .iter()
            .map(|r| params![tenant, &*r.country_code, &*r.party_id, &*r.role, id])
            .map(|params| Statement::once(CLAIM, params))
            .collect();
        let release = Statement::once(RELEASE, params![tenant, id]);
        let start = |lane: Lane| Statement::once(START, params![tenant, id, lane.as_str(), exchange.at]);
        let mut then: Vec<_> = Lane::ALL.map(start).into();
        if exchange.tokens_anew {
            let companies = peer.roles.iter().filter(|role| *role.role == *"EMSP");
            let keys = companies.map(|role| params![tenant, &*role.country_code, &*role.party_id]);
            then.extend(keys.map(|key| Statement::once(FORGET_TOKENS, key)));
            then.push(Statement::once(FORGET_TOKEN_MARKS, params![tenant, id]));
        }
        self.engine().write(move |tx| Box::pin(register(tx, keep, release, parties, then))).await
    }

    /// Keeps where the modules of a partner are that registered when nobody asked for them; from then on it hears of changes. `false`: it
    /// is not registered, or they are known.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_partner_endpoints(
        &self,
        tenant: &TenantId,
        id: Uuid,
        endpoints: &PartnerEndpoints,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE partners SET endpoints = $3, updated_at = $4 WHERE tenant = $1 AND id = $2 AND token_b IS NOT NULL \
             AND endpoints IS NULL RETURNING id";
        let params = vec![Param::from(tenant), Param::from(id), Param::json(endpoints)?, Param::from(now)];
        let keep = Statement::once(sql, params);
        let start = |lane: Lane| Statement::once(START, params![tenant, id, lane.as_str(), now]);
        let then = Lane::ALL.map(start).into();
        self.engine().write(move |tx| Box::pin(begin(tx, keep, then))).await
    }

    /// Makes ready that a partner may show another token beside the one it has; `false`: it is not registered.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn offer_partner_token(
        &self,
        tenant: &TenantId,
        id: Uuid,
        hash: &[u8],
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE partners SET token_hash_next = $3 WHERE tenant = $1 AND id = $2 AND token_b IS NOT NULL RETURNING id";
        Ok(!self.engine().change(sql, params![tenant, id, hash]).await?.is_empty())
    }

    /// Keeps the token that came back for one that was offered, which is ours from now on; `false`: no such offer stands. What else the
    /// partner said of itself has to be judged first.
    ///
    /// # Errors
    /// As [`StoreError`] says; to do it again does no harm.
    pub async fn keep_partner_token(
        &self,
        tenant: &TenantId,
        id: Uuid,
        offered: &[u8],
        (theirs, now): (&PeerToken, Timestamp),
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE partners SET token_b = $4, token_hash = $3, token_hash_next = NULL, updated_at = $5 \
             WHERE tenant = $1 AND id = $2 AND token_b IS NOT NULL AND (token_hash_next = $3 OR token_hash = $3) RETURNING id";
        let row = params![tenant, id, offered, theirs.reveal(), now];
        Ok(!self.engine().change(sql, row).await?.is_empty())
    }

    /// A token that was offered and did not reach its partner opens nothing any more.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn take_partner_token_back(
        &self,
        tenant: &TenantId,
        id: Uuid,
        offered: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "UPDATE partners SET token_hash_next = NULL WHERE tenant = $1 AND id = $2 AND token_hash_next = $3";
        self.engine().change(sql, params![tenant, id, offered]).await.map(drop)
    }

    /// Keeps what was settled with a partner; `false`: there is no such partner.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn put_partner_settings(
        &self,
        tenant: &TenantId,
        id: Uuid,
        settings: &PartnerSettings,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql =
            "UPDATE partners SET settings = $3, updated_at = $4 WHERE tenant = $1 AND id = $2 RETURNING id";
        let params = vec![Param::from(tenant), Param::from(id), Param::json(settings)?, Param::from(now)];
        Ok(!self.engine().change(sql, params).await?.is_empty())
    }

    /// Ends what we have with a partner, or takes an invitation back: its tokens are dead and its parties are free. `false`: there was
    /// nothing to end.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn unregister_partner(
        &self,
        tenant: &TenantId,
        id: Uuid,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE partners SET token_hash = NULL, token_hash_next = NULL, url = NULL, roles = NULL, token_b = NULL, \
             endpoints = NULL, updated_at = $3 \
             WHERE tenant = $1 AND id = $2 AND token_hash IS NOT NULL RETURNING id";
        let end = Statement::once(sql, params![tenant, id, now]);
        let left =
            [RELEASE, FORGET_CURSORS, FORGET_COMMANDS].map(|sql| Statement::once(sql, params![tenant, id]));
        self.engine().write(move |tx| Box::pin(unregister(tx, end, left.into()))).await
    }
}

const RELEASE: &str = "DELETE FROM partner_parties WHERE tenant = $1 AND partner = $2";
const CLAIM: &str = "INSERT INTO partner_parties (tenant, country_code, party_id, role, partner) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING partner";
const FORGET_CURSORS: &str = "DELETE FROM partner_cursors WHERE tenant = $1 AND partner = $2";
const FORGET_COMMANDS: &str = "DELETE FROM partner_commands WHERE tenant = $1 AND partner = $2";
/// `RFID` is what a card is called in all versions.
const FORGET_TOKENS: &str = "DELETE FROM partner_tokens WHERE tenant = $1 AND party_country = $2 AND party_id = $3 AND kind <> 'RFID'";
const FORGET_TOKEN_MARKS: &str =
    "DELETE FROM partner_cursors WHERE tenant = $1 AND partner = $2 AND lane LIKE 'tokens%'";
/// A partner that registers reads everything there is by itself; from then on it hears of changes.
const START: &str = "INSERT INTO partner_cursors (tenant, partner, lane, position, updated_at) SELECT $1, $2, $3, \
     coalesce((SELECT position FROM feed_positions WHERE tenant = $1), 0), $4 ON CONFLICT DO NOTHING";
/// `$4` counts too, so that an exchange whose commit was in doubt can be kept again.
const KEEP: &str = "UPDATE partners SET token_hash = $4, token_hash_next = NULL, url = $5, roles = $6, token_b = $7, \
     updated_at = $8, endpoints = $9 WHERE tenant = $1 AND id = $2 \
     AND (token_hash = $3 OR token_hash = $4 OR token_hash_next = $3) RETURNING id";

async fn register(
    tx: &mut Tx,
    keep: Vec<Param>,
    release: Statement,
    parties: Vec<Statement>,
    then: Vec<Statement>,
) -> Result<bool, StoreError> {
    if tx.run(Statement::once(KEEP, keep)).await?.is_empty() {
        return Ok(false);
    }
    tx.run(release).await?;
    if tx.run_all(parties).await?.iter().any(Vec::is_empty) {
        return Err(StoreError::conflict("another partner acts for this party"));
    }
    tx.run_all(then).await?;
    Ok(true)
}

async fn begin(tx: &mut Tx, keep: Statement, then: Vec<Statement>) -> Result<bool, StoreError> {
    if tx.run(keep).await?.is_empty() {
        return Ok(false);
    }
    tx.run_all(then).await?;
    Ok(true)
}

async fn unregister(tx: &mut Tx, end: Statement, left: Vec<Statement>) -> Result<bool, StoreError> {
    let ended = !tx.run(end).await?.is_empty();
    tx.run_all(left).await?;
    Ok(ended)
}

fn partner(row: &Row) -> Result<Partner, StoreError> {
    let peer = match (row.words("url")?, row.json_or_null("roles")?, row.text_or_null("token_b")?) {
        (Some(url), Some(roles), Some(token)) => {
            let endpoints = row.json_or_null("endpoints")?;
            Some(Peer { url, token: PeerToken::new(token), roles, endpoints })
        }
        _ => None,
    };
    let state = match (row.boolean("token_held")?, peer) {
        (true, Some(peer)) => PartnerState::Registered(peer),
        (true, None) => PartnerState::Invited { until: row.at("invited_until")? },
        (false, _) => PartnerState::Unregistered,
    };
    Ok(Partner {
        id: row.uuid("id")?,
        tenant: row.named("tenant")?,
        name: row.text("name")?.into(),
        ours: row.json("ours")?,
        versions_url: row.text("versions_url")?.into(),
        state,
        settings: row.json_or_null("settings")?.unwrap_or_default(),
        created_at: row.at("created_at")?,
        updated_at: row.at("updated_at")?,
    })
}
