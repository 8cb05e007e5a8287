//! Which signatures are taken for a CertificateVerify (RFC 9846 section 4.5.2).

use super::*;

/// Known attack S02: each scheme by each kind of key. draft-ietf-tls-mldsa#3.2-3, rfc9846#4.3.3-1, #4.3.3-5, #4.5.2-6, #4.5.2-7.
#[test]
fn a_scheme_fits_one_kind_of_key() {
    let all = [
        Scheme::ECDSA_SECP256R1_SHA256,
        Scheme::ECDSA_SECP384R1_SHA384,
        Scheme::ECDSA_SECP521R1_SHA512,
        Scheme::ED25519,
        Scheme::MLDSA44,
        Scheme::MLDSA65,
        Scheme::MLDSA87,
        Scheme::RSA_PSS_RSAE_SHA256,
        Scheme::RSA_PSS_RSAE_SHA384,
        Scheme::RSA_PSS_RSAE_SHA512,
        Scheme::RSA_PKCS1_SHA256,
        Scheme::RSA_PKCS1_SHA384,
        Scheme::RSA_PKCS1_SHA512,
        Scheme(0x0201), // rsa_pkcs1_sha1
        Scheme(0x0203), // ecdsa_sha1
        Scheme(0x0808), // ed448
        Scheme(0x0809), // rsa_pss_pss_sha256
        Scheme(0x0000),
        Scheme(0xffff),
    ];
    for kind in Kind::ALL {
        let identity = pki::self_signed(kind, "a.test");
        let key = SigningKey::from_der(&identity.key).unwrap();
        for scheme in all {
            let real = key.sign(scheme, b"message");
            let signature = real
                .clone()
                .unwrap_or_else(|_| key.sign(key.schemes()[0], b"message").unwrap());
            let verified = verify_signature(&identity.chain[0], scheme, b"message", &signature);
            let got = verified.map(|_| ());
            let want = match (real.is_ok(), V2026_11.signature_schemes.contains(&scheme)) {
                (true, _) => Ok(()),
                (false, true) => Err(Error::Fault(Fault::CertificateKeyMismatch)),
                (false, false) => Err(Error::Fault(Fault::CertificateVerifyScheme)),
            };
            assert_eq!(got, want, "{kind:?} {scheme}");
        }
    }
}

/// rfc9846#4.5.2-8, #4.5.2-9.
#[test]
fn a_signature_of_anything_else_is_refused() {
    let refused = Err(Error::Fault(Fault::CertificateVerifySignature));
    for kind in Kind::ALL {
        let another = match kind {
            Kind::Rsa8192 => Kind::Rsa2048, // there is one of 8192 bits
            kind => kind,
        };
        let (identity, other) = (
            pki::self_signed(kind, "a.test"),
            pki::self_signed(another, "a.test"),
        );
        let key = SigningKey::from_der(&identity.key).unwrap();
        let leaf = &identity.chain[0];
        for scheme in key.schemes() {
            let check = |leaf: &CertificateDer<'_>, message: &[u8], signature: &[u8]| {
                verify_signature(leaf, *scheme, message, signature).map(|_| ())
            };
            let signature = key.sign(*scheme, b"message").unwrap();
            assert_eq!(
                check(leaf, b"message", &signature),
                Ok(()),
                "{kind:?} {scheme}"
            );
            assert_eq!(
                check(leaf, b"massage", &signature),
                refused,
                "{kind:?} {scheme}"
            );
            assert_eq!(
                check(&other.chain[0], b"message", &signature),
                refused,
                "{kind:?} {scheme}"
            );
            assert_eq!(check(leaf, b"message", &[]), refused, "{kind:?} {scheme}");
            // Every byte of a short signature, some of a long one.
            for place in (0..signature.len()).step_by(signature.len() / 256 + 1) {
                let mut flipped = signature.clone();
                flipped[place] ^= 1;
                assert_eq!(
                    check(leaf, b"message", &flipped),
                    refused,
                    "{kind:?} {scheme} {place}"
                );
                assert_eq!(
                    check(leaf, b"message", &signature[..place]),
                    refused,
                    "{kind:?} {scheme} {place}"
                );
            }
        }
        let garbage = CertificateDer::from(vec![0x30, 0]);
        let error = verify_signature(&garbage, Scheme::ED25519, b"", b"")
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error, Error::Fault(Fault::CertificateUnparsable));
    }
}

/// An RSA key that says RSASSA-PSS signs with other schemes, which are not offered.
#[test]
fn a_leaf_of_id_rsassa_pss_fits_no_scheme() {
    let identity = pki::self_signed(Kind::Rsa2048, "a.test");
    let key = SigningKey::from_der(&identity.key).unwrap();
    let signature = key.sign(Scheme::RSA_PSS_RSAE_SHA256, b"message").unwrap();
    let leaf = patch(&identity.chain[0], RSA_ENCRYPTION, RSASSA_PSS);
    for (scheme, want) in [
        (Scheme::RSA_PSS_RSAE_SHA256, Fault::CertificateKeyMismatch),
        (Scheme(0x0809), Fault::CertificateVerifyScheme), // rsa_pss_pss_sha256
    ] {
        let verified = verify_signature(&leaf, scheme, b"message", &signature);
        assert_eq!(verified.map(|_| ()), Err(Error::Fault(want)), "{scheme}");
    }
}
