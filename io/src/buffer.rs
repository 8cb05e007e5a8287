//! The two buffers of a stream: what came from the socket, and what goes to it.
//!
//! [`Input`] has a fixed size of one maximal record and holds plaintext where the core opened it, until the caller has taken it.
//! [`Output`] grows to what its caller writes at once, 64 KiB of plaintext at most, and is used again for each write. Neither
//! knows the protocol: both hand their bytes to the [`Connection`] and remember how far they are. Early data has [`Early`], a buffer of
//! its own.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::ops::Range;

use pith_tls::{Connection, Error, Local, Now, Received, Sent};

use crate::error::wrap;

/// Records on their way in.
pub(crate) struct Input {
    bytes: Box<[u8]>,
    /// Received and not yet taken by the core.
    records: Range<usize>,
    /// Opened and not yet taken by the caller; always before `records`.
    plaintext: Range<usize>,
}

/// What one step of [`Input::step`] did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record was taken, and there may be another.
    Again,
    /// There is plaintext to take.
    Plaintext,
    /// There is plaintext to take that is early data.
    Early,
    /// More must be read from the socket first.
    NeedMore,
    /// The core waits for an answer.
    Blocked,
    /// The peer will send no more.
    Closed,
}

/// Sealed bytes on their way out.
pub(crate) struct Output {
    bytes: Vec<u8>,
    /// Not yet taken by the socket.
    unsent: Range<usize>,
}

impl Input {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; RECORD].into(),
            records: 0..0,
            plaintext: 0..0,
        }
    }

    pub(crate) fn plaintext(&self) -> &[u8] {
        self.bytes.get(self.plaintext.clone()).unwrap_or_default()
    }

    /// The caller has taken the first `count` bytes of the plaintext.
    pub(crate) fn take(&mut self, count: usize) {
        let end = self.plaintext.end;
        self.plaintext.start = self.plaintext.start.saturating_add(count).min(end);
    }

    /// Gives the core what was received, one record at most. Plaintext that is left over is lost: take it first.
    pub(crate) fn step(&mut self, tls: &mut Connection, now: Now) -> Result<Step, Error> {
        let records = self.bytes.get_mut(self.records.clone()).unwrap_or_default();
        let base = records.as_ptr().addr();
        let (consumed, step) = match tls.receive(now, records)? {
            Received::NeedMore { .. } => return Ok(Step::NeedMore),
            Received::Blocked => return Ok(Step::Blocked),
            Received::Handled { consumed } => (consumed, Step::Again),
            Received::Closed { consumed } => (consumed, Step::Closed),
            Received::Data { consumed, bytes } => {
                let place = (bytes.as_ptr().addr(), bytes.len());
                (consumed, self.hold(base, place, Step::Plaintext))
            }
            Received::EarlyData { consumed, bytes } => {
                let place = (bytes.as_ptr().addr(), bytes.len());
                (consumed, self.hold(base, place, Step::Early))
            }
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

    /// Remembers where plaintext lies; what is empty is none.
    fn hold(&mut self, base: usize, (at, len): (usize, usize), step: Step) -> Step {
        let start = self.records.start.saturating_add(at.saturating_sub(base));
        self.plaintext = start..start.saturating_add(len);
        if len == 0 { Step::Again } else { step }
    }

    /// Room for what is read from the socket. Only asked for when the core needs more, and so never over unread plaintext.
    pub(crate) fn room(&mut self) -> io::Result<&mut [u8]> {
        self.bytes.copy_within(self.records.clone(), 0);
        self.records = 0..self.records.len();
        self.plaintext = 0..0;
        match self.bytes.get_mut(self.records.end..) {
            Some(room) if !room.is_empty() => Ok(room),
            _ => Err(wrap(
                Local::Internal("a record that is longer than the buffer").into(),
            )),
        }
    }

    /// The first `count` bytes of the room came from the socket.
    pub(crate) fn filled(&mut self, count: usize) {
        let end = self.records.end.saturating_add(count);
        self.records.end = end.min(self.bytes.len());
    }
}

/// A client's early data that its server has not read. At most as much as the server's configuration takes.
#[derive(Default)]
pub(crate) struct Early(VecDeque<u8>);

impl Early {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes over what the input holds.
    pub(crate) fn keep(&mut self, input: &mut Input) {
        let plaintext = input.plaintext();
        self.0.extend(plaintext);
        let count = plaintext.len();
        input.take(count);
    }

    pub(crate) fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(out)?;
        if self.0.is_empty() {
            self.0 = VecDeque::new(); // there is none after the handshake
        }
        Ok(count)
    }
}

