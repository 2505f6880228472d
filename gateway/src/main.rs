//! The composition root: parse, build, spawn, drain. The one file that sees gateway and roaming.
#![expect(clippy::print_stdout, reason = "a command line program speaks on standard output")]

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use clap::Parser;
use ringmain_certs::dev_ca::folder;
use ringmain_domain::access::AccessRole;
use ringmain_domain::tariff::pricer::{CdrPricer as _, CdrPricing};
use ringmain_domain::time::local::Zone;
use ringmain_gateway::app;
use ringmain_gateway::app::certificates::pki_folder;
use ringmain_gateway::app::listeners::{self, Addresses, Running};
use ringmain_gateway::cli::{
    Cli, Command, ConfigArgs, MigrateArgs, PkiCommand, PlanArgs, PriceArgs, ServeArgs, TokenCommand,
};
use ringmain_gateway::config::roaming::Roaming;
use ringmain_gateway::config::{Config, LogFormat};
use ringmain_gateway::house::House;
use ringmain_gateway::secret::Secret;
use ringmain_gateway::services::keys;
use ringmain_gateway::{allocator, archive, clock, demo, drain, metrics};
use ringmain_roaming::config::Settings;
use ringmain_roaming::guard::Guard;
use ringmain_roaming::hub::{self, Hub, Parts};
use ringmain_roaming::ocpi::billing::OcpiPricer;
use ringmain_roaming::public_data::Terms;
use ringmain_store::access::ApiKey;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    ringmain_certs::provider::install();
    let cli = Cli::parse();
    let done = match actix_web::rt::System::new().block_on(run(cli.command)) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    print_error(&done);
    ExitCode::FAILURE
}

