//! Clients that ask for a connection.

use core::ffi::{c_char, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use ::pith_quic::Incoming;

use super::connection::{Quic, pith_quic};
use super::shared::Shared;
use super::{PITH_QUIC_DATAGRAM, pith_address, pith_quic_server_config, time};
use crate::arguments::{Count, Struct, Why, fill, pith_bytes, room};
use crate::error::{Failure, PITH_OK};
use crate::handle::{Guarded, Handle, create, enter, free};
use crate::panic::contain_or;
use crate::time::pith_time;

/// A client that asks for a connection. It is accepted, refused or sent a Retry once, on the thread of its endpoint. One that is freed before is ignored.
pub struct pith_quic_incoming(Guarded<Asking>);

pub(crate) struct Asking {
    incoming: Option<Incoming>,
    shared: Shared,
}

impl Handle for pith_quic_incoming {
    type Inner = Asking;
    fn guarded(&mut self) -> &mut Guarded<Asking> {
        &mut self.0
    }
}

impl pith_quic_incoming {
    pub(super) fn new(incoming: Incoming, shared: Shared) -> Self {
        Self(Guarded::new(Asking {
            incoming: Some(incoming),
            shared,
        }))
    }
}

impl Asking {
    fn incoming(&self) -> Result<&Incoming, Failure> {
        self.incoming.as_ref().ok_or_else(decided)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take()
            && let Ok(mut state) = self.shared.lock()
        {
            state.endpoint.ignore(&incoming);
        }
    }
}

/// What is known of a client before it is let in. Nothing of it is authenticated. Bytes are lent by the client until it is accepted or freed.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_quic_incoming_info {
    /// sizeof(pith_quic_incoming_info). Set it before the call.
    pub size: usize,
    /// Where the client is, if it is where it says.
    pub remote: pith_address,
    /// 1 if it has shown that it receives there.
    pub is_validated: u8,
    /// The DNS name that it asks for; empty if it does not, or nobody can read its hello.
    pub server_name: pith_bytes,
    /// Its ClientHello, with the header; empty if nobody can read it.
    pub client_hello: pith_bytes,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_quic_incoming_info {}

/// Says what is known of a client.
///
/// Errors: PITH_MISUSE after it was accepted, refused or sent a Retry.
///
/// # Safety
/// `out` points to as many bytes as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_incoming_get(
    incoming: Option<&mut pith_quic_incoming>,
    out: *mut pith_quic_incoming_info,
) -> i32 {
    enter(incoming, |asking| {
        let incoming = asking.incoming()?;
        let offered = incoming.offered();
        let name = offered.and_then(|offered| offered.server_name.as_deref());
        let hello = offered.map(|offered| offered.raw.as_slice());
        let told = |size| pith_quic_incoming_info {
            size,
            remote: pith_address::of(incoming.route().remote),
            is_validated: incoming.is_validated().into(),
            server_name: pith_bytes::of(name.unwrap_or_default().as_bytes()),
            client_hello: pith_bytes::of(hello.unwrap_or_default()),
        };
        // SAFETY: the caller's duty.
        unsafe { fill(out, told) }?;
        Ok(PITH_OK)
    })
}

/// The text of the last error of a function with this client, until the next; NULL if there was none.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_incoming_error(incoming: Option<&pith_quic_incoming>) -> *const c_char {
    contain_or(ptr::null(), || {
        incoming.map_or(ptr::null(), |incoming| incoming.0.text())
    })
}

/// Frees a client; NULL is allowed. One that nothing was done with is ignored: if it sends its hello again, it is asked about again.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_incoming_free(incoming: Option<Box<pith_quic_incoming>>) {
    free(incoming);
}

