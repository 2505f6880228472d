//! Pages of a list by keyset: each page starts behind the last key of the one before, so rows that come or go in between neither repeat
//! nor hide others, and the last page costs what the first one does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::row::Row;
use crate::store::StoreError;

/// The most items of a page.
pub const MAX_LIMIT: u32 = 1_000;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// [`Page::next`] of the page before, from the same list; opaque, safe in URLs. `None`: the first page.
    ///
    /// A text that is no cursor of this list is answered with [`StoreError::Conflict`].
    pub after: Option<String>,
    /// The most items, 1 to [`MAX_LIMIT`]; what lies outside counts as the nearest of these.
    pub limit: u32,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// At most as many as were asked for.
    pub items: Vec<T>,
    /// The cursor of the next page; `None`: this is the last one.
    pub next: Option<String>,
}

// === impl PageRequest ===

impl PageRequest {
    /// The first page.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }

    fn size(&self) -> u32 {
        self.limit.clamp(1, MAX_LIMIT)
    }

    /// How many rows to ask for: one more than fit, which tells whether there is a next page.
    pub(crate) fn probe(&self) -> i64 {
        i64::from(self.size()).saturating_add(1)
    }

    /// The key this page starts behind.
    pub(crate) fn key<K: DeserializeOwned>(&self) -> Result<Option<K>, StoreError> {
        let Some(cursor) = &self.after else { return Ok(None) };
        let key = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|json| serde_json::from_slice(&json).ok());
        key.map(Some).ok_or_else(|| StoreError::conflict("cursor is none of this list's"))
    }

    /// The page that ends with the row that fills it: rows of these sizes, so much together. One row is always on it.
    pub(crate) fn within(&self, sizes: &[i64], most: i64) -> Self {
        let mut sum = 0_i64;
        let mut fit = 0_u32;
        for size in sizes {
            fit = fit.saturating_add(1);
            sum = sum.saturating_add(*size);
            if sum >= most {
                break;
            }
        }
        Self { after: self.after.clone(), limit: self.limit.min(fit) }
    }

    /// Makes the page of rows that were read, at most [`PageRequest::probe`] of them.
    pub(crate) fn page<T, K: Serialize>(
        &self,
        rows: &[Row],
        item: impl Fn(&Row) -> Result<T, StoreError>,
        key: impl Fn(&Row) -> Result<K, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let size = usize::try_from(self.size()).unwrap_or(usize::MAX);
        let more = rows.len() > size;
        let next = match rows.iter().take(size).next_back().filter(|_| more) {
            Some(last) => Some(cursor(&key(last)?)?),
            None => None,
        };
        let items: Result<Vec<_>, _> = rows.iter().take(size).map(item).collect();
        Ok(Page { items: items?, next })
    }
}

/// What could be read of a list, and why the rest could not: whoever pages through it gets past it.
pub(crate) fn readable<T>(items: Vec<Result<T, StoreError>>) -> Result<Vec<T>, StoreError> {
    let mut read = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Ok(item) => read.push(item),
            Err(StoreError::Corrupt { reason }) => {
                tracing::warn!(%reason, "an object is left out of a list for partners");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn cursor<K: Serialize>(key: &K) -> Result<String, StoreError> {
    let json = serde_json::to_vec(key)
        .map_err(|error| StoreError::corrupt(format!("key has no JSON form: {error}")))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_written_and_a_strange_one_is_refused() {
        let key = (1_700_000_000_000_i64, "CS-1 ü".to_owned());
        let after = |after: String| PageRequest { after: Some(after), limit: 1 };
        assert_eq!(after(cursor(&key).unwrap()).key().unwrap(), Some(key));
        for strange in ["", "%%%", "bm8", &cursor(&"x").unwrap()] {
            assert!(after(strange.to_owned()).key::<(i64, String)>().is_err(), "{strange:?}");
        }
    }

    #[test]
    fn a_page_ends_with_the_row_that_fills_it() {
        let page = |sizes: &[i64]| PageRequest::first(3).within(sizes, 10).size();
        assert_eq!(
            [page(&[]), page(&[1]), page(&[11, 1]), page(&[9, 1, 1, 1]), page(&[9, 0, 0, 1])],
            [1, 1, 1, 2, 3]
        );
    }

    #[test]
    fn a_page_is_never_empty_or_endless() {
        assert_eq!(PageRequest::first(0).probe(), 2);
        assert_eq!(PageRequest::first(1_000).probe(), 1_001);
        assert_eq!(PageRequest::first(u32::MAX).probe(), 1_001);
    }
}
