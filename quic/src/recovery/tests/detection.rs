//! RFC 9002 section 6.1, and RFC 9000 sections 13.1 and 21.4.

use super::*;

/// Packets 0 to 9, sent a millisecond apart from 0 ms on; then ACK frames as (when, ranges, lost).
type Row = (
    &'static str,
    &'static [(u64, &'static [(u64, u64)], &'static [u64])],
    Option<Duration>,
);

#[test]
fn recovery_losses_follow_section_6_1() {
    // The round trip is 80 ms, so a packet is lost 90 ms after it was sent.
    let rows: &[Row] = &[
        (
            "in order",
            &[(80, &[(0, 0)], &[]), (81, &[(0, 1)], &[])],
            None,
        ),
        ("one overtaken", &[(81, &[(1, 1)], &[])], Some(ms(90))),
        ("two overtook", &[(82, &[(1, 2)], &[])], Some(ms(90))),
        ("three overtook", &[(83, &[(1, 3)], &[0])], None),
        (
            "three numbers later",
            &[(83, &[(3, 3)], &[0])],
            Some(ms(91)),
        ),
        (
            "several",
            &[(89, &[(9, 9)], &[0, 1, 2, 3, 4, 5, 6])],
            Some(ms(97)),
        ),
        (
            "not what was sent later",
            &[(83, &[(3, 3)], &[0]), (84, &[(3, 4)], &[1])],
            Some(ms(92)),
        ),
        (
            "holes",
            &[(89, &[(8, 8), (5, 6), (2, 3)], &[0, 1, 4])],
            Some(ms(97)),
        ),
        (
            "filled late",
            &[(82, &[(2, 2)], &[]), (83, &[(0, 2)], &[])],
            None,
        ),
    ];
    for (name, acks, deadline) in rows {
        let mut bench = Bench::settled_at(ms(80));
        for sent_at in 0..10 {
            bench.at(ms(sent_at)).send();
        }
        for (at, ranges, want) in *acks {
            let before = bench.in_flight();
            // The samples are 80 ms exactly.
            let delay = Duration::ZERO;
            let largest = ranges[0].1;
            bench.at(ms(*at));
            let outcome = bench
                .try_ack(Space::Application, ranges, delay, None)
                .unwrap();
            let [acked, lost, resend] = bench.heard();
            assert_eq!((&lost[..], &resend[..]), (*want, &[][..]), "{name}");
            assert_eq!(outcome.lost_packets as usize, lost.len(), "{name}");
            let gone = (acked.len() + lost.len()) as u64;
            assert_eq!(bench.in_flight(), before - gone * u64::from(SIZE), "{name}");
            assert_eq!(
                bench
                    .recovery
                    .largest_acked(Space::Application)
                    .unwrap()
                    .get(),
                largest,
                "{name}"
            );
        }
        if let Some(deadline) = deadline {
            let got = bench.recovery.deadline().unwrap();
            // The sample of an early or late row moves the threshold by its own share.
            let late = acks
                .last()
                .unwrap()
                .0
                .saturating_sub(80 + acks.last().unwrap().1[0].1);
            assert!(
                got >= *deadline && got <= *deadline + ms(late * 9 / 8 + 1),
                "{name}: {got:?}"
            );
        }
    }
}

#[test]
fn recovery_losses_by_time_are_declared_when_the_timer_says() {
    let mut bench = Bench::settled_at(ms(80));
    bench.at(ms(0)).send();
    bench.at(ms(5)).send();
    bench.at(ms(9)).send();
    bench.at(ms(89)).ack(&[(2, 2)]);
    assert_eq!(bench.heard(), [vec![2], vec![], vec![]]);
    // rfc9002#6.2.1-5: the timer is that of the loss, before any probe timeout.
    assert_eq!(bench.recovery.deadline(), Some(ms(90)));
    let nothing = bench.at(us(89_999)).timeout();
    assert_eq!(nothing, Outcome::default());
    let outcome = bench.at(ms(90)).timeout();
    assert_eq!((outcome.lost_packets, outcome.probe), (1, None));
    assert!(outcome.congestion);
    assert_eq!(bench.heard(), [vec![], vec![0], vec![]]);
    assert_eq!(bench.recovery.deadline(), Some(ms(95)));
    assert_eq!(bench.at(ms(95)).timeout().lost_packets, 1);
    assert_eq!((bench.in_flight(), bench.recovery.deadline()), (0, None));
}

#[test]
fn recovery_losses_by_time_are_seen_by_an_acknowledgment_too() {
    // Packets 0 and 1, so far apart; 1 is acknowledged 80 ms after it was sent, and packets are lost after 90 ms.
    for (apart, lost) in [(9, 0), (10, 1), (50, 1)] {
        let mut bench = Bench::settled_at(ms(80));
        bench.at(ms(1000)).send();
        bench.at(ms(1000 + apart)).send();
        let outcome = bench.at(ms(1080 + apart)).ack(&[(1, 1)]);
        assert_eq!(outcome.lost_packets, lost, "{apart}");
    }
}

