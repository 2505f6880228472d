//! Assignments of tariffs: plain records under their id. Which of them counts is domain's to choose.

use ringmain_domain::id::{AssignmentId, TenantId};
use ringmain_domain::tariff::assignment::{MAX_ASSIGNMENTS, TariffAssignment};

use crate::engine::param::{Param, params};
use crate::engine::select::Select;
use crate::engine::{Statement, Tx};
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

impl Store {
    /// The assignment, if there is one.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn tariff_assignment(
        &self,
        tenant: &TenantId,
        id: &AssignmentId,
    ) -> Result<Option<TariffAssignment>, StoreError> {
        let sql = "SELECT document FROM tariff_assignments WHERE tenant = $1 AND id = $2";
        let rows = self.engine().rows(sql, params![tenant, id]).await?;
        rows.first().map(|row| row.json("document")).transpose()
    }

    /// Makes the assignment or replaces it.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when its tariff is not there, or the tenant has [`MAX_ASSIGNMENTS`] already; else as [`StoreError`] says.
    pub async fn put_tariff_assignment(&self, assignment: &TariffAssignment) -> Result<(), StoreError> {
        let known = "SELECT (SELECT count(*) FROM tariffs WHERE tenant = $1 AND id = $2) AS there, \
             (SELECT count(*) FROM tariff_assignments WHERE tenant = $1 AND id <> $3) AS others";
        let keys = params![&assignment.tenant, &assignment.tariff, &assignment.id];
        let sql = "INSERT INTO tariff_assignments (tenant, id, tariff_id, location_id, station, token_group, updated_at, document) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (tenant, id) DO UPDATE SET tariff_id = excluded.tariff_id, location_id = excluded.location_id, \
             station = excluded.station, token_group = excluded.token_group, updated_at = excluded.updated_at, \
             document = excluded.document";
        let mut row = params![
            &assignment.tenant,
            &assignment.id,
            &assignment.tariff,
            assignment.location.as_ref(),
            assignment.station.as_ref(),
            assignment.token_group.as_ref(),
            assignment.updated_at,
        ];
        row.push(Param::json(assignment)?);
        let tariff = assignment.tariff.clone();
        let work = async move |tx: &mut Tx| {
            let known = tx.run(Statement::once(known, keys)).await?;
            let known = known.first().ok_or_else(|| StoreError::corrupt("a count gave no row"))?;
            if known.int("there")? == 0 {
                return Err(StoreError::conflict(format!("there is no tariff {tariff}")));
            }
            if known.number::<usize>("others")? >= MAX_ASSIGNMENTS {
                return Err(StoreError::conflict(format!("there are {MAX_ASSIGNMENTS} assignments already")));
            }
            tx.run(Statement::once(sql, row)).await.map(drop)
        };
        self.engine().write(move |tx| Box::pin(work(tx))).await
    }

    /// Removes the assignment; `false`: there was none.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn delete_tariff_assignment(
        &self,
        tenant: &TenantId,
        id: &AssignmentId,
    ) -> Result<bool, StoreError> {
        let sql = "DELETE FROM tariff_assignments WHERE tenant = $1 AND id = $2 RETURNING id";
        Ok(!self.engine().change(sql, params![tenant, id]).await?.is_empty())
    }

    /// A tenant's assignments by id.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn tariff_assignments(
        &self,
        tenant: &TenantId,
        page: &PageRequest,
    ) -> Result<Page<TariffAssignment>, StoreError> {
        let select = Select::new("SELECT id, document FROM tariff_assignments")
            .filter("tenant = ?", params![tenant])
            .filter_some("id > ?", page.key::<String>()?)
            .tail("ORDER BY id LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, |row| row.json("document"), |row| row.text("id").map(str::to_owned))
    }
}
