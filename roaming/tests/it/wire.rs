//! Sessions and bill records of a partner's drivers in the words of each version, and the official examples of credentials.

use ringmain_domain::cdr::Cdr;
use ringmain_domain::hardware::{ConnectorHardware, Current, EvseHardware, Plug};
use ringmain_domain::id::{
    CdrId, ConnectorId, EvseId, LocationId, SessionId, StationId, TariffId, TokenUid, TransactionId,
};
use ringmain_domain::meter::SignedValue;
use ringmain_domain::money::{Currency, Price};
use ringmain_domain::party::{Party, Role};
use ringmain_domain::segment::{Activity, Segment};
use ringmain_domain::session::{Session, SessionStatus};
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::pricing::usage::Usage;
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::time::local::Zone;
use ringmain_domain::token::{IdToken, TokenKind};
use ringmain_domain::unit::WattHours;
use ringmain_roaming::ocpi::dialect::Dialect;
use ringmain_roaming::ocpi::dialect::write::Unsayable;
use ringmain_roaming::ocpi::v221::types::credentials::Credentials;
use ringmain_roaming::ocpi::v221::{from_wire, to_wire};
use ringmain_roaming::service::locations::evse_uid;
use ringmain_store::partners::PartnerRole;
use ringmain_store::partners::drivers::{PartnerCdr, PartnerSession};
use serde_json::{Value, json};

use crate::make::{at, location, tariff, tenant};
use crate::schema::schema;

pub(crate) fn ours() -> PartnerRole {
    PartnerRole {
        country_code: "NL".into(),
        party_id: "RMN".into(),
        role: "CPO".into(),
        name: "Ringmain Test".into(),
    }
}

fn owner() -> Party {
    Party { country_code: "DE".into(), party_id: "ABC".into(), role: Role::Emsp }
}

pub(crate) fn session() -> Session {
    let station = StationId::new("RDAM-0815").unwrap();
    let transaction = TransactionId::new("tx").unwrap();
    Session {
        id: SessionId::derive(&tenant(), &station, &transaction),
        tenant: tenant(),
        station,
        evse: Some(EvseId(1)),
        connector: Some(ConnectorId(2)),
        transaction,
        token: Some(IdToken { uid: TokenUid::new("012345678").unwrap(), kind: TokenKind::Rfid }),
        authorization: None,
        contract: None,
        status: SessionStatus::Completed,
        started_at: at(0),
        ended_at: Some(at(5_400)),
        energy: WattHours(15_342),
        charging_ms: 3_600_000,
        parked_ms: 1_800_000,
        meter_first_wh: None,
        meter_last_wh: None,
        meter_last_at: None,
        power_w: None,
        power_at: None,
        flow: None,
        soc_permille: None,
        energy_flows: false,
        stop_reason: None,
        remote_start_id: None,
        flags: Vec::new(),
        currency: Some(Currency::new("EUR").unwrap()),
        cost: Some(Price { excl_tax: "7.39".parse().unwrap(), incl_tax: "8.20".parse().unwrap() }),
        facts: 2,
        tariff: None,
        settles_at: None,
        queued: false,
        number_heard: false,
        running: None,
        metered: None,
        signature: None,
    }
}

fn written_session(session: Session) -> Value {
    session_in(Dialect::V221, session)
}

fn session_in(dialect: Dialect, session: Session) -> Value {
    let from = PartnerSession {
        session,
        location_id: LocationId::new("L1").unwrap(),
        location: Some(location("L1", at(0))),
        hardware: Some(described()),
        owner: owner(),
        updated_at: at(5_401),
    };
    let written = serde_json::to_value(dialect.session(&ours(), &from)).unwrap();
    match dialect {
        Dialect::V211 => schema!("2.1.1", "session").check(&written),
        Dialect::V221 => schema!("session").check(&written),
        Dialect::V230 => schema!("2.3.0", "session").check(&written),
    }
    assert!(!written.to_string().contains("0815"), "{written:#}");
    written
}

