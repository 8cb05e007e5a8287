use super::*;

const DATAGRAM: usize = 1500;

fn byte(offset: u64) -> u8 {
    (offset % 251) as u8 ^ (offset / 251) as u8
}

fn bytes(range: Range<u64>) -> Bytes {
    range.map(byte).collect()
}

fn insert(data: &mut Reassembly, range: Range<u64>) {
    data.insert(range.start, &bytes(range));
}

/// Reads everything in order, and checks that it is what belongs there.
fn drain(data: &mut Reassembly, at: u64) -> u64 {
    let mut at = at;
    while let Some(chunk) = data.read(97) {
        assert_eq!(chunk.offset, at);
        assert_eq!(chunk.bytes, bytes(at..at + chunk.bytes.len() as u64));
        at += chunk.bytes.len() as u64;
    }
    at
}

#[test]
fn reassembly_fills_gaps_whatever_overlaps() {
    // (name, inserted, readable up to)
    type Row = (&'static str, &'static [Range<u64>], u64);
    let rows: &[Row] = &[
        ("nothing", &[], 0),
        ("empty", &[0..0, 5..5], 0),
        ("in order", &[0..10, 10..20], 20),
        ("reversed", &[10..20, 0..10], 20),
        ("gap", &[0..10, 11..20], 10),
        ("repeated", &[0..10, 0..10, 10..11], 11),
        ("begins earlier", &[0..10, 5..15], 15),
        ("over a held one", &[10..12, 14..16, 0..20], 20),
        ("inside a held one", &[10..20, 12..15, 0..10], 20),
        ("over the end of one", &[10..20, 15..25, 0..10], 25),
        ("between two that overlap it", &[2..4, 6..8, 3..7, 0..2], 8),
        ("three of four", &[30..40, 10..20, 0..10], 20),
    ];
    for (name, inserted, want) in rows {
        let mut data = Reassembly::default();
        inserted
            .iter()
            .for_each(|range| insert(&mut data, range.clone()));
        assert_eq!(data.joined(), *want, "{name}");
        assert_eq!(drain(&mut data, 0), *want, "{name}");
        inserted
            .iter()
            .for_each(|range| insert(&mut data, range.clone()));
        assert_eq!(drain(&mut data, *want), *want, "{name}: again");
    }
}

#[test]
fn the_first_copy_of_a_byte_wins_in_reassembly() {
    let mut data = Reassembly::default();
    data.insert(1, b"bc");
    data.insert(0, b"ABCD");
    data.insert(0, b"xxxxx");
    let read: Vec<_> = std::iter::from_fn(|| data.read(9)).collect();
    let read: Vec<_> = read.iter().flat_map(|chunk| chunk.bytes.to_vec()).collect();
    assert_eq!(read, b"AbcDx");
}

#[test]
fn a_byte_at_the_largest_offset_costs_as_much_as_any() {
    let mut data = Reassembly::default();
    let last = limits::VARINT - 1;
    data.insert(last, b"z");
    assert!(data.held <= 1 + limits::SEGMENT_OVERHEAD, "{}", data.held);
    assert_eq!(data.read(10), None);
    let chunk = data.read_unordered(10).unwrap();
    assert_eq!((chunk.offset, &chunk.bytes[..]), (last, &b"z"[..]));
    assert_eq!(data.fragments(), limits::SEGMENT_OVERHEAD);
}

#[test]
fn what_comes_in_order_is_read_in_few_pieces_and_wastes_no_more_than_half() {
    let mut data = Reassembly::default();
    let (step, count) = (1400, 200);
    for index in 0..count {
        insert(&mut data, index * step..(index + 1) * step);
        let most = data.buffered + (data.buffered >> 1) + SLACK;
        assert!(data.held <= most, "{index}: {}", data.held);
    }
    let mut pieces = 0;
    let mut at = 0;
    while let Some(chunk) = data.read(usize::MAX) {
        assert_eq!(chunk.bytes, bytes(at..at + chunk.bytes.len() as u64));
        at += chunk.bytes.len() as u64;
        pieces += 1;
    }
    assert_eq!(at, count * step);
    assert!(pieces <= 30, "{pieces}");
    assert_eq!((data.held, data.buffered), (0, 0));
    // Nothing is kept for what may come: the next is a piece as long as it is.
    insert(&mut data, at..at + 9);
    assert_eq!(data.held, 9 + limits::SEGMENT_OVERHEAD);
}

