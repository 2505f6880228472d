//! A short isolation run on every change: partners that stall, are busy or talk nonsense beside others, and every bill once. How late the
//! others hear is only printed.
//!
//! The long run is `make partners-run`.

use std::path::PathBuf;
use std::time::Duration;

use ringmain_loadtest::chaos::partners::{PartnersCourse, run};
use ringmain_loadtest::plan::Plan;

/// Drivers that come and go all the time, so that some seconds suffice.
const PLAN: &str = r#"
name = "partners, short"
seed = 1
[[group]]
count = 8
version = "2.0.1"
id_prefix = "RO201-"
site = "Roaming"
kind = "ac"
connectors = 1
power_w = 22000
behaviour = "drivers"
tokens = ["04000001"]
pause_s = [0, 2]
stay_s = [2, 5]
energy_wh = [10, 50]
meter_interval_s = 1
[[group]]
count = 4
version = "1.6"
id_prefix = "RO16-"
site = "Roaming"
kind = "ac"
connectors = 1
power_w = 11000
behaviour = "drivers"
tokens = ["04000001"]
pause_s = [0, 2]
stay_s = [2, 5]
energy_wh = [10, 50]
meter_interval_s = 1
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partners_that_misbehave_cost_no_other_partner_anything() {
    let course = PartnersCourse {
        plan: Plan::parse(PLAN).unwrap(),
        node: PathBuf::from(env!("CARGO_BIN_EXE_ringmain")),
        partners: 12,
        length: Duration::from_secs(12),
        in_step: Duration::from_secs(120),
        on_postgres: false,
        command: Vec::new(),
    };
    let report = run(&course).await.unwrap();
    println!("{}", report.text());
    assert_eq!(report.flaws_count, 0, "{}", report.text());
    assert!(report.misbehaved.iter().all(|one| one.caught_up_ms.is_some()), "{}", report.text());
    assert!(report.bills >= 12 && report.states >= 24, "{}", report.text());
    // They were called meanwhile, and not at the others' pace.
    let others = report.calls / (report.partners - report.misbehaved.len());
    assert!(report.misbehaved.iter().all(|one| (1..others).contains(&one.heard)), "{}", report.text());
}
