//! A connection: what comes, what goes, when, and how it ends.

use core::ffi::c_char;
use core::mem::MaybeUninit;
use core::ptr;

use ::pith_quic::{Connection, ConnectionKey};
use bytes::Bytes;
use pith_tls::Now;

use super::endpoint::tell_deadline;
use super::shared::Shared;
use super::{PITH_QUIC_DATAGRAM, ecn_bits, local, number, pith_address, time};
use crate::arguments::{Struct, fill, list, pith_bytes, room};
use crate::error::{Failure, PITH_NONE, PITH_OK};
use crate::handle::{Guarded, Handle, enter, free};
use crate::panic::contain_or;
use crate::question::{self, Lent, pith_answer, pith_question};
use crate::time::pith_time;

/// A QUIC connection. It belongs to one thread at a time, which need not be that of its endpoint. After each call transmit until nothing is left, and ask for the deadline.
pub struct pith_quic(Guarded<Quic>);

pub(crate) struct Quic {
    pub(super) connection: Connection,
    key: ConnectionKey,
    shared: Shared,
    /// What the peer said by the last PITH_RESET.
    pub(super) code: u64,
    /// A datagram for which the buffer was too small.
    pub(super) datagram: Option<Bytes>,
    pub(super) early_datagram: Option<Bytes>,
    /// What an open question lends to the caller, and the number of the last one that an event told of.
    lent: Lent,
    /// What pith_info lends.
    pub(super) chain: Vec<pith_bytes>,
    pub(super) told: Option<u32>,
}

impl Handle for pith_quic {
    type Inner = Quic;
    fn guarded(&mut self) -> &mut Guarded<Quic> {
        &mut self.0
    }
}

impl pith_quic {
    pub(super) fn new(quic: Quic) -> Self {
        Self(Guarded::new(quic))
    }
}

impl Quic {
    pub(super) fn new(made: (ConnectionKey, Connection), shared: Shared) -> Self {
        Self {
            connection: made.1,
            key: made.0,
            shared,
            code: 0,
            datagram: None,
            early_datagram: None,
            lent: Lent::default(),
            chain: Vec::new(),
            told: None,
        }
    }

    /// Tells the endpoint what it has to know.
    pub(super) fn settle(&mut self, now: Now) -> Result<(), Failure> {
        self.shared.settle(self.key, &mut self.connection, now)
    }

    /// Why the connection is over, if it is.
    pub(super) fn over(&self) -> Option<Failure> {
        self.connection.error().map(Failure::from)
    }

    pub(super) fn check(&self) -> Result<(), Failure> {
        self.over().map_or(Ok(()), Err)
    }
}

impl Drop for Quic {
    fn drop(&mut self) {
        self.shared.leave(self.key);
    }
}

/// Frees a connection and wipes its keys. Nothing is sent: close it, transmit, and wait for pith_quic_status.is_over if the peer is to hear of it. NULL
/// is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_free(quic: Option<Box<pith_quic>>) {
    free(quic);
}

/// The text of the last error of a function with this connection, until the next; NULL if there was none.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_error(quic: Option<&pith_quic>) -> *const c_char {
    contain_or(ptr::null(), || {
        quic.map_or(ptr::null(), |quic| quic.0.text())
    })
}

/// Takes what pith_quic_endpoint_receive keeps for this connection. Ask for events afterwards, and transmit.
///
/// What the connection ends by is an event.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_receive(quic: Option<&mut pith_quic>, now: Option<&pith_time>) -> i32 {
    enter(quic, |quic| {
        let now = time(now)?;
        for (route, ecn, datagram) in quic.shared.take(quic.key)? {
            quic.connection.receive(now, route, ecn, datagram);
        }
        quic.settle(now)?;
        Ok(PITH_OK)
    })
}

/// Says what the connection wants to know, as pith_tls_question does, after PITH_EVENT_QUESTION. Until the answer it goes on receiving and sending what needs none.
///
/// # Safety
/// As pith_tls_question.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_question(
    quic: Option<&mut pith_quic>,
    question: *mut pith_question,
) -> i32 {
    enter(quic, |quic| {
        let Some(open) = quic.connection.question() else {
            return Ok(PITH_NONE);
        };
        // SAFETY: the caller's duty.
        unsafe { question::tell(open, &mut quic.lent, question) }?;
        Ok(PITH_OK)
    })
}

/// Answers the open question, as pith_tls_answer does. Ask for events afterwards, and transmit.
///
/// Errors: as pith_tls_answer; or how the connection ended, of which there is an event.
///
/// # Safety
/// As pith_tls_answer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_answer(
    quic: Option<&mut pith_quic>,
    answer: *const pith_answer,
    now: Option<&pith_time>,
) -> i32 {
    enter(quic, |quic| {
        let now = time(now)?;
        quic.check()?;
        // SAFETY: the caller's duty.
        let answer = unsafe { question::answer(quic.connection.question(), answer) }?;
        let answered = quic.connection.answer(answer, now);
        quic.lent = Lent::default();
        quic.settle(now)?;
        answered?;
        Ok(PITH_OK)
    })
}

