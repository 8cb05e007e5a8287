//! RFC 9002 sections 6.2 to 6.4: probe timeouts, and what goes with the keys of a space.

use super::*;
use Space::{Application, Handshake, Initial};

/// What is sent at 1,000 ms (in this order), what was reached, and (deadline in milliseconds, space of the probe).
type Row = (
    &'static str,
    Side,
    &'static [Space],
    fn(&mut Bench),
    Option<(u64, Space)>,
);

#[test]
fn recovery_timeouts_follow_section_6_2() {
    const CLIENT: Side = Side::Client;
    const SERVER: Side = Side::Server;
    fn nothing(_: &mut Bench) {}
    fn keys(bench: &mut Bench) {
        bench.recovery.on_handshake_keys(bench.now);
    }
    fn confirmed(bench: &mut Bench) {
        bench.recovery.on_confirmed(bench.now);
    }
    fn validated(bench: &mut Bench) {
        keys(bench);
        let number = bench.send_in(Handshake);
        bench.ack_in(Handshake, &[(number, number)]);
        bench.recovery.path.rtt = Rtt::new(INITIAL_RTT);
        bench.recovery.set_timer(bench.now);
    }
    fn limited(bench: &mut Bench) {
        bench.recovery.set_amplification_limited(true, bench.now);
    }
    fn unlimited(bench: &mut Bench) {
        limited(bench);
        bench.recovery.set_amplification_limited(false, bench.now);
    }
    fn later_handshake(bench: &mut Bench) {
        bench.at(ms(1100)).send_in(Handshake);
    }
    fn later_initial(bench: &mut Bench) {
        bench.at(ms(1100)).send_in(Initial);
    }
    // 333 ms and four times half of it, and 25 ms for the Application space.
    let rows: &[Row] = &[
        (
            "a client's first flight",
            CLIENT,
            &[Initial],
            nothing,
            Some((1999, Initial)),
        ),
        (
            "a server's first flight",
            SERVER,
            &[Initial, Handshake],
            nothing,
            Some((1999, Initial)),
        ),
        (
            "the earlier of two",
            SERVER,
            &[Initial],
            later_handshake,
            Some((1999, Initial)),
        ),
        (
            "the earlier of two again",
            SERVER,
            &[Handshake],
            later_initial,
            Some((1999, Handshake)),
        ),
        ("nothing sent, server", SERVER, &[], nothing, None),
        (
            "nothing sent, client",
            CLIENT,
            &[],
            keys,
            Some((1999, Handshake)),
        ),
        (
            "1-RTT before confirmation, server",
            SERVER,
            &[Application],
            keys,
            None,
        ),
        (
            "1-RTT after confirmation",
            SERVER,
            &[Application],
            confirmed,
            Some((2024, Application)),
        ),
        (
            "0-RTT alone, client",
            CLIENT,
            &[Application],
            keys,
            Some((1999, Handshake)),
        ),
        ("client, address validated", CLIENT, &[], validated, None),
        (
            "client, validated, 1-RTT",
            CLIENT,
            &[Application],
            validated,
            None,
        ),
        ("amplification limit", SERVER, &[Initial], limited, None),
        (
            "amplification limit lifted",
            SERVER,
            &[Initial],
            unlimited,
            Some((1999, Initial)),
        ),
    ];
    for (name, side, sent, then, want) in rows {
        let mut bench = Bench::new(*side);
        sent.iter().for_each(|space| {
            bench.send_in(*space);
        });
        then(&mut bench);
        assert_eq!(
            bench.recovery.deadline(),
            want.map(|(at, _)| ms(at)),
            "{name}"
        );
        if let Some((at, space)) = *want {
            assert_eq!(
                bench.at(us(at * 1000 - 1)).timeout(),
                Outcome::default(),
                "{name}"
            );
            let before = bench.in_flight();
            let outcome = bench.at(ms(at)).timeout();
            assert_eq!(outcome.probe, Some(space), "{name}");
            // rfc9002#6.2-1
            assert_eq!(
                (outcome.lost_packets, bench.in_flight()),
                (0, before),
                "{name}"
            );
            assert!(bench.recovery.probes_owed(space) > 0, "{name}");
        }
    }
}

