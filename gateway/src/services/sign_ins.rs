//! Who is signed in to the console: a random secret in a cookie, everything else here, in bounded memory (A1).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::keys::Caller;
use crate::credentials::{CredentialsError, random};
use crate::secret::Secret;

/// The most people signed in to a node; the one who did nothing for longest is signed out for the next.
pub const SIGN_INS_MAX: usize = 1_000;
/// Signed out after so long without a click. A live page that refreshes itself is no click.
pub const IDLE: Duration = Duration::from_secs(30 * 60);
/// Signed out after so long in any case.
pub const ABSOLUTE: Duration = Duration::from_secs(12 * 60 * 60);
/// Randomness of a cookie and of a form token, in bytes.
const SECRET_BYTES: usize = 32;

/// Somebody who is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who, as of the sign-in: the key may have been revoked since.
    pub caller: Caller,
    /// Must come back with every form.
    pub form_token: Secret,
}

/// All who are signed in to this node.
#[derive(Debug)]
pub struct SignIns {
    max: usize,
    by_cookie: Mutex<HashMap<[u8; 32], SignIn>>,
}

#[derive(Debug)]
struct SignIn {
    signed_in: SignedIn,
    since: Instant,
    used: Instant,
    notice: Option<String>,
}

// === impl SignedIn ===

impl SignedIn {
    /// Does the form come from a page of ours? In constant time.
    #[must_use]
    pub fn owns_form(&self, presented: &str) -> bool {
        verify_slices_are_equal(presented.as_bytes(), self.form_token.reveal().as_bytes()).is_ok()
    }
}

// === impl SignIns ===

impl SignIns {
    /// At most so many at a time.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, by_cookie: Mutex::new(HashMap::new()) }
    }

    /// Signs somebody in and returns the cookie's value: always a new one.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn open(&self, caller: Caller, now: Instant) -> Result<Secret, CredentialsError> {
        let cookie = Secret::new(&URL_SAFE_NO_PAD.encode(random(SECRET_BYTES)?));
        let form_token = Secret::new(&URL_SAFE_NO_PAD.encode(random(SECRET_BYTES)?));
        let mut sign_ins = self.lock();
        if sign_ins.len() >= self.max {
            sign_ins.retain(|_, sign_in| sign_in.lasts(now));
        }
        if sign_ins.len() >= self.max {
            let idlest = sign_ins.iter().min_by_key(|(_, sign_in)| sign_in.used).map(|(key, _)| *key);
            idlest.map(|key| sign_ins.remove(&key));
        }
        let signed_in = SignedIn { caller, form_token };
        sign_ins.insert(key(cookie.reveal()), SignIn { signed_in, since: now, used: now, notice: None });
        Ok(cookie)
    }

    /// Who has this cookie. `click` says whether a person did something, which keeps them signed in.
    pub fn find(&self, cookie: &str, now: Instant, click: bool) -> Option<SignedIn> {
        let mut sign_ins = self.lock();
        let key = key(cookie);
        let sign_in = sign_ins.get_mut(&key)?;
        if !sign_in.lasts(now) {
            sign_ins.remove(&key);
            return None;
        }
        if click {
            sign_in.used = now;
        }
        Some(sign_in.signed_in.clone())
    }

    /// Signs out.
    pub fn close(&self, cookie: &str) {
        self.lock().remove(&key(cookie));
    }

    /// Keeps a sentence for the next page this person sees.
    pub fn leave_notice(&self, cookie: &str, notice: String) {
        if let Some(sign_in) = self.lock().get_mut(&key(cookie)) {
            sign_in.notice = Some(notice);
        }
    }

    /// Takes that sentence.
    pub fn take_notice(&self, cookie: &str) -> Option<String> {
        self.lock().get_mut(&key(cookie)).and_then(|sign_in| sign_in.notice.take())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], SignIn>> {
        self.by_cookie.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl SignIn ===

impl SignIn {
    fn lasts(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) < IDLE
            && now.saturating_duration_since(self.since) < ABSOLUTE
    }
}

/// The map knows hashes only: how long a look-up takes tells nothing about cookies.
fn key(cookie: &str) -> [u8; 32] {
    Sha256::digest(cookie.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::access::AccessRole;
    use ringmain_domain::id::TenantId;

    fn caller() -> Caller {
        Caller {
            tenant: TenantId::default_tenant(),
            key_id: uuid::Uuid::nil(),
            name: "k".into(),
            role: AccessRole::Viewer,
            hash: Vec::new(),
            via: super::super::keys::Via::ApiKey,
        }
    }

    #[test]
    fn a_sign_in_ends_when_idle_and_in_any_case_after_twelve_hours() {
        let (sign_ins, start) = (SignIns::new(10), Instant::now());
        let cookie = sign_ins.open(caller(), start).unwrap();
        let at = |minutes: u64| start + Duration::from_secs(minutes * 60);
        assert!(sign_ins.find(cookie.reveal(), at(29), false).is_some());
        assert!(sign_ins.find(cookie.reveal(), at(30), false).is_none(), "a refreshing page is no click");
        let cookie = sign_ins.open(caller(), start).unwrap();
        for minutes in (0..720).step_by(20) {
            assert!(sign_ins.find(cookie.reveal(), at(minutes), true).is_some(), "{minutes}");
        }
        assert!(sign_ins.find(cookie.reveal(), at(720), true).is_none());
    }

    #[test]
    fn the_idlest_makes_room_for_the_next() {
        let (sign_ins, start) = (SignIns::new(2), Instant::now());
        let at = |secs| start + Duration::from_secs(secs);
        let first = sign_ins.open(caller(), at(0)).unwrap();
        let second = sign_ins.open(caller(), at(1)).unwrap();
        assert!(sign_ins.find(first.reveal(), at(2), true).is_some());
        let third = sign_ins.open(caller(), at(3)).unwrap();
        assert!(sign_ins.find(first.reveal(), at(4), true).is_some());
        assert!(sign_ins.find(second.reveal(), at(4), true).is_none());
        assert!(sign_ins.find(third.reveal(), at(4), true).is_some());
    }

    #[test]
    fn signing_out_ends_it_and_a_notice_is_shown_once() {
        let (sign_ins, now) = (SignIns::new(2), Instant::now());
        let cookie = sign_ins.open(caller(), now).unwrap();
        sign_ins.leave_notice(cookie.reveal(), "done".into());
        assert_eq!(sign_ins.take_notice(cookie.reveal()).as_deref(), Some("done"));
        assert_eq!(sign_ins.take_notice(cookie.reveal()), None);
        let signed_in = sign_ins.find(cookie.reveal(), now, true).unwrap();
        assert!(signed_in.owns_form(signed_in.form_token.reveal()));
        assert!(!signed_in.owns_form("guess"));
        sign_ins.close(cookie.reveal());
        assert!(sign_ins.find(cookie.reveal(), now, true).is_none());
    }
}
