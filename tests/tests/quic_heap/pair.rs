//! A QUIC client and a server without a network: what one sends, the other has at once.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pith_quic::{
    Accepted, ClientConfig, Connection, ConnectionId, Dir, Ecn, NewId, Read, ResetToken, Route,
    ServerConfig,
};
use pith_tls::Now;

use pith_tests::pair::{NAME, NOW, credential, name, trust};
use pith_tests::pki::Pki;

/// A client and a server for it, with all defaults.
pub(crate) fn configs() -> (ClientConfig, ServerConfig) {
    let pki = Pki::new();
    let client = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"test"]);
    let server = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"test"]);
    let client = ClientConfig::new(client.build().unwrap());
    let server = ServerConfig::new(server.build().unwrap());
    (client.build().unwrap(), server.build().unwrap())
}

/// Both sides after the handshake and one exchange each way, idle from then on.
pub(crate) fn connect(client: &ClientConfig, server: &ServerConfig) -> (Connection, Connection) {
    let own = id(0xc0).id;
    let mut client = Connection::client(client, name(), route(), own, Bytes::new(), NOW).unwrap();
    let mut buffer = vec![0; 16 * 1200];
    let hello = client.transmit(NOW, &mut buffer).unwrap();
    let length = usize::from(buffer[5]);
    let accepted = Accepted {
        version: pith_quic::Version::V1,
        route: route(),
        original: ConnectionId::new(&buffer[6..6 + length]).unwrap(),
        retried: None,
        peer: own,
        id: id(0x50),
        validated: false,
    };
    let mut server = Connection::server(server, &accepted, NOW).unwrap();
    for datagram in buffer[..hello.length].chunks(hello.segment) {
        server.receive(NOW, route(), Ecn::NotEct, BytesMut::from(datagram));
    }
    let mut now = NOW;
    settle(&mut client, &mut server, &mut now);
    for _ in 0..2 {
        let id = client.open(Dir::Bi).unwrap();
        client.send(id, &mut Bytes::from_static(b"hello")).unwrap();
        client.finish(id).unwrap();
        settle(&mut client, &mut server, &mut now);
        assert_eq!(server.accept(Dir::Bi), Some(id));
        assert!(matches!(
            server.read(id, 99),
            Ok(Read::Data { ends: true, .. })
        ));
        server.send(id, &mut Bytes::from_static(b"hello")).unwrap();
        server.finish(id).unwrap();
        settle(&mut client, &mut server, &mut now);
        assert!(matches!(
            client.read(id, 99),
            Ok(Read::Data { ends: true, .. })
        ));
        settle(&mut client, &mut server, &mut now);
    }
    (client, server)
}

/// Runs until both have nothing to do but to wait for seconds.
pub(crate) fn settle(client: &mut Connection, server: &mut Connection, now: &mut Now) {
    let mut buffer = vec![0; 16 * 1200];
    for _ in 0..500 {
        now.monotonic += Duration::from_millis(10);
        let mut quiet = true;
        for (from, to) in [(true, false), (false, true)] {
            let (from, to) = if from && !to {
                (&mut *client, &mut *server)
            } else {
                (&mut *server, &mut *client)
            };
            from.on_deadline(*now);
            while let Some(batch) = from.transmit(*now, &mut buffer) {
                quiet = false;
                for datagram in buffer[..batch.length].chunks(batch.segment) {
                    to.receive(*now, route(), Ecn::NotEct, BytesMut::from(datagram));
                }
            }
            while from.event().is_some() {}
            while from.endpoint_event().is_some() {}
        }
        let soon = now.monotonic + Duration::from_secs(2);
        let waits = |side: &Connection| side.deadline().is_none_or(|at| at > soon);
        if quiet && waits(client) && waits(server) {
            return;
        }
    }
    panic!("no rest");
}

fn id(value: u8) -> NewId {
    NewId {
        id: ConnectionId::new(&[value; 8]).unwrap(),
        reset_token: ResetToken([value; 16]),
    }
}

/// The path between the two.
pub(crate) fn route() -> Route {
    Route {
        local: None,
        remote: SocketAddr::from(([127, 0, 0, 1], 4433)),
    }
}
