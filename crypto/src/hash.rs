//! SHA-256 and SHA-384, the hashes of the TLS 1.3 cipher suites, at once or over a running transcript.
//!
//! A digest is a public value: plain data, comparable and printable. A running hash can be read at any time without ending it,
//! since TLS takes the transcript hash at several points of one handshake (rfc9846 section 4.4.1).

use core::fmt;

use aws_lc_rs::digest;

/// A hash function of a TLS 1.3 cipher suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hash {
    /// SHA-256, 32 bytes.
    Sha256,
    /// SHA-384, 48 bytes.
    Sha384,
}

/// The output of a [`Hash`](enum@Hash): 32 or 48 bytes by `as_ref`.
#[derive(Clone, Copy)]
pub struct Digest(digest::Digest);

/// A running hash. A clone goes on by itself from the same state.
#[derive(Clone)]
pub struct Hasher {
    hash: Hash,
    context: digest::Context,
}

impl Hash {
    /// The length of the output in bytes, 32 or 48.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(self) -> usize {
        self.algorithm().output_len()
    }

    /// The digest of `bytes`.
    pub fn digest(self, bytes: &[u8]) -> Digest {
        Digest(digest::digest(self.algorithm(), bytes))
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
        }
    }
}

impl Hasher {
    /// A hash of nothing yet.
    pub fn new(hash: Hash) -> Self {
        Self {
            hash,
            context: digest::Context::new(hash.algorithm()),
        }
    }

    /// Adds `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        // A transcript is of what both sides have seen.
        #[cfg(any(test, pith_test))]
        let bytes = &*crate::taint::released(bytes);
        self.context.update(bytes);
    }

    /// The digest of what was added so far; the hash goes on.
    pub fn fork(&self) -> Digest {
        Digest(self.context.clone().finish())
    }

    /// Which function this is.
    pub fn hash(&self) -> Hash {
        self.hash
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hash.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-4's example message "abc".
    const SHA256: &str = "SHA256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    const SHA384: &str = "SHA384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed\
                          8086072ba1e7cc2358baeca134c825a7";

    #[test]
    fn a_running_hash_can_be_read_and_goes_on() {
        for (hash, want) in [(Hash::Sha256, SHA256), (Hash::Sha384, SHA384)] {
            assert_eq!(format!("{:?}", hash.digest(b"abc")), want);
            assert_eq!(hash.digest(b"abc").as_ref().len(), hash.len());
            let mut hasher = Hasher::new(hash);
            assert_eq!(hasher.fork(), hash.digest(b""));
            hasher.update(b"a");
            let mut other = hasher.clone();
            assert_eq!(hasher.fork(), hash.digest(b"a"));
            hasher.update(b"bc");
            other.update(b"x");
            assert_eq!(hasher.fork(), hash.digest(b"abc"));
            assert_eq!(other.fork(), hash.digest(b"ax"));
            assert_eq!(hasher.hash(), hash);
        }
    }
}
