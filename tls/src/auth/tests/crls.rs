//! Revocation lists: what they refuse, with which words, and which lists are refused.

use super::*;

const LEAF: u64 = 1_000_001;
const MIDDLE: u64 = 1_000_002;

/// A root, two intermediates, the upper of serial number [`MIDDLE`], and a leaf of serial number [`LEAF`].
fn world() -> (Pki, Identity) {
    let pki = Pki::bent(Kind::P256, 2, |place, params| {
        if place == 1 {
            params.serial_number = Some(MIDDLE.into());
        }
    });
    let leaf = pki.leaf_with(Kind::P256, &["a.test"], |params| {
        params.serial_number = Some(LEAF.into());
    });
    (pki, leaf)
}

fn crls(lists: &[rcgen::CertificateRevocationList]) -> Crls {
    let lists: Vec<_> = lists
        .iter()
        .map(rcgen::CertificateRevocationList::der)
        .collect();
    Crls::from_der(&lists).unwrap()
}

fn verify_with(pki: &Pki, identity: &Identity, crls: Crls) -> [Result<(), CertificateError>; 2] {
    let trust = Trust::roots_from_der(&[pki.root()])
        .unwrap()
        .with_crls(crls)
        .unwrap();
    [Peer::Server(&name("a.test")), Peer::Client]
        .map(|peer| verify_chain(&trust, &V2026_11, &identity.chain, peer, NOW))
}

#[test]
fn revoked_and_doubtful_certificates_are_refused() {
    let (pki, leaf) = world();
    let (stranger, _) = world();
    let all = || [0, 1, 2].map(|place| pki.crl(place, &[], |_| ()));
    let with = |place: usize, list| {
        let mut lists = all();
        lists[place] = list;
        crls(&lists)
    };
    let old = |place| {
        pki.crl(place, &[LEAF], |list| {
            list.next_update = rcgen::date_time_ymd(2024, 2, 29)
        })
    };
    let unsure = |lists: Crls| lists.allow_unknown(true);
    let leaf_only = |lists: Crls| lists.leaf_only(true);
    let advice = "give this program a current revocation list of its issuer";
    let missing = format!("may be revoked (no list that covers it was given): {advice}");
    let forged = format!("may be revoked (the list is not signed by its issuer's key): {advice}");
    let expired = "may be revoked (its issuer's list was good until 2024-02-29 00:00:00 UTC; \
                   it is now 2026-11-24 06:54:50 UTC): \
                   give this program a current one, or correct this machine's clock";
    let revoked = "was revoked by its issuer: have it issued anew, for a new key";
    let rows = [
        ("none revoked", crls(&all()), None),
        (
            "others revoked",
            with(2, pki.crl(2, &[MIDDLE, 7], |_| ())),
            None,
        ),
        (
            "leaf revoked",
            with(2, pki.crl(2, &[7, LEAF], |_| ())),
            Some(("the leaf certificate", revoked)),
        ),
        (
            "intermediate revoked",
            with(0, pki.crl(0, &[MIDDLE], |_| ())),
            Some(("intermediate certificate 2", revoked)),
        ),
        (
            "the same, leaf alone",
            leaf_only(with(0, pki.crl(0, &[MIDDLE], |_| ()))),
            None,
        ),
        (
            "no list for the leaf",
            crls(&all()[..2]),
            Some(("the leaf certificate", missing.as_str())),
        ),
        ("the same, allowed", unsure(crls(&all()[..2])), None),
        (
            "no list for one above",
            crls(&[pki.crl(0, &[], |_| ()), pki.crl(2, &[], |_| ())]),
            Some(("intermediate certificate 1", &missing)),
        ),
        ("the same, leaf alone", leaf_only(crls(&all()[2..])), None),
        (
            "none for the leaf, leaf alone",
            leaf_only(crls(&all()[..2])),
            Some(("the leaf certificate", &missing)),
        ),
        (
            "expired for the leaf",
            with(2, old(2)),
            Some(("the leaf certificate", expired)),
        ),
        (
            "the same, unknown allowed",
            unsure(with(2, old(2))),
            Some(("the leaf certificate", expired)),
        ),
        (
            "expired for one above",
            with(0, old(0)),
            Some(("intermediate certificate 2", expired)),
        ),
        (
            "another's signature",
            with(2, stranger.crl(2, &[], |_| ())),
            Some(("the leaf certificate", &forged)),
        ),
        (
            "the same, above",
            unsure(with(1, stranger.crl(1, &[], |_| ()))),
            Some(("intermediate certificate 1", &forged)),
        ),
    ];
    for (row, crls, want) in rows {
        for verdict in verify_with(&pki, &leaf, crls) {
            let got = verdict.err();
            let text = got.as_ref().map(ToString::to_string);
            assert_eq!(
                text,
                want.map(|(which, what)| format!("{which} {what}")),
                "{row}"
            );
            let alert = match want {
                Some((_, what)) if what == revoked => Some(Alert::CERTIFICATE_REVOKED),
                Some(_) => Some(Alert::CERTIFICATE_UNKNOWN),
                None => None,
            };
            assert_eq!(got.map(|error| error.alert()), alert, "{row}");
        }
    }
}