#[test]
fn what_is_left_of_a_piece_keeps_no_more_than_four_times_its_length() {
    let mut data = Reassembly::default();
    insert(&mut data, 0..60_000);
    insert(&mut data, 60_000..60_001);
    let mut copies = 0;
    let mut kept = data.held;
    for at in 0..60_000 {
        assert_eq!(
            data.read(1).map(|chunk| chunk.bytes),
            Some(bytes(at..at + 1))
        );
        let most = data.buffered * limits::PINNED + ROOM.max(SLACK) + 2 * limits::SEGMENT_OVERHEAD;
        assert!(data.held <= most, "{at}: {}", data.held);
        copies += usize::from(data.held < kept);
        kept = data.held;
    }
    assert!(copies < 12, "{copies}");
    // The last piece had room for more, of which nothing is left.
    insert(&mut data, 60_001..60_002);
    data.read(1);
    assert!(
        data.held <= limits::PINNED + limits::SEGMENT_OVERHEAD,
        "{}",
        data.held
    );
}

#[test]
fn reassembly_counts_what_fragments_cost_and_joins_those_that_touch() {
    // (name, how far apart single bytes are, in order)
    let rows = [
        ("in order", 1, true),
        ("behind a gap", 1, false),
        ("gaps between", 2, false),
    ];
    for (name, step, in_order) in rows {
        let mut data = Reassembly::default();
        let datagram = bytes(0..DATAGRAM as u64);
        let mut largest = 0;
        for index in 0..20_000_u64 {
            let offset = index * step + u64::from(!in_order);
            let at = (index % 1000) as usize;
            data.insert(offset, &datagram[at..at + 1]);
            largest = largest.max(data.held);
            if index % 200 > 0 {
                continue;
            }
            let pieces = data.ready.len() + data.apart.len();
            let real: usize = data
                .ready
                .iter()
                .chain(data.apart.values())
                .map(Segment::cost)
                .sum();
            assert_eq!(data.held, real, "{name}");
            assert_eq!(data.buffered as u64, index + 1, "{name}");
            assert!(
                data.overhead() >= pieces * limits::SEGMENT_OVERHEAD,
                "{name}"
            );
        }
        if step == 1 {
            assert!(largest < 20_000 * 7 / 4 + 2 * SLACK, "{name}: {largest}");
        } else {
            assert_eq!(
                data.fragments(),
                20_000 * limits::SEGMENT_OVERHEAD,
                "{name}"
            );
        }
    }
}

#[test]
fn reassembly_does_linear_work() {
    // Compaction is all that touches a byte twice: count what it touches.
    let mut data = Reassembly::default();
    let (mut compactions, mut touched) = (0, 0);
    for index in 0..50_000_u64 {
        let before = (data.stubborn, data.ready.len() + data.apart.len());
        insert(&mut data, index * 3 + 1..index * 3 + 2);
        if data.stubborn != before.0 {
            compactions += 1;
            touched += before.1;
        }
    }
    assert!(compactions < 40, "{compactions}");
    assert!(touched < 50_000 * 5, "{touched}");
}

#[test]
fn unordered_reads_of_a_reassembly_repeat_nothing() {
    let mut data = Reassembly::default();
    insert(&mut data, 10..20);
    let chunk = data.read_unordered(4).unwrap();
    assert_eq!((chunk.offset, chunk.bytes), (10, bytes(10..14)));
    insert(&mut data, 0..30);
    let mut read = Ranges::default();
    while let Some(chunk) = data.read_unordered(7) {
        let range = chunk.offset..chunk.offset + chunk.bytes.len() as u64;
        assert_eq!(read.first_gap(range.clone()), Some(range.clone()), "twice");
        assert_eq!(chunk.bytes, bytes(range.clone()));
        read.insert(range);
    }
    assert_eq!(read.first_gap(0..30), Some(10..14));
    assert_eq!((data.joined(), data.fragments()), (30, 0));
}

