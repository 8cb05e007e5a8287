//! Names over a connection: which server may answer for the name that a client asks for, and what the server hears of it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use pith_tests::pair::{NOW, Pair, Side, credential, trust};
use pith_tests::pki::{Identity, Kind, Pki};
use pith_tls::{ClientConfig, Connection, Error, Reason, ServerConfig, ServerName};
use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};

/// What the client says, and the name that the server heard.
fn connect(pki: &Pki, identity: &Identity, name: &str) -> Result<Option<String>, Error> {
    let client = ClientConfig::new(trust(pki)).build().unwrap();
    let server = ServerConfig::new(credential(identity)).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut pair = Pair {
        client: Side::new(Connection::client(client, name, NOW).unwrap()),
        server: Side::new(Connection::server(server)),
    };
    pair.run()?;
    let heard = |side: &Side| side.tls.summary().unwrap().server_name.clone();
    assert_eq!(heard(&pair.client).is_some(), heard(&pair.server).is_some());
    Ok(heard(&pair.server).map(String::from))
}

/// RFC 9525 section 6, and RFC 6066 section 3 for what is sent: no address, and a name without the dot at its end.
#[test]
fn a_name_is_matched_as_a_whole_and_sent_unless_it_is_an_address() {
    let wrong = None;
    let sent = |name: &str| Some(Some(name.to_owned()));
    let address = Some(None);
    let rows: [(&str, &str, Option<Option<String>>); 29] = [
        ("a.example", "a.example", sent("a.example")),
        ("a.example", "A.Example", sent("a.example")),
        ("A.EXAMPLE", "a.example", sent("a.example")),
        ("a.example", "a.example.", sent("a.example")),
        ("a.example", "b.example", wrong.clone()),
        ("a.example", "x.a.example", wrong.clone()),
        ("a.example", "example", wrong.clone()),
        ("a.example", "a.example.org", wrong.clone()),
        ("*.a.example", "x.a.example", sent("x.a.example")),
        ("*.a.example", "X.A.example.", sent("x.a.example")),
        ("*.A.example", "x.a.example", sent("x.a.example")),
        ("*.a.example", "a.example", wrong.clone()),
        ("*.a.example", "y.x.a.example", wrong.clone()),
        (
            "*.a.example",
            "xn--nxasmq6b.a.example",
            sent("xn--nxasmq6b.a.example"),
        ),
        ("*.example", "a.example", wrong.clone()),
        ("a*.example", "ab.example", wrong.clone()),
        ("x.*.example", "x.a.example", wrong.clone()),
        ("*", "localhost", wrong.clone()),
        (
            "xn--bcher-kva.example",
            "xn--bcher-kva.example",
            sent("xn--bcher-kva.example"),
        ),
        (
            "xn--bcher-kva.example",
            "XN--BCHER-KVA.example",
            sent("xn--bcher-kva.example"),
        ),
        ("a_b.example", "a_b.example", sent("a_b.example")),
        ("192.0.2.1", "192.0.2.1", address.clone()),
        ("192.0.2.1", "192.0.2.2", wrong.clone()),
        ("2001:db8::1", "2001:db8::1", address.clone()),
        ("2001:db8::1", "2001:0DB8:0:0:0:0:0:1", address.clone()),
        ("2001:db8::1", "2001:db8::2", wrong.clone()),
        ("192.0.2.1", "::ffff:192.0.2.1", wrong.clone()),
        ("a.example", "192.0.2.1", wrong.clone()),
        ("*.0.2.1", "192.0.2.1", wrong.clone()),
    ];
    let pki = Pki::new();
    for (has, asked, want) in rows {
        let row = format!("{has} asked for as {asked}");
        match connect(&pki, &pki.leaf(has), asked) {
            Ok(heard) => assert_eq!(Some(heard), want, "{row}"),
            Err(Error::Certificate(error)) => {
                assert!(
                    matches!(error.reason(), Reason::WrongName { .. }),
                    "{row}: {error}"
                );
                assert_eq!(want, None, "{row}");
            }
            Err(error) => panic!("{row}: {error}"),
        }
    }
}

