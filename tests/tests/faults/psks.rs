//! Pre-shared keys: a client that resumes against a server that does not do as it should, and the other way round.

use pith_tests::message::{offered_psks, share};
use pith_tests::pair::Pair;
use pith_tls::SessionStore;

use super::*;

/// A client with a session, and the server that it is of. The client takes classical groups too.
fn resuming() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki)).sessions(SessionStore::new());
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    let (client, server) = (client.build().unwrap(), server.build().unwrap());
    Pair::connected(&client, &server);
    (client, server)
}

fn provoke(row: &str, role: Role, edit: impl FnOnce(&mut Hello), want: Fault) {
    let (client, server) = resuming();
    let mut bench = Bench::with(role, &client, &server);
    let message = bench.peer.next_message().unwrap();
    let mut hello = Hello::parse(&message);
    assert!(hello.extensions.has(41), "{row}: no pre-shared key");
    edit(&mut hello);
    let wire = bench.peer.record(HANDSHAKE, &hello.encode());
    bench.fails(row, &wire, want);
}

/// Known attacks S03 and T05.
#[test]
fn a_client_hello_with_a_wrong_offer() {
    fn offer(h: &mut Hello) -> &mut Vec<u8> {
        &mut h.extensions.0.last_mut().unwrap().1
    }
    let rows: &[Row] = &[
        (
            "a bit of the binder",
            |h| *offer(h).last_mut().unwrap() ^= 1,
            Fault::Binder,
        ),
        (
            "another hello under the binder",
            |h| h.random[0] ^= 1,
            Fault::Binder,
        ),
        (
            "a longer binder",
            |h| {
                let offer = offer(h);
                let at = offer.len() - 35;
                offer.truncate(at);
                offer.extend(vec16(&vec8(&[7; 33])));
            },
            Fault::Binder,
        ),
        (
            "a binder too many",
            |h| *offer(h) = offered_psks(&[b"key"], &[[9; 32], [9; 32]]),
            Fault::PskCounts,
        ),
        (
            "a binder too few",
            |h| *offer(h) = offered_psks(&[b"key", b"other"], &[[9; 32]]),
            Fault::PskCounts,
        ),
        (
            "no binder",
            |h| *offer(h) = offered_psks(&[b"key"], &[]),
            malformed(CH),
        ),
        (
            "an empty identity",
            |h| *offer(h) = offered_psks(&[b""], &[[9; 32]]),
            malformed(CH),
        ),
        (
            "bytes behind the binders",
            |h| offer(h).push(0),
            malformed(CH),
        ),
        (
            "no list of modes",
            |h| h.extensions.set(45, vec8(&[])),
            malformed(CH),
        ),
        (
            "a request for tickets of one byte",
            |h| h.extensions.set(58, [4]),
            malformed(CH),
        ),
        (
            "no share",
            |h| h.extensions.remove(51),
            missing(ExtensionType::KEY_SHARE, CH),
        ),
        (
            "no groups",
            |h| h.extensions.remove(10),
            missing(ExtensionType::SUPPORTED_GROUPS, CH),
        ),
        (
            "an unknown key and no signature_algorithms",
            |h| {
                *offer(h) = offered_psks(&[b"key"], &[[9; 32]]);
                h.extensions.remove(13);
            },
            missing(ExtensionType::SIGNATURE_ALGORITHMS, CH),
        ),
    ];
    for (row, edit, want) in rows {
        provoke(row, Role::Server, edit, *want);
    }
}

/// Known attack S03.
#[test]
fn a_server_hello_with_a_wrong_selection() {
    let rows: &[Row] = &[
        (
            "a key that was not offered",
            |h| h.extensions.set(41, [0, 1]),
            Fault::SelectedPsk,
        ),
        (
            "the last number there is",
            |h| h.extensions.set(41, [0xff; 2]),
            Fault::SelectedPsk,
        ),
        (
            "a suite of another hash",
            |h| h.suites = vec![0x1302],
            Fault::SelectedPskHash,
        ),
        (
            "no share",
            |h| h.extensions.remove(51),
            Fault::PskWithoutShare,
        ),
        (
            "half a number",
            |h| h.extensions.set(41, [0]),
            malformed(SH),
        ),
        (
            "a longer number",
            |h| h.extensions.set(41, [0; 3]),
            malformed(SH),
        ),
        (
            "neither key nor share",
            |h| {
                h.extensions.remove(41);
                h.extensions.remove(51);
            },
            missing(ExtensionType::KEY_SHARE, SH),
        ),
        (
            "a classical key exchange",
            |h| h.extensions.set(51, share(29, &[9; 32])),
            Fault::ResumedClassically,
        ),
        (
            "modes",
            |h| h.extensions.push(45, vec8(&[1])),
            Fault::MisplacedExtension {
                extension: ExtensionType::PSK_KEY_EXCHANGE_MODES,
                message: SH,
            },
        ),
        (
            "a count of tickets",
            |h| h.extensions.push(58, [2]),
            Fault::MisplacedExtension {
                extension: ExtensionType::TICKET_REQUEST,
                message: SH,
            },
        ),
    ];
    for (row, edit, want) in rows {
        provoke(row, Role::Client, edit, *want);
    }
}
