//! The two buffers of a stream: what came from the socket, and what goes to it.
//!
//! [`Input`] has a fixed size of one maximal record and holds plaintext where the core opened it, until the caller has taken it.
//! [`Output`] grows to what its caller writes at once, 64 KiB of plaintext at most, and is used again for each write. Neither
//! knows the protocol: both hand their bytes to the [`Connection`] and remember how far they are.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::Range;
use std::time::Duration;

use pith_tls::{Connection, Error, Local, Now, Received};

use super::Socket;

/// Records on their way in.
pub(super) struct Input {
    bytes: Box<[u8]>,
    /// Received and not yet taken by the core.
    records: Range<usize>,
    /// Opened and not yet taken by the caller; always before `records`.
    plaintext: Range<usize>,
}

/// What one step of [`Input::step`] did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A record was taken, and there may be another.
    Again,
    /// There is plaintext to take.
    Plaintext,
    /// More must be read from the socket first.
    NeedMore,
    /// The core waits for an answer.
    Blocked,
    /// The peer will send no more.
    Closed,
}

/// Sealed bytes on their way out.
pub(super) struct Output {
    bytes: Vec<u8>,
    /// Not yet taken by the socket.
    unsent: Range<usize>,
}

impl Input {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; RECORD].into(),
            records: 0..0,
            plaintext: 0..0,
        }
    }

    pub(super) fn plaintext(&self) -> &[u8] {
        self.bytes.get(self.plaintext.clone()).unwrap_or_default()
    }

    /// The caller has taken the first `count` bytes of the plaintext.
    pub(super) fn take(&mut self, count: usize) {
        let end = self.plaintext.end;
        self.plaintext.start = self.plaintext.start.saturating_add(count).min(end);
    }

    /// Gives the core what was received, one record at most. Plaintext that is left over is lost: take it first.
    pub(super) fn step(&mut self, tls: &mut Connection, now: Now) -> Result<Step, Error> {
        let records = self.bytes.get_mut(self.records.clone()).unwrap_or_default();
        let base = records.as_ptr().addr();
        let (consumed, step) = match tls.receive(now, records)? {
            Received::NeedMore { .. } => return Ok(Step::NeedMore),
            Received::Blocked => return Ok(Step::Blocked),
            Received::Handled { consumed } => (consumed, Step::Again),
            Received::Closed { consumed } => (consumed, Step::Closed),
            Received::Data { consumed, bytes } => {
                let offset = bytes.as_ptr().addr().saturating_sub(base);
                let start = self.records.start.saturating_add(offset);
                self.plaintext = start..start.saturating_add(bytes.len());
                let step = if bytes.is_empty() {
                    Step::Again
                } else {
                    Step::Plaintext
                };
                (consumed, step)
            }
            // Early data, one day, has a name of its own there.
            _ => return Err(Local::Internal("a step of an unknown kind").into()),
        };
        if consumed == 0 && step == Step::Again {
            return Err(Local::Internal("a step that took nothing").into());
        }
        self.records.start = self
            .records
            .start
            .saturating_add(consumed)
            .min(self.records.end);
        Ok(step)
    }

    /// Reads from the socket once. Only called when the core needs more, and so never over unread plaintext.
    pub(super) fn fill(&mut self, socket: &mut impl Read) -> io::Result<usize> {
        self.bytes.copy_within(self.records.clone(), 0);
        self.records = 0..self.records.len();
        self.plaintext = 0..0;
        let room = self.bytes.get_mut(self.records.end..).unwrap_or_default();
        if room.is_empty() {
            return Err(super::error::wrap(
                Local::Internal("a record that is longer than the buffer").into(),
            ));
        }
        let count = socket.read(room)?.min(room.len());
        self.records.end = self.records.end.saturating_add(count);
        Ok(count)
    }
}

impl Output {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            unsent: 0..0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Fetches what the core has queued (handshake messages, alerts) behind what is unsent.
    pub(super) fn queue(&mut self, tls: &mut Connection) {
        self.make_room(tls.sealed_len(0));
        loop {
            let written = tls.transmit(self.room());
            self.unsent.end = self.unsent.end.saturating_add(written);
            if written == 0 {
                return;
            }
        }
    }

    /// Seals from `plaintext` as much as fits one write to the socket, behind what the core has queued; returns how many bytes
    /// of it. Called when all before it is sent.
    pub(super) fn seal(&mut self, tls: &mut Connection, plaintext: &[u8]) -> Result<usize, Error> {
        let batch = plaintext.get(..BATCH).unwrap_or(plaintext);
        self.make_room(tls.sealed_len(batch.len()));
        let mut rest = batch;
        loop {
            let sent = tls.send(rest, self.room())?;
            self.unsent.end = self.unsent.end.saturating_add(sent.written);
            rest = rest.get(sent.consumed..).unwrap_or_default();
            if sent.written == 0 || rest.is_empty() {
                return Ok(batch.len().saturating_sub(rest.len()));
            }
        }
    }

    /// Writes to the socket once.
    pub(super) fn push(&mut self, socket: &mut impl Write) -> io::Result<()> {
        let unsent = self.bytes.get(self.unsent.clone()).unwrap_or_default();
        if unsent.is_empty() {
            return Ok(());
        }
        let count = socket.write(unsent)?;
        if count == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        self.unsent.start = self.unsent.start.saturating_add(count).min(self.unsent.end);
        Ok(())
    }

    /// Writes to the socket until nothing is left.
    pub(super) fn push_all(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while !self.is_empty() {
            match self.push(socket) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// Sends the alert of a connection that has failed, if the socket takes it soon.
    pub(super) fn push_alert(&mut self, socket: &mut impl Socket) {
        if self.is_empty() {
            return;
        }
        if let Ok(own) = socket.timeouts() {
            // Nothing can be done about a peer that takes no alert: the connection has failed either way.
            let _sent = socket
                .set_timeouts(own.within(ALERT_LIMIT))
                .and_then(|()| self.push_all(socket))
                .is_ok();
            let _restored = socket.set_timeouts(own).is_ok();
        }
    }

    fn room(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.unsent.end..).unwrap_or_default()
    }

    /// Makes room for `count` bytes behind what is unsent.
    fn make_room(&mut self, count: usize) {
        self.bytes.copy_within(self.unsent.clone(), 0);
        self.unsent = 0..self.unsent.len();
        let wanted = self.unsent.end.saturating_add(count);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
    }
}

/// A maximal record: header, plaintext, and what protection may add (rfc9846#5.2-1).
pub(super) const RECORD: usize = 5 + (1 << 14) + 256;

/// Plaintext sealed for one write to the socket: four full records. More saves few system calls and costs memory.
pub(super) const BATCH: usize = 4 << 14;

/// How long the alert of a failed connection may wait for room in the socket.
const ALERT_LIMIT: Duration = Duration::from_secs(1);
