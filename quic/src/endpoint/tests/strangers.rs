//! Clients that nobody would write: with empty ids at one address, with tokens that are none, and whose hello comes again whatever was decided.

use std::collections::BTreeMap;

use super::*;
use crate::protect::Draft;
use crate::wire::header::NewHeader;
use crate::wire::version::LongType;
use crate::wire::{Builder, PacketNumber};

/// A client of its own at the usual address, with an id that the test chooses.
fn client(net: &Net, id: &[u8], token: Bytes) -> Connection {
    let id = ConnectionId::new(id).unwrap();
    let route = from(SERVER.0, SERVER.1);
    Connection::client(&net.client_config, name(), route, id, token, at(net.now)).unwrap()
}

fn sent(connection: &mut Connection, now: Duration) -> Vec<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 16 * 1500]);
    while let Some(batch) = connection.transmit(at(now), &mut buffer) {
        all.extend(
            buffer[..batch.length]
                .chunks(batch.segment)
                .map(<[u8]>::to_vec),
        );
    }
    all
}

/// Their packets to the server look alike but for the ids that the server has minted or the first ones, which are random (attack A04).
#[test]
fn clients_with_empty_ids_at_one_address_are_kept_apart() {
    let mut net = Net::new(serving());
    let mut clients: Vec<_> = (0..4).map(|_| client(&net, &[], Bytes::new())).collect();
    let mut servers: BTreeMap<ConnectionKey, (usize, Connection)> = BTreeMap::new();
    let route = from(CLIENT.0, CLIENT.1);
    for _ in 0..20 {
        net.now += Duration::from_millis(30);
        let now = at(net.now);
        for (number, client) in clients.iter_mut().enumerate() {
            for datagram in sent(client, net.now) {
                let (routed, _) = net.server_takes(route, &datagram);
                match routed {
                    Routed::Incoming(incoming) => {
                        let accepted = net.server.accept(incoming, &net.server_config, now);
                        let (key, connection) = accepted.unwrap();
                        assert!(connection.ids().all(|id| id.len() == limits::ENDPOINT_ID));
                        assert!(servers.insert(key, (number, connection)).is_none());
                    }
                    Routed::Connection(key, bytes) => {
                        let (owner, connection) = servers.get_mut(&key).unwrap();
                        assert_eq!(*owner, number, "another client's connection");
                        connection.receive(now, route, Ecn::NotEct, bytes);
                        net.server.settle(key, connection, now);
                    }
                    other => assert_eq!(kind(&other), "nothing"),
                }
            }
        }
        for (number, connection) in servers.values_mut() {
            for datagram in sent(connection, net.now) {
                let bytes = BytesMut::from(&datagram[..]);
                clients[*number].receive(now, from(SERVER.0, SERVER.1), Ecn::NotEct, bytes);
            }
            connection.on_deadline(now);
        }
        clients
            .iter_mut()
            .for_each(|client| client.on_deadline(now));
    }
    assert_eq!(servers.len(), clients.len());
    let mut all = servers
        .values()
        .map(|(_, connection)| connection)
        .chain(&clients);
    assert!(all.all(Connection::is_established));
}

/// With and without a Retry before it (attack A06).
#[test]
fn a_token_that_is_none_is_as_good_as_no_token() {
    let never = Retrying::From(usize::MAX);
    for (retrying, want) in [(never, "nothing"), (Retrying::Always, "reply")] {
        for (length, byte) in [0, 1, 15, 16, 17, 40, 64, 200, 700]
            .into_iter()
            .flat_map(|length| [(length, 0), (length, 0xff)])
        {
            let mut net = Net::new(serving().retrying(retrying));
            let token = Bytes::from(vec![byte; length]);
            let hello = sent(&mut client(&net, &[1; 8], token), net.now);
            let route = from(CLIENT.0, CLIENT.1);
            let (routed, _) = net.server_takes(route, &hello[0]);
            assert_eq!(kind(&routed), want, "{length} of {byte}");
            if want == "reply" {
                assert!(net.server.table.is_bare() && net.server.stats().retries == 1);
                continue;
            }
            let mut asked = Vec::new();
            for datagram in &hello[1..] {
                if let Routed::Incoming(incoming) = net.server_takes(route, datagram).0 {
                    asked.push(incoming.is_validated());
                }
            }
            assert_eq!(asked, [false], "{length} of {byte}");
        }
    }
}

