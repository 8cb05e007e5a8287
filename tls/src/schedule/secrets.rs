//! Handshake and Main secret as types that have only the derivations which are legal there; the Early Secret is in `early`.
//!
//! Each step consumes the secret before it, so a secret that the next one came from is wiped at once. There is no way to a
//! [`HandshakeSecret`] without a shared secret of a key exchange: a handshake without secret input cannot be written
//! (S03). Secrets of one direction leave as [`TrafficSecret`], which a carrier turns into keys.

use pith_crypto::hkdf::{derive_secret, expand_label, extract};
use pith_crypto::mac::hmac;
use pith_crypto::{Error, Hash, Secret};

use super::early::ResumptionSecret;
use crate::error::Fault;
use crate::suite::CipherSuite;
use crate::wire::MessageKind;

/// The secret from which the keys of one direction and level come (RFC 9846 section 7.3).
///
/// It is moved to the carrier, which is its one owner: TLS derives record keys from it, QUIC packet keys
/// (RFC 9001 section 5.1).
pub struct TrafficSecret {
    suite: CipherSuite,
    secret: Secret,
}

impl TrafficSecret {
    pub(super) fn derive(
        suite: CipherSuite,
        from: &Secret,
        label: &str,
        transcript: &[u8],
    ) -> Result<Self, Error> {
        Ok(Self {
            suite,
            secret: derive_secret(suite.hash(), from, label, transcript)?,
        })
    }

    /// The cipher suite that this secret belongs to.
    #[must_use]
    pub fn suite(&self) -> CipherSuite {
        self.suite
    }

    /// The bytes of the secret, as long as the suite's hash, for a carrier that derives keys of its own.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.secret.expose()
    }

    /// Derives a value from this secret with HKDF-Expand-Label and an empty context (RFC 9846 section 7.1).
    ///
    /// # Errors
    /// [`Error::Length`] when `out` or `label` is longer than HKDF allows.
    pub fn expand(&self, label: &str, out: &mut [u8]) -> Result<(), Error> {
        expand_label(self.suite.hash(), &self.secret, label, &[], out)
    }

    /// The secret after a KeyUpdate (RFC 9846 section 7.2).
    pub(crate) fn next(&self) -> Result<Self, Error> {
        let hash = self.suite.hash();
        Ok(Self {
            suite: self.suite,
            secret: derive_secret(hash, &self.secret, "traffic upd", &[])?,
        })
    }

    /// The key for the Finished of this direction (RFC 9846 section 4.5.3).
    pub(crate) fn finished(&self) -> Result<FinishedKey, Error> {
        FinishedKey::derive(self.suite.hash(), &self.secret)
    }
}

/// The key of a Finished message.
pub(crate) struct FinishedKey {
    hash: Hash,
    key: Secret,
}

/// That a Finished verified.
pub(crate) struct FinishedVerified(());

impl FinishedKey {
    /// From the traffic secret of its sender, or a binder key.
    pub(super) fn derive(hash: Hash, base: &Secret) -> Result<Self, Error> {
        let key = derive_secret(hash, base, "finished", &[])?;
        Ok(Self { hash, key })
    }

    /// The contents of a Finished over this transcript.
    pub(crate) fn mac(&self, transcript: &[u8]) -> Result<Secret, Error> {
        hmac(self.hash, self.key.expose(), transcript)
    }

    /// Checks the contents of the peer's Finished (rfc9846#4.5.3-1).
    pub(crate) fn check(
        &self,
        transcript: &[u8],
        contents: &[u8],
    ) -> Result<FinishedVerified, crate::error::Error> {
        if contents.len() != self.hash.len() {
            return Err(Fault::Malformed {
                message: MessageKind::Finished,
            }
            .into());
        }
        if self.mac(transcript)?.ct_eq(contents) {
            Ok(FinishedVerified(()))
        } else {
            Err(Fault::Finished.into())
        }
    }
}

/// The secrets of both directions of one level.
pub(crate) struct Traffic {
    pub(crate) client: TrafficSecret,
    pub(crate) server: TrafficSecret,
}

/// The Handshake Secret.
pub(crate) struct HandshakeSecret {
    pub(super) suite: CipherSuite,
    pub(super) secret: Secret,
}

impl HandshakeSecret {
    /// The traffic secrets of the handshake, over ClientHello to ServerHello.
    pub(crate) fn traffic(&self, transcript: &[u8]) -> Result<Traffic, Error> {
        Ok(Traffic {
            client: TrafficSecret::derive(self.suite, &self.secret, "c hs traffic", transcript)?,
            server: TrafficSecret::derive(self.suite, &self.secret, "s hs traffic", transcript)?,
        })
    }

    /// The Main Secret.
    pub(crate) fn main(self) -> Result<MainSecret, Error> {
        let hash = self.suite.hash();
        let zeros = [0; 48];
        let zeros = zeros.get(..hash.len()).ok_or(Error::Length)?;
        let secret = extract(hash, salt(hash, &self.secret)?.expose(), zeros)?;
        Ok(MainSecret {
            suite: self.suite,
            secret,
        })
    }
}

