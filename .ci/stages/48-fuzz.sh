# A short fuzz of every target: another seed and ten times as many inputs as `cargo test` gives them.
set -euo pipefail
export BOLERO_RANDOM_ITERATIONS=20000
cargo test --locked -p pith-fuzz
cargo test --locked -p pith-tls --lib fuzz
cargo test --locked -p pith-quic --lib fuzz
