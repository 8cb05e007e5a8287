# A record may cost little more than its AEAD, in instructions: the one measure that does not depend on how busy the machine is.
set -euo pipefail
python3 tools/instructions.py
