//! TLS connections over the caller's bytes.

mod answer;
mod opened;
mod status;
mod stream;
mod summary;

use core::ffi::c_char;
use core::mem::MaybeUninit;
use core::ptr;
use std::sync::Arc;

use ::pith_tls::{Connection, ServerName};

use crate::arguments::{Count, Why, list, pith_bytes, room, string};
use crate::config::{pith_client_config, pith_server_config};
use crate::error::{Failure, PITH_OK};
use crate::handle::{Guarded, Handle, create, enter, free};
use crate::panic::contain_or;
use crate::time::{Clock, pith_time};

pub use answer::*;
pub use opened::*;
pub(crate) use status::code;
pub use status::*;
pub(crate) use stream::Tls;
pub use summary::*;
pub(crate) use summary::{early_data, told, too_early};

/// A TLS 1.3 connection over a byte stream that the caller owns: a socket, a pipe, memory. It belongs to one thread at a time; different connections of
/// one configuration are independent. After an error it can do two things: pith_tls_transmit, since the alert is to be sent, and pith_tls_free.
pub struct pith_tls(Guarded<Tls>);

impl Handle for pith_tls {
    type Inner = Tls;
    fn guarded(&mut self) -> &mut Guarded<Tls> {
        &mut self.0
    }
}

/// The handshake is not complete.
pub const PITH_HANDSHAKING: i32 = 0;
/// A question waits for its answer (pith_tls_question).
pub const PITH_ASKING: i32 = 1;
/// Application data may flow.
pub const PITH_OPEN: i32 = 2;
/// The peer has closed its direction in due form.
pub const PITH_PEER_CLOSED: i32 = 3;
/// This side has closed its direction.
pub const PITH_CLOSED: i32 = 4;
/// The connection failed.
pub const PITH_FAILED: i32 = 5;

/// No early data was offered.
pub const PITH_EARLY_NOT_OFFERED: i32 = 0;
/// A client may send early data, and does not know yet whether it arrives.
pub const PITH_EARLY_OFFERED: i32 = 1;
/// The server read it. A copy of it may have come before or after to another server.
pub const PITH_EARLY_ACCEPTED: i32 = 2;
/// The server did not see it.
pub const PITH_EARLY_REJECTED: i32 = 3;

/// Bytes of the largest record: a buffer of this length for pith_tls_transmit or a socket is never too small.
pub const PITH_RECORD_MAX: usize = 16645;

/// Begins a client's connection with the server of this name: a DNS name, or an IP address in text. Its ClientHello waits to be transmitted. `now` may be NULL
/// for the system's time. `*out` is yours to free with pith_tls_free, and NULL if it fails.
///
/// Errors: PITH_ARGUMENT for a name that is none, PITH_LOCAL; the text is in `why`, as for pith_trust_new.
///
/// # Safety
/// `server_name` ends in NUL, and there are `why_size` bytes at `why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_client(
    out: Option<&mut MaybeUninit<*mut pith_tls>>,
    config: Option<&pith_client_config>,
    server_name: *const c_char,
    now: Option<&pith_time>,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        let config = config.ok_or_else(|| Failure::null("the configuration"))?;
        // SAFETY: the caller's duty.
        let name = unsafe { string(server_name) }?;
        let name = name.ok_or_else(|| Failure::null("the server's name"))?;
        let name = ServerName::try_from(name)
            .map_err(|_| Failure::argument("this is no DNS name and no IP address"))?;
        let clock = Clock::new();
        let now = clock.now(now);
        let connection = Connection::client(Arc::clone(&config.0), name.to_owned(), now)?;
        Ok(pith_tls(Guarded::new(Tls::new(connection, clock))))
    })
}

/// Begins a server's connection, which waits for a ClientHello. `*out` is yours to free with pith_tls_free.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tls_server(
    out: Option<&mut MaybeUninit<*mut pith_tls>>,
    config: Option<&pith_server_config>,
) -> i32 {
    // SAFETY: nothing is written to NULL.
    let why = unsafe { Why::new(ptr::null_mut(), 0) };
    create(out, why, || {
        let config = config.ok_or_else(|| Failure::null("the configuration"))?;
        let connection = Connection::server(Arc::clone(&config.0));
        let tls = Tls::new(connection, Clock::new());
        Ok(pith_tls(Guarded::new(tls)))
    })
}