/// The same hello comes again and again, and again after the decision (attack A03).
#[test]
fn a_hello_that_is_repeated_after_a_decision_finds_what_became_of_it() {
    let route = from(CLIENT.0, CLIENT.1);
    let asked_again = ["nothing", "incoming"];
    let rows = [
        ("accept", ["connection", "connection"]),
        ("refuse", asked_again),
        ("retry", asked_again),
        ("ignore", asked_again),
        ("forget", ["nothing", "nothing"]),
    ];
    for (decision, again) in rows {
        let mut net = Net::new(serving());
        let hello = net.hello();
        let mut kept = None;
        for round in 0..3 {
            let (mut got, mut asked) = (Vec::new(), None);
            for datagram in &hello {
                let (routed, _) = net.server_takes(route, datagram);
                got.push(kind(&routed));
                if let Routed::Incoming(incoming) = routed {
                    asked = Some(incoming);
                }
            }
            let want = if round == 0 { asked_again } else { again };
            assert_eq!(got, want, "{decision} {round}");
            let Some(incoming) = asked else { continue };
            let (now, mut reply) = (at(net.now), [0; 1200]);
            match decision {
                "accept" => {
                    let accepted = net.server.accept(incoming, &net.server_config, now);
                    kept = Some(accepted.unwrap());
                }
                "refuse" => assert!(net.server.refuse(&incoming, &mut reply).is_some()),
                "retry" => assert!(net.server.retry(&incoming, now, &mut reply).is_some()),
                "ignore" => net.server.ignore(&incoming),
                // Nobody decides: it is forgotten in time.
                _ => drop(incoming),
            }
        }
        assert_eq!(kept.is_some(), decision == "accept");
        let left = usize::from(decision == "forget");
        assert_eq!(net.server.table.attempts(), left, "{decision}");
        net.server.on_deadline(at(net.now + limits::ATTEMPT_TIME));
        assert_eq!(net.server.table.attempts(), 0, "{decision}");
    }
}

/// The first Initial packet of a client that chose an id of so many bytes.
fn first_to(length: usize) -> Vec<u8> {
    // A hello of 1000 bytes begins.
    initial(length, 0, &[6, 0, 4, 1, 0, 3, 0xe8])
}

/// An Initial packet with this number and these frames.
fn initial(length: usize, number: u64, frames: &[u8]) -> Vec<u8> {
    let dcid = ConnectionId::new(&vec![6; length]).unwrap();
    let (own, _) = PacketSecret::initial(Version::V1, &dcid).unwrap();
    let mut buffer = [0; limits::DATAGRAM];
    let mut builder = Builder::new(&mut buffer);
    let header = NewHeader::Long {
        long_type: LongType::Initial,
        version: Version::V1,
        dcid,
        scid: ConnectionId::default(),
        token: &[],
    };
    let number = PacketNumber::new(number).unwrap();
    let draft = Draft::begin(&mut builder, &header, true, number, None).unwrap();
    builder.put(frames).unwrap();
    builder.pad_to(limits::DATAGRAM - 16).unwrap();
    draft
        .seal(&mut builder, &mut own.sealer(u64::MAX).unwrap())
        .unwrap();
    builder.written().to_vec()
}

#[test]
fn a_first_id_has_at_least_eight_bytes() {
    assert_eq!(limits::FIRST_ID_LEAST, 8);
    for (length, kept) in [
        (0, 0),
        (limits::FIRST_ID_LEAST - 1, 0),
        (limits::FIRST_ID_LEAST, 1),
        (limits::CONNECTION_ID, 1),
    ] {
        let mut net = Net::new(serving());
        let (routed, _) = net.server_takes(from(CLIENT.0, CLIENT.1), &first_to(length));
        assert_eq!(kind(&routed), "nothing");
        assert_eq!(net.server.table.attempts(), kept, "{length}");
    }
}

#[test]
fn a_server_asks_for_retries_and_is_full_by_default() {
    let mut net = Net::new(serving());
    let hello = first_to(8);
    let route = |port| from(4, 10_000 + u16::try_from(port).unwrap());
    for port in 0..=limits::RETRY_FROM {
        let (routed, _) = net.server_takes(route(port), &hello);
        let want = if port < limits::RETRY_FROM {
            "nothing"
        } else {
            "reply"
        };
        assert_eq!(kind(&routed), want, "{port}");
    }
    // As if so many had been accepted.
    for (half_open, want) in [(limits::HALF_OPEN - 1, 1), (limits::HALF_OPEN, 0)] {
        let mut net = Net::new(serving().retrying(Retrying::From(usize::MAX)));
        for number in 0..half_open {
            let id = net.server.mint().unwrap().id;
            net.server
                .table
                .add(route(number).remote, id, Some((route(number).remote, id)));
        }
        let (routed, _) = net.server_takes(route(9999), &hello);
        assert_eq!(kind(&routed), "nothing");
        assert_eq!(net.server.table.attempts(), want, "{half_open}");
    }
}

