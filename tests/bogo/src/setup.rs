//! The configuration that a test asks for, the answers to Pith's questions, and the checks of what was negotiated.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use pith_crypto::SigningKey;
use pith_tls::{
    Answer, CertificateDer, CertificateError, ChainVerifier, ClientAuth, ClientConfig, ConfigError,
    Connection, Credential, EarlyData, Error, ExternalPsk, Hash, Local, Now, PeerChain, PeerText,
    PrivateKeyDer, Psk, RawKeys, Reason, Role, ServerConfig, ServerName, SessionStore, Signature,
    SignatureScheme, Signer, StrikeRegister, SubjectPublicKeyInfoDer, Summary, Tickets, Topic,
    Trust, Verdict, Which, key_pin,
};
use pki_types::pem::PemObject;

use crate::drive::Failure;
use crate::link::Link;
use crate::options::{CredentialKind, CredentialOptions, Options, Unsupported};
use crate::quic::Quic;

/// How much early data BoringSSL takes.
const EARLY_DATA: u32 = 14336;

/// What a test asks for, as Pith takes it.
pub(crate) struct Setup {
    options: Options,
    config: Config,
    keys: Vec<Arc<Key>>,
    /// It is to resume the connection before.
    resumes: bool,
}

/// What outlives a connection.
pub(crate) struct Kept {
    sessions: SessionStore,
    tickets: Tickets,
    strikes: StrikeRegister,
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            sessions: SessionStore::new(),
            tickets: Tickets::rotating(),
            // So old that it knows of all that may come.
            strikes: StrikeRegister::new(Now {
                monotonic: Duration::ZERO,
                unix: Duration::ZERO,
            }),
        }
    }
}

impl Kept {
    /// Drops all sessions but the newest, since the runner takes no others; whether there is one.
    pub(crate) fn only_newest(&self) -> bool {
        match self.sessions.drain().pop() {
            Some(session) => self.sessions.insert(session),
            None => return false,
        }
        true
    }
}

enum Config {
    Client(Arc<ClientConfig>),
    Server(Arc<ServerConfig>),
}

impl Setup {
    pub(crate) fn new(options: Options, resumes: bool, kept: &Kept) -> Result<Self, Failure> {
        if options.compression.is_some() && cfg!(not(pith_test)) {
            return Err(Unsupported("algorithms of the runner's".to_owned()).into());
        }
        let (credentials, keys) = credentials(&options)?;
        let config = if options.server {
            Config::Server(server(&options, credentials, kept)?)
        } else {
            Config::Client(client(&options, credentials, kept)?)
        };
        Ok(Self {
            options,
            config,
            keys,
            resumes,
        })
    }

    /// The place of the credential by which this side proved itself; -1 of the first one, or where there was none.
    fn place(&self, summary: &Summary) -> i32 {
        if let Some(Psk::External { identity }) = &summary.psk {
            let credentials = (0..).zip(&self.options.new_credentials);
            let mut psks = credentials.filter(|(_, one)| one.kind == CredentialKind::Psk);
            let used = psks.find(|(_, one)| one.psk_importer_identity == **identity);
            return used.map_or(-1, |(place, _)| place);
        }
        self.used().map_or(-1, |key| key.place)
    }

