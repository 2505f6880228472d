//! JSON for comparison: order of members is of no account, numbers compare exactly, as text.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

/// A JSON value whose numbers are the text they were written as.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    Leaf(String),
    Text(String),
    List(Vec<Tree>),
    Object(BTreeMap<String, Tree>),
}

impl Tree {
    pub(crate) fn parse(text: &str) -> Self {
        match text.as_bytes()[0] {
            b'{' => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).unwrap();
                Self::Object(
                    members.into_iter().map(|(name, value)| (name, Self::parse(value.get()))).collect(),
                )
            }
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).unwrap();
                Self::List(items.into_iter().map(|item| Self::parse(item.get())).collect())
            }
            b'"' => Self::Text(serde_json::from_str(text).unwrap()),
            _ => Self::Leaf(text.to_owned()),
        }
    }
}

#[test]
fn numbers_compare_by_their_digits() {
    assert_eq!(Tree::parse(r#"{"a":1.50,"b":[null,"x"]}"#), Tree::parse(r#"{"b":[null,"\u0078"],"a":1.50}"#));
    assert_ne!(Tree::parse("1.50"), Tree::parse("1.5"));
}
