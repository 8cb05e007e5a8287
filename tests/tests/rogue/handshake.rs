//! TLS messages that say what they may not in QUIC (RFC 9001 sections 4, 8 and 9.2): the alert that comes of each, as a code of CRYPTO_ERROR's range.

use pith_tests::message::{
    Extensions, Hello as Message, certificate, certificate_verify, codes, encrypted_extensions,
    message, messages, share, vec8, vec16,
};
use pith_tests::rogue::Level;
use pith_tests::script::entries;

use super::bench::*;

const UNEXPECTED: Want = alert(10);
const FAILURE: Want = alert(40);
const ILLEGAL: Want = alert(47);
const DECODE: Want = alert(50);
const DECRYPT: Want = alert(51);
const VERSION: Want = alert(70);
const MISSING: Want = alert(109);
const UNSUPPORTED: Want = alert(110);
const PROTOCOL: Want = alert(120);

type Change = fn(&mut Message);

fn set(hello: &mut Message, code: u16, body: &[u8]) {
    hello.extensions.set(code, body);
}

#[test]
fn client_hellos_that_a_server_refuses() {
    let rows: &[(&str, Want, Change)] = &[
        ("an honest one", Lives, |_| ()),
        ("no application protocol", PROTOCOL, |h| {
            h.extensions.remove(16)
        }),
        ("another protocol", PROTOCOL, |h| {
            set(h, 16, &vec16(&vec8(b"other")))
        }),
        ("an empty protocol", DECODE, |h| {
            set(h, 16, &vec16(&vec8(b"")))
        }),
        ("an empty list of protocols", DECODE, |h| {
            set(h, 16, &vec16(&[]))
        }),
        ("two protocols, one in common", Lives, |h| {
            set(h, 16, &vec16(&[vec8(b"other"), vec8(b"test")].concat()));
        }),
        ("no transport parameters", MISSING, |h| {
            h.extensions.remove(57)
        }),
        ("those of drafts instead", MISSING, |h| {
            let body = h.extensions.body(57).to_vec();
            h.extensions.remove(57);
            h.extensions.push(0xffa5, body);
        }),
        ("transport parameters twice", ILLEGAL, |h| {
            let body = h.extensions.body(57).to_vec();
            h.extensions.push(57, body);
        }),
        ("a session id", Close(VIOLATION, 0), |h| {
            h.session_id = vec![7; 32]
        }),
        ("a session id of one byte", Close(VIOLATION, 0), |h| {
            h.session_id = vec![7]
        }),
        ("legacy version 3.1", VERSION, |h| h.version = 0x0301),
        ("legacy version 3.4", VERSION, |h| h.version = 0x0304),
        ("compression", ILLEGAL, |h| h.compression = vec![0, 1]),
        ("no compression method", DECODE, |h| h.compression = vec![]),
        ("no supported_versions", VERSION, |h| {
            h.extensions.remove(43)
        }),
        ("TLS 1.2 alone", VERSION, |h| set(h, 43, &vec8(&[3, 3]))),
        ("TLS 1.2 and 1.3", Lives, |h| {
            set(h, 43, &vec8(&[3, 3, 3, 4]))
        }),
        ("an empty list of versions", DECODE, |h| {
            set(h, 43, &vec8(&[]))
        }),
        ("no suites", DECODE, |h| h.suites = vec![]),
        ("unknown suites", FAILURE, |h| {
            h.suites = vec![0x00ff, 0x1399]
        }),
        ("a suite of TLS 1.2", FAILURE, |h| h.suites = vec![0xc02f]),
        ("TLS_AES_128_CCM_8_SHA256 alone", FAILURE, |h| {
            h.suites = vec![0x1305]
        }),
        ("no key shares at all", MISSING, |h| h.extensions.remove(51)),
        ("no groups", MISSING, |h| h.extensions.remove(10)),
        ("no schemes", MISSING, |h| h.extensions.remove(13)),
        ("an empty list of schemes", DECODE, |h| {
            set(h, 13, &vec16(&[]))
        }),
        ("schemes of an odd length", DECODE, |h| {
            set(h, 13, &vec16(&[8]))
        }),
        ("schemes in no use", FAILURE, |h| {
            set(h, 13, &vec16(&codes(&[0x0401])))
        }),
        ("unknown groups", FAILURE, |h| {
            set(h, 10, &vec16(&codes(&[0x9999])));
            h.set_shares(&[]);
        }),
        ("a share that is too short", ILLEGAL, |h| {
            h.set_shares(&[(29, vec![9; 31])])
        }),
        ("a share that is too long", ILLEGAL, |h| {
            h.set_shares(&[(29, vec![9; 33])])
        }),
        ("a share of zeros", ILLEGAL, |h| {
            h.set_shares(&[(29, vec![0; 32])])
        }),
        ("two shares of one group", ILLEGAL, |h| {
            let shares = h.shares();
            h.set_shares(&[shares.clone(), shares].concat());
        }),
        ("a share of a group that is not listed", ILLEGAL, |h| {
            h.set_shares(&[(23, vec![4; 65])]);
        }),
        ("a cookie that nobody asked for", Lives, |h| {
            h.extensions.push(44, vec16(&[1; 8]))
        }),
        ("early data without a ticket", Lives, |h| {
            h.extensions.push(42, [])
        }),
        ("an unknown extension", Lives, |h| {
            h.extensions.push(0x7777, [1, 2, 3])
        }),
        ("an unknown extension twice", ILLEGAL, |h| {
            h.extensions.push(0x7777, []);
            h.extensions.push(0x7777, []);
        }),
        ("a reserved extension", Lives, |h| {
            h.extensions.push(0x0a0a, [])
        }),
        ("a record size limit", Lives, |h| {
            h.extensions.push(28, [1, 0])
        }),
        ("a pre-shared key that is not last", ILLEGAL, |h| {
            h.extensions.push(45, vec8(&[1]));
            h.extensions.0.insert(
                0,
                (
                    41,
                    [vec16(&[0, 1, 9, 0, 0, 0, 0]), vec16(&vec8(&[7; 32]))].concat(),
                ),
            );
        }),
    ];
    let mut table = Table::default();
    for (name, want, change) in rows {
        table.row(*name, Bench::at(Server, Start), *want, |bench| {
            bench.rogue.fill_hello();
            bench.rogue.tls_client().hello.extensions.remove(45);
            change(&mut bench.rogue.tls_client().hello);
            let hello = bench.rogue.tls_client().send();
            bench.tell(Level::Initial, &hello);
            bench.moment = Hello;
        });
    }
    let bodies: [(&str, Want, Vec<u8>); 3] = [
        ("an empty ClientHello", DECODE, message(1, &[])),
        ("a ClientHello of zeros", DECODE, message(1, &[0; 38])),
        ("a ClientHello of 16 MB", ILLEGAL, vec![1, 0xff, 0xff, 0xff]),
    ];
    for (name, want, bytes) in bodies {
        table.row(name, Bench::at(Server, Start), want, |bench| {
            bench.tell(Level::Initial, &bytes);
        });
    }
    table.row(
        "bytes behind the extensions",
        Bench::at(Server, Start),
        DECODE,
        |bench| {
            bench.rogue.fill_hello();
            let hello = bench.rogue.tls_client().hello.encode();
            bench.tell(Level::Initial, &message(1, &[&hello[4..], &[0]].concat()));
        },
    );
    table.done(46);
}

