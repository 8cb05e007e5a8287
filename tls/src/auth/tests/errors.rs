//! The words and the alert of each refusal.

use super::*;

/// To the letter: which certificate, what is wrong, what was expected and found, what to do.
#[test]
fn refusals_say_what_to_do() {
    fn first(bend: fn(&mut CertificateParams)) -> impl Fn(usize, &mut CertificateParams) {
        move |place, params| {
            if place == 1 {
                bend(params)
            }
        }
    }
    fn constrain(params: &mut CertificateParams) {
        let permitted_subtrees = vec![GeneralSubtree::DnsName("b.test".into())];
        let all = CidrSubnet::from_v4_prefix([0; 4], 0);
        let excluded_subtrees = vec![GeneralSubtree::IpAddress(all)];
        let constraints = rcgen::NameConstraints {
            permitted_subtrees,
            excluded_subtrees,
        };
        params.name_constraints = Some(constraints);
    }
    fn critical(params: &mut CertificateParams) {
        let mut unknown = rcgen::CustomExtension::from_oid_content(&[1, 2, 3], vec![5, 0]);
        unknown.set_criticality(true);
        params.custom_extensions = vec![unknown];
    }
    let (pki, same_name, deep, long) = (
        Pki::new(),
        Pki::new(),
        Pki::with(Kind::P256, 2),
        Pki::with(Kind::P256, 7),
    );
    let elsewhere = Pki::bent(Kind::P256, 0, |_, params| {
        let name = "Elsewhere\u{202e}\"\n";
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
    });
    let mut cut = deep.leaf("a.test");
    cut.chain.pop();
    let mut garbage = pki.leaf("a.test");
    garbage.chain[0] = vec![0x30, 0].into();
    let old_version = patched(pki.leaf("a.test"), &[0xa0, 3, 2, 1, 2], &[0xa0, 3, 2, 1, 1]);
    let expired_ca = Pki::bent(Kind::P256, 1, first(pki::expired));
    let constrained = Pki::bent(Kind::P256, 1, first(constrain));
    let no_ca = Pki::bent(Kind::P256, 1, first(|params| params.is_ca = IsCa::NoCa));
    let short = Pki::bent(
        Kind::P256,
        2,
        first(|params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))),
    );
    let bent = |bend: fn(&mut CertificateParams)| pki.leaf_with(Kind::P256, &["a.test"], bend);
    let named = |names: &[&str]| pki.leaf_with(Kind::P256, names, |_| ());

    let rows: &[(&Pki, Identity, Alert, &str)] = &[
        (
            &pki,
            elsewhere.leaf("a.test"),
            Alert::UNKNOWN_CA,
            "the leaf certificate leads to no trusted root \
             (issuer \"Elsewhere\\u{202e}\\\"\\n\", trusted roots: 1): \
             trust its issuer, or have the peer send the certificates in between",
        ),
        (
            &deep,
            cut,
            Alert::UNKNOWN_CA,
            "intermediate certificate 1 leads to no trusted root \
             (issuer \"Pith Test Intermediate 1\", trusted roots: 1): \
             trust its issuer, or have the peer send the certificates in between",
        ),
        (
            &pki,
            pki::self_signed(Kind::P256, "a.test"),
            Alert::UNKNOWN_CA,
            "the leaf certificate is self-signed and not trusted \
             (issuer \"Pith Test Leaf\", trusted roots: 1): \
             to accept this very peer, pin its key",
        ),
        (
            &pki,
            named(&["b.test"]),
            Alert::BAD_CERTIFICATE,
            "the leaf certificate is for other names (wanted \"a.test\", has \"b.test\"): \
             connect by one of them, or have it issued for this one",
        ),
        (
            &pki,
            named(&["b.test", "192.0.2.1", "2001:db8::1"]),
            Alert::BAD_CERTIFICATE,
            "the leaf certificate is for other names \
             (wanted \"a.test\", has \"b.test\", \"192.0.2.1\", \"2001:db8::1\"): \
             connect by one of them, or have it issued for this one",
        ),
        (
            &pki,
            named(&[]),
            Alert::BAD_CERTIFICATE,
            "the leaf certificate is for other names \
             (wanted \"a.test\", has no subject alternative name): \
             connect by one of them, or have it issued for this one",
        ),
        (
            &pki,
            bent(pki::expired),
            Alert::CERTIFICATE_EXPIRED,
            "the leaf certificate has expired \
             (on 2024-02-29 00:00:00 UTC; it is now 2026-11-24 06:54:50 UTC): \
             renew it, or correct this machine's clock",
        ),
        (
            &expired_ca,
            expired_ca.leaf("a.test"),
            Alert::CERTIFICATE_EXPIRED,
            "intermediate certificate 1 has expired \
             (on 2024-02-29 00:00:00 UTC; it is now 2026-11-24 06:54:50 UTC): \
             renew it, or correct this machine's clock",
        ),
        (
            &pki,
            bent(pki::not_yet_valid),
            Alert::CERTIFICATE_EXPIRED,
            "the leaf certificate is not valid before 2090-01-01 00:00:00 UTC \
             (it is now 2026-11-24 06:54:50 UTC): \
             wait, or correct this machine's clock",
        ),
        (
            &pki,
            bent(pki::ca_as_leaf),
            Alert::UNSUPPORTED_CERTIFICATE,
            "the leaf certificate is a CA's own: \
             have the peer show one that is issued to it (Basic Constraints without CA)",
        ),
        (
            &no_ca,
            no_ca.leaf("a.test"),
            Alert::BAD_CERTIFICATE,
            "intermediate certificate 1 issued another one but is not a CA's: \
             have that one issued by a CA",
        ),
        (
            &constrained,
            constrained.leaf("a.test"),
            Alert::BAD_CERTIFICATE,
            "the certificate chain has a name that one of its CAs may not issue for: \
             use another name or CA",
        ),
        (
            &short,
            short.leaf("a.test"),
            Alert::BAD_CERTIFICATE,
            "the certificate chain has more CAs than one of them allows: \
             have the leaf issued nearer to the root",
        ),
        (
            &long,
            long.leaf("a.test"),
            Alert::CERTIFICATE_UNKNOWN,
            "the certificate chain takes too much work to check (CAs in a path): \
             have the peer send the certificates of one path only",
        ),
        (
            &same_name,
            pki.leaf("a.test"),
            Alert::UNKNOWN_CA,
            "the leaf certificate is not signed by the trusted root of its issuer's name \
             (issuer \"Pith Test Root\"): trust the other CA of that name that issued it; if there is none, it was altered",
        ),
        (
            &pki,
            bent(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]),
            Alert::UNSUPPORTED_CERTIFICATE,
            "the leaf certificate is not for this role: \
             have it issued with serverAuth (clientAuth for a client) in its Extended Key Usage",
        ),
        (
            &pki,
            bent(|params| params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]),
            Alert::UNSUPPORTED_CERTIFICATE,
            "the leaf certificate may not sign, as TLS 1.3 needs: \
             have it issued with digitalSignature in its Key Usage",
        ),
        (
            &pki,
            bent(critical),
            Alert::UNSUPPORTED_CERTIFICATE,
            "the leaf certificate has an unsupported part \
             (a critical extension that is not known): have it issued without",
        ),
        (
            &pki,
            old_version,
            Alert::UNSUPPORTED_CERTIFICATE, // rfc9846#4.5.1.2-1
            "the leaf certificate has an unsupported part \
             (a version other than 3): have it issued without",
        ),
        (
            &pki,
            garbage,
            Alert::BAD_CERTIFICATE,
            "the leaf certificate is malformed (not DER): have it issued anew",
        ),
    ];
    for (pki, identity, alert, text) in rows {
        let error = verify(pki, identity, "a.test").expect_err(text);
        assert_eq!((error.to_string().as_str(), error.alert()), (*text, *alert));
    }
    let error = verify_by(&Trust::roots_from_der(&[pki.root()]).unwrap(), &[]).unwrap_err();
    assert_eq!(
        (error.reason(), error.alert()),
        (&Reason::Absent, Alert::DECODE_ERROR)
    );
}

