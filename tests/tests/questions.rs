//! Questions: what a connection asks its owner, and what comes of answers that are late, stale, of the wrong kind, repeated or
//! negative. Over both carriers.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pith_crypto::SigningKey;
use pith_tests::engine::{Duo, Engine, Event, Outcome, Piece, Role, quic, quic_server};
use pith_tests::message::{Hello, kind};
use pith_tests::pair::{NAME, NOW, Pair, credential, name, trust};
use pith_tests::pki::{Identity, Pki};
use pith_tests::scripted;
use pith_tests::scripted::Bench;
use pith_tls::{
    AlertDescription as Alert, Answer, Carrier, CertificateError, ChainVerifier, ClientAuth,
    ClientConfig, Credential, Error, Fault, Flow, Group, Handshake, Level, Local, Now, PeerChain,
    PeerText, Question, Reason, Received, ServerConfig, Signature, SignatureScheme, Signer, Topic,
    Verdict, Which, limits,
};

/// Signs later, and decides later.
struct Slow;

impl Signer for Slow {
    fn schemes(&self) -> &[SignatureScheme] {
        &[SignatureScheme::ECDSA_SECP256R1_SHA256]
    }

    fn sign(&self, _: SignatureScheme, _: &[u8]) -> Signature {
        Signature::Later
    }
}

impl ChainVerifier for Slow {
    fn verify(&self, _: &PeerChain<'_>) -> Verdict {
        Verdict::Later
    }
}

/// Configurations that ask everything there is to ask, and who answers.
struct Owner {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    chosen: Arc<ServerConfig>,
    leaf: Identity,
    /// The client's own.
    own: Identity,
}

impl Owner {
    fn new() -> Self {
        let pki = Pki::new();
        let leaf = pki.leaf(NAME);
        let slow = || Credential::with_signer(leaf.chain.clone(), Arc::new(Slow)).unwrap();
        let clients = Pki::new();
        let own = clients.leaf("client.example");
        let shown = Credential::with_signer(own.chain.clone(), Arc::new(Slow)).unwrap();
        // What serves until the choice is made could not serve this client.
        let asking = ServerConfig::new(credential(&clients.leaf("other.example")));
        Self {
            client: ClientConfig::new(trust(&pki))
                .alpn(&[b"x"])
                .verifier(Arc::new(Slow))
                .credential(shown)
                .build()
                .unwrap(),
            server: asking.alpn(&[b"y"]).ask_config(true).build().unwrap(),
            // It would ask too; but the question was asked.
            chosen: ServerConfig::new(slow())
                .alpn(&[b"x"])
                .ask_config(true)
                .client_auth(ClientAuth::Required(trust(&clients)))
                .verifier(Arc::new(Slow))
                .build()
                .unwrap(),
            leaf,
            own,
        }
    }

    /// The right answer.
    fn answer(&self, question: &Question) -> Answer {
        match &question.topic {
            Topic::Config(_) => Answer::config(question, Some(self.chosen.clone())),
            Topic::TransportParameters { .. } => {
                Answer::transport_parameters(question, Bytes::from_static(b"mine"))
            }
            Topic::VerifyChain { .. } => Answer::verdict(question, Ok(())),
            Topic::Sign { scheme, message } => {
                let by_client = message[64..].starts_with(b"TLS 1.3, client");
                let signer = if by_client { &self.own } else { &self.leaf };
                let key = SigningKey::from_der(&signer.key).unwrap();
                Answer::signature(question, Some(key.sign(*scheme, message).unwrap()))
            }
            other => panic!("{other:?}"),
        }
    }

    fn records(&self) -> Duo {
        Duo::records(&self.client, &self.server)
    }

    fn quic(&self) -> Duo {
        let mut duo = Duo::quic(&self.client, &self.server);
        duo.server.own_parameters = None;
        duo
    }

    /// Runs until a question is open or all is said.
    fn advance(&self, duo: &mut Duo) -> Option<Role> {
        match duo.run() {
            Outcome::Complete => None,
            Outcome::Waiting if duo.server.question.is_some() => Some(Role::Server),
            Outcome::Waiting if duo.client.question.is_some() => Some(Role::Client),
            other => panic!("{other:?}"),
        }
    }
}

