//! Datagrams (RFC 9221).

use core::mem::MaybeUninit;

use ::pith_quic::DatagramError;
use bytes::Bytes;

use super::connection::{Quic, pith_quic};
use crate::arguments::{Count, copy_whole, list, room};
use crate::error::{Failure, PITH_NONE, PITH_OK};
use crate::handle::enter;

/// Sends a datagram, once: it may be lost. Where too many wait, the oldest is dropped.
///
/// Errors: PITH_ARGUMENT for one over pith_quic_status.largest_datagram; PITH_MISUSE if the peer takes none, or it is not known yet; how the connection ended.
///
/// # Safety
/// There are `len` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_send_datagram(
    quic: Option<&mut pith_quic>,
    bytes: *const u8,
    len: usize,
) -> i32 {
    enter(quic, |quic| {
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(bytes, len) }?;
        quic.check()?;
        let sent = quic.connection.send_datagram(Bytes::copy_from_slice(bytes));
        sent.map_err(|error| match error {
            DatagramError::NotTaken => Failure::misuse("the peer takes no datagrams"),
            DatagramError::TooLarge => Failure::argument("the datagram is too large"),
        })?;
        Ok(PITH_OK)
    })
}

/// Writes the oldest datagram that came to `out`, and its length to `*len`.
///
/// Returns PITH_OK; PITH_NONE if there is none; or PITH_TOO_SMALL: it waits, and `*len` says how long it is.
///
/// # Safety
/// There are `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_read_datagram(
    quic: Option<&mut pith_quic>,
    out: *mut u8,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(quic, |quic| {
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        let Quic {
            datagram,
            connection,
            ..
        } = quic;
        give(datagram, || connection.read_datagram(), out, len)
    })
}

/// As pith_quic_read_datagram, of datagrams that came as early data: a copy of it may have come before, or come later.
///
/// # Safety
/// There are `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_read_early_datagram(
    quic: Option<&mut pith_quic>,
    out: *mut u8,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(quic, |quic| {
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        let Quic {
            early_datagram,
            connection,
            ..
        } = quic;
        let next = || connection.read_early_datagram();
        give(early_datagram, next, out, len)
    })
}

/// Gives the datagram that is held, or the next, which is held if it does not fit.
fn give(
    held: &mut Option<Bytes>,
    next: impl FnOnce() -> Option<Bytes>,
    out: &mut [u8],
    len: Option<&mut MaybeUninit<usize>>,
) -> Result<i32, Failure> {
    let mut count = Count::new(len)?;
    let Some(bytes) = held.take().or_else(next) else {
        return Ok(PITH_NONE);
    };
    let copied = copy_whole(&bytes, out, &mut count);
    if copied.is_err() {
        *held = Some(bytes);
    }
    copied.map(|()| PITH_OK)
}