#[test]
fn recovery_losses_by_time_wait_for_the_granularity() {
    let mut bench = Bench::settled_at(us(10));
    bench.send();
    bench.send();
    let sent_at = bench.now;
    bench.at(sent_at + us(10)).ack(&[(1, 1)]);
    assert_eq!(bench.recovery.deadline(), Some(sent_at + ms(1)));
    assert_eq!(bench.at(sent_at + us(999)).timeout().lost_packets, 0);
    assert_eq!(bench.at(sent_at + ms(1)).timeout().lost_packets, 1);
}

#[test]
fn recovery_losses_are_apart_by_space() {
    let mut bench = Bench::new(Side::Client);
    for space in [Space::Initial, Space::Application, Space::Handshake] {
        (0..5).for_each(|_| {
            bench.send_in(space);
        });
    }
    let now = bench.now + ms(50);
    bench.at(now).ack_in(Space::Handshake, &[(4, 4)]);
    assert_eq!(bench.heard(), [vec![4], vec![0, 1], vec![]]);
    bench.ack_in(Space::Initial, &[(0, 0)]);
    assert_eq!(bench.heard(), [vec![0], vec![], vec![]]);
}

#[test]
fn recovery_losses_do_not_count_numbers_that_were_left_out() {
    let mut bench = Bench::settled_at(ms(80));
    let numbers = bench.send_many(19);
    assert_eq!(numbers[15..], [15, 17, 18, 19], "16 is left out");
    let now = bench.now + ms(80);
    bench.at(now).ack(&[(18, 18), (0, 14)]);
    // Two packets overtook 15, although it is three numbers behind.
    assert_eq!(bench.heard()[1], []);
    bench.ack(&[(18, 19), (0, 14)]);
    assert_eq!(bench.heard()[1], [15]);
}

#[test]
fn recovery_refuses_acknowledgments_of_what_was_not_sent() {
    use Space::{Application, Handshake, Initial};
    // 20 packets in the Application space without number 16, two in Initial.
    let rows: &[(&str, Space, &[(u64, u64)], Option<Fault>)] = &[
        (
            "all that were sent",
            Application,
            &[(17, 20), (0, 15)],
            None,
        ),
        (
            "the one that was left out",
            Application,
            &[(16, 16)],
            Some(Fault::SkippedAcked),
        ),
        (
            "blindly",
            Application,
            &[(0, 20)],
            Some(Fault::SkippedAcked),
        ),
        (
            "in a later range",
            Application,
            &[(19, 20), (3, 16)],
            Some(Fault::SkippedAcked),
        ),
        (
            "one too many",
            Application,
            &[(17, 21)],
            Some(Fault::UnsentAcked),
        ),
        (
            "far too many",
            Application,
            &[(limits::VARINT, limits::VARINT)],
            Some(Fault::UnsentAcked),
        ),
        (
            "another space",
            Initial,
            &[(0, 2)],
            Some(Fault::UnsentAcked),
        ),
        (
            "nothing sent",
            Handshake,
            &[(0, 0)],
            Some(Fault::UnsentAcked),
        ),
    ];
    for (name, space, ranges, fault) in rows {
        let mut bench = Bench::new(Side::Server);
        bench.send_many(20);
        bench.send_in(Initial);
        bench.send_in(Initial);
        let before = (bench.in_flight(), bench.recovery.deadline());
        let got = bench.try_ack(*space, ranges, ms(0), None);
        assert_eq!(got.err(), *fault, "{name}");
        if let Some(fault) = fault {
            assert_eq!(fault.code(), crate::Code::PROTOCOL_VIOLATION, "{name}");
            assert_eq!(
                (bench.in_flight(), bench.recovery.deadline()),
                before,
                "{name}"
            );
            assert_eq!(bench.heard(), [vec![], vec![], vec![]], "{name}");
        }
    }
}

#[test]
fn recovery_keeps_a_left_out_number_armed_while_packets_around_it_are_unsettled() {
    let mut bench = Bench::settled_at(ms(80));
    bench.send_many(20);
    // All is acknowledged but the packet before the number that was left out.
    bench.ack(&[(17, 20), (0, 14)]);
    let late = bench.try_ack(Space::Application, &[(15, 20)], ms(0), None);
    assert_eq!(late.err(), Some(Fault::SkippedAcked));
    bench.ack(&[(17, 20), (0, 15)]);
    let settled = bench.try_ack(Space::Application, &[(0, 20)], ms(0), None);
    assert_eq!(
        settled.err(),
        Some(Fault::SkippedAcked),
        "and after that too"
    );
}

