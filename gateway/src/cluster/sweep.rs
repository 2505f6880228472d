//! Says again where this node's stations are, in Redis and in the store, so that whatever was lost heals; and hears what it was not told: that
//! a newer connection is elsewhere, that a record changed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actix::Addr;
use futures_util::StreamExt as _;
use futures_util::stream;
use ringmain_domain::cluster::routes;
use ringmain_domain::id::{Epoch, StationId};
use ringmain_domain::telemetry;
use ringmain_domain::time::Timestamp;
use ringmain_store::store::{Store, StoreError};

use super::Cluster;
use super::memory::MemoryRouting;
use crate::actors::exit::Exit;
use crate::actors::site::NodesChanged;
use crate::actors::site_directory::{SiteDirectory, TellSites};

/// How often all is said again, at least.
const EVERY: Duration = Duration::from_secs(30);
/// How often Redis is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Stations at a time, and a pause after them: 2,000 routes a second (reliability.md 6).
const CHUNK: usize = 250;
const PAUSE: Duration = Duration::from_millis(125);
/// So many of them between two looks at Redis.
const CHUNKS_A_LOOK: usize = 16;
/// Questions to Redis at a time.
const AT_ONCE: usize = 64;

/// When the records of this node's stations last changed, as far as their connections know.
type Versions = HashMap<StationId, Timestamp>;

/// Works for ever.
pub async fn run(cluster: Cluster, store: Store, sites: Addr<SiteDirectory>) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut swept_at = Instant::now();
    let mut redis_is_away = false;
    let mut versions = Versions::new();
    loop {
        let wanted = tokio::select! {
            _ = look.tick() => false,
            () = cluster.sweep_wanted() => true,
        };
        let redis_came_back = look_at_redis(&cluster, &mut redis_is_away).await;
        if wanted || redis_came_back || swept_at.elapsed() >= EVERY {
            if sweep(&cluster, &store, &mut versions).await {
                // Owners of sites may have read that stations are nowhere: they read again. A directory that is gone has no sites.
                sites.send(TellSites(NodesChanged::Asserted)).await.ok();
            }
            swept_at = Instant::now();
            // However often Redis comes and goes: one sweep a look.
            look.reset();
        }
    }
}

/// Has Redis lost what this node said, or was it away?
async fn look_at_redis(cluster: &Cluster, is_away: &mut bool) -> bool {
    let Some(routes) = cluster.routes() else { return false };
    let address = cluster.record().address.as_deref().unwrap_or_default();
    match routes.sign_of_life(cluster.me(), address).await {
        Ok(known) => {
            if std::mem::replace(is_away, false) {
                tracing::info!("redis is there again");
                return true;
            }
            !known
        }
        Err(error) => {
            if !std::mem::replace(is_away, true) {
                tracing::warn!(%error, "redis is away: commands ask all nodes");
            }
            false
        }
    }
}

/// A sweep may take longer than a sign of life lasts. Where Redis lost everything meanwhile, all is said once more.
async fn stay_alive(cluster: &Cluster) {
    let Some(routes) = cluster.routes() else { return };
    let address = cluster.record().address.as_deref().unwrap_or_default();
    if routes.sign_of_life(cluster.me(), address).await == Ok(false) {
        cluster.want_sweep();
    }
}

/// Was anything there that the store did not know?
async fn sweep(cluster: &Cluster, store: &Store, versions: &mut Versions) -> bool {
    let mut has_asserted = false;
    let mine = cluster.routing().epochs();
    let mut kept = Versions::with_capacity(mine.len());
    for (number, chunk) in mine.chunks(CHUNK).enumerate() {
        if number % CHUNKS_A_LOOK == CHUNKS_A_LOOK - 1 {
            stay_alive(cluster).await;
        }
        assert_routes(cluster, chunk).await;
        match compare(cluster, store, chunk).await {
            Ok((places, asserted)) => {
                has_asserted |= asserted;
                for (station, updated_at) in places {
                    if versions.get(&station).is_some_and(|known| *known != updated_at) {
                        cluster.routing().notify_changed(&station);
                    }
                    kept.insert(station, updated_at);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the store cannot say where stations are");
                let known = |(station, _): &(StationId, Epoch)| versions.remove_entry(station);
                kept.extend(chunk.iter().filter_map(known));
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    if let Err(error) = clear_ghosts(cluster, store).await {
        tracing::debug!(%error, "stations that are not here any more are cleared later");
    }
    metrics::counter!(telemetry::CLUSTER_SWEEPS).increment(1);
    *versions = kept;
    has_asserted
}

/// Stations that the store has here and that are not: their end was not heard.
async fn clear_ghosts(cluster: &Cluster, store: &Store) -> Result<(), StoreError> {
    let kept = store.stations_at(cluster.me()).await?;
    let is_ghost = |(station, epoch): &(StationId, Epoch)| {
        cluster.routing().find(station).is_none_or(|route| route.epoch < *epoch)
    };
    let ghosts: Vec<_> = kept.into_iter().filter(is_ghost).collect();
    for chunk in ghosts.chunks(CHUNK) {
        store.clear_places(cluster.me(), chunk).await?;
    }
    Ok(())
}

/// A higher epoch in Redis alone ends no connection: whoever writes there must not be able to. The store and the other node say so, too.
async fn assert_routes(cluster: &Cluster, chunk: &[(StationId, Epoch)]) {
    let asserted = stream::iter(chunk).map(async |(station, epoch)| {
        cluster.announce(station, *epoch).await.dismiss(cluster, station, *epoch);
    });
    asserted.buffer_unordered(AT_ONCE).collect::<()>().await;
}

/// What the store says of these stations: a newer connection ends this one, and what it forgot it is told again.
async fn compare(
    cluster: &Cluster,
    store: &Store,
    chunk: &[(StationId, Epoch)],
) -> Result<(Vec<(StationId, Timestamp)>, bool), StoreError> {
    let stations: Vec<_> = chunk.iter().map(|(station, _)| station.clone()).collect();
    let mine: HashMap<_, _> = chunk.iter().map(|(station, epoch)| (station, *epoch)).collect();
    let mut forgotten = Vec::new();
    let mut versions = Vec::with_capacity(chunk.len());
    for place in store.station_places(&stations).await? {
        let Some(epoch) = mine.get(&place.station).copied() else { continue };
        if !routes::may_assert(Some(place.epoch), epoch) {
            supersede(cluster.routing(), &place.station, epoch, place.epoch);
        } else if place.epoch < epoch || place.node != Some(cluster.me()) {
            forgotten.push((place.station.clone(), epoch));
        }
        versions.push((place.station, place.updated_at));
    }
    // Perhaps they ended meanwhile: only what is still here is said.
    forgotten.retain(|(station, epoch)| {
        cluster.routing().find(station).is_some_and(|route| route.epoch == *epoch)
    });
    if !forgotten.is_empty() {
        store.assert_places(cluster.me(), &forgotten).await?;
    }
    Ok((versions, !forgotten.is_empty()))
}

fn supersede(routing: &MemoryRouting, station: &StationId, mine: Epoch, newer: Epoch) {
    let Some(route) = routing.find(station).filter(|route| route.epoch == mine) else { return };
    tracing::info!(station.id = %station, epoch = mine.0, newer = newer.0, "a newer socket of this station is elsewhere");
    MemoryRouting::dismiss(&route.connection, Exit::Replaced);
}
