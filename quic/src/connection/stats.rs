//! What a connection counts.

use core::time::Duration;

/// Counts since the connection began, and what is known of its path now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams that were sent.
    pub datagrams_sent: u64,
    /// Their bytes, without those of UDP and IP.
    pub bytes_sent: u64,
    /// Datagrams that came, whatever was in them.
    pub datagrams_received: u64,
    /// Their bytes, without those of UDP and IP.
    pub bytes_received: u64,
    /// Packets that were sent.
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
    /// Probe timeouts.
    pub probe_timeouts: u64,
    /// The smoothed round trip.
    pub rtt: Duration,
    /// The congestion window in bytes.
    pub window: u64,
    /// Bytes in flight.
    pub in_flight: u64,
    /// Bytes of the largest datagram that is sent.
    pub mtu: u16,
}

/// One more.
pub(crate) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
