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
