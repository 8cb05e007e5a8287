//! What a program says of its QUIC connections.

use core::ffi::c_char;
use core::mem::MaybeUninit;
use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use core::time::Duration;
use std::sync::Arc;

use ::pith_quic::{
    ClientConfig, ConfigError, Congestion, PreferredAddresses, ServerConfig, TokenStore,
};

use super::pith_address;

use crate::arguments::{Struct, Why, options};
use crate::config::{pith_client_config, pith_server_config};
use crate::error::{Failure, PITH_CONFIG};
use crate::handle::{create, free};

/// How clients speak QUIC. Threads may share it. It keeps the tokens by which a server knows a client's address (NEW_TOKEN) in memory, for the
/// connections that follow.
pub struct pith_quic_client_config(pub(super) ClientConfig);

/// How servers speak QUIC. Threads may share it.
pub struct pith_quic_server_config(pub(super) ServerConfig);

/// CUBIC (RFC 9438).
pub const PITH_CONGESTION_CUBIC: u8 = 0;
/// NewReno (RFC 9002).
pub const PITH_CONGESTION_NEW_RENO: u8 = 1;

/// Clients go to the preferred addresses of their servers, but to those of this host or its link only where the server is at such an address already.
pub const PITH_PREFERRED_CHECKED: u8 = 0;
/// Clients go to none.
pub const PITH_PREFERRED_REFUSED: u8 = 1;
/// Clients go to all.
pub const PITH_PREFERRED_ANY: u8 = 2;

/// For times and counts where 0 stands for the default: none at all.
pub const PITH_QUIC_NO: u64 = u64::MAX;

/// What both roles may choose. 0 stands for the default everywhere. Times are in milliseconds.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pith_quic_options {
    /// sizeof(pith_quic_options).
    pub size: usize,
    /// How long nothing may come before a connection is given up; 0 stands for 30 seconds, PITH_QUIC_NO for as long as the peer likes.
    pub idle_timeout_ms: u64,
    /// How long a handshake may take; 0 stands for 30 seconds.
    pub handshake_timeout_ms: u64,
    /// After how long a silence something is sent, so that nobody takes the connection for dead; 0 stands for never.
    pub keep_alive_ms: u64,
    /// What stands in for the round trip before the first is measured; 0 stands for 333.
    pub initial_rtt_ms: u64,
    /// How many bidirectional streams the peer may have open at once; 0 stands for 100, PITH_QUIC_NO for none.
    pub streams_bidi: u64,
    /// How many unidirectional streams the peer may have open at once; 0 stands for 100, PITH_QUIC_NO for none.
    pub streams_uni: u64,
    /// How many bytes of one stream the peer may send before they are read. 0 stands for a default that grows where the program reads fast.
    pub stream_window: u64,
    /// The same for all streams of a connection together.
    pub connection_window: u64,
    /// The largest DATAGRAM frame that is taken (RFC 9221), with the up to 3 bytes in front; 0 stands for none.
    pub datagrams: u64,
    /// One of PITH_CONGESTION_.
    pub congestion: u8,
    /// Not 0: nothing is marked for ECN. For programs that cannot set the mark of what they send.
    pub no_ecn: u8,
    /// Not 0: clients of a server are asked not to move to another address by themselves.
    pub no_migration: u8,
    /// How many bytes a datagram may have at most, from 1200 to 65527; 0 stands for 1452. What the path carries is found by trying, beginning with 1200.
    pub mtu: u64,
    /// Where a server asks clients with an IPv4 socket to go on once they are connected (RFC 9000 section 9.6); PITH_ADDRESS_NONE for nowhere. Give what
    /// comes there to the same endpoint, with `local` saying so, and send from there what pith_quic_batch.local says.
    pub preferred_v4: pith_address,
    /// The same for those with an IPv6 socket.
    pub preferred_v6: pith_address,
    /// One of PITH_PREFERRED_: which preferred addresses of servers a client goes to. PITH_EVENT_MIGRATED tells that it has gone, PITH_EVENT_MIGRATION_FAILED that it stays.
    pub preferred_addresses: u8,
    /// Not 0: servers address a client by no connection id. That saves bytes, but its endpoint can have one such connection to an address alone (PITH_AMBIGUOUS).
    pub empty_ids: u8,
}

// SAFETY: integers.
unsafe impl Struct for pith_quic_options {}

/// Makes a client's configuration of one of TLS, which has to name application protocols. `options` may be NULL for the defaults. `*out` is
/// yours to free with pith_quic_client_config_free; `tls` may be freed before.
/// Its connections know how to ask the program what the configuration of TLS has them ask (PITH_EVENT_QUESTION).
///
/// Errors: PITH_CONFIG for a number that no connection can have, or an address that no host can have; the text is in `why`, as for pith_trust_new.
///
/// # Safety
/// `options` points to as many bytes as its size says, and there are `why_size` bytes at `why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_client_config_new(
    out: Option<&mut MaybeUninit<*mut pith_quic_client_config>>,
    tls: Option<&pith_client_config>,
    options: *const pith_quic_options,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        let tls = tls.ok_or_else(|| Failure::null("the configuration of TLS"))?;
        // SAFETY: the caller's duty.
        let given = unsafe { read(options) }?;
        let mut builder = ClientConfig::new(Arc::clone(&tls.0)).tokens(TokenStore::new());
        apply!(builder, given);
        if let Some(given) = &given {
            builder = builder
                .preferred_addresses(preferred_addresses(given.preferred_addresses)?)
                .empty_ids(given.empty_ids != 0);
        }
        Ok(pith_quic_client_config(builder.build()?))
    })
}

