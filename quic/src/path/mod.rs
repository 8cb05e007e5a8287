//! What belongs to a path and not to a connection: addresses, what may be sent there, and the connection ids in use.
//!
//! A connection has one path here: packets from other addresses are dropped. Validation of new paths and migration come with the endpoint.

mod amplification;
mod ids;
mod local_ids;
mod remote_ids;
mod validate;

use core::net::{IpAddr, SocketAddr};

pub(crate) use amplification::Amplification;
pub(crate) use ids::Ids;
pub(crate) use local_ids::LocalIds;
pub use local_ids::NewId;
pub(crate) use remote_ids::{Learned, RemoteIds};
pub(crate) use validate::Responses;

use crate::limits;
use crate::recovery::PathId;

/// The addresses between which datagrams go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// This side's address, where it is known: a host may have several.
    pub local: Option<IpAddr>,
    /// The peer's address and port.
    pub remote: SocketAddr,
}

/// One path.
#[derive(Debug)]
pub(crate) struct Path {
    pub(crate) id: PathId,
    pub(crate) route: Route,
    pub(crate) amplification: Amplification,
    /// Bytes that a datagram may have.
    pub(crate) mtu: u16,
    pub(crate) responses: Responses,
}

impl Path {
    /// A path that has carried nothing.
    pub(crate) fn new(id: PathId, route: Route, amplification: Amplification) -> Self {
        Self {
            id,
            route,
            amplification,
            mtu: u16::try_from(limits::DATAGRAM).unwrap_or(u16::MAX),
            responses: Responses::default(),
        }
    }
}
