//! Pith's QUIC on tokio.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;

use bytes::Bytes;
use pith_bench_program::quic::Quic;
use pith_bench_program::{Failure, Files, NAME};
use pith_benches::quic::{client, server};
use pith_io::tokio::quic::{Connection, Endpoint, Error, Incoming};
use pith_quic::{ClientConfig, VarInt};

/// A client.
pub(crate) struct Pith {
    endpoint: Endpoint,
    config: ClientConfig,
}

impl Quic for Pith {
    type Connection = Connection;

    async fn serve(files: Files, port: mpsc::Sender<u16>) -> Result<(), Failure> {
        let endpoint = Endpoint::server((Ipv4Addr::LOCALHOST, 0), server(&files)?)?;
        port.send(endpoint.local_addr().port())?;
        while let Some(incoming) = endpoint.accept().await {
            tokio::spawn(connection(incoming));
        }
        Ok(())
    }

    fn client(files: &Files) -> Result<Self, Failure> {
        Ok(Self {
            endpoint: Endpoint::client((Ipv4Addr::LOCALHOST, 0))?,
            config: client(files)?,
        })
    }

    fn connect(
        &self,
        port: u16,
    ) -> impl Future<Output = Result<Connection, String>> + Send + 'static {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (endpoint, config) = (self.endpoint.clone(), self.config.clone());
        async move {
            let connected = endpoint.connect(&config, server, NAME).await;
            connected.map_err(|e| e.to_string())
        }
    }

    async fn request(connection: Connection, bytes: u64) -> Result<u64, String> {
        ask(&connection, bytes).await.map_err(|e| e.to_string())
    }

    fn close(connection: Connection) {
        connection.close(VarInt::from(0_u32), b"");
    }
}

async fn ask(connection: &Connection, bytes: u64) -> Result<u64, Error> {
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(&bytes.to_be_bytes()).await?;
    send.finish()?;
    let mut got = 0;
    while let Some(chunk) = recv.read_chunk(usize::MAX).await? {
        got += chunk.len() as u64;
    }
    Ok(got)
}

async fn connection(incoming: Incoming) -> Result<(), Error> {
    let connection = incoming.await?;
    loop {
        let (mut send, mut recv) = connection.accept_bi().await?;
        tokio::spawn(async move {
            let number = recv.read_to_end(8).await?;
            let number = number.try_into().map(u64::from_be_bytes);
            let mut left = number.unwrap_or_default();
            let block = Bytes::from_static(&BLOCK);
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(usize::MAX);
                let mut part = block.slice(..most.min(block.len()));
                left -= part.len() as u64;
                while !part.is_empty() {
                    send.write_bytes(&mut part).await?;
                }
            }
            send.finish()
        });
    }
}

/// What downloads are made of.
static BLOCK: [u8; 1 << 16] = [7; 1 << 16];
