//! Reads figures out of a page of metrics.

/// The page of a node at one moment.
pub(crate) struct Page(pub(crate) String);

// === impl Page ===

impl Page {
    /// The sum of all samples of this name that carry all these labels; 0 when there are none.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        let of = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            let (found, carried) = series.split_once('{').unwrap_or((series, ""));
            let fits = found == name && wanted.iter().all(|label| carried.contains(label.as_str()));
            fits.then(|| value.parse::<f64>().unwrap())
        };
        self.0.lines().filter(|line| !line.starts_with('#')).filter_map(of).sum()
    }
}
