//! The end of a socket: which connection a datagram is for, and who is let in.

use core::ffi::{c_char, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::time::Duration;

use ::pith_quic::{Endpoint, EndpointConfig, Retrying, Routed};
use bytes::{Bytes, BytesMut};
use pith_tls::ServerName;

use super::connection::{Quic, pith_quic};
use super::incoming::pith_quic_incoming;
use super::shared::Shared;
use super::{PITH_QUIC_DATAGRAM, ecn, micros, pith_address, pith_quic_client_config, route, time};
use crate::arguments::{Struct, Why, fill, list, options, pith_bytes, room, string};
use crate::error::{Failure, PITH_LOCAL, PITH_NONE, PITH_OK};
use crate::handle::{Guarded, Handle, create, enter, free};
use crate::panic::contain_or;
use crate::time::pith_time;

/// What a UDP socket serves: it says which connection a datagram is for, lets clients in, and answers for connections that are no more there. One thread at a
/// time uses it, and its connections may be used by others meanwhile.
pub struct pith_quic_endpoint(Guarded<Shared>);

impl Handle for pith_quic_endpoint {
    type Inner = Shared;
    fn guarded(&mut self) -> &mut Guarded<Shared> {
        &mut self.0
    }
}

/// Clients have to show that they receive at their address while many handshakes are unfinished (`retry_from`).
pub const PITH_RETRY_UNDER_LOAD: u8 = 0;
/// Clients always have to show it, but for those with a token of an earlier connection.
pub const PITH_RETRY_ALWAYS: u8 = 1;

/// What an endpoint does. 0 stands for the default everywhere.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct pith_quic_endpoint_options {
    /// sizeof(pith_quic_endpoint_options).
    pub size: usize,
    /// Not 0: clients are let in. An endpoint that serves can connect as well.
    pub serves: u8,
    /// One of PITH_RETRY_.
    pub retry: u8,
    /// Not 0: packets to unknown connections are not answered by a Stateless Reset.
    pub no_resets: u8,
    /// From how many unfinished handshakes on clients have to show their address; 0 stands for 64.
    pub retry_from: u32,
    /// How many handshakes may be unfinished; 0 stands for 1024.
    pub half_open: u32,
    /// The key of Stateless Resets, 32 bytes, so that a server that was started again can reset connections from before; empty for a random one.
    pub reset_key: pith_bytes,
    /// The key of tokens, 32 bytes, which servers at one address share; empty for a random one.
    pub token_key: pith_bytes,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_quic_endpoint_options {}

/// Makes an endpoint. `options` may be NULL for one that only connects. `*out` is yours to free with pith_quic_endpoint_free.
///
/// Errors: PITH_ARGUMENT for a key of another length, PITH_LOCAL; the text is in `why`, as for pith_trust_new.
///
/// # Safety
/// `options` points to as many bytes as its size says, and there are `why_size` bytes at `why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_endpoint_new(
    out: Option<&mut MaybeUninit<*mut pith_quic_endpoint>>,
    options: *const pith_quic_endpoint_options,
    now: Option<&pith_time>,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        let now = time(now)?;
        // SAFETY: the caller's duty.
        let config = unsafe { config(options) }?;
        let endpoint = Endpoint::new(config, now).map_err(failed)?;
        Ok(pith_quic_endpoint(Guarded::new(Shared::new(endpoint))))
    })
}

