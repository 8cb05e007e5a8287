//! The runner's command line.
//!
//! The runner says by flags what a test needs of the shim. A flag that is not here stands for a feature that Pith does not
//! have (yet), and [`Unsupported`] makes the shim exit with 89: the scope of the suite is decided by this list. A flag for
//! something that TLS 1.3 does not have, or that Pith always does, is taken and has no effect.
//!
//! What is left out, by the feature that it needs: PAKE; delegated credentials; ECH; tickets under keys that the runner knows, and sessions for other names; ALPS,
//! channel ids, SRTP and signed certificate timestamps; trust anchor identifiers; BoringSSL's own policies, hints (of groups,
//! of a handshake in another process) and callbacks that fail at a server or read messages; peeking, alerts and fragments of
//! the caller's choice; equal preference of suites; an order of schemes to verify, or forbidden ones to sign.

use std::str::FromStr;

use crate::quic::Parameters;
use pith_tls::{CipherSuite, Group, Hash, SignatureScheme};

/// What one test asks for; the fields are named after the flags.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) port: u16,
    pub(crate) ipv6: bool,
    pub(crate) shim_id: u64,
    pub(crate) server: bool,
    pub(crate) r#async: bool,
    /// How many connections there are after the first.
    pub(crate) resume_count: usize,
    /// This one may not resume a session.
    pub(crate) session_miss: bool,
    /// No session may come of this one.
    pub(crate) expect_no_session: bool,
    pub(crate) no_ticket: bool,
    pub(crate) session_id_context: Option<String>,
    pub(crate) enable_early_data: bool,
    pub(crate) expect_accept_early_data: bool,
    pub(crate) expect_reject_early_data: bool,
    pub(crate) expect_no_offer_early_data: bool,
    pub(crate) expect_early_data_reason: Option<String>,
    /// What counts once a server has rejected this client's early data.
    pub(crate) after_rejection: Option<Box<Options>>,
    /// Seconds until the next connection.
    pub(crate) resumption_delay: u64,

    /// The credential of the flags before any `-new-…-credential`.
    pub(crate) credential: CredentialOptions,
    pub(crate) new_credentials: Vec<CredentialOptions>,
    /// The types of certificates to take of the peer, by their codes.
    pub(crate) accepted_peer_cert_types: Vec<u8>,
    /// Those to offer to a server.
    pub(crate) available_client_cert_types: Vec<u8>,
    pub(crate) trust_cert: Option<String>,
    /// The runner's own algorithms, or the one of this code.
    pub(crate) compression: Option<Option<u16>>,
    pub(crate) verify_fail: bool,
    pub(crate) verify_peer: bool,
    pub(crate) require_any_client_certificate: bool,
    pub(crate) enable_ocsp_stapling: bool,
    pub(crate) decline_ocsp_callback: bool,
    pub(crate) fail_ocsp_callback: bool,
    pub(crate) enable_grease: bool,
    pub(crate) fail_early_callback: bool,

    pub(crate) tls13_only: bool,
    pub(crate) curves: Vec<Group>,
    pub(crate) key_shares: Vec<Group>,
    pub(crate) tls13_ciphers: Vec<CipherSuite>,
    pub(crate) host_name: Option<String>,
    pub(crate) advertise_alpn: Vec<Vec<u8>>,
    pub(crate) select_alpn: Option<String>,
    pub(crate) reject_alpn: bool,
    pub(crate) use_early_callback: bool,

    pub(crate) expect_server_name: Option<String>,
    pub(crate) expect_alpn: Option<String>,
    pub(crate) expect_curve_id: Option<Group>,
    pub(crate) expect_cipher: Option<u16>,
    pub(crate) expect_hrr: Option<bool>,
    pub(crate) expect_no_peer_cert: bool,
    pub(crate) expect_advertised_alpn: Option<Vec<Vec<u8>>>,
    pub(crate) expect_ocsp_response: Option<Vec<u8>>,
    pub(crate) expect_peer_cert_file: Option<String>,
    pub(crate) expect_peer_signature_algorithm: Option<u16>,
    pub(crate) expect_peer_certificate_type: Option<u8>,
    pub(crate) expect_peer_rpk_sha256: Option<Vec<u8>>,
    /// The place among the new credentials; -1 is the other one.
    pub(crate) expect_selected_credential: Option<i32>,

    /// The handshake is carried by the stand-in for QUIC.
    pub(crate) is_quic: bool,
    pub(crate) quic: Parameters,
    pub(crate) expect_quic_transport_params: Option<Vec<u8>>,

    pub(crate) export_keying_material: usize,
    pub(crate) export_label: String,
    pub(crate) export_context: String,
    pub(crate) shim_writes_first: bool,
    pub(crate) read_with_unfinished_write: bool,
    pub(crate) shim_shuts_down: bool,
    pub(crate) check_close_notify: bool,
    pub(crate) key_update: bool,
    pub(crate) key_update_before_read: bool,
    pub(crate) read_size: usize,
}

