//! The outcome: rows for people, and for scripts.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use pith_bench_program::Failure;

use crate::program::Skipped;
use crate::{PARTS, part};

/// Rows as they come, each of which is printed at once, and what did not work.
pub(crate) struct Table {
    rows: Vec<String>,
    failures: Vec<String>,
    start: Instant,
}

/// One comparison.
pub(crate) struct Row<'a> {
    pub(crate) scenario: &'a str,
    pub(crate) side: &'a str,
    pub(crate) unit: &'a str,
    /// What Pith takes, or reaches.
    pub(crate) pith: f64,
    pub(crate) peer: &'a str,
    pub(crate) version: &'a str,
    /// Pith's to the peer's, or the peer's to Pith's of what is better the more it is.
    pub(crate) ratio: f64,
    /// What cannot be avoided, and Pith's to that.
    pub(crate) floor: Option<(f64, f64)>,
}

const HEADER: &str = "scenario\tside\tunit\tpith\tpeer\tversion\tratio\tfloor\tto_floor";

impl Table {
    pub(crate) fn new() -> Self {
        println!(
            "{:>6} {:22} {:8} {:15} {:>12}  {:>6} of {:18} {:>6} of the floor",
            "second", "scenario", "side", "unit", "pith", "ratio", "peer", "ratio"
        );
        Self {
            rows: Vec::new(),
            failures: Vec::new(),
            start: Instant::now(),
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
        let mut text = String::new();
        write!(
            text,
            "{scenario}\t{side}\t{unit}\t{pith:.1}\t{peer}\t{version}\t{ratio:.3}\t{floor}\t{to_floor}"
        )?;
        self.rows.push(text);
        let (named, second) = (format!("{peer} {version}"), self.start.elapsed().as_secs());
        println!(
            "{second:6} {scenario:22} {side:8} {unit:15} {pith:12.1}  {ratio:6.3} of {named:18} {to_floor:>6}"
        );
        Ok(())
    }

    /// Does something whose failure leaves rows out, and ends `compare` at the very end only.
    pub(crate) fn attempt<T>(
        &mut self,
        what: &str,
        run: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Option<T> {
        match run(self) {
            Ok(done) => Some(done),
            Err(failure) if failure.is::<Skipped>() => {
                println!("left out: {what}: {failure}");
                None
            }
            Err(failure) => {
                println!("FAILED: {what}: {failure}");
                self.failures.push(format!("{what}: {failure}"));
                None
            }
        }
    }

    /// Writes the rows, those of other parts than these as the file has them.
    pub(crate) fn write(mut self, file: &Path, parts: &[&str]) -> Result<(), Failure> {
        if parts.len() < PARTS.len() && file.exists() {
            let before = std::fs::read_to_string(file)?;
            let before = before.lines().filter(|line| *line != HEADER);
            let kept = before.filter(|line| !parts.contains(&part(line)));
            self.rows.extend(kept.map(str::to_owned));
        }
        self.rows
            .sort_by_key(|row| PARTS.iter().position(|name| *name == part(row)));
        self.rows.insert(0, HEADER.to_owned());
        std::fs::write(file, self.rows.join("\n") + "\n")?;
        println!("{} after {:?}", file.display(), self.start.elapsed());
        if self.failures.is_empty() {
            return Ok(());
        }
        Err(format!("rows are missing:\n{}", self.failures.join("\n")).into())
    }
}

/// Laps in turn: what Pith shows, and what the other.
pub(crate) struct Pairs(Vec<(Vec<f64>, Vec<f64>)>);

/// How often, and after how many seconds no more.
#[derive(Clone, Copy)]
pub(crate) struct Turns {
    pub(crate) most: usize,
    pub(crate) seconds: u64,
}

impl Pairs {
    /// Runs laps; which of the two goes first changes from turn to turn. One more than counts, to warm up.
    pub(crate) fn run<P, O>(
        turns: Turns,
        (pith, other): (&mut P, &mut O),
        mut lap_of_pith: impl FnMut(&mut P) -> Result<Vec<f64>, Failure>,
        mut lap_of_other: impl FnMut(&mut O) -> Result<Vec<f64>, Failure>,
    ) -> Result<Self, Failure> {
        let (start, mut pairs) = (Instant::now(), Vec::new());
        for turn in 0..=turns.most {
            let (own, theirs);
            if turn % 2 == 0 {
                own = lap_of_pith(pith)?;
                theirs = lap_of_other(other)?;
            } else {
                theirs = lap_of_other(other)?;
                own = lap_of_pith(pith)?;
            }
            if turn > 0 {
                pairs.push((own, theirs));
            }
            if turn >= LEAST && start.elapsed().as_secs() >= turns.seconds {
                break;
            }
        }
        Ok(Self(pairs))
    }

    pub(crate) fn pith(&self, place: usize) -> f64 {
        median(self.0.iter().map(|pair| pair.0[place]))
    }

    pub(crate) fn other(&self, place: usize) -> f64 {
        median(self.0.iter().map(|pair| pair.1[place]))
    }

    /// Pith's to the other's.
    pub(crate) fn ratio(&self, place: usize) -> f64 {
        median(self.0.iter().map(|pair| pair.0[place] / pair.1[place]))
    }
}

/// Turns that there are however long they take.
const LEAST: usize = 3;

/// The one in the middle.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(scenario: &str, pith: f64) -> Row<'_> {
        Row {
            scenario,
            side: "client",
            unit: "ns",
            pith,
            peer: "peer",
            version: "1",
            ratio: 0.5,
            floor: None,
        }
    }

