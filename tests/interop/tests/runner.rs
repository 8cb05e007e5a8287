//! The cases of the QUIC interop runner, with `pith interop` at one end and another library at the other, and the runner's network between them: a
//! proxy that delays, loses, breaks and reorders.
//!
//! Each case runs with each library that has it, in both roles; [`LACKS`] is the table of those that do not run, and why. The group has to be
//! X25519MLKEM768 in all. What a case is about is read from Pith's trace (qlog) or from what the peer says: that files come proves little.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs
)]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use pith_interop::{LOCALHOST, Process, QuicLibrary, QuicPeer, Site, folder, program};
use pith_tests::network::proxy::{Proxy, Rebinding};
use pith_tests::network::{Dice, Link, Outage};
use pith_tests::pki::{Kind, Pki};

/// What a peer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

use QuicLibrary::{OpenSsl, Quiche, Quinn, S2nQuic};
use Role::{Client, Server};

/// Which cases a library in a role has no part in, or fails, and why. Nothing else is left out, and a case that would pass has no row.
#[rustfmt::skip]
const LACKS: &[(QuicLibrary, &[Role], &[&str], &str)] = &[
    (Quiche, &[Client, Server], &["v2"], "it has version 1 alone"),
    (S2nQuic, &[Client, Server], &["v2"], "it has version 1 alone"),
    (OpenSsl, &[Client, Server], &["v2"], "it has version 1 alone"),
    (Quinn, &[Client, Server], &["v2"], "it has version 1 alone"),
    (S2nQuic, &[Client, Server], &["http3"], "it has no HTTP/3"),
    (OpenSsl, &[Client, Server], &["http3"], "it has no HTTP/3"),
    (Quinn, &[Client, Server], &["http3"], "not here, but with the crate h3 on it in http3.rs"),
    (Quiche, &[Client], &["keyupdate"], "it follows, and has no call that begins one"),
    (S2nQuic, &[Client], &["keyupdate"], "it follows, and begins one by itself after 2^23 packets alone"),
    (S2nQuic, &[Client, Server], &["zerortt"], "it has no early data"),
    (OpenSsl, &[Client, Server], &["zerortt"], "it has no early data over QUIC"),
    (Quiche, &[Server], &["rebind-port", "rebind-addr", "connectionmigration"], "what was on its way by the old path and is lost with it, it never sends again, so that the transfer stands still"),
    (OpenSsl, &[Server], &["rebind-port", "rebind-addr"], "its server takes nothing from another address than the first"),
    (OpenSsl, &[Client, Server], &["connectionmigration"], "its server forbids it by a transport parameter, its client has no call for it"),
    (S2nQuic, &[Client], &["connectionmigration"], "its client has no call for it"),
    (Quiche, &[Client, Server], &["ecn"], "the program around it would have to read and set the marks"),
    (OpenSsl, &[Client, Server], &["ecn"], "it neither sets nor reads marks"),
];

/// A row of the runner's table.
struct Case {
    /// As TESTCASE has it.
    name: &'static str,
    /// How many files of how many bytes.
    sizes: &'static [(usize, usize)],
    /// The network.
    link: fn() -> Link,
    /// Whether the client's port or address changes on the way; of address.
    rebinding: Option<bool>,
    /// Options of the peer's client, and of its server.
    peer: [&'static [&'static str]; 2],
    /// What has to stand in Pith's traces if it is the client, and if it is the server.
    traces: [&'static [&'static str]; 2],
    /// What Pith's client has to say, in one line.
    pith: &'static [&'static str],
    /// What the peer's client has to say.
    peer_client: &'static str,
}

impl Case {
    fn is_left_to_chance(&self) -> bool {
        let link = (self.link)();
        link.loss > 0 || link.corrupt > 0 || link.outage != Outage::Never
    }
}

const PLAIN: Case = Case {
    name: "",
    sizes: &[(1, 1_000)],
    link: short_way,
    rebinding: None,
    peer: [&[], &[]],
    traces: [&[], &[]],
    pith: &["key exchange", "X25519MLKEM768"],
    peer_client: "",
};