/// rfc9000#11-1: whoever has the connection can say more than a reset does.
#[test]
fn garbage_to_an_id_in_use_is_its_connections_and_never_reset() {
    let mut net = Net::new(serving());
    net.connect();
    net.run();
    assert!(net.is_connected());
    let (_, connection) = net.server_connection.as_ref().unwrap();
    let ids: Vec<_> = connection.ids().collect();
    for id in ids {
        for length in [21, 40, 100, 1200] {
            let mut datagram = [&[0x41][..], &id].concat();
            datagram.resize(length.max(1 + id.len() + 20), 0x5a);
            for route in [from(CLIENT.0, CLIENT.1), from(7, 7777)] {
                let (routed, _) = net.server_takes(route, &datagram);
                assert_eq!(kind(&routed), "connection", "{length}");
            }
        }
    }
    assert_eq!(net.server.stats().resets, 0);
    let mut other = net.server.mint().unwrap().id.to_vec();
    other.splice(0..0, [0x41]);
    other.resize(100, 0x5a);
    let (routed, _) = net.server_takes(from(CLIENT.0, CLIENT.1), &other);
    assert_eq!((kind(&routed), net.server.stats().resets), ("reply", 1));
}

/// Attempts that began while there was room do not all become handshakes (attacks Q08 and A27).
#[test]
fn half_open_handshakes_have_a_cap_whatever_began_before() {
    for holds in [false, true] {
        let config = serving().retrying(Retrying::From(usize::MAX));
        let mut net = Net::new(config.half_open(2));
        let hellos: Vec<_> = (0..6).map(|_| net.hello()).collect();
        let route = |port: usize| from(4, 10_000 + u16::try_from(port).unwrap());
        for (port, hello) in hellos.iter().enumerate() {
            assert_eq!(kind(&net.server_takes(route(port), &hello[0]).0), "nothing");
        }
        assert_eq!(net.server.table.attempts(), hellos.len());
        let (mut held, mut open) = (Vec::new(), Vec::new());
        for (port, hello) in hellos.iter().enumerate() {
            if let Routed::Incoming(incoming) = net.server_takes(route(port), &hello[1]).0 {
                if holds {
                    held.push(incoming);
                } else {
                    let now = at(net.now);
                    open.push(
                        net.server
                            .accept(incoming, &net.server_config, now)
                            .unwrap(),
                    );
                }
            }
        }
        assert_eq!(held.len() + open.len(), 2, "{holds}");
        assert_eq!(net.server.stats().full, 4);
        let undecided = held.len();
        assert_eq!(
            net.server.table.attempts(),
            undecided,
            "nothing is kept of the others"
        );
        // With one gone there is room for another.
        match (held.pop(), open.pop()) {
            (Some(incoming), _) => net.server.ignore(&incoming),
            (_, Some((key, _))) => {
                net.server.on_event(key, EndpointEvent::Over);
            }
            (None, None) => {}
        }
        for datagram in &hellos[5] {
            let (routed, _) = net.server_takes(route(5), datagram);
            held.extend(match routed {
                Routed::Incoming(incoming) => Some(incoming),
                _ => None,
            });
        }
        assert_eq!(held.len() + open.len(), 2, "{holds}");
    }
}

