//! Early data (RFC 9846 section 2.3) over a blocking socket.
//!
//! Its two sides write at once: a client its data, and a server its flight, which may have come before all of the data was read. Neither has to
//! read before it has written, and what is between them holds only so much. So a stream of either side reads while its socket takes
//! nothing, as far as the handshake goes.

use std::io::{self, ErrorKind};
#[cfg(doc)]
use std::io::{Read, Write};
use std::time::Duration;

#[cfg(doc)]
use pith_tls::Connection;
use pith_tls::{AlertDescription, EarlyData, Error, Local};

use super::{Deadline, PATIENCE, Stream};
use crate::buffer::Step;
use crate::error::{is_stall, question_open, wrap};
use crate::std::socket::push;
use crate::std::{Socket, Timeouts};

impl<S: Socket> Stream<S> {
    /// Writes from a client's early data (0-RTT) as much as goes in one write and the server's ticket allows, with the client's hello
    /// before it, and returns how much that is. Call it on a [`client`](Self::client) that has not begun its handshake, whose deadline it
    /// keeps. `Ok(0)` means that this connection takes no early data, or no more: the rest is for [`write`](Write::write), after the
    /// handshake. If the socket stalls in the middle, what is sealed counts as written and goes out with the next call.
    ///
    /// A server may send its flight before it has read all, and wait until it is taken. So while the socket takes nothing, that flight is read, and
    /// after it there is no more early data. Of a socket that does not block, wait for both directions. A socket without timeouts
    /// ([`Socket::set_timeouts`]) may block where nothing can be read meanwhile: over one, no more than 16 KiB of early data are taken,
    /// which a transport holds. What the server answers behind its flight is read only after the handshake, so where that and the data are
    /// more than the transport holds, send the rest by [`write`](Write::write).
    ///
    /// Early data may arrive more than once, or not at all: see [`Connection::send_early`] for what it is good for, and after the handshake
    /// [`early_data`](Self::early_data) for what became of it. What was rejected is not sent again by itself.
    ///
    /// # Errors
    /// As [`handshake`](Self::handshake).
    pub fn write_early(&mut self, early: &[u8]) -> io::Result<usize> {
        self.check()?;
        let Some(deadline) = self.deadline else {
            return Ok(0);
        };
        let own = self.socket.timeouts()?;
        let result = self.drive_early(early, own, deadline);
        let restored = self.socket.set_timeouts(own);
        result.and_then(|count| restored.map(|()| count))
    }

    /// Reads early data that a server has accepted; `Ok(0)` means that there is none, or no more, and the handshake is done. Early data is
    /// never among what [`read`](Read::read) gives, which fails while some is unread. What came in [`handshake`](Self::handshake) or
    /// [`accept`](Self::accept) is kept for this call, as much as the configuration takes; called in their place, it
    /// returns what there is before the handshake is done, and the answer can be written at once, half a round trip early.
    ///
    /// Early data may be a copy of what came to another server, and its sender may be gone: do nothing by it that must not happen twice
    /// ([`ServerConfigBuilder::early_data`](pith_tls::ServerConfigBuilder::early_data)).
    ///
    /// # Errors
    /// As [`handshake`](Self::handshake), which goes on where no early data is at hand.
    pub fn read_early(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.early.is_empty() {
            self.shake(true)?;
        }
        self.early.read(out)
    }

    /// What became of early data. A client knows it once the handshake is done.
    pub fn early_data(&self) -> EarlyData {
        self.tls.early_data()
    }

    /// What the application told [`remember`](Self::remember) on the connection that this client would resume: for early data, what was settled
    /// there.
    pub fn remembered(&self) -> Option<&[u8]> {
        self.tls.remembered()
    }

    /// Has a client remember these bytes with the sessions that come from now on, for early data under them. Tickets often come with the first
    /// that is read, so call it right after the handshake, or after what has to be known has come.
    ///
    /// # Errors
    /// A wrapped [`pith_tls::Error`]: `Misuse` before the handshake is done, or for more than
    /// [`limits::SESSION_DATA`](pith_tls::limits::SESSION_DATA) bytes.
    pub fn remember(&mut self, application: &[u8]) -> io::Result<()> {
        self.check()?;
        self.tls.remember(application).map_err(wrap)
    }

