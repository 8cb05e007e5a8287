//! Named, dated, immutable policies: what a connection may negotiate and which signatures a certificate may have.
//!
//! A configuration has exactly one, [`V2026_11`] unless it is told otherwise. Its own lists may narrow the policy's and never
//! widen them, so the name says all that a connection can end in. A policy never changes once it is released: what is right
//! later comes under a later date, and [`diff`] shows a reader what moving to it means.
//!
//! | take | when |
//! |---|---|
//! | [`V2026_11`] | nothing forbids it: post-quantum with all peers that can, classical with those that cannot |
//! | [`V2026_11_PQ_ONLY`] | recorded traffic must stay secret from a quantum computer, and old peers may be refused |
//! | [`V2026_11_CNSA2`] | both sides are under CNSA 2.0 |
//! | [`V2026_11_FIPS_ALGORITHMS`] | only what NIST specifies may be used; this alone makes no service an approved one |
//!
//! No path leads around a policy that has no classical group: a client names and shares no other, so that it takes none from
//! a server, by a HelloRetryRequest or without (rfc9846#4.3.8-7); a server looks for none.

use core::fmt;

use pith_crypto::SignatureScheme;
use pith_pq::Group;

use crate::auth::ConfigError;
use crate::suite::CipherSuite;

/// What may be negotiated. All lists are in order, most wanted first. Only this crate makes policies.
///
/// All that is listed is implemented (rfc9846#9.3-3), and nothing is that RFC 9846 calls obsolete (rfc9846#4.3.3-13,
/// rfc9846#B.3.1.4-1).
#[derive(Debug)]
#[non_exhaustive]
pub struct Policy {
    /// The name, which holds the year and month.
    pub name: &'static str,
    /// What it is for, in a line.
    pub about: &'static str,
    /// Cipher suites.
    pub suites: &'static [CipherSuite],
    /// Groups that are named unless a configuration narrows them.
    pub groups: &'static [Group],
    /// Groups that a configuration may have, but has to ask for.
    pub groups_on_request: &'static [Group],
    /// What a peer, and this side, may sign the handshake with.
    pub signature_schemes: &'static [SignatureScheme],
    /// How the certificates of a chain may be signed. A pinned key's certificate is not asked, as its signature says nothing.
    pub chain_algorithms: &'static [ChainAlgorithm],
}

/// The defaults: post-quantum first, classical for peers that have nothing else.
pub static V2026_11: Policy = Policy {
    name: "V2026_11",
    about: "the defaults: post-quantum first, classical for peers that have nothing else",
    suites: CipherSuite::ALL,
    groups: &[
        Group::X25519MlKem768,
        Group::SecP256r1MlKem768,
        Group::SecP384r1MlKem1024,
        Group::X25519,
        Group::Secp256r1,
        Group::Secp384r1,
        Group::Secp521r1,
    ],
    groups_on_request: PURE_ML_KEM,
    signature_schemes: ALL_SCHEMES,
    chain_algorithms: ChainAlgorithm::ALL,
};

/// No key exchange that a quantum computer breaks. Signatures are those of [`V2026_11`]: a forger needs such a computer during
/// the handshake, not years after it.
pub static V2026_11_PQ_ONLY: Policy = Policy {
    name: "V2026_11_PQ_ONLY",
    about: "post-quantum key exchange or none; the rest as in V2026_11",
    groups: &[
        Group::X25519MlKem768,
        Group::SecP256r1MlKem768,
        Group::SecP384r1MlKem1024,
    ],
    ..V2026_11
};

/// CNSA 2.0: ML-KEM-1024, AES-256, SHA-384 and ML-DSA-87, with ECDSA over P-384 for certificates that are not replaced yet.
pub static V2026_11_CNSA2: Policy = Policy {
    name: "V2026_11_CNSA2",
    about: "the algorithms of CNSA 2.0, and ECDSA P-384 for certificates that are not replaced yet",
    suites: &[CipherSuite::Aes256GcmSha384],
    groups: &[Group::MlKem1024, Group::SecP384r1MlKem1024],
    groups_on_request: &[],
    signature_schemes: &[
        SignatureScheme::MLDSA87,
        SignatureScheme::ECDSA_SECP384R1_SHA384,
    ],
    chain_algorithms: &[ChainAlgorithm::MlDsa87, ChainAlgorithm::EcdsaP384Sha384],
};

