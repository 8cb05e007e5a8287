//! Sessions that begin with rustls and go on with it, with early data and without, in both roles.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::{
    CipherSuite, ClientConfig, ClientConfigBuilder, EarlyData, Group, Now, ServerConfig,
    SessionStore, StrikeRegister, Tickets,
};
use rustls::HandshakeKind;

use crate::session::{Session, Setup, rustls_client_config, rustls_server_config};

/// Asserts on both sides how the connection came about.
#[track_caller]
fn came_about(session: &mut Session, resumed: bool, what: &str) {
    session.connect();
    let summary = session.pith.tls.summary().unwrap();
    assert_eq!(summary.resumed(), resumed, "{what}");
    assert_eq!(summary.signature_scheme.is_none(), resumed, "{what}");
    let kind = match resumed {
        true => HandshakeKind::Resumed,
        false => HandshakeKind::Full,
    };
    assert_eq!(session.peer.tls.handshake_kind(), Some(kind), "{what}");
    session.same_exports();
    session.data_flows();
}

fn peer_server(config: &Arc<rustls::ServerConfig>) -> rustls::Connection {
    rustls::ServerConnection::new(config.clone())
        .unwrap()
        .into()
}

fn peer_client(config: &Arc<rustls::ClientConfig>) -> rustls::ClientConnection {
    rustls::ClientConnection::new(config.clone(), name()).unwrap()
}

#[test]
fn rustls_resumes_every_suite_in_both_roles() {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    for suite in CipherSuite::ALL {
        for group in [Group::X25519MlKem768, Group::Secp256r1] {
            let setup = Setup::only(*suite, group);
            let what = format!("{suite} {group}");

            let theirs = rustls_server_config(&setup, &identity);
            let store = SessionStore::new();
            for resumed in [false, true, true] {
                let mine = ClientConfig::new(trust(&pki))
                    .suites(&[*suite])
                    .groups(&[group])
                    .sessions(store.clone());
                let mut session = Session::client(mine, peer_server(&theirs));
                came_about(&mut session, resumed, &what);
            }

            let theirs = rustls_client_config(&setup, &pki);
            let tickets = Tickets::rotating();
            for resumed in [false, true, true] {
                let mine = ServerConfig::new(credential(&identity))
                    .suites(&[*suite])
                    .groups(&[group])
                    .tickets(tickets.clone());
                let mut session = Session::server(mine, peer_client(&theirs).into());
                came_about(&mut session, resumed, &what);
            }
        }
    }
}

/// A server of rustls may send many tickets: as many are kept as the store has room for, and each goes out once.
#[test]
fn many_tickets_of_rustls_are_kept_within_bounds() {
    let pki = Pki::new();
    let setup = Setup {
        tickets: Some(20),
        ..Setup::default()
    };
    let theirs = rustls_server_config(&setup, &pki.leaf(NAME));
    let store = SessionStore::bounded(3, 10);
    let client = || ClientConfig::new(trust(&pki)).sessions(store.clone());
    came_about(
        &mut Session::client(client(), peer_server(&theirs)),
        false,
        "first",
    );
    assert_eq!(store.len(), 3);
    // A hello that goes nowhere takes its ticket with it.
    for left in [2, 1, 0] {
        let mut session = Session::client(client(), peer_server(&theirs));
        session.pith.output();
        assert_eq!(store.len(), left);
    }
    came_about(
        &mut Session::client(client(), peer_server(&theirs)),
        false,
        "none left",
    );
}

/// Tickets of another server, or under other keys, do not resume.
#[test]
fn what_does_not_fit_leads_to_a_full_handshake() {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let setup = Setup::default();
    let server = || rustls_server_config(&setup, &identity);
    let store = SessionStore::new();
    for what in ["first", "another server"] {
        let client = ClientConfig::new(trust(&pki)).sessions(store.clone());
        let mut session = Session::client(client, peer_server(&server()));
        came_about(&mut session, false, what);
    }
    let theirs = rustls_client_config(&setup, &pki);
    for what in ["first", "other keys"] {
        let server = ServerConfig::new(credential(&identity)).tickets(Tickets::rotating());
        let mut session = Session::server(server, peer_client(&theirs).into());
        came_about(&mut session, false, what);
    }
}

