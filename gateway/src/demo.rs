//! `ringmain demo`: an embedded node with a simulated fleet, so that there is something to see in a minute.
//!
//! Stations with what they are made of, tariffs and places are made in the store as an operator would make them; the fleet is the load test program beside this one,
//! a stranger that connects over TLS. It ends when this process does, however that happens: it watches its standard input.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use ringmain_domain::authorize::UnknownTokens;
use ringmain_domain::hardware::{ConnectorHardware, Current, EvseHardware, Plug, StationHardware};
use ringmain_domain::id::{ConnectorId, EvseId, LocationId, StationId, TariffId};
use ringmain_domain::location::{ChargingStation, Location, UnknownStations};
use ringmain_domain::money::Currency;
use ringmain_domain::reply::Registration;
use ringmain_domain::tariff::{Dimension, PriceComponent, Tariff, TariffElement};
use ringmain_domain::time::Timestamp;
use rust_decimal::Decimal;
use serde::Deserialize;
use tokio::process::{Child, Command};

use crate::app::listeners::Addresses;
use crate::clock;
use crate::config::Config;
use crate::house::House;

/// The fleet's plan, which is also the list of stations to make.
const PLAN: &str = include_str!("../../loadtest/plans/demo.toml");
const FLEET_PROGRAM: &str = "ringmain-loadtest";
/// The fleet's password. It guards nothing: a demo takes in any station.
const FLEET_PASSWORD: &str = "the-demo-fleets-password";
/// Line to neutral, and of usual fast chargers.
const AC_VOLTS: u32 = 230;
const DC_VOLTS: u32 = 920;
const DC_AMPERES_MAX: u32 = 500;
const GOODBYE: Duration = Duration::from_secs(5);

/// The demo's fleet and what it needs.
#[derive(Debug)]
pub struct Demo {
    plan: Plan,
}

/// What the demo reads of the plan; the load test program reads all of it.
#[derive(Debug, Deserialize)]
struct Plan {
    #[serde(rename = "group")]
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    id_prefix: String,
    count: usize,
    site: String,
    kind: String,
    /// EVSEs, with one connector each.
    connectors: u32,
    power_w: u32,
}

/// The simulated fleet, running.
pub struct Fleet {
    child: Child,
}

/// Places of the demo by the plan's site names, which become location ids in lower case: name, address, city, postal code, country, latitude, longitude, time zone.
const PLACES: [(&str, [&str; 8]); 3] = [
    (
        "Harbour",
        [
            "Harbour Car Park",
            "Am Kaiserkai 12",
            "Hamburg",
            "20457",
            "DEU",
            "53.541290",
            "9.986800",
            "Europe/Berlin",
        ],
    ),
    (
        "Depot",
        [
            "Bus Depot West",
            "ul. Obozowa 43",
            "Warszawa",
            "01-161",
            "POL",
            "52.242100",
            "20.951600",
            "Europe/Warsaw",
        ],
    ),
    (
        "Motorway",
        [
            "Motorway Services East",
            "A12, exit 8",
            "Den Haag",
            "2595",
            "NLD",
            "52.080200",
            "4.345400",
            "Europe/Amsterdam",
        ],
    ),
];

/// A demo needs no operator: unknown stations and tokens may take part.
pub fn adapt(config: &mut Config) {
    config.stations.unknown = UnknownStations::Accept;
    config.tokens.unknown = UnknownTokens::Accept;
    if config.stations.default_tariff.is_none() {
        config.stations.default_tariff = TariffId::new("ac-standard").ok();
    }
}

// === impl Demo ===

impl Demo {
    /// The demo of this build.
    ///
    /// # Errors
    /// The built-in plan lacks something.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self { plan: toml::from_str(PLAN).context("read the demo's plan")? })
    }

    /// Makes places, tariffs and stations, unless they are there.
    ///
    /// # Errors
    /// The store cannot be written.
    pub async fn seed(&self, house: &House) -> anyhow::Result<()> {
        let now = clock::now();
        for (site, place) in PLACES {
            let id = location_id(site)?;
            if house.store.location(&house.tenant, &id).await?.is_none() {
                house.store.put_location(&location(house, id, place, now)).await?;
            }
        }
        for tariff in tariffs(house, now)? {
            if house.store.tariff(&house.tenant, &tariff.id).await?.is_none() {
                house.store.put_tariff(&tariff).await?;
            }
        }
        for group in &self.plan.groups {
            for number in 1..=group.count {
                self.seed_station(house, group, number, now).await?;
            }
        }
        Ok(())
    }

    async fn seed_station(
        &self,
        house: &House,
        group: &Group,
        number: usize,
        now: Timestamp,
    ) -> anyhow::Result<()> {
        // As the fleet numbers its stations: at least two digits.
        let width = group.count.to_string().len().max(2);
        let id = StationId::new(&format!("{}{number:0width$}", group.id_prefix))?;
        let mut station = ChargingStation::unknown(house.tenant.clone(), id, Registration::Accepted, now);
        station.location_id = Some(location_id(&group.site)?);
        station.tariff_id = Some(TariffId::new(if group.kind == "dc" { "dc-fast" } else { "ac-standard" })?);
        let sealed = house.credentials.seal(FLEET_PASSWORD.as_bytes(), now)?;
        house.store.insert_station_with(&station, &sealed).await?;
        if house.store.station_hardware(&house.tenant, &station.id).await?.is_none() {
            let hardware = hardware(group, &station.id);
            house.store.put_station_hardware(&house.tenant, &station.id, &hardware, now).await?;
        }
        Ok(())
    }

    /// Starts the simulated fleet against the node's TLS listener.
    ///
    /// # Errors
    /// The load test program is not beside this one, or cannot be started.
    pub fn start_fleet(&self, house: &House, addresses: &Addresses) -> anyhow::Result<Fleet> {
        let program = std::env::current_exe().context("find this program")?.with_file_name(FLEET_PROGRAM);
        anyhow::ensure!(
            program.exists(),
            "{} is missing: build it with `cargo build --release -p ringmain-loadtest`",
            program.display()
        );
        let wss = addresses.wss.context("the demo's fleet needs listen.wss")?;
        let ca = addresses
            .ca
            .as_ref()
            .context("the demo's fleet trusts the development CA only: leave tls.certificate away")?;
        let plan = write_plan(&house.config.data_dir)?;
        let log = std::fs::File::create(house.config.data_dir.join("fleet.log"))
            .context("write the fleet's log")?;
        let child = Command::new(&program)
            .args(["run", "--until-stdin-closes", "--plan"])
            .arg(plan)
            .arg("--url")
            .arg(format!("wss://localhost:{}/ocpp", wss.port()))
            .args(["--password", FLEET_PASSWORD, "--ca"])
            .arg(ca)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().context("write the fleet's log")?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        Ok(Fleet { child })
    }
}