fn side(duo: &mut Duo, role: Role) -> &mut Engine {
    match role {
        Role::Client => &mut duo.client,
        Role::Server => &mut duo.server,
    }
}

fn topic(engine: &Engine) -> &'static str {
    match engine.question.as_ref().unwrap().topic {
        Topic::Config(_) => "config",
        Topic::TransportParameters { .. } => "transport parameters",
        Topic::VerifyChain { .. } => "chain",
        Topic::Sign { .. } => "signature",
        _ => panic!("a new question"),
    }
}

/// A client's Certificate goes out before its signature: the server asks about it meanwhile.
const RECORDS: [&str; 5] = ["config", "signature", "chain", "chain", "signature"];
const QUIC: [&str; 6] = [
    "config",
    "transport parameters",
    "signature",
    "chain",
    "chain",
    "signature",
];

#[test]
fn every_question_is_asked_and_waits_for_its_answer() {
    let owner = Owner::new();
    for (mut duo, want) in [(owner.records(), &RECORDS[..]), (owner.quic(), &QUIC)] {
        let mut asked = Vec::new();
        while let Some(role) = owner.advance(&mut duo) {
            let engine = side(&mut duo, role);
            asked.push(topic(engine));
            assert!(engine.tls.is_asking() && !engine.tls.is_complete());
            assert_eq!(engine.events.last(), Some(&Event::Ask), "nothing goes on");
            assert!(engine.tls.next().is_none());
            engine.answer(|question| owner.answer(question)).unwrap();
        }
        assert_eq!(asked, want);
        assert!(duo.client.tls.is_complete() && duo.server.tls.is_complete());
    }
}

/// Answers to another question and of every other kind change nothing; the right one still counts, and only once.
#[test]
fn a_stale_or_wrong_answer_is_misuse_and_changes_nothing() {
    let owner = Owner::new();
    type Make = fn(&Question) -> Answer;
    let kinds: [(&str, Make); 4] = [
        ("config", |question| Answer::config(question, None)),
        ("transport parameters", |question| {
            Answer::transport_parameters(question, Bytes::new())
        }),
        ("chain", |question| Answer::verdict(question, Ok(()))),
        ("signature", |question| Answer::signature(question, None)),
    ];
    for mut duo in [owner.records(), owner.quic()] {
        let mut earlier: Vec<(Role, Question)> = Vec::new();
        while let Some(role) = owner.advance(&mut duo) {
            let engine = side(&mut duo, role);
            let now = topic(engine);
            for (kind, make) in &kinds {
                // Of the wrong kind, to the open question.
                if *kind != now {
                    let result = engine.answer(make);
                    assert!(matches!(result, Err(Error::Misuse(_))), "{kind} for {now}");
                }
                // Of any kind, to one that is answered already.
                for (_, question) in earlier.iter().filter(|(whose, _)| *whose == role) {
                    let result = engine.tls.answer(make(question), NOW);
                    assert!(matches!(result, Err(Error::Misuse(_))), "{kind}, stale");
                }
                assert_eq!(engine.events.last(), Some(&Event::Ask));
                assert!(engine.tls.is_asking());
            }
            let question = engine.question.take().unwrap();
            let good = owner.answer(&question);
            let again = owner.answer(&question);
            engine.tls.answer(good, NOW).unwrap();
            let twice = engine.tls.answer(again, NOW);
            assert!(
                matches!(twice, Err(Error::Misuse(_))),
                "{now} answered twice"
            );
            earlier.push((role, question));
            engine.obey();
        }
        for (role, question) in &earlier {
            let late = owner.answer(question);
            let result = side(&mut duo, *role).tls.answer(late, NOW);
            assert!(
                matches!(result, Err(Error::Misuse(_))),
                "after the handshake"
            );
        }
        assert!(duo.client.tls.is_complete() && duo.server.tls.is_complete());
    }
}

