//! How the two carriers of a handshake differ. Nothing else asks "is this QUIC?".
//!
//! | | TLS records | QUIC (RFC 9001) |
//! |---|---|---|
//! | middlebox compatibility: session id, ChangeCipherSpec | yes | no, and refused (section 8.4) |
//! | KeyUpdate messages | yes | refused (section 6) |
//! | record_size_limit, padding of records | yes | ignored |
//! | the end of early data: a message, and keys that wait for it | yes | no: packets tell (section 8.3) |
//! | bytes of early data in a ticket | as configured | no limit, or none taken (section 4.6.1) |
//! | an application protocol | optional | mandatory (section 8.1) |
//! | transport parameters | refused | mandatory (section 8.2) |

use core::num::NonZeroU32;

use bytes::Bytes;

/// What carries a handshake.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Carrier {
    /// TLS records over a byte stream; [`Connection`](crate::Connection) is this carrier.
    Records,
    /// QUIC packets.
    Quic {
        /// The number of the version that the handshake begins in: sessions and tickets are of one version (RFC 9369 section 5).
        version: u32,
        /// The transport parameters of a client. A server gives none here: it is asked, once the client's are known.
        transport_parameters: Option<Bytes>,
    },
}

/// The carrier without its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rules {
    Records,
    /// Versions of QUIC share no sessions (rfc9369#5-1, rfc9369#5-2).
    Quic {
        version: NonZeroU32,
    },
}

impl Carrier {
    pub(crate) fn rules(&self) -> Rules {
        match self {
            Self::Records => Rules::Records,
            Self::Quic { version, .. } => Rules::quic(*version),
        }
    }

    pub(crate) fn transport_parameters(self) -> Option<Bytes> {
        match self {
            Self::Records => None,
            Self::Quic {
                transport_parameters,
                ..
            } => transport_parameters,
        }
    }
}

impl Rules {
    /// No version of QUIC has the number zero (RFC 8999 section 6).
    pub(crate) fn quic(version: u32) -> Self {
        let version = NonZeroU32::new(version).unwrap_or(NonZeroU32::MIN);
        Self::Quic { version }
    }

    /// RFC 9846 appendix E.4: a session id in the hello and ChangeCipherSpec records. RFC 9001 section 8.4 forbids it
    /// (rfc9846#4.2.2-9, rfc9001#8.4-1).
    pub(crate) fn has_compatibility_mode(self) -> bool {
        self == Self::Records
    }

    /// RFC 9001 section 6: QUIC updates its keys by itself.
    pub(crate) fn has_key_update(self) -> bool {
        self == Self::Records
    }

    /// QUIC has no EndOfEarlyData (rfc9001#8.3-1), and so its Handshake keys wait for nothing.
    pub(crate) fn has_end_of_early_data(self) -> bool {
        self == Self::Records
    }

    /// What a ticket says of early data, where so many bytes are taken. QUIC has limits of its own (rfc9001#4.6.1-1).
    pub(crate) fn early_data_limit(self, most: u32) -> u32 {
        match self {
            Self::Records => most,
            Self::Quic { .. } if most == 0 => 0,
            Self::Quic { .. } => u32::MAX,
        }
    }

    /// Whether a ticket may say this.
    pub(crate) fn allows_early_data_limit(self, limit: u32) -> bool {
        self == Self::Records || limit == u32::MAX
    }

    /// RFC 8449, and padding: QUIC has packets in place of records.
    pub(crate) fn has_records(self) -> bool {
        self == Self::Records
    }

    /// RFC 9001 section 8.1: without one the handshake fails on whichever side finds out (rfc9001#8.1-1, rfc9001#8.1-3, rfc9001#8.1-6).
    pub(crate) fn needs_protocol(self) -> bool {
        self != Self::Records
    }

    /// RFC 9001 section 8.2 (rfc9001#8.2-1, rfc9001#8.2-2, rfc9001#8.2-3).
    pub(crate) fn has_transport_parameters(self) -> bool {
        self != Self::Records
    }
}
