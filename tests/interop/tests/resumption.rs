//! Sessions that begin with another library and go on with it, with early data and without. Both sides say how each connection came
//! about. s2n-tls, BoringSSL and Node run a process for each connection; OpenSSL's server keeps its secret to one process.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    missing_docs
)]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pith_interop::{Conversation, LIMIT, Library, Listener, OpenSsl, Peer, Session, connect, hex};
use pith_io::std::Stream;
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki};
use pith_tls::{
    ClientAuth, ClientConfig, EarlyData, Group, Now, ServerConfig, SessionStore, StrikeRegister,
    Tickets, key_pin,
};

/// How a second connection is made, and what both sides have to say about it.
struct Row {
    name: &'static str,
    /// The client sends early data.
    offers: bool,
    /// The server takes early data this time.
    takes: bool,
    /// The server has another secret than the one that its ticket was sealed under.
    replaced: bool,
    /// The server wants a share of another group.
    retried: bool,
    /// The client has a certificate, and the server asks for it.
    mutual: bool,
    early: EarlyData,
}

const RESUMED: Row = Row {
    name: "resumed",
    offers: false,
    takes: false,
    replaced: false,
    retried: false,
    mutual: false,
    early: EarlyData::NotOffered,
};

const ROWS: [Row; 9] = [
    RESUMED,
    Row {
        name: "another secret",
        replaced: true,
        ..RESUMED
    },
    Row {
        name: "a retry",
        retried: true,
        ..RESUMED
    },
    Row {
        name: "a client with a certificate",
        mutual: true,
        ..RESUMED
    },
    Row {
        name: "a client with a certificate, another secret",
        mutual: true,
        replaced: true,
        ..RESUMED
    },
    Row {
        name: "early data accepted",
        offers: true,
        takes: true,
        early: EarlyData::Accepted,
        ..RESUMED
    },
    Row {
        name: "early data rejected",
        offers: true,
        early: EarlyData::Rejected,
        ..RESUMED
    },
    Row {
        name: "early data, another secret",
        offers: true,
        takes: true,
        replaced: true,
        early: EarlyData::Rejected,
        ..RESUMED
    },
    Row {
        name: "early data, a retry",
        offers: true,
        takes: true,
        retried: true,
        early: EarlyData::Rejected,
        ..RESUMED
    },
];

impl Row {
    /// Those that a library can take part in: Node has no calls for early data.
    fn all(library: Library) -> impl Iterator<Item = &'static Self> {
        let early = library != Library::Node;
        ROWS.iter().filter(move |row| early || !row.offers)
    }

    /// What both sides say of the second connection.
    fn check(&self, session: &Conversation, early: &[u8]) {
        let (name, summary) = (self.name, session.pith.summary().unwrap());
        assert_eq!(summary.resumed(), !self.replaced, "{name}");
        assert_eq!(summary.signature_scheme.is_some(), self.replaced, "{name}");
        let signed = summary.client_signature_scheme.is_some();
        assert_eq!(signed, self.mutual && self.replaced, "{name}");
        assert_eq!(summary.retried, self.retried, "{name}");
        let told = [summary.early_data, session.pith.early_data()];
        assert_eq!(told, [self.early; 2], "{name}");
        let resumed = (!self.replaced).to_string();
        assert_eq!(session.fact("resumed"), Some(resumed.as_str()), "{name}");
        let accepted = self.early == EarlyData::Accepted;
        assert_eq!(
            session.fact("early") == Some("accepted"),
            accepted,
            "{name}"
        );
        // Of a server.
        let came = session.fact("early-data").unwrap_or_default();
        assert!(came == hex(early), "{name}: {came}");
    }
}

/// An authority, a server and a client with certificates that every policy takes.
fn identities() -> (Pki, Identity, Identity) {
    let pki = Pki::with(Kind::P384, 0);
    let [server, client] =
        [NAME, "client.example"].map(|name| pki.leaf_with(Kind::P384, &[name], |_| ()));
    (pki, server, client)
}

#[test]
fn boringssl_resumes_and_takes_early_data() {
    resumed_by_peer(Library::BoringSsl);
}

#[test]
fn boringssl_is_resumed_and_sends_early_data() {
    resumed_by_pith(Library::BoringSsl);
}

