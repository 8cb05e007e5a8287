use super::migrate::{moving, quiet, short_dcid};
use super::*;

const HOME: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 7));
const OTHER: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 8));
const THIRD: IpAddr = IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 9));

fn seen(ip: IpAddr) -> Route {
    Route {
        local: None,
        remote: (ip, 4433).into(),
    }
}

fn at_home(ip: IpAddr) -> Route {
    Route {
        local: Some((ip, 0).into()),
        ..CLIENT
    }
}

impl Pair {
    fn migrate(&mut self, ip: IpAddr) -> Result<(), MigrateError> {
        let now = at(self.now);
        self.client.migrate(ip, now)
    }

    /// What the client was told about moves: where it went, and where it could not.
    fn migrations(&self) -> (Vec<Route>, Vec<Route>) {
        let (mut went, mut failed) = (Vec::new(), Vec::new());
        for event in &self.client_events {
            match event {
                Event::Migrated(route) => went.push(*route),
                Event::MigrationFailed(route) => failed.push(*route),
                _ => {}
            }
        }
        (went, failed)
    }
}

#[test]
fn a_client_that_moves_asks_first_and_takes_another_id_of_both_sides() {
    let mut pair = moving();
    pair.homes = vec![HOME];
    let before = (
        pair.client.dcid(pair.client.paths.active.remote).unwrap(),
        pair.client.stats(),
    );
    assert!(before.1.window > 0 && before.1.rtt < DELAY * 3);
    assert_eq!(pair.migrate(HOME), Ok(()));
    assert_eq!(pair.client.route(), CLIENT, "not before there is an answer");
    let mut buffer = [0; 1500];
    let probe = pair.client.transmit(at(pair.now), &mut buffer).unwrap();
    assert_eq!(
        (probe.route, probe.length),
        (at_home(HOME), limits::DATAGRAM)
    );
    let dcid = short_dcid(&buffer[..probe.length]);
    assert_ne!(dcid, before.0, "an id that was not seen where it was");
    let route = pair.carried(Side::Client, probe.route).unwrap();
    pair.fly_by(
        Side::Client,
        route,
        Ecn::NotEct,
        buffer[..probe.length].to_vec(),
    );
    // The server does not follow a probe.
    pair.run(DELAY + Duration::from_millis(1));
    assert_eq!(pair.server().route(), CLIENT);
    pair.run(Duration::from_millis(300));
    assert_eq!(pair.migrations(), (vec![at_home(HOME)], vec![]));
    assert_eq!(pair.client.route(), at_home(HOME));
    assert_eq!(
        pair.client.dcid(pair.client.paths.active.remote),
        Some(dcid)
    );
    assert_eq!(pair.server().route(), seen(HOME));
    assert_eq!(migrate::moved_to(&pair.server_events), [seen(HOME)]);
    let (client, server) = (pair.client.stats(), pair.server().stats());
    assert_eq!((client.moves, server.moves), (1, 1));
    let data = pattern(100_000);
    for from in [Side::Server, Side::Client] {
        let got = pair.transfer(from, &data, Duration::from_secs(9));
        assert_eq!(got, data);
    }
    // Where it was is forgotten on both sides, with the ids that went with it.
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.client.paths.iter().count(), 1);
    assert_eq!(pair.server().paths.iter().count(), 1);
    let told: Vec<_> = core::iter::from_fn(|| pair.server().endpoint_event()).collect();
    assert!(told.contains(&EndpointEvent::Retired(before.0)), "{told:?}");
}

#[test]
fn a_move_begins_with_a_first_window_and_round_trip() {
    let mut pair = moving();
    pair.homes = vec![HOME];
    let data = pattern(200_000);
    pair.transfer(Side::Client, &data, Duration::from_secs(9));
    let before = pair.client.stats();
    pair.migrate(HOME).unwrap();
    let moved = |pair: &mut Pair| pair.client.stats().moves == 1;
    assert!(pair.run_until(Duration::from_secs(1), moved));
    let after = pair.client.stats();
    assert!(after.window < before.window, "{before:?} {after:?}");
}

#[test]
fn a_client_stays_where_it_is_if_nobody_answers_elsewhere() {
    let mut pair = moving();
    pair.homes = vec![HOME];
    pair.migrate(HOME).unwrap();
    // Whatever has the length of a probe is lost.
    pair.fate = Box::new(|_, datagram| {
        let lost = datagram.len() >= limits::DATAGRAM;
        if lost { Vec::new() } else { vec![DELAY] }
    });
    pair.run(Duration::from_millis(2900));
    assert_eq!(pair.migrations(), (vec![], vec![]));
    pair.run(Duration::from_millis(400));
    assert_eq!(pair.migrations(), (vec![], vec![at_home(HOME)]));
    pair.fate = straight();
    let data = pattern(50_000);
    for from in [Side::Server, Side::Client] {
        assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
    }
    assert_eq!(
        (pair.client.route(), pair.server().route()),
        (CLIENT, CLIENT)
    );
    // The id that was spent is retired, and the server has given another.
    assert_eq!(pair.client.paths.iter().count(), 1);
    assert_eq!(pair.client.stats().moves, 0);
}

