//! The sending half of a packet number space: what is acknowledged, what is lost (RFC 9002 section 6.1), and what was lost by mistake.
//!
//! An ACK frame is checked whole before anything changes. A packet is lost once a later one was acknowledged and it is too far behind, in packets or in
//! time; both thresholds grow where that turns out to have been wrong. Lost packets are remembered for a while, so that a late
//! acknowledgment of one is seen for what it is.

use core::ops::RangeInclusive;
use core::time::Duration;
use std::collections::VecDeque;

use super::ecn::Reported;
use super::sent::{Passed, Sent, SentPacket};
use super::skip::Skips;
use super::token::Tokens;
use crate::wire::{PacketNumber, frame::Ack};
use crate::{Fault, limits};

/// The packets that were sent in one space.
#[derive(Debug, Default)]
pub(super) struct Sending {
    pub(super) sent: Sent,
    pub(super) late: Late,
    pub(super) skips: Skips,
    pub(super) ecn: Reported,
    /// The next number to use.
    next: Option<PacketNumber>,
    largest_acked: Option<PacketNumber>,
    loss_time: Option<Duration>,
    /// When the newest packet was sent that is known to have arrived.
    newest_acked: Option<Duration>,
    /// When the first packet was sent of those that were all lost until now.
    lost_since: Option<Duration>,
}

/// How far packets may be overtaken before they are lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reordering {
    packets: u64,
    /// In eighths of a round trip.
    time: u32,
}

/// Lost packets that may still turn up.
#[derive(Debug, Default)]
pub(super) struct Late {
    packets: VecDeque<LostPacket>,
}

#[derive(Debug)]
pub(super) struct LostPacket {
    number: PacketNumber,
    lost_at: Duration,
    /// Whether its loss speaks of congestion, and of which recovery period.
    speaks: bool,
    pub(super) period: Option<u32>,
    pub(super) tokens: Tokens,
}

/// What was found lost by one look.
#[derive(Debug)]
pub(super) struct Detection<'a> {
    pub(super) now: Duration,
    pub(super) loss_delay: Duration,
    pub(super) reordering: &'a Reordering,
    /// Of the path: when congestion is persistent, after what, and what other spaces have seen arrive.
    pub(super) persistent: Persistent,
}

/// What makes congestion persistent (RFC 9002 section 7.6.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Persistent {
    pub(super) after: Duration,
    pub(super) first_sample: Option<Duration>,
    /// When the newest packet of another space was sent that has arrived.
    pub(super) elsewhere: Option<Duration>,
}

impl Default for Reordering {
    /// kPacketThreshold and kTimeThreshold of RFC 9002 section 6.1.
    fn default() -> Self {
        Self {
            packets: 3,
            time: 9,
        }
    }
}

impl Reordering {
    pub(super) fn eighths(&self) -> u32 {
        self.time
    }

    /// A packet came after all, when others up to `distance` later ones had been acknowledged.
    fn widen(&mut self, distance: u64) {
        if distance >= self.packets {
            let packets = distance.saturating_add(1).min(limits::REORDERING);
            self.packets = self.packets.max(packets);
        }
        self.time = self.time.saturating_add(1).min(LONGEST_TIME);
    }
}

impl Sending {
    /// The number for the next packet. Numbers are used up by [`Sending::on_sent`] alone: what was not sent is not missing.
    pub(super) fn next_number(&self) -> Option<PacketNumber> {
        self.next
            .or(Some(PacketNumber::ZERO))
            .filter(|_| !self.is_used_up())
    }

    /// The first number is this one; those below were used, and may be acknowledged.
    pub(super) fn begin_after(&mut self, packets: u64) {
        self.next = PacketNumber::new(packets);
    }

    /// Leaves so many numbers out, as if they had been used and settled long ago.
    #[cfg(test)]
    pub(super) fn leap(&mut self, numbers: u64) {
        let next = self.next_number().unwrap().get();
        self.next = PacketNumber::new(next + numbers);
    }

    /// Leaves the next number out if it is time for that.
    pub(super) fn maybe_skip(&mut self, window: u64, random: impl FnOnce() -> u64) {
        let (Some(next), sent) = (self.next_number(), &self.sent) else {
            return;
        };
        let settled = |number| sent.is_settled_below(number);
        if self.skips.skips(next, window, settled, random) {
            self.next = next.next().or(self.next);
        }
    }

    pub(super) fn on_sent(&mut self, packet: SentPacket) {
        if packet.ect0 {
            self.ecn.on_marked();
        }
        self.next = Some(packet.number.next().unwrap_or(LAST));
        self.sent.push(packet);
    }

    /// Refuses an ACK frame for what was not sent (RFC 9000 sections 13.1 and 21.4).
    pub(super) fn check(&self, ack: &Ack<'_>) -> Result<(), Fault> {
        if self.next.is_none_or(|next| ack.largest >= next) {
            return Err(Fault::UnsentAcked);
        }
        if ack.ranges().any(|range| self.skips.hit(&range)) {
            return Err(Fault::SkippedAcked);
        }
        Ok(())
    }

    /// Whether nothing is known of any packet with this number or a lower one.
    pub(super) fn knows_none_from(&self, number: PacketNumber) -> bool {
        let known = self
            .late
            .packets
            .front()
            .is_some_and(|lost| lost.number <= number);
        !known && self.sent.is_settled_to(number)
    }

    /// True if the largest acknowledged number rises.
    pub(super) fn raise_largest(&mut self, largest: PacketNumber) -> bool {
        let rises = self.largest_acked < Some(largest);
        self.largest_acked = self.largest_acked.max(Some(largest));
        rises
    }

