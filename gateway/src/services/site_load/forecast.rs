//! Who will be ready when at a location, as it is and as it might be. Computed away from the actors, one at a time: the site that steers
//! its stations is asked for a picture alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringmain_domain::id::{LocationId, TransactionId};
use ringmain_domain::load::forecast::what_if::{LIMIT_MAX_PERCENT, VEHICLES_MAX, WhatIf, forecast_if};
use ringmain_domain::load::forecast::{Forecast, forecast};
use ringmain_domain::load::need::ENERGY_MAX_WH;
use ringmain_domain::load::tree::EvseKey;
use ringmain_domain::unit::WattHours;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{site, tree_of};
use crate::actors::site::load::picture::TakePicture;
use crate::clock;
use crate::house::House;
use crate::services::keys::Caller;
use crate::services::refusal::{Flaw, Refusal};

/// So many may be computed or wait for it on a node; who comes then is sent away.
pub const FORECASTS_MAX: usize = 4;

/// Whose turn it is to be computed.
#[derive(Debug, Clone)]
pub struct Forecasts {
    places: Arc<Semaphore>,
    turn: Arc<Semaphore>,
}

/// A place in the queue; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    _place: OwnedSemaphorePermit,
}

/// What becomes of a location.
#[derive(Debug, Clone)]
pub struct Foreseen {
    /// As it is.
    pub as_is: Forecast,
    /// As it was asked.
    pub what_if: Option<Forecast>,
    /// Which transaction is where.
    pub transactions: BTreeMap<EvseKey, TransactionId>,
}

/// Why nothing is foreseen.
#[derive(Debug, thiserror::Error)]
pub enum Unforeseen {
    /// Too many ask.
    #[error("this node makes other forecasts just now: try again in a few seconds")]
    Busy,
    /// A fault of ours.
    #[error("the forecast ended without a result; the log says more")]
    Broken,
    /// As everywhere.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

// === impl Forecasts ===

impl Default for Forecasts {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(FORECASTS_MAX)), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl Forecasts {
    /// A place in the queue; `None` when it is full.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place { _place: place })
    }

    /// Waits for a turn and computes. Place and turn end with the work, even if nobody waits for it any more.
    async fn compute<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let turn = Arc::clone(&self.turn).acquire_owned().await.ok()?;
        let work = move || {
            let _until_done = (place, turn);
            work()
        };
        tokio::task::spawn_blocking(work).await.ok()
    }
}

/// What becomes of the caller's own location, and of it if things were otherwise; `None`: nobody manages it yet.
///
/// # Errors
/// Flaws of the question; absent, the location or its tree; busy; a fault of ours; the store's.
pub async fn foresee(
    house: &House,
    caller: &Caller,
    id: &LocationId,
    question: Option<WhatIf>,
) -> Result<Option<Foreseen>, Unforeseen> {
    Refusal::unless_sound(question.iter().flat_map(flaws_of).collect())?;
    tree_of(house, caller, id).await?;
    let place = house.forecasts.place().ok_or(Unforeseen::Busy)?;
    let Some(site) = site(house, caller, id).await else { return Ok(None) };
    let Some(taken) = site.addr().send(TakePicture { asked_by_peer: false }).await.ok().flatten() else {
        return Ok(None);
    };
    let picture = taken.picture;
    let work = move || {
        let if_asked = question.map(|question| forecast_if(&picture, &question));
        (forecast(&picture), if_asked)
    };
    let Some((as_is, what_if)) = house.forecasts.compute(place, work).await else {
        tracing::error!(location = %id, "a forecast ended without a result");
        return Err(Unforeseen::Broken);
    };
    Ok(Some(Foreseen { as_is, what_if, transactions: taken.transactions }))
}

fn flaws_of(question: &WhatIf) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if question.more_vehicles > VEHICLES_MAX {
        flaws.push(Flaw::new("/more_vehicles", format!("must be from 0 to {VEHICLES_MAX}")));
    }
    if question.energy_wh.is_some_and(|energy| !(WattHours(0)..=WattHours(ENERGY_MAX_WH)).contains(&energy)) {
        flaws.push(Flaw::new("/energy_wh", format!("must be from 0 to {ENERGY_MAX_WH}")));
    }
    if question.departs_at.is_some_and(|at| at <= clock::now()) {
        flaws.push(Flaw::new("/departs_at", "must lie ahead"));
    }
    if question.limit_percent.is_some_and(|percent| percent > LIMIT_MAX_PERCENT) {
        flaws.push(Flaw::new("/limit_percent", format!("must be from 0 to {LIMIT_MAX_PERCENT}")));
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn places_are_few_and_come_back_when_the_work_is_done() {
        let forecasts = Forecasts::default();
        let mut places: Vec<_> = (0..FORECASTS_MAX).map(|_| forecasts.place().unwrap()).collect();
        assert!(forecasts.place().is_none(), "full");
        assert_eq!(forecasts.compute(places.pop().unwrap(), || 7).await, Some(7));
        drop(forecasts.place().unwrap());
        let lost = forecasts.compute(places.pop().unwrap(), || panic!("in the middle"));
        assert_eq!(lost.await, None::<()>);
        let back: Vec<_> = (0..2).map(|_| forecasts.place().unwrap()).collect();
        assert!(back.len() == 2 && forecasts.place().is_none(), "a broken one gives its place back too");
    }

    #[tokio::test]
    async fn one_at_a_time_is_computed() {
        let forecasts = Forecasts::default();
        let (first, second) = (forecasts.place().unwrap(), forecasts.place().unwrap());
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let running = forecasts.compute(first, move || wait.recv().is_ok());
        let waiting = forecasts.compute(second, || true);
        tokio::pin!(running, waiting);
        assert!(futures_util::poll!(&mut running).is_pending());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert_eq!(forecasts.turn.available_permits(), 0);
        go.send(()).unwrap();
        assert_eq!((running.await, waiting.await), (Some(true), Some(true)));
        assert_eq!(
            (forecasts.turn.available_permits(), forecasts.places.available_permits()),
            (1, FORECASTS_MAX)
        );
    }

    #[test]
    fn a_question_is_bounded() {
        let wild = WhatIf {
            more_vehicles: VEHICLES_MAX + 1,
            energy_wh: Some(WattHours(-1)),
            departs_at: Some(clock::now()),
            limit_percent: Some(LIMIT_MAX_PERCENT + 1),
            no_sun: true,
        };
        let pointers: Vec<_> = flaws_of(&wild).into_iter().map(|flaw| flaw.pointer).collect();
        assert_eq!(pointers, ["/more_vehicles", "/energy_wh", "/departs_at", "/limit_percent"]);
        let most = WhatIf {
            more_vehicles: VEHICLES_MAX,
            energy_wh: Some(WattHours(ENERGY_MAX_WH)),
            departs_at: Some(clock::now().plus_secs(60)),
            limit_percent: Some(LIMIT_MAX_PERCENT),
            no_sun: false,
        };
        assert!(flaws_of(&most).is_empty() && flaws_of(&WhatIf::default()).is_empty());
    }
}
