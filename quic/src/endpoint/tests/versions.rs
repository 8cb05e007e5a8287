//! All pairs of the versions that a client and a server may speak, through endpoints.

use super::*;
use crate::token_store::TokenStore;
use crate::wire::header::Retry;

const V1: Version = Version::V1;
const V2: Version = Version::V2;

/// A client and a server that speak these, most wanted first.
fn net(client: &[Version], server: &[Version], config: EndpointConfig) -> Net {
    let mut net = Net::new(config);
    set(&mut net, client, server);
    net
}

fn set(net: &mut Net, client: &[Version], server: &[Version]) {
    let tokens = net.client_config.tokens.clone().unwrap_or_default();
    let config = ClientConfig::new(Arc::clone(&net.client_config.tls)).versions(client);
    net.client_config = config.tokens(tokens).build().unwrap();
    let config = ServerConfig::new(Arc::clone(&net.server_config.tls)).versions(server);
    net.server_config = config.build().unwrap();
    net.server.set_versions(&net.server_config);
}

fn versions(net: &Net) -> [Version; 2] {
    [&net.client_connection, &net.server_connection].map(|end| end.as_ref().unwrap().1.version())
}

/// The version that both go on in, and how many Version Negotiation packets that takes, one for each datagram of the hello; `None` without a common one
/// (rfc9368#2.1-3).
#[test]
fn every_client_meets_every_server_that_speaks_a_version_of_its_own() {
    let lists: [&[Version]; 4] = [&[V1], &[V2], &[V1, V2], &[V2, V1]];
    // By client, then by server.
    let table = [
        [Some((V1, 0)), None, Some((V1, 0)), Some((V1, 0))],
        [None, Some((V2, 0)), Some((V2, 0)), Some((V2, 0))],
        [Some((V1, 0)), Some((V2, 2)), Some((V1, 0)), Some((V2, 0))],
        [Some((V1, 2)), Some((V2, 0)), Some((V1, 0)), Some((V2, 0))],
    ];
    for (client, row) in lists.iter().zip(table) {
        for (server, want) in lists.iter().zip(row) {
            for always in [false, true] {
                let mut config = serving();
                if always {
                    config = config.retrying(Retrying::Always);
                }
                let mut net = net(client, server, config);
                net.connect();
                net.run();
                let stats = net.server.stats();
                let name = format!("{client:?} and {server:?}, Retry: {always}");
                let Some((version, negotiations)) = want else {
                    let error = Some(ConnectionError::NoCommonVersion);
                    assert_eq!(net.client_error(), error, "{name}");
                    assert_eq!((stats.negotiations, net.asked), (2, 0), "{name}");
                    continue;
                };
                assert!(net.is_connected(), "{name}: {:?}", net.client_error());
                assert_eq!(versions(&net), [version; 2], "{name}");
                assert_eq!(stats.negotiations, negotiations, "{name}");
                assert_eq!(stats.retries > 0, always, "{name}");
                // rfc9369#4.1-1, rfc9369#4.1-2, rfc9369#4.1-3: a Retry answers in the version of the hello, which goes on in it.
                let shown = net.log.iter().filter_map(|(_, datagram)| {
                    match header::decode(datagram, 8, QuicBit::Any) {
                        Ok(Packet::Retry(Retry { version, .. })) => Some(version),
                        Ok(Packet::Protected(header)) if !header.token.is_empty() => {
                            header.long.map(|(version, _)| version)
                        }
                        _ => None,
                    }
                });
                let began = match (client, negotiations) {
                    ([first, ..], 0) => *first,
                    _ => version,
                };
                // Two Retry packets and both datagrams of the hello, whose answer comes behind them.
                let shown: Vec<_> = shown.take(4).collect();
                assert_eq!(shown, vec![began; if always { 4 } else { 0 }], "{name}");
            }
        }
    }
}

