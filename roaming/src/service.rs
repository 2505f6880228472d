//! What partners see, in no version's words: nouns of the domain in, nouns of roaming out.

pub mod locations;
