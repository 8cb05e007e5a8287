//! What an endpoint tells of its decisions, and counts.

use std::sync::Mutex;

use super::*;
use crate::observe::Observer;

#[derive(Default, Clone)]
struct Notebook(Arc<Mutex<Vec<String>>>);

impl Observer for Notebook {
    fn seen(&mut self, _: Duration, seen: &Seen<'_>) {
        self.0.lock().unwrap().push(seen.to_string());
    }
}

impl Notebook {
    fn take(&self) -> Vec<String> {
        core::mem::take(&mut self.0.lock().unwrap())
    }
}

/// An endpoint, and what it tells.
fn observed(config: EndpointConfig) -> (Net, Notebook) {
    let book = Notebook::default();
    (Net::new(config.observer(Box::new(book.clone()))), book)
}

const ASKS: &str = "192.0.2.1:50000: client asks";

fn incoming(net: &mut Net) -> Incoming {
    let hello = net.hello();
    let route = from(CLIENT.0, CLIENT.1);
    drop(net.server_takes(route, &hello[0]));
    match net.server_takes(route, &hello[1]).0 {
        Routed::Incoming(incoming) => incoming,
        other => panic!("{}", kind(&other)),
    }
}

#[test]
fn each_decision_about_a_client_is_told_and_counted() {
    type Act = fn(&mut Net, Incoming);
    let rows: [(&str, Act, fn(&EndpointStats) -> u64); 4] = [
        (
            "client accepted",
            |net, incoming| {
                let now = at(net.now);
                drop(net.server.accept(incoming, &net.server_config, now));
            },
            |stats| stats.accepted,
        ),
        (
            "client refused",
            |net, incoming| assert!(net.server.refuse(&incoming, &mut [0; 1200]).is_some()),
            |stats| stats.refused,
        ),
        (
            "client ignored",
            |net, incoming| net.server.ignore(&incoming),
            |stats| stats.ignored,
        ),
        (
            "Retry sent",
            |net, incoming| {
                assert!(
                    net.server
                        .retry(&incoming, at(net.now), &mut [0; 1200])
                        .is_some()
                )
            },
            |stats| stats.retries,
        ),
    ];
    for (words, act, counted) in rows {
        let (mut net, book) = observed(serving());
        let incoming = incoming(&mut net);
        assert_eq!(counted(&net.server.stats()), 0, "{words}");
        act(&mut net, incoming);
        assert_eq!(
            book.take(),
            [ASKS.into(), format!("192.0.2.1:50000: {words}")]
        );
        let stats = net.server.stats();
        assert_eq!(
            (counted(&stats), stats.asked, stats.received),
            (1, 1, 2),
            "{words}"
        );
    }
}

#[test]
fn answers_without_a_connection_are_told() {
    let (mut net, book) = observed(serving().retrying(Retrying::Always));
    let hello = net.hello()[0].clone();
    net.server_receives(&hello);
    let answered = net.flights(Side::Client)[0].clone();
    drop(net.server_takes(from(2, 50_000), &answered));
    let mut unknown = hello.clone();
    unknown[1..5].copy_from_slice(&[0xba, 0xba, 0xba, 0xba]);
    drop(net.server_takes(from(3, 50_000), &unknown));
    drop(net.server_takes(from(4, 50_000), &[0x41; 100]));
    drop(net.server_takes(from(5, 123), &[0x41; 100]));
    assert_eq!(
        book.take(),
        [
            "192.0.2.1:50000: Retry sent",
            "192.0.2.2:50000: client refused: its token is wrong",
            "192.0.2.3:50000: Version Negotiation sent",
            "192.0.2.4:50000: Stateless Reset sent",
            "192.0.2.5:123: dropped: belongs nowhere",
        ]
    );
    let stats = net.server.stats();
    let counts = [
        stats.retries,
        stats.invalid_tokens,
        stats.negotiations,
        stats.resets,
        stats.dropped,
    ];
    assert_eq!((counts, stats.received), ([1; 5], 5));
}

#[test]
fn time_a_full_endpoint_and_other_workers_are_told() {
    let (mut net, book) = observed(serving().half_open(1));
    let hello = net.hello();
    drop(net.server_takes(from(1, 1000), &hello[0]));
    let later = net.now + limits::CALM_ATTEMPT_TIME;
    net.server.on_deadline(at(later));
    net.server.on_deadline(at(later));
    assert_eq!(book.take(), ["1 clients expired"]);
    let client = incoming(&mut net);
    let now = at(net.now);
    drop(net.server.accept(client, &net.server_config, now).unwrap());
    let held = net.server.stats();
    assert_eq!((held.connections, held.half_open, held.attempts), (1, 1, 0));
    book.take();
    drop(net.server_takes(from(6, 1000), &hello[0]));
    assert_eq!(
        book.take(),
        [
            "192.0.2.6:1000: dropped: too many unfinished handshakes",
            "192.0.2.6:1000: dropped: belongs nowhere",
        ]
    );
    let config = |worker| serving().worker(&[3; 32], worker, 4).unwrap();
    let (mut net, book) = observed(config(2));
    let mut other = Endpoint::new(config(1), at(START)).unwrap();
    let id = other.mint().unwrap().id;
    drop(net.server_takes(from(7, 1), &[&[0x41][..], &id, &[9; 60]].concat()));
    assert_eq!(book.take(), ["192.0.2.7:1: forwarded to worker 1"]);
    assert_eq!(net.server.stats().forwarded, 1);
}

#[test]
fn a_client_that_comes_back_with_a_token_asks_as_one_that_is_known() {
    let (mut net, book) = observed(serving());
    net.connect();
    net.run();
    assert_eq!(book.take()[0], ASKS);
    let stats = net.server.stats();
    assert_eq!((stats.asked, stats.accepted, stats.half_open), (1, 1, 0));
    let (sent, routed) = (stats.received, stats.routed);
    // The hello came in two datagrams.
    assert_eq!(routed, sent - 2);
    assert_eq!(net.client.stats().connected, 1);
    (net.client_connection, net.server_connection) = (None, None);
    net.connect();
    net.run();
    assert_eq!(book.take()[0], format!("{ASKS}, validated"));
}
