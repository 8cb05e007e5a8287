//! The life of a connection (RFC 9001 section 4.1, RFC 9000 section 10): six states and one function that leads from one to the next.

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// TLS is not complete: nobody knows yet who the peer is.
    Handshaking,
    /// TLS is complete here, and a client does not know yet whether it is there too.
    Complete,
    /// Both sides know that it is complete.
    Confirmed,
    /// This side has closed, and answers what still comes with its CONNECTION_CLOSE frame.
    Closing,
    /// The peer has closed, and nothing is sent any more.
    Draining,
    /// All state may go.
    Over,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// TLS has everything, and has sent everything.
    Complete,
    /// A server that is complete is confirmed at once, a client by HANDSHAKE_DONE.
    Confirm,
    /// This side closes, with a frame that tells the peer.
    Close,
    /// The peer's CONNECTION_CLOSE frame or Stateless Reset came.
    PeerClosed,
    /// Nobody is there to be told: an idle timeout.
    GiveUp,
    /// The time for stragglers is over.
    Expire,
}

impl State {
    /// The next state; `None` where the step is none from here, and nothing changes.
    pub(crate) fn step(self, step: Step) -> Option<Self> {
        use State as S;
        Some(match (self, step) {
            (S::Handshaking, Step::Complete) => S::Complete,
            (S::Complete, Step::Confirm) => S::Confirmed,
            (S::Handshaking | S::Complete | S::Confirmed, Step::Close) => S::Closing,
            (S::Handshaking | S::Complete | S::Confirmed | S::Closing, Step::PeerClosed) => {
                S::Draining
            }
            (S::Handshaking | S::Complete | S::Confirmed, Step::GiveUp) => S::Over,
            (S::Closing | S::Draining, Step::Expire) => S::Over,
            (
                S::Handshaking | S::Complete | S::Confirmed | S::Closing | S::Draining | S::Over,
                Step::Complete
                | Step::Confirm
                | Step::Close
                | Step::PeerClosed
                | Step::GiveUp
                | Step::Expire,
            ) => return None,
        })
    }

    /// Whether frames are taken and sent.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Handshaking | Self::Complete | Self::Confirmed)
    }

    /// Whether the peer is known.
    pub(crate) fn is_established(self) -> bool {
        matches!(self, Self::Complete | Self::Confirmed)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// All states by all steps. `state_matrix.tsv` beside this file is what stood here when a person last read it; to change it, write what
    /// this test prints.
    #[test]
    fn the_connection_state_matrix_is_the_golden_one() {
        use State as S;
        let mut matrix = String::from("# state\tstep\tthen\n");
        for state in [
            S::Handshaking,
            S::Complete,
            S::Confirmed,
            S::Closing,
            S::Draining,
            S::Over,
        ] {
            for step in [
                Step::Complete,
                Step::Confirm,
                Step::Close,
                Step::PeerClosed,
                Step::GiveUp,
                Step::Expire,
            ] {
                let next = state
                    .step(step)
                    .map_or("-".into(), |next| format!("{next:?}"));
                writeln!(matrix, "{state:?}\t{step:?}\t{next}").unwrap();
            }
        }
        assert!(
            matrix == include_str!("state_matrix.tsv"),
            "the matrix is now:\n{matrix}"
        );
    }
}
