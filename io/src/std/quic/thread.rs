//! The threads of an endpoint, one for each worker, and how the last handle waits for them.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Wake, Waker};

use bytes::BytesMut;
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use pith_quic::{Ecn, Route, Transmit};

use crate::clock::Clock;
use crate::quic::{Datagrams, Driver, Turn};
use crate::udp::Udp;

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
        workers: impl Iterator<Item = (Driver, std::net::UdpSocket)>,
        local: SocketAddr,
        clock: &Clock,
    ) -> io::Result<Arc<Self>> {
        let started =
            workers.map(|(driver, socket)| Shared::start(driver, socket, local, clock.clone()));
        Ok(Arc::new(Self(started.collect::<io::Result<_>>()?)))
    }

    /// Has the thread take another socket, if there is one thread.
    ///
    /// # Errors
    /// Those of the socket.
    pub(super) fn rebind(&self, socket: std::net::UdpSocket, local: SocketAddr) -> io::Result<()> {
        let socket = Socket {
            udp: Udp::new(&socket, local)?,
            socket: UdpSocket::from_std(socket),
        };
        if let Some(shared) = self.0.first() {
            *shared.next() = Some((socket, local));
        }
        Ok(())
    }
}

impl Shared {
    fn start(
        driver: Driver,
        socket: std::net::UdpSocket,
        local: SocketAddr,
        clock: Clock,
    ) -> io::Result<Arc<Self>> {
        let udp = Udp::new(&socket, local)?;
        let poll = Poll::new()?;
        let mut socket = Socket {
            socket: UdpSocket::from_std(socket),
            udp,
        };
        let registry = poll.registry();
        registry.register(&mut socket.socket, SOCKET, Interest::READABLE)?;
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
            .spawn(move || drive(driver, socket, poll, &clock, &end))?;
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

fn drive(mut driver: Driver, mut socket: Socket, mut poll: Poll, clock: &Clock, end: &End) {
    let mut events = Events::with_capacity(EVENTS);
    let mut asks_for_room = false;
    loop {
        let next = end.0.next().take();
        if let Some((mut next, local)) = next {
            let registered = poll
                .registry()
                .register(&mut next.socket, SOCKET, Interest::READABLE);
            if registered.is_err() {
                return;
            }
            // The one before is closed, and with it its registration.
            socket = next;
            asks_for_room = false;
            driver.on_rebound(local);
        }
        let (takes, deadline) = match driver.turn(&mut socket) {
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
        if takes != asks_for_room {
            asks_for_room = takes;
            let interest = if takes {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            let registry = poll.registry();
            if registry
                .reregister(&mut socket.socket, SOCKET, interest)
                .is_err()
            {
                return;
            }
        }
        let timeout = deadline.map(|at| at.saturating_sub(clock.now().monotonic));
        match poll.poll(&mut events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

struct Socket {
    socket: UdpSocket,
    udp: Udp,
}

impl Datagrams for Socket {
    fn receive(&mut self, each: &mut dyn FnMut(Route, Ecn, BytesMut)) -> io::Result<usize> {
        let Self { socket, udp } = self;
        socket.try_io(|| udp.receive(socket, &mut *each))
    }

    fn send(&mut self, transmit: &Transmit, datagrams: &[u8]) -> io::Result<usize> {
        let Self { socket, udp } = self;
        socket.try_io(|| udp.send(socket, transmit, datagrams))
    }
}

const SOCKET: Token = Token(0);
const NUDGE: Token = Token(1);

/// There are two sources.
const EVENTS: usize = 4;
