//! Parameters → bytes, shuffled and with a reserved one.

use super::super::{Builder, VarInt};
use super::{INTEGERS, Parameters, PreferredAddress, VersionInformation, ids};

impl Parameters {
    /// As they go into the handshake. `random` draws numbers for the order and for a reserved parameter: from a generator that nobody predicts.
    pub(crate) fn encode(&self, mut random: impl FnMut() -> u64) -> Vec<u8> {
        let mut encoded = self.each();
        encoded.push(reserved(&mut random));
        // A random order, each as likely as any other.
        for last in (1..encoded.len()).rev() {
            let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
            let chosen = random().checked_rem(bound).unwrap_or(0);
            encoded.swap(last, usize::try_from(chosen).unwrap_or(0));
        }
        encoded.concat()
    }

    /// Each that does not have its default.
    fn each(&self) -> Vec<Vec<u8>> {
        let mut encoded = Vec::new();
        let mut this = self.clone();
        for row in INTEGERS {
            let value = *(row.field)(&mut this);
            if value.get() != row.default {
                encoded.push(written(row.id, |b| b.put_varint(value)));
            }
        }
        for (id, value) in [
            (
                ids::ORIGINAL_DESTINATION,
                self.original_destination_connection_id,
            ),
            (ids::INITIAL_SOURCE, self.initial_source_connection_id),
            (ids::RETRY_SOURCE, self.retry_source_connection_id),
        ] {
            encoded.extend(value.map(|value| written(id, |b| b.put(&value))));
        }
        for (id, set) in [
            (ids::DISABLE_MIGRATION, self.disable_active_migration),
            (ids::GREASE_QUIC_BIT, self.grease_quic_bit),
        ] {
            encoded.extend(set.then(|| written(id, |_| Some(()))));
        }
        if let Some(token) = &self.stateless_reset_token {
            encoded.push(written(ids::RESET_TOKEN, |b| b.put(&token.0)));
        }
        if let Some(address) = &self.preferred_address {
            encoded.push(written(ids::PREFERRED_ADDRESS, |b| address.encode(b)));
        }
        if let Some(versions) = &self.version_information {
            encoded.push(written(ids::VERSION_INFORMATION, |b| versions.encode(b)));
        }
        encoded
    }
}

impl PreferredAddress {
    fn encode(&self, builder: &mut Builder<'_>) -> Option<()> {
        let v4 = self.v4.map(|v4| (v4.ip().octets(), v4.port()));
        let v6 = self.v6.map(|v6| (v6.ip().octets(), v6.port()));
        let (v4, v6) = (v4.unwrap_or_default(), v6.unwrap_or_default());
        builder.put(&v4.0)?;
        builder.put_u16(v4.1)?;
        builder.put(&v6.0)?;
        builder.put_u16(v6.1)?;
        builder.put_vec8(&self.id)?;
        builder.put(&self.reset_token.0)
    }
}

impl VersionInformation {
    fn encode(&self, builder: &mut Builder<'_>) -> Option<()> {
        builder.put_u32(self.chosen)?;
        self.available
            .iter()
            .take(crate::limits::VERSIONS)
            .try_for_each(|version| builder.put_u32(*version))
    }
}

/// A parameter that means nothing, of 0 to 15 bytes (RFC 9000 section 18.1).
fn reserved(mut random: impl FnMut() -> u64) -> Vec<u8> {
    let [value, id, length] = [random(), random(), random()];
    // Small numbers as well as large ones.
    let id = (id & 0xffff_ffff) >> (id >> 59);
    let id = VarInt::saturating(id.saturating_mul(31).saturating_add(27));
    let value = value.to_be_bytes();
    let length = usize::try_from(length & 0x0f).unwrap_or(0);
    let value = [value, value].concat();
    written(id.get(), |b| b.put(value.get(..length)?))
}

/// No value is longer than this, so that none is left out for want of room: the longest is version information.
const LONGEST: usize = 256;

fn written(id: u64, write: impl FnOnce(&mut Builder<'_>) -> Option<()>) -> Vec<u8> {
    let (mut value, mut all) = ([0; LONGEST], [0; LONGEST + 16]);
    let mut builder = Builder::new(&mut value);
    let mut whole = Builder::new(&mut all);
    let done = write(&mut builder)
        .and_then(|()| whole.put_varint(VarInt::new(id)?))
        .and_then(|()| whole.put_vec(builder.written()));
    match done {
        Some(()) => whole.written().to_vec(),
        None => Vec::new(),
    }
}
