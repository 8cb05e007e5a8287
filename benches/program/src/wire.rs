//! The memory that joins two sides: what a socket's buffers are to a program.

use std::cell::{RefCell, RefMut};
use std::io::{self, Read, Write};
use std::rc::Rc;

/// Bytes on their way in one direction, in a buffer that never grows.
pub struct Wire {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Wire {
    /// With room for so many bytes.
    pub fn new(room: usize) -> Self {
        Self {
            bytes: vec![0; room],
            start: 0,
            end: 0,
        }
    }

    /// Where to write.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start == self.end {
            self.clear();
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes were written to [`space`](Self::space).
    pub fn written(&mut self, count: usize) {
        self.end += count;
    }

    /// What is there to read.
    pub fn waiting(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// So many bytes of [`waiting`](Self::waiting) are done with.
    pub fn taken(&mut self, count: usize) {
        self.start += count;
    }

    /// Nothing is on the way any more.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(self.end - self.start);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer[..count].copy_from_slice(&self.bytes[self.start..self.start + count]);
        self.start += count;
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let space = self.space();
        let count = bytes.len().min(space.len());
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        space[..count].copy_from_slice(&bytes[..count]);
        self.end += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A side's two directions.
#[derive(Clone)]
pub struct Link {
    incoming: Rc<RefCell<Wire>>,
    outgoing: Rc<RefCell<Wire>>,
}

impl Link {
    /// The links of a client and of a server, with so much room each way.
    pub fn pair(room: usize) -> (Self, Self) {
        let one = Rc::new(RefCell::new(Wire::new(room)));
        let other = Rc::new(RefCell::new(Wire::new(room)));
        let client = Self {
            incoming: one.clone(),
            outgoing: other.clone(),
        };
        let server = Self {
            incoming: other,
            outgoing: one,
        };
        (client, server)
    }

    /// What comes.
    pub fn incoming(&self) -> RefMut<'_, Wire> {
        self.incoming.borrow_mut()
    }

    /// What goes.
    pub fn outgoing(&self) -> RefMut<'_, Wire> {
        self.outgoing.borrow_mut()
    }
}

/// A link as a stream, for libraries that read and write by themselves.
pub struct Pipe(pub Link);

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.incoming().read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.outgoing().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