    /// Compares whether a session came with what the test expects. None is looked for where the shim does not read to the end,
    /// and none comes of an external pre-shared key.
    pub(crate) fn check_session(
        &self,
        options: &Options,
        connection: &dyn Link,
        kept: &Kept,
    ) -> Result<(), Failure> {
        let external = connection
            .summary()
            .is_some_and(|summary| matches!(summary.psk, Some(Psk::External { .. })));
        if options.server || options.shim_shuts_down || external {
            return Ok(());
        }
        match (options.expect_no_session, kept.sessions.is_empty()) {
            (true, false) => Err(other("a session came")),
            (false, true) => Err(other("no session came")),
            (true, true) | (false, false) => Ok(()),
        }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// A connection before its first byte.
    pub(crate) fn connection(&self, now: Now) -> Result<Box<dyn Link>, Failure> {
        let quic = self.options.is_quic.then(|| self.options.quic.clone());
        Ok(match &self.config {
            Config::Server(config) => match quic {
                Some(parameters) => Box::new(Quic::server(config.clone(), parameters)),
                None => Box::new(Connection::server(config.clone())),
            },
            Config::Client(config) => {
                // For an address there is no server_name extension, as the runner wants it where it gives no name.
                let name = self.options.host_name.as_deref().unwrap_or("127.0.0.1");
                let name = ServerName::try_from(name.to_owned()).map_err(other)?;
                match quic {
                    Some(parameters) => {
                        Box::new(Quic::client(config.clone(), name, parameters, now)?)
                    }
                    None => Box::new(Connection::client(config.clone(), name, now)?),
                }
            }
        })
    }

    /// The key that Pith has asked for a signature.
    fn used(&self) -> Option<&Key> {
        self.keys
            .iter()
            .map(Arc::as_ref)
            .find(|key| key.used.load(Relaxed))
    }

    /// Answers the question that is open, if one is.
    pub(crate) fn answer(&self, connection: &mut dyn Link, now: Now) -> Result<(), Failure> {
        let Some(question) = connection.question() else {
            return Ok(());
        };
        let answer = match (&question.topic, &self.config, self.used()) {
            (Topic::Config(offered), Config::Server(config), _) => {
                let expected = &self.options.expect_advertised_alpn;
                if !expects(expected, &Some(offered.protocols.clone())) {
                    return Err(other("other protocols than expected were offered"));
                }
                let accepted = !self.options.fail_early_callback;
                Answer::config(question, accepted.then(|| config.clone()))
            }
            (Topic::Sign { scheme, message }, _, Some(key)) => {
                Answer::signature(question, key.key.sign(*scheme, message).ok())
            }
            (Topic::VerifyChain { .. }, _, _) => Answer::verdict(question, verdict(&self.options)),
            (topic, _, _) => {
                return Err(Failure::Other(format!(
                    "a question that nobody expects: {topic:?}"
                )));
            }
        };
        Ok(connection.answer(answer, now)?)
    }

    /// Compares what was negotiated with what the test expects.
    pub(crate) fn check(&self, options: &Options, connection: &dyn Link) -> Result<(), Failure> {
        let summary = connection.summary().ok_or_else(|| other("no summary"))?;
        let protocol = summary.protocol.as_deref();
        let peer_scheme = match options.server {
            true => summary.client_signature_scheme,
            false => summary.signature_scheme,
        };
        let expected_chain = options
            .expect_peer_cert_file
            .as_deref()
            .map(chain)
            .transpose()?;
        let chain = summary.peer_chain.clone().filter(|chain| !chain.is_empty());
        let checks = [
            (
                "kind of handshake",
                summary.resumed() == (self.resumes && !options.session_miss),
            ),
            ("early data", early_data_fits(options, summary.early_data)),
            (
                "chain",
                summary.resumed() || expects(&expected_chain, &chain),
            ),
            (
                "type of certificate",
                summary.resumed()
                    || expects(
                        &options.expect_peer_certificate_type,
                        &Some(match summary.peer_raw_key {
                            Some(_) => 2,
                            None => 0,
                        }),
                    ),
            ),
            (
                "raw public key",
                expects(
                    &options.expect_peer_rpk_sha256,
                    &summary.peer_key.map(Vec::from),
                ),
            ),
            (
                "proof",
                !options.expect_no_peer_cert || peer_scheme.is_none(),
            ),
            (
                "server name",
                expects(
                    &options.expect_server_name,
                    &summary.server_name.as_deref().map(str::to_owned),
                ),
            ),
            (
                "ALPN",
                options
                    .expect_alpn
                    .as_ref()
                    .is_none_or(|name| name.as_bytes() == protocol.unwrap_or_default()),
            ),
            (
                "group",
                expects(&options.expect_curve_id, &Some(summary.group)),
            ),
            (
                "cipher",
                expects(&options.expect_cipher, &Some(summary.suite.code())),
            ),
            (
                "OCSP response",
                summary.resumed()
                    || expects(
                        &options.expect_ocsp_response,
                        &summary.ocsp_response.as_deref().map(<[u8]>::to_vec),
                    ),
            ),
            (
                "HelloRetryRequest",
                expects(&options.expect_hrr, &Some(summary.retried)),
            ),
            (
                "signature scheme",
                summary.resumed()
                    || expects(
                        &options.expect_peer_signature_algorithm,
                        &peer_scheme.map(|scheme| scheme.0),
                    ),
            ),
            (
                "transport parameters",
                expects(
                    &options.expect_quic_transport_params,
                    &connection.peer_parameters().map(<[u8]>::to_vec),
                ),
            ),
            (
                "credential",
                expects(
                    &options.expect_selected_credential,
                    &Some(self.place(summary)),
                ),
            ),
        ];
        match checks.iter().find(|(_, fits)| !fits) {
            Some((what, _)) => Err(Failure::Other(format!(
                "another {what} than expected: {summary:?}"
            ))),
            None => Ok(()),
        }
    }
}

/// Whether early data became what the test expects. Of BoringSSL's reasons, one is that it was accepted.
fn early_data_fits(options: &Options, got: EarlyData) -> bool {
    let accepted = got == EarlyData::Accepted;
    let reason = options.expect_early_data_reason.as_deref();
    let unwanted = accepted && options.expect_reject_early_data;
    let missing = !accepted && options.expect_accept_early_data;
    !unwanted && !missing && reason.is_none_or(|reason| (reason == "accept") == accepted)
}

/// Nothing expected, or just this.
fn expects<T: PartialEq>(expected: &Option<T>, got: &Option<T>) -> bool {
    expected.is_none() || expected == got
}

/// Has a builder of either role compress by the runner's algorithms, which only a build for tests has.
#[cfg(pith_test)]
macro_rules! compression {
    ($builder:expr, $only:expr) => {
        $builder.compression_of_tests($only)
    };
}

/// The test was refused before.
#[cfg(not(pith_test))]
macro_rules! compression {
    ($builder:expr, $only:expr) => {{
        let _: Option<u16> = $only;
        $builder
    }};
}

fn client(
    options: &Options,
    credentials: Vec<Credential>,
    kept: &Kept,
) -> Result<Arc<ClientConfig>, Failure> {
    let psks = psks(options)?;
    let trust = match psks.is_empty() || options.verify_peer {
        true => Trust::pinned_keys(pins(options)?).map_err(refused)?,
        false => Trust::PreSharedKeys,
    };
    let protocols: Vec<_> = options.advertise_alpn.iter().map(Vec::as_slice).collect();
    let mut builder = ClientConfig::new(trust)
        .alpn(&protocols)
        .request_ocsp(options.enable_ocsp_stapling)
        .grease(options.enable_grease)
        .keep_peer_chain(keeps(options));
    if !options.no_ticket {
        builder = builder.sessions(kept.sessions.clone());
        builder = builder.early_data(options.enable_early_data);
    }
    builder = match options.accepted_peer_cert_types.as_slice() {
        [] | [0] => builder,
        [2] => builder.raw_keys(RawKeys::Only),
        [2, 0] => builder.raw_keys(RawKeys::Preferred),
        other => return Err(Unsupported(format!("-accepted-peer-cert-types {other:?}")).into()),
    };
    for credential in credentials {
        builder = builder.credential(credential);
    }
    for psk in psks {
        builder = builder.psk(psk);
    }
    if !options.tls13_ciphers.is_empty() {
        builder = builder.suites(&options.tls13_ciphers);
    }
    if !options.curves.is_empty() {
        builder = builder.groups(&options.curves);
    }
    if !options.key_shares.is_empty() {
        builder = builder.shares(&options.key_shares);
    }
    if let Some(only) = options.compression {
        builder = compression!(builder, only);
    }
    if let Some(verifier) = Verifier::new(options) {
        builder = builder.verifier(verifier);
    }
    builder.build().map_err(refused)
}

/// Whether the peer's certificates or raw key are to be compared.
fn keeps(options: &Options) -> bool {
    options.expect_peer_cert_file.is_some() || options.expect_peer_certificate_type.is_some()
}

/// The pre-shared keys of the test, in their order.
fn psks(options: &Options) -> Result<Vec<ExternalPsk>, Failure> {
    let credentials = options.new_credentials.iter();
    let psks = credentials.filter(|one| one.kind == CredentialKind::Psk);
    let role = match options.server {
        true => Role::Server,
        false => Role::Client,
    };
    let psks = psks.map(|one| {
        ExternalPsk::new(
            role,
            &one.psk_importer_identity,
            &one.psk_importer_context,
            &one.psk_importer_key,
            one.psk_importer_hash.unwrap_or(Hash::Sha256),
        )
    });
    psks.collect::<Result<_, _>>().map_err(refused)
}

/// The pins of the runner's keys, and the one of its root, whose key is the leaf's where the runner makes a fresh one. Names
/// and issuers are no matter of this suite, and BoringSSL's shim checks none.
fn pins(options: &Options) -> Result<Vec<[u8; 32]>, Failure> {
    let path =
        std::env::var_os("BOGO_PINS").ok_or_else(|| other("BOGO_PINS names no file of pins"))?;
    let pin = |line: &str| {
        let mut pin = [0; 32];
        for (place, byte) in pin.iter_mut().enumerate() {
            *byte = u8::from_str_radix(line.get(2 * place..2 * place + 2)?, 16).ok()?;
        }
        Some(pin)
    };
    let pins = fs::read_to_string(path)?
        .lines()
        .map(pin)
        .collect::<Option<Vec<_>>>();
    let mut pins = pins.ok_or_else(|| other("BOGO_PINS is no list of hashes"))?;
    // Empty where the test's certificate is garbage.
    if let Some(root) = options
        .trust_cert
        .as_deref()
        .filter(|path| !path.is_empty())
    {
        pins.push(key_pin(&CertificateDer::from_pem_file(root).map_err(other)?).map_err(refused)?);
    }
    Ok(pins)
}

fn server(
    options: &Options,
    credentials: Vec<Credential>,
    kept: &Kept,
) -> Result<Arc<ServerConfig>, Failure> {
    if options.fail_ocsp_callback {
        return Err(
            Unsupported("a server's staple is given before, not by a callback".to_owned()).into(),
        );
    }
    let psks = psks(options)?;
    if credentials.is_empty() && psks.is_empty() {
        return Err(Unsupported("a server without a certificate".to_owned()).into());
    }
    let mut builder = ServerConfig::without_certificate()
        .ask_config(
            options.use_early_callback
                || options.fail_early_callback
                || options.expect_advertised_alpn.is_some(),
        )
        .keep_peer_chain(keeps(options))
        .tickets(match options.no_ticket {
            true => Tickets::none(),
            false => kept.tickets.clone(),
        });
    for credential in credentials {
        builder = builder.credential(credential);
    }
    for psk in psks {
        builder = builder.psk(psk);
    }
    if options.enable_early_data {
        builder = builder.early_data(EARLY_DATA, kept.strikes.clone());
    }
    if let Some(scope) = &options.session_id_context {
        builder = builder.ticket_scope(scope);
    }
    if options.verify_peer || options.require_any_client_certificate {
        let trust = Trust::pinned_keys(pins(options)?).map_err(refused)?;
        builder = builder.client_auth(match options.require_any_client_certificate {
            true => ClientAuth::Required(trust),
            false => ClientAuth::Optional(trust),
        });
    }
    if let Some(only) = options.compression {
        builder = compression!(builder, only);
    }
    if let Some(verifier) = Verifier::new(options) {
        builder = builder.verifier(verifier);
    }
    if !options.tls13_ciphers.is_empty() {
        builder = builder.suites(&options.tls13_ciphers);
    }
    if !options.curves.is_empty() {
        builder = builder.groups(&options.curves);
    }
    if let Some(protocol) = &options.select_alpn {
        builder = builder.alpn(&[protocol.as_bytes()]);
    } else if options.reject_alpn {
        builder = builder.alpn(&[b"none that a test offers"]);
    }
    builder.build().map_err(refused)
}

fn chain(path: &str) -> Result<Vec<CertificateDer<'static>>, Failure> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(other)
}