    pub(super) fn largest_acked(&self) -> Option<PacketNumber> {
        self.largest_acked
    }

    /// When the next packet is to be declared lost.
    pub(super) fn loss_time(&self) -> Option<Duration> {
        self.loss_time
    }

    pub(super) fn newest_acked(&self) -> Option<Duration> {
        self.newest_acked
    }

    /// A packet has arrived that was sent then.
    pub(super) fn on_arrival(&mut self, sent_at: Duration) {
        self.newest_acked = self.newest_acked.max(Some(sent_at));
    }

    /// Acknowledgments of packets that were taken for lost.
    pub(super) fn take_late(
        &mut self,
        range: &RangeInclusive<PacketNumber>,
        reordering: &mut Reordering,
        mut late: impl FnMut(LostPacket),
    ) {
        let largest = self.largest_acked.unwrap_or(*range.end());
        let skips = &self.skips;
        for packet in self.late.take(range) {
            let skipped = skips.between(packet.number, largest);
            let distance = largest.get().saturating_sub(packet.number.get());
            reordering.widen(distance.saturating_sub(skipped));
            // The run of losses, if it goes on, did not hold.
            self.lost_since = None;
            late(packet);
        }
    }

    /// Finds what is lost, hands it to `lost`, and remembers it. `speaks` says of which packets the loss speaks of congestion. True if that makes
    /// congestion persistent.
    pub(super) fn detect(
        &mut self,
        detection: &Detection<'_>,
        speaks: impl Fn(&SentPacket) -> bool,
        mut lost: impl FnMut(&SentPacket),
    ) -> bool {
        self.loss_time = None;
        let Some(largest) = self.largest_acked else {
            return false;
        };
        let (skips, late, since) = (&self.skips, &mut self.late, &mut self.lost_since);
        let threshold = detection.reordering.packets;
        let is_lost = |packet: &SentPacket| {
            let distance = largest.get().saturating_sub(packet.number.get());
            let overtaken = distance.saturating_sub(skips.between(packet.number, largest));
            // Never early: only what was sent before a packet that has arrived gets here.
            overtaken >= threshold
                || packet.sent_at.saturating_add(detection.loss_delay) <= detection.now
        };
        let mut persistent = false;
        let stopped = self.sent.advance(largest, is_lost, |passed| match passed {
            Passed::Acked => *since = None,
            Passed::Lost {
                packet,
                after_acked,
            } => {
                if after_acked {
                    *since = None;
                }
                let speaks = speaks(&packet);
                // rfc9002#7.6.2-1
                if packet.ack_eliciting && speaks {
                    persistent |= detection.persistent.is_reached(since, packet.sent_at);
                }
                lost(&packet);
                late.push(packet, detection.now, speaks);
            }
        });
        self.loss_time = stopped.map(|sent_at| sent_at.saturating_add(detection.loss_delay));
        if persistent {
            self.lost_since = None;
        }
        persistent
    }

    /// Gives up everything that is on its way, and hands it to `gone`.
    pub(super) fn drain(&mut self, gone: impl FnMut(SentPacket)) {
        self.sent.drain(gone);
        self.loss_time = None;
        self.lost_since = None;
        self.late = Late::default();
    }

    fn is_used_up(&self) -> bool {
        self.next == Some(LAST)
    }
}

impl Late {
    fn push(&mut self, packet: SentPacket, now: Duration, speaks: bool) {
        if self.packets.len() >= limits::LOST_PACKETS {
            self.packets.pop_front();
        }
        self.packets.push_back(LostPacket {
            number: packet.number,
            lost_at: now,
            speaks,
            period: None,
            tokens: packet.tokens,
        });
    }

    /// Says to which recovery period the last `count` lost packets belong.
    pub(super) fn assign(&mut self, count: usize, period: u32) {
        let newest = self.packets.iter_mut().rev().take(count);
        for packet in newest.filter(|packet| packet.speaks) {
            packet.period = Some(period);
        }
    }

    /// Forgets what was lost so long ago that it will not turn up.
    pub(super) fn expire(&mut self, before: Duration) {
        while self
            .packets
            .front()
            .is_some_and(|lost| lost.lost_at < before)
        {
            self.packets.pop_front();
        }
        if self.packets.is_empty() {
            self.packets.shrink_to(0);
        }
    }

    fn take(
        &mut self,
        range: &RangeInclusive<PacketNumber>,
    ) -> impl Iterator<Item = LostPacket> + '_ {
        // Numbers ascend here too, since losses are found from the front.
        let start = self
            .packets
            .partition_point(|lost| lost.number < *range.start());
        let end = self
            .packets
            .partition_point(|lost| lost.number <= *range.end());
        self.packets.drain(start..end.max(start))
    }
}

impl Persistent {
    /// Takes a packet that is lost, after all since `since` were. True if that is long enough.
    fn is_reached(&self, since: &mut Option<Duration>, sent_at: Duration) -> bool {
        // Before the first sample the timeouts are guesses.
        if self.first_sample.is_none_or(|first| sent_at <= first) {
            return false;
        }
        // Something of another space that was sent since has arrived: the run begins anew. That it may have been sent after this packet
        // makes persistent congestion rarer, never more frequent.
        let start = since.filter(|start| self.elsewhere.is_none_or(|acked| acked <= *start));
        let start = *since.insert(start.unwrap_or(sent_at));
        sent_at.saturating_sub(start) > self.after
    }
}

/// Stands for "no number is left"; it is never used itself.
const LAST: PacketNumber = match PacketNumber::new(limits::VARINT) {
    Some(number) => number,
    None => PacketNumber::ZERO,
};

/// Two round trips, in eighths.
const LONGEST_TIME: u32 = 16;