#[test]
fn s2n_resumes_and_takes_early_data() {
    resumed_by_peer(Library::S2n);
}

#[test]
fn s2n_is_resumed_and_sends_early_data() {
    resumed_by_pith(Library::S2n);
}

#[test]
fn node_resumes() {
    resumed_by_peer(Library::Node);
}

#[test]
fn node_is_resumed() {
    resumed_by_pith(Library::Node);
}

/// Pith is the client.
fn resumed_by_peer(library: Library) {
    let Some(peer) = Peer::find(library) else {
        return;
    };
    let (pki, identity, client) = identities();
    let root = file(&format!("{library:?}-root.pem"));
    fs::write(&root, pki.root_pem()).unwrap();
    let [own, another] = [1, 2].map(|byte| {
        let secret = file(&format!("{library:?}-{byte}.tickets"));
        fs::write(&secret, [byte; 48]).unwrap();
        secret
    });
    // Pith sends no share of what is left.
    let only = match library {
        Library::BoringSsl => "P-384",
        Library::S2n => "cnsa_1",
        Library::Node => "secp384r1",
    };
    let early = EARLY.repeat(1000);
    for row in Row::all(library) {
        // s2n-tls gives no tickets to clients of which it demands a certificate.
        if row.mutual && library == Library::S2n {
            continue;
        }
        let store = SessionStore::new();
        let config = || {
            let config = ClientConfig::new(trust(&pki))
                .sessions(store.clone())
                .early_data(row.offers);
            match row.mutual {
                true => config.credential(credential(&client)),
                false => config,
            }
        };
        let serve = |secret: &str, takes: bool| {
            let mut args = vec!["--tickets", secret];
            for (given, option) in [
                (takes, ["--early-data", "yes"]),
                (row.retried, ["--groups", only]),
                (row.mutual, ["--ca", &root]),
            ] {
                args.extend(option.into_iter().filter(|_| given));
            }
            peer.server(&identity, &args)
        };
        let server = serve(&own, row.offers);
        let pith = connect(server.port(), config());
        let mut first = Conversation::over(pith, server, &[row.name]);
        assert!(!first.pith.summary().unwrap().resumed(), "{}", row.name);
        assert_eq!(first.fact("resumed"), Some("false"), "{}", row.name);
        first.echo("which lets the tickets in");
        first.close();

        // One that takes early data fails where some comes with a ticket that it cannot open: instead of skipping it, it
        // counts the bytes against the limit of a key that there is not.
        let fails = library == Library::S2n && row.replaced;
        let secret = if row.replaced { &another } else { &own };
        let server = serve(secret, row.takes && !fails);
        let sent: &[u8] = if row.offers { &early } else { b"" };
        let pith = connect_early(server.port(), config().build().unwrap(), sent);
        let mut second = Conversation::over(pith, server, &[row.name]);
        let accepted = row.early == EarlyData::Accepted;
        row.check(&second, if accepted { sent } else { b"" });
        if row.mutual {
            let leaf = hex(client.chain.first().unwrap());
            assert_eq!(second.fact("peer"), Some(leaf.as_str()), "{}", row.name);
        }
        second.echo("behind the handshake");
        second.close();
    }
}

/// Connects with early data, all of which has to be sent.
fn connect_early(port: u16, config: Arc<ClientConfig>, early: &[u8]) -> io::Result<Stream> {
    let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    tcp.set_read_timeout(Some(LIMIT))?;
    let mut pith = Stream::client(config, NAME, tcp)?;
    let mut left = early;
    while !left.is_empty() {
        let sent = pith.write_early(left)?;
        assert_ne!(sent, 0, "no early data may be sent");
        left = left.get(sent..).unwrap();
    }
    pith.handshake()?;
    Ok(pith)
}

