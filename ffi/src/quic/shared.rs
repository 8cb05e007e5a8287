//! What the handles of an endpoint, its clients and its connections share.

use core::ffi::c_void;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use ::pith_quic::{Connection, ConnectionKey, Ecn, Endpoint, EndpointEvent, Route};
use bytes::BytesMut;
use pith_tls::Now;

use crate::error::{Failure, PITH_PANIC};
use crate::panic::PANICKED;

pub(super) type Datagram = (Route, Ecn, BytesMut);

/// An endpoint, for as long as it or anything of it is there.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<State>>);

pub(super) struct State {
    pub(super) endpoint: Endpoint,
    members: BTreeMap<ConnectionKey, Member>,
}

/// A connection as the endpoint sees it.
struct Member {
    /// The caller's pointer, which is only handed back.
    user: usize,
    inbox: VecDeque<Datagram>,
}

impl Shared {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self(Arc::new(Mutex::new(State {
            endpoint,
            members: BTreeMap::new(),
        })))
    }

    /// A panic while it was locked poisons it for all.
    pub(super) fn lock(&self) -> Result<MutexGuard<'_, State>, Failure> {
        self.0
            .lock()
            .map_err(|_| Failure::new(PITH_PANIC, PANICKED))
    }

    /// Takes what came for a connection.
    pub(super) fn take(&self, key: ConnectionKey) -> Result<VecDeque<Datagram>, Failure> {
        let mut state = self.lock()?;
        let member = state.members.get_mut(&key);
        Ok(member
            .map(|member| core::mem::take(&mut member.inbox))
            .unwrap_or_default())
    }

    /// Takes what a connection has for its endpoint.
    pub(super) fn settle(
        &self,
        key: ConnectionKey,
        connection: &mut Connection,
        now: Now,
    ) -> Result<(), Failure> {
        self.lock()?.endpoint.settle(key, connection, now);
        Ok(())
    }

    /// A connection is freed. Nothing is to be done about a poisoned endpoint.
    pub(super) fn leave(&self, key: ConnectionKey) {
        if let Ok(mut state) = self.lock() {
            state.members.remove(&key);
            let nothing = state.endpoint.on_event(key, EndpointEvent::Over);
            debug_assert!(nothing.is_empty(), "only ids that are wanted are minted");
        }
    }
}

impl State {
    pub(super) fn join(&mut self, key: ConnectionKey, user: *mut c_void) {
        let member = Member {
            user: user.expose_provenance(),
            inbox: VecDeque::new(),
        };
        self.members.insert(key, member);
    }

    /// Keeps a datagram for its connection, and gives the caller's pointer; none if that connection is not there. Where too many wait the datagram is
    /// lost, as on a full socket.
    pub(super) fn deliver(
        &mut self,
        key: ConnectionKey,
        datagram: Datagram,
    ) -> Option<*mut c_void> {
        let member = self.members.get_mut(&key)?;
        if member.inbox.len() < INBOX {
            member.inbox.push_back(datagram);
        }
        Some(core::ptr::with_exposed_provenance_mut(member.user))
    }
}

/// Datagrams that wait for pith_quic_receive.
const INBOX: usize = 256;
