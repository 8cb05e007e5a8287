//! Tickets: what opens one, what does not, and when.

use std::collections::{BTreeSet, VecDeque};

use super::*;
use crate::auth::ConfigError;
use crate::error::{Error, Local};

const SECRET: &[u8] = b"32 bytes or more, from a safe place";

fn fleet() -> Tickets {
    Tickets::fleet(SECRET).unwrap()
}

#[test]
fn a_ticket_holds_what_was_put_in() {
    type Change = fn(&mut ServerState);
    let rows: [(&str, Change); 9] = [
        ("plain", |_| ()),
        ("a peer", |state| {
            state.peer = Some(Peer {
                key: [3; 32],
                identity: Some(Box::new(*b"somebody")),
            });
        }),
        ("a peer without identity", |state| {
            state.peer = Some(Peer {
                key: [3; 32],
                identity: None,
            });
        }),
        ("SHA-384", |state| {
            state.secret = Secret::new(&[5; 48]).unwrap();
            state.binding.hash = Hash::Sha384;
            state.early.suite = CipherSuite::Aes256GcmSha384;
        }),
        ("QUIC", |state| state.binding.carrier = Rules::quic(1)),
        ("classical", |state| state.binding.post_quantum = false),
        ("nothing remembered", |state| {
            state.early.application = Box::default();
            state.early.carrier = Box::default();
        }),
        ("no early data", |state| state.early.max_early_data = 0),
        ("largest numbers", |state| {
            state.age_add = u32::MAX;
            state.early.max_early_data = u32::MAX;
        }),
    ];
    for tickets in [Tickets::rotating(), fleet()] {
        for (name, change) in rows {
            let mut state = server_state(at(HOUR));
            change(&mut state);
            let ticket = tickets.seal(&state, at(HOUR)).unwrap();
            let opened = tickets.open(&ticket, at(HOUR)).expect(name);
            assert_same(name, &opened, &state);
            assert_eq!(opened.binding, state.binding, "{name}");
            assert_eq!(opened.early, state.early, "{name}");
            assert_eq!(opened.peer, state.peer, "{name}");
            let times = |state: &ServerState| (state.issued, state.lifetime, state.until);
            assert_eq!(times(&opened), times(&state), "{name}");
            assert_eq!(opened.age_add, state.age_add, "{name}");
        }
    }
}

#[test]
fn an_altered_ticket_does_not_open() {
    for tickets in [Tickets::rotating(), fleet()] {
        let now = at(HOUR);
        let ticket = tickets.seal(&server_state(now), now).unwrap();
        for place in 0..ticket.len() {
            for bit in [0x01, 0x80] {
                let mut forged = ticket.clone();
                forged[place] ^= bit;
                assert!(tickets.open(&forged, now).is_none(), "byte {place}");
            }
            assert!(
                tickets.open(&ticket[..place], now).is_none(),
                "{place} bytes"
            );
        }
        let longer = [&ticket[..], &[0]].concat();
        assert!(tickets.open(&longer, now).is_none(), "a byte more");
        let longest = [&ticket[..], &[0; limits::TICKET]].concat();
        assert!(tickets.open(&longest, now).is_none(), "past the limit");
        assert!(tickets.open(&ticket, now).is_some(), "as it was");
    }
}

/// T03: no key has a value that somebody else could have.
#[test]
fn fresh_configurations_cannot_open_each_others_tickets() {
    let now = at(HOUR);
    let other = Tickets::fleet(b"another secret of 32 bytes or more!").unwrap();
    let all = [
        ("rotating", Tickets::rotating()),
        ("rotating, too", Tickets::rotating()),
        ("a fleet", fleet()),
        ("another fleet", other),
        ("longer lives", fleet().lifetime(2 * DAY).unwrap()),
    ];
    for (name, sealing) in &all {
        let ticket = sealing.seal(&server_state(now), now).unwrap();
        for (other, opening) in &all {
            let opened = opening.open(&ticket, now).is_some();
            assert_eq!(opened, name == other, "{other} opens one of {name}");
        }
        assert!(sealing.clone().open(&ticket, now).is_some(), "a clone");
        for closed in [Tickets::none(), Tickets::asked()] {
            assert!(closed.open(&ticket, now).is_none());
            assert!(closed.seal(&server_state(now), now).is_err());
        }
    }
    let ticket = fleet().seal(&server_state(now), now).unwrap();
    assert!(fleet().open(&ticket, now).is_some(), "the same secret");
}

