//! Lists in pages (OCPI 2.2.1, transport and format, pagination).
//!
//! A partner follows `Link`, which carries a keyset cursor: objects that come, go or change meanwhile neither repeat nor hide others, and
//! the last page costs what the first one does. A plain `offset` still works. Every page tells how many objects there are in all: they
//! are counted once, for the page that has no cursor, and the links carry the number on.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue, LINK};
use ringmain_store::page::{MAX_LIMIT, Page, PageRequest};
use ringmain_store::partners::lists::Window;
use ringmain_store::store::StoreError;
use serde::Serialize;
use url::form_urlencoded::{Serializer, parse};

use crate::ocpi::envelope;
use crate::ocpi::status::Refusal;
use crate::ocpi::values::DateTime;

/// Objects on a page when the caller does not say how many.
pub const DEFAULT_LIMIT: u32 = 100;
/// The longest query string that is read, in bytes.
const QUERY_MAX_BYTES: usize = 2_048;

const TOTAL: HeaderName = HeaderName::from_static("x-total-count");
const LIMIT: HeaderName = HeaderName::from_static("x-limit");

/// Which page a caller asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest {
    from: Option<DateTime>,
    to: Option<DateTime>,
    offset: u32,
    limit: u32,
    cursor: Option<String>,
    /// How many there are in all, as counted for the first page.
    total: Option<u32>,
}

// === impl ListRequest ===

