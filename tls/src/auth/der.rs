//! Short walks through certificates that webpki has already parsed.
//!
//! webpki decides whether a certificate is well formed and valid; it keeps a few fields to itself that an error text or one
//! rule of TLS 1.3 needs: a name's CN, the Key Usage bits, the parts of a SubjectPublicKeyInfo. This file reads those and
//! nothing else, and when a revocation list is out of date. No decision that webpki makes is made again here, and what does not read as DER is `None`, never a guess.
//! Encodings: X.690 and RFC 5280.

use core::time::Duration;

/// The items of a constructed value in order, each as tag and content; `None` once when the bytes do not read as DER.
pub(super) fn items(value: &[u8]) -> impl Iterator<Item = Option<(u8, &[u8])>> {
    let mut left = Some(value);
    std::iter::from_fn(move || {
        let value = left.filter(|value| !value.is_empty())?;
        let item = split(value);
        left = item.map(|(_, _, rest)| rest);
        Some(item.map(|(tag, content, _)| (tag, content)))
    })
}

/// The content of the first item, and what follows it.
pub(super) fn split(value: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, value) = value.split_first()?;
    let (first, value) = value.split_first()?;
    let (length, value) = match first {
        0..=0x7f => (usize::from(*first), value),
        0x81..=0x83 => {
            let (bytes, value) = value.split_at_checked(usize::from(first & 0x7f))?;
            let shift =
                |sum: usize, byte: &u8| sum.saturating_mul(256).saturating_add(usize::from(*byte));
            (bytes.iter().fold(0, shift), value)
        }
        _ => return None,
    };
    let (content, rest) = value.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// The content of a SEQUENCE, with its header again.
pub(super) fn sequence(content: &[u8]) -> Vec<u8> {
    item(0x30, content)
}

/// The content of a BIT STRING, its count of unused bits included, with its header.
pub(super) fn bit_string(content: &[u8]) -> Vec<u8> {
    item(0x03, content)
}

fn item(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let first = length
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(length.len());
    let length = length.get(first..).unwrap_or_default();
    let mut out = vec![tag];
    match length {
        [] => out.push(0),
        [short @ 0..=0x7f] => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(0x7f));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}

/// The last common name of a distinguished name, given without its outer SEQUENCE.
pub(super) fn common_name(name: &[u8]) -> Option<String> {
    let mut found = None;
    for set in items(name) {
        for attribute in items(set?.1) {
            let mut parts = items(attribute?.1);
            let (_, kind) = parts.next()??;
            let (tag, text) = parts.next()??;
            if kind == COMMON_NAME && matches!(tag, UTF8 | PRINTABLE | TELETEX | IA5) {
                found = Some(String::from_utf8_lossy(text).into_owned());
            }
        }
    }
    found
}

/// Whether a certificate's Key Usage allows signatures; true where it has none.
pub(super) fn allows_signing(certificate: &[u8]) -> Option<bool> {
    let (_, certificate, _) = split(certificate)?;
    let (_, fields, _) = split(certificate)?;
    for field in items(fields) {
        let (tag, value) = field?;
        if tag != EXTENSIONS {
            continue;
        }
        let (_, extensions, _) = split(value)?;
        for extension in items(extensions) {
            let mut parts = items(extension?.1);
            if parts.next()??.1 == KEY_USAGE {
                let (_, octets) = parts.last()??; // after the optional `critical`
                let (_, bits, _) = split(octets)?; // a count of unused bits, then the bits
                return Some(
                    bits.get(1)
                        .is_some_and(|first| first & DIGITAL_SIGNATURE != 0),
                );
            }
        }
    }
    Some(true)
}

/// The identifier of the algorithm that a certificate is signed with, without its outer SEQUENCE.
pub(super) fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    Some(signed_parts(certificate)?.1)
}

/// What is signed in a certificate, that identifier, and the signature.
pub(super) fn signed_parts(certificate: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (_, certificate, _) = split(certificate)?;
    let (_, _, rest) = split(certificate)?;
    let signed = certificate.get(..certificate.len().checked_sub(rest.len())?)?;
    let (_, algorithm, rest) = split(rest)?;
    let (_, bits, _) = split(rest)?;
    Some((signed, algorithm, bits.get(1..)?))
}

