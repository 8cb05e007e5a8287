//! Configurations that remember chains which they accepted: what connections save, and what each of them still checks.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pith_tests::pair::{NAME, Pair, credential, trust};
use pith_tests::pki::{Identity, Pki};
use pith_tls::{
    CertificateError, ChainVerifier, ClientAuth, ClientConfig, ClientConfigBuilder, ConfigError,
    Credential, Error, Fault, PeerChain, PeerText, Reason, ServerConfig, ServerConfigBuilder,
    SessionStore, Signature, SignatureScheme, Signer, Summary, Trust, Verdict, Which, key_pin,
    limits,
};

/// Mutual TLS, where one of the sides remembers chains.
struct Sides {
    pki: Pki,
    client_remembers: bool,
}

impl Sides {
    fn each() -> [Self; 2] {
        [true, false].map(|client_remembers| Self {
            pki: Pki::new(),
            client_remembers,
        })
    }

    fn client(&self) -> ClientConfigBuilder {
        let client = ClientConfig::new(trust(&self.pki));
        client.known_chains(if self.client_remembers { 8 } else { 0 })
    }

    fn server(&self, own: Credential) -> ServerConfigBuilder {
        let server = ServerConfig::new(own);
        let server = server.client_auth(ClientAuth::Required(trust(&self.pki)));
        server.known_chains(if self.client_remembers { 0 } else { 8 })
    }

    fn leaves(&self) -> [Identity; 2] {
        [NAME, "client.example"].map(|name| self.pki.leaf(name))
    }

    fn with_verifier(&self, verifier: Arc<dyn ChainVerifier>) -> impl Fn() -> Result<(), Error> {
        let [server, client] = self.leaves().map(|leaf| credential(&leaf));
        let (mut client, mut server) = (self.client().credential(client), self.server(server));
        match self.client_remembers {
            true => client = client.verifier(verifier),
            false => server = server.verifier(verifier),
        }
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        move || Pair::new(&client, &server).run()
    }
}

/// Accepts twice.
struct Twice(AtomicUsize);

impl ChainVerifier for Twice {
    fn verify(&self, peer: &PeerChain<'_>) -> Verdict {
        assert_eq!(peer.certificates.len(), 1);
        Verdict::Now(match self.0.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => Ok(()),
            _ => Err(CertificateError::new(
                Which::Leaf,
                Reason::Rejected(PeerText::new("enough")),
            )),
        })
    }
}

#[test]
fn the_applications_verifier_is_always_asked() {
    for sides in Sides::each() {
        let verifier = Arc::new(Twice(AtomicUsize::new(0)));
        let connect = sides.with_verifier(verifier.clone());
        assert_eq!((connect(), connect()), (Ok(()), Ok(())));
        let refused = connect().unwrap_err();
        assert!(matches!(refused, Error::Certificate(_)), "{refused}");
        assert_eq!(verifier.0.load(Ordering::Relaxed), 3);
    }
}

/// Signs with its certificate's key the first time, and with another one after that.
struct Impostor {
    keys: [rcgen::KeyPair; 2],
    signed: AtomicUsize,
}

impl Signer for Impostor {
    fn schemes(&self) -> &[SignatureScheme] {
        &[SignatureScheme::ECDSA_SECP256R1_SHA256]
    }

    fn sign(&self, _: SignatureScheme, message: &[u8]) -> Signature {
        let [own, other] = &self.keys;
        let key = match self.signed.fetch_add(1, Ordering::Relaxed) {
            0 => own,
            _ => other,
        };
        Signature::Now(Ok(rcgen::SigningKey::sign(key, message).unwrap()))
    }
}

