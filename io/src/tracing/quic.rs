//! The events of QUIC connections and endpoints, by level: an end that was no error and a complete handshake are INFO, other ends WARN, each packet, metric
//! and timer TRACE, and all else DEBUG.

use core::time::Duration;

use pith_quic::Code;
use pith_quic::observe::{Cause, End, Observer, Seen, State, Subject};
use pith_tls::Role;

use super::Tracing;

/// The observer of one connection, with the span that its events are in.
struct Traced(::tracing::Span);

impl Tracing {
    /// For `observers` of a QUIC configuration: `ClientConfig::new(tls).observers(Tracing::quic)`. Events have the target `pith::quic` and are in a span
    /// `connection` of level ERROR, whose fields are the role of this side, the first destination id of the client and the peer's address.
    #[must_use]
    pub fn quic(subject: &Subject) -> Option<Box<dyn Observer>> {
        let role = match subject.role {
            Role::Client => "client",
            Role::Server => "server",
        };
        // As high as any event in it, so that whoever sees one sees whose it is.
        let span = ::tracing::error_span!(
            target: "pith::quic",
            "connection",
            role,
            id = ?subject.original,
            remote = %subject.route.remote,
        );
        Some(Box::new(Traced(span)))
    }
}

impl Observer for Traced {
    fn seen(&mut self, at: Duration, seen: &Seen<'_>) {
        self.0.in_scope(|| Tracing.seen(at, seen));
    }
}

/// For [`EndpointConfig::observer`](pith_quic::EndpointConfig::observer), whose events are in no span.
impl Observer for Tracing {
    fn seen(&mut self, _: Duration, seen: &Seen<'_>) {
        match seen {
            Seen::State(State::Complete) => {
                ::tracing::info!(target: "pith::quic", "{seen}");
            }
            Seen::Closed(end) if is_error(end) => {
                ::tracing::warn!(target: "pith::quic", %end, "closed");
            }
            Seen::Closed(end) => ::tracing::info!(target: "pith::quic", %end, "closed"),
            Seen::Metrics(metrics) => ::tracing::trace!(
                target: "pith::quic",
                smoothed_rtt = ?metrics.smoothed_rtt,
                latest_rtt = ?metrics.latest_rtt,
                min_rtt = ?metrics.min_rtt,
                window = metrics.window,
                in_flight = metrics.in_flight,
                "metrics"
            ),
            Seen::Sent(packet, frames) => ::tracing::trace!(
                target: "pith::quic",
                packet = %packet.packet,
                number = packet.number,
                size = packet.size,
                %frames,
                "sent"
            ),
            Seen::Received(packet, frames) => ::tracing::trace!(
                target: "pith::quic",
                packet = %packet.packet,
                number = packet.number,
                size = packet.size,
                %frames,
                "received"
            ),
            Seen::LossTimer(_) => ::tracing::trace!(target: "pith::quic", "{seen}"),
            _ => ::tracing::debug!(target: "pith::quic", "{seen}"),
        }
    }
}

