//! BoringSSL as a peer of Pith's interop tests, with GREASE in its hello; `pith-peer` has the rest.

mod compress;
mod early;
mod ffi;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use boring::pkey::PKey;
use boring::ssl::{
    AlpnError, ShutdownState, Ssl, SslAlert, SslContext, SslContextBuilder, SslFiletype, SslMethod,
    SslSession, SslSessionCacheMode, SslStream, SslVerifyError, SslVerifyMode, SslVersion,
};
use pith_peer::{EXPORTER, Failure, Options, Session, hex};

use crate::early::Early;

fn main() -> ExitCode {
    pith_peer::run(open)
}

fn open(options: &Options, tcp: TcpStream) -> Result<Box<dyn Session>, Failure> {
    let context = context(options)?;
    let mut ssl = Ssl::new(&context)?;
    if let Some(staple) = options.file("staple")? {
        ssl.set_ocsp_status(&staple)?;
    }
    if options.get("early").or(options.get("early-data")).is_some() {
        ffi::enable_early_data(&mut ssl);
    }
    if let Some(session) = options.file("session-in")? {
        ffi::offer(&mut ssl, &SslSession::from_der(&session)?)?;
    }
    let stream = if options.server {
        ssl.accept(tcp)
    } else {
        let name = options.need("name")?;
        ssl.set_hostname(name)?;
        ssl.param_mut().set_host(name)?;
        ssl.connect(tcp)
    };
    let mut stream = stream.map_err(|error| error.to_string())?;
    let early = if options.server {
        early::take(&mut stream)?
    } else {
        early::send(&mut stream, options.file("early")?)?
    };
    Ok(Box::new(Boring { stream, early }))
}

fn context(options: &Options) -> Result<SslContext, Failure> {
    let mut builder = SslContextBuilder::new(SslMethod::tls())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_3))?;
    builder.set_grease_enabled(true);
    builder.set_curves_list(options.get("groups").unwrap_or(GROUPS))?;
    if options.get("raw").is_some() {
        let key = options.file("key")?.ok_or("--raw wants --key")?;
        let credential = ffi::raw(&*PKey::private_key_from_pem(&key)?)?;
        builder.add_credential(&credential)?;
    } else if let Some(chain) = options.get("cert") {
        builder.set_certificate_chain_file(chain)?;
        builder.set_private_key_file(options.need("key")?, SslFiletype::PEM)?;
    }
    if let (Some(key), Some(identity)) = (options.file("psk")?, options.file("psk-identity")?) {
        let context = options.file("psk-context")?.unwrap_or_default();
        let credential = ffi::imported(&key, &identity, &context)?;
        builder.add_credential(&credential)?;
    } else if let Some(known) = options.file("raw-peer")? {
        ffi::accept_raw(&mut builder)?;
        let verify = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
        builder.set_custom_verify_callback(verify, move |ssl| {
            let same = ffi::raw_key_of_peer(ssl).as_ref() == Some(&known);
            let alert = SslVerifyError::Invalid(SslAlert::CERTIFICATE_UNKNOWN);
            if same { Ok(()) } else { Err(alert) }
        });
    } else if let Some(ca) = options.get("ca") {
        // With a key beside it, a server could choose either.
        builder.set_ca_file(ca)?;
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    if let Some(keys) = options.tickets()? {
        ffi::set_ticket_keys(&mut builder, &keys)?;
        // Without it, it resumes no client that had to show a certificate.
        builder.set_session_id_context(b"pith")?;
    }
    if let Some(file) = options.get("session-out").map(str::to_owned) {
        builder.set_session_cache_mode(SslSessionCacheMode::CLIENT);
        builder.set_new_session_callback(move |_, session| {
            let written = session.to_der().map_err(io::Error::other);
            if let Err(error) = written.and_then(|session| std::fs::write(&file, session)) {
                println!("error {error}");
            }
        });
    }
    if let Some(algorithm) = options.get("compress") {
        compress::add(&mut builder, algorithm)?;
    }
    if let Some(name) = options.get("alpn") {
        let mut list = vec![u8::try_from(name.len())?];
        list.extend_from_slice(name.as_bytes());
        builder.set_alpn_protos(&list)?;
        builder.set_alpn_select_callback(move |_, offered| {
            boring::ssl::select_next_proto(&list, offered)
                .and_then(|chosen| {
                    offered
                        .windows(chosen.len())
                        .find(|window| *window == chosen)
                })
                .ok_or(AlpnError::ALERT_FATAL)
        });
    }
    if options.get("status").is_some() {
        builder.enable_ocsp_stapling();
    }
    Ok(builder.build())
}

struct Boring {
    stream: SslStream<TcpStream>,
    early: Early,
}

impl Session for Boring {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let ssl = self.stream.ssl();
        let mut exporter = [0; 32];
        let exported = ssl.export_keying_material(&mut exporter, EXPORTER, None);
        let mut facts = vec![
            (
                "exporter",
                exported.map_or_else(|error| error.to_string(), |()| hex(&exporter)),
            ),
            ("group", ssl.curve_name().unwrap_or("?").to_owned()),
            ("retried", ssl.used_hello_retry_request().to_string()),
            ("resumed", ssl.session_reused().to_string()),
            ("early-reason", ffi::early_data_reason(ssl)),
        ];
        facts.extend(self.early.facts());
        facts.extend(compress::facts());
        facts.extend(
            ssl.selected_alpn_protocol()
                .map(|name| ("alpn", String::from_utf8_lossy(name).into_owned())),
        );
        facts.extend(ssl.ocsp_status().map(|staple| ("staple", hex(staple))));
        facts.extend(ffi::raw_key_of_peer(ssl).map(|key| ("peer-key", hex(&key))));
        facts.extend(
            ssl.peer_certificate()
                .and_then(|leaf| leaf.to_der().ok())
                .map(|leaf| ("peer", hex(&leaf))),
        );
        facts
    }

    fn update(&mut self) -> Result<(), Failure> {
        Err("the crate boring has no call for it".into())
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.stream.shutdown()?;
        Ok(())
    }

    fn closed(&mut self) -> bool {
        self.stream.get_shutdown().contains(ShutdownState::RECEIVED)
    }
}

impl Read for Boring {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Boring {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What it has, all of it.
const GROUPS: &str = "X25519MLKEM768:X25519:P-256:P-384:P-521:MLKEM1024";
