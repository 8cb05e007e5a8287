//! Files and arguments, turned into what the library takes.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pith_io::qlog;
use pith_quic::observe::{Observer, Subject};
use pith_tls::policy::{self, Policy, V2026_11};
use pith_tls::{
    CipherSuite, ClientAuth, ConfigError, Group, KeyLog, Now, ServerName, StrikeRegister, Tickets,
    Trust,
};

use crate::cli::{ClientAuthMode, ServerOptions, TermsOptions, TrustOptions};
use crate::failure::{self, Failure};
use crate::say;

/// What a client trusts.
pub(crate) fn trust(options: &TrustOptions, psk: bool) -> Result<Trust, Failure> {
    if let Some(path) = &options.ca {
        return roots(path);
    }
    if options.system_roots {
        return system_roots();
    }
    if !options.pin.is_empty() {
        return pinned(&options.pin);
    }
    if psk {
        return Ok(Trust::PreSharedKeys);
    }
    Trust::roots_from_anchors(webpki_roots::TLS_SERVER_ROOTS.to_vec())
        .map_err(|error| Failure::input(format!("the built-in roots cannot be used: {error}")))
}

/// What a server wants of its clients.
pub(crate) fn client_auth(options: &ServerOptions) -> Result<ClientAuth, Failure> {
    let trust = match (&options.ca, options.pin.as_slice()) {
        (Some(ca), _) => Some(roots(ca)?),
        (None, []) => None,
        (None, pins) => Some(pinned(pins)?),
    };
    match (options.client_auth, trust) {
        (ClientAuthMode::None, None) => Ok(ClientAuth::None),
        (ClientAuthMode::Optional, Some(trust)) => Ok(ClientAuth::Optional(trust)),
        (ClientAuthMode::Required, Some(trust)) => Ok(ClientAuth::Required(trust)),
        (ClientAuthMode::None, Some(_)) => Err(Failure::input(
            "--ca and --pin say whose clients are let in, but --client-auth is none, so that no client would be asked: add --client-auth required (or optional), or leave them away",
        )),
        (ClientAuthMode::Optional | ClientAuthMode::Required, None) => Err(Failure::input(
            "--client-auth expects --ca FILE too, the CA certificates that a client's must lead to, or --pin HEX, and got none: add it, or make some with `pith pki --client`",
        )),
    }
}

/// How much early data a server takes, and what remembers whose it took.
pub(crate) fn early_data(
    options: &ServerOptions,
) -> Result<Option<(u32, StrikeRegister)>, Failure> {
    let Some(most) = options.early_data else {
        return Ok(None);
    };
    let register = match options.tickets.as_str() {
        "none" => {
            return Err(Failure::input(
                "--early-data comes with tickets, and --tickets none issues none: leave one of them away",
            ));
        }
        "rotating" => own_register(),
        _ => StrikeRegister::new(now()),
    };
    Ok(Some((most, register)))
}

/// A register for tickets under keys that this process makes. No hello can have come before it had them, so the register need not wait as
/// others do: it starts that much earlier.
pub(crate) fn own_register() -> StrikeRegister {
    let Now { monotonic, unix } = now();
    StrikeRegister::new(Now {
        monotonic,
        unix: unix.saturating_sub(REGISTER_WAITS),
    })
}

/// How a server has its clients resume.
pub(crate) fn tickets(which: &str) -> Result<Tickets, Failure> {
    match (which, which.strip_prefix("fleet:")) {
        ("rotating", _) => Ok(Tickets::rotating()),
        ("none", _) => Ok(Tickets::none()),
        (_, Some(path)) if !path.is_empty() => {
            let secret = read(Path::new(path), "the secret of a fleet of servers")?;
            Tickets::fleet(&secret).map_err(|error| {
                Failure::input(format!(
                    "{path} cannot be used for --tickets: {error}: make one with `head -c 32 /dev/urandom`, readable by the servers alone"
                ))
            })
        }
        _ => Err(Failure::input(format!(
            "--tickets expects rotating, none or fleet:FILE, and got {which:?}"
        ))),
    }
}

/// What a side is ready to negotiate. [`build`](crate::input::build) gives it to a builder of either kind.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) policy: &'static Policy,
    pub(crate) groups: Option<Vec<Group>>,
    pub(crate) suites: Option<Vec<CipherSuite>>,
    pub(crate) protocols: Vec<Vec<u8>>,
    pub(crate) key_log: Option<KeyLog>,
}

/// Builds a configuration on these terms.
macro_rules! build {
    ($builder:expr, $terms:expr) => {{
        let terms: $crate::input::Terms = $terms;
        let mut builder = $builder.policy(terms.policy).keep_peer_chain(true);
        if let Some(groups) = &terms.groups {
            builder = builder.groups(groups);
        }
        if let Some(suites) = &terms.suites {
            builder = builder.suites(suites);
        }
        if let Some(key_log) = terms.key_log {
            builder = builder.key_log(key_log);
        }
        let protocols: Vec<_> = terms.protocols.iter().map(Vec::as_slice).collect();
        builder
            .alpn(&protocols)
            .build()
            .map_err(|error| $crate::input::refused(&error))
    }};
}
pub(crate) use build;

