//! A server whose application keeps its sessions, or looks its external keys up: it is asked, and waits (`Topic::KeepSession`,
//! `FindSession` and `Psk`).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use pith_tests::engine::{Duo, Outcome};
use pith_tests::pair::{NAME, NOW, Pair, credential, trust};
use pith_tests::pki::Pki;
use pith_tests::scripted::Role as Side;
use pith_tls::{
    Answer, ClientConfig, ClientConfigBuilder, Error, ExternalPsk, Fault, Flow, Hash,
    ImportedIdentity, ImportedPsk, KeptSession, Psk, Role, ServerConfig, ServerConfigBuilder,
    Session, SessionKey, SessionStore, Tickets, Topic, Trust, limits,
};

/// A server's application that keeps sessions in a map, by identities that count up.
#[derive(Default)]
struct Keeper {
    sessions: BTreeMap<Vec<u8>, KeptSession>,
    kept: u32,
    finds: usize,
}

impl Keeper {
    /// Runs a handshake to its end and answers all that is asked.
    fn run(&mut self, duo: &mut Duo) -> Outcome {
        loop {
            let outcome = duo.run();
            let Some(question) = &duo.server.question else {
                return outcome;
            };
            let answer = match &question.topic {
                Topic::KeepSession(session) => {
                    self.kept += 1;
                    let identity = self.kept.to_be_bytes().to_vec();
                    self.sessions.insert(identity.clone(), session.clone());
                    Answer::kept(question, Some(identity))
                }
                Topic::FindSession { identities } => {
                    self.finds += 1;
                    let mut places = identities.iter().enumerate();
                    let found = places.find_map(|(place, identity)| {
                        Some((place, self.sessions.remove(&identity[..])?))
                    });
                    Answer::session(question, found)
                }
                other => panic!("{other:?}"),
            };
            if let Err(error) = duo.server.answer(|_| answer) {
                return Outcome::Failed(Side::Server, error);
            }
        }
    }
}

struct World {
    pki: Pki,
    store: SessionStore,
}

impl World {
    fn new() -> Self {
        Self {
            pki: Pki::new(),
            store: SessionStore::new(),
        }
    }

    fn client(&self) -> ClientConfigBuilder {
        let client = ClientConfig::new(trust(&self.pki)).alpn(&[b"test"]);
        client.sessions(self.store.clone())
    }

    fn server(&self) -> ServerConfigBuilder {
        let server = ServerConfig::new(credential(&self.pki.leaf(NAME))).alpn(&[b"test"]);
        server.tickets(Tickets::asked())
    }
}

fn duo(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, quic: bool) -> Duo {
    match quic {
        true => Duo::quic(client, server),
        false => Duo::records(client, server),
    }
}

#[test]
fn an_application_keeps_its_sessions_and_each_is_found_once() {
    for quic in [false, true] {
        let world = World::new();
        let (client, server) = (
            world.client().build().unwrap(),
            world.server().build().unwrap(),
        );
        let mut keeper = Keeper::default();
        for number in 0..3 {
            let mut duo = duo(&client, &server, quic);
            assert_eq!(keeper.run(&mut duo), Outcome::Complete, "{number}");
            let summary = duo.server.summary.unwrap();
            assert_eq!(summary.resumed(), number > 0, "{number}, QUIC: {quic}");
        }
        // Four at first, as many as the store holds; then one for each that is used.
        assert_eq!((keeper.kept, keeper.finds), (6, 2));
        assert_eq!(keeper.sessions.len(), 4);
        assert_eq!(world.store.len(), 4);
    }
}