const BIG: &[(usize, usize)] = &[(1, 1_000_000), (1, 2_000_000), (1, 4_000_000)];
const MEDIUM: &[(usize, usize)] = &[(3, 500_000)];

/// Of each key of 1-RTT packets, that it was changed.
const UPDATED: &[&str] = &[
    r#""key_type":"client_1rtt_secret","trigger":"#,
    r#""key_phase":1"#,
];

const CASES: &[Case] = &[
    Case {
        name: "handshake",
        ..PLAIN
    },
    Case {
        name: "transfer",
        sizes: BIG,
        ..PLAIN
    },
    Case {
        name: "longrtt",
        link: long_way,
        ..PLAIN
    },
    Case {
        name: "chacha20",
        sizes: MEDIUM,
        pith: &["cipher suite", "TLS_CHACHA20_POLY1305_SHA256"],
        ..PLAIN
    },
    Case {
        name: "multiplexing",
        sizes: &[(200, 32)],
        ..PLAIN
    },
    Case {
        name: "retry",
        peer: [&[], &["--retry", "yes"]],
        traces: [&["\"retry_source_connection_id\":\""]; 2],
        ..PLAIN
    },
    Case {
        name: "resumption",
        sizes: &[(2, 5_000)],
        ..PLAIN
    },
    Case {
        name: "zerortt",
        sizes: &[(40, 32)],
        peer: [&["--early", "yes"]; 2],
        pith: &["early data", "accepted"],
        peer_client: "early accepted\n",
        ..PLAIN
    },
    Case {
        name: "http3",
        sizes: MEDIUM,
        peer: [&["--alpn", "h3"]; 2],
        ..PLAIN
    },
    Case {
        name: "blackhole",
        sizes: MEDIUM,
        link: with_holes,
        ..PLAIN
    },
    Case {
        name: "keyupdate",
        sizes: BIG,
        peer: [&["--update", "yes"], &[]],
        traces: [UPDATED; 2],
        ..PLAIN
    },
    Case {
        name: "ecn",
        sizes: &[(1, 1_000_000)],
        traces: [&[r#""new":"capable""#]; 2],
        ..PLAIN
    },
    Case {
        name: "amplificationlimit",
        link: losing_the_first,
        ..PLAIN
    },
    Case {
        name: "handshakeloss",
        sizes: &[(8, 1_000)],
        link: very_lossy,
        ..PLAIN
    },
    Case {
        name: "handshakecorruption",
        sizes: &[(8, 1_000)],
        link: very_broken,
        ..PLAIN
    },
    Case {
        name: "transferloss",
        sizes: MEDIUM,
        link: lossy,
        ..PLAIN
    },
    Case {
        name: "transfercorruption",
        sizes: MEDIUM,
        link: broken,
        ..PLAIN
    },
    Case {
        name: "ipv6",
        peer: [&["--host", "::1"]; 2],
        ..PLAIN
    },
    Case {
        name: "v2",
        ..PLAIN
    },
    Case {
        name: "rebind-port",
        sizes: &[(1, 4_000_000)],
        link: usual,
        rebinding: Some(false),
        ..PLAIN
    },
    Case {
        name: "rebind-addr",
        sizes: &[(1, 4_000_000)],
        link: usual,
        rebinding: Some(true),
        ..PLAIN
    },
    Case {
        name: "connectionmigration",
        sizes: BIG,
        peer: [&["--migrate", "yes"], &[]],
        traces: [&[r#""new":"probing_successful""#]; 2],
        ..PLAIN
    },
];

/// What the runner has.
fn usual() -> Link {
    Link {
        delay: Duration::from_millis(15),
        rate: Some(1_250_000),
        queue: 31_250,
        ..Link::default()
    }
}

fn short_way() -> Link {
    Link {
        delay: Duration::from_millis(5),
        ..Link::default()
    }
}

fn long_way() -> Link {
    Link {
        delay: Duration::from_millis(600),
        ..Link::default()
    }
}

fn with_holes() -> Link {
    Link {
        outage: Outage::Each(Duration::from_millis(1_500), Duration::from_millis(700)),
        rate: Some(500_000),
        queue: 40_000,
        ..short_way()
    }
}

/// Of one more than the runner has it, since a hello takes two.
fn losing_the_first() -> Link {
    Link {
        dropped: (3..=8).collect(),
        ..short_way()
    }
}

fn lossy() -> Link {
    Link {
        loss: 20,
        in_a_row: 3,
        reorder: (20, Duration::from_millis(5)),
        duplicate: 10,
        ..short_way()
    }
}

fn broken() -> Link {
    Link {
        corrupt: 20,
        in_a_row: 3,
        reorder: (20, Duration::from_millis(5)),
        duplicate: 10,
        ..short_way()
    }
}

/// A third of what the runner has. A server of Pith's acknowledges no hello before all of it is there, so that clients need long until both halves have come.
fn very_lossy() -> Link {
    Link {
        loss: 100,
        in_a_row: 3,
        ..short_way()
    }
}

fn very_broken() -> Link {
    Link {
        corrupt: 100,
        in_a_row: 3,
        ..short_way()
    }
}

#[test]
fn quiche_serves_pith() {
    all(Quiche, Server);
}

#[test]
fn quiche_asks_pith() {
    all(Quiche, Client);
}

#[test]
fn s2n_quic_serves_pith() {
    all(S2nQuic, Server);
}

#[test]
fn s2n_quic_asks_pith() {
    all(S2nQuic, Client);
}

#[test]
fn openssl_serves_pith_over_quic() {
    all(OpenSsl, Server);
}

#[test]
fn openssl_asks_pith_over_quic() {
    all(OpenSsl, Client);
}

#[test]
fn quinn_serves_pith() {
    all(Quinn, Server);
}

#[test]
fn quinn_asks_pith() {
    all(Quinn, Client);
}

/// Every row of the table of what is lacking is about a case that there is, and no two are about the same.
#[test]
fn what_is_lacking_is_said_once() {
    let mut seen = Vec::new();
    for (library, roles, cases, _) in LACKS {
        for role in *roles {
            for case in *cases {
                assert!(CASES.iter().any(|it| it.name == *case), "{case}");
                let row = (*library, *role, *case);
                assert!(!seen.contains(&row), "{row:?}");
                seen.push(row);
            }
        }
    }
}

fn all(library: QuicLibrary, role: Role) {
    // It does not lie in the cache.
    let command = concat!(env!("CARGO_TARGET_TMPDIR"), "/../debug/pith");
    let pith = program("PITH_COMMAND", command, "cargo build -p pith");
    let (Some(peer), Some(pith)) = (QuicPeer::find(library), pith) else {
        return;
    };
    // Some cases alone, for who looks into them.
    let only = std::env::var("PITH_CASE").ok();
    let mut failed = Vec::new();
    for case in CASES {
        let lacks = LACKS.iter().find(|(of, roles, cases, _)| {
            *of == library && roles.contains(&role) && cases.contains(&case.name)
        });
        let is_one = |only: &str| only.split(' ').any(|only| only == case.name);
        if !only.as_deref().is_none_or(is_one) {
            continue;
        }
        let what = format!("{library:?} as a {role:?}, {}", case.name);
        if let Some((.., why)) = lacks {
            println!("{what}: not: {why}");
            continue;
        }
        // Where the network harms by chance, it may once come to more than a library gets over in its time.
        let tries = if case.is_left_to_chance() { 2 } else { 1 };
        let passed = (1..=tries).any(|seed| {
            let began = Instant::now();
            let run = Run::new(&peer, &pith, case, seed, what.clone());
            // The others say more of what is wrong.
            let ran = catch_unwind(AssertUnwindSafe(|| match role {
                Server => run.pith_asks(),
                Client => run.pith_serves(),
            }));
            let outcome = if ran.is_ok() { "ok" } else { "FAILED" };
            let milliseconds = began.elapsed().as_millis();
            println!("{what}: {outcome}, {milliseconds} ms");
            ran.is_ok()
        });
        if !passed {
            failed.push(case.name);
        }
    }
    assert!(failed.is_empty(), "{library:?} as a {role:?}: {failed:?}");
}

/// A case with a peer.
struct Run<'a> {
    peer: &'a QuicPeer,
    pith: &'a Path,
    case: &'a Case,
    /// Of what the network does by chance.
    seed: u64,
    site: Site,
    what: String,
}

impl<'a> Run<'a> {
    fn new(peer: &'a QuicPeer, pith: &'a Path, case: &'a Case, seed: u64, what: String) -> Self {
        let pki = Pki::new();
        let mut names = vec![LOCALHOST.to_owned(), "::1".to_owned()];
        if case.name == "amplificationlimit" {
            // So large a certificate that a server has to wait for its client's address to be proven.
            // Of names that no compression makes small.
            let mut dice = Dice::new(1);
            names.extend((0..300).map(|_| format!("{:x}{:x}.example", dice.roll(), dice.roll())));
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let identity = pki.leaf_with(Kind::P256, &names, |_| ());
        let site = Site::new(&pki, &identity, case.sizes);
        Self {
            peer,
            pith,
            case,
            seed,
            site,
            what,
        }
    }

    /// The peer's options as a client or as a server.
    fn options(&self, role: Role) -> &'static [&'static str] {
        let [client, server] = self.case.peer;
        match role {
            Client => client,
            Server => server,
        }
    }

    fn address(&self, port: u16) -> SocketAddr {
        let host = if self.case.name == "ipv6" {
            "::1"
        } else {
            "127.0.0.1"
        };
        SocketAddr::new(host.parse().unwrap(), port)
    }

    /// The network in front of a server.
    fn proxy(&self, server: SocketAddr) -> Proxy {
        let link = (self.case.link)();
        // There and back alike, but for what is dropped by its number, which is the client's alone.
        let back = Link {
            dropped: Vec::new(),
            ..link.clone()
        };
        let rebinding = self.case.rebinding.map(|address| Rebinding {
            // Behind the handshake, in which nobody may move.
            first: Duration::from_secs(2),
            // A few times alone: s2n-quic follows to four other paths, and no further.
            every: Duration::from_millis(1_000),
            address,
        });
        Proxy::with(server, self.seed, link, back, rebinding).unwrap()
    }

    fn pith_asks(&self) {
        let peer = self.peer.server(&self.site, self.options(Server));
        let server = self.address(peer.port());
        let proxy = self.proxy(server);
        let server = proxy.address();
        let mut command = self.site.pith(self.pith, "client", self.case.name);
        command.args(["--downloads", "downloads"]);
        command.env("REQUESTS", self.site.requests(server));
        let (done, printed) = start(&mut command).end(LIMIT);
        let what = &self.what;
        assert!(done, "{what}: {printed}\n{}", peer.printed());
        self.site.check(what);
        for parts in [PLAIN.pith, self.case.pith] {
            let mut lines = printed.lines();
            let said = lines.any(|line| parts.iter().all(|part| line.contains(part)));
            assert!(said, "{what}: {parts:?}: {printed}");
        }
        let [wanted, _] = self.case.traces;
        let traces = self.site.traces();
        for part in wanted {
            assert!(traces.contains(part), "{what}: no {part}\n{printed}");
        }
        self.assert_harmed(&proxy);
    }

    fn pith_serves(&self) {
        let mut command = self.site.pith(self.pith, "server", self.case.name);
        let listen = self.address(0).to_string();
        command.args(["--www", "www", "--listen", &listen]);
        let pith = start(&mut command);
        let server = self.address(pith.port_after("listening on "));
        let proxy = self.proxy(server);
        let server = proxy.address();
        let names = &self.site.names;
        let printed = match self.case.name {
            "resumption" | "zerortt" => self.resume(server.port()),
            "handshakeloss" | "handshakecorruption" | "multiconnect" => {
                // Each file by a client of its own, a few at once.
                let printed = names.chunks(4).map(|names| {
                    let clients: Vec<_> = names
                        .iter()
                        .map(|name| self.client(server.port(), std::slice::from_ref(name), &[]))
                        .collect();
                    let printed = clients.into_iter().map(|client| self.done(client, &pith));
                    printed.collect::<String>()
                });
                printed.collect()
            }
            _ => self.done(
                self.client(server.port(), names, self.options(Client)),
                &pith,
            ),
        };
        let what = &self.what;
        self.site.check(what);
        let group = "group X25519MLKEM768\n";
        for fact in [group, self.case.peer_client] {
            let log = pith.printed();
            assert!(printed.contains(fact), "{what}: {printed}\n{log}");
        }
        let [_, wanted] = self.case.traces;
        for part in wanted {
            // They are written while the connection goes on, and its end may be on its way.
            let began = Instant::now();
            while !self.site.traces().contains(part) {
                let late = began.elapsed() > LIMIT;
                assert!(!late, "{what}: no {part}\n{printed}\n{}", pith.printed());
                thread::sleep(Duration::from_millis(20));
            }
        }
        self.assert_harmed(&proxy);
    }

    fn client(&self, port: u16, names: &[String], options: &[&str]) -> Process {
        self.peer.client(port, &self.site, names, options)
    }

    /// What a client printed that has all its files.
    fn done(&self, client: Process, pith: &Process) -> String {
        let (done, printed) = client.end(LIMIT);
        let what = &self.what;
        assert!(done, "{what}: {printed}\n{}", pith.printed());
        printed
    }

    /// The first file on one connection, the others on one that resumes it; what the second one says. That it has resumed is what it says itself, or early
    /// data that was accepted; s2n-quic says neither, and is given a root that the server's certificate does not lead to.
    fn resume(&self, port: u16) -> String {
        let (first, others) = self.site.names.split_at(1);
        let session = self.site.folder.join("session");
        let session = session.to_str().unwrap();
        let early = self.options(Client);
        if self.peer.library == Quinn {
            // In one process, since its sessions cannot be kept elsewhere.
            let others = others.join(" ");
            let options = [&["--then", &others], early].concat();
            let (done, printed) = self.client(port, first, &options).end(LIMIT);
            assert!(done, "{}: {printed}", self.what);
            assert!(
                printed.contains("resumed true\n"),
                "{}: {printed}",
                self.what
            );
            return printed;
        }
        let options = [&["--session-out", session], early].concat();
        let (done, printed) = self.client(port, first, &options).end(LIMIT);
        assert!(done, "{}: {printed}", self.what);
        let options = [&["--session-in", session], early].concat();
        if self.peer.library == S2nQuic {
            let stranger = Pki::new().root_pem();
            let ca = self.site.folder.join("certs").join("ca.pem");
            std::fs::write(ca, stranger).unwrap();
        }
        let (done, printed) = self.client(port, others, &options).end(LIMIT);
        assert!(done, "{}: {printed}", self.what);
        let says = self.peer.library != S2nQuic;
        assert!(
            !says || printed.contains("resumed true\n"),
            "{}: {printed}",
            self.what
        );
        printed
    }

    /// A network that lets everything through would test little.
    fn assert_harmed(&self, proxy: &Proxy) {
        if let Some(address) = self.case.rebinding {
            let from: BTreeSet<_> = proxy.trace().iter().map(|it| it.client).collect();
            let hosts: BTreeSet<_> = from.iter().map(SocketAddr::ip).collect();
            let what = &self.what;
            assert!(from.len() > 1, "{what}: {from:?}");
            assert_eq!(hosts.len() > 1, address, "{what}: {from:?}");
        }
        let link = (self.case.link)();
        let [there, back] = proxy.stats();
        // Both ways together: one of them may be a few acknowledgements.
        let harms = [
            (link.loss > 0, there.lost.max(back.lost)),
            (link.corrupt > 0, there.corrupted.max(back.corrupted)),
            (link.reorder.0 > 0, there.held.max(back.held)),
            (link.outage != Outage::Never, there.out.max(back.out)),
            (!link.dropped.is_empty(), there.lost),
        ];
        for (harms, count) in harms {
            let what = &self.what;
            assert!(!harms || count > 0, "{what}: {there:?} {back:?}");
        }
    }
}

/// In a folder of its own, which goes away with it.
fn start(command: &mut Command) -> Process {
    Process::start(command, folder())
}

/// How long a run may take, on a machine that is busy with others.
const LIMIT: Duration = Duration::from_secs(150);