/// Random frames, repeated and overlapping, against a map of bytes.
#[test]
fn reassembly_is_a_map_of_bytes() {
    let whole = bytes(0..4352);
    bolero::check!()
        .with_type::<(bool, Vec<(u16, u8, bool, u8)>)>()
        .with_iterations(2000)
        .for_each(|(unordered, frames)| {
            let mut data = Reassembly::default();
            // Offsets begin below 4096, and no frame is longer than a byte says.
            let (mut came, mut read) = ([false; 4352], [false; 4352]);
            let mut joined = 0;
            let mut take = |data: &mut Reassembly, came: &[bool], most: usize| {
                let chunk = if *unordered {
                    data.read_unordered(most)
                } else {
                    data.read(most)
                };
                let Some(chunk) = chunk else { return false };
                let (start, len) = (chunk.offset as usize, chunk.bytes.len());
                let range = start..start + len;
                assert!(len > 0 && len <= most);
                assert_eq!(came[range.clone()], [true; 256][..len], "{range:?}");
                assert_eq!(read[range.clone()], [false; 256][..len], "{range:?}");
                assert!(*unordered || start == 0 || read[start - 1], "{range:?}");
                assert_eq!(chunk.bytes, whole[range.clone()], "{range:?}");
                read[range].fill(true);
                true
            };
            for (offset, len, reads, most) in frames {
                let offset = u64::from(offset % 4096);
                let range = offset..offset + u64::from(*len);
                came[range.start as usize..range.end as usize].fill(true);
                data.insert(
                    range.start,
                    &whole[range.start as usize..range.end as usize],
                );
                joined += came[joined..].iter().position(|came| !came).unwrap();
                assert_eq!(data.joined(), joined as u64);
                if *reads {
                    take(&mut data, &came, usize::from(*most) + 1);
                }
            }
            data.compact();
            while take(&mut data, &came, 200) {}
            assert!(!*unordered || came == read);
            assert!(!*unordered || data.buffered() == 0 && data.held == 0);
        });
}

#[test]
fn crypto_data_is_held_up_to_its_cap() {
    let cap = limits::CRYPTO_BUFFER as u64;
    // (name, where a byte comes, taken), after 100 bytes were read.
    let rows = [
        ("the last in the window", 100 + cap - 1, Ok(())),
        ("one past it", 100 + cap, Err(Fault::CryptoBuffer)),
        (
            "at the largest offset",
            limits::VARINT - 1,
            Err(Fault::CryptoBuffer),
        ),
        ("long read", 0, Ok(())),
    ];
    for (name, offset, want) in rows {
        let mut crypto = CryptoReceive::default();
        crypto.insert(0, &bytes(0..100)).unwrap();
        assert_eq!(crypto.read(), Some(bytes(0..100)), "{name}");
        assert_eq!(crypto.insert(offset, &bytes(0..1)), want, "{name}");
    }
    // A flight of that size in single bytes, backwards.
    let mut whole = CryptoReceive::default();
    for offset in (0..cap).rev() {
        whole.insert(offset, &bytes(offset..offset + 1)).unwrap();
    }
    let read: Vec<u8> = std::iter::from_fn(|| whole.read()).flatten().collect();
    assert!(read == bytes(0..cap) && whole.is_empty());
    // With gaps it is not worth holding.
    let mut gaps = CryptoReceive::default();
    let fits = limits::CRYPTO_BUFFER / limits::SEGMENT_OVERHEAD;
    for index in 0..fits as u64 {
        gaps.insert(2 * index + 1, &bytes(0..1)).unwrap();
    }
    let past = gaps.insert(cap - 1, &bytes(0..1));
    assert_eq!(past, Err(Fault::CryptoBuffer));
}
