//! The part of a stream that receives.
//!
//! What comes is checked against the final size and both levels of flow control before any of it is held. Credit goes back when the application reads,
//! or when nobody will: after a reset, and after [`stop`](RecvStream::stop), whose data is dropped as it comes.

use core::time::Duration;

use super::app::{Read, ReadError};
use super::flow::{Exceeded, RecvFlow};
use super::state::{RecvState, RecvStep};
use crate::Fault;
use crate::buffer::{Reassembly, size};
use crate::wire::VarInt;

/// One stream's received data and where it stands.
#[derive(Debug)]
pub(crate) struct RecvStream {
    state: RecvState,
    data: Reassembly,
    flow: RecvFlow,
    final_size: Option<u64>,
    /// What the peer reset it with.
    reset: VarInt,
    stop: Stop,
    order: Order,
    /// A frame that told the peer its limit was lost.
    limit_lost: bool,
    /// Where what came in 0-RTT packets ends, if anything did.
    early: Option<u64>,
}

/// What all streams of a connection together have received.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) flow: RecvFlow,
    /// Bytes of bookkeeping for data with gaps (attack A23).
    pub(crate) fragments: usize,
}

/// In which order data is read. It cannot go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    InOrder,
    /// As it came: with gaps, but nothing twice.
    Unordered,
}

/// How far a STOP_SENDING frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    Owed(VarInt),
    Sent(VarInt),
    Acked,
}

impl RecvStream {
    pub(crate) fn new(flow: RecvFlow) -> Self {
        Self {
            state: RecvState::Recv,
            data: Reassembly::default(),
            flow,
            final_size: None,
            reset: VarInt::ZERO,
            stop: Stop::No,
            order: Order::InOrder,
            limit_lost: false,
            early: None,
        }
    }

    /// A 0-RTT packet has brought data up to `end`. All below it counts as early data from now on, whatever else brings it.
    pub(crate) fn on_early(&mut self, end: u64) {
        self.early = self.early.max(Some(end));
    }

    /// Whether a 0-RTT packet has brought anything of it.
    pub(crate) fn has_early(&self) -> bool {
        self.early.is_some()
    }

    /// A STREAM frame came. Says whether the application has something new to read or to hear.
    pub(crate) fn on_stream(
        &mut self,
        account: &mut Account,
        offset: VarInt,
        bytes: &[u8],
        fin: bool,
    ) -> Result<bool, Fault> {
        let end = offset.get().saturating_add(size(bytes.len()));
        self.on_size(account, end, fin)?;
        self.step(if fin { RecvStep::Fin } else { RecvStep::Data });
        if self.stop != Stop::No {
            self.drop_data(account);
            if self.stop == Stop::Acked {
                self.step(RecvStep::StopAcked);
            }
            return Ok(false);
        }
        if !self.state.is_receiving() {
            return Ok(false);
        }
        let before = (self.data.joined(), self.data.buffered());
        let bound = usize::try_from(account.flow.window()).unwrap_or(usize::MAX);
        counted(account, &mut self.data, |data| {
            data.insert(offset.get(), bytes);
        });
        if account.fragments > bound {
            counted(account, &mut self.data, Reassembly::compact);
            if account.fragments > bound {
                return Err(Fault::Fragments);
            }
        }
        if self.final_size == Some(self.data.joined()) {
            self.step(RecvStep::AllData);
            return Ok(true);
        }
        Ok(match self.order {
            Order::InOrder => self.data.joined() > before.0,
            Order::Unordered => self.data.buffered() > before.1,
        })
    }

    /// A RESET_STREAM frame came. Says whether the application has to hear of it.
    pub(crate) fn on_reset(
        &mut self,
        account: &mut Account,
        code: VarInt,
        final_size: VarInt,
    ) -> Result<bool, Fault> {
        // rfc9000#4.5-1
        self.on_size(account, final_size.get(), true)?;
        if !self.state.is_receiving() {
            return Ok(false);
        }
        self.step(RecvStep::Reset);
        self.reset = code;
        self.drop_data(account);
        if self.stop == Stop::No {
            return Ok(true);
        }
        self.stop = Stop::Acked;
        self.step(RecvStep::Stop);
        Ok(false)
    }

    /// Checks that the peer may have sent up to `end`, and has if `fin` sent no more.
    fn on_size(&mut self, account: &mut Account, end: u64, fin: bool) -> Result<(), Fault> {
        match self.final_size {
            Some(size) if fin && end != size => return Err(Fault::FinalSizeChanged),
            Some(size) if end > size => return Err(Fault::PastFinalSize),
            None if fin && end < self.flow.received() => return Err(Fault::FinalSizeTooSmall),
            Some(_) | None => {}
        }
        let more = end.saturating_sub(self.flow.received());
        // rfc9000#4.1-2, rfc9000#19.10-4
        self.flow
            .receive(more)
            .map_err(|Exceeded| Fault::StreamFlow)?;
        // rfc9000#4.1-2, rfc9000#19.9-2
        account
            .flow
            .receive(more)
            .map_err(|Exceeded| Fault::ConnectionFlow)?;
        if fin {
            self.final_size = Some(end);
        }
        Ok(())
    }