/// An answer of one connection is no answer to the same question of another, if its number differs; that of a client's first
/// question and a server's first do not, but their kinds do.
#[test]
fn without_a_question_every_answer_is_misuse() {
    let owner = Owner::new();
    let mut duo = owner.records();
    assert_eq!(owner.advance(&mut duo), Some(Role::Server));
    let question = duo.server.question.take().unwrap();
    let mut other = owner.records();
    for engine in [&mut other.client, &mut other.server] {
        let result = engine.tls.answer(owner.answer(&question), NOW);
        assert!(matches!(result, Err(Error::Misuse(_))));
    }
    // Nor do they come to harm.
    while let Some(role) = owner.advance(&mut other) {
        let engine = side(&mut other, role);
        engine.answer(|question| owner.answer(question)).unwrap();
    }
    assert!(other.client.tls.is_complete());
}

#[test]
fn what_a_question_says() {
    let owner = Owner::new();
    let mut duo = owner.records();
    let mut hello = Vec::new();
    let outcome = duo.run_with(|flight| {
        hello = flight.pieces[0].bytes.clone();
        flight.pieces
    });
    assert_eq!(outcome, Outcome::Waiting);
    let Topic::Config(offered) = &duo.server.question.as_ref().unwrap().topic else {
        panic!("a configuration comes first");
    };
    let parsed = Hello::parse(&hello);
    assert_eq!(offered.raw, hello);
    assert_eq!(offered.server_name.as_deref(), Some(NAME));
    assert_eq!(offered.protocols, [b"x"]);
    assert_eq!(offered.groups, parsed.list(10));
    assert_eq!(offered.signature_schemes, parsed.list(13));
    assert_eq!(offered.suites, parsed.suites);
    let mut seen = Vec::new();
    while let Some(role) = owner.advance(&mut duo) {
        let engine = side(&mut duo, role);
        match &engine.question.as_ref().unwrap().topic {
            Topic::Sign { scheme, message } => {
                assert_eq!(*scheme, SignatureScheme::ECDSA_SECP256R1_SHA256);
                assert_eq!(message.len(), 64 + 34 + 32);
                seen.push("signature");
            }
            Topic::VerifyChain {
                chain, name: asked, ..
            } => {
                match asked {
                    Some(asked) => assert_eq!((chain, asked), (&owner.leaf.chain, &name())),
                    None => assert_eq!(*chain, owner.own.chain, "the client's"),
                }
                seen.push("chain");
            }
            _ => {}
        }
        engine.answer(|question| owner.answer(question)).unwrap();
    }
    assert_eq!(seen, RECORDS[1..]);
}

/// A server's hello, EncryptedExtensions and Certificate are on their way before the signature exists.
#[test]
fn what_needs_no_answer_is_sent_before_it() {
    let owner = Owner::new();
    let mut duo = owner.records();
    assert_eq!(owner.advance(&mut duo), Some(Role::Server));
    duo.server
        .answer(|question| owner.answer(question))
        .unwrap();
    assert_eq!(topic(&duo.server), "signature");
    let sent: Vec<u8> = duo
        .server
        .outbox
        .iter()
        .map(|piece| piece.bytes[0])
        .collect();
    let want = [
        kind::SERVER_HELLO,
        kind::ENCRYPTED_EXTENSIONS,
        kind::CERTIFICATE_REQUEST,
        kind::COMPRESSED_CERTIFICATE,
    ];
    assert_eq!(sent, want);
    // The client goes on with them, as far as its own question.
    assert_eq!(owner.advance(&mut duo), Some(Role::Server));
    assert_eq!(topic(&duo.client), "chain");
}

