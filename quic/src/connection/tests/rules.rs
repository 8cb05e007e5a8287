//! Rules of what a connection sends and what it takes from a header, one by one, where no other test meets them.

use super::malformed::flights;
use super::*;
use crate::config::Lie;
use crate::protect::Draft;
use crate::recovery::SentPacket;
use crate::wire::header::NewHeader;
use crate::wire::{Builder, PacketNumber, PacketType, Space};

/// Numbers differ between spaces, so that one in the wrong packet would be seen (rfc9000#13.2.6-1, rfc9000#13.2.6-2, rfc9000#17.2.3-3).
#[test]
fn an_acknowledgment_is_in_a_packet_of_the_space_that_it_speaks_of() {
    let (client, server) = tls_with(Kind::MlDsa44, 1, CipherSuite::ALL);
    let client = ClientConfig::new(client).build().unwrap();
    let server = ServerConfig::new(server).build().unwrap();
    let mut pair = Pair::of(straight(), &client, server);
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.server.is_some()));
    pair.flush();
    // Of the server's flight the hello arrives and little more: the client can read Handshake packets, and is not complete.
    let flight = core::mem::take(&mut pair.flying).into_values();
    let mut datagrams: Vec<_> = flight.take(2).collect();
    let now = pair.now;
    let last = [(Space::Initial, 3), (Space::Handshake, 7)].map(|(space, many)| {
        for _ in 0..many {
            let datagram = pair.server().forge(space, &[1], now);
            datagrams.push((Side::Client, CLIENT, Ecn::NotEct, datagram));
        }
        let next = pair.server().recovery.next_number(space, || 0).unwrap();
        next.get() - 1
    });
    assert_ne!(last[0], last[1]);
    for (to, _, ecn, datagram) in datagrams {
        pair.deliver_marked(to, ecn, &datagram);
    }
    pair.now += DELAY;
    let from = pair.log.len();
    pair.flush();
    let acked = |pair: &mut Pair, space| {
        let acked = pair.server().recovery.largest_acked(space);
        acked.map(PacketNumber::get)
    };
    // The first packet alone, or the server would forget its space with the second.
    let mut answer = pair.log[from].1.clone();
    let Ok(Packet::Protected(first)) = header::decode(&answer, 8, QuicBit::Set) else {
        panic!("no packet");
    };
    assert_eq!(
        (first.packet, first.end < answer.len()),
        (PacketType::Initial, true)
    );
    let whole = answer.clone();
    answer[first.end..].fill(0);
    pair.deliver(Side::Server, &answer);
    assert_eq!(acked(&mut pair, Space::Initial), Some(last[0]));
    assert_eq!(acked(&mut pair, Space::Handshake), None);
    pair.deliver(Side::Server, &whole);
    assert_eq!(acked(&mut pair, Space::Handshake), Some(last[1]));
    assert_eq!(acked(&mut pair, Space::Application), None);
    pair.connect();
    pair.run(Duration::from_millis(100));
    let now = pair.now;
    for _ in 0..40 {
        let datagram = pair.server().forge(Space::Application, &[1], now);
        pair.deliver(Side::Client, &datagram);
    }
    // Not one below the next number, which may be left out.
    let received = pair.client.spaces.received_ref(Space::Application).unwrap();
    let largest = received.largest().map(PacketNumber::get);
    pair.run(Duration::from_millis(100));
    assert_eq!(acked(&mut pair, Space::Application), largest);
}

/// rfc9000#12.3-3
#[test]
fn a_connection_whose_numbers_are_used_up_ends_without_a_word() {
    let mut pair = Pair::connected();
    pair.run(Duration::from_millis(200));
    let packet = SentPacket {
        number: PacketNumber::new(limits::VARINT - 1).unwrap(),
        sent_at: pair.now,
        path: pair.client.paths.active.id,
        ..SentPacket::default()
    };
    pair.client.recovery.on_sent(Space::Application, packet);
    pair.client.ping();
    let sent = pair.log.len();
    pair.flush();
    assert_eq!(pair.log.len(), sent, "nothing is sent");
    assert!(pair.client.is_over(), "{:?}", pair.client.state);
    let now = pair.now;
    let ping = pair.server().forge(Space::Application, &[1], now);
    pair.deliver(Side::Client, &ping);
    pair.run(Duration::from_secs(1));
    let mut own = pair.log.iter().skip(sent);
    assert!(own.all(|(from, _)| *from == Side::Server));
}