#[test]
fn recovery_timeouts_double_until_something_is_acknowledged() {
    let mut bench = Bench::settled_at(ms(80));
    bench.send();
    let base = bench.recovery.probe_timeout();
    assert!(base.abs_diff(ms(80 + 1 + 25)) < us(2), "{base:?}");
    let mut last = bench.now;
    for count in 0..5_u32 {
        let deadline = bench.recovery.deadline().unwrap();
        // rfc9002#6.2.1-4
        assert_eq!(deadline - last, base * 2_u32.pow(count));
        assert_eq!(bench.at(deadline).timeout().probe, Some(Application));
        assert_eq!(bench.recovery.probe_count(), count + 1);
        // Without a packet the timer does not fire for the same one again at once: the owner sends what is owed.
        last = deadline;
        assert_eq!(bench.send() as u32, count + 1);
    }
    bench.ack(&[(5, 5)]);
    assert_eq!(bench.recovery.probe_count(), 0);
    assert_eq!(bench.recovery.probes_owed(Application), 0);
}

#[test]
fn recovery_timeouts_of_a_client_double_on_until_the_server_has_validated_it() {
    let mut bench = Bench::new(Side::Client);
    bench.send_in(Initial);
    bench.at(ms(1999)).timeout();
    bench.send_in(Initial);
    bench.at(ms(2100)).ack_in(Initial, &[(0, 1)]);
    assert_eq!(bench.recovery.probe_count(), 1);
    // rfc9002#6.2.2.1-2: nothing is in flight, and the timer is set.
    let period = bench.recovery.path().rtt().probe_timeout(Duration::ZERO);
    assert_eq!(bench.recovery.deadline(), Some(ms(2100) + period * 2));
    bench.recovery.on_handshake_keys(bench.now);
    let deadline = bench.recovery.deadline().unwrap();
    // rfc9002#6.2.2.1-3
    assert_eq!(bench.at(deadline).timeout().probe, Some(Handshake));
    assert_eq!(bench.recovery.probes_owed(Handshake), 1);
    bench.send_in(Handshake);
    bench.ack_in(Handshake, &[(0, 0)]);
    assert_eq!(
        (bench.recovery.probe_count(), bench.recovery.deadline()),
        (0, None)
    );
}

#[test]
fn recovery_timeouts_saturate() {
    let mut bench = Bench::settled_at(ms(80));
    bench.recovery.set_peer(Duration::MAX, 64);
    for _ in 0..200 {
        bench.send();
        if let Some(deadline) = bench.recovery.deadline() {
            bench.at(deadline).timeout();
        }
    }
    assert_eq!(bench.recovery.deadline(), Some(Duration::MAX));
}

#[test]
fn recovery_probes_go_out_whatever_the_window_says() {
    let mut bench = Bench::settled_at(ms(80));
    while bench
        .recovery
        .can_send(Application, usize::from(SIZE), bench.now)
        == Gate::Open
    {
        bench.send();
    }
    let full = bench.in_flight();
    assert_eq!(full, bench.window());
    let deadline = bench.recovery.deadline().unwrap();
    bench.at(deadline).timeout();
    assert_eq!(
        bench.heard(),
        [vec![], vec![], vec![0, 1]],
        "the oldest are sent again"
    );
    for _ in 0..2 {
        // rfc9002#7.5-1
        assert_eq!(
            bench
                .recovery
                .can_send(Application, usize::from(SIZE), bench.now),
            Gate::Open
        );
        bench.send();
    }
    // rfc9002#7.5-2
    assert_eq!(bench.in_flight(), full + 2 * u64::from(SIZE));
    assert_eq!(
        bench
            .recovery
            .can_send(Application, usize::from(SIZE), bench.now),
        Gate::Closed
    );
}

#[test]
fn recovery_probes_are_owed_in_every_space_with_something_in_flight() {
    let mut bench = Bench::new(Side::Server);
    bench.send_in(Initial);
    bench.send_in(Handshake);
    bench.send_in(Handshake);
    bench.send_in(Application);
    bench.at(ms(1999)).timeout();
    let owed = Space::ALL.map(|space| bench.recovery.probes_owed(space));
    assert_eq!(
        owed,
        [2, 1, 1],
        "1-RTT data sets no timer yet, and goes along"
    );
    assert_eq!(bench.heard()[2], [0, 0, 0]);
    // What elicits no acknowledgment is no probe.
    let mut packet = bench.packet(Initial);
    packet.ack_eliciting = false;
    packet.in_flight = false;
    bench.recovery.on_sent(Initial, packet);
    assert_eq!(bench.recovery.probes_owed(Initial), 2);
    bench.send_in(Initial);
    assert_eq!(bench.recovery.probes_owed(Initial), 1);
}