/// Messages that came with the one that raised a question, or while it was open, are handled after the answer.
#[test]
fn messages_behind_an_open_question_wait_for_it() {
    let owner = Owner::new();
    for over_quic in [false, true] {
        for joined in [false, true] {
            let mut duo = if over_quic {
                owner.quic()
            } else {
                owner.records()
            };
            duo.client = match over_quic {
                true => Engine::client(&owner.client, quic(b"p")),
                false => Engine::client(&owner.client, Carrier::Records),
            };
            // The server first, to its end.
            let hello = duo.client.take();
            duo.server.read(Level::Initial, &hello[0].bytes).unwrap();
            while duo.server.question.is_some() {
                duo.server
                    .answer(|question| owner.answer(question))
                    .unwrap();
            }
            let mut flight = duo.server.take();
            duo.client
                .read(Level::Initial, &flight.remove(0).bytes)
                .unwrap();
            assert_eq!(flight.len(), 5);
            let deliver = |to: &mut Engine, mut flight: Vec<Piece>| {
                if joined {
                    let bytes = flight.into_iter().flat_map(|piece| piece.bytes).collect();
                    let level = Level::Handshake;
                    flight = vec![Piece { level, bytes }];
                }
                for piece in flight {
                    assert_eq!(to.read(piece.level, &piece.bytes), Ok(()));
                }
                assert_eq!(topic(to), "chain");
                assert!(!to.tls.is_complete() && to.outbox.is_empty());
                to.answer(|question| owner.answer(question)).unwrap();
            };
            deliver(&mut duo.client, flight);
            // Behind the verdict, all up to the server's Finished was handled: now the client is to sign.
            assert_eq!(topic(&duo.client), "signature");
            let client = &mut duo.client;
            client.answer(|question| owner.answer(question)).unwrap();
            assert!(client.tls.is_complete());
            let flight = client.take();
            assert_eq!(flight.len(), 3);
            deliver(&mut duo.server, flight);
            assert!(duo.server.tls.is_complete());
        }
    }
}

/// What came behind the question is judged after it, as if it had come then.
#[test]
fn a_fault_behind_an_open_question_is_found_after_it() {
    let owner = Owner::new();
    let mut duo = owner.records();
    duo.server.own_parameters = None;
    let hello = duo.client.take();
    duo.server.read(Level::Initial, &hello[0].bytes).unwrap();
    while duo.server.question.is_some() {
        duo.server
            .answer(|question| owner.answer(question))
            .unwrap();
    }
    let flight = duo.server.take();
    duo.client.read(Level::Initial, &flight[0].bytes).unwrap();
    // Finished in the place of CertificateVerify.
    for number in [1, 2, 3, 5] {
        duo.client
            .read(Level::Handshake, &flight[number].bytes)
            .unwrap();
    }
    let error = duo
        .client
        .answer(|question| owner.answer(question))
        .unwrap_err();
    assert_eq!(error.alert(), Some(Alert::UNEXPECTED_MESSAGE));
}

/// While a question is open a peer cannot make the engine hold more than the longest message that it would take.
#[test]
fn what_waits_for_an_answer_is_bounded() {
    let owner = Owner::new();
    for (extra, want) in [(0, true), (1, false)] {
        let mut engine = Engine::server(&owner.server, quic_server());
        let client = Engine::client(&owner.client, quic(b"p"));
        engine
            .read(Level::Initial, &client.outbox[0].bytes)
            .unwrap();
        assert_eq!(topic(&engine), "config");
        let mut result = Ok(());
        let total = limits::HANDSHAKE_MESSAGE + extra;
        let mut sent = 0;
        while sent < total {
            let part = (total - sent).min(1000);
            result = engine.read(Level::Initial, &vec![0; part]);
            sent += part;
        }
        let limit = limits::HANDSHAKE_MESSAGE;
        let announced = total;
        let fault = Fault::MessageTooLong { limit, announced };
        assert_eq!(result, if want { Ok(()) } else { Err(fault.into()) });
    }
}

