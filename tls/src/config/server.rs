//! What a server shows and accepts.

use std::sync::Arc;

use pith_crypto::SignatureScheme;
use pith_pq::Group;

use super::{Common, NO_PSK, Records, check_credentials, import, psk_options, record_options};
use crate::auth::compress::Algorithm;
use crate::auth::{ChainCache, ChainVerifier, ConfigError, Credential, Trust};
use crate::event::{Observer, Role};
use crate::keylog::KeyLog;
use crate::limits;
use crate::policy::Policy;
use crate::resume::binding::Origin;
use crate::resume::{ExternalPsk, ImportedPsk, StrikeRegister, Tickets};
use crate::suite::CipherSuite;

/// Whether a server asks its clients for certificates.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum ClientAuth {
    /// It does not ask.
    #[default]
    None,
    /// It asks, and a client without a certificate is accepted; one with a certificate that is not trusted is not.
    Optional(Trust),
    /// It asks, and a client without a certificate is refused.
    Required(Trust),
}

impl ClientAuth {
    pub(crate) fn trust(&self) -> Option<&Trust> {
        match self {
            Self::None => None,
            Self::Optional(trust) | Self::Required(trust) => Some(trust),
        }
    }
}

/// What a server shows and accepts.
pub struct ServerConfig {
    pub(crate) policy: &'static Policy,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) credentials: Vec<Credential>,
    pub(crate) client_auth: ClientAuth,
    pub(crate) verifier: Option<Arc<dyn ChainVerifier>>,
    pub(crate) known_chains: Option<ChainCache>,
    pub(crate) schemes: Vec<SignatureScheme>,
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) records: Records,
    pub(crate) compression: &'static [Algorithm],
    pub(crate) key_log: Option<KeyLog>,
    pub(crate) keep_peer_chain: bool,
    pub(crate) suites: Vec<CipherSuite>,
    pub(crate) groups: Vec<Group>,
    pub(crate) protocols: Vec<Vec<u8>>,
    pub(crate) ask_config: bool,
    pub(crate) tickets: Tickets,
    /// What tickets are bound to of this configuration.
    pub(crate) origin: Origin,
    pub(crate) psks: Vec<Arc<ImportedPsk>>,
    pub(crate) ask_psks: bool,
    pub(crate) early_data: Option<Box<TakesEarlyData>>,
}

/// How a server takes early data.
pub(crate) struct TakesEarlyData {
    /// Bytes that its tickets allow.
    pub(crate) most: u32,
    pub(crate) replays: Replays,
    /// What tickets remember of the application.
    settings: Box<[u8]>,
}

/// Who knows which hellos came before.
pub(crate) enum Replays {
    Register(StrikeRegister),
    Asked,
}

impl ServerConfig {
    /// Whether a client may have to show who it is: this configuration asks for certificates, or may give way to another that does. Where it is
    /// false, a carrier may send application data to whoever has sent a ClientHello.
    #[must_use]
    pub fn may_ask_client(&self) -> bool {
        self.ask_config || self.client_auth.trust().is_some()
    }

    /// Begins a configuration of a server that shows no certificate: it serves those clients alone that hold one of its pre-shared
    /// keys.
    pub fn without_certificate() -> ServerConfigBuilder {
        ServerConfigBuilder {
            credentials: Vec::new(),
            client_auth: ClientAuth::None,
            verifier: None,
            keep_peer_chain: false,
            common: Common::new(),
            ask_config: false,
            ask_psks: false,
            tickets: Tickets::rotating(),
            early_data: None,
            settings: Box::default(),
            scope: None,
        }
    }

    /// Begins a configuration of a server that shows this chain, or raw public key.
    #[expect(
        clippy::new_ret_no_self,
        reason = "a builder is the one way to a configuration"
    )]
    pub fn new(credential: Credential) -> ServerConfigBuilder {
        Self::without_certificate().credential(credential)
    }
}

impl ServerConfig {
    /// How many bytes of early data tickets allow.
    pub(crate) fn most_early_data(&self) -> u32 {
        self.early_data.as_ref().map_or(0, |own| own.most)
    }

