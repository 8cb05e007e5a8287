//! The events of connections as events of the `tracing` crate.
//!
//! Give [`Tracing`] to a configuration: `ClientConfig::new(trust).observer(Arc::new(Tracing))`. The target is `pith`; what was
//! negotiated is of level INFO with its parts as fields, a failure is a WARN with the error as a field, and all else is DEBUG. They
//! fall into the span that is entered where the connection is driven. With the feature `quic` there is [`Tracing::quic`] for what happens below the
//! handshake.

#[cfg(feature = "quic")]
mod quic;

use pith_tls::{Event, Observer};

/// An observer that hands every event to the `tracing` subscriber of the thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tracing;

impl Observer for Tracing {
    fn event(&self, event: &Event<'_>) {
        match event {
            Event::Negotiated {
                suite,
                group,
                retried,
                resumed,
                signature_scheme,
                ..
            } => ::tracing::info!(
                target: "pith",
                %suite,
                %group,
                post_quantum = group.is_post_quantum(),
                retried,
                resumed,
                signature_scheme = signature_scheme.map(::tracing::field::display),
                "negotiated"
            ),
            Event::Failed(error) => ::tracing::warn!(target: "pith", %error, "failed"),
            other => ::tracing::debug!(target: "pith", "{other}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use core::fmt::{Debug, Write};
    use std::sync::{Arc, Mutex};

    use ::tracing::field::{Field, Visit};
    use ::tracing::span::{Attributes, Id, Record};
    use ::tracing::{Metadata, Subscriber};
    use pith_tests::pair::{NAME, Pair, credential, trust};
    use pith_tests::pki::Pki;
    use pith_tls::{ClientConfig, ServerConfig};

    use super::Tracing;

    /// Keeps each event as a line: the span that it is in, level, target and fields. Spans are numbered and have lines too.
    #[derive(Clone, Default)]
    pub(super) struct Lines(Arc<Mutex<Kept>>);

    #[derive(Default)]
    struct Kept {
        lines: Vec<String>,
        spans: u64,
        entered: Vec<u64>,
    }

    impl Lines {
        pub(super) fn take(&self) -> Vec<String> {
            core::mem::take(&mut self.0.lock().unwrap().lines)
        }
    }

    struct Line(String);

    impl Visit for Line {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            write!(self.0, " {field}={value:?}").unwrap();
        }
    }

    impl Subscriber for Lines {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, span: &Attributes<'_>) -> Id {
            let metadata = span.metadata();
            let head = (metadata.level(), metadata.target(), metadata.name());
            let mut line = Line(format!("SPAN {} {} {}", head.0, head.1, head.2));
            span.record(&mut line);
            let mut kept = self.0.lock().unwrap();
            kept.lines.push(line.0);
            kept.spans += 1;
            Id::from_u64(kept.spans)
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, event: &::tracing::Event<'_>) {
            let metadata = event.metadata();
            let mut line = Line(format!("{} {}", metadata.level(), metadata.target()));
            event.record(&mut line);
            let mut kept = self.0.lock().unwrap();
            let span = kept.entered.last().map(|span| format!("in {span}: "));
            kept.lines.push(span.unwrap_or_default() + &line.0);
        }
        fn enter(&self, span: &Id) {
            self.0.lock().unwrap().entered.push(span.into_u64());
        }
        fn exit(&self, _: &Id) {
            self.0.lock().unwrap().entered.pop();
        }
    }

    #[test]
    fn events_have_levels_and_fields() {
        let pki = Pki::new();
        let client = ClientConfig::new(trust(&pki)).observer(Arc::new(Tracing));
        let server = ServerConfig::new(credential(&pki.leaf(NAME)));
        let (client, server) = (client.build().unwrap(), server.build().unwrap());
        let lines = Lines::default();
        ::tracing::subscriber::with_default(lines.clone(), || {
            let mut pair = Pair::connected(&client, &server);
            pair.client.tls.eof().unwrap_err();
        });
        let lines = lines.take();
        assert_eq!(
            lines[..4],
            [
                "DEBUG pith message=handshake started as a client under policy V2026_11",
                "DEBUG pith message=ClientHello sent",
                "DEBUG pith message=ServerHello received",
                "INFO pith message=negotiated suite=TLS_AES_128_GCM_SHA256 group=X25519MLKEM768 \
                 post_quantum=true retried=false resumed=false signature_scheme=ecdsa_secp256r1_sha256",
            ]
        );
        assert!(lines[4].starts_with("WARN pith message=failed error=the transport ended"));
        assert_eq!(lines.len(), 5);
    }
}
