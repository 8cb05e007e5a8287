# What needs hooks that no user has: a chosen call of the crypto fails, calls are counted, and a key has a low limit. A build of its own, kept apart.
set -euo pipefail
export CARGO_TARGET_DIR=target/pith_test RUSTFLAGS="${RUSTFLAGS:-} --cfg pith_test"
cargo test --locked -p pith-tests --test faults_injected --test aead_limit
PITH_SPOOFED=100000 cargo test --locked -p pith-tests --test quic_heap spoofed
