//! Pith and rustls joined in memory, and what a test may change about the rustls side.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use pith_tests::pair::{NAME, NOW, Side, credential, name, trust};
use pith_tests::pki::{Identity, Pki};
use pith_tls::{
    CipherSuite, ClientConfig, ClientConfigBuilder, Connection, Error, Group, ServerConfig,
    ServerConfigBuilder, SignatureScheme,
};
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider};
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::{ProtocolVersion, RootCertStore};

/// What a rustls side does otherwise than by default.
#[derive(Default)]
pub(crate) struct Setup {
    pub(crate) suite: Option<CipherSuite>,
    pub(crate) groups: Vec<Group>,
    /// The one signature scheme that a server uses or a client offers.
    pub(crate) scheme: Option<SignatureScheme>,
    pub(crate) alpn: Vec<Vec<u8>>,
    pub(crate) fragment: Option<usize>,
    pub(crate) tickets: Option<usize>,
    /// What a client shows.
    pub(crate) client: Option<Identity>,
    pub(crate) client_verifier: Option<Arc<dyn ClientCertVerifier>>,
    pub(crate) tls12: bool,
    pub(crate) early_data: bool,
}

impl Setup {
    pub(crate) fn only(suite: CipherSuite, group: Group) -> Self {
        Self {
            suite: Some(suite),
            ..Self::groups(&[group])
        }
    }

    pub(crate) fn groups(groups: &[Group]) -> Self {
        Self {
            groups: groups.to_vec(),
            ..Self::default()
        }
    }

    fn provider(&self) -> Arc<CryptoProvider> {
        let mut provider = provider::default_provider();
        if let Some(suite) = self.suite {
            provider
                .cipher_suites
                .retain(|theirs| u16::from(theirs.suite()) == suite.code());
        }
        if !self.groups.is_empty() {
            let theirs = |group: &Group| {
                let mut all = provider::ALL_KX_GROUPS.iter();
                *all.find(|theirs| u16::from(theirs.name()) == group.code())
                    .unwrap()
            };
            provider.kx_groups = self.groups.iter().map(theirs).collect();
        }
        if let Some(scheme) = self.scheme {
            let algorithms = &mut provider.signature_verification_algorithms;
            let mapping = algorithms.mapping.iter().copied();
            algorithms.mapping = mapping
                .filter(|(theirs, _)| u16::from(*theirs) == scheme.0)
                .collect::<Vec<_>>()
                .leak();
        }
        Arc::new(provider)
    }

    fn versions(&self) -> Vec<&'static rustls::SupportedProtocolVersion> {
        let all = rustls::ALL_VERSIONS.iter().copied();
        all.filter(|theirs| !self.tls12 || theirs.version == ProtocolVersion::TLSv1_2)
            .collect()
    }
}

pub(crate) fn rustls_client(setup: &Setup, pki: &Pki) -> rustls::Connection {
    let config = rustls_client_config(setup, pki);
    rustls::ClientConnection::new(config, name())
        .unwrap()
        .into()
}

pub(crate) fn rustls_client_config(setup: &Setup, pki: &Pki) -> Arc<rustls::ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(pki.root()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(setup.provider())
        .with_protocol_versions(&setup.versions())
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match &setup.client {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = setup.alpn.clone();
    config.max_fragment_size = setup.fragment;
    config.enable_early_data = setup.early_data;
    config.into()
}

pub(crate) fn rustls_server(setup: &Setup, identity: &Identity) -> rustls::Connection {
    let config = rustls_server_config(setup, identity);
    rustls::ServerConnection::new(config).unwrap().into()
}

pub(crate) fn rustls_server_config(
    setup: &Setup,
    identity: &Identity,
) -> Arc<rustls::ServerConfig> {
    let key = provider::sign::any_supported_type(&identity.key).unwrap();
    let key = match setup.scheme {
        Some(scheme) => Arc::new(OneScheme(key, scheme.0.into())),
        None => key,
    };
    let key = CertifiedKey::new(identity.chain.clone(), key);
    let builder = rustls::ServerConfig::builder_with_provider(setup.provider())
        .with_protocol_versions(&setup.versions())
        .unwrap();
    let mut config = match &setup.client_verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
        None => builder.with_no_client_auth(),
    }
    .with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
    config.alpn_protocols = setup.alpn.clone();
    config.max_fragment_size = setup.fragment;
    if setup.early_data {
        config.max_early_data_size = 16384;
    }
    if let Some(tickets) = setup.tickets {
        config.send_tls13_tickets = tickets;
    }
    config.into()
}

/// A key that signs by one scheme only.
#[derive(Debug)]
struct OneScheme(Arc<dyn SigningKey>, rustls::SignatureScheme);

