//! `pith pki`: a throwaway CA and certificates of it, as files to try things with.
//!
//! No file is ever overwritten, through a link neither: each is created anew, or nothing is done. Private keys can be read by their
//! owner alone. The CA's own key never leaves this process, so that nobody can issue more in its name.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use pith_tls::ServerName;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, RsaKeySize, SanType,
    SignatureAlgorithm,
};
use time::{Duration, OffsetDateTime};

use crate::cli::{KeyKind, PkiOptions};
use crate::failure::{self, Failure};
use crate::{escape, identity, input, negotiated};

type Issuer = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn run(options: &PkiOptions) -> Result<(), Failure> {
    let names = names(options)?;
    let now = OffsetDateTime::now_utc();
    let not_after = now.saturating_add(Duration::days(options.days.into()));
    let made =
        |error: rcgen::Error| Failure::input(format!("the certificates cannot be made: {error}"));
    let ca = ca(options.key_type, now, not_after).map_err(made)?;

    let mut files = vec![file(
        "ca.pem",
        ca.pem(),
        "the CA's certificate, to be trusted: --ca".to_owned(),
    )];
    let mut parties = vec![("server", ExtendedKeyUsagePurpose::ServerAuth, names.clone())];
    if let Some(name) = &options.client {
        let alternative = alternative(name).into_iter().collect();
        parties.push(("client", ExtendedKeyUsagePurpose::ClientAuth, alternative));
    }
    for (party, purpose, names) in parties {
        let common_name = match party {
            "client" => options.client.as_deref().unwrap_or_default(),
            _ => "Pith throwaway server",
        };
        let mut params = params(common_name, now, not_after);
        params.subject_alt_names = names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let key = key(options.key_type).map_err(made)?;
        let leaf = params.signed_by(&key, &ca).map_err(made)?;
        let about = format!("the {party}'s certificate: --cert");
        files.push(file(&format!("{party}.pem"), leaf.pem(), about));
        let about = format!("the {party}'s private key, which nobody else should read: --key");
        files.push(file(&format!("{party}.key"), key.serialize_pem(), about));
    }
    write(&options.out, &files)?;
    let report = report(options, &names, not_after, &files);
    let written = io::stdout().write_all(report.as_bytes());
    written.map_err(|error| failure::output(&error))
}

struct File {
    name: String,
    content: String,
    about: String,
}

fn file(name: &str, content: String, about: String) -> File {
    File {
        name: name.to_owned(),
        content,
        about,
    }
}

/// The server's names.
fn names(options: &PkiOptions) -> Result<Vec<SanType>, Failure> {
    let given = options.name.iter().map(String::as_str);
    let defaults = DEFAULT_NAMES
        .into_iter()
        .filter(|_| options.name.is_empty());
    let names = given.chain(defaults).map(|name| {
        alternative(name).filter(|name| !matches!(name, SanType::Rfc822Name(_))).ok_or_else(|| {
            Failure::input(format!(
                "--name expects a DNS name, such as example.org or *.example.org, or an IP address, and got {name:?}"
            ))
        })
    });
    names.collect()
}

/// A name as certificates have it; `None` for one that is no alternative name.
fn alternative(name: &str) -> Option<SanType> {
    if let Ok(address) = name.parse() {
        return Some(SanType::IpAddress(address));
    }
    if name.contains('@') {
        return name.try_into().ok().map(SanType::Rfc822Name);
    }
    let host = name.strip_prefix("*.").unwrap_or(name);
    match ServerName::try_from(host) {
        Ok(ServerName::DnsName(_)) => name.try_into().ok().map(SanType::DnsName),
        _ => None,
    }
}

/// The CA. A piece of its key is in its name, so that a certificate of another one is told apart by name.
fn ca(kind: KeyKind, from: OffsetDateTime, to: OffsetDateTime) -> Result<Issuer, rcgen::Error> {
    let key = key(kind)?;
    let (_, half) = key
        .public_key_raw()
        .split_at(key.public_key_raw().len() / 2);
    let piece = escape::hex(half.get(..4).unwrap_or_default());
    let mut params = params(&format!("Pith throwaway CA {piece}"), from, to);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, key)
}

fn params(common_name: &str, from: OffsetDateTime, to: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    // A peer's clock may be a little late.
    params.not_before = from.saturating_sub(Duration::HOUR);
    params.not_after = to;
    params.use_authority_key_identifier_extension = true;
    params
}

