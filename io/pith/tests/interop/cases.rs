//! Cases of handshakes and transfers.

use std::time::Duration;

use pith_tests::network::proxy::Way;
use pith_tests::network::{Fate, Link, Mark, Outage};
use serde_json::Value;

use crate::header::{Kind, V1, V2};
use crate::play::{Case, Played, frames, packets, play, usual};

/// So many handshakes, and version 1 alone.
#[track_caller]
fn assert_handshakes(name: &str, played: &Played, count: usize) {
    assert_eq!(played.handshakes(), count, "{name}");
    let versions = played.versions(Way::Back, Kind::Initial);
    assert_eq!(Vec::from_iter(versions), [V1], "{name}");
}

#[test]
fn handshake_and_transfer() {
    let played = play("handshake", &Case::of("handshake", &[1 << 10]));
    assert_handshakes("handshake", &played, 1);
    assert!(!played.has(Way::Back, Kind::Retry));

    let case = Case::of("transfer", &[200 << 10, 300 << 10, 500 << 10]);
    let played = play("transfer", &case);
    assert_handshakes("transfer", &played, 1);
    // More than the windows hold at first, so that each of both kinds has to grow; and the files come side by side.
    let sent: Vec<_> = packets(&played.client[0], "packet_sent").collect();
    for kind in ["max_data", "max_stream_data"] {
        assert!(
            sent.iter().any(|packet| frames(packet, kind).count() > 0),
            "{kind}"
        );
    }
    let streams =
        packets(&played.client[0], "packet_received").flat_map(|packet| frames(packet, "stream"));
    let ids: Vec<_> = streams
        .map(|frame| frame["stream_id"].as_u64().unwrap())
        .collect();
    let switches = ids.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(switches > 10, "{switches}");
    let closed = played.client[0]
        .iter()
        .find(|event| event["name"] == "connectivity:connection_closed");
    let closed = closed.unwrap();
    assert_eq!(closed["data"]["application_code"], 0, "{closed}");
}

/// A client goes by the CA as far as chains are followed, and by the key of the server's certificate beyond.
#[test]
fn chains_of_any_length() {
    for (name, chain) in [("chain-7", 7), ("chain-8", 8)] {
        let case = Case {
            chain,
            ..Case::of("handshake", &[1 << 10])
        };
        assert_handshakes(name, &play(name, &case), 1);
    }
}

#[test]
fn longrtt() {
    let slow = || Link {
        delay: Duration::from_millis(750),
        ..usual()
    };
    let played = play(
        "longrtt",
        &Case::of("handshake", &[1 << 10]).over(slow(), slow()),
    );
    assert_handshakes("longrtt", &played, 1);
    let hellos = packets(&played.client[0], "packet_sent")
        .filter(|packet| packet["header"]["packet_type"] == "initial")
        .flat_map(|packet| frames(packet, "crypto"))
        .filter(|frame| frame["offset"] == 0);
    assert!(hellos.count() >= 2, "the hello was not sent again");
}

#[test]
fn chacha20() {
    // The other side would rather have AES, so that each shows that it offers, or takes, nothing else.
    for (name, client, server) in [
        ("chacha20-both", "chacha20", "chacha20"),
        ("chacha20-client", "chacha20", "transfer"),
        ("chacha20-server", "transfer", "chacha20"),
        ("aes", "transfer", "transfer"),
    ] {
        let case = Case {
            client,
            server,
            ..Case::of("", &[30 << 10])
        };
        let played = play(name, &case);
        assert_handshakes(name, &played, 1);
        let chacha20 = played.said.contains("TLS_CHACHA20_POLY1305_SHA256");
        assert_eq!(chacha20, name != "aes", "{name}: {}", played.said);
    }
}

#[test]
fn multiplexing() {
    let case = Case::of("multiplexing", &vec![32; 1999]);
    let played = play("multiplexing", &case);
    assert_handshakes("multiplexing", &played, 1);
    let limits = played.client[0].iter().filter(|event| {
        event["name"] == "transport:parameters_set" && event["data"]["owner"] == "remote"
    });
    let limits: Vec<_> = limits
        .map(|event| event["data"]["initial_max_streams_bidi"].as_u64().unwrap())
        .collect();
    assert!(matches!(limits[..], [limit] if limit <= 1000), "{limits:?}");
    let mut sent = packets(&played.server[0], "packet_sent");
    assert!(sent.any(|packet| frames(packet, "max_streams").count() > 0));
}

