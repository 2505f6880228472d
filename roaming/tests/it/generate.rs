//! Any value of the domain that partners may see, for properties.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use ringmain_domain::cdr::Cdr;
use ringmain_domain::hardware::{ConnectorHardware, Current, EvseHardware, Plug};
use ringmain_domain::id::{
    CdrId, ConnectorId, EvseId, LocationId, SessionId, StationId, TariffId, TokenUid, TransactionId,
};
use ringmain_domain::location::ConnectorStatus;
use ringmain_domain::location::Location;
use ringmain_domain::meter::SignedValue;
use ringmain_domain::money::{Currency, Price};
use ringmain_domain::party::{Party, Role};
use ringmain_domain::roaming::{AuthMethod, Contract};
use ringmain_domain::segment::{Activity, Segment, Span};
use ringmain_domain::session::{Session, SessionStatus};
use ringmain_domain::tariff::pricing::price;
use ringmain_domain::tariff::pricing::usage::Usage;
use ringmain_domain::tariff::restriction::{ReservationKind, Restrictions};
use ringmain_domain::tariff::timeline::Timeline;
use ringmain_domain::tariff::{Dimension, PriceComponent, PriceLimit, Tariff, TariffElement, TaxIncluded};
use ringmain_domain::time::Timestamp;
use ringmain_domain::time::local::{TimeOfDay, Weekday, Zone};
use ringmain_domain::token::{IdToken, TokenKind};
use ringmain_domain::unit::WattHours;
use ringmain_store::partners::drivers::{PartnerCdr, PartnerSession};
use ringmain_store::partners::lists::{PublishedConnector, PublishedLocation};
use rust_decimal::Decimal;

use crate::make::{at, tenant};
use crate::wire::session as plain_session;

fn instant() -> impl Strategy<Value = Timestamp> {
    (1_600_000_000_000_i64..1_900_000_000_000).prop_map(Timestamp::from_millis)
}

fn amount() -> impl Strategy<Value = Decimal> {
    (0_i64..1_000_000, 0_u32..5).prop_map(|(digits, scale)| Decimal::new(digits, scale))
}

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9-]{1,36}"
}

/// Text of people: letters of any script, longer than any field.
fn text() -> impl Strategy<Value = Box<str>> {
    "[A-Za-zäöüßéλ漢0-9 ,.'-]{1,300}".prop_map(Into::into)
}

pub(crate) fn party() -> impl Strategy<Value = Party> {
    ("[A-Z]{2}", "[A-Z0-9]{3}").prop_map(|(country_code, party_id)| Party {
        country_code: country_code.into(),
        party_id: party_id.into(),
        role: Role::Emsp,
    })
}

pub(crate) fn location() -> impl Strategy<Value = Location> {
    let words = (text(), text(), text(), option::of(text()), "[A-Z]{3}");
    let zone = prop_oneof![Just("Europe/Amsterdam"), Just("UTC"), Just("America/St_Johns")];
    let place = (-90_000_000_i64..90_000_000, -180_000_000_i64..180_000_000, 0_u32..3);
    (id(), words, place, zone, instant()).prop_map(|(id, words, (north, east, coarse), zone, updated_at)| {
        let degrees = |micro: i64| {
            let degrees = Decimal::new(micro, 6).round_dp(6 - coarse * 2).normalize();
            degrees.to_string().into()
        };
        let (name, address, city, postal_code, country) = words;
        Location {
            tenant: tenant(),
            id: LocationId::new(&id).unwrap(),
            name,
            address,
            city,
            postal_code,
            country: country.into(),
            latitude: degrees(north),
            longitude: degrees(east),
            time_zone: zone.into(),
            updated_at,
        }
    })
}

fn connector_status() -> impl Strategy<Value = ConnectorStatus> {
    use ConnectorStatus as C;
    prop_oneof![
        Just(C::Available),
        Just(C::Occupied),
        Just(C::Preparing),
        Just(C::Charging),
        Just(C::Reserved),
        Just(C::Unavailable),
        Just(C::Faulted),
    ]
}

