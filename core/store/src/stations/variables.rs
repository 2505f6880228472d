//! The device model as far as the station reported it.

use ringmain_domain::id::{EvseId, StationId, TenantId};
use ringmain_domain::report::Variable;

use crate::engine::param::params;
use crate::engine::row::Row;
use crate::engine::select::Select;
use crate::page::{Page, PageRequest};
use crate::store::{Store, StoreError};

/// Stands for "the component belongs to no EVSE".
pub(crate) const NO_EVSE: i64 = -1;

impl Store {
    /// A station's variables by component, instance, EVSE and name.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub async fn station_variables(
        &self,
        tenant: &TenantId,
        station: &StationId,
        page: &PageRequest,
    ) -> Result<Page<Variable>, StoreError> {
        let mut select =
            Select::new("SELECT evse, component, instance, name, value, readonly FROM variables")
                .filter("tenant = ?", params![tenant])
                .filter("station = ?", params![station]);
        if let Some((component, instance, evse, name)) = page.key::<(String, String, i64, String)>()? {
            let behind = params![component, instance, evse, name];
            select = select.filter("(component, instance, evse, name) > (?, ?, ?, ?)", behind);
        }
        let select = select.tail("ORDER BY component, instance, evse, name LIMIT ?", params![page.probe()]);
        let rows = self.engine().read(vec![select]).await?.pop().unwrap_or_default();
        page.page(&rows, variable, |row| {
            let text = |column| row.text(column).map(str::to_owned);
            Ok((text("component")?, text("instance")?, row.int("evse")?, text("name")?))
        })
    }
}

fn variable(row: &Row) -> Result<Variable, StoreError> {
    let evse = row.int("evse")?;
    Ok(Variable {
        component: row.text("component")?.into(),
        instance: row.words("instance")?.filter(|instance| !instance.is_empty()),
        evse: if evse == NO_EVSE { None } else { Some(EvseId(row.number("evse")?)) },
        name: row.text("name")?.into(),
        value: row.words("value")?,
        readonly: row.boolean("readonly")?,
    })
}
