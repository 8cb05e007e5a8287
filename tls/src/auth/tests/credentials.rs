//! Which chains and keys make a credential, and what the others are told.

use super::*;

/// A public key that has no private half here.
struct PublicOnly(Vec<u8>, &'static rcgen::SignatureAlgorithm);

impl rcgen::PublicKeyData for PublicOnly {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }
    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        self.1
    }
}

fn refused(chain: &str, key: &str) -> String {
    Credential::from_pem(chain.as_bytes(), key.as_bytes())
        .err()
        .expect("refused")
        .to_string()
}

#[test]
fn what_cannot_work_is_refused_with_advice() {
    let pki = Pki::with(Kind::P256, 1);
    let (mine, other) = (pki.leaf("a.test"), pki.leaf("a.test"));
    let cert = mine.chain_pem.as_str();
    let key = mine.key_pem.as_str();
    let damaged_key = key.replacen("M", "!", 1);
    let unended = cert.replace("-----END", "");
    let swapped = format!("{}{cert}", pki.root_pem());
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n";
    let locked =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAA=\n-----END RSA PRIVATE KEY-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n";
    let no_certificate = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let rows = [
        (
            "",
            key,
            "expected a certificate chain in PEM, found nothing: the input is empty",
        ),
        (
            "hello",
            key,
            "expected a certificate chain in PEM, found no PEM section",
        ),
        (
            "0\u{2}",
            key,
            "expected a certificate chain in PEM, found binary DER: convert it to PEM, or give it as DER",
        ),
        (
            key,
            cert,
            "expected a certificate chain in PEM, found a private key: is this the right file?",
        ),
        (
            request,
            key,
            "expected a certificate chain in PEM, found a certificate request: \
             send it to a CA, which returns the certificate",
        ),
        (
            locked,
            key,
            "expected a certificate chain in PEM, found an encrypted private key",
        ),
        (
            cert,
            "",
            "expected a private key in PEM, found nothing: the input is empty",
        ),
        (
            cert,
            cert,
            "expected a private key in PEM, found a certificate: is this the right file?",
        ),
        (
            &unended,
            key,
            "expected a certificate chain in PEM, but a section is damaged: each needs its BEGIN and END lines and base64 between",
        ),
        (
            cert,
            &damaged_key,
            "expected a private key in PEM, but a section is damaged: each needs its BEGIN and END lines and base64 between",
        ),
        (
            cert,
            locked,
            "the private key is encrypted: decrypt it, as `openssl pkey -in KEY -out PLAIN` does",
        ),
        (
            cert,
            legacy,
            "the private key is encrypted: decrypt it, as `openssl pkey -in KEY -out PLAIN` does",
        ),
        (
            cert,
            no_key,
            "the private key is damaged or of an unsupported kind: \
             use ECDSA P-256, P-384 or P-521, Ed25519, ML-DSA, or RSA of 2048 to 8192 bits",
        ),
        (
            no_certificate,
            key,
            "certificate 1 of the chain is malformed (not DER): have it issued anew",
        ),
        (
            cert,
            &other.key_pem,
            "the private key is not that of the first certificate: give the one it was issued for",
        ),
        (
            &swapped,
            key,
            "the private key is that of certificate 2 of the chain, not of the first: put that one first",
        ),
    ];
    for (chain, key, want) in rows {
        assert_eq!(refused(chain, key), want);
    }
}

#[test]
fn every_kind_of_key_signs_for_its_certificate() {
    for kind in Kind::ALL {
        let identity = Pki::with(Kind::P256, 1).leaf_with(kind, &["a.test"], |_| ());
        // One file for both, in either order.
        let both = format!("{}{}", identity.key_pem, identity.chain_pem);
        let credential = Credential::from_pem(both.as_bytes(), both.as_bytes()).unwrap();
        assert_eq!(credential.chain(), identity.chain, "{kind:?}");
        for scheme in credential.signer().schemes() {
            let Signature::Now(Ok(signature)) = credential.signer().sign(*scheme, b"message")
            else {
                panic!("{kind:?}")
            };
            let proof = verify_signature(&credential.chain()[0], *scheme, b"message", &signature);
            assert!(proof.is_ok(), "{kind:?}");
        }
    }
}

#[test]
fn limits_hold() {
    let identity = Pki::new().leaf("a.test");
    let make = |chain: &[CertificateDer<'static>]| {
        Credential::from_der(chain.to_vec(), &identity.key).err()
    };
    assert_eq!(
        make(&[]),
        Some(ConfigError::Empty {
            what: "certificate"
        })
    );
    let chain = vec![identity.chain[0].clone(); 11];
    assert_eq!(make(&chain[..10]), None);
    let too_many = ConfigError::TooMany {
        what: "certificates in a chain",
        limit: 10,
        got: 11,
    };
    assert_eq!(make(&chain), Some(too_many.clone()));
    assert_eq!(
        too_many.to_string(),
        "11 certificates in a chain: at most 10 may be"
    );

    // Fillers of a length known to the byte: everything else in them has a fixed length.
    let pki = Pki::with(Kind::Ed25519, 0);
    let filler = |bytes: usize| {
        let filler = pki.leaf_with(Kind::Ed25519, &["b.test"], |params| {
            params.serial_number = Some(1_u64.into());
            let extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3], vec![0; bytes]);
            params.custom_extensions = vec![extension];
        });
        filler.chain[0].clone()
    };
    let one = filler(30_000);
    let rest = (64 << 10) - identity.chain[0].len() - one.len() - (one.len() - 30_000);
    let chain = |bytes| [identity.chain[0].clone(), one.clone(), filler(bytes)];
    assert_eq!(make(&chain(rest)), None);
    let what = "bytes of certificates in a chain";
    assert_eq!(
        make(&chain(rest + 1)),
        Some(ConfigError::TooMany {
            what,
            limit: 65_536,
            got: 65_537
        })
    );
}

