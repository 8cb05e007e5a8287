# A report and no gate.
set -euo pipefail
python3 tools/loc.py crypto/src pq/src tls/src quic/src io/src io/pith/src ffi/src
python3 tools/loc.py --over 400 --function 60 crypto/src pq/src tls/src quic/src io/src io/pith/src ffi/src