impl Output {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            unsent: 0..0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Fetches what the core has queued (handshake messages, alerts) behind what is unsent.
    pub(crate) fn queue(&mut self, tls: &mut Connection) {
        self.make_room(tls.sealed_len(0));
        loop {
            let written = tls.transmit(self.room());
            self.unsent.end = self.unsent.end.saturating_add(written);
            if written == 0 {
                return;
            }
        }
    }

    /// Seals from the slices as much as fits one write to the socket, behind what the core has queued; returns how many bytes
    /// of them. Called when all before it is sent.
    pub(crate) fn seal(
        &mut self,
        tls: &mut Connection,
        slices: &[IoSlice<'_>],
    ) -> Result<usize, Error> {
        let mut filled = slices.iter().filter(|slice| !slice.is_empty());
        let first = filled.next().map_or(&[][..], |slice| &**slice);
        if filled.next().is_none() || first.len() >= BATCH {
            let batch = first.get(..BATCH).unwrap_or(first);
            self.make_room(tls.sealed_len(batch.len()));
            let room = self.bytes.get_mut(self.unsent.end..).unwrap_or_default();
            return seal_batch(batch, room, &mut self.unsent.end, |rest, room| {
                tls.send(rest, room)
            });
        }
        // Gathered at the far end of the buffer: a record for each slice would cost more than the copy.
        let total = slices.iter().fold(0_usize, |total, slice| {
            total.saturating_add(slice.len()).min(BATCH)
        });
        let sealed = tls.sealed_len(total);
        self.make_room(sealed.saturating_add(total));
        let room = self.bytes.get_mut(self.unsent.end..).unwrap_or_default();
        let (room, batch) = room.split_at_mut_checked(sealed).unwrap_or_default();
        let batch = batch.get_mut(..total).unwrap_or_default();
        let mut rest = &mut *batch;
        for slice in slices {
            let (place, behind) = rest.split_at_mut(slice.len().min(rest.len()));
            place.copy_from_slice(slice.get(..place.len()).unwrap_or_default());
            rest = behind;
        }
        seal_batch(batch, room, &mut self.unsent.end, |rest, room| {
            tls.send(rest, room)
        })
    }

    /// As [`seal`](Self::seal), of a client's early data: as much as the server's ticket allows.
    pub(crate) fn seal_early(
        &mut self,
        tls: &mut Connection,
        early: &[u8],
    ) -> Result<usize, Error> {
        let most = tls.early_data_left().min(BATCH);
        let batch = early.get(..most).unwrap_or(early);
        if batch.is_empty() {
            return Ok(0);
        }
        self.make_room(tls.sealed_len(batch.len()));
        let room = self.bytes.get_mut(self.unsent.end..).unwrap_or_default();
        seal_batch(batch, room, &mut self.unsent.end, |rest, room| {
            tls.send_early(rest, room)
        })
    }

    /// What goes to the socket next.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.bytes.get(self.unsent.clone()).unwrap_or_default()
    }

    /// The socket took the first `count` bytes of what was unsent.
    pub(crate) fn sent(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        self.unsent.start = self.unsent.start.saturating_add(count).min(self.unsent.end);
        Ok(())
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

/// Seals all of `batch` that has room, and moves `end` by what it wrote; returns how much of `batch` that is.
fn seal_batch(
    batch: &[u8],
    mut room: &mut [u8],
    end: &mut usize,
    mut send: impl FnMut(&[u8], &mut [u8]) -> Result<Sent, Error>,
) -> Result<usize, Error> {
    let mut rest = batch;
    loop {
        let sent = send(rest, room)?;
        *end = end.saturating_add(sent.written);
        room = room.get_mut(sent.written..).unwrap_or_default();
        rest = rest.get(sent.consumed..).unwrap_or_default();
        if sent.written == 0 || rest.is_empty() {
            return Ok(batch.len().saturating_sub(rest.len()));
        }
    }
}

/// A maximal record: header, plaintext, and what protection may add (rfc9846#5.2-1).
pub(crate) const RECORD: usize = 5 + (1 << 14) + 256;

/// Plaintext sealed for one write to the socket: four full records. More saves few system calls and costs memory.
pub(crate) const BATCH: usize = 4 << 14;
