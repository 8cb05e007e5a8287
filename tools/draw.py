"""Draws requirements at random, so that a person can break the code of each and see its test fail.

  python3 tools/draw.py [--seed SEED] [--count COUNT]

In: the rows of tests/requirements/*.tsv with status `test`, files in the order of their names, rows in theirs. Out: those drawn, with the file
that obeys and the tests that have to fail. The same tables and seed give the same rows; what became of them is in assurance/drawn.tsv.
"""

import argparse
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def tested():
    """The rows that claim a test: id, file, tests."""
    for path in sorted((ROOT / "tests/requirements").glob("*.tsv")):
        for line in path.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                requirement, status, where, tests, *_ = line.split("\t")
                if status == "test":
                    yield requirement, where, tests


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seed", default="pith 2026-11")
    options.add_argument("--count", type=int, default=60)
    chosen = options.parse_args()
    for row in random.Random(chosen.seed).sample(list(tested()), chosen.count):
        print("\t".join(row))


main()
