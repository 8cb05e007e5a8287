//! Padding and sizes of records, GREASE, key logs and channel bindings.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::sync::{Arc, Mutex};

use pith_tests::pair::{NAME, Pair, Side, configs, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{ClientConfig, ConfigError, Error, KeyLog, ServerConfig};

/// The lengths of the protected records in `bytes`.
fn records(mut bytes: &[u8]) -> Vec<usize> {
    let mut lengths = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind == 23 {
            lengths.push(length);
        }
        bytes = &rest[length..];
    }
    lengths
}

/// Runs a handshake and tells which records each side sent.
fn run(pair: &mut Pair) -> Result<[Vec<usize>; 2], Error> {
    let mut sent = [Vec::new(), Vec::new()];
    loop {
        let (to_server, to_client) = (pair.client.output(), pair.server.output());
        if to_server.is_empty() && to_client.is_empty() {
            return Ok(sent);
        }
        sent[0].extend(records(&to_server));
        sent[1].extend(records(&to_client));
        pair.server.input(&to_server)?;
        pair.client.input(&to_client)?;
    }
}

fn exchange(from: &mut Side, to: &mut Side, length: usize) -> Vec<usize> {
    let data: Vec<u8> = (0..=255).cycle().take(length).collect();
    let bytes = from.seal(&data).unwrap();
    to.data.clear();
    to.input(&bytes).unwrap();
    assert_eq!(to.data, data);
    records(&bytes)
}

#[test]
fn padded_records_hide_the_length_of_their_content() {
    let pki = Pki::new();
    let client = ClientConfig::new(trust(&pki))
        .record_padding(256)
        .build()
        .unwrap();
    let server = ServerConfig::new(credential(&pki.leaf(NAME)))
        .record_padding(1024)
        .build()
        .unwrap();
    let mut pair = Pair::new(&client, &server);
    let [from_client, from_server] = run(&mut pair).unwrap();
    assert!(
        from_client.iter().all(|length| (length - 16) % 256 == 0),
        "{from_client:?}"
    );
    assert!(
        from_server.iter().all(|length| (length - 16) % 1024 == 0),
        "{from_server:?}"
    );
    for length in [1, 100, 255, 256, 1000, 16_383, 16_384, 50_000] {
        for size in exchange(&mut pair.client, &mut pair.server, length) {
            assert!(
                (size - 16) % 256 == 0 || size == 16_385 + 16,
                "{length}: {size}"
            );
        }
        exchange(&mut pair.server, &mut pair.client, length);
    }
}

#[test]
fn both_sides_keep_the_others_record_size_limit() {
    let pki = Pki::new();
    for (client_limit, server_limit) in [
        (Some(64), None),
        (Some(512), Some(100)),
        (Some(16_385), Some(64)),
        (None, Some(64)),
    ] {
        for block in [1, 1024] {
            let mut client = ClientConfig::new(trust(&pki)).record_padding(block);
            let mut server = ServerConfig::new(credential(&pki.leaf(NAME))).record_padding(block);
            if let Some(limit) = client_limit {
                client = client.record_size_limit(limit);
            }
            if let Some(limit) = server_limit {
                server = server.record_size_limit(limit);
            }
            let mut pair = Pair::new(&client.build().unwrap(), &server.build().unwrap());
            let [_, from_server] = run(&mut pair).unwrap();
            let most = |limit: Option<u16>| usize::from(limit.unwrap_or(16_385)) + 16;
            assert!(
                from_server
                    .iter()
                    .all(|length| *length <= most(client_limit)),
                "{from_server:?}"
            );
            let sizes = exchange(&mut pair.server, &mut pair.client, 20_000);
            assert!(
                sizes.iter().all(|length| *length <= most(client_limit)),
                "{sizes:?}"
            );
            // A client that did not ask is not limited, and knows no limit of the server's.
            let of_server = server_limit.filter(|_| client_limit.is_some());
            let sizes = exchange(&mut pair.client, &mut pair.server, 20_000);
            assert_eq!(sizes.iter().max(), Some(&most(of_server)));
        }
    }
}

#[test]
fn options_out_of_range_are_refused_where_they_are_given() {
    let pki = Pki::new();
    let client = || ClientConfig::new(trust(&pki));
    for builder in [
        client().record_size_limit(63),
        client().record_size_limit(16_386),
        client().record_padding(0),
        client().record_padding(1025),
    ] {
        assert!(matches!(
            builder.build(),
            Err(ConfigError::Unsupported { .. })
        ));
    }
}

