//! Policies over connections: what each ends in, what it refuses, and that nothing leads around one without classical groups.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use pith_tests::pair::{NAME, Pair, credential, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tests::scripted::{Bench, HANDSHAKE, Role};
use pith_tls::policy::{
    self, V2026_11, V2026_11_CNSA2, V2026_11_FIPS_ALGORITHMS, V2026_11_PQ_ONLY,
};
use pith_tls::{
    AlertDescription as Alert, CipherSuite, ClientAuth, ClientConfig, ClientConfigBuilder, Error,
    Fault, Group, Policy, ServerConfig, ServerConfigBuilder, SignatureScheme,
};

/// Both sides with P-384 keys all through, which every policy allows.
struct Sides {
    pki: Pki,
}

impl Sides {
    fn new() -> Self {
        let pki = Pki::with(Kind::P384, 1);
        Self { pki }
    }

    fn client(&self, policy: &'static Policy) -> ClientConfigBuilder {
        ClientConfig::new(trust(&self.pki)).policy(policy)
    }

    fn server(&self, policy: &'static Policy) -> ServerConfigBuilder {
        let leaf = self.pki.leaf_with(Kind::P384, &[NAME], |_| ());
        ServerConfig::new(credential(&leaf)).policy(policy)
    }
}

/// The suite and group that a pair ends in and whether it took a retry, or the error and the alert that reached the client.
fn outcome(
    client: ClientConfigBuilder,
    server: ServerConfigBuilder,
) -> Result<(CipherSuite, Group, bool), (Error, Option<Alert>)> {
    let mut pair = Pair::new(&client.build().unwrap(), &server.build().unwrap());
    if let Err(error) = pair.run() {
        let alert = match pair.client.tls.eof() {
            Err(Error::Alert(alert)) => Some(alert),
            _ => None,
        };
        return Err((error, alert));
    }
    let summary = pair.client.tls.summary().unwrap();
    Ok((summary.suite, summary.group, summary.retried))
}

#[test]
fn what_two_policies_end_in() {
    use CipherSuite::{Aes128GcmSha256 as Aes128, Aes256GcmSha384 as Aes256};
    use Group as G;
    let (all, pq, cnsa, fips) = (
        &V2026_11,
        &V2026_11_PQ_ONLY,
        &V2026_11_CNSA2,
        &V2026_11_FIPS_ALGORITHMS,
    );
    let rows: [(&'static Policy, &'static Policy, _); 16] = [
        (all, all, (Aes128, G::X25519MlKem768, false)),
        (all, pq, (Aes128, G::X25519MlKem768, false)),
        (all, cnsa, (Aes256, G::SecP384r1MlKem1024, true)),
        (all, fips, (Aes128, G::X25519MlKem768, false)),
        (pq, all, (Aes128, G::X25519MlKem768, false)),
        (pq, pq, (Aes128, G::X25519MlKem768, false)),
        (pq, cnsa, (Aes256, G::SecP384r1MlKem1024, true)),
        (pq, fips, (Aes128, G::X25519MlKem768, false)),
        (cnsa, all, (Aes256, G::SecP384r1MlKem1024, true)),
        (cnsa, pq, (Aes256, G::SecP384r1MlKem1024, true)),
        (cnsa, cnsa, (Aes256, G::MlKem1024, false)),
        (cnsa, fips, (Aes256, G::SecP384r1MlKem1024, true)),
        (fips, all, (Aes128, G::X25519MlKem768, false)),
        (fips, pq, (Aes128, G::X25519MlKem768, false)),
        (fips, cnsa, (Aes256, G::SecP384r1MlKem1024, true)),
        (fips, fips, (Aes128, G::X25519MlKem768, false)),
    ];
    let sides = Sides::new();
    for (client, server, want) in rows {
        let got = outcome(sides.client(client), sides.server(server));
        assert_eq!(got, Ok(want), "{} to {}", client.name, server.name);
    }
}

#[test]
fn a_server_says_whether_its_policy_is_why_there_is_no_group() {
    let sides = Sides::new();
    let client = |groups: &[Group]| sides.client(&V2026_11).groups(groups);
    let (x25519, hybrid) = (
        || client(&[Group::X25519]),
        || client(&[Group::X25519MlKem768]),
    );
    let weak = (Fault::WeakGroups, Alert::INSUFFICIENT_SECURITY);
    let apart = (Fault::NoCommonGroup, Alert::HANDSHAKE_FAILURE);
    let narrow = [Group::SecP256r1MlKem768];
    let rows = [
        (
            "classical to PQ only",
            x25519(),
            sides.server(&V2026_11_PQ_ONLY),
            weak,
        ),
        (
            "classical to CNSA 2.0",
            x25519(),
            sides.server(&V2026_11_CNSA2),
            weak,
        ),
        (
            "ML-KEM-768 to CNSA 2.0",
            hybrid(),
            sides.server(&V2026_11_CNSA2),
            weak,
        ),
        (
            "X25519 to FIPS",
            x25519(),
            sides.server(&V2026_11_FIPS_ALGORITHMS),
            apart,
        ),
        (
            "narrowed",
            hybrid(),
            sides.server(&V2026_11_PQ_ONLY).groups(&narrow),
            apart,
        ),
        (
            "narrowed defaults",
            x25519(),
            sides.server(&V2026_11).groups(&narrow),
            apart,
        ),
    ];
    for (row, client, server, (fault, alert)) in rows {
        let got = outcome(client, server);
        assert_eq!(got, Err((Error::Fault(fault), Some(alert))), "{row}");
    }
}

