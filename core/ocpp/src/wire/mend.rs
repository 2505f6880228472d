//! Mends a payload that does not fit its type, as text, at the place where the parser stopped; place: report, tolerant reading only.
//!
//! The same fault is mended in every item of the lists on its path at once, so that the number of passes is bounded by the kinds of fault
//! and not by the number of samples. Rows 11 to 14 of the field quirks. Never: a guess at a number or at a name; what has no clear meaning
//! is left as it is, and the fault stands.

use std::collections::BTreeSet;
use std::fmt;

use ringmain_domain::time::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Class, Misfit, Tolerance};
use crate::frame::write::push_text;
use crate::quirk::{QuirkKind, Quirks};

/// The digits of a second's fraction that are read; more are cut.
const FRACTION_DIGITS_MAX: usize = 9;

/// What becomes of a value.
enum Mended {
    /// Another text.
    Text(String),
    /// It is left out, as member or as item.
    Gone,
}

/// Says what becomes of a value; None: nothing.
type Leaf<'a> = dyn FnMut(&str) -> Option<Mended> + 'a;

/// The text with the misfit mended, and its siblings with it; None when it has no clear meaning. Of a message about a transaction the
/// part that has none is left out, if the rest can stand without it.
pub(super) fn mend(
    text: &str,
    misfit: &Misfit,
    tolerance: &Tolerance,
    quirks: &mut Quirks,
) -> Option<String> {
    let steps: Vec<&str> = misfit.pointer.split('/').skip(1).collect();
    // A message about a transaction may come again, and must then be the same: it gets an instant that no set clock shows, always the same
    // one for the same text. The domain repairs it, once the message has its key.
    let instead = |raw: &str| if tolerance.transaction { unset(raw) } else { tolerance.received_at };
    let mut leaf = |raw: &str| -> Option<Mended> {
        let (mended, kind) = match misfit.class {
            Class::Time => time(raw, instead(raw)),
            Class::Type => value(raw, misfit.reason.ends_with("string"), tolerance.transaction),
            Class::Missing if misfit.reason.contains("`timestamp`") => missing_time(raw, instead("")),
            Class::Repeated if tolerance.transaction => last_of_each(raw),
            Class::Missing
            | Class::Repeated
            | Class::Format
            | Class::Unknown
            | Class::ListLength
            | Class::Value
            | Class::Structure => None,
        }?;
        quirks.add(kind, &misfit.pointer);
        Some(Mended::Text(mended))
    };
    if misfit.class == Class::Repeated {
        // The parser may name the member or the object that holds it.
        let parent = steps.get(..steps.len().saturating_sub(1)).unwrap_or_default();
        return rewrite(text, &steps, &mut leaf).or_else(|| rewrite(text, parent, &mut leaf));
    }
    if let Some(mended) = rewrite(text, &steps, &mut leaf) {
        return Some(mended);
    }
    let left_out = if tolerance.transaction { without(text, misfit, &steps) } else { None };
    left_out.inspect(|_| quirks.add(QuirkKind::MemberUnreadable, &misfit.pointer))
}

/// The text without the misfit: without the member that cannot be read, or without the items that lack a member they must have.
fn without(text: &str, misfit: &Misfit, steps: &[&str]) -> Option<String> {
    if steps.is_empty() {
        return None;
    }
    if misfit.class == Class::Missing {
        let name = misfit.reason.split('`').nth(1)?;
        let mut lacks = |raw: &str| {
            let members: Members<'_> = serde_json::from_str(raw).ok()?;
            let has = members.0.iter().any(|(member, _)| member == name);
            (!has).then_some(Mended::Gone)
        };
        // Only an item can go: the list stands without it.
        let in_list = steps.last().is_some_and(|step| step.bytes().all(|b| b.is_ascii_digit()));
        return if in_list { rewrite(text, steps, &mut lacks) } else { None };
    }
    let offending = at(text, steps)?;
    let is_number = offending.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    let mut equals = |raw: &str| {
        // What could be mended has been, so a sibling of the same wrong type is as bad; a number may be fine where another is not.
        let same = if is_number { raw == offending } else { raw.bytes().next() == offending.bytes().next() };
        same.then_some(Mended::Gone)
    };
    rewrite(text, steps, &mut equals)
}

