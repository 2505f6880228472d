//! The operator API as far as the oracle asks it: transactions, their stored messages, bill records.
//!
//! It reads JSON by name and takes nothing for granted: a field that is missing is an error.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::http;
use super::price::{self, Price};
use crate::clock::Utc;
use crate::dial::percent_encoded;
use crate::witness::{Name, Phase};

/// Items asked for at once; the API's own limit.
const PAGE: u32 = 1_000;
/// Pages of one list that are read; more and something goes round in circles.
const PAGES_MAX: usize = 10_000;
/// What the API answers to a key that asks too often.
const TOO_MANY_REQUESTS: u16 = 429;
/// How long to wait then, and how often at most.
const BUSY_PAUSE: Duration = Duration::from_millis(500);
const BUSY_MAX: usize = 120;

/// One operator with an API key.
#[derive(Clone)]
pub struct Operator {
    address: SocketAddr,
    token: String,
    price: Option<Price>,
}

/// A transaction as the API lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredTransaction {
    pub(super) name: Name,
    pub(super) status: String,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredFact {
    pub(super) key: String,
    pub(super) phase: Phase,
    pub(super) observed_at_ms: i64,
    pub(super) register_wh: Option<u64>,
}

/// A bill record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredCdr {
    pub(super) name: Name,
    pub(super) revision: u64,
    pub(super) energy_wh: i64,
    /// What it costs, in cents; `None`: nothing, no tariff applied.
    pub(super) cost_cents: Option<i64>,
    /// It takes another one back.
    pub(super) is_credit: bool,
}

// === impl Operator ===

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Operator {
    /// An operator who asks the API at `address` with the API key `token`.
    #[must_use]
    pub fn new(address: SocketAddr, token: &str) -> Self {
        Self { address, token: token.to_owned(), price: None }
    }

    /// The same operator, whose stations all charge at this price: bills are held to it.
    #[must_use]
    pub fn priced(self, price: Price) -> Self {
        Self { price: Some(price), ..self }
    }

    /// What bills are held to.
    pub(super) const fn price(&self) -> Option<Price> {
        self.price
    }

    /// Makes the tariff of the price known to the node.
    ///
    /// # Errors
    /// The API does not take it.
    pub async fn put_price(&self, price: Price) -> anyhow::Result<()> {
        let target = format!("/api/v1/tariffs/{}", Price::TARIFF);
        let answer = http::send(self.address, "PUT", &target, &self.token, &price.tariff()).await;
        let answer = answer.with_context(|| format!("put {target}"))?;
        ensure!(
            (200..300).contains(&answer.status),
            "{target} is answered with {}: {}",
            answer.status,
            answer.body
        );
        Ok(())
    }

    /// All transactions.
    pub(super) async fn transactions(&self) -> anyhow::Result<Vec<StoredTransaction>> {
        let items = self.list("/api/v1/transactions").await?;
        items.iter().map(StoredTransaction::read).collect()
    }

    /// All bill records.
    pub(super) async fn cdrs(&self) -> anyhow::Result<Vec<StoredCdr>> {
        let items = self.list("/api/v1/cdrs").await?;
        items.iter().map(StoredCdr::read).collect()
    }

    /// The stored messages of a transaction; `None` where there is no such transaction.
    pub(super) async fn facts(&self, name: &Name) -> anyhow::Result<Option<Vec<StoredFact>>> {
        let (station, transaction) = (percent_encoded(&name.station), percent_encoded(&name.transaction));
        let path = format!("/api/v1/transactions/{station}/{transaction}");
        let mut facts = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let Some(page) = self.page(&path, cursor.as_deref()).await? else { return Ok(None) };
            for fact in array(&page, "facts")? {
                // Rulings of the system or of a person are no message of the station.
                if fact.get("ruling").is_none_or(Value::is_null) {
                    facts.push(StoredFact::read(fact)?);
                }
            }
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(Some(facts));
            }
        }
        bail!("{path} has no end")
    }

    /// Is the 2.x message of this number stored, just now?
    pub(crate) async fn stores(&self, name: &Name, seq_no: u64) -> anyhow::Result<bool> {
        let facts = self.facts(name).await?.unwrap_or_default();
        Ok(facts.iter().any(|fact| fact.seq_no() == Some(seq_no)))
    }

    /// All items of a list.
    pub(crate) async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let page =
                self.page(path, cursor.as_deref()).await?.with_context(|| format!("{path}: not found"))?;
            items.extend(array(&page, "items")?.iter().cloned());
            cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            if cursor.is_none() {
                return Ok(items);
            }
        }
        bail!("{path} has no end")
    }

    /// The API allows a key so many requests a second; whoever asks for thousands of transactions waits for the next ones.
    async fn patient_get(&self, target: &str) -> anyhow::Result<http::Answer> {
        for _ in 0..BUSY_MAX {
            let answer = http::send(self.address, "GET", target, &self.token, "").await?;
            if answer.status != TOO_MANY_REQUESTS {
                return Ok(answer);
            }
            tokio::time::sleep(BUSY_PAUSE).await;
        }
        bail!("the node stays too busy")
    }

    async fn page(&self, path: &str, cursor: Option<&str>) -> anyhow::Result<Option<Value>> {
        let cursor = cursor.map(|cursor| format!("&cursor={}", percent_encoded(cursor))).unwrap_or_default();
        let target = format!("{path}?limit={PAGE}{cursor}");
        let answer = self.patient_get(&target).await.with_context(|| format!("ask {target}"))?;
        if answer.status == 404 {
            return Ok(None);
        }
        ensure!(answer.status == 200, "{target} is answered with {}: {}", answer.status, answer.body);
        serde_json::from_str(&answer.body).with_context(|| format!("read the answer to {target}")).map(Some)
    }
}

