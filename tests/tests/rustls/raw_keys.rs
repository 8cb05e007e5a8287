//! Raw public keys (RFC 7250) between Pith and rustls, and what resumes of them.

use std::sync::Arc;

use pith_tests::pair::NAME;
use pith_tests::pki::{Identity, Kind, self_signed};
use pith_tls::{
    ClientAuth, ClientConfig, Credential, RawKeys, ServerConfig, SessionStore, Tickets, Trust,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{aws_lc_rs as provider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, HandshakeKind, OtherError, SignatureScheme,
};

use super::session::Session;

/// Believes one raw public key.
#[derive(Debug)]
struct Pinned(Vec<u8>);

impl Pinned {
    fn check(&self, key: &CertificateDer<'_>) -> Result<(), Error> {
        match **key == *self.0 {
            true => Ok(()),
            false => Err(Error::Other(OtherError(Arc::new(std::fmt::Error)))),
        }
    }

    fn verify(
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(&key[..]);
        let algorithms = provider::default_provider().signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signed, &algorithms)
    }

    fn schemes() -> Vec<SignatureScheme> {
        let algorithms = provider::default_provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

/// There is no TLS 1.2 here.
fn old() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::HandshakeNotComplete)
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(key).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::verify(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Pinned {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(key).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        old()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Self::verify(message, key, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        Self::schemes()
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

fn mine(identity: &Identity) -> Credential {
    Credential::raw_key_from_der(&identity.key).unwrap()
}

fn pin(identity: &Identity) -> Trust {
    Trust::pinned_keys([mine(identity).key_pin()]).unwrap()
}

fn pinned(identity: &Identity) -> Arc<Pinned> {
    Arc::new(Pinned(mine(identity).raw_key().unwrap().to_vec()))
}

fn theirs(identity: &Identity) -> Arc<CertifiedKey> {
    let key = provider::sign::any_supported_type(&identity.key).unwrap();
    let public = CertificateDer::from(key.public_key().unwrap().to_vec());
    Arc::new(CertifiedKey::new(vec![public], key))
}

fn kind(resumes: bool) -> Option<HandshakeKind> {
    Some(match resumes {
        false => HandshakeKind::Full,
        true => HandshakeKind::Resumed,
    })
}

#[test]
fn rustls_and_pith_know_each_other_by_raw_keys_and_resume() {
    for key in [
        Kind::P256,
        Kind::P384,
        Kind::P521,
        Kind::Ed25519,
        Kind::Rsa2048,
    ] {
        let (server, client) = (self_signed(key, NAME), self_signed(key, "device"));

        let resolver = rustls::client::AlwaysResolvesClientRawPublicKeys::new(theirs(&client));
        let config =
            rustls::ClientConfig::builder_with_provider(provider::default_provider().into())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(pinned(&server))
                .with_client_cert_resolver(Arc::new(resolver));
        let config = Arc::new(config);
        // A client of rustls that has nothing but a raw key insists on being asked for it, even where its server resumes.
        let tickets = Tickets::none();
        let peer = rustls::ClientConnection::new(config, pith_tests::pair::name()).unwrap();
        let own = ServerConfig::new(mine(&server))
            .client_auth(ClientAuth::Required(pin(&client)))
            .tickets(tickets);
        let mut session = Session::server(own, peer.into());
        session.connect();
        session.data_flows();
        let peer_key = session.pith.tls.summary().unwrap().peer_key;
        assert_eq!(peer_key, Some(mine(&client).key_pin()), "{key:?}");

        let config =
            rustls::ClientConfig::builder_with_provider(provider::default_provider().into())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(pinned(&server))
                .with_no_client_auth();
        let config = Arc::new(config);
        let tickets = Tickets::rotating();
        for resumes in [false, true] {
            let peer = rustls::ClientConnection::new(config.clone(), pith_tests::pair::name());
            let own = ServerConfig::new(mine(&server)).tickets(tickets.clone());
            let mut session = Session::server(own, peer.unwrap().into());
            session.connect();
            session.data_flows();
            assert_eq!(session.peer.tls.handshake_kind(), kind(resumes), "{key:?}");
        }

        let resolver = rustls::server::AlwaysResolvesServerRawPublicKeys::new(theirs(&server));
        let config =
            rustls::ServerConfig::builder_with_provider(provider::default_provider().into())
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_client_cert_verifier(pinned(&client))
                .with_cert_resolver(Arc::new(resolver));
        let config = Arc::new(config);
        let store = SessionStore::new();
        for resumes in [false, true] {
            let peer = rustls::ServerConnection::new(config.clone()).unwrap();
            let own = ClientConfig::new(pin(&server))
                .raw_keys(RawKeys::Only)
                .credential(mine(&client))
                .sessions(store.clone());
            let mut session = Session::client(own, peer.into());
            session.connect();
            session.data_flows();
            assert_eq!(session.peer.tls.handshake_kind(), kind(resumes), "{key:?}");
            let peer_key = session.pith.tls.summary().unwrap().peer_key;
            assert_eq!(peer_key, Some(mine(&server).key_pin()), "{key:?}");
        }
    }
}