/// A peer may say what it likes: a client without classical groups names none, shares none and takes none.
#[test]
fn no_path_ends_in_a_classical_key_exchange() {
    let sides = Sides::new();
    let classical: Vec<_> = Group::ALL
        .iter()
        .filter(|group| !group.is_post_quantum())
        .collect();
    for policy in policy::ALL
        .into_iter()
        .filter(|policy| !policy.allows_classical())
    {
        let client = sides.client(policy).build().unwrap();
        // What is named is all that may be shared: a server checks that, and this one goes on.
        let server = sides.server(&V2026_11).ask_config(true).build().unwrap();
        let mut pair = Pair::new(&client, &server);
        pair.run().unwrap();
        let question = pair.server.tls.question().unwrap();
        let pith_tls::Topic::Config(offered) = &question.topic else {
            panic!("{question:?}")
        };
        let named = |group: &&&Group| offered.groups.contains(&group.code());
        assert_eq!(classical.iter().find(named), None, "{}", policy.name);

        // A ServerHello, then a HelloRetryRequest, each with the group replaced.
        let share = sides.server(&V2026_11).groups(policy.groups);
        let retry = sides.server(&V2026_11).groups(&[Group::SecP384r1MlKem1024]);
        for (row, server) in [("ServerHello", share), ("retry", retry)] {
            let server = server.build().unwrap();
            for group in &classical {
                let mut bench = Bench::with(Role::Client, &client, &server);
                let mut message = bench.peer.next_message().unwrap();
                replace_group(&mut message, **group);
                let wire = bench.peer.record(HANDSHAKE, &message);
                bench.fails(row, &wire, Fault::GroupNotOffered);
            }
        }
    }
}

/// Puts another group into the key_share extension of a ServerHello or HelloRetryRequest.
fn replace_group(message: &mut [u8], group: Group) {
    let places = 0..message.len() - 5;
    let extension = |at: &usize| {
        let code = u16::from_be_bytes([message[at + 4], message[at + 5]]);
        message[*at..].starts_with(&[0, 51]) && Group::from_code(code).is_some()
    };
    let at = places.rev().find(extension).unwrap() + 4;
    message[at..at + 2].copy_from_slice(&group.code().to_be_bytes());
}

#[test]
fn a_configuration_narrows_its_policy_and_never_widens_it() {
    use CipherSuite as C;
    use Group as G;
    let sides = Sides::new();
    let client = |policy| sides.client(policy);
    let not = |policy, what, item| {
        format!(
            "policy {policy} does not allow {what} {item}: leave it out, or take another policy"
        )
    };
    let rows = [
        ("as it is", client(&V2026_11), None),
        (
            "fewer",
            client(&V2026_11_PQ_ONLY).groups(&[G::SecP256r1MlKem768]),
            None,
        ),
        (
            "on request",
            client(&V2026_11_PQ_ONLY).groups(&[G::MlKem768]),
            None,
        ),
        (
            "another order",
            client(&V2026_11).groups(&[G::Secp256r1, G::X25519]),
            None,
        ),
        (
            "classical",
            client(&V2026_11_PQ_ONLY).groups(&[G::X25519MlKem768, G::X25519]),
            Some(not("V2026_11_PQ_ONLY", "the group", "x25519")),
        ),
        (
            "the policy last",
            client(&V2026_11)
                .groups(&[G::X25519])
                .policy(&V2026_11_FIPS_ALGORITHMS),
            Some(not("V2026_11_FIPS_ALGORITHMS", "the group", "x25519")),
        ),
        (
            "a suite",
            client(&V2026_11_CNSA2).suites(&[C::Aes256GcmSha384, C::Aes128GcmSha256]),
            Some(not(
                "V2026_11_CNSA2",
                "the cipher suite",
                "TLS_AES_128_GCM_SHA256",
            )),
        ),
        (
            "a share",
            client(&V2026_11_PQ_ONLY).shares(&[G::X25519]),
            Some("a key share of a group that is not named is not supported".to_owned()),
        ),
    ];
    for (row, client, want) in rows {
        let got = client.build().err();
        assert_eq!(got.map(|error| error.to_string()), want, "{row}");
    }
    let p256 = Pki::new().leaf(NAME);
    let rows = [
        (
            "a group",
            sides.server(&V2026_11_CNSA2).groups(&[G::X25519MlKem768]),
            not("V2026_11_CNSA2", "the group", "X25519MLKEM768"),
        ),
        (
            "a suite",
            sides
                .server(&V2026_11_FIPS_ALGORITHMS)
                .suites(&[C::ChaCha20Poly1305Sha256]),
            not(
                "V2026_11_FIPS_ALGORITHMS",
                "the cipher suite",
                "TLS_CHACHA20_POLY1305_SHA256",
            ),
        ),
        (
            "a key",
            ServerConfig::new(credential(&p256)).policy(&V2026_11_CNSA2),
            not(
                "V2026_11_CNSA2",
                "a key that signs with",
                "ecdsa_secp256r1_sha256",
            ),
        ),
    ];
    for (row, server, want) in rows {
        assert_eq!(server.build().err().unwrap().to_string(), want, "{row}");
    }
}