/// Whether a connection ended in a way that nobody meant.
fn is_error(end: &End) -> bool {
    match end.cause {
        Cause::Application(_) | Cause::IdleTimeout => false,
        Cause::Transport(code, _) => code != Code::NO_ERROR,
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use pith_quic::{
        Accepted, ClientConfig, Connection, ConnectionId, Ecn, Endpoint, EndpointConfig, NewId,
        ResetToken, Route, ServerConfig, VarInt,
    };
    use pith_tests::pair::{NAME, NOW, credential, name, trust};
    use pith_tests::pki::Pki;
    use pith_tls::Now;

    use super::super::tests::Lines;
    use super::*;

    fn route() -> Route {
        Route {
            local: None,
            remote: ([192, 0, 2, 1], 443).into(),
        }
    }

    /// A client and a server that have met, or failed to: the protocol of the client may be another.
    fn meet(protocol: &[u8]) -> (Connection, Connection, Now) {
        let pki = Pki::new();
        let tls = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[protocol]);
        let client = ClientConfig::new(tls.build().unwrap())
            .observers(Tracing::quic)
            .build();
        let tls = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"test"]);
        let server = ServerConfig::new(tls.build().unwrap()).build().unwrap();
        let own = ConnectionId::new(&[0xc0; 8]).unwrap();
        let client = Connection::client(&client.unwrap(), name(), route(), own, Bytes::new(), NOW);
        let (mut client, mut now) = (client.unwrap(), NOW);
        let mut buffer = vec![0; 16 * 1500];
        let hello = client.transmit(now, &mut buffer).unwrap();
        let length = usize::from(buffer[5]);
        let accepted = Accepted {
            version: pith_quic::Version::V1,
            route: route(),
            original: ConnectionId::new(&buffer[6..6 + length]).unwrap(),
            retried: None,
            peer: own,
            id: NewId {
                id: ConnectionId::new(&[0x50; 8]).unwrap(),
                reset_token: ResetToken([0x50; 16]),
            },
            validated: false,
        };
        let mut server = Connection::server(&server, &accepted, now).unwrap();
        for datagram in buffer[..hello.length].chunks(hello.segment) {
            server.receive(now, route(), Ecn::NotEct, BytesMut::from(datagram));
        }
        for _ in 0..20 {
            now.monotonic += Duration::from_millis(10);
            for from_client in [false, true] {
                let (from, to) = if from_client {
                    (&mut client, &mut server)
                } else {
                    (&mut server, &mut client)
                };
                from.on_deadline(now);
                while let Some(batch) = from.transmit(now, &mut buffer) {
                    for datagram in buffer[..batch.length].chunks(batch.segment) {
                        to.receive(now, route(), Ecn::NotEct, BytesMut::from(datagram));
                    }
                }
            }
        }
        (client, server, now)
    }

    #[test]
    fn events_of_a_connection_have_levels_fields_and_its_span() {
        let lines = Lines::default();
        ::tracing::subscriber::with_default(lines.clone(), || {
            let (mut client, _, now) = meet(b"test");
            client.close(VarInt::from(7_u8), Bytes::new(), now);
            let id = client.ids().next();
            assert!(id.is_some());
        });
        let lines = lines.take();
        let (spans, events): (Vec<_>, Vec<_>) =
            lines.iter().partition(|line| line.starts_with("SPAN "));
        assert_eq!(spans.len(), 1);
        assert!(spans[0].starts_with("SPAN ERROR pith::quic connection role=\"client\" id="));
        assert!(spans[0].ends_with(" remote=192.0.2.1:443"), "{}", spans[0]);
        let all_in_it = events.iter().all(|line| line.starts_with("in 1: "));
        assert!(all_in_it, "{events:?}");
        let with = |word: &str| {
            let found = events.iter().find(|line| line.contains(word));
            found.unwrap().strip_prefix("in 1: ").unwrap()
        };
        for (word, want) in [
            (
                "Initial keys of this side",
                "DEBUG pith::quic message=Initial keys of this side installed",
            ),
            (
                "message=sent",
                "TRACE pith::quic message=sent packet=Initial number=0 size=1200 frames=crypto",
            ),
            ("complete", "INFO pith::quic message=connection complete"),
            (
                "closed",
                "INFO pith::quic message=closed end=application code 7, by this side",
            ),
        ] {
            assert_eq!(with(word), want);
        }
        let metrics = with("message=metrics");
        assert!(metrics.starts_with("TRACE pith::quic message=metrics smoothed_rtt="));
    }

    #[test]
    fn a_connection_that_fails_is_a_warning() {
        let lines = Lines::default();
        ::tracing::subscriber::with_default(lines.clone(), || drop(meet(b"other")));
        let lines = lines.take();
        let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
        assert_eq!(
            warnings,
            [
                "in 1: WARN pith::quic message=closed end=CRYPTO_ERROR (no_application_protocol), by the peer"
            ]
        );
    }

    #[test]
    fn an_endpoint_tells_of_its_decisions() {
        let lines = Lines::default();
        ::tracing::subscriber::with_default(lines.clone(), || {
            let config = EndpointConfig::server()
                .unwrap()
                .observer(Box::new(Tracing));
            let mut endpoint = Endpoint::new(config, NOW).unwrap();
            let bytes = BytesMut::from(&[0x41; 100][..]);
            let routed = endpoint.receive(NOW, route(), Ecn::NotEct, bytes, &mut [0; 1200]);
            assert!(matches!(routed, pith_quic::Routed::Reply(_)));
        });
        assert_eq!(
            lines.take(),
            ["DEBUG pith::quic message=192.0.2.1:443: Stateless Reset sent"]
        );
    }
}
