//! Which chains are trusted, by roots and by pinned keys.

use super::*;

#[test]
fn chains_of_every_kind_are_accepted() {
    for kind in Kind::ALL {
        for intermediates in [0, 1, 6] {
            let pki = Pki::with(kind, intermediates);
            let identity = pki.leaf_with(
                kind,
                &["a.test", "*.b.test", "192.0.2.1", "2001:db8::1"],
                |_| (),
            );
            for host in ["a.test", "A.TEST", "x.b.test", "192.0.2.1", "2001:db8::1"] {
                assert_eq!(
                    verify(&pki, &identity, host),
                    Ok(()),
                    "{kind:?}, {intermediates}, {host}"
                );
            }
        }
    }
}

#[test]
fn a_ca_may_have_another_kind_of_key_than_its_leaf() {
    for issuer in Kind::ALL {
        let pki = Pki::with(issuer, 1);
        for kind in Kind::ALL {
            let identity = pki.leaf_with(kind, &["a.test"], |_| ());
            let verified = verify(&pki, &identity, "a.test");
            assert_eq!(verified, Ok(()), "{kind:?} by {issuer:?}");
        }
    }
}

/// rfc9846#4.5.1-9: any order, and certificates that belong to no path; but the leaf first.
#[test]
fn extra_and_reordered_certificates_do_no_harm() {
    let pki = Pki::with(Kind::P256, 3);
    let mut identity = pki.leaf("a.test");
    identity.chain[1..].reverse();
    identity.chain.extend([
        pki.root(),
        Pki::new().root(),
        pki::self_signed(Kind::P256, "b.test").chain[0].clone(),
    ]);
    assert_eq!(verify(&pki, &identity, "a.test"), Ok(()));
    identity.chain.swap(0, 1);
    assert!(verify(&pki, &identity, "a.test").is_err());
}

/// rfc9846#4.5.1.3-2 and -s1: MD5 and SHA-1 get bad_certificate, other unknown algorithms unsupported_certificate.
#[test]
fn forgeable_signatures_are_refused_as_such() {
    const RSA: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
    let pki = Pki::with(Kind::Rsa2048, 1);
    for (last, name, alert) in [
        (2, "md2WithRSAEncryption", Alert::BAD_CERTIFICATE),
        (4, "md5WithRSAEncryption", Alert::BAD_CERTIFICATE),
        (5, "sha1WithRSAEncryption", Alert::BAD_CERTIFICATE),
        (
            14,
            "\"1.2.840.113549.1.1.14\"",
            Alert::UNSUPPORTED_CERTIFICATE,
        ), // SHA-224
    ] {
        let mut other = RSA;
        other[10] = last;
        for place in [0, 1] {
            let mut identity = pki.leaf("a.test");
            identity.chain[place] = patch(&identity.chain[place], &RSA, &other);
            let error = verify(&pki, &identity, "a.test").unwrap_err();
            let text = error.to_string();
            assert!(text.contains(&format!("({name})")), "{text}");
            assert_eq!(error.alert(), alert, "{name}");
            let which = if place == 0 {
                Which::Leaf
            } else {
                Which::Intermediate(1)
            };
            assert_eq!(error.which(), which, "{name}");
        }
    }
    let ecdsa = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    let pki = Pki::new();
    let identity = patched(
        pki.leaf("a.test"),
        &ecdsa,
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 1],
    );
    let text = verify(&pki, &identity, "a.test").unwrap_err().to_string();
    assert_eq!(
        text,
        "the leaf certificate is signed with an unsupported algorithm \
         (\"1.2.840.10045.4.3.1\"): have it issued with ECDSA, RSA, Ed25519 or ML-DSA"
    );
}

/// rfc9846#4.5.1.2-3, for roots and pins alike.
#[test]
fn key_usage_must_allow_signatures() {
    use KeyUsagePurpose as U;
    for (usages, good) in [
        (&[][..], true),
        (&[U::DigitalSignature], true),
        (&[U::DigitalSignature, U::KeyEncipherment], true),
        (
            &[U::KeyAgreement, U::DigitalSignature, U::DecipherOnly],
            true,
        ),
        (&[U::KeyEncipherment], false),
        (&[U::ContentCommitment], false),
        (&[U::DecipherOnly], false),
    ] {
        let pki = Pki::new();
        let identity = pki.leaf_with(Kind::P256, &["a.test"], |params| {
            params.key_usages = usages.to_vec()
        });
        let pinned = Trust::pinned_keys([key_pin(&identity.chain[0]).unwrap()]).unwrap();
        for verdict in [
            verify(&pki, &identity, "a.test"),
            verify_by(&pinned, &identity.chain),
        ] {
            match verdict {
                Ok(()) => assert!(good, "{usages:?}"),
                Err(error) => assert_eq!(
                    (error.reason(), good),
                    (&Reason::NotForSigning, false),
                    "{usages:?}"
                ),
            }
        }
        let credential = Credential::from_der(identity.chain, &identity.key).err();
        let refused = ConfigError::Certificate {
            list: "the chain",
            number: 1,
            reason: Reason::NotForSigning,
        };
        assert_eq!(credential, (!good).then_some(refused), "{usages:?}");
    }
}

