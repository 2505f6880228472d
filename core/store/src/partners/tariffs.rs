//! Prices as partners see them: of each tariff the version in force, and which tariff a driver pays whom we know nothing of.
//!
//! Never the tariff as it was written last: that may be next month's. The choices are domain's, the same that bill.

use std::collections::BTreeMap;

use ringmain_domain::id::{EvseId, LocationId, StationId, TariffId, TenantId};
use ringmain_domain::tariff::Tariff;
use ringmain_domain::tariff::assignment::{Start, TariffAssignment, choose};
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::Timestamp;

use crate::engine::param::{Param, params};
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::engine::{Statement, Texts};
use crate::page::{Page, PageRequest, readable};
use crate::partners::lists::Window;
use crate::store::{Store, StoreError};
use crate::tariffs::VERSIONS_BEFORE;

/// Did what is in force of tariff `t` become so at `?` or later? A version begins or runs out; before the first one begins, it shows
/// already; or it is assigned anew. By the versions' primary key and `tariff_assignments_by_tariff`.
const CHANGED: &str = "(EXISTS (SELECT 1 FROM tariff_versions v WHERE v.tenant = t.tenant AND v.id = t.id \
     AND (v.valid_from BETWEEN ? AND ? OR CAST(v.document ->> 'valid_until' AS BIGINT) BETWEEN ? AND ?)) \
     OR t.updated_at >= ? AND NOT EXISTS (SELECT 1 FROM tariff_versions v WHERE v.tenant = t.tenant AND v.id = t.id \
     AND v.valid_from <= ?) OR EXISTS (SELECT 1 FROM tariff_assignments a WHERE a.tenant = t.tenant AND a.tariff_id = t.id \
     AND a.token_group IS NULL AND a.updated_at >= ?))";

/// May somebody whom we know nothing of pay tariff `t`, now or later? It is the default one, a station's own, or assigned to no group: what
/// members pay is nobody else's business. By `tariff_assignments_by_tariff` and `stations_by_tariff`.
const FOR_ANYONE: &str = "(t.id = ? OR EXISTS (SELECT 1 FROM tariff_assignments a WHERE a.tenant = t.tenant AND a.tariff_id = t.id \
     AND a.token_group IS NULL AND coalesce(CAST(a.document ->> 'valid_until' AS BIGINT), ?) > ?) \
     OR EXISTS (SELECT 1 FROM stations s WHERE s.tenant = t.tenant AND s.tariff_id = t.id))";

/// The versions that may be in force at an instant; when none has begun, the first.
static VERSIONS: Texts = Texts {
    one: "SELECT id, valid_from, document FROM tariff_versions WHERE tenant = $1 AND id = $2 \
          AND (valid_from <= $3 OR valid_from = (SELECT min(f.valid_from) FROM tariff_versions f \
          WHERE f.tenant = $1 AND f.id = $2)) ORDER BY valid_from DESC LIMIT $4",
    all: "SELECT v.id, v.valid_from, v.document FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) \
          AS k(tenant, id, at, most) CROSS JOIN LATERAL (SELECT w.id, w.valid_from, w.document FROM tariff_versions w \
          WHERE w.tenant = k.tenant AND w.id = k.id \
          AND (w.valid_from <= k.at OR w.valid_from = (SELECT min(f.valid_from) FROM tariff_versions f \
          WHERE f.tenant = k.tenant AND f.id = k.id)) ORDER BY w.valid_from DESC LIMIT k.most) AS v",
};

/// What is paid at a location by a driver whom we know nothing of: no group, no kind of token.
pub(super) struct Prices<'a> {
    location: &'a LocationId,
    now: Timestamp,
    assignments: Vec<&'a TariffAssignment>,
    default: Option<&'a TariffId>,
}

