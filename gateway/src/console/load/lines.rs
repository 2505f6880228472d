//! The lines of the page: circuits in the order of the tree, each with its limits and its EVSEs; limits from outside; alarms.

use std::collections::{BTreeMap, BTreeSet};

use ringmain_domain::id::{CircuitId, SessionId, TenantId};
use ringmain_domain::load::allocation::standing::{CircuitStanding, RowStanding, Standing};
use ringmain_domain::load::capacity::CircuitNote;
use ringmain_domain::load::supply::Signal;
use ringmain_domain::load::tree::{Circuit, Evse, EvseKey, SiteTree};
use ringmain_domain::time::Timestamp;
use ringmain_domain::unit::Milliamps;

use super::super::format::{State, When, Zone, current, path_segment, words};
use super::bars::{Bar, limit_in_words};
use crate::actors::site::load::view::LoadAlarm;

/// A page with more would be too large to read and to be asked for every few seconds.
const CIRCUITS_SHOWN: usize = 150;
const EVSES_SHOWN: usize = 300;

/// The tree from the grid connection down.
pub(super) struct Lines {
    pub(super) circuits: Vec<CircuitLine>,
    pub(super) hidden_circuits: usize,
    pub(super) hidden_evses: usize,
}

/// A circuit.
pub(super) struct CircuitLine {
    /// Circuits above it.
    pub(super) level: usize,
    pub(super) name: String,
    /// Where it differs from the name.
    pub(super) id: Option<String>,
    /// What it may carry as configured.
    pub(super) limit: Option<String>,
    pub(super) history_href: String,
    /// Its history is the one that is shown.
    pub(super) is_chosen: bool,
    pub(super) circuit: CircuitId,
    /// What the last plan assumed or asked for, in words.
    pub(super) notes: Vec<String>,
    pub(super) bars: Vec<Bar>,
    pub(super) evses: Vec<EvseLine>,
}

/// An EVSE with its share.
pub(super) struct EvseLine {
    /// Unique on the page.
    pub(super) number: usize,
    pub(super) station: String,
    pub(super) station_href: String,
    pub(super) evse: String,
    pub(super) lines: String,
    pub(super) state: Option<State>,
    /// The running transaction, and its session.
    pub(super) session: Option<(String, String)>,
    pub(super) planned: Option<String>,
    pub(super) granted: Option<String>,
    pub(super) ceiling: Option<String>,
    pub(super) drawn: Option<String>,
    pub(super) reason: String,
    pub(super) is_deaf: bool,
}

/// A limit from outside that holds or will hold.
pub(super) struct SignalLine {
    pub(super) circuit: String,
    pub(super) limit: String,
    pub(super) source: String,
    pub(super) holds: bool,
    pub(super) from: When,
    pub(super) until: Option<When>,
}

/// Something a person should know.
pub(super) struct AlarmLine {
    pub(super) at: When,
    pub(super) what: String,
    pub(super) detail: String,
}

// === impl Lines ===

impl Lines {
    /// `shown` is the page's address and the circuit whose history is shown.
    pub(super) fn of(
        tree: &SiteTree,
        circuits: Vec<CircuitStanding>,
        standings: Vec<Standing>,
        (tenant, now): (&TenantId, Timestamp),
        shown: (&str, &CircuitId),
    ) -> Self {
        let ordered = in_order(tree);
        let rows: BTreeMap<_, _> =
            circuits.into_iter().map(|circuit| (circuit.circuit, circuit.rows)).collect();
        let standings: BTreeMap<_, _> =
            standings.into_iter().map(|standing| (standing.evse.clone(), standing)).collect();
        let kept = worth_showing(tree, &standings);
        let line = |(circuit, level): &(&Circuit, usize)| {
            let rows = rows.get(&circuit.id).map_or(&[][..], Vec::as_slice);
            let evses = tree.evses().iter().enumerate();
            let evses = evses.filter(|(_, evse)| evse.circuit == circuit.id && kept.contains(&evse.key));
            let evses =
                evses.map(|(place, evse)| EvseLine::of(place, evse, standings.get(&evse.key), tenant));
            CircuitLine { evses: evses.collect(), ..CircuitLine::of(circuit, *level, rows, now, shown) }
        };
        let lines: Vec<_> = ordered.iter().take(CIRCUITS_SHOWN).map(line).collect();
        let evses_shown = lines.iter().map(|line| line.evses.len()).sum();
        Self {
            hidden_circuits: ordered.len().saturating_sub(lines.len()),
            hidden_evses: tree.evses().len().saturating_sub(evses_shown),
            circuits: lines,
        }
    }
}

