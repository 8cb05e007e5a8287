//! Clients that repeat the half of a hello that is here already: they are told so, or they might never send the other.

use super::*;

/// The frames of a server's Initial packet that answers `hello`, with its number and where it comes from.
fn opened(hello: &[u8], reply: &[u8]) -> (u64, ConnectionId, String) {
    let Ok(Packet::Protected(header)) = header::decode(hello, 8, QuicBit::Any) else {
        panic!("no hello");
    };
    let (_, server) = PacketSecret::initial(Version::V1, &header.dcid).unwrap();
    let mut datagram = Datagram::new(BytesMut::from(reply), 8, QuicBit::Any);
    let Some(Ok(Part::Protected(packet))) = datagram.next() else {
        panic!("no packet");
    };
    let scid = packet.header().long.unwrap().1;
    let packet = packet.open(&server.opener().unwrap(), None, Side::Client);
    let opened = packet.unwrap();
    let all = frames(&opened.payload, PacketType::Initial, Side::Client);
    let all: Vec<_> = all.map(|frame| format!("{:?}", frame.unwrap())).collect();
    (opened.number.get(), scid, all.join(" "))
}

/// A server that has either half of a hello, and the client that sent both.
fn half(which: usize) -> (Net, Vec<Vec<u8>>) {
    let mut net = Net::new(serving());
    let hello = net.hello();
    net.server_receives(&hello[which]);
    (net, hello)
}

#[test]
fn a_client_that_repeats_half_a_hello_is_told_what_is_here_and_goes_on() {
    let route = from(CLIENT.0, CLIENT.1);
    for which in [0, 1] {
        for times in 1..=3 {
            let row = format!("half {which}, {times} times");
            let (mut net, hello) = half(which);
            let mut ids = Vec::new();
            for number in 0..times {
                let (routed, reply) = net.server_takes(route, &hello[which]);
                assert_eq!(kind(&routed), "reply", "{row}");
                let (sent, scid, frames) = opened(&hello[which], &reply);
                assert_eq!(sent, number, "{row}");
                assert!(frames.starts_with("Ack"), "{row}: {frames}");
                // It tempts nobody to have it sent elsewhere.
                assert!(reply.len() < 100, "{row}: {}", reply.len());
                ids.push(scid);
                net.client_receives(&reply);
            }
            assert!(ids.iter().all(|id| *id == ids[0]), "{row}");
            // Whatever the client has left to say goes to that id, and so does the server's connection: its numbers go on, and its allowance.
            net.run();
            assert!(net.is_connected(), "{row}: {:?}", net.client_error());
            assert_eq!(net.asked, 1, "{row}");
            let (_, connection) = net.server_connection.as_ref().unwrap();
            assert!(connection.is_established(), "{row}");
        }
    }
}

/// The other half comes to the id that was acknowledged from, or to the first.
#[test]
fn both_ids_are_the_attempts_from_its_own_address_alone() {
    let route = from(CLIENT.0, CLIENT.1);
    let (mut net, hello) = half(0);
    let (_, reply) = net.server_takes(route, &hello[0]);
    let (_, own, _) = opened(&hello[0], &reply);
    let first = first_id(&hello[0]);
    assert_eq!(net.server.table.first_id(route.remote, own), first);
    let other = from(CLIENT.0, CLIENT.1 + 1);
    assert_eq!(net.server.table.first_id(other.remote, own), own);
    let (routed, _) = net.server_takes(route, &hello[1]);
    assert_eq!(kind(&routed), "incoming");
    // While the application decides, it is nobody else's.
    assert_eq!(net.server.table.first_id(route.remote, own), first);
}

#[test]
fn only_so_many_are_sent_and_nothing_stays() {
    let route = from(CLIENT.0, CLIENT.1);
    let (mut net, hello) = half(0);
    for number in 0..limits::ATTEMPT_ACKS + 2 {
        let (routed, _) = net.server_takes(route, &hello[0]);
        let told = number < limits::ATTEMPT_ACKS;
        assert_eq!(
            kind(&routed),
            if told { "reply" } else { "nothing" },
            "{number}"
        );
    }
    net.server
        .on_deadline(at(net.now + limits::CALM_ATTEMPT_TIME));
    assert!(net.server.table.is_bare());
    let (mut net, hello) = half(0);
    drop(net.server_takes(route, &hello[0]));
    net.server.shutdown(net.now);
    assert!(net.server.table.is_bare());
    // What does not open is no repetition.
    let (mut net, hello) = half(0);
    let mut broken = hello[0].clone();
    broken[600] ^= 1;
    assert_eq!(kind(&net.server_takes(route, &broken).0), "nothing");
}

/// Who was sent an Initial packet takes no Retry, and takes a close from the same id alone, with another number.
#[test]
fn a_decision_goes_on_from_the_acknowledgement() {
    let route = from(CLIENT.0, CLIENT.1);
    let (mut net, hello) = half(0);
    let (_, reply) = net.server_takes(route, &hello[0]);
    let (_, own, _) = opened(&hello[0], &reply);
    net.client_receives(&reply);
    let Routed::Incoming(incoming) = net.server_takes(route, &hello[1]).0 else {
        panic!("not whole");
    };
    let (now, mut buffer) = (at(net.now), [0; 1200]);
    assert!(net.server.retry(&incoming, now, &mut buffer).is_none());
    let length = net.server.refuse(&incoming, &mut buffer).unwrap();
    let (number, scid, _) = opened(&hello[0], &buffer[..length]);
    assert_eq!((number, scid), (1, own));
    net.client_receives(&buffer[..length]);
    let error = net.client_error();
    assert!(
        matches!(error, Some(ConnectionError::PeerClosed { .. })),
        "{error:?}"
    );
    assert!(net.server.table.is_bare());
}

/// What was sent counts against what the connection may send before the client has shown where it is.
#[test]
fn an_acknowledgement_is_part_of_the_allowance() {
    let route = from(CLIENT.0, CLIENT.1);
    for times in 0..3 {
        let (mut net, hello) = half(0);
        let mut sent = 0;
        for _ in 0..times {
            sent += net.server_takes(route, &hello[0]).1.len();
        }
        net.server_receives(&hello[1]);
        let (_, connection) = net.server_connection.as_ref().unwrap();
        let received = hello[0].len() + hello[1].len();
        assert_eq!(connection.allowance(), (3 * received - sent) as u64);
    }
}
