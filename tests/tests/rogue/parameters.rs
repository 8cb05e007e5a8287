//! Transport parameters of a peer: each out of range, twice, of the wrong role or shape, absent; the limits that they set are kept to (RFC 9000 sections 7.3, 7.4
//! and 18.2, RFC 9221, RFC 9287, RFC 9368).

use pith_tests::rogue::Level;
use pith_tests::rogue::wire::{Parameters, frame, sized, stream, varint};

use super::bench::*;

const WRONG: Want = Close(PARAMETER, 0);
/// RFC 9368 section 4
const NEGOTIATION: Want = Close(0x11, 0);

type Change = Box<dyn Fn(&mut Parameters)>;

fn set(id: u64, value: Vec<u8>) -> Change {
    Box::new(move |parameters| parameters.set(id, value.clone()))
}

fn without(id: u64) -> Change {
    Box::new(move |parameters| parameters.remove(id))
}

fn twice(id: u64, value: Vec<u8>) -> Change {
    Box::new(move |parameters| {
        parameters.set(id, value.clone());
        parameters.0.push((id, value.clone()));
    })
}

fn run(table: &mut Table, role: Role, name: &str, want: Want, change: &Change) {
    table.row(name, Bench::new(role), want, |bench| {
        if role == Server {
            change(&mut bench.rogue.parameters);
            bench.go_on(Hello);
        } else {
            bench.go_on(Hello);
            change(&mut bench.rogue.parameters);
            bench.go_on(Complete);
        }
    });
}

fn address(length: u8, id: &[u8]) -> Vec<u8> {
    [
        &[127, 0, 0, 1, 0, 99][..],
        &[0; 18],
        &[length],
        id,
        &[7; 16],
    ]
    .concat()
}

#[test]
fn integers_at_the_ends_of_their_ranges_and_past_them() {
    let largest = (1 << 62) - 1;
    let most = 1 << 60;
    // (id, legal, not)
    let rows: [(u64, &[u64], &[u64]); 12] = [
        (0x01, &[1000, largest], &[]),
        (0x03, &[1200, 65_527, 65_528, largest], &[0, 1199]),
        (0x04, &[1000, largest], &[]),
        (0x05, &[1000, largest], &[]),
        (0x06, &[1000, largest], &[]),
        (0x07, &[1000, largest], &[]),
        (0x08, &[0, most], &[most + 1, largest]),
        (0x09, &[1, most], &[most + 1, largest]),
        (0x0a, &[0, 3, 20], &[21, largest]),
        (0x0b, &[0, 25, 16_383], &[16_384, largest]),
        (0x0e, &[2, largest], &[0, 1]),
        (0x20, &[0, 65_535, largest], &[]),
    ];
    let mut table = Table::default();
    for role in ROLES {
        for (id, legal, not) in rows {
            let values = legal.iter().map(|value| (value, Lives));
            for (value, want) in values.chain(not.iter().map(|value| (value, WRONG))) {
                let name = format!("{id:#x} of {value}");
                run(&mut table, role, &name, want, &set(id, varint(*value)));
            }
            for bytes in [
                vec![],
                vec![0x40],
                vec![0x80, 0, 0],
                [varint(2000), vec![0]].concat(),
            ] {
                let name = format!("{id:#x} as {bytes:x?}");
                run(&mut table, role, &name, WRONG, &set(id, bytes));
            }
            let value = varint(legal[0].max(1));
            run(
                &mut table,
                role,
                &format!("{id:#x} twice"),
                WRONG,
                &twice(id, value),
            );
        }
    }
    table.done(180);
}

