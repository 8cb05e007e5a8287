//! The interop runner's scenarios. Its link has 10 Mbit/s, 15 ms each way and a queue of 25 packets: 10 MB take 8.2 s at the least, headers included.

use pith_quic::observe::EcnState;

use super::*;

/// A scenario and the longest virtual time that it may take.
struct Scenario {
    name: &'static str,
    tune: Tune,
    there: Link,
    back: Link,
    asks: Vec<usize>,
    most: Duration,
    /// When a NAT shows the client at which addresses.
    moves: Vec<(Duration, SocketAddr)>,
    /// What has to be true at the end.
    check: fn(&mut Network<Host>),
}

impl Scenario {
    fn new(name: &'static str, asks: &[usize], most: u64) -> Self {
        Self {
            name,
            tune: USUAL,
            there: usual(),
            back: usual(),
            asks: asks.to_vec(),
            most: Duration::from_millis(most),
            moves: Vec::new(),
            check: |_| (),
        }
    }

    fn tune(mut self, tune: Tune) -> Self {
        self.tune = tune;
        self
    }

    /// The same link in both directions.
    fn over(mut self, link: Link) -> Self {
        (self.there, self.back) = (link.clone(), link);
        self
    }

    fn check(mut self, check: fn(&mut Network<Host>)) -> Self {
        self.check = check;
        self
    }

    /// The client is seen at another address so often, from then on.
    fn moves(mut self, first: Duration, each: Duration, to: fn(u8) -> SocketAddr) -> Self {
        let moves = (1..20).map(|number| (first + each * u32::from(number - 1), to(number)));
        self.moves = moves.collect();
        self
    }

    fn run(self) {
        let name = self.name;
        let (mut network, config) = scene(self.tune, self.there, self.back);
        for (at, address) in self.moves {
            network.rebind(CLIENT, at, address);
        }
        let took = fetch(&mut network, &config, &self.asks, 60 * SECOND);
        let stats = network.nodes[SERVER].connection().map(Connection::stats);
        let why = network.nodes[CLIENT].closed();
        assert!(
            took.is_some_and(|took| took <= self.most),
            "{name}: {took:?}, {why:?}, {stats:?}"
        );
        (self.check)(&mut network);
    }
}

/// Both sides mark their packets and have seen that the marks arrive.
fn is_marked(network: &mut Network<Host>) {
    // What the client sent last is acknowledged late.
    network.run(SECOND, |_, _| false);
    for host in &network.nodes {
        let stats = host.connection().unwrap().stats();
        assert_eq!(stats.ecn, EcnState::Capable);
    }
    // All of the server's but what goes out between the tenth packet and the first answer.
    let stats = network.stats(SERVER, CLIENT);
    assert!(stats.capable * 10 >= stats.sent * 8, "{stats:?}");
    assert_eq!((stats.marked, stats.bleached), (0, 0));
}

/// The server has followed the client, and knows for certain of all moves but the last.
fn has_followed(network: &mut Network<Host>) {
    let end = network.nodes[SERVER].ends.values().next().unwrap();
    let (certain, all) = (end.moves.len() as u64, end.connection.stats().moves);
    assert!(
        certain > 0 && (certain..=certain + 1).contains(&all),
        "{all}"
    );
    assert_ne!(end.connection.route(), route(network.nodes[CLIENT].home));
}

const MB: usize = 1_000_000;

#[test]
fn handshakes_are_done_in_their_time() {
    let retry = Tune {
        retry: true,
        ..USUAL
    };
    // Nine certificates, 12 KB. No path of more than six CAs is verified, so the client knows the server by its key.
    let chain = Tune {
        intermediates: 8,
        bulk: 9000,
        pinned: true,
        ..USUAL
    };
    // The eighth datagram is the first to arrive after the first: two go out after each probe timeout, of 1, 2 and 4 s.
    let mut few = Scenario::new("amplificationlimit", &[1000], 7200).tune(chain);
    few.there.dropped = (2..=7).collect();
    for scenario in [
        // Two round trips, and what a hybrid handshake takes on the link.
        Scenario::new("handshake", &[1000], 70),
        // Two round trips: the hello that is sent again in between costs nothing.
        Scenario::new("longrtt", &[1000], 3050).over(Link::of(750 * MS)),
        // Three round trips.
        Scenario::new("retry", &[1000], 105).tune(retry),
        few,
    ] {
        scenario.run();
    }
}

/// Both sides have gone on in version 2.
fn is_version_two(network: &mut Network<Host>) {
    for host in &network.nodes {
        assert_eq!(host.connection().unwrap().version(), Version::V2);
    }
}

#[test]
fn version_two_is_negotiated_in_the_time_of_version_one() {
    const BOTH: &[Version] = &[Version::V1, Version::V2];
    const TURNING: &[Version] = &[Version::V2, Version::V1];
    let tune = |versions| Tune { versions, ..USUAL };
    let lossy = Link {
        loss: 20,
        in_a_row: 3,
        ..usual()
    };
    for scenario in [
        // The client begins in version 1, as in every handshake: two round trips.
        Scenario::new("v2", &[1000], 70).tune(tune([BOTH, TURNING])),
        Scenario::new("v2 by Retry", &[1000], 105).tune(Tune {
            retry: true,
            ..tune([BOTH, TURNING])
        }),
        Scenario::new("v2 at once", &[1000], 70).tune(tune([TURNING, TURNING])),
        // One more round trip, for a server that does not speak version 1.
        Scenario::new("v2 alone", &[1000], 105).tune(tune([BOTH, &[Version::V2]])),
        Scenario::new("v2 over a bad link", &[2 * MB], 9000)
            .tune(tune([BOTH, TURNING]))
            .over(lossy),
    ] {
        scenario.check(is_version_two).run();
    }
}

