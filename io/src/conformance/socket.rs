//! Sockets in memory: a pair of queues that stall, split and fill as they are told, without a system clock.
//!
//! A blocking adapter sees a stall as an error. An asynchronous one sees it as pending, and is woken by the byte that it waits
//! for, or at once if only manners kept it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

/// How a socket behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// Bytes that one read gives or one write takes at most.
    pub(crate) piece: usize,
    /// Each call fails this many times before it does something.
    pub(crate) stalls: u32,
    /// What it fails with, where calls can fail for a while.
    pub(crate) stall: ErrorKind,
    /// Bytes that fit in one direction.
    pub(crate) capacity: usize,
}

pub(crate) const EASY: Manners = Manners {
    piece: usize::MAX,
    stalls: 0,
    stall: ErrorKind::WouldBlock,
    capacity: usize::MAX,
};

/// One direction of a pair of sockets.
#[derive(Default)]
pub(crate) struct Lane {
    pub(crate) bytes: VecDeque<u8>,
    pub(crate) ended: bool,
    /// Bytes that ever went through.
    pub(crate) passed: usize,
    /// Writes that took something.
    pub(crate) writes: usize,
    /// Who waits for bytes, and for room: one each, as in tokio's sockets.
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a pair of sockets that never block.
pub(crate) struct End {
    pub(crate) manners: Manners,
    /// How often reading, and writing, has stalled since it last did something.
    stalled: [u32; 2],
    pub(crate) receive: Rc<RefCell<Lane>>,
    pub(crate) send: Rc<RefCell<Lane>>,
    #[cfg(feature = "std")]
    pub(crate) timeouts: crate::std::Timeouts,
    /// Milliseconds that each call takes, on this clock.
    pub(crate) takes: (u64, Arc<AtomicU64>),
    pub(crate) calls: usize,
    /// Calls that moved bytes, or told the end.
    moves: usize,
    /// Calls that failed for manners alone.
    stalls: usize,
}

impl End {
    pub(crate) fn pair(manners: Manners, clock: &Arc<AtomicU64>) -> (Self, Self) {
        let lanes = [Rc::default(), Rc::default()];
        let end = |receive: usize, send: usize| Self {
            manners,
            stalled: [0; 2],
            receive: Rc::clone(&lanes[receive]),
            send: Rc::clone(&lanes[send]),
            #[cfg(feature = "std")]
            timeouts: crate::std::Timeouts::default(),
            takes: (0, Arc::clone(clock)),
            calls: 0,
            moves: 0,
            stalls: 0,
        };
        (end(0, 1), end(1, 0))
    }

    /// Calls, those of them that did something, and those that stalled for manners alone.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        (self.calls, self.moves, self.stalls)
    }

    /// The other end reads what is there, and then the end.
    pub(crate) fn hang_up(&mut self) {
        let mut lane = self.send.borrow_mut();
        lane.ended = true;
        wake(&mut lane.reader);
    }

    fn stall(&mut self, direction: usize) -> io::Result<()> {
        self.calls += 1;
        self.takes.1.fetch_add(self.takes.0, Ordering::Relaxed);
        if self.stalled[direction] < self.manners.stalls {
            self.stalled[direction] += 1;
            self.stalls += 1;
            return Err(self.manners.stall.into());
        }
        self.stalled[direction] = 0;
        Ok(())
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.hang_up();
    }
}

impl Read for End {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.stall(0)?;
        let mut lane = self.receive.borrow_mut();
        let count = out.len().min(self.manners.piece).min(lane.bytes.len());
        if count == 0 && !lane.ended {
            return Err(ErrorKind::WouldBlock.into());
        }
        for (place, byte) in out.iter_mut().zip(lane.bytes.drain(..count)) {
            *place = byte;
        }
        self.moves += 1;
        wake(&mut lane.writer);
        Ok(count)
    }
}

impl Write for End {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stall(1)?;
        let mut lane = self.send.borrow_mut();
        let room = self.manners.capacity.saturating_sub(lane.bytes.len());
        let count = bytes.len().min(self.manners.piece).min(room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        lane.bytes.extend(&bytes[..count]);
        lane.passed += count;
        lane.writes += 1;
        self.moves += 1;
        wake(&mut lane.reader);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wake(task: &mut Option<Waker>) {
    if let Some(task) = task.take() {
        task.wake();
    }
}

#[cfg(feature = "std")]
impl crate::std::Socket for End {
    fn timeouts(&self) -> io::Result<crate::std::Timeouts> {
        Ok(self.timeouts)
    }

    fn set_timeouts(&mut self, timeouts: crate::std::Timeouts) -> io::Result<()> {
        self.timeouts = timeouts;
        Ok(())
    }
}

#[cfg(feature = "tokio")]
mod pending {
    use std::io::{self, Read, Write};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    use super::End;

    impl End {
        /// A stall of manners ends by itself; otherwise the lane wakes.
        fn pending(&self, stalls: usize, cx: &Context<'_>) -> bool {
            let stalled = self.stalls > stalls;
            if stalled {
                cx.waker().wake_by_ref();
            }
            stalled
        }
    }

    impl AsyncRead for End {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            out: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let this = self.get_mut();
            let stalls = this.stalls;
            let room = out.initialize_unfilled();
            match this.read(room) {
                Ok(count) => {
                    out.advance(count);
                    Poll::Ready(Ok(()))
                }
                Err(_) => {
                    if !this.pending(stalls, cx) {
                        this.receive.borrow_mut().reader = Some(cx.waker().clone());
                    }
                    Poll::Pending
                }
            }
        }
    }

    impl AsyncWrite for End {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let this = self.get_mut();
            let stalls = this.stalls;
            match this.write(bytes) {
                Ok(count) => Poll::Ready(Ok(count)),
                Err(_) => {
                    if !this.pending(stalls, cx) {
                        this.send.borrow_mut().writer = Some(cx.waker().clone());
                    }
                    Poll::Pending
                }
            }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.get_mut().hang_up();
            Poll::Ready(Ok(()))
        }
    }
}
