//! Clients without connection ids of their own, and servers that name a preferred address.

use super::*;
use crate::path::PreferredAddresses;

/// An endpoint whose client has empty ids.
fn empty(server: EndpointConfig) -> Net {
    let mut net = Net::new(server);
    let tls = Arc::clone(&net.client_config.tls);
    net.client_config = ClientConfig::new(tls).empty_ids(true).build().unwrap();
    net
}

fn connect_to(net: &mut Net, route: Route) -> Result<(ConnectionKey, Connection), ConnectionError> {
    let now = at(net.now);
    let config = net.client_config.clone();
    net.client
        .connect(&config, name(), route, Bytes::new(), now)
}

/// What becomes of a datagram that comes to the client from there.
fn client_takes(net: &mut Net, route: Route, datagram: &[u8]) -> Routed {
    let now = at(net.now);
    let bytes = BytesMut::from(datagram);
    net.client
        .receive(now, route, Ecn::NotEct, bytes, &mut [0; 1200])
}

#[test]
fn a_client_without_ids_is_known_by_where_its_server_is() {
    let rows: [(&str, fn() -> EndpointConfig); 2] = [
        ("let in", serving),
        ("after a Retry", || serving().retrying(Retrying::Always)),
    ];
    for (name, server) in rows {
        let mut net = empty(server());
        net.connect();
        net.run();
        assert!(net.is_connected(), "{name}: {:?}", net.client_error());
        let (_, connection) = net.client_connection.as_ref().unwrap();
        let ids: Vec<_> = connection.ids().collect();
        assert_eq!(ids, [ConnectionId::default()], "{name}");
        let (_, connection) = net.server_connection.as_ref().unwrap();
        assert_eq!(connection.ids().count(), limits::ISSUED_IDS, "{name}");
        assert_eq!(net.client.stats().dropped, 0, "{name}");
        // From anywhere else it is nobody's.
        let (_, connection) = net.server_connection.as_mut().unwrap();
        connection.ping();
        let ping = net.flights(Side::Server).remove(0);
        let server = from(SERVER.0, SERVER.1);
        for (host, port) in [(SERVER.0, SERVER.1 + 1), (SERVER.0 + 1, SERVER.1)] {
            let routed = client_takes(&mut net, from(host, port), &ping);
            assert_ne!(kind(&routed), "connection", "{name}");
        }
        assert_eq!(kind(&client_takes(&mut net, server, &ping)), "connection");
        let now = at(net.now);
        for end in [&mut net.client_connection, &mut net.server_connection] {
            let (_, connection) = end.as_mut().unwrap();
            connection.close(VarInt::ZERO, Bytes::new(), now);
        }
        net.now += Duration::from_secs(60);
        net.run();
        assert!(net.client.table.is_bare(), "{name}");
    }
}

