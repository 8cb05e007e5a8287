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
fn refused_early_data_is_sent_again_under_the_new_limits() {
    let mut client = Streams::new(Side::Client, LocalLimits::default());
    client.set_peer(limits(1000, 500, 4)).unwrap();
    let ids: Vec<_> = (0..4).map(|_| client.open(Dir::Bi).unwrap()).collect();
    send(&mut client, ids[0], &[1; 100]);
    client.finish(ids[0]).unwrap();
    send(&mut client, ids[1], &[2; 200]);
    send(&mut client, ids[2], &[3; 50]);
    let mut tokens = say(&mut client).1;
    client.reset(ids[1], v(6)).unwrap();
    client.stop(ids[2], v(7)).unwrap();
    send(&mut client, ids[3], &[4; 10]);
    tokens.extend(say(&mut client).1);

    client.reject_early(limits(120, 500, 3));
    tokens.into_iter().for_each(|token| client.lost(token));
    assert_eq!(
        said(&mut client),
        [
            "reset 4 code 6 at 0", // nothing of it was ever sent
            "stop 8 code 7",
            "0 0+100 fin",
            "8 0+20",
            "blocked 120",
        ]
    );
    // The fourth stream waits until the peer allows it.
    client.on_max_data(v(1000));
    assert_eq!(said(&mut client), ["8 20+30"]);
    client.on_max_streams(StreamCount {
        dir: Dir::Bi,
        count: v(4),
    });
    assert_eq!(said(&mut client), ["12 0+10"]);
    assert_eq!(client.open(Dir::Bi), None);
}
