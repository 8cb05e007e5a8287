use super::*;
use crate::wire::Space;
use crate::wire::frame::NewConnectionId;
use crate::wire::{Builder, PacketType};

fn endpoint_events(connection: &mut Connection) -> Vec<EndpointEvent> {
    core::iter::from_fn(|| connection.endpoint_event()).collect()
}

#[test]
fn ids_that_the_endpoint_mints_reach_the_peer_and_are_replaced_when_it_retires_them() {
    let mut pair = Pair::connected();
    let wanted = endpoint_events(pair.server());
    let wants = EndpointEvent::WantsIds(limits::ISSUED_IDS - 1);
    assert_eq!(wanted, [EndpointEvent::Complete, wants]);
    assert!(endpoint_events(pair.server()).is_empty(), "asked once");
    let minted: Vec<_> = (1..=10).map(new_id).collect();
    assert_eq!(pair.server().issue_ids(&minted), limits::ISSUED_IDS - 1);
    assert_eq!(pair.server().ids().count(), limits::ISSUED_IDS);
    pair.run(Duration::from_millis(100));
    // The client holds as many, and has them all acknowledged.
    let now = pair.now;
    let again = pair
        .server()
        .forge(Space::Application, &new_connection_id(1, 0, 1), now);
    pair.deliver(Side::Client, &again);
    assert!(
        pair.client.state.is_open(),
        "the same frame again is no fault"
    );
    // The server wants the first two retired: the client moves to another and says so.
    let retire = pair
        .server()
        .forge(Space::Application, &new_connection_id(5, 2, 0x77), now);
    pair.deliver(Side::Client, &retire);
    assert_eq!(
        pair.client.dcid(pair.client.paths.active.remote),
        Some(id(2))
    );
    let told = endpoint_events(&mut pair.client);
    assert!(
        told.contains(&EndpointEvent::ResetToken(ResetToken([2; 16]))),
        "{told:?}"
    );
    pair.run(Duration::from_millis(100));
    let told = endpoint_events(pair.server());
    let want = [
        EndpointEvent::Retired(id(0x50)),
        EndpointEvent::Retired(id(1)),
        EndpointEvent::WantsIds(2),
    ];
    assert_eq!(told, want);
    let data = pattern(9000);
    assert_eq!(
        pair.transfer(Side::Client, &data, Duration::from_secs(9)),
        data
    );
}

fn new_connection_id(sequence: u32, retire_prior_to: u32, value: u8) -> Vec<u8> {
    let mut buffer = [0; 64];
    let mut builder = Builder::new(&mut buffer);
    let frame = NewConnectionId {
        sequence: sequence.into(),
        retire_prior_to: retire_prior_to.into(),
        id: id(value),
        reset_token: ResetToken([value; 16]),
    };
    builder.put_new_connection_id(&frame).unwrap();
    builder.written().to_vec()
}

#[test]
fn a_packet_to_any_id_that_was_issued_is_taken() {
    let mut pair = Pair::connected();
    pair.server().issue_ids(&[new_id(1), new_id(2)]);
    pair.run(Duration::from_millis(100));
    let now = pair.now;
    for sequence in [1, 2] {
        let retire = pair.server().forge(
            Space::Application,
            &new_connection_id(sequence + 2, sequence, 0x60 + sequence as u8),
            now,
        );
        pair.deliver(Side::Client, &retire);
        let before = pair.server().stats().packets_received;
        let ping = pair.client.forge(Space::Application, &[1], now);
        pair.deliver(Side::Server, &ping);
        assert_eq!(
            pair.server().stats().packets_received,
            before + 1,
            "{sequence}"
        );
    }
}

#[test]
fn an_empty_client_id_works_and_issues_no_others() {
    let (client, server) = tls(CipherSuite::ALL);
    let client = ClientConfig::new(client).build().unwrap();
    let mut pair = Pair::of(
        straight(),
        &client,
        ServerConfig::new(server).build().unwrap(),
    );
    let empty = ConnectionId::default();
    pair.client =
        Connection::client(&client, name(), CLIENT, empty, Bytes::new(), at(START)).unwrap();
    pair.connect();
    let data = pattern(9000);
    for from in [Side::Client, Side::Server] {
        assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
    }
    let wants = |event: &EndpointEvent| matches!(event, EndpointEvent::WantsIds(_));
    assert!(!endpoint_events(&mut pair.client).iter().any(wants));
    let now = pair.now;
    let frame = pair
        .client
        .forge(Space::Application, &new_connection_id(1, 0, 9), now);
    pair.deliver(Side::Server, &frame);
    let want = TransportError::from(crate::Fault::IdBesideEmptyId).in_frame(0x18);
    assert_eq!(pair.server().error().cloned(), Some(want.into()));
}

