//! Answers that need no connection: Retry, Version Negotiation, CONNECTION_CLOSE, Stateless Reset. Each is shorter than the datagram that it answers.

use core::time::Duration;

use bytes::BytesMut;
use pith_crypto::Error;
use pith_tls::Now;

use super::incoming::{Acknowledged, Admission};
use super::{Endpoint, Routed, version};
use crate::error::Code;
use crate::observe::Decision;
use crate::path::Route;
use crate::protect::{Draft, PacketSecret, retry_tag};
use crate::wire::frame::Close;
use crate::wire::header::{Ids, NewHeader};
use crate::wire::version::LongType;
use crate::wire::{Builder, ConnectionId, PacketNumber, VarInt};

impl Endpoint {
    /// Whether the sender of a datagram may be answered at all: some ports belong to services that answer whatever comes (attack A45).
    pub(super) fn may_answer(&self, route: Route) -> bool {
        !REFLECTORS.contains(&route.remote.port())
    }

    pub(super) fn negotiate(
        &mut self,
        now: Duration,
        route: Route,
        ids: &Ids<'_>,
        trigger: usize,
        reply: &mut [u8],
    ) -> Option<usize> {
        if !self.config.serves {
            return None;
        }
        let random = self.random.bytes().ok()?;
        // rfc9000#17.2.1-6: one for a datagram.
        let length = version::negotiate(&self.versions, ids, trigger, random, reply)?;
        let allowed = self.version_bucket.take(now);
        if allowed {
            self.decided(Some(route.remote), Decision::VersionNegotiation);
        }
        allowed.then_some(length)
    }

    /// rfc9000#17.2.5.1-4: one for a datagram, in its version (rfc9369#4.1-1).
    pub(super) fn send_retry(
        &mut self,
        admission: &Admission,
        scid: ConnectionId,
        now: Now,
        reply: &mut [u8],
    ) -> Option<usize> {
        // Random, so not what the client has chosen (rfc9000#17.2.5.1-1).
        let retried = self.mint_id().ok()?;
        let remote = admission.route.remote;
        let token = self.tokens.retry(
            remote,
            (admission.version, &admission.dcid, &retried),
            now.unix,
        );
        let [unused] = self.random.bytes().ok()?;
        let mut builder = Builder::new(reply);
        builder.put_retry(admission.version, unused, &scid, &retried, &token.ok()?)?;
        let tag = retry_tag(admission.version, &admission.dcid, builder.written());
        builder.put(&tag.ok()?)?;
        let length = builder.len();
        self.decided(Some(remote), Decision::Retry);
        Some(length)
    }

    /// An Initial packet that closes the connection that there is not.
    pub(super) fn close(
        &mut self,
        admission: &Admission,
        peer: ConnectionId,
        acknowledged: Option<&Acknowledged>,
        code: Code,
        reply: &mut [u8],
    ) -> Option<usize> {
        let (scid, number) = match acknowledged {
            Some(sent) => (sent.id.id, sent.packets),
            None => (self.mint_id().ok()?, 0),
        };
        let (_, server) = PacketSecret::initial(admission.version, &admission.dcid).ok()?;
        let mut keys = server.sealer(1).ok()?;
        let header = NewHeader::Long {
            long_type: LongType::Initial,
            version: admission.version,
            dcid: peer,
            scid,
            token: &[],
        };
        let mut builder = Builder::new(reply);
        let number = PacketNumber::new(number)?;
        let draft = Draft::begin(&mut builder, &header, true, number, None)?;
        builder.put_connection_close(Close::Transport {
            code: VarInt::saturating(code.0),
            frame: VarInt::ZERO,
            reason: &[],
        })?;
        draft.seal(&mut builder, &mut keys).ok()
    }

    /// The worker that has made an id, if that is another.
    pub(super) fn other_worker(&self, dcid: &ConnectionId) -> Result<Option<u16>, Error> {
        let (own, workers) = (self.config.worker, self.config.workers);
        if workers < 2 {
            return Ok(None);
        }
        let worker = self.ids.worker(dcid)?;
        Ok(worker.filter(|worker| *worker != own && *worker < workers))
    }

    /// A packet with a short header to an id that nobody has here. Only these are reset (rfc9000#11-1).
    pub(super) fn on_unknown_short(
        &mut self,
        now: Duration,
        route: Route,
        dcid: &ConnectionId,
        datagram: BytesMut,
        reply: &mut [u8],
    ) -> Routed {
        let trigger = datagram.len();
        // A reset is not answered by one.
        if let Some(key) = self.table.find_reset(route.remote, &datagram) {
            return Routed::Connection(key, datagram);
        }
        // Another worker may have the connection, so it is for him to say (rfc9000#21.11-1, rfc9000#21.11-2, rfc9000#5.2.3-1).
        match self.other_worker(dcid) {
            Ok(Some(worker)) => return Routed::Forward(worker, datagram),
            Ok(None) => {}
            Err(_) => return self.dropped(route),
        }
        if self.config.resets && self.may_answer(route) && self.reset_bucket.take(now) {
            let written = self.resets.write(dcid, trigger, &mut self.random, reply);
            if let Ok(Some(length)) = written {
                self.decided(Some(route.remote), Decision::Reset);
                return Routed::Reply(length);
            }
        }
        self.dropped(route)
    }
}

/// Source ports of services that are used for reflection, and zero: echo, discard, daytime, quotd, chargen, DNS, TFTP, portmap, NTP, NetBIOS,
/// SNMP, LDAP, RIP, QUIC's own neighbours SSDP, WS-Discovery, mDNS, memcached.
const REFLECTORS: [u16; 20] = [
    0, 7, 9, 13, 17, 19, 53, 69, 111, 123, 137, 138, 161, 389, 520, 1900, 3702, 5353, 5355, 11_211,
];
