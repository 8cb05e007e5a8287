//! Reserved values that a client may send among real ones (RFC 8701), so that peers which choke on unknown values are found.

/// One reserved value for each list of a ClientHello.
#[derive(Clone, Copy)]
pub(crate) struct Grease {
    pub(crate) suite: u16,
    pub(crate) group: u16,
    /// Whether there is a share of this group too, of one byte.
    pub(crate) share: bool,
    pub(crate) version: u16,
    pub(crate) scheme: u16,
    /// Two that differ.
    pub(crate) extensions: [u16; 2],
}

impl Grease {
    /// Chooses by random bytes.
    pub(crate) fn new([suite, group, version, scheme, first, second]: [u8; 6]) -> Self {
        // Sixteen values there are: 0x0a0a, 0x1a1a to 0xfafa.
        let value = |random: u8| u16::from_be_bytes([random | 0x0f; 2]) & 0xfafa;
        let (first, other) = (value(first), value(second));
        let second = if first == other {
            first ^ 0x1010
        } else {
            other
        };
        Self {
            suite: value(suite),
            group: value(group),
            share: true,
            version: value(version),
            scheme: value(scheme),
            extensions: [first, second],
        }
    }

    /// For a second hello whose shares the server chose.
    pub(crate) fn without_share(self) -> Self {
        Self {
            share: false,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_the_reserved_ones_and_extensions_differ() {
        let is_reserved = |value: u16| value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff;
        for random in 0..=255 {
            let grease = Grease::new([random; 6]);
            let [first, second] = grease.extensions;
            assert_ne!(first, second);
            for value in [
                grease.suite,
                grease.group,
                grease.version,
                grease.scheme,
                first,
                second,
            ] {
                assert!(is_reserved(value), "{value:#06x}");
            }
        }
    }
}