#[test]
fn the_same_state_never_makes_the_same_ticket() {
    let now = at(HOUR);
    for tickets in [Tickets::rotating(), fleet()] {
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            let ticket = tickets.seal(&server_state(now), now).unwrap();
            // The key id stays; neither the random bytes nor any block behind them do.
            for block in ticket[8..].chunks_exact(16) {
                assert!(seen.insert(block.to_vec()), "a block came twice");
            }
        }
    }
}

/// Hours of three weeks: a ticket opens as long as it lives, and not a second longer.
#[test]
fn random_keys_replace_themselves_and_old_tickets_live_on() {
    let tickets = Tickets::rotating();
    let mut open: VecDeque<(Duration, Vec<u8>)> = VecDeque::new();
    let mut ids = BTreeSet::new();
    for hour in 0..(21 * 24) {
        let now = HOUR * hour;
        while let Some((issued, ticket)) = open.front() {
            if *issued + DAY > now {
                break;
            }
            let last = at(*issued + DAY - Duration::from_millis(1));
            assert!(tickets.open(ticket, at(now)).is_none(), "{hour}: too late");
            // A moment ago: threads read the clock, and then wait for each other.
            assert!(tickets.open(ticket, last).is_some(), "{hour}: in time");
            open.pop_front();
        }
        for (_, ticket) in &open {
            assert!(tickets.open(ticket, at(now)).is_some(), "{hour}");
        }
        let ticket = tickets.seal(&server_state(at(now)), at(now)).unwrap();
        ids.insert(ticket[..8].to_vec());
        open.push_back((now, ticket));
    }
    assert_eq!(open.len(), 24);
    assert_eq!(ids.len(), 42, "a new key each half day");
}

/// Two servers with one secret and clocks that differ, for three weeks: each opens what the other sealed, until it is out of
/// date by its own clock.
#[test]
fn a_fleet_rotates_in_step_whatever_its_clocks_say() {
    let second = Duration::from_secs(1);
    for (skew, lifetime) in [
        (Duration::ZERO, DAY),
        (second, DAY),
        (10 * HOUR, DAY),
        (DAY - second, DAY),
        (HOUR, limits::TICKET_LIFETIME),
    ] {
        let (behind, ahead) = (
            fleet().lifetime(lifetime).unwrap(),
            fleet().lifetime(lifetime).unwrap(),
        );
        let mut ids = BTreeSet::new();
        for hour in 0..(21 * 24) {
            let row = format!("{hour}, {skew:?} apart");
            let now = HOUR * hour;
            let (slow, fast) = (at(now), at(now + skew));
            let state = |now| ServerState {
                lifetime,
                ..server_state(now)
            };
            let ticket = behind.seal(&state(slow), slow).unwrap();
            ids.insert(ticket[..8].to_vec());
            assert!(ahead.open(&ticket, fast).is_some(), "{row}: by the other");
            let last = at(now + lifetime - second);
            assert!(
                behind.open(&ticket, last).is_some(),
                "{row}: its last second"
            );
            assert!(ahead.open(&ticket, last).is_some(), "{row}: by the other");
            let late = at(now + lifetime);
            assert!(ahead.open(&ticket, late).is_none(), "{row}: out of date");
            let ticket = ahead.seal(&state(fast), fast).unwrap();
            assert!(behind.open(&ticket, slow).is_some(), "{row}: from ahead");
        }
        let windows = 21 * DAY.as_secs() / lifetime.as_secs();
        let windows = usize::try_from(windows).unwrap();
        assert!(
            (windows..=windows + 1).contains(&ids.len()),
            "{}",
            ids.len()
        );
    }
}

/// Whoever has the key of one window, and not the fleet's secret, has no other.
#[test]
fn a_fleet_takes_the_windows_beside_its_own_and_no_more() {
    let now = at(10 * DAY);
    for (sealed, want) in [(8, false), (9, true), (10, true), (11, true), (12, false)] {
        let ticket = fleet().seal(&server_state(now), at(DAY * sealed)).unwrap();
        assert_eq!(fleet().open(&ticket, now).is_some(), want, "day {sealed}");
    }
    let (first, second) = (Duration::ZERO, Duration::from_secs(86_400));
    let now = |unix| Now {
        monotonic: Duration::ZERO,
        unix,
    };
    let ticket = fleet().seal(&server_state(now(first)), now(first)).unwrap();
    assert!(fleet().open(&ticket, now(first)).is_some(), "in 1970");
    assert!(fleet().open(&ticket, now(second)).is_none(), "a day later");
    // The fourth window of a day, and the fourth of two days.
    let (first, second) = (now(4 * DAY), now(8 * DAY));
    let ticket = fleet().seal(&server_state(second), first).unwrap();
    let longer = fleet().lifetime(2 * DAY).unwrap();
    assert!(longer.open(&ticket, second).is_none(), "another lifetime");
}

