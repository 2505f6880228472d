//! Whatever the domain holds: what is written is valid in every version that can say it, tells no station, and reads back as it was.

use std::fmt::Debug;
use std::sync::LazyLock;

use proptest::prelude::*;
use ringmain_domain::party::{Party, Role};
use ringmain_domain::session::SessionStatus;
use ringmain_domain::tariff::TaxIncluded;
use ringmain_domain::token::{Token, TokenKind};
use ringmain_roaming::ocpi::dialect::write::Unsayable;
use ringmain_roaming::ocpi::dialect::{Dialect, Said};
use ringmain_roaming::ocpi::reading;
use ringmain_roaming::ocpi::v211::into_v221::Owner;
use ringmain_roaming::ocpi::v211::{from_v221, into_v221, types as v211};
use ringmain_roaming::ocpi::v221::types::location::{
    Capability, ConnectorType, Location as WireLocation, PowerType,
};
use ringmain_roaming::ocpi::v221::types::session::SessionStatus as WireStatus;
use ringmain_roaming::ocpi::v221::types::token::{TokenType, WhitelistType};
use ringmain_roaming::ocpi::v221::{from_wire, to_wire, types as v221};
use ringmain_roaming::ocpi::v230::{bridge, types as v230};
use ringmain_roaming::service::locations::evses;
use ringmain_store::partners::lists::PublishedLocation;
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::generate;
use crate::make::{at, tenant};
use crate::schema::{Schema, schema};
use crate::wire::ours;

/// Writes an object as a partner gets it, checks it, and reads it as a partner does.
fn over_the_wire<T: Serialize + DeserializeOwned + PartialEq + Debug>(schema: &Schema, object: &T) -> T {
    let text = serde_json::to_string(object).unwrap();
    assert!(!text.contains("SECRET"), "{text}");
    let written = serde_json::from_str(&text).unwrap();
    schema.check(&written);
    let read: T = reading::body(text.as_bytes()).unwrap();
    assert_eq!(read, *object);
    read
}

macro_rules! schemas {
    ($($name:ident = $version:literal $object:literal,)+) => {
        $(static $name: LazyLock<Schema> = LazyLock::new(|| schema!($version, $object));)+
    };
}
schemas! {
    LOCATION_211 = "2.1.1" "location",
    LOCATION_221 = "2.2.1" "location",
    LOCATION_230 = "2.3.0" "location",
    TARIFF_211 = "2.1.1" "tariff",
    TARIFF_221 = "2.2.1" "tariff",
    TARIFF_230 = "2.3.0" "tariff",
    SESSION_211 = "2.1.1" "session",
    SESSION_221 = "2.2.1" "session",
    SESSION_230 = "2.3.0" "session",
    CDR_211 = "2.1.1" "cdr",
    CDR_221 = "2.2.1" "cdr",
    CDR_230 = "2.3.0" "cdr",
    TOKEN_211 = "2.1.1" "token",
    TOKEN_221 = "2.2.1" "token",
    TOKEN_230 = "2.3.0" "token",
}

fn us() -> Party {
    Party { country_code: "NL".into(), party_id: "RMN".into(), role: Role::Cpo }
}

fn owner() -> Owner {
    Owner { country_code: "NL".into(), party_id: "RMN".into() }
}

fn clip(text: &str, max: usize) -> String {
    text.chars().take(max).collect()
}