fn hardware() -> impl Strategy<Value = ConnectorHardware> {
    let plugs = vec![
        Plug::Type1,
        Plug::Type2,
        Plug::Ccs2,
        Plug::Chademo,
        Plug::Nacs,
        Plug::Mcs,
        Plug::Schuko,
        Plug::CeeRed32,
    ];
    let plug = proptest::sample::select(plugs);
    let current = proptest::sample::select(vec![Current::Ac1, Current::Ac2, Current::Ac3, Current::Dc]);
    let ratings = (1_u32..=1_500, 1_u32..=3_000, option::of(1_u32..=4_500_000));
    (plug, any::<bool>(), current, ratings).prop_map(|(plug, has_cable, current, (volts, amperes, watts))| {
        ConnectorHardware {
            connector: ConnectorId(1),
            plug,
            has_cable,
            current,
            max_voltage_v: volts,
            max_current_a: amperes,
            max_power_w: watts,
        }
    })
}

pub(crate) fn published() -> impl Strategy<Value = PublishedLocation> {
    let connector = (0_u32..3, 1_u32..4, 1_u32..3, connector_status(), any::<bool>(), any::<bool>());
    let tariff = id().prop_map(|id| TariffId::new(&id).unwrap());
    let more = (option::of(any::<bool>()), option::of(tariff), instant());
    (location(), vec((connector, more, hardware()), 0..8)).prop_map(|(location, connectors)| {
        let connector = |(
            (station, evse, number, status, maintenance, online),
            (flows, tariff, changed_at),
            hardware,
        )| {
            let hardware = ConnectorHardware { connector: ConnectorId(number), ..hardware };
            PublishedConnector {
                station: StationId::new(&format!("SECRET-{station}")).unwrap(),
                evse: EvseId(evse),
                connector: ConnectorId(number),
                status,
                maintenance,
                online,
                energy_flows: flows,
                tariff_id: tariff,
                hardware: Some((hardware, (evse > 1).then(|| format!("NL*RMN*E{evse}").into()))),
                changed_at,
            }
        };
        let mut connectors: Vec<_> = connectors.into_iter().map(connector).collect();
        let key = |of: &PublishedConnector| (of.station.clone(), of.evse, of.connector);
        connectors.sort_by_key(key);
        connectors.dedup_by_key(|of| key(of));
        PublishedLocation { location, connectors, unreadable: BTreeMap::new() }
    })
}

fn restrictions() -> impl Strategy<Value = Restrictions> {
    let clock = || option::of((0_u16..24, 0_u16..60).prop_map(|(h, m)| TimeOfDay::new(h, m).unwrap()));
    let low = || option::of((0_i64..1_000).prop_map(|n| Decimal::new(n, 1)));
    let high = || option::of((1_001_i64..9_000).prop_map(|n| Decimal::new(n, 1)));
    let days = vec(proptest::sample::select(Weekday::ALL.to_vec()), 0..3);
    let numbers = (low(), high(), low(), high(), low(), high());
    let seconds = (option::of(0_u32..1_000), option::of(1_001_u32..99_999));
    let reservation = option::of(prop_oneof![
        Just(ReservationKind::Reservation),
        Just(ReservationKind::ReservationExpires)
    ]);
    (clock(), clock(), days, numbers, seconds, reservation).prop_map(
        |(start_time, end_time, days, numbers, seconds, reservation)| Restrictions {
            start_time,
            end_time: end_time.filter(|end| Some(*end) != start_time),
            start_date: None,
            end_date: None,
            days_of_week: days.into_iter().collect::<std::collections::BTreeSet<_>>().into_iter().collect(),
            min_kwh: numbers.0,
            max_kwh: numbers.1,
            min_current_a: numbers.2,
            max_current_a: numbers.3,
            min_power_kw: numbers.4,
            max_power_kw: numbers.5,
            min_duration_s: seconds.0,
            max_duration_s: seconds.1,
            reservation,
        },
    )
}

