//! The part of a stream that sends.

use bytes::Bytes;

use super::app::SendError;
use super::flow::SendFlow;
use super::state::{SendState, SendStep};
use crate::buffer::{SendBuffer, at_most, size};
use crate::limits;
use crate::recovery::{Token, Tokens};
use crate::wire::{Builder, StreamId, VarInt};

/// One stream's data to be sent and where it stands.
#[derive(Debug)]
pub(crate) struct SendStream {
    state: SendState,
    data: SendBuffer,
    flow: SendFlow,
    reset: Option<VarInt>,
    /// Whether the RESET_STREAM frame is to be written.
    owes_reset: bool,
    /// The code of a STOP_SENDING frame.
    stopped: Option<VarInt>,
    /// The application was refused room.
    wants_room: bool,
    pub(crate) urgency: u8,
    /// In which queues of the schedule it stands.
    pub(crate) queued: Queued,
}

/// Membership in the two queues of the schedule.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Queued {
    pub(crate) again: bool,
    pub(crate) fresh: bool,
}

impl Queued {
    pub(crate) fn of(&mut self, again: bool) -> &mut bool {
        if again {
            &mut self.again
        } else {
            &mut self.fresh
        }
    }
}

/// What came of writing a STREAM frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrote {
    /// A frame, with so many bytes that count against the limits.
    Frame { fresh: u64 },
    /// The packet is full.
    NoRoom,
    /// There is nothing to write.
    Nothing,
}

