//! One station on a paused clock, made from the lines of a plan.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringmain_loadtest::behaviour::Drivers;
use ringmain_loadtest::clock::Clock;
use ringmain_loadtest::plan::Plan;
use ringmain_loadtest::settings::Settings;
use ringmain_loadtest::socket::{Life, Stop};
use ringmain_loadtest::station::{Station, Version};
use ringmain_loadtest::tally::Tally;
use ringmain_loadtest::unit::Energy;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::csms::{Call, Conn, Csms};

/// What the meters of test stations show at first, Wh.
pub(crate) const METER_START_WH: i64 = 1_000_000;

pub(crate) const ALL: [Version; 3] = [Version::V16, Version::V201, Version::V21];

/// A station that lives, and the CSMS it talks to.
pub(crate) struct Rig {
    pub(crate) csms: Csms,
    pub(crate) tally: Arc<Tally>,
    records: Records,
    stop: watch::Sender<Stop>,
    life: JoinHandle<Station>,
}

/// What is written of settled transactions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(Arc<Mutex<Vec<u8>>>);

impl Write for Records {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A driver comes some time after the start and stays 60 s; cars take 11 kW from an AC station with one connector.
pub(crate) const ONE_DRIVER: &str = r#"
    behaviour = "drivers"
    tokens = ["04A1B2C3"]
    pause_s = [3000, 3000]
    stay_s = [60, 60]
    energy_wh = [50000, 50000]
    meter_interval_s = 10
"#;

/// Nobody comes but for remote starts.
pub(crate) const NOBODY: &str = "behaviour = \"idle\"\nmeter_interval_s = 10\n";

impl Rig {
    /// A station CS-01 with these lines in its group; AC, one connector and 11 kW unless they say otherwise.
    pub(crate) fn new(version: Version, lines: &str) -> Self {
        Self::with_settings(version, lines, |_| {})
    }

    pub(crate) fn with_settings(version: Version, lines: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let usual = [("kind", "\"ac\""), ("connectors", "1"), ("power_w", "11000")];
        let missing: Vec<String> = usual
            .iter()
            .filter(|(key, _)| !lines.contains(&format!("{key} =")))
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        let text = format!(
            "name = \"rig\"\n[[group]]\ncount = 1\nversion = \"2.1\"\nid_prefix = \"CS-\"\nsite = \"Rig\"\n{}\n{lines}",
            missing.concat()
        );
        let mut plan = Plan::parse(&text).unwrap_or_else(|error| panic!("{error:#}\n{text}"));
        plan.speak(version).unwrap();
        let group = &plan.groups[0];
        let (csms, dialer) = Csms::new(version);
        let records = Records::default();
        let (clock, tally) = (Clock::start(), Arc::new(Tally::new(Some(Box::new(records.clone()))).unwrap()));
        let make = Arc::new(group.make().unwrap());
        let mut settings = group.settings();
        change(&mut settings);
        let drivers = Drivers::new(group.habits(), 7, make.evses);
        let meter = Energy::from_wh(METER_START_WH.unsigned_abs());
        let station =
            Station::new(group.identity(1).into(), make, settings, meter, clock, Arc::clone(&tally));
        let (stop, told) = watch::channel(Stop::Run);
        let life = tokio::spawn(Life::new(station, drivers, dialer, clock, Arc::clone(&tally)).run(told));
        Self { csms, tally, records, stop, life }
    }

    /// The transactions that are settled, as they truly were.
    pub(crate) fn records(&self) -> Vec<Value> {
        let bytes = self.records.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Lets the station take in what was sent to it: on a paused clock time only moves when nobody has anything to do.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }

    /// Lets the station leave at once and gives it back.
    pub(crate) async fn end(self) -> Station {
        self.stop.send_replace(Stop::Now);
        tokio::time::timeout(Duration::from_secs(60), self.life)
            .await
            .expect("the station does not end")
            .unwrap()
    }

    /// Tells the drivers to go home; the station leaves when all is delivered.
    pub(crate) fn wind_down(&self) {
        self.stop.send_replace(Stop::WindDown);
    }

    pub(crate) async fn gone(self) -> Station {
        tokio::time::timeout(Duration::from_secs(60), self.life)
            .await
            .expect("the station does not end")
            .unwrap()
    }
}

/// A station that is accepted and has told its statuses.
pub(crate) async fn ready(version: Version, lines: &str) -> (Rig, Conn) {
    let mut rig = Rig::new(version, lines);
    let mut conn = rig.csms.accept_and_boot(3_600).await;
    let (pointer, last) = if version == Version::V16 { ("/connectorId", 1) } else { ("/evseId", 1) };
    conn.serve_until(|call| call.action == "StatusNotification" && call.number(pointer) == last).await;
    (rig, conn)
}

/// A TransactionEvent of this type.
pub(crate) fn is_event(call: &Call, kind: &str) -> bool {
    call.action == "TransactionEvent" && call.payload["eventType"] == kind
}

/// The message that starts a transaction, in any version.
pub(crate) fn is_start(call: &Call) -> bool {
    call.action == "StartTransaction" || is_event(call, "Started")
}

/// The message that ends a transaction, in any version.
pub(crate) fn is_end(call: &Call) -> bool {
    call.action == "StopTransaction" || is_event(call, "Ended")
}

/// A periodic reading of a transaction, in any version.
pub(crate) fn is_reading(call: &Call) -> bool {
    call.action == "MeterValues" || call.payload["triggerReason"] == "MeterValuePeriodic"
}

/// The energy register a message of a transaction tells, Wh.
pub(crate) fn register_wh(call: &Call) -> i64 {
    match call.action.as_str() {
        "StartTransaction" => call.number("/meterStart"),
        "StopTransaction" => call.number("/meterStop"),
        _ => {
            let samples = call.payload["meterValue"][0]["sampledValue"].as_array().expect("samples");
            let energy =
                samples.iter().find(|sample| sample["measurand"] == "Energy.Active.Import.Register").unwrap();
            energy["value"]
                .as_i64()
                .or_else(|| energy["value"].as_str()?.parse().ok())
                .expect("whole watt-hours")
        }
    }
}

/// UTC milliseconds of a message's own timestamp.
pub(crate) fn stamp_ms(call: &Call) -> i64 {
    let stamp =
        call.payload["timestamp"].as_str().or_else(|| call.payload["meterValue"][0]["timestamp"].as_str());
    stamp.unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond()
}
