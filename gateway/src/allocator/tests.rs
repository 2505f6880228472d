//! Conversations, line by line.

use serde_json::{Value, json};

use super::{converse, snapshot};

/// Two three-phase sockets of 6 to 32 A at a grid connection of so many amperes on each line, steps of five minutes.
fn hello(limit: f64, mode: &str) -> Value {
    let levels: Vec<u8> = std::iter::once(0).chain(6..=32).collect();
    let socket = |id: &str| json!({"id": id, "node": "grid", "line_map": [1, 2, 3], "voltage": 230.0, "allowed_A": levels});
    let rows = ["grid/L1", "grid/L2", "grid/L3"].map(|id| json!({"id": id}));
    json!({
        "hello": {
            "period_min": 5, "evses": [socket("A"), socket("B")], "constraints": rows, "limits": [limit, limit, limit],
            "tree": [{"id": "grid", "parent": null}],
        },
        "mode": mode,
    })
}

/// A car that arrived with step 0, leaves with step 100 and has drawn what it was offered.
fn car(evse: &str, kwh: f64, pilot: f64) -> Value {
    json!({
        "evse": evse, "session": format!("session of {evse}"), "phases": 3, "arrival": 0, "departure": 100,
        "remaining_kwh": kwh, "max_A": 32.0, "min_A": 6.0, "pilot_A": pilot, "drawn_A": pilot,
    })
}

/// A value with one of its fields changed: `with(hello, "/hello/period_min", 0)`.
fn with(mut value: Value, pointer: &str, other: impl Into<Value>) -> Value {
    *value.pointer_mut(pointer).unwrap() = other.into();
    value
}

fn said(lines: &[Value], trusted: bool) -> Result<Vec<Value>, String> {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let mut output = Vec::new();
    converse(input.as_bytes(), &mut output, trusted).map_err(|error| error.to_string())?;
    Ok(output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect())
}

fn answers(lines: &[Value], trusted: bool) -> Vec<Value> {
    let answers = said(lines, trusted).unwrap();
    assert_eq!(answers.first(), Some(&json!({})), "the answer to the hello");
    answers.into_iter().skip(1).map(|answer| answer["A"].clone()).collect()
}

#[test]
fn every_step_is_answered_and_limits_stay_until_they_move() {
    let step = |t: i64, limits: Value, pilot: f64| json!({"t": t, "limits": limits, "evs": [car("A", 30.0, pilot), car("B", 30.0, pilot)]});
    let lines = [
        hello(20.0, "real"),
        step(0, json!({}), 0.0),
        step(1, json!({"grid/L2": 14.0}), 10.0),
        step(2, json!({}), 7.0),
        step(3, json!({"grid/L2": -3.0}), 7.0),
        json!({"t": 4, "evs": []}),
    ];
    let shares = |amps: f64| json!({"A": amps, "B": amps});
    assert_eq!(answers(&lines, false), [shares(10.0), shares(7.0), shares(7.0), shares(0.0), json!({})]);
}

/// What a car draws is what its next share may be: B takes 8 A of 16 A, and A has the rest as soon as B has shown it.
#[test]
fn a_conversation_remembers_what_a_session_taught() {
    let taught = with(with(car("B", 30.0, 16.0), "/drawn_A", 7.5), "/pilot_A", 16.0);
    let lines = [
        hello(32.0, "real"),
        json!({"t": 0, "evs": [car("A", 30.0, 0.0), car("B", 30.0, 0.0)]}),
        json!({"t": 1, "evs": [car("A", 30.0, 16.0), taught]}),
    ];
    assert_eq!(answers(&lines, false), [json!({"A": 16.0, "B": 16.0}), json!({"A": 24.0, "B": 8.0})]);
}

#[test]
fn a_departure_is_a_deadline_where_somebody_answers_for_it() {
    // 44 kWh in two hours take 32 A.
    let hurried = with(car("B", 44.0, 0.0), "/departure", 24);
    let lines = [hello(32.0, "real"), json!({"t": 0, "evs": [car("A", 5.0, 0.0), hurried]})];
    assert_eq!(answers(&lines, true), [json!({"A": 0.0, "B": 32.0})]);
    let stated = answers(&lines, false);
    assert_ne!(stated[0]["A"], json!(0.0), "a statement is a weight");
    let lines = [hello(32.0, "user"), json!({"t": 0, "evs": []})];
    assert_eq!(
        said(&lines, true).unwrap_err(),
        "line 1: mode: departures of mode `user` are statements, and --trusted relies on them"
    );
}

/// |A e^(i 30) - B e^(i 150)| of 20 A each is 34.6 A, and one alone may have all of the row.
#[test]
fn rows_of_phasors_are_kept_as_phasors() {
    let levels: Vec<u8> = (6..=32).collect();
    let socket =
        |id: &str, phase: f64| json!({"id": id, "voltage": 208.0, "phase_deg": phase, "allowed_A": levels});
    let network = json!({
        "period_min": 5, "evses": [socket("A", 30.0), socket("B", 150.0)], "limits": [34.7],
        "constraints": [{"id": "A", "coef": {"A": 1.0, "B": -1.0}}],
    });
    let one = |evse: &str| with(car(evse, 30.0, 0.0), "/phases", 1);
    let lines = [
        json!({"hello": network, "mode": "real"}),
        json!({"t": 0, "evs": [one("A"), one("B")]}),
        json!({"t": 1, "evs": [one("A")]}),
    ];
    assert_eq!(answers(&lines, false), [json!({"A": 20.0, "B": 20.0}), json!({"A": 32.0})]);
}