/// The test's credentials, the most wanted first, with their keys.
fn credentials(options: &Options) -> Result<(Vec<Credential>, Vec<Arc<Key>>), Failure> {
    let types = &options.available_client_cert_types;
    // A client of Pith offers the types of its credentials, in their order.
    let rank = |wanted: &CredentialOptions| match (types.as_slice(), wanted.kind) {
        ([], _) | (_, CredentialKind::Psk) => Some(0),
        (types, CredentialKind::X509) => types.iter().position(|code| *code == 0),
        (types, CredentialKind::RawKey) => types.iter().position(|code| *code == 2),
    };
    let places = (0..)
        .zip(&options.new_credentials)
        .chain([(-1, &options.credential)]);
    let mut places: Vec<_> = places
        .filter(|(_, wanted)| rank(wanted).is_some())
        .collect();
    places.sort_by_key(|(_, wanted)| rank(wanted));
    let has = |kind| places.iter().any(|(_, wanted)| wanted.kind == kind);
    if types.contains(&2) && !has(CredentialKind::RawKey) {
        return Err(Unsupported("a type of which there is no credential".to_owned()).into());
    }
    let mut both = (Vec::new(), Vec::new());
    for (place, wanted) in places {
        let Some(key) = &wanted.key_file else {
            continue;
        };
        let key = PrivateKeyDer::from_pem_slice(&fs::read(key)?).map_err(other)?;
        let public = match wanted.kind {
            CredentialKind::RawKey => Some(Credential::raw_key_from_der(&key).map_err(refused)?),
            CredentialKind::X509 | CredentialKind::Psk => None,
        };
        let public = public.as_ref().and_then(Credential::raw_key);
        // Small keys of RSA are refused by the constructors.
        let key = SigningKey::from_der(&key)
            .map_err(|error| Unsupported(format!("-key-file: {error}")))?;
        let schemes = match wanted.signing_prefs.as_slice() {
            [] => key.schemes().to_vec(),
            schemes => schemes.to_vec(),
        };
        let key = Arc::new(Key {
            key,
            schemes,
            place,
            later: options.r#async,
            used: AtomicBool::new(false),
        });
        let mut credential = match (public, &wanted.cert_file) {
            (Some(public), _) => {
                let public = SubjectPublicKeyInfoDer::from(public.to_vec());
                Credential::raw_key_with_signer(public, key.clone())
            }
            (None, Some(path)) => Credential::with_signer(chain(path)?, key.clone()),
            (None, None) => continue,
        }
        .map_err(refused)?;
        let staple = wanted.ocsp_response.as_deref();
        if let Some(staple) = staple.filter(|_| !options.decline_ocsp_callback) {
            credential = credential.with_ocsp(staple);
        }
        if wanted.must_match_issuer {
            credential = credential.must_match_issuer();
        }
        both.0.push(credential);
        both.1.push(key);
    }
    Ok(both)
}

