//! What every adapter has to do, over a socket that stalls, splits and fills.
//!
//! [`Manners`] are how a socket behaves, [`Act`]s what the two ends do. [`conform`] plays each scenario over each kind of socket;
//! an adapter brings a [`Driver`] for two of its streams. The sockets are queues in memory, without a system clock: a
//! blocking adapter sees their stalls as errors, an asynchronous one as pending, and then they count who is woken.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use pith_tests::pki::{Identity, Pki};
use pith_tls::{ClientConfig, Credential, Error, ServerConfig, Trust};

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

/// One of the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Client,
    Server,
}

impl Who {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What happens in a scenario.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// One end writes so many bytes, the other reads them.
    Send(Who, usize),
    /// As `Send`, in slices of odd lengths.
    SendSlices(Who, usize),
    /// Both write so many bytes, and read each other's at the same time.
    Exchange(usize),
    /// One end asks for new keys in both directions.
    UpdateKeys(Who),
    /// One end closes, the other reads the end; then the first can write no more.
    Close(Who),
    /// One end's transport ends.
    HangUp(Who),
    /// One end gets a record that is not the other's: it fails, and tells.
    Forge(Who),
}

use Act::{Close, Exchange, Forge, HangUp, Send, SendSlices, UpdateKeys};
use Who::{Client, Server};

const SCENARIOS: &[(&str, &[Act])] = &[
    (
        "there and back",
        &[
            Send(Client, 20_000),
            Send(Server, 20_000),
            Send(Client, 1),
            Close(Client),
            Close(Server),
        ],
    ),
    (
        "slices",
        &[SendSlices(Client, 20_000), SendSlices(Server, 3_000)],
    ),
    ("both at once", &[Exchange(20_000), Exchange(1)]),
    // One way at a time: the other way the answer to a KeyUpdate would go out with a flush, when nobody reads any more.
    (
        "new keys",
        &[
            UpdateKeys(Client),
            Send(Client, 100),
            Send(Server, 100),
            UpdateKeys(Server),
            UpdateKeys(Client),
            Send(Server, 5_000),
            Send(Client, 5_000),
        ],
    ),
    (
        "the client closes first",
        &[Close(Client), Send(Server, 9_000), Close(Server)],
    ),
    (
        "the server closes first",
        &[Close(Server), Send(Client, 9_000), Close(Client)],
    ),
    (
        "the client vanishes",
        &[Send(Client, 1_000), HangUp(Client)],
    ),
    (
        "the server vanishes",
        &[Send(Client, 1_000), HangUp(Server)],
    ),
    ("a record forged for the client", &[Forge(Client)]),
    ("a record forged for the server", &[Forge(Server)]),
];

/// Every kind of socket, by name.
fn manners() -> Vec<(String, Manners)> {
    let mut rows = vec![("easy".to_owned(), EASY)];
    for piece in [1, 2, 7, 16_383] {
        // Room for a ChangeCipherSpec at least: the client's goes out while the server's flight is still on its way.
        for capacity in [piece.max(6), 100_000] {
            rows.push((
                format!("pieces of {piece}, room for {capacity}"),
                Manners {
                    piece,
                    capacity,
                    ..EASY
                },
            ));
        }
    }
    for stall in [
        ErrorKind::WouldBlock,
        ErrorKind::TimedOut,
        ErrorKind::Interrupted,
    ] {
        for (stalls, piece) in [(1, 1), (3, 500)] {
            rows.push((
                format!("{stalls} times {stall:?}, pieces of {piece}"),
                Manners {
                    piece,
                    stalls,
                    stall,
                    capacity: 3_000,
                },
            ));
        }
    }
    rows
}

/// Two streams of an adapter after their handshake. Its calls return when all is done.
pub(crate) trait Driver {
    /// Whether what was begun goes on by itself when the socket lets it, so that nothing is lost to a stall and nothing asks in
    /// vain. Otherwise the driver calls again.
    const WAKES: bool;

    fn connected(ends: (End, End), configs: &Configs) -> Self;
    /// Writes and flushes at `from`, reads as much at the other end.
    fn send(&mut self, from: Who, data: &[u8], sliced: bool) -> Vec<u8>;
    /// Both at once; what the client received comes first.
    fn exchange(&mut self, client: &[u8], server: &[u8]) -> [Vec<u8>; 2];
    fn update_keys(&mut self, at: Who);
    /// Closes at `at` and reads 0 bytes at the other end.
    fn close(&mut self, at: Who);
    fn write_error(&mut self, at: Who) -> io::Error;
    /// Reads at `first` and at the other end, both in vain.
    fn read_errors(&mut self, first: Who) -> [io::Error; 2];
    fn read_error(&mut self, at: Who) -> io::Error;
    fn socket(&mut self, at: Who) -> &mut End;
}

