//! Packets that came before the keys that open them: overtaken by nothing worse than the network (RFC 9001 section 5.7).
//!
//! Only packets of a level whose keys may still come are held, so none after the handshake (attack Q09); at most [`limits::HELD_PACKETS`] of
//! them, and not for long. Nobody can tell yet whose they are.

use core::time::Duration;

use crate::limits;
use crate::path::Route;
use crate::protect::Protected;
use crate::recovery::Ecn;
use crate::wire::PacketType;

/// The packets.
#[derive(Default)]
pub(crate) struct Held(Vec<HeldPacket>);

/// A packet and what is known of its arrival.
pub(crate) struct HeldPacket {
    pub(crate) packet: Protected,
    pub(crate) arrival: Arrival,
}

/// How a packet came.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) at: Duration,
    pub(crate) route: Route,
    pub(crate) ecn: Ecn,
    /// Bytes of the datagram that it came in, all of which it keeps alive.
    pub(crate) datagram: usize,
}

impl Held {
    /// Holds a packet. False, and it is dropped, if there are too many.
    pub(crate) fn push(&mut self, packet: Protected, arrival: Arrival) -> bool {
        let fits = self.0.len() < limits::HELD_PACKETS;
        if fits {
            self.0.push(HeldPacket { packet, arrival });
        }
        fits
    }

    /// The packets of the types for which there are keys now, or never will be. Others stay.
    pub(crate) fn take(&mut self, is_settled: impl Fn(PacketType) -> bool) -> Vec<HeldPacket> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let all = core::mem::take(&mut self.0);
        let (taken, kept) = all
            .into_iter()
            .partition(|held| is_settled(held.packet.header().packet));
        self.0 = kept;
        taken
    }

    /// When the oldest packet is dropped.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let oldest = self.0.iter().map(|held| held.arrival.at).min();
        oldest.map(|at| at.saturating_add(limits::HELD_TIME))
    }

    pub(crate) fn expire(&mut self, now: Duration) {
        self.0
            .retain(|held| held.arrival.at.saturating_add(limits::HELD_TIME) > now);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}
