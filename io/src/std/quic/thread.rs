//! The threads of an endpoint, one for each worker, and how the last handle waits for them.
//!
//! Whoever drives a worker has its [`Seat`]. That is the worker's thread, but a thread of the program that waits for something, and is the only one,
//! takes the seat meanwhile: what it has to send leaves and what comes is handed to it without a switch to another thread. It gives the seat back when it has
//! what it waited for. The worker's thread stands by until nobody has taken the seat for [`STANDBY`], so that calls one after another find it free.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::slice::Chunks;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use pith_quic::{Ecn, Route, Transmit};

use super::block::Signal;
use crate::clock::Clock;
use crate::quic::{Datagrams, Driver, Sockets, Turn};
use crate::udp::{Received, Sent, Udp};

/// What every handle of an endpoint holds behind what it is a handle of. The last that goes waits until everything is delivered.
#[derive(Default)]
pub(super) struct Thread(Vec<Arc<Shared>>);

struct Shared {
    stage: Mutex<Stage>,
    news: Condvar,
    waker: mio::Waker,
    /// A socket that the thread is to take in place of its own.
    next: Mutex<Option<(Socket, SocketAddr)>>,
    /// Whether whoever drives waits for the sockets, and whether somebody has called since it last looked.
    is_asleep: AtomicBool,
    is_called: AtomicBool,
    place: Mutex<Place>,
    free: Condvar,
}

/// Who drives.
#[derive(Default)]
struct Place {
    /// There while nobody does.
    seat: Option<Box<Seat>>,
    /// Whether the worker's thread does.
    by_thread: bool,
    /// How often threads of the program took the seat.
    taken: u64,
    /// Threads of the program that wait for something.
    waiting: usize,
    /// One of them that would drive.
    asking: Option<Arc<Signal>>,
    /// Whether the worker's thread is to drive at once, and whether it does not look for that by itself.
    hurry: bool,
    rests: bool,
    /// There is nothing to drive any more.
    is_over: bool,
}

/// What it takes to drive.
struct Seat {
    driver: Driver,
    sockets: Sockets<Socket>,
    poll: Poll,
    events: Events,
    /// Which socket is asked whether it has room.
    asked: Option<usize>,
    clock: Clock,
}

/// A thread of the program that waits for something. While it has the seat it drives.
pub(super) struct Waiting<'a> {
    shared: &'a Shared,
    seat: Option<Box<Seat>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There are handles.
    Serving,
    /// The last handle waits.
    Leaving,
    /// All is delivered, or nothing is to be hoped for.
    Done,
}

impl Thread {
    /// Starts threads that drive an endpoint.
    ///
    /// # Errors
    /// Those of the system.
    pub(super) fn start(
        workers: impl Iterator<Item = (Driver, Sockets<Socket>)>,
        clock: &Clock,
    ) -> io::Result<Arc<Self>> {
        let started =
            workers.map(|(driver, sockets)| Shared::start(driver, sockets, clock.clone()));
        Ok(Arc::new(Self(started.collect::<io::Result<_>>()?)))
    }

    /// Has the thread take another socket, if there is one thread.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn rebind(&self, socket: std::net::UdpSocket, local: SocketAddr) -> io::Result<()> {
        let socket = Socket::new(socket, local)?;
        if let Some(shared) = self.0.first() {
            *shared.next() = Some((socket, local));
        }
        Ok(())
    }
}

