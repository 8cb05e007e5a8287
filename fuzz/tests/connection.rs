//! Bytes of a peer that is not TLS at all, or nearly: into both roles of a connection, in pieces of any size.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::sync::{Arc, LazyLock};

use pith_tests::pair::{NAME, NOW, Pair, configs, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::{ClientConfig, Connection, Error, Group, Received, ServerConfig};

static CONFIGS: LazyLock<(Arc<ClientConfig>, Arc<ServerConfig>)> = LazyLock::new(configs);

/// Of handshakes that only come before what is tested: they need not be the dearest.
static QUICK: LazyLock<(Arc<ClientConfig>, Arc<ServerConfig>)> = LazyLock::new(|| {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki)).groups(&[Group::X25519]);
    let server = ServerConfig::new(credential(&pki.leaf(NAME)));
    (client.build().unwrap(), server.build().unwrap())
});

/// One for all inputs, so that they do the same each time and cost no pair of keys.
static HELLO: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut hello = vec![0; 4096];
    let length = client().transmit(&mut hello);
    hello.truncate(length);
    hello
});

const ITERATIONS: usize = 1000;

fn client() -> Connection {
    Connection::client(CONFIGS.0.clone(), name(), NOW).unwrap()
}

fn server() -> Connection {
    Connection::server(CONFIGS.1.clone())
}

/// Feeds `input` in pieces of the given sizes, in turn, and tells what the connection made of it.
fn feed(tls: &mut Connection, input: &[u8], sizes: &[u8]) -> (Vec<u8>, Result<usize, Error>) {
    let (mut data, mut held, mut total) = (Vec::new(), Vec::new(), 0);
    let mut rest = input;
    for turn in 0.. {
        let size = sizes
            .get(turn % sizes.len().max(1))
            .map_or(usize::MAX, |size| usize::from(*size) + 1);
        let (piece, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        held.extend_from_slice(piece);
        loop {
            let consumed = match tls.receive(NOW, &mut held) {
                Ok(Received::NeedMore { at_least }) => {
                    assert!(at_least > 0);
                    break;
                }
                Ok(Received::Handled { consumed }) => consumed,
                Ok(Received::Closed { .. }) => return (data, Ok(total)),
                Ok(Received::Data { consumed, bytes }) => {
                    data.extend_from_slice(bytes);
                    consumed
                }
                Ok(_) => break,
                Err(error) => return (data, Err(error)),
            };
            assert!(
                consumed > 0 && consumed <= held.len(),
                "each call makes progress"
            );
            held.drain(..consumed);
            total += consumed;
        }
        if rest.is_empty() {
            break;
        }
    }
    (data, Ok(total))
}

#[test]
fn any_bytes_into_a_client() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|input: &[u8]| {
            let mut tls = client();
            let (data, _) = feed(&mut tls, input, &[]);
            assert!(data.is_empty(), "no data without a handshake");
            assert!(tls.summary().is_none());
        });
}

#[test]
fn any_bytes_into_a_server() {
    bolero::check!()
        .with_iterations(ITERATIONS)
        .for_each(|input: &[u8]| {
            let mut tls = server();
            let (data, _) = feed(&mut tls, input, &[]);
            assert!(data.is_empty() && tls.summary().is_none());
        });
}

#[test]
fn any_bytes_into_a_connected_server() {
    bolero::check!()
        .with_iterations(ITERATIONS / 5)
        .for_each(|input: &[u8]| {
            let mut pair = Pair::connected(&QUICK.0, &QUICK.1);
            let (data, _) = feed(&mut pair.server.tls, input, &[]);
            assert!(data.is_empty(), "nothing opens that was not sealed");
        });
}

/// A ClientHello with some bytes replaced: the server answers or refuses, and the pieces do not matter.
#[test]
fn pieces_of_a_mutated_hello_do_not_matter() {
    type Input = (Vec<(u16, u8)>, Vec<u8>);
    bolero::check!()
        .with_type::<Input>()
        .with_iterations(ITERATIONS)
        .for_each(|(edits, sizes)| {
            let mut hello = HELLO.clone();
            for (at, value) in edits {
                let at = usize::from(*at) % hello.len();
                hello[at] = *value;
            }
            let whole = feed(&mut server(), &hello, &[]);
            let pieces = feed(&mut server(), &hello, sizes);
            assert_eq!(whole, pieces);
        });
}