/// What a credential consists of.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CredentialKind {
    #[default]
    X509,
    RawKey,
    Psk,
}

/// A credential of the shim.
#[derive(Debug, Default)]
pub(crate) struct CredentialOptions {
    pub(crate) kind: CredentialKind,
    pub(crate) psk_importer_key: Vec<u8>,
    pub(crate) psk_importer_identity: Vec<u8>,
    pub(crate) psk_importer_context: Vec<u8>,
    pub(crate) psk_importer_hash: Option<Hash>,
    pub(crate) cert_file: Option<String>,
    pub(crate) key_file: Option<String>,
    pub(crate) signing_prefs: Vec<SignatureScheme>,
    pub(crate) ocsp_response: Option<Vec<u8>>,
    pub(crate) must_match_issuer: bool,
}

/// A flag, or a value of one, that needs something Pith does not have.
#[derive(Debug)]
pub(crate) struct Unsupported(pub(crate) String);

/// The code of TLS 1.3.
const TLS13: u16 = 0x0304;

impl Options {
    /// Reads the arguments that follow the program's name, once for each connection.
    pub(crate) fn parse(arguments: &[String]) -> Result<Vec<Self>, Unsupported> {
        let first = Self::of_connection(0, arguments)?;
        let later = (1..=first.resume_count).map(|place| Self::of_connection(place, arguments));
        std::iter::once(Ok(first)).chain(later).collect()
    }

    fn of_connection(place: usize, arguments: &[String]) -> Result<Self, Unsupported> {
        let prefix = match place {
            0 => "-on-initial-",
            _ => "-on-resume-",
        };
        let mut options = Self::with_prefix(prefix, arguments)?;
        let after_rejection = Self::with_prefix("-on-retry-", arguments)?;
        options.after_rejection = Some(Box::new(after_rejection));
        Ok(options)
    }

    /// The flags that have this prefix, or none.
    fn with_prefix(wanted: &str, arguments: &[String]) -> Result<Self, Unsupported> {
        let mut options = Self {
            read_size: 512,
            ..Self::default()
        };
        // A flag for another connection is read all the same: it must be known, and may have a value.
        let mut others = Self::default();
        let mut arguments = arguments.iter().cloned();
        while let Some(flag) = arguments.next() {
            let prefixes = ["-on-initial-", "-on-resume-", "-on-retry-"];
            let prefixed = prefixes
                .iter()
                .find_map(|prefix| Some((flag.strip_prefix(prefix)?, *prefix == wanted)));
            match prefixed {
                Some((name, true)) => options.flag(&format!("-{name}"), &mut arguments)?,
                Some((name, false)) => others.flag(&format!("-{name}"), &mut arguments)?,
                None => options.flag(&flag, &mut arguments)?,
            }
        }
        if !options.is_quic && !options.quic.own.is_empty() {
            return Err(Unsupported("transport parameters without QUIC".to_owned()));
        }
        Ok(options)
    }

    fn begin(&mut self, kind: CredentialKind) {
        let credential = CredentialOptions {
            kind,
            ..CredentialOptions::default()
        };
        self.new_credentials.push(credential);
    }

    fn latest(&mut self) -> &mut CredentialOptions {
        self.new_credentials
            .last_mut()
            .unwrap_or(&mut self.credential)
    }

