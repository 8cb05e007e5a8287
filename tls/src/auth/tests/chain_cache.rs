//! Chains that were accepted before: what is spared, and what is looked at again.
//!
//! Whether a chain was looked at shows with a trust that refuses everything: what a cache still accepts by that, it remembers.

use super::super::chain_cache::ChainCache;
use super::*;
use crate::policy::V2026_11_CNSA2;

const A: &str = "a.test";
/// 2028-02-29 00:00:00 UTC
const LEAP_DAY: u64 = 1_835_395_200;

fn roots(pki: &Pki) -> Trust {
    Trust::roots_from_der(&[pki.root()]).unwrap()
}

/// Accepts no chain of these tests.
fn stranger() -> Trust {
    roots(&Pki::bent(Kind::P256, 0, |_, params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Elsewhere");
    }))
}

fn at(second: u64) -> Now {
    Now {
        unix: Duration::from_secs(second),
        ..NOW
    }
}

/// As a server of this name, by the policy of all tests.
fn ask(
    cache: &ChainCache,
    trust: &Trust,
    chain: &[CertificateDer<'_>],
    host: &str,
    now: Now,
) -> bool {
    let name = name(host);
    let peer = Peer::Server(&name);
    cache.verify(trust, &V2026_11, chain, peer, now).is_ok()
}

#[test]
fn whatever_a_verdict_depends_on_is_looked_at_again_when_it_changes() {
    let pki = Pki::with(Kind::P256, 2);
    let chain = pki.leaf_with(Kind::P256, &[A, "b.test"], |_| ()).chain;
    let (cache, stranger) = (ChainCache::new(8), stranger());
    let (a, b) = (name(A), name("b.test"));
    assert!(ask(&cache, &roots(&pki), &chain, A, NOW));

    let [leaf, one, two] = &chain[..] else {
        panic!("not three");
    };
    let other_leaf = pki.leaf(A).chain[0].clone();
    let altered = |place: usize| {
        let mut leaf = leaf.to_vec();
        leaf[place] ^= 1;
        vec![leaf.into(), one.clone(), two.clone()]
    };
    // The same bytes, with the border between two certificates elsewhere.
    let moved = {
        let (head, last) = leaf.split_at(leaf.len() - 1);
        let next = [last, one].concat();
        vec![head.to_vec().into(), next.into(), two.clone()]
    };
    let joined: Vec<CertificateDer<'_>> = vec![[&**leaf, one, two].concat().into()];
    let with = |chain: &[&CertificateDer<'static>]| -> Vec<CertificateDer<'static>> {
        chain.iter().map(|one| (*one).clone()).collect()
    };
    let (server, client) = (Peer::Server(&a), Peer::Client);
    let rows = [
        ("nothing", chain.clone(), server, &V2026_11, true),
        ("name", chain.clone(), Peer::Server(&b), &V2026_11, false),
        ("role", chain.clone(), client, &V2026_11, false),
        ("policy", chain.clone(), server, &V2026_11_CNSA2, false),
        ("first byte", altered(0), server, &V2026_11, false),
        (
            "signature",
            altered(leaf.len() - 1),
            server,
            &V2026_11,
            false,
        ),
        ("one less", with(&[leaf, one]), server, &V2026_11, false),
        ("none", Vec::new(), server, &V2026_11, false),
        ("order", with(&[leaf, two, one]), server, &V2026_11, false),
        (
            "one more",
            with(&[leaf, one, two, two]),
            server,
            &V2026_11,
            false,
        ),
        (
            "leaf",
            with(&[&other_leaf, one, two]),
            server,
            &V2026_11,
            false,
        ),
        ("borders", moved, server, &V2026_11, false),
        ("no borders", joined, server, &V2026_11, false),
    ];
    for (row, chain, peer, policy, want) in rows {
        let verdict = cache.verify(&stranger, policy, &chain, peer, NOW);
        assert_eq!(verdict.is_ok(), want, "{row}");
    }
    assert_eq!(cache.len(), 1, "what was refused");
}

/// A client's chain is kept as one of a client: it is none of a server, even of the name that is in it.
#[test]
fn roles_are_kept_apart() {
    let pki = Pki::new();
    let client = pki.leaf_with(Kind::P256, &[A], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let (cache, trust, a) = (ChainCache::new(8), roots(&pki), name(A));
    let ask = |trust: &Trust, peer: Peer<'_>| {
        let verdict = cache.verify(trust, &V2026_11, &client.chain, peer, NOW);
        verdict.map_err(|error| error.reason().clone())
    };
    assert_eq!(ask(&trust, Peer::Client), Ok(()));
    assert_eq!(ask(&stranger(), Peer::Client), Ok(()));
    assert_eq!(ask(&trust, Peer::Server(&a)), Err(Reason::Purpose));
}

#[test]
fn what_was_refused_is_looked_at_each_time() {
    let pki = Pki::new();
    let (cache, chain) = (ChainCache::new(8), pki.leaf(A).chain);
    for _ in 0..2 {
        assert!(!ask(&cache, &stranger(), &chain, A, NOW));
        assert!(!ask(&cache, &roots(&pki), &chain, "b.test", NOW));
        assert_eq!(cache.len(), 0);
    }
    assert!(ask(&cache, &roots(&pki), &chain, A, NOW));
    assert!(ask(&cache, &stranger(), &chain, A, NOW));
}

/// From the second of the check to the last, both included; one before and one past are looked at.
#[test]
fn a_verdict_ends_with_the_first_of_its_bounds() {
    let date = rcgen::date_time_ymd;
    let leap_day = || date(2028, 2, 29);
    let pki = Pki::with(Kind::P256, 1);
    let short_ca = Pki::bent(Kind::P256, 1, |place, params| {
        if place == 1 {
            params.not_after = leap_day();
        }
    });
    let with = |pki: &Pki, lists: &[rcgen::CertificateRevocationList]| {
        let lists: Vec<_> = lists.iter().map(|list| list.der()).collect();
        roots(pki)
            .with_crls(Crls::from_der(&lists).unwrap())
            .unwrap()
    };
    let list = |place, until| pki.crl(place, &[], |list| list.next_update = until);
    let (year_2100, past) = (date(2100, 1, 1), date(2024, 2, 29));
    let short = pki.leaf_with(Kind::P256, &[A], |params| params.not_after = leap_day());
    let fresh = pki.leaf_with(Kind::P256, &[A], |params| params.not_before = leap_day());
    let long = pki.leaf(A).chain;
    let other = Pki::bent(Kind::P256, 0, |_, params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Elsewhere");
    });
    let of_other = |until| other.crl(0, &[], |list| list.next_update = until);
    let plain = roots(&pki);
    let soon = LEAP_DAY - 600;
    // The trust, the chain, the second of the check, the last, and whether one past it is refused for good.
    let rows = [
        ("an hour", plain.clone(), &long, soon, soon + 3600, false),
        ("leaf", plain.clone(), &short.chain, soon, LEAP_DAY, true),
        (
            "issuer",
            roots(&short_ca),
            &short_ca.leaf(A).chain,
            soon,
            LEAP_DAY,
            true,
        ),
        (
            "last second",
            plain.clone(),
            &short.chain,
            LEAP_DAY,
            LEAP_DAY,
            true,
        ),
        (
            "first second",
            plain,
            &fresh.chain,
            LEAP_DAY,
            LEAP_DAY + 3600,
            false,
        ),
        (
            "list of the leaf",
            with(&pki, &[list(0, year_2100), list(1, leap_day())]),
            &long,
            soon,
            LEAP_DAY - 1,
            true,
        ),
        (
            "list of the issuer",
            with(&pki, &[list(0, leap_day()), list(1, year_2100)]),
            &long,
            soon,
            LEAP_DAY - 1,
            true,
        ),
        (
            "an old list of somebody else",
            with(
                &pki,
                &[list(0, year_2100), list(1, year_2100), of_other(past)],
            ),
            &long,
            soon,
            soon + 3600,
            false,
        ),
        (
            "one that is old in this very second",
            with(
                &pki,
                &[list(0, year_2100), list(1, year_2100), of_other(leap_day())],
            ),
            &long,
            LEAP_DAY,
            LEAP_DAY + 3600,
            false,
        ),
    ];
    for (row, trust, chain, first, last, final_) in rows {
        let cache = ChainCache::new(8);
        assert!(ask(&cache, &trust, chain, A, at(first)), "{row}");
        for (second, want) in [
            (first - 1, false),
            (first, true),
            (last, true),
            (last + 1, false),
        ] {
            let spared = ask(&cache, &stranger(), chain, A, at(second));
            assert_eq!(spared, want, "{row}, {second}");
        }
        assert!(verify_at(&trust, chain, last), "{row}");
        assert_eq!(!verify_at(&trust, chain, last + 1), final_, "{row}");
        // What is out of date takes the same place when it is accepted anew.
        assert_eq!(
            ask(&cache, &trust, chain, A, at(last + 1)),
            !final_,
            "{row}"
        );
        assert_eq!(cache.len(), 1, "{row}");
        let spared = ask(&cache, &stranger(), chain, A, at(last + 1));
        assert_eq!(spared, !final_, "{row}");
    }
}

/// Half a second past its notAfter a certificate is good, and its bound counts.
#[test]
fn the_last_second_is_a_whole_one() {
    let pki = Pki::bent(Kind::P256, 1, |place, params| {
        if place == 1 {
            params.not_after = rcgen::date_time_ymd(2028, 2, 29);
        }
    });
    let (cache, chain) = (ChainCache::new(8), pki.leaf(A).chain);
    let mut half_past = at(LEAP_DAY);
    half_past.unix += Duration::from_millis(500);
    assert!(ask(&cache, &roots(&pki), &chain, A, half_past));
    assert!(ask(&cache, &stranger(), &chain, A, half_past));
    assert!(!ask(&cache, &roots(&pki), &chain, A, at(LEAP_DAY + 1)));
}

fn verify_at(trust: &Trust, chain: &[CertificateDer<'_>], second: u64) -> bool {
    let name = name(A);
    verify_chain(trust, &V2026_11, chain, Peer::Server(&name), at(second)).is_ok()
}

#[test]
fn the_oldest_goes_where_there_is_no_room() {
    let pki = Pki::new();
    let hosts = ["a.test", "b.test", "c.test"];
    let chain = pki.leaf_with(Kind::P256, &hosts, |_| ()).chain;
    let cache = ChainCache::new(2);
    for (host, want) in [("a.test", 1), ("a.test", 1), ("b.test", 2), ("c.test", 2)] {
        assert!(ask(&cache, &roots(&pki), &chain, host, NOW), "{host}");
        assert_eq!(cache.len(), want, "{host}");
    }
    let spared = hosts.map(|host| ask(&cache, &stranger(), &chain, host, NOW));
    assert_eq!(spared, [false, true, true]);
}

#[test]
fn pins_are_compared_each_time() {
    let pki = Pki::new();
    let chain = pki.leaf(A).chain;
    let pinned = Trust::pinned_keys([key_pin(&chain[0]).unwrap()]).unwrap();
    let others = Trust::pinned_keys([[1; 32]]).unwrap();
    let cache = ChainCache::new(8);
    assert!(ask(&cache, &pinned, &chain, A, NOW));
    assert_eq!(cache.len(), 0);
    assert!(!ask(&cache, &others, &chain, A, NOW));
    assert!(!ask(&cache, &Trust::PreSharedKeys, &chain, A, NOW));
}

#[test]
fn threads_share_a_cache() {
    let pki = Pki::new();
    let hosts = ["a.test", "b.test", "c.test", "d.test"];
    let chain = pki.leaf_with(Kind::P256, &hosts, |_| ()).chain;
    let (cache, trust, refuses) = (ChainCache::new(3), roots(&pki), stranger());
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (cache, trust, chain) = (&cache, &trust, &chain);
            scope.spawn(move || {
                for turn in 0..20 {
                    let host = hosts[(start + turn) % hosts.len()];
                    assert!(ask(cache, trust, chain, host, NOW));
                    assert!(!ask(cache, trust, chain, "e.test", NOW));
                    assert!(cache.len() <= 3);
                }
            });
        }
    });
    assert_eq!(cache.len(), 3);
    let spared = hosts.map(|host| ask(&cache, &refuses, &chain, host, NOW));
    assert_eq!(spared.into_iter().filter(|spared| *spared).count(), 3);
}
