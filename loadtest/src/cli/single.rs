//! `station`: one station, every frame shown on standard output with its time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::sync::watch;

use crate::arrivals::{Arrivals, Range};
use crate::behaviour::{Drivers, Habits};
use crate::cli::{ConnectArgs, EndArgs, read_version, runtime};
use crate::clock::Clock;
use crate::crowd::{meter_start, seed_of};
use crate::progress::say;
use crate::settings::Settings;
use crate::socket::{Life, Stop, WireLog};
use crate::station::{Make, Station, Version};
use crate::tally::{Count, Tally};
use crate::unit::Watts;
use crate::vehicle::Current;

#[derive(Args, Debug)]
pub(super) struct StationArgs {
    /// OCPP identity.
    #[arg(long)]
    id: String,
    /// OCPP version.
    #[arg(long, value_parser = read_version, value_name = "1.6|2.0.1|2.1")]
    version: Version,
    #[command(flatten)]
    connect: ConnectArgs,
    #[command(flatten)]
    end: EndArgs,
    /// What comes out of it.
    #[arg(long, value_enum, default_value_t = Kind::Ac)]
    kind: Kind,
    /// EVSEs, each with one connector.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=32))]
    connectors: u32,
    /// What one EVSE delivers, W.
    #[arg(long, default_value_t = 11_000)]
    power_w: u64,
    /// Token drivers hold to the reader, again and again for several; without any, cars come for remote starts only.
    #[arg(long = "token")]
    tokens: Vec<String>,
    /// Pause between two drivers, at most, s.
    #[arg(long, default_value_t = 30)]
    pause_s: u64,
    /// Time a driver stays, s.
    #[arg(long, default_value_t = 120)]
    stay_s: u64,
    /// Energy a driver wants, Wh.
    #[arg(long, default_value_t = 10_000)]
    energy_wh: u64,
    /// Interval of readings in a transaction, s.
    #[arg(long, default_value_t = 10)]
    meter_interval_s: u32,
    /// Heartbeat interval that wins over the CSMS's, s.
    #[arg(long)]
    heartbeat_s: Option<u32>,
    /// Everything random is drawn from it.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Ac,
    Dc,
}

pub(super) fn run(args: StationArgs) -> anyhow::Result<()> {
    runtime(1)?.block_on(live(args))
}

async fn live(args: StationArgs) -> anyhow::Result<()> {
    let (clock, tally) = (Clock::start(), Arc::new(Tally::new(None)?));
    let dialer = args.connect.dialers().await?(&args.id)?;
    let seed = seed_of(args.seed, &args.id);
    let station = Station::new(
        args.id.as_str().into(),
        Arc::new(args.make()),
        args.settings(),
        meter_start(seed),
        clock,
        Arc::clone(&tally),
    );
    let drivers = Drivers::new(Arc::new(args.habits()), seed, args.connectors);
    let log = WireLog::lines(Arc::new(Mutex::new(std::io::stdout())));
    let (stop, told) = watch::channel(Stop::Run);
    let life = Life::new(station, drivers, dialer, clock, Arc::clone(&tally)).with_log(log);
    let living = tokio::spawn(life.run(told));
    args.end.wait(args.end.duration_s.map(Duration::from_secs)).await?;
    stop.send_replace(Stop::WindDown);
    living.await?;
    let (ended_wh, acknowledged_wh, _) = tally.energy_wh();
    say(&format!(
        "{} sessions, {ended_wh} Wh, {acknowledged_wh} Wh acknowledged",
        tally.of(Count::SessionEnded)
    ));
    Ok(())
}

// === impl StationArgs ===

impl StationArgs {
    fn make(&self) -> Make {
        let current = match self.kind {
            Kind::Ac => Current::Ac,
            Kind::Dc => Current::Dc,
        };
        Make {
            version: self.version,
            vendor: "Ringmain Simulated".to_owned(),
            model: "Single".to_owned(),
            firmware: "1.0.0".to_owned(),
            current,
            evses: self.connectors,
            power: Watts(self.power_w),
        }
    }

    fn settings(&self) -> Settings {
        let usual = Settings::default();
        Settings {
            password: self.connect.passwords(None).of(&self.id),
            meter_interval_s: self.meter_interval_s,
            heartbeat_s: self.heartbeat_s.unwrap_or(usual.heartbeat_s).max(1),
            heartbeat_fixed: self.heartbeat_s.is_some(),
            ..usual
        }
    }

    fn habits(&self) -> Habits {
        let arrivals = if self.tokens.is_empty() {
            Arrivals::None
        } else {
            Arrivals::Pause(Range { min: 1, max: self.pause_s.max(1) })
        };
        let exactly = |value: u64| Range { min: value, max: value };
        Habits {
            arrivals,
            tokens: self.tokens.clone(),
            stay_s: exactly(self.stay_s),
            energy_wh: exactly(self.energy_wh),
            vehicle_w: exactly(self.power_w),
            ..Habits::idle()
        }
    }
}