    pub(crate) fn early_settings(&self) -> &[u8] {
        self.early_data
            .as_ref()
            .map_or(&[], |own| own.settings.as_ref())
    }
}

/// Builds a [`ServerConfig`].
#[must_use]
pub struct ServerConfigBuilder {
    credentials: Vec<Credential>,
    client_auth: ClientAuth,
    verifier: Option<Arc<dyn ChainVerifier>>,
    keep_peer_chain: bool,
    common: Common,
    ask_config: bool,
    ask_psks: bool,
    tickets: Tickets,
    early_data: Option<(u32, Replays)>,
    settings: Box<[u8]>,
    scope: Option<String>,
}

impl ServerConfigBuilder {
    record_options!();
    psk_options!();

    /// How tickets are issued and accepted, instead of [`Tickets::rotating`]. Give configurations that follow one another in one
    /// server clones of the same, so that clients go on resuming.
    pub fn tickets(mut self, tickets: Tickets) -> Self {
        self.tickets = tickets;
        self
    }

    /// Takes early data (0-RTT) of clients that resume, at most `most` bytes of each. It is off by default, and what it brings can be a
    /// copy: treat it as something that may happen twice (RFC 8470). `register` refuses copies that come to this process or to another
    /// server that shares it; a server of a fleet that shares tickets takes [`early_data_asked`](Self::early_data_asked) instead. Over QUIC its own
    /// limits hold in place of `most`.
    pub fn early_data(mut self, most: u32, register: StrikeRegister) -> Self {
        self.early_data = Some((most, Replays::Register(register)));
        self
    }

    /// As [`early_data`](Self::early_data), and asks for each hello whether it came before to any server of the fleet:
    /// [`Topic::EarlyDataReplay`](crate::Topic::EarlyDataReplay).
    pub fn early_data_asked(mut self, most: u32) -> Self {
        self.early_data = Some((most, Replays::Asked));
        self
    }

    /// What the application settles with its clients before early data has a meaning, such as the settings of HTTP/3: at most
    /// [`limits::SESSION_DATA`] bytes. Tickets remember it, and early data is rejected where it is not the same any more.
    pub fn early_data_settings(mut self, settings: &[u8]) -> Self {
        self.settings = settings.into();
        self
    }

    /// A text that tickets are bound to, so that servers which share ticket keys do not take each other's. Without it they are
    /// bound to the name that the client asked for, what is asked of clients, and the policy.
    pub fn ticket_scope(mut self, scope: &str) -> Self {
        self.scope = Some(scope.to_owned());
        self
    }

    /// The policy, instead of [`V2026_11`](crate::policy::V2026_11). It sets the suites, groups and signature algorithms; the lists of this configuration
    /// may only narrow it.
    pub fn policy(mut self, policy: &'static Policy) -> Self {
        self.common.policy = policy;
        self
    }

    /// The cipher suites to accept among those of the policy; the first that the client offers too is taken.
    pub fn suites(mut self, suites: &[CipherSuite]) -> Self {
        self.common.suites = Some(suites.to_vec());
        self
    }

    /// The groups to accept among those of the policy, most wanted first. A post-quantum group that the client names is taken,
    /// even if that takes a HelloRetryRequest; among classical ones, one that the client sent a share of.
    pub fn groups(mut self, groups: &[Group]) -> Self {
        self.common.groups = Some(groups.to_vec());
        self
    }

    /// The application protocols to accept (ALPN), most wanted first. A client that offers others is refused; one that
    /// offers none is accepted.
    pub fn alpn(mut self, protocols: &[&[u8]]) -> Self {
        self.common.protocols = protocols.iter().map(|name| name.to_vec()).collect();
        self
    }

    /// Adds another credential. Each client gets the first that it can verify, if possible one for the name that it asks
    /// for, and from a CA that it says it trusts. A raw public key goes to clients that take one; of a key and a certificate
    /// that suit a client alike, it gets the first. A server may have a raw key and no certificate.
    pub fn credential(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    /// Whether clients are asked for certificates, and what they must show. With pinned keys, a client may show its key raw
    /// (RFC 7250).
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.client_auth = client_auth;
        self
    }

