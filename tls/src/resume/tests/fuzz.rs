//! Fuzz targets: any bytes give a value or nothing, and what is read is written the same again.

use super::*;

const ITERATIONS: usize = 5000;

#[test]
fn imported_identity() {
    bolero::check!()
        .with_type::<(Vec<u8>, Vec<u8>, u8)>()
        .with_iterations(ITERATIONS)
        .for_each(|(bytes, context, kdf)| {
            assert!(
                ImportedIdentity::parse(bytes).is_none_or(|id| !id.external_identity.is_empty())
            );
            let part = |bytes: &[u8]| {
                let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
                [&length, bytes].concat()
            };
            let whole = [part(bytes), part(context), vec![3, 4, 0, kdf % 4]].concat();
            let parsed = ImportedIdentity::parse(&whole);
            let want = !bytes.is_empty() && [1, 2].contains(&(kdf % 4));
            assert_eq!(parsed.is_some(), want);
            if let Some(parsed) = parsed {
                assert_eq!(parsed.external_identity, &bytes[..]);
                assert_eq!(parsed.context, &context[..]);
            }
        });
}

#[test]
fn tickets_and_saved_sessions() {
    let tickets = [
        Tickets::rotating(),
        Tickets::fleet(&[&[1; 31][..], &[2]].concat()).unwrap(),
    ];
    let key = SessionKey::new(&[1; 32]);
    let real = tickets.each_ref().map(|tickets| {
        let now = at(HOUR);
        tickets.seal(&server_state(now), now).unwrap()
    });
    bolero::check!()
        .with_type::<(Vec<u8>, bool)>()
        .with_iterations(ITERATIONS)
        .for_each(|(bytes, front)| {
            for (tickets, real) in tickets.iter().zip(&real) {
                // Behind the id of a key that exists, too.
                let front = if *front { &real[..8] } else { &[] };
                let forged = [front, bytes].concat();
                assert!(tickets.open(&forged, at(HOUR)).is_none());
            }
            assert!(Session::open(&key, bytes).is_err());
        });
}

/// Past the AEAD: what opens and is not ours.
#[test]
fn states() {
    let server = server_state(at(HOUR));
    let server = [&server.encode().unwrap()[..], server.secret.expose()].concat();
    let client = client_state("a.test", b"ticket", at(HOUR));
    let client = [&client.encode().unwrap()[..], client.secret.expose()].concat();
    bolero::check!()
        .with_type::<(Vec<u8>, Vec<(u8, u8)>)>()
        .with_iterations(ITERATIONS)
        .for_each(|(bytes, changes)| {
            let changed = |whole: &[u8]| {
                let mut whole = whole.to_vec();
                for (place, value) in changes {
                    let place = usize::from(*place) % whole.len();
                    whole[place] = *value;
                }
                whole
            };
            for bytes in [bytes.clone(), changed(&server)] {
                if let Some(state) = ServerState::decode(&bytes) {
                    if let Ok(encoded) = state.encode() {
                        let again = [&encoded[..], state.secret.expose()].concat();
                        assert_eq!(again, bytes);
                    }
                }
            }
            for bytes in [bytes.clone(), changed(&client)] {
                let Some(state) = ClientState::decode(&bytes) else {
                    continue;
                };
                // A name is written without the dot at its end, so not all is as it was at once; then it is.
                if let Ok(encoded) = state.encode() {
                    let again = [&encoded[..], state.secret.expose()].concat();
                    assert!(again.len() == bytes.len() || again.len() + 1 == bytes.len());
                    let state = ClientState::decode(&again).expect("its own encoding");
                    assert_eq!(state.encode(), Ok(encoded));
                }
            }
        });
}