fn element() -> impl Strategy<Value = TariffElement> {
    let tax = option::of((0_i64..1_000).prop_map(|n| Decimal::new(n, 1)));
    let component = (amount(), tax, 1_u32..4_000);
    let all = vec(component, 4);
    let dimensions = proptest::sample::subsequence(Dimension::ALL.to_vec(), 1..=4);
    (dimensions, all, restrictions()).prop_map(|(dimensions, all, restrictions)| {
        let time_only = restrictions.reservation.is_some();
        let may =
            |dimension: &Dimension| !time_only || matches!(dimension, Dimension::Flat | Dimension::Time);
        let component = |(dimension, (price, tax_percent, step_size))| PriceComponent {
            dimension,
            price,
            tax_percent,
            step_size,
        };
        let mut components: Vec<_> =
            dimensions.into_iter().filter(may).zip(all.clone()).map(component).collect();
        if components.is_empty() {
            components.push(component((Dimension::Flat, all[0])));
        }
        TariffElement { components, restrictions }
    })
}

/// Tariffs that pass their own check; of their taxes as `taxes` says.
pub(crate) fn tariff(taxes: TaxIncluded) -> impl Strategy<Value = Tariff> {
    let limit = || option::of((amount(), any::<bool>()));
    let currency = prop_oneof![Just("EUR"), Just("JPY"), Just("KWD")];
    let elements = vec(element(), 1..5);
    let valid = (option::of(instant()), option::of(0_i64..1_000_000_000));
    (id(), currency, elements, limit(), limit(), valid, instant())
        .prop_map(move |(id, currency, elements, min, max, (from, length), updated_at)| {
            let limit = |(excl_tax, taxed): (Decimal, bool)| PriceLimit {
                excl_tax,
                incl_tax: taxed.then(|| excl_tax * Decimal::TWO),
            };
            let until = from.zip(length).map(|(from, length)| from.plus_millis(length + 1));
            Tariff {
                tax_included: taxes,
                min_price: min.map(limit),
                max_price: max.map(limit),
                valid_from: from,
                valid_until: until,
                ..Tariff::new(
                    tenant(),
                    TariffId::new(&id).unwrap(),
                    &id,
                    Currency::new(currency).unwrap(),
                    elements,
                    updated_at,
                )
            }
        })
        .prop_filter("possible", |tariff| tariff.check().is_ok())
}

fn segments(from: Timestamp) -> impl Strategy<Value = Vec<Segment>> {
    let activity = prop_oneof![Just(Activity::Charging), Just(Activity::Idle), Just(Activity::Reserved)];
    let one = (1_000_i64..7_200_000, 0_i64..50_000, activity, option::of((0_i64..50_000, 0_i64..50_000)));
    vec(one, 1..6).prop_map(move |all| {
        let mut start = from;
        let mut segment = |(millis, wh, activity, power): (i64, i64, Activity, Option<(i64, i64)>)| {
            let end = start.plus_millis(millis);
            let wh = if activity == Activity::Charging { wh } else { 0 };
            let power_w = power.map(|(a, b)| Span { min: a.min(b), max: a.max(b) });
            let segment = Segment { power_w, ..Segment::new(start, end, WattHours(wh), activity) };
            start = end;
            segment
        };
        all.into_iter().map(&mut segment).collect()
    })
}

pub(crate) fn contract() -> impl Strategy<Value = Contract> {
    let method = prop_oneof![Just(AuthMethod::Asked), Just(AuthMethod::Ordered), Just(AuthMethod::Whitelist)];
    let kind = prop_oneof![Just("RFID"), Just("APP_USER"), Just("OTHER"), Just("NEW_KIND")];
    (party(), id(), kind, id(), option::of(id()), method).prop_map(
        |(party, uid, kind, contract_id, reference, method)| Contract {
            party,
            uid: uid.into(),
            kind: kind.into(),
            contract_id: contract_id.into(),
            reference: reference.map(Into::into),
            method,
        },
    )
}

