//! Names of the walk's places, of metrics and of log fields, once. No recorder here.

/// The nine places a message passes (DESIGN section 3).
pub const PLACES: [&str; 9] =
    ["socket", "frame", "call", "report", "decision", "commit", "ack", "site", "push"];

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $kind:ident, $help:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $text;)*
        /// Every metric: name, kind, meaning. The generated page and the dashboards are checked against it.
        pub const METRICS: &[(&str, Kind, &str)] = &[$(($text, Kind::$kind, $help)),*];
    };
}

/// What kind of metric it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

metrics! {
    /// Open sockets.
    SOCKET_CONNECTIONS = "ringmain_socket_connections", Gauge, "open station sockets, by listener and version";
    /// Upgrades refused.
    SOCKET_REFUSED = "ringmain_socket_refused_total", Counter, "upgrades refused, by reason";
    /// Fights for an identity.
    SOCKET_DUPLICATES = "ringmain_socket_duplicates_total", Counter, "second living sockets of a station that were refused";
    /// Sockets closed.
    SOCKET_CLOSED = "ringmain_socket_closed_total", Counter, "station sockets ended, by exit";
    /// Frames received.
    FRAME_RECEIVED = "ringmain_frame_received_total", Counter, "frames received, by kind";
    /// Frames at fault.
    FRAME_FAULTS = "ringmain_frame_faults_total", Counter, "frames or payloads refused, by error code";
    /// Frames not recorded.
    FRAMES_UNRECORDED = "ringmain_frame_unrecorded_total", Counter, "frames that were not recorded because the store was slow";
    /// Calls answered.
    CALL_DURATION = "ringmain_call_duration_seconds", Histogram, "from a station's call to our answer, by action and outcome";
    /// Frames out of turn.
    CALL_OUT_OF_TURN = "ringmain_call_out_of_turn_total", Counter, "answers nobody waits for, repeated calls and message ids used twice, by kind";
    /// Tolerated quirks.
    REPORT_QUIRKS = "ringmain_report_quirks_total", Counter, "deviations from the standard that were accepted, by quirk";
    /// Facts decided.
    DECISION_EVENTS = "ringmain_decision_events_total", Counter, "facts decided, by event";
    /// Facts that were odd.
    DECISION_ODDITIES = "ringmain_decision_oddities_total", Counter, "reports that were accepted though something is odd, by kind";
    /// Tokens decided about.
    DECISION_AUTHORIZATIONS = "ringmain_decision_authorizations_total", Counter, "presented tokens decided about, by authorization and by occasion (asked, transaction, ordered)";
    /// Batch size.
    COMMIT_BATCH_ITEMS = "ringmain_commit_batch_items", Histogram, "facts in one commit";
    /// Commit time.
    COMMIT_DURATION = "ringmain_commit_duration_seconds", Histogram, "duration of one commit";
    /// Failed commits.
    COMMIT_FAILURES = "ringmain_commit_failures_total", Counter, "commits that failed, by kind";
    /// Facts waiting.
    COMMIT_QUEUE_ITEMS = "ringmain_commit_queue_items", Gauge, "facts waiting for their commit";
    /// Non-billing facts lost.
    COMMIT_LOST = "ringmain_commit_lost_nonbilling_total", Counter, "facts no answer waits for that were dropped while the store was away";
    /// Answer time.
    ACK_DURATION = "ringmain_ack_duration_seconds", Histogram, "from a billing message received to its answer written";
    /// Full mailboxes of sites.
    SITE_MAILBOX_FULL = "ringmain_site_mailbox_full_total", Counter, "live updates a busy site did not take; its next sweep reads them again";
    /// Nodes that live.
    CLUSTER_NODES = "ringmain_cluster_nodes", Gauge, "nodes with a lease, as this one sees them, itself included";
    /// May this node own anything?
    CLUSTER_LEASE_HELD = "ringmain_cluster_lease_held", Gauge, "1 while this node may act as an owner of sites, 0 while it has fenced itself";
    /// Buried nodes.
    CLUSTER_NODES_LOST = "ringmain_cluster_nodes_lost_total", Counter, "nodes this one found dead and buried";
    /// Unanswered questions to redis.
    CLUSTER_REDIS_AWAY = "ringmain_cluster_redis_away_total", Counter, "questions to redis that were not answered";
    /// Sweeps.
    CLUSTER_SWEEPS = "ringmain_cluster_sweeps_total", Counter, "times this node said again where its stations are";
    /// Failed calls to other nodes.
    CLUSTER_CALLS_FAILED = "ringmain_cluster_calls_failed_total", Counter, "calls to other nodes that were not answered, by call";
    /// Notes that were not delivered.
    CLUSTER_NOTES_MISSED = "ringmain_cluster_notes_missed_total", Counter, "notes to owners of sites that became a reading from the store";
    /// Alarms of load management.
    LOAD_ALARMS = "ringmain_site_load_alarms_total", Counter, "alarms of load management, by alarm";
    /// Limits nearly full.
    LIMITS_NEAR = "ringmain_site_limits_near", Gauge, "limits of circuits that carry 95 % or more of what they may";
    /// Limits exceeded.
    LIMITS_OVER = "ringmain_site_limits_over", Gauge, "limits of circuits that carry more than they may, as measured";
    /// Meters not to be believed.
    METERS_STALE = "ringmain_site_meters_stale", Gauge, "circuits whose meter is silent or cannot be right";
    /// Deaf EVSEs.
    EVSES_DEAF = "ringmain_site_evses_deaf", Gauge, "EVSEs that drew more than they were allowed and count with all they can draw";
    /// Messages of the broker.
    MQTT_MESSAGES = "ringmain_site_mqtt_messages_total", Counter, "readings and limits that came from the MQTT broker, by outcome";
    /// Is there a connection to the broker?
    MQTT_CONNECTED = "ringmain_site_mqtt_connected", Gauge, "1 while the MQTT broker is connected; absent where none is configured";
    /// Sites alive.
    SITE_ACTORS = "ringmain_site_actors", Gauge, "site actors alive";
    /// Outbox length.
    PUSH_OUTBOX_ITEMS = "ringmain_push_outbox_items", Gauge, "rows waiting to be pushed";
    /// Push lag.
    PUSH_LAG = "ringmain_push_lag_seconds", Histogram, "from a change to the partner's word that it has it, by partner and lane";
    /// Pushes that failed.
    PUSH_FAILURES = "ringmain_push_failures_total", Counter, "pushes that came to nothing, by partner, lane and reason";
    /// What a partner has not read.
    PUSH_BEHIND = "ringmain_push_behind_items", Gauge, "places of the feed a partner has not passed, by partner and lane";
    /// Refused for good.
    PUSH_DEAD_LETTERS = "ringmain_push_dead_letters_total", Counter, "objects a partner refused for good, by partner and lane";
    /// Partners asked about drivers.
    ROAMING_AUTHORIZE = "ringmain_partner_authorize_seconds", Histogram, "from our question about a driver to the partner's answer, by partner and outcome";
    /// Calls not kept.
    ROAMING_CALLS_UNLOGGED = "ringmain_partner_calls_unlogged_total", Counter, "calls of partners that were not kept because the store was slow";
    /// Requests for public data.
    PUBLIC_REQUESTS = "ringmain_public_requests_total", Counter, "requests for public data, by feed and outcome (sent, unchanged, limited, refused, failed)";
    /// Age of public data.
    PUBLIC_AGE = "ringmain_public_age_seconds", Gauge, "how long ago a DATEX II document that was sent was last compared with the store, by feed";
    /// Commands ended.
    COMMAND_OUTCOMES = "ringmain_command_outcomes_total", Counter, "commands ended, by outcome";
    /// Age of the last real commit.
    STORE_CANARY_AGE = "ringmain_store_canary_age_seconds", Gauge, "age of the last successful canary commit";
    /// Memory.
    PROCESS_MEMORY = "ringmain_process_resident_memory_bytes", Gauge, "resident memory of this process";
    /// EVSEs by state.
    EVSES = "ringmain_evses", Gauge, "connectors, by operator state";
    /// Sessions going on.
    SESSIONS_ACTIVE = "ringmain_sessions_active", Gauge, "sessions going on";
}

/// Log fields, dotted by entity.
pub mod field {
    /// The station's identity.
    pub const STATION_ID: &str = "station.id";
    /// The site's id.
    pub const SITE_ID: &str = "site.id";
    /// The transaction's id.
    pub const TRANSACTION_ID: &str = "transaction.id";
    /// Why an actor ended.
    pub const EXIT_REASON: &str = "exit.reason";
}
