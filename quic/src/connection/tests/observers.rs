//! What an observer is told.

use std::sync::Mutex;

use super::*;
use crate::observe::{EcnState, Lost, Metrics, Observer, Packet as Told, Party, Seen, Subject};
use crate::wire::PacketType;

/// What was told of one connection.
#[derive(Default)]
struct Notes {
    times: Vec<Duration>,
    words: Vec<String>,
    /// With their frames as they are shown.
    sent: Vec<(Told, String)>,
    received: Vec<(Told, String)>,
    dropped: usize,
    lost: Vec<Lost>,
    metrics: Vec<Metrics>,
}

#[derive(Clone, Default)]
pub(super) struct Notebook(Arc<Mutex<Notes>>);

impl Observer for Notebook {
    fn seen(&mut self, at: Duration, seen: &Seen<'_>) {
        let mut notes = self.0.lock().unwrap();
        notes.times.push(at);
        notes.words.push(seen.to_string());
        match seen {
            Seen::Sent(packet, frames) => notes.sent.push((*packet, format!("{frames:?}"))),
            Seen::Received(packet, frames) => notes.received.push((*packet, format!("{frames:?}"))),
            Seen::Dropped { size, .. } => notes.dropped += size,
            Seen::Lost(lost) => notes.lost.push(*lost),
            Seen::Metrics(metrics) => notes.metrics.push(*metrics),
            _ => {}
        }
    }
}

impl Notebook {
    pub(super) fn choose(&self) -> impl Fn(&Subject) -> Option<Box<dyn Observer>> + use<> {
        let book = self.clone();
        move |_| Some(Box::new(book.clone()))
    }

    fn read<T>(&self, read: impl FnOnce(&Notes) -> T) -> T {
        read(&self.0.lock().unwrap())
    }

    /// What was told with any of these words in it.
    pub(super) fn with(&self, words: &[&str]) -> Vec<String> {
        self.read(|notes| {
            let all = notes.words.iter();
            all.filter(|line| words.iter().any(|word| line.contains(word)))
                .cloned()
                .collect()
        })
    }
}

fn observed(fate: Fate) -> (Pair, Notebook, Notebook) {
    let (client, server) = (Notebook::default(), Notebook::default());
    let pair = Pair::with(
        fate,
        |config| config.observers(client.choose()),
        |config| config.observers(server.choose()),
    );
    (pair, client, server)
}

#[test]
fn every_packet_and_every_byte_is_told_of_on_both_sides() {
    let (mut pair, client, server) = observed(straight());
    pair.connect();
    let data = pattern(30_000);
    for from in [Side::Client, Side::Server] {
        assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
    }
    pair.client
        .close(VarInt::from(7_u8), Bytes::new(), at(pair.now));
    pair.run(Duration::from_secs(9));
    let stats = [pair.client.stats(), pair.server().stats()];
    for (book, other, stats) in [(&client, &server, stats[0]), (&server, &client, stats[1])] {
        book.read(|notes| {
            let bytes = |packets: &[(Told, String)]| {
                packets.iter().map(|(told, _)| told.size).sum::<usize>() as u64
            };
            assert_eq!(notes.sent.len() as u64, stats.packets_sent);
            assert_eq!(notes.received.len() as u64, stats.packets_received);
            assert_eq!(bytes(&notes.sent), stats.bytes_sent);
            let received = bytes(&notes.received) + notes.dropped as u64;
            assert_eq!(received, stats.bytes_received);
            assert!(notes.times.is_sorted(), "time goes back");
            other.read(|other| {
                for got in &other.received {
                    let sent = notes.sent.iter().filter(|sent| {
                        let (sent, got) = (sent.0, got.0);
                        (sent.packet, sent.number) == (got.packet, got.number)
                    });
                    assert_eq!(sent.collect::<Vec<_>>(), [got], "what was sent has arrived");
                }
            });
        });
    }
    let all = client.with(&[""]);
    assert_eq!(
        all[0],
        "connection c0c0c0c0c0c0c0c0 started, to 127.0.0.1:4433".replace(
            "c0c0c0c0c0c0c0c0",
            &format!("{:?}", pair.client.ids.original())
        )
    );
    assert!(all[1].starts_with("parameters of this side: Parameters { "));
    assert_eq!(
        all[2..8],
        [
            "Initial keys of this side installed",
            "Initial keys of the peer installed",
            "ECN testing",
            "congestion control in slow start",
            "rtt 333ms, window 12000, in flight 0",
            "sent Initial 0, 1200 bytes: crypto",
        ]
    );
    let frames = client.read(|notes| notes.sent[0].1.clone());
    assert_eq!(frames, "[Crypto { offset: 0, length: 1145 }]");
    let ends = [
        "complete",
        "confirmed",
        "closing",
        "draining",
        "over",
        "protocol",
        "closed:",
    ];
    assert_eq!(
        client.with(&ends),
        [
            "connection complete",
            "protocol \"test\"",
            "connection confirmed",
            "connection closing",
            "closed: application code 7, by this side",
            "connection over",
        ]
    );
    assert_eq!(
        server.with(&ends),
        [
            "connection complete",
            "protocol \"test\"",
            "connection confirmed",
            "connection draining",
            "closed: application code 7, by the peer",
            "connection over",
        ]
    );
}

