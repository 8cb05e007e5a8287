//! Version negotiation between two connections, honest and not: RFC 9368, RFC 9369 section 4.

use pith_tls::Group;

use super::malformed::version_negotiation;
use super::parameters::instead;
use super::*;
use crate::Fault;
use crate::config::Lie;
use crate::error::Code;
use crate::protect::{Datagram, Incoming as Part, retry_tag};
use crate::wire::{Builder, PacketType, Space};

const V1: Version = Version::V1;
const V2: Version = Version::V2;
const ONE: u32 = 1;
const TWO: u32 = 0x6b33_43cf;
const RESERVED: u32 = 0x1a2a_3a4a;
const SECOND: Duration = Duration::from_secs(1);

fn meeting(client: &[Version], server: &[Version]) -> Pair {
    Pair::with(
        straight(),
        |config| config.versions(client),
        |config| config.versions(server),
    )
}

/// The packets with long headers that were sent, in order.
fn sent(pair: &Pair) -> Vec<(Side, PacketType, Version)> {
    let mut all = Vec::new();
    for (from, datagram) in &pair.log {
        let mut parts = Datagram::new(BytesMut::from(&datagram[..]), 8, QuicBit::Any);
        while let Some(Ok(Part::Protected(packet))) = parts.next() {
            let header = packet.header();
            all.extend(
                header
                    .long
                    .map(|(version, _)| (*from, header.packet, version)),
            );
        }
    }
    all
}

/// The versions of a side's packets of one type, each as often as it follows another.
fn turns(pair: &Pair, side: Side, packet: PacketType) -> Vec<Version> {
    let sent = sent(pair).into_iter();
    let own = sent.filter(|(from, of, _)| (*from, *of) == (side, packet));
    let mut versions: Vec<_> = own.map(|(_, _, version)| version).collect();
    versions.dedup();
    versions
}

/// rfc9368#2.3-1, rfc9369#4.1-4, rfc9369#4.1-6
#[test]
fn a_server_turns_before_its_first_crypto_frame_and_the_client_follows_its_packets() {
    let lists = [[V1, V2], [V2, V1]];
    for (client, server) in [(lists[0], lists[1]), (lists[1], lists[0])] {
        let [first, then] = client;
        let mut pair = meeting(&client, &server);
        // The second half of the hello is late, so that the first is acknowledged by a server that knows of no other version.
        let mut seen = 0;
        pair.fate = Box::new(move |from, _| {
            seen += usize::from(from == Side::Client);
            let late = from == Side::Client && seen == 2;
            vec![if late { 5 * DELAY } else { DELAY }]
        });
        pair.run_until(SECOND, |pair| pair.client.stats.packets_received > 0);
        assert_eq!(
            pair.client.version(),
            first,
            "an acknowledgment decides nothing"
        );
        pair.connect();
        let data = pattern(50_000);
        for side in [Side::Client, Side::Server] {
            assert_eq!(pair.side(side).version(), then);
            assert_eq!(turns(&pair, side, PacketType::Initial), [first, then]);
            assert_eq!(turns(&pair, side, PacketType::Handshake), [then]);
            assert_eq!(pair.transfer(side, &data, SECOND), data);
        }
    }
}

#[test]
fn a_server_that_asks_for_another_share_asks_in_the_version_that_it_goes_on_in() {
    let pki = Pki::with(Kind::Ed25519, 0);
    let client = pith_tls::ClientConfig::new(trust(&pki))
        .alpn(&[b"test"])
        .build()
        .unwrap();
    let identity = pki.leaf_with(Kind::Ed25519, &[NAME], |_| ());
    let server = pith_tls::ServerConfig::new(credential(&identity))
        .alpn(&[b"test"])
        .groups(&[Group::SecP256r1MlKem768])
        .build()
        .unwrap();
    for (versions, want) in [([V2, V1], V2), ([V1, V2], V1)] {
        let client = ClientConfig::new(Arc::clone(&client)).build().unwrap();
        let server = ServerConfig::new(Arc::clone(&server)).versions(&versions);
        let mut pair = Pair::of(straight(), &client, server.build().unwrap());
        pair.connect();
        assert!(pair.client.summary().unwrap().retried);
        assert_eq!(turns(&pair, Side::Server, PacketType::Initial), [want]);
        assert_eq!(pair.server().version(), want);
    }
}

