//! Pieces into lines: who prices what, steps, amounts.

use rust_decimal::Decimal;

use super::breakdown::{CostLine, LineKind, LinePeriod};
use super::cuts::{Cuts, Origins, Piece};
use super::rule::{Moment, Rule};
use super::usage::{MicroKwh, Period, Usage};
use super::{LINE_DIGITS, digits};
use crate::segment::Activity;
use crate::tariff::restriction::ReservationKind;
use crate::tariff::timeline::{TariffVersion, Timeline};
use crate::tariff::{Dimension, PriceComponent, TaxIncluded};
use crate::time::Timestamp;
use crate::time::local::Zone;

const MS_PER_SECOND: i64 = 1000;
const MS_PER_HOUR: i64 = 3_600_000;
const MICRO_PER_WH: i64 = 1000;
const MICRO_PER_KWH: i64 = 1_000_000;
/// A vehicle that begins and pauses all day would have a line for each time: from so many of a kind on the last one grows over the pauses.
const LINES_PER_KIND: usize = 50;

/// A session on its way to a bill.
pub(super) struct Tally<'a> {
    tariffs: &'a Timeline<'a>,
    zone: &'a Zone,
    expired: bool,
    start: TariffVersion<'a>,
    versions: Vec<Version<'a>>,
    cuts: Cuts,
    origins: Origins,
    /// Energy so far.
    energy: MicroKwh,
    /// The end of the stretch of parking that goes on, and until when it is free.
    parking: Option<(Timestamp, Timestamp)>,
    lines: Vec<Open<'a>>,
    pieces: Vec<Piece>,
}

/// A version of the tariff, ready for comparing.
struct Version<'a> {
    is: TariffVersion<'a>,
    rules: Vec<Rule<'a>>,
    is_local: bool,
}

/// A line that may still grow.
struct Open<'a> {
    kind: LineKind,
    version: TariffVersion<'a>,
    element: usize,
    component: &'a PriceComponent,
    period: LinePeriod,
    /// The session's energy where it ends.
    reached: MicroKwh,
    /// Millionths of a kWh, milliseconds, or 1.
    used: i64,
    /// What the step adds.
    surplus: i64,
}

// === impl Tally ===

impl<'a> Tally<'a> {
    pub(super) fn new(
        tariffs: &'a Timeline<'a>,
        zone: &'a Zone,
        usage: &Usage,
        start: TariffVersion<'a>,
    ) -> Self {
        let versions: Vec<_> = tariffs.versions().map(Version::new).collect();
        let origins = Origins::of(usage);
        let rules = versions.iter().flat_map(|version| &version.rules);
        let cuts = Cuts::new(tariffs, rules, zone, usage, origins);
        Self {
            tariffs,
            zone,
            expired: usage.reservation_expired,
            start,
            cuts,
            origins,
            versions,
            energy: MicroKwh(0),
            parking: None,
            lines: Vec::new(),
            pieces: Vec::new(),
        }
    }

    /// The next stretch.
    pub(super) fn add(&mut self, period: &Period) {
        let free_until = self.free_until(period);
        let mut pieces = std::mem::take(&mut self.pieces);
        self.cuts.pieces(period, self.energy, free_until, &mut pieces);
        for piece in &pieces {
            let version = self.tariffs.at_in(piece.from, &self.start);
            let moment = self.moment(period, piece);
            if period.activity == Some(Activity::Reserved) {
                self.price_reserved(version, piece, &moment);
            } else {
                let is_free = free_until.is_some_and(|until| piece.from < until);
                self.price_session(version, period.activity.filter(|_| !is_free), piece, &moment);
            }
            self.energy = MicroKwh(self.energy.0.saturating_add(piece.energy.0));
        }
        self.pieces = pieces;
    }

    /// Until when parking is free: the grace of the tariff in force when this unbroken stretch of it began.
    fn free_until(&mut self, period: &Period) -> Option<Timestamp> {
        if period.activity != Some(Activity::Idle) {
            self.parking = None;
            return None;
        }
        let going_on = self.parking.filter(|(end, _)| *end >= period.from);
        let until = going_on.map_or_else(
            || {
                let tariff = self.tariffs.at_in(period.from, &self.start).tariff;
                period.from.plus_secs(i64::from(tariff.idle_grace_s))
            },
            |(_, until)| until,
        );
        self.parking = Some((period.to, until));
        Some(until)
    }

