//! Tokens of 2.x: text and kind.

use ringmain_domain::id::TokenUid;
use ringmain_domain::token::{IdToken, TokenKind};

use crate::quirk::{QuirkKind, Quirks};
use crate::wire::v21;

/// A token, if its text can be one. A transaction without authorization has an empty text (C02), which is no quirk.
pub(super) fn read(token: &v21::IdToken, quirks: &mut Quirks) -> Option<IdToken> {
    let kind = kind_of(&token.r#type);
    match TokenUid::new(&token.id_token) {
        Ok(uid) => Some(IdToken { uid, kind }),
        Err(_empty) if kind == TokenKind::NoAuthorization => None,
        Err(_unusable) => {
            quirks.add(QuirkKind::TokenUnreadable, "/idToken/idToken");
            None
        }
    }
}

/// A token for the wire.
pub(super) fn write(token: &IdToken) -> v21::IdToken {
    v21::IdToken::new(token.uid.as_str(), word_of(&token.kind))
}

/// The list is open in 2.1. Both kinds of contactless cards are one here; nothing depends on the radio protocol.
fn kind_of(word: &str) -> TokenKind {
    match word {
        "Central" => TokenKind::Central,
        "eMAID" => TokenKind::EMaid,
        "ISO14443" | "ISO15693" => TokenKind::Rfid,
        "KeyCode" => TokenKind::KeyCode,
        "Local" => TokenKind::Local,
        "MacAddress" => TokenKind::MacAddress,
        "NoAuthorization" => TokenKind::NoAuthorization,
        "DirectPayment" => TokenKind::DirectPayment,
        other => TokenKind::Other(other.into()),
    }
}

fn word_of(kind: &TokenKind) -> &str {
    match kind {
        TokenKind::Central => "Central",
        TokenKind::EMaid => "eMAID",
        TokenKind::Rfid => "ISO14443",
        TokenKind::KeyCode => "KeyCode",
        TokenKind::Local => "Local",
        TokenKind::MacAddress => "MacAddress",
        TokenKind::NoAuthorization => "NoAuthorization",
        TokenKind::DirectPayment => "DirectPayment",
        TokenKind::Other(word) => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_lead_back_to_their_word() {
        for word in [
            "Central",
            "eMAID",
            "ISO14443",
            "KeyCode",
            "Local",
            "MacAddress",
            "NoAuthorization",
            "DirectPayment",
            "VIN",
        ] {
            assert_eq!(word_of(&kind_of(word)), word);
        }
        assert_eq!(kind_of("ISO15693"), TokenKind::Rfid);
    }

    #[test]
    fn an_empty_token_is_odd_unless_nobody_was_asked() {
        let check = |text: &str, kind: &str, quirks_expected: usize| {
            let mut quirks = Quirks::default();
            assert_eq!(read(&v21::IdToken::new(text, kind), &mut quirks), None);
            assert_eq!(quirks.into_vec().len(), quirks_expected);
        };
        check("", "NoAuthorization", 0);
        check("", "ISO14443", 1);
        check("a\u{1}", "ISO14443", 1);
    }
}
