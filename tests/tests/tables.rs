//! Checks the tables that tie requirements and known attacks to tests; CONTRIBUTING.md has their format.
//!
//! In: `tests/requirements/*.ids` and `*.tsv`, `missing.txt` and `attacks.tsv`, and every Rust source of the workspace. Out: the
//! list of faults, each with its place. A test that a table names must exist, an id that a table or a comment names must be in
//! the committed list, and what is still missing must be exactly what `missing.txt` says, so that it only falls.
//! The checker reads text, not Rust: a test is a `fn` below a line that starts with `#[test]`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn tables_hold() {
    let sources = Sources::read(&root());
    let tables = root().join("tests/requirements");
    let mut lists = BTreeMap::new();
    for path in files(&tables, "ids") {
        lists.insert(stem(&path), ids(&text(&path)));
    }
    assert!(
        lists.contains_key("rfc9846"),
        "the list of RFC 9846 is gone"
    );

    let mut faults = sources.unknown_citations(&lists);
    let mut missing = Vec::new();
    for (name, ids) in &lists {
        let path = tables.join(format!("{name}.tsv"));
        let table = Requirements::check(&place(&path), &text(&path), ids, &sources);
        println!(
            "{name}: {} requirements, {} tested, {} not applicable, {} missing",
            ids.len(),
            table.tested,
            table.waived,
            table.missing.len()
        );
        missing.push((name.clone(), table.missing.len()));
        faults.extend(table.faults);
    }
    for path in files(&tables, "tsv") {
        if !lists.contains_key(&stem(&path)) {
            faults.push(format!("{}: has no list of ids beside it", place(&path)));
        }
    }
    let ids = |name: &str| {
        let table = text(&root().join(name));
        let rows = table.lines().filter(|line| !line.starts_with('#'));
        let ids = rows.map(|row| row.split('\t').next().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids("tests/precedents.tsv"), ids("tests/attacks.tsv"));
    let attacks = Attacks::check(&text(&root().join("tests/attacks.tsv")), &sources);
    println!(
        "attacks: {} tested, {} not applicable, {} of parts to come, {} without a test yet",
        attacks.tested, attacks.waived, attacks.later, attacks.missing
    );
    missing.push(("attacks".to_owned(), attacks.missing));
    missing.push(("attacks of parts to come".to_owned(), attacks.later));
    faults.extend(attacks.faults);
    faults.extend(compare_missing(
        &text(&tables.join("missing.txt")),
        &missing,
    ));
    assert!(
        faults.is_empty(),
        "{} faults in the tables:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// What is recommended and not done is told with a reason; the page of assurance shows it.
#[test]
fn recommendations_that_are_not_followed_have_reasons() {
    let text = |name: &str| text(&root().join("assurance").join(name));
    let faults = shoulds(&text("shoulds.tsv"), &text("shoulds.ids"));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Each number of the page is one that a test reads and asserts, and each that a test reads is on the page.
#[test]
fn ceilings_are_those_that_tests_assert() {
    let sources = Sources::read(&root());
    let attacks = text(&root().join("tests/attacks.tsv"));
    let table = text(&root().join("assurance/ceilings.tsv"));
    let faults = ceilings(&table, &ids(&attacks), &sources);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A long run that was made has a row: what, how many, what was found, the commit, the date.
#[test]
fn long_runs_are_told_of_whole() {
    let table = text(&root().join("assurance/long.tsv"));
    let rows = rows(&table);
    assert!(rows.len() >= 5, "{} rows", rows.len());
    for (line, cells) in rows {
        let whole = cells.len() == 5 && cells.iter().all(|cell| !cell.is_empty());
        assert!(whole, "assurance/long.tsv:{line}: needs five cells");
    }
}

/// Checks rows of id, what is held, attacks, bytes and the test that asserts them.
fn ceilings(table: &str, attacks: &BTreeSet<String>, sources: &Sources) -> Vec<String> {
    let (mut faults, mut seen) = (Vec::new(), BTreeSet::new());
    for (line, cells) in rows(table) {
        let [id, what, against, bytes, test] = padded(&cells);
        let mut fault =
            |what: &str| faults.push(format!("assurance/ceilings.tsv:{line}: {id}: {what}"));
        if cells.len() != 5 || what.is_empty() {
            fault("needs five cells");
        }
        if !seen.insert(id.to_owned()) {
            fault("stands twice");
        }
        if bytes.parse::<i64>().is_err() {
            fault("has no number of bytes");
        }
        if words(against).next().is_none() || words(against).any(|one| !attacks.contains(one)) {
            fault("names no known attack");
        }
        match sources.ceilings.get(id) {
            None => fault("is read by no test"),
            Some(tests) if !tests.contains(test) => {
                fault("names a test that is in no file which reads it")
            }
            Some(_) => {}
        }
    }
    let unknown = sources.ceilings.keys().filter(|id| !seen.contains(*id));
    faults.extend(unknown.map(|id| format!("assurance/ceilings.tsv: no row {id}")));
    faults
}

/// Checks rows of id, level, what is done instead and why against the list of ids and levels.
fn shoulds(table: &str, list: &str) -> Vec<String> {
    let list: BTreeMap<_, _> = rows(list)
        .into_iter()
        .map(|(_, cells)| (cells[0], cells[1]))
        .collect();
    let (mut faults, mut seen) = (Vec::new(), BTreeSet::new());
    for (line, cells) in rows(table) {
        let [id, level, instead, why] = padded(&cells);
        let mut fault =
            |what: &str| faults.push(format!("assurance/shoulds.tsv:{line}: {id}: {what}"));
        if cells.len() != 4 || instead.is_empty() || why.is_empty() {
            fault("needs four cells");
        }
        if !seen.insert(id) {
            fault("stands twice");
        }
        match list.get(id) {
            None => fault("is in no list"),
            Some(listed) if *listed != level => fault("has another level"),
            Some(_) => {}
        }
    }
    faults
}

/// What the workspace's Rust sources hold that tables speak of.
#[derive(Default)]
struct Sources {
    tests: BTreeSet<String>,
    /// Place and id of each citation.
    citations: Vec<(String, String)>,
    /// Each ceiling that is read, with the tests of the files that do.
    ceilings: BTreeMap<String, BTreeSet<String>>,
}

impl Sources {
    fn read(root: &Path) -> Self {
        let mut sources = Self::default();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy();
                if path.is_dir() && name != "target" && !name.starts_with('.') {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    sources.add(&place(&path), &text(&path));
                }
            }
        }
        sources
    }

    fn add(&mut self, path: &str, source: &str) {
        let tests = test_names(source);
        for id in ceilings_read(source) {
            let of_file = self.ceilings.entry(id).or_default();
            of_file.extend(tests.iter().cloned());
        }
        self.tests.extend(tests);
        self.citations
            .extend(citations(source).map(|(line, id)| (format!("{path}:{line}"), id)));
    }

    fn unknown_citations(&self, lists: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
        let known = |id: &str| lists.values().any(|ids| ids.contains(id));
        let unknown = self.citations.iter().filter(|(_, id)| !known(id));
        unknown.map(|(at, id)| format!("{at}: {id} is in no committed list of ids (cite a section without a number as `RFC 9846 5.1`)")).collect()
    }

    fn missing_tests<'a>(&self, names: &'a str) -> Vec<&'a str> {
        words(names)
            .filter(|name| !self.tests.contains(*name))
            .collect()
    }
}

