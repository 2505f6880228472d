//! What was said about the cars of a site: looked up once when a car comes, and again when somebody says something.

use std::time::Duration;

use actix::prelude::*;
use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::load::allocation::{Input, Stranger};
use ringmain_domain::load::need::Need;
use ringmain_domain::load::settings::SiteSettings;
use ringmain_domain::time::local::Zone;
use ringmain_store::charging_needs::Stated;
use ringmain_store::store::{Store, StoreError};

use super::super::Site;
use super::Load;

/// When something the store could not tell is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Something was said about a car at this station.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NeedsChanged(pub StationId);

impl Handler<NeedsChanged> for Site {
    type Result = ();

    fn handle(&mut self, message: NeedsChanged, ctx: &mut Self::Context) {
        self.needs_changed(&message.0, ctx);
    }
}

impl Site {
    pub(super) fn needs_changed(&mut self, station: &StationId, ctx: &mut Context<Self>) {
        if let Load::Managed(managed) = &mut self.load {
            managed.state.forget_needs(station);
            // An answer that is on its way may be older than what was said now.
            managed.needs_moved = true;
        }
        self.look_up_needs(ctx);
    }

    /// Looks up what was said about cars that came, unless it is at it.
    pub(super) fn look_up_needs(&mut self, ctx: &mut Context<Self>) {
        let (store, tenant, generation) =
            (self.parts.store.clone(), self.tenant.clone(), self.load_generation);
        let Load::Managed(managed) = &mut self.load else { return };
        if managed.is_looking_up {
            return;
        }
        let strangers: Vec<_> = managed.state.strangers().collect();
        if strangers.is_empty() {
            return;
        }
        managed.is_looking_up = true;
        managed.needs_moved = false;
        let (settings, zone) = (managed.settings.clone(), managed.zone.clone());
        let found = async move { needs_of(&store, &tenant, (&settings, &zone), strangers).await };
        ctx.spawn(found.into_actor(self).map(move |found, site, ctx| site.looked_up(generation, found, ctx)));
    }

    fn looked_up(
        &mut self,
        generation: u64,
        found: Result<Vec<(Stranger, Need)>, StoreError>,
        ctx: &mut Context<Self>,
    ) {
        let Load::Managed(managed) = &mut self.load else { return };
        if self.load_generation != generation {
            return;
        }
        managed.is_looking_up = false;
        match found {
            Ok(_) if managed.needs_moved => {}
            Ok(needs) => {
                for (Stranger { evse, transaction, .. }, need) in needs {
                    self.load_hears(Input::Need { station: evse.station, transaction, need }, ctx);
                }
            }
            Err(error) => {
                tracing::warn!(%error, site.id = %self.state.id(), "what cars need cannot be looked up yet");
                ctx.run_later(AGAIN_AFTER, Self::look_up_needs);
                return;
            }
        }
        self.look_up_needs(ctx);
    }
}

async fn needs_of(
    store: &Store,
    tenant: &TenantId,
    (settings, zone): (&SiteSettings, &Zone),
    strangers: Vec<Stranger>,
) -> Result<Vec<(Stranger, Need)>, StoreError> {
    let mut needs = Vec::with_capacity(strangers.len());
    for stranger in strangers {
        let mut need = Need { trusts_cars: settings.trusts_cars, ..Need::default() };
        for said in store.charging_needs(tenant, &stranger.evse.station).await? {
            match said.stated {
                _ if said.evse != stranger.evse.evse => {}
                Stated::ByCar(heard) if heard.is_about(stranger.arrived_at) => need.car = Some(heard),
                Stated::ByOperator(transaction, wish) if transaction == stranger.transaction => {
                    need.entry = Some(wish);
                }
                Stated::ByCar(_) | Stated::ByOperator(..) => {}
            }
        }
        if let Some(uid) = &stranger.token {
            let vehicle = store.vehicle_of(tenant, uid).await?;
            need.fleet = vehicle.map(|vehicle| vehicle.wish(stranger.arrived_at, zone));
            if !settings.class_permille.is_empty() {
                let token = store.token(tenant, uid).await?;
                need.class_permille = settings.class_of(token.and_then(|token| token.group).as_ref());
            }
        }
        needs.push((stranger, need));
    }
    Ok(needs)
}
