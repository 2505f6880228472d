//! Fetches a partner's tokens: all of them when it registers and once a day, what changed once an hour. One partner's task; a loop of
//! pages that never ends, or that leads elsewhere, is left (security.md O6).
//!
//! All of them can take hours: they are read at the pace that the partner allows, a page that fails is asked for again, and whoever reads on
//! after a pause or at another node begins at the page that comes next. What changed is not kept waiting by it.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use ringmain_domain::time::Timestamp;
use ringmain_store::partners::settings::{PartnerSettings, Side};
use ringmain_store::partners::tokens::{ToldToken, Touched};
use ringmain_store::partners::{Partner, PartnerState};
use url::Url;

use crate::client::{Call, Callee, Verdict};
use crate::hub::Hub;
use crate::ocpi::dialect::Dialect;
use crate::ocpi::envelope::now;
use crate::ocpi::v211::into_v221::Owner;
use crate::ocpi::v221::from_wire;
use crate::ocpi::v221::types::token::Token;
use crate::ocpi::values::DateTime;
use crate::partner::company;
use crate::push::breaker::{Breaker, Pace};
use crate::push::send::callee;

/// How often what changed is fetched, and how often everything.
const CHANGES_EVERY_MS: i64 = 3_600_000;
const ALL_EVERY_MS: i64 = 86_400_000;
/// How long a pull that came to nothing waits.
const RETRY: Duration = Duration::from_secs(60);
/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(30);
/// The most pages of one pull: ten million tokens.
const PAGES_MAX: usize = 100_000;
/// So many pages of everything are read before it is looked whether what changed is due.
const PAGES_AT_ONCE: u32 = 50;
/// How often a partner may be away over one page before the pull waits.
const AWAY_MAX: u32 = 5;
/// How many are asked for at once.
const LIMIT: u32 = 100;
/// What changed within so long before the last pull is fetched again: clocks differ.
const OVERLAP_MS: i64 = 300_000;
/// When tokens were last fetched, and where the pull of all of them stands.
const ALL: &str = "tokens_fetched_all";
const CHANGES: &str = "tokens_fetched";
const PAGE: &str = "tokens_page";

/// Fetches one partner's tokens.
struct Pull {
    hub: Hub,
    partner: Arc<Partner>,
    /// The partner's pace: what changes is told before tokens are fetched.
    pace: Arc<Pace>,
    /// Pauses after faults of this alone: who cannot list tokens is told of bills all the same.
    own: Breaker,
    /// The pages of the pull of everything that were read here, by their hash.
    seen: HashSet<u64>,
}

/// How far a look came.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Came {
    /// There is more at once.
    Part,
    ToEnd,
}

/// Why a page was not read.
struct Fault {
    reason: String,
    /// It never will be.
    is_final: bool,
}

/// Where a list is read, in which version, and whose tokens are in it where they do not say so.
struct List {
    callee: Callee,
    dialect: Dialect,
    owner: Owner,
    home: Url,
}

