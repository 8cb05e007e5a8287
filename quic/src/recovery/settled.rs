//! What calls of recovery hand out: tokens of frames, a summary, and what an ACK frame acknowledged.

use core::time::Duration;

use super::path::PathId;
use super::sent::SentPacket;
use super::token::{Token, Tokens};
use crate::wire::{PacketNumber, Space};

/// What became of frames. The caller empties it after each call, and may use it for all connections of a thread.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Of packets that arrived, those joined that say the same of one stream. A token may have been in `lost` before: the packet was late.
    pub(crate) acked: Vec<Token>,
    /// Of packets that are lost.
    pub(crate) lost: Vec<Token>,
    /// Of packets that are on their way for too long: their frames go into the probes that are owed, for want of new ones. To the owners it
    /// is the same as a loss.
    pub(crate) resend: Vec<Token>,
    /// Packets that arrived on the path in use, until the controller has heard of the losses.
    pub(super) growth: Vec<(Duration, u64)>,
}

impl Settled {
    /// A packet with these tokens has arrived.
    pub(super) fn arrived(&mut self, tokens: &Tokens) {
        for token in tokens.iter() {
            match self.acked.last_mut() {
                Some(last) => match last.join(token) {
                    Some(joined) => *last = joined,
                    None => self.acked.push(token),
                },
                None => self.acked.push(token),
            }
        }
    }
}

/// What a call found out, for events and for those who size datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Whether the peer acknowledged anything for the first time.
    pub(crate) progress: bool,
    pub(crate) acked_packets: u32,
    pub(crate) lost_packets: u32,
    /// Packets that had been taken for lost and have arrived.
    pub(crate) late_packets: u32,
    /// The size of the largest packet that arrived, and of the largest that is lost.
    pub(crate) largest_acked_size: u16,
    pub(crate) largest_lost_size: u16,
    /// The size of the smallest that is lost on the path in use and was no probe for a longer one.
    pub(crate) smallest_lost_size: Option<u16>,
    pub(crate) sampled: bool,
    /// A recovery period began.
    pub(crate) congestion: bool,
    pub(crate) persistent_congestion: bool,
    /// The last recovery period was undone: nothing had been lost.
    pub(crate) undone: bool,
    /// The space for which probes are owed since the probe timeout.
    pub(crate) probe: Option<Space>,
}

/// What an ACK frame acknowledges for the first time.
#[derive(Debug, Default)]
pub(super) struct Arrived {
    pub(super) packets: u32,
    pub(super) eliciting: bool,
    /// When the largest number of the frame was sent, if it is new and of the path in use.
    pub(super) largest_sent_at: Option<Duration>,
    pub(super) newest: Option<Duration>,
    pub(super) largest_size: u16,
    /// Packets marked ECT(0), and whether there are such of another path.
    pub(super) marked: u64,
    pub(super) marked_elsewhere: bool,
}

impl Arrived {
    pub(super) fn new(largest_sent_at: Option<Duration>) -> Self {
        Self {
            largest_sent_at,
            ..Self::default()
        }
    }

    pub(super) fn take(&mut self, packet: &SentPacket, largest: PacketNumber, path: PathId) {
        self.packets = self.packets.saturating_add(1);
        self.newest = self.newest.max(Some(packet.sent_at));
        if packet.path != path {
            self.marked_elsewhere |= packet.ect0;
            return;
        }
        self.eliciting |= packet.ack_eliciting;
        self.largest_size = self.largest_size.max(packet.size);
        self.marked = self.marked.saturating_add(packet.ect0.into());
        if packet.number == largest {
            self.largest_sent_at = Some(packet.sent_at);
        }
    }
}
