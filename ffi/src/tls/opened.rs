//! TLS without copies: records are opened in the caller's buffer, and sealed from one of its buffers into another.

use core::mem::MaybeUninit;

use ::pith_tls::Received;

use super::pith_tls;
use crate::arguments::{Count, list, pith_bytes, room};
use crate::error::{Failure, PITH_END, PITH_LOCAL, PITH_OK, PITH_WANT_ANSWER, PITH_WANT_INPUT};
use crate::handle::enter;
use crate::panic::contain_or;
use crate::time::pith_time;

/// What pith_tls_open did.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_opened {
    /// Bytes of the input that are done with, once `data` is.
    pub consumed: usize,
    /// With PITH_WANT_INPUT: bytes to get before it is worth calling again.
    pub at_least: usize,
    /// Application data, inside the input. Empty where the record brought none.
    pub data: pith_bytes,
    /// Not 0: the data is early data, which may come again as a copy (pith_tls_read_early).
    pub is_early: u8,
}

/// Opens the first record of `bytes` in place. Call it again with what is behind `consumed`, and transmit what waits before you get more. Not to be mixed with
/// pith_tls_receive.
///
/// Returns PITH_OK (a record was taken), PITH_WANT_INPUT (there is no whole record), PITH_WANT_ANSWER, PITH_END, or a negative status: the connection is over.
///
/// # Safety
/// There are `len` bytes at `bytes`, to read and to write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_open(
    tls: Option<&mut pith_tls>,
    bytes: *mut u8,
    len: usize,
    opened: Option<&mut MaybeUninit<pith_opened>>,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        let out = opened.ok_or_else(|| Failure::null("where to put what was opened"))?;
        let mut opened = pith_opened {
            consumed: 0,
            at_least: 0,
            data: pith_bytes::of(&[]),
            is_early: 0,
        };
        out.write(opened);
        // SAFETY: the caller's duty.
        let bytes = unsafe { room(bytes, len) }?;
        let now = tls.clock.now(now);
        let status = match tls.open(bytes, now)? {
            Received::NeedMore { at_least } => {
                opened.at_least = at_least;
                PITH_WANT_INPUT
            }
            Received::Blocked => PITH_WANT_ANSWER,
            Received::Handled { consumed } => {
                opened.consumed = consumed;
                PITH_OK
            }
            Received::Data { consumed, bytes } => {
                (opened.consumed, opened.data) = (consumed, pith_bytes::of(bytes));
                PITH_OK
            }
            Received::EarlyData { consumed, bytes } => {
                (opened.consumed, opened.data) = (consumed, pith_bytes::of(bytes));
                opened.is_early = 1;
                PITH_OK
            }
            Received::Closed { consumed } => {
                opened.consumed = consumed;
                PITH_END
            }
            _ => return Err(Failure::new(PITH_LOCAL, "a record of an unknown kind")),
        };
        out.write(opened);
        Ok(status)
    })
}

/// Seals `plaintext` into `out`, behind all that waits for the peer. Sets `*taken` to how many bytes of it are sealed, and `*written` to how many of `out` are to be
/// sent. With the room of pith_tls_sealed_len all is taken; with less, come again with the rest. The buffers do not overlap.
///
/// Errors: PITH_MISUSE before the handshake is complete or after pith_tls_close; `*written` counts all the same.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_seal(
    tls: Option<&mut pith_tls>,
    plaintext: *const u8,
    len: usize,
    taken: Option<&mut MaybeUninit<usize>>,
    out: *mut u8,
    capacity: usize,
    written: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(tls, |tls| {
        let mut taken = Count::new(taken)?;
        let mut written = Count::new(written)?;
        // SAFETY: the caller's duty.
        let plaintext = unsafe { list(plaintext, len) }?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        let (consumed, produced, result) = tls.seal(plaintext, out);
        taken.set(consumed);
        written.set(produced);
        result
    })
}

/// The most bytes that pith_tls_seal writes for so much plaintext, with all that waits now; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tls_sealed_len(tls: Option<&pith_tls>, plaintext: usize) -> usize {
    contain_or(0, || {
        tls.and_then(|tls| tls.0.peek())
            .map_or(0, |tls| tls.sealed_len(plaintext))
    })
}
