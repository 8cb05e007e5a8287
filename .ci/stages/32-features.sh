# What features of pith-io add, the README's examples and hyper's among it; and each adapter without the other.
set -euo pipefail
cargo test --locked -p pith-io --all-features -- --show-output
cargo clippy --locked -p pith-io --all-features --all-targets -- -D warnings
for features in tokio quic std,quic tokio,quic std,h3; do
    cargo clippy --locked -p pith-io --no-default-features --features "$features" --all-targets -- -D warnings
done
RUSTDOCFLAGS=-Dwarnings cargo doc --locked -p pith-io --all-features --no-deps
# Traces of QUIC connections, which a checker of the schemas reads.
cargo test --locked -p pith-quic --features qlog qlog -- --show-output
cargo test --locked -p pith-quic --features qlog --test qlog -- --show-output
cargo clippy --locked -p pith-quic --features qlog --all-targets -- -D warnings
RUSTDOCFLAGS=-Dwarnings cargo doc --locked -p pith-quic --features qlog --no-deps
# brotli and zstd; and no algorithm for certificates at all.
cargo test --locked -p pith-tls --lib --features brotli,zstd compress
for feature in brotli zstd; do
    cargo test --locked -p pith-tests --features "$feature" --test certificate_compression -- --nocapture
done
cargo clippy --locked -p pith-tls --no-default-features --all-targets -- -D warnings
