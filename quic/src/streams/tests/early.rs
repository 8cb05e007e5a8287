use super::*;
use crate::Fault;

#[test]
fn remembered_limits_are_raised_by_those_of_the_handshake() {
    let mut client = Streams::new(Side::Client, LocalLimits::default());
    client.set_peer(limits(100, 80, 1)).unwrap();
    let a = client.open(Dir::Bi).unwrap();
    assert_eq!(client.open(Dir::Bi), None);
    send(&mut client, a, &[1; 150]);
    assert_eq!(
        said(&mut client),
        ["blocked Bi 1", "0 0+80", "blocked 0 80"]
    );
    client.set_peer(limits(130, 200, 2)).unwrap();
    assert_eq!(said(&mut client), ["0 80+50", "blocked 130"]);
    assert_eq!(events(&mut client), [StreamEvent::Available(Dir::Bi)]);
    assert!(client.open(Dir::Bi).is_some());
}

#[test]
fn a_server_that_takes_early_data_lowers_no_limit() {
    let remembered = limits(100, 80, 3);
    // (name, limits of the handshake, taken)
    let rows = [
        ("the same", remembered, true),
        (
            "less data",
            PeerLimits {
                data: 99,
                ..remembered
            },
            false,
        ),
        (
            "less for our streams",
            PeerLimits {
                bidi_remote: 79,
                ..remembered
            },
            false,
        ),
        (
            "less for its streams",
            PeerLimits {
                bidi_local: 79,
                ..remembered
            },
            false,
        ),
        (
            "less for unidirectional",
            PeerLimits {
                uni: 79,
                ..remembered
            },
            false,
        ),
        (
            "fewer streams",
            PeerLimits {
                streams_bidi: 2,
                ..remembered
            },
            false,
        ),
        (
            "fewer unidirectional",
            PeerLimits {
                streams_uni: 2,
                ..remembered
            },
            false,
        ),
        (
            "more of one, less of another",
            PeerLimits {
                data: 200,
                uni: 0,
                ..remembered
            },
            false,
        ),
    ];
    for (name, new, taken) in rows {
        let mut client = Streams::new(Side::Client, LocalLimits::default());
        client.set_peer(remembered).unwrap();
        let got = client.set_peer(new);
        assert_eq!(got.is_ok(), taken, "{name}");
        assert!(taken || got == Err(Fault::ReducedLimit), "{name}");
    }
}

#[test]
fn what_has_come_early_is_told_from_the_rest() {
    let mut server = streams(Side::Server, 10_000, 10_000, 4);
    let [a, b, c] = [0, 1, 2].map(|index| id(Side::Client, Dir::Bi, index));
    let early = |server: &mut Streams, id, offset: u64, len: usize, fin| {
        stream(server, id, offset, len, fin).unwrap();
        server.on_early(id, offset + len as u64);
    };
    let read = |server: &mut Streams, id| match server.read(id, 1000, Order::InOrder) {
        Ok(Read::Data {
            offset,
            bytes,
            early,
            ..
        }) => (offset, bytes.len(), early),
        other => panic!("{other:?}"),
    };
    early(&mut server, a, 10, 20, false);
    // What fills the gap was early data when it was first sent, whatever brings it.
    stream(&mut server, a, 0, 10, false).unwrap();
    stream(&mut server, a, 30, 5, true).unwrap();
    stream(&mut server, b, 0, 7, true).unwrap();
    early(&mut server, c, 0, 0, true);
    for id in [a, b, c] {
        assert_eq!(server.accept(Dir::Bi), Some(id));
    }
    assert_eq!(
        [a, b, c].map(|id| server.has_early(id)),
        [true, false, true]
    );
    assert_eq!(read(&mut server, a), (0, 10, true));
    assert_eq!(read(&mut server, a), (10, 20, true));
    assert_eq!(read(&mut server, a), (30, 5, false));
    assert_eq!(read(&mut server, b), (0, 7, false));
    assert_eq!(server.read(c, 9, Order::InOrder), Ok(Read::Finished));
    // Of a stream that does not exist nothing is noted.
    server.on_early(id(Side::Client, Dir::Bi, 3), 5);
    assert!(!server.has_early(id(Side::Client, Dir::Bi, 3)));
}