#[test]
fn transfers_are_done_in_their_time() {
    for scenario in [
        // 8.2 s on the link, and a handshake.
        Scenario::new("transfer", &[5 * MB, 3 * MB, 2 * MB], 8500),
        // Twenty rounds of a hundred streams, each two round trips: one for the answers, one for more streams. An acknowledgment waits 25 ms where the
        // answers come in an odd number of packets, and where it is what more streams wait for that adds up; 1.25 s without.
        Scenario::new("multiplexing", &[32; 1999], 1450),
        Scenario::new("goodput", &[10 * MB], 8500),
    ] {
        scenario.run();
    }
}

#[test]
fn transfers_survive_a_bad_link_in_their_time() {
    let lossy = Link {
        loss: 20,
        in_a_row: 3,
        ..usual()
    };
    let corrupting = Link {
        corrupt: 20,
        in_a_row: 3,
        ..usual()
    };
    let hole = Link {
        outage: Outage::Each(5 * SECOND, 2 * SECOND),
        ..usual()
    };
    for scenario in [
        // With a loss in fifty a window of 1.22 / √0.02 packets stands (Mathis): in round trips of 30 ms that is 345 KB a second and so 5.8 s, more in a full queue.
        Scenario::new("transferloss", &[2 * MB], 9000).over(lossy),
        Scenario::new("transfercorruption", &[2 * MB], 9000).over(corrupting),
        // Three of five seconds carry; after each of two holes, of 2 s, the next probe may be as far away as the hole was long.
        Scenario::new("blackhole", &[10 * MB], 17_000).over(hole),
    ] {
        scenario.run();
    }
}

#[test]
fn marks_are_counted_and_heeded() {
    let congest = Link {
        marking: Marking::Congest(20),
        ..usual()
    };
    let bleach = Link {
        marking: Marking::Bleach,
        ..usual()
    };
    let failed = |network: &mut Network<Host>| {
        let stats = network.nodes[SERVER].connection().unwrap().stats();
        assert_eq!(stats.ecn, EcnState::Failed);
    };
    let heeded = |network: &mut Network<Host>| {
        let stats = network.nodes[SERVER].connection().unwrap().stats();
        assert_eq!(stats.ecn, EcnState::Capable);
        // Far more than the queue has lost.
        assert!(stats.congestion_events > 5, "{stats:?}");
    };
    for scenario in [
        // Two round trips, 82 ms on the link, and a window that begins with ten packets.
        Scenario::new("ecn", &[100_000], 190).check(is_marked),
        // As much as losses would have cost: see above.
        Scenario::new("congestion is marked", &[MB], 3000)
            .over(congest)
            .check(heeded),
        Scenario::new("marks are bleached", &[MB], 1500)
            .over(bleach)
            .check(failed),
    ] {
        scenario.run();
    }
}

#[test]
fn a_client_that_a_nat_moves_gets_its_data_in_time() {
    let port: fn(u8) -> SocketAddr = |number| address(1, 50_000 + u16::from(number));
    let host: fn(u8) -> SocketAddr = |number| address(10 + number, 50_000);
    let (first, each) = (5 * SECOND, 5 * SECOND);
    for scenario in [
        // A move costs what is on its way, and where the client happens to have nothing to say its silence too.
        Scenario::new("rebind-port", &[10 * MB], 9000).moves(first, each, port),
        Scenario::new("rebind-addr", &[10 * MB], 9000).moves(first, each, host),
        Scenario::new("another port each second", &[10 * MB], 11_500).moves(SECOND, SECOND, port),
        Scenario::new("another host each second", &[10 * MB], 11_500).moves(SECOND, SECOND, host),
    ] {
        scenario.check(has_followed).run();
    }
}

/// The client updates its keys in the first megabyte, and the server follows within it.
#[test]
fn keys_are_updated_within_the_first_megabyte() {
    let (mut network, config) = scene(USUAL, usual(), usual());
    let key = network.nodes[CLIENT].connect(&config, &[3 * MB], Duration::ZERO);
    let mut asked = false;
    let updated = network.run(60 * SECOND, |nodes, _| {
        let end = nodes[CLIENT].ends.get_mut(&key).unwrap();
        if !asked && end.connection.is_established() {
            end.connection.update_keys();
            asked = true;
        }
        let sides = nodes.iter().filter_map(Host::connection);
        sides.filter(|end| end.stats().key_updates == 1).count() == 2
    });
    let got = network.nodes[CLIENT].connection().unwrap().stats();
    assert!(
        updated.is_some() && got.bytes_received < MB as u64,
        "{got:?}"
    );
    let done = network.run(60 * SECOND, |nodes, _| {
        nodes[CLIENT].ends[&key].answered == 1
    });
    let most = Duration::from_millis(2600);
    assert!(done.is_some_and(|at| at <= most), "{done:?}");
    for host in &network.nodes {
        assert_eq!(host.connection().unwrap().stats().key_updates, 1);
    }
}
