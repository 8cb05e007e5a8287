//! What was negotiated on a connection, what it counts, and keying material.

use core::time::Duration;

use super::connection::{Quic, pith_quic};
use super::{micros, pith_address};
use crate::arguments::{Struct, fill, list, pith_bytes, room};
use crate::error::PITH_OK;
use crate::handle::enter;
use crate::tls::{pith_info, told, too_early};

/// Says what was negotiated, as pith_tls_info does.
///
/// Errors: PITH_MISUSE before the handshake is complete, PITH_ARGUMENT if `info->size` is not set.
///
/// # Safety
/// `info` points to as many bytes as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_info(quic: Option<&mut pith_quic>, info: *mut pith_info) -> i32 {
    enter(quic, |quic| {
        let summary = quic.connection.summary().ok_or_else(too_early)?;
        // SAFETY: the caller's duty.
        unsafe { fill(info, |size| told(size, summary, &mut quic.chain)) }?;
        Ok(PITH_OK)
    })
}

/// Fills `out` with keying material for a label and a context, as pith_tls_export does.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_export(
    quic: Option<&mut pith_quic>,
    label: pith_bytes,
    context: pith_bytes,
    out: *mut u8,
    len: usize,
) -> i32 {
    enter(quic, |quic| {
        // SAFETY: the caller's duty.
        let label = unsafe { label.get() }?;
        // SAFETY: the caller's duty.
        let context = unsafe { context.get() }?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, len) }?;
        crate::tls::check_export(label, out)?;
        quic.connection.export(label, context, out)?;
        Ok(PITH_OK)
    })
}

/// Remembers bytes with the sessions that come from now on, for early data under them, as pith_tls_remember does.
///
/// # Safety
/// There are `len` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_remember(
    quic: Option<&mut pith_quic>,
    bytes: *const u8,
    len: usize,
) -> i32 {
    enter(quic, |quic| {
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(bytes, len) }?;
        quic.connection
            .remember(bytes::Bytes::copy_from_slice(bytes))?;
        Ok(PITH_OK)
    })
}

/// What a connection has counted, and what is known of its path now. Bytes are those of UDP's payload; times are in microseconds.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_quic_stats {
    /// sizeof(pith_quic_stats). Set it before the call.
    pub size: usize,
    /// The peer's address.
    pub remote: pith_address,
    /// Datagrams that were sent.
    pub datagrams_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Datagrams that came.
    pub datagrams_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Packets that were sent.
    pub packets_sent: u64,
    /// Packets of the peer that opened.
    pub packets_received: u64,
    /// Packets that were taken for lost.
    pub packets_lost: u64,
    /// Packets that did not open.
    pub undecryptable: u64,
    /// Updates of the keys that this side sends with.
    pub key_updates: u64,
    /// Probe timeouts.
    pub probe_timeouts: u64,
    /// How often the window was made smaller.
    pub congestion_events: u64,
    /// The smoothed round trip.
    pub rtt_us: u64,
    /// The smallest round trip.
    pub min_rtt_us: u64,
    /// The congestion window in bytes.
    pub window: u64,
    /// Bytes in flight.
    pub in_flight: u64,
    /// Bytes of the largest datagram that is sent.
    pub mtu: u16,
    /// How often the path was found to carry shorter datagrams than before.
    pub black_holes: u64,
}

// SAFETY: integers.
unsafe impl Struct for pith_quic_stats {}

/// Says what the connection has counted.
///
/// # Safety
/// `out` points to as many bytes as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_get_stats(
    quic: Option<&mut pith_quic>,
    out: *mut pith_quic_stats,
) -> i32 {
    enter(quic, |quic| {
        // SAFETY: the caller's duty.
        unsafe { fill(out, |size| counted(size, quic)) }?;
        Ok(PITH_OK)
    })
}

fn counted(size: usize, quic: &Quic) -> pith_quic_stats {
    let stats = quic.connection.stats();
    let us = |time: Duration| micros(time);
    pith_quic_stats {
        size,
        remote: pith_address::of(quic.connection.route().remote),
        datagrams_sent: stats.datagrams_sent,
        bytes_sent: stats.bytes_sent,
        datagrams_received: stats.datagrams_received,
        bytes_received: stats.bytes_received,
        packets_sent: stats.packets_sent,
        packets_received: stats.packets_received,
        packets_lost: stats.packets_lost,
        undecryptable: stats.undecryptable,
        key_updates: stats.key_updates,
        probe_timeouts: stats.probe_timeouts,
        congestion_events: stats.congestion_events,
        rtt_us: us(stats.rtt),
        min_rtt_us: us(stats.min_rtt),
        window: stats.window,
        in_flight: stats.in_flight,
        mtu: stats.mtu,
        black_holes: stats.black_holes,
    }
}