#[test]
fn moves_are_refused_with_a_reason() {
    let unconfirmed = Pair::new(straight());
    let mut refused = Pair::with(
        straight(),
        |client| client,
        |server| server.active_migration(false),
    );
    quiet(&mut refused);
    let mut bare = Pair::connected();
    bare.run(Duration::from_secs(1));
    let mut busy = moving();
    busy.homes = vec![HOME, OTHER];
    let mut here = moving();
    here.homes = vec![HOME];
    here.migrate(HOME).unwrap();
    for (number, ip) in [HOME, OTHER].into_iter().enumerate() {
        assert!(number < limits::MOVES && busy.migrate(ip) == Ok(()));
    }
    let mut closed = moving();
    closed
        .client
        .close(VarInt::ZERO, Bytes::new(), at(closed.now));
    let rows = [
        ("unconfirmed", unconfirmed, OTHER, MigrateError::Unconfirmed),
        ("refused", refused, OTHER, MigrateError::Refused),
        ("no id", bare, OTHER, MigrateError::NoId),
        ("one too many", busy, THIRD, MigrateError::Busy),
        ("on its way", here, HOME, MigrateError::Known),
        ("closed", closed, OTHER, MigrateError::Unconfirmed),
    ];
    for (name, mut pair, ip, why) in rows {
        let paths = pair.client.paths.iter().count();
        assert_eq!(pair.migrate(ip), Err(why), "{name}");
        assert!(!why.to_string().is_empty());
        assert_eq!(pair.client.paths.iter().count(), paths, "{name}");
    }
    let mut pair = moving();
    let now = at(pair.now);
    let server = pair.server();
    assert_eq!(server.migrate(HOME, now), Err(MigrateError::Server));
    assert_eq!(server.rebind(now), Err(MigrateError::Server));
    assert!(server.error().is_none());
}

#[test]
fn of_two_moves_the_later_answer_wins_and_both_ids_are_used_once() {
    let mut pair = moving();
    pair.homes = vec![HOME, OTHER];
    pair.migrate(HOME).unwrap();
    pair.migrate(OTHER).unwrap();
    pair.run(Duration::from_millis(300));
    let (went, failed) = pair.migrations();
    assert_eq!((went.len(), failed.len()), (2, 0));
    let last = *went.last().unwrap();
    assert_eq!(pair.client.route(), last);
    assert_eq!(pair.server().route(), seen(last.local.unwrap().ip()));
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.client.paths.iter().count(), 1);
}

#[test]
fn a_client_whose_socket_is_replaced_moves_at_once_by_another_id() {
    let mut pair = moving();
    let first = pair.client.dcid(pair.client.paths.active.remote);
    pair.seen_at = seen(HOME);
    let now = at(pair.now);
    assert_eq!(pair.client.rebind(now), Ok(()));
    let mut buffer = [0; 1500];
    let sent = pair.client.transmit(now, &mut buffer).unwrap();
    assert_ne!(Some(short_dcid(&buffer[..sent.length])), first);
    pair.fly(Side::Client, buffer[..sent.length].to_vec());
    pair.run(Duration::from_millis(300));
    assert_eq!(migrate::moved_to(&pair.server_events), [seen(HOME)]);
    let data = pattern(50_000);
    for from in [Side::Server, Side::Client] {
        assert_eq!(pair.transfer(from, &data, Duration::from_secs(9)), data);
    }
    // Where nothing answers the connection is not lost before its idle timeout.
    pair.seen_at = seen(OTHER);
    let now = at(pair.now);
    assert_eq!(pair.client.rebind(now), Ok(()));
    pair.fate = Box::new(|_, _| Vec::new());
    pair.run(Duration::from_secs(8));
    assert!(pair.client.is_established());
    pair.fate = straight();
    pair.run(Duration::from_secs(20));
    assert_eq!(pair.server().route(), seen(OTHER));
}

#[test]
fn a_client_that_must_not_move_says_nothing_from_another_socket() {
    let mut refused = Pair::with(
        straight(),
        |client| client,
        |server| server.active_migration(false),
    );
    quiet(&mut refused);
    let mut bare = Pair::connected();
    bare.run(Duration::from_secs(1));
    let mut early = Pair::new(straight());
    early.run_until(Duration::from_secs(1), |pair| pair.server.is_some());
    let rows = [
        ("refused", refused, MigrateError::Refused),
        ("no id", bare, MigrateError::NoId),
        ("unconfirmed", early, MigrateError::Unconfirmed),
    ];
    for (name, mut pair, why) in rows {
        let now = at(pair.now);
        pair.client.ping();
        assert_eq!(pair.client.rebind(now), Err(why), "{name}");
        let mut buffer = [0; 1500];
        assert!(pair.client.transmit(now, &mut buffer).is_none(), "{name}");
        assert!(pair.client.is_over(), "{name}");
    }
}