/// What is found is bound like any ticket, and may have been elsewhere, sealed.
#[test]
fn a_session_that_is_found_has_to_fit() {
    let key = SessionKey::new(&[7; 32]);
    type Change = fn(ServerConfigBuilder) -> ServerConfigBuilder;
    let rows: [(&str, Change, bool); 3] = [
        ("nothing", |server| server, true),
        ("scope", |server| server.ticket_scope("other"), false),
        (
            "classical groups alone",
            |server| server.groups(&[pith_tls::Group::X25519]),
            false,
        ),
    ];
    for (row, change, resumes) in rows {
        let world = World::new();
        let client = world.client().build().unwrap();
        let mut keeper = Keeper::default();
        let mut first = Duo::records(&client, &world.server().build().unwrap());
        assert_eq!(keeper.run(&mut first), Outcome::Complete);
        for session in keeper.sessions.values_mut() {
            let sealed = session.seal(&key).unwrap();
            *session = Session::open(&key, &sealed).unwrap().into();
        }
        let other = change(world.server()).build().unwrap();
        let mut second = Duo::records(&client, &other);
        assert_eq!(keeper.run(&mut second), Outcome::Complete, "{row}");
        assert_eq!(second.client.summary.unwrap().resumed(), resumes, "{row}");
    }
}

/// Nothing found, a place that was not asked about, another's session: a full handshake or a wrong binder, and no more.
#[test]
fn what_is_not_the_clients_session_does_not_resume() {
    let world = World::new();
    let (client, server) = (
        world.client().build().unwrap(),
        world.server().build().unwrap(),
    );
    let mut keeper = Keeper::default();
    assert_eq!(
        keeper.run(&mut Duo::records(&client, &server)),
        Outcome::Complete
    );
    let any = keeper.sessions.values().next().unwrap().clone();
    let rows = [
        ("nothing", None, None),
        ("a place behind the last", Some((1, any.clone())), None),
        // The newest ticket is offered, and this is the oldest.
        ("another session", Some((0, any)), Some(Fault::Binder)),
    ];
    for (row, found, want) in rows {
        let mut duo = Duo::records(&client, &server);
        assert_eq!(duo.run(), Outcome::Waiting);
        let question = duo.server.question.as_ref().unwrap();
        assert!(matches!(question.topic, Topic::FindSession { .. }), "{row}");
        let got = duo
            .server
            .answer(|question| Answer::session(question, found.clone()));
        assert_eq!(got.err(), want.map(Error::from), "{row}");
        if want.is_none() {
            assert_eq!(keeper.run(&mut duo), Outcome::Complete, "{row}");
            assert!(!duo.server.summary.unwrap().resumed(), "{row}");
        }
    }
}

/// A session that is not kept, or by an identity that is no ticket: the client gets none for it, and the connection goes on.
#[test]
fn an_application_may_keep_nothing() {
    let rows = [
        ("not kept", None, 0),
        ("no bytes", Some(0), 0),
        ("the longest", Some(limits::TICKET), 4),
        ("longer", Some(limits::TICKET + 1), 0),
    ];
    for (row, length, want) in rows {
        let world = World::new();
        let (client, server) = (
            world.client().build().unwrap(),
            world.server().build().unwrap(),
        );
        let mut pair = Pair::new(&client, &server);
        pair.run().unwrap();
        for number in 0..4 {
            assert_eq!(pair.server.tls.status().send, Flow::Asking, "{row}");
            let question = pair.server.tls.question().unwrap().clone();
            assert!(matches!(question.topic, Topic::KeepSession(_)), "{row}");
            // What is asked after the handshake does not hold up what is sent.
            let sealed = pair.server.seal(b"data").unwrap();
            pair.client.input(&sealed).unwrap();
            let other = Answer::psks(&question, Vec::new());
            let misuse = pair.server.tls.answer(other, NOW);
            assert!(matches!(misuse, Err(Error::Misuse(_))), "{row}, {number}");
            let identity = length.map(|length| vec![number; length]);
            let answer = Answer::kept(&question, identity);
            pair.server.tls.answer(answer, NOW).unwrap();
            pair.run().unwrap();
        }
        assert_eq!(pair.server.tls.status().send, Flow::Open, "{row}");
        assert_eq!(pair.client.data.len(), 16, "{row}");
        assert_eq!(world.store.len(), want, "{row}");
        // More of them, also while one is asked for.
        pair.server.tls.issue_tickets(1, NOW).unwrap();
        pair.server.tls.issue_tickets(1, NOW).unwrap();
        for _ in 0..2 {
            let question = pair.server.tls.question().unwrap().clone();
            let answer = Answer::kept(&question, None);
            pair.server.tls.answer(answer, NOW).unwrap();
        }
        assert!(pair.server.tls.question().is_none(), "{row}");
    }
}

