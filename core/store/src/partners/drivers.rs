//! What partners may see of their drivers: sessions and bill records, each only for the one that acts for the token's party. A session without
//! a contract is our own drivers': nobody else sees what was charged with it.

use ringmain_domain::cdr::Cdr;
use ringmain_domain::hardware::EvseHardware;
use ringmain_domain::id::{LocationId, TenantId};
use ringmain_domain::location::Location;
use ringmain_domain::party::{Party, Role};
use ringmain_domain::session::Session;
use ringmain_domain::time::Timestamp;
use uuid::Uuid;

use crate::engine::param::params;
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::engine::{Statement, Texts};
use crate::page::{Page, PageRequest, readable};
use crate::partners::lists::Window;
use crate::store::{Store, StoreError};

/// A session of a partner's driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerSession {
    /// The session.
    pub session: Session,
    /// Where the station stood when the session was first known.
    pub location_id: LocationId,
    /// The location as it was then; `None`: nobody kept it, and it is gone.
    pub location: Option<Location>,
    /// The EVSE as it was described when the session was first known there; `None`: nobody had described it.
    pub hardware: Option<EvseHardware>,
    /// Whose token it is.
    pub owner: Party,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A bill record for a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerCdr {
    /// The record.
    pub cdr: Cdr,
    /// The session it bills.
    pub session: Session,
    /// The location as it was when the session was first known.
    pub location: Location,
    /// The EVSE as it was described when the session was first known there; `None`: nobody had described it.
    pub hardware: Option<EvseHardware>,
    /// Whose token it is.
    pub owner: Party,
}

/// From a partner's parties to `x`: by `partner_parties_by_partner` and the index of `x` by party.
macro_rules! of_partner {
    ($columns:literal, $place:expr, $table:literal) => {
        concat!(
            "SELECT x.id, x.document, p.country_code, p.party_id, ",
            $columns,
            ", ",
            $place,
            " AS location FROM partner_parties p CROSS JOIN ",
            $table,
            " x"
        )
    };
}

const OF_PARTNER: &str = "p.tenant = ? AND p.partner = ? AND p.role = 'EMSP' AND x.tenant = p.tenant \
     AND x.party_country = p.country_code AND x.party_id = p.party_id AND x.location_id IS NOT NULL";

/// Where the session of bill record `x` stood, as it was then; for sessions of releases that did not keep it, as it is now.
macro_rules! place {
    () => {
        "coalesce((SELECT s.place FROM sessions s WHERE s.tenant = x.tenant AND s.id = x.session_id), \
         (SELECT l.document FROM locations l WHERE l.tenant = x.tenant AND l.id = x.location_id))"
    };
}

/// The same of session `x`.
macro_rules! session_place {
    () => {
        "coalesce(x.place, (SELECT l.document FROM locations l WHERE l.tenant = x.tenant AND l.id = x.location_id))"
    };
}

static SESSIONS: Texts = Texts {
    one: concat!(
        "SELECT x.id, x.document, x.party_country AS country_code, x.party_id, x.updated_at AS at, x.location_id, x.hardware, ",
        session_place!(),
        " AS location FROM sessions x \
         WHERE x.tenant = $1 AND x.id = $2 AND x.party_country IS NOT NULL AND x.location_id IS NOT NULL"
    ),
    all: concat!(
        "SELECT x.id, x.document, x.party_country AS country_code, x.party_id, x.updated_at AS at, x.location_id, x.hardware, ",
        session_place!(),
        " AS location FROM unnest($1::text[], $2::uuid[]) AS k(tenant, id) JOIN sessions x ON x.tenant = k.tenant AND x.id = k.id \
         WHERE x.party_country IS NOT NULL AND x.location_id IS NOT NULL"
    ),
};

static CDRS: Texts = Texts {
    one: concat!(
        "SELECT x.id, x.document, x.party_country AS country_code, x.party_id, s.document AS session, s.hardware, ",
        place!(),
        " AS location FROM cdrs x CROSS JOIN sessions s WHERE x.tenant = $1 AND x.id = $2 \
         AND x.party_country IS NOT NULL AND s.tenant = x.tenant AND s.id = x.session_id"
    ),
    all: concat!(
        "SELECT x.id, x.document, x.party_country AS country_code, x.party_id, s.document AS session, s.hardware, ",
        place!(),
        " AS location FROM unnest($1::text[], $2::uuid[]) AS k(tenant, id) \
         JOIN cdrs x ON x.tenant = k.tenant AND x.id = k.id JOIN sessions s ON s.tenant = x.tenant AND s.id = x.session_id \
         WHERE x.party_country IS NOT NULL"
    ),
};

