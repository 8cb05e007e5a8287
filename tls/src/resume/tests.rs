//! What outlives a connection, and for how long: what these tests share.

use core::time::Duration;

use pith_crypto::{Hash, Secret};
use pith_pq::Group;
use pki_types::ServerName;

use super::binding::{Binding, Early, Origin, mark_of_protocol};
use super::session::ClientState;
use super::state::{Peer, ServerState};
use super::*;
use crate::Now;
use crate::config::ClientAuth;
use crate::handshake::carrier::Rules;
use crate::limits;
use crate::policy::V2026_11;
use crate::suite::CipherSuite;

mod external;
mod fuzz;
mod replays;
mod sessions;
mod tickets;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// 2026-11-24 06:54:50 UTC
const START: Duration = Duration::from_secs(1_795_503_290);

/// So long after [`START`]. The monotonic clock stands still: it is each connection's own, and nothing here may look at it.
fn at(after: Duration) -> Now {
    Now {
        monotonic: Duration::ZERO,
        unix: START + after,
    }
}

fn earlier(before: Duration) -> Now {
    Now {
        monotonic: Duration::ZERO,
        unix: START - before,
    }
}

fn binding() -> Binding {
    Origin::new(None, &ClientAuth::None, &V2026_11).binding(
        Some("a.test"),
        CipherSuite::Aes128GcmSha256,
        Group::X25519MlKem768,
        Rules::Records,
    )
}

fn early() -> Early {
    Early {
        protocol: mark_of_protocol(Some(b"h2")),
        suite: CipherSuite::Aes128GcmSha256,
        application: Box::new([1, 2, 3]),
        carrier: Box::new([4, 5]),
        max_early_data: 16_384,
    }
}

/// A state that is good for a day from `now` on.
fn server_state(now: Now) -> ServerState {
    ServerState {
        secret: Secret::new(&[7; 32]).unwrap(),
        binding: binding(),
        early: early(),
        peer: None,
        issued: now.unix,
        lifetime: DAY,
        until: now.unix + limits::TICKET_LIFETIME,
        age_add: 0x1234_5678,
    }
}

/// A session that is good for a day from `now` on; `ticket` tells it from others.
fn client_state(name: &str, ticket: &[u8], now: Now) -> ClientState {
    ClientState {
        secret: Secret::new(&[7; 32]).unwrap(),
        suite: CipherSuite::Aes128GcmSha256,
        ticket: ticket.into(),
        age_add: 0x1234_5678,
        received: now.unix,
        lifetime: DAY,
        until: now.unix + limits::TICKET_LIFETIME,
        server_name: server_name(name),
        owner: [9; 32],
        carrier: Rules::Records,
        post_quantum: true,
        peer: Peer {
            key: [8; 32],
            identity: Some(Box::new(*b"a server")),
        },
        protocol: Some(Box::new(*b"h2")),
        max_early_data: 16_384,
        application: Box::new([1, 2, 3]),
        carrier_data: Box::new([4, 5]),
    }
}

fn server_name(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}

/// The same state has the same encoding, apart from the secret.
fn assert_same(name: &str, got: &ServerState, want: &ServerState) {
    assert_eq!(got.encode().unwrap(), want.encode().unwrap(), "{name}");
    assert!(got.secret.ct_eq(want.secret.expose()), "{name}: the secret");
}