/// `protocols` are those without --alpn.
pub(crate) fn terms(options: &TermsOptions, protocols: &[&str]) -> Result<Terms, Failure> {
    let policy = match &options.policy {
        Some(name) => policy(name)?,
        None => &V2026_11,
    };
    let groups = options
        .groups
        .as_deref()
        .map(|list| parse_list("--groups", "group", list, Group::ALL, |group| group.name()));
    let mut groups = groups.transpose()?;
    if options.require_pq {
        let classical = groups
            .iter()
            .flatten()
            .find(|group| !group.is_post_quantum());
        if let Some(group) = classical {
            return Err(Failure::input(format!(
                "--require-pq expects post-quantum groups alone, and --groups names {group}: leave that group away, or --require-pq"
            )));
        }
        let allowed = policy.groups.iter().copied();
        groups = groups.or_else(|| Some(allowed.filter(|group| group.is_post_quantum()).collect()));
    }
    let suites = options.suites.as_deref().map(|list| {
        parse_list(
            "--suites",
            "cipher suite",
            list,
            CipherSuite::ALL,
            |suite| suite.name(),
        )
    });
    let protocols = match &options.alpn {
        Some(list) => list.split(',').map(|name| name.trim().into()).collect(),
        None => protocols.iter().map(|name| (*name).into()).collect(),
    };
    Ok(Terms {
        policy,
        groups,
        suites: suites.transpose()?,
        protocols,
        key_log: options.keylog.as_deref().map(key_log).transpose()?,
    })
}

/// A configuration that cannot be built.
pub(crate) fn refused(error: &ConfigError) -> Failure {
    let advice = match error {
        ConfigError::OutsidePolicy { policy, .. } => {
            format!(" (`pith policy show {policy}` shows what it allows)")
        }
        _ => String::new(),
    };
    Failure::input(format!(
        "these options cannot be used together: {error}{advice}"
    ))
}

/// The policy of this name, in upper or lower case.
pub(crate) fn policy(name: &str) -> Result<&'static Policy, Failure> {
    Policy::by_name(&name.to_ascii_uppercase()).ok_or_else(|| {
        let names = policy::ALL.map(|policy| policy.name).join(", ");
        Failure::input(format!(
            "expected the name of a policy, and got {name:?}: take one of {names}"
        ))
    })
}

/// The host of HOST:PORT, without the brackets of an IPv6 address.
pub(crate) fn host(server: &str) -> Result<&str, Failure> {
    let parts = server.rsplit_once(':').filter(|(host, port)| {
        let bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        !host.is_empty() && bare && port.parse::<u16>().is_ok()
    });
    match parts {
        Some((host, _)) => Ok(host.trim_start_matches('[').trim_end_matches(']')),
        None => Err(Failure::input(format!(
            "expected HOST:PORT, such as example.org:443 or [::1]:8443, and got {server:?}"
        ))),
    }
}

/// A name that a server can prove.
pub(crate) fn name(name: &str) -> Result<&str, Failure> {
    match ServerName::try_from(name) {
        Ok(_) => Ok(name),
        Err(_) => Err(Failure::input(format!(
            "the server's name has to be a DNS name (an international one in its xn-- form) or an IP address, and {name:?} is neither: give another with --sni"
        ))),
    }
}

/// A TCP connection to the first address of `server` that takes one.
pub(crate) fn dial(server: &str) -> Result<TcpStream, Failure> {
    let addresses: Vec<SocketAddr> = server
        .to_socket_addrs()
        .map_err(|error| {
            Failure::connection(format!(
                "the name in {server} has no address ({error}): correct it, or look at this machine's DNS"
            ))
        })?
        .collect();
    let mut last = std::io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match TcpStream::connect_timeout(&address, DIAL_LIMIT) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(failure::tcp(server, &last))
}

/// The time, for the dates of certificates.
pub(crate) fn now() -> Now {
    Now {
        monotonic: Duration::ZERO,
        unix: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    }
}

/// Lets nobody but its owner read the file that these options create.
pub(crate) fn keep_private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
}

/// The keys of --pin.
fn pinned(pins: &[String]) -> Result<Trust, Failure> {
    let pins = pins.iter().map(|pin| {
        let digest = unhex(pin).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        digest.ok_or_else(|| {
            Failure::input(format!(
                "--pin expects 64 hex digits, the SHA-256 of the peer's SubjectPublicKeyInfo, and got {pin:?}: `pith server` shows its own when it starts"
            ))
        })
    });
    let pins: Vec<_> = pins.collect::<Result<_, _>>()?;
    Trust::pinned_keys(pins)
        .map_err(|error| Failure::input(format!("the keys of --pin cannot be used: {error}")))
}

