//! What a client trusts and offers.

use std::sync::Arc;

use pith_crypto::SignatureScheme;
use pith_pq::Group;
use pki_types::ServerName;

use super::{
    Common, NO_PSK, Records, check_credentials, check_list, import, psk_options, record_options,
};
use crate::Now;
use crate::auth::compress::Algorithm;
use crate::auth::{ChainCache, ChainVerifier, ConfigError, Credential, Trust};
use crate::error::Fault;
use crate::event::{Observer, Role};
use crate::handshake::carrier::Carrier;
use crate::handshake::client::normal;
use crate::keylog::KeyLog;
use crate::mark::Mark;
use crate::policy::{self, Policy};
use crate::resume::binding::client_mark;
use crate::resume::{ExternalPsk, ImportedPsk, SessionStore};
use crate::suite::CipherSuite;
use crate::wire::encrypted_extensions::NegotiatedTypes;
use crate::wire::registry::CertificateType;

/// What a client trusts and offers.
pub struct ClientConfig {
    pub(crate) policy: &'static Policy,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) trust: Trust,
    pub(crate) verifier: Option<Arc<dyn ChainVerifier>>,
    pub(crate) known_chains: Option<ChainCache>,
    pub(crate) suites: Vec<CipherSuite>,
    pub(crate) groups: Vec<Group>,
    pub(crate) shares: Vec<Group>,
    pub(crate) schemes: Vec<SignatureScheme>,
    pub(crate) protocols: Vec<Vec<u8>>,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) client_types: Vec<CertificateType>,
    pub(crate) server_types: &'static [CertificateType],
    pub(crate) request_ocsp: bool,
    pub(crate) grease: bool,
    pub(crate) records: Records,
    pub(crate) compression: &'static [Algorithm],
    pub(crate) key_log: Option<KeyLog>,
    pub(crate) keep_peer_chain: bool,
    pub(crate) sessions: Option<SessionStore>,
    pub(crate) early_data: bool,
    /// Whose sessions in the store are this configuration's.
    pub(crate) owner: Mark,
    pub(crate) psks: Vec<Arc<ImportedPsk>>,
}

impl ClientConfig {
    /// Begins a configuration. What a server must show to be believed is no option, so it stands here.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a builder is the one way to a configuration"
    )]
    pub fn new(trust: Trust) -> ClientConfigBuilder {
        ClientConfigBuilder {
            trust,
            verifier: None,
            common: Common::new(),
            shares: None,
            credentials: Vec::new(),
            raw_keys: None,
            request_ocsp: false,
            grease: false,
            keep_peer_chain: false,
            sessions: None,
            early_data: false,
            scope: String::new(),
        }
    }

    /// Whether there is a session with the server of this name that a connection over this carrier would resume now.
    #[must_use]
    pub fn has_session(&self, name: &ServerName<'_>, carrier: &Carrier, now: Now) -> bool {
        let name = normal(name.to_owned());
        let store = self.sessions.as_ref();
        store.is_some_and(|store| store.holds(&name, &self.owner, carrier.rules(), now))
    }

    /// Whether a server may show this, said or unsaid.
    pub(crate) fn takes_of_server(&self, kind: CertificateType) -> bool {
        match self.server_types {
            [] => kind == CertificateType::X509,
            types => types.contains(&kind),
        }
    }

    /// Checks a server's choice of certificate types: each must have been offered.
    pub(crate) fn check_types(&self, types: NegotiatedTypes) -> Result<(), Fault> {
        let offered = |list: &[CertificateType], one: Option<CertificateType>| {
            one.is_none_or(|one| list.contains(&one))
        };
        match offered(&self.client_types, types.client) && offered(self.server_types, types.server)
        {
            true => Ok(()),
            false => Err(Fault::CertificateTypeNotOffered),
        }
    }
}

/// How a client takes a server's raw public key (RFC 7250).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawKeys {
    /// The hello says that a raw key is wanted most, and a certificate with a pinned key taken too. The server chooses.
    Preferred,
    /// Nothing but a raw key is taken.
    Only,
}