/// Algorithms that NIST specifies: FIPS 186-5, 197, 203 and 204, SP 800-186. X25519MLKEM768 is among them, since the secret of
/// ML-KEM comes first in it (SP 800-56C revision 2, section 2); X25519 alone is not. Whether a service is an approved one
/// depends on the module that carries it out and on much else that a list cannot say.
pub static V2026_11_FIPS_ALGORITHMS: Policy = Policy {
    name: "V2026_11_FIPS_ALGORITHMS",
    about: "algorithms that NIST specifies; it names algorithms, not approved services",
    suites: &[CipherSuite::Aes128GcmSha256, CipherSuite::Aes256GcmSha384],
    groups: &[
        Group::X25519MlKem768,
        Group::SecP256r1MlKem768,
        Group::SecP384r1MlKem1024,
        Group::Secp256r1,
        Group::Secp384r1,
        Group::Secp521r1,
    ],
    ..V2026_11
};

/// Every policy, the defaults first.
pub static ALL: [&Policy; 4] = [
    &V2026_11,
    &V2026_11_PQ_ONLY,
    &V2026_11_CNSA2,
    &V2026_11_FIPS_ALGORITHMS,
];

/// No classical part to fall back on if ML-KEM breaks, so these are for those who ask.
const PURE_ML_KEM: &[Group] = &[Group::MlKem512, Group::MlKem768, Group::MlKem1024];

/// ML-DSA comes first, as in Chromium's hello: a server that has certificates of both kinds was given the larger one so that
/// it is shown to those who understand it. Then ECDSA, which every peer has, by the strength of its curve; Ed25519, which fewer
/// have; and RSA last, whose signatures and keys are the longest of these.
const ALL_SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::MLDSA44,
    SignatureScheme::MLDSA65,
    SignatureScheme::MLDSA87,
    SignatureScheme::ECDSA_SECP256R1_SHA256,
    SignatureScheme::ECDSA_SECP384R1_SHA384,
    SignatureScheme::ECDSA_SECP521R1_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA512,
];