impl Store {
    /// The sessions of drivers whose company a partner acts for as eMSP, the one that was changed first comes first: one that changes while
    /// they are paged through comes again at the end. A session at a station without a location is left out, OCPI cannot say it, and so is
    /// what cannot be read.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_sessions(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        window: &Window,
        page: &PageRequest,
    ) -> Result<Page<PartnerSession>, StoreError> {
        let select = Select::new(of_partner!(
            "x.updated_at AS at, x.location_id, x.hardware",
            session_place!(),
            "sessions"
        ));
        let select = of_partner_page(select, "x.updated_at", (tenant, partner), window, page)?;
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        let Page { items, next } =
            page.page(&rows, |row| Ok(session(row)), |row| Ok((row.int("at")?, row.uuid("id")?)))?;
        Ok(Page { items: readable(items)?, next })
    }

    /// How many sessions a list of them has in all its pages. Costs a look at each.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn count_partner_sessions(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        window: &Window,
    ) -> Result<u32, StoreError> {
        let select = Select::new("SELECT count(*) AS n FROM partner_parties p CROSS JOIN sessions x");
        let select = of_partner(select, "x.updated_at", (tenant, partner), window);
        self.counted(select.tail("", Vec::new())).await
    }

    /// How many bill records a list of them has in all its pages. Costs a look at each.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn count_partner_cdrs(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        window: &Window,
    ) -> Result<u32, StoreError> {
        let select = Select::new("SELECT count(*) AS n FROM partner_parties p CROSS JOIN cdrs x");
        let select = select.filter(concat!(place!(), " IS NOT NULL"), Vec::new());
        let select = of_partner(select, "x.created_at", (tenant, partner), window);
        self.counted(select.tail("", Vec::new())).await
    }

    /// The bill records of drivers whose company a partner acts for as eMSP, the oldest first. One whose location was never known is left out,
    /// and so is what cannot be read.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn partner_cdrs(
        &self,
        tenant: &TenantId,
        partner: Uuid,
        window: &Window,
        page: &PageRequest,
    ) -> Result<Page<PartnerCdr>, StoreError> {
        let select = Select::new(of_partner!(
            "x.created_at AS at, (SELECT s.document FROM sessions s WHERE s.tenant = x.tenant AND s.id = x.session_id) AS session, \
             (SELECT s.hardware FROM sessions s WHERE s.tenant = x.tenant AND s.id = x.session_id) AS hardware",
            place!(),
            "cdrs"
        ));
        let select = select.filter(concat!(place!(), " IS NOT NULL"), Vec::new());
        let select = of_partner_page(select, "x.created_at", (tenant, partner), window, page)?;
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        let Page { items, next } =
            page.page(&rows, |row| Ok(cdr(row)), |row| Ok((row.int("at")?, row.uuid("id")?)))?;
        Ok(Page { items: readable(items)?, next })
    }

    /// Sessions of partners' drivers, in no order; absent those whose location is not known, and those of our own drivers.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn sessions_for_partners(
        &self,
        tenant: &TenantId,
        ids: &[Uuid],
    ) -> Result<Vec<PartnerSession>, StoreError> {
        let keys = ids.iter().map(|id| params![tenant, *id]).collect();
        let rows = self.engine().read(vec![Statement::each(&SESSIONS, keys)]).await?;
        rows.iter().flatten().map(session).collect()
    }

    /// Bill records of partners' drivers, in no order; absent those whose location was never known, and those of our own drivers.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn cdrs_for_partners(
        &self,
        tenant: &TenantId,
        ids: &[Uuid],
    ) -> Result<Vec<PartnerCdr>, StoreError> {
        let keys = ids.iter().map(|id| params![tenant, *id]).collect();
        let rows = self.engine().read(vec![Statement::each(&CDRS, keys)]).await?;
        let placed = |row: &&Row| row.text_or_null("location").is_ok_and(|place| place.is_some());
        rows.iter().flatten().filter(placed).map(cdr).collect()
    }
}

fn of_partner(select: Select, at: &str, (tenant, partner): (&TenantId, Uuid), window: &Window) -> Select {
    select
        .filter(OF_PARTNER, params![tenant, partner])
        .filter_some(&format!("{at} >= ?"), window.from)
        .filter_some(&format!("{at} < ?"), window.to)
}

fn of_partner_page(
    select: Select,
    at: &str,
    whose: (&TenantId, Uuid),
    window: &Window,
    page: &PageRequest,
) -> Result<Statement, StoreError> {
    let mut select = of_partner(select, at, whose, window);
    if let Some((behind, id)) = page.key::<(i64, Uuid)>()? {
        select = select.filter(&format!("({at}, x.id) > (?, ?)"), params![behind, id]);
    }
    let tail = format!("ORDER BY {at}, x.id LIMIT ? OFFSET ?");
    Ok(select.tail(&tail, params![page.probe(), window.skip]))
}

fn session(row: &Row) -> Result<PartnerSession, StoreError> {
    Ok(PartnerSession {
        session: row.json("document")?,
        location_id: row.named("location_id")?,
        location: row.json_or_null("location")?,
        hardware: row.json_or_null("hardware")?,
        owner: owner(row)?,
        updated_at: row.at("at")?,
    })
}

fn cdr(row: &Row) -> Result<PartnerCdr, StoreError> {
    Ok(PartnerCdr {
        cdr: row.json("document")?,
        session: row.json("session")?,
        location: row.json("location")?,
        hardware: row.json_or_null("hardware")?,
        owner: owner(row)?,
    })
}

fn owner(row: &Row) -> Result<Party, StoreError> {
    Ok(Party {
        country_code: row.text("country_code")?.into(),
        party_id: row.text("party_id")?.into(),
        role: Role::Emsp,
    })
}
