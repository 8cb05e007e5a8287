//! A peer's bytes → parameters. Every fault is a TRANSPORT_PARAMETER_ERROR (rfc9000#7.4-1).

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use super::super::{ConnectionId, Reader, ResetToken, Side, Truncated};
use super::{INTEGERS, Parameters, PreferredAddress, VersionInformation, ids};
use crate::{Fault, limits};

impl Parameters {
    /// The parameters that `sender` sent.
    pub(crate) fn decode(bytes: &[u8], sender: Side) -> Result<Self, Fault> {
        let mut parameters = Self::default();
        let mut reader = Reader::new(bytes);
        // Unknown ones too must not come twice.
        let mut seen = Vec::new();
        while !reader.is_empty() {
            let (id, value) = parameter(&mut reader)?;
            if seen.len() == limits::PARAMETERS {
                return Err(Fault::TooManyParameters);
            }
            if seen.contains(&id) {
                return Err(Fault::ParameterTwice);
            }
            seen.push(id);
            parameters.set(id, value, sender)?;
        }
        parameters.check_address()?;
        Ok(parameters)
    }

    fn set(&mut self, id: u64, value: &[u8], sender: Side) -> Result<(), Fault> {
        // rfc9000#18.2-1, rfc9000#18.2-9
        if sender == Side::Client && ids::OF_SERVERS.contains(&id) {
            return Err(Fault::ServerParameter);
        }
        if let Some(row) = INTEGERS.iter().find(|row| row.id == id) {
            let value = whole(value, |reader| Ok(reader.varint()?))?;
            if !(row.least..=row.most).contains(&value.get()) {
                return Err(Fault::ParameterRange);
            }
            *(row.field)(self) = value;
            return Ok(());
        }
        match id {
            ids::ORIGINAL_DESTINATION => {
                self.original_destination_connection_id = Some(connection_id(value)?);
            }
            ids::INITIAL_SOURCE => {
                self.initial_source_connection_id = Some(connection_id(value)?);
            }
            ids::RETRY_SOURCE => self.retry_source_connection_id = Some(connection_id(value)?),
            ids::RESET_TOKEN => {
                self.stateless_reset_token = Some(whole(value, reset_token)?);
            }
            ids::PREFERRED_ADDRESS => {
                self.preferred_address = Some(whole(value, preferred_address)?);
            }
            ids::VERSION_INFORMATION => {
                self.version_information = Some(version_information(value, sender)?);
            }
            ids::DISABLE_MIGRATION => {
                whole(value, |_| Ok(()))?;
                self.disable_active_migration = true;
            }
            // rfc9287#3-1
            ids::GREASE_QUIC_BIT => {
                whole(value, |_| Ok(()))?;
                self.grease_quic_bit = true;
            }
            _ => {} // rfc9000#7.4.2-1
        }
        Ok(())
    }

    /// A server without connection ids has no second one for another address (rfc9000#18.2-3, rfc9000#18.2-5).
    fn check_address(&self) -> Result<(), Fault> {
        let empty = self
            .initial_source_connection_id
            .is_some_and(|id| id.is_empty());
        if self.preferred_address.is_some() && empty {
            return Err(Fault::PreferredAddress);
        }
        Ok(())
    }
}

fn parameter<'a>(reader: &mut Reader<'a>) -> Result<(u64, &'a [u8]), Fault> {
    let malformed = |Truncated| Fault::ParameterSyntax;
    let id = reader.varint().map_err(malformed)?.get();
    Ok((id, reader.vec().map_err(malformed)?))
}

/// Reads all of a value: bytes left over are a fault.
fn whole<'a, T>(
    value: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, ValueFault>,
) -> Result<T, Fault> {
    let mut reader = Reader::new(value);
    let result = read(&mut reader).map_err(|ValueFault(fault)| fault)?;
    reader
        .finish()
        .map_err(|Truncated| Fault::ParameterSyntax)?;
    Ok(result)
}

/// A fault in a value, whose end is a matter of its own.
struct ValueFault(Fault);

impl From<Truncated> for ValueFault {
    fn from(_: Truncated) -> Self {
        Self(Fault::ParameterSyntax)
    }
}

fn connection_id(value: &[u8]) -> Result<ConnectionId, Fault> {
    ConnectionId::new(value).ok_or(Fault::ParameterSyntax)
}

fn reset_token(reader: &mut Reader<'_>) -> Result<ResetToken, ValueFault> {
    Ok(ResetToken(reader.array()?))
}

fn preferred_address(reader: &mut Reader<'_>) -> Result<PreferredAddress, ValueFault> {
    let v4 = (Ipv4Addr::from(reader.array::<4>()?), reader.u16()?);
    let v6 = (Ipv6Addr::from(reader.array::<16>()?), reader.u16()?);
    let id = reader.vec8()?;
    // rfc9000#18.2-4
    if id.is_empty() {
        return Err(ValueFault(Fault::PreferredAddress));
    }
    let id = connection_id(id).map_err(ValueFault)?;
    Ok(PreferredAddress {
        v4: (v4 != (Ipv4Addr::UNSPECIFIED, 0)).then_some(SocketAddrV4::new(v4.0, v4.1)),
        v6: (v6 != (Ipv6Addr::UNSPECIFIED, 0)).then_some(SocketAddrV6::new(v6.0, v6.1, 0, 0)),
        id,
        reset_token: reset_token(reader)?,
    })
}

/// Whole, nowhere zero, and a client's own version among those it offers (RFC 9368 section 4).
fn version_information(value: &[u8], sender: Side) -> Result<VersionInformation, Fault> {
    let mut versions = value
        .chunks(4)
        .map(|number| Some(u32::from_be_bytes(number.try_into().ok()?)).filter(|n| *n != 0));
    let chosen = versions.next().flatten();
    let available = versions.clone();
    let (Some(chosen), true) = (chosen, versions.all(|number| number.is_some())) else {
        return Err(Fault::VersionInformation);
    };
    if sender == Side::Client && !available.clone().any(|number| number == Some(chosen)) {
        return Err(Fault::VersionInformation);
    }
    Ok(VersionInformation {
        chosen,
        available: available.flatten().take(limits::VERSIONS).collect(),
    })
}