#[test]
fn finished_messages_that_a_server_refuses() {
    let mut table = Table::default();
    let rows: [(&str, Want, fn(Vec<u8>) -> Vec<u8>); 6] = [
        ("a bit turned", DECRYPT, |mut m| {
            m[10] ^= 1;
            m
        }),
        ("zeros", DECRYPT, |m| message(20, &vec![0; m.len() - 4])),
        ("too short", DECODE, |m| message(20, &m[4..20])),
        ("too long", DECODE, |m| {
            message(20, &[&m[4..], &[0]].concat())
        }),
        ("empty", DECODE, |_| message(20, &[])),
        ("a certificate that nobody asked for", UNEXPECTED, |m| {
            [certificate(&[], &[]), m].concat()
        }),
    ];
    for (name, want, change) in rows {
        table.row(name, Bench::at(Server, Hello), want, |bench| {
            let finished = bench.rogue.finished.clone().unwrap();
            bench.tell(Level::Handshake, &change(finished));
        });
    }
    table.done(6);
}

#[test]
fn server_hellos_that_a_client_refuses() {
    let rows: &[(&str, Want, Change)] = &[
        ("an honest one", Lives, |_| ()),
        ("a session id", ILLEGAL, |h| h.session_id = vec![7; 32]),
        ("legacy version 3.4", VERSION, |h| h.version = 0x0304),
        ("compression", ILLEGAL, |h| h.compression = vec![1]),
        ("a suite that was not offered", ILLEGAL, |h| {
            h.suites = vec![0x1304]
        }),
        ("another suite that was offered", ILLEGAL, |h| {
            h.suites = vec![0x9999]
        }),
        ("no supported_versions", VERSION, |h| {
            h.extensions.remove(43)
        }),
        ("TLS 1.2", ILLEGAL, |h| set(h, 43, &[3, 3])),
        ("TLS 1.4", ILLEGAL, |h| set(h, 43, &[3, 5])),
        ("a version list", DECODE, |h| set(h, 43, &[2, 3, 4])),
        ("no key share", MISSING, |h| h.extensions.remove(51)),
        ("a share of another group", ILLEGAL, |h| {
            set(h, 51, &share(23, &[4; 65]))
        }),
        ("a share of zeros", ILLEGAL, |h| {
            set(h, 51, &share(29, &[0; 32]))
        }),
        ("a share that is too short", ILLEGAL, |h| {
            set(h, 51, &share(29, &[9; 31]))
        }),
        ("a pre-shared key that was not offered", UNSUPPORTED, |h| {
            h.extensions.push(41, [0, 0])
        }),
        ("a protocol in the clear", ILLEGAL, |h| {
            h.extensions.push(16, vec16(&vec8(b"test")))
        }),
        ("transport parameters in the clear", ILLEGAL, |h| {
            h.extensions.push(57, [])
        }),
        ("an unknown extension", UNSUPPORTED, |h| {
            h.extensions.push(0x7777, [])
        }),
        ("an extension twice", ILLEGAL, |h| {
            h.extensions.push(43, [3, 4])
        }),
        ("a downgrade to TLS 1.2", ILLEGAL, |h| {
            h.random[24..].copy_from_slice(b"DOWNGRD\x01");
            set(h, 43, &[3, 3]);
        }),
    ];
    let mut table = Table::default();
    for (name, want, change) in rows {
        table.row(*name, Bench::at(Client, Start), *want, |bench| {
            let mut hello = bench.rogue.tls_server().hello();
            change(&mut hello);
            let bytes = bench.rogue.send_hello(&hello);
            bench.tell(Level::Initial, &bytes);
            bench.moment = Hello;
        });
    }
    let retries: &[(&str, Want, &[(u16, &[u8])])] = &[
        ("a retry that changes nothing", ILLEGAL, &[]),
        (
            "a retry for the share that there is",
            ILLEGAL,
            &[(51, &[0, 29])],
        ),
        (
            "a retry for a group that was not offered",
            ILLEGAL,
            &[(51, &[0, 24])],
        ),
        ("a retry with an empty cookie", DECODE, &[(44, &[0, 0])]),
        (
            "a retry with an unknown extension",
            UNSUPPORTED,
            &[(0x7777, &[])],
        ),
        (
            "a retry with a protocol",
            ILLEGAL,
            &[(16, &[0, 5, 4, b't', b'e', b's', b't'])],
        ),
    ];
    for (name, want, rest) in retries {
        table.row(*name, Bench::at(Client, Start), *want, |bench| {
            let rest: Vec<_> = rest
                .iter()
                .map(|(code, body)| (*code, body.to_vec()))
                .collect();
            let retry = bench.rogue.tls_server().retry(&rest);
            let bytes = bench.rogue.send_hello(&retry);
            bench.tell(Level::Initial, &bytes);
        });
    }
    table.row(
        "a second retry",
        Bench::at(Client, Start),
        UNEXPECTED,
        |bench| {
            let cookie = (44, vec16(&[1; 8]));
            for _ in 0..2 {
                let retry = bench
                    .rogue
                    .tls_server()
                    .retry(std::slice::from_ref(&cookie));
                let bytes = bench.rogue.send_hello(&retry);
                bench.tell(Level::Initial, &bytes);
            }
        },
    );
    table.row(
        "a retry with a cookie, then a hello",
        Bench::at(Client, Start),
        Lives,
        |bench| {
            let retry = bench.rogue.tls_server().retry(&[(44, vec16(&[1; 8]))]);
            let bytes = bench.rogue.send_hello(&retry);
            bench.tell(Level::Initial, &bytes);
        },
    );
    table.done(28);
}

