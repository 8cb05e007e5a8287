//! Tests written in C, as a user writes: each file of `tests/c` is compiled with every warning as an error, as C99 against the shared library and as C++17
//! against the static one, and run. With `PITH_VALGRIND` set they run under valgrind's memcheck, which must report nothing; with `PITH_ASAN` naming a static library that
//! was built for it, under AddressSanitizer and UndefinedBehaviorSanitizer.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test"
)]

mod compiler;

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use pith_crypto::SignatureScheme;

use compiler::{C99, CPP17, Files, compile, run};

macro_rules! tests_in_c {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            let files = Files::new(stringify!($name));
            let source = concat!("tests/c/", stringify!($name), ".c");
            for language in [C99, CPP17] {
                if let Some(program) = compile(&files, source, language) {
                    run(&program, &[files.folder()]);
                }
            }
        })+
    };
}

tests_in_c! {
    auth,
    config,
    engine,
    fd,
    kem,
    quic,
    quic_early,
    quic_paths,
    sessions,
    threads,
    tls,
}

#[test]
fn questions() {
    with_a_key_elsewhere("questions");
}

#[test]
fn quic_questions() {
    with_a_key_elsewhere("quic_questions");
}

/// The program prints what its key, which is elsewhere, is to sign: here. It may do so several times.
fn with_a_key_elsewhere(test: &str) {
    let files = Files::new(test);
    for language in [C99, CPP17] {
        let Some(program) = compile(&files, &format!("tests/c/{test}.c"), language) else {
            continue;
        };
        let mut child = compiler::command(&program)
            .arg(files.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let message = Vec::from_iter(
                (0..line.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(line.get(at..at + 2).unwrap(), 16).unwrap()),
            );
            let signature = files
                .server_key()
                .sign(SignatureScheme::ECDSA_SECP256R1_SHA256, &message);
            let hex: String = signature
                .unwrap()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            writeln!(input, "{hex}").unwrap();
        }
        drop(input);
        assert!(child.wait().unwrap().success(), "{}", program.display());
    }
}
