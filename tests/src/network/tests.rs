//! Each fault measured alone, and that a seed replays.

use super::*;

/// Sends numbered datagrams at a pace, and keeps what comes.
struct Source {
    home: SocketAddr,
    to: SocketAddr,
    left: u32,
    every: Duration,
    next: Duration,
    length: usize,
    got: Vec<(Duration, Datagram)>,
}

fn address(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], port))
}

fn source(own: u8, other: u8, count: u32) -> (SocketAddr, Source) {
    let home = address(own, 1);
    let source = Source {
        home,
        to: address(other, 1),
        left: count,
        every: MS,
        next: Duration::ZERO,
        length: 1000,
        got: Vec::new(),
    };
    (home, source)
}

const MS: Duration = Duration::from_millis(1);

impl Node for Source {
    fn receive(&mut self, now: Duration, datagram: Datagram) {
        self.got.push((now, datagram));
    }

    fn transmit(&mut self, now: Duration) -> Vec<Datagram> {
        if self.left == 0 || now < self.next {
            return Vec::new();
        }
        self.left -= 1;
        self.next = now + self.every;
        let mut bytes = vec![0; self.length];
        bytes[..4].copy_from_slice(&self.left.to_be_bytes());
        vec![Datagram {
            from: self.home,
            to: self.to,
            ecn: Mark::Ect0,
            bytes,
        }]
    }

    fn deadline(&self) -> Option<Duration> {
        (self.left > 0).then_some(self.next)
    }

    fn on_deadline(&mut self, _: Duration) {}
}

fn run(seed: u64, count: u32, link: Link) -> Network<Source> {
    let nodes = vec![source(1, 2, count), source(2, 1, 0)];
    let mut network = Network::new(seed, nodes);
    network.join(0, 1, link, Link::default());
    assert_eq!(network.run(Duration::from_secs(60), |_, _| false), None);
    network
}

fn numbers(network: &Network<Source>) -> Vec<u32> {
    let got = network.nodes[1].got.iter();
    got.map(|(_, datagram)| u32::from_be_bytes(datagram.bytes[..4].try_into().unwrap()))
        .collect()
}

#[test]
fn a_good_link_carries_everything_in_order_after_its_delay() {
    let network = run(1, 100, Link::of(7 * MS));
    assert_eq!(numbers(&network), (0..100).rev().collect::<Vec<_>>());
    for (sent, (at, datagram)) in (0..).zip(&network.nodes[1].got) {
        assert_eq!(*at, (7 + sent) * MS);
        assert_eq!((datagram.from, datagram.ecn), (address(1, 1), Mark::Ect0));
    }
    assert_eq!(network.stats(0, 1).arriving, 100);
}

#[test]
fn each_fault_comes_as_often_as_was_asked() {
    type Count = fn(&Stats) -> u64;
    let ten = MS * 10;
    let rows: [(&str, Link, Count, std::ops::RangeInclusive<u64>); 12] = [
        (
            "loss",
            Link {
                loss: 100,
                ..Link::default()
            },
            |s| s.lost,
            450..=550,
        ),
        // A run of 1 to 3, twice as many on average, begins at each tenth that is not in one.
        (
            "bursts",
            Link {
                loss: 100,
                burst: 3,
                ..Link::default()
            },
            |s| s.lost,
            820..=1000,
        ),
        (
            "reorder",
            Link {
                reorder: (100, ten),
                ..Link::default()
            },
            |s| s.held,
            450..=550,
        ),
        (
            "duplicate",
            Link {
                duplicate: 100,
                ..Link::default()
            },
            |s| s.doubled,
            450..=550,
        ),
        (
            "corrupt",
            Link {
                corrupt: 100,
                ..Link::default()
            },
            |s| s.corrupted,
            450..=550,
        ),
        // 1,000,000 bytes come a second, half of which can leave.
        (
            "tail",
            Link {
                rate: Some(500_000),
                queue: 10_000,
                ..Link::default()
            },
            |s| s.tail,
            2400..=2500,
        ),
        (
            "mtu",
            Link {
                mtu: vec![(MS * 1000, 999)],
                ..Link::default()
            },
            |s| s.too_large,
            4000..=4000,
        ),
        (
            "mtu at its limit",
            Link {
                mtu: vec![(MS, 1000)],
                ..Link::default()
            },
            |s| s.too_large,
            0..=0,
        ),
        (
            "congest",
            Link {
                marking: Marking::Congest(100),
                ..Link::default()
            },
            |s| s.marked,
            450..=550,
        ),
        (
            "bleach",
            Link {
                marking: Marking::Bleach,
                ..Link::default()
            },
            |s| s.bleached,
            5000..=5000,
        ),
        (
            "out",
            Link {
                outage: Outage::Each(MS * 5000, MS * 2000),
                ..Link::default()
            },
            |s| s.out,
            2000..=2000,
        ),
        (
            "dropped",
            Link {
                dropped: vec![2, 7, 5001],
                ..Link::default()
            },
            |s| s.lost,
            2..=2,
        ),
    ];
    for (name, link, count, want) in rows {
        let network = run(3, 5000, link);
        let stats = network.stats(0, 1);
        assert!(want.contains(&count(&stats)), "{name}: {stats:?}");
        let gone = stats.lost + stats.out + stats.too_large + stats.tail;
        assert_eq!(stats.sent, 5000, "{name}");
        assert_eq!(stats.arriving + gone, 5000, "{name}");
        let got = &network.nodes[1].got;
        assert_eq!(got.len() as u64, stats.arriving + stats.doubled, "{name}");
        let order = numbers(&network);
        let sorted = order.is_sorted_by(|a, b| a >= b);
        assert_eq!(sorted, !matches!(name, "reorder" | "corrupt"), "{name}");
        let marks = |mark| got.iter().filter(|(_, d)| d.ecn == mark).count() as u64;
        assert_eq!(marks(Mark::Ce), stats.marked, "{name}");
        assert_eq!(marks(Mark::NotEct), stats.bleached, "{name}");
        let flipped = |d: &Datagram| d.bytes[4..].iter().any(|byte| *byte != 0);
        let flipped = got.iter().filter(|(_, d)| flipped(d)).count() as u64;
        // Some flips hit the number.
        assert!(
            flipped <= stats.corrupted && flipped + 20 > stats.corrupted,
            "{name}"
        );
    }
}