/// Frees a connection and wipes its keys. Nothing is sent: see pith_tls_close. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tls_free(tls: Option<Box<pith_tls>>) {
    free(tls);
}

/// Gives the connection bytes that came from the peer, and sets `*taken` to how many of them it took: come again with the rest. It stops where there is
/// plaintext to read. Transmit what waits afterwards, whatever this returns. With length 0 it goes on with what it holds, as after an answer.
///
/// Returns PITH_OK, PITH_WANT_READ or PITH_WANT_READ_EARLY (nothing was taken: read first), PITH_WANT_ANSWER (a question waits), PITH_END (the peer has closed;
/// what follows is passed over), or a negative status: the connection is over, and says the same from then on.
///
/// # Safety
/// There are `len` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_receive(
    tls: Option<&mut pith_tls>,
    bytes: *const u8,
    len: usize,
    taken: Option<&mut MaybeUninit<usize>>,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        let mut taken = Count::new(taken)?;
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(bytes, len) }?;
        let now = tls.clock.now(now);
        let (count, result) = tls.receive(bytes, now);
        taken.set(count);
        result
    })
}

/// Tells that the transport has ended: no more bytes of the peer come.
///
/// Errors: PITH_TRUNCATED if the peer had not closed in due form, so what was received may be cut short by somebody on the way.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tls_eof(tls: Option<&mut pith_tls>) -> i32 {
    enter(tls, |tls| Ok(tls.connection.eof().map(|()| PITH_OK)?))
}

/// Copies application data of the peer to `out`, at most `capacity` bytes, and sets `*got` to how many.
///
/// Returns PITH_OK, or if there is none now PITH_WANT_INPUT, PITH_WANT_ANSWER, PITH_WANT_READ_EARLY (early data comes first: pith_tls_read_early), PITH_END (the
/// peer has closed, and all was read), or a negative status.
///
/// # Safety
/// There are `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_read(
    tls: Option<&mut pith_tls>,
    out: *mut u8,
    capacity: usize,
    got: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(tls, |tls| {
        let mut got = Count::new(got)?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        let (count, result) = tls.read(out, false);
        got.set(count);
        result
    })
}

/// Copies early data of a client to `out`, as pith_tls_read does with other data. Whoever sent it may not be there, and a copy of it may come again: do nothing by it
/// that must not happen twice. Where other data waits it returns PITH_WANT_READ.
///
/// # Safety
/// There are `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_read_early(
    tls: Option<&mut pith_tls>,
    out: *mut u8,
    capacity: usize,
    got: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(tls, |tls| {
        let mut got = Count::new(got)?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        let (count, result) = tls.read(out, true);
        got.set(count);
        result
    })
}

/// Seals application data, to be transmitted, and sets `*taken` to how many bytes: less than `len` where more than 64 KiB would wait.
///
/// Returns PITH_OK, PITH_WANT_OUTPUT (transmit first), PITH_WANT_INPUT or PITH_WANT_ANSWER (the handshake is not complete), or a negative status: PITH_MISUSE after
/// pith_tls_close.
///
/// # Safety
/// There are `len` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_write(
    tls: Option<&mut pith_tls>,
    bytes: *const u8,
    len: usize,
    taken: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(tls, |tls| {
        let mut taken = Count::new(taken)?;
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(bytes, len) }?;
        let (count, result) = tls.write(bytes, false);
        taken.set(count);
        result
    })
}

/// Seals early data of a client that resumes, to be transmitted with its ClientHello, and sets `*taken` to how many bytes. It can be recorded and made to arrive
/// more than once; whether it arrived, pith_tls_status.early_data tells. What is rejected is never sent again by itself.
///
/// Errors: PITH_MISUSE where the connection offers no early data, or no more.
///
/// # Safety
/// There are `len` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_write_early(
    tls: Option<&mut pith_tls>,
    bytes: *const u8,
    len: usize,
    taken: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(tls, |tls| {
        let mut taken = Count::new(taken)?;
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(bytes, len) }?;
        let (count, result) = tls.write(bytes, true);
        taken.set(count);
        result
    })
}

