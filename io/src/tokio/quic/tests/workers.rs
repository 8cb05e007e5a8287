//! Several sockets that serve one address.

use tokio::net::UdpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;

/// A NAT between one client and a server, which forgets its port when it is told to.
async fn nat(inside: UdpSocket, server: SocketAddr, mut moves: UnboundedReceiver<()>) {
    let bind = || UdpSocket::bind("127.0.0.1:0");
    let mut outside = bind().await.unwrap();
    let (mut client, mut up, mut down) = (None, [0; 2048], [0; 2048]);
    loop {
        tokio::select! {
            moved = moves.recv() => match moved {
                Some(()) => outside = bind().await.unwrap(),
                None => return,
            },
            got = inside.recv_from(&mut up) => if let Ok((length, from)) = got {
                client = Some(from);
                outside.send_to(&up[..length], server).await.unwrap();
            },
            got = outside.recv_from(&mut down) => if let (Ok((length, _)), Some(client)) = (got, client) {
                inside.send_to(&down[..length], client).await.unwrap();
            },
        }
    }
}

/// The kernel chooses a socket by the client's port: with enough ports each worker is chosen.
#[test]
fn a_connection_stays_with_its_worker_when_its_client_comes_to_the_others_socket() {
    on_both(|| async {
        let configs = configs();
        let server = Endpoint::server_workers("127.0.0.1:0", configs.server.clone(), 2).unwrap();
        echo_on(&server);
        let inside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = inside.local_addr().unwrap();
        let (moves, moved) = unbounded_channel();
        tokio::spawn(nat(inside, server.local_addr(), moved));
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let connection = client
            .connect(&configs.client, address, NAME)
            .await
            .unwrap();
        assert_eq!(server.stats().forwarded, 0);
        let data = pattern(200_000, 3);
        for _ in 0..64 {
            let (mut send, mut recv) = connection.open_bi().await.unwrap();
            let (early, late) = data.split_at(data.len() / 2);
            let mut got = vec![0; early.len()];
            let read = async { AsyncReadExt::read_exact(&mut recv, &mut got).await };
            let (written, read) = join!(send.write_all(early), read);
            written.unwrap();
            read.unwrap();
            moves.send(()).unwrap();
            let write = async {
                send.write_all(late).await?;
                send.finish()
            };
            let (_, rest) = try_join!(write, recv.read_to_end(late.len())).unwrap();
            assert!([got, rest].concat() == data);
            if server.stats().forwarded > 100 {
                break;
            }
        }
        let stats = server.stats();
        assert!(stats.forwarded > 100, "{stats:?}");
        assert_eq!((stats.accepted, stats.connections, stats.resets), (1, 1, 0));
        drop(connection);
        join!(client.shutdown(LIMIT), server.shutdown(LIMIT));
        assert_eq!(server.stats().connections, 0);
    });
}

#[test]
fn all_workers_serve_and_all_end() {
    on_both(|| async {
        let configs = configs();
        let server = Endpoint::server_workers("127.0.0.1:0", configs.server.clone(), 2).unwrap();
        echo_on(&server);
        let mut clients = JoinSet::new();
        for seed in 0..32 {
            let (config, address) = (configs.client.clone(), server.local_addr());
            clients.spawn(async move {
                let client = Endpoint::client("127.0.0.1:0").unwrap();
                let connection = client.connect(&config, address, NAME).await.unwrap();
                let data = pattern(20_000, seed);
                assert!(there_and_back(&connection, &data).await.unwrap() == data);
            });
        }
        while let Some(done) = clients.join_next().await {
            done.unwrap();
        }
        let workers = server.worker_stats();
        let accepted: Vec<_> = workers.iter().map(|worker| worker.accepted).collect();
        assert!(
            accepted.iter().all(|accepted| *accepted > 0),
            "{accepted:?}"
        );
        assert_eq!((accepted.len(), accepted.iter().sum::<u64>()), (2, 32));
        let again = server.clone();
        drop(again);
        server.shutdown(LIMIT).await;
        assert!(server.accept().await.is_none());
    });
}
