//! Texts that must not be seen: passwords and tokens on their way through configuration and memory.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that prints as `***`. In a configuration file it may be `file:PATH`: the first line of that file.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let Some(path) = text.strip_prefix("file:") else { return Ok(Self::new(&text)) };
        let content = std::fs::read_to_string(path).map_err(|cause| {
            serde::de::Error::custom(format!("cannot read the secret in {path}: {cause}"))
        })?;
        Ok(Self::new(content.lines().next().unwrap_or_default()))
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_print() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "***");
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "hunter2\n").unwrap();
        let json = format!("\"file:{}\"", path.display());
        assert_eq!(serde_json::from_str::<Secret>(&json).unwrap().reveal(), "hunter2");
        assert!(serde_json::from_str::<Secret>("\"file:/nowhere/at/all\"").is_err());
    }
}
