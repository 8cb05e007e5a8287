//! A test case played: both endpoints in processes of their own, the runner's environment around them, and the proxy between.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pith_tests::network::proxy::{Proxy, Rebinding, Sighting, Way};
use pith_tests::network::{Dice, Link, Stats};
use pith_tests::pki::{Kind as KeyKind, Pki};
use serde_json::Value;

use crate::header::{Header, Kind, headers};
use crate::process::{Folder, finish, pith};

/// What a test case needs.
pub(crate) struct Case {
    /// What TESTCASE says to either.
    pub(crate) client: &'static str,
    pub(crate) server: &'static str,
    /// Bytes of each file.
    pub(crate) files: Vec<usize>,
    /// Characters of their names.
    pub(crate) names: usize,
    pub(crate) there: Link,
    pub(crate) back: Link,
    pub(crate) rebinding: Option<Rebinding>,
    /// Certificates in the server's chain.
    pub(crate) chain: usize,
    /// Where the server asks clients to go on.
    pub(crate) preferred: Option<SocketAddr>,
    /// The address of both, as in a URL.
    pub(crate) address: &'static str,
}

impl Case {
    /// The same for both sides, over the network that the runner has for most cases.
    pub(crate) fn of(name: &'static str, files: &[usize]) -> Self {
        Self {
            client: name,
            server: name,
            files: files.to_vec(),
            names: 12,
            there: usual(),
            back: usual(),
            rebinding: None,
            chain: 1,
            preferred: None,
            address: "127.0.0.1",
        }
    }

    pub(crate) fn over(self, there: Link, back: Link) -> Self {
        Self {
            there,
            back,
            ..self
        }
    }
}

/// 15 ms and 10 Mbit/s, with a queue of 25 packets.
pub(crate) fn usual() -> Link {
    Link {
        delay: Duration::from_millis(15),
        rate: Some(10_000_000 / 8),
        queue: 25 * 1250,
        ..Link::default()
    }
}

/// What happened.
pub(crate) struct Played {
    /// What went by the proxy, and what the link counted on the way to the server and back.
    pub(crate) trace: Vec<Sighting>,
    pub(crate) stats: [Stats; 2],
    /// The traces that each side kept, one for each connection, each a list of events.
    pub(crate) client: Vec<Vec<Value>>,
    pub(crate) server: Vec<Vec<Value>>,
    /// What the client said.
    pub(crate) said: String,
}

/// Plays a case; the files have come whole, and nothing else has.
pub(crate) fn play(name: &str, case: &Case) -> Played {
    let folder = Folder::new(&format!("interop-{name}"));
    let names = set_up(&folder.0, case);
    let mut server = Server::start(&folder.0, case);
    let address = server.address.parse().unwrap();
    let seed = name.bytes().map(u64::from).sum();
    let (there, back) = (case.there.clone(), case.back.clone());
    let proxy = Proxy::with(address, seed, there, back, case.rebinding).unwrap();

    let port = proxy.address().port();
    let urls = names
        .iter()
        .map(|name| format!("https://{}:{port}/{name}", case.address));
    let mut command = pith(&["interop", "client"]);
    command
        .args(["--certs", "certs", "--downloads", "downloads"])
        .current_dir(&folder.0)
        .env("TESTCASE", case.client)
        .env("REQUESTS", urls.collect::<Vec<_>>().join(" "))
        .env("QLOGDIR", "client")
        .env("SSLKEYLOGFILE", "keys");
    let output = finish(command, b"");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{name}: {said}");

    let files = |folder: &Path| -> BTreeSet<(String, Vec<u8>)> {
        let files = fs::read_dir(folder).unwrap().map(Result::unwrap);
        let name = |file: &fs::DirEntry| file.file_name().into_string().unwrap();
        files
            .map(|file| (name(&file), fs::read(file.path()).unwrap()))
            .collect()
    };
    let (sent, came) = (
        files(&folder.0.join("www")),
        files(&folder.0.join("downloads")),
    );
    assert_eq!(sent.len(), names.len());
    assert!(sent == came, "{name}: other files than were served");
    server.settle(&folder.0.join("server"));
    Played {
        trace: proxy.trace(),
        stats: proxy.stats(),
        client: traces(&folder.0.join("client")),
        server: traces(&folder.0.join("server")),
        said,
    }
}

