//! Early data is accepted once, whatever the clock and the other threads do.

use super::replay::{Refused, is_fresh};
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MOMENT: Duration = Duration::from_millis(1);

fn binder(number: u64) -> [u8; 32] {
    let mut binder = [0; 32];
    binder[..8].copy_from_slice(&number.to_be_bytes());
    binder
}

fn register(capacity: usize) -> StrikeRegister {
    StrikeRegister::with_capacity(capacity, at(Duration::ZERO))
}

#[test]
fn a_hello_is_accepted_once() {
    let register = StrikeRegister::new(at(Duration::ZERO));
    let now = at(30 * SECOND);
    assert_eq!(register.strike(&binder(1), now), Ok(()));
    assert_eq!(register.strike(&binder(1), now), Err(Refused::Repeated));
    let shared = register.clone();
    assert_eq!(shared.strike(&binder(1), now), Err(Refused::Repeated));
    assert_eq!(shared.strike(&binder(2), now), Ok(()));
    assert_eq!(register.strike(&binder(2), now), Err(Refused::Repeated));
    let long = [binder(3), binder(4)].concat();
    assert_eq!(register.strike(&long[..48], now), Ok(()), "of SHA-384");
    assert_eq!(register.strike(&long[..48], now), Err(Refused::Repeated));
    for short in [0, 15] {
        let refused = register.strike(&long[..short], now);
        assert_eq!(refused, Err(Refused::Unknown), "{short} bytes");
    }
}

/// What came in the window before the start could be a copy of what another process accepted.
#[test]
fn nothing_is_accepted_in_the_first_window() {
    let register = register(8);
    let window = 20 * SECOND;
    for (name, now, want) in [
        ("at the start", at(Duration::ZERO), Err(Refused::Unknown)),
        ("before it", earlier(SECOND), Err(Refused::Unknown)),
        ("long before it", earlier(DAY), Err(Refused::Unknown)),
        ("at the end", at(window - MOMENT), Err(Refused::Unknown)),
        ("after it", at(window), Ok(())),
    ] {
        assert_eq!(register.strike(&binder(1), now), want, "{name}");
    }
}

#[test]
fn a_hello_is_remembered_as_long_as_it_could_pass_for_fresh() {
    for accepted in [20, 21, 39, 40, 59] {
        let accepted = accepted * SECOND;
        for later in [MOMENT, 10 * SECOND, 20 * SECOND] {
            let register = register(8);
            assert_eq!(register.strike(&binder(1), at(accepted)), Ok(()));
            let again = register.strike(&binder(1), at(accepted + later));
            assert_eq!(again, Err(Refused::Repeated), "{accepted:?}, {later:?}");
        }
    }
    // Then it is forgotten, one window at a time or many.
    for later in [40 * SECOND, 60 * SECOND, DAY] {
        let register = register(1);
        assert_eq!(register.strike(&binder(1), at(20 * SECOND)), Ok(()));
        let again = register.strike(&binder(1), at(20 * SECOND + later));
        assert_eq!(again, Ok(()), "{later:?}");
    }
}

#[test]
fn a_full_register_refuses_and_forgets_nothing_early() {
    const CAPACITY: u64 = 100;
    let register = register(100);
    let strike = |number, seconds| register.strike(&binder(number), at(SECOND * seconds));
    for number in 0..CAPACITY {
        assert_eq!(strike(number, 20), Ok(()), "{number}");
    }
    assert_eq!(strike(CAPACITY, 39), Err(Refused::Full));
    for number in 0..CAPACITY {
        assert_eq!(strike(number, 39), Err(Refused::Repeated), "{number}");
    }
    // The next window has room of its own, and still knows the one before.
    for number in 0..CAPACITY {
        assert_eq!(strike(number, 40), Err(Refused::Repeated), "{number}");
        assert_eq!(strike(CAPACITY + number, 40), Ok(()), "{number}");
    }
    assert_eq!(strike(2 * CAPACITY, 59), Err(Refused::Full));
    assert_eq!(strike(0, 60), Ok(()), "the first window is forgotten");
    assert_eq!(strike(CAPACITY, 60), Err(Refused::Repeated));
    let none = self::register(0);
    let refused = none.strike(&binder(1), at(20 * SECOND));
    assert_eq!(refused, Err(Refused::Full), "no room at all");
}