/// Circuits below their parents, with how many are above each.
fn in_order(tree: &SiteTree) -> Vec<(&Circuit, usize)> {
    let mut below: BTreeMap<Option<&CircuitId>, Vec<&Circuit>> = BTreeMap::new();
    // The last is taken from the waiting ones first.
    for circuit in tree.circuits().iter().rev() {
        below.entry(circuit.parent.as_ref()).or_default().push(circuit);
    }
    let mut waiting: Vec<_> =
        below.remove(&None).unwrap_or_default().into_iter().map(|root| (root, 0)).collect();
    let mut ordered = Vec::new();
    while let Some((circuit, level)) = waiting.pop() {
        ordered.push((circuit, level));
        let children = below.remove(&Some(&circuit.id)).unwrap_or_default();
        waiting.extend(children.into_iter().map(|child| (child, level + 1)));
    }
    ordered
}

/// All EVSEs; of very many first those that are deaf, then those that charge.
fn worth_showing<'t>(tree: &'t SiteTree, standings: &BTreeMap<EvseKey, Standing>) -> BTreeSet<&'t EvseKey> {
    let mut keys: Vec<_> = tree.evses().iter().map(|evse| &evse.key).collect();
    keys.sort_by_key(|key| {
        let standing = standings.get(key);
        let (is_deaf, charges) =
            (standing.is_some_and(|one| one.is_deaf), standing.is_some_and(|one| one.transaction.is_some()));
        (!is_deaf, !charges)
    });
    keys.into_iter().take(EVSES_SHOWN).collect()
}

// === impl CircuitLine ===

impl CircuitLine {
    fn of(
        circuit: &Circuit,
        level: usize,
        rows: &[RowStanding],
        now: Timestamp,
        (path, chosen): (&str, &CircuitId),
    ) -> Self {
        let name = circuit.label().to_owned();
        Self {
            level,
            id: (name != circuit.id.as_str()).then(|| circuit.id.to_string()),
            name,
            limit: limit_in_words(&circuit.limit_at(now)),
            history_href: format!("{path}?circuit={}#history", path_segment(circuit.id.as_str())),
            is_chosen: circuit.id == *chosen,
            circuit: circuit.id.clone(),
            notes: Vec::new(),
            bars: rows.iter().map(Bar::of).collect(),
            evses: Vec::new(),
        }
    }
}

/// What the last plan found out about circuits, and what it asks of their batteries.
pub(super) fn notes_in_words(
    notes: &[CircuitNote],
    setpoints: &BTreeMap<CircuitId, [Milliamps; 3]>,
) -> BTreeMap<CircuitId, Vec<String>> {
    let mut words: BTreeMap<CircuitId, Vec<String>> = BTreeMap::new();
    for note in notes {
        let told = words.entry(note.circuit.clone()).or_default();
        if note.meter_stale {
            told.push("meter silent: the building counts with what is assumed of it".to_owned());
        }
        if note.windows_lifted {
            told.push("price windows lifted: a departure would be missed".to_owned());
        }
    }
    for (circuit, asked) in setpoints {
        if let Some(most) = asked.iter().max().filter(|most| **most > Milliamps::ZERO) {
            let told = format!("battery asked to give up to {} on a line", current(most.0));
            words.entry(circuit.clone()).or_default().push(told);
        }
    }
    words
}

// === impl EvseLine ===