/// Two CAs of one name are told from an altered certificate as far as that can be done: where the issuer's certificate came.
#[test]
fn a_wrong_signature_is_found() {
    let (pki, namesake) = (Pki::with(Kind::P256, 3), Pki::with(Kind::P256, 3));
    let of_root = Reason::OtherRoot(PeerText::new("Pith Test Root"));
    for place in 0..4 {
        let mut identity = pki.leaf("a.test");
        let mut altered = identity.chain[place].to_vec();
        *altered.last_mut().unwrap() ^= 1;
        identity.chain[place] = altered.into();
        let error = verify(&pki, &identity, "a.test").unwrap_err();
        let (reason, alert) = match place {
            3 => (&of_root, Alert::UNKNOWN_CA),
            _ => (&Reason::BadSignature, Alert::BAD_CERTIFICATE),
        };
        assert_eq!((error.reason(), error.alert()), (reason, alert), "{place}");
        let which = [
            Which::Leaf,
            Which::Intermediate(1),
            Which::Intermediate(2),
            Which::Intermediate(3),
        ];
        assert_eq!(error.which(), which[place]);
    }
    let error = verify(&pki, &namesake.leaf("a.test"), "a.test").unwrap_err();
    assert_eq!(
        (error.reason(), error.which()),
        (&of_root, Which::Intermediate(3))
    );
    let mut mixed = namesake.leaf("a.test");
    mixed.chain.splice(1.., pki.leaf("a.test").chain.drain(1..));
    let error = verify(&pki, &mixed, "a.test").unwrap_err();
    assert_eq!(
        (error.reason(), error.which()),
        (&Reason::BadSignature, Which::Leaf)
    );
    // Both certificates of the name came, in whatever order.
    let mut both = pki.leaf("a.test");
    both.chain
        .insert(1, namesake.leaf("a.test").chain[1].clone());
    assert_eq!(verify(&pki, &both, "a.test"), Ok(()));
}