/// rfc9369#4.1-5, rfc9369#4.1-7
#[test]
fn packets_of_the_first_version_are_initial_ones_of_a_client_that_does_not_know_yet() {
    let mut pair = meeting(&[V1, V2], &[V2, V1]);
    assert!(pair.run_until(SECOND, |pair| {
        pair.server
            .as_ref()
            .is_some_and(|server| server.version() == V2)
    }));
    let now = pair.now;
    let late = pair.client.forge(Space::Initial, &[1], now);
    let received = pair.server().stats().packets_received;
    pair.deliver(Side::Server, &late);
    assert_eq!(pair.server().stats().packets_received, received + 1);
    assert!(pair.run_until(SECOND, |pair| pair.client.version() == V2));
    let now = pair.now;
    let ping = pair.server().forge(Space::Handshake, &[1], now);
    let mut other = ping.clone();
    // The same packet under the number and the type of version 1.
    other[0] = other[0] & 0xcf | 0x20;
    other[1..5].copy_from_slice(&ONE.to_be_bytes());
    let before = pair.client.stats();
    pair.deliver(Side::Client, &other);
    assert_eq!(pair.client.stats().discarded, before.discarded + 1);
    pair.deliver(Side::Client, &ping);
    assert_eq!(
        pair.client.stats().packets_received,
        before.packets_received + 1
    );
    pair.connect();
}

/// Whoever saw the hello can write such packets, but who did not cannot.
#[test]
fn what_does_not_open_turns_nobody_and_a_retry_is_of_the_version_that_it_answers() {
    let mut pair = meeting(&[V1, V2], &[V1]);
    pair.flush();
    let mut noise = vec![0xd0];
    noise.extend(TWO.to_be_bytes());
    for id in [id(0xc0), id(0x50)] {
        noise.push(8);
        noise.extend_from_slice(&id);
    }
    noise.extend([0, 0x44, 0x9e]);
    noise.resize(1200, 7);
    let mut buffer = [0; 200];
    let mut builder = Builder::new(&mut buffer);
    let own = id(0xc0);
    builder.put_retry(V2, 3, &own, &id(0x99), b"token").unwrap();
    let tag = retry_tag(V2, &pair.client.ids.original(), builder.written());
    builder.put(&tag.unwrap()).unwrap();
    let retry = builder.written().to_vec();
    for (row, packet) in [("noise", noise), ("Retry", retry)] {
        pair.deliver(Side::Client, &packet);
        assert_eq!(pair.client.version(), V1, "{row}");
        assert_eq!(pair.client.ids.retried(), None, "{row}");
    }
    pair.connect();
    assert_eq!(pair.client.version(), V1);
}

fn information(numbers: &[u32]) -> Vec<u8> {
    numbers
        .iter()
        .flat_map(|number| number.to_be_bytes())
        .collect()
}

/// In place of a side's version information; `None` for none.
fn says(numbers: Option<&[u32]>) -> Lie {
    match numbers {
        Some(numbers) => instead(0x11, &information(numbers)),
        None => Lie {
            without: Some(0x11),
            ..Lie::default()
        },
    }
}

/// The fault with which `judge` closes, of which the other side hears, or the version that both have.
fn outcome(pair: &mut Pair, judge: Side) -> Result<Version, TransportError> {
    let over = |connection: &Connection| connection.error().is_some();
    pair.run_until(3 * SECOND, |pair| {
        over(&pair.client) && pair.server.as_ref().is_some_and(over)
            || pair.client.state == State::Confirmed
    });
    match pair.side(judge).error().cloned() {
        None => {
            assert_eq!(pair.client.state, State::Confirmed);
            assert_eq!(pair.client.version(), pair.server().version());
            Ok(pair.client.version())
        }
        Some(ConnectionError::Transport(error)) => {
            let told = pair.side(judge.peer()).error().cloned();
            let same = matches!(&told, Some(ConnectionError::PeerClosed { code, .. }) if *code == error.code);
            assert!(same, "{error:?}: {told:?}");
            Err(error)
        }
        Some(other) => panic!("{other:?}"),
    }
}

fn closes(fault: Fault) -> Result<Version, TransportError> {
    let code = match fault {
        Fault::VersionInformation => Code::TRANSPORT_PARAMETER_ERROR,
        _ => Code::VERSION_NEGOTIATION_ERROR,
    };
    let error = TransportError::from(fault);
    assert_eq!((error.code, error.frame), (code, None));
    Err(error)
}

