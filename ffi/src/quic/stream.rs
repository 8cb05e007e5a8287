//! Streams.

use core::mem::MaybeUninit;

use ::pith_quic::{Dir, Read, ReadError, SendError, StreamId, VarInt};
use bytes::Bytes;

use super::connection::{Quic, pith_quic};
use super::number;
use crate::arguments::{Count, list, room};
use crate::error::{
    Failure, PITH_END, PITH_NONE, PITH_OK, PITH_RESET, PITH_WANT_INPUT, PITH_WANT_OUTPUT,
};
use crate::handle::enter;

/// Opens a stream, in both directions or with `is_uni` only to the peer, and sets `*stream` to its id. Before the handshake is complete that is for a client's early data.
///
/// Returns PITH_OK; PITH_WANT_INPUT if the peer allows no more now, until PITH_EVENT_AVAILABLE; or how the connection ended.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_open_stream(
    quic: Option<&mut pith_quic>,
    is_uni: u8,
    stream: Option<&mut MaybeUninit<u64>>,
) -> i32 {
    enter(quic, |quic| {
        let stream = place(stream)?;
        quic.check()?;
        let opened = quic.connection.open(dir(is_uni));
        Ok(put(opened, stream, PITH_WANT_INPUT))
    })
}

/// Takes the next stream that the peer has opened, and sets `*stream` to its id. It may have data already, and there may be no event for that.
///
/// Returns PITH_OK, or PITH_NONE.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_accept_stream(
    quic: Option<&mut pith_quic>,
    is_uni: u8,
    stream: Option<&mut MaybeUninit<u64>>,
) -> i32 {
    enter(quic, |quic| {
        let stream = place(stream)?;
        let accepted = quic.connection.accept(dir(is_uni));
        Ok(put(accepted, stream, PITH_NONE))
    })
}

/// Copies what came on a stream to `out`, at most `capacity` bytes and at least 1, and sets `*got` to how many. Transmit afterwards: the peer may have waited for it.
/// Bytes that a client sent as early data are here once its handshake is complete.
///
/// Returns PITH_OK; PITH_END with the last bytes of the stream, of which there may be none; PITH_WANT_INPUT if nothing is there now; PITH_RESET if the peer
/// gave the stream up, once (pith_quic_status.code says why); PITH_MISUSE for a stream that is not there, or no more; or how the connection ended.
///
/// # Safety
/// There are `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_read(
    quic: Option<&mut pith_quic>,
    stream: u64,
    out: *mut u8,
    capacity: usize,
    got: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(quic, |quic| {
        let mut got = Count::new(got)?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        read(quic, stream, out, &mut got, false)
    })
}

/// As pith_quic_read, and gives a server early data at once. Whoever sent it may not be there, and a copy of it may come again: do nothing by it that must
/// not happen twice.
///
/// # Safety
/// There are `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_read_early(
    quic: Option<&mut pith_quic>,
    stream: u64,
    out: *mut u8,
    capacity: usize,
    got: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(quic, |quic| {
        let mut got = Count::new(got)?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        read(quic, stream, out, &mut got, true)
    })
}

/// Takes bytes to send on a stream, and sets `*taken` to how many: less than `len` where the peer or this side's buffers take no more, until PITH_EVENT_WRITABLE. Transmit
/// afterwards.
///
/// Returns PITH_OK; PITH_WANT_OUTPUT if nothing was taken; PITH_RESET if the peer does not want it (pith_quic_status.code says why); PITH_MISUSE for a stream that is
/// finished, reset or not there; or how the connection ended.
///
/// # Safety
/// There are `len` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_write(
    quic: Option<&mut pith_quic>,
    stream: u64,
    bytes: *const u8,
    len: usize,
    taken: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(quic, |quic| {
        let mut taken = Count::new(taken)?;
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(bytes, len) }?;
        let id = id(stream)?;
        let mut all = 0_usize;
        for piece in pieces(bytes) {
            let mut rest = Bytes::copy_from_slice(piece);
            let sent = quic.connection.send(id, &mut rest);
            all = all.saturating_add(sent.map_err(|error| unsent(quic, error))?);
            taken.set(all);
            if !rest.is_empty() {
                break;
            }
        }
        Ok(match all == 0 && !bytes.is_empty() {
            true => PITH_WANT_OUTPUT,
            false => PITH_OK,
        })
    })
}

/// At least one piece, so that a stream that takes nothing says so.
fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let none = bytes.is_empty().then_some(bytes);
    none.into_iter().chain(bytes.chunks(PIECE))
}

/// Ends a stream behind what was written. Transmit afterwards; PITH_EVENT_FINISHED tells when all has arrived.
///
/// Errors: PITH_RESET, PITH_MISUSE and others as pith_quic_write.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_finish(quic: Option<&mut pith_quic>, stream: u64) -> i32 {
    enter(quic, |quic| {
        let id = id(stream)?;
        let done = quic.connection.finish(id);
        done.map_err(|error| unsent(quic, error))?;
        Ok(PITH_OK)
    })
}

