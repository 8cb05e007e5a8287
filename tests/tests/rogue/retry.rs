//! Retry and Version Negotiation to a client, and ids of the handshake that were changed on the way (RFC 9000 sections 6, 7.3 and 17.2.5, RFC 9368 section 4).

use pith_quic::ConnectionError;
use pith_tests::rogue::wire::Header;
use pith_tests::rogue::{Level, Rogue, retry, version_negotiation};

use super::bench::*;

const WRONG: Want = Close(PARAMETER, 0);
const OTHER: [u8; 8] = [0x99; 8];

/// The destination of the client's first packets.
fn original(bench: &Bench) -> Vec<u8> {
    bench
        .rogue
        .parameters
        .get(0x00)
        .expect("the client's first packet")
        .to_vec()
}

/// Goes on as the server that has sent a Retry.
fn after_retry(bench: &mut Bench) {
    bench.rogue.scid = OTHER.to_vec();
    bench.rogue.parameters.set(0x0f, OTHER);
    bench.rogue.parameters.set(0x10, OTHER);
    bench.rogue.initial_keys(&OTHER);
}

#[test]
fn retries_that_a_client_ignores_and_one_that_it_follows() {
    let mut table = Table::default();
    type Make = fn(&[u8]) -> Vec<u8>;
    let ignored: [(&str, Make); 12] = [
        ("a tag turned", |original| {
            let mut packet = retry(&PITH, &OTHER, b"token", original);
            *packet.last_mut().unwrap() ^= 1;
            packet
        }),
        ("no tag", |original| {
            let packet = retry(&PITH, &OTHER, b"token", original);
            packet[..packet.len() - 16].to_vec()
        }),
        ("a tag for another hello", |_| {
            retry(&PITH, &OTHER, b"token", &[1; 8])
        }),
        ("an empty token", |original| {
            retry(&PITH, &OTHER, b"", original)
        }),
        ("to another id", |original| {
            retry(&[9; 8], &OTHER, b"token", original)
        }),
        ("from the id that the client chose", |original| {
            retry(&PITH, original, b"token", original)
        }),
        ("a token turned", |original| {
            let mut packet = retry(&PITH, &OTHER, b"token", original);
            let at = packet.len() - 17;
            packet[at] ^= 1;
            packet
        }),
        ("of version 2", |original| {
            let mut packet = retry(&PITH, &OTHER, b"token", original);
            packet[1..5].copy_from_slice(&0x6b33_43cf_u32.to_be_bytes());
            packet
        }),
        ("of an unknown version", |original| {
            let mut packet = retry(&PITH, &OTHER, b"token", original);
            packet[4] = 9;
            packet
        }),
        ("an id of 21 bytes", |original| {
            retry(&PITH, &[9; 21], b"token", original)
        }),
        ("cut in the header", |original| {
            retry(&PITH, &OTHER, b"token", original)[..12].to_vec()
        }),
        ("nothing but a header", |_| vec![0xf0, 0, 0, 0, 1, 0, 0]),
    ];
    for (name, make) in ignored {
        table.row(
            format!("Retry: {name}"),
            Bench::new(Client),
            Lives,
            |bench| {
                let sent = bench.rogue.opened.len();
                let packet = make(&original(bench));
                bench.deliver(&packet);
                assert_eq!(bench.rogue.opened.len(), sent, "nothing is answered");
            },
        );
    }
    table.row("an honest Retry", Bench::new(Client), Lives, |bench| {
        let sent = bench.rogue.opened.len();
        let packet = retry(&PITH, &OTHER, b"token", &original(bench));
        after_retry(bench);
        bench.deliver(&packet);
        let again = &bench.rogue.opened[sent..];
        assert!(!again.is_empty());
        for packet in again {
            assert_eq!(packet.header.token, b"token");
            assert_eq!(packet.header.dcid, OTHER);
            assert!(packet.number > 0, "numbers go on");
        }
    });
    table.row("a second Retry", Bench::new(Client), Lives, |bench| {
        let original = original(bench);
        let first = retry(&PITH, &OTHER, b"token", &original);
        after_retry(bench);
        bench.deliver(&first);
        let sent = bench.rogue.opened.len();
        bench.deliver(&retry(&PITH, &[0x77; 8], b"other", &original));
        bench.deliver(&retry(&PITH, &[0x77; 8], b"other", &OTHER));
        assert_eq!(bench.rogue.opened.len(), sent);
    });
    table.row(
        "a Retry behind an Initial",
        Bench::new(Client),
        Lives,
        |bench| {
            bench.send(Level::Initial, &[1]);
            let sent = bench.rogue.opened.len();
            let packet = retry(&PITH, &OTHER, b"token", &original(bench));
            bench.deliver(&packet);
            assert_eq!(bench.rogue.opened.len(), sent);
        },
    );
    for (role, moment) in [
        (Client, Hello),
        (Client, Confirmed),
        (Server, Hello),
        (Server, Confirmed),
    ] {
        table.row(
            format!("a Retry at {moment:?}"),
            Bench::at(role, moment),
            Lives,
            |bench| {
                bench.deliver(&retry(&PITH, &OTHER, b"token", &ORIGINAL));
            },
        );
    }
    table.row(
        "a Retry with a long token",
        Bench::new(Client),
        Lives,
        |bench| {
            let token = vec![7; 600];
            let packet = retry(&PITH, &OTHER, &token, &original(bench));
            after_retry(bench);
            bench.deliver(&packet);
            assert_eq!(bench.rogue.opened.last().unwrap().header.token, token);
        },
    );
    table.done(20);
}