/// rfc9368#4-3, rfc9368#4-4, rfc9368#4-5, rfc9368#4-6
#[test]
fn malformed_version_information_closes_the_handshake() {
    for side in [Side::Client, Side::Server] {
        let values = [
            vec![],
            vec![0; 3],
            vec![1; 5],
            vec![1; 7],
            information(&[0, ONE]),
            information(&[ONE, ONE, 0]),
            information(&[0]),
        ];
        for value in values {
            let lie = instead(0x11, &value);
            let mut pair = lying(side, &[V1, V2], &[V1, V2], lie);
            let got = outcome(&mut pair, side.peer());
            assert_eq!(got, closes(Fault::VersionInformation), "{side:?} {value:?}");
        }
    }
    let mut pair = lying(Side::Client, &[V1, V2], &[V1, V2], says(Some(&[ONE, TWO])));
    let got = outcome(&mut pair, Side::Server);
    assert_eq!(
        got,
        closes(Fault::VersionInformation),
        "chosen and not listed"
    );
}

fn lying(side: Side, client: &[Version], server: &[Version], lie: Lie) -> Pair {
    let lies = |of| {
        if side == of {
            lie.clone()
        } else {
            Lie::default()
        }
    };
    Pair::with(
        straight(),
        |config| config.versions(client).lie(lies(Side::Client)),
        |config| config.versions(server).lie(lies(Side::Server)),
    )
}

/// rfc9368#4-7, rfc9368#4-8, rfc9368#4-9, rfc9368#4-10, rfc9368#4-12, rfc9368#4-17
#[test]
fn versions_that_were_altered_on_the_way_close_the_handshake() {
    type Row<'a> = (
        &'a str,
        Side,
        [Version; 2],
        Option<&'a [u32]>,
        Result<Version, Fault>,
    );
    let turns = [V2, V1];
    let stays = [V1, V2];
    // Who says what of his versions to whom, where a client begins in version 1 and the server wants these.
    let rows: &[Row<'_>] = &[
        ("server is silent", Side::Server, stays, None, Ok(V1)),
        (
            "server is silent and turns",
            Side::Server,
            turns,
            None,
            Err(Fault::NoVersionInformation),
        ),
        (
            "server chose the other",
            Side::Server,
            stays,
            Some(&[TWO, ONE, TWO]),
            Err(Fault::ChosenVersion),
        ),
        (
            "server turned and did not",
            Side::Server,
            turns,
            Some(&[ONE, ONE, TWO]),
            Err(Fault::ChosenVersion),
        ),
        (
            "server chose none",
            Side::Server,
            stays,
            Some(&[RESERVED, ONE]),
            Err(Fault::ChosenVersion),
        ),
        (
            "server goes away",
            Side::Server,
            stays,
            Some(&[ONE]),
            Ok(V1),
        ),
        (
            "server will be another's",
            Side::Server,
            turns,
            Some(&[TWO, RESERVED]),
            Ok(V2),
        ),
        ("client is silent", Side::Client, turns, None, Ok(V1)),
        (
            "client lists one",
            Side::Client,
            turns,
            Some(&[ONE, ONE]),
            Ok(V1),
        ),
        (
            "client lists others",
            Side::Client,
            turns,
            Some(&[ONE, RESERVED, ONE, 77]),
            Ok(V1),
        ),
        (
            "client wants another order",
            Side::Client,
            turns,
            Some(&[ONE, ONE, TWO]),
            Ok(V2),
        ),
        (
            "client chose the other",
            Side::Client,
            turns,
            Some(&[TWO, ONE, TWO]),
            Err(Fault::ChosenVersion),
        ),
        (
            "client chose the other, too",
            Side::Client,
            stays,
            Some(&[TWO, ONE, TWO]),
            Err(Fault::ChosenVersion),
        ),
        (
            "client chose none",
            Side::Client,
            turns,
            Some(&[RESERVED, ONE, RESERVED]),
            Err(Fault::ChosenVersion),
        ),
    ];
    for (row, side, server, numbers, want) in rows {
        let mut pair = lying(*side, &[V1, V2], server, says(*numbers));
        let want = want.or_else(closes);
        assert_eq!(outcome(&mut pair, side.peer()), want, "{row}");
    }
    // An endpoint would not have let it in.
    for numbers in [None, Some(&[ONE, ONE, RESERVED][..])] {
        let mut pair = lying(Side::Client, &[V1], &[V2], says(numbers));
        let got = outcome(&mut pair, Side::Server);
        assert_eq!(got, closes(Fault::NoCommonVersion), "{numbers:?}");
    }
}

/// A client that begins in the first of its versions and is told that the server speaks these.
fn told(client: &[Version], server: &[Version], offer: &[u32], lie: Lie) -> Pair {
    let mut pair = lying(Side::Server, client, server, lie);
    pair.flush();
    pair.flying.clear();
    let answer = version_negotiation(&id(0xc0), &pair.client.ids.original(), offer);
    pair.deliver(Side::Client, &answer);
    pair
}

