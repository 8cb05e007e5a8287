# The peer of the interop tests, whose stage finds it built.
set -euo pipefail
"$(bash peers/openssl/build.sh)" version
