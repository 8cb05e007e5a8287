//! Mutual TLS, several credentials, stapled OCSP responses.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::sync::{Arc, Mutex};

use pith_tests::engine::Engine;
use pith_tests::message::{
    Extensions, certificate, certificate_request, encrypted_extensions, kind, vec16,
};
use pith_tests::pair::{NAME, NOW, Pair, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki, expired};
use pith_tests::script::{ScriptedClient, ScriptedServer, entries};
use pith_tls::{
    AlertDescription, Answer, Carrier, CertificateError, ChainVerifier, ClientAuth, ClientConfig,
    Error, Fault, Group, Level, PeerChain, PeerText, Reason, ServerConfig, SignatureScheme, Topic,
    Trust, Verdict, Which, key_pin,
};

/// A PKI whose root has a name of its own.
fn named(name: &str) -> Pki {
    Pki::bent(Kind::P256, 0, |_, params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name)
    })
}

struct World {
    servers: Pki,
    clients: Pki,
}

impl World {
    fn new() -> Self {
        Self {
            servers: Pki::new(),
            clients: Pki::with(Kind::P256, 1),
        }
    }

    fn pair(&self, client: Option<&Identity>, auth: ClientAuth) -> Pair {
        let mut config = ClientConfig::new(trust(&self.servers));
        if let Some(identity) = client {
            config = config.credential(credential(identity));
        }
        let server = ServerConfig::new(credential(&self.servers.leaf(NAME)));
        let server = server.client_auth(auth).keep_peer_chain(true);
        Pair::new(&config.build().unwrap(), &server.build().unwrap())
    }

    fn required(&self) -> ClientAuth {
        ClientAuth::Required(trust(&self.clients))
    }
}

#[test]
fn a_client_is_known_by_its_certificate_for_every_kind_of_key() {
    for kind in [Kind::P256, Kind::P384, Kind::Ed25519, Kind::Rsa2048] {
        let world = World::new();
        let identity = world.clients.leaf_with(kind, &["client"], |_| ());
        let mut pair = world.pair(Some(&identity), world.required());
        pair.run().unwrap();
        let summary = pair.server.tls.summary().unwrap();
        assert_eq!(
            summary.peer_chain.as_ref().unwrap(),
            &identity.chain,
            "{kind:?}"
        );
        let scheme = summary.client_signature_scheme.unwrap();
        assert_eq!(
            pair.client.tls.summary().unwrap().client_signature_scheme,
            Some(scheme)
        );
        let records = pair.client.seal(b"hello").unwrap();
        pair.server.input(&records).unwrap();
        assert_eq!(pair.server.data, b"hello");
    }
}

#[test]
fn clients_without_a_certificate() {
    let world = World::new();
    let mut pair = world.pair(None, ClientAuth::Optional(trust(&world.clients)));
    pair.run().unwrap();
    let summary = pair.server.tls.summary().unwrap();
    assert!(summary.peer_chain.is_none() && summary.client_signature_scheme.is_none());

    let mut pair = world.pair(None, world.required());
    assert_eq!(pair.run(), Err(Error::Fault(Fault::NoClientCertificate)));
    let seen = pair.client.tls.eof().unwrap_err();
    assert_eq!(seen, Error::Alert(AlertDescription::CERTIFICATE_REQUIRED));
}

/// Known attack T09: to ask without requiring is not to accept whatever comes.
#[test]
fn clients_that_are_not_trusted_are_refused_even_where_none_is_required() {
    let world = World::new();
    let stranger = named("Another Root").leaf("client");
    let late = world.clients.leaf_with(Kind::P256, &["client"], expired);
    let bent = |bend: fn(&mut rcgen::CertificateParams)| {
        world.clients.leaf_with(Kind::P256, &["client"], bend)
    };
    let server = bent(|params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth]
    });
    let ca = bent(pith_tests::pki::ca_as_leaf);
    let rows = [
        (&stranger, AlertDescription::UNKNOWN_CA),
        (&late, AlertDescription::CERTIFICATE_EXPIRED),
        (&server, AlertDescription::UNSUPPORTED_CERTIFICATE),
        (&ca, AlertDescription::UNSUPPORTED_CERTIFICATE),
    ];
    for (identity, alert) in rows {
        for auth in [
            world.required(),
            ClientAuth::Optional(trust(&world.clients)),
        ] {
            let mut pair = world.pair(Some(identity), auth);
            let error = pair.run().unwrap_err();
            assert_eq!(error.alert(), Some(alert), "{error}");
            assert_eq!(pair.client.tls.eof(), Err(Error::Alert(alert)));
        }
    }
}

