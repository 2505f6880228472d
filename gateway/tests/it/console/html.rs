//! Reads a page strictly: tags match, nothing is inline, every field has a label, and what a page needs is there.

use std::collections::BTreeSet;

/// Elements that have no end tag; in drawings they end themselves.
const VOID: [&str; 7] = ["meta", "link", "input", "img", "br", "rect", "hr"];

/// A tag with its attributes, unescaped enough for tests.
#[derive(Debug, Clone)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Tag {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// All start tags of a page, after checking that tags match and attributes are whole.
#[track_caller]
pub(crate) fn tags(page: &str) -> Vec<Tag> {
    let (mut tags, mut open, mut rest) = (Vec::new(), Vec::<String>::new(), page);
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with('!') {
            continue;
        }
        if let Some(end) = rest.strip_prefix('/') {
            let name = end.split('>').next().unwrap().to_owned();
            assert_eq!(
                open.pop().as_ref(),
                Some(&name),
                "an end tag that fits nothing before: {}",
                &end[..end.len().min(80)]
            );
            continue;
        }
        let (tag, closed, after) = read_tag(rest);
        if !closed && !VOID.contains(&tag.name.as_str()) {
            open.push(tag.name.clone());
        }
        tags.push(tag);
        rest = after;
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    tags
}

fn read_tag(text: &str) -> (Tag, bool, &str) {
    let name_end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap();
    let (name, mut rest) = text.split_at(name_end);
    assert!(!name.is_empty(), "a stray <: {}", &text[..text.len().min(80)]);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("/>") {
            return (Tag { name: name.to_owned(), attributes }, true, after);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (Tag { name: name.to_owned(), attributes }, false, after);
        }
        let key_end = rest.find(|c: char| c == '=' || c == '>' || c.is_whitespace()).unwrap();
        let (key, after) = rest.split_at(key_end);
        assert!(
            key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "a strange attribute {key:?} in <{name}>"
        );
        rest = after;
        let Some(value) = rest.strip_prefix('=') else {
            attributes.push((key.to_owned(), String::new()));
            continue;
        };
        let quote = value.chars().next().unwrap();
        assert!(quote == '"' || quote == '\'', "an unquoted value of {key} in <{name}>");
        let (value, after) = value[1..].split_once(quote).unwrap();
        attributes.push((key.to_owned(), value.to_owned()));
        rest = after;
    }
}

/// What holds for a whole page and for a part of one: no inline script or style, labels on fields, no id twice.
#[track_caller]
pub(crate) fn check_part(page: &str) -> Vec<Tag> {
    let tags = tags(page);
    let labelled: BTreeSet<_> =
        tags.iter().filter(|tag| tag.name == "label").filter_map(|tag| tag.get("for")).collect();
    let mut ids = BTreeSet::new();
    for tag in &tags {
        for (key, value) in &tag.attributes {
            assert!(!key.starts_with("on") && key != "style", "inline {key} in <{}>", tag.name);
            assert!(!key.starts_with("hx-on"), "a script in {key}");
            let lower = value.trim().to_ascii_lowercase();
            assert!(!lower.starts_with("javascript:") && !lower.starts_with("http"), "{key}={value}");
        }
        if let Some(id) = tag.get("id") {
            assert!(ids.insert(id), "id {id} twice");
        }
        match tag.name.as_str() {
            "script" => {
                assert!(tag.get("src").is_some_and(|src| src.starts_with("/assets/")), "an inline script")
            }
            "style" => panic!("an inline style"),
            "input" if tag.get("type") != Some("hidden") => {
                assert!(
                    tag.get("id").is_some_and(|id| labelled.contains(id)),
                    "a field without a label: {tag:?}"
                );
            }
            "select" | "textarea" => {
                assert!(
                    tag.get("id").is_some_and(|id| labelled.contains(id)),
                    "a field without a label: {tag:?}"
                );
            }
            "img" => assert!(tag.get("alt").is_some(), "an image without alt"),
            "form" if tag.get("method") == Some("post") => {
                assert!(tag.get("action").is_some_and(|action| action.starts_with('/')), "{tag:?}");
            }
            "th" => assert!(tag.get("scope").is_some(), "a heading without scope"),
            _ => {}
        }
    }
    tags
}

/// What holds for a whole page.
#[track_caller]
pub(crate) fn check_page(page: &str) -> Vec<Tag> {
    assert!(page.starts_with("<!doctype html>"), "{}", &page[..page.len().min(80)]);
    let tags = check_part(page);
    let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
    for name in ["html", "head", "title", "body", "main", "h1"] {
        assert_eq!(count(name), 1, "<{name}>");
    }
    assert!(tags.iter().any(|tag| tag.name == "html" && tag.get("lang") == Some("en")));
    assert!(tags.iter().any(|tag| tag.get("name") == Some("viewport")));
    // Whoever uses a table or a form with a reader finds it by name.
    let posts = tags.iter().filter(|tag| tag.get("method") == Some("post")).count();
    let tokens = tags.iter().filter(|tag| tag.get("name") == Some("form_token")).count();
    assert!(posts == tokens || page.contains("action=\"/sign-in\""), "a form without its token");
    tags
}
