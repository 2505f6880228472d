//! A site whose load another node manages: what happens here is passed on to its owner, questions are asked there, and when the owner is gone
//! somebody takes the site over.

use std::sync::atomic::Ordering;

use actix::prelude::*;
use ringmain_domain::id::NodeId;
use ringmain_domain::load::allocation::Input;
use ringmain_domain::site;
use ringmain_domain::snapshot::StationSnapshot;
use ringmain_store::circuits::StoredTree;
use ringmain_store::cluster::StationPlace;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::Site;
use super::Load;
use crate::clock;
use crate::cluster::wire::{About, LoadNote, SiteNote};

/// As [`SiteNote::Happened`], of what is still needed here.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Happened<'a> {
    Happened(&'a site::Input),
}

/// Where a site is managed, as far as is known here.
#[derive(Debug, Clone, Copy)]
enum Stands {
    /// Here, or nowhere; some of its stations were at other nodes at some time.
    Here { had_remote: bool },
    /// At another node.
    Elsewhere(Option<NodeId>),
}

/// What a site does where something may have been missed between nodes.
#[derive(Debug, PartialEq, Eq)]
enum Mending {
    Nothing,
    /// It reads itself from the store: stations of the newcomer may have been taken for lost.
    Read,
    /// Its owner reads: it was not known here when it was first told, or has read that the stations that are here are nowhere.
    TellOwner,
}

// === impl Stands ===

impl Stands {
    /// After a node came; `None`: after the store was told where this one's stations are.
    fn after(self, newcomer: Option<NodeId>) -> Mending {
        match self {
            Self::Here { had_remote: true } => Mending::Read,
            Self::Elsewhere(Some(owner)) if newcomer.is_none_or(|newcomer| newcomer == owner) => {
                Mending::TellOwner
            }
            Self::Here { had_remote: false } | Self::Elsewhere(_) => Mending::Nothing,
        }
    }
}

// === impl LoadNote ===

impl LoadNote {
    /// What another node's load must hear of what this one was told; none for what goes to the site itself.
    fn of(input: Input) -> Option<Self> {
        match input {
            Input::Building { circuit, reading } => Some(Self::Building { circuit, reading }),
            Input::Solar { circuit, reading } => Some(Self::Solar { circuit, reading }),
            Input::Battery { circuit, battery } => Some(Self::Battery { circuit, battery }),
            Input::Signals { circuit, signals } => Some(Self::Signals { circuit, signals }),
            Input::Mended(evse) => Some(Self::Mended(evse)),
            _ => None,
        }
    }

    fn into_input(self) -> Input {
        match self {
            Self::Building { circuit, reading } => Input::Building { circuit, reading },
            Self::Solar { circuit, reading } => Input::Solar { circuit, reading },
            Self::Battery { circuit, battery } => Input::Battery { circuit, battery },
            Self::Signals { circuit, signals } => Input::Signals { circuit, signals },
            Self::Mended(evse) => Input::Mended(evse),
        }
    }
}

// === impl Site ===

impl Site {
    pub(super) fn mark_owned(&self, owned: bool) {
        self.owned.store(owned, Ordering::Relaxed);
    }

    /// May this node manage a load just now?
    pub(super) fn may_manage(&self) -> bool {
        match &self.load {
            Load::Managed(managed) => self.parts.cluster.lease().covers(managed.claimed_at_ms),
            Load::Unmanaged | Load::Starting(_) | Load::Elsewhere { .. } => true,
        }
    }

    /// This node's lease is over: it owns nothing until it has one again. The stations keep what they were told, and it decays.
    pub(super) fn give_up_load(&mut self) {
        let Load::Managed(managed) = &self.load else { return };
        tracing::info!(site.id = %self.state.id(), "the load of a site is not managed here: the lease is over");
        let drawn_at = Some(managed.drawn_at);
        self.load_generation += 1;
        self.load = Load::Elsewhere { owner: None, drawn_at };
        self.mark_owned(false);
        self.forget_remote();
    }

    /// Another node manages the load: it hears of the stations that are here, and of what was told meanwhile.
    pub(super) fn follow(&mut self, owner: NodeId, stored: &StoredTree, stations: &[StationSnapshot]) {
        tracing::info!(site.id = %self.state.id(), node = %owner, "the load of a site is managed at another node");
        let waited = self.take_waited();
        self.load = Load::Elsewhere { owner: Some(owner), drawn_at: Some(stored.updated_at) };
        self.mark_owned(false);
        self.mark_managed(stored.tree.evses().iter().map(|evse| evse.key.clone()).collect());
        self.unsure.clear();
        self.forget_remote();
        for snapshot in stations {
            if let Some(route) = self.parts.cluster.routing().find(snapshot.id()) {
                let snapshot = Box::new(snapshot.clone());
                self.pass_on_happened(&site::Input::Joined { snapshot, epoch: route.epoch });
            }
        }
        for input in waited {
            match input {
                Input::Settings(_) => self.pass_on(&SiteNote::SettingsChanged),
                other => {
                    if let Some(note) = LoadNote::of(other) {
                        self.pass_on(&SiteNote::Told(note));
                    }
                }
            }
        }
        // Whatever happened while nobody was there to be told: it is in the store.
        self.pass_on(&SiteNote::Missed);
    }

