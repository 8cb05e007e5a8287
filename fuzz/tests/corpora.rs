//! Every fuzz target has a corpus, where bolero looks for one: a folder under a name that is nearly right is passed over in silence.
//!
//! `PITH_WRITE_CORPORA=1` writes the messages of real handshakes into the corpora of TLS's parsers; the rest is what libFuzzer kept
//! (`fuzz/run.sh --keep`), and beside this file and the C interface's targets sequences that were chosen by hand.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test that reads the sources"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pith_tests::engine::Duo;
use pith_tests::message::{kind, messages};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{ClientAuth, ClientConfig, Group, ServerConfig, SessionStore, Tickets};

/// What one corpus, and all of them, may take of a checkout.
const FILES: std::ops::RangeInclusive<usize> = 2..=40;
const BYTES: u64 = 400 << 10;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let (mut want, mut found, mut wrong) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for package in ["crypto", "pq", "tls", "quic", "io", "ffi", "tests", "fuzz"] {
        walk(&root().join(package), &mut |path| {
            if path.extension().is_some_and(|kind| kind == "rs") {
                for (name, counted) in targets(path) {
                    if !counted {
                        wrong.push(format!("{name}: no fixed number of iterations"));
                    }
                    assert!(want.insert(folder(path, &name)), "{name}: twice");
                }
            } else if path.parent().is_some_and(|dir| dir.ends_with("corpus")) {
                found.insert(path.parent().unwrap().to_owned());
            }
        });
    }
    assert!(want.len() >= 30, "targets are not recognized any more");
    for missing in want.difference(&found) {
        wrong.push(format!("no corpus: {}", missing.display()));
    }
    for stray in found.difference(&want) {
        wrong.push(format!("no target: {}", stray.display()));
    }
    let names: BTreeSet<String> = want
        .iter()
        .map(|corpus| corpus.parent().unwrap().file_name().unwrap())
        .map(|name| name.to_str().unwrap().to_owned())
        .collect();
    if names != first_column("fuzz/targets.tsv") {
        wrong.push("fuzz/targets.tsv has other targets".to_owned());
    }
    for unknown in first_column("assurance/fuzz.tsv").difference(&names) {
        wrong.push(format!("assurance/fuzz.tsv: no target {unknown}"));
    }
    let mut bytes = 0;
    for corpus in &found {
        let files: Vec<_> = fs::read_dir(corpus)
            .unwrap()
            .map(|file| file.unwrap().metadata().unwrap().len())
            .collect();
        bytes += files.iter().sum::<u64>();
        if !FILES.contains(&files.len()) {
            wrong.push(format!("{}: {} files", corpus.display(), files.len()));
        }
    }
    if bytes > BYTES {
        wrong.push(format!("{bytes} bytes of corpora"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What stands first in the rows of a table.
fn first_column(table: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join(table)).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.map(|row| row.split('\t').next().unwrap().to_owned())
        .collect()
}

fn walk(folder: &Path, see: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, see);
        } else {
            see(&path);
        }
    }
}

/// The targets of a source file by their modules within it, and whether each says how often it runs.
fn targets(path: &Path) -> Vec<(String, bool)> {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let (mut module, mut test) = (None, "");
    for (at, line) in lines.iter().enumerate() {
        let words = line.trim_start();
        let indented = words.len() < line.len();
        if let Some(name) = line
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            module = Some(name);
        }
        if let Some(name) = words.strip_prefix("fn ") {
            test = name.split(['(', '<']).next().unwrap();
            if !indented {
                module = None;
            }
        }
        if words.starts_with(concat!("bolero::", "check!()")) {
            let inner = module.map_or(String::new(), |module| format!("{module}::"));
            let counted = lines[at..lines.len().min(at + 4)]
                .iter()
                .any(|line| line.contains(".with_iterations("));
            found.push((format!("{inner}{test}"), counted));
        }
    }
    found
}