/// The Main Secret (the "master" of its labels).
pub(crate) struct MainSecret {
    suite: CipherSuite,
    secret: Secret,
}

impl MainSecret {
    /// The first traffic secrets of the application, over ClientHello to the server's Finished.
    pub(crate) fn traffic(&self, transcript: &[u8]) -> Result<Traffic, Error> {
        Ok(Traffic {
            client: TrafficSecret::derive(self.suite, &self.secret, "c ap traffic", transcript)?,
            server: TrafficSecret::derive(self.suite, &self.secret, "s ap traffic", transcript)?,
        })
    }

    /// The exporter secret, over ClientHello to the server's Finished (rfc9846#7.5-1).
    pub(crate) fn exporter(&self, transcript: &[u8]) -> Result<Secret, Error> {
        derive_secret(self.suite.hash(), &self.secret, "exp master", transcript)
    }

    /// The secret of this connection's tickets, over ClientHello to the client's Finished.
    pub(crate) fn resumption(self, transcript: &[u8]) -> Result<ResumptionSecret, Error> {
        let hash = self.suite.hash();
        let secret = derive_secret(hash, &self.secret, "res master", transcript)?;
        Ok(ResumptionSecret::new(secret))
    }
}

/// The salt of the next extraction.
pub(super) fn salt(hash: Hash, secret: &Secret) -> Result<Secret, Error> {
    derive_secret(hash, secret, "derived", of_nothing(hash))
}

/// The digest of no bytes.
pub(super) fn of_nothing(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha256 => &NOTHING_SHA256,
        Hash::Sha384 => &NOTHING_SHA384,
    }
}

const NOTHING_SHA256: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];
const NOTHING_SHA384: [u8; 48] = [
    0x38, 0xb0, 0x60, 0xa7, 0x51, 0xac, 0x96, 0x38, 0x4c, 0xd9, 0x32, 0x7e, 0xb1, 0xb1, 0xe3, 0x6a,
    0x21, 0xfd, 0xb7, 0x11, 0x14, 0xbe, 0x07, 0x43, 0x4c, 0x0c, 0xc7, 0xbf, 0x63, 0xf6, 0xe1, 0xda,
    0x27, 0x4e, 0xde, 0xbf, 0xe7, 0x6f, 0x65, 0xfb, 0xd5, 0x1a, 0xd2, 0xf1, 0x48, 0x98, 0xb9, 0x5b,
];

#[cfg(test)]
pub(super) mod tests {
    use pith_crypto::SharedSecret;

    use super::*;

    #[test]
    fn the_digest_of_nothing_is_of_no_bytes() {
        for hash in [Hash::Sha256, Hash::Sha384] {
            assert_eq!(of_nothing(hash), hash.digest(&[]).as_ref(), "{hash:?}");
        }
    }

    /// RFC 8448 section 3, "Simple 1-RTT Handshake": the secrets of every stage.
    #[test]
    fn secrets_of_the_published_trace() {
        let suite = CipherSuite::Aes128GcmSha256;
        let shared = SharedSecret::new(&hex(
            "8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d",
        ));
        let to_server_hello = "860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8";
        let to_server_finished = "9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13";
        let handshake =
            HandshakeSecret::without_psk(suite, &shared.expect("short")).expect("derives");
        assert_eq!(
            handshake.secret.expose(),
            hex("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac")
        );
        let traffic = handshake.traffic(&hex(to_server_hello)).expect("derives");
        assert_eq!(
            traffic.client.expose(),
            hex("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21")
        );
        assert_eq!(
            traffic.server.expose(),
            hex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")
        );
        let mut key = [0; 16];
        let mut iv = [0; 12];
        traffic.server.expand("key", &mut key).expect("short");
        traffic.server.expand("iv", &mut iv).expect("short");
        assert_eq!(key[..], hex("3fce516009c21727d0f2e4e86ee403bc"));
        assert_eq!(iv[..], hex("5d313eb2671276ee13000b30"));
        assert_eq!(
            traffic.server.finished().expect("derives").key.expose(),
            hex("008d3b66f816ea559f96b537e885c31fc068bf492c652f01f288a1d8cdc19fc8")
        );
        let main = handshake.main().expect("derives");
        assert_eq!(
            main.secret.expose(),
            hex("18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919")
        );
        let transcript = hex(to_server_finished);
        let traffic = main.traffic(&transcript).expect("derives");
        assert_eq!(
            traffic.client.expose(),
            hex("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
        );
        assert_eq!(
            traffic.server.expose(),
            hex("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
        );
        assert_eq!(
            main.exporter(&transcript).expect("derives").expose(),
            hex("fe22f881176eda18eb8f44529e6792c50c9a3f89452f68d8ae311b4309d3cf50")
        );
    }

    pub(in crate::schedule) fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
            .collect()
    }
}