    /// Nobody manages the load, and this node may not.
    pub(super) fn wait_for_owner(&mut self) {
        self.take_waited();
        self.load = Load::Elsewhere { owner: None, drawn_at: None };
        self.mark_owned(false);
        self.forget_remote();
    }

    /// Only an owner keeps count of the stations at other nodes.
    fn forget_remote(&mut self) {
        for station in std::mem::take(&mut self.remote).into_keys() {
            let is_here = self.parts.cluster.routing().find(&station).is_some();
            if let Some(epoch) = self.state.connection(&station).filter(|_| !is_here) {
                self.state.apply(clock::now(), site::Input::Left { station, epoch });
            }
        }
        self.show();
    }

    /// Tells the owner of the site, if that is another node.
    pub(in crate::actors::site) fn pass_on(&self, note: &SiteNote) {
        self.send_on(note);
    }

    pub(super) fn pass_on_happened(&self, input: &site::Input) {
        self.send_on(&Happened::Happened(input));
    }

    fn send_on<T: Serialize>(&self, note: &T) {
        let Load::Elsewhere { owner: Some(owner), .. } = &self.load else { return };
        let Some(links) = self.parts.cluster.links() else { return };
        match serde_json::value::to_raw_value(note) {
            Ok(note) => links.note(*owner, (&self.tenant, self.state.id()), note),
            Err(error) => tracing::error!(%error, site.id = %self.state.id(), "a note has no JSON form"),
        }
    }

    /// The load is told something from outside: here, or wherever it is managed.
    pub(in crate::actors::site) fn load_is_told(&mut self, input: Input, ctx: &mut Context<Self>) {
        if !matches!(self.load, Load::Elsewhere { .. }) {
            return match input {
                Input::Signals { .. } => self.limits_changed(ctx),
                other => self.load_hears(other, ctx),
            };
        }
        match input {
            Input::Settings(_) => self.pass_on(&SiteNote::SettingsChanged),
            other => {
                if let Some(note) = LoadNote::of(other) {
                    self.pass_on(&SiteNote::Told(note));
                }
            }
        }
    }

    /// Another node says what happened here.
    pub(in crate::actors::site) fn hear(&mut self, from: NodeId, note: SiteNote, ctx: &mut Context<Self>) {
        match note {
            SiteNote::Happened(input) => self.apply_of_peer(from, input, ctx),
            SiteNote::Missed => self.missed.store(true, Ordering::Relaxed),
            SiteNote::TreeChanged => self.start_load(ctx),
            SiteNote::SettingsChanged => self.read_settings(ctx),
            SiteNote::NeedsChanged(station) => self.needs_changed(&station, ctx),
            SiteNote::Told(LoadNote::Signals { .. }) => self.limits_changed(ctx),
            SiteNote::Told(note) => self.load_hears(note.into_input(), ctx),
        }
    }

    /// Something that was told of the load may have been lost: what is kept of it is read again.
    pub(in crate::actors::site) fn read_what_was_told(&mut self, ctx: &mut Context<Self>) {
        if matches!(self.load, Load::Managed(_)) {
            self.limits_changed(ctx);
            self.read_settings(ctx);
        }
    }

    fn read_settings(&self, ctx: &mut Context<Self>) {
        let (store, tenant) = (self.parts.store.clone(), self.tenant.clone());
        let Some(location) = self.state.id().location() else { return };
        let read = async move { store.site_settings(&tenant, &location).await };
        ctx.spawn(read.into_actor(self).map(|settings, site, ctx| match settings {
            Ok(settings) => site.settings_changed(settings.unwrap_or_default(), ctx),
            Err(error) => {
                tracing::warn!(%error, site.id = %site.state.id(), "settings of a site cannot be read: it starts again");
                site.start_load(ctx);
            }
        }));
    }

