//! Cases of clients whose address changes.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

use pith_tests::network::proxy::{Rebinding, Way};
use serde_json::Value;

use crate::header::Kind;
use crate::play::{Case, Played, frames, packets, play};

#[test]
fn rebind_port_and_address() {
    for (name, address) in [("rebind-port", false), ("rebind-addr", true)] {
        let rebinding = Rebinding {
            first: Duration::from_millis(250),
            every: Duration::from_millis(400),
            address,
        };
        let case = Case {
            client: "transfer",
            server: "transfer",
            rebinding: Some(rebinding),
            ..Case::of("", &[1 << 20])
        };
        let played = play(name, &case);
        assert_eq!(played.handshakes(), 1, "{name}");
        let ips: BTreeSet<_> = played.paths().iter().map(|it| it.ip()).collect();
        assert_eq!(ips.len() > 1, address, "{name}: {ips:?}");
        // The last change may have come with the last bytes.
        assert_validated(name, &played, played.paths().len() - 2);
    }
}

#[test]
fn connectionmigration() {
    let played = play(
        "connectionmigration",
        &Case::of("connectionmigration", &[500 << 10]),
    );
    assert_eq!(played.handshakes(), 1);
    assert_eq!(played.paths().len(), 2);
    assert_validated("connectionmigration", &played, 1);
    // Whoever sees both paths must not be able to tell that they are of one connection.
    for way in [Way::There, Way::Back] {
        let short = played.packets(way).filter(|(_, it)| it.kind == Kind::Short);
        let on: BTreeSet<_> = short
            .map(|(it, header)| (header.destination, it.client))
            .collect();
        let ids: BTreeSet<_> = on.iter().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), on.len(), "{way:?}: an id on two paths");
    }
}

/// As the runner has it: the server names another address, and the client goes there. That is past the proxy, since a server knows its own addresses alone.
#[test]
fn connectionmigration_to_a_preferred_address() {
    let free = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let case = Case {
        client: "transfer",
        preferred: Some(free),
        ..Case::of("connectionmigration", &[500 << 10])
    };
    let played = play("preferred", &case);
    assert_eq!(played.handshakes(), 1);
    let behind = played.bytes(Way::Back, Kind::Short);
    assert!(
        behind < 400 << 10,
        "{behind} bytes came where they had begun"
    );
    let [client, server] = [&played.client[0], &played.server[0]];
    let moved = client.iter().filter(|event| {
        event["name"] == "connectivity:migration_state_updated"
            && event["data"]["path_remote"]["port_v4"] == free.port()
    });
    let states: Vec<_> = moved
        .map(|event| event["data"]["new"].as_str().unwrap())
        .collect();
    assert_eq!(states.last(), Some(&"probing_successful"), "{states:?}");
    for (side, events) in [("client", client), ("server", server)] {
        for kind in ["path_challenge", "path_response"] {
            let mut sent = packets(events, "packet_sent");
            assert!(
                sent.any(|packet| frames(packet, kind).count() > 0),
                "{side}: {kind}"
            );
        }
    }
}

/// The server challenges each new path in the first packet that it sends there, and the client answers on so many at least.
#[track_caller]
fn assert_validated(name: &str, played: &Played, new: usize) {
    assert!(new >= 1, "{name}: {:?}", played.paths());
    let events = &played.server[0];
    let with = |what: &str, kind: &'static str| {
        let packets = packets(events, what);
        packets
            .filter(|packet| frames(packet, kind).count() > 0)
            .count()
    };
    let (challenges, responses) = (
        with("packet_sent", "path_challenge"),
        with("packet_received", "path_response"),
    );
    assert!(
        challenges >= new,
        "{name}: {challenges} challenges for {new} paths"
    );
    assert!(
        responses >= new,
        "{name}: {responses} responses for {new} paths"
    );
    let assigned = |event: &Value| event["name"] == "connectivity:path_assigned";
    let places = (0..events.len()).filter(|place| assigned(&events[*place]));
    let mut seen = 0;
    for place in places {
        let first = packets(&events[place..], "packet_sent").next();
        let challenged = first.is_none_or(|it| frames(it, "path_challenge").count() > 0);
        assert!(challenged, "{name}: no challenge behind {}", events[place]);
        seen += 1;
    }
    assert!(seen >= new, "{name}: {seen} new paths of {new}");
}
