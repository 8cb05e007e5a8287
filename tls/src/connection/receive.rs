//! What becomes of one record that comes: by its content type, what it may be now, and what it is worth.

use super::{Connection, Early, Received};
use crate::Now;
use crate::error::{AlertDescription, Error, Fault, Local};
use crate::event::Event;
use crate::handshake::output::{Direction, Level};
use crate::limits;
use crate::record::HEADER;
use crate::record::deframe::{Frame, deframe};
use crate::record::shape::LARGEST;
use crate::wire::registry::ContentType;

impl Connection {
    pub(super) fn receive_record<'a>(
        &mut self,
        now: Now,
        input: &'a mut [u8],
    ) -> Result<Received<'a>, Error> {
        let (outer, consumed) = match deframe(input, self.opener.is_protected())? {
            Frame::NeedMore(at_least) => return Ok(Received::NeedMore { at_least }),
            Frame::Record { outer, length } => (outer, length),
        };
        let record = input
            .get_mut(..consumed)
            .ok_or(Local::Internal("a record past its input"))?;
        match outer {
            ContentType::ChangeCipherSpec => {
                self.on_change_cipher_spec(record.get(HEADER..).unwrap_or_default())?;
                return Ok(Received::Handled { consumed });
            }
            ContentType::Alert
                if self.read_level == Level::Handshake && self.opener.is_unused() =>
            {
                self.on_plain_alert(record.get(HEADER..).unwrap_or_default())?;
            }
            ContentType::Alert | ContentType::Handshake | ContentType::ApplicationData => {}
        }
        let Some((inner, content)) = self.open(outer, record)? else {
            return Ok(Received::Handled { consumed });
        };
        // rfc9846#5.1-3
        if inner != ContentType::Handshake && self.handshake.is_mid_message() {
            return Err(Fault::InterleavedRecord.into());
        }
        if content.is_empty() {
            self.on_empty(inner)?;
            let bytes = content;
            return Ok(match self.early {
                Early::Take(_) => Received::EarlyData { consumed, bytes },
                Early::No | Early::Send(_) | Early::Skip(_) => Received::Data { consumed, bytes },
            });
        }
        self.empty_records = 0;
        match inner {
            ContentType::Handshake => {
                let result = self.handshake.read(self.read_level, content, now);
                self.drain().and(result)?;
                Ok(Received::Handled { consumed })
            }
            ContentType::Alert => self.on_alert(content, consumed),
            ContentType::ApplicationData => self.on_data(content, consumed),
            // rfc9846#5-2
            ContentType::ChangeCipherSpec => Err(Fault::ChangeCipherSpecBody.into()),
        }
    }

    /// Opens a record: its inner type and content, or `None` for early data that is passed over.
    fn open<'a>(
        &mut self,
        outer: ContentType,
        record: &'a mut [u8],
    ) -> Result<Option<(ContentType, &'a [u8])>, Error> {
        let (plain, length) = (!self.opener.is_protected(), record.len());
        // A client sends early data before it can know this server's limit.
        let most = match self.early {
            Early::Take(_) => LARGEST,
            Early::No | Early::Send(_) | Early::Skip(_) => self.shape.receive,
        };
        match (self.opener.open(outer, record, most), self.early) {
            (Err(error), Early::Skip(left))
                if outer == ContentType::ApplicationData
                    && (plain || error == Fault::BadRecordMac.into()) =>
            {
                // rfc9846#4.3.10-4
                let left = left.checked_sub(length).ok_or(Fault::TooMuchEarlyData)?;
                self.early = Early::Skip(left);
                Ok(None)
            }
            (opened, early) => {
                let (inner, content) = opened?;
                if matches!(early, Early::Skip(_)) {
                    self.early = Early::No;
                }
                Ok(Some((inner, &*content)))
            }
        }
    }

    fn on_data<'a>(&mut self, bytes: &'a [u8], consumed: usize) -> Result<Received<'a>, Error> {
        if self.handshake.is_complete() {
            self.handshake.saw_application_data();
            return Ok(Received::Data { consumed, bytes });
        }
        let Early::Take(left) = self.early else {
            return Err(unexpected(ContentType::ApplicationData).into());
        };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let left = left.checked_sub(length).ok_or(Fault::TooMuchEarlyData)?;
        self.early = Early::Take(left);
        Ok(Received::EarlyData { consumed, bytes })
    }

    /// A ChangeCipherSpec means nothing, and is dropped where it may stand (rfc9846#5-1).
    fn on_change_cipher_spec(&mut self, body: &[u8]) -> Result<(), Fault> {
        // rfc9846#5-3
        if !self.begun || self.handshake.is_complete() {
            return Err(Fault::ChangeCipherSpecMisplaced);
        }
        // rfc9846#5-2
        if body != [1] {
            return Err(Fault::ChangeCipherSpecBody);
        }
        self.change_cipher_specs = self.change_cipher_specs.saturating_add(1);
        if self.change_cipher_specs > limits::CHANGE_CIPHER_SPECS {
            return Err(Fault::TooManyChangeCipherSpecs);
        }
        Ok(())
    }

    /// A peer that refuses our hello has no keys yet, so its alert is plain although we expect its first protected record.
    /// It ends the connection, as any other record would; but it tells why.
    fn on_plain_alert(&self, body: &[u8]) -> Result<(), Error> {
        match body {
            [_, code]
                if ![
                    AlertDescription::CLOSE_NOTIFY.0,
                    AlertDescription::USER_CANCELED.0,
                ]
                .contains(code) =>
            {
                Err(Error::Alert(AlertDescription(*code)))
            }
            _ => Ok(()),
        }
    }

    fn on_empty(&mut self, inner: ContentType) -> Result<(), Fault> {
        // rfc9846#5.4-2
        if inner != ContentType::ApplicationData {
            return Err(Fault::EmptyRecord);
        }
        if !self.handshake.is_complete() && !matches!(self.early, Early::Take(_)) {
            return Err(unexpected(inner));
        }
        self.empty_records = self.empty_records.saturating_add(1);
        if self.empty_records > limits::EMPTY_RECORDS {
            Err(Fault::TooManyEmptyRecords)
        } else {
            Ok(())
        }
    }

    /// An alert. Its level means nothing any more (rfc9846#6-3, rfc9846#6-4).
    fn on_alert<'a>(&mut self, content: &[u8], consumed: usize) -> Result<Received<'a>, Error> {
        // rfc9846#5.1-9
        let [_level, code] = *content else {
            return Err(Fault::MalformedAlert.into());
        };
        match AlertDescription(code) {
            AlertDescription::CLOSE_NOTIFY if self.handshake.is_complete() => {
                self.peer_closed = true;
                self.handshake.tell(&Event::Closed(Direction::Read));
                Ok(Received::Closed { consumed })
            }
            AlertDescription::USER_CANCELED => {
                self.tell_alert(Direction::Read, AlertDescription(code));
                self.user_canceled = self.user_canceled.saturating_add(1);
                if self.user_canceled > limits::USER_CANCELED {
                    return Err(Fault::TooManyUserCanceled.into());
                }
                Ok(Received::Handled { consumed })
            }
            alert => Err(Error::Alert(alert)),
        }
    }
}

fn unexpected(content_type: ContentType) -> Fault {
    Fault::UnexpectedRecord {
        content_type: content_type.code(),
    }
}
