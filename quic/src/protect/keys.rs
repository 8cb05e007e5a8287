//! Secrets → keys of one direction and level, and the count of forged packets over all keys.
//!
//! A level has keys or it does not: [`Keys`] says which, and there is no packet without keys. Secrets and keys are wiped when they are dropped.

use pith_crypto::hkdf::{expand_label, extract};
use pith_crypto::{
    Aead, Error, Hash, HeaderKey, PacketOpeningKey, PacketSealingKey, Secret, Wiped,
};
use pith_tls::{CipherSuite, TrafficSecret};

use crate::Fault;
use crate::wire::Version;

/// The keys of one direction and level.
pub(crate) enum Keys<T> {
    /// They are not known yet.
    Absent,
    Ready(T),
    /// They were dropped and never come back.
    Discarded,
}

/// Seals the packets that this side sends at one level.
pub(crate) struct Sealer {
    pub(super) header: LazyHeader,
    pub(super) packet: PacketSealingKey,
}

/// A key for header protection whose schedule is made when it is needed: it takes half a KiB, which a connection that rests can do without.
pub(super) struct LazyHeader {
    aead: Aead,
    bytes: Wiped<32>,
    key: Option<Box<HeaderKey>>,
}

/// Opens the packets that the peer sends at one level.
pub(crate) struct Opener {
    pub(super) header: HeaderKey,
    pub(super) packet: PacketOpeningKey,
}

/// What the keys of one direction and level are derived from.
pub(crate) struct PacketSecret {
    version: Version,
    suite: CipherSuite,
    secret: Secret,
}

/// Counts the packets of a connection that did not open, whatever the key (rfc9001#6.6-5).
#[derive(Debug)]
pub(crate) struct Forgeries {
    failed: u64,
    limit: u64,
}

impl<T> Keys<T> {
    pub(crate) fn ready(&self) -> Option<&T> {
        match self {
            Self::Ready(keys) => Some(keys),
            Self::Absent | Self::Discarded => None,
        }
    }

    pub(crate) fn ready_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Ready(keys) => Some(keys),
            Self::Absent | Self::Discarded => None,
        }
    }

    /// Keys come once: what was discarded stays so.
    pub(crate) fn install(&mut self, keys: T) {
        if matches!(self, Self::Absent) {
            *self = Self::Ready(keys);
        }
    }

    pub(crate) fn discard(&mut self) {
        *self = Self::Discarded;
    }

    pub(crate) fn is_discarded(&self) -> bool {
        matches!(self, Self::Discarded)
    }
}

impl PacketSecret {
    /// From what the handshake gave.
    pub(crate) fn new(version: Version, secret: &TrafficSecret) -> Result<Self, Error> {
        Ok(Self {
            version,
            suite: secret.suite(),
            secret: Secret::new(secret.expose())?,
        })
    }

    /// What protects Initial packets, the client's and the server's, from the destination connection id of the client's first
    /// Initial packet, or of a Retry packet's source (RFC 9001 section 5.2). Whoever sees that id can open them (rfc9001#5.2-1).
    pub(crate) fn initial(version: Version, dcid: &[u8]) -> Result<(Self, Self), Error> {
        let initial = extract(Hash::Sha256, version.initial_salt(), dcid)?;
        let derive = |label| {
            let secret = Secret::filled(Hash::Sha256.len(), |out| {
                expand_label(Hash::Sha256, &initial, label, &[], out)
            })?;
            Ok(Self {
                version,
                suite: CipherSuite::Aes128GcmSha256,
                secret,
            })
        };
        Ok((derive("client in")?, derive("server in")?))
    }

    pub(crate) fn aead(&self) -> Aead {
        self.suite.aead()
    }

    /// Keys for sending, each for at most `limit` packets and never more than its AEAD's limit.
    pub(crate) fn sealer(&self, limit: u64) -> Result<Sealer, Error> {
        Ok(Sealer {
            header: self.lazy_header()?,
            packet: self.sealing_key(limit)?,
        })
    }

    /// Keys for receiving.
    pub(crate) fn opener(&self) -> Result<Opener, Error> {
        Ok(Opener {
            header: self.header_key()?,
            packet: self.opening_key()?,
        })
    }

    /// The secret after a key update. Header protection is not updated.
    pub(super) fn next(&self) -> Result<Self, Error> {
        let hash = self.suite.hash();
        let label = self.version.labels().update;
        Ok(Self {
            version: self.version,
            suite: self.suite,
            secret: Secret::filled(hash.len(), |out| {
                expand_label(hash, &self.secret, label, &[], out)
            })?,
        })
    }

    pub(super) fn sealing_key(&self, limit: u64) -> Result<PacketSealingKey, Error> {
        let (key, iv) = self.key_and_iv()?;
        PacketSealingKey::new(self.aead(), key.expose(), iv.expose(), limit)
    }

    pub(super) fn opening_key(&self) -> Result<PacketOpeningKey, Error> {
        let (key, iv) = self.key_and_iv()?;
        PacketOpeningKey::new(self.aead(), key.expose(), iv.expose())
    }

