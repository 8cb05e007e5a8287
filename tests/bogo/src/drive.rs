//! One connection to the runner: the handshake, what the test asks for after it, and the close.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use pith_tls::{AlertDescription, EarlyData, Error, Fault, Now, Received};

use crate::link::Link;
use crate::options::{Options, Unsupported};
use crate::setup::{Kept, Setup};

/// What the runner expects of `-shim-writes-first`.
const HELLO: &[u8] = b"hello";

/// Why the shim does not exit with 0.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The test is out of scope.
    Unsupported(Unsupported),
    /// The connection failed, as the test may expect.
    Connection(Error),
    /// The connection went otherwise than the flags ask.
    Other(String),
}

impl From<Unsupported> for Failure {
    fn from(unsupported: Unsupported) -> Self {
        Self::Unsupported(unsupported)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Connection(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.to_string())
    }
}

/// Runs the test that `connections` describe, each by its options. Time stands still in a connection: the runner wants to see ages of tickets that are
/// exactly the delays it asks for, however long the machine takes.
pub(crate) fn run(connections: Vec<Options>) -> Result<(), Failure> {
    let mut now = Now {
        monotonic: Duration::ZERO,
        unix: SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO),
    };
    let kept = Kept::default();
    for (place, options) in connections.into_iter().enumerate() {
        let resumes = place > 0;
        if resumes && !options.server && !kept.only_newest() {
            return Err(Failure::Other("there is no session to offer".to_owned()));
        }
        let delay = Duration::from_secs(options.resumption_delay);
        connect(options, resumes, &kept, now)?;
        now.monotonic += delay;
        now.unix += delay;
    }
    Ok(())
}

/// One connection; whether it `resumes` the one before, and what there is of that.
fn connect(options: Options, resumes: bool, kept: &Kept, now: Now) -> Result<(), Failure> {
    let setup = Setup::new(options, resumes, kept)?;
    let options = setup.options();
    let connection = setup.connection(now)?;
    let ip = if options.ipv6 {
        Ipv6Addr::LOCALHOST.into()
    } else {
        Ipv4Addr::LOCALHOST.into()
    };
    let mut tcp = TcpStream::connect(SocketAddr::new(ip, options.port))?;
    tcp.set_nodelay(true)?;
    tcp.write_all(&options.shim_id.to_le_bytes())?;

    let mut peer = Peer {
        connection,
        tcp,
        now,
        input: Vec::new(),
        output: Vec::new(),
        held: false,
        established: false,
        early: None,
        setup: &setup,
    };
    let outcome = peer
        .exchange()
        .and_then(|()| setup.check_session(peer.options(), peer.connection.as_ref(), kept));
    // The alert of a failed connection, or close_notify; the runner may be gone already.
    drop(peer.flush());
    // Half-closed and drained: an early reset would take the last bytes from the runner.
    drop(peer.tcp.shutdown(Shutdown::Write));
    drop(io::copy(&mut peer.tcp, &mut io::sink()));
    match outcome {
        Err(Failure::Connection(error)) if needs_tls12(&error) && !options.tls13_only => {
            Err(Unsupported(error.to_string()).into())
        }
        outcome => outcome,
    }
}

/// Whether the runner speaks only older versions in this test, which it does not say by a flag.
fn needs_tls12(error: &Error) -> bool {
    matches!(
        error,
        Error::Fault(Fault::NoTls13 { .. }) | Error::Alert(AlertDescription::PROTOCOL_VERSION)
    )
}

/// The runner, at the other end.
struct Peer<'s> {
    connection: Box<dyn Link>,
    tcp: TcpStream,
    now: Now,
    /// Bytes that came and that the connection has not taken yet.
    input: Vec<u8>,
    /// Bytes of ours that are not sent yet.
    output: Vec<u8>,
    /// `output` is held back: a write is unfinished.
    held: bool,
    /// The handshake is over. From then on what the connection queues waits for the next write: the runner counts the
    /// answers to its requests for KeyUpdate, and a peer that only reads need not give one to each.
    established: bool,
    /// How much of what is to be written first went out as early data.
    early: Option<usize>,
    setup: &'s Setup,
}

