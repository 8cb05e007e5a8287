//! What a peer's certificate says, for people and as JSON. Who reads it here has verified it before.

use pith_tls::{CertificateDer, key_pin};
use time::OffsetDateTime;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

use crate::escape;

/// A certificate, as its issuer wrote it. All text is unescaped.
pub(crate) struct Identity {
    subject: String,
    issuer: String,
    names: Vec<String>,
    not_after: OffsetDateTime,
    pin: String,
}

impl Identity {
    /// Reads a certificate. `None` for one that cannot be shown: a pinned key may come in any.
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
        let names = parsed.subject_alternative_name().ok()?;
        let names = names.map_or(&[][..], |extension| &extension.value.general_names);
        let seconds = parsed.validity().not_after.timestamp();
        Some(Self {
            subject: distinguished(parsed.subject()),
            issuer: distinguished(parsed.issuer()),
            names: names.iter().filter_map(alternative).collect(),
            not_after: OffsetDateTime::from_unix_timestamp(seconds).ok()?,
            pin: escape::hex(&key_pin(certificate).ok()?),
        })
    }

    /// A name and a value for what a person wants to know of it.
    pub(crate) fn rows(&self, whose: &'static str) -> Vec<(String, String)> {
        let mut names: Vec<_> = self.names.iter().take(SHOWN).cloned().collect();
        if let Some(more) = self.names.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            names.push(format!("{more} more"));
        }
        let names = match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        };
        [
            ("", &self.subject),
            ("'s names", &names),
            ("'s issuer", &self.issuer),
            (
                "'s certificate",
                &format!("valid until {}", utc(self.not_after)),
            ),
            ("'s key", &format!("SHA-256 {}", self.pin)),
        ]
        .into_iter()
        .map(|(what, value)| (format!("{whose}{what}"), escape::printable(value)))
        .collect()
    }

    /// A JSON object.
    pub(crate) fn json(&self) -> String {
        let names: Vec<_> = self.names.iter().map(|name| escape::json(name)).collect();
        format!(
            "{{\"subject\":{},\"names\":[{}],\"issuer\":{},\"not_after\":{},\"key_sha256\":{}}}",
            escape::json(&self.subject),
            names.join(","),
            escape::json(&self.issuer),
            self.not_after.unix_timestamp(),
            escape::json(&self.pin),
        )
    }
}

/// A time as a date in UTC.
pub(crate) fn utc(time: OffsetDateTime) -> String {
    let (date, (hour, minute, second)) = (time.date(), time.to_hms());
    format!(
        "{:04}-{:02}-{:02} {hour:02}:{minute:02}:{second:02} UTC",
        date.year(),
        u8::from(date.month()),
        date.day(),
    )
}

/// `CN=alice,O=Example`. What could be taken for the next part is escaped as in RFC 4514.
fn distinguished(name: &X509Name<'_>) -> String {
    let parts = name.iter_attributes().map(|attribute| {
        let kind = attribute.attr_type();
        let kind =
            oid2abbrev(kind, oid_registry()).map_or_else(|_| kind.to_id_string(), str::to_owned);
        let value = attribute.as_str().map_or_else(
            |_| format!("#{}", escape::hex(attribute.attr_value().data)),
            escaped,
        );
        format!("{kind}={value}")
    });
    parts.collect::<Vec<_>>().join(",")
}

fn escaped(value: &str) -> String {
    value.chars().fold(String::new(), |mut out, character| {
        if matches!(
            character,
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' | '#'
        ) {
            out.push('\\');
        }
        out.push(character);
        out
    })
}

fn alternative(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let (four, sixteen) = (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes));
            let four = four.map(|bytes| std::net::IpAddr::from(bytes).to_string());
            let sixteen = sixteen.map(|bytes| std::net::IpAddr::from(bytes).to_string());
            four.or(sixteen).ok()
        }
        _ => None,
    }
}

/// Names that are shown to a person.
const SHOWN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_pose_as_another() {
        let rows = [
            ("alice", "alice"),
            ("alice,O=Example", "alice\\,O\\=Example"),
            ("a+b\\", "a\\+b\\\\"),
        ];
        for (value, want) in rows {
            assert_eq!(escaped(value), want);
        }
    }

    #[test]
    fn dates() {
        for (seconds, want) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_503_723, "2026-11-24 07:02:03 UTC"),
        ] {
            let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap();
            assert_eq!(utc(time), want, "{seconds}");
        }
    }
}