/// Lists take nothing away from the other checks, and other failures keep their place.
#[test]
fn other_failures_come_as_without_lists() {
    let (pki, _) = world();
    let late = pki.leaf_with(Kind::P256, &["a.test"], pki::expired);
    let lists = crls(&[0, 1, 2].map(|place| pki.crl(place, &[], |_| ())));
    for verdict in verify_with(&pki, &late, lists.clone()) {
        let error = verdict.unwrap_err();
        assert!(
            matches!(error.reason(), Reason::Expired { .. }) && error.which() == Which::Leaf,
            "{error}"
        );
    }
    let stranger = Pki::bent(Kind::P256, 0, |_, params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Elsewhere");
    });
    let error = verify_with(&pki, &stranger.leaf("a.test"), lists).map(Result::unwrap_err);
    assert!(error.iter().all(|error| error.alert() == Alert::UNKNOWN_CA));
}

#[test]
fn lists_that_cannot_be_used_are_refused() {
    let (pki, _) = world();
    let list = pki.crl(0, &[1], |_| ());
    let refused = |pem: &str| Crls::from_pem(pem.as_bytes()).err().unwrap().to_string();
    let pem = list.pem().unwrap();
    assert!(Crls::from_pem(format!("{}{pem}", pki.root_pem()).as_bytes()).is_ok());
    let newer = pki
        .crl(0, &[1, 2], |list| {
            list.crl_number = rcgen::SerialNumber::from(2)
        })
        .pem()
        .unwrap();
    let others = pki.crl(1, &[], |_| ()).pem().unwrap();
    let bad = "-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n";
    for (pem, text) in [
        (
            String::new(),
            "expected revocation lists in PEM, found nothing: the input is empty",
        ),
        (
            pki.root_pem(),
            "expected revocation lists in PEM, found a certificate: is this the right file?",
        ),
        (
            pem.replace("-----END", ""),
            "expected revocation lists in PEM, but a section is damaged: \
                                       each needs its BEGIN and END lines and base64 between",
        ),
        (
            format!("{pem}{bad}"),
            "revocation list 2 is malformed (not DER): have it issued anew",
        ),
        (
            format!("{pem}{newer}"),
            "an older revocation list beside a newer one of the same issuer is not supported",
        ),
        (
            format!("{pem}{others}{newer}"),
            "an older revocation list beside a newer one of the same issuer is not supported",
        ),
    ] {
        assert_eq!(refused(&pem), text);
    }
    let none: [&[u8]; 0] = [];
    assert_eq!(
        Crls::from_der(&none).err(),
        Some(ConfigError::Empty {
            what: "revocation list"
        })
    );
    assert!(
        Trust::roots_from_pem(pem.as_bytes())
            .err()
            .unwrap()
            .to_string()
            .ends_with("found a revocation list")
    );
    let pins = Trust::pinned_keys([[1; 32]])
        .unwrap()
        .with_crls(crls(&[list]))
        .err()
        .unwrap();
    assert_eq!(
        pins.to_string(),
        "a revocation list beside pinned keys is not supported"
    );
}

/// A CA may keep one list for leaves and one for CAs: each counts for its own kind alone.
#[test]
fn a_list_counts_within_its_scope() {
    use rcgen::CrlScope::{CaCertsOnly, UserCertsOnly};
    let (pki, leaf) = world();
    let scoped = |place, revoked: &[u64], scope: rcgen::CrlScope| {
        pki.crl(place, revoked, |list| {
            let uris = vec!["http://a.test/crl".to_owned()];
            list.issuing_distribution_point = Some(rcgen::CrlIssuingDistributionPoint {
                distribution_point: rcgen::CrlDistributionPoint { uris },
                scope: Some(match scope {
                    UserCertsOnly => UserCertsOnly,
                    CaCertsOnly => CaCertsOnly,
                }),
            });
        })
    };
    let (root, middle) = (pki.crl(0, &[], |_| ()), pki.crl(1, &[], |_| ()));
    let unknown = Reason::RevocationUnknown("no list that covers it was given");
    let rows = [
        ("leaves", vec![scoped(2, &[], UserCertsOnly)], None),
        (
            "leaves, revoked",
            vec![scoped(2, &[LEAF], UserCertsOnly)],
            Some((Which::Leaf, Reason::Revoked)),
        ),
        (
            "CAs",
            vec![scoped(2, &[LEAF], CaCertsOnly)],
            Some((Which::Chain, unknown)),
        ),
        (
            "both",
            vec![
                scoped(2, &[LEAF], CaCertsOnly),
                scoped(2, &[], UserCertsOnly),
            ],
            None,
        ),
        (
            "both, revoked",
            vec![
                scoped(2, &[], CaCertsOnly),
                scoped(2, &[LEAF], UserCertsOnly),
            ],
            Some((Which::Leaf, Reason::Revoked)),
        ),
    ];
    for (row, mut lists, want) in rows {
        lists.extend([root.clone(), middle.clone()]);
        for verdict in verify_with(&pki, &leaf, crls(&lists)) {
            let got = verdict
                .err()
                .map(|error| (error.which(), error.reason().clone()));
            assert_eq!(got, want, "{row}");
        }
    }
}

/// Whatever is altered in a list, it does not panic, and a revoked certificate is not accepted for it.
#[test]
fn an_altered_list_helps_nobody() {
    let pki = Pki::new();
    let leaf = pki.leaf_with(Kind::P256, &["a.test"], |params| {
        params.serial_number = Some(LEAF.into())
    });
    let list = pki.crl(0, &[7, LEAF], |_| ()).der().to_vec();
    for place in 0..list.len() {
        let mut altered = list.clone();
        altered[place] ^= 0x41;
        for bytes in [&altered[..], &list[..place]] {
            if let Ok(crls) = Crls::from_der(&[bytes]) {
                assert!(
                    verify_with(&pki, &leaf, crls).iter().all(Result::is_err),
                    "{place}"
                );
            }
        }
    }
}
