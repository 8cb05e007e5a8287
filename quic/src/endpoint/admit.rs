//! The two stages in which a client is let in.

use core::net::SocketAddr;

use bytes::BytesMut;
use pith_tls::Now;

use super::incoming::{Admission, Attempt, Progress};
use super::token::Shown;
use super::{Endpoint, Retrying, Routed};
use crate::error::Code;
use crate::limits;
use crate::observe::Decision;
use crate::path::Route;
use crate::recovery::Ecn;
use crate::wire::{ConnectionId, Version};

/// What the first stage looks at.
pub(super) struct First<'a> {
    pub(super) route: Route,
    pub(super) version: Version,
    pub(super) dcid: ConnectionId,
    pub(super) scid: ConnectionId,
    pub(super) token: &'a [u8],
    /// Bytes of the datagram.
    pub(super) length: usize,
}

pub(super) enum Admitted {
    Yes(Admission),
    Reply(usize),
    /// Another worker has made the id.
    Elsewhere(u16),
    No,
}

impl Admitted {
    fn reply(length: Option<usize>) -> Self {
        length.map_or(Self::No, Self::Reply)
    }
}

impl Endpoint {
    /// The first stage: what becomes of a client whose hello has only begun to come.
    pub(super) fn admit(&mut self, first: &First<'_>, now: Now, reply: &mut [u8]) -> Admitted {
        let known = self.table.waits(first.route.remote, first.dcid);
        // rfc9000#7.2-1: whoever chooses a shorter id is no client.
        let long_enough = first.dcid.len() >= limits::FIRST_ID_LEAST;
        // rfc9000#14.1-3
        let small = first.length < limits::DATAGRAM;
        if !self.config.serves || small || !long_enough || !self.may_answer(first.route) {
            return Admitted::No;
        }
        let mut admission = Admission {
            route: first.route,
            version: first.version,
            dcid: first.dcid,
            original: first.dcid,
            retried: false,
            validated: false,
        };
        if known {
            // The attempt itself knows what its first datagram has shown.
            return Admitted::Yes(admission);
        }
        let remote = first.route.remote;
        // Before anything is computed for it: not even what its token is good for (attack A37).
        let crowded =
            self.table.attempts() >= limits::ATTEMPTS || !self.table.has_room(first.length);
        if crowded || self.is_full(remote) {
            return Admitted::No;
        }
        match self.other_worker(&first.dcid) {
            Ok(None) => {}
            Ok(Some(worker)) => return Admitted::Elsewhere(worker),
            Err(_) => return Admitted::No,
        }
        if self.ends.is_some() {
            let code = Code::CONNECTION_REFUSED;
            return self.turn_away(&admission, first.scid, code, now, reply);
        }
        match self
            .tokens
            .check(first.token, remote, (first.version, &first.dcid), now.unix)
        {
            Shown::Retried(original) => {
                admission.original = original;
                (admission.retried, admission.validated) = (true, true);
            }
            Shown::Address => admission.validated = true,
            // It would take no other Retry (RFC 9000 section 8.1.2).
            Shown::BadRetry => {
                let code = Code::INVALID_TOKEN;
                return self.turn_away(&admission, first.scid, code, now, reply);
            }
            // rfc9369#4.1-2
            Shown::OtherVersion => return Admitted::No,
            Shown::Nothing if self.asks_retry() => {
                return Admitted::reply(self.send_retry(&admission, first.scid, now, reply));
            }
            // Without a token that counts it may be sent three times what it sends (rfc9000#8.1.4-4).
            Shown::Nothing => {}
        }
        Admitted::Yes(admission)
    }

    /// Closes the connection that there will not be, at a rate: whoever sends from addresses that are not his own gets no more work done than that.
    fn turn_away(
        &mut self,
        admission: &Admission,
        peer: ConnectionId,
        code: Code,
        now: Now,
        reply: &mut [u8],
    ) -> Admitted {
        if !self.close_bucket.take(now.monotonic) {
            return Admitted::No;
        }
        let length = self.close(admission, peer, None, code, reply);
        let decision = if code == Code::INVALID_TOKEN {
            Decision::InvalidToken
        } else {
            Decision::Refused
        };
        self.decided(Some(admission.route.remote), decision);
        Admitted::reply(length)
    }

    /// The second stage, once the hello is complete.
    pub(super) fn on_attempt(
        &mut self,
        now: Now,
        ecn: Ecn,
        admission: Admission,
        datagram: BytesMut,
        reply: &mut [u8],
    ) -> Routed {
        self.on_deadline(now);
        let (remote, dcid) = (admission.route.remote, admission.dcid);
        if !self.table.waits(remote, dcid) {
            // Nothing stays of a client whose first datagram does not open.
            let Ok(mut attempt) = Attempt::new(admission, now.monotonic) else {
                return self.dropped(admission.route);
            };
            return match attempt.receive(ecn, datagram) {
                Progress::Nothing | Progress::Again => self.dropped(admission.route),
                Progress::Kept => {
                    if !self.table.keep(remote, dcid, attempt) {
                        self.decided(Some(remote), Decision::Dropped);
                    }
                    Routed::Nothing
                }
                Progress::Complete
                    if self.table.ask(remote, dcid, now.monotonic, attempt.bytes()) =>
                {
                    Routed::Incoming(attempt.into_incoming())
                }
                Progress::Complete => self.dropped(admission.route),
            };
        }
        match self.table.feed(remote, dcid, ecn, datagram) {
            Some(Progress::Complete) => {}
            Some(Progress::Again) => return self.acknowledge(remote, dcid, reply),
            Some(Progress::Nothing | Progress::Kept) | None => return Routed::Nothing,
        }
        // Many may have begun while there was room for one.
        if self.is_full(remote) {
            self.table.forget_attempt(remote, dcid);
            return self.dropped(admission.route);
        }
        match self.table.take_attempt(remote, dcid, now.monotonic) {
            Some(attempt) => Routed::Incoming(attempt.into_incoming()),
            None => Routed::Nothing,
        }
    }

    /// Tells a client what came of its hello.
    fn acknowledge(&mut self, remote: SocketAddr, dcid: ConnectionId, reply: &mut [u8]) -> Routed {
        let own = self.table.has_own_id(remote, dcid);
        let id = if own { None } else { self.mint().ok() };
        match self.table.acknowledge(remote, dcid, id, reply) {
            Some(length) => Routed::Reply(length),
            None => Routed::Nothing,
        }
    }

    /// Whether as many handshakes are open as may be, and then says so.
    fn is_full(&mut self, remote: SocketAddr) -> bool {
        let full = self.table.may_be_half_open() >= self.config.share(self.config.half_open);
        if full {
            self.decided(Some(remote), Decision::Full);
        }
        full
    }

    fn asks_retry(&self) -> bool {
        match self.config.retrying {
            Retrying::Always => true,
            Retrying::From(many) => {
                let open = self.table.half_open();
                open.saturating_add(self.table.attempts()) >= self.config.share(many)
            }
        }
    }
}