/// The functions below a `#[test]`, whatever attributes and comments stand between. One that is ignored proves nothing.
fn test_names(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut pending = false;
    for line in source
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        if let Some(after) = line
            .strip_prefix("fn ")
            .or_else(|| line.strip_prefix("pub fn "))
        {
            let name: String = after
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if std::mem::take(&mut pending) {
                names.push(name);
            }
        } else if line.starts_with("#[test]") {
            pending = true;
        } else if line.starts_with("#[ignore") || !line.starts_with("#[") && !line.starts_with("//")
        {
            pending = false;
        }
    }
    names
}

/// The ids in calls of `ceiling`.
fn ceilings_read(source: &str) -> impl Iterator<Item = String> {
    let calls = source.split("ceiling(\u{22}").skip(1);
    calls.filter_map(|call| Some(call.split_once('"')?.0.to_owned()))
}

/// Every `rfcN#…` and `draft-…#…` of a source, with its line. What follows the `#` is taken as far as it looks like an id, so
/// that a slip is seen.
fn citations(source: &str) -> impl Iterator<Item = (usize, String)> {
    let in_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let in_id = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    source.lines().zip(1..).flat_map(move |(line, number)| {
        line.match_indices('#').filter_map(move |(at, _)| {
            let name = &line[line[..at].trim_end_matches(in_name).len()..at];
            let numbered = |rfc: &str| rfc.starts_with(|c: char| c.is_ascii_digit());
            if !name.starts_with("draft-") && !name.strip_prefix("rfc").is_some_and(numbered) {
                return None;
            }
            let tail = &line[at + 1..];
            let end = tail.find(|c| !in_id(c)).unwrap_or(tail.len());
            let id = tail[..end].trim_end_matches('.');
            Some((number, format!("{name}#{id}")))
        })
    })
}