#[test]
fn keys_come_are_updated_and_go() {
    let (mut pair, client, server) = observed(straight());
    pair.connect();
    pair.client.update_keys();
    let data = pattern(30_000);
    for from in [Side::Client, Side::Server] {
        assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
    }
    pair.run(Duration::from_secs(1));
    assert_eq!(
        client.with(&["keys"]),
        [
            "Initial keys of this side installed",
            "Initial keys of the peer installed",
            "Handshake keys of this side installed",
            "Handshake keys of the peer installed",
            "1-RTT keys of this side installed",
            "1-RTT keys of the peer installed",
            "Initial keys of this side dropped",
            "Initial keys of the peer dropped",
            "Handshake keys of this side dropped",
            "Handshake keys of the peer dropped",
            "1-RTT keys of this side updated to 1 by this side",
            "1-RTT keys of the peer updated to 1 by this side",
            "1-RTT keys of the peer 0 dropped",
        ]
    );
    assert_eq!(
        server.with(&["updated", " 0 dropped"]),
        [
            "1-RTT keys of this side updated to 1 by the peer",
            "1-RTT keys of the peer updated to 1 by the peer",
            "1-RTT keys of the peer 0 dropped",
        ]
    );
    let generations = |book: &Notebook| {
        let of = |packets: &[(Told, String)]| packets.last().map(|(told, _)| told.generation);
        book.read(|notes| (of(&notes.sent), of(&notes.received)))
    };
    assert_eq!(generations(&client), (Some(1), Some(1)));
    assert_eq!(generations(&server), (Some(1), Some(1)));
}

