//! The long runs for a moment each, as commands, so that they are there when somebody wants them. A bound that is broken fails a short one too.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::Command;

fn run(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_long"))
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}{complaints}");
    said
}

#[test]
fn handshakes_leave_the_heap_as_it_was() {
    let said = run(&["handshakes", "200"]);
    assert!(
        said.starts_with("200 handshakes, 49 of them resumed:"),
        "{said}"
    );
}

#[test]
fn tickets_and_tokens_are_good_as_long_as_they_should_be() {
    let said = run(&["year", "4"]);
    assert!(said.starts_with("4 days: "), "{said}");
}

#[test]
fn a_crowd_of_streams_leaves_the_servers_heap_as_it_was() {
    let said = run(&["crowd", "tls", "20"]);
    assert!(
        said.starts_with("20 tls connections at once, twice:"),
        "{said}"
    );
}

#[test]
fn a_crowd_of_quic_connections_leaves_the_servers_heap_as_it_was() {
    let said = run(&["crowd", "quic", "20"]);
    assert!(
        said.starts_with("20 quic connections at once, twice:"),
        "{said}"
    );
}

#[test]
fn what_is_no_run_fails() {
    let wrong = Command::new(env!("CARGO_BIN_EXE_long"))
        .arg("wrong")
        .output();
    assert!(!wrong.unwrap().status.success());
}
