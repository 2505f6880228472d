//! What of OCPI is here, as one table: `docs/generated/ocpi-coverage.md` is made from it, and a test holds both against the code.

/// An object of the specification.
#[derive(Debug, Clone, Copy)]
pub struct Object {
    /// Its module.
    pub module: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The files of its types in 2.1.1, 2.2.1 and 2.3.0, under `roaming/src/ocpi`; `None`: the version has no such object.
    pub types: [Option<&'static str>; 3],
    /// The function that makes it from our nouns, with its file.
    pub made: Option<(&'static str, &'static str)>,
    /// The function that reads it into our nouns, with its file.
    pub understood: Option<(&'static str, &'static str)>,
    /// A test that writes or reads it.
    pub test: &'static str,
}

/// A method on a path.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// Its module.
    pub module: &'static str,
    /// Who serves it, and in which interface.
    pub server: &'static str,
    /// HTTP's method.
    pub method: &'static str,
    /// What stands behind the module's address.
    pub path: &'static str,
    /// Is it in 2.1.1, 2.2.1, 2.3.0?
    pub versions: [bool; 3],
    /// Where we serve it below `/ocpi`, in all the versions that have it; `None`: we do not yet.
    pub route: Option<&'static str>,
}

const V211: &str = "v211/types.rs";
const V211_LOCATION: &str = "v211/types/location.rs";
const V211_COMMAND: &str = "v211/types/command.rs";
const V230: &str = "v230/types.rs";
const V230_LOCATION: &str = "v230/types/location.rs";
const EXAMPLES: &str = "every_official_example_is_read_or_its_fault_is_listed";

/// All objects that are pushed, pulled, asked or answered.
pub const OBJECTS: &[Object] = &[
    shared("versions", "Version", "version", EXAMPLES, None, None),
    object(
        "versions",
        "VersionDetails",
        [Some(V211), v221("version"), v221("version")],
        EXAMPLES,
        Some(("details", "dialect/write.rs")),
        None,
    ),
    object(
        "credentials",
        "Credentials",
        [Some(V211), v221("credentials"), Some(V230)],
        "what_a_bridge_cannot_say_is_what_its_page_lists",
        Some(("credentials", "dialect/write.rs")),
        Some(("read_credentials", "dialect/read.rs")),
    ),
    object(
        "locations",
        "Location",
        [Some(V211_LOCATION), v221("location"), Some(V230_LOCATION)],
        "any_location",
        Some(("location", "dialect/write.rs")),
        Some(("location", "v221/from_wire/location.rs")),
    ),
    object(
        "locations",
        "Evse",
        [Some(V211_LOCATION), v221("location"), Some(V230_LOCATION)],
        "any_location",
        Some(("evse", "dialect/write.rs")),
        Some(("evse", "v221/from_wire/location.rs")),
    ),
    object(
        "locations",
        "Connector",
        [Some(V211_LOCATION), v221("location"), Some(V230_LOCATION)],
        "any_location",
        Some(("connector", "dialect/write.rs")),
        Some(("connector", "v221/from_wire/location.rs")),
    ),
    object(
        "sessions",
        "Session",
        [Some(V211), v221("session"), Some(V230)],
        "any_session",
        Some(("session", "dialect/write.rs")),
        Some(("session", "v221/from_wire/session.rs")),
    ),
    newer(
        "sessions",
        "ChargingPreferences",
        "session",
        "objects_without_an_official_example_are_read_and_written",
    ),
    object(
        "cdrs",
        "Cdr",
        [Some(V211), v221("cdr"), Some(V230)],
        "any_bill",
        Some(("cdr", "dialect/write.rs")),
        Some(("cdr", "v221/from_wire/cdr.rs")),
    ),
    object(
        "tariffs",
        "Tariff",
        [Some(V211), v221("tariff"), Some(V230)],
        "any_tariff",
        Some(("tariff", "dialect/write.rs")),
        Some(("tariff", "v221/from_wire/tariff.rs")),
    ),
    object(
        "tokens",
        "Token",
        [Some(V211), v221("token"), v221("token")],
        "any_token_of_another_company",
        Some(("token", "v221/to_wire/token.rs")),
        Some(("read_token", "dialect/read.rs")),
    ),
    object(
        "tokens",
        "LocationReferences",
        [Some(V211), v221("token"), v221("token")],
        WITHOUT,
        Some(("location_references", "dialect/write.rs")),
        None,
    ),
    object(
        "tokens",
        "AuthorizationInfo",
        [Some(V211), v221("token"), v221("token")],
        WITHOUT,
        None,
        Some(("allowance_of", "dialect/read.rs")),
    ),
    command("StartSession", true, None, READ_COMMAND),
    command("StopSession", true, None, READ_COMMAND),
    command("ReserveNow", true, None, READ_COMMAND),
    command("CancelReservation", false, None, READ_COMMAND),
    command("UnlockConnector", true, None, READ_COMMAND),
    command("CommandResponse", true, Some(("command_response", "dialect/write.rs")), None),
    command("CommandResult", false, Some(("command_result", "dialect/write.rs")), None),
    newer("chargingprofiles", "SetChargingProfile", "profile", WITHOUT),
    newer("chargingprofiles", "ChargingProfileResponse", "profile", WITHOUT),
    newer("chargingprofiles", "ActiveChargingProfile", "profile", WITHOUT),
    newer("chargingprofiles", "ActiveChargingProfileResult", "profile", WITHOUT),
    newer("chargingprofiles", "ChargingProfileResult", "profile", WITHOUT),
    newer("chargingprofiles", "ClearProfileResult", "profile", WITHOUT),
    newer("hubclientinfo", "ClientInfo", "client", WITHOUT),
];

