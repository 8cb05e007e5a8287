//! Who waits for what: lines in which waiters are woken in turn.
//!
//! A task that is woken and finds what it waited for passes the word on when it leaves, since there may be more; one that finds nothing stands where it
//! stood before. So a hundred tasks that wait for a stream cost one wake a stream, none is passed over, and a task that is dropped at any moment takes
//! nobody's turn along.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Tasks in the order in which they came.
#[derive(Default)]
pub(super) struct Line {
    next: u64,
    waiting: BTreeMap<u64, Waker>,
}

impl Line {
    /// The first of the line leaves it, to be woken.
    pub(super) fn first(&mut self) -> Option<Waker> {
        self.waiting.pop_first().map(|(_, waker)| waker)
    }

    /// All leave it, to be woken.
    pub(super) fn all(&mut self) -> impl Iterator<Item = Waker> + use<> {
        std::mem::take(&mut self.waiting).into_values()
    }

    /// Leaves the line, and gives back what stood there.
    #[cfg(feature = "h3")]
    pub(super) fn leave(&mut self, ticket: u64) -> Option<Waker> {
        self.waiting.remove(&ticket)
    }

    /// Stands in the line, and gives back what stood there for the same waiter.
    pub(super) fn stand(&mut self, ticket: &mut Option<u64>, waker: &Waker) -> Option<Waker> {
        let ticket = *ticket.get_or_insert_with(|| {
            self.next = self.next.saturating_add(1);
            self.next
        });
        self.waiting.insert(ticket, waker.clone())
    }
}

// A waker that is dropped may drop its task with it, and a task has handles whose end takes locks: no waker is dropped under one.

/// Waits until `attempt` gives something. It is asked under the lock of `owner`, at once and each time that the line moves.
pub(super) async fn wait<S, T>(
    owner: &Mutex<S>,
    line: impl Fn(&mut S) -> &mut Line,
    mut attempt: impl FnMut(&mut S) -> Option<T>,
) -> T {
    let mut place = Place {
        owner,
        line,
        ticket: None,
    };
    poll_fn(|cx| {
        let mut state = lock(owner);
        if let Some(found) = attempt(&mut state) {
            return Poll::Ready(found);
        }
        let before = (place.line)(&mut state).stand(&mut place.ticket, cx.waker());
        drop(state);
        drop(before);
        Poll::Pending
    })
    .await
}

/// One waiter's place, given up when it is dropped.
struct Place<'a, S, L: Fn(&mut S) -> &mut Line> {
    owner: &'a Mutex<S>,
    line: L,
    ticket: Option<u64>,
}

impl<S, L: Fn(&mut S) -> &mut Line> Drop for Place<'_, S, L> {
    fn drop(&mut self) {
        let (own, next) = {
            let mut state = lock(self.owner);
            let line = (self.line)(&mut state);
            let own = self.ticket.and_then(|ticket| line.waiting.remove(&ticket));
            (own, line.first())
        };
        next.into_iter().for_each(Waker::wake);
        drop(own);
    }
}

/// The state behind a lock. What a thread that panicked has left is as good as before: nothing here spans two statements that have to agree.
pub(super) fn lock<S>(owner: &Mutex<S>) -> MutexGuard<'_, S> {
    owner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use super::*;

    #[derive(Default)]
    struct Shop {
        line: Line,
        goods: usize,
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn buy(shop: &Mutex<Shop>) -> impl Future<Output = ()> + '_ {
        let take = |shop: &mut Shop| {
            shop.goods = shop.goods.checked_sub(1)?;
            Some(())
        };
        wait(shop, |shop| &mut shop.line, take)
    }

    fn poll(future: Pin<&mut impl Future>, woken: &Arc<Woken>) -> bool {
        let waker = Arc::clone(woken).into();
        future.poll(&mut Context::from_waker(&waker)).is_ready()
    }

    fn deliver(shop: &Mutex<Shop>, goods: usize) {
        let first = {
            let mut shop = lock(shop);
            shop.goods += goods;
            shop.line.first()
        };
        first.into_iter().for_each(Waker::wake);
    }

    #[test]
    fn waiters_are_served_in_turn_and_each_wakes_the_next() {
        let shop = Mutex::new(Shop::default());
        let [first, second, third] = [(); 3].map(|()| Arc::new(Woken::default()));
        let (mut a, mut b) = (pin!(buy(&shop)), pin!(buy(&shop)));
        let mut c = Some(Box::pin(buy(&shop)));
        assert!(!poll(a.as_mut(), &first) && !poll(b.as_mut(), &second));
        assert!(!poll(c.as_mut().unwrap().as_mut(), &third));
        assert!(!poll(a.as_mut(), &first), "asked again, it keeps its place");
        let counts = || [&first, &second, &third].map(|woken| woken.0.load(Ordering::Relaxed));
        deliver(&shop, 3);
        assert_eq!(counts(), [1, 0, 0]);
        // Somebody took the goods meanwhile.
        let stolen = std::mem::take(&mut lock(&shop).goods);
        assert!(!poll(a.as_mut(), &first));
        deliver(&shop, stolen);
        assert_eq!(counts(), [2, 0, 0], "it stands where it stood");
        assert!(poll(a.as_mut(), &first));
        // A future that is ready gives its place up when it is dropped, as after an await.
    }

    #[test]
    fn who_is_dropped_takes_nobodys_turn_along() {
        let shop = Mutex::new(Shop::default());
        let [first, second] = [(); 2].map(|()| Arc::new(Woken::default()));
        let mut a = Some(Box::pin(buy(&shop)));
        let mut b = pin!(buy(&shop));
        assert!(!poll(a.as_mut().unwrap().as_mut(), &first));
        assert!(!poll(b.as_mut(), &second));
        deliver(&shop, 1);
        assert_eq!(first.0.load(Ordering::Relaxed), 1);
        a = None;
        assert!(a.is_none());
        assert_eq!(second.0.load(Ordering::Relaxed), 1, "the word is passed on");
        assert!(poll(b.as_mut(), &second));
        assert!(lock(&shop).line.waiting.is_empty());
    }
}