#[expect(clippy::print_stderr, reason = "an operator at a terminal reads why the program ended")]
fn print_error(error: &anyhow::Error) {
    eprintln!("ringmain: {error:#}");
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve(&args, None).await,
        Command::Demo(args) => serve(&args, Some(demo::Demo::new()?)).await,
        Command::Migrate(args) => migrate(&args).await,
        Command::Archive(args) => {
            let store = app::open_store(&read_config(&args.config)?).await?;
            archive::run(&store, &args, clock::now(), |line| println!("{line}")).await
        }
        Command::CheckConfig(args) => {
            println!("{:#?}", read_config(&args)?);
            Ok(())
        }
        Command::Pki { command } => pki(command),
        Command::Token { command } => token(command).await,
        Command::Price(args) => price(&args),
        Command::Plan(args) => plan(&args),
        Command::Version => {
            println!("ringmain {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    }
}

async fn migrate(args: &MigrateArgs) -> anyhow::Result<()> {
    let config = read_config(&args.config)?;
    // What keeps a change waiting is told there.
    start_log(&config)?;
    let store = app::open_store(&config).await?;
    println!("the store's schema is up to date");
    for role in &args.app_roles {
        store.grant_app(role).await.with_context(|| format!("let {role} run nodes"))?;
        println!("{role} may run nodes");
    }
    for role in &args.read_roles {
        store.grant_read(role).await.with_context(|| format!("let {role} read"))?;
        println!("{role} may read the schema reporting");
    }
    store.close().await;
    Ok(())
}

async fn serve(args: &ServeArgs, demo: Option<demo::Demo>) -> anyhow::Result<()> {
    // Parse.
    let mut config = read_config(&args.config)?;
    if let Some(token) = &args.bootstrap_token {
        config.bootstrap_token = Some(Secret::new(token));
    }
    if demo.is_some() {
        demo::adapt(&mut config);
    }
    start_log(&config)?;
    let recorder = metrics::install().context("start the metrics recorder")?;
    // Build.
    let (node, house) = app::build(config, Arc::new(OcpiPricer)).await?;
    if let Some(demo) = &demo {
        demo.seed(&house).await.context("fill the demo's store")?;
    }
    if let Some(tariff) = &house.config.stations.default_tariff
        && house.store.tariff(&house.tenant, tariff).await?.is_none()
    {
        tracing::warn!(%tariff, "stations.default_tariff names a tariff that does not exist: such charging is free");
    }
    // Spawn.
    actix_web::rt::spawn(metrics::upkeep(recorder.clone()));
    let hub = start_roaming(&house).context("start roaming")?;
    node.owners.set(Arc::new(hub.clone())).ok();
    house.partners.set(Arc::new(hub.clone())).ok();
    let running = listeners::open(&node, &house, recorder, Arc::new(hub::routes(hub)))?;
    // After the listeners: a start that fails must not use up the one time the token is shown.
    let configured = house.config.bootstrap_token.as_ref();
    let first_token =
        keys::bootstrap(&house.store, &house.tenant, configured).await.context("make the first API key")?;
    announce(args, &running, first_token.as_ref())?;
    let fleet = match &demo {
        Some(demo) => Some(demo.start_fleet(&house, &running.addresses)?),
        None => None,
    };
    wait_for_signal().await?;
    // Drain.
    if let Some(fleet) = fleet {
        fleet.stop().await;
    }
    drain::leave(&node, running).await;
    Ok(())
}

/// Roaming with what the house has for it.
fn start_roaming(house: &Arc<House>) -> anyhow::Result<Hub> {
    let config = &house.config.roaming;
    let guard =
        Guard::allowing(&config.allowed()).map_err(|wrong| anyhow::anyhow!("roaming.allow: {wrong}"))?;
    let read = |path: &PathBuf| {
        std::fs::read(path).with_context(|| format!("roaming.extra_ca: read {}", path.display()))
    };
    let settings = Settings {
        guard,
        extra_ca_pem: config.extra_ca.as_ref().map(read).transpose()?,
        authorize_budget: Duration::from_millis(config.authorize_budget_ms.into()),
        patience: Duration::from_secs(config.call_timeout_s.into()),
        command_deadline: Duration::from_secs(config.command_timeout_s.into()),
        public_data: config.public_data.enabled.then(|| public_terms(config)),
        ..Settings::default()
    };
    let cluster = house.cluster.clone();
    let parts = Parts {
        store: house.store.clone(),
        tenant: house.tenant.clone(),
        settings,
        desk: Arc::clone(&house.desk),
        leads: Arc::new(move || cluster.leads()),
    };
    Ok(Hub::start(parts)?)
}

/// What is settled for public data.
fn public_terms(config: &Roaming) -> Terms {
    let public = &config.public_data;
    Terms {
        country_code: config.country_code.as_str().into(),
        party_id: config.party_id.as_str().into(),
        operator: public.operator(config).into(),
        language: public.language.as_str().into(),
        licence: public.licence.as_str().into(),
        licence_url: public.licence_url.as_str().into(),
        url: public.url(config).unwrap_or_default().into(),
        requests_per_min: public.requests_per_min,
        cache: Duration::from_secs(public.cache_s.into()),
        proxies: public.proxies.networks().to_vec(),
    }
}

fn read_config(args: &ConfigArgs) -> anyhow::Result<Config> {
    let default = PathBuf::from("ringmain.toml");
    let file = args.config.clone().or_else(|| default.exists().then_some(default));
    let mut config = Config::read(file.as_deref()).context("read the configuration")?;
    if let Some(data_dir) = &args.data_dir {
        config.data_dir.clone_from(data_dir);
    }
    Ok(config)
}

fn start_log(config: &Config) -> anyhow::Result<()> {
    // What the server library says of its threads interests nobody at `info`, and a stranger's malformed request is not our error (it is
    // answered and counted); a filter that names them wins.
    let filter = format!("actix_server=warn,actix_http=off,{}", config.log.level);
    let filter = tracing_subscriber::EnvFilter::try_new(filter).context("log.level")?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A log that cannot be written, for a full disk or a reader that is gone, must not end what it tells of: without this the layer
        // complains on the same stream and panics when it fails.
        .log_internal_errors(false);
    match config.log.format {
        LogFormat::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
    Ok(())
}

/// Says where the node listens and, once in its life, the administrator's token.
fn announce(args: &ServeArgs, running: &Running, first_token: Option<&Secret>) -> anyhow::Result<()> {
    let Addresses { http, ws, wss, ops, cluster, ca } = &running.addresses;
    let mut told = vec!["Ringmain is ready.".to_owned()];
    if let Some(http) = http {
        told.push(format!("  console       http://{http}/"));
        told.push(format!("  operator API  http://{http}/api/v1/openapi.json"));
    }
    if let Some(wss) = wss {
        told.push(format!("  stations      wss://{}/ocpp/IDENTITY", host_of(*wss)));
    }
    if let Some(ws) = ws {
        told.push(format!("  stations      ws://{}/ocpp/IDENTITY (without TLS)", host_of(*ws)));
    }
    if let Some(cluster) = cluster {
        told.push(format!("  other nodes   https://{cluster}"));
    }
    if let Some(ops) = ops {
        told.push(format!("  metrics       http://{ops}/metrics"));
    }
    if let Some(ca) = ca {
        told.push(format!("  trust this CA {}", ca.display()));
    }
    if let Some(token) = first_token {
        told.push(format!("  sign in with  {}", token.reveal()));
        told.push("  (an administrator's API key; it is shown this once)".to_owned());
    }
    // Whoever started it may have nowhere to write to; it is ready all the same.
    if let Err(error) = writeln!(std::io::stdout(), "{}", told.join("\n")) {
        tracing::warn!(%error, "what there is to say at the start cannot be written");
    }
    if let Some(path) = &args.ready_file {
        let json = serde_json::to_string(&running.addresses).context("write the ready file")?;
        let partial = path.with_extension("partial");
        std::fs::write(&partial, json)
            .and_then(|()| std::fs::rename(&partial, path))
            .with_context(|| format!("write the ready file {}", path.display()))?;
    }
    Ok(())
}

/// An address as others dial it: a listener on all addresses is reached by this machine's name.
fn host_of(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("HOST:{}", address.port()) } else { address.to_string() }
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn price(args: &PriceArgs) -> anyhow::Result<()> {
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("read {}", path.display()));
    let tariff = args.tariff.as_ref().map(read).transpose()?;
    let cdr = read(&args.cdr)?;
    let zone = args.time_zone.as_deref().map(Zone::named).transpose()?;
    let priced = OcpiPricer.price(&CdrPricing {
        tariff: tariff.as_deref(),
        cdr: &cdr,
        zone: zone.as_ref(),
        reservation_expired: args.reservation_expired,
    })?;
    println!("{}", serde_json::to_string(&ringmain_gateway::api::priced(priced)).context("write the price")?);
    Ok(())
}

fn plan(args: &PlanArgs) -> anyhow::Result<()> {
    let Some(path) = &args.snapshot else {
        return Ok(allocator::converse(std::io::stdin().lock(), std::io::stdout().lock(), args.trusted)?);
    };
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let answers = allocator::snapshot::answer(&text).with_context(|| path.display().to_string())?;
    println!("{}", serde_json::to_string(&answers).context("write the answers")?);
    let (exact, expected) = (answers.exact, answers.expected);
    anyhow::ensure!(
        exact == expected,
        "{} of {expected} answers are not the expected ones",
        expected - exact
    );
    Ok(())
}

fn pki(command: PkiCommand) -> anyhow::Result<()> {
    match command {
        PkiCommand::Init { config, names } => {
            let folder = pki_folder(&read_config(&config)?.data_dir);
            let pki = folder::ensure(&folder, &names, SystemTime::now())?;
            println!("CA                  {}", pki.ca_pem.display());
            println!("server certificate  {}", pki.server_chain_pem.display());
            println!("server key          {}", pki.server_key_pem.display());
        }
        PkiCommand::Station { config, identity, organization, out } => {
            let folder = pki_folder(&read_config(&config)?.data_dir);
            let ca = folder::read_ca(&folder)?.context("there is no CA yet: run `ringmain pki init`")?;
            let issued = ca.issue_station(&identity, &organization, SystemTime::now())?;
            let files = folder::write_station(&out, &identity, &issued)?;
            println!("certificate  {}", files.chain_pem.display());
            println!("key          {}", files.key_pem.display());
        }
        PkiCommand::Node { ca, out } => {
            let pki = folder::write_node(&ca, &out, SystemTime::now())?;
            println!("cluster.ca           {}", pki.ca_pem.display());
            println!("cluster.certificate  {}", pki.node.chain_pem.display());
            println!("cluster.key          {}", pki.node.key_pem.display());
        }
    }
    Ok(())
}

async fn token(command: TokenCommand) -> anyhow::Result<()> {
    let tenant = ringmain_domain::id::TenantId::default_tenant();
    match command {
        TokenCommand::Create { config, name, role } => {
            let role: AccessRole = role
                .parse()
                .map_err(|()| anyhow::anyhow!("{role:?} is no role: administrator, operator or viewer"))?;
            let store = app::open_store(&read_config(&config)?).await?;
            let token = keys::new_token()?;
            let key = ApiKey {
                id: uuid::Uuid::now_v7(),
                tenant,
                name: name.into(),
                role,
                hash: keys::hash(token.reveal()),
                created_at: clock::now(),
                expires_at: None,
                revoked_at: None,
            };
            store.insert_api_key(&key).await?;
            store.close().await;
            println!("{}", token.reveal());
        }
        TokenCommand::List { config } => {
            for key in app::open_store(&read_config(&config)?).await?.api_keys(&tenant).await? {
                let state = if key.revoked_at.is_some() { "revoked" } else { "active" };
                println!("{}  {:<13}  {:<7}  {}", key.id, key.role.as_str(), state, key.name);
            }
        }
        TokenCommand::Revoke { config, id } => {
            let store = app::open_store(&read_config(&config)?).await?;
            anyhow::ensure!(
                store.revoke_api_key(&tenant, id, clock::now()).await?,
                "there is no active key {id}"
            );
            println!("revoked {id}");
        }
    }
    Ok(())
}
