//! The Early Secret: what a pre-shared key gives before any key exchange (RFC 9846 sections 4.3.11.2 and 7.1).
//!
//! Without a pre-shared key it has one use, to go on to the [`HandshakeSecret`]; so that is another type than [`PskSecret`],
//! which has binders, early data and an early exporter too. Two values tell what a peer has shown: [`BinderVerified`] that it
//! holds a key that this server accepts, [`PskInUse`] that a handshake's secrets come from one. Both are made here alone.

use pith_crypto::hkdf::{derive_secret, expand_label, extract};
use pith_crypto::{Error, Hash, Secret, SharedSecret};

use super::secrets::{FinishedKey, HandshakeSecret, TrafficSecret, of_nothing, salt};
use crate::error::Fault;
use crate::suite::CipherSuite;

/// Where a pre-shared key comes from; it decides the label of its binder (RFC 9258 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PskOrigin {
    /// A ticket.
    Ticket,
    /// Imported from an external key. There are no others: an external key is never used as it is (T07).
    Imported,
}

/// The Early Secret of a pre-shared key.
pub(crate) struct PskSecret {
    hash: Hash,
    origin: PskOrigin,
    early: Secret,
}

/// That a binder verified.
#[must_use]
pub(crate) struct BinderVerified(());

/// That the secrets of a handshake come from a pre-shared key, so that a Finished under them proves that its sender holds it.
#[must_use]
pub(crate) struct PskInUse(());

/// The secret from which the keys of a connection's tickets come.
pub(crate) struct ResumptionSecret(Secret);

impl PskSecret {
    /// From a pre-shared key for this hash.
    pub(crate) fn new(hash: Hash, origin: PskOrigin, psk: &Secret) -> Result<Self, Error> {
        Ok(Self {
            hash,
            origin,
            early: extract(hash, zeros(hash)?, psk.expose())?,
        })
    }

    /// The hash that this key is for.
    pub(crate) fn hash(&self) -> Hash {
        self.hash
    }

    /// The binder over this transcript, which ends before the list of binders.
    pub(crate) fn binder(&self, transcript: &[u8]) -> Result<Secret, Error> {
        self.binder_key()?.mac(transcript)
    }

    /// Checks a binder (rfc9846#4.3.11-4, rfc9846#4.3.11-5), in time that does not depend on its bytes (T05).
    pub(crate) fn check_binder(
        &self,
        transcript: &[u8],
        binder: &[u8],
    ) -> Result<BinderVerified, crate::error::Error> {
        match self.binder(transcript)?.ct_eq(binder) {
            true => Ok(BinderVerified(())),
            false => Err(Fault::Binder.into()),
        }
    }

    /// The secret of early data, over the ClientHello.
    pub(crate) fn traffic(
        &self,
        suite: CipherSuite,
        transcript: &[u8],
    ) -> Result<TrafficSecret, Error> {
        TrafficSecret::derive(suite, &self.early, "c e traffic", transcript)
    }

    /// The secret of the early exporter, over the ClientHello (RFC 9846 section 7.5).
    pub(crate) fn exporter(&self, transcript: &[u8]) -> Result<Secret, Error> {
        derive_secret(self.hash, &self.early, "e exp master", transcript)
    }

    /// The Handshake Secret. A key exchange is always there too (rfc9846#4.3.9-7).
    pub(crate) fn handshake(
        self,
        suite: CipherSuite,
        shared: &SharedSecret,
    ) -> Result<(HandshakeSecret, PskInUse), Error> {
        if suite.hash() != self.hash {
            return Err(Error::Length);
        }
        let secret = HandshakeSecret::from_early(suite, &self.early, shared)?;
        Ok((secret, PskInUse(())))
    }

    fn binder_key(&self) -> Result<FinishedKey, Error> {
        let label = match self.origin {
            PskOrigin::Ticket => "res binder",
            PskOrigin::Imported => "imp binder",
        };
        let base = derive_secret(self.hash, &self.early, label, of_nothing(self.hash))?;
        FinishedKey::derive(self.hash, &base)
    }
}

impl HandshakeSecret {
    /// From the shared secret of a key exchange, without a pre-shared key.
    pub(crate) fn without_psk(suite: CipherSuite, shared: &SharedSecret) -> Result<Self, Error> {
        Self::from_salt(suite, no_psk(suite.hash()), shared)
    }

    fn from_early(
        suite: CipherSuite,
        early: &Secret,
        shared: &SharedSecret,
    ) -> Result<Self, Error> {
        let salt = salt(suite.hash(), early)?;
        Self::from_salt(suite, salt.expose(), shared)
    }

    fn from_salt(suite: CipherSuite, salt: &[u8], shared: &SharedSecret) -> Result<Self, Error> {
        let secret = extract(suite.hash(), salt, shared.expose())?;
        Ok(Self { suite, secret })
    }
}

impl ResumptionSecret {
    pub(super) fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The pre-shared key of the ticket with this nonce (RFC 9846 section 4.7.1).
    pub(crate) fn psk(&self, hash: Hash, nonce: &[u8]) -> Result<Secret, Error> {
        Secret::filled(hash.len(), |out| {
            expand_label(hash, &self.0, "resumption", nonce, out)
        })
    }
}

/// What goes on from an Early Secret without a pre-shared key: no secret, and always the same.
fn no_psk(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha256 => &NO_PSK_SHA256,
        Hash::Sha384 => &NO_PSK_SHA384,
    }
}

/// The key that stands for none.
fn zeros(hash: Hash) -> Result<&'static [u8], Error> {
    const ZEROS: [u8; 48] = [0; 48];
    ZEROS.get(..hash.len()).ok_or(Error::Length)
}

