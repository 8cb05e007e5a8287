//! Early data, which BoringSSL sends and takes in the middle of its handshake.

use std::net::TcpStream;
use std::time::Duration;

use boring::ssl::{ErrorCode, SslStream};
use pith_peer::{Failure, hex};

use crate::ffi;

/// What became of it, and on a server its bytes.
pub enum Early {
    None,
    Accepted(Vec<u8>),
    Rejected,
}

impl Early {
    /// As the program prints them.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::None => vec![],
            Self::Rejected => vec![("early", "rejected".to_owned())],
            Self::Accepted(bytes) => {
                vec![("early", "accepted".to_owned()), ("early-data", hex(bytes))]
            }
        }
    }
}

/// Ends the handshake of a client that has sent its hello alone, if it may send early data.
pub fn send(stream: &mut SslStream<TcpStream>, data: Option<Vec<u8>>) -> Result<Early, Failure> {
    if !ffi::in_early_data(stream.ssl()) {
        return Ok(Early::None);
    }
    for chunk in data.unwrap_or_default().chunks(16_384) {
        stream.ssl_write(chunk)?;
    }
    match stream.do_handshake() {
        Err(error) if error.code().as_raw() == ffi::EARLY_DATA_REJECTED => {
            ffi::reset_rejected_early_data(stream.ssl_mut());
            stream.do_handshake()?;
            Ok(Early::Rejected)
        }
        Err(error) => Err(error.into()),
        Ok(()) if ffi::accepted_early_data(stream.ssl()) => Ok(Early::Accepted(Vec::new())),
        Ok(()) => Err("early data was neither accepted nor rejected".into()),
    }
}

/// Ends the handshake of a server that has sent its flight, if early data comes. Only reading ends it, and the read that does goes on
/// to wait for data behind the handshake: so it waits in small steps, and looks.
pub fn take(stream: &mut SslStream<TcpStream>) -> Result<Early, Failure> {
    if !ffi::in_early_data(stream.ssl()) {
        return Ok(Early::None);
    }
    let limit = stream.get_ref().read_timeout()?;
    let mut taken = Vec::new();
    let mut buffer = [0; 16_384];
    stream.get_ref().set_read_timeout(Some(STEP))?;
    while ffi::in_early_data(stream.ssl()) {
        match stream.ssl_read(&mut buffer) {
            Ok(count) if ffi::in_early_data(stream.ssl()) => {
                taken.extend_from_slice(&buffer[..count])
            }
            Ok(_) => return Err("the client speaks before this server does".into()),
            Err(error) if error.code() == ErrorCode::WANT_READ => {}
            Err(error) => return Err(error.into()),
        }
    }
    stream.get_ref().set_read_timeout(limit)?;
    Ok(Early::Accepted(taken))
}

const STEP: Duration = Duration::from_millis(5);