const WITHOUT: &str = "objects_without_an_official_example_are_read_and_written";
const READ_COMMAND: Function = Some(("read_command", "dialect/read.rs"));
const ALL: [bool; 3] = [true; 3];
const NEWER: [bool; 3] = [false, true, true];

/// All methods, of whoever must serve them.
pub const ENDPOINTS: &[Endpoint] = &[
    endpoint("versions", "all", "GET", "", ALL, Some("/versions")),
    endpoint("version details", "all", "GET", "", ALL, Some("/{version}")),
    endpoint("credentials", "all", "GET", "", ALL, Some("/{version}/credentials")),
    endpoint("credentials", "all", "POST", "", ALL, Some("/{version}/credentials")),
    endpoint("credentials", "all", "PUT", "", ALL, Some("/{version}/credentials")),
    endpoint("credentials", "all", "DELETE", "", ALL, Some("/{version}/credentials")),
    endpoint("locations", "CPO, sender", "GET", "", ALL, Some("/cpo/{version}/locations")),
    endpoint("locations", "CPO, sender", "GET", "/{id}", ALL, Some("/cpo/{version}/locations/{location}")),
    endpoint(
        "locations",
        "CPO, sender",
        "GET",
        "/{id}/{evse}",
        ALL,
        Some("/cpo/{version}/locations/{location}/{evse}"),
    ),
    endpoint(
        "locations",
        "CPO, sender",
        "GET",
        "/{id}/{evse}/{connector}",
        ALL,
        Some("/cpo/{version}/locations/{location}/{evse}/{connector}"),
    ),
    endpoint("sessions", "CPO, sender", "GET", "", ALL, Some("/cpo/{version}/sessions")),
    endpoint("sessions", "CPO, sender", "PUT", "/{id}/charging_preferences", NEWER, None),
    endpoint("cdrs", "CPO, sender", "GET", "", ALL, Some("/cpo/{version}/cdrs")),
    endpoint("tariffs", "CPO, sender", "GET", "", ALL, Some("/cpo/{version}/tariffs")),
    endpoint(
        "tokens",
        "CPO, receiver",
        "GET",
        "/{owner}/{uid}",
        ALL,
        Some("/cpo/{version}/tokens/{country_code}/{party_id}/{uid}"),
    ),
    endpoint(
        "tokens",
        "CPO, receiver",
        "PUT",
        "/{owner}/{uid}",
        ALL,
        Some("/cpo/{version}/tokens/{country_code}/{party_id}/{uid}"),
    ),
    endpoint(
        "tokens",
        "CPO, receiver",
        "PATCH",
        "/{owner}/{uid}",
        ALL,
        Some("/cpo/{version}/tokens/{country_code}/{party_id}/{uid}"),
    ),
    endpoint(
        "commands",
        "CPO, receiver",
        "POST",
        "/{command}",
        ALL,
        Some("/cpo/{version}/commands/{command}"),
    ),
    endpoint("chargingprofiles", "CPO, receiver", "GET", "/{session}", NEWER, None),
    endpoint("chargingprofiles", "CPO, receiver", "PUT", "/{session}", NEWER, None),
    endpoint("chargingprofiles", "CPO, receiver", "DELETE", "/{session}", NEWER, None),
    endpoint("locations", "eMSP, receiver", "GET", "/{owner}/{id}[/{evse}[/{connector}]]", ALL, None),
    endpoint("locations", "eMSP, receiver", "PUT", "/{owner}/{id}[/{evse}[/{connector}]]", ALL, None),
    endpoint("locations", "eMSP, receiver", "PATCH", "/{owner}/{id}[/{evse}[/{connector}]]", ALL, None),
    endpoint("sessions", "eMSP, receiver", "GET", "/{owner}/{id}", ALL, None),
    endpoint("sessions", "eMSP, receiver", "PUT", "/{owner}/{id}", ALL, None),
    endpoint("sessions", "eMSP, receiver", "PATCH", "/{owner}/{id}", ALL, None),
    endpoint("cdrs", "eMSP, receiver", "GET", "/{ours}", ALL, None),
    endpoint("cdrs", "eMSP, receiver", "POST", "", ALL, None),
    endpoint("tariffs", "eMSP, receiver", "GET", "/{owner}/{id}", ALL, None),
    endpoint("tariffs", "eMSP, receiver", "PUT", "/{owner}/{id}", ALL, None),
    endpoint("tariffs", "eMSP, receiver", "PATCH", "/{owner}/{id}", [true, false, false], None),
    endpoint("tariffs", "eMSP, receiver", "DELETE", "/{owner}/{id}", ALL, None),
    endpoint("tokens", "eMSP, sender", "GET", "", ALL, None),
    endpoint("tokens", "eMSP, sender", "POST", "/{uid}/authorize", ALL, None),
    endpoint("commands", "eMSP, sender", "POST", "{response_url}", ALL, None),
    endpoint("chargingprofiles", "eMSP, sender", "POST", "{response_url}", NEWER, None),
    endpoint("chargingprofiles", "eMSP, sender", "PUT", "/{session}", NEWER, None),
    endpoint("hubclientinfo", "hub, sender", "GET", "", NEWER, None),
    endpoint("hubclientinfo", "all but hubs, receiver", "GET", "/{party}", NEWER, None),
    endpoint("hubclientinfo", "all but hubs, receiver", "PUT", "/{party}", NEWER, None),
];

