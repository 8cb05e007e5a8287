//! Servers at two addresses, of which they prefer the second.

use super::super::endpoint::bind;
use super::*;

/// A server at both, with so many workers, that echoes.
fn at_both(configs: &Configs, second: SocketAddr, workers: u16) -> Endpoint {
    let SocketAddr::V4(v4) = second else {
        panic!("IPv4");
    };
    let tls = pith_tls::ServerConfig::new(leaf(&configs.pki)).alpn(&[b"echo"]);
    let config = ServerConfig::new(tls.build().unwrap()).preferred_address(Some(v4), None);
    let first = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = config.build().unwrap();
    let server = Endpoint::server_at(&[first, second], config, workers).unwrap();
    echo_on(&server);
    server
}

/// A port that nobody has.
fn free(ip: [u8; 4]) -> SocketAddr {
    let socket = bind(SocketAddr::from((ip, 0))).unwrap();
    socket.local_addr().unwrap()
}

async fn until_moved(connection: &Connection, to: SocketAddr, data: &[u8]) {
    while connection.remote() != to {
        assert!(there_and_back(connection, data).await.unwrap() == data);
    }
    assert!(there_and_back(connection, data).await.unwrap() == data);
    assert_eq!(connection.stats().moves, 1);
}

#[test]
fn clients_go_to_the_address_that_their_server_prefers() {
    on_both(|| async {
        let configs = configs();
        let data = pattern(100_000, 5);
        for (ip, workers) in [
            ([127, 0, 0, 1], 1),
            ([127, 0, 0, 2], 1),
            ([127, 0, 0, 2], 2),
        ] {
            let second = free(ip);
            let server = at_both(&configs, second, workers);
            let first = server.local_addr();
            assert_ne!(first, second);
            let mut clients = JoinSet::new();
            for _ in 0..6 {
                let (config, data) = (configs.client.clone(), data.clone());
                clients.spawn(async move {
                    let client = Endpoint::client("127.0.0.1:0").unwrap();
                    let connection = client.connect(&config, first, NAME).await.unwrap();
                    until_moved(&connection, second, &data).await;
                    // Whoever comes back goes there anew.
                    let again = client.connect(&config, first, NAME).await.unwrap();
                    until_moved(&again, second, &data).await;
                });
            }
            while let Some(done) = clients.join_next().await {
                done.unwrap();
            }
            assert_eq!(server.stats().resets, 0);
            server.shutdown(LIMIT).await;
        }
    });
}

#[test]
fn a_client_that_refuses_stays() {
    on_both(|| async {
        let configs = configs();
        let server = at_both(&configs, free([127, 0, 0, 2]), 1);
        let tls = pith_tls::ClientConfig::new(trust(&configs.pki)).alpn(&[b"echo"]);
        let config = ClientConfig::new(tls.build().unwrap());
        let config = config.preferred_addresses(PreferredAddresses::Refused);
        let config = config.build().unwrap();
        let client = Endpoint::client("127.0.0.1:0").unwrap();
        let first = server.local_addr();
        let connection = client.connect(&config, first, NAME).await.unwrap();
        let data = pattern(200_000, 5);
        for _ in 0..4 {
            assert!(there_and_back(&connection, &data).await.unwrap() == data);
        }
        assert_eq!((connection.remote(), connection.stats().moves), (first, 0));
    });
}

#[test]
fn an_endpoint_without_sockets_is_none() {
    on_both(|| async {
        let configs = configs();
        for sockets in [vec![], vec![vec![]]] {
            let endpoint = pith_quic::EndpointConfig::server().unwrap();
            let made = Endpoint::new_at(endpoint, Some(configs.server.clone()), sockets);
            assert_eq!(made.err().unwrap().kind(), ErrorKind::InvalidInput);
        }
        let made = Endpoint::server_at(&[], configs.server.clone(), 1);
        assert_eq!(made.err().unwrap().kind(), ErrorKind::InvalidInput);
    });
}