#[test]
fn a_session_is_told_in_the_words_of_each_version() {
    let old = session_in(Dialect::V211, session());
    // "Excluding VAT", and the whole place with what was used of it.
    assert_eq!((&old["total_cost"], &old["auth_id"]), (&json!(7.39), &json!("012345678")));
    assert_eq!((&old["start_datetime"], &old["location"]["id"]), (&json!(at(0).to_string()), &json!("L1")));
    let evses = old["location"]["evses"].as_array().unwrap();
    assert_eq!(
        (evses.len(), &evses[0]["status"], &evses[0]["evse_id"]),
        (1, &json!("UNKNOWN"), &json!("NL*RMN*E1"))
    );
    let connectors = evses[0]["connectors"].as_array().unwrap();
    assert_eq!((connectors.len(), &connectors[0]["standard"]), (1, &json!("CHADEMO")));
    assert_eq!(old["location"]["coordinates"], json!({"latitude": "52.090000", "longitude": "5.121420"}));
    for absent in ["country_code", "cdr_token", "location_id", "evse_uid"] {
        assert!(old.get(absent).is_none(), "{absent}");
    }
    let active =
        Session { ended_at: None, status: SessionStatus::Active, remote_start_id: Some(1), ..session() };
    let old = session_in(Dialect::V211, active);
    assert_eq!(
        (&old["location"]["evses"][0]["status"], &old["auth_method"]),
        (&json!("CHARGING"), &json!("AUTH_REQUEST"))
    );
    let new = session_in(Dialect::V230, session());
    let cost = json!({"before_taxes": 7.39, "taxes": [{"name": "VAT", "amount": 0.81}]});
    assert_eq!((&new["total_cost"], &new["cdr_token"]["party_id"]), (&cost, &json!("ABC")));
}