    fn moment(&self, period: &Period, piece: &Piece) -> Moment {
        let is_local = self.versions.iter().any(|version| version.is_local);
        let reserved = period.activity == Some(Activity::Reserved);
        let origin = if reserved { self.origins.reserved } else { self.origins.session };
        Moment {
            local: if is_local { self.zone.local(piece.from) } else { None },
            energy: self.energy,
            age_ms: origin.map_or(0, |origin| piece.from.millis_since(origin)),
            power_w: period.power_w,
            current_ma: period.current_ma,
        }
    }

    fn price_reserved(&mut self, version: TariffVersion<'a>, piece: &Piece, moment: &Moment) {
        let general = Some(ReservationKind::Reservation);
        let first = if self.expired { Some(ReservationKind::ReservationExpires) } else { general };
        if self.last(LineKind::ReservationFlat).is_none() {
            let fee = self.find(self.start, Dimension::Flat, first, moment);
            self.book(LineKind::ReservationFlat, self.start, fee, piece, 1);
        }
        // Without a price of its own for time, a reservation that nobody came for costs what any other does.
        let time = self
            .find(version, Dimension::Time, first, moment)
            .or_else(|| self.find(version, Dimension::Time, general, moment));
        self.book(LineKind::ReservationTime, version, time, piece, piece.to.millis_since(piece.from));
    }

    fn price_session(
        &mut self,
        version: TariffVersion<'a>,
        activity: Option<Activity>,
        piece: &Piece,
        moment: &Moment,
    ) {
        let flat = LineKind::Usage(Dimension::Flat);
        if !self.expired && self.last(flat).is_none() {
            let fee = self.find(self.start, Dimension::Flat, None, moment);
            self.book(flat, self.start, fee, piece, 1);
        }
        let timed = match activity {
            Some(Activity::Charging) => Some(Dimension::Time),
            Some(Activity::Idle) => Some(Dimension::ParkingTime),
            Some(Activity::Reserved) | None => None,
        };
        let amounts = [(Some(Dimension::Energy), piece.energy.0), (timed, piece.to.millis_since(piece.from))];
        for (dimension, used) in amounts {
            let Some(dimension) = dimension.filter(|_| used > 0) else { continue };
            let found = self.find(version, dimension, None, moment);
            self.book(LineKind::Usage(dimension), version, found, piece, used);
        }
    }

    /// The first element that prices a dimension and whose restrictions hold.
    fn find(
        &self,
        version: TariffVersion<'a>,
        dimension: Dimension,
        reservation: Option<ReservationKind>,
        moment: &Moment,
    ) -> Option<(usize, &'a PriceComponent)> {
        self.version(version)?.rules.iter().find_map(|rule| {
            let component = rule.component(dimension)?;
            (rule.reservation() == reservation && rule.holds(moment)).then_some((rule.element, component))
        })
    }

    fn version(&self, wanted: TariffVersion<'a>) -> Option<&Version<'a>> {
        let same = |version: &&Version<'a>| {
            version.is.from == wanted.from && std::ptr::eq(version.is.tariff, wanted.tariff)
        };
        self.versions.iter().find(same)
    }

    fn last(&self, kind: LineKind) -> Option<usize> {
        self.lines.iter().rposition(|line| line.kind == kind)
    }