/// rfc9368#2.1-2, rfc9368#2.1-4, rfc9368#4-11, rfc9368#4-13, rfc9368#4-14, rfc9368#4-15, rfc9368#4-16, rfc9368#8-1
#[test]
fn a_client_that_is_told_to_begin_anew_finds_out_whether_the_server_said_so() {
    type Row<'a> = (
        &'a str,
        [Version; 2],
        &'a [Version],
        Option<Option<&'a [u32]>>,
        Result<Version, Fault>,
    );
    let (up, down) = ([V1, V2], [V2, V1]);
    let rows: &[Row<'_>] = &[
        ("it did", up, &[V2], None, Ok(V2)),
        ("it did, for version 1", down, &[V1], None, Ok(V1)),
        (
            "it speaks the other too",
            up,
            &[V2, V1],
            None,
            Err(Fault::VersionDowngrade),
        ),
        (
            "it speaks the other too, and turns",
            up,
            &[V1, V2],
            None,
            Err(Fault::VersionDowngrade),
        ),
        (
            "it speaks version 2 too",
            down,
            &[V1, V2],
            None,
            Err(Fault::VersionDowngrade),
        ),
        (
            "it speaks version 2 too, and turns",
            down,
            &[V2, V1],
            None,
            Err(Fault::VersionDowngrade),
        ),
        (
            "it lists nothing",
            up,
            &[V2],
            Some(Some(&[TWO])),
            Err(Fault::VersionDowngrade),
        ),
        (
            "it lists nothing, in version 1",
            down,
            &[V1],
            Some(Some(&[ONE])),
            Err(Fault::VersionDowngrade),
        ),
        (
            "it lists what is reserved",
            up,
            &[V2],
            Some(Some(&[TWO, RESERVED])),
            Ok(V2),
        ),
        (
            "it is silent",
            up,
            &[V2],
            Some(None),
            Err(Fault::NoVersionInformation),
        ),
        ("it is as old as version 1", down, &[V1], Some(None), Ok(V1)),
        (
            "it chose the one before",
            up,
            &[V2],
            Some(Some(&[ONE, TWO])),
            Err(Fault::ChosenVersion),
        ),
    ];
    for (row, client, server, lie, want) in rows {
        let [original, other] = client.map(Version::number);
        let lie = lie.map(says).unwrap_or_default();
        let mut pair = told(client, server, &[RESERVED, other], lie);
        assert_eq!(pair.client.version().number(), other, "{row}");
        assert!(pair.client.error().is_none(), "{row}");
        let want = want.or_else(closes);
        assert_eq!(outcome(&mut pair, Side::Client), want, "{row}");
        let number = |(_, _, version): &(Side, PacketType, Version)| version.number();
        assert_eq!(
            sent(&pair).iter().map(number).next(),
            Some(original),
            "{row}"
        );
    }
}

/// rfc9368#4-1, rfc9368#4-2, rfc9368#2.1-3, rfc9368#6-2
#[test]
fn one_version_negotiation_packet_counts_and_none_that_lists_the_version_it_answers() {
    let mut pair = told(&[V1, V2], &[V2], &[TWO, ONE], Lie::default());
    assert_eq!(pair.client.version(), V1, "it lists ours");
    let first = pair.client.ids.original();
    let answer = |pair: &Pair, offer: &[u32]| {
        version_negotiation(&id(0xc0), &pair.client.ids.original(), offer)
    };
    let packet = answer(&pair, &[TWO]);
    pair.deliver(Side::Client, &packet);
    assert_eq!(pair.client.version(), V2);
    let second = pair.client.ids.original();
    assert_ne!(first, second);
    let flight = pair.log.len();
    for packet in [packet, answer(&pair, &[ONE]), answer(&pair, &[77])] {
        pair.deliver(Side::Client, &packet);
        assert_eq!(
            (pair.client.version(), pair.client.ids.original()),
            (V2, second)
        );
        assert!(pair.client.error().is_none());
    }
    pair.flush();
    let hellos = [&pair.log[..flight], &pair.log[flight..]];
    let headers = hellos.map(|log| header::decode(&log[0].1, 8, QuicBit::Set));
    let ids = headers.map(|packet| match packet {
        Ok(Packet::Protected(header)) => (header.dcid, header.long.unwrap()),
        other => panic!("{other:?}"),
    });
    assert_eq!(ids, [(first, (V1, id(0xc0))), (second, (V2, id(0xc0)))]);
    pair.connect();
    for offer in [&[RESERVED, 77][..], &[TWO]] {
        let pair = told(&[V1], &[V1], offer, Lie::default());
        let error = Some(&ConnectionError::NoCommonVersion);
        assert_eq!(pair.client.error(), error, "{offer:x?}");
    }
}
