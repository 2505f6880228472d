//! How full a limit is: a bar with what nobody controls, what is drawn and what is promised, and a word where it is nearly full or over.

use ringmain_domain::load::allocation::standing::RowStanding;
use ringmain_domain::load::rows::RowKind;
use ringmain_domain::load::tree::Limit;

use super::super::drawing::share;
use super::super::format::{State, current, power};

/// How long a bar is, in its own units.
const LENGTH: i64 = 1000;
/// From here on a limit is nearly full, in percent.
const NEARLY_PERCENT: i128 = 90;

/// One limit.
pub(super) struct Bar {
    pub(super) name: String,
    /// `near`, `over` or nothing: names the colour.
    pub(super) tone: &'static str,
    /// The same in words: never colour alone.
    pub(super) pill: Option<State>,
    /// Lengths of the parts, all from the left.
    pub(super) reserved_to: i64,
    pub(super) drawn_to: i64,
    pub(super) promised_to: i64,
    pub(super) limit_at: i64,
    /// The same in figures. Of most circuits below the grid connection nobody says what the building takes.
    pub(super) reserved: Option<String>,
    pub(super) drawn: String,
    pub(super) promised: String,
    pub(super) limit: String,
    /// All of it in one sentence.
    pub(super) summary: String,
}

impl Bar {
    pub(super) fn of(row: &RowStanding) -> Self {
        let RowStanding { kind, limit, reserved, promised, drawn } = row;
        let written = |value: i64| amount(kind, value);
        let name = name(kind);
        let (tone, pill) = match fullness(row) {
            Fullness::Free => ("", None),
            Fullness::Near => ("near", Some(State { class: "occupied", label: "Nearly full" })),
            Fullness::Promised => {
                ("over", Some(State { class: "faulted", label: "Promised over the limit" }))
            }
            Fullness::Over => ("over", Some(State { class: "faulted", label: "Over the limit" })),
        };
        let whole = (*limit).max(*promised).max(*drawn).max(1);
        let to = |value: i64| share(LENGTH, value.clamp(0, whole), whole);
        let (limit_text, promised_text, drawn_text) = (written(*limit), written(*promised), written(*drawn));
        let building = (*reserved != 0).then(|| written(*reserved));
        let of_that = building.as_ref().map(|building| format!(", of that building {building}"));
        let summary = format!(
            "{name}: limit {limit_text}, promised {promised_text}, drawn {drawn_text}{}",
            of_that.unwrap_or_default()
        );
        Self {
            tone,
            pill,
            reserved_to: to(*reserved),
            drawn_to: to(*drawn),
            promised_to: to(*promised),
            limit_at: to(*limit),
            reserved: building,
            drawn: drawn_text,
            promised: promised_text,
            limit: limit_text,
            summary,
            name,
        }
    }
}

enum Fullness {
    Free,
    /// Promised and drawn reach nine tenths of it.
    Near,
    /// More may be drawn than it carries, as before a cut limit has reached the stations.
    Promised,
    /// More is drawn.
    Over,
}

/// What is promised alone says little: a site may promise all it has, and nobody draws.
fn fullness(row: &RowStanding) -> Fullness {
    let reaches = |load: i64| i128::from(load) * 100 >= i128::from(row.limit) * NEARLY_PERCENT;
    if row.drawn > row.limit {
        Fullness::Over
    } else if row.promised > row.limit {
        Fullness::Promised
    } else if row.drawn > 0 && reaches(row.promised) && reaches(row.drawn) {
        Fullness::Near
    } else {
        Fullness::Free
    }
}

/// What a limit is of, for people.
pub(super) fn name(kind: &RowKind) -> String {
    match kind {
        RowKind::Line(_) | RowKind::Phasor(_) => kind.to_string(),
        RowKind::Power => "Power".to_owned(),
    }
}

/// A figure of a limit: rows of power count in mW, all others in mA.
pub(super) fn amount(kind: &RowKind, value: i64) -> String {
    match kind {
        RowKind::Power => power(value / 1_000),
        RowKind::Line(_) | RowKind::Phasor(_) => current(value),
    }
}

/// What a circuit may carry, as it was configured or asked for.
pub(super) fn limit_in_words(limit: &Limit) -> Option<String> {
    let lines = limit.line_ma.map(|[first, second, third]| {
        if first == second && second == third {
            return format!("{} per line", current(first.0));
        }
        [first, second, third].map(|line| current(line.0)).join(" / ")
    });
    let watts = limit.power_w.map(|watts| power(watts.0));
    let both: Vec<_> = lines.into_iter().chain(watts).collect();
    (!both.is_empty()).then(|| both.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ringmain_domain::load::tree::Line;
    use ringmain_domain::unit::{Milliamps, Watts};

    fn bar(limit: i64, [reserved, promised, drawn]: [i64; 3]) -> Bar {
        Bar::of(&RowStanding { kind: RowKind::Line(Line::L1), limit, reserved, promised, drawn })
    }

    #[test]
    fn a_bar_is_tinted_when_promised_and_drawn_are_near_the_limit_and_when_one_is_over() {
        for (limit, loads, tone) in [
            (100, [0, 0, 0], ""),
            (100, [0, 100, 89], ""),
            (100, [0, 100, 90], "near"),
            (100, [0, 90, 90], "near"),
            (100, [50, 100, 100], "near"),
            (100, [0, 101, 0], "over"),
            (100, [0, 50, 101], "over"),
            (0, [0, 0, 0], ""),
            (0, [0, 1, 0], "over"),
            (i64::MAX, [0, i64::MAX, i64::MAX], "near"),
        ] {
            let bar = bar(limit, loads);
            assert_eq!(bar.tone, tone, "{limit} {loads:?}");
            assert_eq!(bar.pill.is_some(), !tone.is_empty(), "never colour alone");
        }
    }

    #[test]
    fn parts_of_a_bar_fit_it_whatever_the_figures_are() {
        let full = bar(50_000, [10_000, 40_000, 25_000]);
        assert_eq!((full.reserved_to, full.drawn_to, full.promised_to, full.limit_at), (200, 500, 800, 1000));
        assert_eq!(full.summary, "L1: limit 50 A, promised 40 A, drawn 25 A, of that building 10 A");
        let over = bar(50_000, [-10_000, 100_000, 0]);
        assert_eq!((over.reserved_to, over.promised_to, over.limit_at), (0, 1000, 500));
        for strange in [bar(i64::MIN, [i64::MAX, i64::MIN, i64::MAX]), bar(0, [0, 0, 0])] {
            let parts = [strange.reserved_to, strange.drawn_to, strange.promised_to, strange.limit_at];
            assert!(parts.iter().all(|part| (0..=LENGTH).contains(part)), "{parts:?}");
        }
    }

    #[test]
    fn limits_are_told_in_words() {
        let lines = |three: [i64; 3]| Some(three.map(Milliamps));
        for (line_ma, power_w, expect) in [
            (None, None, None),
            (lines([63_000; 3]), None, Some("63 A per line")),
            (lines([63_000, 63_000, 16_500]), Some(Watts(40_000)), Some("63 A / 63 A / 16.5 A, 40.0 kW")),
            (None, Some(Watts(0)), Some("0.0 kW")),
        ] {
            assert_eq!(limit_in_words(&Limit { line_ma, power_w }).as_deref(), expect);
        }
        assert_eq!(amount(&RowKind::Power, 43_470_000), "43.5 kW");
    }
}
