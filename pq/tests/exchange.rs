//! What an exchange gives in every group, and what one offer's shares have in common.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use pith_pq::{Error, Group, answer, offer};

#[test]
fn every_group_gives_both_sides_the_same_secret() {
    for &group in Group::ALL {
        let (offer, shares) = offer(&[group]).unwrap();
        assert_eq!(shares[0].bytes.len(), group.client_share_len(), "{group}");
        let (reply, servers) = answer(group, &shares[0].bytes).unwrap();
        assert_eq!(reply.len(), group.server_share_len(), "{group}");
        let clients = offer.finish(group, &reply).unwrap();
        assert_eq!(clients.expose().len(), group.secret_len(), "{group}");
        assert!(clients.ct_eq(servers.expose()), "{group}");
    }
}

#[test]
fn any_group_of_a_long_offer_can_be_answered() {
    for &group in Group::ALL {
        let (offer, shares) = offer(Group::ALL).unwrap();
        let groups: Vec<Group> = shares.iter().map(|share| share.group).collect();
        assert_eq!(groups, Group::ALL, "in the order of the list");
        let share = shares.iter().find(|share| share.group == group).unwrap();
        let (reply, servers) = answer(group, &share.bytes).unwrap();
        let clients = offer.finish(group, &reply).unwrap();
        assert!(clients.ct_eq(servers.expose()), "{group}");
    }
}

#[test]
fn groups_have_the_numbers_names_and_lengths_of_their_definitions() {
    // Name, code, client's share, server's share, secret, NIST category.
    let table = [
        (
            Group::X25519MlKem768,
            "X25519MLKEM768",
            0x11ec,
            1216,
            1120,
            64,
            Some(3),
        ),
        (
            Group::SecP256r1MlKem768,
            "SecP256r1MLKEM768",
            0x11eb,
            1249,
            1153,
            64,
            Some(3),
        ),
        (
            Group::SecP384r1MlKem1024,
            "SecP384r1MLKEM1024",
            0x11ed,
            1665,
            1665,
            80,
            Some(5),
        ),
        (Group::X25519, "x25519", 29, 32, 32, 32, None),
        (Group::Secp256r1, "secp256r1", 23, 65, 65, 32, None),
        (Group::Secp384r1, "secp384r1", 24, 97, 97, 48, None),
        (Group::Secp521r1, "secp521r1", 25, 133, 133, 66, None),
        (Group::MlKem512, "MLKEM512", 0x0200, 800, 768, 32, Some(1)),
        (Group::MlKem768, "MLKEM768", 0x0201, 1184, 1088, 32, Some(3)),
        (
            Group::MlKem1024,
            "MLKEM1024",
            0x0202,
            1568,
            1568,
            32,
            Some(5),
        ),
    ];
    assert_eq!(table.map(|row| row.0), Group::ALL);
    for (group, name, code, client, server, secret, category) in table {
        assert_eq!((group.name(), group.code()), (name, code));
        assert_eq!(group.to_string(), name);
        assert_eq!(group.client_share_len(), client, "{group}");
        assert_eq!(group.server_share_len(), server, "{group}");
        assert_eq!(group.secret_len(), secret, "{group}");
        assert_eq!(group.security_category(), category, "{group}");
        assert_eq!(group.is_post_quantum(), category.is_some(), "{group}");
    }
    for code in 0..=u16::MAX {
        let want = table.iter().find(|row| row.2 == code).map(|row| row.0);
        assert_eq!(Group::from_code(code), want, "{code:#06x}");
    }
}

/// The keys in a client's share.
fn parts(group: Group, share: &[u8]) -> Vec<&[u8]> {
    let hybrids = [
        (Group::X25519MlKem768, 1184),
        (Group::SecP256r1MlKem768, 65),
        (Group::SecP384r1MlKem1024, 97),
    ];
    match hybrids.iter().find(|(hybrid, _)| *hybrid == group) {
        Some((_, first)) => vec![&share[..*first], &share[*first..]],
        None => vec![share],
    }
}

#[test]
fn only_the_x25519_key_repeats_in_one_offer() {
    let (_, shares) = offer(Group::ALL).unwrap();
    let mut seen: Vec<(Group, &[u8])> = Vec::new();
    let mut repeated = Vec::new();
    for share in &shares {
        for part in parts(share.group, &share.bytes) {
            let earlier = seen.iter().find(|(_, other)| *other == part);
            repeated.extend(earlier.map(|(group, _)| (*group, share.group)));
            seen.push((share.group, part));
        }
    }
    assert_eq!(repeated, [(Group::X25519MlKem768, Group::X25519)]);
    assert_eq!(seen.len(), 13);

    // Whichever stands first.
    let (_, shares) = offer(&[Group::X25519, Group::X25519MlKem768]).unwrap();
    assert_eq!(shares[0].bytes, shares[1].bytes[1184..]);
}

#[test]
fn nothing_repeats_across_offers() {
    let (_, first) = offer(Group::ALL).unwrap();
    let (_, second) = offer(Group::ALL).unwrap();
    for (a, b) in first.iter().zip(&second) {
        let parts_of_b = parts(b.group, &b.bytes);
        let mut parts_of_a = parts(a.group, &a.bytes).into_iter();
        assert!(
            parts_of_a.all(|part| !parts_of_b.contains(&part)),
            "{}",
            a.group
        );
    }
}

/// draft-ietf-tls-hybrid-design section 2: fresh randomness for each ciphertext, and a fresh ECDH key.
#[test]
fn nothing_repeats_across_answers() {
    for &group in Group::ALL {
        let (_, shares) = offer(&[group]).unwrap();
        let (first, a) = answer(group, &shares[0].bytes).unwrap();
        let (second, b) = answer(group, &shares[0].bytes).unwrap();
        let halves = [&first[..32], &first[first.len() - 32..]];
        assert!(
            !second.starts_with(halves[0]) && !second.ends_with(halves[1]),
            "{group}"
        );
        assert!(!a.ct_eq(b.expose()), "{group}");
    }
}

#[test]
fn misuse_of_an_offer_is_an_error_of_ours() {
    let twice = offer(&[Group::X25519, Group::Secp256r1, Group::X25519]);
    assert_eq!(twice.err(), Some(Error::Repeated));
    let (asked, shares) = offer(&[]).unwrap();
    assert!(shares.is_empty());
    assert_eq!(
        asked.finish(Group::X25519, &[9; 32]).err(),
        Some(Error::NotOffered)
    );
    let (asked, _) = offer(&[Group::X25519MlKem768]).unwrap();
    assert_eq!(
        asked.finish(Group::X25519, &[9; 32]).err(),
        Some(Error::NotOffered)
    );
    assert!(!Error::Repeated.is_peer_fault() && !Error::NotOffered.is_peer_fault());
}

/// An offer waits in a connection, and connections move between threads.
#[test]
fn offers_and_secrets_can_cross_threads() {
    fn crosses<T: Send + Sync>() {}
    crosses::<pith_pq::Offer>();
    crosses::<pith_pq::SharedSecret>();
    crosses::<pith_crypto::SealingKey>();
    crosses::<pith_crypto::OpeningKey>();
    crosses::<pith_crypto::SigningKey>();
}
