//! The example handshakes of RFC 8448: every secret, key and protected record that this crate's functions can give.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use pith_crypto::{Aead, Digest, Hash, Hasher, OpeningKey, SealingKey, Secret, hkdf, mac};

const HASH: Hash = Hash::Sha256;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const ALERT: u8 = 21;

/// The values of one of the handshakes, by name.
struct Trace(&'static str);

impl Trace {
    fn bytes(&self, name: &str) -> Vec<u8> {
        let hex = include_str!("data/rfc8448.txt")
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{}.{name} ", self.0)))
            .unwrap_or_else(|| panic!("no {}.{name}", self.0));
        hex.as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    fn secret(&self, name: &str) -> Secret {
        Secret::new(&self.bytes(name)).unwrap()
    }

    fn transcript(&self, names: &[&str]) -> Digest {
        let mut hasher = Hasher::new(HASH);
        names
            .iter()
            .for_each(|name| hasher.update(&self.bytes(name)));
        hasher.fork()
    }

    fn expect(&self, name: &str, got: &[u8]) {
        assert_eq!(got, self.bytes(name), "{}.{name}", self.0);
    }

    fn expect_derived(&self, name: &str, from: &Secret, label: &str, transcript: &Digest) {
        let got = hkdf::derive_secret(HASH, from, label, transcript.as_ref()).unwrap();
        self.expect(name, got.expose());
    }

    fn expect_keys(&self, name: &str, traffic: &str) -> (Vec<u8>, Vec<u8>) {
        let traffic = self.secret(traffic);
        let (mut key, mut iv) = (vec![0; 16], vec![0; 12]);
        hkdf::expand_label(HASH, &traffic, "key", &[], &mut key).unwrap();
        hkdf::expand_label(HASH, &traffic, "iv", &[], &mut iv).unwrap();
        self.expect(&format!("{name}.key"), &key);
        self.expect(&format!("{name}.iv"), &iv);
        (key, iv)
    }

    /// Finished or binder: a key from `base`, and the MAC over `transcript`.
    fn expect_mac(&self, key_name: &str, base: &Secret, transcript: &Digest) -> Secret {
        let key = Secret::filled(32, |out| {
            hkdf::expand_label(HASH, base, "finished", &[], out)
        });
        let key = key.unwrap();
        self.expect(key_name, key.expose());
        mac::hmac(HASH, key.expose(), transcript.as_ref()).unwrap()
    }

    /// Seals and opens in order under one key: (record, content, content type).
    fn expect_records(&self, keys: (Vec<u8>, Vec<u8>), records: &[(&str, &[&str], u8)]) {
        let mut seal = SealingKey::new(Aead::Aes128Gcm, &keys.0, &keys.1).unwrap();
        let mut open = OpeningKey::new(Aead::Aes128Gcm, &keys.0, &keys.1).unwrap();
        for (name, content, kind) in records {
            let mut record = self.bytes(&format!("{name}.record"));
            let content: Vec<u8> = content.iter().flat_map(|part| self.bytes(part)).collect();
            let (header, body) = record.split_at_mut(5);
            let mut sealed = vec![0; body.len()];
            let len = seal.seal(header, &content, &[*kind], &mut sealed).unwrap();
            assert_eq!((len, &sealed[..]), (body.len(), &*body), "{name}");
            let opened = open.open(header, body).unwrap();
            assert_eq!(opened, [&content[..], &[*kind]].concat(), "{name}");
        }
    }
}

#[test]
fn rfc8448_full_handshake_has_the_secrets_of_the_trace() {
    let t = Trace("full");
    let nothing = HASH.digest(&[]);

    let early = hkdf::extract(HASH, &[0; 32], &[0; 32]).unwrap();
    t.expect("early", early.expose());
    assert!(
        early.ct_eq(hkdf::extract(HASH, &[], &[0; 32]).unwrap().expose()),
        "no salt is zeros"
    );
    t.expect_derived("early.derived", &early, "derived", &nothing);

    let handshake = hkdf::extract(HASH, &t.bytes("early.derived"), &t.bytes("ecdh")).unwrap();
    t.expect("handshake", handshake.expose());
    let hello = ["client_hello", "server_hello"];
    let to_server_hello = t.transcript(&hello);
    t.expect_derived("c_hs_traffic", &handshake, "c hs traffic", &to_server_hello);
    t.expect_derived("s_hs_traffic", &handshake, "s hs traffic", &to_server_hello);
    t.expect_derived("handshake.derived", &handshake, "derived", &nothing);

    let main = hkdf::extract(HASH, &t.bytes("handshake.derived"), &[0; 32]).unwrap();
    t.expect("main", main.expose());
    let flight = [
        "encrypted_extensions",
        "certificate",
        "certificate_verify",
        "server_finished",
    ];
    let all = [&hello[..], &flight[..]].concat();
    let to_verify = t.transcript(&all[..5]);
    let to_finished = t.transcript(&all);
    t.expect_derived("c_ap_traffic", &main, "c ap traffic", &to_finished);
    t.expect_derived("s_ap_traffic", &main, "s ap traffic", &to_finished);
    t.expect_derived("exp_master", &main, "exp master", &to_finished);

    let verify_data = t.expect_mac("server_finished.key", &t.secret("s_hs_traffic"), &to_verify);
    assert!(verify_data.ct_eq(&t.bytes("server_finished")[4..]));
    let verify_data = t.expect_mac(
        "client_finished.key",
        &t.secret("c_hs_traffic"),
        &to_finished,
    );
    assert!(verify_data.ct_eq(&t.bytes("client_finished")[4..]));

    let to_end = t.transcript(&[&all[..], &["client_finished"]].concat());
    t.expect_derived("res_master", &main, "res master", &to_end);
    let mut psk = [0; 32];
    let nonce = t.bytes("resumption_nonce");
    hkdf::expand_label(
        HASH,
        &t.secret("res_master"),
        "resumption",
        &nonce,
        &mut psk,
    )
    .unwrap();
    t.expect("psk", &psk);
}

#[test]
fn rfc8448_full_handshake_has_the_records_of_the_trace() {
    let t = Trace("full");
    let flight: &[&str] = &[
        "encrypted_extensions",
        "certificate",
        "certificate_verify",
        "server_finished",
    ];
    let server = t.expect_keys("s_hs", "s_hs_traffic");
    t.expect_records(server, &[("server_flight", flight, HANDSHAKE)]);
    let client = t.expect_keys("c_hs", "c_hs_traffic");
    t.expect_records(
        client,
        &[("client_finished", &["client_finished"], HANDSHAKE)],
    );
    let server = t.expect_keys("s_ap", "s_ap_traffic");
    let sent: &[(&str, &[&str], u8)] = &[
        ("ticket", &["ticket"], HANDSHAKE),
        ("server_data", &["server_data"], DATA),
        ("server_alert", &["server_alert"], ALERT),
    ];
    t.expect_records(server, sent);
    let client = t.expect_keys("c_ap", "c_ap_traffic");
    let sent: &[(&str, &[&str], u8)] = &[
        ("client_data", &["client_data"], DATA),
        ("client_alert", &["client_alert"], ALERT),
    ];
    t.expect_records(client, sent);
}

#[test]
fn rfc8448_resumed_handshake_has_the_secrets_of_the_trace() {
    let t = Trace("resumed");
    let nothing = HASH.digest(&[]);

    let early = hkdf::extract(HASH, &[], &Trace("full").bytes("psk")).unwrap();
    t.expect("early", early.expose());
    t.expect_derived("binder.prk", &early, "res binder", &nothing);
    let prefix = t.transcript(&["client_hello_prefix"]);
    let binder = t.expect_mac("binder.key", &t.secret("binder.prk"), &prefix);
    t.expect("binder", binder.expose());

    let hello = t.transcript(&["client_hello"]);
    t.expect_derived("c_e_traffic", &early, "c e traffic", &hello);
    t.expect_derived("e_exp_master", &early, "e exp master", &hello);
    let client = t.expect_keys("c_e", "c_e_traffic");
    t.expect_records(client, &[("early_data", &["early_data"], DATA)]);

    t.expect_derived("early.derived", &early, "derived", &nothing);
    let handshake = hkdf::extract(HASH, &t.bytes("early.derived"), &t.bytes("ecdh")).unwrap();
    t.expect("handshake", handshake.expose());
}
