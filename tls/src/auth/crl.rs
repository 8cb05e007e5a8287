//! Lists of revoked certificates (CRLs, RFC 5280 section 5) that the caller gives beside its roots.
//!
//! Nothing is fetched: the caller brings the lists, bounds their size, and makes a new configuration before they are out of
//! date. They are parsed once. Then each certificate of a peer's path needs a list of its issuer, signed with the issuer's key,
//! not out of date, and without it. Deltas and lists that speak for other issuers are refused. A policy's rules for signatures
//! are about certificates: a list has the same key, and no hash of under 256 bits is taken.

use std::sync::Arc;
use std::time::Duration;

use ::webpki::{
    CertRevocationList, ExpirationPolicy, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptions, RevocationOptionsBuilder, UnknownStatusPolicy,
};
use pki_types::CertificateRevocationListDer;

use super::credential::items_from_pem;
use super::der;
use super::error::{ConfigError, Reason};
use super::failure::reason;
use crate::mark::{Mark, mark, mark_of_set};

/// Certificate revocation lists (CRLs): at least one, and of each issuer the newest alone. How large they may be is the
/// caller's to decide before they are given here; a connection holds none of its own.
///
/// A certificate is refused when a list names it, and when it is in doubt: no list of its issuer, one that is past its next
/// update at the connection's [`Now`](crate::Now), or one that the issuer's key did not sign.
///
/// ```
/// # use pith_tls::{ConfigError, Crls, Trust};
/// fn trust(roots: &[u8], lists: &[u8]) -> Result<Trust, ConfigError> {
///     Trust::roots_from_pem(roots)?.with_crls(Crls::from_pem(lists)?)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Crls {
    lists: Arc<[CertRevocationList<'static>]>,
    next_updates: Arc<[Duration]>,
    leaf_only: bool,
    allow_unknown: bool,
    mark: Mark,
}

impl Crls {
    /// Reads the lists of a PEM file. Sections of other kinds are passed over.
    ///
    /// # Errors
    /// As [`from_der`](Self::from_der), and [`ConfigError::Missing`] or `Pem` for what cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, ConfigError> {
        let lists: Vec<CertificateRevocationListDer<'_>> =
            items_from_pem(pem, "revocation lists in PEM")?;
        Self::from_der(&lists)
    }

    /// Parses these lists, each in DER.
    ///
    /// # Errors
    /// [`ConfigError::Empty`] without any, `Crl` for one that does not parse or that is a delta or indirect one, `Unsupported`
    /// for two of one issuer and scope, of which only one would be looked at.
    pub fn from_der(lists: &[impl AsRef<[u8]>]) -> Result<Self, ConfigError> {
        let parse = |(place, list): (usize, &_)| {
            let list = AsRef::as_ref(list);
            let parsed = OwnedCertRevocationList::from_der(list).map_err(reason);
            let parsed = parsed.and_then(|parsed| {
                let next_update = der::next_update(list);
                let next_update = next_update.ok_or(Reason::Malformed("its next update"))?;
                Ok((CertRevocationList::Owned(parsed), next_update))
            });
            parsed.map_err(|reason| ConfigError::Crl {
                number: place.saturating_add(1),
                reason,
            })
        };
        let encoded: Vec<Mark> = lists
            .iter()
            .map(|list| mark("list", &[AsRef::as_ref(list)]))
            .collect();
        let lists = lists.iter().enumerate().map(parse);
        let lists: Vec<_> = lists.collect::<Result<_, _>>()?;
        let (lists, next_updates): (Vec<_>, Vec<_>) = lists.into_iter().unzip();
        if lists.is_empty() {
            return Err(ConfigError::Empty {
                what: "revocation list",
            });
        }
        let scope = |list: &CertRevocationList<'_>| {
            (
                list.issuer().to_vec(),
                list.issuing_distribution_point().map(<[u8]>::to_vec),
            )
        };
        let mut scopes: Vec<_> = lists.iter().map(scope).collect();
        scopes.sort();
        scopes.dedup();
        if scopes.len() < lists.len() {
            return Err(ConfigError::Unsupported {
                what: "an older revocation list beside a newer one of the same issuer",
            });
        }
        Ok(Self {
            lists: lists.into(),
            next_updates: next_updates.into(),
            leaf_only: false,
            allow_unknown: false,
            mark: mark_of_set("lists", encoded),
        })
    }

    /// Whether to look up the leaf alone. By default it is every certificate up to the root, which needs a list of each issuer.
    #[must_use]
    pub fn leaf_only(self, leaf_only: bool) -> Self {
        Self { leaf_only, ..self }
    }

    /// Whether to accept certificates whose issuer has no list here. By default they are refused. A list that is out of date or
    /// not signed by the issuer is refused either way.
    #[must_use]
    pub fn allow_unknown(self, allow_unknown: bool) -> Self {
        Self {
            allow_unknown,
            ..self
        }
    }

    /// Those of the lists that are by one issuer, or all.
    pub(super) fn by(&self, issuer: Option<&[u8]>) -> Vec<&CertRevocationList<'static>> {
        let by =
            |list: &&CertRevocationList<'_>| issuer.is_none_or(|issuer| list.issuer() == issuer);
        self.lists.iter().filter(by).collect()
    }

    /// How webpki is to look at some of the lists; `None` for none.
    pub(super) fn options<'a>(
        &self,
        lists: &'a [&'a CertRevocationList<'a>],
    ) -> Option<RevocationOptions<'a>> {
        let builder = RevocationOptionsBuilder::new(lists).ok()?;
        let builder = builder.with_expiration_policy(ExpirationPolicy::Enforce);
        let builder = builder.with_depth(match self.leaf_only {
            true => RevocationCheckDepth::EndEntity,
            false => RevocationCheckDepth::Chain,
        });
        let builder = builder.with_status_policy(match self.allow_unknown {
            true => UnknownStatusPolicy::Allow,
            false => UnknownStatusPolicy::Deny,
        });
        Some(builder.build())
    }

    /// Stands for the lists, byte for byte, and for how they are used.
    pub(super) fn mark(&self) -> Mark {
        let options = [u8::from(self.leaf_only), u8::from(self.allow_unknown)];
        mark("lists and options", &[&self.mark, &options])
    }

    /// When the first of the lists that are good now will be out of date. Any of them may have been looked at, and no other.
    pub(super) fn next_update(&self, now: Duration) -> Option<Duration> {
        let updates = self.next_updates.iter().copied();
        updates.filter(|update| *update > now).min()
    }

    pub(super) fn is_leaf_only(&self) -> bool {
        self.leaf_only
    }
}