/// A pair of which these sides have an empty id.
fn empty(sides: &[Side]) -> Pair {
    let (client, server) = tls(CipherSuite::ALL);
    let client = ClientConfig::new(client).build().unwrap();
    let server = ServerConfig::new(server).build().unwrap();
    let mut pair = Pair::of(straight(), &client, server);
    let empty = ConnectionId::default();
    for side in sides {
        match side {
            Side::Client => {
                let made =
                    Connection::client(&client, name(), CLIENT, empty, Bytes::new(), at(START));
                pair.client = made.unwrap();
            }
            Side::Server => pair.server_id.id = empty,
        }
    }
    pair.connect();
    pair
}

#[test]
fn frames_of_ids_from_and_to_sides_with_empty_ids() {
    use crate::Fault;
    const C: Side = Side::Client;
    const S: Side = Side::Server;
    let new = |sequence| (0x18, new_connection_id(sequence, 0, 9));
    let retire = |sequence: u8| (0x19, vec![0x19, sequence]);
    let beside = Some(Fault::IdBesideEmptyId);
    let rows: [(&str, &[Side], Side, (u64, Vec<u8>), Option<Fault>); 10] = [
        ("a new id of a client without", &[C], C, new(1), beside),
        ("a new id of its server", &[C], S, new(1), None),
        (
            "number 0 retired of a client without",
            &[C],
            S,
            retire(0),
            Some(Fault::RetireEmptyId),
        ),
        (
            "number 1 retired of a client without",
            &[C],
            S,
            retire(1),
            Some(Fault::RetireEmptyId),
        ),
        (
            "the own id of its server",
            &[C],
            C,
            retire(0),
            Some(Fault::RetireOwnId),
        ),
        ("a new id of a server without", &[S], S, new(1), beside),
        ("a new id of its client", &[S], C, new(1), None),
        (
            "number 0 retired of a server without",
            &[S],
            C,
            retire(0),
            Some(Fault::RetireEmptyId),
        ),
        ("both without, a new id", &[C, S], S, new(1), beside),
        (
            "both without, a retirement",
            &[C, S],
            C,
            retire(0),
            Some(Fault::RetireEmptyId),
        ),
    ];
    for (name, without, from, (frame_type, payload), fault) in rows {
        let mut pair = empty(without);
        let now = pair.now;
        let datagram = pair.side(from).forge(Space::Application, &payload, now);
        pair.deliver(from.peer(), &datagram);
        let want = fault.map(|fault| {
            let error = TransportError::from(fault).in_frame(frame_type);
            assert_eq!(error.code, Code::PROTOCOL_VIOLATION);
            error.into()
        });
        assert_eq!(pair.side(from.peer()).error().cloned(), want, "{name}");
    }
}

#[test]
fn sides_with_empty_ids_issue_none_and_carry_data() {
    for without in [
        &[Side::Client][..],
        &[Side::Server],
        &[Side::Client, Side::Server],
    ] {
        let mut pair = empty(without);
        for side in [Side::Client, Side::Server] {
            let events = endpoint_events(pair.side(side));
            let wants = |event: &EndpointEvent| matches!(event, EndpointEvent::WantsIds(_));
            assert_eq!(
                events.iter().any(wants),
                !without.contains(&side),
                "{without:?}"
            );
            let issued = pair.side(side).issue_ids(&[new_id(0x33)]);
            assert_eq!(issued, usize::from(!without.contains(&side)), "{without:?}");
        }
        let data = pattern(50_000);
        for from in [Side::Client, Side::Server] {
            assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
        }
    }
}