/// The value at `steps`, positions taken as they are.
fn at<'a>(text: &'a str, steps: &[&str]) -> Option<&'a str> {
    let Some((step, rest)) = steps.split_first() else { return Some(text) };
    let inner = if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        *items.get(step.parse::<usize>().ok()?)?
    } else {
        let members: Members<'a> = serde_json::from_str(text).ok()?;
        members.0.iter().find(|(name, _)| name == step)?.1
    };
    at(inner.get(), rest)
}

/// Copies a JSON text with the values at `steps` mended; a step that is a number stands for every item. None: nothing was changed.
fn rewrite(text: &str, steps: &[&str], leaf: &mut Leaf<'_>) -> Option<String> {
    match rewrite_value(text, steps, leaf)? {
        Mended::Text(text) => Some(text),
        Mended::Gone => None,
    }
}

fn rewrite_value(text: &str, steps: &[&str], leaf: &mut Leaf<'_>) -> Option<Mended> {
    let Some((step, rest)) = steps.split_first() else { return leaf(text) };
    let mut changed = false;
    let mut parts: Vec<String> = Vec::new();
    let (open, close) = if text.starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        for item in items {
            changed |= push(&mut parts, "", item.get(), Some(rest), leaf);
        }
        ('[', ']')
    } else {
        let members: Members<'_> = serde_json::from_str(text).ok()?;
        for (name, value) in &members.0 {
            let mut head = String::with_capacity(name.len() + 3);
            push_text(&mut head, name);
            head.push(':');
            changed |= push(&mut parts, &head, value.get(), (name == step).then_some(rest), leaf);
        }
        ('{', '}')
    };
    changed.then(|| Mended::Text(format!("{open}{}{close}", parts.join(","))))
}

/// Adds an item or member, rewritten where it lies on the way. True when it was changed or left out.
fn push(
    parts: &mut Vec<String>,
    head: &str,
    text: &str,
    steps: Option<&[&str]>,
    leaf: &mut Leaf<'_>,
) -> bool {
    let mended = steps.and_then(|steps| rewrite_value(text, steps, leaf));
    match &mended {
        Some(Mended::Text(mended)) => parts.push(format!("{head}{mended}")),
        Some(Mended::Gone) => {}
        None => parts.push(format!("{head}{text}")),
    }
    mended.is_some()
}

/// The members of an object, in order, repeated ones too.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// A number as text, text as a number, a decimal as a whole number.
fn value(raw: &str, text_is_due: bool, may_round: bool) -> Option<(String, QuirkKind)> {
    match raw.as_bytes().first()? {
        b'"' if !text_is_due => {
            let inner: String = serde_json::from_str(raw).ok()?;
            let inner = inner.trim();
            let is_value = matches!(inner, "true" | "false")
                || serde_json::from_str::<serde_json::Number>(inner).is_ok();
            is_value.then(|| (inner.to_owned(), QuirkKind::TextForNumber))
        }
        b'-' | b'0'..=b'9' | b't' | b'f' if text_is_due => {
            Some((format!("\"{raw}\""), QuirkKind::NumberForText))
        }
        b'-' | b'0'..=b'9' => {
            let number =
                Decimal::from_str_exact(raw).or_else(|_exponent| Decimal::from_scientific(raw)).ok()?;
            let whole = number.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
            let clear = may_round || whole == number;
            let mended = whole.normalize().to_string();
            (clear && mended != raw).then_some((mended, QuirkKind::DecimalForWhole))
        }
        _ => None,
    }
}

/// An instant in another spelling, or ours in its stead. None when it is fine as it is: a sibling was not.
fn time(raw: &str, instead: Timestamp) -> Option<(String, QuirkKind)> {
    let text: String = serde_json::from_str(raw).unwrap_or_default();
    if Timestamp::parse(&text).is_ok() {
        return None;
    }
    let (spelling, kind) = respell(text.trim());
    if Timestamp::parse(&spelling).is_ok() {
        return Some((format!("\"{spelling}\""), kind));
    }
    Some((format!("\"{instead}\""), QuirkKind::TimeUnreadable))
}

