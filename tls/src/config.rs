//! What a client and a server are configured with: built once, shared by all connections.
//!
//! The defaults are the ones to use: those of the policy [`V2026_11`]. What cannot work, and what the policy does not allow, is
//! refused when it is built, and not in the middle of a handshake.

use std::sync::Arc;

use pith_crypto::{Hash, SignatureScheme};
use pith_pq::Group;

use crate::auth::compress::Algorithm;
use crate::auth::{ChainVerifier, ConfigError, Credential, Trust};
use crate::error::Fault;
use crate::event::{Observer, Role};
use crate::keylog::KeyLog;
use crate::limits;
use crate::mark::Mark;
use crate::policy::{self, Policy, V2026_11};
use crate::record::shape::{LARGEST, SMALLEST_LIMIT};
use crate::resume::binding::{Origin, client_mark};
use crate::resume::{ExternalPsk, ImportedPsk, SessionStore, StrikeRegister, Tickets};
use crate::suite::CipherSuite;
use crate::wire::encrypted_extensions::NegotiatedTypes;
use crate::wire::registry::CertificateType;

/// What both roles have.
struct Common {
    policy: &'static Policy,
    observer: Option<Arc<dyn Observer>>,
    suites: Option<Vec<CipherSuite>>,
    groups: Option<Vec<Group>>,
    protocols: Vec<Vec<u8>>,
    records: Records,
    compression: &'static [Algorithm],
    key_log: Option<KeyLog>,
    psks: Vec<ExternalPsk>,
}

/// How this side wants records.
#[derive(Clone, Copy)]
pub(crate) struct Records {
    /// To whose multiple sent records are padded.
    pub(crate) block: u16,
    /// The largest record to receive, where it is smaller than TLS allows.
    pub(crate) limit: Option<u16>,
}

impl Common {
    fn new() -> Self {
        Self {
            policy: &V2026_11,
            observer: None,
            suites: None,
            groups: None,
            protocols: Vec::new(),
            records: Records {
                block: 1,
                limit: None,
            },
            compression: Algorithm::ALL,
            key_log: None,
            psks: Vec::new(),
        }
    }

    fn suites(&self) -> Result<Vec<CipherSuite>, ConfigError> {
        let allowed = self.policy.suites;
        let Some(suites) = &self.suites else {
            return Ok(allowed.to_vec());
        };
        check_list("the cipher suites", suites)?;
        match suites.iter().find(|suite| !allowed.contains(suite)) {
            None => Ok(suites.clone()),
            Some(suite) => Err(self.policy.refuses("the cipher suite", suite.name())),
        }
    }

    fn groups(&self) -> Result<Vec<Group>, ConfigError> {
        let (allowed, on_request) = (self.policy.groups, self.policy.groups_on_request);
        let Some(groups) = &self.groups else {
            return Ok(allowed.to_vec());
        };
        check_list("the groups", groups)?;
        let allows = |group: &Group| allowed.contains(group) || on_request.contains(group);
        match groups.iter().find(|group| !allows(group)) {
            None => Ok(groups.clone()),
            Some(group) => Err(self.policy.refuses("the group", group.name())),
        }
    }

    fn check_records(&self) -> Result<(), ConfigError> {
        let block = usize::from(self.records.block);
        if !(1..=limits::RECORD_PADDING).contains(&block) {
            return Err(ConfigError::Unsupported {
                what: "a padding of records to a multiple of 0, or of more than 1,024 bytes",
            });
        }
        // rfc8449#4-2, rfc8449#4-6
        let sizes = SMALLEST_LIMIT..=LARGEST;
        if self
            .records
            .limit
            .is_some_and(|limit| !sizes.contains(&limit))
        {
            return Err(ConfigError::Unsupported {
                what: "a record size limit under 64 or over 16,385 bytes",
            });
        }
        Ok(())
    }

    fn check_protocols(&self) -> Result<(), ConfigError> {
        if self.protocols.is_empty() {
            return Ok(());
        }
        check_list("the application protocols", &self.protocols)?;
        match self
            .protocols
            .iter()
            .map(Vec::len)
            .find(|length| !(1..=255).contains(length))
        {
            None => Ok(()),
            Some(0) => Err(ConfigError::Empty {
                what: "the name of an application protocol",
            }),
            Some(got) => Err(ConfigError::TooMany {
                what: "bytes in the name of an application protocol",
                limit: 255,
                got,
            }),
        }
    }
}

