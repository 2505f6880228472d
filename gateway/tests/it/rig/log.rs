//! What a node writes: kept line by line, and held to the rule that nothing unexpected reaches WARN.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

/// The lines of one node over all its runs. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
}

// === impl Log ===

impl Log {
    /// Reads a stream to its end on a thread of its own.
    pub(crate) fn follow(&self, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                log.lines.lock().unwrap().push(line);
            }
        })
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// The lines that are JSON objects, in order.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        self.lines.lock().unwrap().iter().any(|line| line.contains(text))
    }

    /// Lines of WARN and ERROR whose message begins with none of the `expected` texts, and lines that are no JSON (a panic's) and hold none.
    pub(crate) fn complaints(&self, expected: &[&str]) -> Vec<String> {
        let is_complaint = |line: &String| {
            let event: Option<Value> = serde_json::from_str(line).ok();
            let level = event.as_ref().and_then(|event| event.get("level")).and_then(Value::as_str);
            let message = event.as_ref().and_then(|event| event.get("message")).and_then(Value::as_str);
            let is_expected =
                |text: &&str| message.map_or(line.contains(text), |message| message.starts_with(text));
            !matches!(level, Some("INFO" | "DEBUG" | "TRACE")) && !expected.iter().any(is_expected)
        };
        self.lines().into_iter().filter(is_complaint).collect()
    }
}
