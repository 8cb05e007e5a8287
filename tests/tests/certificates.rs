//! Certificates over a connection: what is refused ends the handshake with its alert, and nothing gets around the check.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pith_tests::pair::{NAME, NOW, Pair, credential, trust};
use pith_tests::pki::{self, Identity, Kind, Pki};
use pith_tls::{
    AlertDescription as Alert, CertificateError, ChainVerifier, ClientConfig, Credential, Error,
    Fault, PeerChain, PeerText, Reason, ServerConfig, Signature, SignatureScheme, Signer, Trust,
    Verdict, Which, key_pin,
};

/// The client's error and the alert that reached the server.
fn handshake(client: &Arc<ClientConfig>, server: Credential) -> Result<(), (Error, Alert)> {
    let server = ServerConfig::new(server).build().unwrap();
    let mut pair = Pair::new(client, &server);
    pair.run().map_err(|error| match pair.server.tls.eof() {
        Err(Error::Alert(alert)) => (error, alert),
        other => panic!("{error}, and the server has {other:?}"),
    })
}

fn trusting(trust: Trust) -> Arc<ClientConfig> {
    ClientConfig::new(trust).build().unwrap()
}

#[test]
fn a_refused_certificate_ends_the_handshake_with_its_alert() {
    let (mine, other) = (Pki::new(), Pki::new());
    let long = Pki::with(Kind::P256, 7);
    let forged = Pki::bent(Kind::P256, 0, |_, params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Elsewhere");
    });
    let bent = |bend: fn(&mut rcgen::CertificateParams)| mine.leaf_with(Kind::P256, &[NAME], bend);
    let rows: [(&str, &Pki, Identity, Alert); 9] = [
        (
            "unknown issuer",
            &mine,
            forged.leaf(NAME),
            Alert::UNKNOWN_CA,
        ),
        (
            "self-signed",
            &mine,
            pki::self_signed(Kind::P256, NAME),
            Alert::UNKNOWN_CA,
        ),
        (
            "same name, other key",
            &mine,
            other.leaf(NAME),
            Alert::UNKNOWN_CA,
        ),
        (
            "expired",
            &mine,
            bent(pki::expired),
            Alert::CERTIFICATE_EXPIRED,
        ),
        (
            "not yet valid",
            &mine,
            bent(pki::not_yet_valid),
            Alert::CERTIFICATE_EXPIRED,
        ),
        (
            "a CA as a leaf",
            &mine,
            bent(pki::ca_as_leaf),
            Alert::UNSUPPORTED_CERTIFICATE,
        ),
        (
            "other name",
            &mine,
            mine.leaf("other.example"),
            Alert::BAD_CERTIFICATE,
        ),
        (
            "an IP address",
            &mine,
            mine.leaf("192.0.2.1"),
            Alert::BAD_CERTIFICATE,
        ),
        (
            "too deep",
            &long,
            long.leaf(NAME),
            Alert::CERTIFICATE_UNKNOWN,
        ),
    ];
    for (row, root, identity, want) in rows {
        let (error, alert) =
            handshake(&trusting(trust(root)), credential(&identity)).expect_err(row);
        assert!(matches!(error, Error::Certificate(_)), "{row}: {error}");
        assert_eq!((error.alert(), alert), (Some(want), want), "{row}");
    }
}

#[test]
fn a_self_signed_peer_is_accepted_by_its_pin_alone() {
    let (peer, other) = (
        pki::self_signed(Kind::Ed25519, NAME),
        pki::self_signed(Kind::Ed25519, NAME),
    );
    let pin = |identity: &Identity| {
        let keys = identity.chain.iter().map(|leaf| key_pin(leaf).unwrap());
        trusting(Trust::pinned_keys(keys).unwrap())
    };
    assert_eq!(handshake(&pin(&peer), credential(&peer)), Ok(()));
    let (error, alert) = handshake(&pin(&other), credential(&peer)).unwrap_err();
    assert!(matches!(error, Error::Certificate(_)), "{error}");
    assert_eq!(alert, Alert::CERTIFICATE_UNKNOWN);
}