/// A name counts only where TLS looks for it: the subject alternative names, never the common name (RFC 9525 section 2).
#[test]
fn a_common_name_is_no_name_of_a_server() {
    let pki = Pki::new();
    let identity = pki.leaf_with(Kind::P256, &[], |params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "a.example");
    });
    assert!(connect(&pki, &identity, "a.example").is_err());
}

/// RFC 5280 section 4.2.1.10.
#[test]
fn a_ca_issues_within_its_name_constraints_alone() {
    let dns = |name: &str| vec![GeneralSubtree::DnsName(name.into())];
    let v4 = |net: [u8; 4], prefix| {
        vec![GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix(
            net, prefix,
        ))]
    };
    let v6 = |net: u8, prefix| {
        let mut address = [0; 16];
        (address[0], address[1], address[2], address[3], address[15]) = (0x20, 1, 0x0d, 0xb8, net);
        vec![GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(
            address, prefix,
        ))]
    };
    let none = Vec::new;
    let rows: [(
        &str,
        Vec<GeneralSubtree>,
        Vec<GeneralSubtree>,
        &[&str],
        bool,
    ); 14] = [
        (
            "of the name",
            dns("a.example"),
            none(),
            &["a.example"],
            true,
        ),
        (
            "below the name",
            dns("example"),
            none(),
            &["x.a.example"],
            true,
        ),
        (
            "in another case",
            dns("EXAMPLE"),
            none(),
            &["a.example"],
            true,
        ),
        (
            "a name that only ends alike",
            dns("a.example"),
            none(),
            &["ba.example"],
            false,
        ),
        ("elsewhere", dns("example"), none(), &["a.test"], false),
        (
            "one of two names elsewhere",
            dns("example"),
            none(),
            &["a.example", "a.test"],
            false,
        ),
        (
            "excluded",
            none(),
            dns("a.example"),
            &["x.a.example"],
            false,
        ),
        (
            "beside what is excluded",
            none(),
            dns("a.example"),
            &["b.example"],
            true,
        ),
        (
            "permitted and excluded",
            dns("example"),
            dns("a.example"),
            &["a.example"],
            false,
        ),
        (
            "a wildcard within",
            dns("a.example"),
            none(),
            &["*.a.example"],
            true,
        ),
        (
            "a wildcard across",
            none(),
            dns("x.a.example"),
            &["*.a.example"],
            false,
        ),
        (
            "an address within",
            v4([192, 0, 2, 0], 24),
            none(),
            &["192.0.2.1"],
            true,
        ),
        (
            "an address outside",
            v4([192, 0, 2, 0], 24),
            none(),
            &["192.0.3.1"],
            false,
        ),
        (
            "an address of the other kind",
            v6(1, 128),
            none(),
            &["2001:db8::2"],
            false,
        ),
    ];
    for (row, permitted, excluded, names, good) in rows {
        // By an intermediate, and by the root itself.
        for at in [0, 1] {
            let pki = Pki::bent(Kind::P256, 1, |place, params| {
                if place == at {
                    params.name_constraints = Some(NameConstraints {
                        permitted_subtrees: permitted.clone(),
                        excluded_subtrees: excluded.clone(),
                    });
                }
            });
            let identity = pki.leaf_with(Kind::P256, names, |_| ());
            let asked = names.first().unwrap().replace('*', "y");
            match connect(&pki, &identity, &asked) {
                Ok(_) => assert!(good, "{row}, CA {at}"),
                Err(Error::Certificate(error)) => {
                    assert_eq!(
                        (error.reason(), good),
                        (&Reason::NameConstraint, false),
                        "{row}, CA {at}"
                    );
                }
                Err(error) => panic!("{row}, CA {at}: {error}"),
            }
        }
    }
}
