//! The file that a path of a request names, and what it is.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::input::unhex;

/// Why there is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is none, or none for a file.
    Request,
    /// There is no such file.
    NotFound,
    /// It is there, and cannot be read.
    Unreadable,
}

impl Refusal {
    pub(crate) const ALL: [Self; 3] = [Self::Request, Self::NotFound, Self::Unreadable];

    /// As a status of HTTP.
    pub(crate) fn code(self) -> u16 {
        match self {
            Self::Request => 400,
            Self::NotFound => 404,
            Self::Unreadable => 500,
        }
    }

    /// As a status of HTTP in words.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Request => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::Unreadable => "500 Internal Server Error",
        }
    }
}

/// What is sent for a request.
pub(crate) struct Found {
    pub(crate) file: File,
    pub(crate) length: u64,
    /// What it is, as a media type.
    pub(crate) kind: &'static str,
}

/// The file of a request's target, `/PATH` with or without a query.
pub(crate) fn find(root: &Path, target: &str) -> Result<Found, Refusal> {
    let path = path(target).ok_or(Refusal::Request)?;
    let path = fs::canonicalize(root.join(path)).map_err(|_| Refusal::NotFound)?;
    if !path.starts_with(root) || !path.is_file() {
        return Err(Refusal::NotFound);
    }
    let file = File::open(&path).map_err(|_| Refusal::Unreadable)?;
    let length = file.metadata().map_err(|_| Refusal::Unreadable)?.len();
    Ok(Found {
        file,
        length,
        kind: kind(&path),
    })
}

/// Whether a target is the root, whose index may be missing.
pub(crate) fn is_root(target: &str) -> bool {
    target.split('?').next() == Some("/")
}

/// The path of a target, relative, with nothing in it that leads upwards or elsewhere.
fn path(target: &str) -> Option<PathBuf> {
    let target = target.strip_prefix('/')?;
    let target = target.split('?').next().unwrap_or_default();
    if target.is_empty() {
        return Some(PathBuf::from("index.html"));
    }
    target.split('/').map(name).collect()
}

/// The name that a part of a path stands for. It is decoded once, and looked at after that: what a name cannot have, `%` brings into none.
fn name(part: &str) -> Option<String> {
    let name = match part.contains(' ') {
        true => return None,
        false => decode(part)?,
    };
    let odd = |c: char| c.is_control() || c == '/' || c == '\\';
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(odd);
    plain.then_some(name)
}

/// The text in which each byte can be written as `%` and two hexadecimal digits.
fn decode(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        bytes.extend(unhex(digits)?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// The media type that the name of a file says.
fn kind(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|name| name.to_str());
    match extension.unwrap_or_default() {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "txt" | "md" => "text/plain; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_nowhere_else() {
        for (target, want) in [
            ("/a", Some("a")),
            ("/a/b.txt", Some("a/b.txt")),
            ("/a?b=c", Some("a")),
            ("/a?b=../c", Some("a")),
            ("/", Some("index.html")),
            ("/?b", Some("index.html")),
            ("/..", None),
            ("/../a", None),
            ("/a/../../b", None),
            ("/a/./b", None),
            ("//etc/passwd", None),
            ("/a//b", None),
            ("/a/", None),
            ("/a\\b", None),
            ("/a\0b", None),
            ("/a\r\nb", None),
            ("/a b", None),
            ("a", None),
            ("*", None),
            ("", None),
            ("/a%20b", Some("a b")),
            ("/%61/%62.txt?%2e", Some("a/b.txt")),
            ("/%C3%A9", Some("é")),
            ("/é", Some("é")),
            ("/a%25b", Some("a%b")),
            ("/%252e%252e/a", Some("%2e%2e/a")),
            ("/a%3Fb", Some("a?b")),
            ("/%2e%2e/a", None),
            ("/%2E./a", None),
            ("/a/%2e%2e%2fb", None),
            ("/%2e", None),
            ("/a%2fb", None),
            ("/%2fetc%2fpasswd", None),
            ("/%5c..", None),
            ("/a%00", None),
            ("/a%00.html", None),
            ("/a%0d%0ab", None),
            ("/a%7f", None),
            ("/%c2%85", None),
            ("/%", None),
            ("/%2", None),
            ("/a%+1", None),
            ("/a%2x", None),
            ("/%é", None),
            ("/%ff", None),
            ("/%c0%ae%c0%ae/a", None),
        ] {
            assert_eq!(path(target), want.map(PathBuf::from), "{target:?}");
        }
    }

    #[test]
    fn kinds() {
        for (name, want) in [
            ("a.html", "text/html; charset=utf-8"),
            ("b/a.min.js", "text/javascript; charset=utf-8"),
            ("a.svg", "image/svg+xml"),
            ("a", "application/octet-stream"),
            (".html", "application/octet-stream"),
            ("a.exe", "application/octet-stream"),
        ] {
            assert_eq!(kind(Path::new(name)), want, "{name}");
        }
    }
}
