//! Parameters: there and back, out of range, twice, cut short, from the wrong side, remembered.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::Code;

fn varint(value: u64) -> VarInt {
    VarInt::new(value).unwrap()
}

fn id(bytes: &[u8]) -> ConnectionId {
    ConnectionId::new(bytes).unwrap()
}

fn preferred() -> PreferredAddress {
    PreferredAddress {
        v4: Some(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 443)),
        v6: Some(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 4433, 0, 0)),
        id: id(&[9; 20]),
        reset_token: ResetToken([7; 16]),
    }
}

/// A server's, none of them the default.
fn full() -> Parameters {
    let mut parameters = Parameters {
        original_destination_connection_id: Some(id(&[1; 8])),
        initial_source_connection_id: Some(id(&[2; 20])),
        retry_source_connection_id: Some(id(&[3])),
        stateless_reset_token: Some(ResetToken([5; 16])),
        preferred_address: Some(preferred()),
        version_information: Some(VersionInformation {
            chosen: 1,
            available: vec![1, 0x6b33_43cf, 0x1a2a_3a4a],
        }),
        disable_active_migration: true,
        grease_quic_bit: true,
        ..Parameters::default()
    };
    for (at, row) in (0_u64..).zip(INTEGERS) {
        *(row.field)(&mut parameters) = varint(row.least + at + 1);
    }
    parameters
}

/// A generator that nobody should use for anything else.
fn random(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state ^ (state >> 29)
    }
}

/// One parameter, by hand.
fn one(id: u64, value: &[u8]) -> Vec<u8> {
    let mut buffer = [0; 400];
    let mut builder = super::super::Builder::new(&mut buffer);
    builder.put_varint(varint(id)).unwrap();
    builder.put_vec(value).unwrap();
    builder.written().to_vec()
}

fn integer_value(value: u64) -> Vec<u8> {
    let mut buffer = [0; 8];
    let mut builder = super::super::Builder::new(&mut buffer);
    builder.put_varint(varint(value)).unwrap();
    builder.written().to_vec()
}

#[test]
fn parameters_come_back_as_they_were() {
    let mut client = Parameters {
        initial_source_connection_id: Some(id(&[])),
        ..Parameters::default()
    };
    client.initial_max_data = VarInt::MAX;
    for (name, parameters, side) in [
        ("full", full(), Side::Server),
        ("none", Parameters::default(), Side::Client),
        ("client", client, Side::Client),
    ] {
        for seed in 0..50 {
            let bytes = parameters.encode(random(seed));
            assert_eq!(
                Parameters::decode(&bytes, side).as_ref(),
                Ok(&parameters),
                "{name} {seed}"
            );
        }
    }
    assert_eq!(
        Parameters::decode(&[], Side::Client),
        Ok(Parameters::default())
    );
}

#[test]
fn defaults_are_those_of_the_rfc() {
    let defaults = Parameters::default();
    let got = [
        defaults.max_udp_payload_size,
        defaults.ack_delay_exponent,
        defaults.max_ack_delay,
        defaults.active_connection_id_limit,
        defaults.initial_max_streams_bidi,
        defaults.max_datagram_frame_size,
    ];
    assert_eq!(got.map(VarInt::get), [65_527, 3, 25, 2, 0, 0]);
}

#[test]
fn order_changes_and_a_reserved_parameter_is_among_them() {
    let parameters = full();
    let known: Vec<u64> = INTEGERS.iter().map(|row| row.id).collect();
    let mut orders = Vec::new();
    for seed in 0..20 {
        let bytes = parameters.encode(random(seed));
        let mut reader = super::super::Reader::new(&bytes);
        let mut ids = Vec::new();
        while !reader.is_empty() {
            ids.push(reader.varint().unwrap().get());
            reader.vec().unwrap();
        }
        let reserved: Vec<&u64> = ids
            .iter()
            .filter(|id| **id != 0x2ab2 && **id > 0x11 && !known.contains(*id))
            .collect();
        assert!(ids.len() == 21, "{ids:?}");
        assert!(
            reserved.iter().all(|id| (**id - 27) % 31 == 0),
            "{reserved:?}"
        );
        orders.push(ids);
    }
    let firsts: std::collections::BTreeSet<u64> = orders.iter().map(|ids| ids[0]).collect();
    assert!(firsts.len() > 5, "{firsts:?}");
}

