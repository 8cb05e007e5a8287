//! Transport parameters that no side may say, through a handshake: the other closes with TRANSPORT_PARAMETER_ERROR and says so.

use super::*;
use crate::Fault;
use crate::config::Lie;
use crate::error::Code;

const SIDES: [Side; 2] = [Side::Client, Side::Server];

/// Those that are integers, with the ends of their ranges (RFC 9000 sections 4.6 and 18.2, RFC 9221 section 3).
const INTEGERS: [(u64, u64, u64); 12] = [
    (0x01, 0, limits::VARINT),
    (0x03, 1200, limits::VARINT),
    (0x04, 0, limits::VARINT),
    (0x05, 0, limits::VARINT),
    (0x06, 0, limits::VARINT),
    (0x07, 0, limits::VARINT),
    (0x08, 0, 1 << 60),
    (0x09, 0, 1 << 60),
    (0x0a, 0, 20),
    (0x0b, 0, 16_383),
    (0x0e, 2, limits::VARINT),
    (0x20, 0, limits::VARINT),
];

/// A pair in which `side` lies.
fn lying(side: Side, lie: Lie) -> Pair {
    match side {
        Side::Client => Pair::with(straight(), |client| client.lie(lie), |server| server),
        Side::Server => Pair::with(straight(), |client| client, |server| server.lie(lie)),
    }
}

/// The fault with which the other side closes, if it does; the liar has to hear of it.
fn found(side: Side, lie: Lie) -> Option<TransportError> {
    let mut pair = lying(side, lie);
    let end = pair.now + Duration::from_secs(2);
    let done = |pair: &mut Pair| {
        let over = |connection: &Connection| connection.error().is_some();
        over(&pair.client) && pair.server.as_ref().is_some_and(over)
            || pair.client.state == State::Confirmed
    };
    pair.run_until(end - START, done);
    let judge = pair.side(side.peer()).error().cloned();
    let Some(ConnectionError::Transport(error)) = judge else {
        assert_eq!(judge, None);
        assert_eq!(pair.client.state, State::Confirmed);
        return None;
    };
    let told = pair.side(side).error().cloned();
    assert!(
        matches!(&told, Some(ConnectionError::PeerClosed { code, .. }) if *code == error.code),
        "{error:?}: {told:?}"
    );
    Some(error)
}

fn parameter(id: u64, value: &[u8]) -> Vec<u8> {
    [&varint(id)[..], &varint(value.len() as u64), value].concat()
}

fn varint(value: u64) -> Vec<u8> {
    let mut buffer = [0; 8];
    let mut builder = crate::wire::Builder::new(&mut buffer);
    builder.put_varint(VarInt::new(value).unwrap()).unwrap();
    builder.written().to_vec()
}

/// In place of what the side would say.
pub(super) fn instead(id: u64, value: &[u8]) -> Lie {
    Lie {
        without: Some(id),
        more: parameter(id, value),
        cut: None,
    }
}

fn refused(fault: Fault) -> Option<TransportError> {
    let error = TransportError::from(fault);
    assert_eq!(
        (error.code, error.code.0),
        (Code::TRANSPORT_PARAMETER_ERROR, 8)
    );
    Some(error)
}

#[test]
fn integers_out_of_range_close_the_handshake() {
    for (id, least, most) in INTEGERS {
        for side in SIDES {
            let outside = [least.checked_sub(1), most.checked_add(1)];
            for value in outside.into_iter().flatten() {
                if let Some(value) = VarInt::new(value) {
                    let got = found(side, instead(id, &varint(value.get())));
                    assert_eq!(got, refused(Fault::ParameterRange), "{id:#x} {value:?}");
                }
            }
            for value in [least, most] {
                let got = found(side, instead(id, &varint(value)));
                assert_eq!(got, None, "{id:#x} {value} of {side:?}");
            }
            for value in [&[][..], &[0x40], &[0x7f, 0xff, 0], &[0xff; 9]] {
                let got = found(side, instead(id, value));
                assert_eq!(got, refused(Fault::ParameterSyntax), "{id:#x} {value:x?}");
            }
        }
    }
}

#[test]
fn every_parameter_twice_closes_the_handshake() {
    let integers = INTEGERS.map(|(id, _, most)| (id, varint(most)));
    let others: [(u64, Vec<u8>); 9] = [
        (0x00, vec![1; 8]),
        (0x02, vec![1; 16]),
        (0x0c, vec![]),
        (0x0d, address(&[1; 8])),
        (0x0f, vec![1; 8]),
        (0x10, vec![1; 8]),
        (0x11, vec![0, 0, 0, 1, 0, 0, 0, 1]),
        (0x2ab2, vec![]),
        // Unknown, and reserved.
        (27 + 31 * 7, vec![1, 2]),
    ];
    for (id, value) in integers.into_iter().chain(others) {
        for side in SIDES {
            let once = parameter(id, &value);
            let lie = Lie {
                without: Some(id),
                more: once.repeat(2),
                cut: None,
            };
            let of_servers = [0x00, 0x02, 0x0d, 0x10].contains(&id) && side == Side::Client;
            let want = if of_servers {
                Fault::ServerParameter
            } else {
                Fault::ParameterTwice
            };
            assert_eq!(found(side, lie), refused(want), "{id:#x} of {side:?}");
        }
    }
}

