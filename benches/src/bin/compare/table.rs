//! The outcome: rows for people, and for scripts.

use std::fmt::Write as _;
use std::path::Path;

use pith_bench_program::Failure;

/// Rows as they come. Each is printed at once.
pub(crate) struct Table {
    text: String,
}

/// One comparison.
pub(crate) struct Row<'a> {
    pub(crate) scenario: &'a str,
    pub(crate) side: &'a str,
    pub(crate) unit: &'a str,
    /// What Pith takes.
    pub(crate) pith: f64,
    pub(crate) peer: &'a str,
    pub(crate) version: &'a str,
    /// Pith's to the peer's.
    pub(crate) ratio: f64,
    /// What cannot be avoided, and Pith's to that.
    pub(crate) floor: Option<(f64, f64)>,
}

impl Table {
    pub(crate) fn new() -> Self {
        println!(
            "{:22} {:8} {:15} {:>12}  {:>6} of {:18} {:>6} of the floor",
            "scenario", "side", "unit", "pith", "ratio", "peer", "ratio"
        );
        Self {
            text: "scenario\tside\tunit\tpith\tpeer\tversion\tratio\tfloor\tto_floor\n".to_owned(),
        }
    }

    pub(crate) fn add(&mut self, row: &Row<'_>) -> Result<(), Failure> {
        let Row {
            scenario,
            side,
            unit,
            pith,
            peer,
            version,
            ratio,
            floor,
        } = row;
        let (floor, to_floor) = match floor {
            Some((floor, ratio)) => (format!("{floor:.1}"), format!("{ratio:.3}")),
            None => Default::default(),
        };
        writeln!(
            self.text,
            "{scenario}\t{side}\t{unit}\t{pith:.1}\t{peer}\t{version}\t{ratio:.3}\t{floor}\t{to_floor}"
        )?;
        let named = format!("{peer} {version}");
        println!(
            "{scenario:22} {side:8} {unit:15} {pith:12.1}  {ratio:6.3} of {named:18} {to_floor:>6}"
        );
        Ok(())
    }

    pub(crate) fn write(&self, file: &Path) -> Result<(), Failure> {
        Ok(std::fs::write(file, &self.text)?)
    }
}

/// The one in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
