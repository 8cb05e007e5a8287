//! Every fault is provoked by a test of this folder, which reads its alert off the wire (S09): reads the table of faults and
//! these sources as text, and says which faults no test expects. The same for QUIC's faults and their error codes, and for its limits.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::fs;
use std::path::Path;

/// Faults that no bytes of a peer can cause, because another check comes first.
const UNREACHABLE: [&str; 1] = [
    // The chain is verified, or the pinned leaf parsed, before the signature; a unit test calls the check alone.
    "CertificateUnparsable",
];

#[test]
fn every_fault_is_expected_by_a_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let faults = faults(&tests.join("../../tls/src/error.rs"), 60);
    let missing = unexpected(&faults, &sources(&tests));
    assert_eq!(missing, UNREACHABLE, "faults that no test expects");
}

/// The parts of QUIC are tested where they stand, so a fault is expected by what is written for tests there.
#[test]
fn every_fault_of_quic_is_expected_by_a_unit_test() {
    let quic = Path::new(env!("CARGO_MANIFEST_DIR")).join("../quic/src");
    let faults = faults(&quic.join("error.rs"), 30);
    let missing = unexpected(&faults, &unit_tests(&quic));
    assert_eq!(missing, [""; 0], "faults that no test expects");
}

/// A bound that no test names may be anything, and may be no bound (Q15).
#[test]
fn every_limit_of_quic_is_named_by_a_unit_test() {
    let quic = Path::new(env!("CARGO_MANIFEST_DIR")).join("../quic/src");
    let limits = fs::read_to_string(quic.join("limits.rs")).unwrap();
    let names = limits.lines().filter_map(|line| {
        let name = line.strip_prefix("pub const ")?;
        name.split(':').next()
    });
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() >= 50, "{names:?}");
    // Some tests call the module by another name, where its own stands for theirs.
    let tests = unit_tests(&quic).replace("most::", "limits::");
    let missing = named_by_none(&names, "limits", &tests);
    assert_eq!(missing, [""; 0], "limits that no test names");
}

/// The names in a table of faults, which has at least so many.
fn faults(path: &Path, least: usize) -> Vec<String> {
    let error = fs::read_to_string(path).unwrap();
    let table = error.split("\nfaults! {\n").nth(1).unwrap();
    let table = table.split("\n}\n").next().unwrap();
    // A row begins with four spaces and the name; what is longer than a line goes on with eight.
    let faults: Vec<String> = table
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|row| row.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|row| row.split(|c: char| !c.is_alphanumeric()).next().unwrap())
        .map(str::to_owned)
        .collect();
    assert!(
        faults.len() >= least,
        "the table was not understood: {faults:?}"
    );
    faults
}

/// Those that `sources` do not name.
fn unexpected(faults: &[String], sources: &str) -> Vec<String> {
    named_by_none(faults, "Fault", sources)
}

/// The items of a module or type that `sources` do not name.
fn named_by_none(items: &[String], of: &str, sources: &str) -> Vec<String> {
    let named = |item: &str| {
        let name = format!("{of}::{item}");
        let mut rest = sources.split(&name).skip(1);
        rest.any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let missing = items.iter().filter(|item| !named(item));
    missing.cloned().collect()
}

/// What is written for tests below a folder: files of tests, and of the others what follows the first `#[cfg(test)]` of a module.
fn unit_tests(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name == "tests" {
            all += &sources(&path);
        } else if path.is_dir() {
            all += &unit_tests(&path);
        } else if name.ends_with("tests.rs") {
            all += &fs::read_to_string(&path).unwrap();
        } else if name.ends_with(".rs") {
            let source = fs::read_to_string(&path).unwrap();
            all.extend(
                source
                    .split_once("#[cfg(test)]\nmod tests {")
                    .map(|(_, tests)| tests),
            );
        }
    }
    all
}

/// All Rust below a folder.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all += &sources(&path);
        } else if path.extension().is_some_and(|found| found == "rs") {
            all += &fs::read_to_string(&path).unwrap();
        }
    }
    all
}
