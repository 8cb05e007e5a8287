set -euo pipefail
RUSTDOCFLAGS=-Dwarnings cargo doc --locked --workspace --no-deps
