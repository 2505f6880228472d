//! The bounds of a JSON text, checked byte by byte before any parser recurses into it; place: frame.
//!
//! Depth and list length keep a parser cheap (security I3); NUL and lone surrogates would break text columns and JSON columns of the
//! store (security I6). Never: a judgement about what the text means. Size is checked at the socket.

use std::str::Bytes;

/// The deepest nesting of lists and objects, the frame's own list counted as one.
pub const DEPTH_MAX: usize = 32;

/// The most items of one list, or members of one object.
pub const ITEMS_MAX: u32 = 10_000;

/// A bound that a text breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BoundFault {
    /// Lists and objects are nested deeper than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// A list or object has more than [`ITEMS_MAX`] items.
    #[error("more than {ITEMS_MAX} items in one list")]
    TooManyItems,
    /// A string holds an escaped NUL or half of a surrogate pair.
    #[error("a string holds NUL or a lone surrogate")]
    ForbiddenText,
}

/// Checks a text, which need not be JSON: what is no JSON at all is found by the parser.
///
/// # Errors
/// The first [`BoundFault`] in the text.
pub fn check(text: &str) -> Result<(), BoundFault> {
    let mut commas = [0_u32; DEPTH_MAX];
    let mut depth = 0_usize;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => skip_string(&mut bytes)?,
            b'[' | b'{' => {
                let Some(counter) = commas.get_mut(depth) else { return Err(BoundFault::TooDeep) };
                *counter = 0;
                depth += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => {
                if let Some(counter) = depth.checked_sub(1).and_then(|level| commas.get_mut(level)) {
                    *counter += 1;
                    if *counter >= ITEMS_MAX {
                        return Err(BoundFault::TooManyItems);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Passes over the rest of a string, its closing quote included.
fn skip_string(bytes: &mut Bytes<'_>) -> Result<(), BoundFault> {
    let mut high_surrogate = false;
    while let Some(byte) = bytes.next() {
        let unit = match byte {
            b'\\' => match bytes.next() {
                Some(b'u') => Some(code_unit(bytes)),
                _ => None,
            },
            b'"' => {
                return if high_surrogate { Err(BoundFault::ForbiddenText) } else { Ok(()) };
            }
            _ => None,
        };
        high_surrogate = match unit {
            Some(0) => return Err(BoundFault::ForbiddenText),
            Some(0xD800..=0xDBFF) if !high_surrogate => true,
            Some(0xDC00..=0xDFFF) if high_surrogate => false,
            Some(0xD800..=0xDFFF) => return Err(BoundFault::ForbiddenText),
            Some(_) | None if high_surrogate => return Err(BoundFault::ForbiddenText),
            Some(_) | None => false,
        };
    }
    Ok(())
}

/// The number of a `\uXXXX` escape. What is no hex digit counts as 15, so that no broken escape looks like NUL; the parser refuses it.
fn code_unit(bytes: &mut Bytes<'_>) -> u32 {
    (0..4).fold(0, |unit, _digit| {
        let digit = bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        (unit << 4) | digit.unwrap_or(15)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_levels_pass_and_one_more_does_not() {
        assert_eq!(check(&format!("{}{}", "[".repeat(32), "]".repeat(32))), Ok(()));
        assert_eq!(check(&"{\"a\":".repeat(33)), Err(BoundFault::TooDeep));
        assert_eq!(check(&format!("[{}]", "[],".repeat(100))), Ok(()));
        assert_eq!(check("\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\""), Ok(()));
    }

    #[test]
    fn ten_thousand_items_pass_and_one_more_does_not() {
        assert_eq!(check(&format!("[1{}]", ",1".repeat(9_999))), Ok(()));
        assert_eq!(check(&format!("[1{}]", ",1".repeat(10_000))), Err(BoundFault::TooManyItems));
        let one_list = format!("[1{}]", ",1".repeat(9_000));
        assert_eq!(check(&format!("[{one_list},{one_list}]")), Ok(()), "each list has its own count");
    }

    #[test]
    fn text_the_store_cannot_hold_is_found() {
        for (text, expect) in [
            (r#""a\u0000b""#, Err(BoundFault::ForbiddenText)),
            (r#""\ud83d""#, Err(BoundFault::ForbiddenText)),
            (r#""\ud83dx""#, Err(BoundFault::ForbiddenText)),
            (r#""\ud83d\n""#, Err(BoundFault::ForbiddenText)),
            (r#""\ud83d\ud83d""#, Err(BoundFault::ForbiddenText)),
            (r#""\ude00""#, Err(BoundFault::ForbiddenText)),
            (r#""\ud83d\ude00 \u0041 \\u0000 \" ""#, Ok(())),
            (r#""\u00"#, Ok(())),
            ("no json at all", Ok(())),
        ] {
            assert_eq!(check(text), expect, "{text}");
        }
    }
}
