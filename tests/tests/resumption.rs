//! Sessions resume by a ticket, and only where a full handshake would have led to the same (RFC 9846 sections 2.2 and 4.3.11).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::Arc;

use pith_tests::engine::{Duo, Outcome};
use pith_tests::message::{Extensions, kind};
use pith_tests::pair::{NAME, Pair, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{
    ClientConfig, ClientConfigBuilder, Group, ServerConfig, ServerConfigBuilder, SessionStore,
    Tickets,
};

/// A client and a server that would resume, before anything was changed.
struct Sides {
    pki: Pki,
    store: SessionStore,
    tickets: Tickets,
}

impl Sides {
    fn new() -> Self {
        Self {
            pki: Pki::new(),
            store: SessionStore::new(),
            tickets: Tickets::rotating(),
        }
    }

    fn client(&self) -> ClientConfigBuilder {
        ClientConfig::new(trust(&self.pki))
            .sessions(self.store.clone())
            .alpn(&[b"test"])
    }

    fn server(&self) -> ServerConfigBuilder {
        ServerConfig::new(credential(&self.pki.leaf(NAME)))
            .tickets(self.tickets.clone())
            .alpn(&[b"test"])
    }
}

fn duo(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, quic: bool) -> Duo {
    match quic {
        true => Duo::quic(client, server),
        false => Duo::records(client, server),
    }
}

#[test]
fn the_second_connection_resumes_over_both_carriers() {
    for quic in [false, true] {
        let sides = Sides::new();
        let (client, server) = (
            sides.client().build().unwrap(),
            sides.server().build().unwrap(),
        );
        for number in 0..4 {
            let mut duo = duo(&client, &server, quic);
            assert_eq!(duo.run(), Outcome::Complete);
            let (ours, theirs) = (duo.client.summary.unwrap(), duo.server.summary.unwrap());
            assert_eq!(
                ours.resumed(),
                number > 0,
                "connection {number}, QUIC: {quic}"
            );
            assert_eq!(theirs.resumed(), ours.resumed());
            assert_eq!(ours.signature_scheme.is_none(), ours.resumed());
            assert_eq!(ours.group, Group::X25519MlKem768);
        }
    }
}

#[test]
fn data_flows_on_a_resumed_connection() {
    let sides = Sides::new();
    let (client, server) = (
        sides.client().build().unwrap(),
        sides.server().build().unwrap(),
    );
    Pair::connected(&client, &server);
    let mut pair = Pair::connected(&client, &server);
    assert!(pair.client.tls.summary().unwrap().resumed());
    let sealed = pair.client.seal(b"ping").unwrap();
    pair.server.input(&sealed).unwrap();
    assert_eq!(pair.server.data, b"ping");
    let sealed = pair.server.seal(b"pong").unwrap();
    pair.client.input(&sealed).unwrap();
    assert_eq!(pair.client.data, b"pong");
}

/// RFC 6066 section 3: the name is answered where it was looked at, and a resumption only compares it.
#[test]
fn a_server_that_resumes_does_not_acknowledge_the_name() {
    let sides = Sides::new();
    let (client, server) = (
        sides.client().build().unwrap(),
        sides.server().build().unwrap(),
    );
    for resumes in [false, true] {
        let mut duo = Duo::records(&client, &server);
        let mut answers = Vec::new();
        let outcome = duo.run_with(|flight| {
            for piece in &flight.pieces {
                if piece.bytes[0] == kind::ENCRYPTED_EXTENSIONS {
                    answers = Extensions::parse(&piece.bytes[4..]).codes();
                }
            }
            flight.pieces
        });
        assert_eq!(outcome, Outcome::Complete);
        let summary = duo.server.summary.unwrap();
        assert_eq!(summary.resumed(), resumes);
        assert_eq!(summary.server_name.as_deref(), Some(NAME));
        assert!(answers.contains(&16), "the protocol is answered always");
        assert_eq!(answers.contains(&0), !resumes, "resumed: {resumes}");
    }
}
