//! s2n-quic, on s2n-tls and tokio.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use pith_bench_program::quic::{self, Quic};
use pith_bench_program::{Failure, Files, NAME};
use s2n_quic::client::{Client, Connect};
use s2n_quic::connection::Handle;
use s2n_quic::provider::limits::Limits;
use s2n_quic::{Connection, Server};

fn main() -> Result<(), Failure> {
    let role = std::env::args().nth(2).ok_or("no role")?;
    quic::run::<S2n>(&Files::from_argument()?, &role)
}

struct S2n {
    client: Client,
}

/// Its other half, that accepts streams, stands in a task.
#[derive(Clone)]
struct Open(Handle);

impl Quic for S2n {
    type Connection = Open;

    async fn serve(files: Files, port: mpsc::Sender<u16>) -> Result<(), Failure> {
        let identity = (files.path("server.pem"), files.path("server.key"));
        let mut server = Server::builder()
            .with_tls((identity.0.as_path(), identity.1.as_path()))?
            .with_io(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?
            .with_limits(limits()?)?
            .start()?;
        port.send(server.local_addr()?.port())?;
        while let Some(accepted) = server.accept().await {
            tokio::spawn(connection(accepted));
        }
        Ok(())
    }

    fn client(files: &Files) -> Result<Self, Failure> {
        let client = Client::builder()
            .with_tls(files.path("ca.pem").as_path())?
            .with_io(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?
            .with_limits(limits()?)?
            .start()?;
        Ok(Self { client })
    }

    fn connect(&self, port: u16) -> impl Future<Output = Result<Open, String>> + Send + 'static {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let client = self.client.clone();
        async move {
            let connecting = client.connect(Connect::new(server).with_server_name(NAME));
            let connection = connecting.await.map_err(|e| e.to_string())?;
            let (handle, mut acceptor) = connection.split();
            tokio::spawn(async move { while let Ok(Some(_)) = acceptor.accept().await {} });
            Ok(Open(handle))
        }
    }

    async fn request(connection: Open, bytes: u64) -> Result<u64, String> {
        ask(connection, bytes).await.map_err(|e| e.to_string())
    }

    fn close(connection: Open) {
        connection.0.close(0_u32.into());
    }
}

async fn ask(
    mut connection: Open,
    bytes: u64,
) -> Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    let stream = connection.0.open_bidirectional_stream().await?;
    let (mut recv, mut send) = stream.split();
    send.send(Bytes::copy_from_slice(&bytes.to_be_bytes()))
        .await?;
    send.finish()?;
    let mut got = 0;
    while let Some(chunk) = recv.receive().await? {
        got += chunk.len() as u64;
    }
    Ok(got)
}

async fn connection(mut connection: Connection) {
    while let Ok(Some(stream)) = connection.accept_bidirectional_stream().await {
        tokio::spawn(async move {
            let (mut recv, mut send) = stream.split();
            let mut number = Vec::new();
            while let Ok(Some(chunk)) = recv.receive().await {
                number.extend_from_slice(&chunk);
            }
            let mut left = number.try_into().map_or(0, u64::from_be_bytes);
            let block = Bytes::from_static(&BLOCK);
            while left > 0 {
                let part = block.slice(..block.len().min(left as usize));
                left -= part.len() as u64;
                if send.send(part).await.is_err() {
                    return;
                }
            }
            let _ = send.finish();
        });
    }
}

/// The defaults, but connections wait for one another's turns.
fn limits() -> Result<Limits, Failure> {
    Ok(Limits::new().with_max_idle_timeout(Duration::from_secs(600))?)
}

/// What downloads are made of.
static BLOCK: [u8; 1 << 16] = [7; 1 << 16];
