//! Mutated flights between two handshake engines, where no AEAD stands in the way: whoever was sent something that the other
//! side did not send never completes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::sync::{Arc, LazyLock};

use bolero::TypeGenerator;
use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::Pki;
use pith_tls::{Carrier, ClientConfig, Group, Handshake, Level, Output, ServerConfig};

static CONFIGS: LazyLock<[(Arc<ClientConfig>, Arc<ServerConfig>); 2]> = LazyLock::new(|| {
    let pki = Pki::new();
    let server = |groups: &[Group]| {
        ServerConfig::new(credential(&pki.leaf(NAME)))
            .groups(groups)
            .build()
            .unwrap()
    };
    let client = || {
        ClientConfig::new(trust(&pki))
            .alpn(&[b"h2"])
            .build()
            .unwrap()
    };
    [
        (client(), server(&[Group::X25519])),
        (client(), server(&[Group::Secp256r1])),
    ]
});

/// One change to one flight.
#[derive(Debug, TypeGenerator)]
enum Edit {
    Set { at: u16, value: u8 },
    Cut { at: u16, length: u8 },
    Insert { at: u16, bytes: Vec<u8> },
    Repeat { at: u16, length: u8 },
}

impl Edit {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let end = bytes.len();
        let place = |at: u16| usize::from(at) % (end + 1);
        match self {
            Self::Set { at, value } => {
                if let Some(byte) = bytes.get_mut(place(*at)) {
                    *byte = *value;
                }
            }
            Self::Cut { at, length } => {
                let start = place(*at);
                let end = (start + usize::from(*length)).min(bytes.len());
                bytes.drain(start..end);
            }
            Self::Insert { at, bytes: new } => {
                let start = place(*at);
                bytes.splice(start..start, new.iter().copied());
            }
            Self::Repeat { at, length } => {
                let start = place(*at);
                let end = (start + usize::from(*length)).min(bytes.len());
                let copy = bytes[start..end].to_vec();
                bytes.splice(end..end, copy);
            }
        }
    }
}

/// Takes what one engine sends, edits it, and gives it to the other. Tells whether bytes moved and whether they were altered.
fn carry(
    from: &mut Handshake,
    to: &mut Handshake,
    edits: &[(u8, Edit)],
    flight: &mut u8,
) -> (bool, bool) {
    let (mut moved, mut altered) = (false, false);
    while let Some(output) = from.next() {
        let Output::Send { level, bytes } = output else {
            continue;
        };
        let mut sent = bytes.to_vec();
        for (_, edit) in edits.iter().filter(|(at, _)| at % 6 == *flight) {
            edit.apply(&mut sent);
        }
        altered |= sent != bytes;
        *flight += 1;
        moved = true;
        let level: Level = level;
        // An error is final, and the test looks at what completes.
        to.read(level, &sent, NOW).unwrap_or_default();
    }
    (moved, altered)
}

#[test]
fn whoever_was_lied_to_never_completes() {
    type Input = (bool, Vec<(u8, Edit)>);
    bolero::check!()
        .with_type::<Input>()
        .with_iterations(5000)
        .for_each(|(retry, edits)| {
            let (client, server) = &CONFIGS[usize::from(*retry)];
            let mut client =
                Handshake::client(client.clone(), name(), Carrier::Records, NOW).unwrap();
            let mut server = Handshake::server(server.clone(), Carrier::Records);
            let (mut lied_to_client, mut lied_to_server) = (false, false);
            let mut flight = 0;
            // Two flights each way and no more: a handshake that takes longer does not end.
            for _ in 0..4 {
                lied_to_server |= carry(&mut client, &mut server, edits, &mut flight).1;
                lied_to_client |= carry(&mut server, &mut client, edits, &mut flight).1;
            }
            assert!(
                !(lied_to_client && client.is_complete()),
                "the client was lied to and completed"
            );
            assert!(
                !(lied_to_server && server.is_complete()),
                "the server was lied to and completed"
            );
            if !lied_to_client && !lied_to_server {
                assert!(
                    client.is_complete() && server.is_complete(),
                    "nothing was altered"
                );
            }
        });
}