#[derive(Default)]
struct Requirements {
    tested: usize,
    waived: usize,
    missing: BTreeSet<String>,
    faults: Vec<String>,
}

impl Requirements {
    fn check(place: &str, table: &str, ids: &BTreeSet<String>, sources: &Sources) -> Self {
        let mut result = Self {
            missing: ids.clone(),
            ..Self::default()
        };
        let mut seen = BTreeSet::new();
        for (line, cells) in rows(table) {
            let [id, status, places, tests, note] = padded(&cells);
            let mut fault =
                |what: String| result.faults.push(format!("{place}:{line}: {id}: {what}"));
            if cells.len() > 5 {
                fault("has more than five cells".to_owned());
            }
            if !seen.insert(id.to_owned()) {
                fault("stands twice".to_owned());
            } else if !ids.contains(id) {
                fault("is no requirement of that list".to_owned());
            }
            match status {
                "test" if places.is_empty() || tests.is_empty() => {
                    fault("names no file or no test".to_owned())
                }
                "test" => {
                    for path in words(places).filter(|path| !root().join(path).is_file()) {
                        fault(format!("there is no file {path}"));
                    }
                    for name in sources.missing_tests(tests) {
                        fault(format!("there is no test {name}"));
                    }
                    result.tested += 1;
                }
                "n/a" if note.is_empty() => fault("gives no reason".to_owned()),
                "n/a" => result.waived += 1,
                other => fault(format!("has the status {other:?}")),
            }
            result.missing.remove(id);
        }
        result
    }
}

#[derive(Default)]
struct Attacks {
    tested: usize,
    waived: usize,
    /// On a part of the library that is not there yet, or not whole.
    later: usize,
    missing: usize,
    faults: Vec<String>,
}

impl Attacks {
    /// The rows that must be there: a letter, the first and the last.
    const ROWS: [(char, usize, usize); 6] = [
        ('R', 1, 14),
        ('S', 1, 15),
        ('P', 1, 12),
        ('T', 1, 14),
        ('Q', 1, 15),
        ('A', 1, 60),
    ];

    fn check(table: &str, sources: &Sources) -> Self {
        let mut result = Self::default();
        let mut wanted: BTreeSet<String> = Self::ROWS
            .iter()
            .flat_map(|(letter, first, last)| {
                (*first..=*last).map(move |n| format!("{letter}{n:02}"))
            })
            .collect();
        for (line, cells) in rows(table) {
            let [id, defence, tests] = padded(&cells);
            let mut fault = |what: String| {
                result
                    .faults
                    .push(format!("tests/attacks.tsv:{line}: {id}: {what}"))
            };
            if cells.len() != 3 || defence.is_empty() || tests.is_empty() {
                fault("needs three cells".to_owned());
            }
            if !wanted.remove(id) {
                fault("stands twice or is no known row".to_owned());
            }
            let (tests, later) = match tests.split_once("later:") {
                Some((tests, part)) => (tests, Some(part.trim())),
                None => (tests, None),
            };
            match tests.strip_prefix("n/a") {
                Some(reason) if reason.trim_start_matches(':').trim().is_empty() => {
                    fault("gives no reason".to_owned())
                }
                Some(_) => result.waived += 1,
                None if tests == "-" => result.missing += 1,
                None => {
                    for name in sources.missing_tests(tests) {
                        fault(format!("there is no test {name}"));
                    }
                    match later {
                        Some("") => fault("does not say which part is to come".to_owned()),
                        Some(_) => result.later += 1,
                        None => result.tested += 1,
                    }
                }
            }
        }
        result.faults.extend(
            wanted
                .into_iter()
                .map(|id| format!("tests/attacks.tsv: the row {id} is gone")),
        );
        result
    }
}

