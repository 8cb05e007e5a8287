//! A handshake's time, the client's and the server's work apart: by group with an ECDSA P-256 chain, and by kind of signature with
//! X25519MLKEM768.
#![allow(missing_docs)]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use pith_benches::{Configs, timed, unmetered};
use pith_tests::pki::Kind;
use pith_tls::Group;

fn by_group(criterion: &mut Criterion) {
    for group in [
        Group::X25519MlKem768,
        Group::X25519,
        Group::Secp256r1,
        Group::SecP256r1MlKem768,
        Group::SecP384r1MlKem1024,
    ] {
        let configs = Configs::new(group, Kind::P256);
        both_sides(criterion, &format!("handshake by group/{group}"), &configs);
    }
}

fn by_signature(criterion: &mut Criterion) {
    for kind in [Kind::P256, Kind::Ed25519, Kind::Rsa2048, Kind::MlDsa65] {
        let configs = Configs::new(Group::X25519MlKem768, kind);
        both_sides(
            criterion,
            &format!("handshake by signature/{kind:?}"),
            &configs,
        );
    }
}

fn both_sides(criterion: &mut Criterion, name: &str, configs: &Configs) {
    let mut group = criterion.benchmark_group(name);
    group.bench_function("client", |bencher| {
        bencher.iter_custom(|count| {
            let one = |_| timed(|meter| drop(configs.handshake(meter, &mut unmetered)));
            (0..count).map(one).sum::<Duration>()
        });
    });
    group.bench_function("server", |bencher| {
        bencher.iter_custom(|count| {
            let one = |_| timed(|meter| drop(configs.handshake(&mut unmetered, meter)));
            (0..count).map(one).sum::<Duration>()
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30);
    targets = by_group, by_signature
}
criterion_main!(benches);
