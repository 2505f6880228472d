//! Where the isolation run takes place: a node that knows its stations, their places and what they are made of, and partners that have
//! registered with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use super::PartnersCourse;
use crate::chaos::node::{Addresses, Ground, Release};
use crate::chaos::postgres::Postgres;
use crate::chaos::process::Supervised;
use crate::emsp::{Emsp, Settings};
use crate::machine::Usage;
use crate::oracle::http;
use crate::oracle::operator::Operator;
use crate::oracle::price::Price;
use crate::password::Passwords;
use crate::plan::Plan;
use crate::progress::say;

/// API key of the administrator; the node lives as long as the run and listens on loopback alone.
const TOKEN: &str = "rmk_of-the-isolation-run-and-of-nobody-else-0123456789";
/// What charging costs.
const PRICE: Price = Price { fee_cents: 100, kwh_cents: 41 };
const READY: Duration = Duration::from_secs(60);
/// How long a partner's tokens may take to be fetched.
const FETCHED: Duration = Duration::from_secs(60);
/// Stations at one location.
const AT_ONE_PLACE: usize = 10;
/// How often the API is asked again when it is asked too often.
const BUSY_MAX: usize = 240;
const BUSY_PAUSE: Duration = Duration::from_millis(250);
/// Partners are called by numbers of three digits with this base.
const DIGITS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A node, and what is behind it.
pub(super) struct Scene {
    pub(super) node: Supervised<Addresses>,
    postgres: Option<Postgres>,
    folder: TempDir,
    log: PathBuf,
}

/// A partner that is registered.
pub(super) struct Guest {
    pub(super) emsp: Emsp,
    /// Country code and party id.
    pub(super) party: String,
    /// The token of its drivers.
    pub(super) uid: String,
}

/// A bill record of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bill {
    pub(super) id: String,
    pub(super) token: String,
}

/// What EVSEs are doing, by their names.
pub(super) type States = BTreeMap<String, String>;

// === impl Scene ===

impl Scene {
    pub(super) async fn start(course: &PartnersCourse) -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("ringmain-partners.").tempdir().context("make a folder")?;
        let postgres = match course.on_postgres {
            true => Some(Postgres::start().await.context("start a private PostgreSQL")?),
            false => None,
        };
        let data = folder.path().join("data");
        std::fs::create_dir(&data).context("make the data folder")?;
        let log = folder.path().join("node.log");
        let program =
            course.node.canonicalize().with_context(|| format!("find {}", course.node.display()))?;
        let settings = [
            ("ROAMING__ALLOW", "http://127.0.0.1"),
            ("ROAMING__COUNTRY_CODE", "NL"),
            ("ROAMING__PARTY_ID", "RMN"),
            ("ROAMING__COMPANY", "Ringmain"),
            // Who is not known yet is nobody's driver.
            ("TOKENS__UNKNOWN", "reject"),
            ("TOKENS__CONCURRENT_MAX", "0"),
        ];
        let ground = Ground {
            release: Release::new(program, None),
            folder: data,
            log: log.clone(),
            store_url: postgres.as_ref().map(|postgres| postgres.url.clone()),
            token: TOKEN.to_owned(),
            name: "node".to_owned(),
            settings: settings.map(|(key, value)| (key, value.to_owned())).to_vec(),
            environment: Vec::new(),
        };
        let scene = Self { node: Supervised::start(ground.recipe()), postgres, folder, log };
        scene.node.ready(READY).await.with_context(|| format!("see {}", scene.log.display()))?;
        scene.operator()?.put_price(PRICE).await?;
        Ok(scene)
    }

    /// Ends it; what it leaves behind stays where something was wrong.
    pub(super) async fn end(self, is_kept: bool) -> anyhow::Result<()> {
        self.node.end().await?;
        if let Some(postgres) = self.postgres {
            postgres.end().await?;
        }
        if is_kept {
            say(&format!("the node's folder and log stay in {}", self.folder.keep().display()));
        }
        Ok(())
    }

    pub(super) fn operator(&self) -> anyhow::Result<Operator> {
        Ok(Operator::new(self.http()?, TOKEN).priced(PRICE))
    }

    /// What the node has used so far.
    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        self.node.pid().and_then(Usage::of).context("the node does not run")
    }

    fn http(&self) -> anyhow::Result<SocketAddr> {
        Ok((*self.node.state().borrow()).context("the node is down")?.http)
    }

    /// All bill records of the node.
    pub(super) async fn bills(&self) -> anyhow::Result<Vec<Bill>> {
        let text = |item: &Value, name: &str| {
            let text = item.get(name).and_then(Value::as_str).map(str::to_owned);
            text.with_context(|| format!("{name} is missing in {item}"))
        };
        let items = self.operator()?.list("/api/v1/cdrs").await?;
        items.iter().map(|item| Ok(Bill { id: text(item, "id")?, token: text(item, "token_uid")? })).collect()
    }

    /// Places, stations and what they are made of: nothing else is told to partners.
    pub(super) async fn furnish(&self, plan: &Plan, passwords: &Passwords) -> anyhow::Result<()> {
        let identities = plan
            .groups
            .iter()
            .flat_map(|group| (1..=group.count).map(|number| (group.identity(number), group.connectors)));
        for (place, (identity, connectors)) in identities.enumerate() {
            let location = format!("L{}", place / AT_ONE_PLACE);
            if place % AT_ONE_PLACE == 0 {
                let made = json!({"id": location, "name": location, "address": "Street 1", "city": "Utrecht",
                    "country": "NLD", "latitude": "52.09", "longitude": "5.12", "time_zone": "Europe/Amsterdam"});
                self.change("POST", "/locations", &made).await?;
            }
            let station =
                json!({"id": identity, "password": passwords.of(&identity), "location_id": location});
            self.change("POST", "/charging-stations", &station).await?;
            let connector = json!({"connector_id": 1, "plug": "type2", "has_cable": false, "current": "ac3",
                "max_voltage_v": 230, "max_current_a": 32});
            let evses: Vec<_> =
                (1..=connectors).map(|evse| json!({"evse_id": evse, "connectors": [connector]})).collect();
            let path = format!("/charging-stations/{identity}/hardware");
            self.change("PUT", &path, &json!({"evses": evses})).await?;
        }
        Ok(())
    }

    /// So many partners, each with a token of its own that the node has fetched.
    pub(super) async fn invite(&self, partners: usize) -> anyhow::Result<Vec<Guest>> {
        let mut guests = Vec::with_capacity(partners);
        for number in 0..partners {
            let party_id = party_id(number).with_context(|| format!("{partners} partners are too many"))?;
            guests.push(self.guest(number, &party_id).await.with_context(|| format!("partner {party_id}"))?);
        }
        for guest in &guests {
            let is_it = |one: &crate::emsp::journal::Arrival| one.module == "tokens" && one.is_acknowledged;
            let fetched = guest.emsp.arrives(FETCHED, is_it).await;
            ensure!(fetched.is_some(), "the tokens of {} were not fetched", guest.party);
        }
        Ok(guests)
    }

    async fn guest(&self, number: usize, party_id: &str) -> anyhow::Result<Guest> {
        let uid = format!("04{number:06}");
        let token = json!({"country_code": "DE", "party_id": party_id, "uid": uid, "type": "RFID",
            "contract_id": format!("DE{party_id}C1"), "issuer": party_id, "valid": true, "whitelist": "ALWAYS",
            "last_updated": "2026-01-01T00:00:00Z"});
        let settings = Settings {
            tokens: vec![token],
            keeps_bodies: false,
            seed: u64::try_from(number)?,
            ..Settings::local("2.2.1", "DE", party_id)
        };
        let emsp = Emsp::start(settings).await?;
        let invitation =
            json!({"name": party_id, "our_versions_url": format!("http://{}/ocpi/versions", self.http()?)});
        let invited = self.change("POST", "/partners", &invitation).await?;
        let token_a = invited.get("token_a").and_then(Value::as_str).context("there is no token_a")?;
        let versions =
            invited.get("versions_url").and_then(Value::as_str).context("there is no versions_url")?;
        emsp.register(versions, token_a).await?;
        Ok(Guest { emsp, party: format!("DE*{party_id}"), uid })
    }

    /// A change by the operator's API; it allows a key so many a second.
    async fn change(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let target = format!("/api/v1{path}");
        for _ in 0..BUSY_MAX {
            let answer = http::send(self.http()?, method, &target, TOKEN, &body.to_string()).await;
            let answer = answer.with_context(|| format!("{method} {target}"))?;
            match answer.status {
                429 => sleep(BUSY_PAUSE).await,
                200..300 => return Ok(serde_json::from_str(&answer.body).unwrap_or_default()),
                status => bail!("{method} {target} is answered with {status}: {}", answer.body),
            }
        }
        bail!("the node stays too busy for {method} {target}")
    }
}

