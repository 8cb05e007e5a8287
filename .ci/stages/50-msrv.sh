set -euo pipefail
bash .ci/msrv.sh
