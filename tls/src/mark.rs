//! Digests that stand for what a configuration says, so that two can be compared, on one machine or on two.
//!
//! Each part is hashed behind its length, and the whole behind a label, so that no two lists run into each other.

use pith_crypto::{Hash, Hasher};

/// A SHA-256 that stands for a text or a list.
pub(crate) type Mark = [u8; 32];

/// The mark of a list.
pub(crate) fn mark(label: &str, parts: &[&[u8]]) -> Mark {
    let mut hasher = Hasher::new(Hash::Sha256);
    for part in core::iter::once(&label.as_bytes()).chain(parts) {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        hasher.update(&length.to_be_bytes());
        hasher.update(part);
    }
    let mut mark = [0; 32];
    for (to, from) in mark.iter_mut().zip(hasher.fork().as_ref()) {
        *to = *from;
    }
    mark
}

/// The mark of a list whose order, and what stands twice in it, do not matter.
pub(crate) fn mark_of_set(label: &str, parts: impl IntoIterator<Item = Mark>) -> Mark {
    let mut parts: Vec<Mark> = parts.into_iter().collect();
    parts.sort_unstable();
    parts.dedup();
    let parts: Vec<&[u8]> = parts.iter().map(<[u8; 32]>::as_slice).collect();
    mark(label, &parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_that_differ_in_anything_have_different_marks() {
        let rows: [(&str, &str, &[&[u8]]); 7] = [
            ("nothing", "l", &[]),
            ("an empty part", "l", &[b""]),
            ("two empty parts", "l", &[b"", b""]),
            ("one part", "l", &[b"ab"]),
            ("the same bytes in two parts", "l", &[b"a", b"b"]),
            ("another order", "l", &[b"b", b"a"]),
            ("another label", "m", &[b"ab"]),
        ];
        for (at, (name, label, parts)) in rows.iter().enumerate() {
            for (other, other_label, other_parts) in &rows[..at] {
                let same = mark(label, parts) == mark(other_label, other_parts);
                assert!(!same, "{name} and {other}");
            }
        }
    }

    #[test]
    fn a_set_has_no_order_and_nothing_twice() {
        let [a, b, c] = [[1; 32], [2; 32], [3; 32]];
        assert_eq!(mark_of_set("s", [a, b]), mark_of_set("s", [b, a, b]));
        assert_ne!(mark_of_set("s", [a, b]), mark_of_set("s", [a, c]));
        assert_ne!(mark_of_set("s", [a]), mark_of_set("s", [a, b]));
    }
}
