//! The running hash over the messages of a handshake (RFC 9846 section 4.1).

use pith_crypto::{Digest, Hash, Hasher};

use crate::wire::MESSAGE_HEADER;

/// The transcript of one handshake, once its hash is known. A clone goes on by itself.
#[derive(Clone)]
pub(crate) struct Transcript {
    hasher: Hasher,
    /// The hash, where nothing was added since it was taken: a server's Finished is the end of what two of its uses cover.
    taken: Option<Digest>,
}

impl Transcript {
    /// A transcript that begins with a ClientHello.
    pub(crate) fn new(hash: Hash, client_hello: &[u8]) -> Self {
        let mut hasher = Hasher::new(hash);
        hasher.update(client_hello);
        Self {
            hasher,
            taken: None,
        }
    }

    /// After a HelloRetryRequest: all that was added so far, a first ClientHello, gives way to its digest.
    pub(crate) fn retried(&mut self, retry: &[u8]) -> Self {
        let (hash, digest) = (self.hash(), self.digest());
        // The synthetic message `message_hash`: its type, and a length that is the hash's.
        let length = u8::try_from(hash.len()).unwrap_or(u8::MAX);
        let header: [u8; MESSAGE_HEADER] = [254, 0, 0, length];
        let mut hasher = Hasher::new(hash);
        hasher.update(&header);
        hasher.update(digest.as_ref());
        hasher.update(retry);
        Self {
            hasher,
            taken: None,
        }
    }

    /// Adds a message, header included.
    pub(crate) fn add(&mut self, message: &[u8]) {
        self.taken = None;
        self.hasher.update(message);
    }

    /// Its hash function.
    pub(crate) fn hash(&self) -> Hash {
        self.hasher.hash()
    }

    /// The hash of all that was added so far.
    pub(crate) fn digest(&mut self) -> Digest {
        *self.taken.get_or_insert_with(|| self.hasher.fork())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_replaces_the_first_hello_by_its_digest() {
        for hash in [Hash::Sha256, Hash::Sha384] {
            let (first, retry, second) = (b"first hello", b"retry", b"second hello");
            let mut transcript = Transcript::new(hash, first).retried(retry);
            transcript.add(second);
            let length = u8::try_from(hash.len()).expect("short");
            let synthetic = [&[254, 0, 0, length][..], hash.digest(first).as_ref()].concat();
            let whole = [&synthetic[..], retry, second].concat();
            assert_eq!(transcript.digest(), hash.digest(&whole));
            let mut other = transcript.clone();
            other.add(b"third");
            let longer = [&whole[..], b"third"].concat();
            assert_eq!(other.digest(), hash.digest(&longer), "after a digest");
            assert_eq!(transcript.digest(), hash.digest(&whole), "by itself");
        }
    }
}