/// When a revocation list is out of date, if it says so: the second of two times, behind version, algorithm and issuer.
pub(super) fn next_update(list: &[u8]) -> Option<Duration> {
    let (signed, _, _) = signed_parts(list)?;
    let (_, fields, _) = split(signed)?;
    let (tag, text) = items(fields).nth(4)??;
    time(tag, text)
}

/// A time of RFC 5280 section 4.1.2.5, since 1970-01-01.
fn time(tag: u8, text: &[u8]) -> Option<Duration> {
    let number = |digits: &[u8]| {
        let digits = core::str::from_utf8(digits).ok()?;
        digits.parse::<u64>().ok()
    };
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            // Two digits are of 1950 to 2049.
            let century = if year < 50 { 2000 } else { 1900 };
            (year.checked_add(century)?, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let numbers = rest.strip_suffix(b"Z")?.chunks(2).map(number);
    let numbers = numbers.collect::<Option<Vec<u64>>>()?;
    let [month @ 1..=12, day @ 1..=31, hour, minute, second] = numbers[..] else {
        return None;
    };
    // A year begins in March here, so that a leap day is its last.
    let (year, month) = match month {
        1 | 2 => (year.checked_sub(1)?, month.checked_add(9)?),
        _ => (year, month.checked_sub(3)?),
    };
    let leap_days = (year / 4)
        .checked_sub(year / 100)?
        .checked_add(year / 400)?;
    let before = month.checked_mul(153)?.checked_add(2)? / 5; // days of the months before, 153 in five
    let days = year.checked_mul(365)?.checked_add(leap_days)?;
    let days = days.checked_add(before)?.checked_add(day)?;
    let days = days.checked_sub(719_469)?; // 1970-01-01, which was day 1
    let hours = days.checked_mul(24)?.checked_add(hour)?;
    let minutes = hours.checked_mul(60)?.checked_add(minute)?;
    Some(Duration::from_secs(
        minutes.checked_mul(60)?.checked_add(second)?,
    ))
}

/// The algorithm identifier of a private key in PKCS#8, without its outer SEQUENCE.
pub(super) fn key_algorithm(key: &[u8]) -> Option<&[u8]> {
    let (_, fields, _) = split(key)?;
    Some(items(fields).nth(1)??.1)
}

/// The algorithm identifier (without its outer SEQUENCE) and the key of a SubjectPublicKeyInfo.
pub(super) fn public_key(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, spki, _) = split(spki)?;
    let (_, algorithm, rest) = split(spki)?;
    let (_, bits, _) = split(rest)?;
    Some((algorithm, bits.get(1..)?))
}

/// Whether an algorithm identifier, given without its outer SEQUENCE, is id-RSASSA-PSS (RFC 4055).
pub(super) fn is_rsa_pss(algorithm: &[u8]) -> bool {
    split(algorithm).is_some_and(|(_, oid, _)| oid == RSASSA_PSS)
}

/// The size in bits of an RSAPublicKey's modulus.
pub(super) fn rsa_bits(key: &[u8]) -> Option<usize> {
    let (_, numbers, _) = split(key)?;
    let (_, modulus, _) = split(numbers)?;
    let start = modulus.iter().position(|byte| *byte != 0)?;
    let modulus = modulus.get(start..)?;
    let empty = usize::try_from(modulus.first()?.leading_zeros()).ok()?;
    modulus.len().checked_mul(8)?.checked_sub(empty)
}

