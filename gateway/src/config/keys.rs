//! Every key of the configuration, for people: the page is made from it.

/// Every key with its unit or values and its meaning, in the order of the page that is made from it.
pub const KEYS: &[(&str, &str, &str)] = &[
    ("data_dir", "path", "where the embedded store, the development CA and secrets live"),
    ("bootstrap_token", "secret", "creates an administrator API key with this token, once"),
    ("listen.http", "host:port or off", "console, operator API, OCPI"),
    ("listen.ws", "host:port or off", "stations without TLS: for trusted networks only"),
    ("listen.wss", "host:port or off", "stations with TLS"),
    ("listen.ops", "host:port or off", "metrics and health; never public"),
    ("store.url", "secret", "`sqlite:PATH` or `postgres://…`; a file in the data folder when absent"),
    ("stations.unknown", "reject, quarantine, accept", "what happens to stations nobody registered"),
    ("stations.default_tariff", "tariff id", "the tariff of stations without one"),
    ("stations.heartbeat_interval_s", "seconds, 10 to 86400", "between heartbeats of a station"),
    ("stations.boot_retry_s", "seconds, 1 to 86400", "until a station that is not accepted boots again"),
    (
        "stations.start_timeout_s",
        "seconds, 10 to 3600",
        "until a remote start without a transaction is given up",
    ),
    (
        "stations.without_password_enabled",
        "true, false",
        "registered stations without a password may connect: for trusted networks only",
    ),
    (
        "stations.connections_max",
        "1 to 1000000 connections",
        "the most stations connected to one listener; less where the limit on open files is lower",
    ),
    ("stations.answer_timeout_s", "seconds, 1 to 600", "how long a station may take to answer a command"),
    (
        "stations.strict_enabled",
        "true, false",
        "refuse what the standard forbids instead of tolerating it; for certification",
    ),
    ("tokens.unknown", "reject, accept", "what happens to tokens nobody registered"),
    (
        "tokens.concurrent_max",
        "transactions, 0: no limit",
        "how many a known token may have at once, unless it or its group says otherwise",
    ),
    (
        "billing.gap_grace_s",
        "seconds, 0 to 604800",
        "how long the bill of an ended transaction waits for messages that are missing in between",
    ),
    (
        "billing.start_grace_s",
        "seconds, 0 to 2592000",
        "how long it waits for a missing start, or for a station that says it has more in its queue",
    ),
    (
        "billing.abandoned_after_s",
        "seconds, 3600 to 31536000",
        "a transaction of which nothing was heard for so long is closed and held for a person",
    ),
    (
        "billing.cost_updates_s",
        "seconds, 0 to 86400, 0: never",
        "how often a station hears the running cost of a transaction by CostUpdated; one that refuses is left alone until it connects again",
    ),
    (
        "billing.signed_values_required_in",
        "ISO 3166-1 alpha-3 codes with commas between",
        "countries where a session waits for a person unless its meter signed it whole, with the key registered for it",
    ),
    (
        "billing.unnamed_readings_enabled",
        "true, false",
        "bill readings of OCPP 1.6 that name no transaction with the only one that goes on at their connector; else they are kept beside it",
    ),
    (
        "billing.station_tariffs_enabled",
        "true, false",
        "tell stations of OCPP 2.1 that price by themselves what their drivers pay, and keep it up to date; the bill is ours all the same",
    ),
    (
        "load.guard_s",
        "seconds, 1 to 600",
        "how long after it accepted a limit a station may still work under an older one: until then both count",
    ),
    (
        "load.grant_s",
        "seconds, 60 to 86400",
        "how long a limit above the fallback lasts at a station that is not heard again; renewed at a third of it",
    ),
    (
        "mqtt.broker",
        "host:port or off",
        "a broker of MQTT 3.1.1 that meters and controllers of sites talk to: docs/charging.md",
    ),
    ("mqtt.username", "text", "as whom to sign in at the broker"),
    ("mqtt.password", "secret", "with what"),
    (
        "mqtt.client_id",
        "1 to 23 letters, digits, - and _",
        "under which name the broker keeps what this node has not taken yet; another one for each node",
    ),
    ("mqtt.prefix", "a topic without wildcards", "what all topics begin with"),
    (
        "tls.certificate",
        "path",
        "PEM chain of the station listener; the development CA makes one when absent",
    ),
    ("tls.key", "path", "its PEM key"),
    ("tls.client_ca", "path", "PEM bundle of the CAs that sign station certificates"),
    ("tls.client_crl", "path", "PEM of their revocation lists"),
    ("tls.client_certificate", "off, optional, required", "whether stations show a certificate"),
    ("log.format", "text, json", "how log lines look"),
    ("log.level", "filter", "`error` to `trace`, or a filter such as `info,ringmain_gateway=debug`"),
    ("messages.record_enabled", "true, false", "record what stations and we say to each other"),
    ("messages.keep_per_station", "frames, 10 to 1000000", "the newest so many frames of a station are kept"),
];
