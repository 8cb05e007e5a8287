#!/usr/bin/env python3
"""Counts the instructions of a handshake and of a record, and holds a record against the AEAD alone.

  instructions.py            counts, says how far benches/instructions.tsv is off, and fails where a record costs too much
  instructions.py --write    counts and writes that file

A record of 16,384 bytes, sent or received, may take 1.05 times the instructions that its AEAD takes by itself. Handshakes have no
limit: their numbers are for reading, and differ by a per cent or so from run to run, as signatures and ML-KEM keys do. Times are
printed too, as ratios of a record to its AEAD run in turns; nothing is made of them, since machines are not quiet.
Needs valgrind, which shows the program a CPU without AVX-512 and SHA extensions.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "benches" / "instructions.tsv"
MOST = 1.05
ALONE = {"send": "seal", "receive": "open"}


def output(*command):
    return subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout


def count(program):
    """Instructions of each row of the program, by name."""
    with tempfile.TemporaryDirectory() as folder:
        printed = output(
            "valgrind",
            "--quiet",
            "--tool=callgrind",
            "--toggle-collect=count::measured",
            "--dump-before=count::end_of_row",
            f"--callgrind-out-file={folder}/part",
            program,
        )
        sums = {}
        for part in pathlib.Path(folder).glob("part.*"):
            text = part.read_text()
            sums[int(re.search(r"^part: (\d+)", text, re.M)[1])] = int(re.search(r"^totals: (\d+)", text, re.M)[1])
    rows = {}
    for place, line in enumerate(printed.splitlines()):
        name, runs = line.split("\t")
        # Each row has two parts: its warm-up, and what counts.
        rows[name] = sums[2 * place + 2] // int(runs)
    return rows


def table(rows):
    """The rows of the table: name, instructions, the AEAD's own, ratio."""
    for name, instructions in rows.items():
        kind, _, what = name.partition(" ")
        if kind in ALONE:
            alone = rows[f"{ALONE[kind]} {what}"]
            yield name, str(instructions), str(alone), f"{instructions / alone:.4f}"
        elif kind not in ALONE.values():
            yield name, str(instructions), "", ""


def stored():
    lines = TABLE.read_text().splitlines() if TABLE.exists() else []
    cells = (line.split("\t") for line in lines if not line.startswith("#"))
    return {cell[0]: int(cell[1]) for cell in cells}


def main():
    output("cargo", "build", "--locked", "--release", "--package", "pith-benches", "--bin", "count")
    folder = json.loads(output("cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"))["target_directory"]
    program = f"{folder}/release/count"
    rows = list(table(count(program)))
    if "--write" in sys.argv[1:]:
        compiler = output("rustc", "--version").strip()
        TABLE.write_text(
            "# Instructions of one handshake (X25519MLKEM768, ECDSA P-256, one intermediate) and of one record of 16,384 bytes,\n"
            "# by callgrind; written by tools/instructions.py --write.\n"
            f"# {compiler}, release profile, x86-64\n"
            "# what\tinstructions\tthe AEAD alone\tratio\n" + "".join("\t".join(row).rstrip() + "\n" for row in rows)
        )
    before = stored()
    for name, instructions, alone, ratio in rows:
        drift = f"{int(instructions) / before[name] - 1:+.2%}" if name in before else "not in the file"
        print(f"{name:26} {instructions:>9} instructions ({drift})" + (f", {ratio} of the AEAD alone" if alone else ""))
    for line in output(program, "time").splitlines():
        suite, send, receive = line.split("\t")
        print(f"{suite:26} time of a record to that of the AEAD alone: send {send}, receive {receive}")

    complaints = [f"{name} costs {ratio} of its AEAD, at most {MOST} is allowed" for name, _, _, ratio in rows if ratio and float(ratio) > MOST]
    if {name for name, *_ in rows} != before.keys():
        complaints.append("benches/instructions.tsv has other rows: run tools/instructions.py --write")
    if complaints:
        sys.exit("\n".join(complaints))


if __name__ == "__main__":
    main()
