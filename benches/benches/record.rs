//! A record's time, sent and received, by suite and size; and that of the AEAD alone.
#![allow(missing_docs, clippy::arithmetic_side_effects)]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pith_benches::{Bare, Meter, Records, SUITES, timed, unmetered};

/// Records that are timed at once, so that reading the clock costs nothing beside them.
const BATCH: u64 = 64;

fn records(criterion: &mut Criterion) {
    for (name, suite, aead) in SUITES {
        for size in [100, 1024, 16_384] {
            let batch = usize::try_from(BATCH).unwrap_or_default();
            let mut records = Records::new(suite, size, batch);
            let mut bare = Bare::new(aead, size, batch);
            let bytes = u64::try_from(size).unwrap_or_default();
            let group = format!("{name} {size}");
            row(criterion, &group, "send", bytes, |meter| {
                records.batch(meter, &mut unmetered);
            });
            row(criterion, &group, "receive", bytes, |meter| {
                records.batch(&mut unmetered, meter);
            });
            row(criterion, &group, "seal alone", bytes, |meter| {
                bare.batch(meter, &mut unmetered);
            });
            row(criterion, &group, "open alone", bytes, |meter| {
                bare.batch(&mut unmetered, meter);
            });
        }
    }
}

fn row(
    criterion: &mut Criterion,
    group: &str,
    name: &str,
    bytes: u64,
    mut batch: impl FnMut(Meter<'_>),
) {
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|count| {
            let batches = count.div_ceil(BATCH);
            let time: Duration = (0..batches).map(|_| timed(&mut batch)).sum();
            // Criterion asked for `count` records, which may be no whole number of batches.
            time.mul_f64(ratio(count, batches * BATCH))
        });
    });
    group.finish();
}

#[allow(clippy::as_conversions)] // counts far below 2^53
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30);
    targets = records
}
criterion_main!(benches);
