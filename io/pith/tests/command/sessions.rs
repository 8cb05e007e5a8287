//! `--session` and `--session-key`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pith_tests::pki::Pki;
use serde_json::Value;

use crate::process::{Folder, Server, check, leaf, run};

struct Place {
    folder: Folder,
    ca: String,
    identity: (String, String),
    session: String,
    key: String,
}

impl Place {
    fn new(name: &str) -> Self {
        let (folder, pki) = (Folder::new(name), Pki::new());
        let path = |name: &str| folder.0.join(name).display().to_string();
        Self {
            ca: folder.file("trusted.pem", &pki.root_pem()),
            identity: folder.identity("leaf", &leaf(&pki, |_| ())),
            session: path("sessions"),
            key: path("sessions.key"),
            folder,
        }
    }

    /// Connects with the sessions, and says of each connection whether it resumed.
    fn connect(&self, address: &str, options: &[&str], said: &[&str]) -> Vec<bool> {
        let client = ["client", address, "--ca", &self.ca, "--sni", "localhost"];
        let session = [
            "--json",
            "--session",
            &self.session,
            "--session-key",
            &self.key,
        ];
        let output = run(&[&client[..], &session, options].concat(), b"");
        check("connect", &output, 0, said);
        let text = String::from_utf8(output.stdout).unwrap();
        let values = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        values
            .map(|value| value["resumed"].as_bool().unwrap())
            .collect()
    }

    /// The lines of the file behind the first.
    fn sessions(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.session).unwrap();
        let lines = text.strip_prefix("sessions of pith 1\n").unwrap();
        lines.lines().map(str::to_owned).collect()
    }
}

