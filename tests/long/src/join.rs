//! TLS in memory, at whatever time it is: what one side sends, the other has at once.

use std::sync::Arc;
use std::time::Duration;

use pith_tests::pair::NOW;
use pith_tls::{ClientConfig, Connection, Error, Now, Received, ServerConfig, ServerName, Summary};

/// Both sides of a connection, and the memory that carries their bytes.
pub(crate) struct Joined {
    pub(crate) client: Connection,
    pub(crate) server: Connection,
}

impl Joined {
    /// After the handshake, and a word each way: what follows it, such as tickets, has come too. Each side has a clock of its own.
    pub(crate) fn connect(
        (client, server): (&Arc<ClientConfig>, &Arc<ServerConfig>),
        name: ServerName<'static>,
        clocks: Clocks,
        wire: &mut [u8],
    ) -> Result<Self, Error> {
        let mut joined = Self {
            client: Connection::client(Arc::clone(client), name, clocks.client)?,
            server: Connection::server(Arc::clone(server)),
        };
        let (client, server) = (&mut joined.client, &mut joined.server);
        while client.summary().is_none() || server.summary().is_none() {
            carry(client, server, clocks.server, wire)?;
            carry(server, client, clocks.client, wire)?;
        }
        say(client, server, clocks.server, wire)?;
        say(server, client, clocks.client, wire)?;
        Ok(joined)
    }

    /// Whether both sides resumed. They agree, or the connection would not be there.
    pub(crate) fn resumed(&self) -> bool {
        let both = [&self.client, &self.server].map(|side| side.summary().map(Summary::resumed));
        assert_eq!(both[0], both[1]);
        both[0] == Some(true)
    }

    /// Both sides say that they have said all.
    pub(crate) fn close(mut self, clocks: Clocks, wire: &mut [u8]) -> Result<(), Error> {
        let (client, server) = (&mut self.client, &mut self.server);
        client.close();
        carry(client, server, clocks.server, wire)?;
        server.close();
        carry(server, client, clocks.client, wire)
    }
}

/// The time as each side knows it.
#[derive(Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) client: Now,
    pub(crate) server: Now,
}

impl Clocks {
    pub(crate) fn both(now: Now) -> Self {
        Self {
            client: now,
            server: now,
        }
    }
}

/// So long after the beginning.
pub(crate) fn after(passed: Duration) -> Now {
    Now {
        monotonic: NOW.monotonic + passed,
        unix: NOW.unix + passed,
    }
}

/// Hands over what `from` has queued.
fn carry(
    from: &mut Connection,
    to: &mut Connection,
    now: Now,
    wire: &mut [u8],
) -> Result<(), Error> {
    loop {
        let written = from.transmit(wire);
        if written == 0 {
            return Ok(());
        }
        deliver(to, now, &mut wire[..written])?;
    }
}

fn say(from: &mut Connection, to: &mut Connection, now: Now, wire: &mut [u8]) -> Result<(), Error> {
    carry(from, to, now, wire)?;
    let sent = from.send(WORD, wire)?;
    assert_eq!(sent.consumed, WORD.len());
    let came = deliver(to, now, &mut wire[..sent.written])?;
    assert_eq!(came, WORD.len(), "the word came");
    Ok(())
}

/// Gives all of `input` to `to`, and says how much of it was data.
fn deliver(to: &mut Connection, now: Now, mut input: &mut [u8]) -> Result<usize, Error> {
    let mut data = 0;
    while !input.is_empty() {
        let consumed = match to.receive(now, &mut *input)? {
            Received::Handled { consumed } | Received::Closed { consumed } => consumed,
            Received::Data { consumed, bytes } => {
                assert_eq!(bytes, WORD);
                data += bytes.len();
                consumed
            }
            other => panic!("{other:?} was not expected"),
        };
        input = &mut input[consumed..];
    }
    Ok(data)
}

const WORD: &[u8] = b"a word";
