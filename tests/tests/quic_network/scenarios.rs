//! The interop runner's scenarios.

use super::*;

#[test]
fn each_scenario_is_done_in_its_time() {
    let long = Link::of(750 * MS);
    let bursts = |chance: u32| Link {
        loss: chance,
        in_a_row: 3,
        ..usual()
    };
    let corrupt = |chance: u32| Link {
        corrupt: chance,
        in_a_row: 3,
        ..usual()
    };
    let hole = Link {
        outage: Outage::Each(5 * SECOND, 2 * SECOND),
        ..usual()
    };
    let congest = Link {
        marking: Marking::Congest(20),
        ..usual()
    };
    let bleach = Link {
        marking: Marking::Bleach,
        ..usual()
    };
    let some_lost = Link {
        dropped: (2..=7).collect(),
        ..usual()
    };
    let retry = Tune {
        retry: true,
        ..USUAL
    };
    let chain = Tune {
        intermediates: 6,
        bulk: 7000,
        ..USUAL
    };
    let many = [32; 1999];
    let rows: [(&str, Tune, Link, Link, &[usize], u64); 13] = [
        ("handshake", USUAL, usual(), usual(), &[1000], 100),
        ("longrtt", USUAL, long.clone(), long, &[1000], 4600),
        ("retry", retry, usual(), usual(), &[1000], 140),
        (
            "transfer",
            USUAL,
            usual(),
            usual(),
            &[1_000_000, 800_000, 200_000],
            2500,
        ),
        ("multiplexing", USUAL, usual(), usual(), &many, 2500),
        ("blackhole", USUAL, hole.clone(), hole, &[4_000_000], 12_000),
        ("ecn", USUAL, usual(), usual(), &[100_000], 400),
        (
            "congestion is marked",
            USUAL,
            congest.clone(),
            congest,
            &[1_000_000],
            4000,
        ),
        (
            "marks are bleached",
            USUAL,
            bleach.clone(),
            bleach,
            &[1_000_000],
            1500,
        ),
        (
            "amplificationlimit",
            chain,
            some_lost,
            usual(),
            &[1000],
            10_000,
        ),
        (
            "transferloss",
            USUAL,
            bursts(20),
            bursts(20),
            &[2_000_000],
            10_000,
        ),
        (
            "transfercorruption",
            USUAL,
            corrupt(20),
            corrupt(20),
            &[2_000_000],
            10_000,
        ),
        ("goodput", USUAL, usual(), usual(), &[4_000_000], 4000),
    ];
    for (name, tune, there, back, asks, most) in rows {
        let (mut network, config) = scene(tune, there, back);
        let took = fetch(&mut network, &config, asks, 60 * SECOND);
        let stats = network.nodes[SERVER].ends.values().next();
        let stats = stats.map(|end| end.connection.stats());
        let why = network.nodes[CLIENT].closed();
        let most = Duration::from_millis(most);
        assert!(
            took.is_some_and(|took| took <= most),
            "{name}: {took:?}, {why:?}, {stats:?}"
        );
    }
}