fn address(id: &[u8]) -> Vec<u8> {
    [&[0; 24][..], &[id.len() as u8], id, &[7; 16]].concat()
}

#[test]
fn parameters_of_the_other_role_and_of_wrong_shape_close_the_handshake() {
    let (syntax, twisted) = (
        Some(Fault::ParameterSyntax),
        Some(Fault::VersionInformation),
    );
    let (server, wrong) = (Some(Fault::ServerParameter), Some(Fault::WrongId));
    let preferred = Some(Fault::PreferredAddress);
    // (name, id, value, of a server, of a client)
    let rows: Vec<(&str, u64, Vec<u8>, Option<Fault>, Option<Fault>)> = vec![
        ("another original id", 0x00, vec![9; 16], wrong, server),
        ("an original id of 21", 0x00, vec![9; 21], syntax, server),
        ("a reset token", 0x02, vec![7; 16], None, server),
        ("a reset token of 15", 0x02, vec![7; 15], syntax, server),
        ("a reset token of 17", 0x02, vec![7; 17], syntax, server),
        ("no migration", 0x0c, vec![], None, None),
        ("no migration with a value", 0x0c, vec![1], syntax, syntax),
        ("an address", 0x0d, address(&[9; 8]), None, server),
        (
            "an address without id",
            0x0d,
            address(&[]),
            preferred,
            server,
        ),
        (
            "an address with the first id",
            0x0d,
            address(&[0x50; 8]),
            preferred,
            server,
        ),
        (
            "an address with a token of 15",
            0x0d,
            address(&[9; 8])[..48].to_vec(),
            syntax,
            server,
        ),
        (
            "an address and more",
            0x0d,
            [&address(&[9; 8])[..], &[0]].concat(),
            syntax,
            server,
        ),
        (
            "an address with an id of 21",
            0x0d,
            address(&[9; 21]),
            syntax,
            server,
        ),
        ("half an address", 0x0d, vec![0; 24], syntax, server),
        ("another source", 0x0f, vec![9; 8], wrong, wrong),
        ("an empty source", 0x0f, vec![], wrong, wrong),
        ("a source of 21", 0x0f, vec![9; 21], syntax, syntax),
        ("a Retry that was none", 0x10, vec![9; 8], wrong, server),
        ("versions", 0x11, vec![0, 0, 0, 1, 0, 0, 0, 1], None, None),
        (
            "half a version",
            0x11,
            vec![0, 0, 0, 1, 0, 0],
            twisted,
            twisted,
        ),
        ("no version", 0x11, vec![], twisted, twisted),
        ("the QUIC bit with a value", 0x2ab2, vec![1], syntax, syntax),
        ("unknown", 0x7007, vec![1; 300], None, None),
    ];
    for (name, id, value, of_server, of_client) in rows {
        for (side, want) in [(Side::Server, of_server), (Side::Client, of_client)] {
            let got = found(side, instead(id, &value));
            assert_eq!(got, want.and_then(refused), "{name} of {side:?}");
        }
    }
    for (side, id) in [
        (Side::Client, 0x0f),
        (Side::Server, 0x0f),
        (Side::Server, 0x00),
    ] {
        let lie = Lie {
            without: Some(id),
            ..Lie::default()
        };
        assert_eq!(
            found(side, lie),
            refused(Fault::MissingId),
            "{id:#x} of {side:?}"
        );
    }
}

#[test]
fn too_many_parameters_close_the_handshake() {
    for side in SIDES {
        for (name, many, want) in [
            ("some", limits::PARAMETERS / 2, None),
            (
                "too many",
                limits::PARAMETERS + 1,
                refused(Fault::TooManyParameters),
            ),
        ] {
            let more = (0..many as u64).flat_map(|at| parameter(0x7000 + at, &[]));
            let lie = Lie {
                more: more.collect(),
                ..Lie::default()
            };
            assert_eq!(found(side, lie), want, "{name} of {side:?}");
        }
    }
}

/// Behind the end of a parameter a cut only leaves others out; within one it is a fault (attack A02).
#[test]
fn parameters_cut_at_every_byte_close_the_handshake_or_are_fewer() {
    for side in SIDES {
        let mut faults = [0; 2];
        for cut in 0..160 {
            let lie = Lie {
                cut: Some(cut),
                ..Lie::default()
            };
            let got = found(side, lie);
            let known = [
                None,
                refused(Fault::ParameterSyntax),
                refused(Fault::MissingId),
            ];
            assert!(known.contains(&got), "{cut} of {side:?}: {got:?}");
            faults[0] += usize::from(got == known[1]);
            faults[1] += usize::from(got == known[2]);
        }
        assert!(faults[0] > 50 && faults[1] > 0, "{side:?}: {faults:?}");
    }
}