#[test]
fn a_clock_that_goes_back_keeps_no_key_alive() {
    let tickets = Tickets::rotating();
    let now = at(HOUR);
    let ticket = tickets.seal(&server_state(now), now).unwrap();
    let moment = at(HOUR - Duration::from_secs(10));
    assert!(tickets.open(&ticket, moment).is_some(), "a few seconds");
    let back = earlier(365 * DAY);
    let second = tickets.seal(&server_state(back), back).unwrap();
    assert_ne!(ticket[..8], second[..8], "a new key");
    assert!(tickets.open(&second, back).is_some());
    assert!(tickets.open(&ticket, back).is_none(), "the old key is gone");
    assert!(tickets.open(&ticket, now).is_none(), "and does not return");
    assert!(tickets.open(&second, now).is_none(), "a year old");
    let third = tickets.seal(&server_state(now), now).unwrap();
    assert!(tickets.open(&third, now).is_some());
    // Keys are dropped by whoever opens, too.
    assert!(tickets.open(&third, back).is_none());
    assert!(tickets.open(&third, now).is_none());

    let ticket = fleet().seal(&server_state(now), now).unwrap();
    assert!(fleet().open(&ticket, earlier(20 * HOUR)).is_some());
    assert!(fleet().open(&ticket, back).is_none());
}

#[test]
fn a_line_of_sessions_ends_however_long_its_tickets_live() {
    let tickets = Tickets::rotating();
    let until = START + 2 * DAY;
    let seconds = Duration::from_secs;
    for (name, now, want) in [
        ("a whole life", at(Duration::ZERO), Some(DAY)),
        ("a second more than a life", at(DAY - seconds(1)), Some(DAY)),
        ("a part", at(DAY + HOUR), Some(23 * HOUR)),
        ("a second", at(2 * DAY - seconds(1)), Some(seconds(1))),
        (
            "less than one",
            at(2 * DAY - Duration::from_millis(999)),
            None,
        ),
        ("the end", at(2 * DAY), None),
        ("long past", at(9 * DAY), None),
    ] {
        assert_eq!(tickets.lifetime_for(until, now), want, "{name}");
    }
    let state = ServerState {
        until: START + HOUR,
        ..server_state(at(Duration::ZERO))
    };
    let ticket = tickets.seal(&state, at(Duration::ZERO)).unwrap();
    assert!(tickets.open(&ticket, at(HOUR - seconds(1))).is_some());
    assert!(tickets.open(&ticket, at(HOUR)).is_none(), "the line ended");
}

#[test]
fn a_secret_is_replaced_in_a_running_server() {
    let now = at(HOUR);
    let running = fleet();
    let config = running.clone();
    let ticket = config.seal(&server_state(now), now).unwrap();
    let other = b"another secret of 32 bytes or more!";
    running.replace_secret(other).unwrap();
    assert!(
        config.open(&ticket, now).is_none(),
        "sealed under the old one"
    );
    let ticket = config.seal(&server_state(now), now).unwrap();
    let second = Tickets::fleet(other).unwrap();
    assert!(second.open(&ticket, now).is_some(), "under the new one");
    for tickets in [Tickets::rotating(), Tickets::none(), Tickets::asked()] {
        assert!(tickets.replace_secret(other).is_err(), "not a fleet's");
    }
    assert!(running.replace_secret(&[1, 2, 3]).is_err());
    assert!(
        config.open(&ticket, now).is_some(),
        "a refused one changes nothing"
    );
}