    /// A check of a client's chain on top of the trust in [`ClientAuth`], which it cannot weaken.
    pub fn verifier(mut self, verifier: Arc<dyn ChainVerifier>) -> Self {
        self.verifier = Some(verifier);
        self
    }

    /// Who is told what happens on connections; for each, also after [`Answer::config`](crate::Answer::config) gave it another
    /// configuration.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.common.observer = Some(observer);
        self
    }

    /// Whether connections keep the client's certificates (some KiB each) for [`Summary`](crate::Summary).
    pub fn keep_peer_chain(mut self, keep: bool) -> Self {
        self.keep_peer_chain = keep;
        self
    }

    /// Whether each connection asks for its configuration once it has the client's hello
    /// ([`Topic::Config`](crate::Topic::Config)). Until then this one serves.
    pub fn ask_config(mut self, ask: bool) -> Self {
        self.ask_config = ask;
        self
    }

    /// Whether pre-shared keys that a client offers and this configuration does not hold are asked for
    /// ([`Topic::Psk`](crate::Topic::Psk)).
    pub fn ask_psks(mut self, ask: bool) -> Self {
        self.ask_psks = ask;
        self
    }

    /// Checks and finishes the configuration.
    ///
    /// # Errors
    /// [`ConfigError`] says which list is empty, too long or holds something twice, or what the policy does not allow: a suite,
    /// a group, a credential's key or a signature in its chain.
    pub fn build(self) -> Result<Arc<ServerConfig>, ConfigError> {
        let common = self.common;
        let (suites, groups) = (common.suites()?, common.groups()?);
        common.check_protocols()?;
        common.check_records()?;
        let known_chains = common.known_chains()?;
        check_credentials(&self.credentials, common.policy)?;
        let psks = import(&common.psks, Role::Server, &suites)?;
        if self.credentials.is_empty() && psks.is_empty() && !self.ask_psks {
            return Err(NO_PSK);
        }
        if self.settings.len() > limits::SESSION_DATA {
            return Err(ConfigError::TooMany {
                what: "bytes that tickets remember of the application",
                limit: limits::SESSION_DATA,
                got: self.settings.len(),
            });
        }
        let early_data = self.early_data.map(|(most, replays)| {
            let settings = self.settings;
            Box::new(TakesEarlyData {
                most,
                replays,
                settings,
            })
        });
        if matches!(self.client_auth.trust(), Some(Trust::PreSharedKeys)) {
            return Err(ConfigError::Unsupported {
                what: "client authentication by pre-shared keys: a server's pre-shared keys authenticate its clients by themselves",
            });
        }
        let authorities = self.client_auth.trust().map(Trust::authorities);
        // More names than this help no client to choose, and would not fit beside the rest of the flight.
        let fit =
            |names: &Vec<Vec<u8>>| names.iter().map(Vec::len).sum::<usize>() <= AUTHORITIES_BYTES;
        Ok(Arc::new(ServerConfig {
            tickets: self.tickets,
            origin: Origin::new(self.scope.as_deref(), &self.client_auth, common.policy),
            psks,
            ask_psks: self.ask_psks,
            early_data,
            policy: common.policy,
            observer: common.observer,
            credentials: self.credentials,
            client_auth: self.client_auth,
            verifier: self.verifier,
            known_chains,
            schemes: common.policy.offered_schemes(),
            authorities: authorities.filter(fit).unwrap_or_default(),
            records: common.records,
            compression: common.compression,
            key_log: common.key_log,
            keep_peer_chain: self.keep_peer_chain,
            suites,
            groups,
            protocols: common.protocols,
            ask_config: self.ask_config,
        }))
    }
}

/// Bytes of the names of CAs that a server sends in a CertificateRequest; where there are more, it sends none.
const AUTHORITIES_BYTES: usize = 8 << 10;