#[test]
fn integers_at_the_ends_of_their_ranges_and_past_them() {
    // (id, least, most): RFC 9000 sections 4.6 and 18.2, RFC 9221 section 3.
    let ranges = [
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
    assert_eq!(ranges.len(), INTEGERS.len());
    for (id, least, most) in ranges {
        for side in [Side::Client, Side::Server] {
            let decode = |value| Parameters::decode(&one(id, &integer_value(value)), side);
            for value in [least, most] {
                assert!(decode(value).is_ok(), "{id:#x} {value}");
            }
            let outside = [least.checked_sub(1), most.checked_add(1)];
            for value in outside
                .into_iter()
                .flatten()
                .filter(|v| *v <= limits::VARINT)
            {
                assert_eq!(decode(value), Err(Fault::ParameterRange), "{id:#x} {value}");
            }
            // Not an integer and nothing else.
            for value in [&[][..], &[0x40], &[0x41, 0, 0], &[0xff; 9]] {
                let got = Parameters::decode(&one(id, value), side);
                assert_eq!(got, Err(Fault::ParameterSyntax), "{id:#x} {value:x?}");
            }
        }
    }
}

#[test]
fn values_that_are_no_integers_at_their_limits() {
    let address = |id: &[u8]| {
        [
            &[0; 24][..],
            &[u8::try_from(id.len()).unwrap()],
            id,
            &[7; 16],
        ]
        .concat()
    };
    let versions = |numbers: &[u32]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    };
    let syntax = Some(Fault::ParameterSyntax);
    let version = Some(Fault::VersionInformation);
    let preferred = Some(Fault::PreferredAddress);
    // (name, id, value, fault from a server, fault from a client)
    let server = Some(Fault::ServerParameter);
    let rows: Vec<(&str, u64, Vec<u8>, Option<Fault>, Option<Fault>)> = vec![
        ("id of 20 bytes", 0x00, vec![1; 20], None, server),
        ("id of 21 bytes", 0x00, vec![1; 21], syntax, server),
        ("source of 0 bytes", 0x0f, vec![], None, None),
        ("source of 20 bytes", 0x0f, vec![1; 20], None, None),
        ("source of 21 bytes", 0x0f, vec![1; 21], syntax, syntax),
        ("retry source", 0x10, vec![1; 20], None, server),
        (
            "retry source of 21 bytes",
            0x10,
            vec![1; 21],
            syntax,
            server,
        ),
        ("reset token", 0x02, vec![1; 16], None, server),
        ("reset token of 15 bytes", 0x02, vec![1; 15], syntax, server),
        ("reset token of 17 bytes", 0x02, vec![1; 17], syntax, server),
        ("no migration", 0x0c, vec![], None, None),
        ("no migration with a value", 0x0c, vec![0], syntax, syntax),
        ("QUIC bit", 0x2ab2, vec![], None, None),
        ("QUIC bit with a value", 0x2ab2, vec![0], syntax, syntax),
        ("address", 0x0d, address(&[1; 20]), None, server),
        ("address with a short id", 0x0d, address(&[1]), None, server),
        (
            "address without an id",
            0x0d,
            address(&[]),
            preferred,
            server,
        ),
        (
            "address with an id of 21",
            0x0d,
            address(&[1; 21]),
            syntax,
            server,
        ),
        (
            "address and more",
            0x0d,
            [address(&[1]), vec![0]].concat(),
            syntax,
            server,
        ),
        ("versions", 0x11, versions(&[1, 2, 1]), None, None),
        (
            "chosen is not offered",
            0x11,
            versions(&[1, 2]),
            None,
            version,
        ),
        ("nothing offered", 0x11, versions(&[1]), None, version),
        ("no version", 0x11, vec![], version, version),
        ("chosen zero", 0x11, versions(&[0, 0, 1]), version, version),
        (
            "a zero among them",
            0x11,
            versions(&[1, 1, 0]),
            version,
            version,
        ),
        (
            "half a version",
            0x11,
            vec![0, 0, 0, 1, 0, 0, 0, 1, 0, 0],
            version,
            version,
        ),
        ("less than one", 0x11, vec![0, 0, 1], version, version),
        ("unknown", 0x1234, vec![1; 300], None, None),
        ("reserved", 27 + 31 * 1_000_000, vec![], None, None),
    ];
    for (name, id, value, from_server, from_client) in rows {
        for (side, want) in [(Side::Server, from_server), (Side::Client, from_client)] {
            let got = Parameters::decode(&one(id, &value), side);
            assert_eq!(got.err(), want, "{name} from {side:?}");
        }
    }
}

