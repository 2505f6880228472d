//! `emsp`: a partner for the time of a run, with what arrived in figures at its end.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::{Value, json};

use super::{print, signalled};
use crate::emsp::hostile::{Mode, NAMES};
use crate::emsp::{Emsp, Settings};
use crate::progress::say;

/// Modules that are pushed.
const PUSHED: [&str; 4] = ["locations", "sessions", "cdrs", "tariffs"];

/// What partner to be.
#[derive(Args, Debug)]
pub(super) struct EmspArgs {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The version of OCPI: 2.1.1, 2.2.1 or 2.3.0.
    #[arg(long, default_value = "2.2.1", value_parser = ["2.1.1", "2.2.1", "2.3.0"])]
    ocpi: String,
    /// Country code and party id in one, such as DETST.
    #[arg(long, default_value = "DETST")]
    party: String,
    /// Folder with the schemas of the objects, VERSION/OBJECT.json; without it nothing is judged.
    #[arg(long)]
    schemas: Option<PathBuf>,
    /// File with the drivers' tokens, a JSON list of objects.
    #[arg(long)]
    tokens: Option<PathBuf>,
    /// How to misbehave.
    #[arg(long, default_value = "good", help = NAMES)]
    mode: Mode,
    /// Let somebody register who shows this token.
    #[arg(long)]
    invite: Option<String>,
    /// Register there, with the token of --token-a.
    #[arg(long, requires = "token_a")]
    register: Option<String>,
    /// The token of an invitation.
    #[arg(long)]
    token_a: Option<String>,
    /// Pull these modules once registered.
    #[arg(long, value_delimiter = ',')]
    pull: Vec<String>,
    /// Seed of what is drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs until a signal.
pub(super) fn run(args: EmspArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(be(args))
}

async fn be(args: EmspArgs) -> anyhow::Result<()> {
    let Some((country_code, party_id)) = args.party.split_at_checked(2).filter(|(_, id)| id.len() == 3)
    else {
        bail!("--party {} is no country code and party id", args.party);
    };
    let tokens = match &args.tokens {
        Some(file) => {
            let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
            serde_json::from_str::<Vec<Value>>(&text)
                .with_context(|| format!("{} is no list", file.display()))?
        }
        None => Vec::new(),
    };
    let settings = Settings {
        listen: args.listen,
        schemas: args.schemas,
        tokens,
        seed: args.seed,
        ..Settings::local(&args.ocpi, country_code, party_id)
    };
    let partner = Emsp::start(settings).await?;
    if let Some(token_a) = &args.invite {
        partner.invite(token_a);
    }
    say(&format!("versions: {}", partner.versions_url()));
    if let (Some(url), Some(token_a)) = (&args.register, &args.token_a) {
        partner.register(url, token_a).await.context("register")?;
        say("registered");
    }
    partner.set_mode(args.mode);
    for module in &args.pull {
        let pulled = partner.pull(module, "").await.with_context(|| format!("pull {module}"))?;
        let (items, pages, faults) = (pulled.items.len(), pulled.pages, pulled.faults.len());
        say(&format!("{module}: {items} in {pages} pages, {faults} faults"));
    }
    signalled().await?;
    print(&figures(&partner))
}

/// What arrived, as a line of JSON.
fn figures(partner: &Emsp) -> String {
    let journal = partner.journal();
    let lag = |module: &str| {
        let lag = journal.lag(module);
        json!({"count": lag.count, "p50_ms": lag.p50_ms, "p99_ms": lag.p99_ms, "max_ms": lag.max_ms})
    };
    let lags: serde_json::Map<_, _> =
        PUSHED.iter().map(|module| ((*module).to_owned(), lag(module))).collect();
    let kept: serde_json::Map<_, _> =
        PUSHED.iter().map(|module| ((*module).to_owned(), partner.kept(module).len().into())).collect();
    let figures = json!({
        "arrived": journal.arrivals.len().saturating_add(journal.forgotten),
        "kept": kept,
        "lag": lags,
        "doubles": journal.doubles(),
        "faults": journal.faults(),
    });
    format!("{figures}\n")
}