/// Datagrams that lie one behind the other in a buffer.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_quic_batch {
    /// sizeof(pith_quic_batch). Set it before the call.
    pub size: usize,
    /// Where they go.
    pub remote: pith_address,
    /// The address to send from; PITH_ADDRESS_NONE for any. Its port is 0.
    pub local: pith_address,
    /// Bytes of each datagram but the last, which may have fewer (UDP_SEGMENT).
    pub segment: usize,
    /// Bytes of all.
    pub len: usize,
    /// The two lowest bits of their traffic class.
    pub ecn: u8,
}

// SAFETY: integers.
unsafe impl Struct for pith_quic_batch {}

/// Writes datagrams of one size that are to be sent now to `buffer`: as many as have room and the network can take, at least one. Send each, and call it again until nothing is left.
/// `capacity` is at least PITH_QUIC_DATAGRAM.
///
/// Returns PITH_OK; PITH_NONE if there is nothing to send before the deadline, and `out->len` is 0; or PITH_TOO_SMALL.
///
/// # Safety
/// There are `capacity` bytes to write to at `buffer`, and `out` points to as many as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_transmit(
    quic: Option<&mut pith_quic>,
    buffer: *mut u8,
    capacity: usize,
    out: *mut pith_quic_batch,
    now: Option<&pith_time>,
) -> i32 {
    enter(quic, |quic| {
        let mut told = pith_quic_batch {
            size: 0,
            remote: pith_address::NONE,
            local: pith_address::NONE,
            segment: 0,
            len: 0,
            ecn: 0,
        };
        // SAFETY: the caller's duty.
        unsafe { fill(out, |size| pith_quic_batch { size, ..told }) }?;
        let now = time(now)?;
        // SAFETY: the caller's duty.
        let buffer = unsafe { room(buffer, capacity) }?;
        if buffer.len() < PITH_QUIC_DATAGRAM {
            return Err(Failure::too_small(PITH_QUIC_DATAGRAM, buffer.len()));
        }
        let batch = quic.connection.transmit(now, buffer);
        quic.settle(now)?;
        let Some(batch) = batch else {
            return Ok(PITH_NONE);
        };
        told.remote = pith_address::of(batch.route.remote);
        told.local = local(batch.route);
        told.segment = batch.segment;
        told.len = batch.length;
        told.ecn = ecn_bits(batch.ecn);
        // SAFETY: the caller's duty.
        unsafe { fill(out, |size| pith_quic_batch { size, ..told }) }?;
        Ok(PITH_OK)
    })
}

/// Sets `*at_us` to when pith_quic_on_deadline is to be called, as pith_quic_endpoint_deadline does. Ask anew after every other call.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_deadline(
    quic: Option<&mut pith_quic>,
    at_us: Option<&mut MaybeUninit<u64>>,
) -> i32 {
    enter(quic, |quic| {
        tell_deadline(quic.connection.deadline(), at_us)
    })
}

/// Does what time has made due; transmit afterwards. Harmless at any time.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_on_deadline(
    quic: Option<&mut pith_quic>,
    now: Option<&pith_time>,
) -> i32 {
    enter(quic, |quic| {
        let now = time(now)?;
        quic.connection.on_deadline(now);
        quic.settle(now)?;
        Ok(PITH_OK)
    })
}

/// Closes the connection with a code and a reason of the program, at once: what has not arrived never will (pith_quic_status.undelivered). Transmit
/// afterwards, and go on until pith_quic_status.is_over. Nothing if it is closed already.
///
/// # Safety
/// There are `len` bytes at `reason`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_close(
    quic: Option<&mut pith_quic>,
    code: u64,
    reason: *const u8,
    len: usize,
    now: Option<&pith_time>,
) -> i32 {
    enter(quic, |quic| {
        let (now, code) = (time(now)?, number(code)?);
        // SAFETY: the caller's duty.
        let reason = unsafe { list(reason, len) }?;
        let reason = Bytes::copy_from_slice(reason);
        quic.connection.close(code, reason, now);
        quic.settle(now)?;
        Ok(PITH_OK)
    })
}

/// Asks the peer for a sign of life.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_ping(quic: Option<&mut pith_quic>) -> i32 {
    enter(quic, |quic| {
        quic.check()?;
        quic.connection.ping();
        Ok(PITH_OK)
    })
}

/// Takes new keys for what this side sends, as soon as the handshake and the last update are done. It happens by itself before a key is used up.
#[unsafe(no_mangle)]
pub extern "C" fn pith_quic_update_keys(quic: Option<&mut pith_quic>) -> i32 {
    enter(quic, |quic| {
        quic.check()?;
        quic.connection.update_keys();
        Ok(PITH_OK)
    })
}
