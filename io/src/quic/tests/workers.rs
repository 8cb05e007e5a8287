//! What workers hand to each other.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use pith_quic::{Ecn, EndpointConfig, Route};

use crate::clock::Clock;
use crate::quic::endpoint;
use crate::quic::hub::{LETTER_BYTES, LETTERS};

#[test]
fn what_waits_for_another_worker_is_bounded_in_datagrams_and_bytes() {
    let local: SocketAddr = "192.0.2.1:443".parse().unwrap();
    let config = EndpointConfig::server().unwrap();
    let (endpoint, drivers) = endpoint(config, None, (local, 3), &Clock::system()).unwrap();
    assert_eq!(drivers.len(), 3);
    let hubs = &endpoint.workers.hubs;
    let route = Route {
        local: None,
        remote: local,
    };
    // (bytes of a datagram, how many are sent, how many are there)
    for (length, sent, kept) in [
        (1200, LETTERS, LETTERS),
        (1200, LETTERS + 1, LETTERS),
        (1 << 15, LETTER_BYTES >> 15, LETTER_BYTES >> 15),
        (1 << 15, (LETTER_BYTES >> 15) + 1, LETTER_BYTES >> 15),
    ] {
        for _ in 0..sent {
            let letter = (route, Ecn::NotEct, BytesMut::zeroed(length));
            hubs[0].forward(2, letter);
        }
        assert_eq!(hubs[1].letters().len(), 0);
        assert_eq!(hubs[2].letters().len(), kept, "{length} {sent}");
        assert_eq!(hubs[2].letters().len(), 0, "they are taken once");
    }
    // To nobody, and to one who is gone.
    hubs[0].forward(3, (route, Ecn::NotEct, BytesMut::zeroed(9)));
    let gone = Arc::downgrade(&hubs[1]);
    drop((endpoint, drivers));
    assert!(gone.upgrade().is_none());
}
