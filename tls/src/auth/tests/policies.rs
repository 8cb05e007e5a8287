//! What a policy makes of chains and credentials.

use rcgen::{CertifiedIssuer, KeyPair};

use super::*;
use crate::policy::{ALL, ChainAlgorithm, Policy, V2026_11_CNSA2};

type Ca = CertifiedIssuer<'static, KeyPair>;

/// A CA of this name with this key, by `issuer` or by itself.
fn ca(name: &str, key: KeyPair, issuer: Option<&Ca>) -> Ca {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    match issuer {
        Some(issuer) => CertifiedIssuer::signed_by(params, key, issuer),
        None => CertifiedIssuer::self_signed(params, key),
    }
    .unwrap()
}

fn p256() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap()
}

fn p384() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap()
}

/// A leaf with a P-384 key, and that key.
fn leaf(issuer: &Ca) -> (CertificateDer<'static>, KeyPair) {
    let (key, params) = (
        p384(),
        CertificateParams::new(vec!["a.test".to_owned()]).unwrap(),
    );
    (params.signed_by(&key, issuer).unwrap().der().clone(), key)
}

#[test]
fn every_signature_in_a_chain_has_its_name() {
    let names = |algorithm: &dyn pki_types::SignatureVerificationAlgorithm| {
        let same = |known: &dyn pki_types::SignatureVerificationAlgorithm| {
            known.signature_alg_id() == algorithm.signature_alg_id()
                && known.public_key_alg_id() == algorithm.public_key_alg_id()
        };
        let rows = webpki::CHAIN_SIGNATURES.iter();
        rows.filter(|(_, known)| same(*known)).count()
    };
    for algorithm in ::webpki::ALL_VERIFICATION_ALGS {
        assert_eq!(names(*algorithm), 1, "{algorithm:?}");
    }
    let rows = webpki::CHAIN_SIGNATURES.iter().map(|(name, _)| *name);
    for name in ChainAlgorithm::ALL {
        assert!(rows.clone().any(|row| row == *name), "{name}");
    }
}

#[test]
fn every_scheme_of_a_policy_can_be_verified() {
    let known = |scheme: &Scheme| webpki::SIGNATURES.iter().any(|(known, _)| known == scheme);
    for policy in ALL {
        for scheme in policy.signature_schemes {
            assert!(known(scheme), "{}: {scheme}", policy.name);
        }
    }
    for (scheme, _) in webpki::SIGNATURES {
        assert!(V2026_11.signature_schemes.contains(scheme), "{scheme}");
    }
}

#[test]
fn a_chain_is_verified_by_the_policy() {
    let (old_root, new_root) = (ca("Old", p256(), None), ca("New", p384(), None));
    let middle_key = p384().serialize_pem();
    let middle = |issuer| {
        let key = KeyPair::from_pem(&middle_key).unwrap();
        ca("Middle", key, Some(issuer))
    };
    let (under_old, under_new) = (middle(&old_root), middle(&new_root));
    let (direct, _) = leaf(&old_root);
    let (indirect, _) = leaf(&under_old);
    let advice = "have it issued with one that the policy names, or take another policy";
    let not_allowed = |which: &str| {
        format!(
            "{which} is signed with an algorithm that policy V2026_11_CNSA2 does not allow \
             (ECDSA P-256 with SHA-256): {advice}"
        )
    };
    let (old, new) = (under_old.der().clone(), under_new.der().clone());
    let rows: [(&str, Vec<_>, &Policy, Option<String>); 6] = [
        ("the defaults", vec![direct.clone()], &V2026_11, None),
        (
            "a leaf by P-256",
            vec![direct],
            &V2026_11_CNSA2,
            Some(not_allowed("the leaf certificate")),
        ),
        (
            "all P-384",
            vec![indirect.clone(), new.clone()],
            &V2026_11_CNSA2,
            None,
        ),
        (
            "an intermediate by P-256",
            vec![indirect.clone(), old.clone()],
            &V2026_11_CNSA2,
            Some(not_allowed("intermediate certificate 1")),
        ),
        (
            "the other path, first",
            vec![indirect.clone(), new.clone(), old.clone()],
            &V2026_11_CNSA2,
            None,
        ),
        (
            "the other path, last",
            vec![indirect, old, new],
            &V2026_11_CNSA2,
            None,
        ),
    ];
    let trust = [old_root.der().clone(), new_root.der().clone()];
    let trust = Trust::roots_from_der(&trust).unwrap();
    for (row, chain, policy, want) in rows {
        let got = verify_chain(&trust, policy, &chain, Peer::Server(&name("a.test")), NOW).err();
        if let Some(error) = &got {
            assert_eq!(error.alert(), Alert::UNSUPPORTED_CERTIFICATE, "{row}");
        }
        assert_eq!(got.map(|error| error.to_string()), want, "{row}");
    }
}

