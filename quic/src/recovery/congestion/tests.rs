//! What controllers do with what they hear: RFC 9002 section 7.3 for NewReno, RFC 9438 for CUBIC.

use super::*;

const SIZE: u64 = 1200;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn both() -> [(&'static str, Box<dyn Controller>); 2] {
    [
        ("NewReno", Box::new(NewReno::new(1200))),
        ("CUBIC", Box::new(Cubic::new(1200))),
    ]
}

fn acked(controller: &mut dyn Controller, now: Duration, sent_at: Duration, bytes: u64) {
    controller.on_ack(&Acked {
        now,
        sent_at,
        bytes,
        underused: false,
        rtt: ms(100),
    });
}

/// Acknowledges a window in datagrams, spread over a round trip of 100 ms; the time after it.
fn round(controller: &mut dyn Controller, now: Duration) -> Duration {
    let packets = controller.window() / SIZE;
    for packet in 1..=packets {
        let at = now + ms(100) * packet as u32 / packets as u32;
        acked(controller, at, at - ms(100), SIZE);
    }
    now + ms(100)
}

/// One with so many datagrams in its window, in congestion avoidance, whose recovery began at `now`.
fn reduced(
    mut controller: Box<dyn Controller>,
    packets: u64,
    now: Duration,
) -> Box<dyn Controller> {
    while controller.window() < packets * SIZE {
        let left = packets * SIZE - controller.window();
        acked(&mut *controller, now, now, left.min(SIZE));
    }
    assert!(controller.on_congestion(now, now));
    controller
}

#[test]
fn recovery_initial_windows_follow_section_7_2() {
    // (datagram, initial window)
    for (datagram, want) in [
        (1200, 12_000),
        (1452, 14_520),
        (1472, 14_720),
        (1500, 14_720),
        (9000, 18_000),
        (65_527, 131_054),
    ] {
        for controller in both().map(|(_, controller)| controller.fresh(datagram)) {
            assert_eq!(controller.window(), want, "{datagram}");
            assert_eq!(controller.threshold(), u64::MAX);
        }
    }
}

#[test]
fn recovery_new_reno_passes_through_the_states_of_figure_1() {
    let mut reno = NewReno::new(1200);
    let state = |reno: &NewReno, sent_at: Duration| {
        if reno.window.in_recovery(sent_at) {
            "recovery"
        } else if reno.window() < reno.threshold() {
            "slow start"
        } else {
            "avoidance"
        }
    };
    assert_eq!(state(&reno, ms(0)), "slow start");
    acked(&mut reno, ms(100), ms(0), 12_000);
    assert_eq!(
        (reno.window(), state(&reno, ms(100))),
        (24_000, "slow start")
    );
    // rfc9002#7.3.1-1, rfc9002#7.3.2-1, rfc9002#7.3.2-2
    assert!(reno.on_congestion(ms(200), ms(110)));
    assert_eq!((reno.window(), reno.threshold()), (12_000, 12_000));
    assert_eq!(state(&reno, ms(200)), "recovery");
    // Neither further losses nor acknowledgments of what was sent before count.
    assert!(!reno.on_congestion(ms(210), ms(200)));
    acked(&mut reno, ms(220), ms(200), 12_000);
    assert_eq!(reno.window(), 12_000);
    // Something sent since then: congestion avoidance, one datagram for each window.
    for packet in 1..=10 {
        acked(&mut reno, ms(300), ms(201), SIZE);
        // rfc9002#7.3.3-1
        assert_eq!(reno.window(), if packet < 10 { 12_000 } else { 13_200 });
    }
    assert_eq!(state(&reno, ms(201)), "avoidance");
    assert!(reno.on_congestion(ms(400), ms(300)));
    assert_eq!(reno.window(), 6600);
    // rfc9002#7.6.2-2
    reno.on_persistent_congestion();
    assert_eq!((reno.window(), reno.threshold()), (2400, 6600));
    assert_eq!(state(&reno, ms(0)), "slow start");
    acked(&mut reno, ms(500), ms(450), 1200);
    assert_eq!(reno.window(), 3600);
}

#[test]
fn recovery_windows_never_fall_below_two_datagrams() {
    for (name, mut controller) in both() {
        for at in 1..100 {
            assert!(controller.on_congestion(ms(at), ms(at)), "{name}");
            assert!(controller.window() >= 2 * SIZE, "{name}");
        }
        assert_eq!(controller.window(), 2 * SIZE, "{name}");
        controller.on_persistent_congestion();
        controller.set_datagram_size(1500, false);
        assert_eq!(controller.window(), 3000, "{name}");
    }
}

#[test]
fn recovery_windows_do_not_grow_where_they_are_underused() {
    for (name, controller) in both() {
        for mut controller in [controller.fresh(1200), reduced(controller, 100, ms(1000))] {
            let before = controller.window();
            for at in 0..10_000 {
                controller.on_ack(&Acked {
                    now: ms(2000 + at),
                    sent_at: ms(1900 + at),
                    bytes: SIZE,
                    underused: true,
                    rtt: ms(100),
                });
            }
            assert_eq!(controller.window(), before, "{name}");
        }
    }
}

#[test]
fn recovery_windows_are_restored_when_nothing_was_lost() {
    for (name, controller) in both() {
        let mut controller = reduced(controller, 100, ms(1000));
        let mut now = ms(1000);
        for _ in 0..10 {
            now = round(&mut *controller, now + ms(1));
        }
        let before = (controller.window(), controller.threshold());
        assert!(controller.on_congestion(now, now - ms(50)), "{name}");
        let reduced = controller.window();
        assert!(reduced < before.0, "{name}");
        controller.on_spurious_congestion(now + ms(10));
        assert_eq!(
            (controller.window(), controller.threshold()),
            before,
            "{name}"
        );
        // It goes on growing from there, as if nothing had been; a second time there is nothing to restore.
        controller.on_spurious_congestion(now + ms(10));
        let grown = round(&mut *controller, now + ms(10));
        assert!(controller.window() > before.0, "{name}");
        assert!(controller.window() < before.0 + 8 * SIZE, "{name}");
        // What was persistent is not taken back.
        assert!(controller.on_congestion(grown, grown), "{name}");
        controller.on_persistent_congestion();
        controller.on_spurious_congestion(grown);
        assert_eq!(controller.window(), 2 * SIZE, "{name}");
    }
}

#[test]
fn recovery_idle_windows_wear_out() {
    // (window before, probe timeouts, window after)
    let rows = [
        (100, 0, 100),
        (100, 1, 50),
        (100, 3, 12),
        (100, 4, 10),
        (100, 64, 10),
        (100, u32::MAX, 10),
        (6, 9, 6),
    ];
    for (name, controller) in both() {
        for (before, timeouts, after) in rows {
            let mut controller = controller.fresh(1200);
            controller.on_congestion(ms(1), ms(1));
            let mut at = 2;
            while controller.window() > before * SIZE {
                controller.on_congestion(ms(at), ms(at));
                at += 1;
            }
            if controller.window() < before * SIZE {
                let wanted = before * SIZE;
                let mut fresh = controller.fresh(1200);
                let factor = if name == "NewReno" { 2.0 } else { 10.0 / 7.0 };
                let packets = ((before as f64) * factor).round() as u64;
                fresh = reduced(fresh, packets.max(10), ms(1000));
                if fresh.window().abs_diff(wanted) > SIZE {
                    continue;
                }
                controller = fresh;
            }
            let before = controller.window();
            controller.on_restart(ms(9000), timeouts);
            let want = (after * SIZE).min(before);
            assert!(
                controller.window().abs_diff(want) <= SIZE,
                "{name} {timeouts}: {} of {want}",
                controller.window()
            );
            // Slow start leads back to three quarters.
            assert!(controller.threshold() >= before * 3 / 4, "{name}");
        }
    }
}

#[test]
fn recovery_windows_follow_the_datagram_size() {
    for (name, controller) in both() {
        // (name, steps, window)
        let fresh = |size| controller.fresh(size);
        let mut untouched = fresh(1200);
        untouched.set_datagram_size(1452, false);
        assert_eq!(untouched.window(), 14_520, "{name}: not used yet");
        let mut lowered = fresh(1452);
        acked(&mut *lowered, ms(1), ms(0), 1452);
        lowered.set_datagram_size(1200, true);
        assert_eq!(lowered.window(), 12_000, "{name}: lowered to get through");
        let mut grown = fresh(1200);
        acked(&mut *grown, ms(1), ms(0), 1200);
        grown.set_datagram_size(1452, false);
        assert_eq!(grown.window(), 13_200, "{name}: probed");
        grown.set_datagram_size(1200, false);
        assert_eq!(grown.window(), 13_200, "{name}: a black hole later");
        let mut curve = reduced(fresh(1200), 100, ms(1000));
        let now = round(&mut *curve, ms(1001));
        let before = curve.window();
        curve.set_datagram_size(1452, false);
        round(&mut *curve, now);
        assert!(
            curve.window() >= before && curve.window() < before + 12 * 1452,
            "{name}: no jump"
        );
    }
}

#[test]
fn recovery_cubic_is_back_at_its_maximum_after_k() {
    // (maximum in datagrams, K in milliseconds)
    for (max, flat_at) in [(1000, 9085), (10_000, 19_574)] {
        let mut cubic = reduced(Box::new(Cubic::new(1200)), max, ms(1000));
        assert_eq!(cubic.window(), max * SIZE * 7 / 10);
        let mut now = ms(1001);
        let mut windows = Vec::new();
        while now < ms(1001 + 2 * flat_at) {
            now = round(&mut *cubic, now);
            windows.push(cubic.window());
        }
        let at = |time: u64| windows[(time / 100) as usize - 1] as f64 / (max * SIZE) as f64;
        assert!((at(flat_at) - 1.0).abs() < 0.01, "{max}: {}", at(flat_at));
        // Symmetric around it: as far above after twice K as it was below at the start.
        assert!(
            (at(2 * flat_at - 100) - 1.3).abs() < 0.03,
            "{max}: {}",
            at(2 * flat_at - 100)
        );
        // Concave, then convex.
        let quarter = flat_at / 4 / 100 * 100;
        assert!(
            at(2 * quarter) - at(quarter) > at(4 * quarter) - at(3 * quarter),
            "{max}"
        );
        assert!(
            at(8 * quarter - 100) - at(7 * quarter) > at(5 * quarter) - at(4 * quarter),
            "{max}"
        );
    }
}

#[test]
fn recovery_cubic_is_no_slower_than_new_reno_where_windows_are_small() {
    // 20 datagrams at 100 ms: the curve needs 2.5 s, and the line of 9/17 datagrams a round trip is faster.
    let mut cubic = reduced(Box::new(Cubic::new(1200)), 20, ms(1000));
    let mut now = ms(1001);
    for turn in 1..=10_u64 {
        now = round(&mut *cubic, now);
        let line = 14 * SIZE + turn * SIZE * 9 / 17;
        let got = cubic.window();
        assert!(
            got + SIZE >= line && got <= line + 2 * SIZE,
            "{turn}: {got} and {line}"
        );
    }
}

#[test]
fn recovery_cubic_makes_room_for_others() {
    let mut cubic = Cubic::new(1200);
    for (window, want) in [(100, 100), (90, 76), (80, 80), (100, 100)] {
        // (window at the congestion, maximum of the curve): 17/20 of it where it is below the last maximum.
        cubic.window.bytes = window * SIZE;
        cubic.window.recovery_start = None;
        cubic.on_congestion(ms(1000), ms(999));
        assert_eq!(cubic.state.max / SIZE, want, "{window}");
        assert_eq!(cubic.window(), window * SIZE * 7 / 10);
    }
}

#[test]
fn recovery_cubic_does_not_count_idle_time() {
    let mut steady = reduced(Box::new(Cubic::new(1200)), 1000, ms(1000));
    let mut rested = reduced(Box::new(Cubic::new(1200)), 1000, ms(1000));
    let mut limited = reduced(Box::new(Cubic::new(1200)), 1000, ms(1000));
    let mut now = ms(1001);
    for _ in 0..10 {
        round(&mut *rested, now);
        round(&mut *limited, now);
        now = round(&mut *steady, now);
    }
    let pause = ms(60_000);
    rested.on_restart(now + pause, 0);
    // Something is always in flight, but never as much as the window allows.
    for tenth in 0..=600 {
        let at = now + ms(100) * tenth;
        limited.on_ack(&Acked {
            now: at,
            sent_at: at - ms(100),
            bytes: SIZE,
            underused: true,
            rtt: ms(100),
        });
    }
    round(&mut *rested, now + pause);
    round(&mut *limited, now + pause);
    round(&mut *steady, now);
    for (name, other) in [("idle", rested), ("underused", limited)] {
        let apart = other.window().abs_diff(steady.window());
        assert!(
            apart <= 2 * SIZE,
            "{name}: {} and {}",
            other.window(),
            steady.window()
        );
    }
}

#[test]
fn recovery_cubic_at_its_minimum_gets_out_of_recovery() {
    // With two datagrams each round trip ends with nothing in flight, and each starts with a restart: that must not move the recovery period.
    let mut cubic = Cubic::new(1200);
    let mut now = ms(1000);
    for _ in 0..20 {
        now += ms(1);
        cubic.on_congestion(now, now);
    }
    assert_eq!(cubic.window(), 2 * SIZE);
    for _ in 0..100 {
        now += ms(1);
        cubic.on_restart(now, 0);
        let sent_at = now;
        now += ms(100);
        acked(&mut cubic, now, sent_at, SIZE);
        acked(&mut cubic, now, sent_at, SIZE);
    }
    assert!(cubic.window() > 20 * SIZE, "{}", cubic.window());
}

#[test]
fn recovery_cubic_leaves_slow_start_by_hystart_once() {
    let mut cubic = Cubic::new(1200);
    let mut now = ms(1000);
    for turn in 0..12_u64 {
        let sent_at = now;
        let rtt = ms(if turn < 3 { 80 } else { 100 });
        now += rtt;
        for _ in 0..10 {
            cubic.on_sample(now, sent_at, rtt);
            acked(&mut cubic, now, sent_at, SIZE);
        }
        now += ms(1);
    }
    assert!(cubic.threshold() < u64::MAX && cubic.state.hystart.is_none());
    assert!(cubic.window() >= cubic.threshold());
    // From there on along the curve, which begins flat.
    let before = cubic.window();
    let mut cubic: Box<dyn Controller> = Box::new(cubic);
    round(&mut *cubic, now);
    assert!(cubic.window() > before && cubic.window() <= before + 2 * SIZE);
}

#[test]
fn recovery_controllers_survive_whatever_they_hear() {
    bolero::check!()
        .with_type::<Vec<(u8, u32, u32)>>()
        .with_iterations(2000)
        .for_each(|steps| {
            for (name, mut controller) in both() {
                let mut size = 1200;
                for (what, one, two) in steps {
                    let now = Duration::from_micros(u64::from(*one) * 1_000_000);
                    let sent_at = Duration::from_micros(u64::from(*two) * 1_000_000);
                    match what % 8 {
                        0 => {
                            controller.on_congestion(now, sent_at);
                        }
                        1 => controller.on_persistent_congestion(),
                        2 => controller.on_spurious_congestion(now),
                        3 => controller.on_restart(now, *two),
                        4 => {
                            size = 1200 + (*one % 60_000) as u16;
                            controller.set_datagram_size(size, two % 2 == 0);
                        }
                        5 => controller.on_sample(now, sent_at, now),
                        _ => controller.on_ack(&Acked {
                            now,
                            sent_at,
                            bytes: u64::from(*one) << (two % 32),
                            underused: two % 3 == 0,
                            rtt: sent_at,
                        }),
                    }
                    assert!(controller.window() >= 2 * u64::from(size), "{name}");
                }
            }
        });
}