/// Warns of a file that others than its owner can read, where `secret` says what that gives away.
pub(crate) fn warn_if_shared(path: &Path, secret: &str) {
    #[cfg(unix)]
    if fs::metadata(path)
        .is_ok_and(|file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o077 != 0)
    {
        let path = path.display();
        say(format_args!(
            "pith: warning: others than its owner can read {path}, and so {secret}: take that away with `chmod 600 {path}`"
        ));
    }
}

pub(crate) fn roots(path: &Path) -> Result<Trust, Failure> {
    let pem = read(path, "CA certificates in PEM")?;
    Trust::roots_from_pem(&pem).map_err(|error| {
        Failure::input(format!(
            "{} cannot be used for --ca: {error}",
            path.display()
        ))
    })
}

/// The CA certificates of this machine. Some stores hold a few that nobody can use; those are left out.
fn system_roots() -> Result<Trust, Failure> {
    let loaded = rustls_native_certs::load_native_certs();
    let usable = |certificate: &_| Trust::roots_from_der(std::slice::from_ref(certificate)).is_ok();
    let certificates: Vec<_> = loaded.certs.into_iter().filter(usable).collect();
    Trust::roots_from_der(&certificates).map_err(|_| {
        let why = loaded.errors.first().map(|error| format!(" ({error})"));
        Failure::input(format!(
            "--system-roots expects CA certificates on this machine, and found none{}: install them (the package ca-certificates), name a file in SSL_CERT_FILE, or give --ca",
            why.unwrap_or_default()
        ))
    })
}

/// Who keeps traces in this directory.
pub(crate) fn traces(
    folder: &Path,
) -> Result<impl Fn(&Subject) -> Option<Box<dyn Observer>> + Send + Sync + 'static, Failure> {
    qlog::in_folder(folder, qlog::Schema::V03).map_err(|error| {
        Failure::input(format!(
            "--qlog expects a directory for traces, and {} cannot be one ({error})",
            folder.display()
        ))
    })
}

/// A key log that appends to a file. One that can no longer be written is no reason to fail, and is named once.
pub(crate) fn key_log(path: &Path) -> Result<KeyLog, Failure> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    keep_private(&mut options);
    let file = options.open(path).map_err(|error| {
        Failure::input(format!(
            "--keylog expects a file that can be appended to, and {} is none ({error}): correct the path or its permissions",
            path.display()
        ))
    })?;
    say(format_args!(
        "pith: warning: whoever reads {} can decrypt these connections",
        path.display()
    ));
    let (file, shown) = (Mutex::new(Some(file)), path.display().to_string());
    Ok(KeyLog::new(move |line| {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file
            .as_mut()
            .map(|file| file.write_all(format!("{line}\n").as_bytes()));
        if let Some(Err(error)) = written {
            say(format_args!("pith: {shown} cannot be written: {error}"));
            *file = None;
        }
    }))
}

/// Names between commas, each of something in `all`.
fn parse_list<T: Copy>(
    option: &str,
    what: &str,
    list: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<Vec<T>, Failure> {
    let items = list.split(',').map(str::trim).map(|word| {
        let item = all.iter().copied().find(|item| name(*item).eq_ignore_ascii_case(word));
        item.ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|item| name(*item)).collect();
            Failure::input(format!(
                "{option} expects names with commas between, and got {word:?}, which names no {what}: take from {}",
                names.join(", ")
            ))
        })
    });
    items.collect()
}

/// Reads a file that cannot be large.
pub(crate) fn read(path: &Path, expected: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let done = fs::File::open(path).and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut bytes));
    match done {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::input(format!(
            "expected {expected} in {}, but it cannot be read ({error}): correct the path or its permissions",
            path.display()
        ))),
    }
}

/// The bytes that this is the hex of.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let (digits, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let bytes = digits.iter().map(|pair| {
        let pair = str::from_utf8(pair)
            .ok()
            .filter(|pair| !pair.starts_with('+'))?;
        u8::from_str_radix(pair, 16).ok()
    });
    bytes.collect()
}

/// The file of --early-data.
pub(crate) fn first_data(path: &Path) -> Result<Vec<u8>, Failure> {
    let data = read(path, "data to send first")?;
    let refused = |why: &str| {
        Failure::input(format!(
            "--early-data cannot send {}: {why}",
            path.display()
        ))
    };
    match data.len() {
        0 => Err(refused("it is empty")),
        1..=FIRST_DATA => Ok(data),
        _ => Err(refused(
            "it is of over 65,536 bytes, and early data is for a request: send the rest by standard input",
        )),
    }
}

/// Bytes of a PEM file that are read. All of Mozilla's roots are about 200 KiB.
const FILE_LIMIT: u64 = 4 << 20;
/// Bytes of a file for --early-data. So many fit between two sockets, whether or not the server answers meanwhile.
const FIRST_DATA: usize = 64 << 10;
/// What a [`StrikeRegister`] waits for.
const REGISTER_WAITS: Duration = Duration::from_secs(20);
const DIAL_LIMIT: Duration = Duration::from_secs(10); // for each address
