//! Early data over tokio's streams.

use pith_tls::{Connection, EarlyData};
use tokio::task::spawn_local;

use super::*;
use crate::clock::Clock;
use crate::conformance::{EarlyConfigs, Stubborn};
use crate::error::server_name;

const MOST: u32 = 30_000;
/// Of a runtime whose time passes when nothing else happens.
const LIMIT: Duration = Duration::from_secs(5);

/// Two streams that have not begun, of which the client has a ticket.
async fn returning(room: usize, taken: bool) -> (Stream<DuplexStream>, Stream<DuplexStream>) {
    let (client, server) = acquainted(taken).await;
    unbegun(room, &client, &server)
}

/// The configurations of a client that has a ticket, and of a server that takes it, with early data or without.
async fn acquainted(taken: bool) -> Configs {
    let configs = EarlyConfigs::new(MOST);
    let (mut first, mut server) = unbegun(100_000, &configs.client, &configs.taking);
    try_join!(first.handshake(), server.handshake()).unwrap();
    first.remember(b"settled").unwrap();
    write(&mut server, b"x").await.unwrap();
    // The tickets come before it.
    first.read_exact(&mut [0]).await.unwrap();
    assert_eq!(first.early_data(), EarlyData::NotOffered);
    let server = match taken {
        true => configs.taking,
        false => configs.refusing,
    };
    (configs.client, server)
}

fn unbegun(
    room: usize,
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> (Stream<DuplexStream>, Stream<DuplexStream>) {
    let (ours, theirs) = duplex(room);
    let client = Stream::client(Arc::clone(client), "example.org", ours).unwrap();
    (client, Stream::server(Arc::clone(server), theirs))
}

async fn write_early(stream: &mut Stream<DuplexStream>, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        match stream.write_early(data).await? {
            0 => panic!("an end of early data before {} bytes", data.len()),
            count => data = &data[count..],
        }
    }
    Ok(())
}