/// Frees a configuration; connections that were made by it go on. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_client_config_free(config: Option<Box<pith_quic_client_config>>) {
    free(config);
}

/// Makes a server's configuration of one of TLS, as pith_quic_client_config_new does. `*out` is yours to free with pith_quic_server_config_free.
///
/// # Safety
/// `options` points to as many bytes as its size says, and there are `why_size` bytes at `why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_server_config_new(
    out: Option<&mut MaybeUninit<*mut pith_quic_server_config>>,
    tls: Option<&pith_server_config>,
    options: *const pith_quic_options,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        let tls = tls.ok_or_else(|| Failure::null("the configuration of TLS"))?;
        // SAFETY: the caller's duty.
        let given = unsafe { read(options) }?;
        let mut builder = ServerConfig::new(Arc::clone(&tls.0));
        apply!(builder, given);
        if let Some(given) = &given {
            let (v4, v6) = (v4(given.preferred_v4)?, v6(given.preferred_v6)?);
            builder = builder
                .preferred_address(v4, v6)
                .active_migration(given.no_migration == 0);
        }
        Ok(pith_quic_server_config(builder.build()?))
    })
}

/// Frees a configuration; connections that were made by it go on. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_server_config_free(config: Option<Box<pith_quic_server_config>>) {
    free(config);
}

/// The options that the builders of both roles have. What is 0 is left as it is.
macro_rules! apply {
    ($builder:ident, $given:ident) => {
        if let Some(given) = &$given {
            match given.idle_timeout_ms {
                0 => {}
                PITH_QUIC_NO => $builder = $builder.idle_timeout(None),
                ms => $builder = $builder.idle_timeout(Some(Duration::from_millis(ms))),
            }
            if given.handshake_timeout_ms != 0 {
                let timeout = Duration::from_millis(given.handshake_timeout_ms);
                $builder = $builder.handshake_timeout(timeout);
            }
            if given.keep_alive_ms != 0 {
                let interval = Duration::from_millis(given.keep_alive_ms);
                $builder = $builder.keep_alive(Some(interval));
            }
            if given.initial_rtt_ms != 0 {
                $builder = $builder.initial_rtt(Duration::from_millis(given.initial_rtt_ms));
            }
            $builder = $builder.streams(streams(given.streams_bidi), streams(given.streams_uni));
            if given.stream_window != 0 {
                $builder = $builder.stream_window(given.stream_window, given.stream_window);
            }
            if given.connection_window != 0 {
                $builder =
                    $builder.connection_window(given.connection_window, given.connection_window);
            }
            if given.mtu != 0 {
                // What is too much stays too much.
                $builder = $builder.mtu(given.mtu.try_into().unwrap_or(u16::MAX));
            }
            $builder = $builder
                .datagrams(given.datagrams)
                .ecn(given.no_ecn == 0)
                .congestion(congestion(given.congestion)?);
        }
    };
}
use apply;

/// # Safety
/// As [`options`].
unsafe fn read(given: *const pith_quic_options) -> Result<Option<pith_quic_options>, Failure> {
    match given.is_null() {
        true => Ok(None),
        // SAFETY: as for this function.
        false => unsafe { options(given) }.map(Some),
    }
}

fn streams(given: u64) -> u64 {
    match given {
        0 => 100,
        PITH_QUIC_NO => 0,
        given => given,
    }
}

fn congestion(given: u8) -> Result<Congestion, Failure> {
    match given {
        PITH_CONGESTION_CUBIC => Ok(Congestion::Cubic),
        PITH_CONGESTION_NEW_RENO => Ok(Congestion::NewReno),
        _ => Err(Failure::argument("congestion is none of PITH_CONGESTION_")),
    }
}

fn preferred_addresses(given: u8) -> Result<PreferredAddresses, Failure> {
    match given {
        PITH_PREFERRED_CHECKED => Ok(PreferredAddresses::Checked),
        PITH_PREFERRED_REFUSED => Ok(PreferredAddresses::Refused),
        PITH_PREFERRED_ANY => Ok(PreferredAddresses::Any),
        _ => Err(Failure::argument(
            "preferred_addresses is none of PITH_PREFERRED_",
        )),
    }
}

fn v4(given: pith_address) -> Result<Option<SocketAddrV4>, Failure> {
    match given.get()? {
        None => Ok(None),
        Some(SocketAddr::V4(address)) => Ok(Some(address)),
        Some(SocketAddr::V6(_)) => Err(Failure::argument("preferred_v4 is no address of IPv4")),
    }
}

fn v6(given: pith_address) -> Result<Option<SocketAddrV6>, Failure> {
    match given.get()? {
        None => Ok(None),
        Some(SocketAddr::V6(address)) => Ok(Some(address)),
        Some(SocketAddr::V4(_)) => Err(Failure::argument("preferred_v6 is no address of IPv6")),
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(PITH_CONFIG, error.to_string())
    }
}
