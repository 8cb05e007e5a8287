//! Datagrams of HTTP/3.

use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use h3::quic::ConnectionErrorIncoming;
use h3_datagram::datagram::EncodedDatagram;
use h3_datagram::quic_traits::{
    DatagramConnectionExt, RecvDatagram, SendDatagram, SendDatagramErrorIncoming,
};

use super::connection::Connection;
use super::error;
use crate::quic::{self as pith, Polling};

/// Sends datagrams: each once, and maybe in vain.
#[derive(Clone)]
pub struct SendDatagrams {
    connection: pith::Connection,
}

/// Reads datagrams, each of which goes to one reader.
#[derive(Clone)]
pub struct ReceiveDatagrams {
    datagrams: Polling<Bytes>,
}

impl<B: Buf> DatagramConnectionExt<B> for Connection {
    type SendDatagramHandler = SendDatagrams;
    type RecvDatagramHandler = ReceiveDatagrams;

    fn send_datagram_handler(&self) -> SendDatagrams {
        SendDatagrams {
            connection: self.inner().clone(),
        }
    }

    fn recv_datagram_handler(&self) -> ReceiveDatagrams {
        ReceiveDatagrams {
            datagrams: Polling::datagrams(self.inner()),
        }
    }
}

impl<B: Buf> SendDatagram<B> for SendDatagrams {
    fn send_datagram<T: Into<EncodedDatagram<B>>>(
        &mut self,
        data: T,
    ) -> Result<(), SendDatagramErrorIncoming> {
        let mut datagram = data.into();
        let datagram = datagram.copy_to_bytes(datagram.remaining());
        let sent = self.connection.send_datagram(datagram);
        sent.map_err(error::datagram)
    }
}

impl RecvDatagram for ReceiveDatagrams {
    type Buffer = Bytes;

    fn poll_incoming_datagram(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Bytes, ConnectionErrorIncoming>> {
        self.datagrams.poll(cx).map_err(error::connection)
    }
}