/// Writes what waits for the peer to `out`, at most `capacity` bytes, and sets `*written` to how many: 0 when nothing waits. Call it until then. It works after an error
/// too, since the alert is to be sent.
///
/// Returns PITH_OK; PITH_NULL, PITH_ARGUMENT or PITH_PANIC.
///
/// # Safety
/// There are `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_transmit(
    tls: Option<&mut pith_tls>,
    out: *mut u8,
    capacity: usize,
    written: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(tls, |tls| {
        let mut written = Count::new(written)?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        written.set(tls.transmit(out));
        Ok(PITH_OK)
    })
}

/// Closes this side's direction in due form: a close_notify waits to be transmitted, and nothing can be written any more. What the peer sends can still be
/// read. Closing twice changes nothing.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tls_close(tls: Option<&mut pith_tls>) -> i32 {
    enter(tls, |tls| {
        tls.connection.close();
        Ok(PITH_OK)
    })
}

/// The text of the last error of this connection, for people: what was expected, what came, what to do. NULL if there was none. It may hold names of the peer's
/// certificate, quoted and escaped. Good until the next call with the connection.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tls_error(tls: Option<&pith_tls>) -> *const c_char {
    contain_or(ptr::null(), || tls.map_or(ptr::null(), |tls| tls.0.text()))
}

/// Fills `out` with keying material for a label and a context (RFC 9846 section 7.5): the same on both sides, and on no other connection.
///
/// Errors: PITH_MISUSE before the handshake is complete, or for a label that is not ASCII; PITH_ARGUMENT for one that is empty or over 249 bytes, or for more than 8160 bytes.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_export(
    tls: Option<&mut pith_tls>,
    label: pith_bytes,
    context: pith_bytes,
    out: *mut u8,
    len: usize,
) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        let label = unsafe { label.get() }?;
        // SAFETY: the caller's duty.
        let context = unsafe { context.get() }?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, len) }?;
        check_export(label, out)?;
        tls.connection.export(label, context, out)?;
        Ok(PITH_OK)
    })
}

/// As pith_tls_export, of the early exporter: for what is bound to early data.
///
/// Errors: PITH_MISUSE where no early data is offered or accepted.
///
/// # Safety
/// Pointers are valid for the lengths beside them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_export_early(
    tls: Option<&mut pith_tls>,
    label: pith_bytes,
    context: pith_bytes,
    out: *mut u8,
    len: usize,
) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        let label = unsafe { label.get() }?;
        // SAFETY: the caller's duty.
        let context = unsafe { context.get() }?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, len) }?;
        check_export(label, out)?;
        tls.connection.early_export(label, context, out)?;
        Ok(PITH_OK)
    })
}

/// What HKDF-Expand-Label can take, and give under SHA-256.
pub(crate) fn check_export(label: &[u8], out: &[u8]) -> Result<(), Failure> {
    match (1..=249).contains(&label.len()) && out.len() <= 255 * 32 {
        true => Ok(()),
        false => Err(Failure::argument(
            "a label has 1 to 249 bytes, and at most 8160 bytes are exported at once",
        )),
    }
}

/// Takes new keys for what this side sends from now on and, if `request_peer` is not 0, asks the peer to do the same. It happens by itself before a key is used
/// up. Something waits to be transmitted then.
///
/// Errors: PITH_MISUSE before the handshake is complete, or after pith_tls_close.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tls_update_keys(tls: Option<&mut pith_tls>, request_peer: u8) -> i32 {
    enter(tls, |tls| {
        tls.connection.update_keys(request_peer != 0)?;
        Ok(PITH_OK)
    })
}

/// Sends the client so many more tickets, at most 8, if it can use any. `now` may be NULL for the system's time.
///
/// Errors: PITH_MISUSE before the handshake is complete, after pith_tls_close, or for a client.
#[unsafe(no_mangle)]
pub extern "C" fn pith_tls_issue_tickets(
    tls: Option<&mut pith_tls>,
    count: u8,
    now: Option<&pith_time>,
) -> i32 {
    enter(tls, |tls| {
        let now = tls.clock.now(now);
        tls.connection.issue_tickets(count, now)?;
        Ok(PITH_OK)
    })
}

/// Remembers bytes with the sessions that come from now on, at most 1024, for early data under them.
///
/// Errors: PITH_MISUSE before the handshake is complete, or for more bytes.
///
/// # Safety
/// There are `len` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_remember(
    tls: Option<&mut pith_tls>,
    bytes: *const u8,
    len: usize,
) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(bytes, len) }?;
        tls.connection.remember(bytes)?;
        Ok(PITH_OK)
    })
}
