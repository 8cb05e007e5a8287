set -euo pipefail
cargo clippy --locked --workspace --all-targets -- -D warnings
cargo clippy --locked -p pith-io --no-default-features -- -D warnings
