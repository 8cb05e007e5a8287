//! HTTP/3 by the crate `h3` over loopback, both sides on Pith.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use h3::client::SendRequest;
use h3::error::{Code, ConnectionError, StreamError};
use h3::quic::{ConnectionErrorIncoming, OpenStreams as _, StreamErrorIncoming};
use h3::server::RequestStream;
use h3_datagram::datagram_handler::{HandleDatagramsExt, SendDatagramError};
use h3_datagram::quic_traits::SendDatagramErrorIncoming;
use http::{Method, Request, Response};
use pith_quic::{ClientConfig, ConnectionError as Quic, DatagramError, ServerConfig, VarInt};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tls::{EarlyData, SessionStore, StrikeRegister};
use tokio::join;
use tokio::runtime::{Builder, RuntimeFlavor};
use tokio::task::JoinSet;

use super::{BidiStream, Connection, OpenStreams, error};
use crate::clock::Clock;
use crate::quic::{self, Error};
use crate::tokio::Endpoint;

const LIMIT: Duration = Duration::from_secs(60);

/// How many requests a server of these tests takes at once.
const AT_ONCE: u64 = 7;

type Requests = SendRequest<OpenStreams, Bytes>;
type Stream = RequestStream<BidiStream<Bytes>, Bytes>;

fn on_both<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let one = Builder::new_current_thread().enable_all().build();
    let several = Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build();
    for runtime in [one.unwrap(), several.unwrap()] {
        let test = async { tokio::time::timeout(LIMIT, test()).await };
        runtime.block_on(test).unwrap();
    }
}

/// Both ends of a connection, and what they stand on.
struct Pair {
    client: quic::Connection,
    server: quic::Connection,
    _endpoints: [Endpoint; 2],
}

impl Pair {
    async fn new() -> Self {
        let pki = Pki::with(Kind::P256, 0);
        let leaf = credential(&pki.leaf_with(Kind::P256, &[NAME], |_| ()));
        let tls = pith_tls::ServerConfig::new(leaf).alpn(&[b"h3"]);
        let config = ServerConfig::new(tls.build().unwrap())
            .datagrams(1200)
            .streams(AT_ONCE, 3);
        let there = Endpoint::server("127.0.0.1:0", config.build().unwrap()).unwrap();
        let tls = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"h3"]);
        let config = ClientConfig::new(tls.build().unwrap()).datagrams(1200);
        let config = config.build().unwrap();
        let here = Endpoint::client("127.0.0.1:0").unwrap();
        let accepting = async { there.accept().await.unwrap().await.unwrap() };
        let connecting = here.connect(&config, there.local_addr(), NAME);
        let (client, server) = join!(connecting, accepting);
        Self {
            client: client.unwrap(),
            server,
            _endpoints: [here, there],
        }
    }

    /// A client whose driver says how it has ended.
    async fn requests(&self) -> (Requests, tokio::task::JoinHandle<ConnectionError>) {
        let client = Connection::new(self.client.clone());
        let (mut driver, requests) = h3::client::new(client).await.unwrap();
        (
            requests,
            tokio::spawn(async move { driver.wait_idle().await }),
        )
    }

    /// A server that hands all requests to `answer`, and says how it has ended.
    fn serve<F>(
        &self,
        answer: impl Fn(Request<()>, Stream) -> F + Clone + Send + Sync + 'static,
    ) -> tokio::task::JoinHandle<Result<(), ConnectionError>>
    where
        F: Future<Output = Result<(), StreamError>> + Send + 'static,
    {
        let server = Connection::new(self.server.clone());
        tokio::spawn(async move {
            let mut server = h3::server::Connection::<_, Bytes>::new(server).await?;
            while let Some(resolver) = server.accept().await? {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let (request, stream) = resolver.resolve_request().await?;
                    answer(request, stream).await
                });
            }
            Ok(())
        })
    }
}