#[test]
fn of_clients_without_ids_an_endpoint_has_one_to_an_address() {
    let mut net = empty(serving());
    let (first, second) = (from(SERVER.0, SERVER.1), from(8, 4433));
    let (key, _) = connect_to(&mut net, first).unwrap();
    let again = connect_to(&mut net, first).map(|_| ());
    assert_eq!(again, Err(ConnectionError::Ambiguous));
    assert!(!ConnectionError::Ambiguous.to_string().is_empty());
    let (other, _) = connect_to(&mut net, second).unwrap();
    assert_eq!(net.client.stats().connections, 2);
    let datagram = [0x40; 40];
    let told = |net: &mut Net, route| match client_takes(net, route, &datagram) {
        Routed::Connection(key, _) => Some(key),
        _ => None,
    };
    assert_eq!(told(&mut net, first), Some(key));
    assert_eq!(told(&mut net, second), Some(other));
    // One that has ids stands beside them.
    let tls = Arc::clone(&net.client_config.tls);
    let empty = core::mem::replace(
        &mut net.client_config,
        ClientConfig::new(tls).build().unwrap(),
    );
    let (third, connection) = connect_to(&mut net, first).unwrap();
    let own = connection.ids().next().unwrap();
    let to_third = [&[0x40][..], &own, &[0; 30]].concat();
    let routed = client_takes(&mut net, first, &to_third);
    assert!(matches!(routed, Routed::Connection(key, _) if key == third));
    net.client_config = empty;
    // Where a connection would go where another is, it hears nothing from there.
    net.client
        .on_event(key, EndpointEvent::Expects(second.remote));
    assert_eq!(told(&mut net, second), Some(other));
    let free = from(7, 1);
    net.client
        .on_event(key, EndpointEvent::Expects(free.remote));
    assert_eq!(told(&mut net, free), Some(key));
    assert!(connect_to(&mut net, free).is_err(), "it is taken");
    net.client
        .on_event(third, EndpointEvent::Expects(from(6, 1).remote));
    assert_eq!(told(&mut net, from(6, 1)), None, "one with ids needs none");
    // Ids are none of its business.
    assert!(!net.client.table.route(key, own));
    for key in [key, other, third] {
        net.client.on_event(key, EndpointEvent::Over);
    }
    assert!(net.client.table.is_bare());
    connect_to(&mut net, first).unwrap();
}

#[test]
fn workers_have_no_clients_without_ids() {
    let mut net = empty(serving());
    let config = EndpointConfig::client().unwrap();
    let config = config.worker(&[3; 32], 1, 2).unwrap();
    net.client = Endpoint::new(config.seed([1; 32]), at(net.now)).unwrap();
    let made = connect_to(&mut net, from(SERVER.0, SERVER.1)).map(|_| ());
    assert_eq!(made, Err(ConnectionError::Ambiguous));
}

#[test]
fn a_client_without_ids_is_reset_by_a_server_that_has_lost_it() {
    let key = [7; 32];
    let mut net = empty(serving().reset_key(&key).unwrap());
    net.connect();
    net.run();
    assert!(net.is_connected());
    net.server = Endpoint::new(serving().reset_key(&key).unwrap(), at(net.now)).unwrap();
    net.server_connection = None;
    let (_, connection) = net.client_connection.as_mut().unwrap();
    connection.ping();
    let sent = net.flights(Side::Client);
    net.client_receives(&[0x41; 40]);
    assert_eq!(net.client_error(), None);
    net.server_receives(&sent[0]);
    assert_eq!(net.client_error(), Some(ConnectionError::Reset));
}

#[test]
fn a_server_with_a_preferred_address_mints_and_routes_an_id_for_it() {
    let v4 = "192.0.2.9:4434".parse().unwrap();
    for policy in [PreferredAddresses::Refused, PreferredAddresses::Checked] {
        for empty in [false, true] {
            let mut net = Net::new(serving());
            let tls = Arc::clone(&net.client_config.tls);
            let client = ClientConfig::new(tls).preferred_addresses(policy);
            net.client_config = client.empty_ids(empty).build().unwrap();
            let tls = Arc::clone(&net.server_config.tls);
            let server = ServerConfig::new(tls).preferred_address(Some(v4), None);
            net.server_config = server.build().unwrap();
            net.connect();
            while net.server_connection.is_none() {
                net.flights(Side::Client)
                    .iter()
                    .for_each(|datagram| net.server_receives(datagram));
            }
            let (key, connection) = net.server_connection.as_ref().unwrap();
            let ids: Vec<_> = connection.ids().collect();
            assert_eq!(ids.len(), 2);
            assert_eq!(net.server.table.find(&ids[1]), Some(*key));
            net.run();
            assert!(net.is_connected(), "{:?}", net.client_error());
            assert_eq!(net.server.table.half_open(), 0);
            assert!(!net.token.is_empty(), "for its next connection");
            // A client without ids would be answered from there.
            let expects = empty && policy == PreferredAddresses::Checked;
            let found = net.client.table.find_remote(v4.into());
            assert_eq!(found.is_some(), expects, "{policy:?} {empty}");
        }
    }
}