#[test]
fn retry() {
    let played = play("retry", &Case::of("retry", &[10 << 10]));
    assert_handshakes("retry", &played, 1);
    let retries = played
        .packets(Way::Back)
        .filter(|(_, it)| it.kind == Kind::Retry);
    let tokens: Vec<_> = retries.map(|(_, it)| it.token).collect();
    let initials = played
        .packets(Way::There)
        .filter(|(_, it)| it.kind == Kind::Initial);
    let shown: Vec<_> = initials.map(|(_, it)| it.token).collect();
    let first = shown.iter().position(|token| !token.is_empty()).unwrap();
    // Each datagram of a hello had one, and the first that came counts.
    assert!(first > 0 && tokens.contains(&shown[first]));
    assert!(shown[first..].iter().all(|token| *token == shown[first]));
    let numbers = packets(&played.client[0], "packet_sent")
        .filter(|packet| packet["header"]["packet_type"] == "initial")
        .map(|packet| packet["header"]["packet_number"].as_u64().unwrap());
    assert!(
        numbers.is_sorted_by(|a, b| a < b),
        "packet numbers began again"
    );
}

#[test]
fn resumption() {
    let played = play("resumption", &Case::of("resumption", &[5 << 10, 10 << 10]));
    assert_handshakes("resumption", &played, 2);
    let [full, resumed] = flights(&played);
    assert!(
        resumed * 2 < full,
        "a certificate in {resumed} bytes, and in {full}?"
    );
    assert!(!played.has(Way::There, Kind::ZeroRtt));
}

#[test]
fn zerortt() {
    let case = Case {
        names: 250,
        ..Case::of("zerortt", &[32; 40])
    };
    let played = play("zerortt", &case);
    assert_handshakes("zerortt", &played, 2);
    let [full, resumed] = flights(&played);
    assert!(
        resumed * 2 < full,
        "a certificate in {resumed} bytes, and in {full}?"
    );
    assert!(played.bytes(Way::There, Kind::ZeroRtt) > 0);
    let late = played.bytes(Way::There, Kind::Short);
    assert!(late * 2 < 250 * 40, "{late} bytes came late");
}

/// Bytes of the server's flight on a full and on a resumed connection.
fn flights(played: &Played) -> [u64; 2] {
    let flights = played.server.iter().map(|events| flight(events));
    let mut flights: Vec<_> = flights.collect();
    flights.sort_by(|a, b| b.cmp(a));
    flights.try_into().unwrap()
}

/// Bytes of the messages in Handshake packets that one side has sent.
fn flight(events: &[Value]) -> u64 {
    let crypto = packets(events, "packet_sent")
        .filter(|packet| packet["header"]["packet_type"] == "handshake")
        .flat_map(|packet| frames(packet, "crypto"));
    let end = |frame: &Value| frame["offset"].as_u64().unwrap() + frame["length"].as_u64().unwrap();
    crypto.map(end).max().unwrap()
}

#[test]
fn http3() {
    let played = play("http3", &Case::of("http3", &[5 << 10, 10 << 10, 500 << 10]));
    assert_handshakes("http3", &played, 1);
    let chosen = |event: &&Value| event["name"] == "transport:alpn_information";
    let chosen = played.server[0].iter().find(chosen).unwrap();
    assert_eq!(chosen["data"]["chosen_alpn"], "h3");
}

#[test]
fn keyupdate() {
    let case = Case {
        server: "transfer",
        ..Case::of("keyupdate", &[300 << 10])
    };
    let played = play("keyupdate", &case);
    assert_handshakes("keyupdate", &played, 1);
    for (side, events) in [("client", &played.client[0]), ("server", &played.server[0])] {
        let phases =
            packets(events, "packet_sent").filter(|packet| packet["header"]["key_phase"] == 1);
        assert!(phases.count() > 0, "the {side} did not update");
    }
}

#[test]
fn ecn() {
    let played = play("ecn", &Case::of("ecn", &[100 << 10]));
    assert_handshakes("ecn", &played, 1);
    for (way, events) in [
        (Way::There, &played.client[0]),
        (Way::Back, &played.server[0]),
    ] {
        let marks: Vec<_> = played
            .trace
            .iter()
            .filter(|it| it.way == way)
            .map(|it| it.ecn)
            .collect();
        let marked = marks.iter().filter(|mark| **mark == Mark::Ect0).count();
        assert!(
            marked > 0 && !marks.contains(&Mark::Ce) && !marks.contains(&Mark::Ect1),
            "{way:?}"
        );
        let acks = packets(events, "packet_received").flat_map(|packet| frames(packet, "ack"));
        let counted = acks.filter(|ack| ack["ect0"].as_u64().is_some_and(|count| count > 0));
        assert!(
            counted.count() > 0,
            "nobody told the sender of {way:?} of its marks"
        );
    }
}

