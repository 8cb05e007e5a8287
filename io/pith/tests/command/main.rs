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
mod http3;
mod interop;
mod keys;
mod moves;
mod mutual;
mod openssl;
mod perf;
mod pki;
mod policy;
mod process;
mod quic;
mod report;
mod resume;
mod server;
mod sessions;
mod terms;

use std::process::Command;

use process::{Folder, Server, check, finish, run};

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
        "Both over QUIC, on UDP 127.0.0.1:",
        "X25519MLKEM768 in two Initial packets",
        "datagrams",
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

/// What the README has people type does what it says.
#[test]
fn the_commands_of_the_readme_work() {
    let readme = include_str!("../../../../README.md");
    let (_, section) = readme.split_once("## The command\n").unwrap();
    let blocks = section.split("```sh\n").skip(1).take(2);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
    let folder = Folder::new("readme");
    let there =
        |text: &str| text.replace("pith-pki", &folder.0.join("pith-pki").display().to_string());
    let program = format!("'{}' ", env!("CARGO_BIN_EXE_pith"));
    let (mut servers, mut said) = (Vec::new(), Vec::new());
    for line in lines {
        if let Some(options) = line.strip_prefix("pith server --listen ") {
            let (address, options) = options.split_once(' ').unwrap();
            let options = there(options);
            let server = Server::with(&options.split(' ').collect::<Vec<_>>());
            servers.push((address.to_owned(), server));
            continue;
        }
        let mut line = line.replacen("pith ", &program, usize::from(line.starts_with("pith ")));
        for (address, server) in &servers {
            line = line.replace(address, &server.address);
        }
        let mut command = Command::new("sh");
        command.args(["-c", &line]).current_dir(&folder.0);
        let output = finish(command, b"");
        check(&line, &output, 0, &[]);
        said.push(output);
    }
    let [_, mutual, _, first, second] = said.as_slice() else {
        panic!("{} commands", said.len());
    };
    let report: serde_json::Value = serde_json::from_slice(&mutual.stdout).unwrap();
    assert_eq!(report["client_signature_scheme"], "ecdsa_secp256r1_sha256");
    check(
        "first",
        first,
        0,
        &["not offered, so it was sent after the handshake"],
    );
    check(
        "second",
        second,
        0,
        &["none: resumed", "accepted, 18 bytes"],
    );
    for output in [first, second] {
        assert!(output.stdout.ends_with(b"</html>\n"));
    }
}

#[test]
fn help_and_usage_name_the_exit_codes() {
    for arguments in [
        &["--help"][..],
        &["client", "--help"],
        &["get", "--help"],
        &["server", "--help"],
        &["policy", "--help"],
        &["policy", "show", "--help"],
        &["policy", "diff", "--help"],
        &["pki", "--help"],
        &["interop", "--help"],
        &["interop", "client", "--help"],
        &["interop", "server", "--help"],
    ] {
        let output = run(arguments, b"");
        check("help", &output, 0, &[]);
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(
            help.contains("Exit codes:\n  0  all went well\n  1 ")
                || help.contains("Exit codes:\n  0    all went well\n  1 "),
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
