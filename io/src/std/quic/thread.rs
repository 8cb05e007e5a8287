//! The threads of an endpoint, one for each worker, and how the last handle waits for them.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::slice::Chunks;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Wake, Waker};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use pith_quic::{Ecn, Route, Transmit};

use crate::clock::Clock;
use crate::quic::{Datagrams, Driver, Sockets, Turn};
use crate::udp::{Sent, Udp};

/// What every handle of an endpoint holds behind what it is a handle of. The last that goes waits until everything is delivered.
pub(super) struct Thread(Vec<Arc<Shared>>);

struct Shared {
    stage: Mutex<Stage>,
    news: Condvar,
    waker: mio::Waker,
    /// A socket that the thread is to take in place of its own.
    next: Mutex<Option<(Socket, SocketAddr)>>,
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
        });
        driver.set_waker(&Waker::from(Arc::clone(&shared)));
        let end = End(Arc::clone(&shared));
        std::thread::Builder::new()
            .name("pith-quic".to_owned())
            .spawn(move || drive(driver, sockets, poll, &clock, &end))?;
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
    fn stage(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> std::sync::MutexGuard<'_, Option<(Socket, SocketAddr)>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self) {
        *self.stage() = Stage::Done;
        self.news.notify_all();
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It fails for want of memory in the kernel, if ever; then the next datagram or deadline wakes the thread.
        let _woken = self.waker.wake();
    }
}

/// Ends the wait of the last handle however the thread ends.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.done();
    }
}

fn drive(
    mut driver: Driver,
    mut sockets: Sockets<Socket>,
    mut poll: Poll,
    clock: &Clock,
    end: &End,
) {
    let mut events = Events::with_capacity(EVENTS);
    // Which socket is asked whether it has room.
    let mut asked = None;
    loop {
        let next = end.0.next().take();
        if let Some((mut next, local)) = next {
            let registered =
                poll.registry()
                    .register(&mut next.socket, Token(0), Interest::READABLE);
            let (Ok(()), Ok(next)) = (registered, Sockets::new(vec![(local, next)])) else {
                return;
            };
            // The one before is closed, and with it its registration.
            sockets = next;
            asked = None;
            driver.on_rebound(local);
        }
        let (takes, deadline) = match driver.turn(&mut sockets) {
            Turn::Over => return,
            Turn::Again => continue,
            // A socket that gave nothing says when it does, whether that is asked or not.
            Turn::Wait {
                takes, deadline, ..
            } => (takes, deadline),
        };
        if *end.0.stage() == Stage::Leaving && driver.has_delivered() {
            end.0.done();
        }
        // Readiness is told when it begins, and that of a socket that is registered anew at once, so none is missed. Whether there is room is not
        // asked while nobody waits for it, or every datagram that leaves the machine would wake the thread.
        let asks = sockets.full().map(|(number, _)| number).filter(|_| takes);
        if asks != asked {
            let both = Interest::READABLE | Interest::WRITABLE;
            for (number, interest) in [(asked, Interest::READABLE), (asks, both)] {
                let Some(number) = number else { continue };
                let registry = poll.registry();
                let registered = sockets
                    .get_mut(number)
                    .map(|socket| registry.reregister(&mut socket.socket, Token(number), interest));
                if registered.is_some_and(|registered| registered.is_err()) {
                    return;
                }
            }
            asked = asks;
        }
        let timeout = deadline.map(|at| at.saturating_sub(clock.now().monotonic));
        match poll.poll(&mut events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

pub(super) struct Socket {
    socket: UdpSocket,
    udp: Udp,
}

impl Socket {
    fn new(socket: std::net::UdpSocket, local: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            udp: Udp::new(&socket, local)?,
            socket: UdpSocket::from_std(socket),
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
    fn receive(&mut self, each: &mut dyn FnMut(Route, Ecn, Chunks<'_, u8>)) -> io::Result<usize> {
        let Self { socket, udp } = self;
        socket.try_io(|| udp.receive(socket, &mut *each))
    }

    fn send(&mut self, transmit: &Transmit, datagrams: &[u8]) -> io::Result<Sent> {
        let Self { socket, udp } = self;
        socket.try_io(|| udp.send(socket, transmit, datagrams))
    }
}

/// Sockets have their numbers.
const NUDGE: Token = Token(usize::MAX);

/// There are few sources; what finds no room is told the next time.
const EVENTS: usize = 8;
