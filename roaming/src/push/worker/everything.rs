//! For a partner that was away for longer than changes are kept: everything there is, page by page, until it has been told. Only then does
//! the lane stand at a newer place, so that whoever is away again, or ends in between, begins again.

use std::sync::Arc;

use ringmain_domain::time::Timestamp;
use ringmain_store::feed::{KIND_LOCATION, KIND_TARIFF};
use ringmain_store::outbox::KIND_SESSION;
use ringmain_store::page::PageRequest;
use ringmain_store::partners::lanes::Lane;
use ringmain_store::partners::lists::Window;
use ringmain_store::store::StoreError;

use super::telling::Calls;
use super::{Footing, Progress, Worker};
use crate::ocpi::envelope::now;
use crate::push::news::{News, What};
use crate::push::send::Receiver;

/// How many objects are read at once.
const PAGE: u32 = 100;
/// Sessions that changed so long before the lane last moved are told too: a change may have waited for its place.
const OVERLAP_MS: i64 = 86_400_000;

impl Worker {
    /// Locations and tariffs as they are, and the sessions that changed since the lane last moved. Asked for while no call is under way.
    pub(super) async fn tell_everything(
        &self,
        progress: &mut Progress,
        to: Option<&Receiver>,
    ) -> Result<(), StoreError> {
        let (store, tenant) = (&self.hub.store, &self.hub.tenant);
        // Before anything is read: what changes from now on is told as a change.
        let newest = store.feed_ends(tenant).await?.newest;
        if let Some(to) = to {
            tracing::info!(partner.id = %self.partner.id, lane = self.lane.as_str(), "a partner was away for long: it is told everything");
            let cursors = store.partner_cursors(tenant, self.partner.id).await?;
            let moved = cursors.iter().find(|(lane, ..)| *lane == self.lane).map(|(.., at)| *at);
            let since = moved.map(|at| at.plus_millis(-OVERLAP_MS));
            let mut page = PageRequest::first(PAGE);
            loop {
                let (news, next) = self.everything(since, &page).await?;
                // They are as they were read just now.
                progress.footing = Footing::Firm;
                let told = self.tell_all(progress, to, news).await;
                progress.footing = Footing::Behind;
                told?;
                match next {
                    Some(next) => page.after = Some(next),
                    None => break,
                }
            }
        }
        progress.queue.clear();
        (progress.read_to, progress.footing) = (newest, Footing::Firm);
        Ok(())
    }

    /// Tells these, until the partner has them or refused them for good.
    async fn tell_all(
        &self,
        progress: &mut Progress,
        to: &Receiver,
        news: Vec<Arc<News>>,
    ) -> Result<(), StoreError> {
        progress.queue.clear();
        news.into_iter().for_each(|news| progress.queue.offer(news));
        let mut calls = Calls::new();
        while !(progress.queue.is_empty() && calls.is_empty()) {
            if calls.is_empty() && self.breaker.pauses_until().is_none() && progress.footing != Footing::Firm
            {
                progress.queue.age();
                progress.footing = Footing::Firm;
            }
            let next = self.next(progress, &mut calls, std::future::pending()).await;
            self.go_on(progress, Some(to), &mut calls, next).await?;
        }
        Ok(())
    }

    /// A page of it. Their places are none of the feed's.
    async fn everything(
        &self,
        since: Option<Timestamp>,
        page: &PageRequest,
    ) -> Result<(Vec<Arc<News>>, Option<String>), StoreError> {
        let (store, tenant, at) = (&self.hub.store, &self.hub.tenant, now());
        let (found, next): (Vec<(&str, Box<str>, What)>, _) = match self.lane {
            Lane::Locations => {
                let read = store.published_locations(tenant, at, &Window::default(), page).await?;
                let one = |one: ringmain_store::partners::lists::PublishedLocation| {
                    (KIND_LOCATION, one.location.id.as_str().into(), What::Location(Arc::new(one)))
                };
                (read.items.into_iter().map(one).collect(), read.next)
            }
            Lane::Tariffs => {
                let read = store.published_tariffs(tenant, at, &Window::default(), page).await?;
                let one = |one: ringmain_domain::tariff::Tariff| {
                    (KIND_TARIFF, one.id.as_str().into(), What::Tariff(Arc::new(one)))
                };
                (read.items.into_iter().map(one).collect(), read.next)
            }
            Lane::Sessions => {
                let window = Window { from: since, ..Window::default() };
                let read = store.partner_sessions(tenant, self.partner.id, &window, page).await?;
                let one = |one: ringmain_store::partners::drivers::PartnerSession| {
                    (KIND_SESSION, one.session.id.0.to_string().into(), What::Session(Arc::new(one)))
                };
                (read.items.into_iter().map(one).collect(), read.next)
            }
            // Their changes are kept until they were told.
            Lane::Cdrs => (Vec::new(), None),
        };
        let news = |(place, (kind, subject, what)): (i64, (&str, Box<str>, What))| {
            Arc::new(News { position: -place, kind: kind.into(), subject, changed_at: at, party: None, what })
        };
        Ok(((1..).zip(found).map(news).collect(), next))
    }
}
