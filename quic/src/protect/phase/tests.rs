//! Key updates between two sides that share their secrets.

use bytes::BytesMut;
use pith_crypto::Secret;
use pith_tls::CipherSuite;

use super::super::{Datagram, Incoming};
use super::*;
use crate::Code;
use crate::wire::header::{NewHeader, QuicBit};
use crate::wire::{ConnectionId, Version};

const SUITE: CipherSuite = CipherSuite::ChaCha20Poly1305Sha256;

fn secret(byte: u8) -> PacketSecret {
    PacketSecret::from_parts(Version::V1, SUITE, Secret::new(&[byte; 32]).unwrap())
}

fn number(value: u64) -> PacketNumber {
    PacketNumber::new(value).unwrap()
}

/// One side, and the largest number that it has opened.
struct End {
    keys: OneRtt,
    largest: Option<PacketNumber>,
    largest_sent: PacketNumber,
}

impl End {
    fn new(sends: u8, receives: u8, limit: u64) -> Self {
        let mut keys = OneRtt::new(limit);
        assert!(!keys.can_send() && !keys.can_receive());
        keys.install_sending(secret(sends)).unwrap();
        keys.install_receiving(secret(receives)).unwrap();
        assert!(keys.can_send() && keys.can_receive());
        Self {
            keys,
            largest: None,
            largest_sent: PacketNumber::ZERO,
        }
    }

    fn try_send(&mut self, full: u64) -> Result<Vec<u8>, Error> {
        let mut buffer = [0; 100];
        let mut builder = Builder::new(&mut buffer);
        let header = NewHeader::Short {
            dcid: ConnectionId::default(),
            spin: false,
        };
        let draft = Draft::begin(&mut builder, &header, true, number(full), None).unwrap();
        builder.put_ping().unwrap();
        self.keys.seal(draft, &mut builder)?;
        self.largest_sent = number(full);
        Ok(builder.written().to_vec())
    }

    fn send(&mut self, full: u64) -> Vec<u8> {
        self.try_send(full).unwrap()
    }

    /// The generation of the packet.
    fn receive(&mut self, packet: &[u8]) -> Result<u64, Refused> {
        let mut datagram = Datagram::new(BytesMut::from(packet), 0, QuicBit::Set);
        let Some(Ok(Incoming::Protected(packet))) = datagram.next() else {
            panic!("no packet");
        };
        let opened = self.keys.open(packet, self.largest, Side::Server)?;
        self.largest = self.largest.max(Some(opened.number));
        Ok(opened.generation)
    }
}

fn pair(limit: u64) -> (End, End) {
    (End::new(1, 2, limit), End::new(2, 1, limit))
}

/// A pair between which a packet went each way and was acknowledged.
fn warm() -> (End, End) {
    let (mut a, mut b) = pair(u64::MAX);
    let packet = a.send(0);
    assert_eq!(b.receive(&packet), Ok(0));
    let packet = b.send(0);
    assert_eq!(a.receive(&packet), Ok(0));
    a.keys.acked(number(0), 0).unwrap();
    b.keys.acked(number(0), 0).unwrap();
    (a, b)
}

fn fault<T>(fault: Fault) -> Result<T, Refused> {
    Err(Refused::Fault(fault))
}

#[test]
fn keys_that_rest_are_made_again_by_the_next_packet_either_way() {
    let (mut a, mut b) = warm();
    for round in 1..=4 {
        a.keys.rest();
        b.keys.rest();
        assert!(!a.keys.is_awake() && !b.keys.is_awake());
        // What is not the peer's finds the same keys, and changes nothing.
        let mut forged = a.send(2 * round - 1);
        let last = forged.len() - 1;
        forged[last] ^= 1;
        assert_eq!(b.receive(&forged), Err(Refused::Forged));
        b.keys.rest();
        // In every second round the packet that wakes is one of an update.
        if round % 2 == 0 {
            assert_eq!(a.keys.update(true), Ok(true));
        }
        let packet = a.send(2 * round);
        assert_eq!(b.receive(&packet), Ok(round / 2));
        assert!(b.keys.is_awake());
        let packet = b.send(round);
        assert_eq!(a.receive(&packet), Ok(round / 2));
        a.keys.acked(number(2 * round), round / 2).unwrap();
        b.keys.acked(number(round), round / 2).unwrap();
    }
}

