//! Preferred addresses and empty connection ids.

use super::*;

const SUITE: CipherSuite = CipherSuite::Aes128GcmSha256;

/// A quinn endpoint whose ids have this length.
fn endpoint_config(ids: usize) -> Arc<quinn::EndpointConfig> {
    let mut config = quinn::EndpointConfig::default();
    config.cid_generator(move || Box::new(quinn::RandomConnectionIdGenerator::new(ids)));
    Arc::new(config)
}

/// Pith is the client.
fn client(empty: bool, quinn_ids: usize, preferred: Option<SocketAddr>) -> Pair {
    let pki = Pki::new();
    let mut server = (*quinn_server(&pki, SUITE)).clone();
    if let Some(SocketAddr::V4(v4)) = preferred {
        server.preferred_address_v4(Some(v4));
    }
    let server = Arc::new(server);
    let mut pair = Pair::new(&pki, SUITE, Some(Arc::clone(&server)), (Bad::default(), 1));
    let config = endpoint_config(quinn_ids);
    pair.endpoint = quinn::Endpoint::new(config, Some(server), true, Some([7; 32]));
    let tls = pith_tls::ClientConfig::new(trust(&pki)).alpn(&[b"test"]);
    let config = ClientConfig::new(tls.build().unwrap()).build().unwrap();
    let own = if empty {
        ConnectionId::default()
    } else {
        id(0xc0).id
    };
    let made = Connection::client(&config, name(), route(), own, Bytes::new(), NOW);
    pair.pith = Some(made.unwrap());
    pair
}

/// Pith is the server.
fn server(quinn_ids: usize, preferred: Option<SocketAddr>) -> Pair {
    let pki = Pki::new();
    let mut pair = Pair::new(&pki, SUITE, None, (Bad::default(), 1));
    let tls = pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"test"]);
    let mut config = ServerConfig::new(tls.build().unwrap());
    if let Some(SocketAddr::V4(v4)) = preferred {
        config = config.preferred_address(Some(v4), None);
    }
    pair.config = config.build().unwrap();
    pair.endpoint = quinn::Endpoint::new(endpoint_config(quinn_ids), None, true, Some([7; 32]));
    let config = quinn_client(&pki, SUITE);
    let made = pair.endpoint.connect(pair.began, config, address(2), NAME);
    pair.quinn = Some(made.unwrap());
    pair
}

#[test]
fn empty_ids_of_either_side_work_with_quinn() {
    let rows: [(&str, Pair); 5] = [
        ("a client of Pith without", client(true, 8, None)),
        ("a server of quinn without", client(false, 0, None)),
        ("both without", client(true, 0, None)),
        ("a client of quinn without", server(0, None)),
        ("one that is asked elsewhere", server(0, Some(address(3)))),
    ];
    for (name, mut pair) in rows {
        pair.connect();
        pair.exchange(200_000);
        assert!(pair.pith().error().is_none(), "{name}");
        assert!(!pair.quinn().is_closed(), "{name}");
    }
}

#[test]
fn pith_goes_where_a_server_of_quinn_prefers_to_be() {
    for empty in [false, true] {
        let mut pair = client(empty, 8, Some(address(3)));
        pair.connect();
        pair.exchange(200_000);
        let went = pair.events.iter().filter_map(|event| match event {
            Event::Migrated(route) => Some(route.remote),
            Event::MigrationFailed(_) => panic!("quinn has answered"),
            _ => None,
        });
        assert_eq!(went.collect::<Vec<_>>(), [address(3)]);
        assert_eq!(pair.pith().route().remote, address(3));
        // The ids of the first address are retired, and both go on.
        let end = pair.now + Duration::from_secs(8);
        while pair.step(end) {}
        pair.exchange(200_000);
        assert!(!pair.quinn().is_closed());
    }
}

/// quinn's clients go nowhere by themselves, but they take the id that comes with the address.
#[test]
fn a_client_of_quinn_moves_by_the_id_of_the_preferred_address() {
    let mut pair = server(8, Some(address(3)));
    pair.connect();
    pair.exchange(100_000);
    pair.seen_at = Route {
        local: None,
        remote: SocketAddr::from(([127, 0, 0, 9], 1)),
    };
    pair.quinn().local_address_changed();
    pair.exchange(100_000);
    let seen_at = pair.seen_at;
    assert_eq!(pair.pith().route(), seen_at);
    // What it came by is retired.
    let end = pair.now + Duration::from_secs(8);
    while pair.step(end) {}
    let ids: Vec<_> = pair.pith().ids().collect();
    assert_eq!(ids, [id(0x5f).id]);
}
