//! A socket that counts the bytes of each flight: what goes one way before something comes the other way.

use std::io::{self, Read, Write};

use pith_io::std::{Socket, Timeouts};

/// The way that bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Sent,
    Received,
}

/// Counts what passes through the socket in it.
pub(crate) struct Counted<S> {
    socket: S,
    /// The first of them: a conversation may have any number.
    flights: Vec<(Way, usize)>,
    bytes: Bytes,
}

/// Bytes on the wire, TLS included.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bytes {
    pub(crate) sent: usize,
    pub(crate) received: usize,
}

impl<S> Counted<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self {
            socket,
            flights: Vec::new(),
            bytes: Bytes::default(),
        }
    }

    /// Each of the first flights, and its bytes.
    pub(crate) fn flights(&self) -> &[(Way, usize)] {
        &self.flights
    }

    /// All bytes so far.
    pub(crate) fn bytes(&self) -> Bytes {
        self.bytes
    }

    /// The socket in it. What is read or written there is not counted.
    pub(crate) fn socket(&self) -> &S {
        &self.socket
    }

    fn count(&mut self, way: Way, bytes: usize) {
        let sum = match way {
            Way::Sent => &mut self.bytes.sent,
            Way::Received => &mut self.bytes.received,
        };
        *sum = sum.saturating_add(bytes);
        let full = self.flights.len() >= FLIGHTS;
        match self.flights.last_mut() {
            Some((last, sum)) if *last == way => *sum = sum.saturating_add(bytes),
            _ if bytes > 0 && !full => self.flights.push((way, bytes)),
            _ => {}
        }
    }
}

impl<S: Read> Read for Counted<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(out)?;
        self.count(Way::Received, count);
        Ok(count)
    }
}

impl<S: Write> Write for Counted<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.socket.write(bytes)?;
        self.count(Way::Sent, count);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl<S: Socket> Socket for Counted<S> {
    fn timeouts(&self) -> io::Result<Timeouts> {
        self.socket.timeouts()
    }

    fn set_timeouts(&mut self, timeouts: Timeouts) -> io::Result<()> {
        self.socket.set_timeouts(timeouts)
    }
}

/// A handshake has three or five.
const FLIGHTS: usize = 8;