// === impl Fleet ===

impl Fleet {
    /// Closes the fleet's standard input and waits for it to go; ends it if it does not.
    pub async fn stop(mut self) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(GOODBYE, self.child.wait()).await.is_err()
            && let Err(error) = self.child.kill().await
        {
            tracing::warn!(%error, "the simulated fleet cannot be ended");
        }
    }
}

fn location_id(site: &str) -> anyhow::Result<LocationId> {
    Ok(LocationId::new(&site.to_lowercase())?)
}

fn write_plan(data_dir: &std::path::Path) -> anyhow::Result<PathBuf> {
    let path = data_dir.join("demo-plan.toml");
    std::fs::write(&path, PLAN).with_context(|| format!("write {}", path.display()))?;
    Ok(path)
}

fn location(house: &House, id: LocationId, place: [&str; 8], now: Timestamp) -> Location {
    let [name, address, city, postal_code, country, latitude, longitude, time_zone] =
        place.map(Box::<str>::from);
    Location {
        tenant: house.tenant.clone(),
        id,
        name,
        address,
        city,
        postal_code: Some(postal_code),
        country,
        latitude,
        longitude,
        time_zone,
        updated_at: now,
    }
}

/// Cables of CCS 2 at DC, sockets of type 2 at AC.
fn hardware(group: &Group, station: &StationId) -> StationHardware {
    let (plug, current, volts, lines) = match group.kind.as_str() {
        "dc" => (Plug::Ccs2, Current::Dc, DC_VOLTS, 1),
        _ => (Plug::Type2, Current::Ac3, AC_VOLTS, 3),
    };
    // At DC the most amperes are those of a car of 400 V, so far as a cable carries them.
    let amperes = if lines == 1 {
        (group.power_w / 400).min(DC_AMPERES_MAX)
    } else {
        group.power_w.div_ceil(volts * lines)
    };
    let made = ConnectorHardware {
        connector: ConnectorId(1),
        plug,
        has_cable: current == Current::Dc,
        current,
        max_voltage_v: volts,
        max_current_a: amperes,
        max_power_w: Some(group.power_w),
    };
    let number: String = station.as_str().chars().filter(char::is_ascii_alphanumeric).collect();
    let evses = (1..=group.connectors).map(|evse| EvseHardware {
        evse: EvseId(evse),
        printed_id: Some(format!("DE*RMN*E{}*{evse}", number.to_uppercase()).into()),
        connectors: vec![made],
    });
    StationHardware { evses: evses.collect() }
}

/// Two usual tariffs: energy with a fee for staying on at AC, a session fee and energy at DC.
fn tariffs(house: &House, now: Timestamp) -> anyhow::Result<Vec<Tariff>> {
    let tax = Some(Decimal::new(19, 0));
    let component = |dimension, cents: i64, step_size| PriceComponent {
        dimension,
        price: Decimal::new(cents, 2),
        tax_percent: tax,
        step_size,
    };
    let tariff = |id: &str, name: &str, components| -> anyhow::Result<Tariff> {
        let elements = vec![TariffElement::new(components)];
        Ok(Tariff::new(house.tenant.clone(), TariffId::new(id)?, name, Currency::new("EUR")?, elements, now))
    };
    let standard = vec![component(Dimension::Energy, 39, 1), component(Dimension::ParkingTime, 600, 60)];
    let fast = vec![component(Dimension::Flat, 50, 1), component(Dimension::Energy, 59, 1)];
    Ok(vec![tariff("ac-standard", "AC standard", standard)?, tariff("dc-fast", "DC fast", fast)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fleet_is_described_as_it_is_built() {
        let demo = Demo::new().unwrap();
        let of = |prefix: &str, number: &str| {
            let group = demo.plan.groups.iter().find(|group| group.id_prefix == prefix).unwrap();
            hardware(group, &StationId::new(&format!("{prefix}{number}")).unwrap())
        };
        for group in &demo.plan.groups {
            let described = of(&group.id_prefix, "01");
            assert_eq!(described.check(), [], "{}", group.id_prefix);
            assert_eq!(described.evses.len(), usize::try_from(group.connectors).unwrap());
            assert_eq!(described.evses[0].connectors[0].power_w(), group.power_w);
        }
        let fast = of("MOTORWAY-DC-", "02");
        assert_eq!(fast.evses[1].printed_id.as_deref(), Some("DE*RMN*EMOTORWAYDC02*2"));
        assert_eq!(fast.evses[0].connectors[0].max_current_a, 500);
    }
}