impl Shared {
    fn start(driver: Driver, mut sockets: Sockets<Socket>, clock: Clock) -> io::Result<Arc<Self>> {
        let poll = Poll::new()?;
        let registry = poll.registry();
        for (number, socket) in sockets.iter_mut().enumerate() {
            registry.register(&mut socket.socket, Token(number), Interest::READABLE)?;
        }
        let shared = Arc::new(Self {
            stage: Mutex::new(Stage::Serving),
            news: Condvar::new(),
            waker: mio::Waker::new(registry, NUDGE)?,
            next: Mutex::new(None),
            is_asleep: AtomicBool::new(false),
            is_called: AtomicBool::new(false),
            place: Mutex::default(),
            free: Condvar::new(),
        });
        driver.set_waker(&Waker::from(Arc::clone(&shared)));
        let seat = Box::new(Seat {
            driver,
            sockets,
            poll,
            events: Events::with_capacity(EVENTS),
            asked: None,
            clock,
        });
        shared.place().by_thread = true;
        let end = End(Arc::clone(&shared));
        std::thread::Builder::new()
            .name("pith-quic".to_owned())
            .spawn(move || drive(seat, &end))?;
        Ok(shared)
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        for shared in &self.0 {
            let mut stage = shared.stage();
            if *stage == Stage::Serving {
                *stage = Stage::Leaving;
            }
            drop(stage);
            shared.hurry(&mut shared.place());
            shared.wake_by_ref();
        }
        // A program that fails does not want to wait for its peers.
        if std::thread::panicking() {
            return;
        }
        for shared in &self.0 {
            let mut stage = shared.stage();
            while *stage != Stage::Done {
                let woken = shared.news.wait(stage);
                stage = woken.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl Shared {
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> MutexGuard<'_, Option<(Socket, SocketAddr)>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self) {
        *self.stage() = Stage::Done;
        self.news.notify_all();
    }

    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the worker's thread drive now, if nobody does.
    fn hurry(&self, place: &mut Place) {
        place.hurry = true;
        self.free.notify_all();
    }

    /// The seat, once nobody has taken it for a while; none if all is over. For the worker's thread.
    fn stand_by(&self) -> Option<Box<Seat>> {
        let mut place = self.place();
        let mut seen = None;
        while !place.is_over {
            let unchanged = seen == Some(place.taken);
            let due = unchanged || place.hurry;
            let seat = place.seat.take_if(|_| due);
            if seat.is_some() {
                (place.hurry, place.by_thread) = (false, true);
                return seat;
            }
            if unchanged {
                // Somebody waits for long: whoever gives the seat back says so.
                place.rests = true;
                let woken = self.free.wait(place);
                place = woken.unwrap_or_else(PoisonError::into_inner);
                (place.rests, seen) = (false, None);
            } else {
                seen = Some(place.taken);
                let woken = self.free.wait_timeout(place, STANDBY);
                place = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        None
    }

    /// Has whoever drives take a turn.
    fn call(&self) {
        self.is_called.store(true, Ordering::SeqCst);
        // Else whoever drives, or takes the seat next, looks before it sleeps.
        if !self.is_asleep.load(Ordering::SeqCst) {
            return;
        }
        // It fails for want of memory in the kernel, if ever; then the next datagram or deadline wakes the thread.
        let _woken = self.waker.wake();
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.call();
    }
}

/// Ends the wait of the last handle however the thread ends.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.done();
    }
}

/// What the worker's thread does.
fn drive(mut seat: Box<Seat>, end: &End) {
    let shared = &*end.0;
    loop {
        let wait = match seat.turn(shared) {
            Turn::Over => return,
            Turn::Again => continue,
            wait @ Turn::Wait { .. } => wait,
        };
        if *shared.stage() == Stage::Leaving && seat.driver.has_delivered() {
            shared.done();
        }
        let asking = shared.place().asking.take();
        if let Some(asking) = asking {
            let mut place = shared.place();
            (place.seat, place.by_thread) = (Some(seat), false);
            drop(place);
            asking.give();
            match shared.stand_by() {
                Some(back) => seat = back,
                None => return,
            }
        } else if seat.wait(shared, wait, None).is_err() {
            return;
        }
    }
}

impl Seat {
    fn turn(&mut self, shared: &Shared) -> Turn {
        shared.is_called.store(false, Ordering::SeqCst);
        let next = shared.next().take();
        if let Some((mut next, local)) = next {
            let registry = self.poll.registry();
            let registered = registry.register(&mut next.socket, Token(0), Interest::READABLE);
            let (Ok(()), Ok(next)) = (registered, Sockets::new(vec![(local, next)])) else {
                return Turn::Over;
            };
            // The one before is closed, and with it its registration.
            (self.sockets, self.asked) = (next, None);
            self.driver.on_rebound(local);
        }
        self.driver.turn(&mut self.sockets)
    }

    /// Waits for what a turn says, at most until `limit`.
    ///
    /// # Errors
    /// Those of the system; then nothing is to be driven any more.
    fn wait(&mut self, shared: &Shared, wait: Turn, limit: Option<Duration>) -> io::Result<()> {
        // A socket that gave nothing says when it does, whether that is asked or not.
        let Turn::Wait {
            takes, deadline, ..
        } = wait
        else {
            return Ok(());
        };
        // Readiness is told when it begins, and that of a socket that is registered anew at once, so none is missed. Whether there is room is not
        // asked while nobody waits for it, or every datagram that leaves the machine would wake the thread.
        let full = self.sockets.full().map(|(number, _)| number);
        let asks = full.filter(|_| takes);
        if asks != self.asked {
            let both = Interest::READABLE | Interest::WRITABLE;
            for (number, interest) in [(self.asked, Interest::READABLE), (asks, both)] {
                let socket =
                    number.and_then(|number| Some((number, self.sockets.get_mut(number)?)));
                if let Some((number, socket)) = socket {
                    let registry = self.poll.registry();
                    registry.reregister(&mut socket.socket, Token(number), interest)?;
                }
            }
            self.asked = asks;
        }
        let now = self.clock.now().monotonic;
        let timeout = deadline.map(|at| at.saturating_sub(now));
        let timeout = timeout.into_iter().chain(limit).min();
        shared.is_asleep.store(true, Ordering::SeqCst);
        let polled = if shared.is_called.load(Ordering::SeqCst) {
            Ok(())
        } else {
            self.poll.poll(&mut self.events, timeout)
        };
        shared.is_asleep.store(false, Ordering::SeqCst);
        for event in &self.events {
            if let Some(socket) = self.sockets.get_mut(event.token().0) {
                socket.is_ready = true;
            }
        }
        self.events.clear();
        match polled {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }
}

impl Thread {
    /// The caller waits from now on. With several workers nobody knows whose it waits for, and each drives itself.
    pub(super) fn waiting(&self) -> Option<Waiting<'_>> {
        let [shared] = self.0.as_slice() else {
            return None;
        };
        let mut place = shared.place();
        place.waiting = place.waiting.saturating_add(1);
        drop(place);
        Some(Waiting { shared, seat: None })
    }

    /// How often threads of the program drove.
    #[cfg(test)]
    pub(super) fn taken(&self) -> u64 {
        self.0.iter().map(|shared| shared.place().taken).sum()
    }

    /// Sends what was written if nobody drives who would: a thread that waits for nothing next would leave it for a while.
    pub(super) fn send(&self) {
        let Some(mut waiting) = self.waiting() else {
            return;
        };
        let shared = waiting.shared;
        waiting.seat = shared.place().take();
        let turn = waiting.seat.as_mut().map(|seat| seat.turn(shared));
        match turn {
            Some(Turn::Over) => waiting.end(),
            // There is more to do than a turn.
            Some(Turn::Again) => shared.hurry(&mut shared.place()),
            _ => {}
        }
    }
}

impl Waiting<'_> {
    /// Waits until `signal` is given, or for so long, or shorter. Who can drives.
    pub(super) fn wait(&mut self, signal: &Arc<Signal>, left: Option<Duration>) {
        if self.seat.is_none() {
            self.seat = self.take(signal);
        }
        if self.seat.is_none() {
            return signal.wait(left);
        }
        if self.drive(signal, left).is_none() {
            self.end();
        }
    }

    /// Drives until then; `None` if nothing is to be driven any more.
    fn drive(&mut self, signal: &Signal, left: Option<Duration>) -> Option<()> {
        let seat = self.seat.as_mut()?;
        let mut waited = false;
        loop {
            let turn = seat.turn(self.shared);
            if turn == Turn::Over {
                return None;
            }
            // Time that has passed is the caller's to look at.
            if signal.take() || waited && left.is_some() {
                return Some(());
            }
            seat.wait(self.shared, turn, left).ok()?;
            waited = true;
        }
    }

    /// Whoever waits hears of it as the driver goes.
    fn end(&mut self) {
        self.seat = None;
        self.shared.place().is_over = true;
        self.shared.free.notify_all();
    }

    /// The seat, if nobody has it. A caller that waits alone asks the worker's thread for it.
    fn take(&self, signal: &Arc<Signal>) -> Option<Box<Seat>> {
        let mut place = self.shared.place();
        let free = place.take();
        if free.is_some() {
            return free;
        }
        let asks = place.by_thread && place.waiting == 1 && !place.is_over;
        if asks {
            place.asking = Some(Arc::clone(signal));
            drop(place);
            self.shared.call();
        }
        None
    }
}

impl Place {
    /// For a thread of the program.
    fn take(&mut self) -> Option<Box<Seat>> {
        let seat = self.seat.take()?;
        self.taken = self.taken.saturating_add(1);
        Some(seat)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut place = self.shared.place();
        place.waiting = place.waiting.saturating_sub(1);
        place.asking = None;
        if let Some(seat) = self.seat.take() {
            place.seat = Some(seat);
        }
        // Others do not look for the seat, and the worker's thread may not.
        if place.seat.is_some() && (place.waiting > 0 || place.rests) {
            place.hurry |= place.waiting > 0;
            self.shared.free.notify_all();
        }
    }
}

pub(super) struct Socket {
    socket: UdpSocket,
    udp: Udp,
    /// Whether it may have something. That begins with an event.
    is_ready: bool,
}

impl Socket {
    fn new(socket: std::net::UdpSocket, local: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            udp: Udp::new(&socket, local)?,
            socket: UdpSocket::from_std(socket),
            is_ready: true,
        })
    }
}

