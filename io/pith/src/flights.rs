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
    flights: Vec<(Way, usize)>,
}

impl<S> Counted<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self {
            socket,
            flights: Vec::new(),
        }
    }

    /// Each flight so far, and its bytes.
    pub(crate) fn flights(&self) -> &[(Way, usize)] {
        &self.flights
    }

    fn count(&mut self, way: Way, bytes: usize) {
        match self.flights.last_mut() {
            Some((last, sum)) if *last == way => *sum = sum.saturating_add(bytes),
            _ if bytes > 0 => self.flights.push((way, bytes)),
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
