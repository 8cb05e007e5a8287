//! What an allocator sees: that records and key derivation allocate nothing on our side, and that what is freed has been wiped.
//!
//! The backend's own C allocations are not seen here. `unsafe` is what an allocator takes; this file is the only one of this crate
//! that has any.

#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use pith_crypto::{Aead, Hash, OpeningKey, SealingKey, Secret, hkdf, mac};

/// Fills the secrets below, and nothing else.
const MARK: [u8; 12] = [0xa7; 12];

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static MARKED_WHEN_FREED: Cell<usize> = const { Cell::new(0) };
}

struct Watch;

// SAFETY: every call goes to `System` with the arguments that came.
unsafe impl GlobalAlloc for Watch {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller's duty is the same as ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        for at in 0..=layout.size().saturating_sub(MARK.len()) {
            let window = layout.size().min(MARK.len());
            // SAFETY: the window lies in the block, which is still the caller's and, for the blocks of these tests, initialised;
            // volatile, so that the wiping before it is not optimised away by this read nor this read by the free after it.
            let seen = (0..window).all(|i| unsafe { memory.add(at + i).read_volatile() } == 0xa7);
            if seen && window == MARK.len() {
                MARKED_WHEN_FREED.set(MARKED_WHEN_FREED.get() + 1);
                break;
            }
        }
        // SAFETY: the caller's duty is the same as ours.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static WATCH: Watch = Watch;

fn allocations(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

fn marked_when_freed<T>(value: Box<T>) -> usize {
    let before = MARKED_WHEN_FREED.get();
    drop(value);
    MARKED_WHEN_FREED.get() - before
}

#[test]
fn the_watch_sees_allocations_and_marks() {
    assert_eq!(
        allocations(|| drop(std::hint::black_box(vec![1_u8; 10]))),
        1
    );
    assert_eq!(marked_when_freed(Box::new([0xa7_u8; 48])), 1);
    assert_eq!(marked_when_freed(Box::new([0_u8; 48])), 0);
}

#[test]
fn sealing_and_opening_allocate_nothing() {
    for aead in [Aead::Aes128Gcm, Aead::Aes256Gcm, Aead::ChaCha20Poly1305] {
        let key = &[1; 32][..aead.key_len()];
        let mut sealing = SealingKey::new(aead, key, &[2; 12]).unwrap();
        let mut opening = OpeningKey::new(aead, key, &[2; 12]).unwrap();
        let plaintext = [3; 16384];
        let mut record = [0; 16384 + 1 + 16];
        let count = allocations(|| {
            for _ in 0..3 {
                sealing
                    .seal(b"header", &plaintext, &[23], &mut record)
                    .unwrap();
                opening.open(b"header", &mut record).unwrap();
                opening.open(b"header", &mut [0; 32]).unwrap_err();
            }
        });
        assert_eq!(count, 0, "{aead:?}");
    }
}

#[test]
fn deriving_keys_allocates_nothing() {
    for hash in [Hash::Sha256, Hash::Sha384] {
        let transcript = hash.digest(b"");
        let count = allocations(|| {
            let secret = hkdf::extract(hash, &[1; 48], &[2; 80]).unwrap();
            // The longest of TLS's own labels over the longest of its contexts.
            let traffic = hkdf::derive_secret(hash, &secret, "c hs traffic", transcript.as_ref());
            let traffic = traffic.unwrap();
            for label in ["key", "iv", "finished", "traffic upd", "resumption"] {
                let mut out = [0; 48];
                hkdf::expand_label(hash, &traffic, label, &[], &mut out[..hash.len()]).unwrap();
            }
            let exporter = "EXPORTER_22_bytes_long";
            hkdf::derive_secret(hash, &secret, exporter, transcript.as_ref()).unwrap();
            mac::hmac(hash, traffic.expose(), transcript.as_ref()).unwrap();
        });
        assert_eq!(count, 0, "{hash:?}");
    }
}

#[test]
fn a_dropped_secret_is_wiped() {
    let secret = Box::new(Secret::new(&[0xa7; 48]).unwrap());
    assert_eq!(marked_when_freed(secret), 0);
    let mut shortened = Box::new(Secret::new(&[0xa7; 12]).unwrap());
    shortened.append(&[0xa7; 20]).unwrap();
    assert_eq!(marked_when_freed(shortened), 0);
}

#[test]
fn a_dropped_key_has_no_iv_left() {
    for aead in [Aead::Aes128Gcm, Aead::Aes256Gcm, Aead::ChaCha20Poly1305] {
        let key = vec![0xa7; aead.key_len()];
        let sealing = Box::new(SealingKey::new(aead, &key, &MARK).unwrap());
        assert_eq!(marked_when_freed(sealing), 0, "{aead:?}");
        let opening = Box::new(OpeningKey::new(aead, &key, &MARK).unwrap());
        assert_eq!(marked_when_freed(opening), 0, "{aead:?}");
    }
}
