//! Measures what an idle connection costs in heap, that a steady stream of records allocates nothing, and that failed handshakes
//! and failed resumptions leave nothing behind.
//!
//! Counted are both sides of 1,000 connections in one process, struct, AEAD contexts and secrets included; configs and the caller's buffers stand apart, and the
//! peer's chain is not kept. Then one side is dropped, so that each has a mean of its own.
#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used
)]

use std::sync::Arc;

use pith_tests::ceilings::ceiling;
use pith_tests::heap::{Counter, measured};
use pith_tests::pair::{NAME, NOW, configs, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::{ClientConfig, Connection, Received, ServerConfig, SessionStore, Summary};

#[test]
fn idle_connections_are_small_and_nothing_leaks() {
    let name = "idle_connections_are_small_and_nothing_leaks";
    measured(name, env!("CARGO_TARGET_TMPDIR"), measure);
}

fn measure(counter: &Counter) {
    let configs = configs();
    let mut wire = vec![0; 64 * 1024];
    let most = ceiling("tcp-idle").bytes;
    measure_idle("without sessions", most, &configs, counter, &mut wire);
    let most = most + FOR_TICKETS;
    measure_idle("resumed", most, &resuming(), counter, &mut wire);

    let mut warm = connect(&configs, &mut wire);
    let plaintext = [0x5a; 16 * 1024];
    let before = counter.allocations();
    for _ in 0..CONNECTIONS {
        transfer(&mut warm.0, &mut warm.1, &plaintext, &mut wire);
        transfer(&mut warm.1, &mut warm.0, &plaintext, &mut wire);
    }
    let allocations = counter.allocations() - before;
    println!("{CONNECTIONS} records each way: {allocations} allocations");

    let before = counter.bytes();
    let failed = (0..10 * CONNECTIONS)
        .filter(|at| fail(&configs, *at, &mut wire))
        .count();
    let leaked = counter.bytes() - before;
    println!("{failed} failed handshakes: {leaked} bytes left");

    assert_eq!(allocations, 0);
    assert_eq!(leaked, 0);
    assert!(failed > 9 * CONNECTIONS, "hardly any handshake failed");

    measure_failed_resumptions(counter, &mut wire);
}

/// Ten thousand attempts to resume in which a byte of the ClientHello, where the ticket and its binder are, or of the server's flight
/// was flipped on its way.
fn measure_failed_resumptions(counter: &Counter, wire: &mut [u8]) {
    let pki = Pki::new();
    let store = SessionStore::new().reuse_last_ticket(true);
    let client = ClientConfig::new(trust(&pki)).sessions(store);
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    let configs = (client.build().unwrap(), server.build().unwrap());
    for resumed in [false, true] {
        let (client, _) = connect(&configs, wire);
        assert_eq!(client.summary().map(Summary::resumed), Some(resumed));
    }
    for at in 0..100 {
        fail_to_resume(&configs, at, wire);
    }
    let before = counter.bytes();
    let failed = (0..10 * CONNECTIONS)
        .filter(|at| fail_to_resume(&configs, *at, wire))
        .count();
    let leaked = counter.bytes() - before;
    println!("{failed} failed resumptions: {leaked} bytes left");
    assert_eq!(leaked, 0);
    assert!(failed > 9 * CONNECTIONS, "hardly any resumption failed");
}

/// A client with a full store, and its server: from the first connection that is counted, all resume.
fn resuming() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki)).sessions(SessionStore::bounded(2, 2));
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    (client.build().unwrap(), server.build().unwrap())
}

/// What idle connections of these configurations hold.
fn measure_idle(
    what: &str,
    most: i64,
    configs: &(Arc<ClientConfig>, Arc<ServerConfig>),
    counter: &Counter,
    wire: &mut [u8],
) {
    for _ in 0..4 {
        connect(configs, wire);
    }
    let before = counter.bytes();
    let mut clients = Vec::with_capacity(CONNECTIONS);
    let mut servers = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let (client, server) = connect(configs, wire);
        clients.push(client);
        servers.push(server);
    }
    let both = counter.bytes() - before;
    drop(servers);
    let client = (counter.bytes() - before) / CONNECTIONS as i64;
    let server = both / CONNECTIONS as i64 - client;
    drop(clients);
    println!(
        "idle connection, {what}: client {client} bytes, server {server} bytes, the struct of {} included",
        size_of::<Connection>()
    );
    assert!(client <= most, "{what}: a client holds {client} bytes");
    assert!(server <= most, "{what}: a server holds {server} bytes");
    assert!(client.min(server) > 64, "the counter counts nothing");
}