/// The place where bolero looks: beside the source, under the path of the function, whose name it shortens.
fn folder(path: &Path, name: &str) -> PathBuf {
    let inside = path.strip_prefix(root()).unwrap();
    let parts: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
    let mut modules = Vec::new();
    if parts[1] == "src" {
        let stem = inside.with_extension("");
        for part in stem.iter().skip(2) {
            // A file of tests beside the file that it tests is the module `tests` of that.
            match part.to_str().unwrap() {
                "mod" | "lib" => {}
                part => match part.strip_suffix("_tests") {
                    Some(tested) => modules.extend([tested.to_owned(), "tests".to_owned()]),
                    None => modules.push(part.to_owned()),
                },
            }
        }
    }
    let mut inner: Vec<&str> = name.split("::").collect();
    let last = inner.pop().unwrap();
    modules.extend(inner.iter().map(|module| (*module).to_owned()));
    let last = ["fuzz_", "test_"]
        .iter()
        .find_map(|prefix| last.strip_prefix(prefix))
        .unwrap_or(last);
    let last = ["_fuzz", "_test"]
        .iter()
        .find_map(|suffix| last.strip_suffix(suffix))
        .unwrap_or(last);
    modules.push(last.to_owned());
    path.with_file_name("__fuzz__")
        .join(modules.join("__"))
        .join("corpus")
}

/// The messages of handshakes of every shape, each in the corpora of the parsers that read its like.
#[test]
fn messages_of_real_handshakes_are_in_the_corpora() {
    let write = std::env::var_os("PITH_WRITE_CORPORA").is_some();
    for (run, duo) in handshakes().into_iter().enumerate() {
        for message in duo {
            let body = &message[4..];
            let targets: &[&str] = match message[0] {
                kind::CLIENT_HELLO => &["client_hello"],
                kind::SERVER_HELLO => &["server_hello"],
                kind::ENCRYPTED_EXTENSIONS => &["encrypted_extensions", "extensions"],
                kind::CERTIFICATE | kind::CERTIFICATE_REQUEST | kind::COMPRESSED_CERTIFICATE => {
                    &["certificate"]
                }
                kind::CERTIFICATE_VERIFY => &["certificate_verify"],
                kind::NEW_SESSION_TICKET => &["post_handshake"],
                _ => &[],
            };
            for target in targets {
                let corpus =
                    root().join(format!("tls/src/wire/__fuzz__/wire__fuzz__{target}/corpus"));
                let file = corpus.join(format!("real_{run}_{}_{}", message[0], body.len()));
                if write {
                    fs::create_dir_all(&corpus).unwrap();
                    fs::write(&file, body).unwrap();
                }
                let real = fs::read_dir(&corpus).unwrap().any(|file| {
                    let name = file.unwrap().file_name();
                    name.to_str().unwrap().starts_with("real_")
                });
                assert!(real, "{}", corpus.display());
            }
            if message[0] == kind::CLIENT_HELLO && write {
                write_offer(body, run);
            }
        }
    }
}

/// The pre-shared keys of a hello that offers some, which stand at its end.
fn write_offer(body: &[u8], run: usize) {
    let corpus = root().join("tls/src/wire/__fuzz__/wire__fuzz__pre_shared_keys/corpus");
    fs::create_dir_all(&corpus).unwrap();
    let starts = (0..body.len() - 4).rev();
    let found = starts.map(|at| &body[at..]).find(|rest| {
        rest[..2] == [0, 41] && usize::from(rest[2]) << 8 | usize::from(rest[3]) == rest.len() - 4
    });
    if let Some(offer) = found {
        fs::write(corpus.join(format!("real_{run}")), &offer[4..]).unwrap();
    }
}

/// What was said in handshakes: full, after a HelloRetryRequest, with a client's certificate, and resumed; over TCP and in QUIC.
fn handshakes() -> Vec<Vec<Vec<u8>>> {
    let pki = Pki::new();
    let (store, tickets) = (SessionStore::new(), Tickets::rotating());
    let client = ClientConfig::new(trust(&pki))
        .alpn(&[b"h2", b"http/1.1"])
        .sessions(store)
        .credential(credential(&pki.leaf(NAME)))
        .build()
        .unwrap();
    let server = || {
        ServerConfig::new(credential(&pki.leaf(NAME)))
            .tickets(tickets.clone())
            .alpn(&[b"h2"])
    };
    let plain = server().build().unwrap();
    let retry = server().groups(&[Group::Secp256r1]).build().unwrap();
    let asks = server().client_auth(ClientAuth::Required(trust(&pki)));
    let asks = asks.build().unwrap();
    let mut said = Vec::new();
    for server in [&plain, &plain, &retry, &asks] {
        for make in [Duo::records, Duo::quic] {
            let (mut duo, mut all) = (make(&client, server), Vec::new());
            duo.run_with(|flight| {
                for piece in &flight.pieces {
                    all.extend(messages(&piece.bytes));
                }
                flight.pieces
            });
            said.push(all);
        }
    }
    said
}
