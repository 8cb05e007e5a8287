//! UDP sockets, each with a thread that receives, so that one loop can wait for all of them and for the time.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use pith_peer::Failure;
use quiche::{Connection, Error, RecvInfo};

/// A datagram, from where and to where it came.
pub struct Datagram {
    pub bytes: Vec<u8>,
    pub info: RecvInfo,
}

pub struct Sockets {
    by_address: HashMap<SocketAddr, Arc<UdpSocket>>,
    sender: Sender<Datagram>,
    receiver: Receiver<Datagram>,
}

impl Sockets {
    pub fn new() -> Self {
        let (sender, receiver) = channel();
        Self {
            by_address: HashMap::new(),
            sender,
            receiver,
        }
    }

    /// One more, on a port of its own.
    pub fn open(&mut self, host: IpAddr) -> io::Result<SocketAddr> {
        let socket = Arc::new(UdpSocket::bind((host, 0))?);
        let to = socket.local_addr()?;
        self.by_address.insert(to, Arc::clone(&socket));
        let sender = self.sender.clone();
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            loop {
                // An error is what an earlier datagram met.
                let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let bytes = buffer[..length].to_vec();
                let info = RecvInfo { from, to };
                if sender.send(Datagram { bytes, info }).is_err() {
                    break;
                }
            }
        });
        Ok(to)
    }

    /// What comes within this time, and all that has come by then.
    pub fn receive(&self, wait: Option<Duration>) -> Vec<Datagram> {
        let first = match wait {
            Some(wait) => self.receiver.recv_timeout(wait).ok(),
            None => self.receiver.recv().ok(),
        };
        let first: Vec<_> = first.into_iter().collect();
        first
            .into_iter()
            .chain(self.receiver.try_iter().take(100))
            .collect()
    }

    /// Sends this from that address.
    pub fn send(&self, bytes: &[u8], from: SocketAddr, to: SocketAddr) {
        if let Some(socket) = self.by_address.get(&from) {
            // What is not sent is lost, as it may be anywhere.
            let _sent = socket.send_to(bytes, to);
        }
    }

    /// Sends all that a connection has to send.
    pub fn flush(&self, connection: &mut Connection) -> Result<(), Failure> {
        let mut buffer = [0; 1_500];
        loop {
            match connection.send(&mut buffer) {
                Ok((length, info)) => self.send(&buffer[..length], info.from, info.to),
                Err(Error::Done) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