    /// Where the store says that stations are, of those that are connected to other nodes.
    pub(in crate::actors::site) fn hear_of_remote(
        &mut self,
        snapshots: &[StationSnapshot],
        places: &[StationPlace],
        ctx: &mut Context<Self>,
    ) {
        let me = self.parts.cluster.me();
        for place in places {
            let known = self.state.connection(&place.station);
            match place.node.filter(|node| *node != me) {
                Some(node) if Some(place.epoch) > known => {
                    if let Some(snapshot) = snapshots.iter().find(|snapshot| *snapshot.id() == place.station)
                    {
                        let snapshot = Box::new(snapshot.clone());
                        self.apply_of_peer(node, site::Input::Joined { snapshot, epoch: place.epoch }, ctx);
                    }
                }
                // Nobody said so: the connection that is known is over.
                None => {
                    let known = known.filter(|known| *known <= place.epoch);
                    if let (Some(epoch), Some(node)) = (known, self.remote.get(&place.station).copied()) {
                        let station = place.station.clone();
                        self.apply_of_peer(node, site::Input::Left { station, epoch }, ctx);
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// Stations of nodes that are gone are connected nowhere.
    pub(in crate::actors::site) fn forget_lost_nodes(&mut self, ctx: &mut Context<Self>) {
        let Some(links) = self.parts.cluster.links().cloned() else { return };
        let lost = self.remote.iter().filter(|(_, node)| !links.is_living(**node));
        let lost: Vec<_> = lost.map(|(station, node)| (station.clone(), *node)).collect();
        for (station, node) in lost {
            let is_here = self.parts.cluster.routing().find(&station).is_some();
            match self.state.connection(&station).filter(|_| !is_here) {
                Some(epoch) => self.apply_of_peer(node, site::Input::Left { station, epoch }, ctx),
                None => drop(self.remote.remove(&station)),
            }
        }
    }

    /// A node came, or the store was told again where this one's stations are: a site without any at other nodes, whose owner knows it, misses
    /// nothing. Most are such, and one node that starts does not make all sites of all others read themselves.
    pub(in crate::actors::site) fn nodes_came(&self, newcomer: Option<NodeId>) {
        let stands = match &self.load {
            Load::Elsewhere { owner, .. } => Stands::Elsewhere(*owner),
            // What it reads just now may be from before.
            Load::Starting(_) => Stands::Here { had_remote: true },
            Load::Unmanaged | Load::Managed(_) => Stands::Here { had_remote: self.had_remote },
        };
        match stands.after(newcomer) {
            Mending::Nothing => {}
            Mending::Read => self.missed.store(true, Ordering::Relaxed),
            Mending::TellOwner => self.pass_on(&SiteNote::Missed),
        }
    }

    /// The owner is gone or leaves, or nobody owned it while this node might not: whoever comes first takes the site over.
    pub(in crate::actors::site) fn look_for_owner(&mut self, ctx: &mut Context<Self>) {
        let Load::Elsewhere { owner, .. } = &self.load else {
            if !self.may_manage() {
                self.give_up_load();
            }
            return;
        };
        let links = self.parts.cluster.links();
        let stays = |node: NodeId| links.is_some_and(|links| links.stays(node));
        if !owner.is_some_and(stays) {
            self.start_load(ctx);
        }
    }

    /// Asks the owner, if that is another node and nobody asked on its behalf.
    pub(super) fn ask_owner<T: DeserializeOwned + 'static>(
        &self,
        about: About,
        asked_by_peer: bool,
    ) -> ResponseFuture<Option<T>> {
        let owner = match &self.load {
            Load::Elsewhere { owner: Some(owner), .. } if !asked_by_peer => *owner,
            Load::Elsewhere { .. } | Load::Unmanaged | Load::Starting(_) | Load::Managed(_) => {
                return Box::pin(std::future::ready(None));
            }
        };
        let Some(links) = self.parts.cluster.links().cloned() else {
            return Box::pin(std::future::ready(None));
        };
        let (tenant, site) = (self.tenant.clone(), self.state.id().clone());
        Box::pin(async move {
            let answer = links.ask::<Option<T>>(owner, (&tenant, &site), about).await;
            answer.unwrap_or_else(|fault| {
                tracing::info!(%fault, site.id = %site, node = %owner, "the owner of a site does not answer");
                None
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_node_that_comes_concerns_few_sites() {
        let [newcomer, other] = [1, 2].map(|number| NodeId(Uuid::from_u128(number)));
        for (stands, came, asserted) in [
            (Stands::Here { had_remote: false }, Mending::Nothing, Mending::Nothing),
            (Stands::Here { had_remote: true }, Mending::Read, Mending::Read),
            (Stands::Elsewhere(Some(newcomer)), Mending::TellOwner, Mending::TellOwner),
            (Stands::Elsewhere(Some(other)), Mending::Nothing, Mending::TellOwner),
            (Stands::Elsewhere(None), Mending::Nothing, Mending::Nothing),
        ] {
            assert_eq!(stands.after(Some(newcomer)), came, "{stands:?}");
            assert_eq!(stands.after(None), asserted, "{stands:?}");
        }
    }
}