/// The one suite here: rustls sends early data only under the suite of the ticket.
const SUITE: CipherSuite = CipherSuite::Aes128GcmSha256;

fn early_client(pki: &Pki, store: &SessionStore) -> ClientConfigBuilder {
    ClientConfig::new(trust(pki))
        .suites(&[SUITE])
        .sessions(store.clone())
        .early_data(true)
}

#[test]
fn rustls_takes_early_data_or_refuses_it() {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let setup = |protocol: &str| Setup {
        suite: Some(SUITE),
        early_data: true,
        alpn: vec![protocol.into()],
        ..Setup::default()
    };
    for (second, accepted) in [("a", true), ("b", false)] {
        let store = SessionStore::new();
        let client = || early_client(&pki, &store).alpn(&[b"a", b"b"]);
        let mut theirs = rustls_server_config(&setup("a"), &identity);
        came_about(
            &mut Session::client(client(), peer_server(&theirs)),
            false,
            "first",
        );
        // The same tickets, and another protocol.
        Arc::get_mut(&mut theirs).unwrap().alpn_protocols = vec![second.into()];
        let mut session = Session::client(client(), peer_server(&theirs));
        let (hello, sent) = session.pith.seal_early(b"early of Pith").unwrap();
        assert_eq!(sent, 13);
        assert_eq!(session.pith.tls.early_data(), EarlyData::Offered);
        session.peer.input(&hello).unwrap();
        let rustls::Connection::Server(server) = &mut session.peer.tls else {
            panic!("not a server")
        };
        let mut early = Vec::new();
        if let Some(mut reader) = server.early_data() {
            reader.read_to_end(&mut early).unwrap();
        }
        let (want, bytes) = match accepted {
            true => (EarlyData::Accepted, &b"early of Pith"[..]),
            false => (EarlyData::Rejected, &[][..]),
        };
        assert_eq!(early, bytes, "{second}");
        session.connect();
        let summary = session.pith.tls.summary().unwrap();
        assert_eq!(summary.early_data, want, "{second}");
        assert!(summary.resumed() || !accepted, "{second}");
        session.data_flows();
    }
}

#[test]
fn rustls_sends_early_data_which_is_taken_once_or_refused() {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let setup = Setup {
        suite: Some(SUITE),
        early_data: true,
        ..Setup::default()
    };
    let long_ago = Now {
        unix: NOW.unix - Duration::from_secs(100),
        ..NOW
    };
    for (what, register, accepted) in [
        ("a register", StrikeRegister::new(long_ago), true),
        // It does not know what came before.
        ("a new register", StrikeRegister::new(NOW), false),
    ] {
        let theirs = rustls_client_config(&setup, &pki);
        let tickets = Tickets::rotating();
        let server = || {
            ServerConfig::new(credential(&identity))
                .suites(&[SUITE])
                .tickets(tickets.clone())
                .early_data(1000, register.clone())
        };
        let first = peer_client(&theirs);
        came_about(&mut Session::server(server(), first.into()), false, what);

        let mut client = peer_client(&theirs);
        let sent = client.early_data().unwrap().write(&[7; 2000]).unwrap();
        assert_eq!(sent, 1000, "as the ticket says");
        let mut session = Session::server(server(), client.into());
        let flight = session.peer.output();
        session.pith.input(&flight).unwrap();
        let (want, bytes) = match accepted {
            true => (EarlyData::Accepted, 1000),
            false => (EarlyData::Rejected, 0),
        };
        assert_eq!(session.pith.early, vec![7; bytes], "{what}");
        came_about(&mut session, true, what);
        let summary = session.pith.tls.summary().unwrap();
        assert_eq!(summary.early_data, want, "{what}");
        let rustls::Connection::Client(client) = &session.peer.tls else {
            panic!("not a client")
        };
        assert_eq!(client.is_early_data_accepted(), accepted, "{what}");

        // A copy of the flight comes to another connection.
        let mut copy = Session::server(server(), peer_client(&theirs).into());
        copy.pith.input(&flight).unwrap();
        assert_eq!(copy.pith.early, b"", "{what}");
        assert_eq!(copy.pith.tls.early_data(), EarlyData::Rejected, "{what}");
    }
}