impl SendStream {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            state: SendState::Ready,
            data: SendBuffer::default(),
            flow: SendFlow::new(limit),
            reset: None,
            owes_reset: false,
            stopped: None,
            wants_room: false,
            urgency: DEFAULT_URGENCY,
            queued: Queued::default(),
        }
    }

    /// Takes as much of `bytes` as there is room for; none after the end (rfc9000#4.5-2).
    pub(crate) fn send(&mut self, bytes: &mut Bytes) -> Result<usize, SendError> {
        self.check_open()?;
        if self.data.is_finished() {
            return Err(SendError::Finished);
        }
        let room = limits::UNSENT.saturating_sub(self.data.unsent());
        let len = at_most(room, bytes.len());
        self.wants_room = len < bytes.len();
        self.data.push(bytes.split_to(len));
        Ok(len)
    }

    pub(crate) fn finish(&mut self) -> Result<(), SendError> {
        self.check_open()?;
        if self.data.is_finished() {
            return Err(SendError::Finished);
        }
        self.data.finish();
        Ok(())
    }

    pub(crate) fn reset(&mut self, code: VarInt) -> Result<(), SendError> {
        self.check_open()?;
        self.abandon(SendStep::Reset, code);
        Ok(())
    }

    /// A STOP_SENDING frame came. Says whether that was news.
    pub(crate) fn on_stop_sending(&mut self, code: VarInt) -> bool {
        if !self.state.is_open() {
            return false;
        }
        // rfc9000#3.5-1
        self.abandon(SendStep::StopSending, code);
        self.stopped = Some(code);
        true
    }

    fn abandon(&mut self, step: SendStep, code: VarInt) {
        self.step(step);
        self.data.discard();
        self.reset = Some(code);
        self.owes_reset = true;
        self.wants_room = false;
    }

    fn check_open(&self) -> Result<(), SendError> {
        match self.stopped {
            Some(code) => Err(SendError::Stopped(code)),
            None if self.state.is_open() => Ok(()),
            None => Err(SendError::Closed),
        }
    }

    /// A MAX_STREAM_DATA frame came, or a larger initial limit. Says whether it was news.
    pub(crate) fn raise(&mut self, limit: u64) -> bool {
        self.step(SendStep::MaxStreamData);
        self.flow.raise(limit)
    }

    /// Writes one STREAM frame. `credit` is how much that is new the connection's limit allows.
    pub(crate) fn write(
        &mut self,
        id: StreamId,
        builder: &mut Builder<'_>,
        tokens: &mut Tokens,
        credit: u64,
    ) -> Wrote {
        // rfc9000#3.3-1, rfc9000#3.3-2
        if !self.state.is_open() {
            return Wrote::Nothing;
        }
        // rfc9000#2.2-3, rfc9000#4.1-1, rfc9000#19.9-1, rfc9000#19.10-3
        let limit = self
            .flow
            .limit()
            .min(self.data.sent().saturating_add(credit));
        let Some(piece) = self.data.pending(limit) else {
            return Wrote::Nothing;
        };
        let available = piece.available();
        let whole = size(available) == piece.len;
        let Some(offset) = VarInt::new(piece.offset) else {
            return Wrote::Nothing;
        };
        if available > LEAST && builder.remaining() < LEAST_ROOM {
            return Wrote::NoRoom;
        }
        let written = builder.put_stream(id, offset, available, piece.fin && whole, |to| {
            self.data.copy(piece.offset, to)
        });
        let Some(written) = written else {
            return Wrote::NoRoom;
        };
        let fin = piece.fin && whole && written == available;
        let len = size(written);
        self.data.sent_piece(piece, len, fin);
        let fresh = if piece.again { 0 } else { len };
        self.flow.spend(fresh);
        self.step(match (fin, piece.again) {
            (true, _) => SendStep::Fin,
            (false, true) => SendStep::Again,
            (false, false) => SendStep::Data,
        });
        tokens.push(Token::Stream {
            id,
            offset: piece.offset,
            len: u16::try_from(written).unwrap_or(u16::MAX),
            fin,
        });
        Wrote::Frame { fresh }
    }

    /// The data of a STREAM frame arrived. Says whether now everything has.
    pub(crate) fn acked(&mut self, offset: u64, len: u16, fin: bool) -> bool {
        if !self.state.is_open() {
            return false;
        }
        let end = offset.saturating_add(u64::from(len));
        self.data.acked(offset..end, fin);
        if self.data.is_delivered() {
            self.step(SendStep::AllAcked);
            return true;
        }
        false
    }

    pub(crate) fn lost(&mut self, offset: u64, len: u16, fin: bool) {
        if self.state.is_open() {
            let end = offset.saturating_add(u64::from(len));
            self.data.lost(offset..end, fin);
        }
    }

    /// The RESET_STREAM frame that is to be sent: code and final size, neither of which changes after the first time (rfc9000#13.3-1).
    pub(crate) fn owed_reset(&self) -> Option<(VarInt, VarInt)> {
        let code = self.reset.filter(|_| self.owes_reset)?;
        Some((code, VarInt::saturating(self.data.sent())))
    }

    pub(crate) fn reset_sent(&mut self) {
        self.owes_reset = false;
    }

    pub(crate) fn reset_acked(&mut self) {
        self.step(SendStep::ResetAcked);
        if self.state == SendState::ResetRecvd {
            self.owes_reset = false;
        }
    }

    pub(crate) fn reset_lost(&mut self) {
        self.owes_reset = self.state == SendState::ResetSent;
    }

    /// The STREAM_DATA_BLOCKED frame that is to be sent: the limit.
    pub(crate) fn owed_blocked(&self) -> Option<VarInt> {
        (self.state.is_open() && self.data.unsent() > 0 && self.flow.is_untold())
            .then(|| VarInt::saturating(self.flow.limit()))
    }

    pub(crate) fn blocked_sent(&mut self) {
        self.flow.tell();
        self.step(SendStep::Data);
    }

    pub(crate) fn blocked_lost(&mut self) {
        self.flow.untell();
    }

    /// Whether it can write a frame that no connection's credit is needed for.
    pub(crate) fn has_again(&self) -> bool {
        self.state.is_open() && self.data.owes_without_credit()
    }

    /// Whether it can write a frame with new data.
    pub(crate) fn has_fresh(&self) -> bool {
        self.state.is_open() && self.data.unsent() > 0 && self.flow.available() > 0
    }

    /// Whether the application, which was refused room, has enough again. Says so once.
    pub(crate) fn takes_room(&mut self) -> bool {
        let takes = self.wants_room && self.data.unsent() <= limits::UNSENT >> 1;
        if takes {
            self.wants_room = false;
        }
        takes
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.state.is_terminal()
    }

    pub(crate) fn stopped(&self) -> VarInt {
        self.stopped.unwrap_or_default()
    }

    /// How much the peer does not have yet: data, the end or a reset.
    pub(crate) fn undelivered(&self) -> u64 {
        match self.state {
            SendState::ResetSent => 1,
            state if state.is_open() => self.data.undelivered(),
            _ => 0,
        }
    }

    fn step(&mut self, step: SendStep) {
        if let Some(state) = self.state.step(step) {
            self.state = state;
        }
    }
}

/// The middle of RFC 9218's range: lower is more urgent.
pub(crate) const DEFAULT_URGENCY: u8 = 3;

/// More data than this is not cut to fit the few bytes at a packet's end.
const LEAST: usize = 16;

/// Room for a frame's head and those few bytes.
const LEAST_ROOM: usize = 40;
