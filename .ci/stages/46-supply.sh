# What a user of the libraries programs against and builds: the public interface, as the text of api/ has it, and the same bytes of libpith from two places.
set -euo pipefail
python3 tools/api.py
bash .ci/reproducible.sh