/// A signer with the schemes of `-signing-prefs`; with `-async` it makes Pith ask for the signature.
struct Key {
    key: SigningKey,
    schemes: Vec<SignatureScheme>,
    place: i32,
    later: bool,
    used: AtomicBool,
}

impl Signer for Key {
    fn schemes(&self) -> &[SignatureScheme] {
        &self.schemes
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Signature {
        self.used.store(true, Relaxed);
        if self.later {
            Signature::Later
        } else {
            Signature::Now(
                self.key
                    .sign(scheme, message)
                    .map_err(|error| Error::Local(Local::Crypto(error))),
            )
        }
    }
}

/// A verifier with the verdict of `-verify-fail`; with `-async` it makes Pith ask.
struct Verifier {
    later: bool,
    verdict: Result<(), CertificateError>,
}

impl Verifier {
    fn new(options: &Options) -> Option<Arc<Self>> {
        let verifier = Self {
            later: options.r#async,
            verdict: verdict(options),
        };
        (verifier.verdict.is_err() || options.r#async).then(|| Arc::new(verifier))
    }
}

impl ChainVerifier for Verifier {
    fn verify(&self, _: &PeerChain<'_>) -> Verdict {
        if self.later {
            Verdict::Later
        } else {
            Verdict::Now(self.verdict.clone())
        }
    }
}

fn verdict(options: &Options) -> Result<(), CertificateError> {
    let reason = if options.verify_fail {
        Reason::Rejected(PeerText::new("-verify-fail"))
    } else if options.fail_ocsp_callback {
        Reason::Status(PeerText::new("-fail-ocsp-callback"))
    } else {
        return Ok(());
    };
    Err(CertificateError::new(Which::Leaf, reason))
}

fn refused(error: ConfigError) -> Failure {
    Failure::Other(format!("the configuration was refused: {error}"))
}

fn other(what: impl ToString) -> Failure {
    Failure::Other(what.to_string())
}
