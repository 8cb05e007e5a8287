set -euo pipefail
bash tests/bogo/run.sh
