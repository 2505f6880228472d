//! What plans must be.

use super::*;

const GROUP: &str = r#"
    name = "one"
    [[group]]
    count = 3
    version = "2.0.1"
    id_prefix = "A-"
    site = "a"
    kind = "ac"
    connectors = 2
    power_w = 22000
    behaviour = "drivers"
    tokens = ["T1"]
"#;

fn refusal(text: &str) -> String {
    format!("{:#}", Plan::parse(text).unwrap_err())
}

#[test]
fn a_plan_is_read() {
    let plan = Plan::parse(GROUP).unwrap();
    let group = plan.groups.first().unwrap();
    assert_eq!((plan.stations(), group.identity(3)), (3, "A-03".to_owned()));
    assert_eq!(group.make().unwrap().model, "AC 22 kW");
    assert_eq!(plan.ramp(), Duration::from_millis(60));
    assert!(!group.settings().heartbeat_fixed);
}

#[test]
fn mistakes_are_named() {
    let cases = [
        ("heartbeat = 5", "unknown field `heartbeat`"),
        ("stay_s = [9, 3]", "stay_s"),
        ("version = \"3.0\"", "duplicate key"),
        ("arrivals_per_hour = 0", "arrivals_per_hour"),
        ("arrivals_per_hour = 6\npause_s = [1, 2]", "exclude"),
        ("vendor = \"a vendor with far too long a name\"", "vendor"),
        ("outage = { every_s = [1, 2] }", "for_s"),
        ("fault = { every_s = [1, 2], for_s = [1, 1], error_code = \"Bad\" }", "unknown variant `Bad`"),
        ("retry_attempts = 0", "retry_attempts"),
    ];
    for (line, expected) in cases {
        let found = refusal(&format!("{GROUP}\n{line}"));
        assert!(found.contains(expected), "{line}: {found}");
    }
    let replaced = [
        ("count = 3", "count = 0", "count"),
        ("\"2.0.1\"", "\"2.0\"", "2.0 is none of"),
        ("[\"T1\"]", "[]", "tokens"),
        ("\"A-\"", "\"A:\"", "colon"),
        ("name = \"one\"", "name = \"one\"\nramp_per_s = 0", "ramp_per_s"),
        ("name = \"one\"", "name = \"one\"\nspeed = 2", "unknown field `speed`"),
    ];
    for (from, to, expected) in replaced {
        let found = refusal(&GROUP.replace(from, to));
        assert!(found.contains(expected), "{to}: {found}");
    }
    assert!(refusal("name = \"none\"").contains("no [[group]]"));
}

#[test]
fn two_groups_never_share_an_identity() {
    let second = GROUP.split("[[group]]").nth(1).unwrap();
    let with =
        |prefix: &str| format!("{GROUP}\n[[group]]{}", second.replace("\"A-\"", &format!("{prefix:?}")));
    assert!(refusal(&with("A-")).contains("same identities"));
    assert!(refusal(&with("A-1")).contains("same identities"));
    assert!(Plan::parse(&with("A-B-")).is_ok());
}

#[test]
fn scaling_keeps_the_sum() {
    let second = GROUP.split("[[group]]").nth(1).unwrap();
    let mut plan = Plan::parse(&format!("{GROUP}\n[[group]]{}", second.replace("A-", "B-"))).unwrap();
    for stations in [100, 7, 1] {
        plan.scale_to(stations).unwrap();
        assert_eq!(plan.stations(), stations);
    }
    assert!(plan.scale_to(0).is_err());
    assert!(plan.scale_to(STATIONS_MAX + 1).is_err());
    plan.scale_to(5).unwrap();
    plan.speak(Version::V16).unwrap();
    assert!(plan.groups.iter().all(|group| group.version().unwrap() == Version::V16));
}
