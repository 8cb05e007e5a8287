//! What can fail in this crate, in one enum without detail.
//!
//! The backend says "unspecified" for everything, so each call site names its own failure. None of these texts goes to a peer.

use core::fmt;

/// A failed operation. It never carries bytes, so it can be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The system gave no random bytes.
    Random,
    /// A buffer, key or label has a length that this operation does not take.
    Length,
    /// A private key is malformed or of a kind that is not supported.
    Key,
    /// The key cannot sign with the scheme asked for.
    Scheme,
    /// Signing failed in the backend.
    Sign,
    /// The bytes did not authenticate.
    Open,
    /// The key has been used as often as it may be.
    Exhausted,
    /// What cannot happen did; the text names the operation.
    Internal(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Random => "the system gave no random bytes",
            Self::Length => "a length that the operation does not take",
            Self::Key => {
                "private key malformed or unsupported (ECDSA P-256 or P-384, Ed25519, RSA of 2048 to 8192 bits)"
            }
            Self::Scheme => "the key cannot sign with this scheme",
            Self::Sign => "signing failed",
            Self::Open => "the bytes did not authenticate",
            Self::Exhausted => "the key has reached its use limit",
            Self::Internal(what) => return write!(f, "internal: {what}"),
        })
    }
}

impl std::error::Error for Error {}
