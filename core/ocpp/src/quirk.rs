//! What the field does and the standard does not allow: tolerated, named, counted; place: report.
//!
//! A [`Quirk`] is one departure in one message, with its place; the kinds are a closed list, because they are metric labels and lines on
//! the station's page. Never: the mending itself (wire, translate), a decision about the station.

/// The most quirks told of one message; more are let go, the message is odd enough by then.
pub const QUIRKS_MAX: usize = 16;

/// A kind of departure. Rows are those of the table of field quirks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuirkKind {
    /// An instant without a zone: read as UTC (row 11).
    TimeWithoutZone,
    /// An instant in another spelling: blank for T, more than nine digits, a short zone (row 11).
    TimeSpelling,
    /// An instant that cannot be read, or is missing: our time of receipt was taken (row 11).
    TimeUnreadable,
    /// A text longer than the standard allows (row 12).
    TextTooLong,
    /// A word that is not in the standard's list (row 13).
    UnknownWord,
    /// A member that the standard does not have (row 13).
    UnknownMember,
    /// `null` where a member should be absent (row 21).
    NullMember,
    /// A member that is there twice: the last counts.
    RepeatedMember,
    /// A list that must not be empty (row 13).
    EmptyList,
    /// A list with more items than allowed.
    ListTooLong,
    /// A number where text is due (row 14).
    NumberForText,
    /// Text where a number or a truth value is due (row 14).
    TextForNumber,
    /// A decimal where a whole number is due: rounded.
    DecimalForWhole,
    /// A number beyond its range.
    OutOfRange,
    /// A unit that does not belong to what is measured: kept apart, never billed (row 15).
    UnitMismatch,
    /// A sample whose value is no number: left out (row 15).
    ValueUnreadable,
    /// More samples than are kept: the middle ones are left out.
    TooManySamples,
    /// A transaction without the id it should have: -1 or 0 (row 17), or one that cannot be an id.
    TransactionIdMissing,
    /// A token that cannot be one: empty, or with control characters.
    TokenUnreadable,
    /// A part of a message about a transaction that cannot be read and can be missed: left out.
    MemberUnreadable,
    /// A message that cannot be read, but says which transaction it belongs to: recorded and answered.
    Unreadable,
}

/// One departure in one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quirk {
    /// What it is.
    pub kind: QuirkKind,
    /// Where: a JSON pointer whose list positions are `*`, so that the same fault in each item is told once. Empty: the message.
    pub path: Box<str>,
}

/// Quirks of one message, each kind and place once.
#[derive(Debug, Default)]
pub(crate) struct Quirks(Vec<Quirk>);

// === impl QuirkKind ===

impl QuirkKind {
    /// All kinds.
    pub const ALL: [Self; 21] = [
        Self::TimeWithoutZone,
        Self::TimeSpelling,
        Self::TimeUnreadable,
        Self::TextTooLong,
        Self::UnknownWord,
        Self::UnknownMember,
        Self::NullMember,
        Self::RepeatedMember,
        Self::EmptyList,
        Self::ListTooLong,
        Self::NumberForText,
        Self::TextForNumber,
        Self::DecimalForWhole,
        Self::OutOfRange,
        Self::UnitMismatch,
        Self::ValueUnreadable,
        Self::TooManySamples,
        Self::TransactionIdMissing,
        Self::TokenUnreadable,
        Self::MemberUnreadable,
        Self::Unreadable,
    ];

    /// The metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimeWithoutZone => "time_without_zone",
            Self::TimeSpelling => "time_spelling",
            Self::TimeUnreadable => "time_unreadable",
            Self::TextTooLong => "text_too_long",
            Self::UnknownWord => "unknown_word",
            Self::UnknownMember => "unknown_member",
            Self::NullMember => "null_member",
            Self::RepeatedMember => "repeated_member",
            Self::EmptyList => "empty_list",
            Self::ListTooLong => "list_too_long",
            Self::NumberForText => "number_for_text",
            Self::TextForNumber => "text_for_number",
            Self::DecimalForWhole => "decimal_for_whole",
            Self::OutOfRange => "out_of_range",
            Self::UnitMismatch => "unit_mismatch",
            Self::ValueUnreadable => "value_unreadable",
            Self::TooManySamples => "too_many_samples",
            Self::TransactionIdMissing => "transaction_id_missing",
            Self::TokenUnreadable => "token_unreadable",
            Self::MemberUnreadable => "member_unreadable",
            Self::Unreadable => "unreadable",
        }
    }
}

// === impl Quirks ===

impl Quirks {
    /// Adds a quirk at a JSON pointer, once per kind and place, up to [`QUIRKS_MAX`].
    pub(crate) fn add(&mut self, kind: QuirkKind, pointer: &str) {
        if self.0.len() >= QUIRKS_MAX {
            return;
        }
        let path = without_positions(pointer);
        if !self.0.iter().any(|known| known.kind == kind && *known.path == *path) {
            self.0.push(Quirk { kind, path });
        }
    }

    pub(crate) fn has(&self, kind: QuirkKind) -> bool {
        self.0.iter().any(|quirk| quirk.kind == kind)
    }

    pub(crate) fn extend(&mut self, others: Self) {
        for quirk in others.0 {
            self.add(quirk.kind, &quirk.path);
        }
    }

    pub(crate) fn into_vec(self) -> Vec<Quirk> {
        self.0
    }
}

/// `/meterValue/3/sampledValue/0/value` as `/meterValue/*/sampledValue/*/value`.
pub(crate) fn without_positions(pointer: &str) -> Box<str> {
    let mut path = String::with_capacity(pointer.len());
    for segment in pointer.split('/').skip(1) {
        path.push('/');
        let position = !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_digit());
        path.push_str(if position { "*" } else { segment });
    }
    path.into_boxed_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_fault_in_every_item_is_told_once_and_all_faults_are_bounded() {
        let mut quirks = Quirks::default();
        for item in 0..3 {
            quirks.add(QuirkKind::NumberForText, &format!("/meterValue/{item}/sampledValue/0/value"));
        }
        assert_eq!(quirks.0.len(), 1);
        assert_eq!(&*quirks.0[0].path, "/meterValue/*/sampledValue/*/value");
        for member in 0..100 {
            quirks.add(QuirkKind::UnknownMember, &format!("/x{member}"));
        }
        assert_eq!(quirks.into_vec().len(), QUIRKS_MAX);
    }

    #[test]
    fn labels_are_distinct() {
        let labels: std::collections::BTreeSet<_> = QuirkKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(labels.len(), QuirkKind::ALL.len());
    }
}