/// An instant before clocks were set, for a text that is none (FNV-1a: nothing depends on it but that texts are told apart).
fn unset(text: &str) -> Timestamp {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let millis = i64::try_from(hash >> 1).unwrap_or_default();
    Timestamp::from_millis(millis % Timestamp::CLOCKS_SET.as_millis())
}

/// `2026-03-01 08:00:00.1234567891+02` as `2026-03-01T08:00:00.123456789+02:00`; without a zone it is UTC.
fn respell(text: &str) -> (String, QuirkKind) {
    let (date, clock) = match text.split_once(['T', 't', ' ']) {
        Some(halves) => halves,
        None => return (text.to_owned(), QuirkKind::TimeSpelling),
    };
    let zone_at = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at_checked(zone_at).unwrap_or((clock, ""));
    let clock = clock.trim();
    let (seconds, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let fraction: String = fraction.chars().take(FRACTION_DIGITS_MAX).collect();
    let dot = if fraction.is_empty() { "" } else { "." };
    let (zone, kind) = match zone {
        "" => ("Z".to_owned(), QuirkKind::TimeWithoutZone),
        "Z" | "z" => ("Z".to_owned(), QuirkKind::TimeSpelling),
        offset => (offset_of(offset), QuirkKind::TimeSpelling),
    };
    (format!("{date}T{seconds}{dot}{fraction}{zone}"), kind)
}

/// `+2`, `+02`, `+0200` and `+02:00` as `+02:00`.
fn offset_of(offset: &str) -> String {
    let (sign, rest) = offset.split_at_checked(1).unwrap_or((offset, ""));
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) = digits.split_at_checked(2).unwrap_or((&digits, ""));
    format!("{sign}{hours:0>2}:{minutes:0<2}")
}

/// An object that lacks its timestamp, with ours.
fn missing_time(raw: &str, instead: Timestamp) -> Option<(String, QuirkKind)> {
    let members: Members<'_> = serde_json::from_str(raw).ok()?;
    if members.0.iter().any(|(name, _)| name == "timestamp") {
        return None;
    }
    let rest = raw.strip_prefix('{')?;
    let comma = if members.0.is_empty() { "" } else { "," };
    Some((format!("{{\"timestamp\":\"{instead}\"{comma}{rest}"), QuirkKind::TimeUnreadable))
}

