//! Over TCP.

use pith_tests::ceilings::{Ceiling, ceiling};
use pith_tests::heap::{Counter, measured};
use pith_tests::pair::{NAME, NOW, credential, trust};
use pith_tests::pki::Pki;
use pith_tests::scripted::{
    ALERT, Bench, CHANGE_CIPHER_SPEC, DATA, HANDSHAKE, KEY_UPDATE_REQUEST, Role, Stage, message,
    plain,
};
use pith_tls::limits::{
    EMPTY_RECORDS, HANDSHAKE_MESSAGE, HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE, QUIET_MESSAGES,
    SESSION_TICKET,
};
use pith_tls::{ClientConfig, Connection, ServerConfig, SessionStore};

/// The most that the connection of a bench holds while these records come to it.
fn most_held(counter: &Counter, bench: Bench, records: &mut [Vec<u8>]) -> i64 {
    let Bench { mut side, peer } = bench;
    let mut most = counter.bytes();
    for record in records {
        // A flood may end the connection, which takes nothing from then on.
        let _result = side.tls.receive(NOW, record);
        most = most.max(counter.bytes());
    }
    drop(side);
    let held = most - counter.bytes() + size_of::<Connection>() as i64;
    drop(peer);
    held
}

/// The largest message that may come at this stage, all but its last byte.
fn longest(bench: &mut Bench, stage: Stage) -> Vec<Vec<u8>> {
    let limit = match stage.expects_certificate() {
        true => HANDSHAKE_MESSAGE,
        false => HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE,
    };
    let long = message(11, &vec![0; limit - 4]);
    let pieces = long[..limit - 1].chunks(100);
    pieces
        .map(|piece| bench.peer.record(HANDSHAKE, piece))
        .collect()
}

fn of_stages(counter: &Counter, ceiling: &Ceiling, stages: impl Iterator<Item = Stage>) {
    // What is made once and for all is made before.
    for stage in Stage::ALL {
        drop(Bench::at(stage));
    }
    let held = stages.map(|stage| {
        let mut bench = Bench::at(stage);
        let mut records = longest(&mut bench, stage);
        let held = most_held(counter, bench, &mut records);
        println!("{:?} {}: {held} bytes", stage.role, stage.state);
        held
    });
    ceiling.holds(held.max().unwrap());
}

#[test]
fn a_stranger_over_tcp_holds_no_more_than_its_ceiling() {
    let name = "tls::a_stranger_over_tcp_holds_no_more_than_its_ceiling";
    measured(name, env!("CARGO_TARGET_TMPDIR"), |counter| {
        let stages = [Stage::SERVER_START, Stage::SERVER_RETRIED];
        of_stages(counter, &ceiling("tcp-stranger"), stages.into_iter());
    });
}

#[test]
fn an_unauthenticated_peer_over_tcp_holds_no_more_than_its_ceiling() {
    let name = "tls::an_unauthenticated_peer_over_tcp_holds_no_more_than_its_ceiling";
    measured(name, env!("CARGO_TARGET_TMPDIR"), |counter| {
        let stages = Stage::ALL.into_iter().filter(|stage| !stage.is_connected());
        of_stages(counter, &ceiling("tcp-unauthenticated"), stages);
    });
}

/// What a flood makes the connection hold, in both roles.
fn flood(
    counter: &Counter,
    ceiling: &Ceiling,
    stages: &[Stage],
    records: impl Fn(&mut Bench) -> Vec<Vec<u8>>,
) {
    for stage in stages {
        drop(Bench::at(*stage));
    }
    let held = stages.iter().map(|stage| {
        let mut bench = Bench::at(*stage);
        let mut records = records(&mut bench);
        most_held(counter, bench, &mut records)
    });
    ceiling.holds(held.max().unwrap());
}

#[test]
fn floods_over_tcp_hold_no_more_than_their_ceilings() {
    let name = "tls::floods_over_tcp_hold_no_more_than_their_ceilings";
    measured(name, env!("CARGO_TARGET_TMPDIR"), |counter| {
        let handshake = Stage::ALL.map(|stage| stage);
        flood(
            counter,
            &ceiling("tcp-change-cipher-specs"),
            &handshake,
            |_| vec![plain(CHANGE_CIPHER_SPEC, &[1]); 1000],
        );
        let connected = &Stage::CONNECTED;
        flood(counter, &ceiling("tcp-empty-records"), connected, |bench| {
            let mut records = Vec::new();
            for _ in 0..100 {
                for _ in 0..EMPTY_RECORDS {
                    records.push(bench.peer.padded(DATA, b"", 1000));
                }
                records.push(bench.peer.record(DATA, b"!"));
            }
            records
        });
        flood(counter, &ceiling("tcp-alerts"), connected, |bench| {
            (0..1000)
                .map(|_| bench.peer.record(ALERT, &[1, 90]))
                .collect()
        });
        flood(counter, &ceiling("tcp-key-updates"), connected, |bench| {
            let mut records = Vec::new();
            for _ in 0..30 {
                for _ in 0..QUIET_MESSAGES {
                    records.push(bench.peer.key_update(&KEY_UPDATE_REQUEST));
                }
                records.push(bench.peer.record(DATA, b"!"));
            }
            records
        });
    });
}

#[test]
fn a_flood_of_tickets_holds_no_more_than_its_ceiling() {
    let name = "tls::a_flood_of_tickets_holds_no_more_than_its_ceiling";
    measured(name, env!("CARGO_TARGET_TMPDIR"), |counter| {
        let pki = Pki::new();
        let server = ServerConfig::new(credential(&pki.leaf(NAME)))
            .build()
            .unwrap();
        let connected = |store: &SessionStore| {
            let client = ClientConfig::new(trust(&pki)).sessions(store.clone());
            let mut bench = Bench::with(Role::Client, &client.build().unwrap(), &server);
            bench.finish().unwrap();
            bench
        };
        drop(connected(&SessionStore::new()));
        let store = SessionStore::new();
        let mut bench = connected(&store);
        drop(store.drain());
        let mut records = Vec::new();
        for at in 0..400_u32 {
            let ticket = vec![0x5a; SESSION_TICKET];
            let body = [
                &[0, 0, 0x0e, 0x10][..],
                &at.to_be_bytes(),
                &[1, 0],
                &u16::try_from(ticket.len()).unwrap().to_be_bytes(),
                &ticket,
                &[0, 0],
            ];
            records.push(bench.peer.record(HANDSHAKE, &message(4, &body.concat())));
            if at % 16 == 15 {
                records.push(bench.peer.record(DATA, b"!"));
            }
        }
        let before = counter.bytes();
        let mut most = before;
        for record in &mut records {
            bench.side.tls.receive(NOW, record).unwrap();
            most = most.max(counter.bytes());
        }
        assert_eq!(store.len(), 4, "the store is full");
        // The store outlives the connection.
        let held = most - before + size_of::<Connection>() as i64;
        ceiling("tcp-tickets").holds(held);
    });
}
