use super::*;

#[test]
fn a_quic_handshake_completes_in_every_suite_with_a_hybrid_group() {
    for suite in CipherSuite::ALL {
        let (client, server) = tls(&[*suite]);
        let client = ClientConfig::new(client).build().unwrap();
        let mut pair = Pair::of(
            straight(),
            &client,
            ServerConfig::new(server).build().unwrap(),
        );
        pair.connect();
        for side in [Side::Client, Side::Server] {
            let summary = pair.side(side).summary().unwrap();
            assert_eq!(summary.suite, *suite);
            assert_eq!(summary.group, pith_tls::Group::X25519MlKem768);
            assert_eq!(summary.protocol.as_deref(), Some(&b"test"[..]));
        }
        assert_eq!(pair.now - START, DELAY * 4, "{suite:?}");
        for from in [Side::Client, Side::Server] {
            let data = pattern(100_000);
            assert_eq!(
                pair.transfer(from, &data, Duration::from_secs(9)),
                data,
                "{suite:?}"
            );
        }
    }
}

#[test]
fn a_server_sends_streams_before_the_handshake_is_complete_only_where_no_client_need_show_who_it_is()
 {
    let pki = Pki::new();
    let client = pith_tls::ClientConfig::new(trust(&pki))
        .alpn(&[b"test"])
        .build()
        .unwrap();
    let client = ClientConfig::new(client).build().unwrap();
    let builder = || pith_tls::ServerConfig::new(credential(&pki.leaf(NAME))).alpn(&[b"test"]);
    let asking = pith_tls::ClientAuth::Optional(trust(&pki));
    let rows = [
        ("no certificates", builder(), true),
        ("certificates", builder().client_auth(asking), false),
        ("unknown yet", builder().ask_config(true), false),
    ];
    for (name, server, early) in rows {
        let server = ServerConfig::new(server.build().unwrap()).build().unwrap();
        let mut pair = Pair::of(straight(), &client, server);
        pair.run_until(Duration::from_secs(1), |pair| {
            pair.server
                .as_ref()
                .is_some_and(|server| server.peer.is_some() || server.question.is_some())
        });
        assert!(!pair.server().is_established());
        if let Some(question) = pair.server().question().cloned() {
            let now = at(pair.now);
            pair.server()
                .answer(
                    pith_tls::Answer::config(&question, Some(builder().build().unwrap())),
                    now,
                )
                .unwrap();
        }
        let id = pair.server().open(Dir::Uni).unwrap();
        pair.server()
            .send(id, &mut Bytes::from_static(b"early"))
            .unwrap();
        let mut before = false;
        let arrived = pair.run_until(Duration::from_secs(1), |pair| {
            before |= pair.client.accept(Dir::Uni).is_some() && !pair.server().is_established();
            pair.client.is_established() && pair.server().is_established()
        });
        assert!(arrived && before == early, "{name}");
        pair.run(Duration::from_millis(100));
        let mut got = Vec::new();
        let _ = pair.client.accept(Dir::Uni);
        assert!(!read(&mut pair.client, id, &mut got));
        assert_eq!(got, b"early", "{name}");
    }
}
