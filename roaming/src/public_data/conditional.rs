//! Answers that need not be sent again: what they say has a tag, and whoever shows that tag is told that nothing changed (RFC 9110, 13).
//!
//! `If-Modified-Since` is not looked at: what is removed leaves no instant behind, and nodes first see a change at different ones.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, ETAG, HeaderMap, HeaderValue, HttpDate, IF_NONE_MATCH, LAST_MODIFIED,
};
use aws_lc_rs::digest;
use ringmain_domain::time::Timestamp;
use serde::Serialize;

/// So many bytes of a digest tell one content from another.
const TAG_BYTES: usize = 16;
/// Dates of HTTP have four digits for the year.
const YEAR_10000_MS: u64 = 253_402_300_800_000;
/// How the tag of the packed form of a content ends.
pub const PACKED: &str = "-gz";

/// What is said, as its digest: noted piece by piece.
pub struct Content(RefCell<digest::Context>);

// === impl Content ===

impl Content {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self(RefCell::new(digest::Context::new(&digest::SHA256)))
    }

    /// More of it; a piece's end counts.
    pub fn note(&self, piece: &[u8]) {
        let mut digest = self.0.borrow_mut();
        digest.update(&u64::try_from(piece.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(piece);
    }

    /// An object of it.
    pub fn note_object(&self, object: &impl Serialize) {
        // Objects of the wire always have a JSON form.
        self.note(&serde_json::to_vec(object).unwrap_or_default());
    }

    /// Its tag: hexadecimal digits.
    #[must_use]
    pub fn tag(self) -> String {
        hex(&self.0.into_inner().finish(), TAG_BYTES)
    }
}

/// So many bytes of a digest, in hexadecimal digits.
#[must_use]
pub fn hex(digest: &digest::Digest, bytes: usize) -> String {
    digest.as_ref().iter().take(bytes).fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

impl Default for Content {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Content").finish_non_exhaustive()
    }
}

/// Does whoever asks have it already? `tag` is without quotes; forms of one content (packed or not) have tags that begin with it.
#[must_use]
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let shown = headers.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    shown.flat_map(|value| value.split(',')).map(str::trim).any(|shown| {
        let quoted = shown.strip_prefix("W/").unwrap_or(shown);
        let bare = quoted.trim_matches('"');
        shown == "*" || bare == tag || bare.strip_prefix(tag).is_some_and(|form| form == PACKED)
    })
}

/// Writes how long an answer may be kept, its tag, and when what it says was last changed.
pub fn describe(response: &mut HttpResponse, tag: &str, changed_at: Option<Timestamp>, cache: Duration) {
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{tag}\"")) {
        headers.insert(ETAG, tag);
    }
    if let Ok(control) = HeaderValue::try_from(format!("public, max-age={}", cache.as_secs())) {
        headers.insert(CACHE_CONTROL, control);
    }
    let since_epoch = changed_at.and_then(|at| u64::try_from(at.as_millis()).ok());
    let since_epoch = since_epoch.filter(|millis| *millis < YEAR_10000_MS);
    let date =
        since_epoch.and_then(|millis| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)));
    if let Some(date) = date.and_then(|at| HeaderValue::try_from(HttpDate::from(at).to_string()).ok()) {
        headers.insert(LAST_MODIFIED, date);
    }
}

/// The answer to whoever has it already: the headers of the whole one, and nothing else.
#[must_use]
pub fn unchanged(whole: &HttpResponse) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::NOT_MODIFIED);
    for name in [ETAG, CACHE_CONTROL, LAST_MODIFIED, actix_web::http::header::VARY] {
        if let Some(value) = whole.headers().get(&name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_in_any_form_it_was_given() {
        let check = |shown: &'static str, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(shown));
            assert_eq!(is_known(&headers, "abc"), expect, "{shown}");
        };
        for known in ["\"abc\"", "W/\"abc\"", "\"abc-gz\"", "\"x\", \"abc\"", "*", "\"x\",W/\"abc-gz\""] {
            check(known, true);
        }
        for strange in ["\"abcd\"", "\"ab\"", "\"abc-\"", "", "\"abc-gz2\""] {
            check(strange, false);
        }
        assert!(!is_known(&HeaderMap::new(), "abc"));
    }

    #[test]
    fn content_is_told_by_its_pieces() {
        let tag = |pieces: &[&str]| {
            let content = Content::new();
            pieces.iter().for_each(|piece| content.note(piece.as_bytes()));
            content.tag()
        };
        assert_eq!(tag(&["a", "b"]), tag(&["a", "b"]));
        assert_ne!(tag(&["a", "b"]), tag(&["ab"]));
        assert_eq!(tag(&[]).len(), 2 * TAG_BYTES);
    }
}
