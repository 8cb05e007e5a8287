# The peer of the interop tests; the test stage finds it built.
set -euo pipefail
"$(bash peers/openssl/build.sh)" version
