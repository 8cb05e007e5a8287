//! A server's choice: what both sides have in common, by the server's preference. Pure, and tested as a table.

use pith_crypto::SignatureScheme;
use pith_pq::Group;

use super::psk::{AcceptedPsk, Candidate, Key};
use crate::auth::{Credential, Wanted};
use crate::config::{ClientAuth, ServerConfig};
use crate::error::{Error, Fault};
use crate::handshake::carrier::Rules;
use crate::handshake::output::Psk;
use crate::policy::Policy;
use crate::resume::binding::Mismatch;
use crate::schedule::transcript::Transcript;
use crate::suite::CipherSuite;
use crate::wire::client_hello::ClientHello;
use crate::wire::encrypted_extensions::NegotiatedTypes;
use crate::wire::registry::CertificateType;
use crate::wire::{ExtensionType, MessageKind};

/// What a server chose.
pub(super) struct Choice {
    pub(super) suite: CipherSuite,
    pub(super) group: Group,
    pub(super) auth: Auth,
    pub(super) protocol: Option<Box<[u8]>>,
    /// What is said about certificate types.
    pub(super) types: NegotiatedTypes,
    /// Why a key that is known was passed over, if one was.
    pub(super) refused: Option<Mismatch>,
}

impl Choice {
    /// Adds the hello to the transcript, and checks on the way the binder of the pre-shared key that was chosen, if one was (see
    /// [`Candidate::verify`]).
    pub(super) fn verify_psk(
        &self,
        hello: &ClientHello<'_>,
        whole: &[u8],
        transcript: &mut Transcript,
    ) -> Result<Option<AcceptedPsk>, Error> {
        match &self.auth {
            Auth::Certificate(_) => {
                transcript.add(whole);
                Ok(None)
            }
            Auth::Psk(candidate) => candidate.verify(hello, whole, transcript).map(Some),
        }
    }
}

/// What shows who this server is.
pub(super) enum Auth {
    Certificate(Shown),
    Psk(Candidate),
}

/// A certificate or raw key.
pub(super) struct Shown {
    pub(super) credential: Credential,
    pub(super) scheme: SignatureScheme,
    /// What the client is asked for, if for anything.
    pub(super) request: Option<CertificateType>,
}

impl Auth {
    /// Whether tickets may follow. An external key does all that a ticket could, and can be taken away.
    pub(super) fn allows_tickets(&self) -> bool {
        !matches!(self, Self::Psk(candidate) if matches!(candidate.key, Key::Imported(_)))
    }

    /// What the summary tells of the pre-shared key.
    pub(super) fn summary(&self) -> Option<Psk> {
        match self {
            Self::Certificate(_) => None,
            Self::Psk(candidate) => Some(candidate.key.summary()),
        }
    }
}

/// Chooses, or says what is not in common (rfc9846#2.1-1, rfc9846#4.2.1-1, rfc9846#4.2.1-4). A code that is not known
/// is equal to none of ours, and so passed over (rfc9846#4.2.2-10, rfc9846#9.3-4). `known` are the client's pre-shared keys: the
/// first that fits takes the place of a certificate, and the suite is one for its hash (rfc9846#4.3.11-3).
pub(super) fn negotiate(
    hello: &ClientHello<'_>,
    config: &ServerConfig,
    rules: Rules,
    mut known: impl Iterator<Item = Candidate>,
) -> Result<Choice, Fault> {
    let common = || {
        let own = config.suites.iter().copied();
        own.filter(|suite| hello.suites.contains(suite.code()))
    };
    let suite = common().next().ok_or(Fault::NoCommonSuite)?;
    let group = group(hello, &config.groups).ok_or_else(|| no_group(hello, config.policy))?;
    let protocol = protocol(hello, &config.protocols, rules)?;
    let mut refused = None;
    let resumed = known.find_map(|candidate| {
        let Some(suite) = common().find(|suite| candidate.key.is_for(suite.hash())) else {
            refused = Some(Mismatch::Hash);
            return None;
        };
        let name = hello.server_name.as_ref().map(AsRef::as_ref);
        let now = config.origin.binding(name, suite, group, rules);
        match candidate.key.mismatch(&now) {
            None => Some((suite, candidate)),
            mismatch => {
                refused = mismatch;
                None
            }
        }
    });
    let mut types = NegotiatedTypes::default();
    let (suite, auth) = match resumed {
        Some((suite, candidate)) => {
            // No certificate follows, but rustls and BoringSSL refuse a server that does not say again what it would show.
            let kinds = types_of(hello);
            let would_show =
                Credential::choose(&config.credentials, &wanted(hello, config, &kinds));
            types.server = would_show.map(|(credential, _)| credential.kind());
            refused = None;
            (suite, Auth::Psk(candidate))
        }
        None => {
            let shown = shown(hello, config)?;
            // rfc7250#4.2-1
            types.client = hello.client_certificate_types.and(shown.request);
            types.server = Some(shown.credential.kind());
            (suite, Auth::Certificate(shown))
        }
    };
    types.server = hello.server_certificate_types.and(types.server);
    Ok(Choice {
        suite,
        group,
        auth,
        protocol,
        types,
        refused,
    })
}

