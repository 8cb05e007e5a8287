//! Early data over blocking streams.

use pith_tls::EarlyData;

use super::*;
use crate::conformance::EarlyConfigs;

const MOST: u32 = 30_000;

const ROWS: [Manners; 3] = [
    EASY,
    Manners {
        piece: 1,
        capacity: 3_000,
        ..EASY
    },
    Manners {
        piece: 700,
        stalls: 3,
        capacity: 3_000,
        ..EASY
    },
];

/// Two streams that have not begun, of which the client has a ticket.
fn returning(manners: Manners, taken: bool) -> (Stream<End>, Stream<End>) {
    let configs = EarlyConfigs::new(MOST);
    let (mut first, mut server) = unbegun(EASY, &configs.client, &configs.taking);
    together("first", || first.handshake(), || server.handshake());
    server.write_all(b"x").unwrap();
    server.flush().unwrap();
    // The tickets come before it.
    first.read_exact(&mut [0]).unwrap();
    assert_eq!(first.early_data(), EarlyData::NotOffered);
    let server = if taken {
        &configs.taking
    } else {
        &configs.refusing
    };
    unbegun(manners, &configs.client, server)
}

fn unbegun(
    manners: Manners,
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> (Stream<End>, Stream<End>) {
    let time = Arc::new(AtomicU64::new(0));
    let clock = Clock::Test(Arc::clone(&time));
    let (ours, theirs) = End::pair(manners, &time);
    let client = Arc::clone(client);
    let client = Stream::client_at(clock.clone(), client, "example.org", ours).unwrap();
    let server = Stream::new(clock, Connection::server(Arc::clone(server)), theirs);
    (client, server)
}

fn write_early(stream: &mut Stream<End>, data: &[u8], at: &mut usize) -> io::Result<()> {
    while *at < data.len() {
        match stream.write_early(&data[*at..])? {
            0 => panic!("an end of early data after {at} bytes"),
            count => *at += count,
        }
    }
    stream.flush()
}

fn read_early(stream: &mut Stream<End>, data: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let mut buffer = [0; 7_000];
    while data.len() < len {
        match stream.read_early(&mut buffer)? {
            0 => panic!("an end of early data after {} bytes", data.len()),
            count => data.extend_from_slice(&buffer[..count]),
        }
    }
    Ok(())
}

#[test]
fn early_data_is_answered_before_the_handshake_is_done() {
    for manners in ROWS {
        let row = format!("{manners:?}");
        let (mut client, mut server) = returning(manners, true);
        assert_eq!(client.early_data(), EarlyData::Offered, "{row}");
        let question = pattern(20_000);
        let (mut sent, mut got) = (0, Vec::new());
        together(
            &row,
            || write_early(&mut client, &question, &mut sent),
            || read_early(&mut server, &mut got, 20_000),
        );
        assert!(got == question, "{row}");
        assert!(client.summary().is_none() && server.summary().is_none());
        // The client has not heard of the server yet, whose answer goes with its first flight.
        let answer = pattern(5_000);
        let (mut sent, mut got) = (0, Vec::new());
        together(
            &row,
            || receive(&mut client, &mut got, 5_000),
            || send(&mut server, &answer, &mut sent),
        );
        assert!(got == answer, "{row}");
        assert!(server.summary().is_none(), "{row}");
        // Then there is no more of it, and other data is no early data.
        let mut sent = 0;
        together(
            &row,
            || send(&mut client, b"later", &mut sent),
            || {
                assert_eq!(server.read_early(&mut [0; 9])?, 0);
                Ok(())
            },
        );
        let mut got = Vec::new();
        together(&row, || Ok(()), || receive(&mut server, &mut got, 5));
        assert_eq!(got, b"later", "{row}");
        for stream in [&client, &server] {
            assert_eq!(stream.early_data(), EarlyData::Accepted, "{row}");
            assert_eq!(stream.summary().unwrap().early_data, EarlyData::Accepted);
        }
    }
}

#[test]
fn what_came_in_the_handshake_is_kept_and_never_read_as_other_data() {
    for manners in ROWS {
        let row = format!("{manners:?}");
        let (mut client, mut server) = returning(manners, true);
        let early = pattern(20_000);
        let mut sent = 0;
        together(
            &row,
            || {
                write_early(&mut client, &early, &mut sent)?;
                client.handshake()
            },
            || server.handshake(),
        );
        let mut sent = 0;
        together(&row, || send(&mut client, b"later", &mut sent), || Ok(()));
        let error = server.read(&mut [0; 9]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{row}");
        assert!(error.to_string().contains("read_early"), "{error}");
        let mut got = Vec::new();
        read_early(&mut server, &mut got, 20_000).unwrap();
        assert!(got == early, "{row}");
        assert_eq!(server.read_early(&mut [0; 9]).unwrap(), 0, "{row}");
        let mut got = Vec::new();
        together(&row, || Ok(()), || receive(&mut server, &mut got, 5));
        assert_eq!(got, b"later", "{row}");
    }
}

#[test]
fn halves_are_not_made_over_unread_early_data() {
    let (mut client, mut server) = returning(EASY, true);
    write_early(&mut client, b"early", &mut 0).unwrap();
    together("handshake", || client.handshake(), || server.handshake());
    let error = server.split(io::sink()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("read_early"), "{error}");
}

#[test]
fn rejected_early_data_is_lost_and_said_to_be() {
    for manners in ROWS {
        let row = format!("{manners:?}");
        let (mut client, mut server) = returning(manners, false);
        let mut sent = 0;
        together(
            &row,
            || {
                // A socket that has no room takes it while the server skips it.
                write_early(&mut client, &pattern(9_000), &mut sent)?;
                client.handshake()
            },
            || {
                assert_eq!(server.read_early(&mut [0; 9])?, 0);
                Ok(())
            },
        );
        for stream in [&client, &server] {
            assert_eq!(stream.early_data(), EarlyData::Rejected, "{row}");
        }
        assert_eq!(client.write_early(b"again").unwrap(), 0, "{row}");
        let (mut sent, mut got) = (0, Vec::new());
        together(
            &row,
            || send(&mut client, b"again", &mut sent),
            || receive(&mut server, &mut got, 5),
        );
        assert_eq!(got, b"again", "{row}");
    }
}

#[test]
fn a_stream_sends_as_much_early_data_as_the_ticket_allows() {
    let (mut client, mut server) = returning(EASY, true);
    let most = MOST as usize;
    assert_eq!(client.write_early(&pattern(most + 1)).unwrap(), most);
    assert_eq!(client.write_early(b"x").unwrap(), 0);
    let mut got = Vec::new();
    read_early(&mut server, &mut got, most).unwrap();
    together("handshake", || client.handshake(), || server.handshake());

    // Without a ticket there is none, and nothing is lost.
    let (mut client, mut server) = streams(EASY);
    assert_eq!(client.write_early(b"x").unwrap(), 0);
    together("handshake", || client.handshake(), || server.handshake());
    assert_eq!(server.read_early(&mut [0; 9]).unwrap(), 0);
    assert_eq!(server.early_data(), EarlyData::NotOffered);
}