#[test]
fn a_client_is_pinned_by_its_key() {
    let world = World::new();
    let identity = pith_tests::pki::self_signed(Kind::Ed25519, "device");
    let pins = |pin| ClientAuth::Required(Trust::pinned_keys([pin]).unwrap());
    let mut pair = world.pair(Some(&identity), pins(key_pin(&identity.chain[0]).unwrap()));
    pair.run().unwrap();
    let mut pair = world.pair(Some(&identity), pins([7; 32]));
    assert_eq!(
        pair.run().unwrap_err().alert(),
        Some(AlertDescription::CERTIFICATE_UNKNOWN)
    );
}

/// Refuses whom it is told to refuse, or asks.
struct Gate(Mutex<Option<Verdict>>);

impl ChainVerifier for Gate {
    fn verify(&self, peer: &PeerChain<'_>) -> Verdict {
        assert!(peer.name.is_none() && !peer.certificates.is_empty());
        self.0.lock().unwrap().take().unwrap()
    }
}

#[test]
fn the_application_has_the_last_word_about_a_client() {
    let world = World::new();
    let refusal = || CertificateError::new(Which::Leaf, Reason::Revoked);
    for (verdict, late, want) in [
        (
            Verdict::Now(Err(refusal())),
            None,
            Some(AlertDescription::CERTIFICATE_REVOKED),
        ),
        (Verdict::Now(Ok(())), None, None),
        (Verdict::Later, Some(Ok(())), None),
        (
            Verdict::Later,
            Some(Err(refusal())),
            Some(AlertDescription::CERTIFICATE_REVOKED),
        ),
    ] {
        let client = ClientConfig::new(trust(&world.servers))
            .credential(credential(&world.clients.leaf("client")));
        let server = ServerConfig::new(credential(&world.servers.leaf(NAME)));
        let server = server
            .client_auth(world.required())
            .verifier(Arc::new(Gate(Mutex::new(Some(verdict)))));
        let mut pair = Pair::new(&client.build().unwrap(), &server.build().unwrap());
        let mut result = pair.run();
        if let Some(verdict) = late {
            let question = pair.server.tls.question().unwrap();
            assert!(
                matches!(&question.topic, Topic::VerifyChain { name: None, chain, raw_key: None, ocsp_response: None } if chain.len() == 2)
            );
            let answer = Answer::verdict(question, verdict);
            result = pair
                .server
                .tls
                .answer(answer, NOW)
                .and_then(|()| pair.run());
        }
        assert_eq!(result.err().and_then(|error| error.alert()), want);
    }
}

#[test]
fn the_credential_shown_suits_name_key_and_issuer() {
    let (first, second) = (Pki::new(), named("Second Root"));
    let server = ServerConfig::new(credential(&first.leaf("a.example")))
        .credential(credential(&first.leaf("server.example")))
        .credential(credential(&first.leaf_with(
            Kind::Ed25519,
            &["server.example"],
            |_| (),
        )))
        .build()
        .unwrap();
    let client = ClientConfig::new(trust(&first)).build().unwrap();
    let pair = Pair::connected(&client, &server);
    let scheme = pair.server.tls.summary().unwrap().signature_scheme;
    assert_eq!(
        scheme,
        Some(SignatureScheme::ECDSA_SECP256R1_SHA256),
        "the first for the name"
    );

    // A client with two credentials shows the one from the CA that the server names.
    let (wanted, other) = (second.leaf("wanted"), first.leaf("other"));
    let client = ClientConfig::new(trust(&first))
        .credential(credential(&other))
        .credential(credential(&wanted))
        .build()
        .unwrap();
    let server = ServerConfig::new(credential(&first.leaf(NAME)))
        .client_auth(ClientAuth::Required(trust(&second)))
        .keep_peer_chain(true)
        .build()
        .unwrap();
    let pair = Pair::connected(&client, &server);
    let chain = pair
        .server
        .tls
        .summary()
        .unwrap()
        .peer_chain
        .clone()
        .unwrap();
    assert_eq!(chain, wanted.chain);
}

#[test]
fn an_ocsp_response_comes_as_it_was_stapled_to_those_who_ask() {
    let pki = Pki::new();
    let staple = credential(&pki.leaf(NAME)).with_ocsp(b"not even DER");
    let server = ServerConfig::new(staple).build().unwrap();
    for asks in [false, true] {
        let client = ClientConfig::new(trust(&pki))
            .request_ocsp(asks)
            .build()
            .unwrap();
        let pair = Pair::connected(&client, &server);
        let got = pair.client.tls.summary().unwrap().ocsp_response.clone();
        assert_eq!(got, asks.then(|| b"not even DER".to_vec()));
    }
}

/// Wants this staple, and says so now or later.
struct Stapled {
    wanted: &'static [u8],
    later: bool,
}

impl Stapled {
    fn judge(&self, staple: Option<&[u8]>) -> Result<(), CertificateError> {
        let why = Reason::Status(PeerText::new("another one"));
        let fits = staple == Some(self.wanted);
        fits.then_some(())
            .ok_or(CertificateError::new(Which::Leaf, why))
    }
}

