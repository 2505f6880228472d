//! Each refusal with its reason, and what must not be refused.

use super::rule::{AccessWindow, Admitted};
use super::*;
use crate::id::TenantId;
use crate::time::local::{TimeOfDay, Weekday};
use crate::token::TokenKind;

/// 2026-03-01T08:00:00Z, a Sunday.
const NOW: Timestamp = Timestamp::from_millis(1_772_352_000_000);
const POLICY: TokenPolicy = TokenPolicy { unknown: UnknownTokens::Reject, concurrent_max: 1 };

fn uid(text: &str) -> TokenUid {
    TokenUid::new(text).unwrap()
}

fn presented() -> IdToken {
    IdToken { uid: uid("a1"), kind: TokenKind::Rfid }
}

fn station(id: &str) -> StationId {
    StationId::new(id).unwrap()
}

fn transaction(id: &str) -> TransactionId {
    TransactionId::new(id).unwrap()
}

fn token() -> Token {
    Token {
        tenant: TenantId::default_tenant(),
        uid: uid("A1"),
        kind: TokenKind::Rfid,
        group: Some(uid("Fleet")),
        label: None,
        blocked: false,
        expires_at: None,
        concurrent_max: None,
        updated_at: NOW,
    }
}

fn group() -> TokenGroup {
    TokenGroup {
        tenant: TenantId::default_tenant(),
        id: uid("FLEET"),
        name: "Fleet".into(),
        blocked: false,
        expires_at: None,
        concurrent_max: None,
        updated_at: NOW,
    }
}

fn standing() -> TokenStanding {
    TokenStanding { group: Some(group()), ..token().into() }
}

/// A charge that was let in an hour ago.
fn charge(at: &str, id: &str, evse: u32) -> Charge {
    Charge {
        station: station(at),
        transaction: transaction(id),
        evse: Some(EvseId(evse)),
        started_at: NOW.plus_secs(-3_600),
        heard_at: NOW.plus_secs(-60),
        authorization: Some(Authorization::Accepted),
        roaming: false,
    }
}

fn charging(charges: &[Charge]) -> TokenStanding {
    TokenStanding { charges: charges.to_vec(), ..standing() }
}

fn start(id: &str, evse: u32) -> Purpose {
    Purpose::Charge { transactions: vec![transaction(id)], evse: Some(EvseId(evse)), starts: true }
}

fn told(standing: &TokenStanding, policy: TokenPolicy, purpose: Purpose) -> &'static str {
    let here = station("CS-1");
    let occasion = Occasion { station: &here, at: NOW, purpose };
    decide(&presented(), standing, &policy, &occasion, NOW).authorization.as_str()
}

#[test]
fn each_flaw_of_a_token_has_its_reason() {
    let ends = |at: i64| Some(Timestamp::from_millis(NOW.as_millis() + at));
    let of = |token: Token, group: TokenGroup| TokenStanding { group: Some(group), ..token.into() };
    for (standing, expect) in [
        (TokenStanding::default(), "unknown"),
        (standing(), "accepted"),
        (of(Token { blocked: true, ..token() }, TokenGroup { blocked: true, ..group() }), "blocked"),
        (of(Token { expires_at: ends(0), ..token() }, group()), "expired"),
        (of(Token { expires_at: ends(1), ..token() }, group()), "accepted"),
        (of(token(), TokenGroup { blocked: true, ..group() }), "group_blocked"),
        (of(token(), TokenGroup { expires_at: ends(0), ..group() }), "group_expired"),
    ] {
        assert_eq!(told(&standing, POLICY, Purpose::Ask), expect);
    }
    let generous = TokenPolicy { unknown: UnknownTokens::Accept, ..POLICY };
    assert_eq!(told(&TokenStanding::default(), generous, Purpose::Ask), "accepted");
}

#[test]
fn the_answer_lasts_as_long_as_token_and_group() {
    let (early, late) = (NOW.plus_secs(60), NOW.plus_secs(120));
    let standing = TokenStanding {
        group: Some(TokenGroup { expires_at: Some(early), ..group() }),
        ..Token { expires_at: Some(late), ..token() }.into()
    };
    let here = station("CS-1");
    let occasion = Occasion { station: &here, at: NOW, purpose: Purpose::Ask };
    let verdict = decide(&presented(), &standing, &POLICY, &occasion, NOW);
    assert_eq!((verdict.expires_at, verdict.group), (Some(early), Some(uid("Fleet"))));
}

#[test]
fn f26_a_token_that_charges_elsewhere_is_refused() {
    let elsewhere = charging(&[charge("CS-2", "T-9", 1)]);
    for purpose in [Purpose::Ask, start("T-1", 1)] {
        assert_eq!(told(&elsewhere, POLICY, purpose), "concurrent_transaction");
    }
    assert_eq!(told(&elsewhere, POLICY, Purpose::Stop), "accepted", "whoever stops is not asked");
    let another_evse = charging(&[charge("CS-1", "T-9", 2)]);
    assert_eq!(told(&another_evse, POLICY, Purpose::Ask), "accepted", "perhaps it comes to stop");
    assert_eq!(told(&another_evse, POLICY, start("T-1", 1)), "concurrent_transaction");
}