#[test]
fn what_cannot_be_answered_is_told_with_its_place() {
    let good = || hello(20.0, "real");
    let step = |car: Value| json!({"t": 0, "evs": [car]});
    let uneven = json!([0, 6, 8, 9]);
    for (lines, words) in [
        (vec![], "the input ends before the hello"),
        (
            vec![json!({"hello": 1})],
            "line 1: hello: invalid type: integer `1`, expected struct Hello at line 1 column 10",
        ),
        (
            vec![with(good(), "/mode", "best")],
            "line 1: mode: unknown variant `best`, expected one of `ideal`, `real`, `user` at line 1 column",
        ),
        (vec![with(good(), "/hello/period_min", 0)], "line 1: hello.period_min: a step has no length"),
        (vec![with(good(), "/hello/limits", json!([1]))], "line 1: hello.limits: 1 limits for 3 constraints"),
        (
            vec![with(good(), "/hello/constraints/1/id", "grid/L4")],
            "line 1: hello.constraints[1].id: \"grid/L4\" is no `<node>/L<line>` of the tree",
        ),
        (
            vec![with(good(), "/hello/constraints/1/id", "grid/L1")],
            "line 1: hello.constraints[1].id: \"grid/L1\" is there twice",
        ),
        (
            vec![with(good(), "/hello/evses/1/allowed_A", uneven)],
            "line 1: hello.evses[1].allowed_A: it is not 0 and evenly spaced currents above it, in ascending order",
        ),
        (
            vec![with(good(), "/hello/evses/1/voltage", 230.5)],
            "line 1: hello.evses[1].voltage: 230.5 is no whole number of volts from 1 to 1,500",
        ),
        (vec![with(good(), "/hello/evses/1/id", "A")], "line 1: the network is refused: "),
        (vec![good(), json!({"t": 0})], "line 2: .: missing field `evs` at line 1 column 7"),
        (vec![good(), step(car("C", 1.0, 0.0))], "line 2: evs[0]: evse: \"C\" is not in the network"),
        (
            vec![good(), step(with(car("A", 1.0, 0.0), "/phases", 4))],
            "line 2: evs[0]: phases: 4 at an EVSE with 3 lines",
        ),
        (vec![good(), step(car("A", -1.0, 0.0))], "line 2: evs[0]: remaining_kwh: -1 is no energy"),
        (
            vec![good(), step(with(car("A", 1.0, 0.0), "/max_A", -1.0))],
            "line 2: evs[0]: max_A: it is no current",
        ),
        (
            vec![good(), json!({"t": 0, "evs": [car("A", 1.0, 0.0), car("A", 1.0, 0.0)]})],
            "line 2: evs[1].evse: \"A\" is there twice",
        ),
        (
            vec![good(), json!({"t": 0, "limits": {"grid/L9": 1.0}, "evs": []})],
            "line 2: limits: \"grid/L9\" is no constraint",
        ),
    ] {
        let told = said(&lines, false).unwrap_err();
        assert!(told.starts_with(words), "{told:?} instead of {words:?}");
    }
}

#[test]
fn extreme_figures_are_answered_too() {
    let mut wild = with(car("A", 999_999.0, 0.0), "/departure", i64::MAX);
    for (field, value) in [("/arrival", i64::MIN), ("/departure", i64::MIN), ("/departure", 0)] {
        wild = with(wild, field, value);
        let lines = [
            hello(20.0, "real"),
            json!({"t": i64::MAX, "evs": [wild.clone()]}),
            json!({"t": i64::MIN, "evs": [wild.clone()]}),
        ];
        assert_eq!(answers(&lines, false).len(), 2);
        assert_eq!(answers(&lines, true).len(), 2);
    }
}

#[test]
fn a_problem_is_compared_with_its_answer() {
    let problem = |expected: Value| {
        let car = |id: &str, weight: f64| json!({"id": id, "node": "grid", "lines": [1], "max_A": 32, "weight": weight});
        let nodes = json!([{"id": "grid", "parent": null, "limit_A": [12, 12, 12]}]);
        json!({"cases": [{"nodes": nodes, "evs": [car("A", 1.0), car("B", 2.0)], "expect_A": expected}]})
            .to_string()
    };
    let right = snapshot::answer(problem(json!([4.0, 8.0])).as_bytes()).unwrap();
    assert_eq!((right.expected, right.exact, &right.cases[0].amps), (1, 1, &vec![4.0, 8.0]));
    for wrong in [json!([4.0, 7.9]), json!([4.0])] {
        let answers = snapshot::answer(problem(wrong).as_bytes()).unwrap();
        assert_eq!((answers.expected, answers.exact), (1, 0));
    }
    let unknown = problem(Value::Null).replace("\"node\":\"grid\"", "\"node\":\"panel\"");
    let told = snapshot::answer(unknown.as_bytes()).unwrap_err().to_string();
    assert!(told.starts_with("line 1: cases[0]: ") && told.contains("panel"), "{told}");
}