/// # Safety
/// As [`options`].
unsafe fn config(given: *const pith_quic_endpoint_options) -> Result<EndpointConfig, Failure> {
    if given.is_null() {
        return EndpointConfig::client().map_err(failed);
    }
    // SAFETY: as for this function.
    let given = unsafe { options(given) }?;
    let config = match given.serves {
        0 => EndpointConfig::client(),
        _ => EndpointConfig::server(),
    };
    let mut config = config.map_err(failed)?.resets(given.no_resets == 0);
    let from = usize::try_from(given.retry_from).unwrap_or(usize::MAX);
    config = match (given.retry, from) {
        (PITH_RETRY_ALWAYS, _) => config.retrying(Retrying::Always),
        (PITH_RETRY_UNDER_LOAD, 0) => config,
        (PITH_RETRY_UNDER_LOAD, from) => config.retrying(Retrying::From(from)),
        _ => return Err(Failure::argument("retry is none of PITH_RETRY_")),
    };
    if given.half_open != 0 {
        config = config.half_open(usize::try_from(given.half_open).unwrap_or(usize::MAX));
    }
    // SAFETY: the caller's duty.
    if let Some(key) = key(unsafe { given.reset_key.get() }?)? {
        config = config.reset_key(key).map_err(failed)?;
    }
    // SAFETY: the caller's duty.
    if let Some(key) = key(unsafe { given.token_key.get() }?)? {
        config = config.token_key(key).map_err(failed)?;
    }
    Ok(config)
}

fn key(bytes: &[u8]) -> Result<Option<&[u8; 32]>, Failure> {
    match bytes {
        [] => Ok(None),
        bytes => bytes
            .try_into()
            .map(Some)
            .map_err(|_| Failure::argument("the key of an endpoint has 32 bytes")),
    }
}

fn failed(error: pith_crypto::Error) -> Failure {
    Failure::new(PITH_LOCAL, error.to_string())
}

/// Frees an endpoint. Its connections and clients stay until they are freed too, but hear no more. NULL is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_endpoint_free(endpoint: Option<Box<pith_quic_endpoint>>) {
    free(endpoint);
}

/// The text of the last error of a function with this endpoint, until the next; NULL if there was none.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_endpoint_error(endpoint: Option<&pith_quic_endpoint>) -> *const c_char {
    contain_or(ptr::null(), || {
        endpoint.map_or(ptr::null(), |endpoint| endpoint.0.text())
    })
}

/// Nothing is to be done about the datagram.
pub const PITH_ROUTED_NOTHING: i32 = 0;
/// It is kept for a connection: call pith_quic_receive with that.
pub const PITH_ROUTED_CONNECTION: i32 = 1;
/// A client asks for a connection: pith_quic_accept, _refuse, _retry or, to ignore it, pith_quic_incoming_free.
pub const PITH_ROUTED_INCOMING: i32 = 2;
/// The answer is in the reply buffer: send it to where the datagram came from.
pub const PITH_ROUTED_REPLY: i32 = 3;

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_quic_routed {
    /// sizeof(pith_quic_routed). Set it before the call.
    pub size: usize,
    /// One of PITH_ROUTED_.
    pub kind: i32,
    /// PITH_ROUTED_CONNECTION: the pointer that was given when the connection was made.
    pub user: *mut c_void,
    /// PITH_ROUTED_INCOMING: the client, yours to free with pith_quic_incoming_free, whatever is done with it before.
    pub incoming: *mut pith_quic_incoming,
    /// PITH_ROUTED_REPLY: bytes of the answer.
    pub reply_len: usize,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_quic_routed {}

/// Takes a datagram that came from `remote`, and says what is to be done. `local` is the address of this side that it came to, and may be NULL
/// where that is not known; `ecn` the two lowest bits of the packet's traffic class, or 0. `reply` has room for an answer:
/// at least PITH_QUIC_DATAGRAM bytes.
///
/// Errors: PITH_ARGUMENT, PITH_NULL, PITH_TOO_SMALL for the reply buffer; the datagram is lost then.
///
/// # Safety
/// There are `len` bytes at `bytes`, `reply_size` to write to at `reply`, and `out` points to as many as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_endpoint_receive(
    endpoint: Option<&mut pith_quic_endpoint>,
    remote: Option<&pith_address>,
    local: Option<&pith_address>,
    ecn_bits: u8,
    bytes: *const u8,
    len: usize,
    reply: *mut u8,
    reply_size: usize,
    out: *mut pith_quic_routed,
    now: Option<&pith_time>,
) -> i32 {
    enter(endpoint, |shared| {
        // SAFETY: the caller's duty.
        unsafe { fill(out, pith_quic_routed::nothing) }?;
        let (route, ecn, now) = (route(remote, local)?, ecn(ecn_bits)?, time(now)?);
        // SAFETY: the caller's duty.
        let bytes = unsafe { list(bytes, len) }?;
        // SAFETY: the caller's duty.
        let reply = unsafe { room(reply, reply_size) }?;
        if reply.len() < PITH_QUIC_DATAGRAM {
            return Err(Failure::too_small(PITH_QUIC_DATAGRAM, reply.len()));
        }
        let mut state = shared.lock()?;
        let datagram = BytesMut::from(bytes);
        let routed = state.endpoint.receive(now, route, ecn, datagram, reply);
        let mut told = pith_quic_routed::nothing(0);
        match routed {
            Routed::Connection(key, datagram) => {
                if let Some(user) = state.deliver(key, (route, ecn, datagram)) {
                    told.kind = PITH_ROUTED_CONNECTION;
                    told.user = user;
                }
            }
            Routed::Incoming(incoming) => {
                told.kind = PITH_ROUTED_INCOMING;
                let incoming = pith_quic_incoming::new(incoming, shared.clone());
                told.incoming = Box::into_raw(Box::new(incoming));
            }
            Routed::Reply(length) => {
                told.kind = PITH_ROUTED_REPLY;
                told.reply_len = length;
            }
            // There is one worker.
            Routed::Forward(..) | Routed::Nothing => {}
        }
        // SAFETY: the caller's duty.
        unsafe { fill(out, |size| pith_quic_routed { size, ..told }) }?;
        Ok(PITH_OK)
    })
}

