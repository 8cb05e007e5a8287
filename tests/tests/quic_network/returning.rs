//! Clients that come back.

use super::*;

/// A client comes back: once for a session alone, and with early data of 40 requests with names of 250 bytes, of which most come early.
#[test]
fn a_client_that_comes_back_resumes_and_is_answered_a_round_trip_earlier() {
    let session = Tune {
        sessions: true,
        ..USUAL
    };
    let early = Tune {
        early: true,
        ask: 250,
        ..session
    };
    let retry = Tune {
        retry: true,
        ..early
    };
    let lossy = Link {
        loss: 100,
        ..usual()
    };
    let reordering = Link {
        reorder: (300, 20 * MS),
        ..usual()
    };
    let many = [32; 40];
    // (name, tune, link, asks, the longest time in ms, the least share of early data in percent)
    let rows: [(&str, Tune, Link, &[usize], u64, usize); 6] = [
        ("resumption", session, usual(), &[1000], 70, 0),
        ("zerortt", early, usual(), &many, 75, 80),
        ("one request", early, usual(), &[100], 40, 100),
        ("after a retry", retry, usual(), &many, 110, 80),
        ("loss", early, lossy, &many, 3000, 0),
        ("reordering", early, reordering, &many, 300, 50),
    ];
    for (name, tune, link, asks, most, share) in rows {
        let (mut network, config) = scene(tune, link.clone(), link);
        let first = fetch(&mut network, &config, &[100], 10 * SECOND).unwrap();
        // The session comes right behind the handshake.
        network.run(SECOND, |_, _| false);
        let took = fetch(&mut network, &config, asks, 10 * SECOND);
        let most = Duration::from_millis(most);
        assert!(took.is_some_and(|took| took <= most), "{name}: {took:?}");
        if tune.early && asks.len() == 1 {
            assert!(took.unwrap() < first, "{name}: {took:?} after {first:?}");
        }
        // All may be answered before the server has the end of the handshake.
        network.run(SECOND, |_, _| false);
        let want = if tune.early {
            EarlyData::Accepted
        } else {
            EarlyData::NotOffered
        };
        for host in &network.nodes {
            let end = host.ends.values().next_back().unwrap();
            let summary = end.connection.summary().unwrap();
            assert!(summary.resumed(), "{name}");
            assert_eq!(summary.early_data, want, "{name}");
        }
        let end = network.nodes[SERVER].ends.values().next_back().unwrap();
        assert_eq!(end.heard, asks.len() * tune.ask, "{name}");
        let early = end.early * 100 / end.heard;
        assert!(
            early >= share && (tune.early || early == 0),
            "{name}: {early}"
        );
    }
}