#[test]
fn a_refusal_ends_the_connection_with_its_alert() {
    let owner = Owner::new();
    let rejected = || {
        let why = Reason::Rejected(PeerText::new("not on the list"));
        CertificateError::new(Which::Leaf, why)
    };
    type Refuse<'a> = &'a dyn Fn(&Question) -> Answer;
    let refused = Error::Local(Local::Refused);
    let rows: [(&str, Refuse<'_>, Error, Alert); 3] = [
        (
            "config",
            &|question| Answer::config(question, None),
            refused.clone(),
            Alert::ACCESS_DENIED,
        ),
        (
            "signature",
            &|question| Answer::signature(question, None),
            refused,
            Alert::ACCESS_DENIED,
        ),
        (
            "chain",
            &|question| Answer::verdict(question, Err(rejected())),
            rejected().into(),
            Alert::CERTIFICATE_UNKNOWN,
        ),
    ];
    for (refused, refuse, want, alert) in rows {
        for over_quic in [false, true] {
            let mut duo = if over_quic {
                owner.quic()
            } else {
                owner.records()
            };
            let error = loop {
                let role = owner.advance(&mut duo).unwrap();
                let engine = side(&mut duo, role);
                if topic(engine) != refused {
                    engine.answer(|question| owner.answer(question)).unwrap();
                    continue;
                }
                let error = engine.answer(refuse).unwrap_err();
                assert!(!engine.tls.is_asking() || engine.tls.next().is_none());
                assert_eq!(engine.read(Level::Handshake, &[]), Err(error.clone()));
                break error;
            };
            assert_eq!(error, want, "{refused}");
            assert_eq!(error.alert(), Some(alert), "{refused}");
        }
    }
}

/// A retry is between the first and the second: the configuration is asked for once, with the first hello, and a QUIC server's
/// parameters once, with the second.
#[test]
fn a_retry_repeats_no_question() {
    let mut owner = Owner::new();
    let chosen = ServerConfig::new(credential(&owner.leaf)).alpn(&[b"x"]);
    let chosen = chosen.ask_config(true).groups(&[Group::Secp384r1]);
    owner.chosen = chosen.build().unwrap();
    for (mut duo, want) in [
        (owner.records(), &["config", "chain"][..]),
        (owner.quic(), &["config", "transport parameters", "chain"]),
    ] {
        let mut asked = Vec::new();
        while let Some(role) = owner.advance(&mut duo) {
            let engine = side(&mut duo, role);
            asked.push(topic(engine));
            if asked.len() == 2 && role == Role::Server {
                let hellos = [kind::SERVER_HELLO];
                let sent = engine.events.iter().filter_map(|event| match event {
                    Event::Send(Level::Initial, code) => Some(*code),
                    _ => None,
                });
                assert_eq!(sent.collect::<Vec<_>>(), hellos, "the retry alone so far");
            }
            engine.answer(|question| owner.answer(question)).unwrap();
        }
        assert_eq!(asked, want);
        assert!(duo.client.tls.is_complete() && duo.client.summary.unwrap().retried);
    }
}

/// An answer that fits no message is an error of this side, and no panic.
#[test]
fn an_answer_that_is_too_long_is_an_error_of_this_side() {
    let owner = Owner::new();
    let long = || Bytes::from(vec![7; 1 << 16]);
    let too_long = Error::Local(Local::TooLong);
    let mut duo = owner.quic();
    owner.advance(&mut duo);
    duo.server
        .answer(|question| owner.answer(question))
        .unwrap();
    let error = duo
        .server
        .answer(|question| Answer::transport_parameters(question, long()));
    assert_eq!(error, Err(too_long.clone()));
    assert_eq!(too_long.alert(), Some(Alert::INTERNAL_ERROR));

    let carrier = Carrier::Quic {
        version: 1,
        transport_parameters: Some(long()),
    };
    let begun = Handshake::client(owner.client.clone(), name(), carrier, NOW);
    assert_eq!(begun.err(), Some(too_long.clone()));

    let mut duo = owner.records();
    while let Some(role) = owner.advance(&mut duo) {
        let engine = side(&mut duo, role);
        if topic(engine) == "signature" {
            let signature = Some(vec![7; 1 << 16]);
            let error = engine.answer(|question| Answer::signature(question, signature));
            assert_eq!(error, Err(too_long));
            return;
        }
        engine.answer(|question| owner.answer(question)).unwrap();
    }
    panic!("no signature was asked for");
}

#[test]
fn the_chosen_configuration_counts_and_not_the_one_that_asked() {
    let owner = Owner::new();
    let pki = Pki::new();
    let other = ServerConfig::new(credential(&pki.leaf(NAME)))
        .alpn(&[b"z"])
        .build()
        .unwrap();
    let mut duo = owner.records();
    owner.advance(&mut duo);
    let error = duo
        .server
        .answer(|question| Answer::config(question, Some(other)))
        .unwrap_err();
    assert_eq!(error, Error::Fault(Fault::NoCommonProtocol));
}

const LATER: Now = Now {
    monotonic: Duration::from_secs(60),
    unix: Duration::from_secs(1_800_000_060),
};

/// Over records: `receive` is blocked and takes nothing, and says so in the status; sending is misuse, as before any end
/// of a handshake.
#[test]
fn a_connection_is_blocked_while_it_asks() {
    let owner = Owner::new();
    let mut pair = Pair::new(&owner.client, &owner.server);
    let mut asked = Vec::new();
    loop {
        pair.run().unwrap();
        let side = match (pair.server.tls.question(), pair.client.tls.question()) {
            (Some(_), _) => &mut pair.server,
            (None, Some(_)) => &mut pair.client,
            (None, None) => break,
        };
        let tls = &mut side.tls;
        assert_eq!(
            (tls.status().receive, tls.status().send),
            (Flow::Asking, Flow::Asking)
        );
        let mut input = *b"\x16\x03\x03\x00\x01\x00";
        assert_eq!(tls.receive(NOW, &mut input), Ok(Received::Blocked));
        assert_eq!(tls.receive(NOW, &mut []), Ok(Received::Blocked));
        assert!(matches!(
            tls.send(b"data", &mut [0; 99]),
            Err(Error::Misuse(_))
        ));
        assert!(matches!(tls.update_keys(true), Err(Error::Misuse(_))));
        assert_eq!(tls.transmit(&mut [0; 99]), 0);
        // An answer of another kind changes nothing.
        let question = tls.question().unwrap();
        let wrong = Answer::transport_parameters(question, Bytes::new());
        let good = owner.answer(question);
        asked.push(match question.topic {
            Topic::Config(_) => "config",
            Topic::Sign { .. } => "signature",
            _ => "chain",
        });
        assert!(matches!(tls.answer(wrong, NOW), Err(Error::Misuse(_))));
        assert!(tls.question().is_some());
        tls.answer(good, LATER).unwrap();
        assert!(asked.len() <= RECORDS.len());
        // What the connection did not take meanwhile, it takes now.
        side.input(&[]).unwrap();
    }
    assert_eq!(asked, RECORDS);
    let wire = pair.client.seal(b"data").unwrap();
    pair.server.input(&wire).unwrap();
    assert_eq!(pair.server.data, b"data");
}

/// The end of the transport while a question is open is a truncation.
#[test]
fn a_transport_may_end_while_a_question_is_open() {
    let owner = Owner::new();
    let mut pair = Pair::new(&owner.client, &owner.server);
    pair.run().unwrap();
    let answer = owner.answer(pair.server.tls.question().unwrap());
    assert_eq!(pair.server.tls.eof(), Err(Error::Truncated));
    assert!(pair.server.tls.question().is_none());
    assert_eq!(pair.server.tls.answer(answer, NOW), Err(Error::Truncated));
}

/// The alert of a refusal, off the wire.
#[test]
fn a_refusal_is_told_to_the_peer() {
    let owner = Owner::new();
    let mut bench = Bench::with(Role::Server, &owner.client, &owner.server);
    let hello = bench.peer.honest(1);
    bench.feed(&hello).unwrap();
    let answer = Answer::config(bench.side.tls.question().unwrap(), None);
    let refused = Error::Local(Local::Refused);
    assert_eq!(bench.side.tls.answer(answer, NOW), Err(refused.clone()));
    assert_eq!(bench.side.tls.status().receive, Flow::Failed);
    bench.flush();
    let alerts = bench.peer.contents(scripted::ALERT);
    assert_eq!(alerts, [&[2, Alert::ACCESS_DENIED.0]]);
    assert_eq!(bench.feed(&[0]), Err(refused));
}