impl pith_quic_routed {
    fn nothing(size: usize) -> Self {
        Self {
            size,
            kind: PITH_ROUTED_NOTHING,
            user: ptr::null_mut(),
            incoming: ptr::null_mut(),
            reply_len: 0,
        }
    }
}

/// Sets `*at_us` to when pith_quic_endpoint_on_deadline is to be called, in the time of pith_time.monotonic_us. Ask anew after every other call.
///
/// Returns PITH_OK, or PITH_NONE if there is nothing to wait for: `*at_us` is UINT64_MAX then.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_endpoint_deadline(
    endpoint: Option<&mut pith_quic_endpoint>,
    at_us: Option<&mut MaybeUninit<u64>>,
) -> i32 {
    enter(endpoint, |shared| {
        let deadline = shared.lock()?.endpoint.deadline();
        tell_deadline(deadline, at_us)
    })
}

pub(super) fn tell_deadline(
    deadline: Option<Duration>,
    at_us: Option<&mut MaybeUninit<u64>>,
) -> Result<i32, Failure> {
    let at_us = at_us.ok_or_else(|| Failure::null("where to put the deadline"))?;
    at_us.write(deadline.map_or(u64::MAX, micros));
    Ok(match deadline {
        Some(_) => PITH_OK,
        None => PITH_NONE,
    })
}

/// Does what time has made due. Harmless at any time.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_endpoint_on_deadline(
    endpoint: Option<&mut pith_quic_endpoint>,
    now: Option<&pith_time>,
) -> i32 {
    enter(endpoint, |shared| {
        let now = time(now)?;
        shared.lock()?.endpoint.on_deadline(now);
        Ok(PITH_OK)
    })
}

/// Lets no more clients in, and makes no more connections. Those that are there may finish until `deadline_us`, in the time of pith_time.monotonic_us:
/// pith_quic_endpoint_info says when it is time to close them, and when nothing is left.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_endpoint_shutdown(
    endpoint: Option<&mut pith_quic_endpoint>,
    deadline_us: u64,
) -> i32 {
    enter(endpoint, |shared| {
        let deadline = Duration::from_micros(deadline_us);
        shared.lock()?.endpoint.shutdown(deadline);
        Ok(PITH_OK)
    })
}