/// Sends back what a request's body is, as it comes.
async fn echo(_: Request<()>, mut stream: Stream) -> Result<(), StreamError> {
    stream.send_response(Response::new(())).await?;
    while let Some(mut part) = stream.recv_data().await? {
        let part = part.copy_to_bytes(part.remaining());
        stream.send_data(part).await?;
    }
    stream.finish().await
}

async fn post(requests: &mut Requests, path: &str, body: Bytes) -> Result<Vec<u8>, StreamError> {
    let request = Request::builder().method(Method::POST);
    let request = request.uri(format!("https://{NAME}{path}")).body(());
    let stream = requests.send_request(request.unwrap()).await?;
    let (mut send, mut receive) = stream.split();
    let writing = async {
        send.send_data(body).await?;
        send.finish().await
    };
    let reading = async {
        let response = receive.recv_response().await?;
        assert_eq!(response.status(), 200);
        let mut got = Vec::new();
        while let Some(mut part) = receive.recv_data().await? {
            got.extend_from_slice(&part.copy_to_bytes(part.remaining()));
        }
        Ok(got)
    };
    let (written, read) = join!(writing, reading);
    // Whoever answers may stop the rest of what it is asked.
    read.and_then(|got| written.map(|()| got))
}

async fn get(requests: &mut Requests, path: &str) -> Result<Vec<u8>, StreamError> {
    post(requests, path, Bytes::new()).await
}

fn pattern(length: usize, seed: usize) -> Bytes {
    let bytes = (0..length).map(|at| (at ^ (at >> 8) ^ (at >> 16) ^ seed) as u8);
    bytes.collect()
}

fn assert_terminated<T>(result: Result<T, StreamError>, want: Code) {
    match result.err().unwrap() {
        StreamError::RemoteTerminate { code, .. } => assert_eq!(code, want),
        other => panic!("{other:?}"),
    }
}

#[test]
fn large_bodies_go_both_ways() {
    on_both(|| async {
        let pair = Pair::new().await;
        let serving = pair.serve(echo);
        let (mut requests, driving) = pair.requests().await;
        let body = pattern(3_000_000, 0);
        let got = post(&mut requests, "/", body.clone()).await.unwrap();
        assert!(got == body, "not what was sent");
        // The last one of these closes the connection, which the server is told.
        drop(requests);
        assert!(driving.await.unwrap().is_h3_no_error());
        let end = serving.await.unwrap().unwrap_err();
        assert!(end.is_h3_no_error(), "{end:?}");
    });
}

/// More than the server takes at once, so that most of them wait for leave to open a stream.
#[test]
fn fifty_requests_at_once() {
    on_both(|| async {
        let pair = Pair::new().await;
        let _serving = pair.serve(echo);
        let (requests, _driving) = pair.requests().await;
        let mut all = JoinSet::new();
        for number in 0..50 {
            let mut requests = requests.clone();
            all.spawn(async move {
                let body = pattern(20_000, number);
                let got = post(&mut requests, "/", body.clone()).await.unwrap();
                assert!(got == body, "not what was sent in {number}");
            });
        }
        while let Some(done) = all.join_next().await {
            done.unwrap();
        }
        assert!(pair.client.error().is_none());
    });
}

async fn open_next(opener: &mut OpenStreams) -> BidiStream<Bytes> {
    let opening = std::future::poll_fn(|cx| opener.poll_open_bidi(cx));
    opening.await.unwrap()
}

/// A waiter that polls by hand may go away without a word: it takes nobody's turn along.
#[test]
fn who_waits_for_a_stream_and_never_polls_again_holds_nobody_up() {
    on_both(|| async {
        let pair = Pair::new().await;
        let mut opener = OpenStreams::clone(&h3::quic::Connection::<Bytes>::opener(
            &Connection::new(pair.client.clone()),
        ));
        let mut open = Vec::new();
        for _ in 0..AT_ONCE {
            open.push(open_next(&mut opener).await);
        }
        let mut idle = opener.clone();
        let waits = tokio::time::timeout(Duration::from_millis(1), open_next(&mut idle)).await;
        assert!(waits.is_err());
        let mut other = opener.clone();
        // A task of its own, or it would be polled with the one that the idle waiter was in.
        let waiting = tokio::spawn(async move { drop(open_next(&mut other).await) });
        tokio::task::yield_now().await;
        drop(open.remove(0));
        let (_, mut receive) = pair.server.accept_bi().await.unwrap();
        assert!(matches!(receive.read(&mut [0]).await, Err(Error::Reset(_))));
        waiting.await.unwrap();
        drop(idle);
    });
}