macro_rules! chain_algorithms {
    ($($variant:ident = $name:literal,)+) => {
        /// How a certificate is signed: the kind of its issuer's key, and the hash.
        ///
        /// The schemes of TLS 1.3 cannot say this: a CA may sign with a hash of another size than its curve.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ChainAlgorithm {
            $(#[doc = $name] $variant,)+
        }

        impl ChainAlgorithm {
            /// Every one that can be verified.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}
chain_algorithms! {
    MlDsa44 = "ML-DSA-44",
    MlDsa65 = "ML-DSA-65",
    MlDsa87 = "ML-DSA-87",
    EcdsaP256Sha256 = "ECDSA P-256 with SHA-256",
    EcdsaP256Sha384 = "ECDSA P-256 with SHA-384",
    EcdsaP256Sha512 = "ECDSA P-256 with SHA-512",
    EcdsaP384Sha256 = "ECDSA P-384 with SHA-256",
    EcdsaP384Sha384 = "ECDSA P-384 with SHA-384",
    EcdsaP384Sha512 = "ECDSA P-384 with SHA-512",
    EcdsaP521Sha256 = "ECDSA P-521 with SHA-256",
    EcdsaP521Sha384 = "ECDSA P-521 with SHA-384",
    EcdsaP521Sha512 = "ECDSA P-521 with SHA-512",
    Ed25519 = "Ed25519",
    RsaPssSha256 = "RSA-PSS with SHA-256",
    RsaPssSha384 = "RSA-PSS with SHA-384",
    RsaPssSha512 = "RSA-PSS with SHA-512",
    RsaPkcs1Sha256 = "RSA PKCS#1 with SHA-256",
    RsaPkcs1Sha384 = "RSA PKCS#1 with SHA-384",
    RsaPkcs1Sha512 = "RSA PKCS#1 with SHA-512",
}

impl ChainAlgorithm {
    /// How signature_algorithms names it, if it can.
    pub(crate) fn scheme(self) -> Option<SignatureScheme> {
        Some(match self {
            Self::MlDsa44 => SignatureScheme::MLDSA44,
            Self::MlDsa65 => SignatureScheme::MLDSA65,
            Self::MlDsa87 => SignatureScheme::MLDSA87,
            Self::EcdsaP256Sha256 => SignatureScheme::ECDSA_SECP256R1_SHA256,
            Self::EcdsaP384Sha384 => SignatureScheme::ECDSA_SECP384R1_SHA384,
            Self::EcdsaP521Sha512 => SignatureScheme::ECDSA_SECP521R1_SHA512,
            Self::EcdsaP256Sha384
            | Self::EcdsaP256Sha512
            | Self::EcdsaP384Sha256
            | Self::EcdsaP384Sha512
            | Self::EcdsaP521Sha256
            | Self::EcdsaP521Sha384 => return None,
            Self::Ed25519 => SignatureScheme::ED25519,
            Self::RsaPssSha256 => SignatureScheme::RSA_PSS_RSAE_SHA256,
            Self::RsaPssSha384 => SignatureScheme::RSA_PSS_RSAE_SHA384,
            Self::RsaPssSha512 => SignatureScheme::RSA_PSS_RSAE_SHA512,
            Self::RsaPkcs1Sha256 => SignatureScheme::RSA_PKCS1_SHA256,
            Self::RsaPkcs1Sha384 => SignatureScheme::RSA_PKCS1_SHA384,
            Self::RsaPkcs1Sha512 => SignatureScheme::RSA_PKCS1_SHA512,
        })
    }
}

impl Policy {
    /// The policy of this name, such as `V2026_11_CNSA2`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        ALL.into_iter().find(|policy| policy.name == name)
    }

    /// Whether a connection may end in a key exchange that a quantum computer breaks.
    #[must_use]
    pub fn allows_classical(&self) -> bool {
        let mut groups = self.groups.iter().chain(self.groups_on_request);
        groups.any(|group| !group.is_post_quantum())
    }

    /// The groups that a client sends shares of: the first post-quantum and the first classical one.
    #[must_use]
    pub fn shares(&self) -> Vec<Group> {
        shares(self.groups)
    }

    /// What a hello says in signature_algorithms: schemes for chains alone come last (RFC 9846 section 9.1).
    pub(crate) fn offered_schemes(&self) -> Vec<SignatureScheme> {
        let own = self.signature_schemes;
        let of_chains = self.chain_algorithms.iter();
        let for_chains = of_chains
            .filter_map(|algorithm| algorithm.scheme())
            .filter(|scheme| !own.contains(scheme));
        own.iter().copied().chain(for_chains).collect()
    }

    pub(crate) fn refuses(&self, what: &'static str, item: &'static str) -> ConfigError {
        ConfigError::OutsidePolicy {
            policy: self.name,
            what,
            item,
        }
    }

    /// All lists, by the names that a person reads.
    fn lists(&self) -> [(&'static str, Vec<String>); 7] {
        let classical = match self.allows_classical() {
            true => "allowed",
            false => "never",
        };
        [
            ("classical key exchange", names(&[classical])),
            ("cipher suites", names(self.suites)),
            ("groups", names(self.groups)),
            ("groups on request", names(self.groups_on_request)),
            ("key shares in a first hello", names(&self.shares())),
            ("signature schemes", names(self.signature_schemes)),
            ("signatures in chains", names(self.chain_algorithms)),
        ]
    }
}

/// [`Policy::shares`] for any list of groups.
pub(crate) fn shares(groups: &[Group]) -> Vec<Group> {
    let first = |post_quantum: bool| {
        groups
            .iter()
            .position(|group| group.is_post_quantum() == post_quantum)
    };
    let (hybrid, classical) = (first(true), first(false));
    groups
        .iter()
        .enumerate()
        .filter(|(place, _)| Some(*place) == hybrid || Some(*place) == classical)
        .map(|(_, group)| *group)
        .collect()
}

/// What changes from one policy to another: what each list loses (`-`), gains (`+`), and how the order of the rest changes.
pub fn diff(from: &'static Policy, to: &'static Policy) -> impl fmt::Display {
    Diff { from, to }
}

struct Diff {
    from: &'static Policy,
    to: &'static Policy,
}

/// The whole policy, a line for each item. The text is stable: programs may compare it.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.about)?;
        for (list, items) in self.lists() {
            let none = if items.is_empty() { " none" } else { "" };
            writeln!(f, "{list}:{none}")?;
            items.iter().try_for_each(|item| writeln!(f, "  {item}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} to {}", self.from.name, self.to.name)?;
        for ((list, old), (_, new)) in self.from.lists().into_iter().zip(self.to.lists()) {
            if old == new {
                continue;
            }
            writeln!(f, "{list}:")?;
            let (kept, added): (Vec<_>, Vec<_>) = new.iter().partition(|item| old.contains(item));
            let (still, gone): (Vec<_>, Vec<_>) = old.iter().partition(|item| new.contains(item));
            gone.iter().try_for_each(|item| writeln!(f, "  - {item}"))?;
            added
                .iter()
                .try_for_each(|item| writeln!(f, "  + {item}"))?;
            if kept != still {
                writeln!(f, "  in a new order:")?;
                kept.iter().try_for_each(|item| writeln!(f, "    {item}"))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ChainAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn names<T: fmt::Display>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_found_by_its_name_and_holds_together() {
        for policy in ALL {
            let name = policy.name;
            let found = Policy::by_name(name).map(|found| found.name);
            assert_eq!(found, Some(name));
            for (list, items) in policy.lists() {
                assert!(!items.is_empty() || list == "groups on request", "{name}");
                let repeated = (1..items.len()).any(|at| items[..at].contains(&items[at]));
                assert!(!repeated, "{name}: {list}");
            }
        }
        for name in ["", "V2026", "v2026_11", "V2026_11 "] {
            assert!(Policy::by_name(name).is_none(), "{name}");
        }
    }

    #[test]
    fn shares_are_the_first_of_each_kind_in_their_order() {
        use Group as G;
        let rows: [(&str, &[Group], &[Group]); 7] = [
            ("defaults", V2026_11.groups, &[G::X25519MlKem768, G::X25519]),
            ("PQ only", V2026_11_PQ_ONLY.groups, &[G::X25519MlKem768]),
            ("CNSA 2.0", V2026_11_CNSA2.groups, &[G::MlKem1024]),
            (
                "FIPS",
                V2026_11_FIPS_ALGORITHMS.groups,
                &[G::X25519MlKem768, G::Secp256r1],
            ),
            (
                "classical first",
                &[G::Secp384r1, G::Secp256r1, G::SecP256r1MlKem768],
                &[G::Secp384r1, G::SecP256r1MlKem768],
            ),
            ("classical", &[G::Secp521r1, G::X25519], &[G::Secp521r1]),
            ("none", &[], &[]),
        ];
        for (name, groups, want) in rows {
            assert_eq!(shares(groups), want, "{name}");
        }
    }

    #[test]
    fn only_pkcs1_of_the_chain_algorithms_needs_a_scheme_of_its_own() {
        let offered = V2026_11.offered_schemes();
        let (own, chains) = offered.split_at(V2026_11.signature_schemes.len());
        assert_eq!(own, V2026_11.signature_schemes);
        let names: Vec<_> = chains.iter().map(|scheme| scheme.name().unwrap()).collect();
        assert_eq!(
            names,
            ["rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"]
        );
        let offered = V2026_11_CNSA2.offered_schemes();
        assert_eq!(offered, V2026_11_CNSA2.signature_schemes);
    }

    #[test]
    fn a_diff_says_what_goes_what_comes_and_what_moves() {
        static OLD: Policy = Policy {
            name: "old",
            suites: &[CipherSuite::Aes128GcmSha256],
            groups: &[Group::X25519, Group::Secp256r1, Group::X25519MlKem768],
            ..V2026_11
        };
        static NEW: Policy = Policy {
            name: "new",
            suites: &[CipherSuite::Aes256GcmSha384],
            groups: &[Group::X25519MlKem768, Group::X25519, Group::Secp384r1],
            ..V2026_11
        };
        let want = "\
old to new
cipher suites:
  - TLS_AES_128_GCM_SHA256
  + TLS_AES_256_GCM_SHA384
groups:
  - secp256r1
  + secp384r1
  in a new order:
    X25519MLKEM768
    x25519
key shares in a first hello:
  in a new order:
    X25519MLKEM768
    x25519
";
        assert_eq!(diff(&OLD, &NEW).to_string(), want);
        assert_eq!(diff(&OLD, &OLD).to_string(), "old to old\n");
    }
}
