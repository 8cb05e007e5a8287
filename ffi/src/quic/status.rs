//! Where a connection stands.

use ::pith_quic::ConnectionError;

use super::connection::{Quic, pith_quic};
use crate::arguments::{Struct, fill, pith_bytes};
use crate::error::PITH_OK;
use crate::handle::enter;
use crate::tls::{code, early_data};

/// Where a connection stands. Bytes are lent until the next call with the connection.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct pith_quic_status {
    /// sizeof(pith_quic_status). Set it before the call.
    pub size: usize,
    /// 1 once the connection has nothing more to send or to wait for, and may be freed without the peer missing anything.
    pub is_over: u8,
    /// The alert of TLS with which this side closed the connection, such as 40 for handshake_failure; -1 if there is none.
    pub alert_sent: i32,
    /// The alert of TLS with which the peer closed the connection; -1 if there is none.
    pub alert_received: i32,
    /// What became of early data: one of PITH_EARLY_. A client in PITH_EARLY_OFFERED may open streams before the handshake is complete.
    pub early_data: i32,
    /// The code that came with the last PITH_RESET, of a stream or of the connection.
    pub code: u64,
    /// What the peer said when it closed the connection: any bytes at all.
    pub close_reason: pith_bytes,
    /// What was remembered with the session that this connection resumes (pith_quic_remember), while there is early data to send.
    pub remembered: pith_bytes,
    /// How much would be lost if the connection closed now: bytes and ends of streams that have not arrived, and datagrams not sent.
    pub undelivered: u64,
    /// The most bytes that a datagram may have now; 0 if the peer takes none, or it is not known yet.
    pub largest_datagram: usize,
}

// SAFETY: integers and pointers.
unsafe impl Struct for pith_quic_status {}

/// Says where the connection stands. It may be asked at any time.
///
/// # Safety
/// `out` points to as many bytes as its size says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pith_quic_get_status(
    quic: Option<&mut pith_quic>,
    out: *mut pith_quic_status,
) -> i32 {
    enter(quic, |quic| {
        // SAFETY: the caller's duty.
        unsafe { fill(out, |size| stands(size, quic)) }?;
        Ok(PITH_OK)
    })
}

fn stands(size: usize, quic: &Quic) -> pith_quic_status {
    let connection = &quic.connection;
    let (mut sent, mut received, mut reason) = (None, None, None);
    match connection.error() {
        Some(ConnectionError::Tls(error)) => sent = error.alert(),
        Some(ConnectionError::PeerClosed {
            code, reason: said, ..
        }) => {
            received = code.alert();
            reason = Some(said);
        }
        Some(ConnectionError::ApplicationClosed { reason: said, .. }) => reason = Some(said),
        _ => {}
    }
    let lent =
        |bytes: Option<&bytes::Bytes>| pith_bytes::of(bytes.map(AsRef::as_ref).unwrap_or_default());
    pith_quic_status {
        size,
        is_over: connection.is_over().into(),
        alert_sent: code(sent.map(|alert| alert.0)),
        alert_received: code(received.map(|alert| alert.0)),
        early_data: early_data(connection.early_data()),
        code: quic.code,
        close_reason: lent(reason),
        remembered: lent(connection.remembered()),
        undelivered: connection.undelivered(),
        largest_datagram: connection.largest_datagram().unwrap_or(0),
    }
}
