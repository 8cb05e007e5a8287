//! The states of both parts of a stream, as RFC 9000 sections 3.1 and 3.2 draw them.
//!
//! Each part has one function from state and step to what comes of it. `None` is what this side must never do: a caller that gets it has a
//! bug and does nothing. Frames of the peer are never refused by a state, for any of them may be late (section 3.3); whether a frame may
//! name this stream at all is decided before a stream is looked up.

/// States of the part that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendState {
    Ready,
    Send,
    DataSent,
    ResetSent,
    DataRecvd,
    ResetRecvd,
}

/// What happens to the part that sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendStep {
    /// A STREAM frame without FIN, or a STREAM_DATA_BLOCKED frame, is sent.
    Data,
    /// A STREAM frame with FIN is sent.
    Fin,
    /// A STREAM frame is sent again.
    Again,
    /// A RESET_STREAM frame is sent, or sent again.
    Reset,
    /// All data and the end were acknowledged.
    AllAcked,
    /// A RESET_STREAM frame was acknowledged.
    ResetAcked,
    /// A STOP_SENDING frame came: this side resets.
    StopSending,
    /// A MAX_STREAM_DATA frame came.
    MaxStreamData,
}

/// States of the part that receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecvState {
    Recv,
    SizeKnown,
    DataRecvd,
    ResetRecvd,
    DataRead,
    ResetRead,
}

/// What happens to the part that receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecvStep {
    /// A STREAM frame without FIN, or a STREAM_DATA_BLOCKED frame, came.
    Data,
    /// A STREAM frame with FIN came.
    Fin,
    /// Nothing is missing below the final size.
    AllData,
    /// A RESET_STREAM frame came.
    Reset,
    /// The application has read everything.
    ReadAll,
    /// The application has heard of the reset.
    ReadReset,
    /// The application wants no more.
    Stop,
    /// The peer knows that the application wants no more, so nobody waits for what is missing.
    StopAcked,
    /// A MAX_STREAM_DATA frame is sent.
    MaxStreamData,
    /// A STOP_SENDING frame is sent.
    StopSending,
}

impl SendState {
    pub(crate) fn step(self, step: SendStep) -> Option<Self> {
        use SendState as S;
        use SendStep as E;
        Some(match (self, step) {
            (S::Ready | S::Send, E::Data) => S::Send,
            (S::Ready | S::Send, E::Fin) => S::DataSent,
            (S::Send, E::Again) => S::Send,
            (S::DataSent, E::Again | E::Fin) => S::DataSent,
            (S::DataSent, E::AllAcked) => S::DataRecvd,
            (S::Ready | S::Send | S::DataSent | S::ResetSent, E::Reset) => S::ResetSent,
            // rfc9000#3.5-1
            (S::Ready | S::Send | S::DataSent, E::StopSending) => S::ResetSent,
            (S::ResetSent, E::ResetAcked) => S::ResetRecvd,
            // Late frames of the peer, and late acknowledgments of what was sent before a reset.
            (state, E::StopSending | E::MaxStreamData) => state,
            (S::ResetSent | S::ResetRecvd, E::AllAcked) => self,
            // rfc9000#3.3-1, rfc9000#3.3-2
            (
                S::Ready | S::Send | S::DataSent | S::ResetSent | S::DataRecvd | S::ResetRecvd,
                E::Data | E::Fin | E::Again | E::Reset | E::AllAcked | E::ResetAcked,
            ) => return None,
        })
    }

    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Self::DataRecvd | Self::ResetRecvd)
    }

    /// Whether the application may write, end or reset.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Ready | Self::Send | Self::DataSent)
    }
}

