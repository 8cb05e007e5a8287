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
    // A chain of two ML-DSA certificates is longer than 3 × 2400 bytes; the client's second flight never arrives.
    let (client, server) = tls_with(Kind::MlDsa44, 1, CipherSuite::ALL);
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

    let stats = pair.server().stats();
    assert_eq!(
        stats.probe_timeouts, 0,
        "no probe can be sent, so none is due"
    );
    let (client, server) = tls_with(Kind::MlDsa44, 1, CipherSuite::ALL);
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

#[test]
fn a_client_frees_a_server_that_may_not_send() {
    // The server's chain takes more than three times the hello; all that the client sends in answer is lost at first, so that only the client's probes help.
    let (client, server) = tls_with(Kind::MlDsa44, 1, CipherSuite::ALL);
    let client = ClientConfig::new(client).build().unwrap();
    let mut count = 0;
    let fate: Fate = Box::new(move |from, _| {
        count += usize::from(from == Side::Client);
        if from == Side::Client && (3..=6).contains(&count) {
            Vec::new()
        } else {
            vec![DELAY]
        }
    });
    let mut pair = Pair::of(fate, &client, ServerConfig::new(server).build().unwrap());
    pair.connect();
    assert!(pair.client.stats().probe_timeouts > 0);
    assert!(
        pair.now - START < Duration::from_secs(5),
        "{:?}",
        pair.now - START
    );
    // Nothing at all of the server arrives: the client sends whole Initial datagrams on each timeout.
    let fate: Fate = Box::new(|from, _| {
        if from == Side::Client {
            vec![DELAY]
        } else {
            Vec::new()
        }
    });
    let mut pair = Pair::new(fate);
    pair.run(Duration::from_secs(10));
    let sent: Vec<_> = pair
        .log
        .iter()
        .filter(|(from, _)| *from == Side::Client)
        .collect();
    assert!(
        sent.len() > 6
            && sent
                .iter()
                .all(|(_, datagram)| datagram.len() == limits::DATAGRAM)
    );
}

#[test]
fn a_closing_server_keeps_to_three_times_what_came() {
    let pki = Pki::new();
    let client = pith_tls::ClientConfig::new(trust(&pki))
        .alpn(&[b"other"])
        .build()
        .unwrap();
    let server = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME)))
        .alpn(&[b"test"])
        .build()
        .unwrap();
    let client = ClientConfig::new(client).build().unwrap();
    let mut count = 0;
    // The client hears nothing, and what it sends is too little to answer often.
    let fate: Fate = Box::new(move |from, _| {
        count += usize::from(from == Side::Client);
        if from == Side::Client && count <= 2 {
            vec![DELAY]
        } else {
            Vec::new()
        }
    });
    let mut pair = Pair::of(fate, &client, ServerConfig::new(server).build().unwrap());
    let closing = pair.run_until(Duration::from_secs(1), |pair| {
        pair.server
            .as_ref()
            .is_some_and(|server| server.state == State::Closing)
    });
    assert!(closing);
    let mut buffer = [0; 1500];
    let mut sent = 0;
    let now = at(pair.now);
    for _ in 0..10_000 {
        // A byte each: attributed to the connection, and worth three.
        pair.server()
            .receive(now, CLIENT, Ecn::NotEct, BytesMut::from(&[0x40][..]));
        sent += pair
            .server()
            .transmit(now, &mut buffer)
            .map_or(0, |batch| batch.length);
    }
    let server = pair.log.iter().filter(|(from, _)| *from == Side::Server);
    let before: usize = server.map(|(_, datagram)| datagram.len()).sum();
    assert!(before + sent <= 3 * (2400 + 10_000), "{before} {sent}");
}

#[test]
fn packets_of_one_datagram_go_to_one_id_and_no_short_header_spins() {
    let mut pair = Pair::connected();
    let data = pattern(50_000);
    assert_eq!(
        pair.transfer(Side::Server, &data, Duration::from_secs(9)),
        data
    );
    let mut coalesced = 0;
    for (_, datagram) in &pair.log {
        let mut rest = &datagram[..];
        let mut ids = Vec::new();
        while !rest.is_empty() {
            let Ok(Packet::Protected(header)) = header::decode(rest, 8, QuicBit::Any) else {
                panic!("no packet");
            };
            assert!(header.long.is_some() || rest[0] & 0x20 == 0, "the spin bit");
            ids.push(header.dcid);
            rest = &rest[header.end..];
        }
        coalesced += usize::from(ids.len() > 1);
        assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
    }
    assert!(coalesced >= 2, "{coalesced}");
}