fn external(role: Role, identity: &[u8]) -> ExternalPsk {
    ExternalPsk::new(role, identity, b"", &[3; 32], Hash::Sha256).unwrap()
}

/// All that the client offers is asked for at once.
#[test]
fn external_keys_are_looked_up() {
    let client = ClientConfig::new(Trust::PreSharedKeys).alpn(&[b"test"]);
    let client = client
        .psk(external(Role::Client, b"first"))
        .psk(external(Role::Client, b"second"))
        .build()
        .unwrap();
    let server = ServerConfig::without_certificate().alpn(&[b"test"]);
    let server = server.ask_psks(true).build().unwrap();
    let own = [b"second"].map(|identity| external(Role::Server, identity));
    let wrong_role = external(Role::Client, b"second");
    type Lookup<'a> = &'a dyn Fn(&ImportedIdentity<'_>) -> Option<ImportedPsk>;
    let rows: [(&str, Lookup<'_>, Option<Fault>); 3] = [
        (
            "known",
            &|identity| own.iter().find_map(|psk| psk.import_for(identity)),
            None,
        ),
        ("unknown", &|_| None, Some(Fault::UnknownPsk)),
        (
            "for the other role",
            &|identity| wrong_role.import_for(identity),
            Some(Fault::UnknownPsk),
        ),
    ];
    for quic in [false, true] {
        for (row, lookup, want) in &rows {
            let mut duo = duo(&client, &server, quic);
            assert_eq!(duo.run(), Outcome::Waiting, "{row}");
            let question = duo.server.question.as_ref().unwrap();
            let Topic::Psk { identities } = &question.topic else {
                panic!("{row}: {question:?}");
            };
            let names: Vec<_> = identities
                .iter()
                .map(|identity| ImportedIdentity::parse(identity).unwrap())
                .collect();
            let external: Vec<_> = names.iter().map(|name| name.external_identity).collect();
            assert_eq!(external, [&b"first"[..], b"first", b"second", b"second"]);
            let psks = names.iter().filter_map(lookup).collect();
            let got = duo.server.answer(|question| Answer::psks(question, psks));
            assert_eq!(got.err(), want.map(Error::from), "{row}");
            if want.is_none() {
                assert_eq!(duo.run(), Outcome::Complete, "{row}");
                let identity = Box::from(&b"second"[..]);
                let psk = Some(Psk::External { identity });
                assert_eq!(duo.server.summary.unwrap().psk, psk);
            }
        }
    }
}

/// First the sessions, then the keys; and neither where there is nothing to ask about.
#[test]
fn sessions_are_asked_for_before_keys() {
    let world = World::new();
    let server = world.server().ask_psks(true).build().unwrap();
    let plain = world.client().build().unwrap();
    let mut keeper = Keeper::default();
    assert_eq!(
        keeper.run(&mut Duo::records(&plain, &server)),
        Outcome::Complete,
        "no question before the handshake"
    );
    let client = world.client().psk(external(Role::Client, b"a"));
    let mut duo = Duo::records(&client.build().unwrap(), &server);
    assert_eq!(duo.run(), Outcome::Waiting);
    duo.server
        .answer(|question| {
            assert!(matches!(&question.topic, Topic::FindSession { identities } if identities.len() == 3));
            Answer::session(question, None)
        })
        .unwrap();
    let own = external(Role::Server, b"a").import(Hash::Sha256).unwrap();
    duo.server
        .answer(|question| {
            assert!(matches!(&question.topic, Topic::Psk { identities } if identities.len() == 3));
            Answer::psks(question, vec![own])
        })
        .unwrap();
    assert_eq!(duo.run(), Outcome::Complete);
    assert!(!duo.server.summary.unwrap().resumed());
}