// === impl StoredTransaction ===

impl StoredTransaction {
    fn read(item: &Value) -> anyhow::Result<Self> {
        let name = Name {
            station: text(item, "charging_station_id")?.to_owned(),
            transaction: text(item, "id")?.to_owned(),
        };
        Ok(Self { name, status: text(item, "status")?.to_owned() })
    }
}

// === impl StoredFact ===

impl StoredFact {
    fn read(item: &Value) -> anyhow::Result<Self> {
        let phase = match text(item, "phase")? {
            "started" => Phase::Started,
            "updated" => Phase::Updated,
            "ended" => Phase::Ended,
            other => bail!("no phase: {other}"),
        };
        let observed_at = text(item, "observed_at")?;
        let samples = array(item, "samples")?;
        let is_register = |sample: &&Value| {
            sample.get("measurand").and_then(Value::as_str) == Some("energy_import_register")
        };
        let register_wh = match samples.iter().find(is_register) {
            Some(sample) => {
                let value = sample.get("value").and_then(Value::as_u64);
                Some(value.with_context(|| format!("read the register {sample}"))?)
            }
            None => None,
        };
        Ok(Self {
            key: text(item, "key")?.to_owned(),
            phase,
            observed_at_ms: Utc::read(observed_at).with_context(|| format!("no instant: {observed_at}"))?.0,
            register_wh,
        })
    }

    /// The number of a 2.x message, which its key ends with; keys of 1.6 messages begin otherwise.
    pub(super) fn seq_no(&self) -> Option<u64> {
        self.key.strip_prefix('q')?.parse().ok()
    }
}

impl std::fmt::Display for StoredFact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = Utc(self.observed_at_ms).stamp();
        write!(f, "{} {:?} of {at} at {:?} Wh", self.key, self.phase, self.register_wh)
    }
}

// === impl StoredCdr ===

impl StoredCdr {
    fn read(item: &Value) -> anyhow::Result<Self> {
        let name = Name {
            station: text(item, "charging_station_id")?.to_owned(),
            transaction: text(item, "transaction_id")?.to_owned(),
        };
        let revision = item.get("revision").and_then(Value::as_u64).context("revision is missing")?;
        let energy_wh = item.get("energy_wh").and_then(Value::as_i64).context("energy_wh is missing")?;
        let is_credit = item.get("credits_cdr_id").is_some_and(|credited| !credited.is_null());
        let cost = item.get("cost").and_then(|cost| cost.get("excl_tax")).and_then(Value::as_str);
        let cost_cents = cost.map(price::cents).transpose()?;
        Ok(Self { name, revision, energy_wh, cost_cents, is_credit })
    }
}

pub(super) fn text<'a>(item: &'a Value, field: &str) -> anyhow::Result<&'a str> {
    item.get(field).and_then(Value::as_str).with_context(|| format!("{field} is missing in {item}"))
}

fn array<'a>(item: &'a Value, field: &str) -> anyhow::Result<&'a Vec<Value>> {
    item.get(field).and_then(Value::as_array).with_context(|| format!("{field} is missing in {item}"))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_operator_who_asks_too_often_waits_and_gets_all() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let operator = Operator::new(listener.local_addr().unwrap(), "rmk_x");
        let node = tokio::spawn(async move {
            for (status, body) in [("429 Too Many Requests", "{}"), ("200 OK", r#"{"items":[]}"#)] {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut request = [0_u8; 1_024];
                assert!(socket.read(&mut request).await.unwrap() > 0);
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        assert_eq!(operator.transactions().await.unwrap(), []);
        node.await.unwrap();
    }
}
