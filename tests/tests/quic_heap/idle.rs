//! Measures what an idle QUIC connection costs in heap, and that data in a steady stream costs no more than its packets.
//!
//! Counted are both sides of 1,000 connections in one process, struct, AEAD contexts and secrets included, after one exchange each way and
//! everything is acknowledged; then one side is dropped, so that each has a mean of its own.

use crate::pair::{configs, connect};
use pith_quic::Connection;
use pith_tests::ceilings::ceiling;
use pith_tests::heap::{Counter, measured};

#[test]
fn idle_quic_connections_are_small() {
    let name = "idle::idle_quic_connections_are_small";
    measured(name, env!("CARGO_TARGET_TMPDIR"), measure);
}

fn measure(counter: &Counter) {
    let (client, server) = configs();
    for _ in 0..4 {
        connect(&client, &server);
    }
    let before = counter.bytes();
    let mut clients = Vec::with_capacity(CONNECTIONS);
    let mut servers = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let (client, server) = connect(&client, &server);
        clients.push(client);
        servers.push(server);
    }
    let both = counter.bytes() - before;
    drop(servers);
    let client = (counter.bytes() - before) / CONNECTIONS as i64;
    let server = both / CONNECTIONS as i64 - client;
    drop(clients);
    println!(
        "idle QUIC connection: client {client} bytes, server {server} bytes, the struct of {} included",
        size_of::<Connection>()
    );
    ceiling("quic-idle").holds(client);
    ceiling("quic-idle").holds(server);
    assert!(client.min(server) > 64, "the counter counts nothing");
    assert_eq!(counter.bytes() - before, 0, "bytes left");
}

const CONNECTIONS: usize = 1_000;