/// A session of a roaming driver.
pub(crate) fn session() -> impl Strategy<Value = PartnerSession> {
    let status = prop_oneof![
        Just(SessionStatus::Active),
        Just(SessionStatus::Completed),
        Just(SessionStatus::Invalid),
        Just(SessionStatus::UnderReview),
    ];
    let uid = "[0-9A-F]{8,60}";
    let figures = (0_i64..500_000, 0_i64..40_000_000, 0_i64..40_000_000, option::of((amount(), amount())));
    let place = (location(), option::of(hardware()));
    (contract(), uid, status, figures, option::of(1_u32..9), place, instant()).prop_map(
        |(contract, uid, status, (wh, charging_ms, parked_ms, cost), evse, (location, made), started_at)| {
            let ended =
                (status != SessionStatus::Active).then(|| started_at.plus_millis(charging_ms + parked_ms));
            let session = Session {
                started_at,
                ended_at: ended,
                status,
                energy: WattHours(wh),
                charging_ms,
                parked_ms,
                evse: evse.map(EvseId),
                connector: evse.map(ConnectorId),
                token: Some(IdToken { uid: TokenUid::new(&uid).unwrap(), kind: TokenKind::Rfid }),
                currency: cost.map(|_| Currency::new("EUR").unwrap()),
                cost: cost.map(|(excl_tax, more)| Price { excl_tax, incl_tax: excl_tax + more }),
                contract: Some(Box::new(contract.clone())),
                station: StationId::new("SECRET-1").unwrap(),
                ..plain_session()
            };
            let hardware = evse.zip(made).map(|(number, made)| EvseHardware {
                evse: EvseId(number),
                printed_id: Some("NL*RMN*E1".into()),
                connectors: vec![ConnectorHardware { connector: ConnectorId(number), ..made }],
            });
            PartnerSession {
                session,
                location_id: location.id.clone(),
                location: Some(location),
                hardware,
                owner: contract.party,
                updated_at: at(9),
            }
        },
    )
}

/// A bill with the tariff it was priced by.
pub(crate) fn cdr() -> impl Strategy<Value = (PartnerCdr, Tariff)> {
    let segments = instant().prop_flat_map(segments);
    let signed = vec("[ -~]{1,80}", 0..3);
    (session(), tariff(TaxIncluded::No), segments, signed, any::<bool>()).prop_map(
        |(from, tariff, segments, texts, is_credit)| {
            let tariff = Tariff { valid_from: None, valid_until: None, ..tariff };
            let PartnerSession { mut session, location, hardware, owner, .. } = from;
            let location = location.unwrap();
            let (first, last) = (segments[0], segments[segments.len() - 1]);
            session.started_at = first.from;
            session.ended_at = Some(last.to);
            let of = |activity| {
                segments.iter().filter(|s| s.activity == activity).map(Segment::millis).sum::<i64>()
            };
            let signed = |data: String| SignedValue {
                data: data.into(),
                encoding: "OCMF".into(),
                method: "".into(),
                public_key: "key".into(),
                verdict: None,
            };
            let cdr = Cdr {
                id: CdrId::derive(session.id, 0),
                session_id: SessionId::derive(
                    &tenant(),
                    &session.station,
                    &TransactionId::new("tx").unwrap(),
                ),
                revision: 0,
                tenant: tenant(),
                station: session.station.clone(),
                evse: session.evse,
                connector: session.connector,
                transaction: session.transaction.clone(),
                token: session.token.clone(),
                contract: session.contract.clone(),
                started_at: first.from,
                ended_at: last.to,
                energy: segments.iter().fold(WattHours::ZERO, |sum, one| sum.plus(one.energy)),
                charging_ms: of(Activity::Charging),
                parked_ms: of(Activity::Idle),
                meter_first_wh: None,
                meter_last_wh: None,
                breakdown: Some(price(
                    &Timeline::single(&tariff),
                    &Zone::UTC,
                    &Usage::of(first.from, &segments),
                )),
                segments,
                credits: None,
                flags: Vec::new(),
                metered: None,
                signature: None,
                signed_values: texts.into_iter().map(signed).collect(),
                created_at: at(10),
            };
            let cdr = if is_credit { cdr.credit(at(11)) } else { cdr };
            (PartnerCdr { cdr, session, location, hardware, owner }, tariff)
        },
    )
}
