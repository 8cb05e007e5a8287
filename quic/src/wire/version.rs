//! The versions of QUIC, and how they differ, as one table (RFC 9000 section 15, RFC 9001 section 5, RFC 9369 section 3).
//!
//! Nothing else in this crate asks which version a connection has. Version 2 is known to the syntax and the keys; no connection offers it yet.

use super::PacketType;

/// A version that this crate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Version {
    V1,
    V2,
}

/// What the two bits of a long header's type stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LongType {
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
}

/// What differs between versions.
struct Row {
    number: u32,
    /// By the two bits, from 0 to 3.
    types: [LongType; 4],
    initial_salt: [u8; 20],
    labels: Labels,
    retry_key: [u8; 16],
    retry_nonce: [u8; 12],
}

/// The labels that keys are derived with.
pub(crate) struct Labels {
    pub(crate) key: &'static str,
    pub(crate) iv: &'static str,
    pub(crate) header: &'static str,
    pub(crate) update: &'static str,
}

impl Version {
    pub(crate) const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// The version with this number, if it is known.
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.number() == number)
    }

    pub(crate) fn number(self) -> u32 {
        self.row().number
    }

    /// What the two bits of a type stand for.
    pub(crate) fn long_type(self, bits: u8) -> LongType {
        let [zero, one, two, three] = self.row().types;
        match bits & 3 {
            0 => zero,
            1 => one,
            2 => two,
            _ => three,
        }
    }

    /// The two bits of a type.
    pub(crate) fn type_bits(self, long_type: LongType) -> u8 {
        let [zero, one, two, _] = self.row().types;
        if zero == long_type {
            0
        } else if one == long_type {
            1
        } else if two == long_type {
            2
        } else {
            3
        }
    }

    /// The salt of the secrets that protect Initial packets.
    pub(crate) fn initial_salt(self) -> &'static [u8] {
        &self.row().initial_salt
    }

    pub(crate) fn labels(self) -> &'static Labels {
        &self.row().labels
    }

    /// The key and the nonce of a Retry packet's tag.
    pub(crate) fn retry_key(self) -> (&'static [u8; 16], &'static [u8; 12]) {
        let row = self.row();
        (&row.retry_key, &row.retry_nonce)
    }

    fn row(self) -> &'static Row {
        match self {
            Self::V1 => &V1,
            Self::V2 => &V2,
        }
    }
}

impl LongType {
    /// The type of packet; `None` for a Retry packet, which holds no frames.
    pub(crate) fn packet(self) -> Option<PacketType> {
        match self {
            Self::Initial => Some(PacketType::Initial),
            Self::ZeroRtt => Some(PacketType::ZeroRtt),
            Self::Handshake => Some(PacketType::Handshake),
            Self::Retry => None,
        }
    }

    /// The long header's type of a packet; `None` for a 1-RTT packet, which has none.
    pub(crate) fn of(packet: PacketType) -> Option<Self> {
        match packet {
            PacketType::Initial => Some(Self::Initial),
            PacketType::ZeroRtt => Some(Self::ZeroRtt),
            PacketType::Handshake => Some(Self::Handshake),
            PacketType::OneRtt => None,
        }
    }
}

static V1: Row = Row {
    number: 0x0000_0001,
    types: [
        LongType::Initial,
        LongType::ZeroRtt,
        LongType::Handshake,
        LongType::Retry,
    ],
    initial_salt: [
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c,
        0xad, 0xcc, 0xbb, 0x7f, 0x0a,
    ],
    labels: Labels {
        key: "quic key",
        iv: "quic iv",
        header: "quic hp",
        update: "quic ku",
    },
    retry_key: [
        0xbe, 0x0c, 0x69, 0x0b, 0x9f, 0x66, 0x57, 0x5a, 0x1d, 0x76, 0x6b, 0x54, 0xe3, 0x68, 0xc8,
        0x4e,
    ],
    retry_nonce: [
        0x46, 0x15, 0x99, 0xd3, 0x5d, 0x63, 0x2b, 0xf2, 0x23, 0x98, 0x25, 0xbb,
    ],
};

static V2: Row = Row {
    number: 0x6b33_43cf,
    types: [
        LongType::Retry,
        LongType::Initial,
        LongType::ZeroRtt,
        LongType::Handshake,
    ],
    initial_salt: [
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d,
        0xcb, 0xf9, 0xbd, 0x2e, 0xd9,
    ],
    labels: Labels {
        key: "quicv2 key",
        iv: "quicv2 iv",
        header: "quicv2 hp",
        update: "quicv2 ku",
    },
    retry_key: [
        0x8f, 0xb4, 0xb0, 0x1b, 0x56, 0xac, 0x48, 0xe2, 0x60, 0xfb, 0xcb, 0xce, 0xad, 0x7c, 0xcc,
        0x92,
    ],
    retry_nonce: [
        0xd8, 0x69, 0x69, 0xbc, 0x2d, 0x7c, 0x6d, 0x99, 0x90, 0xef, 0xb0, 0x4a,
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_turn_with_the_version() {
        // (type, bits in version 1, bits in version 2): RFC 9000 table 5, RFC 9369 section 3.2.
        for (long_type, v1, v2) in [
            (LongType::Initial, 0b00, 0b01),
            (LongType::ZeroRtt, 0b01, 0b10),
            (LongType::Handshake, 0b10, 0b11),
            (LongType::Retry, 0b11, 0b00),
        ] {
            for (version, bits) in [(Version::V1, v1), (Version::V2, v2)] {
                assert_eq!(version.type_bits(long_type), bits, "{version:?}");
                assert_eq!(version.long_type(bits), long_type, "{version:?}");
            }
            if let Some(packet) = long_type.packet() {
                assert_eq!(LongType::of(packet), Some(long_type));
            }
        }
    }

    #[test]
    fn versions_are_known_by_their_numbers() {
        assert_eq!(Version::from_number(1), Some(Version::V1));
        assert_eq!(Version::from_number(0x6b33_43cf), Some(Version::V2));
        for other in [0, 2, 0xff00_001d, 0x0a0a_0a0a, u32::MAX] {
            assert_eq!(Version::from_number(other), None, "{other:#x}");
        }
    }
}
