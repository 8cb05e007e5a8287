# What handshakes and records cost, in instructions and allocations: measures that do not depend on how busy the machine is. None may
# grow by more than 3 in 100.
set -euo pipefail
python3 tools/instructions.py