/// The types of a client's own credentials in their order; none where that is X.509 alone (rfc7250#4.1-1, rfc7250#4.1-2).
fn client_types(credentials: &[Credential]) -> Vec<CertificateType> {
    let mut types = Vec::new();
    for credential in credentials {
        if !types.contains(&credential.kind()) {
            types.push(credential.kind());
        }
    }
    match types.as_slice() {
        [CertificateType::X509] => Vec::new(),
        _ => types,
    }
}

/// Builds a [`ClientConfig`].
#[must_use]
pub struct ClientConfigBuilder {
    trust: Trust,
    verifier: Option<Arc<dyn ChainVerifier>>,
    common: Common,
    shares: Option<Vec<Group>>,
    credentials: Vec<Credential>,
    raw_keys: Option<RawKeys>,
    request_ocsp: bool,
    grease: bool,
    keep_peer_chain: bool,
    sessions: Option<SessionStore>,
    early_data: bool,
    scope: String,
}

impl ClientConfigBuilder {
    record_options!();
    psk_options!();

    /// Where sessions are kept, so that connections to the same server resume: without certificates, and with less to send and to
    /// compute. By default none are kept. One store may serve many configurations; each finds only the sessions that came to be
    /// under the same trust, policy and credentials.
    pub fn sessions(mut self, sessions: SessionStore) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// Whether connections that resume may send early data (0-RTT), where the server's ticket allows it: data that arrives one round trip
    /// earlier, and which somebody on the way can have arrive more than once. Off by default (rfc9846#F.5-3); send nothing by it that must not happen
    /// twice (RFC 9846 section 8, RFC 8470). See [`Connection::send_early`](crate::Connection::send_early).
    pub fn early_data(mut self, allow: bool) -> Self {
        self.early_data = allow;
        self
    }

    /// A text that keeps the sessions of this configuration apart from others in the same store, for what makes it different that no
    /// digest can see: a [`verifier`](Self::verifier) above all.
    pub fn session_scope(mut self, scope: &str) -> Self {
        self.scope = scope.to_owned();
        self
    }

    /// The policy, instead of [`V2026_11`](crate::policy::V2026_11). It sets the suites, groups, shares and signature algorithms; the lists of this
    /// configuration may only narrow it.
    pub fn policy(mut self, policy: &'static Policy) -> Self {
        self.common.policy = policy;
        self
    }

    /// The cipher suites to offer among those of the policy, most wanted first.
    pub fn suites(mut self, suites: &[CipherSuite]) -> Self {
        self.common.suites = Some(suites.to_vec());
        self
    }

    /// The groups to name among those of the policy, most wanted first. A group costs 2 bytes in the hello.
    pub fn groups(mut self, groups: &[Group]) -> Self {
        self.common.groups = Some(groups.to_vec());
        self
    }

    /// The groups to send shares of, among those named; a share of a post-quantum group costs more than 1,000 bytes. By
    /// default the first post-quantum and the first classical group.
    pub fn shares(mut self, shares: &[Group]) -> Self {
        self.shares = Some(shares.to_vec());
        self
    }

    /// The application protocols to offer (ALPN), most wanted first.
    pub fn alpn(mut self, protocols: &[&[u8]]) -> Self {
        self.common.protocols = protocols.iter().map(|name| name.to_vec()).collect();
        self
    }

    /// A check of the server's chain on top of `trust`, which it cannot weaken.
    pub fn verifier(mut self, verifier: Arc<dyn ChainVerifier>) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Adds a credential for servers that ask for one (mutual TLS): a chain, or a raw public key. Of several, the one is shown whose key and issuer suit the
    /// server best; with none that suits, an empty list is sent and the server decides.
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    /// Takes a raw public key (RFC 7250) of the server, in place of certificates; needs [`Trust::PinnedKeys`], and the key must
    /// be among the pinned ones. By default a client says nothing of raw keys: its hello stays like those of other clients, and
    /// a server that has both a raw key and a certificate goes on showing the certificate that was pinned.
    ///
    /// This is about the server's key. To show one, add a [`credential`](Self::credential) with a raw key.
    pub fn raw_keys(mut self, raw_keys: RawKeys) -> Self {
        self.raw_keys = Some(raw_keys);
        self
    }