#[test]
fn sessions_outlive_the_process_and_are_used_once() {
    let place = Place::new("sessions");
    let (one, other) = (
        Server::start(&place.identity, "--http"),
        Server::start(&place.identity, "--http"),
    );
    assert_eq!(place.connect(&one.address, &[], &[]), [false]);
    for file in [&place.session, &place.key] {
        let mode = fs::metadata(file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    let key = fs::read(&place.key).unwrap();
    assert_eq!(key.len(), 32);
    let first = place.sessions();
    assert_eq!(first.len(), 4, "a store's worth for one name");

    // A key that is everybody's is named.
    let everybody = |mode| fs::set_permissions(&place.key, fs::Permissions::from_mode(mode));
    let client = ["client", "127.0.0.1:1", "--ca", &place.ca];
    let session = ["--session", &place.session, "--session-key", &place.key];
    for (mode, warned) in [(0o640, true), (0o604, true), (0o600, false)] {
        everybody(mode).unwrap();
        let output = run(&[&client[..], &session].concat(), b"");
        check("nobody there", &output, 1, &["no TCP connection"]);
        let said = String::from_utf8_lossy(&output.stderr);
        let warning = format!("can read {}, and so open the sessions", place.key);
        assert_eq!(said.contains(&warning), warned, "{mode:o}: {said}");
    }

    // They are sealed anew each time, so nothing tells which are the same.
    assert_eq!(place.connect(&one.address, &[], &[]), [true]);
    let second = place.sessions();
    assert_eq!(second.len(), 4);
    assert!(second.iter().all(|line| !first.contains(line)));
    assert_eq!(fs::read(&place.key).unwrap(), key, "the key stays");

    // A server that does not take them uses them up, and one that is not there does not.
    assert_eq!(place.connect(&other.address, &[], &[]), [false]);
    drop(one);
    let before = place.sessions().len();
    let client = [
        "client",
        "127.0.0.1:1",
        "--ca",
        &place.ca,
        "--sni",
        "localhost",
    ];
    let session = ["--session", &place.session, "--session-key", &place.key];
    let output = run(&[&client[..], &session].concat(), b"");
    check("nobody", &output, 1, &["no TCP connection"]);
    assert_eq!(place.sessions().len(), before);
    assert_eq!(place.connect(&other.address, &[], &[]), [true]);

    // Under other trust they are of no use, and are kept.
    let pin = format!("{:064x}", 7);
    let client = [
        "client",
        &other.address,
        "--pin",
        &pin,
        "--sni",
        "localhost",
    ];
    let output = run(&[&client[..], &session].concat(), b"");
    check("pin", &output, 1, &["did not prove"]);
    assert_eq!(place.connect(&other.address, &[], &[]), [true]);
    let left: Vec<_> = fs::read_dir(&place.folder.0).unwrap().collect();
    assert_eq!(left.len(), 5, "nothing but its files is left: {left:?}");
}

#[test]
fn a_series_begins_with_the_sessions_of_the_file() {
    let place = Place::new("sessions-series");
    let server = Server::start(&place.identity, "--http");
    assert_eq!(place.connect(&server.address, &[], &[]), [false]);
    assert_eq!(place.sessions().len(), 4);
    let resumed = place.connect(&server.address, &["--resume", "2"], &[]);
    assert_eq!(resumed, [true; 3]);
    // A connection that resumed brings one more.
    assert_eq!(place.sessions().len(), 4);
    // What the file has more of is neither used for a later connection of the series nor lost.
    let (cert, key) = &place.identity;
    let silent = Server::with(&["--cert", cert, "--key", key, "--tickets", "none"]);
    let said = "connection 2 did not resume: the connection before got no ticket";
    let resumed = place.connect(&silent.address, &["--resume", "1"], &[said]);
    assert_eq!(resumed, [false; 2]);
    assert_eq!(place.sessions().len(), 3);
    let resumed = place.connect(&server.address, &["--resume", "1"], &[]);
    assert_eq!(resumed, [true; 2]);
}

#[test]
#[rustfmt::skip]
fn files_that_cannot_be_used_are_named_and_left_as_they_are() {
    let place = Place::new("sessions-wrong");
    let server = Server::start(&place.identity, "--http");
    assert_eq!(place.connect(&server.address, &[], &[]), [false]);
    let (session, key) = (place.session.as_str(), place.key.as_str());
    let good = fs::read_to_string(session).unwrap();
    let file = |name: &str, content: &str| place.folder.file(name, content);
    let directory = place.folder.0.display().to_string();
    let nowhere = format!("{directory}/none/file");
    let gone = format!("{directory}/gone");
    let last = good.len() - 2;
    let other = if good.as_bytes()[last] == b'0' { "1" } else { "0" };
    let altered = file("altered", &format!("{}{other}\n", &good[..last]));
    let other_version = file("version", &good.replacen("\n02", "\n7f", 1));
    let cut = file("cut", good.trim_end());
    let half = file("half", &good[..good.len() - 1000]);
    let odd = file("odd", &format!("{good}abc\n"));
    let foreign = file("foreign", "-----BEGIN SSL SESSION PARAMETERS-----\n");
    let newer = file("newer", &good.replacen(" 1\n", " 10\n", 1));
    let empty = file("empty", "");
    let (short, long) = (file("short", "0123456789"), file("long", &"x".repeat(33)));
    let stranger = file("stranger", &"k".repeat(32));
    let huge = file("huge", &"y".repeat(5000));
    let rows: &[(&str, &str, &str, &[&str])] = &[
        ("empty", &empty, key, &["--session cannot use", &empty, "something else"]),
        ("foreign", &foreign, key, &["--session cannot use", "left as it is", "something else"]),
        ("newer", &newer, key, &["something else"]),
        ("no newline", &cut, key, &["cut off at its end", "begin without"]),
        ("half", &half, key, &["--session cannot use", &half, "cut off"]),
        ("altered", &altered, key, &["line 5", "another key", "altered since", key]),
        ("odd line", &odd, key, &["line 6 is no session"]),
        ("version", &other_version, key, &["line 2", "another version"]),
        ("directory", &directory, key, &["--session expects a file", "cannot be read"]),
        ("no directory", &nowhere, key, &["cannot be written", &nowhere, "permissions of its directory"]),
        ("wrong key", session, &stranger, &["line 2", "another key", &stranger]),
        ("key missing", session, &gone, &["--session-key expects", &gone, "is not there", "its own key"]),
        ("empty key", session, &empty, &["32 random bytes", "has none"]),
        ("short key", session, &short, &["32 random bytes", "has 10"]),
        ("long key", session, &long, &["32 random bytes", "has more"]),
        ("huge key", session, &huge, &["32 random bytes", "cannot be read"]),
        ("key is a directory", session, &directory, &["--session-key expects", "cannot be read"]),
        ("key nowhere", &gone, &nowhere, &["--session-key expects", "cannot be made", &nowhere]),
    ];
    let content = |path: &str| fs::read(path).ok();
    for (name, session, key, parts) in rows {
        let before = [content(session), content(key)];
        let client = ["client", &server.address, "--ca", &place.ca, "--session", session, "--session-key", key];
        let output = run(&client, b"GET / HTTP/1.1\r\n\r\n");
        check(name, &output, 2, parts);
        assert_eq!(output.stdout, b"", "{name}");
        assert!([content(session), content(key)] == before, "{name}");
    }
    assert_eq!(content(&gone), None, "no key that would open nothing");
    // The same with the right file.
    assert_eq!(place.connect(&server.address, &[], &[]), [true]);

    let alone: &[(&str, &[&str], &str)] = &[
        ("no key", &["--session", session], "--session-key"),
        ("no session", &["--session-key", key], "--session <FILE>"),
        ("repeat", &["--session", session, "--session-key", key, "--repeat", "2"], "cannot be used with"),
    ];
    for (name, options, part) in alone {
        let output = run(&[&["client", "127.0.0.1:1"], *options].concat(), b"");
        check(name, &output, 2, &[part]);
    }
}