#[test]
fn amplificationlimit() {
    let there = Link {
        dropped: (2..=7).collect(),
        ..usual()
    };
    let case = Case {
        chain: 9,
        ..Case::of("transfer", &[5 << 10])
    };
    let played = play("amplificationlimit", &case.over(there, usual()));
    assert_handshakes("amplificationlimit", &played, 1);
    let longest = flight(&played.server[0]);
    assert!(
        longest > 7500,
        "a flight of {longest} bytes is not that chain's"
    );
    // What has not arrived when the server sends, it must not count on.
    let mut allowed = 0_usize;
    let arrivals = played
        .trace
        .iter()
        .filter_map(|it| match (it.way, it.fate) {
            (Way::There, Fate::Arrives(at)) => Some((at, it)),
            _ => None,
        });
    let mut arrivals = arrivals.peekable();
    for sent in played.trace.iter().filter(|it| it.way == Way::Back) {
        while let Some((_, came)) = arrivals.next_if(|(at, _)| *at <= sent.at) {
            let headers = crate::header::headers(&came.head, came.length);
            if headers.iter().any(|header| header.kind == Kind::Handshake) {
                return;
            }
            allowed += 3 * came.length;
        }
        assert!(
            sent.length <= allowed,
            "{} bytes, and {allowed} are left",
            sent.length
        );
        allowed -= sent.length;
    }
    panic!("no Handshake packet of the client");
}

#[test]
fn blackhole() {
    let second = Duration::from_secs(1);
    let dark = || Link {
        outage: Outage::Once(second, second),
        ..usual()
    };
    let case = Case {
        client: "transfer",
        server: "transfer",
        ..Case::of("", &[2 << 20])
    };
    let played = play("blackhole", &case.over(dark(), dark()));
    assert_handshakes("blackhole", &played, 1);
    let lost = played
        .packets(Way::Back)
        .filter(|(it, packet)| it.fate == Fate::Out && packet.kind == Kind::Short);
    assert!(lost.count() > 0, "nothing was under way when it was dark");
}

#[test]
fn handshakes_over_bad_links() {
    const CONNECTIONS: usize = 12;
    let loss = || Link {
        loss: 300,
        in_a_row: 3,
        ..usual()
    };
    let harm = || Link {
        corrupt: 300,
        in_a_row: 3,
        ..usual()
    };
    for (name, link) in [("handshakeloss", loss()), ("handshakecorruption", harm())] {
        let case = Case {
            client: "multiconnect",
            server: "multiconnect",
            ..Case::of("", &[1 << 10; CONNECTIONS])
        };
        let played = play(name, &case.over(link.clone(), link));
        assert_handshakes(name, &played, CONNECTIONS);
        for stats in played.stats {
            assert!(stats.lost + stats.corrupted > 10, "{name}: {stats:?}");
        }
    }
}

#[test]
fn transfers_over_bad_links() {
    let loss = || Link {
        loss: 20,
        in_a_row: 3,
        ..usual()
    };
    let harm = || Link {
        corrupt: 20,
        in_a_row: 3,
        ..usual()
    };
    for (name, link) in [("transferloss", loss()), ("transfercorruption", harm())] {
        let case = Case {
            client: "transfer",
            server: "transfer",
            ..Case::of("", &[500 << 10])
        };
        let played = play(name, &case.over(link.clone(), link));
        assert_handshakes(name, &played, 1);
        let [_, back] = played.stats;
        assert!(back.lost + back.corrupted > 3, "{name}: {back:?}");
    }
}

#[test]
fn ipv6() {
    let case = Case {
        address: "[::1]",
        ..Case::of("ipv6", &[5 << 10, 10 << 10])
    };
    let played = play("ipv6", &case);
    assert_handshakes("ipv6", &played, 1);
    assert!(played.trace.iter().all(|it| it.client.is_ipv6()));
}

#[test]
fn v2() {
    let played = play("v2", &Case::of("v2", &[1 << 10]));
    assert_eq!(played.handshakes(), 1);
    let versions = |way, kind| Vec::from_iter(played.versions(way, kind));
    assert!(versions(Way::There, Kind::Initial).contains(&V1));
    assert!(versions(Way::Back, Kind::Initial).contains(&V2));
    assert_eq!(versions(Way::There, Kind::Handshake), [V2]);
    assert_eq!(versions(Way::Back, Kind::Handshake), [V2]);
    assert!(!played.has(Way::Back, Kind::VersionNegotiation));
}
