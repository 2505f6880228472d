//! The grammar of OCPI's tables: how often a field stands in an object, and whether a list of words is closed.
//!
//! The specification writes a cardinality before every field: `1`, `?`, `*` or `+`. The types of all versions are written the same way
//! with `object!`, so a table of the text and its type can be laid side by side. What is read and written follows from the mark alone:
//!
//! | mark | in Rust | read | written |
//! |---|---|---|---|
//! | `1` | `T` | must be there | always |
//! | `?` | `Option<T>` | may be missing or `null` | when there is one |
//! | `*` | `Vec<T>` | may be missing or `null` | when it is not empty |
//! | `+` | `Vec<T>` | must be there with one item at least | always |
//!
//! Fields that are not in the table pass unread: no version lets us refuse them.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Objects of the specification, each with its fields and their cardinalities.
macro_rules! object {
    ($($(#[$meta:meta])* $name:ident { $($fields:tt)* })+) => {
        $($crate::ocpi::grammar::object!(@next [$(#[$meta])*] $name [] $($fields)*);)+
    };
    (@next [$($meta:tt)*] $name:ident [$($done:tt)*]) => {
        $($meta)*
        #[derive(Debug, Clone, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize)]
        pub struct $name { $($done)* }
    };
    (@next $meta:tt $name:ident [$($done:tt)*] 1 $(#[$of:meta])* $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::ocpi::grammar::object!(@next $meta $name [$($done)* $(#[$of])* pub $field: $type,] $($rest)*);
    };
    (@next $meta:tt $name:ident [$($done:tt)*] ? $(#[$of:meta])* $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::ocpi::grammar::object!(@next $meta $name [$($done)*
            #[serde(default, skip_serializing_if = "Option::is_none")] $(#[$of])* pub $field: Option<$type>,
        ] $($rest)*);
    };
    (@next $meta:tt $name:ident [$($done:tt)*] * $(#[$of:meta])* $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::ocpi::grammar::object!(@next $meta $name [$($done)*
            #[serde(
                default,
                skip_serializing_if = "Vec::is_empty",
                deserialize_with = "crate::ocpi::grammar::nothing_is_empty"
            )]
            $(#[$of])* pub $field: Vec<$type>,
        ] $($rest)*);
    };
    (@next $meta:tt $name:ident [$($done:tt)*] + $(#[$of:meta])* $field:ident: $type:ty, $($rest:tt)*) => {
        $crate::ocpi::grammar::object!(@next $meta $name [$($done)*
            #[serde(deserialize_with = "crate::ocpi::grammar::at_least_one")]
            $(#[$of])* pub $field: Vec<$type>,
        ] $($rest)*);
    };
}
pub(crate) use object;

/// Lists of words that may grow (OCPI 2.3.0 types, OpenEnum): a word that is not known is kept as it came.
macro_rules! open_enum {
    ($($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`.")] $variant,)+
            /// A word that is not in the specification, or not in the version we know.
            Other(Box<str>),
        }

        impl $name {
            /// The word on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.into()),
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = ::std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                Ok(Self::from(word.as_ref()))
            }
        }
    )+};
}
pub(crate) use open_enum;

/// Lists of words that are closed: another word is a fault.
macro_rules! closed_enum {
    ($($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal,)+ })+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $(#[doc = concat!("`", $text, "`.")] $variant,)+ }

        impl $name {
            /// All.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> ::serde::Deserialize<'de> for $name {
            fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = ::std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                match word.as_ref() {
                    $($text => Ok(Self::$variant),)+
                    other => Err(::serde::de::Error::unknown_variant(other, &[$($text),+])),
                }
            }
        }
    )+};
}
pub(crate) use closed_enum;

/// Cardinality `*`: partners write `null` for a list of nothing.
pub(crate) fn nothing_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Cardinality `+`.
pub(crate) fn at_least_one<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let list = Vec::<T>::deserialize(deserializer)?;
    if list.is_empty() {
        return Err(D::Error::custom("must have one item at least"));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    #![expect(
        unreachable_pub,
        reason = "types of the specification are public, those of a test reach nobody"
    )]
    use serde_json::json;

    object! {
        /// One field of each kind.
        Sample {
            1 one: u32,
            ? maybe: u32,
            * many: u32,
            + some: u32,
        }
    }
    open_enum! {
        /// Open.
        Open { A = "A", }
    }
    closed_enum! {
        /// Closed.
        Closed { A = "A", B = "b", }
    }

    #[test]
    fn a_cardinality_says_what_is_read_and_written() {
        let read = |text: &str| serde_json::from_str::<Sample>(text).map_err(|error| error.to_string());
        let sample = Sample { one: 1, maybe: None, many: Vec::new(), some: vec![2] };
        for text in [
            r#"{"one": 1, "some": [2]}"#,
            r#"{"one": 1, "some": [2], "maybe": null, "many": null, "unheard_of": {}}"#,
            r#"{"one": 1, "some": [2], "many": []}"#,
        ] {
            assert_eq!(read(text).unwrap(), sample, "{text}");
        }
        assert_eq!(serde_json::to_value(&sample).unwrap(), json!({"one": 1, "some": [2]}));
        for (text, fault) in [
            (r#"{"some": [2]}"#, "missing field `one`"),
            (r#"{"one": 1}"#, "missing field `some`"),
            (r#"{"one": 1, "some": []}"#, "one item at least"),
            (r#"{"one": 1, "some": null}"#, "invalid type: null"),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(fault), "{text}: {found}");
        }
    }

    #[test]
    fn an_open_list_keeps_words_and_a_closed_one_names_its_own() {
        for word in ["A", "NEW"] {
            let read: Open = serde_json::from_value(json!(word)).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), json!(word));
        }
        assert_eq!(Open::from("A"), Open::A);
        for word in Closed::ALL {
            assert_eq!(serde_json::from_value::<Closed>(json!(word.as_str())).unwrap(), *word);
        }
        let fault = serde_json::from_value::<Closed>(json!("a")).unwrap_err().to_string();
        assert_eq!(fault, "unknown variant `a`, expected `A` or `b`");
    }
}