#[test]
fn recovery_of_a_space_goes_with_its_keys() {
    let mut bench = Bench::new(Side::Server);
    bench.send_in(Initial);
    bench.at(ms(1100)).send_in(Handshake);
    bench.at(ms(1999)).timeout();
    assert_eq!(bench.recovery.probe_count(), 1);
    bench.recovery.discard_space(Initial, bench.now);
    // rfc9002#6.4-1
    assert_eq!(bench.in_flight(), u64::from(SIZE));
    assert_eq!(bench.recovery.probes_owed(Initial), 0);
    // rfc9002#6.2.2-1
    assert_eq!(bench.recovery.probe_count(), 0);
    assert_eq!(bench.recovery.deadline(), Some(ms(2099)));
    assert_eq!(bench.recovery.next_number(Initial, || 0), None);
    assert_eq!(bench.recovery.can_send(Initial, 1, bench.now), Gate::Closed);
    // A late ACK frame for it changes nothing.
    assert_eq!(bench.ack_in(Initial, &[(0, 0)]), Outcome::default());
    bench.recovery.discard_space(Handshake, bench.now);
    assert_eq!((bench.in_flight(), bench.recovery.deadline()), (0, None));
}

#[test]
fn recovery_starts_over_after_a_retry() {
    let mut bench = Bench::new(Side::Client);
    assert_eq!(bench.send_in(Initial), 0);
    bench.send_in(Application);
    bench.at(ms(1999)).timeout();
    bench.heard();
    bench.recovery.on_retry(bench.now, &mut bench.settled);
    assert_eq!(bench.heard(), [vec![], vec![0, 0], vec![]]);
    assert_eq!((bench.in_flight(), bench.recovery.probe_count()), (0, 0));
    assert_eq!(bench.recovery.deadline(), Some(ms(1999 + 999)));
    // Packet numbers go on.
    assert_eq!(bench.send_in(Initial), 1);
}

#[test]
fn recovery_forgets_early_data_that_was_rejected() {
    let mut bench = Bench::new(Side::Client);
    bench.send_in(Initial);
    bench.send_in(Application);
    bench.send_in(Application);
    bench
        .recovery
        .on_early_data_rejected(bench.now, &mut bench.settled);
    assert_eq!(bench.heard(), [vec![], vec![0, 1], vec![]]);
    assert_eq!(bench.in_flight(), u64::from(SIZE));
    assert_eq!(bench.send_in(Application), 2);
}

#[test]
fn recovery_forgets_what_a_space_had_lost_with_what_it_gives_up() {
    for (rejected, late) in [(false, 2), (true, 0)] {
        let mut bench = Bench::new(Side::Client);
        for _ in 0..5 {
            bench.send_in(Application);
        }
        assert_eq!(bench.ack(&[(4, 4)]).lost_packets, 2);
        if rejected {
            let settled = &mut bench.settled;
            bench.recovery.on_early_data_rejected(bench.now, settled);
        }
        assert_eq!(bench.ack(&[(0, 1)]).late_packets, late, "{rejected}");
    }
}

#[test]
fn recovery_numbers_end_before_the_last() {
    let mut bench = Bench::settled_at(ms(80));
    let mut packet = bench.packet(Application);
    packet.number = PacketNumber::new(limits::VARINT - 1).unwrap();
    bench.recovery.on_sent(Application, packet);
    assert_eq!(bench.recovery.next_number(Application, || 0), None);
    bench.ack(&[(limits::VARINT - 1, limits::VARINT - 1)]);
    assert_eq!(bench.in_flight(), 0);
    let unsent = bench.try_ack(
        Application,
        &[(limits::VARINT, limits::VARINT)],
        ms(0),
        None,
    );
    assert_eq!(unsent.err(), Some(Fault::UnsentAcked));
}
