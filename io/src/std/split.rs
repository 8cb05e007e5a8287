//! The two halves of a stream, for two threads.
//!
//! The connection is locked only while it opens or seals, never while a socket blocks: a writer that waits for the peer to
//! take its bytes does not keep the reader from taking the peer's. Locks are taken in one order, output before connection.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pith_tls::{Connection, Error, Local, Summary};

use super::Socket;
use super::socket::{fill, push_alert, push_all};
use crate::buffer::{Input, Output, Step};
use crate::clock::Clock;
use crate::error::{is_stall, question_open, wrap};

/// The half that reads. As [`Stream`](super::Stream) for what it returns and when.
pub struct Reader<S> {
    shared: Arc<Shared>,
    socket: S,
    input: Input,
    clock: Clock,
}

/// The half that writes. As [`Stream`](super::Stream) for what it returns and when.
pub struct Writer<W> {
    shared: Arc<Shared>,
    socket: W,
}

struct Shared {
    output: Mutex<Output>,
    state: Mutex<State>,
}

struct State {
    tls: Connection,
    failed: Option<Error>,
}

pub(super) fn halves<S, W>(
    tls: Connection,
    clock: Clock,
    (socket, input): (S, Input),
    (writer, output): (W, Output),
) -> (Reader<S>, Writer<W>) {
    let shared = Arc::new(Shared {
        output: Mutex::new(output),
        state: Mutex::new(State { tls, failed: None }),
    });
    let reader = Reader {
        shared: Arc::clone(&shared),
        socket,
        input,
        clock,
    };
    let writer = Writer {
        shared,
        socket: writer,
    };
    (reader, writer)
}

impl<S: Socket> Reader<S> {
    /// What was negotiated.
    pub fn summary(&self) -> Option<Summary> {
        self.shared.state().tls.summary().cloned()
    }

    /// Makes a failure final. If the other half is in the middle of a write, the alert goes out behind that.
    fn fail(&mut self, error: Error) -> io::Error {
        let output = self.shared.output.try_lock();
        let mut state = self.shared.state();
        state.failed = Some(error.clone());
        if let Ok(mut output) = output {
            output.queue(&mut state.tls);
            drop(state);
            push_alert(&mut output, &mut self.socket);
        }
        wrap(error)
    }

    fn advance(&mut self) -> io::Result<Step> {
        let now = self.clock.now();
        let mut state = self.shared.state();
        state.check()?;
        let step = self.input.step(&mut state.tls, now);
        drop(state);
        step.map_err(|error| self.fail(error))
    }
}

impl<S: Socket> Read for Reader<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<S: Socket> BufRead for Reader<S> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.input.plaintext().is_empty() {
            match self.advance()? {
                Step::Again | Step::Plaintext => {}
                Step::Early => {
                    return Err(self.fail(Local::Internal("early data after all").into()));
                }
                Step::Closed => break,
                Step::Blocked => return Err(question_open()),
                Step::NeedMore => {
                    if fill(&mut self.input, &mut self.socket)? == 0 {
                        let ended = self.shared.state().tls.eof();
                        return Err(self.fail(ended.err().unwrap_or(Error::Truncated)));
                    }
                }
            }
        }
        Ok(self.input.plaintext())
    }

    fn consume(&mut self, count: usize) {
        self.input.take(count);
    }
}

impl<W: Write> Writer<W> {
    /// As [`Stream::close`](super::Stream::close).
    ///
    /// # Errors
    /// As [`Stream::close`](super::Stream::close).
    pub fn close(&mut self) -> io::Result<()> {
        self.shared.state().tls.close();
        self.flush()
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(plaintext)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut output = self.shared.output();
        push_all(&mut output, &mut self.socket)?;
        let mut state = self.shared.state();
        let sealed = state.seal(&mut output, slices);
        drop(state);
        match (push_all(&mut output, &mut self.socket), sealed) {
            (Err(error), Ok(consumed)) if is_stall(&error) && consumed > 0 => Ok(consumed),
            (Err(error), Ok(_)) => Err(error),
            (_, sealed) => sealed,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut output = self.shared.output();
        loop {
            let mut state = self.shared.state();
            output.queue(&mut state.tls);
            let checked = state.check();
            drop(state);
            if output.is_empty() {
                self.socket.flush()?;
                return checked;
            }
            push_all(&mut output, &mut self.socket)?;
        }
    }
}

impl Shared {
    fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Seals into `output`; after a failure, of this half or the other, the alert goes there.
    fn seal(&mut self, output: &mut Output, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let sealed = match &self.failed {
            Some(error) => Err(error.clone()),
            None => output.seal(&mut self.tls, slices),
        };
        sealed.map_err(|error| {
            output.queue(&mut self.tls);
            if !matches!(error, Error::Misuse(_)) {
                self.failed = Some(error.clone());
            }
            wrap(error)
        })
    }

    fn check(&self) -> io::Result<()> {
        match &self.failed {
            Some(error) => Err(wrap(error.clone())),
            None => Ok(()),
        }
    }
}
