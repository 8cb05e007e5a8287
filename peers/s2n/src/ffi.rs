//! The calls of s2n-tls for which its crate has no safe form: early data, and a socket.

use std::ffi::CStr;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::ptr;

use pith_peer::Failure;
use s2n_tls::connection::Connection;
use s2n_tls_sys as ffi;

/// The C library's own connection.
fn pointer(connection: &mut Connection) -> *mut ffi::s2n_connection {
    const {
        assert!(size_of::<Connection>() == size_of::<*mut ffi::s2n_connection>());
    }
    // SAFETY: the type holds a pointer to it and, as its size says, nothing else; that version of the crate is pinned.
    unsafe { *ptr::from_mut(connection).cast() }
}

/// Reads from this socket and writes to it. It has to live as long.
pub fn set_socket(connection: &mut Connection, tcp: &TcpStream) -> Result<(), Failure> {
    // SAFETY: the pointer is to a live connection, which takes a number.
    checked(unsafe { ffi::s2n_connection_set_fd(pointer(connection), tcp.as_raw_fd()) })
}

/// Lets a server's tickets allow so much early data, and takes as much.
pub fn set_max_early_data(connection: &mut Connection, most: u32) -> Result<(), Failure> {
    // SAFETY: the pointer is to a live connection.
    checked(unsafe {
        ffi::s2n_connection_set_server_max_early_data_size(pointer(connection), most)
    })
}

/// Begins a client's handshake with early data, over a socket that does not block: otherwise it would wait for the server first.
pub fn send_early(connection: &mut Connection, mut data: &[u8]) -> Result<(), Failure> {
    while !data.is_empty() {
        let (mut sent, mut blocked) = (0, 0);
        // SAFETY: the pointers are to a live connection, to as many bytes as the length says, and to two numbers.
        let result = checked(unsafe {
            ffi::s2n_send_early_data(
                pointer(connection),
                data.as_ptr(),
                data.len().try_into()?,
                &mut sent,
                &mut blocked,
            )
        });
        match result {
            // It waits for the server, and has sent some all the same.
            Err(_) if blocked == ffi::s2n_blocked_status::BLOCKED_ON_READ && sent > 0 => {}
            Err(failure) => return Err(failure),
            // The server's rejection was there already.
            Ok(()) if sent == 0 => return Ok(()),
            Ok(()) => {}
        }
        data = &data[usize::try_from(sent)?..];
    }
    Ok(())
}

/// Begins a server's handshake, and reads early data while there is some.
pub fn receive_early(connection: &mut Connection) -> Result<Vec<u8>, Failure> {
    let mut early = Vec::new();
    let mut buffer = [0; 16_384];
    loop {
        let (mut received, mut blocked) = (0, 0);
        // SAFETY: the pointers are to a live connection, to as many bytes as the length says, and to two numbers.
        let result = checked(unsafe {
            ffi::s2n_recv_early_data(
                pointer(connection),
                buffer.as_mut_ptr(),
                buffer.len().try_into()?,
                &mut received,
                &mut blocked,
            )
        });
        early.extend_from_slice(&buffer[..usize::try_from(received)?]);
        match result {
            Ok(()) => return Ok(early),
            // There may be more.
            Err(_) if blocked == ffi::s2n_blocked_status::BLOCKED_ON_EARLY_DATA => {}
            Err(failure) => return Err(failure),
        }
    }
}

/// What became of early data; `None` where none was offered.
pub fn early_data_was_accepted(connection: &mut Connection) -> Result<Option<bool>, Failure> {
    let mut status = 0;
    // SAFETY: the pointers are to a live connection and to a number.
    checked(unsafe {
        ffi::s2n_connection_get_early_data_status(pointer(connection), &mut status)
    })?;
    match status {
        ffi::s2n_early_data_status_t::NOT_REQUESTED => Ok(None),
        ffi::s2n_early_data_status_t::REJECTED => Ok(Some(false)),
        ffi::s2n_early_data_status_t::END => Ok(Some(true)),
        _ => Err("early data goes on behind the handshake".into()),
    }
}

fn checked(result: i32) -> Result<(), Failure> {
    if result == 0 {
        return Ok(());
    }
    // SAFETY: the number is this thread's, and the text a constant.
    let text = unsafe {
        let text = ffi::s2n_strerror(*ffi::s2n_errno_location(), c"EN".as_ptr());
        CStr::from_ptr(text)
    };
    Err(text.to_string_lossy().into())
}
