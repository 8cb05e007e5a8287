//! Networks that a seed makes up.

use super::*;

/// A network that a seed makes up, bad enough that some connections die.
fn random_link(dice: &mut Dice) -> Link {
    let mut chance = |most: u64| {
        if dice.below(2) == 0 {
            0
        } else {
            dice.below(most) as u32
        }
    };
    let (loss, reorder, duplicate, corrupt) = (chance(250), chance(300), chance(200), chance(100));
    let ms = |dice: &mut Dice, most| Duration::from_millis(dice.below(most));
    let mut link = Link {
        jitter: ms(dice, 40),
        loss,
        burst: dice.below(5),
        reorder: (reorder, ms(dice, 100)),
        duplicate,
        corrupt,
        ..Link::of(ms(dice, 300))
    };
    if dice.below(3) == 0 {
        link.rate = Some(20_000 + dice.below(2_000_000));
        link.queue = 3000 + dice.below(60_000);
    }
    link.marking = match dice.below(4) {
        0 => Marking::Bleach,
        1 => Marking::Congest(dice.below(300) as u32),
        _ => Marking::Keep,
    };
    link.outage = match dice.below(6) {
        0 => Outage::Each(5 * SECOND, ms(dice, 4000)),
        1 => Outage::Once(ms(dice, 2000), ms(dice, 60_000)),
        _ => Outage::Never,
    };
    if dice.below(8) == 0 {
        link.mtu = vec![(ms(dice, 3000), 1100 + dice.below(400) as usize)];
    }
    link
}

/// Everything that was sent arrives intact, or both sides say why not. `PITH_SEEDS=10000` runs ten thousand; CONTRIBUTING.md has the command.
#[test]
fn random_networks_deliver_or_both_sides_say_why() {
    for_each_seed(0..40, |seed| {
        let mut dice = Dice::new(!seed);
        let (there, back) = (random_link(&mut dice), random_link(&mut dice));
        let tune = Tune {
            seed,
            retry: dice.below(4) == 0,
            streams: 1 + dice.below(20),
            sessions: true,
            early: dice.below(2) == 0,
            ..USUAL
        };
        let asks: Vec<_> = (0..=dice.below(30))
            .map(|_| 1 + dice.below(20_000) as usize)
            .collect();
        // Where 1,200 bytes do not arrive no new path can be proven, and a connection that has moved crawls.
        let carries = |link: &Link| link.mtu.iter().all(|(_, mtu)| *mtu >= 1200);
        let moves = if carries(&there) && carries(&back) {
            dice.below(4) as u8
        } else {
            0
        };
        let (mut network, config) = scene(tune, there, back);
        // A NAT gives the client another port, or another host.
        for number in 1..=moves {
            let last = if dice.below(2) == 0 { 1 } else { 10 + number };
            let at = Duration::from_millis(dice.below(8000));
            network.rebind(CLIENT, at, address(last, 50_000 + u16::from(number)));
        }
        // A client that may send early data comes back, twice.
        let times = if tune.early { 3 } else { 1 };
        if (0..times).all(|_| fetch(&mut network, &config, &asks, 1000 * SECOND).is_some()) {
            return;
        }
        // A side that hears nothing more has its idle timeout to notice.
        network.run(200 * SECOND, |_, _| false);
        for host in &network.nodes {
            for end in host.ends.values() {
                assert!(
                    end.connection.error().is_some(),
                    "seed {seed}: {:?}",
                    end.connection.stats()
                );
                assert!(end.connection.is_over(), "seed {seed}");
            }
        }
    });
}

/// Without this a failure that chance has found cannot be looked at again.
#[cfg(pith_test)]
#[test]
fn the_same_seed_makes_the_same_run() {
    for_each_seed(0..32, |seed| {
        let run = || {
            let link = Link {
                loss: (seed % 4) as u32 * 30,
                duplicate: 20,
                reorder: (100, 20 * MS),
                ..usual()
            };
            let tune = Tune { seed, ..USUAL };
            let (mut network, config) = scene(tune, link.clone(), link);
            network.rebind(CLIENT, 2 * SECOND, address(3, 50_000));
            // Whether all came is for other tests: the client's address may change before it is let in.
            let took = fetch(&mut network, &config, &[250_000; 2], 60 * SECOND);
            let closed = network
                .nodes
                .iter()
                .map(|host| format!("{:?}", host.closed()));
            let outcome = (took, closed.collect::<Vec<_>>());
            (network.trace().to_vec(), outcome)
        };
        let ((first, outcome), (again, other)) = (run(), run());
        assert_eq!(outcome, other, "seed {seed}");
        let differs = first.iter().zip(&again).position(|(a, b)| a != b);
        let differs = differs.map(|at| (at, first[at], again[at]));
        assert_eq!(differs, None, "seed {seed}");
        assert_eq!(first.len(), again.len(), "seed {seed}");
    });
}