    fn flag(
        &mut self,
        flag: &str,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), Unsupported> {
        let mut text = || {
            rest.next()
                .ok_or_else(|| Unsupported(format!("{flag} without a value")))
        };
        match flag {
            "-port" => self.port = number(flag, &text()?)?,
            "-ipv6" => self.ipv6 = true,
            "-shim-id" => self.shim_id = number(flag, &text()?)?,
            "-server" => self.server = true,
            "-async" => self.r#async = true,

            "-new-x509-credential" => self.begin(CredentialKind::X509),
            "-new-rpk-credential" => self.begin(CredentialKind::RawKey),
            "-new-psk-credential" => self.begin(CredentialKind::Psk),
            "-psk-importer-key" => self.latest().psk_importer_key = base64(flag, &text()?)?,
            "-psk-importer-identity" => {
                self.latest().psk_importer_identity = base64(flag, &text()?)?;
            }
            "-psk-importer-context" => self.latest().psk_importer_context = base64(flag, &text()?)?,
            "-psk-importer-sha256" => self.latest().psk_importer_hash = Some(Hash::Sha256),
            "-psk-importer-sha384" => self.latest().psk_importer_hash = Some(Hash::Sha384),
            "-accepted-peer-cert-types" => {
                let code = number(flag, &text()?)?;
                self.accepted_peer_cert_types.push(code);
            }
            "-available-client-cert-types" => {
                let code = number(flag, &text()?)?;
                self.available_client_cert_types.push(code);
            }
            "-cert-file" => self.latest().cert_file = Some(text()?),
            "-key-file" => self.latest().key_file = Some(text()?),
            "-trust-cert" => self.trust_cert = Some(text()?),
            "-signing-prefs" => {
                let scheme = signing_pref(number(flag, &text()?)?)?;
                self.latest().signing_prefs.push(scheme);
            }
            "-verify-prefs" => verify_pref(self.server, number(flag, &text()?)?)?,
            "-verify-fail" => self.verify_fail = true,
            "-verify-peer" => self.verify_peer = true,
            "-require-any-client-certificate" => self.require_any_client_certificate = true,
            "-enable-ocsp-stapling" => self.enable_ocsp_stapling = true,
            "-ocsp-response" => self.latest().ocsp_response = Some(base64(flag, &text()?)?),
            "-fail-ocsp-callback" => self.fail_ocsp_callback = true,
            "-decline-ocsp-callback" => self.decline_ocsp_callback = true,
            "-enable-grease" => self.enable_grease = true,
            // Only the names of the CAs that are trusted are sent, and pinned keys have none.
            "-use-client-ca-list" => match text()?.as_str() {
                "<NULL>" | "<EMPTY>" => {}
                _ => return Err(Unsupported(flag.to_owned())),
            },
            "-resume-count" => self.resume_count = number(flag, &text()?)?,
            "-expect-session-miss" => self.session_miss = true,
            "-expect-no-session" => self.expect_no_session = true,
            "-no-ticket" => self.no_ticket = true,
            "-session-id-context" if self.new_credentials.is_empty() => {
                self.session_id_context = Some(text()?);
            }
            "-enable-early-data" => self.enable_early_data = true,
            "-expect-no-offer-early-data" => self.expect_no_offer_early_data = true,
            // Pith tells no skew; what follows from it is checked.
            "-expect-ticket-age-skew" => drop(text()?),
            "-expect-early-data-reason" => self.expect_early_data_reason = Some(text()?),
            "-expect-accept-early-data" => self.expect_accept_early_data = true,
            "-expect-reject-early-data" => self.expect_reject_early_data = true,
            "-resumption-delay" => self.resumption_delay = number(flag, &text()?)?,

            "-min-version" => self.tls13_only |= number::<u16>(flag, &text()?)? >= TLS13,
            "-no-tls12" => self.tls13_only = true,
            "-max-version" | "-expect-version" => {
                if number::<u16>(flag, &text()?)? < TLS13 {
                    return Err(Unsupported(format!("{flag} before TLS 1.3")));
                }
            }
            "-curves" => self.curves.push(group(flag, &text()?)?),
            "-key-shares" => self.key_shares.push(group(flag, &text()?)?),
            "-tls13-ciphers" => self.tls13_ciphers.push(suite(flag, &text()?)?),
            "-host-name" => self.host_name = Some(text()?),
            "-advertise-alpn" => self.advertise_alpn = protocols(&text()?),
            "-select-alpn" => self.select_alpn = Some(text()?).filter(|name| !name.is_empty()),
            "-reject-alpn" => self.reject_alpn = true,
            "-use-early-callback" | "-install-ddos-callback" => self.use_early_callback = true,
            "-fail-early-callback" => self.fail_early_callback = true,

            "-expect-server-name" => self.expect_server_name = Some(text()?),
            "-expect-alpn" => self.expect_alpn = Some(text()?),
            "-expect-curve-id" => self.expect_curve_id = Some(group(flag, &text()?)?),
            "-expect-cipher" | "-expect-cipher-aes" => {
                self.expect_cipher = Some(number(flag, &text()?)?)
            }
            "-expect-selected-credential" => {
                self.expect_selected_credential = Some(number(flag, &text()?)?);
            }
            "-expect-peer-signature-algorithm" => {
                self.expect_peer_signature_algorithm = Some(number(flag, &text()?)?);
            }
            "-expect-peer-certificate-type" => {
                self.expect_peer_certificate_type = Some(number(flag, &text()?)?);
            }
            "-expect-peer-rpk-sha256" => {
                self.expect_peer_rpk_sha256 = Some(base64(flag, &text()?)?);
            }
            "-expect-advertised-alpn" => {
                self.expect_advertised_alpn = Some(protocols(&text()?));
            }
            "-expect-ocsp-response" => {
                self.expect_ocsp_response = Some(base64(flag, &text()?)?);
            }
            "-must-match-issuer" => self.latest().must_match_issuer = true,
            "-expect-no-peer-cert" => self.expect_no_peer_cert = true,
            "-expect-peer-cert-file" => self.expect_peer_cert_file = Some(text()?),
            "-expect-hrr" => self.expect_hrr = Some(true),
            "-expect-no-hrr" => self.expect_hrr = Some(false),

            "-export-keying-material" => self.export_keying_material = number(flag, &text()?)?,
            "-export-label" => self.export_label = text()?,
            "-export-context" => self.export_context = text()?,
            "-shim-writes-first" => self.shim_writes_first = true,
            "-read-with-unfinished-write" => self.read_with_unfinished_write = true,
            "-shim-shuts-down" => self.shim_shuts_down = true,
            "-check-close-notify" => self.check_close_notify = true,
            "-key-update" => self.key_update = true,
            "-key-update-before-read" => self.key_update_before_read = true,
            "-read-size" => self.read_size = number(flag, &text()?)?,

            // What Pith always does, or what only older versions of TLS have.
            "-use-custom-verify-callback"
            | "-use-ocsp-callback"
            | "-set-ocsp-in-callback"
            | "-expect-no-session-id"
            | "-reverify-on-resume"
            | "-server-preference"
            | "-decline-alpn"
            | "-use-export-context"
            | "-implicit-handshake"
            | "-no-op-extra-handshake"
            | "-use-old-client-cert-callback"
            | "-no-tls1"
            | "-no-tls11"
            | "-no-legacy-server-connect"
            | "-renegotiate-freely"
            | "-expect-secure-renegotiation"
            | "-expect-extended-master-secret"
            // The next connection shows it.
            | "-expect-ticket-supports-early-data" => {}
            "-install-cert-compression-algs" => self.compression = Some(None),
            "-install-one-cert-compression-alg" => {
                self.compression = Some(Some(number(flag, &text()?)?));
            }
            // The other code point is the one that drafts of RFC 9001 had.
            "-quic" => self.is_quic = true,
            "-quic-transport-params" => self.quic.own = base64(flag, &text()?)?,
            "-quic-early-data-context" => self.quic.early_data_context = text()?.into_bytes(),
            "-expect-quic-transport-params" => {
                self.expect_quic_transport_params = Some(base64(flag, &text()?)?);
            }
            "-quic-use-legacy-codepoint" => only(flag, &text()?, "0")?,
            // Pith's preference is the same on processors without AES instructions.
            "-expect-cipher-no-aes" => drop(text()?),
            "-expect-verify-result" => {}
            _ => return Err(Unsupported(flag.to_owned())),
        }
        Ok(())
    }
}