/// Signs with a key of its own, over what `change` makes of the message.
struct Impostor {
    key: rcgen::KeyPair,
    change: fn(&[u8]) -> Vec<u8>,
}

impl Signer for Impostor {
    fn schemes(&self) -> &[SignatureScheme] {
        &[SignatureScheme::ECDSA_SECP256R1_SHA256]
    }

    fn sign(&self, _: SignatureScheme, message: &[u8]) -> Signature {
        let message = (self.change)(message);
        Signature::Now(Ok(rcgen::SigningKey::sign(&self.key, &message).unwrap()))
    }
}

/// Known attack S01: who shows a certificate without its key, or has a signature of another context, is found out.
#[test]
fn a_certificate_proves_nothing_without_its_key() {
    let pki = Pki::new();
    let (mine, other) = (pki.leaf(NAME), pki.leaf(NAME));
    let as_client = |message: &[u8]| {
        let server = message
            .windows(6)
            .position(|window| window == b"server")
            .unwrap();
        let (head, tail) = message.split_at(server);
        [head, b"client", tail.strip_prefix(b"server").unwrap()].concat()
    };
    let without_padding = |message: &[u8]| message.strip_prefix(&[32; 64]).unwrap().to_vec();
    type Change = fn(&[u8]) -> Vec<u8>;
    let rows: [(&str, &Identity, Change, bool); 4] = [
        ("its key", &mine, <[u8]>::to_vec, true),
        ("another key", &other, <[u8]>::to_vec, false),
        ("a client's signature", &mine, as_client, false),
        (
            "a signature without the padding",
            &mine,
            without_padding,
            false,
        ),
    ];
    for (row, signer, change, good) in rows {
        let key = rcgen::KeyPair::try_from(signer.key.secret_der()).unwrap();
        let impostor = Arc::new(Impostor { key, change });
        let credential = Credential::with_signer(mine.chain.clone(), impostor).unwrap();
        let refused = (
            Error::Fault(Fault::CertificateVerifySignature),
            Alert::DECRYPT_ERROR,
        );
        let want = if good { Ok(()) } else { Err(refused) };
        assert_eq!(handshake(&trusting(trust(&pki)), credential), want, "{row}");
    }
}

/// Counts how often it is asked, and refuses what it is told to.
struct Counting {
    asked: AtomicUsize,
    refuses: bool,
}

impl ChainVerifier for Counting {
    fn verify(&self, peer: &PeerChain<'_>) -> Verdict {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert_eq!(
            (peer.name.unwrap().to_str().as_ref(), peer.now),
            (NAME, NOW)
        );
        assert_eq!(peer.certificates.len(), 1);
        let why = Reason::Rejected(PeerText::new("not on the list"));
        Verdict::Now(if self.refuses {
            Err(CertificateError::new(Which::Leaf, why))
        } else {
            Ok(())
        })
    }
}

#[test]
fn a_callers_verifier_can_refuse_and_never_accept() {
    let pki = Pki::new();
    let rows = [
        ("accepted by both", pki.leaf(NAME), false, None, 1),
        (
            "refused by the caller",
            pki.leaf(NAME),
            true,
            Some(Alert::CERTIFICATE_UNKNOWN),
            1,
        ),
        (
            "refused by the roots",
            Pki::new().leaf(NAME),
            false,
            Some(Alert::UNKNOWN_CA),
            0,
        ),
        (
            "refused by its name",
            pki.leaf("other.example"),
            false,
            Some(Alert::BAD_CERTIFICATE),
            0,
        ),
    ];
    for (row, identity, refuses, want, asked) in rows {
        let verifier = Arc::new(Counting {
            asked: AtomicUsize::new(0),
            refuses,
        });
        let client = ClientConfig::new(trust(&pki))
            .verifier(verifier.clone())
            .build()
            .unwrap();
        let got = handshake(&client, credential(&identity)).err();
        assert_eq!(got.map(|(_, alert)| alert), want, "{row}");
        assert_eq!(verifier.asked.load(Ordering::Relaxed), asked, "{row}");
    }
}