async fn read_early(stream: &mut Stream<DuplexStream>, data: &mut [u8]) -> io::Result<()> {
    let mut at = 0;
    while at < data.len() {
        match stream.read_early(&mut data[at..]).await? {
            0 => panic!("an end of early data after {at} bytes"),
            count => at += count,
        }
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn early_data_is_answered_before_the_handshake_is_done() {
    for room in [500, 700, 100_000] {
        let (mut client, mut server) = returning(room, true).await;
        assert_eq!(client.early_data(), EarlyData::Offered, "{room}");
        let (question, mut got) = (pattern(20_000), vec![0; 20_000]);
        // The end of what was written goes with what comes next, which here is the handshake, so the client goes on.
        let asks = async {
            write_early(&mut client, &question).await?;
            let mut answer = vec![0; 5_000];
            client.read_exact(&mut answer).await.map(|_| answer)
        };
        let answers = async {
            read_early(&mut server, &mut got).await?;
            assert!(server.summary().is_none(), "{room}");
            server.write_all(&pattern(5_000)).await?;
            server.flush().await?;
            // One that had to read meanwhile may be done.
            assert!(server.summary().is_none() || room < 20_000, "{room}");
            // The handshake's end, before which the client cannot be done.
            server.read_early(&mut [0; 9]).await
        };
        let (answer, end) = timeout(Duration::from_secs(5), async { try_join!(asks, answers) })
            .await
            .unwrap()
            .unwrap();
        assert!(got == question && answer == pattern(5_000), "{room}");
        assert_eq!(end, 0, "{room}");
        let mut later = [0; 5];
        try_join!(write(&mut client, b"later"), server.read_exact(&mut later)).unwrap();
        assert_eq!(&later, b"later");
        for stream in [&client, &server] {
            assert_eq!(stream.early_data(), EarlyData::Accepted, "{room}");
            assert_eq!(stream.summary().unwrap().early_data, EarlyData::Accepted);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_in_the_handshake_is_kept_and_never_read_as_other_data() {
    for room in [500, 700, 100_000] {
        let (mut client, mut server) = returning(room, true).await;
        let early = pattern(20_000);
        let asks = async {
            write_early(&mut client, &early).await?;
            client.handshake().await
        };
        try_join!(asks, server.handshake()).unwrap();
        write(&mut client, b"later").await.unwrap();
        let error = server.read(&mut [0; 9]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{room}");
        assert!(error.to_string().contains("read_early"), "{error}");
        let mut got = vec![0; 20_000];
        read_early(&mut server, &mut got).await.unwrap();
        assert!(got == early, "{room}");
        assert_eq!(server.read_early(&mut [0; 9]).await.unwrap(), 0, "{room}");
        let mut later = [0; 5];
        server.read_exact(&mut later).await.unwrap();
        assert_eq!(&later, b"later");
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_early_data_is_lost_and_said_to_be() {
    for room in [500, 700, 100_000] {
        let (mut client, mut server) = returning(room, false).await;
        let asks = async {
            write_early(&mut client, &pattern(9_000)).await?;
            client.handshake().await
        };
        let mut none = [0; 9];
        let ((), end) = try_join!(asks, server.read_early(&mut none)).unwrap();
        assert_eq!(end, 0, "{room}");
        for stream in [&client, &server] {
            assert_eq!(stream.early_data(), EarlyData::Rejected, "{room}");
        }
        assert_eq!(client.write_early(b"again").await.unwrap(), 0, "{room}");
        let mut again = [0; 5];
        try_join!(write(&mut client, b"again"), server.read_exact(&mut again)).unwrap();
        assert_eq!(&again, b"again");
    }
}

/// One task answers early data while another goes on with the handshake: neither sleeps on what the other waits for.
#[tokio::test(start_paused = true)]
async fn two_tasks_of_a_server_answer_early_data_and_read_on() {
    for room in [500, 700] {
        let (mut client, mut server) = returning(room, true).await;
        let mut got = vec![0; 2_000];
        let asks = async {
            write_early(&mut client, &pattern(2_000)).await?;
            let mut answer = vec![0; 100_000];
            client.read_exact(&mut answer).await?;
            write(&mut client, b"later").await?;
            Ok::<_, io::Error>(answer)
        };
        let answers = async {
            read_early(&mut server, &mut got).await?;
            let (mut reader, mut writer) = split(server);
            let reads = spawn_local(async move {
                let mut later = [0; 5];
                reader.read_exact(&mut later).await.map(|_| later)
            });
            let writes = spawn_local(async move { write(&mut writer, &pattern(100_000)).await });
            writes.await.unwrap()?;
            reads.await.unwrap()
        };
        let both = async { try_join!(asks, answers) };
        let within = timeout(Duration::from_secs(5), both);
        let (answer, later) = LocalSet::new().run_until(within).await.unwrap().unwrap();
        assert!(answer == pattern(100_000) && &later == b"later", "{room}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_socket_takes_nothing_gives_up_in_time() {
    let (mut client, _server) = returning(1, true).await;
    let start = Instant::now();
    let error = loop {
        match client.write_early(&pattern(100)).await {
            Ok(count) => assert_eq!(count, 100),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), HANDSHAKE_LIMIT);
}

/// Neither side can be kept waiting by one that reads nothing before all that it says is taken.
#[tokio::test(start_paused = true)]
async fn a_peer_that_writes_before_it_reads_is_read_meanwhile() {
    for (room, taken) in [(300, true), (300, false), (1, true), (1000, false)] {
        let name = format!("{room}, {taken}");
        let (client_config, server_config) = acquainted(taken).await;
        let early = pattern(9_000);

        let (ours, mut theirs) = duplex(room);
        let mut client = Stream::client(client_config, "example.org", ours).unwrap();
        let mut server = Stubborn::new(Who::Server, Connection::server(server_config));
        let writes = async {
            let mut at = 0;
            while at < early.len() {
                let some = early.len().min(at + 2_000);
                match client.write_early(&early[at..some]).await? {
                    0 => break,
                    count => at += count,
                }
            }
            client.handshake().await?;
            write(&mut client, b"later").await?;
            Ok(at)
        };
        let both = async { try_join!(writes, serve(&mut server, &mut theirs, Vec::new())) };
        let (sent, ()) = timeout(LIMIT, both).await.unwrap().unwrap();
        // Once the server's flight was taken there is no more early data.
        assert!(0 < sent && sent <= early.len(), "{name}");
        let want = if taken { &early[..sent] } else { &[] };
        assert!(server.read == [want, b"later"].concat(), "{name}");

        let (client_config, server_config) = acquainted(taken).await;
        let (ours, mut theirs) = duplex(room);
        let mut server = Stream::server(server_config, ours);
        let now = Clock::system().now();
        let name = server_name("example.org").unwrap();
        let client = Connection::client(client_config, name, now).unwrap();
        let mut client = Stubborn::new(Who::Client, client);
        let records = early.chunks(1_000).map(|some| client.ask(some));
        let first = records.collect::<Vec<_>>().concat();
        let reads = async {
            let mut got = vec![0; if taken { early.len() } else { 0 }];
            let some = server.read_early(&mut got).await?;
            // It can be answered before the rest of it is read.
            server.write_all(&pattern(2_000)).await?;
            server.flush().await?;
            assert!(server.summary().is_some() || taken, "{room}");
            read_early(&mut server, &mut got[some..]).await?;
            assert_eq!(server.read_early(&mut [0]).await?, 0);
            write(&mut server, b"later").await?;
            Ok(got)
        };
        let both = async { try_join!(reads, serve(&mut client, &mut theirs, first)) };
        let (got, ()) = timeout(LIMIT, both).await.unwrap().unwrap();
        assert!(
            got == if taken { &early[..] } else { &[] },
            "{room}, {taken}"
        );
    }
}

/// Writes this, and then reads and answers until there is nothing left to come.
async fn serve(peer: &mut Stubborn, socket: &mut DuplexStream, mut out: Vec<u8>) -> io::Result<()> {
    let mut bytes = [0; 100];
    loop {
        socket.write_all(&out).await?;
        if peer.read.ends_with(b"later") {
            return Ok(());
        }
        let count = socket.read(&mut bytes).await?;
        out = peer.take(&bytes[..count], Clock::system().now());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_is_remembered_and_early_keys_are_exported() {
    let (mut client, mut server) = returning(100_000, true).await;
    assert_eq!(client.remembered(), Some(&b"settled"[..]));
    assert!(client.remember(b"too early").is_err());
    let mut keys = [[0; 32]; 2];
    client
        .early_export(b"label", b"context", &mut keys[0])
        .unwrap();
    assert!(
        server
            .early_export(b"label", b"context", &mut keys[1])
            .is_err()
    );
    client.write_early(b"early").await.unwrap();
    read_early(&mut server, &mut [0; 5]).await.unwrap();
    server
        .early_export(b"label", b"context", &mut keys[1])
        .unwrap();
    assert!(keys[0] == keys[1] && keys[0] != [0; 32]);
    try_join!(client.handshake(), server.handshake()).unwrap();
    for stream in [&client, &server] {
        assert!(stream.early_export(b"label", b"", &mut [0; 32]).is_err());
    }
    client.remember(&[7; 1024]).unwrap();
    assert!(client.remember(&[7; 1025]).is_err());
}
