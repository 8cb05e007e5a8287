#!/usr/bin/env python3
"""Measures how large and how slow to build what users link is, and writes it to benches/footprint.tsv, which compare_table.py reads.

  footprint.py [--turns N]    builds each N times over (2 unless told), in turns; 0 keeps the build times that the file has

Sizes are those of benches/footprint/run.sh: stripped clients (-O3, fat LTO, C library shared), in bytes above a program that only calls the
same primitives. Crates are all in the tree that an application gets, those of build scripts and the library's own among them. A build is of
the library in that profile, with nothing built before (AWS-LC is most of it): seconds by the clock, the median of the ratios to
rustls's of the same turn. Needs a machine that does nothing else, for about six minutes by turn on two cores.
"""
import csv
import datetime
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "benches" / "footprint"
TABLE = ROOT / "benches" / "footprint.tsv"
HEADER = ["what", "unit", "pith", "peer", "version", "theirs", "date"]
# Which library of Pith is held against which of others.
PAIRS = {"tls": ("pith-tls", "rustls"), "quic": ("pith-quic", "quinn")}


def output(*command, **more):
    return subprocess.run(command, check=True, cwd=FOLDER, stdout=subprocess.PIPE, text=True, **more).stdout


def version(package):
    lock = (FOLDER / "Cargo.lock").read_text()
    return re.search(rf'name = "{package}"\nversion = "([^"]*)"', lock)[1]


def sizes():
    """Bytes above the primitives, by program."""
    printed = output("bash", "run.sh")
    size = {line.split()[0]: int(line.split()[1]) for line in printed.splitlines()[1:]}
    return {kind: [size[f"{kind}_{by}"] - size[f"{kind}_primitives"] for by in ("pith", peer)] for kind, (_, peer) in PAIRS.items()}


def crates(package):
    tree = output("cargo", "tree", "--locked", "--package", package, "--edges", "normal,build", "--prefix", "none")
    return len({line.split(" (")[0] for line in tree.splitlines() if line})


def seconds(package):
    with tempfile.TemporaryDirectory() as target:
        start = time.monotonic()
        output("cargo", "build", "--quiet", "--locked", "--release", "--package", package, "--target-dir", target)
        return time.monotonic() - start


def builds(turns):
    """Seconds of a clean build of Pith's and of rustls, by kind; and their ratio."""
    taken = {"rustls": [], "pith-tls": [], "pith-quic": []}
    for turn in range(turns):
        for package in list(taken) if turn % 2 == 0 else reversed(taken):
            taken[package].append(seconds(package))
            print(f"{package}: {taken[package][-1]:.1f} s", flush=True)
    for kind, (package, _) in PAIRS.items():
        ratio = statistics.median(own / other for own, other in zip(taken[package], taken["rustls"]))
        yield kind, statistics.median(taken[package]), ratio


def main():
    turns = int(sys.argv[2]) if sys.argv[1:2] == ["--turns"] else 2
    day = f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}"
    rows = []
    for kind, (own, theirs) in sizes().items():
        rows.append([f"size-{kind}", "bytes", own, PAIRS[kind][1], version(PAIRS[kind][1]), theirs, day])
    for kind, (package, peer) in PAIRS.items():
        rows.append([f"crates-{kind}", "crates", crates(package), peer, version(peer), crates(peer), day])
    if turns:
        for kind, own, ratio in builds(turns):
            rows.append([f"build-{kind}", "seconds", f"{own:.1f}", "rustls", version("rustls"), f"{own / ratio:.1f}", day])
    elif TABLE.exists():
        with TABLE.open(newline="") as file:
            rows += [list(row.values()) for row in csv.DictReader(file, delimiter="\t") if row["what"].startswith("build-")]
    TABLE.write_text("".join("\t".join(map(str, row)) + "\n" for row in [HEADER, *rows]))
    print(TABLE.read_text(), end="")


if __name__ == "__main__":
    main()