#[test]
fn ids_that_the_parameters_after_a_retry_do_not_name() {
    let mut table = Table::default();
    type Change = fn(&mut Rogue);
    let rows: [(&str, Want, Change); 7] = [
        ("all of them right", Lives, |_| ()),
        ("no Retry named", WRONG, |rogue| {
            rogue.parameters.remove(0x10)
        }),
        ("another Retry named", WRONG, |rogue| {
            rogue.parameters.set(0x10, [1; 8])
        }),
        ("the original id for the Retry's", WRONG, |rogue| {
            let original = rogue.parameters.get(0x00).unwrap().to_vec();
            rogue.parameters.set(0x10, original);
        }),
        ("the Retry's id for the original", WRONG, |rogue| {
            rogue.parameters.set(0x00, OTHER)
        }),
        ("no original id", WRONG, |rogue| {
            rogue.parameters.remove(0x00)
        }),
        ("another source", WRONG, |rogue| {
            rogue.parameters.set(0x0f, [1; 8])
        }),
    ];
    for (name, want, change) in rows {
        table.row(name, Bench::new(Client), want, |bench| {
            let packet = retry(&PITH, &OTHER, b"token", &original(bench));
            after_retry(bench);
            bench.deliver(&packet);
            bench.go_on(Hello);
            change(&mut bench.rogue);
            bench.go_on(Complete);
        });
    }
    // A server that had its client's first packets changed: it answers to the wrong id.
    table.row(
        "a server's id that changes",
        Bench::at(Client, Start),
        Lives,
        |bench| {
            bench.go_on(Hello);
            // Packets from another id are no answer of this server.
            let mut draft = bench.rogue.draft(Level::Initial, &[0x21]);
            draft.scid = OTHER.to_vec();
            let packet = bench.rogue.expanded(draft);
            bench.deliver(&packet);
        },
    );
    table.done(8);
}

#[test]
fn version_negotiation_that_ends_an_attempt_and_that_does_not() {
    type Make = fn(&[u8]) -> Vec<u8>;
    let rows: [(&str, bool, Make); 11] = [
        ("other versions", true, |original| {
            version_negotiation(&PITH, original, &[7, 0x1a2a_3a4a])
        }),
        ("this version among others", false, |original| {
            version_negotiation(&PITH, original, &[7, 1])
        }),
        ("this version alone", false, |original| {
            version_negotiation(&PITH, original, &[1])
        }),
        ("no versions", false, |original| {
            version_negotiation(&PITH, original, &[])
        }),
        ("half a version", false, |original| {
            [version_negotiation(&PITH, original, &[7]), vec![0, 0]].concat()
        }),
        ("to another id", false, |original| {
            version_negotiation(&[9; 8], original, &[7])
        }),
        ("from another id", false, |_| {
            version_negotiation(&PITH, &[9; 8], &[7])
        }),
        ("ids exchanged", false, |original| {
            version_negotiation(original, &PITH, &[7])
        }),
        ("from an id of 21 bytes", false, |_| {
            version_negotiation(&PITH, &[9; 21], &[7])
        }),
        ("without its ids", false, |_| vec![0x80, 0, 0, 0, 0]),
        ("version 0 in it", true, |original| {
            version_negotiation(&PITH, original, &[0, 7])
        }),
    ];
    for (name, ends, make) in rows {
        let mut bench = Bench::new(Client);
        let packet = make(&original(&bench));
        bench.deliver(&packet);
        let error = bench.pith().error().cloned();
        assert_eq!(
            error,
            ends.then_some(ConnectionError::NoCommonVersion),
            "{name}"
        );
        if !ends {
            assert_eq!(bench.outcome(), Ok(Lives), "{name}");
        }
    }
    let mut table = Table::default();
    for (role, moment) in [
        (Client, Hello),
        (Client, Confirmed),
        (Server, Hello),
        (Server, Confirmed),
    ] {
        table.row(
            format!("at {moment:?}"),
            Bench::at(role, moment),
            Lives,
            |bench| {
                let id = bench.rogue.scid.clone();
                bench.deliver(&version_negotiation(&PITH, &id, &[7]));
            },
        );
    }
    table.row("behind an Initial", Bench::new(Client), Lives, |bench| {
        bench.send(Level::Initial, &[1]);
        let packet = version_negotiation(&PITH, &original(bench), &[7]);
        bench.deliver(&packet);
    });
    table.row("behind a Retry", Bench::new(Client), Lives, |bench| {
        let original = original(bench);
        let packet = retry(&PITH, &OTHER, b"token", &original);
        after_retry(bench);
        bench.deliver(&packet);
        bench.deliver(&version_negotiation(&PITH, &original, &[7]));
        bench.deliver(&version_negotiation(&PITH, &OTHER, &[7]));
    });
    table.done(6);
    // A server's own packets name an id of the header form that is read here.
    let header = Header::parse(&version_negotiation(&PITH, &OTHER, &[7]), 8);
    assert_eq!(
        (header.version, header.dcid, header.scid),
        (Some(0), PITH.to_vec(), OTHER.to_vec())
    );
}