#[test]
fn a_pinned_key_is_the_identity() {
    let identity = pki::self_signed(Kind::Ed25519, "a.test");
    let pin = key_pin(&identity.chain[0]).unwrap();
    let trust = Trust::pinned_keys([[0; 32], pin]).unwrap();
    assert_eq!(
        verify_chain(
            &trust,
            &V2026_11,
            &identity.chain,
            Peer::Server(&name("other.test")),
            NOW
        ),
        Ok(())
    );
    let renewed = Pki::new().leaf_with(Kind::P256, &["a.test"], pki::expired);
    let trust = Trust::pinned_keys([key_pin(&renewed.chain[0]).unwrap()]).unwrap();
    assert_eq!(verify_by(&trust, &renewed.chain), Ok(()));

    let error = verify_by(&trust, &identity.chain).unwrap_err();
    let hex: String = pin.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!(
        "the leaf certificate has a key that is not pinned (SHA-256 {hex}, pinned keys: 1): \
         if this is the right peer, pin it"
    );
    assert_eq!(
        (error.to_string(), error.alert()),
        (text, Alert::CERTIFICATE_UNKNOWN)
    );
    let garbage = [CertificateDer::from(vec![0x30, 0])];
    assert_eq!(
        verify_by(&trust, &garbage).unwrap_err().alert(),
        Alert::BAD_CERTIFICATE
    );
    assert!(key_pin(&garbage[0]).is_err());
}

/// The pin is what other tools compute: the digest of the SubjectPublicKeyInfo, header included.
#[test]
fn a_pin_is_the_sha256_of_the_spki() {
    let identity = pki::self_signed(Kind::Ed25519, "a.test");
    let key = SigningKey::from_der(&identity.key).unwrap();
    let mut spki = vec![0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
    spki.extend_from_slice(key.public_key());
    let digest = pith_crypto::Hash::Sha256.digest(&spki);
    assert_eq!(key_pin(&identity.chain[0]).unwrap(), digest.as_ref());
}

/// Known attack T10: certificates made to explode the search for a path cost a bounded amount.
#[test]
fn ambiguous_chains_are_bounded() {
    let another = || {
        Pki::bent(Kind::P256, 0, |_, params| {
            let name = "Pith Test Intermediate 1";
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
        })
        .root()
    };
    let pki = Pki::with(Kind::P256, 1);
    let mut identity = pki.leaf("a.test");
    identity.chain.splice(1..1, [another(), another()]);
    assert_eq!(
        verify(&pki, &identity, "a.test"),
        Ok(()),
        "three of one subject"
    );
    identity.chain.push(another());
    let error = verify(&pki, &identity, "a.test").unwrap_err();
    let text = "the certificate chain takes too much work to check (certificates of one subject): \
                have the peer send the certificates of one path only";
    assert_eq!(
        (error.to_string().as_str(), error.alert()),
        (text, Alert::CERTIFICATE_UNKNOWN)
    );
}

#[test]
fn no_bytes_make_it_panic() {
    let pki = Pki::new();
    let identity = pki.leaf("a.test");
    let leaf = identity.chain[0].to_vec();
    let trust = Trust::roots_from_der(&[pki.root()]).unwrap();
    for place in 0..leaf.len() {
        let mut flipped = leaf.clone();
        flipped[place] ^= 0x41;
        for bytes in [
            leaf[..place].to_vec(),
            flipped,
            [&leaf[..], &leaf[..place]].concat(),
        ] {
            let same = bytes == leaf;
            let chain = [CertificateDer::from(bytes)];
            let _ = (
                der::allows_signing(&chain[0]),
                der::common_name(&chain[0]),
                der::public_key(&chain[0]),
            );
            let verdict = verify_by(&trust, &chain);
            assert_eq!(verdict.is_ok(), same, "{place}");
        }
    }
}

#[test]
fn trust_is_never_empty() {
    let none = |what| Some(ConfigError::Empty { what });
    assert_eq!(Trust::roots_from_der(&[]).err(), none("trusted root"));
    assert_eq!(
        Trust::roots_from_anchors(Vec::new()).err(),
        none("trusted root")
    );
    assert_eq!(Trust::pinned_keys([]).err(), none("pinned key"));
    assert_eq!(
        none("pinned key").unwrap().to_string(),
        "no pinned key given: at least one is needed"
    );
    let text = |pem: &str| {
        Trust::roots_from_pem(pem.as_bytes())
            .err()
            .unwrap()
            .to_string()
    };
    assert_eq!(
        text(""),
        "expected CA certificates in PEM, found nothing: the input is empty"
    );
    let pki = Pki::new();
    let key = pki.leaf("a.test").key_pem;
    assert_eq!(
        text(&key),
        "expected CA certificates in PEM, found a private key: is this the right file?"
    );
    let bad = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    assert_eq!(
        text(&format!("{}{bad}", pki.root_pem())),
        "certificate 2 of the trusted roots is malformed (not DER): have it issued anew"
    );
    let trust = Trust::roots_from_pem(format!("{}{key}", pki.root_pem()).as_bytes()).unwrap();
    assert_eq!(verify_by(&trust, &pki.leaf("a.test").chain), Ok(()));
}
