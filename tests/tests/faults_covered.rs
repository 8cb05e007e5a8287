//! Every fault is provoked by a test of this folder, which reads its alert off the wire (S09): reads the table of faults and
//! these sources as text, and says which faults no test expects.
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
    let error = fs::read_to_string(tests.join("../../tls/src/error.rs")).unwrap();
    let table = error.split("\nfaults! {\n").nth(1).unwrap();
    let table = table.split("\n}\n").next().unwrap();
    // A row begins with four spaces and the name; what is longer than a line goes on with eight.
    let faults: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|row| row.starts_with(|first: char| first.is_ascii_uppercase()))
        .map(|row| row.split(|c: char| !c.is_alphanumeric()).next().unwrap())
        .collect();
    assert!(
        faults.len() >= 60,
        "the table was not understood: {faults:?}"
    );
    let sources = sources(&tests);
    let expected = |fault: &&str| {
        let name = format!("Fault::{fault}");
        let rest = sources.split(&name).skip(1);
        rest.into_iter()
            .any(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    let missing: Vec<&str> = faults
        .into_iter()
        .filter(|fault| !expected(fault))
        .collect();
    assert_eq!(missing, UNREACHABLE, "faults that no test expects");
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
