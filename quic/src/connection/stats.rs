//! What a connection counts.

use core::time::Duration;

use crate::observe::{EcnState, Metrics};

/// Counts since the connection began, and what is known of its path now. Counts never go down and stop at their largest value; bytes are those of UDP's
/// payload, without the headers of UDP and IP. A snapshot: to be asked for as often as one likes, at the cost of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams that were sent.
    pub datagrams_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Datagrams that came, whatever was in them.
    pub datagrams_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Packets that were sent; a datagram may hold several.
    pub packets_sent: u64,
    /// Packets of the peer that opened.
    pub packets_received: u64,
    /// Packets that were taken for lost.
    pub packets_lost: u64,
    /// Packets that were taken for lost and had arrived.
    pub packets_late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that did not open, for want of keys or because they were not the peer's.
    pub undecryptable: u64,
    /// What came and was no packet of this connection.
    pub discarded: u64,
    /// Updates of the keys that this side sends with.
    pub key_updates: u64,
    /// How often the peer's packets began to come from another address and were followed there.
    pub moves: u64,
    /// Probe timeouts.
    pub probe_timeouts: u64,
    /// How often the window was made smaller, for losses or for ECN marks.
    pub congestion_events: u64,
    /// How often that was taken back, since nothing had been lost.
    pub congestion_undone: u64,
    /// How often nothing got through for so long that the window fell to its smallest.
    pub persistent_congestion: u64,
    /// The smoothed round trip; before the first sample, what stands in for it.
    pub rtt: Duration,
    /// The last sample of the round trip.
    pub latest_rtt: Duration,
    /// The smallest sample.
    pub min_rtt: Duration,
    /// The mean deviation of samples.
    pub rtt_variation: Duration,
    /// The congestion window in bytes.
    pub window: u64,
    /// The slow start threshold in bytes, once there is one.
    pub threshold: Option<u64>,
    /// Bytes in flight.
    pub in_flight: u64,
    /// Bytes of the largest datagram that is sent.
    pub mtu: u16,
    /// How often a path carried less than it did before.
    pub black_holes: u64,
    /// Whether packets are marked for ECN.
    pub ecn: EcnState,
}

/// What is counted along the way; the rest is computed when somebody asks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) datagrams_sent: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) datagrams_received: u64,
    pub(crate) bytes_received: u64,
    pub(crate) packets_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) packets_lost: u64,
    pub(crate) packets_late: u64,
    pub(crate) duplicates: u64,
    pub(crate) undecryptable: u64,
    pub(crate) discarded: u64,
    pub(crate) probe_timeouts: u64,
    pub(crate) key_updates: u32,
    pub(crate) moves: u32,
    pub(crate) congestion_events: u32,
    pub(crate) congestion_undone: u32,
    pub(crate) persistent_congestion: u32,
    pub(crate) black_holes: u32,
}

impl Counts {
    /// With what is known of the path now.
    pub(crate) fn with(&self, metrics: &Metrics, mtu: u16, ecn: EcnState) -> Stats {
        Stats {
            datagrams_sent: self.datagrams_sent,
            bytes_sent: self.bytes_sent,
            datagrams_received: self.datagrams_received,
            bytes_received: self.bytes_received,
            packets_sent: self.packets_sent,
            packets_received: self.packets_received,
            packets_lost: self.packets_lost,
            packets_late: self.packets_late,
            duplicates: self.duplicates,
            undecryptable: self.undecryptable,
            discarded: self.discarded,
            key_updates: self.key_updates.into(),
            moves: self.moves.into(),
            probe_timeouts: self.probe_timeouts,
            congestion_events: self.congestion_events.into(),
            congestion_undone: self.congestion_undone.into(),
            persistent_congestion: self.persistent_congestion.into(),
            rtt: metrics.smoothed_rtt,
            latest_rtt: metrics.latest_rtt,
            min_rtt: metrics.min_rtt,
            rtt_variation: metrics.rtt_variation,
            window: metrics.window,
            threshold: metrics.threshold,
            in_flight: metrics.in_flight,
            mtu,
            black_holes: self.black_holes.into(),
            ecn,
        }
    }
}

/// One more.
pub(crate) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// The same for what happens less often than four thousand million times.
pub(crate) fn count_rare(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}