#[test]
fn secrets_and_lifetimes_out_of_range_are_refused() {
    let counting: Vec<u8> = (0..64).collect();
    for (name, secret, want) in [
        ("none", &[][..], false),
        ("31 bytes", &counting[..31], false),
        ("32 bytes", &counting[..32], true),
        ("64 bytes", &counting, true),
        ("zeros", &[0; 32], false),
        ("one byte, repeated", &[7; 64], false),
    ] {
        let result = Tickets::fleet(secret);
        assert_eq!(result.is_ok(), want, "{name}");
        let unsupported = matches!(result, Err(ConfigError::Unsupported { .. }));
        assert_eq!(unsupported, !want, "{name}");
    }
    let (second, week) = (Duration::from_secs(1), limits::TICKET_LIFETIME);
    let moment = Duration::from_nanos(1);
    for (name, lifetime, want) in [
        ("none", Duration::ZERO, None),
        ("less than a second", second - moment, None),
        ("a second", second, Some(second)),
        ("rounded down", second + second - moment, Some(second)),
        ("7 days", week, Some(week)),
        ("more than 7 days", week + moment, None),
    ] {
        let tickets = Tickets::rotating().lifetime(lifetime).ok();
        let got = tickets.and_then(|tickets| tickets.lifetime_for(START + 9 * DAY, at(HOUR)));
        assert_eq!(got, want, "{name}");
    }
}

/// RFC 9149 within a cap.
#[test]
fn a_client_gets_as_many_tickets_as_it_asks_for_up_to_the_limit() {
    const MOST: u8 = limits::TICKETS;
    let rotating = Tickets::rotating;
    for (name, tickets, asked, want) in [
        ("by default", rotating(), None, 2),
        ("one", rotating(), Some(1), 1),
        ("none", rotating(), Some(0), 0),
        ("the limit", rotating(), Some(MOST), MOST),
        ("past the limit", rotating(), Some(MOST + 1), MOST),
        ("far past it", rotating(), Some(255), MOST),
        ("configured", rotating().count(3), None, 3),
        ("asked and configured", rotating().count(3), Some(4), 4),
        (
            "configured past the limit",
            rotating().count(255),
            None,
            MOST,
        ),
        ("off", rotating().count(0), None, 0),
        ("of the application", Tickets::asked(), None, 2),
        ("never", Tickets::none(), Some(4), 0),
    ] {
        assert_eq!(tickets.count_for(asked), want, "{name}");
    }
}

#[test]
fn a_ticket_is_small_and_holds_no_more_than_it_may() {
    let tickets = Tickets::rotating();
    let seal = |identity: usize, application: usize, carrier: usize| {
        let mut state = server_state(at(HOUR));
        state.secret = Secret::new(&[5; 48]).unwrap();
        state.binding.hash = Hash::Sha384;
        state.early.suite = CipherSuite::Aes256GcmSha384;
        state.peer = Some(Peer {
            key: [3; 32],
            identity: Some(vec![7; identity].into()),
        });
        state.early.application = vec![8; application].into();
        state.early.carrier = vec![9; carrier].into();
        tickets.seal(&state, at(HOUR))
    };
    let data = limits::SESSION_DATA;
    let largest = seal(limits::IDENTITY, data / 2, data / 2).unwrap();
    assert!(largest.len() <= limits::TICKET, "{}", largest.len());
    assert!(tickets.open(&largest, at(HOUR)).is_some());
    assert!(seal(0, 0, 0).unwrap().len() < 350);
    let too_long = Some(Error::Local(Local::TooLong));
    for (name, identity, application, carrier) in [
        ("identity", limits::IDENTITY + 1, 0, 0),
        ("application", 0, data + 1, 0),
        ("carrier", 0, 0, data + 1),
        ("together", 0, data / 2, data / 2 + 1),
    ] {
        let refused = seal(identity, application, carrier).err();
        assert_eq!(refused, too_long, "{name}");
    }
}

/// What is authentic and still not ours: of another version, cut short, or with something behind it.
#[test]
fn only_a_whole_state_of_this_version_is_read() {
    let state = server_state(at(HOUR));
    let whole = [&state.encode().unwrap()[..], state.secret.expose()].concat();
    assert_same("whole", &ServerState::decode(&whole).unwrap(), &state);
    for cut in 0..whole.len() {
        assert!(ServerState::decode(&whole[..cut]).is_none(), "{cut} bytes");
    }
    assert!(ServerState::decode(&[&whole[..], &[0]].concat()).is_none());
    for version in [0, 1, 3, 255] {
        let mut other = whole.clone();
        other[0] = version;
        assert!(ServerState::decode(&other).is_none(), "version {version}");
    }
}
