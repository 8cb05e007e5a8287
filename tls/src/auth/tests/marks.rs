//! Marks of what is trusted and shown, by which tickets and sessions are told apart; and when a chain ends.

use super::*;
use crate::resume::binding::client_mark;

fn roots(pkis: &[&Pki]) -> Trust {
    let roots: Vec<_> = pkis.iter().map(|pki| pki.root()).collect();
    Trust::roots_from_der(&roots).unwrap()
}

#[test]
fn trust_has_the_same_mark_only_if_it_trusts_the_same() {
    let (one, other) = (Pki::new(), Pki::new());
    let list = |serial| Crls::from_der(&[one.crl(0, &[serial], |_| ()).der()]).unwrap();
    let first = list(1);
    let with = |crls: &Crls| roots(&[&one]).with_crls(crls.clone()).unwrap();
    let rows = [
        ("one root", roots(&[&one])),
        ("another root", roots(&[&other])),
        ("both", roots(&[&one, &other])),
        ("with a list", with(&first)),
        ("with another list", with(&list(2))),
        ("for the leaf alone", with(&first.clone().leaf_only(true))),
        ("unknown allowed", with(&first.clone().allow_unknown(true))),
        ("a pin", Trust::pinned_keys([[1; 32]]).unwrap()),
        ("another pin", Trust::pinned_keys([[2; 32]]).unwrap()),
        ("no certificate at all", Trust::PreSharedKeys),
        ("two pins", Trust::pinned_keys([[1; 32], [2; 32]]).unwrap()),
    ];
    for (at, (name, trust)) in rows.iter().enumerate() {
        assert_eq!(trust.mark(), trust.clone().mark(), "{name}");
        for (other, trust_too) in &rows[..at] {
            assert_ne!(trust.mark(), trust_too.mark(), "{name} and {other}");
        }
    }
    let turned = roots(&[&other, &one, &other]);
    assert_eq!(turned.mark(), rows[2].1.mark(), "another order");
    let again = roots(&[&one]).with_crls(first.clone()).unwrap();
    assert_eq!(again.mark(), rows[3].1.mark(), "parsed again");
}

#[test]
fn a_credential_has_the_mark_of_its_chain() {
    let pki = Pki::with(Kind::Ed25519, 1);
    let credential =
        |identity: &Identity| Credential::from_der(identity.chain.clone(), &identity.key).unwrap();
    let (one, other) = (pki.leaf("a.test"), pki.leaf("a.test"));
    assert_eq!(credential(&one).mark(), credential(&one).mark());
    assert_ne!(credential(&one).mark(), credential(&other).mark());
    let trust = Trust::pinned_keys([[1; 32]]).unwrap();
    let client = |own: &[Credential]| client_mark(&trust, &V2026_11, own, "");
    let own = [credential(&one), credential(&other)];
    let both = client(&own);
    assert_ne!(client(&[]), client(&own[..1]));
    assert_ne!(client(&own[..1]), client(&own[1..]));
    assert_ne!(client(&own[..1]), both);
    let [one, other] = own;
    assert_eq!(client(&[other, one]), both);
}

/// Tickets live no longer than the chain that earned them.
#[test]
fn a_chain_ends_with_the_first_of_its_certificates() {
    let until = |pki: &Pki, (year, month, day)| {
        pki.leaf_with(Kind::Ed25519, &["a.test"], |params| {
            params.not_after = rcgen::date_time_ymd(year, month, day);
        })
    };
    let leap_day = Some(Duration::from_secs(1_835_395_200));
    let year_2100 = Some(Duration::from_secs(4_102_444_800));
    let pki = Pki::with(Kind::Ed25519, 1);
    let trust = roots(&[&pki]);
    let expiry = |trust: &Trust, chain: &[CertificateDer<'_>]| trust.expiry(chain, NOW);
    let short = until(&pki, (2028, 2, 29));
    assert_eq!(expiry(&trust, &short.chain), leap_day, "with the leaf");
    let long = pki.leaf("a.test");
    assert_eq!(expiry(&trust, &long.chain), year_2100, "all together");
    let endless = until(&pki, (9999, 12, 31));
    assert_eq!(expiry(&trust, &endless.chain), year_2100, "with its issuer");
    let mut chain = long.chain.clone();
    chain.push(short.chain[0].clone());
    assert_eq!(expiry(&trust, &chain), leap_day, "with one behind the leaf");
    chain[2] = until(&pki, (2024, 2, 29)).chain[0].clone();
    assert_eq!(expiry(&trust, &chain), year_2100, "expired: on no path");
    let pins = Trust::pinned_keys([[1; 32]]).unwrap();
    assert_eq!(expiry(&pins, &short.chain), None, "a key has no date");
    assert_eq!(expiry(&trust, &[]), Some(Duration::ZERO));
    let broken = CertificateDer::from(vec![0x30, 0]);
    assert_eq!(expiry(&trust, &[broken]), Some(Duration::ZERO));
}