/// What one read gave.
enum Event {
    Data(Vec<u8>),
    /// Early data, before the handshake is over.
    Early(Vec<u8>),
    /// The peer closed; `clean` with a close_notify.
    End {
        clean: bool,
    },
    Other,
}

impl<'s> Peer<'s> {
    /// What the test asks for now: the runner takes a connection for another one once early data is rejected.
    fn options(&self) -> &'s Options {
        let options = self.setup.options();
        let rejected = !options.server && self.connection.early_data() == EarlyData::Rejected;
        let after_rejection = options.after_rejection.as_deref().filter(|_| rejected);
        after_rejection.unwrap_or(options)
    }

    /// Sends what is to be written first as early data, as much as this connection takes of it.
    fn write_early(&mut self) -> Result<(), Failure> {
        let options = self.setup.options();
        let offered = self.connection.early_data() == EarlyData::Offered;
        if options.expect_no_offer_early_data && offered {
            return Err(Failure::Other("early data was offered".to_owned()));
        }
        if !offered {
            return Ok(());
        }
        if options.export_keying_material > 0 {
            self.connection
                .export(b"nothing is exported yet", b"", &mut [0])?;
        }
        if options.shim_writes_first {
            self.flush()?;
            let mut records = vec![0; 4096];
            let sent = self.connection.send_early(HELLO, &mut records)?;
            self.early = Some(sent.consumed);
            self.output.extend_from_slice(&records[..sent.written]);
            if options.read_with_unfinished_write {
                self.leave_unfinished()?;
            }
        }
        Ok(())
    }

    /// Sends one byte of what is to be sent, and holds the rest back.
    fn leave_unfinished(&mut self) -> Result<(), Failure> {
        let first = self.output.drain(..1).collect::<Vec<_>>();
        self.tcp.write_all(&first)?;
        self.held = true;
        Ok(())
    }

    fn exchange(&mut self) -> Result<(), Failure> {
        self.write_early()?;
        while self.connection.summary().is_none() {
            match self.read()? {
                Event::End { .. } => return Err(Error::Truncated.into()),
                // A server answers before the handshake is over.
                Event::Early(data) => self.write_inverted(&data)?,
                Event::Data(_) | Event::Other => {}
            }
        }
        self.established = true;
        self.held = false;
        let options = self.options();
        self.setup.check(options, self.connection.as_ref())?;
        self.flush()?;

        if options.export_keying_material > 0 {
            let mut material = vec![0; options.export_keying_material];
            self.connection.export(
                options.export_label.as_bytes(),
                options.export_context.as_bytes(),
                &mut material,
            )?;
            self.write(&material)?;
        }
        let rest = match (self.connection.early_data(), self.early) {
            (EarlyData::Accepted, Some(early)) => &HELLO[early..],
            _ => HELLO,
        };
        if options.read_with_unfinished_write && self.early.is_none() {
            self.seal(HELLO)?;
            self.leave_unfinished()?;
        } else if options.shim_writes_first && !rest.is_empty() {
            self.write(rest)?;
        }

        let clean = if options.shim_shuts_down {
            None
        } else {
            Some(self.echo()?)
        };
        self.connection.close();
        self.flush().ok();
        if options.check_close_notify {
            let clean = match clean {
                Some(clean) => clean,
                None => self.end()?,
            };
            if !clean {
                return Err(Failure::Other(
                    "Unexpected SSL_shutdown result: -1 != 1".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Sends back all that comes, each bit inverted, until the peer closes; whether it did so with a close_notify.
    fn echo(&mut self) -> Result<bool, Failure> {
        let options = self.options();
        loop {
            if options.key_update_before_read {
                self.update_keys()?;
            }
            let data = loop {
                match self.read()? {
                    Event::Data(data) if !data.is_empty() => break data,
                    Event::Data(_) | Event::Early(_) | Event::Other => {}
                    Event::End { clean } => return Ok(clean),
                }
            };
            self.held = false;
            for part in data.chunks(options.read_size) {
                if options.key_update {
                    self.update_keys()?;
                }
                self.write_inverted(part)?;
            }
        }
    }

    fn write_inverted(&mut self, data: &[u8]) -> Result<(), Failure> {
        let inverted: Vec<_> = data.iter().map(|byte| !byte).collect();
        self.write(&inverted)
    }

    /// Reads until the peer closes, as after a close of ours.
    fn end(&mut self) -> Result<bool, Failure> {
        loop {
            if let Event::End { clean } = self.read()? {
                return Ok(clean);
            }
        }
    }

    fn update_keys(&mut self) -> Result<(), Failure> {
        self.connection.update_keys()?;
        self.flush()
    }

    /// Hands the connection what came, and reads more once it asks. An error leaves its alert to be sent.
    fn read(&mut self) -> Result<Event, Failure> {
        let now = self.now;
        self.setup.answer(self.connection.as_mut(), now)?;
        if !self.established {
            self.flush()?;
        }
        let (event, consumed) = match self.connection.receive(now, &mut self.input)? {
            Received::NeedMore { .. } => return self.fill(),
            Received::Blocked => (Event::Other, 0),
            Received::Handled { consumed } => (Event::Other, consumed),
            Received::Data { consumed, bytes } => (Event::Data(bytes.to_vec()), consumed),
            Received::EarlyData { consumed, bytes } => (Event::Early(bytes.to_vec()), consumed),
            Received::Closed { consumed } => (Event::End { clean: true }, consumed),
            _ => return Err(Failure::Other("something new was received".to_owned())),
        };
        self.input.drain(..consumed);
        Ok(event)
    }

    /// How much is taken or given in one call: with `-async`, hardly anything.
    fn at_once(&self, usual: usize, few: usize) -> usize {
        let options = self.setup.options();
        // The stand-in for QUIC comes and goes in whole frames.
        if options.r#async && !options.is_quic {
            few
        } else {
            usual
        }
    }

    /// Waits for bytes.
    fn fill(&mut self) -> Result<Event, Failure> {
        let mut bytes = vec![0; self.at_once(4096, 1)];
        let count = match self.tcp.read(&mut bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
            Err(error) => return Err(error.into()),
        };
        self.input.extend_from_slice(&bytes[..count]);
        Ok(if count == 0 {
            Event::End { clean: false }
        } else {
            Event::Other
        })
    }

    fn write(&mut self, plaintext: &[u8]) -> Result<(), Failure> {
        self.seal(plaintext)?;
        self.flush()
    }

    /// Appends what is queued, then `plaintext` in records, to `output`.
    fn seal(&mut self, mut plaintext: &[u8]) -> Result<(), Failure> {
        while !plaintext.is_empty() {
            let whole = self.connection.sealed_len(plaintext.len());
            let mut records = vec![0; self.at_once(whole, 40)];
            let sent = self.connection.send(plaintext, &mut records)?;
            self.output.extend_from_slice(&records[..sent.written]);
            plaintext = &plaintext[sent.consumed..];
        }
        Ok(())
    }

    /// Sends all that is queued, unless a write is held back.
    fn flush(&mut self) -> Result<(), Failure> {
        let mut queued = vec![0; self.at_once(4096, 1)];
        loop {
            let count = self.connection.transmit(&mut queued);
            if count == 0 {
                break;
            }
            self.output.extend_from_slice(&queued[..count]);
        }
        if !self.held {
            self.tcp.write_all(&self.output)?;
            self.output.clear();
        }
        Ok(())
    }
}