#[test]
fn parameters_of_roles_shapes_and_ids() {
    let mut table = Table::default();
    let rows: Vec<(&str, Want, Want, Change)> = vec![
        // (name, of a client, of a server)
        (
            "none but the ids",
            Lives,
            Lives,
            Box::new(|p| p.0.retain(|(id, _)| [0, 4, 6, 7, 8, 9, 0x0f].contains(id))),
        ),
        ("no source id", WRONG, WRONG, without(0x0f)),
        ("another source id", WRONG, WRONG, set(0x0f, vec![9; 8])),
        ("an empty source id", WRONG, WRONG, set(0x0f, vec![])),
        (
            "a source id that is cut",
            WRONG,
            WRONG,
            set(0x0f, ROGUE[..7].to_vec()),
        ),
        ("a source id of 20", WRONG, WRONG, set(0x0f, vec![0xa5; 20])),
        ("a source id of 21", WRONG, WRONG, set(0x0f, vec![0xa5; 21])),
        (
            "the source id twice",
            WRONG,
            WRONG,
            twice(0x0f, ROGUE.to_vec()),
        ),
        ("an original id", WRONG, WRONG, set(0x00, vec![9; 8])),
        ("an empty original id", WRONG, WRONG, set(0x00, vec![])),
        ("a Retry that was none", WRONG, WRONG, set(0x10, vec![9; 8])),
        (
            "a Retry of the source id",
            WRONG,
            WRONG,
            set(0x10, ROGUE.to_vec()),
        ),
        ("a reset token", WRONG, Lives, set(0x02, vec![7; 16])),
        ("a reset token of 15", WRONG, WRONG, set(0x02, vec![7; 15])),
        ("a reset token of 17", WRONG, WRONG, set(0x02, vec![7; 17])),
        ("no reset token in it", WRONG, WRONG, set(0x02, vec![])),
        (
            "a preferred address",
            WRONG,
            Lives,
            set(0x0d, address(8, &[9; 8])),
        ),
        (
            "a preferred address, its id empty",
            WRONG,
            WRONG,
            set(0x0d, address(0, &[])),
        ),
        (
            "a preferred address, its id of 21",
            WRONG,
            WRONG,
            set(0x0d, address(21, &[9; 21])),
        ),
        (
            "half a preferred address",
            WRONG,
            WRONG,
            set(0x0d, vec![0; 24]),
        ),
        (
            "no preferred address in it",
            WRONG,
            WRONG,
            set(0x0d, vec![]),
        ),
        (
            "a preferred address and bytes",
            WRONG,
            WRONG,
            set(0x0d, [address(8, &[9; 8]), vec![0]].concat()),
        ),
        ("no migration", Lives, Lives, set(0x0c, vec![])),
        (
            "no migration, with a value",
            WRONG,
            WRONG,
            set(0x0c, vec![0]),
        ),
        ("no migration, twice", WRONG, WRONG, twice(0x0c, vec![])),
        ("the QUIC bit", Lives, Lives, set(0x2ab2, vec![])),
        (
            "the QUIC bit with a value",
            WRONG,
            WRONG,
            set(0x2ab2, vec![1]),
        ),
        ("the QUIC bit twice", WRONG, WRONG, twice(0x2ab2, vec![])),
        ("an unknown one", Lives, Lives, set(0x7777, vec![1; 100])),
        ("an unknown one twice", WRONG, WRONG, twice(0x7777, vec![1])),
        ("a reserved one", Lives, Lives, set(27 + 31 * 9, vec![])),
        ("the largest id", Lives, Lives, set((1 << 62) - 1, vec![])),
        (
            "this version",
            Lives,
            Lives,
            set(0x11, [1_u32.to_be_bytes(), 1_u32.to_be_bytes()].concat()),
        ),
        (
            "this version and none available",
            WRONG,
            Lives,
            set(0x11, 1_u32.to_be_bytes().to_vec()),
        ),
        (
            "a chosen version that is not available",
            WRONG,
            NEGOTIATION,
            set(0x11, [9_u32.to_be_bytes(), 1_u32.to_be_bytes()].concat()),
        ),
        (
            "another chosen version",
            NEGOTIATION,
            NEGOTIATION,
            set(
                0x11,
                [
                    9_u32.to_be_bytes(),
                    1_u32.to_be_bytes(),
                    9_u32.to_be_bytes(),
                ]
                .concat(),
            ),
        ),
        (
            "version 0 chosen",
            WRONG,
            WRONG,
            set(0x11, [0_u32.to_be_bytes(), 1_u32.to_be_bytes()].concat()),
        ),
        (
            "version 0 available",
            WRONG,
            WRONG,
            set(0x11, [1_u32.to_be_bytes(), 0_u32.to_be_bytes()].concat()),
        ),
        (
            "three bytes of a version",
            WRONG,
            WRONG,
            set(0x11, vec![0, 0, 1]),
        ),
        (
            "a version and a half",
            WRONG,
            WRONG,
            set(0x11, vec![0, 0, 0, 1, 0, 0]),
        ),
        ("no version", WRONG, WRONG, set(0x11, vec![])),
    ];
    for (name, of_client, of_server, change) in &rows {
        run(&mut table, Server, name, *of_client, change);
        run(&mut table, Client, name, *of_server, change);
    }
    let no_original = without(0x00);
    run(&mut table, Client, "no original id", WRONG, &no_original);
    // The block itself.
    let raw: [(&str, Want, Vec<u8>); 5] = [
        ("half an id", WRONG, vec![0x40]),
        ("an id and no length", WRONG, vec![0x04]),
        ("a length past the end", WRONG, vec![0x04, 9, 1]),
        (
            "a length of 2^62 - 1",
            WRONG,
            [vec![0x04], vec![0xff; 8]].concat(),
        ),
        (
            "an id in more bytes than it needs",
            Lives,
            vec![0x40, 0x20, 1, 9],
        ),
    ];
    for role in ROLES {
        for (name, want, bytes) in &raw {
            table.row(*name, Bench::new(role), *want, |bench| {
                bench.go_on(if role == Client { Hello } else { Start });
                let block = [bench.rogue.parameters.encode(), bytes.clone()].concat();
                match role {
                    Server => {
                        bench.rogue.fill_hello();
                        let hello = &mut bench.rogue.tls_client().hello;
                        hello.extensions.set(57, block);
                        let hello = bench.rogue.tls_client().send();
                        bench.tell(Level::Initial, &hello);
                        bench.moment = Hello;
                    }
                    Client => {
                        let mut extensions = bench.rogue.extensions();
                        extensions.set(57, block);
                        let extensions = pith_tests::message::encrypted_extensions(&extensions);
                        let flight = bench.rogue.server_flight_with(extensions, identity());
                        bench.tell(Level::Handshake, &flight);
                        bench.moment = Complete;
                    }
                }
            });
        }
    }
    table.done(90);
}

