# The programs that Pith is measured beside still compile, for nothing else builds them. Their libraries in C take minutes where they are not in the cache.
set -euo pipefail
bash peers/compare/build.sh --check