/// rfc9000#17.4-4
#[test]
fn the_spin_bit_of_a_peer_says_nothing() {
    let mut pair = Pair::connected();
    pair.run(Duration::from_millis(200));
    for (round, spin) in [true, false, true, true].into_iter().enumerate() {
        let now = pair.now;
        let mut buffer = [0; 200];
        let mut builder = Builder::new(&mut buffer);
        let client = &mut pair.client;
        let number = client
            .recovery
            .next_number(Space::Application, || 0)
            .unwrap();
        let acked = client.recovery.largest_acked(Space::Application);
        let dcid = client.ids.remote.get(0).unwrap();
        let header = NewHeader::Short { dcid, spin };
        let draft = Draft::begin(&mut builder, &header, true, number, acked).unwrap();
        builder.put(&[1]).unwrap();
        client
            .spaces
            .seal(draft, PacketType::OneRtt, &mut builder)
            .unwrap();
        let packet = SentPacket {
            number,
            sent_at: now,
            path: client.paths.active.id,
            ..SentPacket::default()
        };
        client.recovery.on_sent(Space::Application, packet);
        let datagram = builder.written().to_vec();
        assert_eq!(datagram[0] & 0x20 != 0, spin);
        let before = pair.server().stats().packets_received;
        pair.deliver(Side::Server, &datagram);
        assert_eq!(
            pair.server().stats().packets_received,
            before + 1,
            "{round}"
        );
        let from = pair.log.len();
        pair.run(Duration::from_millis(100));
        let mut answers = pair.log[from..].iter();
        assert!(
            answers.all(|(_, datagram)| datagram[0] & 0xa0 == 0),
            "none spins"
        );
    }
}

/// What a side sends when its timer goes off and nothing has come: datagrams, each of which has the other side answer.
fn probes(pair: &mut Pair, from: Side) -> Vec<Vec<u8>> {
    let deadline = pair.side(from).recovery.deadline().unwrap();
    pair.now = pair.now.max(deadline);
    let now = at(pair.now);
    pair.side(from).on_deadline(now);
    let (mut sent, mut buffer) = (Vec::new(), vec![0; 16 * 1500]);
    while let Some(batch) = pair.side(from).transmit(now, &mut buffer) {
        sent.extend(
            buffer[..batch.length]
                .chunks(batch.segment)
                .map(<[u8]>::to_vec),
        );
    }
    sent
}

fn types(datagrams: &[Vec<u8>]) -> Vec<(PacketType, usize)> {
    let first = |datagram: &Vec<u8>| match header::decode(datagram, 8, QuicBit::Any) {
        Ok(Packet::Protected(header)) => (header.packet, datagram.len()),
        other => panic!("{other:?}"),
    };
    datagrams.iter().map(first).collect()
}

/// rfc9002#6.2.2.1-3
#[test]
fn a_client_that_hears_nothing_probes_with_the_best_keys_that_it_has() {
    let (mut pair, _) = flights();
    pair.flying.clear();
    for timeout in 0..4 {
        let sent = types(&probes(&mut pair, Side::Client));
        assert!(!sent.is_empty());
        let whole = (PacketType::Initial, limits::DATAGRAM);
        assert!(
            sent.iter().all(|packet| *packet == whole),
            "{timeout}: {sent:?}"
        );
    }
    // Handshake keys, but no end of the server's flight, and nothing in flight that could be sent again.
    let (client, server) = tls_with(Kind::MlDsa44, 1, CipherSuite::ALL);
    let client = ClientConfig::new(client).build().unwrap();
    let server = ServerConfig::new(server).build().unwrap();
    let mut pair = Pair::of(straight(), &client, server);
    assert!(pair.run_until(Duration::from_secs(1), |pair| {
        pair.client.spaces.sends(Space::Handshake).is_some()
    }));
    assert!(!pair.client.is_established());
    // Whatever it still owes goes out, and is lost.
    for _ in 0..4 {
        pair.flush();
        pair.flying.clear();
        let sent = types(&probes(&mut pair, Side::Client));
        let handshake = |(packet, _): &(PacketType, usize)| *packet == PacketType::Handshake;
        assert!(sent.iter().any(handshake), "{sent:?}");
    }
}