#[test]
fn a_session_is_written_for_its_tokens_owner() {
    let written = written_session(session());
    assert_eq!(written["kwh"].to_string(), "15.342");
    assert_eq!(
        written["cdr_token"],
        json!({"country_code": "DE", "party_id": "ABC", "uid": "012345678", "type": "RFID", "contract_id": "012345678"})
    );
    assert_eq!((&written["status"], &written["auth_method"]), (&json!("COMPLETED"), &json!("WHITELIST")));
    assert_eq!(written["evse_uid"], evse_uid(&tenant(), &session().station, EvseId(1)).to_string());
    assert_eq!((&written["connector_id"], &written["location_id"]), (&json!("2"), &json!("L1")));
    assert_eq!(written["total_cost"].to_string(), r#"{"excl_vat":7.39,"incl_vat":8.2}"#);
    assert_eq!(written["last_updated"], at(5_401).to_string());

    let bare = Session {
        evse: None,
        connector: None,
        token: None,
        ended_at: None,
        currency: None,
        cost: None,
        status: SessionStatus::Active,
        remote_start_id: Some(1),
        ..session()
    };
    let written = written_session(bare);
    assert_eq!((&written["evse_uid"], &written["connector_id"]), (&json!("#NA"), &json!("#NA")));
    assert_eq!((&written["status"], &written["auth_method"]), (&json!("ACTIVE"), &json!("COMMAND")));
    assert_eq!(written["currency"], "XXX");
    for (status, expect) in [(SessionStatus::Invalid, "INVALID"), (SessionStatus::UnderReview, "COMPLETED")] {
        assert_eq!(written_session(Session { status, ..session() })["status"], expect);
    }
}

fn signed(data: &str) -> SignedValue {
    let (data, encoding, method, public_key) = (data.into(), "OCMF".into(), "".into(), "".into());
    SignedValue { data, encoding, method, public_key, verdict: None }
}

fn written_cdr(priced: bool) -> Value {
    written(priced, false)
}

#[test]
fn a_credit_takes_back_the_total_and_names_what_it_credits() {
    let (first, credit) = (written(true, false), written(true, true));
    assert_eq!(credit["credit"], true);
    assert_eq!(credit["credit_reference_id"], first["id"]);
    assert_ne!(credit["id"], first["id"]);
    let total = |cdr: &Value| cdr["total_cost"]["excl_vat"].as_f64().unwrap();
    assert_eq!(total(&credit), -total(&first));
    for same in ["total_energy_cost", "total_energy", "charging_periods", "signed_data"] {
        assert_eq!(credit[same], first[same], "{same}");
    }
    assert!(first.get("credit").is_none());
}

#[test]
fn signed_values_are_exported_bit_for_bit() {
    let written = written(true, false);
    let values = &written["signed_data"]["signed_values"];
    assert_eq!((&values[0]["nature"], &values[1]["nature"]), (&json!("Start"), &json!("End")));
    assert_eq!(
        (&values[0]["plain_data"], &values[0]["signed_data"]),
        (&json!("OCMF|{}|{}"), &json!("T0NNRnx7fXx7fQ=="))
    );
}

/// The EVSE with a cable for CHAdeMO and one for CCS.
fn described() -> EvseHardware {
    let dc = |number: u32, plug| ConnectorHardware {
        connector: ConnectorId(number),
        plug,
        has_cable: true,
        current: Current::Dc,
        max_voltage_v: 500,
        max_current_a: 125,
        max_power_w: Some(50_000),
    };
    let connectors = vec![dc(2, Plug::Chademo), dc(1, Plug::Ccs2)];
    EvseHardware { evse: session().evse.unwrap(), printed_id: Some("NL*RMN*E1".into()), connectors }
}

fn written(priced: bool, credit: bool) -> Value {
    let session = session();
    let turn = at(3_600);
    let segments = [
        Segment::new(at(0), turn, session.energy, Activity::Charging),
        Segment::new(turn, at(5_400), WattHours::ZERO, Activity::Idle),
    ];
    let tariff = tariff("T1", at(0));
    assert_eq!(tariff.id, TariffId::new("T1").unwrap());
    let cdr = Cdr {
        id: CdrId::derive(session.id, 0),
        session_id: session.id,
        revision: 0,
        tenant: tenant(),
        station: session.station.clone(),
        evse: session.evse,
        connector: session.connector,
        transaction: session.transaction.clone(),
        token: session.token.clone(),
        contract: session.contract.clone(),
        started_at: session.started_at,
        ended_at: at(5_400),
        energy: session.energy,
        charging_ms: session.charging_ms,
        parked_ms: session.parked_ms,
        meter_first_wh: None,
        meter_last_wh: None,
        breakdown: priced.then(|| {
            price(&Timeline::single(&tariff), &Zone::UTC, &Usage::of(session.started_at, &segments))
        }),
        segments: segments.to_vec(),
        credits: None,
        flags: Vec::new(),
        metered: None,
        signature: None,
        signed_values: vec![signed("OCMF|{}|{}"), signed("OCMF|{1}|{}")],
        created_at: at(5_402),
    };
    let cdr = if credit { cdr.credit(at(5_500)) } else { cdr };
    // Nobody had described the other one.
    let hardware = priced.then(described);
    let from = PartnerCdr { cdr, session, location: location("L1", at(0)), hardware, owner: owner() };
    in_other_versions(&from);
    let written = serde_json::to_value(to_wire::cdr::cdr(&ours(), &from, &[])).unwrap();
    schema!("cdr").check(&written);
    assert!(!written.to_string().contains("0815"), "{written:#}");
    written
}

/// The same total without taxes in all of them; 2.1.1 cannot say a credit.
fn in_other_versions(from: &PartnerCdr) {
    let total = from
        .cdr
        .breakdown
        .as_ref()
        .map_or(json!(0), |of| serde_json::from_str(&of.total.excl_tax.to_string()).unwrap());
    let new = serde_json::to_value(Dialect::V230.cdr(&ours(), from).unwrap()).unwrap();
    schema!("2.3.0", "cdr").check(&new);
    assert_eq!(new["total_cost"]["before_taxes"], total);
    match Dialect::V211.cdr(&ours(), from) {
        Ok(old) => {
            let old = serde_json::to_value(old).unwrap();
            schema!("2.1.1", "cdr").check(&old);
            assert_eq!(old["total_cost"], total);
            assert_eq!(old["stop_date_time"], new["end_date_time"]);
        }
        Err(Unsayable(_)) => assert!(from.cdr.credits.is_some()),
    }
}

#[test]
fn a_bill_record_adds_up_on_the_wire() {
    let written = written_cdr(true);
    assert_eq!((&written["total_energy"], &written["total_time"]), (&json!(15.342), &json!(1.5)));
    assert_eq!(written["total_parking_time"], json!(0.5));
    // 0.50 + 15.342 kWh x 0.123456789 + 1 h x 2 + 0.5 h x 6, each line to four decimals.
    assert_eq!(written["total_fixed_cost"], json!({"excl_vat": 0.5, "incl_vat": 0.5}));
    assert_eq!(written["total_energy_cost"], json!({"excl_vat": 1.8941, "incl_vat": 2.2918}));
    assert_eq!(written["total_time_cost"], json!({"excl_vat": 2, "incl_vat": 2.42}));
    assert_eq!(written["total_parking_cost"], json!({"excl_vat": 3, "incl_vat": 3}));
    assert_eq!(written["total_cost"], json!({"excl_vat": 7.39, "incl_vat": 8.21}));
    assert_eq!(
        written["charging_periods"],
        json!([
            {
                "start_date_time": at(0).to_string(),
                "dimensions": [{"type": "TIME", "volume": 1}, {"type": "ENERGY", "volume": 15.342}],
            },
            {
                "start_date_time": at(3_600).to_string(),
                "dimensions": [{"type": "PARKING_TIME", "volume": 0.5}],
            },
        ])
    );
    let made = |cdr: &Value| {
        ["id", "evse_id", "connector_standard", "connector_format", "connector_power_type"]
            .map(|field| cdr["cdr_location"][field].as_str().unwrap().to_owned())
    };
    assert_eq!(made(&written), ["L1", "NL*RMN*E1", "CHADEMO", "CABLE", "DC"]);
    assert_eq!(written["last_updated"], at(5_402).to_string());

    let free = written_cdr(false);
    assert_eq!(made(&free), ["L1", "#NA", "IEC_62196_T2", "SOCKET", "AC_3_PHASE"]);
    assert_eq!(
        (&free["currency"], &free["total_cost"]),
        (&json!("XXX"), &json!({"excl_vat": 0, "incl_vat": 0}))
    );
}

#[test]
fn the_official_credentials_are_read() {
    for (text, expect) in [
        (include_str!("../examples/2.2.1-bugfixes/credentials_example.json"), &["CPO EXA"][..]),
        (include_str!("../examples/2.2.1-bugfixes/credentials_example2.json"), &["CPO EXA", "EMSP EXA"]),
        (include_str!("../examples/2.2.1-bugfixes/credentials_example3.json"), &["CPO EXA"]),
        (
            include_str!("../examples/2.2.1-bugfixes/credentials_example4.json"),
            &["CPO EXO", "CPO PFC", "CPO CGP"],
        ),
    ] {
        let credentials: Credentials = serde_json::from_str(text).unwrap();
        assert!(!format!("{credentials:?}").contains(&credentials.token));
        let offer = from_wire::offer(credentials);
        let roles: Vec<_> = offer.roles.iter().map(|r| format!("{} {}", r.role, r.party_id)).collect();
        assert_eq!(roles, expect);
        assert!(offer.roles.iter().all(|role| &*role.country_code == "NL" && !role.name.is_empty()));
        assert!(offer.url.ends_with("/versions") && !offer.token.is_empty());
    }
}
