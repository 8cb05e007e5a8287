//! What a URL of QUIC says.

use std::net::Ipv6Addr;

use crate::escape;
use crate::failure::Failure;

/// What to get, and where from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) path: String,
}

/// Takes a URL apart.
pub(crate) fn parse(url: &str) -> Result<Url, Failure> {
    let wrong = |why: &str| {
        Failure::input(format!(
            "expected https://HOST[:PORT]/PATH, and got {}: {why}",
            escape::printable(url)
        ))
    };
    let Some(rest) = url.strip_prefix("https://") else {
        return Err(wrong("QUIC is for https alone"));
    };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    if path.contains([' ', '#']) || path.chars().any(char::is_control) {
        return Err(wrong("a path has no blank, # or control character in it"));
    }
    let (host, port) = match (authority.strip_prefix('['), authority.rsplit_once(':')) {
        (Some(rest), _) => {
            let (host, port) = rest.split_once(']').ok_or(wrong("no ] behind the ["))?;
            (
                host,
                port.strip_prefix(':')
                    .or((port.is_empty()).then_some("443")),
            )
        }
        (None, Some((host, port))) => (host, Some(port)),
        (None, None) => (authority, Some("443")),
    };
    let port = port.and_then(|port| port.parse().ok().filter(|port| *port != 0));
    let port = port.ok_or(wrong("a port is a number from 1 to 65535"))?;
    if host.is_empty() || host.contains(['@', ':']) && host.parse::<Ipv6Addr>().is_err() {
        return Err(wrong("the host is no name and no address"));
    }
    Ok(Url {
        host: host.to_owned(),
        port,
        path: path.to_owned(),
    })
}

/// A host and a port, as they stand in a URL.
pub(crate) fn authority(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// The name of a file on this side: the last part of its path.
pub(crate) fn name<'a>(url: &str, path: &'a str) -> Result<&'a str, Failure> {
    let path = path.split('?').next().unwrap_or_default();
    let name = path.rsplit('/').next().unwrap_or_default();
    match name {
        "" | "." | ".." => Err(Failure::input(format!(
            "{url} names no file, so it has no name in --output: get it by itself, with --output FILE"
        ))),
        name => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let url = |host: &str, port, path: &str| {
            Some(Url {
                host: host.to_owned(),
                port,
                path: path.to_owned(),
            })
        };
        for (text, want) in [
            ("https://a.example/b", url("a.example", 443, "/b")),
            ("https://a.example", url("a.example", 443, "/")),
            (
                "https://a.example:4433/b/c?d",
                url("a.example", 4433, "/b/c?d"),
            ),
            ("https://192.0.2.1:1/", url("192.0.2.1", 1, "/")),
            ("https://[2001:db8::1]/a", url("2001:db8::1", 443, "/a")),
            (
                "https://[2001:db8::1]:8443/a",
                url("2001:db8::1", 8443, "/a"),
            ),
            ("https://[2001:db8::1/a", None),
            ("https://[2001:db8::1]x/a", None),
            ("https://2001:db8::1/a", None),
            ("https://a.example:0/", None),
            ("https://a.example:65536/", None),
            ("https://a.example:/", None),
            ("https://user@a.example/", None),
            ("https:///a", None),
            ("http://a.example/", None),
            ("a.example/b", None),
            ("https://a.example/b c", None),
            ("https://a.example/b\nGET", None),
            ("https://a.example/b#c", None),
        ] {
            assert_eq!(parse(text).ok(), want, "{text:?}");
        }
    }
}