#[test]
fn every_parameter_twice_is_a_fault() {
    let bytes = full().encode(random(1));
    let mut reader = super::super::Reader::new(&bytes);
    let mut count = 0;
    while !reader.is_empty() {
        let id = reader.varint().unwrap().get();
        let again = one(id, reader.vec().unwrap());
        let twice = [&bytes[..], &again].concat();
        let got = Parameters::decode(&twice, Side::Server);
        assert_eq!(got, Err(Fault::ParameterTwice), "{id:#x}");
        count += 1;
    }
    assert_eq!(count, 21);
    // Another value does not make it another parameter.
    let twice = [one(0x1234, &[]), one(0x1234, &[1])].concat();
    assert_eq!(
        Parameters::decode(&twice, Side::Client),
        Err(Fault::ParameterTwice)
    );
}

#[test]
fn parameters_up_to_their_number_and_one_more() {
    let many = |count: usize| -> Vec<u8> {
        let ids = (0..count as u64).map(|n| one(0x4000 + n, &[]));
        ids.collect::<Vec<_>>().concat()
    };
    assert!(Parameters::decode(&many(limits::PARAMETERS), Side::Client).is_ok());
    let got = Parameters::decode(&many(limits::PARAMETERS + 1), Side::Client);
    assert_eq!(got, Err(Fault::TooManyParameters));
}

#[test]
fn versions_are_kept_up_to_their_limit() {
    for count in [limits::VERSIONS, limits::VERSIONS + 1, 60] {
        let mut value = 1_u32.to_be_bytes().to_vec();
        for number in 1..=u32::try_from(count).unwrap() {
            value.extend(number.to_be_bytes());
        }
        let got = Parameters::decode(&one(0x11, &value), Side::Client).unwrap();
        let kept = got.version_information.unwrap().available.len();
        assert_eq!(kept, count.min(limits::VERSIONS));
    }
}

#[test]
fn parameters_cut_short_are_a_fault_or_fewer() {
    let bytes = full().encode(random(3));
    let mut ends = vec![0];
    let mut reader = super::super::Reader::new(&bytes);
    while !reader.is_empty() {
        reader.varint().unwrap();
        reader.vec().unwrap();
        ends.push(bytes.len() - reader.remaining());
    }
    for short in 0..bytes.len() {
        let got = Parameters::decode(&bytes[..short], Side::Server);
        if ends.contains(&short) {
            assert!(got.is_ok(), "{short}");
        } else {
            assert_eq!(got, Err(Fault::ParameterSyntax), "{short}");
        }
    }
}

#[test]
fn every_fault_of_parameters_has_its_code() {
    for fault in [
        Fault::ParameterSyntax,
        Fault::ParameterTwice,
        Fault::TooManyParameters,
        Fault::ParameterRange,
        Fault::ServerParameter,
        Fault::PreferredAddress,
        Fault::VersionInformation,
        Fault::MissingId,
        Fault::WrongId,
    ] {
        assert_eq!(fault.code(), Code::TRANSPORT_PARAMETER_ERROR, "{fault:?}");
    }
    assert_eq!(Fault::ReducedLimit.code(), Code::PROTOCOL_VIOLATION);
}

#[test]
fn a_server_without_connection_ids_has_no_preferred_address() {
    for (id_length, want) in [(0, Err(Fault::PreferredAddress)), (1, Ok(()))] {
        let parameters = Parameters {
            initial_source_connection_id: Some(id(&vec![1; id_length])),
            preferred_address: Some(preferred()),
            ..Parameters::default()
        };
        // In either order.
        for seed in 0..8 {
            let got = Parameters::decode(&parameters.encode(random(seed)), Side::Server);
            assert_eq!(got.map(drop), want, "{id_length} {seed}");
        }
    }
}

#[test]
fn an_address_of_zeros_is_none() {
    for (v4, v6) in [(true, false), (false, true), (false, false)] {
        let address = PreferredAddress {
            v4: preferred().v4.filter(|_| v4),
            v6: preferred().v6.filter(|_| v6),
            ..preferred()
        };
        let parameters = Parameters {
            preferred_address: Some(address),
            ..Parameters::default()
        };
        let got = Parameters::decode(&parameters.encode(random(0)), Side::Server).unwrap();
        assert_eq!(got.preferred_address, Some(address));
    }
}