/// Plays every scenario over every socket.
pub(crate) fn conform<D: Driver>() {
    let configs = configs();
    for (socket, manners) in manners() {
        for (scenario, acts) in SCENARIOS {
            let name = format!("{scenario}, {socket}");
            let ends = End::pair(manners, &Arc::default());
            let mut driver = D::connected(ends, &configs);
            for act in *acts {
                play(&mut driver, *act, manners, &format!("{act:?} of {name}"));
            }
            if D::WAKES {
                assert_no_busy_loop(&mut driver, &name);
            }
        }
    }
}

fn play<D: Driver>(driver: &mut D, act: Act, manners: Manners, name: &str) {
    match act {
        Send(from, len) | SendSlices(from, len) => {
            let sliced = matches!(act, SendSlices(..));
            let data = pattern(len);
            assert!(driver.send(from, &data, sliced) == data, "{name}");
        }
        Exchange(len) => {
            let (ours, theirs) = (pattern(len), pattern(len + 1));
            assert!(driver.exchange(&ours, &theirs) == [theirs, ours], "{name}");
        }
        UpdateKeys(at) => driver.update_keys(at),
        Close(at) => {
            driver.close(at);
            let refused = driver.write_error(at);
            assert!(
                matches!(tls_error(&refused), Some(Error::Misuse(_))),
                "{name}: {refused}"
            );
        }
        HangUp(at) => {
            driver.socket(at).hang_up();
            let reader = at.other();
            for error in [
                driver.read_error(reader),
                driver.read_error(reader),
                driver.write_error(reader),
            ] {
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{name}: {error}");
                assert_eq!(tls_error(&error), Some(&Error::Truncated), "{name}");
            }
        }
        Forge(at) => {
            let forged = [23, 3, 3, 0, 20].into_iter().chain([0; 20]);
            driver.socket(at).receive.borrow_mut().bytes.extend(forged);
            let error = if D::WAKES || (manners.stalls == 0 && manners.capacity > 100) {
                let [error, alert] = driver.read_errors(at);
                assert_eq!(alert.kind(), ErrorKind::ConnectionAborted, "{name}");
                let sent = tls_error(&error).and_then(Error::alert).map(Error::Alert);
                assert_eq!(tls_error(&alert), sent.as_ref(), "{name}");
                error
            } else {
                driver.read_error(at)
            };
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{name}: {error}");
            for repeated in [driver.read_error(at), driver.write_error(at)] {
                assert_eq!(tls_error(&repeated), tls_error(&error), "{name}");
            }
        }
    }
}

/// Whoever asks a socket in vain has to wait until it is woken, which a byte that moves does: here the one task that drives both
/// ends, so each wakes up to four calls.
fn assert_no_busy_loop<D: Driver>(driver: &mut D, name: &str) {
    let ends = [Client, Server].map(|at| {
        let end = driver.socket(at);
        (end.calls, end.moves, end.stalls)
    });
    let total = |part: fn((usize, usize, usize)) -> usize| ends.map(part).iter().sum::<usize>();
    let (calls, moves, stalls) = (total(|end| end.0), total(|end| end.1), total(|end| end.2));
    let in_vain = calls - moves - stalls;
    assert!(
        in_vain <= 4 * (moves + stalls) + 30,
        "{name}: {calls} calls, of which {moves} moved bytes, {stalls} stalled"
    );
}

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
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
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

pub(crate) fn wake(task: &mut Option<Waker>) {
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

/// Configurations of a client and of a server that fit.
pub(crate) type Configs = (Arc<ClientConfig>, Arc<ServerConfig>);

/// For the name `example.org`; valid until 2100, so that the system's clock will do.
pub(crate) fn configs() -> Configs {
    let pki = Pki::new();
    let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
    (
        ClientConfig::new(trust).build().unwrap(),
        server_config(&pki.leaf("example.org")),
    )
}

pub(crate) fn server_config(leaf: &Identity) -> Arc<ServerConfig> {
    ServerConfig::new(credential(leaf)).build().unwrap()
}

pub(crate) fn credential(leaf: &Identity) -> Credential {
    Credential::from_pem(leaf.chain_pem.as_bytes(), leaf.key_pem.as_bytes()).unwrap()
}

pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|place| (place % 251) as u8).collect()
}

/// `data` in slices of odd lengths, some of them empty.
pub(crate) fn slices(mut data: &[u8]) -> Vec<IoSlice<'_>> {
    let mut slices = Vec::new();
    for len in [0, 1, 300, 0, 7, 5_000, 16_384].into_iter().cycle() {
        if data.is_empty() {
            break;
        }
        let (slice, rest) = data.split_at(len.min(data.len()));
        slices.push(IoSlice::new(slice));
        data = rest;
    }
    slices
}

pub(crate) fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}