impl EvseLine {
    fn of(number: usize, evse: &Evse, standing: Option<&Standing>, tenant: &TenantId) -> Self {
        let key = &evse.key;
        let in_words = |current_ma: Option<Milliamps>| current_ma.map(|current_ma| current(current_ma.0));
        let state = |standing: &Standing| match standing.is_connected {
            true => State { class: "available", label: "Connected" },
            false => State { class: "offline", label: "Offline" },
        };
        let transaction = standing.and_then(|standing| standing.transaction.as_ref());
        let lines: Vec<_> = evse.lines.iter().map(ToString::to_string).collect();
        Self {
            number,
            station: key.station.to_string(),
            station_href: format!("/charging-stations/{}", path_segment(key.station.as_str())),
            evse: key.evse.to_string(),
            lines: lines.join(" "),
            state: standing.map(state),
            session: transaction.map(|transaction| {
                let session = SessionId::derive(tenant, &key.station, transaction);
                (format!("/sessions/{session}"), transaction.to_string())
            }),
            planned: in_words(standing.and_then(|standing| standing.planned)),
            granted: in_words(standing.and_then(|standing| standing.granted)),
            ceiling: in_words(standing.map(|standing| standing.ceiling)),
            drawn: in_words(standing.and_then(|standing| standing.drawn)),
            reason: standing.map(|standing| standing.reason.to_string()).unwrap_or_default(),
            is_deaf: standing.is_some_and(|standing| standing.is_deaf),
        }
    }
}

/// Limits from outside that are not over, in the order of the tree.
pub(super) fn signal_lines(
    tree: &SiteTree,
    mut signals: BTreeMap<CircuitId, Vec<Signal>>,
    now: Timestamp,
    zone: &Zone,
) -> Vec<SignalLine> {
    let circuits = tree.circuits().iter();
    let all = circuits.flat_map(|circuit| {
        let of = signals.remove(&circuit.id).unwrap_or_default();
        of.into_iter().map(move |signal| (circuit.label(), signal))
    });
    let open = all.filter(|(_, signal)| signal.until.is_none_or(|until| until > now));
    let line = open.map(|(circuit, signal)| SignalLine {
        circuit: circuit.to_owned(),
        limit: limit_in_words(&signal.limit).unwrap_or_default(),
        source: signal.source.into(),
        holds: signal.from <= now,
        from: zone.when(signal.from),
        until: signal.until.map(|until| zone.when(until)),
    });
    line.collect()
}

// === impl AlarmLine ===

