//! What can be configured on a simulated station: its starting values come from the plan, the CSMS may change them.
//!
//! `device_model` gives these fields the names each OCPP version knows them by.

use std::time::Duration;

/// When a 2.x transaction starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TxStart {
    /// As soon as the cable is plugged in (TxStartPoint EVConnected).
    EvConnected,
    /// Once there is a cable and an accepted token (TxStartPoint PowerPathClosed).
    Authorized,
}

/// The values behind configuration keys and variables. Spans are whole seconds, as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Heartbeat interval, s; set by every accepted boot unless [`Settings::heartbeat_fixed`].
    pub heartbeat_s: u32,
    /// The plan's interval wins over what the CSMS answers.
    pub heartbeat_fixed: bool,
    /// Interval of meter values in a transaction, s; 0 sends none.
    pub meter_interval_s: u32,
    /// Attempts to deliver a transaction message, 1 or more.
    pub retry_attempts: u32,
    /// Wait after attempt k of a transaction message is k times this, s.
    pub retry_interval_s: u32,
    /// A repeat carries the id of the first attempt; only 2.1 allows it.
    pub same_id_retries: bool,
    /// The queued events of a transaction are told from the newest to the oldest; 2.x, where they may arrive in any order.
    pub newest_first: bool,
    /// Time for an answer, s.
    pub message_timeout_s: u32,
    /// Least wait before reconnecting, s.
    pub backoff_min_s: u32,
    /// Largest random addition to that wait, s.
    pub backoff_random_s: u32,
    /// How often the wait doubles.
    pub backoff_repeat: u32,
    /// Interval of WebSocket pings, s; 0 sends none.
    pub ping_interval_s: u32,
    /// Offline for longer than this, a 2.x station reports every connector again, s.
    pub offline_threshold_s: u32,
    /// Time for a car to come after a remote start, s.
    pub connection_timeout_s: u32,
    /// A remote start asks for authorization first.
    pub authorize_remote: bool,
    /// A token refused in the answer to a start ends the transaction.
    pub stop_on_invalid: bool,
    /// Without connection any token may charge.
    pub offline_authorization: bool,
    /// When a 2.x transaction starts.
    pub tx_start: TxStart,
    /// How long a station is away after a reset, s.
    pub reboot_s: u32,
    /// Password of HTTP Basic authentication; none sends no credentials.
    pub password: Option<String>,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            heartbeat_s: 300,
            heartbeat_fixed: false,
            meter_interval_s: 60,
            retry_attempts: 3,
            retry_interval_s: 60,
            same_id_retries: true,
            newest_first: false,
            message_timeout_s: 30,
            backoff_min_s: 2,
            backoff_random_s: 3,
            backoff_repeat: 5,
            ping_interval_s: 0,
            offline_threshold_s: 60,
            connection_timeout_s: 60,
            authorize_remote: false,
            stop_on_invalid: true,
            offline_authorization: true,
            tx_start: TxStart::Authorized,
            reboot_s: 3,
            password: None,
        }
    }
}

impl Settings {
    /// A span of whole seconds.
    #[must_use]
    pub fn seconds(value_s: u32) -> Duration {
        Duration::from_secs(u64::from(value_s))
    }

    /// The wait before attempt `attempt` (0 is the first) to reconnect: doubled so often, plus a part of the random range.
    ///
    /// OCPP 2.0.1 part 4, 5.4.
    #[must_use]
    pub fn backoff(&self, attempt: u32, random_permille: u64) -> Duration {
        let doubled = Self::seconds(self.backoff_min_s) * 2_u32.pow(attempt.min(self.backoff_repeat).min(10));
        let random_ms = u64::from(self.backoff_random_s) * random_permille.min(1_000);
        doubled + Duration::from_millis(random_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound_and_the_random_part_is_added() {
        let settings =
            Settings { backoff_min_s: 2, backoff_random_s: 3, backoff_repeat: 2, ..Settings::default() };
        let waits: Vec<u128> = (0..5).map(|attempt| settings.backoff(attempt, 0).as_millis()).collect();
        assert_eq!(waits, [2_000, 4_000, 8_000, 8_000, 8_000]);
        assert_eq!(settings.backoff(0, 500).as_millis(), 3_500);
        assert_eq!(settings.backoff(0, 5_000).as_millis(), 5_000);
    }
}
