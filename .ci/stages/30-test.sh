# The README's command. --show-output: what a passing test prints holds the SKIPPED lines.
set -euo pipefail
PITH_OPENSSL=$(bash peers/openssl/build.sh)
export PITH_OPENSSL
cargo test --locked -- --show-output