    /// Whether to ask for an OCSP response, stapled to the server's certificate. It comes in
    /// [`Summary`](crate::Summary), unread.
    pub fn request_ocsp(mut self, request: bool) -> Self {
        self.request_ocsp = request;
        self
    }

    /// Who is told what happens on connections.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.common.observer = Some(observer);
        self
    }

    /// Whether to send reserved values (GREASE, RFC 8701) among suites, groups, versions, schemes and extensions, so that
    /// servers which choke on unknown ones are found early.
    pub fn grease(mut self, grease: bool) -> Self {
        self.grease = grease;
        self
    }

    /// Whether connections keep the server's certificates (some KiB each) for [`Summary`](crate::Summary).
    pub fn keep_peer_chain(mut self, keep: bool) -> Self {
        self.keep_peer_chain = keep;
        self
    }

    /// Checks and finishes the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] says which list is empty, too long or holds something twice, which share is of no named group, or what
    /// the policy does not allow: a suite, a group, a credential's key or a signature in its chain.
    pub fn build(self) -> Result<Arc<ClientConfig>, ConfigError> {
        let common = self.common;
        let (suites, groups) = (common.suites()?, common.groups()?);
        common.check_protocols()?;
        common.check_records()?;
        let known_chains = common.known_chains()?;
        check_credentials(&self.credentials, common.policy)?;
        // rfc7250#4.1-3, rfc7250#4.1-4
        let server_types: &[CertificateType] = match (self.raw_keys, &self.trust) {
            (None, _) => &[],
            (Some(RawKeys::Preferred), Trust::PinnedKeys(_)) => self.trust.certificate_types(),
            (Some(RawKeys::Only), Trust::PinnedKeys(_)) => &[CertificateType::RawPublicKey],
            (Some(_), Trust::Roots(_) | Trust::PreSharedKeys) => {
                return Err(ConfigError::Unsupported {
                    what: "a server's raw public key where roots are trusted: it has no issuer, so pin it",
                });
            }
        };
        let shares = match self.shares {
            Some(shares) => {
                check_list("the key shares", &shares)?;
                // rfc9846#4.3.8-4
                if !shares.iter().all(|share| groups.contains(share)) {
                    return Err(ConfigError::Unsupported {
                        what: "a key share of a group that is not named",
                    });
                }
                // rfc9846#4.3.8-1: shares stand in the order of the groups.
                groups
                    .iter()
                    .copied()
                    .filter(|group| shares.contains(group))
                    .collect()
            }
            None => policy::shares(&groups),
        };
        let psks = import(&common.psks, Role::Client, &suites)?;
        // A client that takes no certificate offers no algorithm for one, so no server shows one in vain.
        let schemes = match self.trust {
            Trust::Roots(_) | Trust::PinnedKeys(_) => common.policy.offered_schemes(),
            Trust::PreSharedKeys if psks.is_empty() => return Err(NO_PSK),
            Trust::PreSharedKeys => Vec::new(),
        };
        Ok(Arc::new(ClientConfig {
            owner: client_mark(&self.trust, common.policy, &self.credentials, &self.scope),
            sessions: self.sessions,
            early_data: self.early_data,
            psks,
            policy: common.policy,
            observer: common.observer,
            trust: self.trust,
            verifier: self.verifier,
            known_chains,
            suites,
            shares,
            groups,
            schemes,
            protocols: common.protocols,
            client_types: client_types(&self.credentials),
            server_types,
            credentials: self.credentials,
            request_ocsp: self.request_ocsp,
            grease: self.grease,
            records: common.records,
            compression: common.compression,
            key_log: common.key_log,
            keep_peer_chain: self.keep_peer_chain,
        }))
    }
}
