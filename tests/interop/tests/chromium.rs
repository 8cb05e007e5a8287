//! Chromium, without a window, reads the page of `pith server` and finds itself described there.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::Command;

use pith_interop::{Process, folder, program};
use pith_tests::pki::{Kind, Pki, self_signed};
use pith_tls::key_pin;

#[test]
fn chromium_reads_the_page_over_the_hybrid_group() {
    // Neither lies in the cache.
    let chromium = program(
        "PITH_CHROMIUM",
        "/usr/bin/chromium",
        "apt-get install chromium",
    );
    let command = concat!(env!("CARGO_TARGET_TMPDIR"), "/../debug/pith");
    let pith = program("PITH_COMMAND", command, "cargo build -p pith");
    let (Some(chromium), Some(pith)) = (chromium, pith) else {
        return;
    };
    // A key that Chromium is told to accept, and one of a CA that it does not know.
    let known = self_signed(Kind::P256, "127.0.0.1");
    let unknown = Pki::new().leaf("127.0.0.1");
    let pin = base64(&key_pin(&known.chain[0]).unwrap());
    for (identity, welcome) in [(&known, true), (&unknown, false)] {
        let home = folder();
        fs::write(home.join("chain.pem"), &identity.chain_pem).unwrap();
        fs::write(home.join("key.pem"), &identity.key_pem).unwrap();
        let mut command = Command::new(&pith);
        command.current_dir(&home);
        command.args(["server", "--listen", "127.0.0.1:0", "--http"]);
        command.args(["--cert", "chain.pem", "--key", "key.pem"]);
        let server = Process::start(&mut command, home);
        let port = server.port_after("listening on ");
        let page = visit(&chromium, port, &pin);
        for text in ["TLS 1.3", "X25519MLKEM768"] {
            assert_eq!(
                page.contains(text),
                welcome,
                "{text}: {page}\n{}",
                server.printed()
            );
        }
        if !welcome {
            // The client is named on standard error, with the alert that it sent.
            server.wait_for("certificate_unknown", 1);
        }
    }
}

/// The page as Chromium's DOM has it in the end.
fn visit(chromium: &Path, port: u16, pin: &str) -> String {
    let home = folder();
    let mut command = Command::new(chromium);
    // No window, no services of its maker's, no QUIC, nothing from an earlier run.
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
    ]);
    command.args(["--disable-quic", "--disable-background-networking"]);
    command.args(["--disable-component-update", "--disable-sync"]);
    command.arg(format!(
        "--user-data-dir={}",
        home.join("profile").display()
    ));
    command.arg(format!("--ignore-certificate-errors-spki-list={pin}"));
    command.args(["--virtual-time-budget=5000", "--dump-dom"]);
    command.arg(format!("https://127.0.0.1:{port}/"));
    Process::start(&mut command, home).finish()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |value: u32| DIGITS.chars().nth(usize::try_from(value).unwrap()).unwrap();
    let groups = bytes.chunks(3).flat_map(|group| {
        let bits = (0..3).fold(0, |bits, place| {
            bits << 8 | u32::from(group.get(place).copied().unwrap_or(0))
        });
        let digits = [18, 12, 6, 0].map(|shift| digit(bits >> shift & 63));
        digits
            .into_iter()
            .take(group.len().saturating_add(1))
            .chain(['='; 2])
            .take(4)
    });
    groups.collect()
}
