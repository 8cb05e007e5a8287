# The README's first command, as a newcomer gives it.
set -euo pipefail
cargo run --locked --release --bin pith -- demo | tee /dev/stderr | grep -q 'X25519MLKEM768 (post-quantum)'