const TOLERATED: usize = limits::REORDERING as usize - 1;

#[test]
fn recovery_widens_the_thresholds_when_packets_were_only_late() {
    // (overtaken by so many when it is acknowledged after all, overtaken by so many without being lost from then on)
    for (distance, tolerated) in [(3, 3), (4, 4), (9, 9), (70, TOLERATED), (500, TOLERATED)] {
        let mut bench = Bench::settled_at(ms(80));
        // Numbers are left out at 16 and far behind; start above.
        let numbers = bench.send_many(17);
        let sent_at = bench.now;
        bench.at(sent_at + ms(80)).ack(&[(17, 17), (0, 15)]);
        assert_eq!(numbers[16], 17);
        bench.heard();
        let late = bench.send();
        let sent_at = bench.now;
        let others = bench.send_many(distance);
        bench.at(sent_at + ms(80)).ack(&ranges(&others));
        assert_eq!(bench.heard()[1], [late], "{distance}");
        let both: Vec<_> = [late].into_iter().chain(others).collect();
        let outcome = bench.ack(&ranges(&both));
        assert_eq!(
            (outcome.late_packets, outcome.lost_packets),
            (1, 0),
            "{distance}"
        );
        assert_eq!(bench.heard(), [vec![late], vec![], vec![]], "{distance}");
        let next = bench.send();
        let sent_at = bench.now;
        let others = bench.send_many(tolerated + 1);
        bench
            .at(sent_at + ms(80))
            .ack(&ranges(&others[..tolerated]));
        assert_eq!(bench.heard()[1], [], "{distance}");
        bench.ack(&ranges(&others));
        assert_eq!(bench.heard()[1], [next], "{distance}");
    }
}

#[test]
fn recovery_waits_longer_with_each_packet_that_was_only_late_up_to_two_round_trips() {
    let mut bench = Bench::settled_at(ms(80));
    // Numbers are left out at 16 and far behind; start above.
    bench.send_many(17);
    let sent_at = bench.now;
    bench.at(sent_at + ms(80)).ack(&[(17, 17), (0, 15)]);
    // In eighths of the round trip.
    for (late, eighths) in (0..).zip([9, 10, 11, 12, 13, 14, 15, 16, 16, 16]) {
        let sent_at = bench.now;
        let pair = bench.send_many(2);
        bench.at(sent_at + ms(80)).ack(&[(pair[1], pair[1])]);
        let delay = ms(10 * eighths);
        assert_eq!(bench.recovery.deadline(), Some(sent_at + delay), "{late}");
        bench.ack(&[(pair[0], pair[1])]);
        // One is taken for lost, overtaken by one more than the last that was, and comes.
        let sent_at = bench.now;
        let numbers = bench.send_many(4 + late);
        let lost = bench.at(sent_at + ms(80)).ack(&ranges(&numbers[1..]));
        let came = bench.ack(&ranges(&numbers));
        assert_eq!((lost.lost_packets, came.late_packets), (1, 1), "{late}");
    }
}

#[test]
fn recovery_undoes_a_recovery_period_without_a_loss() {
    // (name, packets lost at first, those of them that come after all, whether that undoes it, whether the peer reports CE too)
    let rows: &[(&str, u64, &[(u64, u64)], bool, bool)] = &[
        ("all come", 3, &[(0, 2)], true, false),
        ("one does not", 3, &[(0, 1)], false, false),
        ("the only one", 1, &[(0, 0)], true, false),
        ("CE says it was congestion", 3, &[(0, 2)], false, true),
    ];
    for (name, lost, come, undone, ce) in rows {
        let mut bench = Bench::settled_at(ms(80));
        let before = bench.window();
        let last = bench.send_many(8)[7];
        let start = bench.now;
        let ecn = |ect0, ce| {
            let [ect0, ce] = [ect0, ce].map(|count| VarInt::new(count).unwrap());
            Some(EcnCounts {
                ect0,
                ect1: VarInt::ZERO,
                ce,
            })
        };
        let counts = if *ce { ecn(4, 4) } else { ecn(8, 0) };
        bench.at(start + ms(80));
        bench.send();
        let first = bench
            .try_ack(Space::Application, &[(*lost, last)], ms(0), counts)
            .unwrap();
        assert!(first.congestion, "{name}");
        assert_eq!(u64::from(first.lost_packets), *lost, "{name}");
        let reduced = bench.window();
        assert!(reduced < before, "{name}");
        let mut got = false;
        for (low, high) in come.iter().rev() {
            bench.at(start + ms(85));
            let numbers: Vec<_> = (*low..=*high).chain(*lost..=last).collect();
            let ranges = ranges(&numbers);
            let outcome = bench.try_ack(Space::Application, &ranges, ms(0), counts);
            got |= outcome.unwrap().undone;
        }
        assert_eq!(got, *undone, "{name}");
        assert_eq!(bench.window() >= before, *undone, "{name}");
    }
}

