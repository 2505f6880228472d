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

use super::{Progress, Worker};
use crate::ocpi::envelope::now;
use crate::push::news::{News, What};

/// How many objects are read at once.
const PAGE: u32 = 100;
/// Sessions that changed so long before the lane last moved are told too: a change may have waited for its place.
const OVERLAP_MS: i64 = 86_400_000;

impl Worker {
    /// Locations and tariffs as they are, and the sessions that changed since the lane last moved.
    pub(super) async fn tell_everything(&self, progress: &mut Progress) -> Result<(), StoreError> {
        let Some(receiver) = self.receiver() else { return Ok(()) };
        let cursors = self.hub.store.partner_cursors(&self.hub.tenant, self.partner.id).await?;
        let moved = cursors.iter().find(|(lane, ..)| *lane == self.lane).map(|(.., at)| *at);
        let since = moved.map(|at| at.plus_millis(-OVERLAP_MS));
        let mut page = PageRequest::first(PAGE);
        loop {
            let (mut left, next) = self.everything(since, &page).await?;
            progress.done.clear();
            while !left.is_empty() {
                if let Some(until) = progress.held_until(left.iter()) {
                    tokio::time::sleep_until(until).await;
                }
                self.tell_ready(progress, &receiver, &left).await?;
                left.retain(|news| !progress.done.contains(&news.position));
            }
            progress.done.clear();
            match next {
                Some(next) => page.after = Some(next),
                None => return Ok(()),
            }
        }
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
