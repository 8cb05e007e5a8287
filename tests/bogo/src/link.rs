//! What carries the handshake to the runner: TLS records, or the runner's stand-in for QUIC.

use pith_tls::{Answer, Connection, EarlyData, Error, Now, Question, Received, Sent, Summary};

/// A connection, whatever carries it. The methods are those of [`Connection`].
pub(crate) trait Link {
    fn receive<'a>(&mut self, now: Now, input: &'a mut [u8]) -> Result<Received<'a>, Error>;
    fn send(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<Sent, Error>;
    fn send_early(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<Sent, Error>;
    fn sealed_len(&self, plaintext: usize) -> usize;
    fn transmit(&mut self, output: &mut [u8]) -> usize;
    fn close(&mut self);
    fn update_keys(&mut self) -> Result<(), Error>;
    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error>;
    fn summary(&self) -> Option<&Summary>;
    fn early_data(&self) -> EarlyData;
    fn question(&self) -> Option<&Question>;
    fn answer(&mut self, answer: Answer, now: Now) -> Result<(), Error>;
    /// The peer's transport parameters, where the link has some.
    fn peer_parameters(&self) -> Option<&[u8]>;
}

impl Link for Connection {
    fn receive<'a>(&mut self, now: Now, input: &'a mut [u8]) -> Result<Received<'a>, Error> {
        self.receive(now, input)
    }

    fn send(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<Sent, Error> {
        self.send(plaintext, output)
    }

    fn send_early(&mut self, plaintext: &[u8], output: &mut [u8]) -> Result<Sent, Error> {
        self.send_early(plaintext, output)
    }

    fn sealed_len(&self, plaintext: usize) -> usize {
        self.sealed_len(plaintext)
    }

    fn transmit(&mut self, output: &mut [u8]) -> usize {
        self.transmit(output)
    }

    fn close(&mut self) {
        self.close();
    }

    fn update_keys(&mut self) -> Result<(), Error> {
        self.update_keys(false)
    }

    fn export(&self, label: &[u8], context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        self.export(label, context, out)
    }

    fn summary(&self) -> Option<&Summary> {
        self.summary()
    }

    fn early_data(&self) -> EarlyData {
        self.early_data()
    }

    fn question(&self) -> Option<&Question> {
        self.question()
    }

    fn answer(&mut self, answer: Answer, now: Now) -> Result<(), Error> {
        self.answer(answer, now)
    }

    fn peer_parameters(&self) -> Option<&[u8]> {
        None
    }
}