/// What is missing must be what is written down: more is a step back, less has to be written down so that it stays.
fn compare_missing(written: &str, counted: &[(String, usize)]) -> Vec<String> {
    let mut written: BTreeMap<&str, &str> = rows(written)
        .into_iter()
        .map(|(_, cells)| padded(&cells))
        .map(|[name, count]| (name, count))
        .collect();
    let mut faults = Vec::new();
    for (name, count) in counted {
        match written.remove(name.as_str()).map(str::parse::<usize>) {
            Some(Ok(most)) if *count > most => {
                faults.push(format!("{name}: {count} missing, at most {most} may be"))
            }
            Some(Ok(most)) if *count < most => faults.push(format!(
                "{name}: {count} missing: lower {most} to {count} in tests/requirements/missing.txt"
            )),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => faults.push(format!(
                "tests/requirements/missing.txt: no count for {name}"
            )),
        }
    }
    faults.extend(
        written
            .keys()
            .map(|name| format!("tests/requirements/missing.txt: {name} is no table")),
    );
    faults
}

fn ids(list: &str) -> BTreeSet<String> {
    rows(list)
        .into_iter()
        .map(|(_, cells)| cells[0].to_owned())
        .collect()
}

fn rows(table: &str) -> Vec<(usize, Vec<&str>)> {
    let lines = table
        .lines()
        .zip(1..)
        .filter(|(line, _)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(line, number)| (number, line.split('\t').map(str::trim).collect()))
        .collect()
}

fn padded<'a, const N: usize>(cells: &[&'a str]) -> [&'a str; N] {
    std::array::from_fn(|at| cells.get(at).copied().unwrap_or(""))
}

fn words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split([' ', ',']).filter(|word| !word.is_empty())
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

