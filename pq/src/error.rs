//! What can fail in a key exchange, with the peer's faults apart from ours.

use core::fmt;

/// A failed key exchange. [`is_peer_fault`](Error::is_peer_fault) says who is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer's share is not as long as its group says, in bytes.
    Length {
        /// What the group says.
        expected: usize,
        /// What came.
        got: usize,
    },
    /// The peer's elliptic-curve point is not in uncompressed form.
    Encoding,
    /// The peer's share has no usable value: a point off the curve, an X25519 point of small order, an ML-KEM key that is not reduced.
    Share,
    /// The group is not in this offer.
    NotOffered,
    /// A group stands twice in the list for one offer.
    Repeated,
    /// The backend failed.
    Crypto(pith_crypto::Error),
}

impl Error {
    /// Whether the peer sent something illegal (`illegal_parameter` in TLS); if not, the failure is local.
    pub fn is_peer_fault(self) -> bool {
        matches!(self, Self::Length { .. } | Self::Encoding | Self::Share)
    }

    pub(crate) fn internal(what: &'static str) -> Self {
        Self::Crypto(pith_crypto::Error::Internal(what))
    }

    /// [`Error::Length`] unless `bytes` are as many as `expected`.
    pub(crate) fn unless_len(bytes: &[u8], expected: usize) -> Result<(), Self> {
        match bytes.len() {
            got if got == expected => Ok(()),
            got => Err(Self::Length { expected, got }),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length { expected, got } => {
                return write!(
                    f,
                    "a key share of {got} bytes where the group has {expected}"
                );
            }
            Self::Encoding => "an elliptic-curve point that is not uncompressed",
            Self::Share => "a key share that is no valid key",
            Self::NotOffered => "the group was not offered",
            Self::Repeated => "the same group twice in one offer",
            Self::Crypto(error) => return error.fmt(f),
        })
    }
}

impl std::error::Error for Error {}

impl From<pith_crypto::Error> for Error {
    fn from(error: pith_crypto::Error) -> Self {
        Self::Crypto(error)
    }
}