/// Gives up sending on a stream with a code for the peer: what has not arrived never will. Transmit afterwards.
///
/// Errors: as pith_quic_finish; PITH_ARGUMENT for a code of 2^62 or more.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_reset(quic: Option<&mut pith_quic>, stream: u64, code: u64) -> i32 {
    enter(quic, |quic| {
        let (id, code) = (id(stream)?, number(code)?);
        let done = quic.connection.reset(id, code);
        done.map_err(|error| unsent(quic, error))?;
        Ok(PITH_OK)
    })
}

/// Gives up reading a stream, and asks the peer by a code to send no more. Transmit afterwards.
///
/// Errors: PITH_MISUSE if there is nothing to stop; PITH_ARGUMENT for a code of 2^62 or more.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_stop(quic: Option<&mut pith_quic>, stream: u64, code: u64) -> i32 {
    enter(quic, |quic| {
        let (id, code) = (id(stream)?, number(code)?);
        let nothing = |_| Failure::misuse("there is nothing to stop on this stream");
        quic.connection.stop(id, code).map_err(nothing)?;
        Ok(PITH_OK)
    })
}

/// Says whose data goes first: streams of a lower urgency before those of a higher, and those of the same in turn. New streams have 3.
///
/// Errors: as pith_quic_finish.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_set_urgency(
    quic: Option<&mut pith_quic>,
    stream: u64,
    urgency: u8,
) -> i32 {
    enter(quic, |quic| {
        let id = id(stream)?;
        let done = quic.connection.set_urgency(id, urgency);
        done.map_err(|error| unsent(quic, error))?;
        Ok(PITH_OK)
    })
}

/// As much as there is and has room.
fn read(
    quic: &mut Quic,
    stream: u64,
    out: &mut [u8],
    got: &mut Count<'_>,
    early: bool,
) -> Result<i32, Failure> {
    let id = id(stream)?;
    if out.is_empty() {
        return Err(Failure::argument("there is no room to read to"));
    }
    let mut all = 0_usize;
    while let Some(to) = out.get_mut(all..).filter(|to| !to.is_empty()) {
        let read = match early {
            true => quic.connection.read_early(id, to.len()),
            false => quic.connection.read(id, to.len()),
        };
        match read.map_err(|error| unread(quic, error))? {
            Read::Data { bytes, ends, .. } => {
                for (to, from) in to.iter_mut().zip(&bytes) {
                    *to = *from;
                }
                all = all.saturating_add(bytes.len());
                got.set(all);
                if ends {
                    return Ok(PITH_END);
                }
            }
            Read::Finished => return Ok(PITH_END),
            Read::Blocked => break,
        }
    }
    match all {
        // What came before the connection ended was read.
        0 => quic.check().map(|()| PITH_WANT_INPUT),
        _ => Ok(PITH_OK),
    }
}

fn unread(quic: &mut Quic, error: ReadError) -> Failure {
    match error {
        ReadError::Reset(code) => given_up(quic, code, "the peer has reset the stream"),
        ReadError::Closed => over_or(
            quic,
            "this stream was read to its end, stopped, or never there",
        ),
        ReadError::OutOfOrder => Failure::misuse("this stream was read out of order"),
    }
}

fn unsent(quic: &mut Quic, error: SendError) -> Failure {
    match error {
        SendError::Stopped(code) => given_up(quic, code, "the peer has stopped the stream"),
        SendError::Finished => over_or(quic, "this stream was finished before"),
        SendError::Closed => over_or(
            quic,
            "this stream was reset, has arrived, or was never there",
        ),
    }
}

fn given_up(quic: &mut Quic, code: VarInt, what: &str) -> Failure {
    quic.code = code.get();
    Failure::new(PITH_RESET, format!("{what}: code {}", code.get()))
}

fn over_or(quic: &Quic, what: &str) -> Failure {
    quic.over().unwrap_or_else(|| Failure::misuse(what))
}

fn id(stream: u64) -> Result<StreamId, Failure> {
    number(stream).map(StreamId::from)
}

fn dir(is_uni: u8) -> Dir {
    match is_uni {
        0 => Dir::Bi,
        _ => Dir::Uni,
    }
}

fn place(stream: Option<&mut MaybeUninit<u64>>) -> Result<&mut MaybeUninit<u64>, Failure> {
    let stream = stream.ok_or_else(|| Failure::null("where to put the stream"))?;
    stream.write(u64::MAX);
    Ok(stream)
}

fn put(id: Option<StreamId>, stream: &mut MaybeUninit<u64>, none: i32) -> i32 {
    match id {
        Some(id) => {
            stream.write(id.get());
            PITH_OK
        }
        None => none,
    }
}

/// Bytes that are copied at once before it is known whether there is room for them.
const PIECE: usize = 32 * 1024;