    /// As [`export`](Self::export), before the handshake is done and for early data alone, with which it shares the danger of copies
    /// (rfc9846 section 7.5): for a client that has a ticket before its handshake, for a server once [`read_early`](Self::read_early) gave some.
    ///
    /// # Errors
    /// `Misuse` at any other time.
    pub fn early_export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.tls.early_export(label, context, out)
    }

    /// Seals early data behind what is unsent, and writes it.
    fn drive_early(
        &mut self,
        early: &[u8],
        own: Timeouts,
        deadline: Deadline,
    ) -> io::Result<usize> {
        self.push_early(own, deadline)?;
        self.bound(own, deadline, PATIENCE)?;
        let most = match self.socket.timeouts()?.write {
            Some(_) => usize::MAX,
            None => WITHOUT_TIMEOUTS.saturating_sub(self.early_sent),
        };
        let early = early.get(..most).unwrap_or(early);
        let consumed = match self.output.seal_early(&mut self.tls, early) {
            Ok(consumed) => consumed,
            Err(error) => return Err(self.fail(error)),
        };
        self.early_sent = self.early_sent.saturating_add(consumed);
        match self.push_early(own, deadline) {
            Err(error) if is_stall(&error) && consumed > 0 => Ok(consumed),
            other => other.map(|()| consumed),
        }
    }

    /// Writes what is sealed; if the handshake gets done meanwhile, what is left of it is for the next call.
    pub(super) fn push_early(&mut self, own: Timeouts, deadline: Deadline) -> io::Result<()> {
        while !self.output.is_empty() && !self.is_shaken() {
            match self.step()? {
                Step::Again => {}
                Step::Early => self.early.keep(&mut self.input),
                Step::NeedMore => self.exchange(own, deadline)?,
                Step::Blocked => return Err(question_open()),
                Step::Closed => {
                    return Err(self.fail(Error::Alert(AlertDescription::CLOSE_NOTIFY)));
                }
                Step::Plaintext => {
                    return Err(self.fail(Local::Internal("data before the handshake").into()));
                }
            }
        }
        Ok(())
    }

    /// Writes once or reads once at most, whichever the socket lets happen. A client sends early data while its server may send its flight, and neither has
    /// to read before it has written all: who waits for one direction alone may wait for ever. A socket that blocks is waited for in one
    /// direction and then in the other, a little longer each time; one that does not is for the caller to wait for.
    pub(super) fn exchange(&mut self, own: Timeouts, deadline: Deadline) -> io::Result<()> {
        if self.output.is_empty() {
            self.socket.flush()?;
            self.bound(own, deadline, Duration::MAX)?;
            return self.fill();
        }
        let begun = self.clock.now().monotonic;
        let mut patience = PATIENCE;
        loop {
            let round = self.clock.now().monotonic;
            self.bound(own, deadline, patience)?;
            // What moved last goes first: it is the one that the peer works on.
            for reads in [self.came_last, !self.came_last] {
                let moved = match reads {
                    true => self.fill(),
                    false => push(&mut self.output, &mut self.socket),
                };
                match moved {
                    Err(error) if is_stall(&error) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
                    other => {
                        self.came_last = reads;
                        return other;
                    }
                }
            }
            let now = self.clock.now().monotonic;
            let waited = |since: Duration| now.saturating_sub(since);
            // A system's own timeouts may come a little early.
            let not_blocking = waited(round) < patience.checked_div(2).unwrap_or_default();
            if not_blocking || own.write.is_some_and(|own| waited(begun) >= own) {
                return Err(ErrorKind::WouldBlock.into());
            }
            patience = patience.saturating_mul(2).min(MOST_PATIENCE);
        }
    }
}

/// As [`PATIENCE`], at last.
const MOST_PATIENCE: Duration = Duration::from_millis(100);

/// Early data over a socket on which a write may block while nothing can be read: a pipe holds four times as much.
const WITHOUT_TIMEOUTS: usize = 16 << 10;
