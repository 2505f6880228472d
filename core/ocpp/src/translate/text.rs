//! Texts of the station on their way into domain: cut, never changed otherwise.

/// The most characters of a text that domain keeps of a station's description of itself.
pub(super) const TEXT_CHARS_MAX: usize = 255;

/// A text, cut to [`TEXT_CHARS_MAX`] characters.
pub(super) fn cut(text: String) -> Box<str> {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or_default().into(),
        None => text.into_boxed_str(),
    }
}

/// A text that is there and says something, cut.
pub(super) fn cut_some(text: Option<String>) -> Option<Box<str>> {
    text.filter(|text| !text.is_empty()).map(cut)
}

/// A variable or component with its instance, as the standard prints it: `MessageAttempts[TransactionEvent]`.
pub(super) fn with_instance(name: String, instance: Option<&str>) -> Box<str> {
    match instance {
        Some(instance) => format!("{name}[{instance}]").into_boxed_str(),
        None => name.into_boxed_str(),
    }
}

/// The two halves of [`with_instance`].
pub(super) fn split_instance(text: &str) -> (&str, Option<&str>) {
    match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((name, instance)) => (name, Some(instance)),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("ü".repeat(300)).chars().count(), TEXT_CHARS_MAX);
        assert_eq!(&*cut("short".to_owned()), "short");
        assert_eq!(cut_some(Some(String::new())), None);
    }

    #[test]
    fn an_instance_is_written_and_split_alike() {
        for (name, instance) in [("MessageAttempts", Some("TransactionEvent")), ("Enabled", None)] {
            assert_eq!(split_instance(&with_instance(name.to_owned(), instance)), (name, instance));
        }
        assert_eq!(split_instance("odd]"), ("odd]", None));
    }
}
