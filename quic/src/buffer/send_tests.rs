use std::sync::LazyLock;

use super::*;

fn filled(parts: &[&'static [u8]]) -> SendBuffer {
    let mut buffer = SendBuffer::default();
    for part in parts {
        buffer.push(Bytes::from_static(part));
    }
    buffer
}

fn byte(offset: u64) -> u8 {
    (offset % 251) as u8 ^ (offset / 251) as u8
}

/// A slice of the one pattern, which is made once: it is most of what a random test would do.
fn bytes(range: Range<u64>) -> Bytes {
    static WHOLE: LazyLock<Bytes> = LazyLock::new(|| (0..64 * 2000).map(byte).collect());
    WHOLE.slice(range.start as usize..range.end as usize)
}

/// Sends what comes next, at most `most` bytes below `limit`.
fn send(buffer: &mut SendBuffer, limit: u64, most: u64) -> Option<(Range<u64>, bool)> {
    let piece = buffer.pending(limit)?;
    let len = piece.len.min(most);
    let fin = piece.fin && len == piece.len;
    let mut data = vec![0; len as usize];
    buffer.copy(piece.offset, &mut data).unwrap();
    let range = piece.offset..piece.offset + len;
    assert_eq!(data, bytes(range.clone()));
    buffer.sent_piece(piece, len, fin);
    Some((range, fin))
}

#[test]
fn lost_ranges_of_a_send_buffer_come_first_and_the_end_last() {
    let mut buffer = SendBuffer::default();
    buffer.push(bytes(0..30));
    buffer.push(bytes(30..40));
    assert_eq!(send(&mut buffer, 35, 20), Some((0..20, false)));
    assert_eq!(send(&mut buffer, 35, 20), Some((20..35, false)));
    assert_eq!(send(&mut buffer, 35, 20), None);
    buffer.finish();
    assert_eq!(send(&mut buffer, 35, 20), None);
    buffer.acked(5..10, false);
    buffer.lost(0..20, false);
    assert_eq!(send(&mut buffer, 100, 20), Some((0..5, false)));
    assert_eq!(send(&mut buffer, 100, 6), Some((10..16, false)));
    assert_eq!(send(&mut buffer, 100, 20), Some((16..20, false)));
    assert_eq!(send(&mut buffer, 100, 20), Some((35..40, true)));
    assert_eq!(send(&mut buffer, 100, 20), None);
    buffer.lost(35..40, true);
    buffer.acked(35..40, false); // the same data, in another frame
    assert_eq!(send(&mut buffer, 100, 20), Some((40..40, true)));
    buffer.acked(0..40, false);
    assert!(!buffer.is_delivered());
    buffer.acked(40..40, true);
    assert!(buffer.is_delivered());
    assert_eq!((buffer.held(), buffer.chunks.capacity()), (0, 0));
}

#[test]
fn an_acknowledged_slice_of_a_send_buffer_is_let_go_in_any_order() {
    let mut buffer = SendBuffer::default();
    for part in 0..4 {
        buffer.push(bytes(part * 1000..part * 1000 + 1000));
    }
    while send(&mut buffer, 4000, 700).is_some() {}
    // (acknowledged, held)
    let rows = [
        (1100..1900, 4000),
        (1000..1100, 4000),
        (1900..2000, 3000),
        (3000..4000, 2000),
        (0..10, 2000),
        (10..1000, 1000),
        (2500..3000, 1000),
        (2000..2500, 0),
    ];
    for (acked, held) in rows {
        buffer.acked(acked.clone(), false);
        assert_eq!(buffer.held(), held, "{acked:?}");
    }
    assert_eq!(buffer.copy(0, &mut [0]), None);
}

#[test]
fn a_send_buffer_copies_nothing_but_small_writes() {
    let mut buffer = SendBuffer::default();
    let (large, small) = (bytes(0..1000), bytes(1000..1001));
    buffer.push(large.clone());
    buffer.push(small);
    assert_eq!(buffer.chunks[0].bytes.as_ptr(), large.as_ptr());
    for offset in 1001..20_000 {
        buffer.push(bytes(offset..offset + 1));
    }
    assert!(
        buffer.chunks.len() <= 2 + 19_000 / JOINED,
        "{}",
        buffer.chunks.len()
    );
    while send(&mut buffer, u64::MAX, 1200).is_some() {}
    assert_eq!(buffer.sent(), 20_000);
}

#[test]
fn a_discarded_send_buffer_has_nothing_to_send() {
    let mut gone = filled(&[b"never", b"again"]);
    gone.discard();
    assert_eq!((gone.pending(100), gone.held(), gone.sent()), (None, 0, 0));
}

/// Random writes, sends, losses and acknowledgments, late and repeated: all bytes arrive, unchanged and each sent again only if it was lost.
#[test]
fn a_send_buffer_delivers_under_any_loss() {
    bolero::check!()
        .with_type::<Vec<(u8, u16)>>()
        .with_iterations(2000)
        .for_each(|steps| {
            let mut buffer = SendBuffer::default();
            let mut written = 0;
            let mut flying: Vec<(Range<u64>, bool)> = Vec::new();
            let mut arrived = Ranges::default();
            let mut end = false;
            let step = |buffer: &mut SendBuffer,
                        flying: &mut Vec<(Range<u64>, bool)>,
                        arrived: &mut Ranges,
                        end: &mut bool,
                        which: usize,
                        acked: bool| {
                let (range, fin) = flying.swap_remove(which % flying.len());
                if acked {
                    arrived.insert(range.clone());
                    *end |= fin;
                    buffer.acked(range, fin);
                } else {
                    buffer.lost(range, fin);
                }
            };
            for (what, size) in steps {
                let size = u64::from(size % 2000);
                match what % 4 {
                    0 if !buffer.is_finished() => {
                        buffer.push(bytes(written..written + size));
                        written += size;
                    }
                    1 => flying.extend(send(&mut buffer, u64::MAX, size + 1)),
                    2 | 3 if !flying.is_empty() => {
                        let acked = what % 4 == 2;
                        step(
                            &mut buffer,
                            &mut flying,
                            &mut arrived,
                            &mut end,
                            usize::from(*what) / 4,
                            acked,
                        );
                    }
                    _ => {}
                }
                let gone = arrived.around(0).map_or(0, |range| range.end);
                assert_eq!(buffer.base, gone);
            }
            buffer.finish();
            while !buffer.is_delivered() {
                flying.extend(send(&mut buffer, u64::MAX, 700));
                if buffer.pending(u64::MAX).is_none() {
                    assert!(!flying.is_empty(), "nothing to send and nothing under way");
                    step(&mut buffer, &mut flying, &mut arrived, &mut end, 0, true);
                }
            }
            assert!(end && arrived.first_gap(0..written).is_none());
            assert_eq!((buffer.held(), buffer.sent()), (0, written));
        });
}