/// The limits of a peer are kept to by who hears of them.
#[test]
fn what_the_parameters_allow_is_kept_to() {
    for role in ROLES {
        let changed = |change: &dyn Fn(&mut Parameters)| {
            let mut bench = Bench::new(role);
            if role == Server {
                change(&mut bench.rogue.parameters);
            }
            bench.go_on(Hello);
            change(&mut bench.rogue.parameters);
            bench.go_on(Confirmed);
            bench
        };
        let mut bench = changed(&|p| p.set(0x09, varint(2)));
        let uni = pith_quic::Dir::Uni;
        let opened = [(); 3].map(|()| bench.pith().open(uni).is_some());
        assert_eq!(opened, [true, true, false], "{role:?}");
        bench.send(Level::OneRtt, &frame(0x13, &[3], &[]));
        assert!(bench.pith().open(uni).is_some() && bench.pith().open(uni).is_none());

        for (id, most) in [(0x04, 7), (0x07, 5)] {
            let mut bench = changed(&|p| p.set(id, varint(most)));
            let stream = bench.pith().open(uni).unwrap();
            let mut bytes = bytes::Bytes::from_static(&[7; 50]);
            bench.pith().send(stream, &mut bytes).unwrap();
            bench.flush();
            let sent = |bench: &Bench| -> u64 {
                let seen = bench.rogue.seen().map(|(_, frame)| frame);
                let data = seen.filter(|frame| (0x08..=0x0f).contains(&frame.kind));
                data.map(|frame| frame.numbers[1] + frame.data.len() as u64)
                    .max()
                    .unwrap_or(0)
            };
            assert_eq!(sent(&bench), most, "{role:?} {id:#x}");
            let more = match id {
                0x04 => frame(0x10, &[most + 4], &[]),
                _ => frame(0x11, &[stream.get(), most + 4], &[]),
            };
            bench.send(Level::OneRtt, &more);
            assert_eq!(sent(&bench), most + 4, "{role:?} {id:#x}");
        }
    }
}

#[test]
fn datagrams_that_were_not_asked_for() {
    let mut table = Table::default();
    let rows: [(&str, Want, Vec<u8>); 3] = [
        (
            "with a length",
            Close(VIOLATION, 0x31),
            frame(0x31, &[], &sized(b"x")),
        ),
        ("without", Close(VIOLATION, 0x30), frame(0x30, &[], b"x")),
        ("behind other frames", Close(VIOLATION, 0x30), {
            [stream(12, 0, b"x", false), vec![1], frame(0x30, &[], &[])].concat()
        }),
    ];
    for (name, want, payload) in rows {
        let role = Server;
        table.row(name, Bench::at(role, Confirmed), want, |b| {
            b.send(Level::OneRtt, &payload)
        });
    }
    // One that takes ten bytes of a frame.
    for role in ROLES {
        for (name, want, payload) in [
            (
                "a frame of ten bytes",
                Lives,
                frame(0x31, &[], &sized(&[7; 8])),
            ),
            (
                "a frame of eleven bytes",
                Close(VIOLATION, 0x31),
                frame(0x31, &[], &sized(&[7; 9])),
            ),
            (
                "ten bytes without a length",
                Lives,
                frame(0x30, &[], &[7; 9]),
            ),
            (
                "eleven bytes without a length",
                Close(VIOLATION, 0x30),
                frame(0x30, &[], &[7; 10]),
            ),
            ("an empty one", Lives, frame(0x31, &[], &sized(&[]))),
        ] {
            let bench = Bench::taking_datagrams(role, 10);
            table.row(name, bench, want, |bench| {
                bench.send(Level::OneRtt, &payload)
            });
        }
    }
    table.done(13);
}