impl ChainVerifier for Stapled {
    fn verify(&self, peer: &PeerChain<'_>) -> Verdict {
        match self.later {
            true => Verdict::Later,
            false => Verdict::Now(self.judge(peer.ocsp_response)),
        }
    }
}

/// Before anything is sent to the server.
#[test]
fn a_verifier_sees_the_staple_and_may_refuse_it() {
    let pki = Pki::new();
    for (stapled, later) in [
        (Some(b"good"), false),
        (Some(b"good"), true),
        (Some(b"evil"), false),
        (Some(b"evil"), true),
        (None, false),
        (None, true),
    ] {
        let row = format!("{stapled:?}, later: {later}");
        let staple = stapled.map_or(&b""[..], |staple| staple);
        let server = ServerConfig::new(credential(&pki.leaf(NAME)).with_ocsp(staple));
        let wanted = b"good";
        let client = ClientConfig::new(trust(&pki))
            .request_ocsp(true)
            .verifier(Arc::new(Stapled { wanted, later }));
        let mut pair = Pair::new(&client.build().unwrap(), &server.build().unwrap());
        let mut result = pair.run();
        if later {
            let question = pair.client.tls.question().unwrap();
            let Topic::VerifyChain { ocsp_response, .. } = &question.topic else {
                panic!("{row}: {question:?}");
            };
            let verdict = Stapled { wanted, later }.judge(ocsp_response.as_deref());
            let answer = Answer::verdict(question, verdict);
            result = pair.client.tls.answer(answer, NOW).and(result);
        }
        let refused = AlertDescription::BAD_CERTIFICATE_STATUS_RESPONSE;
        let want = (stapled != Some(wanted)).then_some(refused);
        assert_eq!(result.err().and_then(|error| error.alert()), want, "{row}");
        let told = pair.client.output();
        let told = pair.server.input(&told).err();
        assert_eq!(told, want.map(Error::Alert), "{row}");
    }
}

/// The client's last flight, where its server asks for these schemes, and whether that ends the handshake well.
fn answer_to(
    config: &Arc<ClientConfig>,
    server: &Identity,
    schemes: &[SignatureScheme],
) -> Vec<Vec<u8>> {
    let mut client = Engine::client(config, Carrier::Records);
    let mut script = ScriptedServer::new(&client.take()[0].bytes, 0x1301);
    let hello = script.hello();
    let hello = script.send_hello(&hello);
    client.read(Level::Initial, &hello).unwrap();
    let codes: Vec<u8> = schemes
        .iter()
        .flat_map(|scheme| scheme.0.to_be_bytes())
        .collect();
    let request = Extensions(vec![(13, vec16(&codes))]);
    let flight = [
        script.send(encrypted_extensions(&Extensions::default())),
        script.send(certificate_request(&[], &request)),
        script.certificate(server),
        script.verify(server),
        script.finished(),
    ];
    client.read(Level::Handshake, &flight.concat()).unwrap();
    let answer: Vec<_> = client.take().into_iter().map(|piece| piece.bytes).collect();
    assert!(script.accepts(&answer), "the client's Finished");
    answer
}

/// rfc9846#4.5.2-5: with a scheme that the server named, or with no certificate at all.
#[test]
fn a_client_signs_as_the_server_asks() {
    use SignatureScheme as S;
    let world = World::new();
    let server = world.servers.leaf(NAME);
    let rows: [(Kind, &[S], Option<S>); 6] = [
        (
            Kind::P256,
            &[S::ED25519, S::ECDSA_SECP256R1_SHA256],
            Some(S::ECDSA_SECP256R1_SHA256),
        ),
        (Kind::P256, &[S::ED25519, S::ECDSA_SECP384R1_SHA384], None),
        (Kind::Ed25519, &[S::RSA_PSS_RSAE_SHA256], None),
        (
            Kind::Rsa2048,
            &[S::RSA_PSS_RSAE_SHA512],
            Some(S::RSA_PSS_RSAE_SHA512),
        ),
        (
            Kind::Rsa2048,
            &[S::RSA_PKCS1_SHA256, S::RSA_PSS_RSAE_SHA384],
            Some(S::RSA_PSS_RSAE_SHA384),
        ),
        (Kind::Rsa2048, &[S::RSA_PKCS1_SHA256], None),
    ];
    for (key, schemes, want) in rows {
        let identity = world.clients.leaf_with(key, &["client"], |_| ());
        let config = ClientConfig::new(trust(&world.servers)).credential(credential(&identity));
        let answer = answer_to(&config.build().unwrap(), &server, schemes);
        let kinds: Vec<u8> = answer.iter().map(|message| message[0]).collect();
        let row = format!("{key:?} {schemes:?}");
        match want {
            Some(want) => {
                assert_eq!(
                    kinds,
                    [kind::CERTIFICATE, kind::CERTIFICATE_VERIFY, kind::FINISHED],
                    "{row}"
                );
                assert_eq!(answer[0], certificate(&[], &entries(&identity)), "{row}");
                assert_eq!(answer[1][4..6], want.0.to_be_bytes(), "{row}");
            }
            None => {
                assert_eq!(kinds, [kind::CERTIFICATE, kind::FINISHED], "{row}");
                assert_eq!(answer[0], certificate(&[], &[]), "{row}");
            }
        }
    }
}