#[test]
fn losses_are_told_of_with_what_they_do() {
    let mut count = 0;
    let (mut pair, _, server) = observed(Box::new(move |from, datagram| {
        // Once: the third of the server's large ones after its handshake.
        let large = from == Side::Server && datagram.len() > 1100 && datagram[0] & 0x80 == 0;
        count += u32::from(large);
        if large && count == 3 {
            vec![]
        } else {
            vec![DELAY]
        }
    }));
    pair.connect();
    let data = pattern(300_000);
    let got = pair.transfer(Side::Server, &data, Duration::from_secs(9));
    assert_eq!(got, data);
    let lost = server.read(|notes| notes.lost.clone());
    assert_eq!(lost.len() as u64, pair.server().stats().packets_lost);
    assert_eq!(lost.len(), 1);
    let stats = pair.server().stats();
    let windows = (
        stats.congestion_events,
        stats.congestion_undone,
        stats.persistent_congestion,
    );
    assert_eq!(windows, (1, 0, 0));
    let was_sent = server.read(|notes| {
        notes.sent.iter().any(|(told, _)| {
            told.packet == PacketType::OneRtt
                && (told.number, told.size) == (lost[0].number, lost[0].size.into())
        })
    });
    assert!(was_sent && !lost[0].by_time);
    assert_eq!(
        server.with(&["congestion"]),
        [
            "congestion control in slow start",
            "congestion control in recovery, for losses",
            "congestion control in avoidance",
        ]
    );
    server.read(|notes| {
        let reduced = |pair: &[Metrics]| pair[1].window < pair[0].window;
        assert!(notes.metrics.windows(2).any(reduced), "the window shrinks");
        assert!(notes.metrics.windows(2).all(|pair| pair[0] != pair[1]));
        let last = notes.metrics.last().unwrap();
        assert!(last.threshold.is_some() && last.latest_rtt >= DELAY * 2);
    });
    let stats = pair.server().stats();
    let told = server.read(|notes| *notes.metrics.last().unwrap());
    assert_eq!(
        (stats.rtt, stats.latest_rtt),
        (told.smoothed_rtt, told.latest_rtt)
    );
    assert_eq!(
        (stats.min_rtt, stats.rtt_variation),
        (told.min_rtt, told.rtt_variation)
    );
    assert_eq!(
        (stats.window, stats.threshold),
        (told.window, told.threshold)
    );
    assert_eq!(
        (stats.in_flight, stats.ecn),
        (told.in_flight, EcnState::Capable)
    );
    pair.run(Duration::from_secs(1));
    let timers = server.with(&["loss timer"]);
    assert!(timers.iter().any(|line| line.contains("set to ")));
    assert_eq!(timers.last().unwrap(), "loss timer cancelled");
}

#[test]
fn a_probe_timeout_is_told_of() {
    let (mut pair, client, _) = observed(Box::new(|_, _| vec![]));
    pair.run(Duration::from_secs(60));
    let expired = client.with(&["expired"]);
    assert!(expired.len() > 3);
    assert!(
        expired
            .iter()
            .all(|line| line == "loss timer expired: probes in Initial")
    );
    assert_eq!(
        client.with(&["closed"]),
        ["closed: the handshake took too long"]
    );
}

/// Why something is dropped, each provoked once.
#[test]
fn what_is_dropped_is_told_of_with_why() {
    let (mut pair, client, server) = observed(straight());
    pair.connect();
    pair.run(Duration::from_secs(1));
    let last = |pair: &Pair, from: Side| {
        let mut all = pair.log.iter().rev();
        all.find(|(side, _)| *side == from).unwrap().1.clone()
    };
    let to_client = last(&pair, Side::Server);
    let size = to_client.len();
    let mut changed = to_client.clone();
    *changed.last_mut().unwrap() ^= 1;
    let mut foreign = to_client.clone();
    foreign[1] ^= 1;
    let initial = pair.log[0].1.clone();
    for datagram in [&to_client, &changed, &foreign] {
        pair.deliver(Side::Client, datagram);
    }
    pair.deliver(Side::Client, &[0xc0, 1]);
    pair.deliver(Side::Server, &initial);
    let elsewhere = Route {
        remote: ([127, 0, 0, 2], 1).into(),
        ..CLIENT
    };
    let bytes = BytesMut::from(&to_client[..]);
    pair.client
        .receive(at(pair.now), elsewhere, Ecn::NotEct, bytes);
    let version = malformed_negotiation(&pair);
    pair.deliver(Side::Client, &version);
    assert_eq!(
        client
            .with(&["dropped 1-RTT packet", "dropped 2 ", "bytes: "])
            .into_iter()
            .filter(|line| line.starts_with("dropped"))
            .collect::<Vec<_>>(),
        [
            format!("dropped 1-RTT packet of {size} bytes: came before"),
            format!("dropped 1-RTT packet of {size} bytes: does not open"),
            format!("dropped 1-RTT packet of {size} bytes: not of this connection"),
            "dropped 2 bytes: malformed".into(),
            format!("dropped {size} bytes: from elsewhere"),
            format!("dropped {} bytes: unexpected", version.len()),
        ]
    );
    assert_eq!(
        server.with(&["no keys"]),
        ["dropped Initial packet of 1200 bytes: no keys"]
    );
}