/// An object with the last of its repeated members.
fn last_of_each(raw: &str) -> Option<(String, QuirkKind)> {
    let members: Members<'_> = serde_json::from_str(raw).ok()?;
    let mut seen = BTreeSet::new();
    let mut kept: Vec<String> = Vec::with_capacity(members.0.len());
    for (name, value) in members.0.iter().rev() {
        if seen.insert(name) {
            let mut member = String::with_capacity(name.len() + value.get().len() + 3);
            push_text(&mut member, name);
            member.push(':');
            member.push_str(value.get());
            kept.push(member);
        }
    }
    kept.reverse();
    (kept.len() < members.0.len()).then(|| (format!("{{{}}}", kept.join(",")), QuirkKind::RepeatedMember))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_772_352_000_000);

    #[test]
    fn instants_are_respelled_and_never_invented() {
        use QuirkKind::{TimeSpelling, TimeUnreadable, TimeWithoutZone};
        for (sent, read, kind) in [
            ("2026-03-01T08:00:00", "2026-03-01T08:00:00Z", TimeWithoutZone),
            ("2026-03-01 08:00:00", "2026-03-01T08:00:00Z", TimeWithoutZone),
            ("2026-03-01T08:00:00.5", "2026-03-01T08:00:00.5Z", TimeWithoutZone),
            ("2026-03-01T08:00:00.12345678912Z", "2026-03-01T08:00:00.123456789Z", TimeSpelling),
            ("2026-03-01T08:00:00+2", "2026-03-01T08:00:00+02:00", TimeSpelling),
            ("2026-03-01T08:00:00 +0530", "2026-03-01T08:00:00+05:30", TimeSpelling),
            ("2026-00-01T08:00:00Z", "2026-03-01T08:00:00.000Z", TimeUnreadable),
            ("222222017-01-01T00:00:00Z", "2026-03-01T08:00:00.000Z", TimeUnreadable),
            ("yesterday", "2026-03-01T08:00:00.000Z", TimeUnreadable),
            ("", "2026-03-01T08:00:00.000Z", TimeUnreadable),
        ] {
            assert_eq!(time(&format!("\"{sent}\""), NOW), Some((format!("\"{read}\""), kind)), "{sent}");
        }
        assert_eq!(time("1772352000", NOW).unwrap().1, TimeUnreadable);
        for fine in [
            "2026-03-01T08:00:00Z",
            "2026-03-01T10:00:00+02:00",
            "2026-12-31T23:59:60Z",
            "1970-01-01T00:00:00Z",
        ] {
            assert_eq!(time(&format!("\"{fine}\""), NOW), None, "{fine}");
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        use QuirkKind::{DecimalForWhole, NumberForText, TextForNumber};
        for (raw, text_is_due, may_round, expect) in [
            ("604.2130", true, false, Some(("\"604.2130\"", NumberForText))),
            ("true", true, false, Some(("\"true\"", NumberForText))),
            ("\"604.2130\"", false, false, Some(("604.2130", TextForNumber))),
            ("\" 7 \"", false, false, Some(("7", TextForNumber))),
            ("\"true\"", false, false, Some(("true", TextForNumber))),
            ("\"seven\"", false, true, None),
            ("1.0", false, false, Some(("1", DecimalForWhole))),
            ("1e3", false, false, Some(("1000", DecimalForWhole))),
            ("12.5", false, false, None),
            ("12.5", false, true, Some(("13", DecimalForWhole))),
            ("-12.5", false, true, Some(("-13", DecimalForWhole))),
            ("12", false, true, None),
            ("null", true, true, None),
            ("{}", true, true, None),
        ] {
            let expect = expect.map(|(text, kind)| (text.to_owned(), kind));
            assert_eq!(value(raw, text_is_due, may_round), expect, "{raw}");
        }
    }

    #[test]
    fn a_leaf_is_changed_in_every_item_and_all_else_is_copied() {
        let text = r#"{"x":1.500,"m":[{"v":1,"w":"\u00fc"},{"v":2},{"w":3}],"v":9}"#;
        let mut double = |raw: &str| Some(Mended::Text(format!("[{raw}]")));
        assert_eq!(
            rewrite(text, &["m", "0", "v"], &mut double).unwrap(),
            r#"{"x":1.500,"m":[{"v":[1],"w":"\u00fc"},{"v":[2]},{"w":3}],"v":9}"#
        );
        assert_eq!(rewrite(text, &["absent"], &mut double), None);
        assert_eq!(rewrite(text, &["x", "deeper"], &mut double), None);
    }

    #[test]
    fn members_and_items_go_and_the_rest_stays() {
        let text = r#"{"m":[{"v":1,"w":2},{"v":3},4],"v":9}"#;
        let mut gone = |raw: &str| (raw == "1" || raw == "4").then_some(Mended::Gone);
        assert_eq!(rewrite(text, &["m", "0", "v"], &mut gone).unwrap(), r#"{"m":[{"w":2},{"v":3},4],"v":9}"#);
        assert_eq!(rewrite(text, &["m", "0"], &mut gone).unwrap(), r#"{"m":[{"v":1,"w":2},{"v":3}],"v":9}"#);
        assert_eq!(at(text, &["m", "1", "v"]), Some("3"));
        assert_eq!(at(text, &["m", "7"]), None);
    }

    #[test]
    fn of_repeated_members_the_last_counts() {
        assert_eq!(last_of_each(r#"{"a":1,"b":2,"a":3}"#).unwrap().0, r#"{"b":2,"a":3}"#);
        assert_eq!(last_of_each(r#"{"a":1}"#), None);
    }
}
