//! Certificates, keys and OCSP responses that OpenSSL made itself: chains of ML-DSA, and staples that it reads too.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

use pith_interop::{OpenSsl, Session, folder};
use pith_tests::pair::NAME;
use pith_tests::pki::Identity;
use pith_tls::{ClientConfig, Credential, PrivateKeyDer, ServerConfig, SignatureScheme, Trust};
use pki_types::pem::PemObject;

#[test]
fn chains_of_ml_dsa_from_openssl_are_verified_and_shown() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    for (root, leaf, scheme) in [
        ("ML-DSA-44", "ML-DSA-44", SignatureScheme::MLDSA44),
        ("ML-DSA-65", "ML-DSA-65", SignatureScheme::MLDSA65),
        ("ML-DSA-87", "ML-DSA-87", SignatureScheme::MLDSA87),
        ("ML-DSA-87", "ML-DSA-44", SignatureScheme::MLDSA44),
    ] {
        let made = Made::new(&openssl, root, leaf);
        let identity = made.identity();
        let client = ClientConfig::new(made.trust()).keep_peer_chain(true);
        let mut session = Session::with_server(&openssl, client, &identity, &[]);
        let summary = session.pith.summary().unwrap();
        assert_eq!(summary.signature_scheme, Some(scheme));
        assert_eq!(summary.peer_chain.as_ref(), Some(&identity.chain));
        session.exchange(0);
        session.close();

        let server = ServerConfig::new(made.credential());
        let mut session = Session::with_client(&openssl, server, &made.read("root.pem"), &[]);
        session.exchange(0);
        let printed = session.close();
        let signed = format!("Peer signature type: {scheme}");
        assert!(printed.contains(&signed), "{printed}");
        assert!(printed.contains("Verify return code: 0 (ok)"), "{printed}");
    }
}

#[test]
fn responses_of_ocsp_are_stapled_both_ways() {
    let Some(openssl) = OpenSsl::find() else {
        return;
    };
    let made = Made::new(&openssl, "EC", "EC");
    let staple = made.staple(&openssl);
    let path = made.folder.join("staple.der");
    let args = ["-status_file", path.to_str().unwrap()];
    for asked in [true, false] {
        let client = ClientConfig::new(made.trust()).request_ocsp(asked);
        let session = Session::with_server(&openssl, client, &made.identity(), &args);
        let received = &session.pith.summary().unwrap().ocsp_response;
        assert_eq!(received.as_ref(), asked.then_some(&staple));
        session.close();
    }
    for (credential, args, says) in [
        (
            made.credential().with_ocsp(&staple),
            &["-status"][..],
            Some("Cert Status: good"),
        ),
        (
            made.credential(),
            &["-status"],
            Some("OCSP responses: no responses sent"),
        ),
        (made.credential().with_ocsp(&staple), &[], None),
    ] {
        let server = ServerConfig::new(credential);
        let mut session = Session::with_client(&openssl, server, &made.read("root.pem"), args);
        session.exchange(0);
        let printed = session.close();
        match says {
            Some(says) => assert!(printed.contains(says), "{printed}"),
            None => assert!(!printed.contains("OCSP"), "{printed}"),
        }
    }
}

/// A root and a leaf in a folder: `root.pem`, `root.key`, `leaf.pem`, `leaf.key`.
struct Made {
    folder: PathBuf,
}

impl Made {
    fn new(openssl: &OpenSsl, root: &str, leaf: &str) -> Self {
        let made = Self { folder: folder() };
        fs::write(made.folder.join("cnf"), CONFIGURATION.replace("NAME", NAME)).unwrap();
        let run = |line: &str, algorithm: &str| {
            let mut args: Vec<_> = line.split(' ').collect();
            match algorithm {
                "" => {}
                "EC" => args.extend(["-newkey", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
                other => args.extend(["-newkey", other]),
            }
            openssl.run(&made.folder, &args)
        };
        run(
            "req -x509 -config cnf -extensions root -noenc -keyout root.key -out root.pem -subj /CN=Root -days 30",
            root,
        );
        run(
            "req -new -config cnf -noenc -keyout leaf.key -out leaf.csr -subj /CN=Leaf",
            leaf,
        );
        run(
            "x509 -req -in leaf.csr -CA root.pem -CAkey root.key -set_serial 7 -days 30 -extfile cnf -extensions leaf -out leaf.pem",
            "",
        );
        made
    }

    /// A response of the root's about the leaf, which it also leaves in `staple.der`.
    fn staple(&self, openssl: &OpenSsl) -> Vec<u8> {
        let index = "V\t491231235959Z\t\t07\tunknown\t/CN=Leaf\n";
        fs::write(self.folder.join("index"), index).unwrap();
        for line in [
            "ocsp -issuer root.pem -cert leaf.pem -reqout request.der",
            "ocsp -index index -CA root.pem -rsigner root.pem -rkey root.key -ndays 7 -reqin request.der -respout staple.der",
        ] {
            openssl.run(&self.folder, &line.split(' ').collect::<Vec<_>>());
        }
        fs::read(self.folder.join("staple.der")).unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    fn trust(&self) -> Trust {
        Trust::roots_from_pem(self.read("root.pem").as_bytes()).unwrap()
    }

    fn credential(&self) -> Credential {
        let (chain, key) = (self.read("leaf.pem"), self.read("leaf.key"));
        Credential::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()
    }

    fn identity(&self) -> Identity {
        let (chain_pem, key_pem) = (self.read("leaf.pem"), self.read("leaf.key"));
        Identity {
            chain: self.credential().chain().to_vec(),
            key: PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap(),
            chain_pem,
            key_pem,
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let folder: &Path = &self.folder;
        // What stays in the folder for temporary files does no harm.
        fs::remove_dir_all(folder).unwrap_or_default();
    }
}

const CONFIGURATION: &str = "\
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
subjectAltName = DNS:NAME
";
