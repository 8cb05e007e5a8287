//! The command as its users run it: what it prints, and the messages and exit codes for everything that can be wrong.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::as_conversions,
    clippy::arithmetic_side_effects
)]

mod client;
mod early;
mod keys;
mod mutual;
mod openssl;
mod pki;
mod policy;
mod process;
mod report;
mod resume;
mod server;
mod sessions;
mod terms;

use process::{check, run};

#[test]
fn demo_verifies_and_shows_what_happened() {
    let output = run(&["demo"], b"");
    check("demo", &output, 0, &[]);
    let shown = String::from_utf8(output.stdout).unwrap();
    for part in [
        "TLS 1.3",
        "X25519MLKEM768 (post-quantum)",
        "TLS_AES_128_GCM_SHA256",
        "ecdsa_secp256r1_sha256",
        "TCP connect",
        "handshake, as the client sees it",
        "1 MiB from client to server",
        "ServerHello to Finished",
        "full                   resumed\n",
        "the ticket's key\n",
        "with the first flight\n",
        "until the answer is with the client",
        "Early data is replayable",
        "Verified: ",
        "the early data was accepted",
    ] {
        assert!(shown.contains(part), "no {part:?} in: {shown}");
    }
    // Early data makes the first flight longer, a ticket the server's shorter.
    let row = |name: &str| -> [u32; 2] {
        let line = shown
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        let words = line.unwrap().split_whitespace();
        let numbers: Vec<u32> = words.filter_map(|word| word.parse().ok()).collect();
        numbers.try_into().unwrap()
    };
    let ([hello, longer], [flight, shorter]) = (row("ClientHello"), row("ServerHello to Finished"));
    assert!(hello < longer && shorter < flight, "{shown}");
}

#[test]
fn help_and_usage_name_the_exit_codes() {
    for arguments in [
        &["--help"][..],
        &["client", "--help"],
        &["server", "--help"],
        &["policy", "--help"],
        &["policy", "show", "--help"],
        &["policy", "diff", "--help"],
        &["pki", "--help"],
    ] {
        let output = run(arguments, b"");
        check("help", &output, 0, &[]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(
            help.contains("Exit codes:\n  0  all went well\n  1 "),
            "{help}"
        );
    }
    for arguments in [
        &[][..],
        &["nonsense"],
        &["client"],
        &["server"],
        &["policy"],
        &["policy", "diff", "V2026_11"],
    ] {
        assert_eq!(run(arguments, b"").status.code(), Some(2), "{arguments:?}");
    }
}