fn place(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap()
        .to_string_lossy()
        .into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// `#` is written as an escape in what follows, so that the walk over this file takes none of it for a citation.
#[test]
fn checker_sees_a_bad_requirement_row() {
    let ids = ids("rfc1\u{23}2-1\tMUST\nrfc1\u{23}2-2\tMUST\n");
    let mut sources = Sources::default();
    sources.add("tls/src/a.rs", "#[test]\nfn proves_it() {}\n");
    for (name, table, want) in [
        ("good", "2-1\ttest\tCargo.toml\tproves_it\n", ""),
        (
            "two tests and files",
            "2-1\ttest\tCargo.toml tests/attacks.tsv\tproves_it, proves_it\n",
            "",
        ),
        ("waived", "2-1\tn/a\t\t\tno such role\n", ""),
        ("comment", "# 2-9\ttest\n", ""),
        (
            "unknown test",
            "2-1\ttest\tCargo.toml\tproves_it proves_more\n",
            "no test proves_more",
        ),
        (
            "unknown file",
            "2-1\ttest\tno.toml\tproves_it\n",
            "no file no.toml",
        ),
        (
            "unknown id",
            "2-3\ttest\tCargo.toml\tproves_it\n",
            "no requirement",
        ),
        (
            "twice",
            "2-1\tn/a\t\t\tx\n2-1\tn/a\t\t\tx\n",
            "stands twice",
        ),
        ("no test", "2-1\ttest\tCargo.toml\n", "no test"),
        ("no file", "2-1\ttest\t\tproves_it\n", "no file"),
        (
            "no reason",
            "2-1\tn/a\tCargo.toml\tproves_it\n",
            "no reason",
        ),
        (
            "bad status",
            "2-1\ttested\tCargo.toml\tproves_it\n",
            "status",
        ),
        ("six cells", "2-1\tn/a\t\t\tx\ty\n", "more than five"),
    ] {
        let table: String = table
            .lines()
            .map(|line| {
                if line.starts_with('#') {
                    line.to_owned()
                } else {
                    format!("rfc1\u{23}{line}\n")
                }
            })
            .collect();
        let faults = Requirements::check("table", &table, &ids, &sources).faults;
        assert_eq!(faults.is_empty(), want.is_empty(), "{name}: {faults:?}");
        assert!(
            faults.iter().all(|fault| fault.contains(want)),
            "{name}: {faults:?}"
        );
    }
    let table = Requirements::check("table", "rfc1\u{23}2-2\tn/a\t\t\tx", &ids, &sources);
    assert_eq!(table.missing.len(), 1);
}

#[test]
fn checker_sees_a_bad_attack_row() {
    let mut sources = Sources::default();
    sources.add("tls/src/a.rs", "#[test]\nfn proves_it() {}\n");
    let full: String = Attacks::ROWS
        .iter()
        .flat_map(|(letter, first, last)| {
            (*first..=*last).map(move |n| format!("{letter}{n:02}\tdefence\t-\n"))
        })
        .collect();
    for (name, from, to, want) in [
        ("good", "R01\tdefence\t-", "R01\tdefence\tproves_it", ""),
        ("waived", "R01\tdefence\t-", "R01\tdefence\tn/a: why", ""),
        ("later", "R01\tdefence\t-", "R01\tdefence\tlater: x", ""),
        (
            "later, with a test",
            "R01\tdefence\t-",
            "R01\tdefence\tproves_it later: x",
            "",
        ),
        (
            "later, with an unknown test",
            "R01\tdefence\t-",
            "R01\tdefence\tproves_more later: x",
            "no test proves_more",
        ),
        (
            "later, of no part",
            "R01\tdefence\t-",
            "R01\tdefence\tproves_it later:",
            "which part",
        ),
        (
            "unknown test",
            "R01\tdefence\t-",
            "R01\tdefence\tproves_more",
            "no test proves_more",
        ),
        (
            "no reason",
            "R01\tdefence\t-",
            "R01\tdefence\tn/a:",
            "no reason",
        ),
        ("no defence", "R01\tdefence\t-", "R01\t\t-", "three cells"),
        ("no tests", "R01\tdefence\t-", "R01\tdefence", "three cells"),
        ("row gone", "R01\tdefence\t-", "", "R01 is gone"),
        (
            "row twice",
            "R01\tdefence\t-",
            "R01\tdefence\t-\nR01\tdefence\t-",
            "stands twice",
        ),
    ] {
        let faults = Attacks::check(&full.replacen(from, to, 1), &sources).faults;
        assert_eq!(faults.is_empty(), want.is_empty(), "{name}: {faults:?}");
        assert!(
            want.is_empty() || faults.iter().any(|fault| fault.contains(want)),
            "{name}: {faults:?}"
        );
    }
    assert_eq!(Attacks::check(&full, &sources).missing, 130);
}

#[test]
fn checker_sees_a_bad_recommendation_row() {
    let list = "a-s1\tSHOULD\na-s2\tSHOULD NOT\n";
    for (name, table, want) in [
        ("good", "a-s1\tSHOULD\tx\ty\na-s2\tSHOULD NOT\tx\ty\n", ""),
        ("comment", "# a-s3\n", ""),
        ("unknown", "a-s3\tSHOULD\tx\ty\n", "in no list"),
        ("another level", "a-s2\tSHOULD\tx\ty\n", "another level"),
        ("no reason", "a-s1\tSHOULD\tx\n", "four cells"),
        ("five cells", "a-s1\tSHOULD\tx\ty\tz\n", "four cells"),
        (
            "twice",
            "a-s1\tSHOULD\tx\ty\na-s1\tSHOULD\tx\ty\n",
            "stands twice",
        ),
    ] {
        let faults = shoulds(table, list);
        assert_eq!(faults.is_empty(), want.is_empty(), "{name}: {faults:?}");
        assert!(
            faults.iter().all(|fault| fault.contains(want)),
            "{name}: {faults:?}"
        );
    }
}

#[test]
fn checker_sees_an_unknown_citation() {
    let lists = BTreeMap::from([("rfc1".to_owned(), ids("rfc1\u{23}2-1\tMUST\n"))]);
    for (name, source, want) in [
        (
            "known",
            "x(); // rfc1\u{23}2-1: why\n/// `rfc1\u{23}2-1`.\n",
            0,
        ),
        (
            "a section",
            "// RFC 1 section 2, rfc1 2.1, rfc\u{23}2-1, rfcs",
            0,
        ),
        ("unknown number", "// rfc1\u{23}2-2", 1),
        ("unknown list", "// rfc2\u{23}2-1", 1),
        ("unknown draft", "// (draft-x-y\u{23}2-1).", 1),
        ("no number", "// rfc1\u{23}2.", 1),
        (
            "two in a line",
            "// rfc1\u{23}2-3, rfc1\u{23}2-1, rfc1\u{23}2-11",
            2,
        ),
    ] {
        let mut sources = Sources::default();
        sources.add("a.rs", source);
        assert_eq!(sources.unknown_citations(&lists).len(), want, "{name}");
    }
}

#[test]
fn checker_tells_tests_from_functions() {
    for (name, source, want) in [
        ("plain", "#[test]\nfn a() {}", vec!["a"]),
        (
            "attributes between",
            "#[test]\n// why\n#[cfg(unix)]\n    fn a<T>() {}",
            vec!["a"],
        ),
        ("not a test", "fn a() {}\n#[inline]\nfn b() {}", vec![]),
        ("commented out", "// #[test]\nfn a() {}", vec![]),
        (
            "ignored",
            "#[test]\n#[ignore = \"slow\"]\nfn a() {}",
            vec![],
        ),
        ("something between", "#[test]\nmod x;\nfn a() {}", vec![]),
        ("next function", "#[test]\nfn a() {\nfn b() {}", vec!["a"]),
    ] {
        assert_eq!(test_names(source), want, "{name}");
    }
}

#[test]
fn checker_holds_what_is_missing() {
    let counted = [("rfc1".to_owned(), 5)];
    for (name, written, want) in [
        ("equal", "rfc1\t5\n", ""),
        ("more than written", "rfc1\t4\n", "at most 4"),
        ("fewer than written", "rfc1\t6\n", "lower 6 to 5"),
        ("not written", "", "no count for rfc1"),
        ("no number", "rfc1\tfive\n", "no count for rfc1"),
        ("another table", "rfc1\t5\nrfc2\t0\n", "rfc2 is no table"),
    ] {
        let faults = compare_missing(written, &counted);
        assert_eq!(faults.is_empty(), want.is_empty(), "{name}: {faults:?}");
        assert!(
            faults.iter().all(|fault| fault.contains(want)),
            "{name}: {faults:?}"
        );
    }
}

#[test]
fn checker_sees_a_bad_ceiling() {
    let attacks = BTreeSet::from(["R01".to_owned()]);
    let mut sources = Sources::default();
    let call = "ceiling(\u{22}a\u{22})";
    sources.add("a.rs", &format!("#[test]\nfn proves_it() {{ {call} }}\n"));
    sources.add("b.rs", "#[test]\nfn proves_else() {}\n");
    for (name, table, want) in [
        ("good", "a\tx\tR01\t5\tproves_it\n", ""),
        ("four cells", "a\tx\tR01\t5\n", "five cells"),
        ("no number", "a\tx\tR01\tfive\tproves_it\n", "no number"),
        (
            "unknown attack",
            "a\tx\tR02\t5\tproves_it\n",
            "no known attack",
        ),
        ("no attack", "a\tx\t\t5\tproves_it\n", "no known attack"),
        ("another file", "a\tx\tR01\t5\tproves_else\n", "in no file"),
        (
            "unread",
            "a\tx\tR01\t5\tproves_it\nb\tx\tR01\t5\tproves_it\n",
            "read by no test",
        ),
        (
            "twice",
            "a\tx\tR01\t5\tproves_it\na\tx\tR01\t5\tproves_it\n",
            "twice",
        ),
        ("no row", "", "no row a"),
    ] {
        let faults = ceilings(table, &attacks, &sources);
        assert_eq!(faults.is_empty(), want.is_empty(), "{name}: {faults:?}");
        assert!(
            want.is_empty() || faults.iter().any(|fault| fault.contains(want)),
            "{name}: {faults:?}"
        );
    }
}
