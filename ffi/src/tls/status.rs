//! Where a connection stands.

use ::pith_tls::{Error, Flow};

use super::{
    PITH_ASKING, PITH_CLOSED, PITH_FAILED, PITH_HANDSHAKING, PITH_OPEN, PITH_PEER_CLOSED, Tls,
    early_data, pith_tls,
};
use crate::arguments::{Struct, fill, pith_bytes};
use crate::error::PITH_OK;
use crate::handle::enter;

/// Where a connection stands.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_tls_status {
    /// sizeof(pith_tls_status). Set it before the call.
    pub size: usize,
    /// The direction from the peer: PITH_HANDSHAKING, PITH_ASKING, PITH_OPEN, PITH_PEER_CLOSED or PITH_FAILED.
    pub receiving: i32,
    /// The direction to the peer: PITH_HANDSHAKING, PITH_ASKING, PITH_OPEN, PITH_CLOSED or PITH_FAILED. It may be open before the other, where a server has
    /// accepted early data.
    pub sending: i32,
    /// The alert that this side sends because the connection failed, such as 40 for handshake_failure; -1 if there is none.
    pub alert_sent: i32,
    /// The alert by which the peer ended the connection; -1 if there is none.
    pub alert_received: i32,
    /// What became of early data: one of PITH_EARLY_.
    pub early_data: i32,
    /// How many bytes of early data a client may still send.
    pub early_data_left: usize,
    /// What was remembered with the session that this connection resumes (pith_tls_remember). Lent by the connection until it is freed.
    pub remembered: pith_bytes,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_tls_status {}

/// Says where the connection stands. It may be asked at any time.
///
/// # Safety
/// `out` points to as many bytes as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_tls_get_status(
    tls: Option<&mut pith_tls>,
    out: *mut pith_tls_status,
) -> i32 {
    enter(tls, |tls| {
        // SAFETY: the caller's duty.
        unsafe { fill(out, |size| stands(size, tls)) }?;
        Ok(PITH_OK)
    })
}

fn stands(size: usize, tls: &Tls) -> pith_tls_status {
    let status = tls.connection.status();
    let error = tls.connection.error();
    let alert_received = error.and_then(|error| match error {
        Error::Alert(alert) => Some(alert.0),
        _ => None,
    });
    pith_tls_status {
        size,
        receiving: flow(status.receive),
        sending: flow(status.send),
        alert_sent: code(error.and_then(Error::alert).map(|alert| alert.0)),
        alert_received: code(alert_received),
        early_data: early_data(tls.connection.early_data()),
        early_data_left: tls.connection.early_data_left(),
        remembered: pith_bytes::of(tls.connection.remembered().unwrap_or_default()),
    }
}

/// An alert's code, or -1.
pub(crate) fn code(alert: Option<u8>) -> i32 {
    alert.map_or(-1, i32::from)
}

fn flow(flow: Flow) -> i32 {
    match flow {
        Flow::Handshaking => PITH_HANDSHAKING,
        Flow::Asking => PITH_ASKING,
        Flow::Open => PITH_OPEN,
        Flow::PeerClosed => PITH_PEER_CLOSED,
        Flow::Closed => PITH_CLOSED,
        _ => PITH_FAILED,
    }
}