/// rfc9002#6.2.4-1, rfc9002#6.2.4-2: with data that was lost, and with nothing but a PING that nobody repeats.
#[test]
fn every_probe_elicits_an_acknowledgment() {
    for with_data in [false, true] {
        let mut pair = Pair::connected();
        pair.run(Duration::from_secs(1));
        if with_data {
            let id = pair.server().open(Dir::Uni).unwrap();
            pair.server().send(id, &mut pattern(5000)).unwrap();
        } else {
            pair.server().ping();
        }
        pair.flush();
        pair.flying.clear();
        for timeout in 0..5 {
            let sent = probes(&mut pair, Side::Server);
            assert!((1..=2).contains(&sent.len()), "{timeout}: {}", sent.len());
            for datagram in sent {
                let mut received = pair.client.spaces.received(Space::Application).unwrap();
                let mut ignored = vec![0; 1200];
                let now = pair.now;
                // What was owed before is said, and the answer is lost.
                let mut builder = Builder::new(&mut ignored);
                let tokens = &mut recovery::Tokens::default();
                received.write(&mut builder, tokens, now, 3, true);
                pair.deliver(Side::Client, &datagram);
                received = pair.client.spaces.received(Space::Application).unwrap();
                assert!(received.deadline().is_some(), "{with_data} {timeout}");
            }
        }
    }
}

/// rfc9221#5.4-1
#[test]
fn datagrams_wait_for_the_congestion_window_and_the_oldest_are_dropped() {
    let mut pair = Pair::with(straight(), |client| client, |server| server.datagrams(1500));
    pair.connect();
    pair.run(Duration::from_secs(1));
    pair.fate = Box::new(|from, _| {
        if from == Side::Client {
            Vec::new()
        } else {
            vec![DELAY]
        }
    });
    let most = limits::DATAGRAMS / 1000;
    for number in 0..2 * most {
        let mut datagram = vec![0; 1000];
        datagram[..8].copy_from_slice(&(number as u64).to_be_bytes());
        pair.client.send_datagram(datagram.into()).unwrap();
    }
    let (window, sent) = (pair.client.stats().window, pair.client.stats().bytes_sent);
    // As long as nothing is acknowledged and no timer of loss goes off, the pace alone may hold some of them back.
    let quiet = pair
        .client
        .recovery
        .deadline()
        .map_or(pair.now, |at| at.max(pair.now));
    pair.flush();
    while let Some(at) = pair.client.paced.filter(|at| *at < quiet) {
        pair.now = at;
        let now = super::at(pair.now);
        pair.client.on_deadline(now);
        pair.flush();
    }
    let sent = pair.client.stats().bytes_sent - sent;
    assert!(sent <= window && sent > window / 2, "{sent} of {window}");
    assert!(pair.client.stats().in_flight <= window);
    // Those that arrive at last are the newest.
    pair.fate = straight();
    pair.run(Duration::from_secs(20));
    let mut got = Vec::new();
    while let Some(datagram) = pair.server().read_datagram() {
        got.push(u64::from_be_bytes(*datagram.first_chunk().unwrap()) as usize);
    }
    assert!(
        got.is_sorted() && got.last() == Some(&(2 * most - 1)),
        "{got:?}"
    );
    assert!(
        got.len() <= most && got.len() > most / 2,
        "{} of {most}",
        got.len()
    );
}

#[test]
fn nothing_is_sent_to_a_preferred_address_that_a_client_refuses() {
    let address = [
        &[0x0d, 49][..],
        &[127, 0, 0, 1, 0, 99],
        &[0; 18],
        &[8, 1, 2, 3, 4, 5, 6, 7, 8],
        &[7; 16],
    ]
    .concat();
    let lie = Lie {
        more: address,
        ..Lie::default()
    };
    // Each datagram that is sent is checked to go where the server is.
    let refuses = |client: ClientConfigBuilder| {
        client.preferred_addresses(crate::PreferredAddresses::Refused)
    };
    let mut pair = Pair::with(straight(), refuses, |server| server.lie(lie));
    pair.connect();
    let data = pattern(50_000);
    assert_eq!(
        pair.transfer(Side::Client, &data, Duration::from_secs(9)),
        data
    );
    assert_eq!(pair.client.route(), CLIENT);
}