#[test]
fn at_most_so_many_in_a_row_are_lost() {
    for (burst, most) in [(1, 3), (5, 2)] {
        let link = Link {
            loss: 600,
            burst,
            in_a_row: most,
            ..Link::default()
        };
        let network = run(1, 5000, link);
        let fates = network.trace().iter().map(|entry| entry.fate == Fate::Lost);
        let fates: Vec<_> = fates.collect();
        let longest = fates.split(|lost| !lost).map(<[bool]>::len).max();
        assert_eq!(longest, Some(most as usize));
    }
}

#[test]
fn jitter_delays_and_does_not_overtake() {
    let link = Link {
        jitter: MS * 20,
        ..Link::of(MS * 5)
    };
    let network = run(1, 2000, link);
    assert!(numbers(&network).is_sorted_by(|a, b| a > b));
    let delays: Vec<_> = (0..)
        .zip(&network.nodes[1].got)
        .map(|(sent, (at, _))| *at - sent * MS)
        .collect();
    assert!(delays.iter().all(|delay| (MS * 5..MS * 25).contains(delay)));
    assert!(delays.iter().max() > Some(&(MS * 20)) && delays.iter().min() < Some(&(MS * 10)));
}

#[test]
fn a_rate_spaces_datagrams() {
    let network = run(
        1,
        20,
        Link {
            rate: Some(100_000),
            queue: 1_000_000,
            ..Link::default()
        },
    );
    for (sent, (at, _)) in (1..).zip(&network.nodes[1].got) {
        assert_eq!(*at, sent * MS * 10);
    }
}

#[test]
fn a_rebound_node_is_seen_elsewhere_and_lost_where_it_was() {
    let mut network = Network::new(1, vec![source(1, 2, 10), source(2, 1, 10)]);
    network.join(0, 1, Link::default(), Link::of(MS));
    network.rebind(0, MS * 5, address(1, 99));
    network.run(Duration::from_secs(1), |_, _| false);
    let seen: Vec<_> = network.nodes[1]
        .got
        .iter()
        .map(|(_, d)| d.from.port())
        .collect();
    assert_eq!(seen, [1, 1, 1, 1, 1, 99, 99, 99, 99, 99]);
    // Sent in the milliseconds 0 to 3, since what is under way at the fifth is lost.
    assert_eq!(network.nodes[0].got.len(), 4);
}

#[test]
fn a_seed_replays_and_another_does_not() {
    let link = Link {
        jitter: MS * 3,
        loss: 50,
        burst: 3,
        reorder: (50, MS * 9),
        duplicate: 50,
        corrupt: 50,
        rate: Some(990_000),
        queue: 5000,
        marking: Marking::Congest(50),
        ..Link::of(MS)
    };
    let trace = |seed| {
        let network = run(seed, 1000, link.clone());
        (network.trace().to_vec(), network.nodes[1].got.clone())
    };
    let first = trace(1);
    assert_eq!(trace(1), first);
    assert_ne!(trace(2).0, first.0);
}

#[test]
fn it_ends_when_it_is_done_or_out_of_time() {
    let mut network = Network::new(1, vec![source(1, 2, 10), source(2, 1, 0)]);
    network.join(0, 1, Link::of(MS), Link::default());
    let done = |nodes: &mut [Source], _| nodes[1].got.len() == 3;
    assert_eq!(network.run(Duration::from_secs(1), done), Some(MS * 3));
    assert_eq!(network.run(MS * 2, |_, _| false), None);
    assert_eq!(network.now(), MS * 5);
}
