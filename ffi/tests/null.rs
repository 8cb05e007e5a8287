//! Every function of the header is called by the tests in C, and with NULL for each of its pointers. What comes of it they check themselves.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]

use std::fs;
use std::path::Path;

#[test]
fn every_pointer_is_null_in_some_call() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = fs::read_to_string(root.join("include/pith.h")).unwrap();
    let mut tests = String::new();
    for file in fs::read_dir(root.join("tests/c")).unwrap() {
        tests += &fs::read_to_string(file.unwrap().path()).unwrap();
    }
    let symbols = fs::read_to_string(root.join("symbols.txt")).unwrap();
    let mut missing = Vec::new();
    for name in symbols.lines() {
        let calls = arguments_of_all(&tests, name);
        if calls.is_empty() {
            missing.push(format!("{name} is not called"));
        }
        // Comments name functions without parentheses: this is the prototype.
        let prototypes = arguments_of_all(&header, name);
        for (place, parameter) in prototypes.iter().flatten().enumerate() {
            // A text and a time may be NULL almost everywhere.
            if !parameter.contains('*')
                || parameter.ends_with("*why")
                || parameter.ends_with("*now")
            {
                continue;
            }
            let null = |call: &Vec<String>| call.get(place).is_some_and(|given| given == "NULL");
            if !calls.iter().any(null) {
                missing.push(format!("{name}: no call has NULL for {parameter}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// The arguments of each call of a function.
fn arguments_of_all(text: &str, name: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for (at, _) in text.match_indices(name) {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let behind = text.get(at..).and_then(|text| text.strip_prefix(name));
        let whole = !before.is_some_and(|before| before.is_alphanumeric() || before == '_');
        if let (true, Some(behind)) = (whole, behind.and_then(|behind| behind.strip_prefix('('))) {
            calls.push(arguments(behind));
        }
    }
    calls
}

fn arguments(text: &str) -> Vec<String> {
    let mut arguments = vec![String::new()];
    let mut depth = 0_usize;
    for character in text.chars() {
        match character {
            ')' if depth == 0 => break,
            ',' if depth == 0 => {
                arguments.push(String::new());
                continue;
            }
            '(' | '{' | '[' => depth = depth.saturating_add(1),
            ')' | '}' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(last) = arguments.last_mut() {
            last.push(character);
        }
    }
    arguments.iter().map(|one| one.trim().to_owned()).collect()
}
