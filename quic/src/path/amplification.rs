//! The factor 3 as a type: what may be sent to an address that nobody has shown to be his (RFC 9000 section 8).

/// How much may be sent on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amplification {
    /// So many bytes came, and so many went.
    Limited { received: u64, sent: u64 },
    /// The peer has shown that it receives there.
    Validated,
}

impl Amplification {
    /// Nothing came yet, so nothing may be sent.
    pub(crate) const fn new() -> Self {
        Self::Limited {
            received: 0,
            sent: 0,
        }
    }

    /// A datagram of this connection came, whatever is in it (rfc9000#8.1-2).
    pub(crate) fn on_received(&mut self, bytes: u64) {
        if let Self::Limited { received, .. } = self {
            *received = received.saturating_add(bytes);
        }
    }

    pub(crate) fn on_sent(&mut self, bytes: u64) {
        if let Self::Limited { sent, .. } = self {
            *sent = sent.saturating_add(bytes);
        }
    }

    pub(crate) fn validate(&mut self) {
        *self = Self::Validated;
    }

    pub(crate) fn is_validated(self) -> bool {
        self == Self::Validated
    }

    /// How many bytes may be sent now (rfc9000#8-1, rfc9000#8.1-1, rfc9000#14.1-4).
    pub(crate) fn allowance(self) -> u64 {
        match self {
            Self::Limited { received, sent } => {
                received.saturating_mul(FACTOR).saturating_sub(sent)
            }
            Self::Validated => u64::MAX,
        }
    }
}

/// RFC 9000 section 8.
const FACTOR: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_what_came_may_be_sent() {
        let mut limit = Amplification::new();
        assert_eq!(limit.allowance(), 0);
        limit.on_received(1200);
        assert_eq!(limit.allowance(), 3600);
        limit.on_sent(3599);
        assert_eq!(limit.allowance(), 1);
        limit.on_sent(100);
        assert_eq!(limit.allowance(), 0);
        limit.on_received(50);
        assert_eq!(limit.allowance(), 51);
        limit.on_received(u64::MAX);
        limit.on_sent(u64::MAX);
        assert_eq!(limit.allowance(), 0);
        limit.validate();
        assert!(limit.is_validated());
        limit.on_sent(u64::MAX);
        assert_eq!(limit.allowance(), u64::MAX);
    }
}