#[test]
fn an_update_is_followed_and_confirmed() {
    let (mut a, mut b) = warm();
    assert_eq!(a.keys.update(true), Ok(true));
    let packet = a.send(1);
    assert_eq!(packet[0] & 0x40, 0x40);
    assert_eq!(b.receive(&packet), Ok(1));
    // The first packet that goes back has the new keys already.
    let packet = b.send(1);
    assert_eq!(a.receive(&packet), Ok(1));
    assert_eq!(a.keys.acked(number(1), 1), Ok(()));
    // And so on, from either side in turn; each packet acknowledges the one before.
    for round in 2..7 {
        (a, b) = (b, a);
        let (last, generation) = (2 * round - 2, round - 1);
        let acknowledgment = b.send(last);
        assert_eq!(a.receive(&acknowledgment), Ok(generation), "{round}");
        assert_eq!(a.keys.acked(a.largest_sent, generation), Ok(()));
        assert_eq!(a.keys.update(true), Ok(true), "{round}");
        let packet = a.send(last + 1);
        assert_eq!(b.receive(&packet), Ok(round));
        let packet = b.send(last + 1);
        assert_eq!(a.receive(&packet), Ok(round));
        assert_eq!(a.keys.acked(a.largest_sent, round), Ok(()));
    }
}

#[test]
fn an_update_waits_for_confirmation_and_acknowledgment() {
    let (mut a, mut b) = pair(u64::MAX);
    assert!(!a.keys.may_update(true), "nothing was sent");
    let packet = a.send(0);
    assert!(!a.keys.may_update(true), "nothing was acknowledged");
    assert_eq!(b.receive(&packet), Ok(0));
    a.keys.acked(number(0), 0).unwrap();
    assert!(!a.keys.may_update(false), "the handshake is not confirmed");
    assert_eq!(a.keys.update(false), Ok(false));
    assert_eq!(a.keys.update(true), Ok(true));
    // Once more only after an acknowledgment of this generation.
    let packet = a.send(5);
    assert_eq!(a.keys.update(true), Ok(false));
    a.keys.acked(number(4), 0).unwrap();
    assert_eq!(a.keys.update(true), Ok(false), "of the generation before");
    assert_eq!(b.receive(&packet), Ok(1));
    let answer = b.send(0);
    assert_eq!(a.receive(&answer), Ok(1));
    assert_eq!(a.keys.update(true), Ok(false));
    a.keys.acked(number(5), 1).unwrap();
    assert_eq!(a.keys.update(true), Ok(true));
}

#[test]
fn late_packets_open_with_the_previous_keys_until_those_are_dropped() {
    let (mut a, mut b) = warm();
    let (late, later) = (a.send(1), a.send(2));
    a.keys.update(true).unwrap();
    let new = a.send(3);
    assert!(!b.keys.has_previous());
    assert_eq!(b.receive(&new), Ok(1));
    assert!(b.keys.has_previous());
    assert_eq!(b.receive(&late), Ok(0));
    b.keys.drop_previous();
    assert!(!b.keys.has_previous());
    assert_eq!(b.receive(&later), Err(Refused::Forged));
    let packet = a.send(4);
    assert_eq!(b.receive(&packet), Ok(1));
}

#[test]
fn older_keys_with_a_higher_number_are_a_fault() {
    // The newer packet has the lower number and comes last: in the packet that updates, and after it.
    let (mut a, mut b) = warm();
    let old = a.send(10);
    a.keys.update(true).unwrap();
    let new = a.send(5);
    assert_eq!(b.receive(&old), Ok(0));
    assert_eq!(b.receive(&new), fault(Fault::OldKeysAfterNew));

    let (mut a, mut b) = warm();
    let old = a.send(10);
    a.keys.update(true).unwrap();
    let (new, update) = (a.send(5), a.send(11));
    assert_eq!(b.receive(&old), Ok(0));
    assert_eq!(b.receive(&update), Ok(1));
    assert_eq!(b.receive(&new), fault(Fault::OldKeysAfterNew));
    assert_eq!(Fault::OldKeysAfterNew.code(), Code::KEY_UPDATE_ERROR);

    // The same number is not a higher one; whoever keeps the numbers finds it there already.
    let (mut a, mut b) = warm();
    let old = a.send(10);
    a.keys.update(true).unwrap();
    let new = a.send(10);
    assert_eq!(b.receive(&old), Ok(0));
    assert_eq!(b.receive(&new), Ok(1));
}

