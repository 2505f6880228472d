//! The file that a driver opens in the transparency software of S.A.F.E. to see that the bill holds.
//!
//! Place on the walk: the download beside a CDR. Source: the software's own description of its input (`values.xsd`) and
//! the files that operators publish. Never: a record rewritten; a carriage return in a payload is written as a
//! reference, because an XML reader would drop it and the signature would no longer fit.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringmain_domain::ocmf::Record;

use super::key::MeterKey;
use super::signature::Curve;

/// One record with its place in the transaction.
#[derive(Debug, Clone, Copy)]
pub struct XmlValue<'a> {
    /// Joins the records of one transaction in the software, which takes whole numbers only.
    pub transaction_number: u64,
    /// Begin or end of the transaction.
    pub context: XmlContext,
    /// The record.
    pub record: &'a Record,
}

/// The place of a record in its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XmlContext {
    /// It opens the transaction.
    Begin,
    /// It closes the transaction; also a single record with both ends.
    End,
}

impl XmlContext {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "Transaction.Begin",
            Self::End => "Transaction.End",
        }
    }
}

/// The whole XML file over these records, in their order. Without a key the software asks the driver to type it in.
#[must_use]
pub fn transparency_xml(values: &[XmlValue<'_>], public_key: Option<&MeterKey>) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<values>\n");
    for value in values {
        let (encoding, data) = signed_data(value.record.text());
        // Writing into a String cannot fail.
        _ = write!(
            xml,
            "  <value transactionId=\"{}\" context=\"{}\">\n    <signedData format=\"OCMF\" encoding=\"{encoding}\">{data}</signedData>\n",
            value.transaction_number,
            value.context.as_str(),
        );
        if let Some(key) = public_key {
            let curve = Curve::of_method(value.record.method()).unwrap_or(Curve::Secp256r1);
            _ = writeln!(xml, "    <publicKey encoding=\"hex\">{}</publicKey>", key.to_spki_hex(curve));
        }
        xml.push_str("  </value>\n");
    }
    xml.push_str("</values>\n");
    xml
}

/// The record as element text; base64 when it holds a character that XML 1.0 cannot carry.
fn signed_data(text: &str) -> (&'static str, String) {
    let carried = |letter: char| match letter {
        '\t' | '\n' | '\r' => true,
        '\u{FFFE}' | '\u{FFFF}' => false,
        other => other >= ' ',
    };
    if !text.chars().all(carried) {
        return ("base64", STANDARD.encode(text));
    }
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    ("plain", escaped)
}