#[test]
fn an_rsa_key_must_have_a_sound_size() {
    for (bytes, first, bits) in [
        (128, 0x80, 1024),
        (255, 0x80, 2040),
        (256, 0x7f, 2047),
        (1025, 1, 8193),
    ] {
        let mut modulus = vec![0xff; bytes];
        modulus[0] = first;
        let integer = |bytes: &[u8]| {
            let length = u16::try_from(bytes.len() + 1).unwrap().to_be_bytes();
            [&[2, 0x82, length[0], length[1], 0], bytes].concat()
        };
        let numbers = [integer(&modulus), vec![2, 3, 1, 0, 1]].concat();
        let length = u16::try_from(numbers.len()).unwrap().to_be_bytes();
        let key = PublicOnly(
            [&[0x30, 0x82, length[0], length[1]], &numbers[..]].concat(),
            &rcgen::PKCS_RSA_SHA256,
        );
        let issuer = rcgen::KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["a.test".to_owned()]).unwrap();
        let leaf = params
            .signed_by(&key, &rcgen::Issuer::from_params(&params, &issuer))
            .unwrap();
        let unusable = PrivatePkcs8KeyDer::from(vec![0x30, 0]).into();
        let error = Credential::from_der(vec![leaf.der().clone()], &unusable).err();
        assert_eq!(error, Some(ConfigError::RsaSize { bits }));
    }
    assert_eq!(
        ConfigError::RsaSize { bits: 1024 }.to_string(),
        "the RSA key has 1024 bits: make one of 2048 to 8192 bits"
    );
}

#[test]
fn a_key_of_id_rsassa_pss_is_refused() {
    let mut identity = pki::self_signed(Kind::Rsa2048, "a.test");
    let key = patch(
        &identity.key.secret_der().into(),
        RSA_ENCRYPTION,
        RSASSA_PSS,
    );
    let key = PrivatePkcs8KeyDer::from(key.to_vec()).into();
    let of_plain_rsa = Credential::from_der(identity.chain.clone(), &key).err();
    assert_eq!(of_plain_rsa, Some(ConfigError::RsaPssKey));
    identity.chain[0] = patch(&identity.chain[0], RSA_ENCRYPTION, RSASSA_PSS);
    let error = Credential::from_der(identity.chain, &key).err().unwrap();
    assert_eq!(error, ConfigError::RsaPssKey);
    assert_eq!(
        error.to_string(),
        "a key that may be used with RSASSA-PSS alone (id-RSASSA-PSS) is not supported: \
         use a plain RSA key (rsaEncryption), which TLS 1.3 signs with PSS too"
    );
}

#[test]
fn a_signer_of_another_kind_is_refused() {
    struct Remote(&'static [Scheme]);
    impl Signer for Remote {
        fn schemes(&self) -> &[Scheme] {
            self.0
        }
        fn sign(&self, _: Scheme, _: &[u8]) -> Signature {
            Signature::Later
        }
    }
    let identity = Pki::new().leaf("a.test");
    let with = |schemes| {
        Credential::with_signer(identity.chain.clone(), std::sync::Arc::new(Remote(schemes))).err()
    };
    assert_eq!(with(&[Scheme::ECDSA_SECP256R1_SHA256]), None);
    for schemes in [
        &[][..],
        &[Scheme::ED25519],
        &[Scheme::ECDSA_SECP384R1_SHA384, Scheme(0x0403 + 0x100)],
    ] {
        assert_eq!(
            with(schemes),
            Some(ConfigError::KeyMismatch { belongs_to: None }),
            "{schemes:?}"
        );
    }
}

#[test]
fn check_finds_what_peers_will_refuse() {
    let pki = Pki::new();
    type Bend = fn(&mut CertificateParams);
    let rows: [(Bend, Option<Alert>); 4] = [
        (|_| (), None),
        (pki::expired, Some(Alert::CERTIFICATE_EXPIRED)),
        (pki::not_yet_valid, Some(Alert::CERTIFICATE_EXPIRED)),
        (pki::ca_as_leaf, Some(Alert::UNSUPPORTED_CERTIFICATE)),
    ];
    for (place, (bend, want)) in rows.into_iter().enumerate() {
        let identity = pki.leaf_with(Kind::P256, &["a.test"], bend);
        let credential = Credential::from_der(identity.chain, &identity.key).unwrap();
        assert_eq!(
            credential.check(NOW).err().map(|error| error.alert()),
            want,
            "row {place}"
        );
    }
}
