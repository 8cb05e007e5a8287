//! Revocation lists in both roles: a revoked certificate, or one in doubt, ends the handshake with its alert.
#![allow(clippy::unwrap_used, missing_docs)]

use pith_tests::pair::{NAME, Pair, credential, trust};
use pith_tests::pki::{Kind, Pki};
use pith_tls::{
    AlertDescription as Alert, ClientAuth, ClientConfig, Crls, Error, ServerConfig, Trust,
};

const SERIAL: u64 = 1_000_001;

fn with_list(pki: &Pki, revoked: &[u64]) -> Trust {
    let list = pki.crl(0, revoked, |_| ());
    trust(pki)
        .with_crls(Crls::from_der(&[list.der()]).unwrap())
        .unwrap()
}

#[test]
fn who_is_revoked_is_told_so_in_either_role() {
    let (servers, clients) = (Pki::new(), Pki::new());
    let leaf = |pki: &Pki, name| {
        credential(&pki.leaf_with(Kind::P256, &[name], |params| {
            params.serial_number = Some(SERIAL.into())
        }))
    };
    let other = Pki::bent(Kind::P256, 0, |_, params| {
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "Another Root");
    });
    let other_list = || Crls::from_der(&[other.crl(0, &[SERIAL], |_| ()).der()]).unwrap();
    let no_list = |pki: &Pki| trust(pki).with_crls(other_list()).unwrap();
    let unsure = |pki: &Pki| {
        trust(pki)
            .with_crls(other_list().allow_unknown(true))
            .unwrap()
    };
    let rows = [
        (
            "nobody",
            with_list(&servers, &[]),
            with_list(&clients, &[]),
            None,
        ),
        (
            "another",
            with_list(&servers, &[7]),
            with_list(&clients, &[8]),
            None,
        ),
        (
            "the server",
            with_list(&servers, &[SERIAL]),
            with_list(&clients, &[]),
            Some(Alert::CERTIFICATE_REVOKED),
        ),
        (
            "the client",
            with_list(&servers, &[]),
            with_list(&clients, &[SERIAL]),
            Some(Alert::CERTIFICATE_REVOKED),
        ),
        (
            "no list for the server",
            no_list(&servers),
            trust(&clients),
            Some(Alert::CERTIFICATE_UNKNOWN),
        ),
        (
            "no list for the client",
            trust(&servers),
            no_list(&clients),
            Some(Alert::CERTIFICATE_UNKNOWN),
        ),
        ("no list, allowed", unsure(&servers), unsure(&clients), None),
    ];
    for (row, of_servers, of_clients, want) in rows {
        for required in [true, false] {
            let auth = match required {
                true => ClientAuth::Required(of_clients.clone()),
                false => ClientAuth::Optional(of_clients.clone()),
            };
            let client = ClientConfig::new(of_servers.clone()).credential(leaf(&clients, "client"));
            let server = ServerConfig::new(leaf(&servers, NAME)).client_auth(auth);
            let mut pair = Pair::new(&client.build().unwrap(), &server.build().unwrap());
            let got = pair.run().err();
            assert!(
                matches!(got, None | Some(Error::Certificate(_))),
                "{row}: {got:?}"
            );
            assert_eq!(got.as_ref().and_then(Error::alert), want, "{row}");
            if let Some(alert) = want {
                let told = if row.contains("client") {
                    &mut pair.client
                } else {
                    &mut pair.server
                };
                assert_eq!(told.tls.eof(), Err(Error::Alert(alert)), "{row}");
            }
        }
    }
}