fn malformed_negotiation(pair: &Pair) -> Vec<u8> {
    let (own, original) = (pair.client.ids.own(), pair.client.ids.original());
    let mut bytes = vec![0x80, 0, 0, 0, 0];
    for id in [own, original] {
        bytes.push(id.len() as u8);
        bytes.extend_from_slice(&id);
    }
    bytes.extend_from_slice(&[0x1a, 0x2a, 0x3a, 0x4a]);
    bytes
}

#[test]
fn packets_before_their_keys_are_told_of_as_held() {
    let mut held = Vec::new();
    let (mut pair, client, _) = observed(Box::new(move |from, datagram| {
        // The server's first datagram comes late.
        let first = from == Side::Server && held.is_empty();
        if first {
            held = datagram.clone();
        }
        vec![if first { DELAY * 3 } else { DELAY }]
    }));
    pair.connect();
    let held = client.with(&["waits for its keys"]);
    assert!(!held.is_empty());
    assert!(
        held.iter()
            .all(|line| line.starts_with("Handshake packet of ")),
        "{held:?}"
    );
}

#[test]
fn parameters_of_both_sides_are_told_of_as_the_other_side_reads_them() {
    #[derive(Default, Clone)]
    struct Both(Arc<Mutex<Vec<(Party, crate::observe::Parameters)>>>);
    impl Observer for Both {
        fn seen(&mut self, _: Duration, seen: &Seen<'_>) {
            if let Seen::Parameters(of, parameters) = seen {
                self.0.lock().unwrap().push((*of, *parameters));
            }
        }
    }
    let (client, server) = (Both::default(), Both::default());
    let boxed = |both: &Both| {
        let both = both.clone();
        move |_: &Subject| Some(Box::new(both.clone()) as Box<dyn Observer>)
    };
    let mut pair = Pair::with(
        straight(),
        |config| config.datagrams(99).observers(boxed(&client)),
        |config| config.streams(5, 6).observers(boxed(&server)),
    );
    pair.connect();
    let get = |both: &Both, of: Party| {
        let all = both.0.lock().unwrap();
        let mut found = all.iter().filter(|(whose, _)| *whose == of);
        let first = found.next().unwrap().1;
        assert!(found.next().is_none());
        first
    };
    let of_client = get(&client, Party::Local);
    assert_eq!(of_client.datagram_frame, 99);
    assert_eq!(of_client, get(&server, Party::Remote));
    let of_server = get(&server, Party::Local);
    assert_eq!((of_server.streams_bidi, of_server.streams_uni), (5, 6));
    assert_eq!(of_server, get(&client, Party::Remote));
}

#[test]
fn nobody_need_observe() {
    let pair = Pair::with(
        straight(),
        |config| config.observers(|_| None),
        |config| config,
    );
    assert!(!pair.client.watch.is_some());
}

#[test]
fn a_peer_that_moves_is_told_of_with_what_became_of_each_path() {
    let (mut pair, client, server) = observed(straight());
    pair.connect();
    pair.run(Duration::from_secs(1));
    let there = Route {
        remote: ([127, 0, 0, 2], 9999).into(),
        ..CLIENT
    };
    pair.seen_at = there;
    pair.client.ping();
    pair.run(Duration::from_secs(20));
    let told = server.with(&["peer is at", "answers at", "path to"]);
    assert_eq!(
        told,
        [
            "path to 127.0.0.2:9999",
            "asks whether the peer is at 127.0.0.2:9999",
            "asks whether the peer is at 127.0.0.1:4433",
            "the peer is at 127.0.0.2:9999",
            "nobody answers at 127.0.0.1:4433",
        ]
    );
    assert!(client.with(&["path to"]).is_empty());
}