#[test]
fn a_hello_with_reserved_values_is_accepted_and_they_stay_the_same_after_a_retry() {
    let pki = Pki::new();
    for groups in [
        &[pith_tls::Group::X25519][..],
        &[pith_tls::Group::Secp521r1],
    ] {
        let client = ClientConfig::new(trust(&pki)).grease(true).build().unwrap();
        let server = ServerConfig::new(credential(&pki.leaf(NAME)))
            .groups(groups)
            .build()
            .unwrap();
        let pair = Pair::connected(&client, &server);
        assert_eq!(pair.client.tls.summary().unwrap().group, groups[0]);
    }
    // The values are there: two hellos of one configuration differ in them sooner or later.
    let client = ClientConfig::new(trust(&pki)).grease(true).build().unwrap();
    let (_, server) = configs();
    let suites = |_| {
        let hello = Pair::new(&client, &server).client.output();
        // Record and message headers, version, random, session id, length of the suites.
        let at = 5 + 4 + 2 + 32 + 33 + 2;
        u16::from_be_bytes([hello[at], hello[at + 1]])
    };
    let seen: std::collections::HashSet<u16> = (0..64).map(suites).collect();
    assert!(
        seen.len() > 1 && seen.iter().all(|code| code & 0x0f0f == 0x0a0a),
        "{seen:x?}"
    );
}

#[test]
fn both_key_logs_have_the_same_secrets_and_only_if_asked_for() {
    let pki = Pki::new();
    let logs = [
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(Mutex::new(Vec::new())),
    ];
    let sink = |log: &Arc<Mutex<Vec<String>>>| {
        let log = log.clone();
        KeyLog::new(move |line| log.lock().unwrap().push(line.to_owned()))
    };
    let client = ClientConfig::new(trust(&pki))
        .key_log(sink(&logs[0]))
        .build()
        .unwrap();
    let server = ServerConfig::new(credential(&pki.leaf(NAME)))
        .key_log(sink(&logs[1]))
        .build()
        .unwrap();
    let _pair = Pair::connected(&client, &server);
    let [client, server] = logs.map(|log| log.lock().unwrap().clone());
    assert_eq!(client, server);
    let labels: Vec<&str> = client
        .iter()
        .filter_map(|line| line.split(' ').next())
        .collect();
    let want = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    ];
    assert_eq!(labels, want);
    for line in &client {
        let parts: Vec<&str> = line.split(' ').collect();
        assert_eq!(
            (parts.len(), parts[1].len(), parts[2].len()),
            (3, 64, 64),
            "{line}"
        );
    }
}

#[test]
fn channel_bindings_agree_on_one_connection_and_differ_between_two() {
    let (client, server) = configs();
    let binding = |_| {
        let pair = Pair::connected(&client, &server);
        let binding = pair.client.tls.channel_binding().unwrap();
        assert_eq!(binding, pair.server.tls.channel_binding().unwrap());
        let mut exported = [0; 32];
        pair.client
            .tls
            .export(b"EXPORTER-Channel-Binding", b"", &mut exported)
            .unwrap();
        assert_eq!(binding, exported);
        binding
    };
    assert_ne!(binding(0), binding(1));
    assert!(matches!(
        Pair::new(&client, &server).client.tls.channel_binding(),
        Err(Error::Misuse(_))
    ));
}

#[test]
fn records_fill_the_limit_and_do_not_pass_it() {
    let pki = Pki::new();
    let server = ServerConfig::new(credential(&pki.leaf(NAME)))
        .build()
        .unwrap();
    let limited = ClientConfig::new(trust(&pki))
        .record_size_limit(2000)
        .build()
        .unwrap();
    let free = ClientConfig::new(trust(&pki)).build().unwrap();
    let mut pair = Pair::connected(&limited, &server);
    assert_eq!(exchange(&mut pair.server, &mut pair.client, 1999), [2016]);
    assert_eq!(
        exchange(&mut pair.server, &mut pair.client, 2000),
        [2016, 18]
    );
    let mut pair = Pair::connected(&free, &server);
    assert_eq!(exchange(&mut pair.server, &mut pair.client, 2000), [2017]);
}