#[test]
fn a_limit_is_the_tokens_else_the_groups_else_the_installations() {
    let with = |own: Option<u32>, groups: Option<u32>, max: u32| {
        let standing = TokenStanding {
            group: Some(TokenGroup { concurrent_max: groups, ..group() }),
            charges: vec![charge("CS-2", "T-8", 1), charge("CS-3", "T-9", 1)],
            ..Token { concurrent_max: own, ..token() }.into()
        };
        told(&standing, TokenPolicy { concurrent_max: max, ..POLICY }, start("T-1", 1))
    };
    for (own, groups, max, expect) in [
        (None, None, 2, "concurrent_transaction"),
        (None, None, 3, "accepted"),
        (None, None, 0, "accepted"),
        (None, Some(3), 1, "accepted"),
        (Some(2), Some(3), 0, "concurrent_transaction"),
        (Some(0), Some(1), 1, "accepted"),
    ] {
        assert_eq!(with(own, groups, max), expect, "{own:?} {groups:?} {max}");
    }
}

#[test]
fn f26_no_transaction_counts_as_its_own_rival() {
    let own = || charge("CS-1", "T-1", 1);
    let goes_on = || Purpose::Charge { transactions: vec![transaction("T-1")], evse: None, starts: false };
    assert_eq!(told(&charging(&[own()]), POLICY, start("T-1", 1)), "accepted", "a repeat");
    assert_eq!(told(&charging(&[own()]), POLICY, goes_on()), "accepted", "a further message");
    let beside = [own(), charge("CS-2", "T-9", 1)];
    assert_eq!(told(&charging(&beside), POLICY, goes_on()), "accepted", "let in is let in");
    let refused = Charge { authorization: Some(Authorization::ConcurrentTransaction), ..own() };
    assert_eq!(
        told(&charging(std::slice::from_ref(&refused)), POLICY, start("T-1", 1)),
        "concurrent_transaction",
        "the repeat of a refused start hears the same"
    );
    assert_eq!(told(&charging(&[refused]), POLICY, goes_on()), "accepted", "later it may be let in");
}

#[test]
fn what_is_over_lost_or_later_stands_in_nobodys_way() {
    let elsewhere = || charge("CS-2", "T-9", 1);
    for (charge, why) in [
        (charge("CS-1", "T-9", 1), "the EVSE charges one vehicle, so that one is over"),
        (Charge { heard_at: NOW.plus_millis(-STALE_AFTER_MS - 1), ..elsewhere() }, "nobody heard of it"),
        (Charge { started_at: NOW.plus_secs(1), ..elsewhere() }, "it started later than this one"),
        (Charge { authorization: Some(Authorization::Unknown), ..elsewhere() }, "it was refused itself"),
    ] {
        assert_eq!(told(&charging(&[charge]), POLICY, start("T-1", 1)), "accepted", "{why}");
    }
}

#[test]
fn a_location_lets_in_whom_its_rules_name() {
    let check = |who: Admitted, expect| {
        let rules = vec![AccessRule { who, windows: Vec::new() }];
        assert_eq!(told(&TokenStanding { rules, ..standing() }, POLICY, start("T-1", 1)), expect);
    };
    check(Admitted::Everyone, "accepted");
    check(Admitted::Groups(vec![uid("FLEET")]), "accepted");
    check(Admitted::Groups(vec![uid("OTHERS")]), "not_at_this_location");
    check(Admitted::Tokens(vec![uid("A1")]), "accepted");
    check(Admitted::Tokens(vec![uid("A2")]), "not_at_this_location");
    check(Admitted::Tokens(Vec::new()), "not_at_this_location");
}

#[test]
fn a_window_is_one_of_the_locations_clock() {
    let at = |text: &str| TimeOfDay::parse(text).unwrap();
    let check = |weekdays: &[Weekday], from: &str, to: &str, expect| {
        let window = AccessWindow { weekdays: weekdays.to_vec(), from: at(from), to: at(to) };
        let rules = vec![AccessRule { who: Admitted::Everyone, windows: vec![window] }];
        let time_zone = Some("Europe/Berlin".into());
        let told = told(&TokenStanding { rules, time_zone, ..standing() }, POLICY, Purpose::Ask);
        assert_eq!(told == "accepted", expect, "{weekdays:?} {from} {to}");
    };
    // It is nine on Sunday morning in Berlin.
    check(&[], "09:00", "09:01", true);
    check(&[], "08:00", "09:00", false);
    check(&[Weekday::Sunday], "00:00", "00:00", true);
    check(&[Weekday::Monday], "00:00", "00:00", false);
    check(&[Weekday::Saturday], "22:00", "10:00", true);
    check(&[Weekday::Sunday], "22:00", "10:00", false);
}