/// Pith is the server.
fn resumed_by_pith(library: Library) {
    let Some(peer) = Peer::find(library) else {
        return;
    };
    let (pki, identity, client) = identities();
    let pin = key_pin(client.chain.first().unwrap()).unwrap();
    let session = file(&format!("{library:?}-session"));
    let early = (file(&format!("{library:?}-early")), EARLY.repeat(1000));
    fs::write(&early.0, &early.1).unwrap();
    for row in Row::all(library) {
        let tickets = Tickets::fleet(b"what all servers of a fleet share").unwrap();
        let config = |takes: bool| {
            let mut config = ServerConfig::new(credential(&identity)).tickets(tickets.clone());
            if row.offers {
                config = config.early_data(20_000, register(!takes));
            }
            if row.retried {
                config = config.groups(&[Group::Secp384r1]);
            }
            if row.mutual {
                config = config.client_auth(ClientAuth::Required(trust(&pki)));
            }
            config
        };
        let own = row.mutual.then_some(&client);
        // Nor do they send one, if Node is told for which to send one.
        let groups: &[&str] = match library {
            Library::Node => &["--groups", "*X25519MLKEM768:secp384r1"],
            _ => &[],
        };
        let args = [&["--session-out", &session], groups].concat();
        let mut first = peer.visit(config(true), own, &pki.root_pem(), &args);
        assert!(!first.pith.summary().unwrap().resumed(), "{}", row.name);
        assert_eq!(first.fact("resumed"), Some("false"), "{}", row.name);
        first.echo("which lets the tickets in");
        first.close();

        if row.replaced {
            let other = b"what they share from this day on";
            tickets.replace_secret(other).unwrap();
        }
        let mut args = [&["--session-in", &session], groups].concat();
        if row.offers {
            args.extend(["--early", &early.0]);
        }
        let listener = Listener::new();
        let process = peer.client(listener.port(), own, &pki.root_pem(), &args);
        let config = config(row.takes).build().unwrap();
        let mut pith = Stream::server(config, listener.accept_tcp());
        let mut read = Vec::new();
        let pith = read_early(&mut pith).map(|came| {
            read = came;
            pith
        });
        let mut second = Conversation::over(pith, process, &args);
        let accepted = row.early == EarlyData::Accepted;
        assert!(
            read == if accepted { &early.1[..] } else { b"" },
            "{}",
            row.name
        );
        row.check(&second, b"");
        let known = second.pith.summary().unwrap().peer_key;
        assert_eq!(known, row.mutual.then_some(pin), "{}", row.name);
        let told = match row.early {
            EarlyData::Accepted => Some("accepted"),
            EarlyData::Rejected => Some("rejected"),
            _ => None,
        };
        assert_eq!(second.fact("early"), told, "{}", row.name);
        second.echo("behind the handshake");
        second.close();
    }
}

/// All the early data of a client, and the end of its handshake.
fn read_early(pith: &mut Stream) -> io::Result<Vec<u8>> {
    let mut came = Vec::new();
    let mut buffer = [0; 1000];
    loop {
        match pith.read_early(&mut buffer)? {
            0 => return Ok(came),
            count => came.extend_from_slice(buffer.get(..count).unwrap()),
        }
    }
}

const EARLY: &[u8] = b"early data\n";

/// A file for this test alone.
fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    path.into_os_string().into_string().unwrap()
}

/// A register that began long ago, or one that has not begun yet and therefore knows of nothing.
fn register(new: bool) -> StrikeRegister {
    let unix = if new { Duration::MAX } else { Duration::ZERO };
    StrikeRegister::new(Now {
        monotonic: Duration::ZERO,
        unix,
    })
}

#[test]
fn openssl_resumes_with_a_client_of_pith() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    for group in [Group::X25519MlKem768, Group::X25519] {
        let peer = openssl.server(&pki.leaf(NAME), &["-naccept", "3"]);
        let (port, store) = (peer.port(), SessionStore::new());
        for (count, resumed) in [false, true, true].into_iter().enumerate() {
            let config = ClientConfig::new(trust(&pki)).groups(&[group]);
            let pith = connect(port, config.sessions(store.clone())).unwrap();
            let summary = pith.summary().unwrap();
            assert_eq!((summary.resumed(), summary.group), (resumed, group));
            talk(pith, &peer, count);
        }
        let printed = peer.finish();
        assert_eq!(printed.matches("Reused session-id").count(), 2, "{printed}");

        // Another process has another secret.
        let peer = openssl.server(&pki.leaf(NAME), &[]);
        let config = ClientConfig::new(trust(&pki)).groups(&[group]);
        let pith = connect(peer.port(), config.sessions(store.clone())).unwrap();
        assert!(!pith.summary().unwrap().resumed());
        talk(pith, &peer, 0);
        assert!(!peer.finish().contains("Reused session-id"));
    }
}