#[test]
fn a_client_without_ids_moves_and_one_of_a_server_without_stays() {
    let home = IpAddr::from([10, 0, 0, 7]);
    for (without, want) in [
        (Side::Client, Ok(())),
        (Side::Server, Err(MigrateError::NoId)),
    ] {
        let mut pair = empty(&[without]);
        pair.homes = vec![home];
        pair.server().issue_ids(&[new_id(0x51), new_id(0x52)]);
        pair.client.issue_ids(&[new_id(0xc1), new_id(0xc2)]);
        pair.run(Duration::from_secs(1));
        let now = at(pair.now);
        assert_eq!(pair.client.migrate(home, now), want, "{without:?}");
        pair.run(Duration::from_secs(1));
        let seen = pair.server().route().remote.ip();
        let at_home = if want.is_ok() {
            home
        } else {
            CLIENT.remote.ip()
        };
        assert_eq!(seen, at_home, "{without:?}");
        // A NAT may move either.
        pair.seen_at.remote = ([10, 0, 0, 9], 99).into();
        pair.homes.clear();
        pair.client.ping();
        pair.run(Duration::from_secs(1));
        let data = pattern(50_000);
        for from in [Side::Client, Side::Server] {
            let got = pair.transfer(from, &data, Duration::from_secs(9));
            assert_eq!(got, data, "{without:?}");
        }
        assert_eq!(pair.server().route(), pair.seen_at, "{without:?}");
    }
}

#[test]
fn a_server_gives_a_token_until_it_has_arrived() {
    let mut pair = Pair::connected();
    pair.run(Duration::from_millis(100));
    pair.server().give_token(Bytes::from_static(b"next time"));
    let mut lost = 0;
    pair.fate = Box::new(move |from, _| {
        lost += u32::from(from == Side::Server);
        if from == Side::Server && lost <= 2 {
            Vec::new()
        } else {
            vec![DELAY]
        }
    });
    pair.run(Duration::from_secs(5));
    let tokens: Vec<_> = pair
        .client_events
        .iter()
        .filter(|event| matches!(event, Event::Token(_)))
        .collect();
    assert!(
        matches!(tokens[..], [Event::Token(token)] if token == &b"next time"[..]),
        "{tokens:?}"
    );
    // A client has none to give.
    pair.client.give_token(Bytes::from_static(b"x"));
    assert!(pair.client.transmit(at(pair.now), &mut [0; 1500]).is_none());
}

#[test]
fn a_token_is_in_every_initial_packet_of_a_client() {
    let (client, server) = tls(CipherSuite::ALL);
    let client = ClientConfig::new(client).build().unwrap();
    let mut pair = Pair::of(
        straight(),
        &client,
        ServerConfig::new(server).build().unwrap(),
    );
    let token = Bytes::from_static(b"from an earlier connection");
    pair.client =
        Connection::client(&client, name(), CLIENT, id(0xc0), token.clone(), at(START)).unwrap();
    pair.connect();
    let mut seen = 0;
    for (from, datagram) in &pair.log {
        let Ok(Packet::Protected(header)) = header::decode(datagram, 8, QuicBit::Any) else {
            continue;
        };
        if header.packet == PacketType::Initial {
            let carried = datagram.get(header.token).unwrap();
            let want: &[u8] = if *from == Side::Client { &token } else { &[] };
            assert_eq!(carried, want, "{from:?}");
            seen += 1;
        }
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn the_first_destination_id_is_long_random_and_kept_until_the_server_answers() {
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (client, _) = tls(CipherSuite::ALL);
        let client = ClientConfig::new(client).build().unwrap();
        let mut client =
            Connection::client(&client, name(), CLIENT, id(0xc0), Bytes::new(), at(START)).unwrap();
        let mut now = START;
        let mut buffer = [0; 16 * 1500];
        let mut ids = Vec::new();
        for _ in 0..5 {
            while let Some(batch) = client.transmit(at(now), &mut buffer) {
                for datagram in buffer[..batch.length].chunks(batch.segment) {
                    let Ok(Packet::Protected(header)) = header::decode(datagram, 8, QuicBit::Set)
                    else {
                        panic!("no packet");
                    };
                    ids.push(header.dcid);
                }
            }
            now = client.deadline().unwrap();
            client.on_deadline(at(now));
        }
        assert!(ids.len() > 5 && ids.windows(2).all(|pair| pair[0] == pair[1]));
        assert!(ids[0].len() == limits::FIRST_ID && limits::FIRST_ID >= 8);
        seen.push(ids[0]);
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2]);
}
