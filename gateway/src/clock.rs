//! The one place that asks what time it is.

use ringmain_domain::time::Timestamp;

/// Now, by this machine's clock, in UTC.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}