    #[test]
    fn parts_that_were_not_measured_stay_as_they_were() {
        let file = std::env::temp_dir().join(format!("pith-table-{}.tsv", std::process::id()));
        let write = |parts: &[&str], rows: &[(&str, f64)]| {
            let mut table = Table::new();
            for (scenario, pith) in rows {
                table.add(&row(scenario, *pith)).unwrap();
            }
            table.write(&file, parts).unwrap();
            std::fs::read_to_string(&file).unwrap()
        };
        write(&PARTS, &[("full-hybrid", 1.0), ("scale-streams-1", 2.0)]);
        let text = write(&["scale"], &[("scale-cores-1", 3.0)]);
        let want = "full-hybrid\tclient\tns\t1.0\tpeer\t1\t0.500\t\t\n\
                    scale-cores-1\tclient\tns\t3.0\tpeer\t1\t0.500\t\t\n";
        assert_eq!(text, format!("{HEADER}\n{want}"));
        let text = write(&["tls"], &[("bulk-100", 4.0)]);
        let first = text.lines().nth(1).unwrap();
        assert!(first.starts_with("bulk-100\t") && text.contains("scale-cores-1"));
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_failure_fails_once_the_file_is_written() {
        let file = std::env::temp_dir().join(format!("pith-failed-{}.tsv", std::process::id()));
        let mut table = Table::new();
        let failed: Option<()> = table.attempt("a peer", |_| Err("it ended".into()));
        table.add(&row("full-hybrid", 1.0)).unwrap();
        let error = table.write(&file, &PARTS).unwrap_err().to_string();
        assert!(failed.is_none() && error.contains("a peer: it ended"));
        assert!(
            std::fs::read_to_string(&file)
                .unwrap()
                .contains("full-hybrid")
        );
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn ratios_are_those_of_pairs() {
        let turns = Turns {
            most: 3,
            seconds: 60,
        };
        let (mut own, mut theirs) = (0.0, 0.0);
        let lap = |value: &mut f64| {
            *value += 1.0;
            Ok(vec![*value])
        };
        let double = |value: &mut f64| {
            *value += 1.0;
            Ok(vec![2.0 * *value])
        };
        let pairs = Pairs::run(turns, (&mut own, &mut theirs), lap, double).unwrap();
        // The first warms up.
        assert_eq!((pairs.0.len(), own), (3, 4.0));
        assert_eq!(
            (pairs.pith(0), pairs.other(0), pairs.ratio(0)),
            (3.0, 6.0, 0.5)
        );
    }
}