/// An object identifier in dotted form.
pub(super) fn dotted(oid: &[u8]) -> String {
    let (mut text, mut arc) = (String::new(), 0_u64);
    for byte in oid {
        arc = arc
            .saturating_mul(128)
            .saturating_add(u64::from(byte & 0x7f));
        if byte & 0x80 != 0 {
            continue;
        }
        if text.is_empty() {
            let root = (arc / 40).min(2); // the first byte holds two numbers
            text = root.to_string();
            arc = arc.saturating_sub(root.saturating_mul(40));
        }
        text.push('.');
        text.push_str(&arc.to_string());
        arc = 0;
    }
    text
}

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const TELETEX: u8 = 0x14;
const IA5: u8 = 0x16;
const EXTENSIONS: u8 = 0xa3;
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const DIGITAL_SIGNATURE: u8 = 0x80;
const RSASSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_split_or_say_that_they_do_not() {
        let long = [&[4, 0x81, 200][..], &[7; 200]].concat();
        let rows: [(&str, &[u8], Option<usize>); 9] = [
            ("nothing", &[], Some(0)),
            ("two items", &[5, 0, 4, 1, 9], Some(2)),
            ("one of 200 bytes", &long, Some(1)),
            ("a tag alone", &[5], None),
            ("content cut off", &[4, 2, 9], None),
            ("length cut off", &[4, 0x82, 1], None),
            ("indefinite length", &[0x30, 0x80, 0, 0], None),
            ("length of four bytes", &[4, 0x84, 0, 0, 0, 0], None),
            ("second item cut off", &[5, 0, 4, 9], None),
        ];
        for (name, bytes, want) in rows {
            let count = items(bytes)
                .map(|item| item.map(|_| ()))
                .collect::<Option<Vec<_>>>();
            assert_eq!(count.map(|items| items.len()), want, "{name}");
        }
    }

    #[test]
    fn a_sequence_splits_into_what_it_was_made_of() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let whole = sequence(&content);
            assert_eq!(
                split(&whole),
                Some((0x30, &content[..], &[][..])),
                "{length}"
            );
        }
    }

    #[test]
    fn times_are_read_to_the_second() {
        let rows: [(u8, &[u8], Option<u64>); 16] = [
            (UTC_TIME, b"700101000000Z", Some(0)),
            (UTC_TIME, b"700301000000Z", Some(59 * 86_400)),
            (UTC_TIME, b"720229235959Z", Some(68_256_000 - 1)),
            (UTC_TIME, b"491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, b"691231235959Z", None), // before 1970
            (GENERALIZED_TIME, b"20261124065450Z", Some(1_795_503_290)),
            (GENERALIZED_TIME, b"20000229000000Z", Some(951_782_400)),
            (GENERALIZED_TIME, b"21000301000000Z", Some(4_107_542_400)),
            (GENERALIZED_TIME, b"99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, b"20260024065450Z", None),
            (GENERALIZED_TIME, b"20261324065450Z", None),
            (GENERALIZED_TIME, b"202611240654Z", None),
            (GENERALIZED_TIME, b"20261124065450", None),
            (GENERALIZED_TIME, b"20261124065450+0100", None),
            (UTC_TIME, b"", None),
            (4, b"700101000000Z", None),
        ];
        for (tag, text, want) in rows {
            let row = String::from_utf8_lossy(text);
            assert_eq!(time(tag, text), want.map(Duration::from_secs), "{row}");
        }
    }

    #[test]
    fn object_identifiers_are_dotted() {
        for (bytes, want) in [
            (&[0x55, 4, 3][..], "2.5.4.3"),
            (
                &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11],
                "1.2.840.113549.1.1.11",
            ),
            (&[0x09, 0x92, 0x26], "0.9.2342"),
            (&[0x88, 0x37], "2.999"),
            (&[], ""),
        ] {
            assert_eq!(dotted(bytes), want);
        }
    }

    #[test]
    fn a_common_name_is_the_last_one_of_a_text_kind() {
        let attribute = |oid: u8, tag: u8, text: &[u8]| {
            let length = |extra: usize| u8::try_from(text.len() + extra).unwrap();
            let head = [
                0x31,
                length(9),
                0x30,
                length(7),
                6,
                3,
                0x55,
                4,
                oid,
                tag,
                length(0),
            ];
            [&head[..], text].concat()
        };
        for (name, bytes, want) in [
            ("none", attribute(10, UTF8, b"Org"), None),
            ("one", attribute(3, UTF8, b"CA"), Some("CA")),
            (
                "two",
                [attribute(3, UTF8, b"a"), attribute(3, PRINTABLE, b"b")].concat(),
                Some("b"),
            ),
            ("UTF-16", attribute(3, 0x1e, b"\0C\0A"), None),
            (
                "not UTF-8",
                attribute(3, TELETEX, b"\xe4"),
                Some("\u{fffd}"),
            ),
            ("cut off", attribute(3, UTF8, b"CA")[..12].to_vec(), None),
        ] {
            assert_eq!(common_name(&bytes).as_deref(), want, "{name}");
        }
    }
}