fn number<T: FromStr>(flag: &str, text: &str) -> Result<T, Unsupported> {
    text.parse()
        .map_err(|_| Unsupported(format!("{flag} {text}")))
}

/// A value that says what Pith does anyway.
fn only(flag: &str, text: &str, usual: &str) -> Result<(), Unsupported> {
    if text == usual {
        Ok(())
    } else {
        Err(Unsupported(format!("{flag} {text}")))
    }
}

fn base64(flag: &str, text: &str) -> Result<Vec<u8>, Unsupported> {
    let digits = text.trim_end_matches('=').bytes().map(|digit| {
        let value = BASE64.iter().position(|known| *known == digit);
        value.ok_or_else(|| Unsupported(format!("{flag} {text}")))
    });
    let digits: Vec<_> = digits.collect::<Result<_, _>>()?;
    let bytes = digits.chunks(4).flat_map(|group| {
        let bits = (0..4).fold(0, |bits, place| {
            bits << 6 | group.get(place).copied().unwrap_or(0)
        });
        let [.., first, second, third] = bits.to_be_bytes();
        [first, second, third].into_iter().take(group.len() * 6 / 8)
    });
    Ok(bytes.collect())
}

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn group(flag: &str, text: &str) -> Result<Group, Unsupported> {
    Group::from_code(number(flag, text)?).ok_or_else(|| Unsupported(format!("{flag} {text}")))
}

