//! The running hash over the messages of a handshake (RFC 9846 section 4.1).

use pith_crypto::{Digest, Hash, Hasher};

use crate::wire::MESSAGE_HEADER;

/// The transcript of one handshake, once its hash is known.
pub(crate) struct Transcript(Hasher);

impl Transcript {
    /// A transcript that begins with a ClientHello.
    pub(crate) fn new(hash: Hash, client_hello: &[u8]) -> Self {
        let mut hasher = Hasher::new(hash);
        hasher.update(client_hello);
        Self(hasher)
    }

    /// A transcript that begins with a first ClientHello, put in its place by a digest of it, and the HelloRetryRequest.
    pub(crate) fn retried(hash: Hash, first: &[u8], retry: &[u8]) -> Self {
        let digest = hash.digest(first);
        // The synthetic message `message_hash`: its type, and a length that is the hash's.
        let length = u8::try_from(hash.len()).unwrap_or(u8::MAX);
        let header: [u8; MESSAGE_HEADER] = [254, 0, 0, length];
        let mut hasher = Hasher::new(hash);
        hasher.update(&header);
        hasher.update(digest.as_ref());
        hasher.update(retry);
        Self(hasher)
    }

    /// Adds a message, header included.
    pub(crate) fn add(&mut self, message: &[u8]) {
        self.0.update(message);
    }

    /// The hash of all that was added so far and these bytes, which are not added: the beginning of a hello, up to its binders.
    pub(crate) fn digest_with(&self, beginning: &[u8]) -> Digest {
        let mut hasher = self.0.clone();
        hasher.update(beginning);
        hasher.fork()
    }

    /// The hash of all that was added so far.
    pub(crate) fn digest(&self) -> Digest {
        self.0.fork()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_replaces_the_first_hello_by_its_digest() {
        for hash in [Hash::Sha256, Hash::Sha384] {
            let (first, retry, second) = (b"first hello", b"retry", b"second hello");
            let mut transcript = Transcript::retried(hash, first, retry);
            transcript.add(second);
            let length = u8::try_from(hash.len()).expect("short");
            let synthetic = [&[254, 0, 0, length][..], hash.digest(first).as_ref()].concat();
            let whole = [&synthetic[..], retry, second].concat();
            assert_eq!(transcript.digest(), hash.digest(&whole));
            let longer = [&whole[..], b"third"].concat();
            assert_eq!(transcript.digest_with(b"third"), hash.digest(&longer));
            assert_eq!(transcript.digest(), hash.digest(&whole), "not added");
        }
    }
}
