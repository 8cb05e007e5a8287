# The README's command. --show-output: what a passing test prints holds the SKIPPED lines.
set -euo pipefail
cargo test --locked -- --show-output
cargo test --locked -p pith-io --features tracing --lib tracing:: -- --show-output