/// An error holds at most 16 names of 255 bytes of the peer.
#[test]
fn names_in_errors_are_bounded_and_escaped() {
    let pki = Pki::new();
    let many: Vec<_> = (0..100).map(|place| format!("n{place}.test")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let identity = pki.leaf_with(Kind::P256, &many, |_| ());
    let error = verify(&pki, &identity, "a.test").unwrap_err();
    let Reason::WrongName {
        presented, more, ..
    } = error.reason()
    else {
        panic!("{error}")
    };
    assert_eq!((presented.len(), *more), (16, 84));
    assert!(
        error
            .to_string()
            .contains("\"n15.test\" and 84 more): connect"),
        "{error}"
    );
    for (text, kept, shown) in [
        ("", "", "\"\"".to_owned()),
        (
            "a\u{1b}[31m\0",
            "a\u{1b}[31m\0",
            "\"a\\u{1b}[31m\\0\"".to_owned(),
        ),
        (
            &"x".repeat(255),
            &"x".repeat(255),
            format!("\"{}\"", "x".repeat(255)),
        ),
        (
            &"x".repeat(256),
            &"x".repeat(255),
            format!("\"{}\"", "x".repeat(255)),
        ),
        (
            &"ä".repeat(200),
            &"ä".repeat(127),
            format!("\"{}\"", "ä".repeat(127)),
        ),
    ] {
        let text = PeerText::new(text);
        assert_eq!((text.unescaped(), text.to_string()), (kept, shown.clone()));
        assert_eq!(format!("{text:?}"), shown);
    }
    let nameless = Pki::bent(Kind::P256, 0, |_, params| {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, "Org");
    });
    let text = verify(&pki, &nameless.leaf("a.test"), "a.test")
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("(issuer \"a CA without a common name, SHA-256 of its name "),
        "{text}"
    );
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (seconds, want) in [
        (0, "1970-01-01 00:00:00 UTC"),
        (68_169_600, "1972-02-29 00:00:00 UTC"),
        (951_782_399, "2000-02-28 23:59:59 UTC"),
        (951_868_800, "2000-03-01 00:00:00 UTC"),
        (1_795_503_290, "2026-11-24 06:54:50 UTC"),
        (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        (253_402_300_799, "9999-12-31 23:59:59 UTC"),
    ] {
        let (not_after, now) = (Duration::from_secs(seconds), Duration::MAX);
        let text =
            CertificateError::new(Which::Leaf, Reason::Expired { not_after, now }).to_string();
        assert!(
            text.contains(&format!("(on {want}; it is now 9999-")),
            "{text}"
        );
    }
}