type Function = Option<(&'static str, &'static str)>;

const fn object(
    module: &'static str,
    name: &'static str,
    types: [Option<&'static str>; 3],
    test: &'static str,
    made: Function,
    understood: Function,
) -> Object {
    Object { module, name, types, made, understood, test }
}

/// The same in all versions.
const fn shared(
    module: &'static str,
    name: &'static str,
    file: &'static str,
    test: &'static str,
    made: Function,
    understood: Function,
) -> Object {
    let file = v221(file);
    object(module, name, [file, file, file], test, made, understood)
}

/// The same since 2.2.
const fn newer(module: &'static str, name: &'static str, file: &'static str, test: &'static str) -> Object {
    object(module, name, [None, v221(file), v221(file)], test, None, None)
}

const fn command(name: &'static str, is_old: bool, made: Function, understood: Function) -> Object {
    let old = if is_old { Some(V211_COMMAND) } else { None };
    object("commands", name, [old, v221("command"), v221("command")], WITHOUT, made, understood)
}

/// The file of a module's types.
const fn v221(module: &'static str) -> Option<&'static str> {
    Some(match module.as_bytes() {
        b"cdr" => "v221/types/cdr.rs",
        b"client" => "v221/types/client.rs",
        b"command" => "v221/types/command.rs",
        b"credentials" => "v221/types/credentials.rs",
        b"location" => "v221/types/location.rs",
        b"profile" => "v221/types/profile.rs",
        b"session" => "v221/types/session.rs",
        b"tariff" => "v221/types/tariff.rs",
        b"token" => "v221/types/token.rs",
        b"version" => "v221/types/version.rs",
        _ => return None,
    })
}

const fn endpoint(
    module: &'static str,
    server: &'static str,
    method: &'static str,
    path: &'static str,
    versions: [bool; 3],
    route: Option<&'static str>,
) -> Endpoint {
    Endpoint { module, server, method, path, versions, route }
}