#[test]
fn encrypted_extensions_that_a_client_refuses() {
    type Change = fn(&mut Extensions);
    let rows: &[(&str, Want, Change)] = &[
        ("honest ones", Lives, |_| ()),
        ("no protocol", PROTOCOL, |e| e.remove(16)),
        ("a protocol that was not offered", ILLEGAL, |e| {
            e.set(16, vec16(&vec8(b"other")))
        }),
        ("two protocols", ILLEGAL, |e| {
            e.set(16, vec16(&vec8(b"test").repeat(2)))
        }),
        ("an empty protocol", DECODE, |e| {
            e.set(16, vec16(&vec8(b"")))
        }),
        ("no transport parameters", MISSING, |e| e.remove(57)),
        ("those of drafts instead", UNSUPPORTED, |e| {
            e.remove(57);
            e.push(0xffa5, []);
        }),
        ("transport parameters twice", ILLEGAL, |e| {
            let body = e.body(57).to_vec();
            e.push(57, body);
        }),
        ("an extension that was not offered", UNSUPPORTED, |e| {
            e.push(0x7777, [])
        }),
        ("early data that was not offered", UNSUPPORTED, |e| {
            e.push(42, [])
        }),
        ("a key share", ILLEGAL, |e| e.push(51, [])),
        ("a name", Lives, |e| e.push(0, [])),
        ("a name with a value", DECODE, |e| e.push(0, [0])),
    ];
    let mut table = Table::default();
    for (name, want, change) in rows {
        table.row(*name, Bench::at(Client, Hello), *want, |bench| {
            let mut extensions = bench.rogue.extensions();
            change(&mut extensions);
            let extensions = encrypted_extensions(&extensions);
            let flight = bench.rogue.server_flight_with(extensions, identity());
            bench.tell(Level::Handshake, &flight);
            bench.moment = Complete;
        });
    }
    table.row(
        "bytes behind them",
        Bench::at(Client, Hello),
        DECODE,
        |bench| {
            let block = bench.rogue.extensions().encode();
            bench.tell(Level::Handshake, &message(8, &[&block[..], &[0]].concat()));
        },
    );
    table.done(14);
}

