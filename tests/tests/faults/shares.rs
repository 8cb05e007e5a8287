//! Key shares of every group.

use pith_tests::message::share;

use super::*;

/// Every group's share, by its length and by its value, in both directions: known attacks P01, P02, P05 and P06.
#[test]
fn a_bad_key_share_of_any_group() {
    let pki = Pki::new();
    let leaf = pki.leaf(NAME);
    for group in Group::ALL.iter().copied() {
        let client = ClientConfig::new(trust(&pki))
            .groups(&[group])
            .build()
            .unwrap();
        let server = ServerConfig::new(credential(&leaf))
            .groups(&[group])
            .build()
            .unwrap();
        for role in [Role::Client, Role::Server] {
            let expected = match role {
                Role::Client => group.server_share_len(),
                Role::Server => group.client_share_len(),
            };
            let try_value = |row: &str, edit: &dyn Fn(&mut Vec<u8>), want: Fault| {
                let mut bench = Bench::with(role, &client, &server);
                let mut hello = Hello::parse(&bench.peer.next_message().unwrap());
                match role {
                    Role::Server => edit_shares(&mut hello, |shares| edit(&mut shares[0].1)),
                    Role::Client => {
                        let mut value = hello.extensions.body(51)[4..].to_vec();
                        edit(&mut value);
                        hello.extensions.set(51, share(group.code(), &value));
                    }
                }
                let wire = bench.peer.record(HANDSHAKE, &hello.encode());
                bench.fails(&format!("{group}, {role:?}, {row}"), &wire, want);
            };
            let length = |got| Fault::KeyShareLength {
                group,
                expected,
                got,
            };
            try_value(
                "a byte less",
                &|value| value.truncate(expected - 1),
                length(expected - 1),
            );
            try_value("a byte more", &|value| value.push(0), length(expected + 1));
            try_value("one byte", &|value| value.truncate(1), length(1));
            let invalid = Fault::KeyShareInvalid { group };
            for (row, edit) in bad_values(group, role) {
                try_value(row, &*edit, invalid);
            }
        }
    }
}

type Bend = Box<dyn Fn(&mut Vec<u8>)>;

/// Values of the right length that are not in the group.
fn bad_values(group: Group, role: Role) -> Vec<(&'static str, Bend)> {
    use Group as G;
    // Where the classical part begins, and where a client's ML-KEM key does.
    let (point, lattice) = match group {
        G::X25519 | G::Secp256r1 | G::Secp384r1 | G::Secp521r1 => (Some(0), None),
        G::X25519MlKem768 if role == Role::Server => (Some(1184), Some(0)),
        G::X25519MlKem768 => (Some(1088), Some(0)),
        G::SecP256r1MlKem768 => (Some(0), Some(65)),
        G::SecP384r1MlKem1024 => (Some(0), Some(97)),
        _ => (None, Some(0)),
    };
    let mut rows: Vec<(&'static str, Bend)> = Vec::new();
    match (group, point) {
        (G::X25519 | G::X25519MlKem768, Some(at)) => {
            rows.push((
                "all zero",
                Box::new(move |value| value[at..at + 32].fill(0)),
            ));
            rows.push((
                "a point of order 2",
                Box::new(move |value| {
                    value[at..at + 32].fill(0);
                    value[at] = 1;
                }),
            ));
            rows.push((
                "the prime",
                Box::new(move |value| {
                    value[at..at + 32].fill(0xff);
                    (value[at], value[at + 31]) = (0xed, 0x7f);
                }),
            ));
        }
        (_, Some(at)) => {
            for (row, first) in [
                ("compressed", 2),
                ("compressed, odd", 3),
                ("hybrid", 6),
                ("infinity", 0),
            ] {
                rows.push((row, Box::new(move |value| value[at] = first)));
            }
            rows.push(("off the curve", Box::new(move |value| value[at + 1] ^= 1)));
        }
        (_, None) => {}
    }
    if let (Some(at), Role::Server) = (lattice, role) {
        let unreduced = move |value: &mut Vec<u8>| value[at..at + 3].fill(0xff);
        rows.push(("a coefficient that is not reduced", Box::new(unreduced)));
    }
    rows
}
