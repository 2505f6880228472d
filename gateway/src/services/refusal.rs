//! Why an operation was not done: four kinds, because callers take four branches.

use std::borrow::Cow;

use ringmain_store::store::StoreError;

/// What is wrong with one field of what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where: a JSON pointer (RFC 6901) into the request, empty for the whole of it.
    pub pointer: Cow<'static, str>,
    /// What is wrong, for people.
    pub detail: String,
}

/// Why an operation was not done. Nothing was changed, except where the store says that it does not know.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing, or it is another tenant's.
    #[error("there is no {what} {id:?}")]
    Absent {
        /// The kind of thing, in words.
        what: &'static str,
        /// The id that was asked for.
        id: Box<str>,
    },
    /// It contradicts what is stored.
    #[error("{reason}")]
    Conflict {
        /// What stands in the way.
        reason: Box<str>,
    },
    /// Fields are wrong; never empty.
    #[error("{}", flaws_in_words(.0))]
    Invalid(Vec<Flaw>),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn flaws_in_words(flaws: &[Flaw]) -> String {
    let words: Vec<_> = flaws.iter().map(|flaw| format!("{}: {}", flaw.pointer, flaw.detail)).collect();
    words.join("; ")
}

// === impl Flaw ===

impl Flaw {
    /// A flaw of a field.
    #[must_use]
    pub fn new(pointer: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

// === impl Refusal ===

impl Refusal {
    /// There is no such thing.
    #[must_use]
    pub fn absent(what: &'static str, id: impl ToString) -> Self {
        Self::Absent { what, id: id.to_string().into() }
    }

    /// It contradicts what is stored.
    #[must_use]
    pub fn conflict(reason: impl Into<Box<str>>) -> Self {
        Self::Conflict { reason: reason.into() }
    }

    /// One field is wrong.
    #[must_use]
    pub fn flaw(pointer: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![Flaw::new(pointer, detail)])
    }

    /// Ok when there are no flaws.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] with all of them.
    pub fn unless_sound(flaws: Vec<Flaw>) -> Result<(), Self> {
        if flaws.is_empty() { Ok(()) } else { Err(Self::Invalid(flaws)) }
    }
}

/// Checks a text for people: 1 to `max` characters, none of them a control character. Adds what is wrong to `flaws`.
pub fn check_text(flaws: &mut Vec<Flaw>, pointer: &'static str, text: &str, max: usize) {
    let chars = text.chars().count();
    if text.trim().is_empty() {
        flaws.push(Flaw::new(pointer, "must not be empty"));
    } else if chars > max {
        flaws.push(Flaw::new(pointer, format!("has {chars} characters, at most {max} are allowed")));
    } else if text.chars().any(char::is_control) {
        flaws.push(Flaw::new(pointer, "must not contain control characters"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_checked_for_length_and_control_characters() {
        for (text, expect) in [
            ("", Some("must not be empty")),
            ("  ", Some("must not be empty")),
            ("abcd", Some("has 4 characters, at most 3 are allowed")),
            ("a\u{0}b", Some("must not contain control characters")),
            ("äöü", None),
        ] {
            let mut flaws = Vec::new();
            check_text(&mut flaws, "/name", text, 3);
            assert_eq!(flaws.first().map(|flaw| flaw.detail.as_str()), expect, "{text:?}");
        }
    }

    #[test]
    fn several_flaws_are_told_together() {
        let refusal = Refusal::Invalid(vec![Flaw::new("/a", "is wrong"), Flaw::new("/b", "too")]);
        assert_eq!(refusal.to_string(), "/a: is wrong; /b: too");
        assert!(Refusal::unless_sound(Vec::new()).is_ok());
    }
}