impl Store {
    /// A tenant's tariffs that anyone may pay, as they are in force, by id. `updated_at` says since when: a version that comes into force is a change.
    /// What cannot be read is left out.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn published_tariffs(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        window: &Window,
        page: &PageRequest,
    ) -> Result<Page<Tariff>, StoreError> {
        let Page { items, next } = self.each_published_tariff(tenant, now, window, page).await?;
        Ok(Page { items: readable(items.into_iter().map(|(_, read)| read).collect())?, next })
    }

    /// As [`Store::published_tariffs`], each by its id, and why it cannot be read.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn each_published_tariff(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        window: &Window,
        page: &PageRequest,
    ) -> Result<Page<(TariffId, Result<Tariff, StoreError>)>, StoreError> {
        let select = self
            .of_tariffs("SELECT t.id, t.document FROM tariffs t", (tenant, now), window)
            .filter_some("t.id > ?", page.key::<String>()?);
        let select = select.tail("ORDER BY t.id LIMIT ? OFFSET ?", params![page.probe(), window.skip]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        let item = |row: &Row| Ok((row.named::<TariffId>("id")?, row.json::<Tariff>("document")));
        let mut page = page.page(&rows, item, |row| row.text("id").map(str::to_owned))?;
        let keys: Vec<Vec<Param>> =
            page.items.iter().map(|(id, _)| params![tenant, id, now, VERSIONS_BEFORE]).collect();
        let mut versions: BTreeMap<TariffId, Result<Vec<(Timestamp, Tariff)>, StoreError>> = BTreeMap::new();
        for row in self.engine().read(vec![Statement::each(&VERSIONS, keys)]).await?.iter().flatten() {
            let (from, version) = (row.at("valid_from")?, row.json::<Tariff>("document"));
            let of_tariff = versions.entry(row.named("id")?).or_insert_with(|| Ok(Vec::new()));
            match version {
                Ok(version) => {
                    if let Ok(read) = of_tariff {
                        read.push((from, version));
                    }
                }
                // Which version would be in force is not known then.
                Err(error) => *of_tariff = Err(error),
            }
        }
        for (id, tariff) in &mut page.items {
            match versions.remove(&*id) {
                Some(Ok(versions)) => {
                    if let Some(published) = in_force(&versions, now) {
                        *tariff = Ok(published);
                    }
                }
                Some(Err(error)) => *tariff = Err(error),
                None => {}
            }
        }
        Ok(page)
    }

    /// How many tariffs a list of them has in all its pages.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn count_tariffs(
        &self,
        tenant: &TenantId,
        now: Timestamp,
        window: &Window,
    ) -> Result<u32, StoreError> {
        let select = self.of_tariffs("SELECT count(*) AS n FROM tariffs t", (tenant, now), window);
        self.counted(select.tail("", Vec::new())).await
    }

    fn of_tariffs(&self, head: &str, (tenant, now): (&TenantId, Timestamp), window: &Window) -> Select {
        let changed_since = |at: Timestamp| params![at, now, at, now, at, now, at];
        let default = self.settings().default_tariff.as_ref().map_or("", TariffId::as_str);
        let mut select = Select::new(head)
            .filter("t.tenant = ?", params![tenant])
            .filter(FOR_ANYONE, params![default, i64::MAX, now]);
        if let Some(from) = window.from {
            select = select.filter(CHANGED, changed_since(from));
        }
        if let Some(to) = window.to {
            select = select.filter(&format!("NOT {CHANGED}"), changed_since(to));
        }
        select
    }
}

/// The version in force, with the moment since when it is.
fn in_force(versions: &[(Timestamp, Tariff)], now: Timestamp) -> Option<Tariff> {
    let version = Timeline::new(versions.iter().map(|(from, tariff)| (*from, tariff)))?.at(now);
    let turns = versions.iter().flat_map(|(from, tariff)| [Some(*from), tariff.valid_until]).flatten();
    let since = turns.filter(|turn| *turn <= now).max();
    Some(Tariff { updated_at: since.unwrap_or(version.tariff.updated_at), ..version.tariff.clone() })
}

/// The assignments of a tenant that ask for no group of tokens. By their primary key; a tenant has at most 2,000.
pub(super) fn anyones_assignments(tenant: &TenantId) -> Statement {
    let sql = "SELECT document FROM tariff_assignments WHERE tenant = $1 AND token_group IS NULL";
    Statement::once(sql, params![tenant])
}

// === impl Prices ===

impl<'a> Prices<'a> {
    /// Of a location, from the assignments of its tenant.
    pub(super) fn at(
        location: &'a LocationId,
        now: Timestamp,
        assignments: &'a [TariffAssignment],
        default: Option<&'a TariffId>,
    ) -> Self {
        let here = |a: &&TariffAssignment| a.location.as_ref().is_none_or(|place| place == location);
        Self { location, now, assignments: assignments.iter().filter(here).collect(), default }
    }

    /// The tariff at an EVSE of a station that has one of its own or not; and since when it is assigned there, if it is.
    pub(super) fn of(
        &self,
        station: &StationId,
        evse: EvseId,
        own: Option<TariffId>,
    ) -> (Option<TariffId>, Option<Timestamp>) {
        let start = Start {
            location: Some(self.location),
            station,
            evse: Some(evse),
            token_group: None,
            token_kind: None,
            at: self.now,
        };
        match choose(self.assignments.iter().copied(), &start) {
            Some(chosen) => (Some(chosen.tariff.clone()), Some(chosen.updated_at).max(chosen.valid_from)),
            None => (own.or_else(|| self.default.cloned()), None),
        }
    }
}
