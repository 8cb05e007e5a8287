//! Which tasks wait for a stream.
//!
//! A socket remembers one task for each direction, the last that asked. That is the right one while a stream's reader reads and
//! its writer writes. In a handshake, or while an alert is on its way, either of them does both; then the socket is given
//! a waker for the two, so that neither sleeps on what the other waits for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// What a task does with a stream. Halves of a stream are two tasks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Side {
    Read,
    Write,
}

/// The tasks that last read and wrote. As a waker, wakes both.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Tasks>);

#[derive(Default)]
struct Tasks {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Waiting {
    pub(super) fn set(&self, side: Side, waker: &Waker) {
        let mut tasks = self.tasks();
        let task = match side {
            Side::Read => &mut tasks.reader,
            Side::Write => &mut tasks.writer,
        };
        match task {
            Some(task) => task.clone_from(waker), // which copies only another task's
            None => *task = Some(waker.clone()),
        }
    }

    /// Wakes the other task than `side`.
    pub(super) fn wake_other(&self, side: Side) {
        let task = match side {
            Side::Read => self.tasks().writer.take(),
            Side::Write => self.tasks().reader.take(),
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        let Tasks { reader, writer } = std::mem::take(&mut *self.tasks());
        for task in [reader, writer].into_iter().flatten() {
            task.wake();
        }
    }
}