/// A line each way, which lets the tickets in, and the end.
fn talk(mut pith: Stream, peer: &pith_interop::Process, count: usize) {
    pith.write_all(b"from Pith\n").unwrap();
    pith.flush().unwrap();
    peer.wait_for("from Pith\n", count + 1);
    peer.type_in("from OpenSSL\n");
    let mut line = [0; 13];
    pith.read_exact(&mut line).unwrap();
    pith.close().unwrap();
    assert_eq!(pith.read(&mut [0; 1]).unwrap(), 0, "close_notify");
}

#[test]
fn openssl_takes_early_data_of_pith() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    for (args, want) in [
        (&["-early_data"][..], EarlyData::Accepted),
        // Its tickets do not allow it, so none is offered.
        (&[], EarlyData::NotOffered),
    ] {
        let args = [&["-naccept", "2"], args].concat();
        let peer = openssl.server(&pki.leaf(NAME), &args);
        let (port, store) = (peer.port(), SessionStore::new());
        let config = || {
            ClientConfig::new(trust(&pki))
                .sessions(store.clone())
                .early_data(true)
        };
        talk(connect(port, config()).unwrap(), &peer, 0);
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut pith = Stream::client(config().build().unwrap(), NAME, tcp).unwrap();
        let sent = pith.write_early(EARLY).unwrap();
        pith.handshake().unwrap();
        let summary = pith.summary().unwrap();
        assert!(summary.resumed(), "{args:?}");
        assert_eq!((summary.early_data, pith.early_data()), (want, want));
        let accepted = want == EarlyData::Accepted;
        assert_eq!(sent, if accepted { EARLY.len() } else { 0 });
        talk(pith, &peer, 1);
        assert_eq!(peer.finish().contains("early data\n"), accepted, "{args:?}");
    }
}

#[test]
fn a_client_of_openssl_resumes_and_sends_early_data() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let (session, early) = (file("openssl-session"), file("openssl-early"));
    fs::write(&early, EARLY).unwrap();
    for (what, register, replaced, want) in [
        (
            "accepted",
            Some(register(false)),
            false,
            EarlyData::Accepted,
        ),
        (
            "a new register",
            Some(register(true)),
            false,
            EarlyData::Rejected,
        ),
        (
            "another secret",
            Some(register(false)),
            true,
            EarlyData::Rejected,
        ),
        ("no early data", None, false, EarlyData::NotOffered),
    ] {
        let tickets = Tickets::fleet(b"what all servers of a fleet share").unwrap();
        let config = || {
            let config = ServerConfig::new(credential(&identity)).tickets(tickets.clone());
            match &register {
                Some(register) => config.early_data(1000, register.clone()),
                None => config,
            }
        };
        let mut first = Session::with_client(
            &openssl,
            config(),
            &pki.root_pem(),
            &["-sess_out", &session],
        );
        assert!(!first.pith.summary().unwrap().resumed(), "{what}");
        first.exchange(0);
        assert!(first.close().contains("New, TLSv1.3"), "{what}");
        if replaced {
            let other = b"what they share from this day on";
            tickets.replace_secret(other).unwrap();
        }

        let mut args = vec!["-sess_in", &session];
        if register.is_some() {
            args.extend(["-early_data", &early]);
        }
        let listener = Listener::new();
        let peer = openssl.client(listener.port(), &pki.root_pem(), &args);
        let mut pith = listener.accept(config()).unwrap();
        let summary = pith.summary().unwrap();
        assert_eq!(summary.resumed(), !replaced, "{what}");
        assert_eq!(summary.early_data, want, "{what}");
        let came = read_early(&mut pith).unwrap();
        let accepted = want == EarlyData::Accepted;
        assert_eq!(came, if accepted { EARLY } else { b"" }, "{what}");
        let mut second = Session { pith, peer };
        second.exchange(0);
        let printed = second.close();
        let way = if replaced { "New" } else { "Reused" };
        assert!(printed.contains(&format!("{way}, TLSv1.3")), "{printed}");
        let told = match want {
            EarlyData::Accepted => "Early data was accepted",
            EarlyData::Rejected => "Early data was rejected",
            _ => "Early data was not sent",
        };
        assert!(printed.contains(told), "{printed}");
    }
}