impl SigningKey for OneScheme {
    fn choose_scheme(&self, offered: &[rustls::SignatureScheme]) -> Option<Box<dyn Signer>> {
        assert!(offered.contains(&self.1), "Pith offers {:?}", self.1);
        self.0.choose_scheme(&[self.1])
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        self.0.algorithm()
    }
}

/// A connection of rustls.
pub(crate) struct Peer {
    pub(crate) tls: rustls::Connection,
    pub(crate) data: Vec<u8>,
    pub(crate) closed: bool,
}

impl Peer {
    pub(crate) fn new(tls: rustls::Connection) -> Self {
        Self {
            tls,
            data: Vec::new(),
            closed: false,
        }
    }

    pub(crate) fn output(&mut self) -> Vec<u8> {
        let mut output = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut output).unwrap();
        }
        output
    }

    pub(crate) fn input(&mut self, mut bytes: &[u8]) -> Result<(), rustls::Error> {
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes).unwrap();
            self.tls.process_new_packets()?;
            match self.tls.reader().read_to_end(&mut self.data) {
                Ok(_) => self.closed = true,
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
        }
        Ok(())
    }

    pub(crate) fn send(&mut self, plaintext: &[u8]) {
        self.tls.set_buffer_limit(None);
        self.tls.writer().write_all(plaintext).unwrap();
    }

    /// The transport ends.
    pub(crate) fn end(&mut self) {
        assert_eq!(self.tls.read_tls(&mut [].as_slice()).unwrap(), 0);
        self.tls.process_new_packets().unwrap();
    }
}

/// Pith and rustls, joined in memory.
pub(crate) struct Session {
    pub(crate) pith: Side,
    pub(crate) peer: Peer,
}

/// A session in each role of Pith, with nothing out of the ordinary.
pub(crate) fn default_sessions() -> [Session; 2] {
    let pki = Pki::new();
    let identity = pki.leaf(NAME);
    let setup = Setup::default();
    [
        Session::client(
            ClientConfig::new(trust(&pki)),
            rustls_server(&setup, &identity),
        ),
        Session::server(
            ServerConfig::new(credential(&identity)),
            rustls_client(&setup, &pki),
        ),
    ]
}

impl Session {
    pub(crate) fn client(config: ClientConfigBuilder, peer: rustls::Connection) -> Self {
        let tls = Connection::client(config.build().unwrap(), name(), NOW).unwrap();
        Self::new(tls, peer)
    }

    pub(crate) fn server(config: ServerConfigBuilder, peer: rustls::Connection) -> Self {
        Self::new(Connection::server(config.build().unwrap()), peer)
    }

    fn new(pith: Connection, peer: rustls::Connection) -> Self {
        Self {
            pith: Side::new(pith),
            peer: Peer::new(peer),
        }
    }

    /// Moves bytes until neither side has any; a side that failed still sends its alert and takes nothing more.
    pub(crate) fn run(&mut self) -> (Result<(), Error>, Result<(), rustls::Error>) {
        let (mut mine, mut theirs) = (Ok(()), Ok(()));
        loop {
            let to_peer = self.pith.output();
            if theirs.is_ok() {
                theirs = self.peer.input(&to_peer);
            }
            let to_pith = self.peer.output();
            if mine.is_ok() {
                mine = self.pith.input(&to_pith);
            }
            if to_peer.is_empty() && to_pith.is_empty() {
                return (mine, theirs);
            }
        }
    }

    pub(crate) fn connect(&mut self) {
        assert_eq!(self.run(), (Ok(()), Ok(())));
        assert!(self.pith.tls.summary().is_some());
        assert!(!self.peer.tls.is_handshaking());
        assert_eq!(
            self.peer.tls.protocol_version(),
            Some(ProtocolVersion::TLSv1_3)
        );
    }

    /// A few bytes each way.
    pub(crate) fn data_flows(&mut self) {
        self.pith.data.clear();
        self.peer.data.clear();
        let records = self.pith.seal(b"from Pith").unwrap();
        self.peer.send(b"from rustls");
        let answer = self.peer.output();
        self.peer.input(&records).unwrap();
        self.pith.input(&answer).unwrap();
        assert_eq!(self.run(), (Ok(()), Ok(())));
        assert_eq!(self.pith.data, b"from rustls");
        assert_eq!(self.peer.data, b"from Pith");
    }

    pub(crate) fn same_exports(&self) {
        for (label, context) in [
            ("EXPERIMENTAL a", b"".as_slice()),
            ("EXPERIMENTAL b", b"with a context"),
        ] {
            let mut mine = [0; 40];
            let export = self.pith.tls.export(label.as_bytes(), context, &mut mine);
            export.unwrap();
            let theirs =
                self.peer
                    .tls
                    .export_keying_material([0; 40], label.as_bytes(), Some(context));
            assert_eq!(mine, theirs.unwrap());
        }
    }
}
