//! What is read, what is refused, and in which words.

use ringmain_domain::location::UnknownStations;

use super::*;

fn read(toml: &str) -> Result<Config, String> {
    read_with(toml, &[])
}

fn read_with(toml: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ringmain.toml");
    std::fs::write(&file, toml).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::read_with(Some(&file), Some(variables)).map_err(|error| error.to_string())
}

#[test]
fn the_defaults_are_legal() {
    let config = read("").unwrap();
    assert_eq!(config.listen.wss.0.as_deref(), Some("0.0.0.0:9443"));
    assert_eq!(config.stations.unknown, UnknownStations::Quarantine);
}

#[test]
fn a_wrong_key_or_value_is_named() {
    for (toml, expect) in [
        ("[stations]\nunknwon = \"reject\"", "unknown field `unknwon`"),
        ("[stations]\nunknown = \"maybe\"", "maybe"),
        ("[listen]\nws = \"9000\"", "\"9000\" is no address"),
        (
            "[stations]\nheartbeat_interval_s = 5",
            "stations.heartbeat_interval_s is 5, but must be 10 to 86400 seconds",
        ),
        ("[tls]\nkey = \"k.pem\"", "tls.certificate is set alone"),
        ("[listen]\nproxies = \"10.0.0.0/8, balancer\"", "\"balancer\" is no network"),
    ] {
        let error = read(toml).unwrap_err();
        assert!(error.contains(expect), "{toml}: {error}");
    }
}

#[test]
fn variables_win_over_the_file_and_stay_as_they_are_written() {
    let variables = [
        ("RINGMAIN_STATIONS__HEARTBEAT_INTERVAL_S", "60"),
        ("RINGMAIN_STATIONS__DEFAULT_TARIFF", "01"),
        ("RINGMAIN_STATIONS__STRICT_ENABLED", "true"),
        ("RINGMAIN_BOOTSTRAP_TOKEN", "1e5"),
    ];
    let config = read_with("[stations]\nheartbeat_interval_s = 300", &variables).unwrap();
    assert_eq!(config.stations.heartbeat_interval_s, 60);
    assert_eq!(config.stations.default_tariff.unwrap().as_str(), "01");
    assert!(config.stations.strict_enabled);
    assert_eq!(config.bootstrap_token.unwrap().reveal(), "1e5");
    let error = read_with("", &[("RINGMAIN_STATIONS__UNKNWON", "reject")]).unwrap_err();
    assert!(error.contains("unknwon"), "{error}");
}

#[test]
fn a_listener_can_be_off_and_a_secret_does_not_print() {
    let config = read("[listen]\nws = \"off\"\n[store]\nurl = \"postgres://u:hunter2@h/d\"").unwrap();
    assert_eq!(config.listen.ws, Address(None));
    assert!(!format!("{config:?}").contains("hunter2"));
}
