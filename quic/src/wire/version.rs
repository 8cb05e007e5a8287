//! The versions of QUIC, and how they differ, as one table (RFC 9000 section 15, RFC 9001 section 5, RFC 9369 section 3).
//!
//! Nothing else in this crate asks how versions differ; which one a connection has is negotiated ([`Connection`](crate::Connection)).

use super::PacketType;

/// A version of QUIC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Version {
    /// Version 1 (RFC 9000), which every peer speaks.
    V1,
    /// Version 2 (RFC 9369): the same protocol in other bytes, so that nothing on the way comes to rely on those of version 1.
    V2,
}

/// The versions that one side speaks, most wanted first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Versions(Vec<Version>);

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

/// The labels that keys of packets are derived with (RFC 9001 section 5.1).
#[derive(Debug)]
#[non_exhaustive]
pub struct Labels {
    /// Of the key.
    pub key: &'static str,
    /// Of the IV.
    pub iv: &'static str,
    /// Of the key of header protection.
    pub header: &'static str,
    /// Of the secret after a key update.
    pub update: &'static str,
}

impl Version {
    pub(crate) const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// The version with this number, if it is known.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.number() == number)
    }

    /// Its number in long headers.
    #[must_use]
    pub fn number(self) -> u32 {
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

    /// The salt of the secrets that protect Initial packets (RFC 9001 section 5.2).
    #[must_use]
    pub fn initial_salt(self) -> &'static [u8] {
        &self.row().initial_salt
    }

    /// The labels that keys are derived with.
    #[must_use]
    pub fn labels(self) -> &'static Labels {
        &self.row().labels
    }

    /// The key and the nonce of a Retry packet's tag (RFC 9001 section 5.8).
    #[must_use]
    pub fn retry_key(self) -> (&'static [u8; 16], &'static [u8; 12]) {
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

impl Versions {
    pub(crate) fn new(versions: &[Version]) -> Self {
        Self(versions.to_vec())
    }

    /// One at least, and none twice.
    pub(crate) fn is_legal(&self) -> bool {
        let mut rest = self.0.as_slice();
        while let Some((first, others)) = rest.split_first() {
            if others.contains(first) {
                return false;
            }
            rest = others;
        }
        !self.0.is_empty()
    }

    pub(crate) fn first(&self) -> Version {
        self.0.first().copied().unwrap_or(Version::V1)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Version> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn contains(&self, version: Version) -> bool {
        self.0.contains(&version)
    }

    /// The most wanted of those that the peer lists.
    pub(crate) fn select(&self, listed: &[u32]) -> Option<Version> {
        self.iter().find(|own| listed.contains(&own.number()))
    }
}

impl Default for Versions {
    fn default() -> Self {
        Self::new(&Version::ALL)
    }
}

/// The number of no version, for peers to see that they can live with any (RFC 9000 section 15).
pub(crate) fn reserved(random: [u8; 4]) -> u32 {
    u32::from_be_bytes(random.map(|byte| byte & 0xf0 | 0x0a))
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
    fn the_most_wanted_of_the_versions_that_a_peer_lists_is_selected() {
        use Version::{V1, V2};
        const TWO: u32 = 0x6b33_43cf;
        let rows: &[(&[Version], &[u32], Option<Version>)] = &[
            (&[V1, V2], &[TWO, 1], Some(V1)),
            (&[V2, V1], &[1, TWO], Some(V2)),
            (&[V1, V2], &[0x1a2a_3a4a, TWO], Some(V2)),
            (&[V1], &[TWO], None),
            (&[V1, V2], &[0x1a2a_3a4a, 0xff00_001d], None),
            (&[V1, V2], &[], None),
        ];
        for (own, listed, want) in rows {
            let own = Versions::new(own);
            assert_eq!(own.select(listed), *want, "{own:?} {listed:x?}");
        }
        for (own, legal) in [
            (&[][..], false),
            (&[V1][..], true),
            (&[V2, V1][..], true),
            (&[V1, V1][..], false),
            (&[V1, V2, V1][..], false),
        ] {
            assert_eq!(Versions::new(own).is_legal(), legal, "{own:?}");
        }
    }

    /// RFC 9000 section 15: 0x?a?a?a?a.
    #[test]
    fn reserved_versions_are_of_their_pattern_and_nobodys() {
        for byte in 0..=u8::MAX {
            let number = reserved([byte, !byte, byte, 0]);
            assert_eq!(number & 0x0f0f_0f0f, 0x0a0a_0a0a, "{byte}");
            assert_eq!(number >> 28, u32::from(byte >> 4));
            assert_eq!(Version::from_number(number), None);
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