const NO_PSK_SHA256: [u8; 32] = [
    0x6f, 0x26, 0x15, 0xa1, 0x08, 0xc7, 0x02, 0xc5, 0x67, 0x8f, 0x54, 0xfc, 0x9d, 0xba, 0xb6, 0x97,
    0x16, 0xc0, 0x76, 0x18, 0x9c, 0x48, 0x25, 0x0c, 0xeb, 0xea, 0xc3, 0x57, 0x6c, 0x36, 0x11, 0xba,
];
const NO_PSK_SHA384: [u8; 48] = [
    0x15, 0x91, 0xda, 0xc5, 0xcb, 0xbf, 0x03, 0x30, 0xa4, 0xa8, 0x4d, 0xe9, 0xc7, 0x53, 0x33, 0x0e,
    0x92, 0xd0, 0x1f, 0x0a, 0x88, 0x21, 0x4b, 0x44, 0x64, 0x97, 0x2f, 0xd6, 0x68, 0x04, 0x9e, 0x93,
    0xe5, 0x2f, 0x2b, 0x16, 0xfa, 0xd9, 0x22, 0xfd, 0xc0, 0x58, 0x44, 0x78, 0x42, 0x8f, 0x28, 0x2b,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::secrets::tests::hex;

    #[test]
    fn no_pre_shared_key_is_one_of_zeros() {
        for hash in [Hash::Sha256, Hash::Sha384] {
            let zeros = zeros(hash).expect("long enough");
            let early = extract(hash, zeros, zeros).expect("derives");
            let salt = salt(hash, &early).expect("derives");
            assert!(salt.ct_eq(no_psk(hash)), "{hash:?}");
        }
    }

    /// RFC 8448 section 4, "Resumed 0-RTT Handshake".
    #[test]
    fn secrets_of_the_published_resumption() {
        let suite = CipherSuite::Aes128GcmSha256;
        let resumption = ResumptionSecret::new(
            Secret::new(&hex(
                "7df235f2031d2a051287d02b0241b0bfdaf86cc856231f2d5aba46c434ec196c",
            ))
            .expect("short"),
        );
        let psk = resumption.psk(Hash::Sha256, &[0, 0]).expect("derives");
        assert_eq!(
            psk.expose(),
            hex("4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3")
        );
        let psk = PskSecret::new(Hash::Sha256, PskOrigin::Ticket, &psk).expect("derives");
        assert_eq!(
            psk.early.expose(),
            hex("9b2188e9b2fc6d64d71dc329900e20bb41915000f678aa839cbb797cb7d8332c")
        );
        let to_identities = hex("63224b2e4573f2d3454ca84b9d009a04f6be9e05711a8396473aefa01e924a14");
        let binder = hex("3add4fb2d8fdf822a0ca3cf7678ef5e88dae990141c5924d57bb6fa31b9e5f9d");
        assert_eq!(
            psk.binder(&to_identities).expect("derives").expose(),
            binder
        );
        assert!(psk.check_binder(&to_identities, &binder).is_ok());
        for at in 0..binder.len() {
            let mut other = binder.clone();
            other[at] ^= 1;
            let got = psk.check_binder(&to_identities, &other).err();
            assert_eq!(got, Some(Fault::Binder.into()), "byte {at}");
        }
        let to_hello = hex("08ad0fa05d7c7233b1775ba2ff9f4c5b8b59276b7f227f13a976245f5d960913");
        assert_eq!(
            psk.traffic(suite, &to_hello).expect("derives").expose(),
            hex("3fbbe6a60deb66c30a32795aba0eff7eaa10105586e7be5c09678d63b6caab62")
        );
        assert_eq!(
            psk.exporter(&to_hello).expect("derives").expose(),
            hex("b2026866610937d7423e5be90862ccf24c0e6091186d34f812089ff5be2ef7df")
        );
        let shared = SharedSecret::new(&hex(
            "f44194756ff9ec9d25180635d66ea6824c6ab3bf179977be37f723570e7ccb2e",
        ));
        let (handshake, _) = psk
            .handshake(suite, &shared.expect("short"))
            .expect("derives");
        let to_server_hello =
            hex("f736cb34fe25e701551bee6fd24c1cc7102a7daf9405cb15d97aafe16f757d03");
        assert_eq!(
            handshake
                .traffic(&to_server_hello)
                .expect("derives")
                .client
                .expose(),
            hex("2faac08f851d35fea3604fcb4de82dc62c9b164a70974d0462e27f1ab278700f")
        );
    }

    /// RFC 9258 section 5.2: one key under two labels has two binders.
    #[test]
    fn an_imported_key_is_bound_by_another_label() {
        let psk = Secret::new(&[7; 32]).expect("short");
        let [ticket, imported] = [PskOrigin::Ticket, PskOrigin::Imported].map(|origin| {
            let secret = PskSecret::new(Hash::Sha256, origin, &psk).expect("derives");
            secret.binder(&[1; 32]).expect("derives")
        });
        assert!(!ticket.ct_eq(imported.expose()));
    }

    #[test]
    fn a_key_of_another_hash_gives_no_handshake_secret() {
        let psk = Secret::new(&[7; 32]).expect("short");
        let shared = SharedSecret::new(&[9; 32]).expect("short");
        let secret = PskSecret::new(Hash::Sha256, PskOrigin::Ticket, &psk).expect("derives");
        let got = secret.handshake(CipherSuite::Aes256GcmSha384, &shared);
        assert_eq!(got.err(), Some(Error::Length));
    }
}