fn degrees(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn same_place(published: &PublishedLocation, read: &from_wire::location::ForeignLocation) {
    let (ours, theirs) = (&published.location, &read.location);
    assert_eq!((&ours.id, &ours.country, &ours.time_zone), (&theirs.id, &theirs.country, &theirs.time_zone));
    assert_eq!(*theirs.name, *clip(&ours.name, 255));
    assert_eq!(*theirs.address, *clip(&ours.address, 255));
    assert_eq!(*theirs.city, *clip(&ours.city, 45));
    assert_eq!(theirs.postal_code.as_deref(), ours.postal_code.as_deref().map(|c| clip(c, 10)).as_deref());
    assert_eq!(degrees(&theirs.latitude), degrees(&ours.latitude));
    assert_eq!(degrees(&theirs.longitude), degrees(&ours.longitude));
    assert_eq!((&read.owner, read.is_public), (&us(), true));
    let published_evses = evses(published);
    assert_eq!(read.evses.len(), published_evses.len());
    for (theirs, ours) in read.evses.iter().zip(&published_evses) {
        assert_eq!(*theirs.uid, *ours.uid.to_string());
        assert_eq!((theirs.status, theirs.changed_at), (to_wire::status(ours.status), ours.changed_at));
        assert_eq!(theirs.capabilities, to_wire::CAPABILITIES);
        for (theirs, ours) in theirs.connectors.iter().zip(&ours.connectors) {
            assert_eq!((&*theirs.id, theirs.changed_at), (&*ours.number.to_string(), ours.changed_at));
            assert_eq!(theirs.hardware, to_wire::hardware(&ours.hardware));
            let tariffs: Vec<_> = ours.tariff_id.iter().map(|id| id.as_str()).collect();
            assert!(theirs.tariff_ids.iter().map(|id| &**id).eq(tariffs));
        }
    }
}

/// What 2.1.1 has no words for is gone, or said as it comes closest; power stands in volts and amperes.
fn as_in_211(mut written: WireLocation) -> WireLocation {
    for evse in &mut written.evses {
        evse.connectors.retain(|connector| connector.standard != ConnectorType::Mcs);
        evse.capabilities.retain(|of| *of == Capability::RemoteStartStopCapable);
        for connector in &mut evse.connectors {
            connector.max_electric_power = None;
            if connector.standard == ConnectorType::SaeJ3400 {
                connector.standard = ConnectorType::TeslaS;
            }
            if connector.power_type == PowerType::Ac2Phase {
                connector.power_type = PowerType::Ac1Phase;
            }
        }
    }
    written.evses.retain(|evse| !evse.connectors.is_empty());
    for degrees in [&mut written.coordinates.latitude, &mut written.coordinates.longitude] {
        let decimals = degrees.split_once('.').unwrap().1.len();
        degrees.push_str(&"0".repeat(6 - decimals));
    }
    written
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_location(published in generate::published()) {
        let written = to_wire::location(&ours(), &published);
        let read = over_the_wire(&LOCATION_221, &written);
        same_place(&published, &from_wire::location::location(&tenant(), &read).unwrap());
        let new = over_the_wire(&LOCATION_230, &bridge::location::location_up(written.clone()));
        prop_assert_eq!(&bridge::location::location_down(new), &written);
        let old = over_the_wire(&LOCATION_211, &from_v221::location(written.clone()));
        let back = into_v221::location(old, &owner());
        prop_assert_eq!(back.address, clip(&written.address, 45));
        let back = into_v221::location(from_v221::location(written.clone()), &owner());
        prop_assert_eq!(WireLocation { address: written.address.clone(), ..back }, as_in_211(written));
    }

    #[test]
    fn any_tariff(tariff in generate::tariff(TaxIncluded::No)) {
        let written = to_wire::tariff::tariff(&ours(), &tariff);
        let read = over_the_wire(&TARIFF_221, &written);
        prop_assert_eq!(&from_wire::tariff::tariff(&tenant(), &read).unwrap(), &tariff);
        let new = over_the_wire(&TARIFF_230, &bridge::tariff_up(written.clone()));
        prop_assert_eq!(Some(Said::New(new.clone())), Dialect::V230.tariff(&ours(), &tariff));
        prop_assert_eq!(&bridge::tariff_down(new), &written);
        if let Some(old) = from_v221::tariff(written.clone()) {
            let back = into_v221::tariff(over_the_wire(&TARIFF_211, &old), &owner());
            prop_assert_eq!(from_v221::tariff(back).unwrap(), old);
        } else {
            let restrictions = || written.elements.iter().map(|of| of.restrictions.as_ref());
            let reserves = |of: Option<&v221::tariff::TariffRestrictions>| of.is_some_and(|r| r.reservation.is_some());
            let by_current = |of: &v221::tariff::TariffRestrictions| of.min_current.is_some() || of.max_current.is_some();
            prop_assert!(restrictions().all(reserves) || restrictions().flatten().any(by_current));
        }
    }

    #[test]
    fn any_tariff_with_taxes_in_its_prices(tariff in generate::tariff(TaxIncluded::Yes)) {
        let written = over_the_wire(&TARIFF_221, &to_wire::tariff::tariff(&ours(), &tariff));
        // Six decimals of the price without taxes: the price with them is the same to five.
        let components = |tariff: &ringmain_domain::tariff::Tariff| -> Vec<_> {
            tariff.elements.iter().flat_map(|element| element.components.clone()).collect()
        };
        let read = from_wire::tariff::tariff(&tenant(), &written).unwrap();
        for (net, gross) in components(&read).iter().zip(components(&tariff)) {
            let rate = Decimal::ONE + gross.tax_percent.unwrap_or_default() / Decimal::ONE_HUNDRED;
            prop_assert!((net.price * rate - gross.price).abs() < Decimal::new(1, 5), "{net:?} {gross:?}");
        }
        // 2.3.0 says that taxes are in them, and nothing is lost.
        let Some(Said::New(new)) = Dialect::V230.tariff(&ours(), &tariff) else { panic!() };
        let new = over_the_wire(&TARIFF_230, &new);
        prop_assert_eq!(new.tax_included, v230::TaxIncluded::Yes);
        let said = new.elements.iter().flat_map(|element| &element.price_components);
        let said: Vec<_> = said.map(|of| (of.price.0, of.vat.map(|vat| vat.0))).collect();
        let own: Vec<_> = components(&tariff).iter().map(|of| (of.price, of.tax_percent)).collect();
        prop_assert_eq!(said, own);
    }

    #[test]
    fn any_session(from in generate::session()) {
        let written = to_wire::session(&ours(), &from);
        let read = over_the_wire(&SESSION_221, &written);
        let read = from_wire::session::session(&read).unwrap();
        let session = &from.session;
        prop_assert_eq!(&read.owner, &us());
        prop_assert_eq!(&*read.id, session.id.to_string());
        prop_assert_eq!(Some(&read.contract), session.contract.as_deref());
        prop_assert_eq!((read.started_at, read.ended_at, read.energy), (session.started_at, session.ended_at, session.energy));
        prop_assert_eq!(&*read.place[0], from.location_id.as_str());
        prop_assert_eq!((read.cost, read.updated_at), (session.cost, from.updated_at));
        prop_assert_eq!(read.status == WireStatus::Active, session.status == SessionStatus::Active);
        let new = over_the_wire(&SESSION_230, &bridge::session_up(written.clone()));
        prop_assert_eq!(&bridge::session_down(new), &written);
        let Some(Said::Old(old)) = Dialect::V211.session(&ours(), &from) else { panic!() };
        let old: v211::Session = over_the_wire(&SESSION_211, &old);
        prop_assert_eq!(old.total_cost.map(|cost| cost.0), session.cost.map(|cost| cost.excl_tax));
        prop_assert_eq!(old.auth_id, written.cdr_token.contract_id);
        prop_assert!(old.location.evses.iter().all(|evse| evse.uid == written.evse_uid));
    }

    #[test]
    fn any_bill((from, tariff) in generate::cdr()) {
        let written = to_wire::cdr::cdr(&ours(), &from, std::slice::from_ref(&tariff));
        for period in &written.charging_periods {
            prop_assert_eq!(period.tariff_id.as_ref().map(|id| id.as_str()), Some(tariff.id.as_str()));
            prop_assert!(!period.dimensions.iter().any(|of| of.kind.is_of_sessions_only()));
        }
        let read = over_the_wire(&CDR_221, &written);
        let read = from_wire::cdr::cdr(&tenant(), &read).unwrap();
        let cdr = &from.cdr;
        prop_assert_eq!((&*read.id, read.session_id.as_deref()), (&*cdr.id.to_string(), Some(&*cdr.session_id.to_string())));
        prop_assert_eq!(Some(&read.contract), cdr.contract.as_deref());
        prop_assert_eq!((read.started_at, read.ended_at, read.energy), (cdr.started_at, cdr.ended_at, cdr.energy));
        prop_assert_eq!(&read.segments, &cdr.segments);
        prop_assert_eq!(Some(read.cost), cdr.breakdown.as_ref().map(|breakdown| breakdown.total));
        let credits = cdr.credits.map(|id| id.to_string().into_boxed_str());
        prop_assert_eq!(read.credits, credits);
        prop_assert_eq!(&read.tariffs, std::slice::from_ref(&tariff));
        prop_assert!(read.signed_values.iter().eq(cdr.signed_values.iter().map(|signed| &signed.data)));
        let new = over_the_wire(&CDR_230, &bridge::cdr_up(written.clone()));
        prop_assert_eq!(&bridge::cdr_down(new), &written);
        match Dialect::V211.cdr(&ours(), &from) {
            Ok(old) => {
                let Said::Old(old) = old else { panic!() };
                let old: v211::Cdr = over_the_wire(&CDR_211, &old);
                prop_assert_eq!(old.total_cost, written.total_cost.excl_vat);
            }
            Err(Unsayable(_)) => prop_assert_eq!(written.credit, Some(true)),
        }
    }

    #[test]
    fn any_token_of_another_company(contract in generate::contract(), valid: bool, rule in 0_usize..4) {
        let whitelist = WhitelistType::ALL[rule];
        let token = v221::token::Token {
            country_code: (&*contract.party.country_code).into(),
            party_id: (&*contract.party.party_id).into(),
            uid: (&*contract.uid).into(),
            kind: TokenType::from(&*contract.kind),
            contract_id: (&*contract.contract_id).into(),
            visual_number: None,
            issuer: "Company".to_owned(),
            group_id: Some("G1".into()),
            valid,
            whitelist,
            language: Some("nl".to_owned()),
            default_profile_type: None,
            energy_contract: None,
            last_updated: ringmain_roaming::ocpi::values::DateTime(at(3)),
        };
        let read = over_the_wire(&TOKEN_221, &token);
        over_the_wire(&TOKEN_230, &token);
        let read = from_wire::token::token(&read).unwrap();
        prop_assert_eq!((&read.party, &read.uid, &read.kind), (&contract.party, &contract.uid, &contract.kind));
        prop_assert_eq!((&read.contract_id, read.valid), (&contract.contract_id, valid));
        prop_assert_eq!(read.whitelist.as_str().to_uppercase(), whitelist.as_str());
        prop_assert_eq!(read.group.as_ref().map(|group| group.as_str()), Some("G1"));
        let driver = Owner { country_code: token.country_code.clone(), party_id: token.party_id.clone() };
        let old = over_the_wire(&TOKEN_211, &from_v221::token(token.clone()));
        let back = into_v221::token(old, &driver);
        prop_assert_eq!((back.uid, back.contract_id, back.valid), (token.uid, token.contract_id, valid));
    }

    #[test]
    fn any_token_of_ours(uid in "[0-9A-F]{4,60}", blocked: bool, ends in proptest::option::of(-5_i64..5)) {
        let token = Token {
            tenant: tenant(),
            uid: ringmain_domain::id::TokenUid::new(&uid).unwrap(),
            kind: TokenKind::Rfid,
            group: None,
            label: Some("SECRET name of a person".into()),
            blocked,
            expires_at: ends.map(at),
            concurrent_max: None,
            updated_at: at(-9),
        };
        let written = to_wire::token::token(&ours(), &token, WhitelistType::AllowedOffline, at(0));
        prop_assert_eq!(written.is_some(), uid.len() <= 36);
        if let Some(written) = written {
            let read = over_the_wire(&TOKEN_221, &written);
            let expired = ends.is_some_and(|ends| ends <= 0);
            prop_assert_eq!(read.valid, !blocked && !expired);
            // That it expires is a change, and it is told as one.
            let changed = if expired { at(ends.unwrap()) } else { at(-9) };
            prop_assert_eq!(read.last_updated.0, changed);
            prop_assert_eq!(&*from_wire::token::token(&read).unwrap().uid, &*uid);
        }
    }
}

#[test]
fn what_a_bridge_cannot_say_is_what_its_page_lists() {
    let example = |version: &str, file: &str| -> Vec<u8> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples");
        std::fs::read(folder.join(version).join(file)).unwrap()
    };
    let location: v230::location::Location =
        reading::body(&example("2.3.0-ed2-core", "location_example.json")).unwrap();
    let mut lost = location.clone();
    assert!(!lost.parking_places.is_empty() && !lost.evses[0].parking.is_empty());
    lost.parking_places.clear();
    for evse in &mut lost.evses {
        evse.parking.clear();
    }
    assert_eq!(bridge::location::location_up(bridge::location::location_down(location)), lost);

    // Prices that include taxes: 2.10 without a rate stays, and the flag is gone.
    let tariff: v230::Tariff =
        reading::body(&example("2.3.0-ed2-core", "tariff_20_simple_north_american_inclusive.json")).unwrap();
    assert_eq!(tariff.tax_included, v230::TaxIncluded::Yes);
    let back = bridge::tariff_up(bridge::tariff_down(tariff.clone()));
    assert_eq!(back, v230::Tariff { tax_included: v230::TaxIncluded::No, ..tariff });

    // The names of taxes go, their sum stays.
    let two: v230::Price = reading::body(
        br#"{"before_taxes": 10, "taxes": [{"name": "GST", "amount": 0.5}, {"name": "QST", "percentage": 9.975, "amount": 1}]}"#,
    )
    .unwrap();
    let down = bridge::price_down(&two);
    assert_eq!(down.incl_vat.unwrap().0, Decimal::new(115, 1));
    let up = bridge::price_up(down);
    assert_eq!((up.taxes.len(), &*up.taxes[0].name, up.taxes[0].amount.0), (1, "VAT", Decimal::new(15, 1)));

    // A hub is a role here and a field there.
    let text = br#"{"token": "t", "url": "https://hub.example/versions", "hub_party_id": "NLHUB", "roles": [
        {"role": "CPO", "party_id": "AAA", "country_code": "NL", "business_details": {"name": "A"}},
        {"role": "EMSP", "party_id": "BBB", "country_code": "NL", "business_details": {"name": "B"}}]}"#;
    let hub: v230::Credentials = reading::body(text).unwrap();
    let down = bridge::credentials_down(hub, "Hub");
    let roles: Vec<_> =
        down.roles.iter().map(|r| format!("{} {}{}", r.role, r.country_code, r.party_id)).collect();
    assert_eq!(roles, ["HUB NLHUB"]);
    let up = bridge::credentials_up(down);
    assert_eq!((up.hub_party_id.unwrap().as_str(), up.roles.len()), ("NLHUB", 0));
}