fn check_list<T: PartialEq>(what: &'static str, list: &[T]) -> Result<(), ConfigError> {
    // No registry has more, and each list fits its field in a message.
    const LIMIT: usize = 64;
    if list.is_empty() {
        return Err(ConfigError::Empty { what });
    }
    if list.len() > LIMIT {
        return Err(ConfigError::TooMany {
            what,
            limit: LIMIT,
            got: list.len(),
        });
    }
    // rfc9846#4.3.7-1
    let repeated = list
        .iter()
        .enumerate()
        .any(|(at, item)| list.iter().take(at).any(|earlier| earlier == item));
    if repeated {
        Err(ConfigError::Duplicate { what })
    } else {
        Ok(())
    }
}

fn check_credentials(list: &[Credential], policy: &'static Policy) -> Result<(), ConfigError> {
    list.iter()
        .try_for_each(|credential| credential.check_policy(policy))
}

/// The options that both builders have, word for word.
macro_rules! record_options {
    () => {
        /// Pads records that are sent to a multiple of so many bytes, content and type together: from 1, no padding, to 1,024.
        pub fn record_padding(mut self, block: u16) -> Self {
            self.common.records.block = block;
            self
        }

        /// The largest record to receive (RFC 8449), content, type and padding together: from 64 to 16,385 bytes. A server
        /// always honours its clients' limits.
        pub fn record_size_limit(mut self, limit: u16) -> Self {
            self.common.records.limit = Some(limit);
            self
        }

        /// Whether certificates may be compressed (RFC 8879), both ways: as it is, if this build has an algorithm for it. zlib
        /// is one by default; brotli and zstd are features.
        pub fn certificate_compression(mut self, allow: bool) -> Self {
            self.common.compression = if allow { Algorithm::ALL } else { &[] };
            self
        }

        /// Writes the secrets of all connections to a key log. For debugging: whoever reads it can decrypt them.
        pub fn key_log(mut self, key_log: KeyLog) -> Self {
            self.common.key_log = Some(key_log);
            self
        }
    };
}

macro_rules! psk_options {
    () => {
        /// Adds a pre-shared key, which both sides were given outside of TLS. It takes the place of certificates, always beside a
        /// key exchange; of several, the client's order counts.
        pub fn psk(mut self, psk: ExternalPsk) -> Self {
            self.common.psks.push(psk);
            self
        }
    };
}

/// The keys for each hash of these suites (rfc9846#2.2-1, rfc9846#4.3.11-2).
fn import(
    psks: &[ExternalPsk],
    role: Role,
    suites: &[CipherSuite],
) -> Result<Vec<Arc<ImportedPsk>>, ConfigError> {
    if psks.len() > limits::PSK_IDENTITIES / 2 {
        return Err(ConfigError::TooMany {
            what: "pre-shared keys",
            limit: limits::PSK_IDENTITIES / 2,
            got: psks.len(),
        });
    }
    if psks.iter().any(|psk| psk.role != role) {
        return Err(ConfigError::Unsupported {
            what: "a pre-shared key in the role that it is not for",
        });
    }
    let hashes = [Hash::Sha256, Hash::Sha384].into_iter();
    let hashes = hashes.filter(|hash| suites.iter().any(|suite| suite.hash() == *hash));
    let hashes: Vec<Hash> = hashes.collect();
    let import = |psk: &ExternalPsk| {
        let keys = hashes.iter().map(|hash| psk.import(*hash).map(Arc::new));
        keys.collect::<Vec<_>>()
    };
    psks.iter().flat_map(import).collect()
}

/// What a client trusts and offers.
pub struct ClientConfig {
    pub(crate) policy: &'static Policy,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) trust: Trust,
    pub(crate) verifier: Option<Arc<dyn ChainVerifier>>,
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

    /// The policy, instead of [`V2026_11`]. It sets the suites, groups, shares and signature algorithms; the lists of this
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

    /// The policy, instead of [`V2026_11`]. It sets the suites, groups and signature algorithms; the lists of this configuration
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

/// Neither side can be without both certificates and keys.
const NO_PSK: ConfigError = ConfigError::Empty {
    what: "pre-shared key",
};

/// Bytes of the names of CAs that a server sends in a CertificateRequest; where there are more, it sends none.
const AUTHORITIES_BYTES: usize = 8 << 10;