#[test]
fn recovery_forgets_lost_packets_after_a_while() {
    let mut bench = Bench::settled_at(ms(80));
    bench.send_many(8);
    let start = bench.now;
    bench.at(start + ms(80)).ack(&[(4, 7)]);
    assert_eq!(bench.heard()[1], [0, 1, 2, 3, 4][..4]);
    bench.at(start + ms(3000)).send();
    bench.at(start + ms(3080)).ack(&[(8, 8)]);
    let outcome = bench.ack(&[(0, 8)]);
    assert_eq!(outcome, Outcome::default(), "nobody knows of them any more");
}

#[test]
fn recovery_remembers_lost_packets_up_to_its_limit() {
    for past in [0, 1, 50] {
        let mut bench = Bench::settled_at(ms(80));
        let numbers = bench.send_many(limits::LOST_PACKETS + past + 65);
        let start = bench.now;
        let (lost, rest) = numbers.split_at(limits::LOST_PACKETS + past);
        bench.at(start + ms(80)).ack(&ranges(rest));
        assert_eq!(bench.heard()[1], lost);
        for (at, number) in lost.iter().enumerate() {
            let both: Vec<_> = [*number].iter().chain(rest).copied().collect();
            let outcome = bench.ack(&ranges(&both));
            assert_eq!(outcome.late_packets, u32::from(at >= past), "{past}: {at}");
        }
    }
}

#[test]
fn recovery_samples_need_a_new_largest_and_something_that_elicits() {
    // Packets 0 and 3 elicit, 1, 2 and 4 are ACK frames alone. (name, frames, samples)
    let rows: &[(&str, &[&[(u64, u64)]], &[bool])] = &[
        ("new", &[&[(0, 0)]], &[true]),
        ("twice", &[&[(0, 0)], &[(0, 0)]], &[true, false]),
        ("only what elicits none", &[&[(1, 2)]], &[false]),
        ("largest elicits none", &[&[(0, 2)]], &[true]),
        (
            "largest is old",
            &[&[(3, 3)], &[(3, 3), (0, 0)]],
            &[true, false],
        ),
        (
            "largest is old, more",
            &[&[(4, 4)], &[(3, 4)]],
            &[false, false],
        ),
        ("all", &[&[(0, 4)]], &[true]),
    ];
    for (name, frames, want) in rows {
        let mut bench = Bench::settled_at(ms(80));
        for number in 0..5 {
            let mut packet = bench.packet(Space::Application);
            packet.sent_at = ms(1000 + number);
            packet.ack_eliciting = number % 3 == 0;
            packet.in_flight = packet.ack_eliciting;
            bench.recovery.on_sent(Space::Application, packet);
        }
        bench.at(ms(1100));
        for (ranges, want) in frames.iter().zip(*want) {
            let outcome = bench.ack(ranges);
            // rfc9002#5.1-1
            assert_eq!(outcome.sampled, *want, "{name}");
            if *want {
                let latest = bench.recovery.path().rtt().latest();
                assert_eq!(latest, ms(100 - ranges[0].1), "{name}");
            }
        }
    }
}

/// However the peer acknowledges, what an ACK frame makes this side look at is bounded: settled packets do not pile up behind one that is not.
#[test]
fn recovery_holds_few_settled_packets_whatever_is_acknowledged() {
    bolero::check!()
        .with_type::<Vec<(u8, u8, u8)>>()
        .with_iterations(2000)
        .for_each(|steps| {
            let mut bench = Bench::settled_at(ms(80));
            // They ascend.
            let mut sent = Vec::new();
            for (what, one, two) in steps {
                let now = bench.now + us(u64::from(*one) * 20);
                bench.at(now);
                if what % 3 == 0 {
                    sent.extend(bench.send_many(usize::from(*two % 64)));
                    continue;
                }
                let Some(last) = sent.last() else {
                    continue;
                };
                let high = last.saturating_sub(u64::from(*two));
                let low = high.saturating_sub(u64::from(what % 8));
                let place = |number: u64| sent.partition_point(|sent| *sent < number);
                let numbers = &sent[place(low)..place(high + 1)];
                if numbers.is_empty() {
                    continue;
                }
                bench.ack(&ranges(numbers));
                let space = bench.recovery.spaces.get(Space::Application).unwrap();
                assert!(space.sent.settled_in_ring() <= limits::REORDERING as usize);
                let flying: u64 = space.sent.in_flight_on(PathId(0));
                assert_eq!(bench.in_flight(), flying);
            }
        });
}