impl AlarmLine {
    pub(super) fn of(alarm: LoadAlarm, zone: &Zone) -> Self {
        let what = match &*alarm.kind {
            "deaf" => "Does not obey".to_owned(),
            "unreachable" => "Cannot be told".to_owned(),
            "refusing" => "Refuses limits".to_owned(),
            "fallback_lost" => "Fallback lost".to_owned(),
            "deposed" => "Managed elsewhere".to_owned(),
            other => words(other),
        };
        Self { at: zone.exact(alarm.at), what, detail: alarm.detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::id::{EvseId, StationId, TransactionId};
    use ringmain_domain::load::tree::{Connection, Limit, Line, Output};
    use ringmain_domain::unit::Watts;

    fn circuit(id: &str, parent: Option<&str>) -> Circuit {
        let parent = parent.map(|parent| CircuitId::new(parent).unwrap());
        Circuit::new(CircuitId::new(id).unwrap(), parent, [Milliamps(1_000_000); 3])
    }

    fn evse(number: u32, circuit: &str) -> Evse {
        Evse {
            key: EvseKey { station: StationId::new("CS-1").unwrap(), evse: EvseId(number) },
            circuit: CircuitId::new(circuit).unwrap(),
            voltage_v: 230,
            lines: vec![Line::L2],
            connection: Connection::Neutral,
            output: Output::Ac,
            min_ma: Milliamps(6_000),
            max_ma: Milliamps(32_000),
            step_ma: Milliamps(1_000),
            can_switch_phases: false,
            rated_ma: Milliamps(32_000),
            fallback_ma: Milliamps::ZERO,
        }
    }

    fn standing(number: u32, transaction: Option<&str>, is_deaf: bool) -> Standing {
        Standing {
            evse: evse(number, "grid").key,
            is_connected: true,
            transaction: transaction.map(|id| TransactionId::new(id).unwrap()),
            departs_at: None,
            is_deadline: false,
            asked: None,
            planned: None,
            reason: "".into(),
            granted: None,
            ceiling: Milliamps::ZERO,
            drawn: None,
            is_deaf,
        }
    }

    fn lines(tree: &SiteTree, standings: Vec<Standing>) -> Lines {
        let grid = CircuitId::new("grid").unwrap();
        let when = (&TenantId::default_tenant(), Timestamp::from_millis(0));
        Lines::of(tree, Vec::new(), standings, when, ("/locations/x/load", &grid))
    }

    #[test]
    fn what_is_assumed_or_asked_for_is_said() {
        let note = |id: &str, meter_stale, windows_lifted| CircuitNote {
            circuit: CircuitId::new(id).unwrap(),
            meter_stale,
            battery_ma: [Milliamps::ZERO; 3],
            solar_enough: None,
            windows_lifted,
        };
        let asked = [("grid", [0, 7_000, 3_000]), ("feeder", [0, 0, 0])]
            .map(|(id, asked)| (CircuitId::new(id).unwrap(), asked.map(Milliamps)));
        let words = notes_in_words(&[note("grid", true, false), note("feeder", false, true)], &asked.into());
        let of = |id: &str| words[&CircuitId::new(id).unwrap()].clone();
        assert_eq!(
            of("grid"),
            [
                "meter silent: the building counts with what is assumed of it",
                "battery asked to give up to 7 A on a line"
            ]
        );
        assert_eq!(of("feeder"), ["price windows lifted: a departure would be missed"]);
    }

    #[test]
    fn circuits_stand_below_their_parents() {
        let circuits =
            [("b", Some("a")), ("grid", None), ("d", Some("grid")), ("a", Some("grid")), ("c", Some("b"))];
        let circuits = circuits.map(|(id, parent)| circuit(id, parent)).into();
        let tree = SiteTree::new(circuits, vec![evse(1, "c"), evse(2, "d")]).unwrap();
        let lines = lines(&tree, Vec::new());
        let shown: Vec<_> =
            lines.circuits.iter().map(|line| (line.name.as_str(), line.level, line.evses.len())).collect();
        assert_eq!(shown, [("grid", 0, 0), ("d", 1, 1), ("a", 1, 0), ("b", 2, 0), ("c", 3, 1)]);
        assert!(lines.circuits[0].is_chosen && !lines.circuits[1].is_chosen);
        assert_eq!(lines.circuits[1].evses[0].lines, "L2");
    }

    #[test]
    fn of_a_large_site_the_deaf_and_the_charging_are_shown() {
        let many = u32::try_from(EVSES_SHOWN).unwrap() + 100;
        let mut circuits = vec![circuit("grid", None)];
        circuits.extend((0..CIRCUITS_SHOWN).map(|number| circuit(&format!("c{number}"), Some("grid"))));
        let tree = SiteTree::new(circuits, (1..=many).map(|number| evse(number, "grid")).collect()).unwrap();
        let standings = vec![standing(many, Some("T1"), false), standing(many - 1, None, true)];
        let lines = lines(&tree, standings);
        assert_eq!((lines.hidden_circuits, lines.hidden_evses), (1, 100));
        let shown = &lines.circuits[0].evses;
        let last = shown.iter().filter(|line| line.is_deaf || line.session.is_some()).count();
        assert_eq!((shown.len(), last), (EVSES_SHOWN, 2));
    }

    #[test]
    fn limits_from_outside_are_shown_until_they_end() {
        let tree = SiteTree::new(vec![circuit("grid", None)], vec![evse(1, "grid")]).unwrap();
        let now = Timestamp::from_millis(0);
        let signal = |from_s: i64, until_s: Option<i64>| Signal {
            source: "grid operator".into(),
            from: now.plus_secs(from_s),
            until: until_s.map(|until_s| now.plus_secs(until_s)),
            limit: Limit { line_ma: None, power_w: Some(Watts(11_000)) },
        };
        let all = vec![signal(-60, Some(0)), signal(-60, Some(1)), signal(60, None)];
        let signals = BTreeMap::from([(CircuitId::new("grid").unwrap(), all)]);
        let lines = signal_lines(&tree, signals, now, &Zone::named(None));
        let shown: Vec<_> =
            lines.iter().map(|line| (line.limit.as_str(), line.holds, line.until.is_some())).collect();
        assert_eq!(shown, [("11.0 kW", true, true), ("11.0 kW", false, false)]);
    }
}
