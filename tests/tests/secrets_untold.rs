//! No secret is told to whoever logs: not in an event, a summary or an error, in words or as Rust shows a value (T14).
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use pith_tests::engine::{Duo, Outcome};
use pith_tests::pair::{NAME, credential, trust};
use pith_tests::pki::Pki;
use pith_tls::{
    ClientConfig, Event, ExternalPsk, Hash, Observer, Role, ServerConfig, Session, SessionKey,
    SessionStore, Tickets,
};

const FLEET: &[u8] = b"a secret that all of the servers know";
const EXTERNAL: &[u8] = b"a key that was agreed on long before";
const SAVING: [u8; 32] = *b"the key that sessions rest under";

/// Keeps all that it is told, in both forms.
#[derive(Default)]
struct Log(Mutex<String>);

impl Log {
    fn add(&self, text: &str) {
        self.0.lock().unwrap().push_str(text);
    }
}

impl Observer for Log {
    fn event(&self, event: &Event<'_>) {
        self.add(&format!("{event}\n{event:?}\n{event:#?}\n"));
    }
}

/// The ways in which bytes may be written, of which a few are enough to give them away.
fn forms(secret: &[u8]) -> Vec<String> {
    let part = &secret[..8];
    let hex = |upper: bool, between: &str| {
        let byte = |byte: &u8| match upper {
            true => format!("{byte:02X}"),
            false => format!("{byte:02x}"),
        };
        part.iter().map(byte).collect::<Vec<_>>().join(between)
    };
    let list = format!("{part:?}");
    let lines = format!("{part:#?}");
    vec![
        hex(false, ""),
        hex(true, ""),
        hex(false, " "),
        hex(false, ":"),
        list.trim_matches(['[', ']']).to_owned(),
        lines.trim_matches(['[', ']', '\n', ',']).to_owned(),
        String::from_utf8_lossy(part).into_owned(),
    ]
}

#[test]
fn the_search_finds_a_secret_in_each_form() {
    let secret = *b"\x0a1234567rest";
    for told in [
        "key 0a31323334353637",
        "0A31323334353637",
        "0a 31 32 33 34 35 36 37",
        "0a:31:32:33:34:35:36:37",
        &format!("Key({secret:?})"),
        &format!("Key({secret:#?})"),
        "\n1234567",
    ] {
        let found = forms(&secret).iter().any(|form| told.contains(form));
        assert!(found, "{told}");
    }
}

#[test]
fn what_is_told_holds_no_secret() {
    let pki = Pki::new();
    let (log, store) = (Arc::new(Log::default()), SessionStore::new());
    let identity = pki.leaf(NAME);
    fn psk(role: Role, key: &[u8]) -> ExternalPsk {
        ExternalPsk::new(role, b"identity", b"", key, Hash::Sha256).unwrap()
    }
    let client = |key: Option<&[u8]>| {
        let mut config = ClientConfig::new(trust(&pki)).observer(log.clone());
        config = match key {
            Some(key) => config.psk(psk(Role::Client, key)),
            None => config.sessions(store.clone()),
        };
        config.keep_peer_chain(true).build().unwrap()
    };
    let server = ServerConfig::new(credential(&identity))
        .observer(log.clone())
        .tickets(Tickets::fleet(FLEET).unwrap())
        .psk(psk(Role::Server, EXTERNAL))
        .build()
        .unwrap();

    let mut secrets = vec![
        FLEET.to_vec(),
        EXTERNAL.to_vec(),
        SAVING.to_vec(),
        // The number that is a P-256 key, between what names its kind and the public key.
        identity.key.secret_der()[36..68].to_vec(),
    ];
    let wrong = [&EXTERNAL[..8], b"as it should not be"].concat();
    // The first handshake, one that resumes, and two by an external key, of which one fails.
    for key in [None, None, Some(EXTERNAL), Some(&wrong)] {
        let mut duo = Duo::records(&client(key), &server);
        let outcome = duo.run();
        let failed = matches!(outcome, Outcome::Failed(..));
        assert_eq!(failed, key == Some(&wrong));
        log.add(&format!("{outcome:?} {outcome:#?}"));
        for side in [&duo.client, &duo.server] {
            log.add(&format!("{:?} {:#?}", side.summary, side.summary));
            log.add(&format!("{:?}", side.error));
            secrets.extend(side.secrets.iter().map(|(_, _, secret)| secret.clone()));
        }
        if !failed {
            secrets.push(duo.client.exported().to_vec());
        }
    }
    assert!(!store.is_empty(), "sessions were kept");
    let key = SessionKey::new(&SAVING);
    for session in store.drain() {
        let sealed = session.seal(&key).unwrap();
        let other = Session::open(&SessionKey::new(&[1; 32]), &sealed).err();
        let error = other.unwrap();
        log.add(&format!("{error} {error:?}"));
        for secret in &secrets {
            let found = sealed.windows(8).any(|window| window == &secret[..8]);
            assert!(!found, "a secret in a saved session");
        }
    }

    let told = log.0.lock().unwrap();
    assert!(told.contains("X25519MLKEM768"), "something was told");
    assert!(secrets.len() > 20);
    for secret in &secrets {
        for form in forms(secret) {
            assert!(!told.contains(&form), "{form}");
        }
    }
}