/// Works until it is ended.
pub(crate) async fn run(hub: Hub, partner: Arc<Partner>, pace: Arc<Pace>) {
    let unbound = Pace::new(&PartnerSettings { calls_per_s: 0, ..PartnerSettings::default() });
    let own = Breaker::new(hub.settings.pauses, Arc::new(unbound));
    let mut pull = Pull { hub, partner, pace, own, seen: HashSet::new() };
    loop {
        let pause = match pull.look().await {
            Ok(Came::Part) => continue,
            Ok(Came::ToEnd) => LOOK,
            Err(reason) => {
                tracing::debug!(partner.id = %pull.partner.id, %reason, "tokens of a partner are not fetched");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

// === impl Pull ===

impl Pull {
    async fn look(&mut self) -> Result<Came, String> {
        let Some(list) = self.list()? else { return Ok(Came::ToEnd) };
        let (all, changes, at) = (self.mark(ALL).await?, self.mark(CHANGES).await?, now());
        let is_due = |since: Timestamp, every| at.millis_since(since) >= every;
        // Each in its own right: a fault of one keeps nobody from the other.
        let changed = match changes.filter(|since| is_due(*since, CHANGES_EVERY_MS)) {
            Some(since) => self.changes(&list, since, at).await,
            None => Ok(()),
        };
        let came = if all.is_none_or(|since| is_due(since, ALL_EVERY_MS)) {
            self.all(&list, changes.is_none()).await?
        } else {
            Came::ToEnd
        };
        changed.map(|()| came)
    }

    /// Where its tokens are; `None`: it has none for us.
    fn list(&self) -> Result<Option<List>, String> {
        let Some((callee, endpoints)) = callee(&self.partner) else { return Ok(None) };
        let Some(first) = endpoints.url("tokens", Side::Sender) else { return Ok(None) };
        let (Some(dialect), Some(owner)) = (Dialect::of(endpoints), owner(&self.partner)) else {
            return Ok(None);
        };
        let home = Url::parse(first).map_err(|error| error.to_string())?;
        Ok(Some(List { callee, dialect, owner, home }))
    }

    async fn changes(&self, list: &List, since: Timestamp, at: Timestamp) -> Result<(), String> {
        let mut url = list.first();
        url.query_pairs_mut().append_pair("date_from", &DateTime(since.plus_millis(-OVERLAP_MS)).to_string());
        let mut seen = HashSet::new();
        loop {
            let next = self.page(list, &url).await.map_err(|fault| fault.reason)?;
            match lead_on(&mut seen, &url, next)? {
                Some(next) => url = next,
                None => return self.done(CHANGES, at).await,
            }
        }
    }

    /// Some pages of everything, from where the last look ended.
    async fn all(&mut self, list: &List, is_first: bool) -> Result<Came, String> {
        let of = (&self.hub.tenant, self.partner.id, PAGE);
        let kept = self.hub.store.partner_page(of.0, of.1, of.2).await.map_err(|error| error.to_string())?;
        // Who takes longer than until the next one is due begins anew.
        let kept = kept.filter(|(began, _)| now().millis_since(*began) < ALL_EVERY_MS);
        let kept = kept.and_then(|(began, page)| Some((began, list.below_home(&list.home, &page).ok()?)));
        let (began, mut url) = kept.unwrap_or_else(|| {
            self.seen.clear();
            (now(), list.first())
        });
        if is_first {
            // What changes from here on is fetched beside it.
            self.done(CHANGES, began).await?;
        }
        for _ in 0..PAGES_AT_ONCE {
            let read = match self.page(list, &url).await {
                Ok(next) => lead_on(&mut self.seen, &url, next),
                Err(Fault { reason, is_final: false }) => return Err(reason),
                Err(Fault { reason, is_final: true }) => Err(reason),
            };
            // A page that it will not give, or that leads back: the next attempt is from the beginning.
            let page = read.as_ref().ok().and_then(|next| next.as_ref().map(Url::as_str));
            let put = self.hub.store.put_partner_page(of, (began, page), now()).await;
            put.map_err(|error| error.to_string())?;
            let Some(next) = read? else {
                self.seen.clear();
                self.done(ALL, began).await?;
                return Ok(Came::ToEnd);
            };
            url = next;
        }
        Ok(Came::Part)
    }

    /// Keeps the tokens of a page; the next one. A partner that is away is waited for.
    async fn page(&self, list: &List, url: &Url) -> Result<Option<Url>, Fault> {
        let mut away = 0;
        let answered = loop {
            self.pace.wait_calm().await;
            self.own.wait().await;
            let call = Call::get(url.to_string(), self.hub.settings.patience);
            let error = match self.hub.client.call(&list.callee, call).await {
                Ok(answered) => break answered,
                Err(error) => error,
            };
            let verdict = error.verdict();
            if let Verdict::Away(retry_after) = verdict {
                self.own.failed(now(), &error.to_string(), retry_after);
                away += 1;
                if away < AWAY_MAX {
                    continue;
                }
            }
            return Err(Fault { reason: error.to_string(), is_final: verdict == Verdict::Never });
        };
        self.own.succeeded(now());
        let next = answered.next;
        let page = list.dialect.tokens_of(answered.answer, &list.owner).map_err(Fault::passing)?;
        if page.unread > 0 {
            tracing::info!(partner.id = %self.partner.id, unread = page.unread, first = ?page.faults.first(), "tokens of a partner cannot be read");
        }
        let tokens: Vec<_> = page.items.iter().filter_map(|token| told(&self.partner, token).ok()).collect();
        let put = self.hub.store.put_partner_tokens(&self.hub.tenant, &unique(tokens)).await;
        put.map_err(Fault::passing)?;
        next.map(|next| list.below_home(url, &next).map_err(Fault::passing)).transpose()
    }

    async fn mark(&self, name: &str) -> Result<Option<Timestamp>, String> {
        let found = self.hub.store.partner_mark(&self.hub.tenant, self.partner.id, name).await;
        found.map_err(|error| error.to_string())
    }

    async fn done(&self, name: &str, at: Timestamp) -> Result<(), String> {
        let put = self.hub.store.put_partner_mark((&self.hub.tenant, self.partner.id, name), at, at).await;
        put.map_err(|error| error.to_string())
    }
}

/// The next page, if it was not read before.
fn lead_on(seen: &mut HashSet<u64>, page: &Url, next: Option<Url>) -> Result<Option<Url>, String> {
    let hash = |url: &Url| {
        let mut hasher = DefaultHasher::new();
        url.hash(&mut hasher);
        hasher.finish()
    };
    seen.insert(hash(page));
    match next {
        Some(next) if seen.contains(&hash(&next)) => Err("its pages lead in a circle".to_owned()),
        Some(_) if seen.len() >= PAGES_MAX => Err(format!("it has more than {PAGES_MAX} pages")),
        next => Ok(next),
    }
}

// === impl Fault ===

impl Fault {
    fn passing(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), is_final: false }
    }
}

// === impl List ===

impl List {
    fn first(&self) -> Url {
        let mut url = self.home.clone();
        url.query_pairs_mut().append_pair("limit", &LIMIT.to_string());
        url
    }

    /// What a page calls the next one, at the host that the partner registered and nowhere else: behind its own front a partner often knows
    /// neither its name nor that it is called by https.
    fn below_home(&self, page: &Url, next: &str) -> Result<Url, String> {
        let next = page.join(next).map_err(|error| error.to_string())?;
        let mut url = self.home.clone();
        url.set_path(next.path());
        url.set_query(next.query());
        Ok(url)
    }
}

/// Whose drivers a registered partner means where it names no company.
pub(crate) fn owner(partner: &Partner) -> Option<Owner> {
    let PartnerState::Registered(peer) = &partner.state else { return None };
    let company = company(&peer.roles)?;
    let (country_code, party_id) = ((&*company.country_code).into(), (&*company.party_id).into());
    Some(Owner { country_code, party_id })
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