    pub(super) fn header_key(&self) -> Result<HeaderKey, Error> {
        HeaderKey::new(self.aead(), self.header_bytes()?.expose())
    }

    /// The same key, without a schedule yet.
    pub(super) fn lazy_header(&self) -> Result<LazyHeader, Error> {
        Ok(LazyHeader {
            aead: self.aead(),
            bytes: self.header_bytes()?,
            key: None,
        })
    }

    fn header_bytes(&self) -> Result<Wiped<32>, Error> {
        self.expand(self.version.labels().header, self.aead().key_len())
    }

    fn key_and_iv(&self) -> Result<(Wiped<32>, Wiped<12>), Error> {
        let labels = self.version.labels();
        Ok((
            self.expand(labels.key, self.aead().key_len())?,
            self.expand(labels.iv, pith_crypto::aead::IV_LEN)?,
        ))
    }

    fn expand<const N: usize>(&self, label: &str, length: usize) -> Result<Wiped<N>, Error> {
        Wiped::filled(length, |out| {
            expand_label(self.suite.hash(), &self.secret, label, &[], out)
        })
    }
}

impl LazyHeader {
    pub(super) fn key(&mut self) -> Result<&HeaderKey, Error> {
        if self.key.is_none() {
            self.key = Some(Box::new(HeaderKey::new(self.aead, self.bytes.expose())?));
        }
        let missing = Error::Internal("a header key");
        self.key.as_deref().ok_or(missing)
    }

    /// Gives the schedule back.
    pub(super) fn rest(&mut self) {
        self.key = None;
    }
}

impl Forgeries {
    /// None so far, and at most `limit`; Initial packets are protected with AES-128-GCM.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            failed: 0,
            limit: limit.min(Aead::Aes128Gcm.forgery_limit()),
        }
    }

    /// Keeps to the limit of this AEAD too.
    pub(crate) fn restrict(&mut self, aead: Aead) {
        self.limit = self.limit.min(aead.forgery_limit());
    }

    /// Counts one more.
    ///
    /// # Errors
    /// [`Fault::IntegrityLimit`] past the limit: the connection is over (rfc9001#6.6-6).
    pub(crate) fn count(&mut self) -> Result<(), Fault> {
        self.failed = self.failed.saturating_add(1);
        if self.failed > self.limit {
            Err(Fault::IntegrityLimit)
        } else {
            Ok(())
        }
    }
}

pith_crypto::assert_neither_debug_nor_clone!(
    Keys<Sealer>,
    Sealer,
    LazyHeader,
    Opener,
    PacketSecret
);

#[cfg(test)]
impl PacketSecret {
    pub(super) fn from_parts(version: Version, suite: CipherSuite, secret: Secret) -> Self {
        Self {
            version,
            suite,
            secret,
        }
    }

    pub(super) fn exposes(&self, bytes: &[u8]) -> bool {
        self.secret.ct_eq(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn keys_come_once_and_go_for_good() {
        let mut keys = Keys::Absent;
        assert!(keys.ready().is_none() && !keys.is_discarded());
        keys.install(1);
        keys.install(2);
        assert_eq!(keys.ready(), Some(&1));
        assert_eq!(keys.ready_mut(), Some(&mut 1));
        keys.discard();
        keys.install(3);
        assert!(keys.ready_mut().is_none() && keys.is_discarded());
        let mut never: Keys<u8> = Keys::Absent;
        never.discard();
        never.install(1);
        assert!(never.ready().is_none());
    }

    #[test]
    fn a_header_key_is_made_by_need_and_gone_when_it_rests() {
        let secret = Secret::new(&[7; 32]).unwrap();
        let suite = CipherSuite::ChaCha20Poly1305Sha256;
        let secret = PacketSecret::from_parts(Version::V1, suite, secret);
        let mut header = secret.lazy_header().unwrap();
        for _ in 0..2 {
            assert!(header.key.is_none());
            assert!(header.key().is_ok());
            assert!(header.key.is_some());
            header.rest();
        }
    }

    #[test]
    fn forgeries_end_the_connection_past_their_limit() {
        let mut forgeries = Forgeries::new(3);
        for _ in 0..3 {
            assert_eq!(forgeries.count(), Ok(()));
        }
        assert_eq!(forgeries.count(), Err(Fault::IntegrityLimit));
        assert_eq!(Fault::IntegrityLimit.code(), Code::AEAD_LIMIT_REACHED);
        forgeries.failed = u64::MAX;
        assert_eq!(forgeries.count(), Err(Fault::IntegrityLimit));
    }

    #[test]
    fn the_lowest_integrity_limit_counts() {
        let mut forgeries = Forgeries::new(u64::MAX);
        assert_eq!(forgeries.limit, 1 << 52);
        forgeries.restrict(Aead::ChaCha20Poly1305);
        assert_eq!(forgeries.limit, 1 << 36);
        forgeries.restrict(Aead::Aes256Gcm);
        assert_eq!(forgeries.limit, 1 << 36);
    }
}