/// The default has room for what it says.
#[test]
fn the_default_register_holds_its_limit() {
    let register = StrikeRegister::new(at(Duration::ZERO));
    let now = at(20 * SECOND);
    let accepted = (0..)
        .take_while(|number| register.strike(&binder(*number), now).is_ok())
        .count();
    assert_eq!(accepted, limits::STRIKES);
}

#[test]
fn a_clock_that_goes_back_accepts_nothing_that_may_be_forgotten() {
    let register = register(8);
    let strike = |number, seconds| register.strike(&binder(number), at(SECOND * seconds));
    assert_eq!(strike(1, 30), Ok(()));
    assert_eq!(strike(2, 25), Ok(()), "back within the window");
    assert_eq!(strike(1, 25), Err(Refused::Repeated));
    assert_eq!(strike(3, 1000), Ok(()));
    for seconds in [999, 979, 30, 0] {
        let refused = strike(1, seconds);
        assert_eq!(refused, Err(Refused::Unknown), "{seconds}");
    }
    assert_eq!(strike(3, 1000), Err(Refused::Repeated), "where it was");
    assert_eq!(strike(4, 1000), Ok(()));
}

/// Whatever the clock does: of all hellos that are fresh, none is accepted twice; and with a clock that only goes on, not even
/// when the register is made anew.
#[test]
fn fuzz_no_hello_is_accepted_twice() {
    bolero::check!()
        .with_type::<(bool, Vec<(u8, i16)>)>()
        .with_iterations(5000)
        .for_each(|(steady, moves)| {
            let sent = |number: u8| 200 * SECOND + Duration::from_secs(number.into());
            let mut time: i64 = 200_000;
            let mut register = register(16);
            let mut accepted = std::collections::BTreeSet::new();
            for (number, step) in moves {
                // Up to half a minute at once, so that hellos are fresh more than once.
                let step = i64::from(step % 30_000);
                time += if *steady { step.abs() / 8 } else { step };
                let now = at(Duration::from_millis(u64::try_from(time).unwrap_or(0)));
                if *steady && step % 16 == 0 {
                    register = StrikeRegister::with_capacity(16, now);
                }
                let age = u32::try_from(sent(*number).as_millis()).unwrap();
                if is_fresh(START, 0, age, now)
                    && register.strike(&binder((*number).into()), now).is_ok()
                {
                    assert!(accepted.insert(*number), "{number} at {time}");
                }
            }
        });
}

#[test]
fn of_many_threads_one_is_accepted() {
    const THREADS: usize = 8;
    let register = StrikeRegister::new(at(Duration::ZERO));
    let barrier = std::sync::Barrier::new(THREADS);
    let accepted: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (register, barrier) = (register.clone(), &barrier);
                scope.spawn(move || {
                    let mut accepted = 0;
                    for number in 0..2000 {
                        if number % 100 == 0 {
                            barrier.wait();
                        }
                        let now = at(20 * SECOND + MOMENT * (number as u32));
                        accepted += usize::from(register.strike(&binder(number), now).is_ok());
                    }
                    accepted
                })
            })
            .collect();
        let accepted = threads.into_iter().map(|thread| thread.join().unwrap());
        accepted.sum()
    });
    assert_eq!(accepted, 2000, "each of them once");
}

#[test]
fn a_hello_is_fresh_ten_seconds_around_its_time() {
    let limit = limits::EARLY_DATA_SKEW;
    assert_eq!(limit, 10 * SECOND);
    // (name, age_add, obfuscated age, moment of arrival, fresh)
    for (name, age_add, told, arrives, want) in [
        ("in time", 0, 60_000, 60 * SECOND, true),
        (
            "late, and still fresh",
            0,
            60_000,
            70 * SECOND - MOMENT,
            true,
        ),
        ("late", 0, 60_000, 70 * SECOND, false),
        (
            "early, and still fresh",
            0,
            60_000,
            50 * SECOND + MOMENT,
            true,
        ),
        ("early", 0, 60_000, 50 * SECOND, false),
        ("obfuscated", 1_000_000, 1_060_000, 60 * SECOND, true),
        ("past the end of u32", u32::MAX, 59_999, 60 * SECOND, true),
        ("another age_add", 0, 1_060_000, 60 * SECOND, false),
        ("no age at all", 77, 77, 3 * SECOND, true),
        ("younger than its ticket", 77, 76, 3 * SECOND, false),
    ] {
        let fresh = is_fresh(START, age_add, told, at(arrives));
        assert_eq!(fresh, want, "{name}");
    }
    assert!(
        is_fresh(START, 0, 0, earlier(SECOND)),
        "a clock that went back"
    );
}
