# A short fuzz of every target: another seed and ten times as many inputs as `cargo test` gives them.
set -euo pipefail
export BOLERO_RANDOM_ITERATIONS=20000
cargo test --locked -p pith-fuzz -- --skip any_datagrams_into_an_endpoint
cargo test --locked -p pith-tls --lib fuzz
cargo test --locked -p pith-quic --lib fuzz -- --skip any_frames_into_a_connection --skip any_operations_match
# Scenes begin with a handshake each.
export BOLERO_RANDOM_ITERATIONS=3000
cargo test --locked -p pith-fuzz any_datagrams_into_an_endpoint
cargo test --locked -p pith-quic --lib -- any_frames_into_a_connection any_operations_match
cargo test --locked -p pith-ffi --test sequences