/// The directories that the runner mounts; returns the names of the files.
fn set_up(folder: &Path, case: &Case) -> Vec<String> {
    for sub in ["certs", "www"] {
        fs::create_dir_all(folder.join(sub)).unwrap();
    }
    let pki = Pki::with(KeyKind::P256, case.chain - 1);
    // The runner makes a long chain longer yet by names.
    let count = if case.chain > 1 { 20 } else { 0 };
    let more: Vec<_> = (0..count)
        .map(|at| format!("{}{at}", "name.".repeat(49)))
        .collect();
    let mut names = vec!["localhost", "127.0.0.1", "::1"];
    names.extend(more.iter().map(String::as_str));
    let leaf = pki.leaf_with(KeyKind::P256, &names, |_| ());
    for (name, text) in [
        ("cert.pem", leaf.chain_pem),
        ("priv.key", leaf.key_pem),
        ("ca.pem", pki.root_pem()),
    ] {
        fs::write(folder.join("certs").join(name), text).unwrap();
    }
    let mut dice = Dice::new(1);
    let files = case.files.iter().enumerate().map(|(number, length)| {
        let name = format!("{number:0width$}", width = case.names);
        let numbers = std::iter::repeat_with(|| dice.roll().to_le_bytes());
        let content: Vec<u8> = numbers.flatten().take(*length).collect();
        fs::write(folder.join("www").join(&name), content).unwrap();
        name
    });
    files.collect()
}

/// The server of a case, ended when dropped.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(folder: &Path, case: &Case) -> Self {
        let listen = match case.address {
            "localhost" => "127.0.0.1:0".to_owned(),
            address => format!("{address}:0"),
        };
        let mut command = pith(&["interop", "server", "--listen", &listen]);
        if let Some(preferred) = case.preferred {
            command.args(["--preferred", &preferred.to_string()]);
        }
        let mut child = command
            .args(["--certs", "certs", "--www", "www"])
            .current_dir(folder)
            .env("TESTCASE", case.server)
            .env("QLOGDIR", "server")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Self { child, address }
    }

    /// Waits until the server has written all that it has to tell of its connections: for those whose end was lost, not for long.
    fn settle(&mut self, folder: &Path) {
        let start = Instant::now();
        let is_whole = |events: &Vec<Value>| events.iter().any(|event| event["name"] == CLOSED);
        while !traces(folder).iter().all(is_whole) && start.elapsed() < SETTLES {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The events of each trace in a folder, but for what is not written yet.
fn traces(folder: &Path) -> Vec<Vec<Value>> {
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let events = files.map(|file| {
        let text = fs::read_to_string(file).unwrap();
        let records = text.split('\u{1e}').skip(1);
        records
            .map_while(|record| serde_json::from_str(record).ok())
            .collect()
    });
    events.collect()
}

impl Played {
    /// The packets that went this way, with the datagram of each.
    pub(crate) fn packets(&self, way: Way) -> impl Iterator<Item = (&Sighting, Header)> {
        let there = self.trace.iter().filter(move |it| it.way == way);
        there.flat_map(|it| {
            let headers = headers(&it.head, it.length).into_iter();
            headers.map(move |header| (it, header))
        })
    }

    /// How many handshakes there were: the server's Initials of each have an id of their own.
    pub(crate) fn handshakes(&self) -> usize {
        let initials = self
            .packets(Way::Back)
            .filter(|(_, it)| it.kind == Kind::Initial);
        initials
            .map(|(_, it)| it.source)
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// The versions of the packets of a kind.
    pub(crate) fn versions(&self, way: Way, kind: Kind) -> BTreeSet<u32> {
        let packets = self.packets(way).filter(|(_, it)| it.kind == kind);
        packets.map(|(_, it)| it.version).collect()
    }

    /// Bytes of the packets of a kind.
    pub(crate) fn bytes(&self, way: Way, kind: Kind) -> usize {
        let packets = self.packets(way).filter(|(_, it)| it.kind == kind);
        packets.map(|(_, it)| it.length).sum()
    }

    pub(crate) fn has(&self, way: Way, kind: Kind) -> bool {
        self.packets(way).any(|(_, it)| it.kind == kind)
    }

    /// The client's addresses that the server saw.
    pub(crate) fn paths(&self) -> BTreeSet<SocketAddr> {
        self.trace.iter().map(|it| it.client).collect()
    }
}

/// The packets of one trace that were `packet_sent` or `packet_received`, by their data.
pub(crate) fn packets<'a>(events: &'a [Value], what: &str) -> impl Iterator<Item = &'a Value> {
    let name = format!("transport:{what}");
    let events = events
        .iter()
        .filter(move |event| event["name"] == name.as_str());
    events.map(|event| &event["data"])
}

/// The frames of a kind in a packet.
pub(crate) fn frames<'a>(packet: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let frames = packet["frames"].as_array().into_iter().flatten();
    frames.filter(move |frame| frame["frame_type"] == kind)
}

const SETTLES: Duration = Duration::from_secs(3);
const CLOSED: &str = "connectivity:connection_closed";
