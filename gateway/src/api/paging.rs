//! Pages of lists: keyset cursors that a client takes from one answer into the next request, and never reads or makes.
//!
//! A cursor holds the list it belongs to, the store's own cursor, and a check, so that a damaged or foreign one is refused here and
//! never reaches the store.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringmain_store::page::{Page, PageRequest};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::problem::{Kind, Problem};

/// Items on a page unless the client says otherwise.
pub const LIMIT_DEFAULT: u32 = 100;
/// The most items on a page.
pub const LIMIT_MAX: u32 = 1_000;
/// The longest cursor that is looked at.
const CURSOR_MAX_CHARS: usize = 2_048;
/// Bytes of the check.
const CHECK_BYTES: usize = 6;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListBody<T> {
    /// The items.
    pub items: Vec<T>,
    /// Give this as `cursor` to get the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// Checks `limit`.
///
/// # Errors
/// Not 1 to [`LIMIT_MAX`].
pub fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(LIMIT_DEFAULT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::new(Kind::BadRequest, format!("limit is {limit}, but must be 1 to {LIMIT_MAX}")))
}

/// Reads `limit` and `cursor` of a request for a list.
///
/// # Errors
/// A limit out of range, or a cursor that is not one of this list's.
pub fn request(list: &str, asked: Option<u32>, cursor: Option<&str>) -> Result<PageRequest, Problem> {
    let after = cursor.map(|cursor| open(list, cursor)).transpose()?;
    Ok(PageRequest { after, limit: limit(asked)? })
}

/// Makes a page of the answer from a page of the store.
pub fn body<T, B>(list: &str, page: Page<T>, item: impl FnMut(T) -> B) -> ListBody<B> {
    let next_cursor = page.next.map(|next| seal(list, &next));
    ListBody { items: page.items.into_iter().map(item).collect(), next_cursor }
}

/// A cursor for clients from the place in a list.
#[must_use]
pub fn seal(list: &str, place: &str) -> String {
    let mut bytes = check(list, place);
    bytes.extend_from_slice(place.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place in a list from a client's cursor.
///
/// # Errors
/// It is not one that [`seal`] made for this list.
pub fn open(list: &str, cursor: &str) -> Result<String, Problem> {
    let opened = || {
        if cursor.len() > CURSOR_MAX_CHARS {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (presented, place) = bytes.split_at_checked(CHECK_BYTES)?;
        let place = std::str::from_utf8(place).ok()?;
        (presented == check(list, place)).then(|| place.to_owned())
    };
    opened()
        .ok_or_else(|| Problem::new(Kind::BadRequest, "cursor is not one of this list: start without one"))
}

fn check(list: &str, place: &str) -> Vec<u8> {
    let digest = Sha256::new().chain_update(list).chain_update([0]).chain_update(place).finalize();
    digest.into_iter().take(CHECK_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_and_a_damaged_one_does_not() {
        let cursor = seal("sessions", "2026|abc");
        assert_eq!(open("sessions", &cursor).unwrap(), "2026|abc");
        assert!(open("cdrs", &cursor).is_err(), "another list's");
        assert!(open("sessions", "AAAA").is_err(), "too short");
        assert!(open("sessions", "no base64!").is_err());
        assert!(open("sessions", &"A".repeat(CURSOR_MAX_CHARS + 1)).is_err());
        let mut damaged = cursor.into_bytes();
        damaged[3] = if damaged[3] == b'A' { b'B' } else { b'A' };
        assert!(open("sessions", std::str::from_utf8(&damaged).unwrap()).is_err());
    }

    #[test]
    fn a_limit_is_1_to_1000() {
        for (asked, expect) in [
            (None, Some(100)),
            (Some(1), Some(1)),
            (Some(1000), Some(1000)),
            (Some(0), None),
            (Some(1001), None),
        ] {
            assert_eq!(limit(asked).ok(), expect, "{asked:?}");
        }
    }
}
