//! What a transport must be able to do: read, write, and bound how long each of them blocks.
//!
//! The bounds are what makes a handshake deadline hold against a peer that sends a byte a second, or takes none: a stream sets
//! them anew before each call, from what is left of the deadline, and puts the caller's own back after the handshake.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::buffer::{Input, Output};
use crate::clock::ALERT_LIMIT;

/// A byte stream that TLS can run over.
///
/// A type without timeouts takes the methods as they are, `impl Socket for Mine {}`: the handshake deadline is then looked at
/// between calls, and a call that blocks for ever is not cut.
pub trait Socket: Read + Write {
    /// How long a read and a write may block now.
    ///
    /// # Errors
    /// As the system says.
    fn timeouts(&self) -> io::Result<Timeouts> {
        Ok(Timeouts::default())
    }

    /// Bounds how long each later read and write may block. What is past its bound fails with `WouldBlock` or `TimedOut`.
    ///
    /// # Errors
    /// As the system says.
    fn set_timeouts(&mut self, _timeouts: Timeouts) -> io::Result<()> {
        Ok(())
    }
}

/// How long one call may block; `None` is without bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// A read.
    pub read: Option<Duration>,
    /// A write.
    pub write: Option<Duration>,
}

impl Timeouts {
    /// The shorter of these and `bound`.
    pub(super) fn within(self, bound: Duration) -> Self {
        let shorter = |own: Option<Duration>| Some(own.map_or(bound, |own| own.min(bound)));
        Self {
            read: shorter(self.read),
            write: shorter(self.write),
        }
    }
}

/// Reads once.
pub(super) fn fill(input: &mut Input, socket: &mut impl Read) -> io::Result<usize> {
    let room = input.room()?;
    let count = socket.read(room)?.min(room.len());
    input.filled(count);
    Ok(count)
}

/// Writes once.
pub(super) fn push(output: &mut Output, socket: &mut impl Write) -> io::Result<()> {
    if output.is_empty() {
        return Ok(());
    }
    let count = socket.write(output.unsent())?;
    output.sent(count)
}

/// Writes until nothing is left.
pub(super) fn push_all(output: &mut Output, socket: &mut impl Write) -> io::Result<()> {
    while !output.is_empty() {
        match push(output, socket) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => other?,
        }
    }
    Ok(())
}

/// Sends the alert of a connection that has failed, if the socket takes it soon.
pub(super) fn push_alert(output: &mut Output, socket: &mut impl Socket) {
    if output.is_empty() {
        return;
    }
    if let Ok(own) = socket.timeouts() {
        // Nothing can be done about a peer that takes no alert: the connection has failed either way.
        let _sent = socket
            .set_timeouts(own.within(ALERT_LIMIT))
            .and_then(|()| push_all(output, socket))
            .is_ok();
        let _restored = socket.set_timeouts(own).is_ok();
    }
}

macro_rules! with_timeouts {
    ($($socket:ty),+) => {$(
        impl Socket for $socket {
            fn timeouts(&self) -> io::Result<Timeouts> {
                Ok(Timeouts {
                    read: self.read_timeout()?,
                    write: self.write_timeout()?,
                })
            }

            fn set_timeouts(&mut self, timeouts: Timeouts) -> io::Result<()> {
                self.set_read_timeout(timeouts.read)?;
                self.set_write_timeout(timeouts.write)
            }
        }
    )+};
}

with_timeouts!(TcpStream, &TcpStream);
#[cfg(unix)]
with_timeouts!(
    std::os::unix::net::UnixStream,
    &std::os::unix::net::UnixStream
);

impl<S: Socket + ?Sized> Socket for &mut S {
    fn timeouts(&self) -> io::Result<Timeouts> {
        (**self).timeouts()
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> io::Result<()> {
        (**self).set_timeouts(timeouts)
    }
}

impl<S: Socket + ?Sized> Socket for Box<S> {
    fn timeouts(&self) -> io::Result<Timeouts> {
        (**self).timeouts()
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> io::Result<()> {
        (**self).set_timeouts(timeouts)
    }
}