/// What an endpoint holds now, and has counted since it began.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_quic_endpoint_status {
    /// sizeof(pith_quic_endpoint_status). Set it before the call.
    pub size: usize,
    /// Connections that are not over.
    pub connections: usize,
    /// Those of them that were let in and whose handshake is not complete.
    pub half_open: usize,
    /// Clients whose hello is on its way, or about which was not decided.
    pub attempts: usize,
    /// Datagrams that came.
    pub received: u64,
    /// Those of them that were for connections.
    pub routed: u64,
    /// Those that belong nowhere and were not answered.
    pub dropped: u64,
    /// Clients let in.
    pub accepted: u64,
    /// Clients refused.
    pub refused: u64,
    /// Retry packets sent.
    pub retries: u64,
    /// Stateless Resets sent.
    pub resets: u64,
    /// 1 if the deadline of pith_quic_endpoint_shutdown has come: connections that are still there are to be closed.
    pub is_overdue: u8,
    /// 1 if nothing is left after pith_quic_endpoint_shutdown.
    pub is_over: u8,
}

// SAFETY: integers.
unsafe impl Struct for pith_quic_endpoint_status {}

/// Says what the endpoint holds and has counted.
///
/// # Safety
/// `out` points to as many bytes as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_endpoint_info(
    endpoint: Option<&mut pith_quic_endpoint>,
    out: *mut pith_quic_endpoint_status,
    now: Option<&pith_time>,
) -> i32 {
    enter(endpoint, |shared| {
        let now = time(now)?;
        let state = shared.lock()?;
        let stats = state.endpoint.stats();
        let told = |size| pith_quic_endpoint_status {
            size,
            connections: stats.connections,
            half_open: stats.half_open,
            attempts: stats.attempts,
            received: stats.received,
            routed: stats.routed,
            dropped: stats.dropped,
            accepted: stats.accepted,
            refused: stats.refused,
            retries: stats.retries,
            resets: stats.resets,
            is_overdue: state.endpoint.is_overdue(now).into(),
            is_over: state.endpoint.is_over().into(),
        };
        // SAFETY: the caller's duty.
        unsafe { fill(out, told) }?;
        Ok(PITH_OK)
    })
}

/// Begins a connection to the server of this name, a DNS name or an IP address in text, at `remote`. `local` is the address to send from, or NULL for any.
/// `user` comes back in pith_quic_routed. Transmit next. `*out` is yours to free with pith_quic_free, and NULL if it fails.
///
/// Errors: PITH_ARGUMENT for a name or an address that is none, PITH_MISUSE without application protocols or after pith_quic_endpoint_shutdown, PITH_LOCAL;
/// PITH_AMBIGUOUS if it is to have no connection ids, and another of this endpoint's at `remote` has none.
///
/// # Safety
/// `server_name` ends in NUL, and there are `why_size` bytes at `why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_connect(
    out: Option<&mut MaybeUninit<*mut pith_quic>>,
    endpoint: Option<&mut pith_quic_endpoint>,
    config: Option<&pith_quic_client_config>,
    server_name: *const c_char,
    remote: Option<&pith_address>,
    local: Option<&pith_address>,
    user: *mut c_void,
    now: Option<&pith_time>,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        let endpoint = endpoint.ok_or_else(|| Failure::null("the endpoint"))?;
        let config = config.ok_or_else(|| Failure::null("the configuration"))?;
        // SAFETY: the caller's duty.
        let name = unsafe { string(server_name) }?;
        let name = name.ok_or_else(|| Failure::null("the server's name"))?;
        let name = ServerName::try_from(name)
            .map_err(|_| Failure::argument("this is no DNS name and no IP address"))?;
        let (route, now) = (route(remote, local)?, time(now)?);
        let shared = endpoint.0.peek().ok_or_else(poisoned)?;
        let mut state = shared.lock()?;
        let name = name.to_owned();
        let made = state
            .endpoint
            .connect(&config.0, name, route, Bytes::new(), now)?;
        state.join(made.0, user);
        Ok(pith_quic::new(Quic::new(made, shared.clone())))
    })
}

pub(super) fn poisoned() -> Failure {
    Failure::new(crate::error::PITH_PANIC, crate::panic::PANICKED)
}
