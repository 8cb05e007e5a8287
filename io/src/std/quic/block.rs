//! Waiting for a future on the thread that needs it, for a time.

use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::thread::Thread;

/// What `future` gives; `None` if it has not within `limit`. It is dropped then, and everything here can be asked again.
#[expect(
    clippy::disallowed_methods,
    reason = "an adapter owns the clock that the core is given"
)]
pub(super) fn block_on<T>(
    thread: &Thread,
    future: impl Future<Output = T>,
    limit: Option<Duration>,
) -> Option<T> {
    let mut future = pin!(future);
    // Most calls find at once what they want, and need no waker for it.
    if let Poll::Ready(found) = future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        return Some(found);
    }
    // A limit past the end of time is none.
    let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    // A thread that is ending has none any more.
    let signal = SIGNAL.try_with(Arc::clone).unwrap_or_default();
    let waker = Waker::from(Arc::clone(&signal));
    let mut cx = Context::from_waker(&waker);
    let mut waiting = thread.waiting();
    loop {
        if let Poll::Ready(found) = future.as_mut().poll(&mut cx) {
            return Some(found);
        }
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return None;
        }
        match &mut waiting {
            Some(waiting) => waiting.wait(&signal, left),
            None => signal.wait(left),
        }
    }
}

thread_local! {
    /// One for each thread: it waits for one thing at a time. Not the thread's own parking, whose token may be meant for the caller.
    static SIGNAL: Arc<Signal> = Arc::default();
}

/// What a thread waits for.
#[derive(Default)]
pub(super) struct Signal {
    is_given: Mutex<bool>,
    news: Condvar,
}

impl Signal {
    pub(super) fn give(&self) {
        *self.is_given.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.news.notify_one();
    }

    /// Takes it, if it is given.
    pub(super) fn take(&self) -> bool {
        let mut is_given = self.is_given.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *is_given)
    }

    /// Waits until it is given, or so long, and takes it.
    pub(super) fn wait(&self, left: Option<Duration>) {
        let mut is_given = self.is_given.lock().unwrap_or_else(PoisonError::into_inner);
        while !*is_given {
            match left {
                None => {
                    let woken = self.news.wait(is_given);
                    is_given = woken.unwrap_or_else(PoisonError::into_inner);
                }
                Some(left) => {
                    let woken = self.news.wait_timeout(is_given, left);
                    is_given = woken.unwrap_or_else(PoisonError::into_inner).0;
                    break;
                }
            }
        }
        *is_given = false;
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.give();
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)]
mod tests {
    use std::future::{pending, poll_fn, ready};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// Without a worker to drive.
    fn none() -> Thread {
        Thread::default()
    }

    #[test]
    fn what_is_there_is_given_and_what_never_comes_is_given_up() {
        assert_eq!(block_on(&none(), ready(7), None), Some(7));
        assert_eq!(block_on(&none(), ready(7), Some(Duration::ZERO)), Some(7));
        assert_eq!(
            block_on(&none(), pending::<u8>(), Some(Duration::ZERO)),
            None
        );
        assert_eq!(
            block_on(&none(), pending::<u8>(), Some(Duration::from_millis(5))),
            None
        );
        assert_eq!(block_on(&none(), ready(7), Some(Duration::MAX)), Some(7));
    }

    #[test]
    fn another_thread_wakes_it_and_the_thread_keeps_its_own_token() {
        for limit in [None, Some(Duration::from_secs(60)), Some(Duration::MAX)] {
            let (wakers, woken) = mpsc::channel::<Waker>();
            let other = thread::spawn(move || {
                for waker in woken {
                    waker.wake();
                }
            });
            thread::current().unpark();
            let mut polls = 0;
            let found = poll_fn(|cx| {
                polls += 1;
                if polls == 5 {
                    return Poll::Ready(polls);
                }
                // The first is asked with a waker that does nothing.
                wakers
                    .send(cx.waker().clone())
                    .map_or(Poll::Ready(0), |()| Poll::Pending)
            });
            assert_eq!(block_on(&none(), found, limit), Some(5));
            thread::park(); // returns at once: its token is still there
            drop(wakers);
            assert!(other.join().is_ok());
        }
    }
}
