//! Two streams in one thread, over the sockets of the conformance suite and tokio's clock, which waits for nobody.

use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pith_crypto::SigningKey;
use pith_tests::pki::Pki;
use pith_tls::{
    Answer, ChainVerifier, ClientConfig, Credential, Error, PeerChain, Question, ServerConfig,
    SessionStore, Signature, SignatureScheme, Signer, Tickets, Topic, Trust, Verdict,
};
use tokio::io::{
    AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf,
    duplex, split,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, sleep, timeout};
use tokio::{join, try_join};

use super::{Acceptor, Connector, HANDSHAKE_LIMIT, Stream};
use crate::buffer::{BATCH, RECORD};
use crate::conformance::{
    Configs, Driver, EASY, End, Manners, Who, configs, conform, credential, pattern, server_config,
    slices, tls_error,
};

mod early;

#[test]
fn every_way_of_stalling_splitting_and_filling() {
    conform::<Asynchronous>();
}

/// Two streams, and what polls them. A task that nobody wakes shows as the end of an hour, which is at once.
struct Asynchronous {
    runtime: Runtime,
    client: Stream<End>,
    server: Stream<End>,
}

impl Asynchronous {
    /// The runtime, the stream of `at`, and the other.
    fn ends(&mut self, at: Who) -> (&Runtime, &mut Stream<End>, &mut Stream<End>) {
        match at {
            Who::Client => (&self.runtime, &mut self.client, &mut self.server),
            Who::Server => (&self.runtime, &mut self.server, &mut self.client),
        }
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

fn run<T>(runtime: &Runtime, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    runtime.block_on(async { timeout(Duration::from_secs(3600), work).await.unwrap() })
}

impl Driver for Asynchronous {
    const WAKES: bool = true;

    fn connected(ends: (End, End), configs: &Configs) -> Self {
        let runtime = runtime();
        let (client, server) = run(&runtime, connected(ends, configs)).unwrap();
        Self {
            runtime,
            client,
            server,
        }
    }

    fn send(&mut self, from: Who, data: &[u8], sliced: bool) -> Vec<u8> {
        let (runtime, from, to) = self.ends(from);
        let mut received = vec![0; data.len()];
        let write = async {
            if !sliced {
                return write(from, data).await;
            }
            let mut sent = 0;
            while sent < data.len() {
                sent += from.write_vectored(&slices(&data[sent..])).await?;
            }
            from.flush().await
        };
        run(runtime, async {
            try_join!(write, to.read_exact(&mut received))
        })
        .unwrap();
        received
    }

    fn exchange(&mut self, ours: &[u8], theirs: &[u8]) -> [Vec<u8>; 2] {
        let mut received = [vec![0; theirs.len()], vec![0; ours.len()]];
        let [to_client, to_server] = &mut received;
        let (mut client_reads, mut client_writes) = split(&mut self.client);
        let (mut server_reads, mut server_writes) = split(&mut self.server);
        let work = async {
            try_join!(
                write(&mut client_writes, ours),
                write(&mut server_writes, theirs),
                client_reads.read_exact(to_client),
                server_reads.read_exact(to_server),
            )
        };
        run(&self.runtime, work).unwrap();
        received
    }

    fn update_keys(&mut self, at: Who) {
        self.ends(at).1.update_keys(true).unwrap();
    }

    fn close(&mut self, at: Who) {
        let (runtime, here, there) = self.ends(at);
        let mut byte = [0];
        let work = async { try_join!(here.shutdown(), there.read(&mut byte)) };
        assert_eq!(run(runtime, work).unwrap().1, 0);
    }

    fn write_error(&mut self, at: Who) -> io::Error {
        let (runtime, here, _) = self.ends(at);
        run(runtime, here.write(b"x")).unwrap_err()
    }

    fn read_errors(&mut self, first: Who) -> [io::Error; 2] {
        let (runtime, here, there) = self.ends(first);
        let (mut ours, mut theirs) = ([0; 9], [0; 9]);
        let work = async { Ok(join!(here.read(&mut ours), there.read(&mut theirs))) };
        let (first, second) = run(runtime, work).unwrap();
        [first.unwrap_err(), second.unwrap_err()]
    }

    fn read_error(&mut self, at: Who) -> io::Error {
        let (runtime, here, _) = self.ends(at);
        run(runtime, here.read(&mut [0; 9])).unwrap_err()
    }

    fn socket(&mut self, at: Who) -> &mut End {
        self.ends(at).1.socket_mut()
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), data: &[u8]) -> io::Result<()> {
    to.write_all(data).await?;
    to.flush().await
}

/// Two streams after their handshake.
async fn connected<S: AsyncRead + AsyncWrite + Unpin>(
    (ours, theirs): (S, S),
    (client, server): &Configs,
) -> io::Result<(Stream<S>, Stream<S>)> {
    let (client, server) = (
        Connector::new(Arc::clone(client)),
        Acceptor::new(Arc::clone(server)),
    );
    try_join!(client.connect("example.org", ours), server.accept(theirs))
}

async fn easy() -> (Stream<End>, Stream<End>) {
    let ends = End::pair(EASY, &Arc::default());
    connected(ends, &configs()).await.unwrap()
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Polls once; a future that is not done is dropped.
async fn once<T>(work: impl Future<Output = T>) -> Poll<T> {
    let mut work = pin!(work);
    poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await
}

#[tokio::test(start_paused = true)]
async fn dropped_futures_lose_nothing() {
    let manners = Manners {
        piece: 11,
        stalls: 1,
        capacity: 40,
        ..EASY
    };
    let (client, server) = configs();
    let (ours, theirs) = End::pair(manners, &Arc::default());
    let mut client = Stream::client(client, "example.org", ours).unwrap();
    let mut server = Stream::server(server, theirs);
    let (mut done, mut polls) = ([false; 2], 0);
    while done != [true; 2] {
        polls += 1;
        assert!(polls < 10_000);
        done[0] |= once(client.handshake())
            .await
            .map(Result::unwrap)
            .is_ready();
        done[1] |= once(server.handshake())
            .await
            .map(Result::unwrap)
            .is_ready();
    }
    let data = pattern(5_000);
    let (mut sent, mut received, mut polls) = (0, Vec::new(), 0);
    while received.len() < data.len() {
        polls += 1;
        assert!(polls < 10_000);
        // What is pending has taken nothing; what is ready has taken what it says.
        let to = data.len().min(sent + 700);
        if let Poll::Ready(count) = once(client.write(&data[sent..to])).await {
            sent += count.unwrap();
        } else {
            let _pending = once(client.flush()).await.map(Result::unwrap);
        }
        let mut buffer = [0; 300];
        if let Poll::Ready(count) = once(server.read(&mut buffer)).await {
            received.extend_from_slice(&buffer[..count.unwrap()]);
        }
    }
    assert_eq!(sent, data.len());
    assert!(received == data);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_pending_has_taken_nothing_and_buffers_stay_bounded() {
    let (mut client, mut server) = easy().await;
    client.socket_mut().manners.capacity = 100;
    let data = pattern(10 * BATCH);
    let mut taken = 0;
    while let Poll::Ready(count) = once(client.write(&data[taken..])).await {
        taken += count.unwrap();
    }
    assert_eq!(taken, BATCH, "one batch, which waits for room");
    assert!(once(client.write(b"not this")).await.is_pending());
    assert_eq!(client.socket().send.borrow().bytes.len(), 100);
    client.socket_mut().manners.capacity = usize::MAX;
    client.shutdown().await.unwrap();
    let mut received = Vec::new();
    server.read_to_end(&mut received).await.unwrap();
    assert!(received == data[..taken]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_from_the_socket_while_plaintext_lies_unread() {
    let (mut client, mut server) = easy().await;
    client.write_all(&pattern(10 * RECORD)).await.unwrap();
    assert_eq!(server.read_u8().await.unwrap(), 0);
    let waiting = server.socket().receive.borrow().bytes.len();
    let calls = server.socket().calls;
    assert_eq!(server.fill_buf().await.unwrap().len(), (1 << 14) - 1);
    for place in 1..1 << 14 {
        assert_eq!(usize::from(server.read_u8().await.unwrap()), place % 251);
    }
    assert_eq!(server.socket().receive.borrow().bytes.len(), waiting);
    assert_eq!(
        server.socket().calls,
        calls,
        "the first record is still being read"
    );
}

#[tokio::test(start_paused = true)]
async fn slices_share_a_record() {
    let (mut client, mut server) = easy().await;
    assert!(client.is_write_vectored());
    let before = client.socket().send.borrow().passed;
    let parts = [b"GET / ".as_slice(), b"", b"HTTP/1.1", b"\r\n"];
    let count = client
        .write_vectored(&parts.map(IoSlice::new))
        .await
        .unwrap();
    assert_eq!(count, 16);
    let record = client.socket().send.borrow().passed - before;
    assert_eq!(record, 5 + 16 + 1 + 16, "one record");
    let mut received = [0; 16];
    server.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"GET / HTTP/1.1\r\n");
    let large = [vec![1; BATCH - 1], vec![2; 5], vec![3; 9]];
    let count = client
        .write_vectored(&large.each_ref().map(|part| IoSlice::new(part)))
        .await;
    assert_eq!(count.unwrap(), BATCH, "no more than a batch");
    let mut received = vec![0; BATCH];
    server.read_exact(&mut received).await.unwrap();
    assert_eq!(received[BATCH - 2..], [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_woken_and_not_polled_in_vain() {
    let (mut client, mut server) = easy().await;
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let calls = client.socket().calls;
    let mut buffer = [0; 9];
    let mut buffer = ReadBuf::new(&mut buffer);
    let mut poll = |client: &mut Stream<End>| {
        Pin::new(client).poll_read(&mut Context::from_waker(&waker), &mut buffer)
    };
    assert!(poll(&mut client).is_pending());
    assert_eq!(client.socket().calls, calls + 1);
    assert_eq!(woken.count(), 0);
    server.write_all(b"wake up").await.unwrap();
    assert_eq!(woken.count(), 1);
    assert!(poll(&mut client).is_ready());
    assert_eq!(client.socket().calls, calls + 2);
    assert_eq!(woken.count(), 1);
    assert_eq!(buffer.filled(), b"wake up");
}

/// Halves that begin before the handshake: whoever was asked last by the socket must not be the only one who goes on.
#[test]
fn both_halves_go_on_after_a_handshake_that_either_of_them_drove() {
    for (first_byte, writer_first) in [
        (1, true),
        (1, false),
        (usize::MAX, true),
        (usize::MAX, false),
    ] {
        let runtime = runtime();
        let (client, server) = configs();
        let manners = Manners {
            piece: first_byte,
            ..EASY
        };
        let (ours, theirs) = End::pair(manners, &Arc::default());
        let client = Stream::client(client, "example.org", ours).unwrap();
        let server = Stream::server(server, theirs);
        let half = |stream| async move {
            let (mut reader, mut writer) = split(stream);
            let write = async move {
                writer.write_all(b"hello").await.unwrap();
                writer.shutdown().await.unwrap();
            };
            let read = async move {
                let mut received = Vec::new();
                reader.read_to_end(&mut received).await.unwrap();
                assert_eq!(received, b"hello");
            };
            // As tasks, so that only who is woken is polled.
            let set = LocalSet::new();
            if writer_first {
                set.spawn_local(write);
                set.spawn_local(read);
            } else {
                set.spawn_local(read);
                set.spawn_local(write);
            }
            set.await;
        };
        run(&runtime, async { Ok(join!(half(client), half(server))) }).unwrap();
    }
}

/// The reader was asked last by the socket, and is gone when the answer comes.
#[test]
fn a_half_whose_handshake_the_other_gave_up_goes_on() {
    let runtime = runtime();
    let work = async {
        let (client, server) = configs();
        let (ours, theirs) = End::pair(EASY, &Arc::default());
        let client = Stream::client(client, "example.org", ours).unwrap();
        let (mut reader, mut writer) = split(client);
        let set = LocalSet::new();
        set.spawn_local(async move { write(&mut writer, b"hello").await.unwrap() });
        set.spawn_local(async move {
            let given_up = timeout(Duration::from_secs(1), reader.read_u8()).await;
            assert!(given_up.is_err());
        });
        set.spawn_local(async move {
            sleep(Duration::from_secs(2)).await;
            let mut server = Stream::server(server, theirs);
            let mut received = [0; 5];
            server.read_exact(&mut received).await.unwrap();
            assert_eq!(&received, b"hello");
        });
        set.await;
        Ok(())
    };
    run(&runtime, work).unwrap();
}

#[test]
fn a_failure_that_one_half_finds_wakes_the_other() {
    for (is_forged, kind, wait) in [
        (true, ErrorKind::InvalidData, 6), // a second for the alert, which nobody takes
        (false, ErrorKind::UnexpectedEof, 5),
    ] {
        let runtime = runtime();
        let work = async {
            let (mut client, mut server) = easy().await;
            client.socket_mut().manners.capacity = 0;
            let (mut reader, mut writer) = split(client);
            let start = Instant::now();
            let set = LocalSet::new();
            set.spawn_local(async move {
                let error = writer.write_all(&[0; 10 * BATCH]).await.unwrap_err();
                assert_eq!(error.kind(), kind, "{error}");
                assert_eq!(start.elapsed().as_secs(), wait, "{kind}");
            });
            set.spawn_local(async move {
                let error = reader.read_u8().await.unwrap_err();
                assert_eq!(error.kind(), kind, "{error}");
                assert_eq!(start.elapsed().as_secs(), wait, "{kind}");
            });
            set.spawn_local(async move {
                sleep(Duration::from_secs(5)).await;
                if is_forged {
                    let mut forged = [0; 25];
                    forged[..5].copy_from_slice(&[23, 3, 3, 0, 20]);
                    server.socket_mut().write_all(&forged).await.unwrap();
                    sleep(Duration::from_secs(50)).await;
                }
            });
            set.await;
            Ok(())
        };
        run(&runtime, work).unwrap();
    }
}

/// R13 of tests/attacks.tsv.
#[tokio::test(start_paused = true)]
async fn a_byte_a_second_does_not_extend_the_deadline() {
    let (client, server) = configs();
    for limit in [None, Some(Duration::from_millis(2_500))] {
        let want = limit.unwrap_or(HANDSHAKE_LIMIT);
        let start = Instant::now();
        let (mut peer, socket) = duplex(9);
        let mut acceptor = Acceptor::new(Arc::clone(&server));
        if let Some(limit) = limit {
            acceptor = acceptor.handshake_limit(limit);
        }
        let drip = async {
            // A record header that promises much, and then its bytes without end.
            for byte in [22, 3, 3, 0x40, 0].into_iter().chain([0; 1000]) {
                sleep(Duration::from_secs(1)).await;
                if peer.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
        };
        let (accepted, ()) = join!(acceptor.accept(socket), drip);
        let error = accepted.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        assert!(error.to_string().contains(&format!("{want:?}")), "{error}");
        assert!(start.elapsed() < want + Duration::from_secs(2));

        // A server that takes nothing, and says nothing.
        let start = Instant::now();
        let (_silent, socket) = duplex(9);
        let mut connector = Connector::new(Arc::clone(&client));
        if let Some(limit) = limit {
            connector = connector.handshake_limit(limit);
        }
        let error = connector.connect("example.org", socket).await;
        assert_eq!(error.map(drop).unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() >= want && start.elapsed() < want + Duration::from_millis(2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_does_not_outlast_the_handshake() {
    let (mut client, mut server) = easy().await;
    sleep(Duration::from_secs(3600)).await;
    client.write_all(b"late").await.unwrap();
    let mut received = [0; 4];
    server.read_exact(&mut received).await.unwrap();
}

/// R03 of tests/attacks.tsv.
#[tokio::test(start_paused = true)]
async fn an_end_or_a_goodbye_in_the_handshake_ends_it() {
    for to_server in [true, false] {
        for said in [&[][..], &[22, 3, 1], &[21, 3, 3, 0, 2, 1, 0]] {
            let (client, server) = configs();
            let (here, mut there) = End::pair(EASY, &Arc::default());
            let mut here = if to_server {
                Stream::server(server, here)
            } else {
                Stream::client(client, "example.org", here).unwrap()
            };
            there.write_all(said).await.unwrap();
            drop(there);
            let error = here.handshake().await.unwrap_err();
            assert!(tls_error(&error).is_some(), "{said:?}: {error}");
            let repeated = here.handshake().await.unwrap_err();
            assert_eq!(tls_error(&repeated), tls_error(&error));
            assert!(here.socket().calls < 9, "{}", here.socket().calls);
        }
    }
}

/// Signs later, and decides later.
struct Slow;

impl ChainVerifier for Slow {
    fn verify(&self, _: &PeerChain<'_>) -> Verdict {
        Verdict::Later
    }
}

impl Signer for Slow {
    fn schemes(&self) -> &[SignatureScheme] {
        &[SignatureScheme::ECDSA_SECP256R1_SHA256]
    }

    fn sign(&self, _: SignatureScheme, _: &[u8]) -> Signature {
        Signature::Later
    }
}

/// Configurations that ask everything, and answers that take a second each.
struct Owner {
    client: Connector,
    server: Acceptor,
    chosen: Arc<ServerConfig>,
    key: SigningKey,
    asked: AtomicUsize,
}

impl Owner {
    fn new() -> Self {
        let pki = Pki::new();
        let leaf = pki.leaf("example.org");
        let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
        let client = ClientConfig::new(trust).verifier(Arc::new(Slow)).build();
        let asking = ServerConfig::new(credential(&leaf))
            .ask_config(true)
            .build();
        let slow = Credential::with_signer(leaf.chain.clone(), Arc::new(Slow)).unwrap();
        Self {
            client: Connector::new(client.unwrap()),
            server: Acceptor::new(asking.unwrap()),
            chosen: ServerConfig::new(slow).build().unwrap(),
            key: SigningKey::from_der(&leaf.key).unwrap(),
            asked: AtomicUsize::new(0),
        }
    }

    async fn answer(&self, question: Question) -> io::Result<Answer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_secs(1)).await;
        match &question.topic {
            Topic::Config(hello) => {
                assert_eq!(hello.server_name.as_deref(), Some("example.org"));
                Ok(Answer::config(&question, Some(Arc::clone(&self.chosen))))
            }
            Topic::Sign { scheme, message } => {
                let signature = self.key.sign(*scheme, message).ok();
                Ok(Answer::signature(&question, signature))
            }
            Topic::VerifyChain { chain, .. } => {
                assert_eq!(chain.len(), 1);
                Ok(Answer::verdict(&question, Ok(())))
            }
            _ => Err(ErrorKind::Unsupported.into()),
        }
    }
}

/// On a runtime that moves tasks between threads, so that the futures have to be `Send`.
#[tokio::test]
async fn questions_are_answered_by_async_functions_in_tasks() {
    let owner = Arc::new(Owner::new());
    tokio::time::pause();
    let (ours, theirs) = duplex(50);
    let server = Arc::clone(&owner);
    let server: JoinHandle<io::Result<Stream<DuplexStream>>> = tokio::spawn(async move {
        server
            .server
            .accept_with(theirs, |question| server.answer(question))
            .await
    });
    let start = Instant::now();
    let client = Arc::clone(&owner);
    let client = tokio::spawn(async move {
        client
            .client
            .connect_with("example.org", ours, |question| client.answer(question))
            .await
    });
    let mut client = client.await.unwrap().unwrap();
    let mut server = server.await.unwrap().unwrap();
    assert_eq!(owner.asked.load(Ordering::Relaxed), 3);
    // The client looks at the chain while the server signs.
    assert_eq!(start.elapsed().as_secs(), 2);
    write(&mut client, b"hi").await.unwrap();
    let mut received = [0; 2];
    server.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"hi");
}

/// What is asked right behind the handshake, for tickets that the application keeps, is a question like the others.
#[tokio::test]
async fn a_server_is_asked_to_keep_its_sessions() {
    let pki = Pki::new();
    let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
    let store = SessionStore::bounded(2, 2);
    let client = ClientConfig::new(trust).sessions(store.clone());
    let server = ServerConfig::new(credential(&pki.leaf("example.org"))).tickets(Tickets::asked());
    let client = Connector::new(client.build().unwrap());
    let server = Acceptor::new(server.build().unwrap());
    let (ours, theirs) = duplex(100_000);
    let asked = AtomicUsize::new(0);
    let accepting = server.accept_with(theirs, |question| {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        async move {
            assert!(matches!(question.topic, Topic::KeepSession(_)));
            let identity = number.to_be_bytes().to_vec();
            Ok(Answer::kept(&question, Some(identity)))
        }
    });
    let (client, server) = join!(client.connect("example.org", ours), accepting);
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    write(&mut server, b"hi").await.unwrap();
    let mut received = [0; 2];
    client.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"hi");
    assert_eq!(store.len(), 2);
}

/// The server asks for its configuration, and the client has said its hello.
async fn asking(owner: &Owner) -> (DuplexStream, Stream<DuplexStream>) {
    let (mut ours, theirs) = duplex(100_000);
    let client = owner.client.connect("example.org", &mut ours);
    assert!(once(client).await.is_pending());
    (ours, Stream::server(owner.server.config(), theirs))
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_dropped_late_wrong_or_missing() {
    let owner = Owner::new();
    let (_peer, mut server) = asking(&owner).await;
    let unasked = server.handshake().await.unwrap_err();
    assert!(unasked.to_string().contains("handshake_with"), "{unasked}");
    // Dropped: the question is asked again.
    for asked in 1..3 {
        let work = server.handshake_with(|question| owner.answer(question));
        assert!(once(work).await.is_pending());
        assert_eq!(owner.asked.load(Ordering::Relaxed), asked);
    }
    // The owner's own error is handed through, and ends nothing.
    let work = server.handshake_with(|_| async { Err(ErrorKind::StorageFull.into()) });
    assert_eq!(work.await.unwrap_err().kind(), ErrorKind::StorageFull);
    // Of the wrong kind: it changes nothing either.
    let work =
        server.handshake_with(|question| async move { Ok(Answer::signature(&question, None)) });
    let wrong = work.await.unwrap_err();
    assert!(
        matches!(tls_error(&wrong), Some(Error::Misuse(_))),
        "{wrong}"
    );
    // Late: the deadline holds for answers too.
    let start = Instant::now();
    let work = server.handshake_with(|question| async move {
        sleep(Duration::from_secs(60)).await;
        Ok(Answer::config(&question, None))
    });
    let late = work.await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut, "{late}");
    assert!(start.elapsed() <= HANDSHAKE_LIMIT + Duration::from_millis(2));

    // No: the peer is told.
    let (mut peer, mut server) = asking(&owner).await;
    let work = server.handshake_with(|question| async move { Ok(Answer::config(&question, None)) });
    let refused = work.await.unwrap_err();
    let alert = tls_error(&refused).and_then(Error::alert).unwrap();
    let mut sent = [0; 7];
    peer.read_exact(&mut sent).await.unwrap();
    assert_eq!(sent, [21, 3, 3, 0, 2, 2, alert.0]);
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_leaves_connections_alone() {
    let pki = Pki::new();
    let (old, new) = (pki.leaf("old.example"), pki.leaf("new.example"));
    let trust = Trust::roots_from_pem(pki.root_pem().as_bytes()).unwrap();
    let client = Connector::new(ClientConfig::new(trust).build().unwrap());
    let acceptor = Acceptor::new(server_config(&old));
    let (ours, theirs) = duplex(9_999);
    let mut theirs = pin!(acceptor.accept(theirs));
    assert!(once(&mut theirs).await.is_pending());
    acceptor.replace(server_config(&new)); // in the middle of a handshake
    try_join!(client.connect("old.example", ours), theirs).unwrap();
    let (ours, theirs) = duplex(9_999);
    try_join!(client.connect("new.example", ours), acceptor.accept(theirs)).unwrap();
}

#[tokio::test]
async fn halves_over_tcp_carry_more_than_a_socket_holds() {
    const LEN: usize = 4 << 20; // each side must read while it writes
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap());
    let (ours, (theirs, _)) = try_join!(ours, listener.accept()).unwrap();
    let (client, server) = connected((ours, theirs), &configs()).await.unwrap();
    let echo = tokio::spawn(async move {
        let (mut reader, mut writer) = split(server);
        tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let (mut reader, mut writer) = split(client);
    let sender = tokio::spawn(async move {
        writer.write_all(&pattern(LEN)).await.unwrap();
        writer.shutdown().await.unwrap();
        assert!(writer.write(b"x").await.is_err());
    });
    let mut received = Vec::new();
    reader.read_to_end(&mut received).await.unwrap();
    assert!(received == pattern(LEN));
    try_join!(sender, echo).unwrap();
}

#[tokio::test(start_paused = true)]
async fn dropping_sends_nothing_and_shutdown_ends_the_socket() {
    let (client, mut server) = easy().await;
    let before = client.socket().send.borrow().passed;
    drop(client);
    assert_eq!(server.socket().receive.borrow().passed, before);
    server.shutdown().await.unwrap();
    assert!(server.socket().send.borrow().ended);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_none_is_refused_before_anything_is_sent() {
    let (config, _) = configs();
    let (end, other) = End::pair(EASY, &Arc::default());
    let error = Connector::new(config).connect("not a name", end).await;
    assert_eq!(error.map(drop).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(other.receive.borrow().passed, 0);
}

#[tokio::test(start_paused = true)]
async fn exporters_agree_and_summaries_too() {
    let (client, server) = easy().await;
    let mut secrets = [[0; 40]; 2];
    client
        .export(b"EXPORTER-test", b"x", &mut secrets[0])
        .unwrap();
    server
        .export(b"EXPORTER-test", b"x", &mut secrets[1])
        .unwrap();
    assert_eq!(secrets[0], secrets[1]);
    assert_eq!(client.channel_binding(), server.channel_binding());
    assert!(client.channel_binding().is_ok());
    assert_eq!(
        client.summary().unwrap().group,
        server.summary().unwrap().group
    );
}

#[test]
fn streams_can_move_between_threads() {
    fn assert_send<T: Send + Sync + Unpin>() {}
    assert_send::<Stream<TcpStream>>();
    assert_send::<(Connector, Acceptor)>();
}
