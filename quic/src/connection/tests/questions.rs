use super::*;
use pith_tls::{Answer, ChainVerifier, PeerChain, Topic, Verdict};

/// A verifier that always needs time.
struct Slow;

impl ChainVerifier for Slow {
    fn verify(&self, _: &PeerChain<'_>) -> Verdict {
        Verdict::Later
    }
}

fn with_slow_verifier() -> Pair {
    let pki = Pki::new();
    let client = pith_tls::ClientConfig::new(trust(&pki))
        .alpn(&[b"test"])
        .verifier(Arc::new(Slow))
        .build()
        .unwrap();
    let server = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME)))
        .alpn(&[b"test"])
        .build()
        .unwrap();
    let client = ClientConfig::new(client).build().unwrap();
    Pair::of(
        straight(),
        &client,
        ServerConfig::new(server).build().unwrap(),
    )
}

#[test]
fn a_client_that_verifies_slowly_goes_on_when_it_is_answered() {
    let mut pair = with_slow_verifier();
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        pair.client.question().is_some()
    }));
    // Packets go on meanwhile, and nothing of the handshake is forgotten.
    pair.run(Duration::from_secs(5));
    assert!(!pair.client.is_established() && pair.client.state.is_open());
    let question = pair.client.question().unwrap().clone();
    assert!(matches!(question.topic, Topic::VerifyChain { .. }));
    let now = at(pair.now);
    pair.client
        .answer(Answer::verdict(&question, Ok(())), now)
        .unwrap();
    assert!(pair.client.question().is_none());
    pair.connect();
    // A late answer is misuse, and changes nothing.
    let late = pair.client.answer(Answer::verdict(&question, Ok(())), now);
    assert!(
        matches!(late, Err(ConnectionError::Tls(pith_tls::Error::Misuse(_)))),
        "{late:?}"
    );
    assert!(pair.client.is_established());
}

#[test]
fn a_refused_chain_closes_with_its_alert() {
    let mut pair = with_slow_verifier();
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        pair.client.question().is_some()
    }));
    let question = pair.client.question().unwrap().clone();
    let now = at(pair.now);
    let reason = pith_tls::Reason::Rejected(pith_tls::PeerText::new("no"));
    let refused = pith_tls::CertificateError::new(pith_tls::Which::Leaf, reason);
    let answered = pair
        .client
        .answer(Answer::verdict(&question, Err(refused)), now);
    assert!(matches!(answered, Err(ConnectionError::Tls(_))));
    assert_eq!(pair.client.state, State::Closing);
    pair.run(Duration::from_secs(2));
    let Some(ConnectionError::PeerClosed { code, .. }) = pair.server().error().cloned() else {
        panic!("{:?}", pair.server().error);
    };
    assert!(code.alert().is_some(), "{code:?}");
}

#[test]
fn a_server_that_asks_for_its_configuration_holds_the_rest_of_the_hello() {
    let pki = Pki::new();
    let client = pith_tls::ClientConfig::new(trust(&pki))
        .alpn(&[b"test"])
        .build()
        .unwrap();
    let config = |ask: bool| {
        pith_tls::ServerConfig::new(credential(&pki.leaf(NAME)))
            .alpn(&[b"test"])
            .ask_config(ask)
            .build()
            .unwrap()
    };
    let chosen = config(false);
    let client = ClientConfig::new(client).build().unwrap();
    let mut pair = Pair::of(
        straight(),
        &client,
        ServerConfig::new(config(true)).build().unwrap(),
    );
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        pair.server
            .as_ref()
            .is_some_and(|server| server.question().is_some())
    }));
    pair.run(Duration::from_secs(3));
    let question = pair.server().question().unwrap().clone();
    let Topic::Config(offered) = &question.topic else {
        panic!("another question");
    };
    assert_eq!(offered.server_name.as_deref(), Some(NAME));
    let now = at(pair.now);
    pair.server()
        .answer(Answer::config(&question, Some(chosen)), now)
        .unwrap();
    // TLS asked for transport parameters then, and has them.
    assert!(pair.server().question().is_none());
    pair.connect();
}
