//! A scenario file as steps. A line that is none fails the test at once: nothing is passed over in silence.

use serde_json::Value;

use super::pattern;

/// One file.
pub(super) struct Scenario {
    pub(super) name: String,
    /// The protocols the file is run for, each in turn; empty: the file names them itself.
    pub(super) protocols: Vec<&'static str>,
    pub(super) steps: Vec<(usize, Step)>,
}

/// One line.
#[derive(Debug)]
pub(super) enum Step {
    Given {
        kind: Given,
        id: String,
        body: Value,
    },
    Connect {
        id: String,
        protocol: String,
        socket: String,
        boots: bool,
    },
    On(String),
    Close(String),
    /// The answer to the last frame is lost: it was written, and the station never sees it.
    CutBeforeAnswer,
    /// The line is cut as soon as the frame is written; nobody knows whether it arrived.
    CutAtOnce,
    Kill,
    Restart,
    Send(Text),
    Hear(Value),
    Command {
        id: String,
        body: Value,
        deadline_s: u32,
    },
    Ocpp {
        id: String,
        action: String,
        payload: Value,
    },
    Expect(Expectation),
}

/// What is there before the scenario begins.
#[derive(Debug)]
pub(super) enum Given {
    Station,
    Token,
    Group,
    Tariff,
    Location,
    Access,
}

/// What a `>` line sends.
#[derive(Debug)]
pub(super) enum Text {
    /// JSON, with captured values put in.
    Filled(Value),
    /// Anything else, as it stands.
    Raw(String),
}

/// What must come true.
#[derive(Debug)]
pub(super) enum Expectation {
    Transactions { id: String, list: Value },
    Count { noun: String, id: String, count: usize },
    One { noun: String, id: String, transaction: String, body: Value },
    Station { id: String, body: Value },
    Message { id: String, body: Value },
    Unreadable { id: String, body: Value },
    Fact { id: String, transaction: String, body: Value },
    Outcome { word: String, body: Value },
    Closed(u16),
}

/// How long an order may take unless its line says otherwise.
const COMMAND_DEADLINE_S: u32 = 30;
const PROTOCOLS: [&str; 3] = ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"];

// === impl Scenario ===

impl Scenario {
    pub(super) fn parse(name: &str, text: &str) -> Self {
        let mut scenario = Self { name: name.to_owned(), protocols: Vec::new(), steps: Vec::new() };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(names) = line.strip_prefix("@protocols ") {
                scenario.protocols = names.split_whitespace().map(known_protocol).collect();
                continue;
            }
            let step = step(line).unwrap_or_else(|| panic!("{name}:{}: not a step: {line}", index + 1));
            scenario.steps.push((index + 1, step));
        }
        assert!(!scenario.steps.is_empty(), "{name} has no steps");
        scenario
    }

    /// Others must not suffer its kills.
    pub(super) fn needs_own_node(&self) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::Kill | Step::Restart))
    }
}

pub(super) fn known_protocol(name: &str) -> &'static str {
    let known = PROTOCOLS.into_iter().find(|known| *known == name);
    known.unwrap_or_else(|| panic!("{name} is no protocol"))
}

fn step(line: &str) -> Option<Step> {
    if let Some(text) = line.strip_prefix("> ") {
        let filled = pattern::try_parse(text).map(Text::Filled);
        return Some(Step::Send(filled.unwrap_or_else(|| Text::Raw(text.to_owned()))));
    }
    if let Some(text) = line.strip_prefix("< ") {
        return pattern::try_parse(text).map(Step::Hear);
    }
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "@given" => given(rest),
        "@connect" => connect(rest),
        "@on" => Some(Step::On(rest.to_owned())),
        "@close" => Some(Step::Close(rest.to_owned())),
        "@cut" => match rest {
            "before answer" => Some(Step::CutBeforeAnswer),
            "at once" => Some(Step::CutAtOnce),
            _ => None,
        },
        "@kill" => rest.is_empty().then_some(Step::Kill),
        "@restart" => rest.is_empty().then_some(Step::Restart),
        "@command" => {
            let (id, rest) = rest.split_once(' ')?;
            let (body, deadline_s) = match rest.rsplit_once(" within ") {
                Some((body, seconds)) => (body, seconds.strip_suffix(" s")?.parse().ok()?),
                None => (rest, COMMAND_DEADLINE_S),
            };
            Some(Step::Command { id: id.to_owned(), body: pattern::try_parse(body)?, deadline_s })
        }
        "@ocpp" => {
            let (id, rest) = rest.split_once(' ')?;
            let (action, payload) = rest.split_once(' ')?;
            let payload = pattern::try_parse(payload)?;
            Some(Step::Ocpp { id: id.to_owned(), action: action.to_owned(), payload })
        }
        "@expect" => expectation(rest).map(Step::Expect),
        _ => None,
    }
}

fn given(rest: &str) -> Option<Step> {
    let (kind, rest) = rest.split_once(' ')?;
    let kind = match kind {
        "station" => Given::Station,
        "token" => Given::Token,
        "group" => Given::Group,
        "tariff" => Given::Tariff,
        "location" => Given::Location,
        "access" => Given::Access,
        _ => return None,
    };
    let (id, body) = rest.split_once(' ').unwrap_or((rest, "{}"));
    Some(Step::Given { kind, id: id.to_owned(), body: pattern::try_parse(body)? })
}

/// `ID PROTOCOL`, then `as SOCKET` or `without boot`, in any order.
fn connect(rest: &str) -> Option<Step> {
    let mut words = rest.split_whitespace();
    let (id, protocol) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut socket, mut boots) = (id.clone(), true);
    while let Some(word) = words.next() {
        match (word, words.next()?) {
            ("as", name) => name.clone_into(&mut socket),
            ("without", "boot") => boots = false,
            _ => return None,
        }
    }
    Some(Step::Connect { id, protocol, socket, boots })
}

fn expectation(rest: &str) -> Option<Expectation> {
    let (noun, rest) = rest.split_once(' ')?;
    match noun {
        "transactions" => {
            let (id, list) = rest.split_once(" = ")?;
            Some(Expectation::Transactions { id: id.to_owned(), list: pattern::try_parse(list)? })
        }
        "sessions" | "cdrs" => {
            let (id, count) = rest.split_once(" = ")?;
            let count = count.parse().ok()?;
            Some(Expectation::Count { noun: noun.to_owned(), id: id.to_owned(), count })
        }
        "session" | "cdr" | "fact" => {
            let (id, rest) = rest.split_once(' ')?;
            let (transaction, body) = rest.split_once(' ')?;
            let (id, transaction, body) = (id.to_owned(), transaction.to_owned(), pattern::try_parse(body)?);
            Some(if noun == "fact" {
                Expectation::Fact { id, transaction, body }
            } else {
                Expectation::One { noun: noun.to_owned(), id, transaction, body }
            })
        }
        "station" | "message" | "unreadable" => {
            let (id, body) = rest.split_once(' ')?;
            let (id, body) = (id.to_owned(), pattern::try_parse(body)?);
            Some(match noun {
                "station" => Expectation::Station { id, body },
                "message" => Expectation::Message { id, body },
                _ => Expectation::Unreadable { id, body },
            })
        }
        "outcome" => {
            let (word, body) = rest.split_once(' ').unwrap_or((rest, "{}"));
            Some(Expectation::Outcome { word: word.to_owned(), body: pattern::try_parse(body)? })
        }
        "closed" => rest.parse().ok().map(Expectation::Closed),
        _ => None,
    }
}
