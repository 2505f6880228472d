//! Fetches a partner's tokens: all of them when it registers and once a day, what changed once an hour. One partner's task; a loop of
//! pages that never ends, or that leads elsewhere, is left (security.md O6).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ringmain_domain::time::Timestamp;
use ringmain_store::partners::settings::{PartnerSettings, Side};
use ringmain_store::partners::tokens::{ToldToken, Touched};
use ringmain_store::partners::{Partner, PartnerState};
use url::Url;

use crate::client::Call;
use crate::hub::Hub;
use crate::ocpi::envelope::now;
use crate::ocpi::v221::from_wire;
use crate::ocpi::v221::types::token::Token;
use crate::ocpi::values::DateTime;
use crate::push::send::callee;

/// How often what changed is fetched, and how often everything.
const CHANGES_EVERY_MS: i64 = 3_600_000;
const ALL_EVERY_MS: i64 = 86_400_000;
/// How long a pull that came to nothing waits.
const RETRY: Duration = Duration::from_secs(60);
/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(30);
/// The most pages of one pull: ten million tokens.
const PAGES_MAX: u32 = 100_000;
/// How many are asked for at once.
const LIMIT: u32 = 100;
/// What changed within so long before the last pull is fetched again: clocks differ.
const OVERLAP_MS: i64 = 300_000;
/// When tokens were last fetched.
const ALL: &str = "tokens_fetched_all";
const CHANGES: &str = "tokens_fetched";

/// Works until it is ended.
pub(crate) async fn run(hub: Hub, partner: Arc<Partner>) {
    loop {
        let pause = match look(&hub, &partner).await {
            Ok(()) => LOOK,
            Err(reason) => {
                tracing::debug!(partner.id = %partner.id, %reason, "tokens of a partner are not fetched");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn look(hub: &Hub, partner: &Partner) -> Result<(), String> {
    let mark = async |name| {
        let found = hub.store.partner_mark(&hub.tenant, partner.id, name).await;
        found.map_err(|error| error.to_string())
    };
    let (all, changes, at) = (mark(ALL).await?, mark(CHANGES).await?, now());
    let is_due = |since: Option<Timestamp>, every| since.is_none_or(|since| at.millis_since(since) >= every);
    if is_due(all, ALL_EVERY_MS) {
        fetch(hub, partner, None).await?;
        done(hub, partner, ALL, at).await?;
        return done(hub, partner, CHANGES, at).await;
    }
    if is_due(changes, CHANGES_EVERY_MS) {
        fetch(hub, partner, changes.map(|since| since.plus_millis(-OVERLAP_MS))).await?;
        done(hub, partner, CHANGES, at).await?;
    }
    Ok(())
}

async fn done(hub: &Hub, partner: &Partner, name: &str, at: Timestamp) -> Result<(), String> {
    let put = hub.store.put_partner_mark((&hub.tenant, partner.id, name), at, at).await;
    put.map_err(|error| error.to_string())
}

async fn fetch(hub: &Hub, partner: &Partner, since: Option<Timestamp>) -> Result<(), String> {
    let Some((callee, endpoints)) = callee(partner) else { return Ok(()) };
    let Some(first) = endpoints.url("tokens", Side::Sender) else { return Ok(()) };
    let home = Url::parse(first).map_err(|error| error.to_string())?;
    let mut url = home.clone();
    url.query_pairs_mut().append_pair("limit", &LIMIT.to_string());
    if let Some(since) = since {
        url.query_pairs_mut().append_pair("date_from", &DateTime(since).to_string());
    }
    let mut seen = HashSet::new();
    for _ in 0..PAGES_MAX {
        if !seen.insert(url.clone()) {
            return Err("its pages lead in a circle".to_owned());
        }
        let call = Call::get(url.to_string(), hub.settings.patience);
        let answered = hub.client.call(&callee, call).await.map_err(|error| error.to_string())?;
        let next = answered.next;
        let page = answered.answer.list::<Token>().map_err(|fault| fault.to_string())?;
        if page.unread > 0 {
            tracing::info!(partner.id = %partner.id, unread = page.unread, first = ?page.faults.first(), "tokens of a partner cannot be read");
        }
        let tokens: Vec<_> = page.items.iter().filter_map(|token| told(partner, token).ok()).collect();
        hub.store
            .put_partner_tokens(&hub.tenant, &unique(tokens))
            .await
            .map_err(|error| error.to_string())?;
        let Some(next) = next else { return Ok(()) };
        url = home.join(&next).map_err(|error| error.to_string())?;
        if url.origin() != home.origin() {
            return Err("its pages lead to another host".to_owned());
        }
    }
    Err(format!("it has more than {PAGES_MAX} pages"))
}

/// A token as it is kept; only what belongs to a company the partner acts for.
///
/// # Errors
/// What is wrong, in words for the partner.
pub(crate) fn told(partner: &Partner, from: &Token) -> Result<ToldToken, String> {
    let token = from_wire::token::token(from).map_err(|fault| fault.to_string())?;
    let PartnerState::Registered(peer) = &partner.state else { return Err("not registered".to_owned()) };
    let (country, party) = (&token.party.country_code, &token.party.party_id);
    let acts = peer.roles.iter().any(|role| {
        *role.role == *"EMSP"
            && role.country_code.eq_ignore_ascii_case(country)
            && role.party_id.eq_ignore_ascii_case(party)
    });
    if !acts {
        return Err(format!("/party_id: you do not act for {country}*{party} as EMSP"));
    }
    let told = serde_json::value::to_raw_value(from).map_err(|error| error.to_string())?;
    let last_updated = from.last_updated.0;
    Ok(ToldToken { token, told, last_updated, touched: Touched::whole(last_updated) })
}

/// Of several words about one token the last: a statement cannot write a row twice.
fn unique(tokens: Vec<ToldToken>) -> Vec<ToldToken> {
    let mut by_key = std::collections::BTreeMap::new();
    for one in tokens {
        let key = (one.token.party.clone(), one.token.uid.to_ascii_uppercase(), one.token.kind.clone());
        by_key.insert(key, one);
    }
    by_key.into_values().collect()
}