#[test]
fn the_rest_of_a_flight_that_a_client_refuses() {
    type Change = fn(usize, Vec<u8>) -> Vec<u8>;
    /// The message at this place instead of the honest one.
    fn at(
        place: usize,
        found: usize,
        old: Vec<u8>,
        new: impl FnOnce(Vec<u8>) -> Vec<u8>,
    ) -> Vec<u8> {
        if place == found { new(old) } else { old }
    }
    let rows: &[(&str, Want, Change)] = &[
        ("no certificate", DECODE, |i, m| {
            at(1, i, m, |_| certificate(&[], &[]))
        }),
        ("a certificate with a context", ILLEGAL, |i, m| {
            at(1, i, m, |_| certificate(&[1], &entries(identity())))
        }),
        ("a certificate of noise", alert(42), |i, m| {
            at(1, i, m, |_| {
                certificate(&[], &[(vec![7; 90], Extensions::default())])
            })
        }),
        ("an empty certificate", DECODE, |i, m| {
            at(1, i, m, |_| {
                certificate(&[], &[(vec![], Extensions::default())])
            })
        }),
        ("a certificate cut", DECODE, |i, m| {
            at(1, i, m, |m| message(11, &m[4..60]))
        }),
        (
            "an extension of a certificate that was not asked for",
            UNSUPPORTED,
            |i, m| {
                at(1, i, m, |_| {
                    let mut entries = entries(identity());
                    entries[0].1.push(0x7777, []);
                    certificate(&[], &entries)
                })
            },
        ),
        ("a signature turned", DECRYPT, |i, m| {
            at(2, i, m, |mut m| {
                let last = m.len() - 1;
                m[last] ^= 1;
                m
            })
        }),
        ("an empty signature", DECRYPT, |i, m| {
            at(2, i, m, |_| certificate_verify(0x0807, &[]))
        }),
        ("a scheme that was not offered", ILLEGAL, |i, m| {
            at(2, i, m, |_| certificate_verify(0x0201, &[7; 64]))
        }),
        ("a scheme of another key", ILLEGAL, |i, m| {
            at(2, i, m, |_| certificate_verify(0x0403, &[7; 64]))
        }),
        ("a signature with bytes behind it", DECODE, |i, m| {
            at(2, i, m, |m| message(15, &[&m[4..], &[0]].concat()))
        }),
        ("a Finished turned", DECRYPT, |i, m| {
            at(3, i, m, |mut m| {
                m[9] ^= 1;
                m
            })
        }),
        ("a Finished that is too short", DECODE, |i, m| {
            at(3, i, m, |m| message(20, &m[4..30]))
        }),
        ("no CertificateVerify", UNEXPECTED, |i, m| {
            at(2, i, m, |_| vec![])
        }),
        ("no Certificate", UNEXPECTED, |i, m| at(1, i, m, |_| vec![])),
        ("neither", UNEXPECTED, |i, m| {
            if i == 1 || i == 2 { vec![] } else { m }
        }),
        ("EncryptedExtensions twice", UNEXPECTED, |i, m| {
            at(0, i, m, |m| m.repeat(2))
        }),
        ("Certificate twice", UNEXPECTED, |i, m| {
            at(1, i, m, |m| m.repeat(2))
        }),
        ("CertificateVerify twice", UNEXPECTED, |i, m| {
            at(2, i, m, |m| m.repeat(2))
        }),
        ("Finished twice", UNEXPECTED, |i, m| {
            at(3, i, m, |m| m.repeat(2))
        }),
    ];
    let mut table = Table::default();
    for (name, want, change) in rows {
        table.row(*name, Bench::at(Client, Hello), *want, |bench| {
            let flight = messages(&bench.rogue.server_flight(identity()));
            let parts = flight.into_iter().enumerate();
            let changed: Vec<u8> = parts.flat_map(|(at, m)| change(at, m)).collect();
            bench.tell(Level::Handshake, &changed);
        });
    }
    table.done(20);
}