    /// The next bytes for the application, at most `most`, in order if it wants that (rfc9000#2.2-1).
    pub(crate) fn read(
        &mut self,
        account: &mut Account,
        most: usize,
        order: Order,
    ) -> Result<Read, ReadError> {
        match self.state {
            RecvState::ResetRecvd => {
                self.step(RecvStep::ReadReset);
                return Err(ReadError::Reset(self.reset));
            }
            RecvState::DataRead | RecvState::ResetRead => return Err(ReadError::Closed),
            RecvState::Recv | RecvState::SizeKnown | RecvState::DataRecvd => {}
        }
        if self.stop != Stop::No {
            return Err(ReadError::Closed);
        }
        if self.order == Order::Unordered && order == Order::InOrder {
            return Err(ReadError::OutOfOrder);
        }
        self.order = order;
        let chunk = counted(account, &mut self.data, |data| match order {
            Order::InOrder => data.read(most),
            Order::Unordered => data.read_unordered(most),
        });
        let ends = self.state == RecvState::DataRecvd && self.data.buffered() == 0;
        if ends {
            self.step(RecvStep::ReadAll);
        }
        Ok(match chunk {
            Some(chunk) => {
                let len = size(chunk.bytes.len());
                self.flow.consume(len);
                account.flow.consume(len);
                Read::Data {
                    offset: chunk.offset,
                    bytes: chunk.bytes,
                    ends,
                    early: self.early.is_some_and(|end| chunk.offset < end),
                }
            }
            None if ends => Read::Finished,
            None => Read::Blocked,
        })
    }

    /// The application wants no more. Says whether that was news.
    pub(crate) fn stop(&mut self, account: &mut Account, code: VarInt) -> bool {
        if self.stop != Stop::No || self.state.is_terminal() {
            return false;
        }
        // After a reset, or when all has come, nobody needs to be told.
        self.stop = if self.state.is_receiving() {
            Stop::Owed(code)
        } else {
            Stop::Acked
        };
        self.step(RecvStep::Stop);
        self.drop_data(account);
        true
    }

    /// The STOP_SENDING frame that is to be sent.
    pub(crate) fn owed_stop(&self) -> Option<VarInt> {
        match self.stop {
            Stop::Owed(code) if self.state.step(RecvStep::StopSending).is_some() => Some(code),
            Stop::No | Stop::Owed(_) | Stop::Sent(_) | Stop::Acked => None,
        }
    }

    pub(crate) fn stop_sent(&mut self) {
        if let Stop::Owed(code) = self.stop {
            self.stop = Stop::Sent(code);
            self.step(RecvStep::StopSending);
        }
    }

    pub(crate) fn stop_acked(&mut self) {
        self.stop = Stop::Acked;
        self.step(RecvStep::StopAcked);
    }

    pub(crate) fn stop_lost(&mut self) {
        if let Stop::Sent(code) = self.stop {
            self.stop = Stop::Owed(code);
        }
    }

    /// Whether a MAX_STREAM_DATA frame is worth sending.
    pub(crate) fn owes_limit(&self) -> bool {
        self.stop == Stop::No
            && self.state.step(RecvStep::MaxStreamData).is_some()
            && (self.limit_lost || self.flow.is_due())
    }

    /// The limit for a MAX_STREAM_DATA frame, which is owed until [`limit_sent`](Self::limit_sent).
    pub(crate) fn update(&mut self, now: Duration, rtt: Duration) -> u64 {
        self.limit_lost = true;
        self.flow.update(now, rtt)
    }

    pub(crate) fn limit_sent(&mut self) {
        self.limit_lost = false;
    }

    pub(crate) fn limit_lost(&mut self) {
        self.limit_lost = true;
    }

    /// Whether data or a reset may still change something.
    pub(crate) fn is_receiving(&self) -> bool {
        self.state.is_receiving()
    }

    pub(crate) fn knows_size(&self) -> bool {
        self.final_size.is_some()
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.state.is_terminal()
    }

    /// Bytes of memory that the data takes.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.data.buffered().saturating_add(self.data.overhead())
    }

    /// Nobody will read what came: its credit goes back.
    fn drop_data(&mut self, account: &mut Account) {
        account.fragments = account.fragments.saturating_sub(self.data.fragments());
        self.data = Reassembly::default();
        let left = self.flow.unconsumed();
        self.flow.consume(left);
        account.flow.consume(left);
    }

    fn step(&mut self, step: RecvStep) {
        if let Some(state) = self.state.step(step) {
            self.state = state;
        }
    }
}

/// Does something to a stream's data and keeps the account of its fragments.
fn counted<T>(
    account: &mut Account,
    data: &mut Reassembly,
    change: impl FnOnce(&mut Reassembly) -> T,
) -> T {
    account.fragments = account.fragments.saturating_sub(data.fragments());
    let result = change(data);
    account.fragments = account.fragments.saturating_add(data.fragments());
    result
}