#[test]
fn an_older_key_is_not_tried_on_a_higher_number() {
    let (mut a, mut b) = warm();
    let old = a.send(10);
    a.keys.update(true).unwrap();
    let new = a.send(5);
    assert_eq!(b.receive(&new), Ok(1));
    assert_eq!(b.receive(&old), Err(Refused::Forged));
}

#[test]
fn an_acknowledgment_with_old_keys_of_new_packets_is_a_fault() {
    let (mut a, _) = warm();
    a.keys.update(true).unwrap();
    a.send(1);
    assert_eq!(a.keys.acked(number(0), 0), Ok(()));
    assert_eq!(a.keys.acked(number(1), 0), Err(Fault::AckWithOldKeys));
    assert_eq!(Fault::AckWithOldKeys.code(), Code::KEY_UPDATE_ERROR);
}

#[test]
fn a_false_claim_of_an_update_changes_nothing() {
    let (mut a, mut b) = warm();
    let (claim, packet) = (a.send(1), a.send(2));
    // The phase is masked, so flipping its bit flips the claim.
    let mut forged = claim.clone();
    forged[0] ^= 0x04;
    for _ in 0..3 {
        assert_eq!(b.receive(&forged), Err(Refused::Forged));
    }
    assert_eq!(b.receive(&claim), Ok(0));
    assert_eq!(b.receive(&packet), Ok(0));
    let back = b.send(1);
    assert_eq!(a.receive(&back), Ok(0), "it did not follow");
}

#[test]
fn a_second_update_without_waiting_does_not_open() {
    let (mut a, mut b) = warm();
    a.keys.update(true).unwrap();
    let first = a.send(1);
    a.keys
        .sending
        .ready_mut()
        .unwrap()
        .update(u64::MAX)
        .unwrap();
    let second = a.send(2);
    assert_eq!(b.receive(&first), Ok(1));
    assert_eq!(b.receive(&second), Err(Refused::Forged));
    // Its keys are there once this side has sent, and so may have acknowledged the first.
    b.send(1);
    assert_eq!(b.receive(&second), Ok(2));
}

#[test]
fn a_packet_that_lies_about_its_phase_does_not_open() {
    let (mut a, mut b) = warm();
    a.keys.update(true).unwrap();
    let update = a.send(1);
    // The next packet has the same keys and the other phase, while the keys that it claims are not there yet.
    a.keys.sending.ready_mut().unwrap().generation += 1;
    let lie = a.send(2);
    assert_eq!(b.receive(&update), Ok(1));
    assert!(b.keys.receiving.ready().unwrap().next.is_none());
    assert_eq!(b.receive(&lie), Err(Refused::Forged));
    b.send(1);
    assert_eq!(b.receive(&lie), Err(Refused::Forged));
}

#[test]
fn a_sending_key_asks_for_an_update_in_time_and_stops_at_its_limit() {
    let limit = limits::CLOSING_PACKETS + 6;
    let (mut a, mut b) = pair(limit);
    for full in 0..limit {
        assert_eq!(a.keys.wants_update(), full >= limit / 2, "{full}");
        assert_eq!(a.keys.is_nearly_used_up(), full >= 6, "{full}");
        a.send(full);
    }
    assert_eq!(a.try_send(limit), Err(Error::Exhausted));
    let packet = b.send(0);
    assert_eq!(a.receive(&packet), Ok(0));
    a.keys.acked(number(3), 0).unwrap();
    assert_eq!(a.keys.update(true), Ok(true));
    assert!(!a.keys.wants_update() && !a.keys.is_nearly_used_up());
    let packet = a.send(limit);
    b.largest = Some(number(limit - 1));
    assert_eq!(b.receive(&packet), Ok(1));
}

#[test]
fn without_keys_nothing_opens_and_nothing_is_sealed() {
    let (mut a, _) = pair(u64::MAX);
    let packet = a.send(0);
    let mut none = End {
        keys: OneRtt::new(u64::MAX),
        largest: None,
        largest_sent: PacketNumber::ZERO,
    };
    assert_eq!(none.receive(&packet), Err(Refused::Forged));
    assert_eq!(none.try_send(0), Err(Error::Internal("no 1-RTT keys")));
    assert_eq!(none.keys.update(true), Ok(false));
    assert!(!none.keys.has_previous() && !none.keys.wants_update());
}