#[test]
fn either_side_gives_a_stream_up() {
    on_both(|| async {
        let pair = Pair::new().await;
        let (said, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let _serving = pair.serve(move |request: Request<()>, mut stream: Stream| {
            let said = said.clone();
            async move {
                match request.uri().path() {
                    "/reset" => {
                        stream.send_response(Response::new(())).await?;
                        stream.stop_stream(Code::H3_INTERNAL_ERROR);
                    }
                    "/dropped" => stream.send_response(Response::new(())).await?,
                    "/stop" => {
                        stream.stop_sending(Code::H3_EXCESSIVE_LOAD);
                        stream.send_response(Response::new(())).await?;
                        stream.finish().await?;
                    }
                    _ => {
                        stream.send_response(Response::new(())).await?;
                        let endless = async {
                            loop {
                                stream.send_data(pattern(100_000, 0)).await?;
                            }
                        };
                        let error: Result<(), StreamError> = endless.await;
                        said.send(error).unwrap();
                    }
                }
                Ok(())
            }
        });
        let (mut requests, _driving) = pair.requests().await;
        assert_terminated(get(&mut requests, "/reset").await, Code::H3_INTERNAL_ERROR);
        // Half a response is not taken for a whole one.
        let dropped = get(&mut requests, "/dropped").await;
        assert_terminated(dropped, Code::H3_REQUEST_CANCELLED);
        let stopped = post(&mut requests, "/stop", pattern(30_000_000, 0)).await;
        assert_terminated(stopped, Code::H3_EXCESSIVE_LOAD);
        // A client that drops what it reads stops the server.
        let request = Request::get(format!("https://{NAME}/endless")).body(());
        let mut stream = requests.send_request(request.unwrap()).await.unwrap();
        stream.finish().await.unwrap();
        stream.recv_response().await.unwrap();
        assert!(stream.recv_data().await.unwrap().is_some());
        drop(stream);
        let error = heard.recv().await.unwrap();
        assert_terminated(error, Code::H3_REQUEST_CANCELLED);
        assert!(pair.client.error().is_none() && pair.server.error().is_none());
    });
}

/// Who stops sending then must not drop the answer (RFC 9114 section 4.1).
#[test]
fn an_answer_that_waits_for_no_end_of_its_request_is_whole() {
    on_both(|| async {
        let pair = Pair::new().await;
        let body = pattern(100_000, 0);
        let sent = body.clone();
        let _serving = pair.serve(move |_: Request<()>, mut stream: Stream| {
            let body = sent.clone();
            async move {
                stream.send_response(Response::new(())).await?;
                stream.send_data(body).await?;
                stream.finish().await
            }
        });
        let (mut requests, _driving) = pair.requests().await;
        let request = Request::post(format!("https://{NAME}/")).body(());
        let mut stream = requests.send_request(request.unwrap()).await.unwrap();
        let stopped: Result<(), StreamError> = async {
            loop {
                stream.send_data(pattern(100_000, 0)).await?;
            }
        }
        .await;
        assert_terminated(stopped, Code::H3_NO_ERROR);
        assert_terminated(stream.finish().await, Code::H3_NO_ERROR);
        stream.recv_response().await.unwrap();
        let mut got = Vec::new();
        while let Some(mut part) = stream.recv_data().await.unwrap() {
            got.extend_from_slice(&part.copy_to_bytes(part.remaining()));
        }
        assert!(got == body);
        assert!(pair.client.error().is_none());
    });
}

#[test]
fn a_server_that_shuts_down_finishes_what_it_has_begun() {
    on_both(|| async {
        let pair = Pair::new().await;
        let (mut requests, driving) = pair.requests().await;
        let server = Connection::new(pair.server.clone());
        let mut server = h3::server::Connection::<_, Bytes>::new(server)
            .await
            .unwrap();
        let mut late = requests.clone();
        let body = pattern(100_000, 0);
        let asking = post(&mut requests, "/first", body.clone());
        let serving = async {
            let first = server.accept().await.unwrap().unwrap();
            let (_, stream) = first.resolve_request().await.unwrap();
            server.shutdown(0).await.unwrap();
            // Who asks now is turned away, whether or not it has heard of the end.
            let error = tokio::select! {
                refused = get(&mut late, "/late") => refused.unwrap_err(),
                more = server.accept() => panic!("{:?}", more.err()),
            };
            let gone = match &error {
                StreamError::RemoteClosing => true,
                StreamError::RemoteTerminate { code, .. } => *code == Code::H3_REQUEST_REJECTED,
                _ => false,
            };
            assert!(gone, "{error:?}");
            echo(Request::new(()), stream).await.unwrap();
            server
        };
        let (got, mut server) = join!(asking, serving);
        assert!(got.unwrap() == body);
        drop((requests, late));
        assert!(driving.await.unwrap().is_h3_no_error());
        let end = server.accept().await.err();
        assert!(end.is_none_or(|end| end.is_h3_no_error()));
    });
}

/// Of stream 0, since `h3-datagram` 0.0.2 writes no other stream's number.
#[test]
fn datagrams_of_a_stream() {
    on_both(|| async {
        let pair = Pair::new().await;
        let [client, server] = [&pair.client, &pair.server].map(|it| Connection::new(it.clone()));
        let mut builder = h3::client::builder();
        let (driver, _requests) = builder
            .enable_datagram(true)
            .build::<_, _, Bytes>(client)
            .await
            .unwrap();
        let server = h3::server::builder()
            .enable_datagram(true)
            .build::<_, Bytes>(server)
            .await
            .unwrap();
        let stream = h3::quic::StreamId::try_from(0).unwrap();
        let (mut here, mut there) = (
            driver.get_datagram_sender(stream),
            server.get_datagram_sender(stream),
        );
        let (mut from_there, mut from_here) =
            (driver.get_datagram_reader(), server.get_datagram_reader());
        for number in 0..20_u8 {
            let sent = Bytes::from(vec![number; 1 + usize::from(number) * 50]);
            let (reading, ()) = join!(from_here.read_datagram(), async {
                here.send_datagram(sent.clone()).unwrap();
            });
            let got = reading.unwrap();
            assert_eq!(got.stream_id(), stream);
            there.send_datagram(got.into_payload()).unwrap();
            assert_eq!(from_there.read_datagram().await.unwrap().payload(), &sent);
        }
        let huge = here.send_datagram(Bytes::from(vec![0; 5000]));
        assert!(matches!(huge, Err(SendDatagramError::TooLarge { .. })));
        pair.server.close(VarInt::from(0x1234_u16), b"");
        let end = from_there.read_datagram().await.err();
        assert!(
            matches!(
                &end,
                Some(StreamError::ConnectionError(ConnectionError::Remote(
                    ConnectionErrorIncoming::ApplicationClose { error_code: 0x1234 }
                )))
            ),
            "{end:?}"
        );
    });
}

/// Streams that carry what HTTP/3 does not frame.
#[test]
fn unframed_bytes() {
    on_both(|| async {
        use h3::quic::{SendStream as _, SendStreamUnframed as _};
        let pair = Pair::new().await;
        let mut connection = Connection::new(pair.client.clone());
        let opening = std::future::poll_fn(|cx| connection.poll_open_send(cx));
        let mut stream: super::SendStream<Bytes> = opening.await.unwrap();
        assert_eq!(stream.send_id().into_inner(), 2);
        let body = pattern(300_000, 0);
        let writing = async {
            let mut rest = body.clone();
            while rest.has_remaining() {
                let sending = std::future::poll_fn(|cx| stream.poll_send(cx, &mut rest));
                assert!(sending.await.unwrap() > 0);
            }
            std::future::poll_fn(|cx| stream.poll_finish(cx))
                .await
                .unwrap();
        };
        let reading = async {
            let mut receive = pair.server.accept_uni().await.unwrap();
            receive.read_to_end(body.len()).await.unwrap()
        };
        let ((), got) = join!(writing, reading);
        assert!(got == body);
    });
}

#[test]
fn the_end_of_a_connection_reaches_all_who_wait() {
    on_both(|| async {
        let pair = Pair::new().await;
        let (mut requests, driving) = pair.requests().await;
        let asking = get(&mut requests, "/");
        let closing = async {
            let (_send, mut receive) = pair.server.accept_bi().await.unwrap();
            assert!(receive.read(&mut [0; 100]).await.unwrap() > 0);
            pair.server.close(VarInt::from(0x1234_u16), b"no more");
        };
        let (asked, ()) = join!(asking, closing);
        let closed = |error: &ConnectionError| {
            matches!(
                error,
                ConnectionError::Remote(ConnectionErrorIncoming::ApplicationClose {
                    error_code: 0x1234
                })
            )
        };
        match asked.unwrap_err() {
            StreamError::ConnectionError(error) => assert!(closed(&error), "{error:?}"),
            other => panic!("{other:?}"),
        }
        let end = driving.await.unwrap();
        assert!(closed(&end), "{end:?}");
    });
}

/// A client that begins before the handshake is complete, and has to begin anew on the same connection where the server does not take it.
#[test]
fn early_requests_are_answered_or_asked_again() {
    on_both(|| async {
        let pki = Pki::with(Kind::P256, 0);
        let tls = pith_tls::ClientConfig::new(trust(&pki))
            .sessions(SessionStore::new())
            .early_data(true)
            .alpn(&[b"h3"]);
        let client = ClientConfig::new(tls.build().unwrap()).build().unwrap();
        let leaf = credential(&pki.leaf_with(Kind::P256, &[NAME], |_| ()));
        let mut began = Clock::system().now();
        began.unix -= Duration::from_secs(100);
        let tls = pith_tls::ServerConfig::new(leaf)
            .early_data(u32::MAX, StrikeRegister::new(began))
            .alpn(&[b"h3"]);
        let tls = tls.build().unwrap();
        let config = |streams| {
            let config = ServerConfig::new(Arc::clone(&tls)).streams(streams, 3);
            config.build().unwrap()
        };
        let server = Endpoint::server("127.0.0.1:0", config(20)).unwrap();
        let endpoint = Endpoint::client("127.0.0.1:0").unwrap();
        let serving = server.clone();
        tokio::spawn(async move {
            while let Some(incoming) = serving.accept().await {
                tokio::spawn(async move {
                    let connection = Connection::new(incoming.await.unwrap());
                    let server = h3::server::Connection::<_, Bytes>::new(connection).await;
                    let mut server = server.unwrap();
                    while let Ok(Some(resolver)) = server.accept().await {
                        let (request, stream) = resolver.resolve_request().await.unwrap();
                        tokio::spawn(echo(request, stream));
                    }
                });
            }
        });
        // The third finds a server that has taken its promise of 20 streams back.
        for want in [
            EarlyData::NotOffered,
            EarlyData::Accepted,
            EarlyData::Rejected,
        ] {
            if want == EarlyData::Rejected {
                server.set_server_config(config(10));
            }
            let connecting = endpoint.connect_early(&client, server.local_addr(), NAME);
            let connection = connecting.await.unwrap();
            let begin = async || {
                let (mut driver, requests) = h3::client::new(Connection::new(connection.clone()))
                    .await
                    .unwrap();
                (
                    requests,
                    tokio::spawn(async move { driver.wait_idle().await }),
                )
            };
            let (mut requests, driving) = begin().await;
            let first = post(&mut requests, "/", Bytes::from_static(b"hello")).await;
            assert_eq!(connection.handshake().await.unwrap(), want);
            if want == EarlyData::Rejected {
                // With threads the rejection can be there before HTTP/3 begins.
                let flavor = tokio::runtime::Handle::current().runtime_flavor();
                if first.is_ok() && flavor == RuntimeFlavor::MultiThread {
                    continue;
                }
                assert!(first.is_err());
                drop(requests);
                driving.await.unwrap();
                let end = connection.error();
                assert!(end.is_none(), "closed by what is gone: {end:?}");
                let (mut requests, _driving) = begin().await;
                let again = post(&mut requests, "/", Bytes::from_static(b"again")).await;
                assert_eq!(again.unwrap(), b"again");
            } else {
                assert_eq!(first.unwrap(), b"hello");
            }
        }
    });
}

#[test]
fn errors_say_the_same_in_the_words_of_the_traits() {
    let closed = Quic::ApplicationClosed {
        code: 0x10b,
        reason: Bytes::new(),
    };
    let nobody = ([127, 0, 0, 1], 443).into();
    let socket = Error::Socket(Arc::new(io::ErrorKind::Other.into()));
    let seven = VarInt::from(7_u8);
    for (from, whole, part) in [
        (Error::Connection(closed), "close 267", "whole"),
        (Error::Connection(Quic::IdleTimeout), "timeout", "whole"),
        (
            Error::Connection(Quic::HandshakeTimeout),
            "timeout",
            "whole",
        ),
        (Error::NoAnswer(nobody), "timeout", "whole"),
        (Error::Connection(Quic::Reset), "undefined", "whole"),
        (Error::Connection(Quic::LocallyClosed), "undefined", "whole"),
        (Error::ShutDown, "undefined", "whole"),
        (Error::NotDriven, "undefined", "whole"),
        (socket, "undefined", "whole"),
        (Error::Stopped(seven), "undefined", "terminated 7"),
        (Error::Reset(seven), "undefined", "terminated 7"),
        (Error::EarlyDataRejected, "undefined", "unknown"),
        (Error::Ended, "undefined", "unknown"),
    ] {
        let got = match error::connection(from.clone()) {
            ConnectionErrorIncoming::ApplicationClose { error_code } => {
                format!("close {error_code}")
            }
            ConnectionErrorIncoming::Timeout => "timeout".to_owned(),
            ConnectionErrorIncoming::Undefined(inner) => {
                assert_eq!(inner.to_string(), from.to_string());
                "undefined".to_owned()
            }
            other => format!("{other:?}"),
        };
        assert_eq!(got, whole, "{from:?}");
        let got = match error::stream(from.clone()) {
            StreamErrorIncoming::ConnectionErrorIncoming { .. } => "whole".to_owned(),
            StreamErrorIncoming::StreamTerminated { error_code } => {
                format!("terminated {error_code}")
            }
            StreamErrorIncoming::Unknown(_) => "unknown".to_owned(),
        };
        assert_eq!(got, part, "{from:?}");
    }
    use SendDatagramErrorIncoming as Datagram;
    let datagram = |error| error::datagram(Error::Datagram(error));
    assert!(matches!(
        datagram(DatagramError::NotTaken),
        Datagram::NotAvailable
    ));
    assert!(matches!(
        datagram(DatagramError::TooLarge),
        Datagram::TooLarge
    ));
    assert!(matches!(
        error::datagram(Error::ShutDown),
        Datagram::ConnectionError(_)
    ));
    assert_eq!(error::code(0x10c), VarInt::from(0x10c_u16));
    assert_eq!(error::code(u64::MAX), VarInt::MAX);
}
