//! Tells a page that something it shows has changed; the page then asks for that part of itself. At most one word a second.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use futures_util::stream;
use ringmain_domain::id::StationId;
use ringmain_domain::site::Change;
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use super::guard::Visitor;
use super::page::PageError;
use crate::house::House;
use crate::live::LiveEvent;
use crate::services::doorway::Doorway;
use crate::services::feed::{Feed, FeedItem};

/// A page hears of changes at most so often.
const PACE: Duration = Duration::from_secs(1);

/// What a page watches; everything of the tenant when nothing is named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WatchQuery {
    /// Only this station.
    charging_station_id: Option<StationId>,
    /// Only sessions.
    #[serde(default)]
    sessions_only: bool,
}

struct Watching {
    feed: Feed,
    query: WatchQuery,
    house: web::Data<House>,
    visitor: Visitor,
    doorway: web::Data<Doorway>,
    opened: bool,
    over: bool,
    quiet_until: Instant,
}

/// The feed of one page: the event `changed`, with nothing in it.
pub(super) async fn watch(
    house: web::Data<House>,
    doorway: web::Data<Doorway>,
    visitor: Visitor,
    query: web::Query<WatchQuery>,
) -> Result<HttpResponse, PageError> {
    let feed = doorway.streams.watch(&house.live, &visitor.caller.tenant, None).ok_or(PageError::TooMany)?;
    let start = Watching {
        feed,
        query: query.into_inner(),
        house,
        visitor,
        doorway,
        opened: false,
        over: false,
        quiet_until: Instant::now(),
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(stream::unfold(start, Watching::next)))
}

impl Watching {
    async fn next(mut self) -> Option<(Result<web::Bytes, actix_web::Error>, Self)> {
        if !self.opened {
            self.opened = true;
            return Some((Ok("retry: 2000\n\n".into()), self));
        }
        if self.over {
            return None;
        }
        let text = loop {
            match self.feed.next().await? {
                FeedItem::Event(event) if !self.query.concerns(&event) => {}
                FeedItem::Event(_) | FeedItem::Gap => {
                    self.gather().await?;
                    break "event: changed\ndata: 1\n\n";
                }
                FeedItem::KeepAlive => {
                    if self.visitor.is_here(&self.house, &self.doorway).await {
                        break ": still here\n\n";
                    }
                    // One last word: the page asks for its part, and is led to the sign-in.
                    self.over = true;
                    break "event: changed\ndata: 1\n\n";
                }
            }
        };
        Some((Ok(text.into()), self))
    }

    /// Lets what follows shortly after count with what is told now.
    async fn gather(&mut self) -> Option<()> {
        let until = self.quiet_until;
        loop {
            tokio::select! {
                biased;
                () = sleep_until(until) => break,
                item = self.feed.next() => { item?; }
            }
        }
        self.quiet_until = Instant::now() + PACE;
        Some(())
    }
}

impl WatchQuery {
    fn concerns(&self, event: &LiveEvent) -> bool {
        let (station, is_session) = match &event.change {
            Change::StationOnline { charging_station_id, .. }
            | Change::ConnectorState { charging_station_id, .. } => (charging_station_id, false),
            Change::SessionChanged { session } => (&session.station, true),
        };
        let here = self.charging_station_id.as_ref().is_none_or(|wanted| wanted == station);
        here && (is_session || !self.sessions_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::id::TenantId;
    use ringmain_domain::time::Timestamp;

    #[test]
    fn a_page_hears_only_of_what_it_shows() {
        let station = |text: &str| StationId::new(text).unwrap();
        let event = LiveEvent {
            is_own: true,
            id: 1,
            at: Timestamp::from_millis(0),
            tenant: TenantId::default_tenant(),
            change: Change::StationOnline { charging_station_id: station("CS-1"), online: true },
        };
        let concerns = |wanted: Option<&str>, sessions_only| {
            WatchQuery { charging_station_id: wanted.map(station), sessions_only }.concerns(&event)
        };
        assert!(concerns(None, false));
        assert!(concerns(Some("CS-1"), false));
        assert!(!concerns(Some("CS-2"), false));
        assert!(!concerns(None, true));
    }
}