/// Both sides after the handshake and one record each way, idle from then on.
fn connect(
    configs: &(Arc<ClientConfig>, Arc<ServerConfig>),
    wire: &mut [u8],
) -> (Connection, Connection) {
    let mut client = Connection::client(configs.0.clone(), name(), NOW).unwrap();
    let mut server = Connection::server(configs.1.clone());
    while client.summary().is_none() || server.summary().is_none() {
        carry(&mut client, &mut server, wire);
        carry(&mut server, &mut client, wire);
    }
    transfer(&mut client, &mut server, b"hello", wire);
    transfer(&mut server, &mut client, b"hello", wire);
    (client, server)
}

/// A handshake in which one byte of the server's flight was flipped on its way, and whether it failed: the record's version
/// means nothing, so a flip there does not hurt.
fn fail(configs: &(Arc<ClientConfig>, Arc<ServerConfig>), at: usize, wire: &mut [u8]) -> bool {
    let mut client = Connection::client(configs.0.clone(), name(), NOW).unwrap();
    let mut server = Connection::server(configs.1.clone());
    carry(&mut client, &mut server, wire);
    let written = server.transmit(wire);
    wire[at % written] ^= 1;
    let mut flight = &mut wire[..written];
    while let Ok(received) = client.receive(NOW, &mut *flight) {
        let Received::Handled { consumed } = received else {
            break;
        };
        flight = &mut flight[consumed..];
    }
    client.summary().is_none()
}

/// Attempts to resume, with one byte flipped, and says whether that failed; record versions mean nothing here either.
fn fail_to_resume(
    configs: &(Arc<ClientConfig>, Arc<ServerConfig>),
    at: usize,
    wire: &mut [u8],
) -> bool {
    let mut client = Connection::client(configs.0.clone(), name(), NOW).unwrap();
    let mut server = Connection::server(configs.1.clone());
    let written = client.transmit(wire);
    let flip_hello = at.is_multiple_of(2);
    if flip_hello {
        wire[5 + at / 2 % (written - 5)] ^= 1;
    }
    if deliver_all(&mut server, &mut wire[..written]).is_err() {
        return true;
    }
    let written = server.transmit(wire);
    if !flip_hello {
        wire[at / 2 % written] ^= 1;
    }
    if deliver_all(&mut client, &mut wire[..written]).is_err() {
        return true;
    }
    client.summary().is_none()
}

/// Gives all of `input` to `to` until it fails or waits for more.
fn deliver_all(to: &mut Connection, mut input: &mut [u8]) -> Result<(), pith_tls::Error> {
    while let Received::Handled { consumed } = to.receive(NOW, &mut *input)? {
        input = &mut input[consumed..];
    }
    Ok(())
}

/// Hands over what `from` has queued.
fn carry(from: &mut Connection, to: &mut Connection, wire: &mut [u8]) {
    loop {
        let written = from.transmit(wire);
        if written == 0 {
            return;
        }
        deliver(to, &mut wire[..written]);
    }
}

fn transfer(from: &mut Connection, to: &mut Connection, plaintext: &[u8], wire: &mut [u8]) {
    let sent = from.send(plaintext, wire).unwrap();
    assert_eq!(sent.consumed, plaintext.len());
    assert_eq!(deliver(to, &mut wire[..sent.written]), plaintext.len());
}

/// Gives all of `input` to `to`, and says how much of it was data.
fn deliver(to: &mut Connection, mut input: &mut [u8]) -> usize {
    let mut data = 0;
    while !input.is_empty() {
        let consumed = match to.receive(NOW, &mut *input).unwrap() {
            Received::Handled { consumed } => consumed,
            Received::Data { consumed, bytes } => {
                data += bytes.len();
                consumed
            }
            _ => panic!("neither data nor a handshake message"),
        };
        input = &mut input[consumed..];
    }
    data
}

const CONNECTIONS: usize = 1_000;

/// What an idle side may hold besides, where it takes or issues tickets: the resumption secret, and when its line of sessions ends.
const FOR_TICKETS: i64 = 64;
