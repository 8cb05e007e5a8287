//! Every fault that a handshake message can have: one row provokes it at a connection and reads its alert off the wire.
//!
//! A scripted peer with an honest engine changes one message. Rows are grouped by the message. That no fault is left out is held by
//! `faults_covered.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::sync::{Arc, OnceLock};

use pith_tests::message::{Hello, kind, message, vec8, vec16};
use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tests::scripted::{Bench, HANDSHAKE, Role};
use pith_tls::{
    ClientAuth, ClientConfig, Connection, ExtensionType, Fault, Group, MessageKind, ServerConfig,
    limits,
};

mod flight;
mod hellos;
mod psks;
mod shares;

/// A client, a server that has a share in common with it, and one that has not.
struct Configs {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    retrying: Arc<ServerConfig>,
}

fn configs() -> &'static Configs {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    CONFIGS.get_or_init(|| {
        let pki = Pki::new();
        let leaf = pki.leaf(NAME);
        let client = ClientConfig::new(trust(&pki)).alpn(&[b"h2", b"http/1.1"]);
        let server = || ServerConfig::new(credential(&leaf)).alpn(&[b"h2"]);
        let groups = [Group::X25519, Group::Secp256r1];
        let retrying = [Group::Secp256r1];
        Configs {
            client: client
                .groups(&groups)
                .shares(&[Group::X25519])
                .build()
                .unwrap(),
            server: server().groups(&groups).build().unwrap(),
            retrying: server().groups(&retrying).build().unwrap(),
        }
    })
}

/// Brings a connection of this role to where the peer's message `number` (0 is the first) is next, replaces that by what `edit`
/// makes of it, and expects the fault.
fn provoke(
    row: &str,
    role: Role,
    server: &Arc<ServerConfig>,
    number: usize,
    edit: impl FnOnce(&[u8]) -> Vec<u8>,
    want: Fault,
) {
    let mut bench = Bench::with(role, &configs().client, server);
    let before = bench.peer.honest(number);
    bench.feed(&before).unwrap();
    let message = bench.peer.next_message().unwrap();
    let changed = edit(&message);
    assert_ne!(changed, message, "{row}: nothing changed");
    let wire: Vec<u8> = changed
        .chunks(1 << 14)
        .flat_map(|part| bench.peer.record(HANDSHAKE, part))
        .collect();
    bench.fails(row, &wire, want);
}

/// As [`provoke`] for a hello, in its fields.
fn provoke_hello(
    row: &str,
    role: Role,
    server: &Arc<ServerConfig>,
    number: usize,
    edit: impl FnOnce(&mut Hello),
    want: Fault,
) {
    let by_fields = |bytes: &[u8]| {
        let mut hello = Hello::parse(bytes);
        edit(&mut hello);
        hello.encode()
    };
    provoke(row, role, server, number, by_fields, want);
}

type Edit = fn(&mut Hello);
type Row = (&'static str, Edit, Fault);

const fn malformed(message: MessageKind) -> Fault {
    Fault::Malformed { message }
}

const fn missing(extension: ExtensionType, message: MessageKind) -> Fault {
    Fault::MissingExtension { extension, message }
}

const OLD: Fault = Fault::NoTls13 { newest: 0x0303 };
const CH: MessageKind = MessageKind::ClientHello;
const SH: MessageKind = MessageKind::ServerHello;
const GREASE: u16 = 0x1a1a;

fn named(kind: u8, name: &[u8]) -> Vec<u8> {
    vec16(&[&[kind][..], &vec16(name)].concat())
}

fn edit_shares(hello: &mut Hello, edit: impl FnOnce(&mut Vec<(u16, Vec<u8>)>)) {
    let mut shares = hello.shares();
    edit(&mut shares);
    hello.set_shares(&shares);
}

/// The faults that are of no message: levels and carriers have theirs in `quic_carrier.rs`.
#[test]
fn a_message_that_is_too_long_or_out_of_place() {
    let long = Fault::MessageTooLong {
        limit: limits::HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE,
        announced: limits::HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE + 1,
    };
    // Announced alone: 16 KiB and one byte with the header.
    let announced = |bytes: &[u8]| vec![bytes[0], 0, 0x3f, 0xfd];
    for (role, number) in [
        (Role::Server, 0),
        (Role::Server, 1),
        (Role::Client, 0),
        (Role::Client, 1),
        (Role::Client, 3),
        (Role::Client, 4),
    ] {
        provoke("too long", role, &configs().server, number, announced, long);
    }
    let want = Fault::UnexpectedMessage {
        state: "START",
        message: SH,
    };
    let hello = |_: &[u8]| message(kind::SERVER_HELLO, &[0; 40]);
    provoke(
        "a ServerHello for a server",
        Role::Server,
        &configs().server,
        0,
        hello,
        want,
    );
    let want = Fault::UnexpectedMessage {
        state: "WAIT_SH",
        message: CH,
    };
    let hello = |_: &[u8]| message(kind::CLIENT_HELLO, &[0; 40]);
    provoke(
        "a ClientHello for a client",
        Role::Client,
        &configs().server,
        0,
        hello,
        want,
    );
}

#[test]
fn plain_http_is_named_as_such() {
    for line in [
        "GET / HTTP/1.1\r\n",
        "POST /a HTTP/1.0\r\n",
        "HEAD / HTTP/1.1\r\n",
    ] {
        let mut bench = Bench::with(Role::Server, &configs().client, &configs().server);
        bench.fails(line, line.as_bytes(), Fault::PlainHttp);
    }
}

/// S14: what a peer sent is in no error, in no form.
#[test]
fn errors_hold_no_bytes_of_the_peer() {
    let marks = ["needle", "6e6565646c65", "[110, 101, 101, 100, 108, 101"];
    let edits: [Edit; 3] = [
        |h| h.extensions.set(16, vec16(&vec8(b"needle"))),
        |h| h.extensions.set(0, named(0, b"needle\0")),
        |h| h.set_shares(&[(29, b"needle".to_vec())]),
    ];
    for edit in edits {
        let mut client = Connection::client(configs().client.clone(), name(), NOW).unwrap();
        let mut buffer = [0; 4096];
        let length = client.transmit(&mut buffer);
        let mut hello = Hello::parse(&buffer[5..length]);
        edit(&mut hello);
        let mut wire = pith_tests::scripted::plain(HANDSHAKE, &hello.encode());
        let mut server = Connection::server(configs().server.clone());
        let error = server.receive(NOW, &mut wire).unwrap_err();
        for text in [format!("{error}"), format!("{error:?}")] {
            assert!(!marks.iter().any(|mark| text.contains(mark)), "{text}");
        }
    }
}