fn suite(flag: &str, text: &str) -> Result<CipherSuite, Unsupported> {
    CipherSuite::from_code(number(flag, text)?).ok_or_else(|| Unsupported(format!("{flag} {text}")))
}

/// Schemes of CertificateVerify that Pith signs with and accepts.
const SCHEMES: [u16; 10] = [
    0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0904, 0x0905, 0x0906,
];
/// Schemes that TLS 1.3 forbids there.
const FORBIDDEN: [u16; 5] = [0x0201, 0x0203, 0x0401, 0x0501, 0x0601];
/// rsa_pkcs1_sha256_legacy, which BoringSSL takes from clients.
const LEGACY: u16 = 0x0420;

/// A key of Pith is refused by its constructor with any other scheme.
fn signing_pref(code: u16) -> Result<SignatureScheme, Unsupported> {
    if SCHEMES.contains(&code) {
        Ok(SignatureScheme(code))
    } else {
        Err(Unsupported(format!("-signing-prefs {code}")))
    }
}

/// What a client accepts is fixed in Pith. A test whose scheme is among it, or is forbidden, means the same without the
/// setting.
fn verify_pref(server: bool, code: u16) -> Result<(), Unsupported> {
    if SCHEMES.contains(&code) || FORBIDDEN.contains(&code) || (code == LEGACY && !server) {
        Ok(())
    } else {
        Err(Unsupported(format!("-verify-prefs {code}")))
    }
}

/// The protocols of a list in wire format: each with its length in front.
fn protocols(list: &str) -> Vec<Vec<u8>> {
    let mut rest = list.as_bytes();
    let mut protocols = Vec::new();
    while let Some((&length, tail)) = rest.split_first() {
        let (protocol, tail) = tail.split_at(tail.len().min(length.into()));
        protocols.push(protocol.to_vec());
        rest = tail;
    }
    protocols
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Vec<Options>, Unsupported> {
        let arguments: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        Options::parse(&arguments)
    }

    #[test]
    fn a_flag_decides_whether_a_test_is_in_scope() {
        for (line, in_scope) in [
            ("-port 1 -shim-id 7 -server -cert-file a -key-file b", true),
            (
                "-new-x509-credential -cert-file a -new-x509-credential",
                true,
            ),
            ("-new-rpk-credential -key-file a", true),
            ("-new-delegated-credential -key-file a", false),
            ("-max-version 771", false),
            ("-max-version 772", true),
            ("-curves 29 -curves 4588", true),
            ("-curves 9999", false),
            ("-curves", false),
            ("-verify-prefs 1025", true),
            ("-verify-prefs 1539", true),
            ("-verify-prefs 2055", true),
            ("-verify-prefs 2057", false),
            ("-resume-count 1", true),
            ("-resume-count 1 -on-resume-psk abc", false),
            ("-on-retry-curves 29", true),
            ("-dtls", false),
        ] {
            assert_eq!(parse(line).is_ok(), in_scope, "{line}");
        }
    }

    #[test]
    fn a_prefix_says_for_which_connection_a_flag_is() {
        let line =
            "-on-initial-expect-curve-id 29 -on-resume-expect-curve-id 23 -async -resume-count 2";
        let curves: Vec<_> = parse(line)
            .unwrap()
            .iter()
            .map(|options| options.expect_curve_id.unwrap())
            .collect();
        assert_eq!(curves, [Group::X25519, Group::Secp256r1, Group::Secp256r1]);
    }

    #[test]
    fn reads_base64() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("AQ==", b"\x01"),
            ("AQID", b"\x01\x02\x03"),
            ("b2NzcA==", b"ocsp"),
            ("+/8=", b"\xfb\xff"),
        ] {
            assert_eq!(base64("", text).unwrap(), bytes, "{text}");
        }
        assert!(base64("", "A Q").is_err());
    }

    #[test]
    fn reads_a_list_of_protocols() {
        assert_eq!(
            protocols("\x03foo\x02h2"),
            [b"foo".to_vec(), b"h2".to_vec()]
        );
        assert_eq!(protocols("\x09foo"), [b"foo".to_vec()]);
    }
}