/// rfc9846#4.5.1.2-5: of two chains for one name, the one whose signatures the client takes, by signature_algorithms_cert or, where
/// that is not there, by signature_algorithms; the first where it takes neither.
#[test]
fn the_chain_shown_has_signatures_that_the_client_takes() {
    use SignatureScheme as S;
    let by_rsa = Pki::with(Kind::Rsa2048, 1).leaf_with(Kind::P256, &[NAME], |_| ());
    let by_p384 = Pki::with(Kind::P384, 1).leaf_with(Kind::P256, &[NAME], |_| ());
    let config = ServerConfig::new(credential(&by_rsa))
        .credential(credential(&by_p384))
        .build()
        .unwrap();
    let shown = |schemes: &[S], for_chains: Option<&[S]>| {
        let list = |schemes: &[S]| -> Vec<u8> {
            let codes = schemes.iter().flat_map(|scheme| scheme.0.to_be_bytes());
            vec16(&codes.collect::<Vec<_>>())
        };
        let mut client = ScriptedClient::new(&[Group::X25519]);
        client.hello.extensions.set(13, list(schemes));
        if let Some(schemes) = for_chains {
            client.hello.extensions.push(50, list(schemes));
        }
        let mut server = Engine::server(&config, Carrier::Records);
        server.read(Level::Initial, &client.send())?;
        let flight: Vec<_> = server.take().into_iter().map(|piece| piece.bytes).collect();
        client.finish(&flight);
        Ok::<_, Error>(flight[2].clone())
    };
    let (p256, p384, rsa) = (
        S::ECDSA_SECP256R1_SHA256,
        S::ECDSA_SECP384R1_SHA384,
        S::RSA_PKCS1_SHA256,
    );
    let rows: [(&[S], Option<&[S]>, &Identity); 7] = [
        (&[p256], Some(&[rsa]), &by_rsa),
        (&[p256], Some(&[p384]), &by_p384),
        (&[p256, rsa], Some(&[p384]), &by_p384),
        (&[p256, p384], Some(&[rsa, p384]), &by_rsa),
        (&[p256, p384], None, &by_p384),
        (&[p256, rsa], None, &by_rsa),
        (&[p256], None, &by_rsa),
    ];
    for (schemes, for_chains, want) in rows {
        let want = certificate(&[], &entries(want));
        let row = format!("{schemes:?}, {for_chains:?}");
        assert!(shown(schemes, for_chains) == Ok(want), "{row}");
    }
    let malformed = shown(&[p256], Some(&[])).unwrap_err();
    assert_eq!(malformed.alert(), Some(AlertDescription::DECODE_ERROR));
}

#[test]
fn a_credential_for_some_cas_alone_is_shown_to_nobody_else() {
    let (servers, clients) = (Pki::new(), named("Second Root"));
    let bound = || credential(&clients.leaf("client")).must_match_issuer();
    let free = credential(&servers.leaf_with(Kind::Ed25519, &["client"], |_| ()));
    let pins = [&clients, &servers].map(|pki| key_pin(&pki.leaf("client").chain[0]).unwrap());
    let rows = [
        ("a CA of its own", trust(&clients), vec![bound()], Some(1)),
        ("another CA", trust(&servers), vec![bound()], None),
        (
            "no CA named",
            Trust::pinned_keys(pins).unwrap(),
            vec![bound()],
            None,
        ),
        (
            "another CA, and another credential",
            trust(&servers),
            vec![bound(), free],
            Some(1),
        ),
    ];
    for (name, trust_of_server, credentials, want) in rows {
        let mut client = ClientConfig::new(trust(&servers));
        for credential in credentials {
            client = client.credential(credential);
        }
        let server = ServerConfig::new(credential(&servers.leaf(NAME)));
        let server = server
            .client_auth(ClientAuth::Optional(trust_of_server))
            .keep_peer_chain(true);
        let pair = Pair::connected(&client.build().unwrap(), &server.build().unwrap());
        let chain = &pair.server.tls.summary().unwrap().peer_chain;
        assert_eq!(chain.as_ref().map(Vec::len), want, "{name}");
    }
}