/// The sockets of one worker, ready for its thread.
///
/// # Errors
/// Those of the sockets, and `InvalidInput` without one.
pub(super) fn sockets(sockets: Vec<std::net::UdpSocket>) -> io::Result<Sockets<Socket>> {
    let made = sockets.into_iter().map(|socket| {
        let local = socket.local_addr()?;
        Ok((local, Socket::new(socket, local)?))
    });
    Sockets::new(made.collect::<io::Result<_>>()?)
}

impl Datagrams for Socket {
    fn receive(
        &mut self,
        each: &mut dyn FnMut(Route, Ecn, Chunks<'_, u8>),
    ) -> io::Result<Received> {
        if !self.is_ready {
            return Err(ErrorKind::WouldBlock.into());
        }
        let Self { socket, udp, .. } = self;
        let received = socket.try_io(|| udp.receive(socket, &mut *each));
        self.is_ready = match &received {
            Ok(received) => !received.is_drained,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        };
        received
    }

    fn send(&mut self, transmit: &Transmit, datagrams: &[u8]) -> io::Result<Sent> {
        let Self { socket, udp, .. } = self;
        socket.try_io(|| udp.send(socket, transmit, datagrams))
    }
}

/// Sockets have their numbers.
const NUDGE: Token = Token(usize::MAX);

/// For how long nobody takes the seat before the worker's thread does. What was written by who waits for nothing is sent that late at most.
const STANDBY: Duration = Duration::from_millis(1);

/// There are few sources; what finds no room is told the next time.
const EVENTS: usize = 8;
