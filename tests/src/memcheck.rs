//! Watches whether a branch or an index depends on a secret: valgrind's memcheck takes every secret for memory that nobody has written, and reports
//! each jump and each address that such memory decides. Only under `--cfg pith_test`, in which `pith-crypto` says what is secret.
//!
//! `unsafe` is what a request to memcheck takes: a sequence of instructions that does nothing anywhere else.
#![allow(unsafe_code)]
#![allow(clippy::as_conversions, clippy::panic, clippy::unwrap_used)]

use core::arch::asm;
use std::process::Command;

use pith_crypto::taint::{Marks, watch};

/// What an application of a watched scene sends: its bytes are secret wherever they come out.
pub const SECRET_TEXT: [u8; 64] = [0xa5; 64];

/// The exit code of a run in which memcheck has something to report.
const REPORTED: i32 = 99;

// Of valgrind.h and memcheck.h.
const RUNNING_ON_VALGRIND: u64 = 0x1001;
const MAKE_MEM_UNDEFINED: u64 = 0x4d43_0001;
const MAKE_MEM_DEFINED: u64 = 0x4d43_0002;

/// Runs `scene`, which stands in the test `name` of the program that calls this, under memcheck.
///
/// # Panics
/// If memcheck finds that something depends on a secret, or the scene fails; or there is no valgrind.
pub fn depends_on_no_secret(name: &str, scene: impl FnOnce()) {
    if let Some((code, said)) = watched(name, scene) {
        assert_eq!(code, Some(0), "{name}\n{said}");
    }
}

/// The same of a scene in which something does depend on a secret.
///
/// # Panics
/// If memcheck does not find it.
pub fn depends_on_a_secret(name: &str, scene: impl FnOnce()) {
    if let Some((code, said)) = watched(name, scene) {
        assert_eq!(code, Some(REPORTED), "{name}\n{said}");
        assert!(said.contains("depends on uninitialised value") || said.contains("of size"));
    }
}

/// Starts this program again under memcheck, with this test alone, and says how that ended. There the scene runs, and the answer is `None`.
fn watched(name: &str, scene: impl FnOnce()) -> Option<(Option<i32>, String)> {
    if request(RUNNING_ON_VALGRIND, 0, 0) > 0 {
        watch(Marks {
            secret,
            known,
            opened,
        });
        scene();
        return None;
    }
    let ran = Command::new("valgrind")
        .args(["--quiet", "--leak-check=no"])
        .arg(format!("--error-exitcode={REPORTED}"))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .output()
        .unwrap_or_else(|error| panic!("valgrind: {error}"));
    let said = [ran.stdout, ran.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    let said = said.concat();
    assert!(said.contains("1 passed"), "{name} is no test\n{said}");
    Some((ran.status.code(), said))
}

fn secret(bytes: &mut [u8]) {
    request(
        MAKE_MEM_UNDEFINED,
        bytes.as_ptr() as u64,
        bytes.len() as u64,
    );
}

/// What a watched scene may look at.
pub fn known(bytes: &mut [u8]) {
    request(MAKE_MEM_DEFINED, bytes.as_ptr() as u64, bytes.len() as u64);
}

/// Wherever the application's text comes out, it is secret.
fn opened(bytes: &mut [u8]) {
    let found = bytes
        .windows(SECRET_TEXT.len())
        .position(|at| at == SECRET_TEXT);
    let Some(start) = found else {
        return;
    };
    let rest = bytes.get_mut(start..).unwrap_or_default();
    let length = rest
        .iter()
        .take_while(|byte| **byte == SECRET_TEXT[0])
        .count();
    secret(rest.get_mut(..length).unwrap_or_default());
}

/// Asks valgrind, and gets zero where there is none.
#[cfg(target_arch = "x86_64")]
fn request(what: u64, address: u64, length: u64) -> u64 {
    let arguments = [what, address, length, 0, 0, 0];
    let mut answer = 0_u64;
    // SAFETY: the rotations add up to two whole ones and the exchange is one of a register with itself. Valgrind, which knows the sequence, reads
    // the arguments, changes what it knows of the bytes at `address` and not the bytes, and answers in rdx.
    unsafe {
        asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") answer,
            in("rdi") 0_u64,
        );
    }
    answer
}