/// Lets a client in. `user` comes back in pith_quic_routed. Transmit next. `*out` is yours to free with pith_quic_free, and NULL if it fails.
///
/// Errors: PITH_MISUSE if something was done with the client before, PITH_LOCAL.
///
/// # Safety
/// There are `why_size` bytes at `why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_accept(
    out: Option<&mut MaybeUninit<*mut pith_quic>>,
    incoming: Option<&mut pith_quic_incoming>,
    config: Option<&pith_quic_server_config>,
    user: *mut c_void,
    now: Option<&pith_time>,
    why: *mut c_char,
    why_size: usize,
) -> i32 {
    // SAFETY: the caller's duty.
    let why = unsafe { Why::new(why, why_size) };
    create(out, why, || {
        let incoming = incoming.ok_or_else(|| Failure::null("the client"))?;
        let config = config.ok_or_else(|| Failure::null("the configuration"))?;
        let now = time(now)?;
        let (mut taken, mut shared) = (None, None);
        let status = incoming.0.run(|asking| {
            taken = Some(asking.incoming.take().ok_or_else(decided)?);
            shared = Some(asking.shared.clone());
            Ok(PITH_OK)
        });
        let (Some(taken), Some(shared)) = (taken, shared) else {
            return Err(Failure::new(status, decided().text));
        };
        let mut state = shared.lock()?;
        let (key, mut connection, unread) = state.endpoint.accept_unread(taken, &config.0, now)?;
        state.join(key, user);
        // What came of the client is most of the work: not while others wait for the endpoint.
        drop(state);
        unread.read(&mut connection, now);
        let mut quic = Quic::new((key, connection), shared);
        quic.settle(now)?;
        Ok(pith_quic::new(quic))
    })
}

/// Tells a client that it is not let in: send what is written to `reply`, `*written` bytes, to where it is. `reply` has room for PITH_QUIC_DATAGRAM bytes.
///
/// Errors: PITH_TOO_SMALL; PITH_MISUSE if something was done with the client before.
///
/// # Safety
/// There are `size` bytes to write to at `reply`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_refuse(
    incoming: Option<&mut pith_quic_incoming>,
    reply: *mut u8,
    size: usize,
    written: Option<&mut MaybeUninit<usize>>,
) -> i32 {
    enter(incoming, |asking| {
        let mut written = Count::new(written)?;
        // SAFETY: the caller's duty.
        let reply = unsafe { reply_room(reply, size) }?;
        let incoming = asking.incoming()?;
        let length = asking.shared.lock()?.endpoint.refuse(incoming, reply);
        written.set(length.unwrap_or(0));
        asking.incoming = None;
        Ok(PITH_OK)
    })
}

/// Has a client show first that it receives at its address: send what is written to `reply`, as for pith_quic_refuse. It asks again then.
///
/// Errors: as pith_quic_refuse; PITH_MISUSE too for a client that has followed a Retry, which may still be accepted.
///
/// # Safety
/// There are `size` bytes to write to at `reply`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_retry(
    incoming: Option<&mut pith_quic_incoming>,
    reply: *mut u8,
    size: usize,
    written: Option<&mut MaybeUninit<usize>>,
    now: Option<&pith_time>,
) -> i32 {
    enter(incoming, |asking| {
        let mut written = Count::new(written)?;
        // SAFETY: the caller's duty.
        let reply = unsafe { reply_room(reply, size) }?;
        let (incoming, now) = (asking.incoming()?, time(now)?);
        let length = asking.shared.lock()?.endpoint.retry(incoming, now, reply);
        let length = length.ok_or_else(|| {
            Failure::misuse("this client has followed a Retry already: accept it, or refuse it")
        })?;
        written.set(length);
        asking.incoming = None;
        Ok(PITH_OK)
    })
}

/// # Safety
/// As [`room`].
unsafe fn reply_room<'a>(reply: *mut u8, size: usize) -> Result<&'a mut [u8], Failure> {
    // SAFETY: as for this function.
    let reply = unsafe { room(reply, size) }?;
    match reply.len() < PITH_QUIC_DATAGRAM {
        true => Err(Failure::too_small(PITH_QUIC_DATAGRAM, reply.len())),
        false => Ok(reply),
    }
}

fn decided() -> Failure {
    Failure::misuse("this client was accepted, refused or sent a Retry before")
}