impl RecvState {
    pub(crate) fn step(self, step: RecvStep) -> Option<Self> {
        use RecvState as S;
        use RecvStep as E;
        Some(match (self, step) {
            (S::Recv, E::Fin) => S::SizeKnown,
            (S::SizeKnown, E::AllData) => S::DataRecvd,
            (S::DataRecvd, E::ReadAll) => S::DataRead,
            (S::Recv | S::SizeKnown, E::Reset) => S::ResetRecvd,
            (S::ResetRecvd, E::ReadReset) => S::ResetRead,
            (S::DataRecvd, E::Stop) | (S::SizeKnown, E::StopAcked) => S::DataRead,
            (S::ResetRecvd, E::Stop) => S::ResetRead,
            (S::Recv, E::Stop | E::MaxStreamData | E::StopSending) => S::Recv,
            (S::SizeKnown, E::Stop | E::StopSending) => S::SizeKnown,
            // What all arrived is read even if the peer resets the stream now (section 3.2 leaves the choice).
            (state, E::Data | E::Fin | E::Reset | E::StopAcked) => state,
            (
                S::Recv | S::SizeKnown | S::DataRecvd | S::ResetRecvd | S::DataRead | S::ResetRead,
                E::AllData
                | E::ReadAll
                | E::ReadReset
                | E::Stop
                | E::MaxStreamData
                | E::StopSending,
            ) => return None,
        })
    }

    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Self::DataRead | Self::ResetRead)
    }

    /// Whether data that comes may be news.
    pub(crate) fn is_receiving(self) -> bool {
        matches!(self, Self::Recv | Self::SizeKnown)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const SEND: [SendState; 6] = [
        SendState::Ready,
        SendState::Send,
        SendState::DataSent,
        SendState::ResetSent,
        SendState::DataRecvd,
        SendState::ResetRecvd,
    ];

    const SEND_STEPS: [SendStep; 8] = [
        SendStep::Data,
        SendStep::Fin,
        SendStep::Again,
        SendStep::Reset,
        SendStep::AllAcked,
        SendStep::ResetAcked,
        SendStep::StopSending,
        SendStep::MaxStreamData,
    ];

    const RECV: [RecvState; 6] = [
        RecvState::Recv,
        RecvState::SizeKnown,
        RecvState::DataRecvd,
        RecvState::ResetRecvd,
        RecvState::DataRead,
        RecvState::ResetRead,
    ];

    const RECV_STEPS: [RecvStep; 10] = [
        RecvStep::Data,
        RecvStep::Fin,
        RecvStep::AllData,
        RecvStep::Reset,
        RecvStep::ReadAll,
        RecvStep::ReadReset,
        RecvStep::Stop,
        RecvStep::StopAcked,
        RecvStep::MaxStreamData,
        RecvStep::StopSending,
    ];

    /// All states by all steps. `state_matrix.tsv` beside this file is what stood here when a person last read it; to change it, write what
    /// this test prints.
    #[test]
    fn the_stream_state_matrix_is_the_golden_one() {
        let mut matrix = String::from("# part\tstate\tstep\tthen\n");
        let name = |next: Option<String>| next.unwrap_or("-".into());
        for (state, step) in SEND.iter().flat_map(|s| SEND_STEPS.map(|e| (s, e))) {
            let next = name(state.step(step).map(|next| format!("{next:?}")));
            writeln!(matrix, "send\t{state:?}\t{step:?}\t{next}").unwrap();
        }
        for (state, step) in RECV.iter().flat_map(|s| RECV_STEPS.map(|e| (s, e))) {
            let next = name(state.step(step).map(|next| format!("{next:?}")));
            writeln!(matrix, "recv\t{state:?}\t{step:?}\t{next}").unwrap();
        }
        assert!(
            matrix == include_str!("state_matrix.tsv"),
            "the matrix is now:\n{matrix}"
        );
    }

    #[test]
    fn a_terminal_stream_state_is_left_by_nothing() {
        for state in SEND.into_iter().filter(|state| state.is_terminal()) {
            for step in SEND_STEPS {
                assert!([None, Some(state)].contains(&state.step(step)), "{step:?}");
            }
        }
        for state in RECV.into_iter().filter(|state| state.is_terminal()) {
            for step in RECV_STEPS {
                assert!([None, Some(state)].contains(&state.step(step)), "{step:?}");
            }
        }
    }
}