/// Known attack S01: a chain is public, so one that is remembered proves nothing by itself.
#[test]
fn who_shows_a_remembered_chain_must_hold_its_key() {
    for sides in Sides::each() {
        let [server, client] = sides.leaves();
        let (mine, other) = match sides.client_remembers {
            true => (&server, &client),
            false => (&client, &server),
        };
        let keys = [mine, other].map(|leaf| rcgen::KeyPair::try_from(leaf.key.secret_der()));
        let impostor = Arc::new(Impostor {
            keys: keys.map(Result::unwrap),
            signed: AtomicUsize::new(0),
        });
        let impostor = Credential::with_signer(mine.chain.clone(), impostor).unwrap();
        let (client, server) = match sides.client_remembers {
            true => (credential(&client), impostor),
            false => (impostor, credential(&server)),
        };
        let client = sides.client().credential(client).build().unwrap();
        let server = sides.server(server).build().unwrap();
        assert_eq!(Pair::new(&client, &server).run(), Ok(()));
        for _ in 0..2 {
            let error = Pair::new(&client, &server).run();
            let found_out = Error::Fault(Fault::CertificateVerifySignature);
            assert_eq!(error, Err(found_out));
        }
    }
}

#[test]
fn resumption_goes_on_as_without() {
    for sides in Sides::each() {
        let [server, client] = sides.leaves().map(|leaf| credential(&leaf));
        let client = sides.client().credential(client);
        let client = client.sessions(SessionStore::new()).build().unwrap();
        let server = sides.server(server).build().unwrap();
        for resumed in [false, true, true] {
            let pair = Pair::connected(&client, &server);
            for side in [&pair.client, &pair.server] {
                assert_eq!(side.tls.summary().map(Summary::resumed), Some(resumed));
            }
        }
    }
}

#[test]
fn pins_hold_with_and_without_a_memory() {
    let pki = Pki::new();
    let [one, other] = [pki.leaf(NAME), pki.leaf(NAME)];
    let pin = key_pin(one.chain.first().unwrap()).unwrap();
    let client = ClientConfig::new(Trust::pinned_keys([pin]).unwrap()).known_chains(8);
    let client = client.build().unwrap();
    let server = |leaf| ServerConfig::new(credential(leaf)).build().unwrap();
    for _ in 0..2 {
        assert_eq!(Pair::new(&client, &server(&one)).run(), Ok(()));
        assert!(Pair::new(&client, &server(&other)).run().is_err());
    }
}

/// [`limits::KNOWN_CHAINS`]: so many are taken, and one more is refused.
#[test]
fn a_memory_has_a_bound() {
    let pki = Pki::new();
    let client = |most| ClientConfig::new(trust(&pki)).known_chains(most).build();
    let server = |most| {
        let server = ServerConfig::new(credential(&pki.leaf(NAME)));
        server.known_chains(most).build()
    };
    let too_many = ConfigError::TooMany {
        what: "chains to remember",
        limit: limits::KNOWN_CHAINS,
        got: limits::KNOWN_CHAINS + 1,
    };
    assert!(client(limits::KNOWN_CHAINS).is_ok() && server(limits::KNOWN_CHAINS).is_ok());
    assert_eq!(
        client(limits::KNOWN_CHAINS + 1).err(),
        Some(too_many.clone())
    );
    assert_eq!(server(limits::KNOWN_CHAINS + 1).err(), Some(too_many));
}

/// A verification takes allocations of AWS-LC, so it shows there whether one was spared.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn the_second_connection_spares_the_chains_signatures() {
    let name = "the_second_connection_spares_the_chains_signatures";
    pith_tests::heap::measured(name, env!("CARGO_TARGET_TMPDIR"), |counter| {
        for sides in Sides::each() {
            let [server, client] = sides.leaves().map(|leaf| credential(&leaf));
            let build = |remembers: bool| {
                let (mut one, mut two) = (
                    sides.client().credential(client.clone()),
                    sides.server(server.clone()),
                );
                if !remembers {
                    (one, two) = (one.known_chains(0), two.known_chains(0));
                }
                (one.build().unwrap(), two.build().unwrap())
            };
            let cost = |(client, server): &(Arc<ClientConfig>, Arc<ServerConfig>)| {
                let before = counter.allocations();
                drop(Pair::connected(client, server));
                counter.allocations() - before
            };
            let (with, without) = (build(true), build(false));
            let costs = [cost(&with), cost(&with), cost(&without), cost(&without)];
            println!("allocations (of some bytes): {costs:?}");
            let [first, second, _, as_ever] = costs;
            assert!(second < first && second < as_ever);
        }
    });
}