// === impl Guest ===

impl Guest {
    /// What this partner does not know, or has not got; `None`: nothing.
    pub(super) fn lacks(&self, states: &States, bills: &[Bill]) -> Option<String> {
        let known = known(&self.emsp);
        if let Some((evse, state)) = states.iter().find(|(evse, state)| known.get(*evse) != Some(*state)) {
            return Some(format!("EVSE {evse} is {state}, known as {:?}", known.get(evse)));
        }
        let own = bills.iter().filter(|bill| bill.token == self.uid);
        let lost = self.emsp.look(|journal| {
            journal.lost(own.map(|bill| bill.id.as_str())).into_iter().map(str::to_owned).next()
        });
        lost.map(|bill| format!("bill {bill} has not come"))
    }
}

/// What a partner was told of EVSEs.
fn known(emsp: &Emsp) -> States {
    emsp.kept("locations").values().flat_map(evses).collect()
}

/// What the node's own list says.
pub(super) async fn states(emsp: &Emsp) -> anyhow::Result<States> {
    let pulled = emsp.pull("locations", "limit=100").await.context("pull the locations")?;
    let states: States = pulled.items.iter().flat_map(evses).collect();
    ensure!(!states.is_empty(), "the node publishes no EVSE");
    Ok(states)
}

fn evses(location: &Value) -> Vec<(String, String)> {
    let text = |evse: &Value, name: &str| evse.get(name).and_then(Value::as_str).map(str::to_ascii_lowercase);
    let list = location.get("evses").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|evse| Some((text(evse, "uid")?, text(evse, "status")?))).collect()
}

/// Three digits, such as `05K`.
fn party_id(number: usize) -> Option<String> {
    let digit = |place: usize| DIGITS.get(number / place % DIGITS.len()).map(|digit| char::from(*digit));
    let base = DIGITS.len();
    if number >= base * base * base {
        return None;
    }
    [base * base, base, 1].into_iter().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partners_have_names_of_three_digits_up_to_the_last() {
        let names: Vec<_> = [0, 35, 36, 199, 46_655].into_iter().filter_map(party_id).collect();
        assert_eq!(names, ["000", "00Z", "010", "05J", "ZZZ"]);
        assert_eq!(party_id(46_656), None);
    }
}
