use super::*;

/// A small generator: the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn percent(&mut self, chance: u64) -> bool {
        self.roll() % 100 < chance
    }
}

/// What a bad network does, in percent of datagrams.
#[derive(Clone, Copy, Default)]
struct Bad {
    loss: u64,
    reorder: u64,
    repeat: u64,
    corrupt: u64,
}

fn bad(bad: Bad, seed: u64) -> Fate {
    let mut dice = Dice(seed);
    Box::new(move |_, datagram| {
        if dice.percent(bad.corrupt) {
            let at = dice.roll() as usize % datagram.len();
            datagram[at] ^= 1 << (dice.roll() % 8);
        }
        if dice.percent(bad.loss) {
            return Vec::new();
        }
        let extra = if dice.percent(bad.reorder) {
            1 + dice.roll() % 30
        } else {
            0
        };
        let delay = DELAY + Duration::from_millis(extra);
        let again = dice.percent(bad.repeat);
        [Some(delay), again.then_some(delay + DELAY)]
            .into_iter()
            .flatten()
            .collect()
    })
}

#[test]
fn data_arrives_whole_over_bad_networks() {
    let rows = [
        (
            "loss",
            Bad {
                loss: 10,
                ..Bad::default()
            },
        ),
        (
            "reorder",
            Bad {
                reorder: 30,
                ..Bad::default()
            },
        ),
        (
            "repeat",
            Bad {
                repeat: 30,
                ..Bad::default()
            },
        ),
        (
            "corrupt",
            Bad {
                corrupt: 10,
                ..Bad::default()
            },
        ),
        (
            "all",
            Bad {
                loss: 10,
                reorder: 10,
                repeat: 10,
                corrupt: 10,
            },
        ),
        (
            "heavy loss",
            Bad {
                loss: 30,
                ..Bad::default()
            },
        ),
    ];
    for (name, network) in rows {
        for seed in 0..6 {
            let keep = |timeout| Some(Duration::from_secs(timeout));
            let mut pair = Pair::with(
                bad(network, seed),
                |client| {
                    client
                        .idle_timeout(keep(120))
                        .handshake_timeout(Duration::from_secs(60))
                },
                |server| {
                    server
                        .idle_timeout(keep(120))
                        .handshake_timeout(Duration::from_secs(60))
                },
            );
            pair.connect();
            for from in [Side::Client, Side::Server] {
                let data = pattern(60_000);
                let got = pair.transfer(from, &data, Duration::from_secs(100));
                assert!(got == data, "{name} {seed} {from:?}");
            }
        }
    }
}

#[test]
fn a_handshake_survives_the_loss_of_any_datagram() {
    for from in [Side::Client, Side::Server] {
        for lost in 0..8 {
            let mut count = 0;
            let fate: Fate = Box::new(move |side, _| {
                let mine = side == from;
                let index = count;
                count += usize::from(mine);
                if mine && index == lost {
                    Vec::new()
                } else {
                    vec![DELAY]
                }
            });
            let mut pair = Pair::new(fate);
            pair.connect();
            let data = pattern(5000);
            assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
            // One probe timeout of the initial guess is a second.
            assert!(
                pair.now - START < Duration::from_secs(3),
                "{from:?} {lost}: {:?}",
                pair.now - START
            );
        }
    }
}

#[test]
fn a_hello_in_two_initial_packets_is_read_in_any_order() {
    // The second half first, by 5 ms; then each half many times.
    let mut sent = 0;
    let reversed: Fate = Box::new(move |from, _| {
        sent += u32::from(from == Side::Client);
        let first = from == Side::Client && sent == 1;
        vec![DELAY + Duration::from_millis(if first { 5 } else { 0 })]
    });
    let repeated: Fate = Box::new(|_, _| {
        (0..5)
            .map(|extra| DELAY + Duration::from_millis(extra))
            .collect()
    });
    for fate in [reversed, repeated] {
        let mut pair = Pair::new(fate);
        pair.connect();
        let first: Vec<_> = pair
            .log
            .iter()
            .take_while(|(from, _)| *from == Side::Client)
            .collect();
        assert_eq!(first.len(), 2, "a hybrid hello takes two datagrams");
        assert!(
            first
                .iter()
                .all(|(_, datagram)| datagram.len() == limits::DATAGRAM)
        );
        assert!(pair.now - START < Duration::from_millis(60));
    }
}

#[test]
fn a_server_sends_three_times_what_came_until_the_client_shows_its_address() {
    // A chain of three RSA certificates is longer than 3 × 2400 bytes; the client's second flight never arrives.
    let (client, server) = tls_with(Kind::Rsa2048, 6, CipherSuite::ALL);
    let client = ClientConfig::new(client).build().unwrap();
    let mut count = 0;
    let fate: Fate = Box::new(move |from, _| {
        count += usize::from(from == Side::Client);
        if from == Side::Client && count > 2 {
            Vec::new()
        } else {
            vec![DELAY]
        }
    });
    let mut pair = Pair::of(fate, &client, ServerConfig::new(server).build().unwrap());
    pair.run(Duration::from_secs(20));
    let sent: usize = pair
        .log
        .iter()
        .filter(|(from, _)| *from == Side::Server)
        .map(|(_, d)| d.len())
        .sum();
    assert!(sent <= 3 * 2400, "{sent}");
    assert!(sent > 3 * 2400 - 1200, "{sent}");

    let (client, server) = tls_with(Kind::Rsa2048, 6, CipherSuite::ALL);
    let client = ClientConfig::new(client).build().unwrap();
    let mut pair = Pair::of(
        straight(),
        &client,
        ServerConfig::new(server).build().unwrap(),
    );
    pair.connect();
    assert!(
        pair.now - START < Duration::from_millis(150),
        "{:?}",
        pair.now - START
    );
}

#[test]
fn datagrams_with_initial_packets_are_expanded() {
    let mut pair = Pair::connected();
    pair.run(Duration::from_millis(100));
    let mut initials = 0;
    for (from, datagram) in &pair.log {
        let initial = datagram[0] & 0xb0 == 0x80;
        initials += usize::from(initial);
        // Of the server's, those that only acknowledge may be short.
        assert!(!initial || *from == Side::Server || datagram.len() == limits::DATAGRAM);
        assert!(datagram.len() <= limits::DATAGRAM);
    }
    assert!(initials >= 3, "{initials}");
}
