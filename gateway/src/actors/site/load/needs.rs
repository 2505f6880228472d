//! What was said about the cars of a site: looked up once when a car comes, and again when somebody says something.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix::prelude::*;
use ringmain_domain::id::{StationId, TenantId};
use ringmain_domain::load::allocation::Input;
use ringmain_domain::load::allocation::needs::Stranger;
use ringmain_domain::load::need::Need;
use ringmain_domain::load::settings::SiteSettings;
use ringmain_domain::time::local::Zone;
use ringmain_store::charging_needs::{Stated, StatedNeed};
use ringmain_store::store::{Store, StoreError};

use super::super::Site;
use super::Load;
use crate::cluster::wire::SiteNote;

/// When something the store could not tell is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Cars looked up at a time: what is said meanwhile about others need not wait for thousands.
const AT_ONCE: usize = 100;

/// Something was said about a car at this station.
#[derive(Message)]
#[rtype(result = "()")]
pub struct NeedsChanged(pub StationId);

/// A look-up under way, and what it must not be believed about.
#[derive(Debug, Default)]
pub(super) struct LookUp {
    is_running: bool,
    /// Something was said at these stations meanwhile.
    moved: BTreeSet<StationId>,
    /// The settings were changed meanwhile.
    all_moved: bool,
}

impl Handler<NeedsChanged> for Site {
    type Result = ();

    fn handle(&mut self, message: NeedsChanged, ctx: &mut Self::Context) {
        self.pass_on(&SiteNote::NeedsChanged(message.0.clone()));
        self.needs_changed(&message.0, ctx);
    }
}

// === impl LookUp ===

impl LookUp {
    /// All that is being looked up may be older than what is known now.
    pub(super) const fn doubt_all(&mut self) {
        self.all_moved = true;
    }

    fn holds_for(&self, station: &StationId) -> bool {
        !self.all_moved && !self.moved.contains(station)
    }
}

impl Site {
    pub(super) fn needs_changed(&mut self, station: &StationId, ctx: &mut Context<Self>) {
        if let Load::Managed(managed) = &mut self.load {
            managed.state.forget_needs(station);
            if managed.look_up.is_running {
                managed.look_up.moved.insert(station.clone());
            }
        }
        self.look_up_needs(ctx);
    }

    /// Looks up what was said about cars that came, unless it is at it.
    pub(super) fn look_up_needs(&mut self, ctx: &mut Context<Self>) {
        let (store, tenant, generation) =
            (self.parts.store.clone(), self.tenant.clone(), self.load_generation);
        let Load::Managed(managed) = &mut self.load else { return };
        if managed.look_up.is_running {
            return;
        }
        let strangers: Vec<_> = managed.state.strangers().take(AT_ONCE).collect();
        if strangers.is_empty() {
            return;
        }
        managed.look_up = LookUp { is_running: true, ..LookUp::default() };
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
        if self.load_generation != generation {
            return;
        }
        match found {
            Ok(needs) => {
                for (Stranger { evse, transaction, .. }, need) in needs {
                    let Load::Managed(managed) = &self.load else { return };
                    if managed.look_up.holds_for(&evse.station) {
                        self.load_hears(Input::Need { evse, transaction, need }, ctx);
                    }
                }
                self.look_up_again(generation, ctx);
            }
            Err(error) => {
                tracing::warn!(%error, site.id = %self.state.id(), "what cars need cannot be looked up yet");
                ctx.run_later(AGAIN_AFTER, move |site, ctx| site.look_up_again(generation, ctx));
            }
        }
    }

    fn look_up_again(&mut self, generation: u64, ctx: &mut Context<Self>) {
        if let Load::Managed(managed) = &mut self.load
            && self.load_generation == generation
        {
            managed.look_up = LookUp::default();
            self.look_up_needs(ctx);
        }
    }
}

async fn needs_of(
    store: &Store,
    tenant: &TenantId,
    (settings, zone): (&SiteSettings, &Zone),
    strangers: Vec<Stranger>,
) -> Result<Vec<(Stranger, Need)>, StoreError> {
    let mut said_at: BTreeMap<StationId, Vec<StatedNeed>> = BTreeMap::new();
    let mut needs = Vec::with_capacity(strangers.len());
    for stranger in strangers {
        let station = &stranger.evse.station;
        if !said_at.contains_key(station) {
            said_at.insert(station.clone(), store.charging_needs(tenant, station).await?);
        }
        let said = said_at.get(station).map_or(&[][..], Vec::as_slice);
        let mut need = stated(&stranger, said);
        need.trusts_cars = settings.trusts_cars;
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

/// What was said about this car, not about the one before.
fn stated(stranger: &Stranger, said: &[StatedNeed]) -> Need {
    let mut need = Need::default();
    for said in said.iter().filter(|said| said.evse == stranger.evse.evse) {
        match &said.stated {
            Stated::ByCar(heard) if heard.is_about(stranger.arrived_at) => need.car = Some(*heard),
            Stated::ByOperator(transaction, wish) if *transaction == stranger.transaction => {
                need.entry = Some(*wish);
            }
            Stated::ByCar(_) | Stated::ByOperator(..) => {}
        }
    }
    need
}
