# The README's command. --show-output: what a passing test prints holds the SKIPPED lines.
set -euo pipefail
cargo test --locked -- --show-output
