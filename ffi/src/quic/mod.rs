//! QUIC without sockets: datagrams in, datagrams out, the caller's clock.
//!
//! One `Shared` is behind an endpoint and all its connections: which of them a datagram is for, and what came for each and was not taken yet. A
//! connection has a handle of its own, and no lock is held while it works.

mod config;
mod connection;
mod datagram;
mod endpoint;
mod event;
mod incoming;
mod info;
mod shared;
mod status;
mod stream;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use core::time::Duration;

use ::pith_quic::{Code, ConnectionError, Ecn, Route, TransportError, VarInt};

use crate::error::{
    Failure, PITH_ALERT, PITH_AMBIGUOUS, PITH_LOCAL, PITH_MISUSE, PITH_PEER, PITH_RESET,
    PITH_TIMEOUT, PITH_TRUNCATED,
};
use crate::time::pith_time;

pub use config::*;
pub use connection::*;
pub use datagram::*;
pub use endpoint::*;
pub use event::*;
pub use incoming::*;
pub use info::*;
pub use status::*;
pub use stream::*;

/// No address.
pub const PITH_ADDRESS_NONE: u16 = 0;
/// An address of IPv4, in the first four bytes of `ip`.
pub const PITH_ADDRESS_IPV4: u16 = 4;
/// An address of IPv6.
pub const PITH_ADDRESS_IPV6: u16 = 6;

/// Bytes that a buffer for datagrams to be sent has at least.
pub const PITH_QUIC_DATAGRAM: usize = 1200;

/// An address of UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct pith_address {
    /// One of PITH_ADDRESS_.
    pub family: u16,
    /// The port, in the order of this machine (ntohs of what a socket says).
    pub port: u16,
    /// The scope of a link-local address of IPv6 (sin6_scope_id), else 0.
    pub scope: u32,
    /// The address, as it is on the wire.
    pub ip: [u8; 16],
}

impl pith_address {
    pub(crate) const NONE: Self = Self {
        family: PITH_ADDRESS_NONE,
        port: 0,
        scope: 0,
        ip: [0; 16],
    };

    fn of(address: SocketAddr) -> Self {
        let mut of_ip = Self::of_ip(address.ip());
        of_ip.port = address.port();
        if let SocketAddr::V6(address) = address {
            of_ip.scope = address.scope_id();
        }
        of_ip
    }

    fn of_ip(ip: IpAddr) -> Self {
        let mut address = Self::NONE;
        match ip {
            IpAddr::V4(ip) => {
                address.family = PITH_ADDRESS_IPV4;
                for (to, from) in address.ip.iter_mut().zip(ip.octets()) {
                    *to = from;
                }
            }
            IpAddr::V6(ip) => {
                address.family = PITH_ADDRESS_IPV6;
                address.ip = ip.octets();
            }
        }
        address
    }

    fn get(self) -> Result<Option<SocketAddr>, Failure> {
        let [a, b, c, d, ..] = self.ip;
        match self.family {
            PITH_ADDRESS_NONE => Ok(None),
            PITH_ADDRESS_IPV4 => {
                let ip = Ipv4Addr::new(a, b, c, d);
                Ok(Some((ip, self.port).into()))
            }
            PITH_ADDRESS_IPV6 => {
                let ip = Ipv6Addr::from(self.ip);
                let address = SocketAddrV6::new(ip, self.port, 0, self.scope);
                Ok(Some(address.into()))
            }
            _ => Err(Failure::argument(
                "the family of an address is none of PITH_ADDRESS_",
            )),
        }
    }
}

/// The addresses of a datagram.
fn route(remote: Option<&pith_address>, local: Option<&pith_address>) -> Result<Route, Failure> {
    let remote = remote.ok_or_else(|| Failure::null("the peer's address"))?;
    let remote = remote
        .get()?
        .ok_or_else(|| Failure::argument("the peer has no address"))?;
    let local = match local {
        Some(local) => local.get()?,
        None => None,
    };
    Ok(Route { local, remote })
}

fn local(route: Route) -> pith_address {
    route.local.map_or(pith_address::NONE, pith_address::of)
}

/// The two bits of ECN in a packet's IP header.
fn ecn(bits: u8) -> Result<Ecn, Failure> {
    match bits {
        0 => Ok(Ecn::NotEct),
        1 => Ok(Ecn::Ect1),
        2 => Ok(Ecn::Ect0),
        3 => Ok(Ecn::Ce),
        _ => Err(Failure::argument("ECN has two bits")),
    }
}

fn ecn_bits(ecn: Ecn) -> u8 {
    match ecn {
        Ecn::NotEct => 0,
        Ecn::Ect1 => 1,
        Ecn::Ect0 => 2,
        Ecn::Ce => 3,
    }
}

fn time(now: Option<&pith_time>) -> Result<::pith_tls::Now, Failure> {
    now.map(|now| now.now())
        .ok_or_else(|| Failure::null("the time"))
}

fn number(value: u64) -> Result<VarInt, Failure> {
    VarInt::new(value).ok_or_else(|| Failure::argument("QUIC has no number of 2^62 or more"))
}

/// When something is due, in microseconds: not before it is.
fn micros(deadline: Duration) -> u64 {
    let nanos = deadline.as_nanos().div_ceil(1000);
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

impl From<&ConnectionError> for Failure {
    fn from(error: &ConnectionError) -> Self {
        let status = match error {
            ConnectionError::LocallyClosed => PITH_MISUSE,
            ConnectionError::Ambiguous => PITH_AMBIGUOUS,
            ConnectionError::PeerClosed { code, .. } if code.alert().is_some() => PITH_ALERT,
            ConnectionError::PeerClosed { .. } | ConnectionError::ApplicationClosed { .. } => {
                PITH_RESET
            }
            ConnectionError::IdleTimeout | ConnectionError::HandshakeTimeout => PITH_TIMEOUT,
            ConnectionError::Reset => PITH_TRUNCATED,
            ConnectionError::NoCommonVersion => PITH_PEER,
            ConnectionError::Transport(TransportError { code, .. })
                if *code == Code::INTERNAL_ERROR || *code == Code::AEAD_LIMIT_REACHED =>
            {
                PITH_LOCAL
            }
            ConnectionError::Transport(_) => PITH_PEER,
            ConnectionError::Tls(error) => return error.clone().into(),
            _ => PITH_LOCAL,
        };
        Self::new(status, error.to_string())
    }
}

impl From<ConnectionError> for Failure {
    fn from(error: ConnectionError) -> Self {
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_the_same_there_and_back() {
        for address in ["192.0.2.7:443", "[2001:db8::1]:65535", "[fe80::1%3]:1"] {
            let want: SocketAddr = address.parse().unwrap();
            let c = pith_address::of(want);
            assert_eq!(c.get().unwrap(), Some(want), "{address}");
        }
        assert_eq!(pith_address::NONE.get().unwrap(), None);
        let wrong = pith_address {
            family: 2,
            ..pith_address::NONE
        };
        assert!(wrong.get().is_err());
    }

    #[test]
    fn marks_are_the_same_there_and_back() {
        for bits in 0..4 {
            assert_eq!(ecn_bits(ecn(bits).unwrap()), bits);
        }
        assert!(ecn(4).is_err());
    }

    #[test]
    fn a_deadline_is_never_early() {
        for (nanos, want) in [(0, 0), (1, 1), (1000, 1), (1001, 2), (1999, 2)] {
            assert_eq!(micros(Duration::from_nanos(nanos)), want, "{nanos}");
        }
        assert_eq!(micros(Duration::MAX), u64::MAX);
    }
}
