//! How large protected records may be, and how they are padded (RFC 9846 section 5.4, RFC 8449).

use crate::limits;

/// The largest content, its type and padding together (rfc9846#5.4-5).
pub(crate) const LARGEST: u16 = 16_385;

/// The smallest limit that a peer may set (rfc8449#4-6).
pub(crate) const SMALLEST_LIMIT: u16 = 64;

/// Sizes of protected records. Each counts content, type and padding, as RFC 8449 section 4 does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordShape {
    /// The most that may be sent.
    pub(crate) send: u16,
    /// The most that may be received.
    pub(crate) receive: u16,
    /// Records are padded to a multiple of this; 1 for no padding.
    pub(crate) block: u16,
}

impl RecordShape {
    /// Records of any size, padded to a multiple of `block`.
    pub(crate) fn new(block: u16) -> Self {
        Self {
            send: LARGEST,
            receive: LARGEST,
            block,
        }
    }

    /// After both sides told their limits. What a peer would take beyond what TLS allows changes nothing (rfc8449#4-4).
    pub(crate) fn negotiated(peers: u16, own: Option<u16>, block: u16) -> Self {
        Self {
            send: peers.min(LARGEST),
            receive: own.unwrap_or(LARGEST),
            block,
        }
    }

    /// The most content of one record.
    pub(crate) fn most_content(self) -> usize {
        usize::from(self.send)
            .saturating_sub(1)
            .clamp(1, limits::RECORD_PLAINTEXT)
    }

    /// The most padding of one record.
    pub(crate) fn most_padding(self) -> usize {
        usize::from(self.block).saturating_sub(1)
    }

    /// The padding for so much content. It never makes a record larger than the largest one without (rfc8449#4.1-1).
    pub(crate) fn padding(self, content: usize) -> usize {
        let inner = content.saturating_add(1);
        let padded = inner
            .checked_next_multiple_of(usize::from(self.block))
            .unwrap_or(inner);
        padded.min(usize::from(self.send)).saturating_sub(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_limit_of_the_peer_changes_nothing() {
        assert_eq!(
            RecordShape::negotiated(u16::MAX, None, 1),
            RecordShape::new(1)
        );
        let small = RecordShape::negotiated(100, Some(64), 1);
        assert_eq!(
            (small.send, small.receive, small.most_content()),
            (100, 64, 99)
        );
    }

    #[test]
    fn the_most_padding_is_a_byte_less_than_a_block() {
        for (block, want) in [(1, 0), (2, 1), (1024, 1023)] {
            assert_eq!(RecordShape::new(block).most_padding(), want);
        }
    }

    #[test]
    fn padding_fills_blocks_and_stays_within_the_limit() {
        // (send, block, content, want)
        for (send, block, content, want) in [
            (LARGEST, 1, 100, 0),
            (LARGEST, 64, 0, 63),
            (LARGEST, 64, 62, 1),
            (LARGEST, 64, 63, 0),
            (LARGEST, 64, 64, 63),
            (LARGEST, 1024, 16_384, 0),
            (LARGEST, 1024, 16_000, 383),
            (64, 1024, 10, 53),
            (64, 1024, 63, 0),
        ] {
            let shape = RecordShape {
                send,
                receive: LARGEST,
                block,
            };
            assert_eq!(
                shape.padding(content),
                want,
                "{content} bytes in blocks of {block}, at most {send}"
            );
        }
    }
}
