//! The id that ties an answer to its call; place: frame.
//!
//! Never made up here: ids of our calls are command ids, ids of theirs are repeated letter by letter.

use std::fmt;

/// The most characters an id may have (OCPP 2.0.1 part 4, 4.1.4; OCPP-J 1.6, 4.1.4).
pub const MESSAGE_ID_CHARS_MAX: usize = 36;

/// A message id: 1 to 36 characters, unique per sender and connection; cloned rarely, so it owns its text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId(Box<str>);

/// Why a text is no message id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageIdError {
    /// No characters: an answer could not be told from another.
    #[error("message id is empty")]
    Empty,
    /// More than [`MESSAGE_ID_CHARS_MAX`] characters.
    #[error("message id has {chars} characters, at most {MESSAGE_ID_CHARS_MAX} are allowed")]
    TooLong {
        /// How many characters were given.
        chars: usize,
    },
}

// === impl MessageId ===

impl MessageId {
    /// Checks the length.
    ///
    /// # Errors
    /// [`MessageIdError`] when the text is empty or longer than 36 characters.
    pub fn new(text: &str) -> Result<Self, MessageIdError> {
        if text.is_empty() {
            return Err(MessageIdError::Empty);
        }
        // Bytes are never fewer than characters, so most ids need no second look.
        if text.len() > MESSAGE_ID_CHARS_MAX {
            let chars = text.chars().count();
            if chars > MESSAGE_ID_CHARS_MAX {
                return Err(MessageIdError::TooLong { chars });
            }
        }
        Ok(Self(text.into()))
    }

    /// The id of an answer to a frame whose own id could not be read (OCPP 2.0.1 part 4, 4.2.3).
    #[must_use]
    pub fn unreadable() -> Self {
        Self("-1".into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_to_thirty_six_characters() {
        assert_eq!(MessageId::new(""), Err(MessageIdError::Empty));
        assert!(MessageId::new(&"ü".repeat(36)).is_ok());
        assert_eq!(MessageId::new(&"ü".repeat(37)), Err(MessageIdError::TooLong { chars: 37 }));
        assert_eq!(
            MessageId::new(&"x".repeat(40)).unwrap_err().to_string(),
            "message id has 40 characters, at most 36 are allowed"
        );
        assert_eq!(MessageId::new("1").unwrap().to_string(), "1");
        assert_eq!(MessageId::unreadable().as_str(), "-1");
    }
}