fn key(kind: KeyKind) -> Result<KeyPair, rcgen::Error> {
    let rsa = |size| KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size);
    let algorithm: &SignatureAlgorithm = match kind {
        KeyKind::Rsa2048 => return rsa(RsaKeySize::_2048),
        KeyKind::Rsa3072 => return rsa(RsaKeySize::_3072),
        KeyKind::Rsa4096 => return rsa(RsaKeySize::_4096),
        KeyKind::EcdsaP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        KeyKind::EcdsaP384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        KeyKind::EcdsaP521 => &rcgen::PKCS_ECDSA_P521_SHA512,
        KeyKind::Ed25519 => &rcgen::PKCS_ED25519,
        KeyKind::MlDsa44 => &rcgen::PKCS_ML_DSA_44,
        KeyKind::MlDsa65 => &rcgen::PKCS_ML_DSA_65,
        KeyKind::MlDsa87 => &rcgen::PKCS_ML_DSA_87,
    };
    KeyPair::generate_for(algorithm)
}

/// Writes all files, or none if one of them is there already.
fn write(folder: &Path, files: &[File]) -> Result<(), Failure> {
    let shown = folder.display();
    fs::create_dir_all(folder).map_err(|error| {
        Failure::input(format!(
            "--out expects a directory that can be made or written to, and {shown} is none ({error}): give another"
        ))
    })?;
    let there = |file: &&File| folder.join(&file.name).symlink_metadata().is_ok();
    if let Some(file) = files.iter().find(there) {
        return Err(Failure::input(format!(
            "{} is there already, and nothing is overwritten: give another directory with --out, or move that one away",
            folder.join(&file.name).display()
        )));
    }
    for file in files {
        let path = folder.join(&file.name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        if file.name.ends_with(".key") {
            input::keep_private(&mut options);
        }
        let opened = options.open(&path);
        opened
            .and_then(|mut open| open.write_all(file.content.as_bytes()))
            .map_err(|error| {
                Failure::input(format!(
                    "{} cannot be written ({error}): make room, or give another directory with --out",
                    path.display()
                ))
            })?;
    }
    Ok(())
}

/// What was written, and what to do with it.
fn report(
    options: &PkiOptions,
    names: &[SanType],
    not_after: OffsetDateTime,
    files: &[File],
) -> String {
    let path = |name: &str| shell(&options.out.join(name).to_string_lossy());
    let given: Vec<_> = match options.name.as_slice() {
        [] => DEFAULT_NAMES.map(str::to_owned).to_vec(),
        given => given.to_vec(),
    };
    let table = files
        .iter()
        .map(|file| (file.name.as_str(), file.about.clone()));
    let (mut server, mut client) = (String::new(), target(names, &given));
    if options.client.is_some() {
        server = format!(" --client-auth required --ca {}", path("ca.pem"));
        client = format!(
            "{client} --cert {} --key {}",
            path("client.pem"),
            path("client.key")
        );
    }
    format!(
        "Wrote to {}:\n{}\n\
         The server's names are {}. All is valid until {}.\n\
         The CA's own key was not kept: nobody can issue more with it.\n\n\
         Now try, in two terminals:\n  \
         pith server --listen 127.0.0.1:8443 --cert {} --key {}{server}\n  \
         pith client {client} --ca {} --repeat 3\n",
        options.out.display(),
        negotiated::table(table),
        given.join(", "),
        identity::utc(not_after),
        path("server.pem"),
        path("server.key"),
        path("ca.pem"),
    )
}

/// How a client on this machine names the server.
fn target(names: &[SanType], given: &[String]) -> String {
    let is_local = |name: &SanType| matches!(name, SanType::IpAddress(address) if address.to_string() == "127.0.0.1");
    if names.iter().any(is_local) {
        return "127.0.0.1:8443".to_owned();
    }
    match given.first().map(String::as_str) {
        None | Some("localhost") => "localhost:8443".to_owned(),
        Some(name) => format!("127.0.0.1:8443 --sni {}", name.replacen('*', "www", 1)),
    }
}

/// A word for a shell.
fn shell(word: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "/._-".contains(character);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

const DEFAULT_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[cfg(test)]
mod tests {
    use super::shell;

    #[test]
    fn words_for_a_shell() {
        for (word, want) in [
            ("a/b.pem", "a/b.pem"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(shell(word), want);
        }
    }
}