    /// Adds to the last line of the kind if the same element of the same version made it and nothing lies between, else begins a line.
    fn book(
        &mut self,
        kind: LineKind,
        version: TariffVersion<'a>,
        found: Option<(usize, &'a PriceComponent)>,
        piece: &Piece,
        used: i64,
    ) {
        let Some((element, component)) = found.filter(|_| used > 0) else { return };
        let (before, is_full) = (self.energy, self.count(kind) >= LINES_PER_KIND);
        let reached = MicroKwh(before.0.saturating_add(piece.energy.0));
        let last = self.lines.iter_mut().rev().find(|line| line.kind == kind);
        if let Some(line) = last
            && line.element == element
            && line.version.from == version.from
            && std::ptr::eq(line.component, component)
            && (is_full || line.touches(piece, before))
        {
            line.used = line.used.saturating_add(used);
            (line.period.to, line.reached) = (piece.to, reached);
            return;
        }
        // A fee becomes due at a moment; how long the piece lasts says nothing about it.
        let is_fee = matches!(kind, LineKind::Usage(Dimension::Flat) | LineKind::ReservationFlat);
        let to = if is_fee { piece.from } else { piece.to };
        let period = LinePeriod { from: piece.from, to };
        self.lines.push(Open { kind, version, element, component, period, reached, used, surplus: 0 });
    }

    fn count(&self, kind: LineKind) -> usize {
        self.lines.iter().filter(|line| line.kind == kind).count()
    }

    /// The lines of the bill.
    pub(super) fn into_lines(mut self) -> Vec<CostLine> {
        self.round_up(LineKind::Usage(Dimension::Energy), MICRO_PER_WH);
        // Once for all time in the session: parking is the last of it where there is priced parking.
        let parking = LineKind::Usage(Dimension::ParkingTime);
        let last = self.last(parking).map_or(LineKind::Usage(Dimension::Time), |_| parking);
        self.round_up(last, MS_PER_SECOND);
        self.round_up(LineKind::ReservationTime, MS_PER_SECOND);
        self.lines.sort_by_key(|line| line.kind);
        self.lines.iter().map(Open::close).collect()
    }

    /// Rounds the session's sum of a kind up to the step of its last line, which is billed the surplus.
    fn round_up(&mut self, kind: LineKind, unit: i64) {
        let used = self.lines.iter().filter(|line| line.kind == kind).map(|line| line.used);
        let total = used.fold(0, i64::saturating_add);
        let Some(last) = self.lines.iter_mut().rev().find(|line| line.kind == kind) else { return };
        let step = i64::from(last.component.step_size.max(1)).saturating_mul(unit);
        let beyond = total % step;
        if beyond > 0 {
            last.surplus = step - beyond;
        }
    }
}

// === impl Version ===

impl<'a> Version<'a> {
    fn new(is: TariffVersion<'a>) -> Self {
        let rules: Vec<_> =
            is.tariff.elements.iter().enumerate().map(|(index, of)| Rule::new(index, of)).collect();
        let is_local = rules.iter().any(Rule::is_local);
        Self { is, rules, is_local }
    }
}

// === impl Open ===

impl Open<'_> {
    /// Does a piece follow on it? Energy, where none has flowed since; time, where none has passed.
    fn touches(&self, piece: &Piece, before: MicroKwh) -> bool {
        match self.kind {
            LineKind::Usage(Dimension::Energy) => self.reached == before,
            LineKind::Usage(Dimension::Flat | Dimension::Time | Dimension::ParkingTime)
            | LineKind::ReservationFlat
            | LineKind::ReservationTime
            | LineKind::MinimumPrice
            | LineKind::MaximumPrice => self.period.to == piece.from,
        }
    }

    fn close(&self) -> CostLine {
        let per_unit = Decimal::from(match self.kind {
            LineKind::Usage(Dimension::Energy) => MICRO_PER_KWH,
            LineKind::Usage(Dimension::Time | Dimension::ParkingTime) | LineKind::ReservationTime => {
                MS_PER_HOUR
            }
            LineKind::Usage(Dimension::Flat)
            | LineKind::ReservationFlat
            | LineKind::MinimumPrice
            | LineKind::MaximumPrice => 1,
        });
        let billed = Decimal::from(self.used.saturating_add(self.surplus));
        // Multiply first: hours have no finite decimal form, the amount then rounds only once.
        let amount = product(self.component.price, billed) / per_unit;
        let (tax_percent, excl_tax, incl_tax) = self.taxed(amount);
        let (excl_tax, incl_tax) = (digits(excl_tax, LINE_DIGITS), digits(incl_tax, LINE_DIGITS));
        CostLine {
            kind: self.kind,
            tariff_id: Some(self.version.tariff.id.clone()),
            tariff_from: Some(self.version.from),
            element: Some(self.element),
            period: Some(self.period),
            quantity: digits(billed / per_unit, LINE_DIGITS),
            used: digits(Decimal::from(self.used) / per_unit, LINE_DIGITS),
            unit_price: self.component.price,
            tax_percent,
            excl_tax,
            tax: (incl_tax - excl_tax).normalize(),
            incl_tax,
        }
    }

    /// The tax that applies, the amount without it and the amount with it.
    fn taxed(&self, amount: Decimal) -> (Option<Decimal>, Decimal, Decimal) {
        let percent = self.component.tax_percent;
        let rate = Decimal::ONE + percent.unwrap_or_default() / Decimal::ONE_HUNDRED;
        match self.version.tariff.tax_included {
            TaxIncluded::No => (percent, amount, product(amount, rate)),
            TaxIncluded::Yes => (percent, amount.checked_div(rate).unwrap_or(amount), amount),
            TaxIncluded::NotApplicable => (None, amount, amount),
        }
    }
}

/// Prices and quantities have bounds that keep this far from overflowing; a bill record of nonsense is held instead.
fn product(a: Decimal, b: Decimal) -> Decimal {
    a.checked_mul(b).unwrap_or(Decimal::from(i64::MAX))
}