#[test]
fn connection_ids_are_compared_with_those_that_were_seen() {
    let (a, b, c) = (id(&[1; 8]), id(&[2; 8]), id(&[3; 8]));
    let seen = SeenIds {
        initial_source: a,
        original_destination: Some(b),
        retry_source: None,
    };
    let retried = SeenIds {
        retry_source: Some(c),
        ..seen
    };
    let (missing, wrong) = (Err(Fault::MissingId), Err(Fault::WrongId));
    // (name, sender, initial source, original destination, retry source, seen, want)
    let rows = [
        ("client", Side::Client, Some(a), None, None, seen, Ok(())),
        (
            "client without",
            Side::Client,
            None,
            None,
            None,
            seen,
            missing,
        ),
        (
            "client with another",
            Side::Client,
            Some(b),
            None,
            None,
            seen,
            wrong,
        ),
        ("server", Side::Server, Some(a), Some(b), None, seen, Ok(())),
        (
            "server without source",
            Side::Server,
            None,
            Some(b),
            None,
            seen,
            missing,
        ),
        (
            "server without original",
            Side::Server,
            Some(a),
            None,
            None,
            seen,
            missing,
        ),
        (
            "another source",
            Side::Server,
            Some(c),
            Some(b),
            None,
            seen,
            wrong,
        ),
        (
            "another original",
            Side::Server,
            Some(a),
            Some(c),
            None,
            seen,
            wrong,
        ),
        (
            "a retry that was not",
            Side::Server,
            Some(a),
            Some(b),
            Some(c),
            seen,
            wrong,
        ),
        (
            "a retry",
            Side::Server,
            Some(a),
            Some(b),
            Some(c),
            retried,
            Ok(()),
        ),
        (
            "no word of a retry",
            Side::Server,
            Some(a),
            Some(b),
            None,
            retried,
            missing,
        ),
        (
            "another retry",
            Side::Server,
            Some(a),
            Some(b),
            Some(a),
            retried,
            wrong,
        ),
    ];
    for (name, sender, initial, original, retry, seen, want) in rows {
        let parameters = Parameters {
            initial_source_connection_id: initial,
            original_destination_connection_id: original,
            retry_source_connection_id: retry,
            ..Parameters::default()
        };
        assert_eq!(parameters.check_ids(sender, &seen), want, "{name}");
    }
}

#[test]
fn what_is_remembered_is_what_early_data_goes_by() {
    let server = full();
    let remembered = Remembered::of(&server);
    let bytes = remembered.encode();
    assert_eq!(Remembered::decode(&bytes), Some(remembered));
    for short in 0..bytes.len() {
        assert_eq!(Remembered::decode(&bytes[..short]), None, "{short}");
    }
    assert_eq!(Remembered::decode(&[&bytes[..], &[0]].concat()), None);
    assert_eq!(Remembered::decode(&[&[0], &bytes[1..]].concat()), None);
    let want = Parameters {
        original_destination_connection_id: None,
        initial_source_connection_id: None,
        retry_source_connection_id: None,
        stateless_reset_token: None,
        preferred_address: None,
        version_information: None,
        grease_quic_bit: false,
        ack_delay_exponent: varint(3),
        max_ack_delay: varint(25),
        ..server
    };
    assert_eq!(remembered.parameters(), want);
    let none = Remembered::of(&Parameters::default());
    assert_eq!(Remembered::decode(&none.encode()), Some(none));
}

#[test]
fn a_lower_limit_is_seen_and_a_higher_one_is_not_minded() {
    let server = full();
    let remembered = Remembered::of(&server);
    assert_eq!(remembered.check(&server), Ok(()));
    // RFC 9000 section 7.4.1 and RFC 9221 section 3.
    let held = [0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0e, 0x20];
    for row in INTEGERS {
        let mut now = server.clone();
        let value = (row.field)(&mut now);
        *value = varint(value.get() - 1);
        let held = held.contains(&row.id);
        let want = if held {
            Err(Fault::ReducedLimit)
        } else {
            Ok(())
        };
        assert_eq!(remembered.check(&now), want, "{:#x}", row.id);
        let value = (row.field)(&mut now);
        *value = varint(value.get() + 2);
        assert_eq!(remembered.check(&now), Ok(()), "{:#x}", row.id);
    }
}
