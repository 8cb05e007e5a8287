//! TLS over a socket of the caller, by its descriptor: blocking if the socket blocks, and if it does not, saying for what to wait.

use core::mem::MaybeUninit;
use std::io::{self, ErrorKind, Read, Write};
use std::mem::ManuallyDrop;
use std::net::TcpStream;
use std::os::fd::{FromRawFd, RawFd};

use ::pith_tls::Flow;

use crate::arguments::{Count, list, room};
use crate::error::{
    Failure, PITH_END, PITH_IO, PITH_OK, PITH_WANT_ANSWER, PITH_WANT_INPUT, PITH_WANT_OUTPUT,
};
use crate::handle::enter;
use crate::tls::{PITH_RECORD_MAX, Tls, pith_tls};

/// Shakes hands over a socket. On a socket that does not block, come again when poll says what it wants. The descriptor is only used, never closed, and no SIGPIPE comes of it.
///
/// Returns PITH_OK when application data may flow both ways, PITH_WANT_INPUT (wait until the socket can be read), PITH_WANT_OUTPUT (until it can be written), PITH_WANT_ANSWER (pith_tls_question),
/// or a negative status: PITH_IO if the socket fails, PITH_TRUNCATED if it ends. The alert for an error of TLS is sent, if the socket takes it.
///
/// # Safety
/// `fd` is a socket that is open, and that nobody else closes while the call lasts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_fd_handshake(tls: Option<&mut pith_tls>, fd: i32) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        let mut socket = unsafe { Socket::new(fd) }?;
        loop {
            if let Some(wants) = socket.flush(tls)? {
                return Ok(wants);
            }
            match tls.connection.status().receive {
                Flow::Handshaking => {}
                Flow::Asking => return Ok(PITH_WANT_ANSWER),
                Flow::PeerClosed => return Ok(PITH_END),
                Flow::Open => return Ok(PITH_OK),
                _ => return Err(tls.failure()),
            }
            // Early data is read before more can come.
            if let Some(wants) = tls.unread() {
                return Ok(wants);
            }
            match socket.fill(tls)? {
                PITH_OK => {}
                wants => return Ok(wants),
            }
        }
    })
}

/// Reads application data over a socket: at most `capacity` bytes, at least one unless there is none. Sends what the protocol has to say. Call it after pith_fd_handshake.
///
/// Returns PITH_OK with `*got` bytes, PITH_END when the peer has closed in due form, PITH_WANT_INPUT, PITH_WANT_OUTPUT or PITH_WANT_ANSWER as pith_fd_handshake, or a negative status.
///
/// # Safety
/// As pith_fd_handshake, and there are `capacity` bytes to write to at `out`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_fd_read(
    tls: Option<&mut pith_tls>,
    fd: i32,
    out: *mut u8,
    capacity: usize,
    got: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(tls, |tls| {
        let mut got = Count::new(got)?;
        // SAFETY: the caller's duty.
        let out = unsafe { room(out, capacity) }?;
        // SAFETY: the caller's duty.
        let mut socket = unsafe { Socket::new(fd) }?;
        loop {
            match tls.read(out, false) {
                (count, Ok(PITH_OK)) => {
                    got.set(count);
                    return Ok(PITH_OK);
                }
                (_, Ok(PITH_WANT_INPUT)) => {}
                (_, other) => return other,
            }
            if let Some(wants) = socket.flush(tls)? {
                return Ok(wants);
            }
            match socket.fill(tls)? {
                PITH_OK => {}
                wants => return Ok(wants),
            }
        }
    })
}

/// Writes application data over a socket, and sets `*taken` to how many bytes of it were taken. They are all sent when this returns PITH_OK. On PITH_WANT_OUTPUT some may
/// wait still: come again with what is left when the socket can be written, if only with 0 bytes.
///
/// Returns PITH_OK, PITH_WANT_OUTPUT, PITH_WANT_INPUT or PITH_WANT_ANSWER (the handshake is not complete), or a negative status.
///
/// # Safety
/// As pith_fd_handshake, and there are `len` bytes at `bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_fd_write(
    tls: Option<&mut pith_tls>,
    fd: i32,
    bytes: *const u8,
    len: usize,
    taken: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(tls, |tls| {
        let mut taken = Count::new(taken)?;
        // SAFETY: the caller's duty.
        let mut rest = unsafe { list(bytes, len) }?;
        // SAFETY: the caller's duty.
        let mut socket = unsafe { Socket::new(fd) }?;
        loop {
            let (count, result) = tls.write(rest, false);
            rest = rest.get(count..).unwrap_or_default();
            taken.set(len.saturating_sub(rest.len()));
            match result? {
                PITH_OK | PITH_WANT_OUTPUT => {}
                wants => return Ok(wants),
            }
            if let Some(wants) = socket.flush(tls)? {
                return Ok(wants);
            }
            if rest.is_empty() {
                return Ok(PITH_OK);
            }
        }
    })
}

/// Closes this side's direction in due form over a socket. The socket stays open, and what the peer sends can still be read.
///
/// Returns PITH_OK when the close_notify is sent, PITH_WANT_OUTPUT, or a negative status.
///
/// # Safety
/// As pith_fd_handshake.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_fd_close(tls: Option<&mut pith_tls>, fd: i32) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        let mut socket = unsafe { Socket::new(fd) }?;
        tls.connection.close();
        Ok(socket.flush(tls)?.unwrap_or(PITH_OK))
    })
}

/// A socket that is borrowed. Whatever its family, `send` and `recv` are the same.
struct Socket(ManuallyDrop<TcpStream>);

impl Socket {
    /// # Safety
    /// `fd` is open, and stays so while this lives.
    unsafe fn new(fd: RawFd) -> Result<Self, Failure> {
        if fd < 0 {
            return Err(Failure::argument("a descriptor is negative"));
        }
        // SAFETY: as for this function; it is never dropped, so never closed.
        let stream = unsafe { TcpStream::from_raw_fd(fd) };
        Ok(Self(ManuallyDrop::new(stream)))
    }

    /// Sends what waits. What is not sent at once is kept.
    fn flush(&mut self, tls: &mut Tls) -> Result<Option<i32>, Failure> {
        loop {
            tls.gather();
            if tls.waiting().is_empty() {
                return Ok(None);
            }
            match self.0.write(tls.waiting()) {
                Ok(0) => return Err(failed(&ErrorKind::WriteZero.into())),
                Ok(count) => tls.sent(count),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Some(PITH_WANT_OUTPUT));
                }
                Err(error) => return Err(failed(&error)),
            }
        }
    }

    /// Reads once and gives it to the connection, unless bytes are held that it has not taken.
    fn fill(&mut self, tls: &mut Tls) -> Result<i32, Failure> {
        if tls.held().is_empty() {
            let mut buffer = [0; PITH_RECORD_MAX];
            let count = loop {
                match self.0.read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        return Ok(PITH_WANT_INPUT);
                    }
                    Err(error) => return Err(failed(&error)),
                    Ok(count) => break count,
                }
            };
            if count == 0 {
                tls.connection.eof()?;
                return Ok(PITH_END);
            }
            tls.hold(buffer.get(..count).unwrap_or_default());
        }
        let now = tls.clock.now(None);
        match tls.receive_held(now) {
            Ok(PITH_WANT_ANSWER) => Ok(PITH_WANT_ANSWER),
            Ok(_) => Ok(PITH_OK),
            Err(failure) => {
                // The alert goes out if it can; the error is the one to know.
                self.flush(tls).unwrap_or_default();
                Err(failure)
            }
        }
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::new(PITH_IO, format!("the socket failed: {error}"))
}