/// rfc9368#2.1-1
#[test]
fn a_server_lists_all_that_it_speaks_and_one_that_nobody_does() {
    for (spoken, unspoken) in [(&[V1][..], Some(V2)), (&[V2], Some(V1)), (&[V2, V1], None)] {
        let client = unspoken.map_or(vec![V1], |version| vec![version]);
        let mut net = net(&client, spoken, serving());
        let mut hello = net.hello()[0].clone();
        if unspoken.is_none() {
            hello[1..5].copy_from_slice(&[0xff, 0, 0, 29]);
        }
        let (_, reply) = net.server_takes(from(1, 50_000), &hello);
        let Ok(Packet::VersionNegotiation(offer)) = header::decode(&reply, 8, QuicBit::Any) else {
            panic!("{spoken:?}: {reply:?}");
        };
        let listed: Vec<_> = offer.versions().collect();
        let (last, listed) = listed.split_last().unwrap();
        let own: Vec<_> = spoken.iter().map(|version| version.number()).collect();
        assert_eq!((listed, last & 0x0f0f_0f0f), (&own[..], 0x0a0a_0a0a));
        // Of a datagram that is too small for a hello nothing is said, in whatever version.
        let (routed, _) = net.server_takes(from(1, 50_000), &hello[..1199]);
        assert_eq!(kind(&routed), "nothing");
        assert!(net.server.table.is_bare());
    }
}

/// rfc9369#5-1, rfc9369#5-2
#[test]
fn a_token_is_of_the_version_that_its_connection_went_on_in() {
    let mut net = net(&[V1, V2], &[V2, V1], serving().retrying(Retrying::Always));
    net.connect();
    net.run();
    assert_eq!(versions(&net), [V2; 2]);
    let tokens: TokenStore = net.client_config.tokens.clone().unwrap();
    assert_eq!(tokens.len(), 1);
    let retries = net.server.stats().retries;
    // Not shown by a connection that begins in version 1, but by one in version 2.
    for (client, left, retried) in [([V1, V2], 2, true), ([V2, V1], 2, false)] {
        set(&mut net, &client, &[V2, V1]);
        (net.client_connection, net.server_connection) = (None, None);
        let before = net.server.stats().retries;
        net.connect();
        net.run();
        assert!(net.is_connected());
        assert_eq!(tokens.len(), left, "{client:?}");
        assert_eq!(net.server.stats().retries > before, retried, "{client:?}");
    }
    assert!(net.server.stats().retries > retries);
    // An application that keeps tokens by itself and shows one of the other version is not believed.
    let token = tokens.take(&name(), SERVER.1, V2).unwrap();
    set(&mut net, &[V1], &[V2, V1]);
    (net.client_connection, net.server_connection) = (None, None);
    net.token = token;
    let before = net.server.stats().retries;
    net.connect();
    net.run();
    assert!(net.is_connected() && net.server.stats().retries > before);
}

/// rfc9368#2.1-5
#[test]
fn only_servers_send_version_negotiation_and_only_clients_heed_it() {
    let mut net = net(&[V1, V2], &[V1, V2], serving());
    let hello = net.hello();
    for datagram in &hello {
        net.server_receives(datagram);
    }
    let (_, server) = net.server_connection.as_ref().unwrap();
    let own = server.ids().next().unwrap();
    let client = net.client_connection.as_ref().unwrap().1.ids().next();
    let ids = header::Ids {
        dcid: &own,
        scid: &client.unwrap(),
    };
    let mut buffer = [0; 100];
    let mut builder = crate::wire::Builder::new(&mut buffer);
    let versions = [V2.number()].into_iter();
    // Ids stand the other way round in an answer.
    let turned = header::Ids {
        dcid: ids.scid,
        scid: ids.dcid,
    };
    builder
        .put_version_negotiation(0x2a, &turned, versions)
        .unwrap();
    let packet = builder.written().to_vec();
    net.server_receives(&packet);
    let (_, server) = net.server_connection.as_ref().unwrap();
    assert!(server.error().is_none() && server.stats().discarded == 1);
    // A client's endpoint answers no hello, of whatever version.
    for number in [0xba0a_0a0a_u32, V1.number(), V2.number()] {
        let mut first = hello[0].clone();
        first[1..5].copy_from_slice(&number.to_be_bytes());
        let route = from(7, 50_000);
        let mut reply = [0; 1200];
        let bytes = BytesMut::from(&first[..]);
        let routed = net
            .client
            .receive(at(net.now), route, Ecn::NotEct, bytes, &mut reply);
        assert_eq!(kind(&routed), "nothing", "{number:#x}");
    }
    net.run();
    assert!(net.is_connected());
}
