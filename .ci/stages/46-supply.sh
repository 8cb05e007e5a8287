# What a user of the libraries programs against: the public interface, as the text of api/ has it.
set -euo pipefail
python3 tools/api.py