/// Every second byte of a hello, each in a frame of its own (attack A23).
#[test]
fn pieces_of_a_hello_cost_no_more_than_a_whole_one() {
    let mut net = Net::new(serving());
    let route = from(CLIENT.0, CLIENT.1);
    for datagram in 0..limits::ATTEMPT_DATAGRAMS {
        let frames: Vec<u8> = (0..200_usize)
            .flat_map(|at| {
                let offset = u16::try_from(2 * (200 * datagram + at) + 2).unwrap() | 0x4000;
                let [high, low] = offset.to_be_bytes();
                [6, high, low, 1, 7]
            })
            .collect();
        let (routed, _) = net.server_takes(route, &initial(8, datagram as u64, &frames));
        assert_eq!(kind(&routed), "nothing");
    }
    let dcid = ConnectionId::new(&[6; 8]).unwrap();
    let attempt = net.server.table.attempt(route.remote, dcid).unwrap();
    assert_eq!(attempt.fragments(), limits::ATTEMPT_BYTES);
    // The first datagram is kept, and not acknowledged: pieces of it found no room.
    assert!(attempt.bytes() > 0 && !attempt.acknowledges(0));
    // A hello in as many pieces as browsers cut, in any order, is whole.
    let mut net = Net::new(serving());
    let pieces = (0..100_u16).rev().flat_map(|at| {
        let [high, low] = (0x4000 | (10 * at)).to_be_bytes();
        let mut frame = vec![6, high, low, 10];
        let header = [1, 0, 3, 0xe4];
        frame.extend((0..10).map(|byte| if at == 0 && byte < 4 { header[byte] } else { 0 }));
        frame
    });
    let frames: Vec<u8> = pieces.collect();
    let (first, second) = frames.split_at(14 * 80);
    assert_eq!(
        kind(&net.server_takes(route, &initial(8, 0, first)).0),
        "nothing"
    );
    assert_eq!(
        kind(&net.server_takes(route, &initial(8, 1, second)).0),
        "incoming"
    );
}

/// What is kept for clients that were not let in has one bound for all of them (attack Q08).
#[test]
fn what_is_kept_for_all_attempts_is_bounded_in_bytes() {
    let mut net = Net::new(serving().retrying(Retrying::From(usize::MAX)));
    let hello = net.hello();
    let route = |port: usize| from(4, 10_000 + u16::try_from(port).unwrap());
    let fits = limits::ADMISSION_BYTES / limits::ATTEMPT_BYTES;
    let early = zero_rtt(&hello[0], limits::ATTEMPT_BYTES - hello[0].len());
    for port in 0..fits {
        assert_eq!(
            net.server.stats().attempt_bytes,
            port * limits::ATTEMPT_BYTES
        );
        drop(net.server_takes(route(port), &hello[0]));
        if port + 1 < fits {
            drop(net.server_takes(route(port), &early));
        }
        // Once much is kept, it is for a short time.
        let time = if net.server.stats().attempt_bytes < limits::CALM_BYTES {
            limits::CALM_ATTEMPT_TIME
        } else {
            limits::ATTEMPT_TIME
        };
        assert_eq!(net.server.deadline(), Some(net.now + time), "{port}");
    }
    // There is room for one datagram that is so long, and none that is longer.
    drop(net.server_takes(route(fits - 1), &zero_rtt(&hello[0], early.len() + 1)));
    assert!(net.server.stats().attempt_bytes < limits::ADMISSION_BYTES);
    drop(net.server_takes(route(fits - 1), &early));
    assert_eq!(net.server.stats().attempt_bytes, limits::ADMISSION_BYTES);
    drop(net.server_takes(route(fits), &hello[0]));
    assert_eq!(net.server.stats().attempts, fits);
    // The rest of a hello finds no room either; once another is gone it does, and is held until the application has decided.
    let (routed, _) = net.server_takes(route(0), &hello[1]);
    assert_eq!(kind(&routed), "nothing");
    net.server
        .table
        .forget_attempt(route(1).remote, first_id(&hello[0]));
    drop(net.server_takes(route(fits), &hello[0]));
    let Routed::Incoming(incoming) = net.server_takes(route(fits), &hello[1]).0 else {
        panic!("no room");
    };
    assert_eq!(
        net.server.stats().attempt_bytes,
        limits::ADMISSION_BYTES - limits::ATTEMPT_BYTES + hello[0].len() + hello[1].len()
    );
    net.server.ignore(&incoming);
    net.server.on_deadline(at(net.now + limits::ATTEMPT_TIME));
    assert!(net.server.table.is_bare());
}

/// A flood of clients that are turned away is answered at a rate.
#[test]
fn who_comes_after_a_shutdown_is_told_so_at_a_rate() {
    let mut net = Net::new(serving());
    let hello = net.hello();
    net.server.shutdown(net.now + Duration::from_secs(1));
    for port in 0..=limits::ANSWERS {
        let (routed, _) = net.server_takes(from(4, 10_000 + port as u16), &hello[0]);
        let want = if port < limits::ANSWERS {
            "reply"
        } else {
            "nothing"
        };
        assert_eq!(kind(&routed), want, "{port}");
    }
    net.now += limits::ANSWER_REFILL;
    let (routed, _) = net.server_takes(from(5, 10_000), &hello[0]);
    assert_eq!(kind(&routed), "reply");
}