/// What is wrong with a chain under any policy is said first.
#[test]
fn a_policy_hides_no_other_fault() {
    let pki = Pki::new();
    let expired = pki.leaf_with(Kind::P256, &["a.test"], pki::expired);
    let trust = Trust::roots_from_der(&[pki.root()]).unwrap();
    let error = verify_chain(
        &trust,
        &V2026_11_CNSA2,
        &expired.chain,
        Peer::Server(&name("a.test")),
        NOW,
    );
    assert_eq!(error.unwrap_err().alert(), Alert::CERTIFICATE_EXPIRED);
}

#[test]
fn a_credential_fits_the_policy_or_is_refused() {
    let (old_root, new_root) = (ca("Old", p256(), None), ca("New", p384(), None));
    let (by_old, by_new) = (leaf(&old_root), leaf(&new_root));
    let p384_credential = |(leaf, key): &(CertificateDer<'static>, KeyPair), more: &[&Ca]| {
        let more = more.iter().map(|ca| ca.der().clone());
        let chain = [leaf.clone()].into_iter().chain(more).collect();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Credential::from_der(chain, &key).unwrap()
    };
    let pinned = |kind| {
        let identity = pki::self_signed(kind, "a.test");
        Credential::from_der(identity.chain, &identity.key).unwrap()
    };
    let advice = "have it issued with one that the policy names, or take another policy";
    let refused = |names: &str| {
        format!(
            "certificate 1 of the chain is signed with an algorithm that policy V2026_11_CNSA2 does not allow \
             ({names}): {advice}"
        )
    };
    let rows = [
        ("P-384 by P-384", p384_credential(&by_new, &[]), None),
        ("with its root", p384_credential(&by_new, &[&new_root]), None),
        ("pinned P-384", pinned(Kind::P384), None),
        (
            "an unknown issuer",
            p384_credential(&by_old, &[]),
            Some(refused(
                "ECDSA P-256 with SHA-256 or ECDSA P-384 with SHA-256 or ECDSA P-521 with SHA-256",
            )),
        ),
        (
            "a P-256 issuer",
            p384_credential(&by_old, &[&old_root]),
            Some(refused("ECDSA P-256 with SHA-256")),
        ),
        (
            "pinned P-256",
            pinned(Kind::P256),
            Some(
                "policy V2026_11_CNSA2 does not allow a key that signs with ecdsa_secp256r1_sha256: \
                 leave it out, or take another policy"
                    .to_owned(),
            ),
        ),
    ];
    for (row, credential, want) in rows {
        assert_eq!(credential.check_policy(&V2026_11), Ok(()), "{row}");
        let got = credential.check_policy(&V2026_11_CNSA2).err();
        assert_eq!(got.map(|error| error.to_string()), want, "{row}");
    }
}

/// rfc9846#4.3.3-11, rfc9846#4.5.1.2-6: nobody has to choose between such a chain and another, as no policy takes one.
#[test]
fn an_own_chain_with_a_sha1_signature_is_refused() {
    const SHA256_RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
    const SHA1_RSA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5];
    for place in [0, 1] {
        let pki = Pki::with(Kind::Rsa2048, 1);
        let mut identity = pki.leaf("a.test");
        identity.chain[place] = patch(&identity.chain[place], &SHA256_RSA, &SHA1_RSA);
        let credential = Credential::from_der(identity.chain, &identity.key).unwrap();
        for policy in ALL {
            let error = credential.check_policy(policy).unwrap_err().to_string();
            let row = format!("{place}, {}: {error}", policy.name);
            if policy.name != V2026_11_CNSA2.name {
                assert!(error.contains("sha1WithRSAEncryption"), "{row}");
            }
        }
    }
}
