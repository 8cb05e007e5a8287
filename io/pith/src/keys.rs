//! What a side shows of itself, or shares with the other: certificates with their keys, raw public keys, pre-shared keys.

use std::path::Path;

use pith_tls::{
    ClientConfig, ClientConfigBuilder, Credential, ExternalPsk, Hash, RawKeys, Role, role_context,
};

use crate::cli::{IdentityOptions, TrustOptions};
use crate::failure::Failure;
use crate::{input, say};

/// Raw public keys, and the pairs of --cert and --key. A certificate that peers will refuse is no error, since they may not look, but it is named.
pub(crate) fn credentials(options: &IdentityOptions) -> Result<Vec<Credential>, Failure> {
    let (chains, keys) = (options.cert.len(), options.key.len());
    if chains != keys {
        return Err(Failure::input(format!(
            "expected one --key for each --cert, in the same order, and got {chains} of --cert and {keys} of --key: give both of each pair"
        )));
    }
    let raw = options.raw_key.iter().map(|path| raw_key(path));
    let pairs = options.cert.iter().zip(&options.key);
    raw.chain(pairs.map(|(cert, key)| chain(cert, key)))
        .collect()
}

/// A client that believes and shows what these options say.
pub(crate) fn client(
    trust: &TrustOptions,
    identity: &IdentityOptions,
) -> Result<ClientConfigBuilder, Failure> {
    let mut config = ClientConfig::new(input::trust(trust, !identity.psk.is_empty())?);
    if !trust.pin.is_empty() {
        config = config.raw_keys(RawKeys::Preferred);
    }
    for credential in credentials(identity)? {
        config = config.credential(credential);
    }
    for psk in psks(identity, Role::Client)? {
        config = config.psk(psk);
    }
    Ok(config)
}

/// A pair of --cert and --key.
fn chain(cert: &Path, key: &Path) -> Result<Credential, Failure> {
    let chain = input::read(cert, "a certificate chain in PEM")?;
    let key_pem = input::read(key, "a private key in PEM")?;
    let credential = Credential::from_pem(&chain, &key_pem).map_err(|error| {
        Failure::input(format!(
            "{} and {} cannot be used for --cert and --key: {error}",
            cert.display(),
            key.display()
        ))
    })?;
    if let Err(error) = credential.check(input::now()) {
        say(format_args!(
            "pith: warning: peers that trust a CA will refuse {}: {error}",
            cert.display()
        ));
    }
    Ok(credential)
}

/// A key of --raw-key.
fn raw_key(path: &Path) -> Result<Credential, Failure> {
    let pem = input::read(path, "a private key in PEM")?;
    Credential::raw_key_from_pem(&pem).map_err(|error| {
        Failure::input(format!(
            "{} cannot be used for --raw-key: {error}",
            path.display()
        ))
    })
}

/// The keys of --psk, for this side.
pub(crate) fn psks(options: &IdentityOptions, role: Role) -> Result<Vec<ExternalPsk>, Failure> {
    let psks = options.psk.iter().enumerate().map(|(place, psk)| {
        let parts = psk.split_once(':');
        let whole = |(identity, path): &(&str, &str)| !identity.is_empty() && !path.is_empty();
        let Some((identity, path)) = parts.filter(whole) else {
            return Err(Failure::input(format!(
                "--psk expects IDENTITY:FILE, such as alice:alice.psk, and got {psk:?}"
            )));
        };
        let front = format!("{identity}:");
        let earlier = options.psk.iter().take(place);
        if earlier.clone().any(|earlier| earlier.starts_with(&front)) {
            return Err(Failure::input(format!(
                "--psk names {identity:?} twice: give each key an identity of its own"
            )));
        }
        let key = input::read(Path::new(path), "a pre-shared key of 16 random bytes or more")?;
        input::warn_if_shared(Path::new(path), "pass for either side");
        role_context(identity.as_bytes(), SERVER)
            .and_then(|context| {
                ExternalPsk::new(role, identity.as_bytes(), &context, &key, Hash::Sha256)
            })
            .map_err(|error| {
                Failure::input(format!(
                    "{path} cannot be used for --psk {identity}: {error}: make one with `head -c 32 /dev/urandom`, readable by the two sides alone"
                ))
            })
    });
    psks.collect()
}

/// Who the server is, in the context of a key.
const SERVER: &[u8] = b"pith";
