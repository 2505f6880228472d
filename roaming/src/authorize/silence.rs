//! Companies that let stations wait in vain: after some questions in a row without an answer none is asked for a while, so that a driver
//! hears at once what the whitelist says. Then one question tries whether the company is back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

/// So many questions in a row may come to nothing.
const IN_VAIN_MAX: u32 = 3;

/// Which partners are silent. Has an entry for each that was silent last: no more than there are partners.
#[derive(Debug)]
pub(crate) struct Silence {
    pauses: (Duration, Duration),
    silent: Mutex<HashMap<Uuid, Since>>,
}

#[derive(Debug)]
struct Since {
    in_vain: u32,
    /// Nobody asks before.
    until: Instant,
}

// === impl Silence ===

impl Silence {
    /// Nobody is silent. The pauses are the first and the longest.
    pub(crate) fn new(pauses: (Duration, Duration)) -> Self {
        Self { pauses, silent: Mutex::default() }
    }

    /// May a partner be asked? Who may after a pause tries it for all: the others go without an answer until it has one.
    pub(crate) fn may_ask(&self, partner: Uuid) -> bool {
        let mut silent = self.lock();
        let now = Instant::now();
        let Some(since) = silent.get_mut(&partner).filter(|since| since.in_vain >= IN_VAIN_MAX) else {
            return true;
        };
        if since.until > now {
            return false;
        }
        since.until = now + self.pauses.1;
        true
    }

    /// It answered, whatever it said.
    pub(crate) fn answered(&self, partner: Uuid) {
        self.lock().remove(&partner);
    }

    /// It did not, and perhaps said how long it wants to be left alone.
    pub(crate) fn in_vain(&self, partner: Uuid, retry_after: Option<Duration>) {
        let mut silent = self.lock();
        let now = Instant::now();
        let since = silent.entry(partner).or_insert(Since { in_vain: 0, until: now });
        since.in_vain = since.in_vain.saturating_add(1);
        let doublings = since.in_vain.saturating_sub(IN_VAIN_MAX).min(20);
        let pause = self.pauses.0.saturating_mul(1 << doublings).min(self.pauses.1);
        since.until = now + retry_after.map_or(pause, |wait| wait.min(self.pauses.1).max(pause));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Since>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_company_that_is_silent_is_left_alone_and_tried_by_one() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let silence = Silence::new((Duration::from_secs(1), Duration::from_secs(60)));
        for _ in 0..IN_VAIN_MAX {
            assert!(silence.may_ask(one));
            silence.in_vain(one, None);
        }
        for pause_s in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(!silence.may_ask(one) && silence.may_ask(other));
            tokio::time::advance(Duration::from_secs(pause_s) - Duration::from_millis(2)).await;
            assert!(!silence.may_ask(one), "{pause_s}");
            tokio::time::advance(Duration::from_millis(3)).await;
            assert!(silence.may_ask(one), "{pause_s}");
            assert!(!silence.may_ask(one), "one tries it");
            silence.in_vain(one, None);
        }
        silence.answered(one);
        assert!(silence.may_ask(one) && silence.lock().is_empty());
        for _ in 0..IN_VAIN_MAX {
            silence.in_vain(one, Some(Duration::from_secs(10)));
        }
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(!silence.may_ask(one));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(silence.may_ask(one));
        // Whoever tried it and never came back keeps it from nobody for ever.
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(silence.may_ask(one));
    }
}