impl ListRequest {
    /// Reads a query string. Parameters we do not know pass; a `limit` above ours counts as ours.
    ///
    /// # Errors
    /// 2001 with the parameter that is wrong.
    pub fn read(query: &str) -> Result<Self, Refusal> {
        let mut read =
            Self { from: None, to: None, offset: 0, limit: DEFAULT_LIMIT, cursor: None, total: None };
        if query.len() > QUERY_MAX_BYTES {
            return Err(Refusal::invalid("the query is too long"));
        }
        let instant = |name, text: &str| {
            let wrong =
                || Refusal::invalid(format!("{name} must be an instant such as 2026-03-01T08:00:00Z"));
            DateTime::read(text).ok_or_else(wrong)
        };
        for (name, value) in parse(query.as_bytes()) {
            match &*name {
                "date_from" => read.from = Some(instant("date_from", &value)?),
                "date_to" => read.to = Some(instant("date_to", &value)?),
                "offset" => {
                    read.offset = value
                        .parse()
                        .map_err(|_no_number| Refusal::invalid("offset must be a number from 0"))?;
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| *limit > 0);
                    let limit: u32 =
                        limit.ok_or_else(|| Refusal::invalid("limit must be a number from 1"))?;
                    read.limit = limit.min(MAX_LIMIT);
                }
                "cursor" => read.cursor = Some(value.into_owned()),
                // Ours, in a link of ours; whoever writes another number is told that.
                "total" => read.total = value.parse().ok(),
                _ => {}
            }
        }
        Ok(read)
    }

    /// As [`ListRequest::read`], for lists that must say where they begin.
    ///
    /// # Errors
    /// 2001 when `date_from` is missing, or as above.
    pub fn read_from_date(query: &str) -> Result<Self, Refusal> {
        let read = Self::read(query)?;
        if read.from.is_none() {
            return Err(Refusal::invalid("date_from is missing"));
        }
        Ok(read)
    }

    /// The part of the list, for the store.
    #[must_use]
    pub fn window(&self) -> Window {
        let skip = if self.cursor.is_some() { 0 } else { self.offset };
        Window { from: self.from.map(|at| at.0), to: self.to.map(|at| at.0), skip }
    }

    /// The page of it, for the store.
    #[must_use]
    pub fn page(&self) -> PageRequest {
        PageRequest { after: self.cursor.clone(), limit: self.limit }
    }

    /// How many objects there are in all: what the link says, else what is counted now.
    ///
    /// # Errors
    /// The count's.
    pub async fn total(
        &self,
        count: impl Future<Output = Result<u32, StoreError>>,
    ) -> Result<u32, StoreError> {
        match self.total.filter(|_| self.cursor.is_some()) {
            Some(total) => Ok(total),
            None => count.await,
        }
    }

    /// Writes a page of so many objects in all, but for those that cannot be said. `url` is the list's own address.
    pub fn respond<T, W: Serialize>(
        &self,
        url: &str,
        (page, total): (Page<T>, u32),
        write: impl Fn(T) -> Option<W>,
    ) -> HttpResponse {
        let count = page.items.len();
        let objects: Vec<W> = page.items.into_iter().filter_map(write).collect();
        let seen = u32::try_from(count).unwrap_or(u32::MAX).saturating_add(self.offset);
        // Some may have come since they were counted; an offset behind the last one has seen none.
        let total = if count == 0 { total } else { total.max(seen) };
        let mut response = envelope::success(objects);
        let headers = response.headers_mut();
        headers.insert(LIMIT, HeaderValue::from(MAX_LIMIT));
        headers.insert(TOTAL, HeaderValue::from(total));
        if let Some(next) = &page.next {
            let link = format!("<{url}?{}>; rel=\"next\"", self.next_query((seen, total), next));
            // Percent-encoded, so always a header value.
            if let Ok(link) = HeaderValue::try_from(link) {
                headers.insert(LINK, link);
            }
        }
        response
    }

    /// The query of the next page: the same filters, the limit that was really applied.
    fn next_query(&self, (seen, total): (u32, u32), cursor: &str) -> String {
        let mut query = Serializer::new(String::new());
        for (name, at) in [("date_from", self.from), ("date_to", self.to)] {
            if let Some(at) = at {
                query.append_pair(name, &at.to_string());
            }
        }
        query.append_pair("offset", &seen.to_string()).append_pair("limit", &self.limit.to_string());
        query.append_pair("total", &total.to_string()).append_pair("cursor", cursor).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_with_its_bounds() {
        let check = |query: &str, expect: Result<(u32, u32), &str>| {
            let read = ListRequest::read(query);
            let read = read.map(|r| (r.offset, r.limit)).map_err(|refusal| refusal.to_string());
            match (&read, expect) {
                (Ok(read), Ok(expect)) => assert_eq!(*read, expect, "{query}"),
                (Err(refusal), Err(part)) => assert!(refusal.contains(part), "{query}: {refusal}"),
                _ => panic!("{query}: {read:?} for {expect:?}"),
            }
        };
        check("", Ok((0, DEFAULT_LIMIT)));
        check("offset=7&limit=3&whatever=x", Ok((7, 3)));
        check("limit=100000", Ok((0, MAX_LIMIT)));
        check("limit=0", Err("200 2001: limit"));
        check("limit=many", Err("limit"));
        check("limit=4294967296", Err("limit"));
        check("offset=-1", Err("offset"));
        check("date_from=2026-03-01T08:00:00Z", Ok((0, DEFAULT_LIMIT)));
        check("date_from=2026-03-01T08%3A00%3A00Z", Ok((0, DEFAULT_LIMIT)));
        check("date_from=yesterday", Err("date_from"));
        check("date_to=2026-03-01", Err("date_to"));
        check(&format!("x={}", "y".repeat(QUERY_MAX_BYTES)), Err("too long"));
        assert!(ListRequest::read_from_date("limit=1").is_err());
    }

    #[test]
    fn the_next_query_keeps_filters_and_limit_and_counts() {
        let read = ListRequest::read("date_from=2026-03-01T08:00:00Z&limit=100000&offset=10").unwrap();
        assert_eq!(
            read.next_query((20, 25), "abc"),
            "date_from=2026-03-01T08%3A00%3A00.000Z&offset=20&limit=1000&total=25&cursor=abc"
        );
        let next = ListRequest::read(&read.next_query((20, 25), "abc")).unwrap();
        assert_eq!((next.window().skip, next.offset, next.page().after.as_deref()), (0, 20, Some("abc")));
        assert_eq!(next.total, Some(25));
        assert_eq!(read.window().skip, 10);
        assert_eq!(next.from, read.from);
    }
}
