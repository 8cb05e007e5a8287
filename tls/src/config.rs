//! What a client and a server are configured with: built once, shared by all connections.
//!
//! The defaults are the ones to use: those of the policy [`V2026_11`]. What cannot work, and what the policy does not allow, is
//! refused when it is built, and not in the middle of a handshake.

mod client;
mod server;

use std::sync::Arc;

use pith_crypto::Hash;
use pith_pq::Group;

use crate::auth::compress::Algorithm;
use crate::auth::{ChainCache, ConfigError, Credential};
use crate::event::{Observer, Role};
use crate::keylog::KeyLog;
use crate::limits;
use crate::policy::{Policy, V2026_11};
use crate::record::shape::{LARGEST, SMALLEST_LIMIT};
use crate::resume::{ExternalPsk, ImportedPsk};
use crate::suite::CipherSuite;

pub use client::{ClientConfig, ClientConfigBuilder, RawKeys};
pub(crate) use server::Replays;
pub use server::{ClientAuth, ServerConfig, ServerConfigBuilder};

/// What both roles have.
struct Common {
    policy: &'static Policy,
    observer: Option<Arc<dyn Observer>>,
    suites: Option<Vec<CipherSuite>>,
    groups: Option<Vec<Group>>,
    protocols: Vec<Vec<u8>>,
    records: Records,
    known_chains: usize,
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
            known_chains: 0,
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

    fn known_chains(&self) -> Result<Option<ChainCache>, ConfigError> {
        match self.known_chains {
            0 => Ok(None),
            most @ 1..=limits::KNOWN_CHAINS => Ok(Some(ChainCache::new(most))),
            got => Err(ConfigError::TooMany {
                what: "chains to remember",
                limit: limits::KNOWN_CHAINS,
                got,
            }),
        }
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

        /// Remembers at most so many of the peers' chains that were accepted, for up to an hour ([`limits::CHAIN_LIFETIME`](crate::limits::CHAIN_LIFETIME)) and no
        /// longer than certificates and revocation lists are good, so that the next connection to the same peer does without the
        /// signatures in them. That the peer holds its key is always checked, and a verifier always asked. 0, none, by default;
        /// [`limits::KNOWN_CHAINS`](crate::limits::KNOWN_CHAINS) at the most. It does nothing for keys that are pinned, which take no signature.
        ///
        /// A configuration does not learn of revocations after it was made, with or without: replace it when there are new lists.
        ///
        /// ```
        /// # use std::sync::Arc;
        /// # use pith_tls::{ClientAuth, ClientConfig, ConfigError, Credential, ServerConfig, Trust};
        /// fn client(roots: Trust) -> Result<Arc<ClientConfig>, ConfigError> {
        ///     ClientConfig::new(roots).known_chains(256).build()
        /// }
        ///
        /// fn server(own: Credential, roots: Trust) -> Result<Arc<ServerConfig>, ConfigError> {
        ///     let server = ServerConfig::new(own).client_auth(ClientAuth::Required(roots));
        ///     server.known_chains(1024).build()
        /// }
        /// ```
        pub fn known_chains(mut self, most: usize) -> Self {
            self.common.known_chains = most;
            self
        }

        /// Whether certificates may be compressed (RFC 8879), both ways: as it is, if this build has an algorithm for it. zlib
        /// is one by default; brotli and zstd are features.
        pub fn certificate_compression(mut self, allow: bool) -> Self {
            self.common.compression = if allow { Algorithm::ALL } else { &[] };
            self
        }

        /// Compresses certificates by the algorithms of BoringSSL's tests, or the one of this code.
        #[cfg(pith_test)]
        pub fn compression_of_tests(mut self, only: Option<u16>) -> Self {
            let all = $crate::auth::compress::of_tests::ALL;
            let one = all.iter().position(|own| Some(own.code()) == only);
            let one = one.and_then(|place| all.get(place..)?.get(..1));
            self.common.compression = one.unwrap_or(all);
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

use {psk_options, record_options};

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

/// Neither side can be without both certificates and keys.
const NO_PSK: ConfigError = ConfigError::Empty {
    what: "pre-shared key",
};