/// Each of webpki's errors that the chains above do not provoke.
#[test]
fn every_error_of_webpki_has_its_alert() {
    use ::webpki::Error as E;
    for (error, alert) in [
        (E::BadDer, Alert::BAD_CERTIFICATE),
        (E::BadDerTime, Alert::BAD_CERTIFICATE),
        (E::EmptyEkuExtension, Alert::BAD_CERTIFICATE),
        (E::ExtensionValueInvalid, Alert::BAD_CERTIFICATE),
        (E::InvalidCertValidity, Alert::BAD_CERTIFICATE),
        (E::InvalidNetworkMaskConstraint, Alert::BAD_CERTIFICATE),
        (E::InvalidSerialNumber, Alert::BAD_CERTIFICATE),
        (E::MalformedDnsIdentifier, Alert::BAD_CERTIFICATE),
        (E::MalformedExtensions, Alert::BAD_CERTIFICATE),
        (E::MalformedNameConstraint, Alert::BAD_CERTIFICATE),
        (E::SignatureAlgorithmMismatch, Alert::BAD_CERTIFICATE),
        (E::UnsupportedNameType, Alert::UNSUPPORTED_CERTIFICATE),
        (E::CertRevoked, Alert::CERTIFICATE_REVOKED),
        (E::CertDistrusted, Alert::CERTIFICATE_UNKNOWN),
        (E::UnknownRevocationStatus, Alert::CERTIFICATE_UNKNOWN),
        (E::IssuerNotCrlSigner, Alert::CERTIFICATE_UNKNOWN),
        (E::UnsupportedDeltaCrl, Alert::UNSUPPORTED_CERTIFICATE),
        (
            E::MaximumNameConstraintComparisonsExceeded,
            Alert::CERTIFICATE_UNKNOWN,
        ),
        (E::MaximumPathBuildCallsExceeded, Alert::CERTIFICATE_UNKNOWN),
        (
            E::MaximumSignatureChecksExceeded,
            Alert::CERTIFICATE_UNKNOWN,
        ),
        (E::UnknownIssuer, Alert::UNKNOWN_CA),
    ] {
        let text = error.to_string();
        let error = CertificateError::new(Which::Leaf, failure::reason(error));
        assert_eq!(error.alert(), alert, "{text}");
        assert!(
            !error.to_string().contains("cannot name"),
            "{text}: {error}"
        );
    }
}

/// What a caller's verifier says is shown, escaped, under its own alert.
#[test]
fn a_callers_refusal_is_shown() {
    let why = || PeerText::new("not on\tthe list");
    for (reason, text, alert) in [
        (
            Reason::Rejected(why()),
            "was refused by this program's own verifier",
            Alert::CERTIFICATE_UNKNOWN,
        ),
        (
            Reason::Status(why()),
            "came with an OCSP response that this program's own verifier refused, or with none",
            Alert::BAD_CERTIFICATE_STATUS_RESPONSE,
        ),
    ] {
        let error = CertificateError::new(Which::Leaf, reason);
        let text = format!("the leaf certificate {text}: \"not on\\tthe list\"");
        assert_eq!((error.to_string(), error.alert()), (text, alert));
    }
}
