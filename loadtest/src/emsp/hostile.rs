//! How a partner misbehaves. Configuration modules stay well: a partner that cannot be connected to cannot be hostile later.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::http::{Request, Response, Sent};

/// A way to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// None.
    #[default]
    Good,
    /// 429 to everything.
    TooMany {
        /// With this `Retry-After`, in seconds.
        retry_after_s: Option<u32>,
    },
    /// 500 to so many of 100 requests.
    Errors {
        /// 0 to 100.
        percent: u8,
    },
    /// Everything is done, and answered late.
    Slow(Duration),
    /// Everything is done, and the answer is cut in its middle.
    Truncated,
    /// Everything is done, and the answer is whole, and no JSON.
    Garbage,
    /// Lists come in pages of one.
    OneItemPages,
    /// 307 to the same path with a slash at its end, where there is none.
    Redirecting,
    /// Identifiers are kept and said in lower case.
    LowerCased,
    /// A single object comes in an array.
    Wrapped,
    /// Connections are taken, and nothing is ever said.
    Stalled,
}

/// The modes by their names on the command line; some take a number after a colon.
pub const NAMES: &str = "good, too-many[:RETRY_AFTER_S], errors:PERCENT, slow:MILLISECONDS, truncated, garbage, one-item-pages, \
     redirecting, lower-cased, wrapped, stalled";

/// Fields that hold identifiers.
const IDS: [&str; 12] = [
    "country_code",
    "party_id",
    "id",
    "uid",
    "evse_uid",
    "evse_id",
    "location_id",
    "connector_id",
    "session_id",
    "contract_id",
    "tariff_id",
    "authorization_reference",
];

// === impl Mode ===

impl Mode {
    /// What is answered before anything is done; `None`: the request is done first.
    pub(super) fn refusal(self, request: &Request, random: &mut fastrand::Rng) -> Option<Sent> {
        let plain =
            |status| Response { status, body: "{\"detail\": \"no\"}".to_owned(), ..Response::default() };
        match self {
            Self::Stalled => Some(Sent::Never),
            Self::TooMany { retry_after_s } => {
                let mut response = plain(429);
                if let Some(seconds) = retry_after_s {
                    response.headers.insert("Retry-After".to_owned(), seconds.to_string());
                }
                Some(Sent::Whole(response))
            }
            Self::Errors { percent } => (random.u8(0..100) < percent).then(|| Sent::Whole(plain(500))),
            Self::Redirecting if !request.path.ends_with('/') => {
                let mut response = plain(307);
                let query =
                    if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
                response.headers.insert("Location".to_owned(), format!("{}/{query}", request.path));
                Some(Sent::Whole(response))
            }
            Self::Good
            | Self::Slow(_)
            | Self::Truncated
            | Self::Garbage
            | Self::OneItemPages
            | Self::Redirecting
            | Self::LowerCased
            | Self::Wrapped => None,
        }
    }

    /// The answer as it is sent.
    pub(super) async fn send(self, mut response: Response) -> Sent {
        match self {
            Self::Slow(wait) => {
                tokio::time::sleep(wait).await;
                Sent::Whole(response)
            }
            Self::Truncated => Sent::Cut(response),
            Self::Garbage => {
                response.body = "<html><body>It works!</body></html>".to_owned();
                Sent::Whole(response)
            }
            _ => Sent::Whole(response),
        }
    }

    /// Data as it is said.
    pub(super) fn data(self, data: Value) -> Value {
        match (self, data) {
            (Self::Wrapped, Value::Object(object)) => Value::Array(vec![Value::Object(object)]),
            (Self::LowerCased, data) => lower_cased(data),
            (_, data) => data,
        }
    }
}

impl FromStr for Mode {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => {
                (name, Some(number.parse::<u32>().context("the number after the colon")?))
            }
            None => (text, None),
        };
        Ok(match (name, number) {
            ("good", None) => Self::Good,
            ("too-many", retry_after_s) => Self::TooMany { retry_after_s },
            ("errors", Some(percent @ 0..=100)) => Self::Errors { percent: u8::try_from(percent)? },
            ("slow", Some(millis)) => Self::Slow(Duration::from_millis(u64::from(millis))),
            ("truncated", None) => Self::Truncated,
            ("garbage", None) => Self::Garbage,
            ("one-item-pages", None) => Self::OneItemPages,
            ("redirecting", None) => Self::Redirecting,
            ("lower-cased", None) => Self::LowerCased,
            ("wrapped", None) => Self::Wrapped,
            ("stalled", None) => Self::Stalled,
            _ => bail!("{text:?} is none of {NAMES}"),
        })
    }
}

/// Identifiers in lower case, however deep.
pub(super) fn lower_cased(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(text) if IDS.contains(&name.as_str()) => {
                    (name, Value::String(text.to_ascii_lowercase()))
                }
                value => (name, lower_cased(value)),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(lower_cased).collect(),
        value => value,
    }
}
