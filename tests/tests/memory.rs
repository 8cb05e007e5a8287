//! What an allocator sees: failed handshakes leave nothing behind (S12), a record of an open connection allocates nothing,
//! and a long message in small pieces is not copied again and again (R02, R09, R10).
//!
//! The backend's own C allocations are not seen here. `unsafe` is what an allocator takes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use pith_tests::pair::NOW;
use pith_tests::scripted::{ALERT, Bench, DATA, HANDSHAKE, KEY_UPDATE, Stage, message, plain};
use pith_tls::Received;
use pith_tls::limits::{HANDSHAKE_MESSAGE, HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE};

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
    static FREED: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

struct Count;

// SAFETY: every call goes to `System` with the arguments that came.
unsafe impl GlobalAlloc for Count {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        BYTES.set(BYTES.get() + layout.size());
        MOST.set(MOST.get().max(held()));
        // SAFETY: the caller's duty is the same as ours.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        FREED.set(FREED.get() + layout.size());
        // SAFETY: the caller's duty is the same as ours.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNT: Count = Count;

/// Bytes that this thread holds. What another thread frees is not seen, so a test keeps to its own.
fn held() -> usize {
    BYTES.get().wrapping_sub(FREED.get())
}

/// What was allocated while `run` ran.
#[derive(Debug, PartialEq, Eq)]
struct Cost {
    calls: usize,
    /// In all, so that what is copied into a larger block counts again.
    bytes: usize,
    /// The most at one time, beyond what was held before.
    most: usize,
}

fn cost(run: impl FnOnce()) -> Cost {
    let (calls, bytes, before) = (CALLS.get(), BYTES.get(), held());
    MOST.set(before);
    run();
    Cost {
        calls: CALLS.get() - calls,
        bytes: BYTES.get() - bytes,
        most: MOST.get() - before,
    }
}

#[test]
fn the_allocator_counts() {
    let counted = cost(|| {
        drop(std::hint::black_box(vec![1_u8; 10]));
        drop(std::hint::black_box(vec![1_u8; 20]));
    });
    let want = Cost {
        calls: 2,
        bytes: 30,
        most: 20,
    };
    assert_eq!(counted, want);
}

/// Fails a handshake at this stage, in one of several ways.
fn fail(stage: Stage, way: usize) {
    let mut bench = Bench::at(stage);
    let wire = match way {
        0 => bench.peer.record(HANDSHAKE, &message(99, b"unknown")),
        1 => bench.peer.record(ALERT, &[2, 40]),
        2 => plain(99, b"no record"),
        3 => plain(DATA, &[7; 100]),
        4 => {
            // A message altered in its last byte: a share, a signature, a Finished.
            let mut message = bench.peer.next_message().unwrap_or(vec![24, 0, 0, 1, 9]);
            *message.last_mut().unwrap() ^= 0xff;
            bench.peer.record(HANDSHAKE, &message)
        }
        5 => {
            // Half a message, and the end of the transport.
            let message = bench.peer.next_message().unwrap_or(KEY_UPDATE.to_vec());
            let wire = bench.peer.record(HANDSHAKE, &message[..message.len() / 2]);
            bench.feed(&wire).unwrap();
            bench.side.tls.eof().unwrap_err();
            return;
        }
        _ => return,
    };
    let failed = bench.side.input(&wire);
    // An altered hello makes other keys, which shows later.
    assert!(failed.is_err() || way == 4, "{} {way}", stage.state);
    bench.side.output();
}

#[test]
fn ten_thousand_failed_handshakes_leave_the_heap_as_it_was() {
    let ways = || {
        Stage::ALL
            .iter()
            .flat_map(|stage| (0..7).map(move |way| (*stage, way)))
    };
    ways().for_each(|(stage, way)| fail(stage, way));
    let before = held();
    for (stage, way) in ways().cycle().take(10_000) {
        fail(stage, way);
    }
    assert_eq!(held(), before);
}

#[test]
fn records_of_an_open_connection_allocate_nothing() {
    for stage in Stage::CONNECTED {
        let mut bench = Bench::at(stage);
        let tls = &mut bench.side.tls;
        let (plaintext, mut output) = (vec![7; 100_000], vec![0; 120_000]);
        for length in [0, 1, 100, 1 << 14, (1 << 14) + 1, 100_000] {
            let sending = cost(|| {
                let sent = tls.send(&plaintext[..length], &mut output).unwrap();
                assert_eq!(sent.consumed, length);
                assert_eq!(tls.transmit(&mut output), 0);
            });
            assert_eq!(sending.calls, 0, "{length} bytes sent");
        }
        for length in [0, 1, 100, 1 << 14] {
            let mut record = bench.peer.record(DATA, &plaintext[..length]);
            let receiving = cost(|| {
                let received = tls.receive(NOW, &mut record).unwrap();
                assert!(matches!(received, Received::Data { bytes, .. } if bytes.len() == length));
                assert_eq!(
                    tls.receive(NOW, &mut []),
                    Ok(Received::NeedMore { at_least: 5 })
                );
            });
            assert_eq!(receiving.calls, 0, "{length} bytes received");
        }
    }
}

#[test]
fn a_long_message_in_single_bytes_is_copied_a_few_times_at_most() {
    for stage in Stage::ALL {
        let limit = if stage.expects_certificate() {
            HANDSHAKE_MESSAGE
        } else {
            HANDSHAKE_MESSAGE_WITHOUT_CERTIFICATE
        };
        let mut bench = Bench::at(stage);
        let long = message(11, &vec![0; limit - 4]);
        // All but the last byte, which would end it.
        let pieces = long[..limit - 1].iter();
        let mut records: Vec<_> = pieces
            .map(|byte| bench.peer.record(HANDSHAKE, &[*byte]))
            .collect();
        let tls = &mut bench.side.tls;
        let held = cost(|| {
            for record in &mut records {
                let consumed = record.len();
                assert_eq!(tls.receive(NOW, record), Ok(Received::Handled { consumed }));
            }
        });
        assert!(held.bytes <= 4 * limit, "{}: {held:?}", stage.state);
        assert!(held.most <= 4 * limit, "{}: {held:?}", stage.state);
    }
}

#[test]
fn an_announced_message_costs_nothing_before_it_comes() {
    for stage in Stage::ALL {
        let mut bench = Bench::at(stage);
        let mut wire = bench.peer.record(HANDSHAKE, &[11, 0, 0x3f, 0xfc]);
        let announced = cost(|| {
            bench.side.tls.receive(NOW, &mut wire).unwrap();
        });
        assert!(announced.bytes <= 64, "{}: {announced:?}", stage.state);
    }
}