/// The client's policy binds the chain that a server shows, whatever the server's own policy is.
#[test]
fn a_chain_outside_the_policy_ends_the_handshake() {
    let pki = Pki::new();
    let leaf = pki.leaf_with(Kind::P384, &[NAME], |_| ());
    let client = ClientConfig::new(trust(&pki))
        .policy(&V2026_11_CNSA2)
        .build()
        .unwrap();
    let server = ServerConfig::new(credential(&leaf)).build().unwrap();
    let mut pair = Pair::new(&client, &server);
    let error = pair.run().unwrap_err();
    assert!(matches!(error, Error::Certificate(_)), "{error}");
    assert!(
        error.to_string().contains(
            "the leaf certificate is signed with an algorithm that policy V2026_11_CNSA2 does not allow \
             (ECDSA P-256 with SHA-256)"
        ),
        "{error}"
    );
    let alert = Error::Alert(Alert::UNSUPPORTED_CERTIFICATE);
    assert_eq!(pair.server.tls.eof(), Err(alert));
}

/// The same for a client's chain, and what CNSA 2.0 is for: ML-DSA-87 on both sides.
#[test]
fn a_policy_binds_both_sides_of_mutual_tls() {
    let (new, old) = (Pki::with(Kind::MlDsa87, 1), Pki::new());
    let server_leaf = new.leaf_with(Kind::MlDsa87, &[NAME], |_| ());
    let role = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    };
    let rows = [
        (
            "ML-DSA-87",
            &new,
            new.leaf_with(Kind::MlDsa87, &[], role),
            true,
        ),
        (
            "P-384 by P-256",
            &old,
            old.leaf_with(Kind::P384, &[], role),
            false,
        ),
    ];
    for (row, pki, leaf, good) in rows {
        let server = ServerConfig::new(credential(&server_leaf))
            .policy(&V2026_11_CNSA2)
            .client_auth(ClientAuth::Required(trust(pki)))
            .build()
            .unwrap();
        let client = || ClientConfig::new(trust(&new)).credential(credential(&leaf));
        assert_eq!(
            client().policy(&V2026_11_CNSA2).build().is_ok(),
            good,
            "{row}"
        );
        let mut pair = Pair::new(&client().build().unwrap(), &server);
        let alert = pair.run().err().and_then(|error| error.alert());
        let refused = (!good).then_some(Alert::UNSUPPORTED_CERTIFICATE);
        assert_eq!(alert, refused, "{row}");
        if good {
            let summary = pair.server.tls.summary().unwrap();
            assert_eq!(summary.signature_scheme, Some(SignatureScheme::MLDSA87));
            assert_eq!(
                summary.client_signature_scheme,
                Some(SignatureScheme::MLDSA87)
            );
        }
    }
}

/// To the letter: programs may compare these texts, and a released policy never changes.
#[test]
fn policies_print_in_full() {
    let texts = policy::ALL.map(ToString::to_string).join("\n");
    assert_eq!(texts, include_str!("policies/all.txt"));
    assert!(
        V2026_11_FIPS_ALGORITHMS
            .to_string()
            .contains("not approved services")
    );
}

#[test]
fn a_diff_of_two_policies_is_short() {
    let want = "\
V2026_11 to V2026_11_PQ_ONLY
classical key exchange:
  - allowed
  + never
groups:
  - x25519
  - secp256r1
  - secp384r1
  - secp521r1
key shares in a first hello:
  - x25519
";
    let diff = policy::diff(&V2026_11, &V2026_11_PQ_ONLY);
    assert_eq!(diff.to_string(), want);
}