/// The credential to show to this client, and what it is asked for.
fn shown(hello: &ClientHello<'_>, config: &ServerConfig) -> Result<Shown, Fault> {
    if config.credentials.is_empty() {
        return Err(Fault::UnknownPsk);
    }
    // rfc9846#4.3.3-3
    if !hello.offers(ExtensionType::SIGNATURE_ALGORITHMS) {
        return Err(Fault::MissingExtension {
            extension: ExtensionType::SIGNATURE_ALGORITHMS,
            message: MessageKind::ClientHello,
        });
    }
    let kinds = types_of(hello);
    let wanted = wanted(hello, config, &kinds);
    let request = request(hello, &config.client_auth)?;
    // rfc9846#4.5.2-4, rfc7250#4.2-5
    let chosen = Credential::choose(&config.credentials, &wanted);
    let (credential, scheme) = chosen.ok_or_else(|| no_credential(&kinds, &config.credentials))?;
    Ok(Shown {
        credential: credential.clone(),
        scheme,
        request,
    })
}

/// What the client wants of a credential of one of these kinds.
fn wanted<'a>(
    hello: &'a ClientHello<'_>,
    config: &ServerConfig,
    kinds: &'a [CertificateType],
) -> Wanted<'a> {
    Wanted {
        kinds,
        name: hello.server_name.as_ref(),
        schemes: hello.signature_schemes,
        chain_schemes: hello.chain_schemes,
        policy: config.policy,
        authorities: hello.authorities,
    }
}

/// The certificate types that a client takes of its server.
fn types_of(hello: &ClientHello<'_>) -> Vec<CertificateType> {
    types(hello.server_certificate_types).collect()
}

/// The certificate types that a client takes, or shows, most wanted first; a client that says nothing knows X.509 alone.
fn types(offered: Option<&[u8]>) -> impl Iterator<Item = CertificateType> {
    let codes = offered.unwrap_or(&[0]).iter();
    codes.filter_map(|code| CertificateType::from_code(*code))
}

/// The type of certificate to ask the client for: the first of its own that our trust can judge (rfc7250#4.2-2, rfc7250#4.2-4).
/// Where there is none, a client that need not authenticate is not asked.
fn request(
    hello: &ClientHello<'_>,
    client_auth: &ClientAuth,
) -> Result<Option<CertificateType>, Fault> {
    let Some(trust) = client_auth.trust() else {
        return Ok(None);
    };
    let taken = trust.certificate_types();
    match types(hello.client_certificate_types).find(|kind| taken.contains(kind)) {
        None if matches!(client_auth, ClientAuth::Required(_)) => {
            Err(Fault::NoCommonCertificateType)
        }
        found => Ok(found),
    }
}

fn no_credential(kinds: &[CertificateType], own: &[Credential]) -> Fault {
    match own.iter().any(|own| kinds.contains(&own.kind())) {
        true => Fault::NoCommonSignatureScheme,
        false => Fault::NoCommonCertificateType,
    }
}

/// A post-quantum group that the client names is worth a round trip (P07); a classical one is not, where the client sent a
/// share of another. What the client does not name is never taken (rfc9846#4.3.8-11).
fn group(hello: &ClientHello<'_>, own: &[Group]) -> Option<Group> {
    let common = || {
        own.iter()
            .copied()
            .filter(|group| hello.groups.contains(group.code()))
    };
    let shared = |group: &Group| hello.share(*group).is_some();
    let post_quantum = || common().filter(|group| group.is_post_quantum());
    post_quantum()
        .find(shared)
        .or_else(|| post_quantum().next())
        .or_else(|| common().find(shared))
        .or_else(|| common().next())
}

/// RFC 9846 section 6.2 keeps insufficient_security for a server that wants more than its client has. Such is a policy without
/// classical groups, where the client names none that it allows; any other pair just does not fit.
fn no_group(hello: &ClientHello<'_>, policy: &Policy) -> Fault {
    let mut allowed = policy.groups.iter().chain(policy.groups_on_request);
    match policy.allows_classical() || allowed.any(|group| hello.groups.contains(group.code())) {
        true => Fault::NoCommonGroup,
        false => Fault::WeakGroups,
    }
}

/// RFC 7301 section 3.2: a client that offers protocols gets one of them or an error.
fn protocol(
    hello: &ClientHello<'_>,
    own: &[Vec<u8>],
    rules: Rules,
) -> Result<Option<Box<[u8]>>, Fault> {
    let chosen = own
        .iter()
        .find(|name| hello.protocols.contains(&name.as_slice()));
    let may_go_without = (own.is_empty() || hello.protocols.is_empty()) && !rules.needs_protocol();
    match chosen {
        Some(name) => Ok(Some(name.as_slice().into())),
        None if may_go_without => Ok(None),
        None => Err(Fault::NoCommonProtocol),
    }
}
