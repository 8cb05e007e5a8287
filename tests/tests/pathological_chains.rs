//! Known attack T10: chains made to explode the search for a path, or the comparison of names, cost a bounded time.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

use std::time::{Duration, Instant};

use pith_tests::pair::{NAME, Pair, credential, trust};
use pith_tests::pki::{self, Kind, Pki};
use pith_tls::{ClientConfig, Error, Reason, ServerConfig};
use rcgen::{CertificateParams, GeneralSubtree};

#[test]
fn pathological_chains_are_refused_in_bounded_time() {
    let ring = |subject: usize, issuer: usize| {
        let named = |subject: usize, params: &mut CertificateParams| {
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, format!("Ring {subject}"));
        };
        let issuer = Pki::bent(Kind::P256, 0, |_, params| named(issuer, params));
        issuer.leaf_with(Kind::P256, &[NAME], |params| {
            pki::ca_as_leaf(params);
            named(subject, params);
            let padding = rcgen::CustomExtension::from_oid_content(&[1, 2, 3], vec![0; 3000]);
            params.custom_extensions = vec![padding];
        })
    };
    let any_issuer = Pki::bent(Kind::P256, 0, |_, params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Ring 0");
    });
    let trusted = Pki::new();
    let mut rings = any_issuer.leaf(NAME);
    rings
        .chain
        .extend((0..9).map(|place| ring(place % 3, (place + 1) % 3).chain[0].clone()));
    let subtrees: Vec<_> = (0..600)
        .map(|place| GeneralSubtree::DnsName(format!("n{place}.test")))
        .collect();
    let constrained = Pki::bent(Kind::P256, 1, |place, params| {
        if place == 1 {
            params.name_constraints = Some(rcgen::NameConstraints {
                permitted_subtrees: Vec::new(),
                excluded_subtrees: subtrees.clone(),
            });
        }
    });
    let names: Vec<_> = (0..600).map(|place| format!("m{place}.test")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let compared = constrained.leaf_with(Kind::P256, &names, |_| ());
    for (pki, identity, limit) in [
        (&trusted, rings, "CAs in a path"),
        (&constrained, compared, "name constraint comparisons"),
    ] {
        let client = ClientConfig::new(trust(pki)).build().unwrap();
        let server = ServerConfig::new(credential(&identity)).build().unwrap();
        let mut pair = Pair::new(&client, &server);
        let begin = Instant::now();
        let Err(Error::Certificate(error)) = pair.run() else {
            panic!("{limit}")
        };
        assert_eq!(error.reason(), &Reason::TooComplex(limit));
        assert!(begin.elapsed() < CEILING, "{limit}: {:?}", begin.elapsed());
    }
}

/// What is bounded takes a debug build a tenth of a second; nine of one subject take it six.
const CEILING: Duration = Duration::from_secs(3);
