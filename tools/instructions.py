#!/usr/bin/env python3
"""Counts the instructions and the allocations of Pith's handshakes and records, and holds them against what they were.

  instructions.py            counts, and fails where something grew by more than 3 in 100 over benches/instructions.tsv
  instructions.py --write    counts and writes that file: on purpose alone, with the reason in the commit

Instructions are callgrind's, of one handshake or one write, each side by itself; allocations are calls of malloc, AWS-LC's among them. The
scenarios are those of `compare`, with the certificates of benches/keys. Keys of the key exchange and ECDSA's signatures are fresh, so
that numbers differ by some in a thousand from run to run; ML-DSA, whose signatures take their time by chance, is left out. A record of
16,384 bytes may besides take 1.05 times the instructions that its AEAD takes by itself. Rows of QUIC that end in a number show what one costs
among so many: a packet of a stream in a window of as many, a tenth of them lost or all in reverse order, and a stream beside others. It may cost 1.2
times as much in the largest number as in the smallest, for work has to grow no faster than what there is to do. These differ more by chance, and may grow by
12 in 100. Times are printed too, as ratios of a record to its
AEAD run in turns; nothing is made of them, since machines are not quiet. Needs valgrind, which shows the program a CPU without AVX-512
and SHA extensions, and cc.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "benches" / "instructions.tsv"
MOST_OF_AEAD = 1.05
MOST_GROWTH = 1.03
# Packet numbers that are skipped by chance change what is lost and sent again: 6 in 100 from run to run.
MOST_GROWTH_NUMBERED = 1.12
# From the smallest number of a kind to the largest.
MOST_BY_NUMBER = 1.2
NUMBERED = re.compile(r"(quic-\w+)-(\d+) (\w+)")
ALONE = {"send": "seal", "receive": "open"}


def output(*command, **environment):
    return subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}).stdout


def instructions(program):
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


def allocations(program):
    """Calls of malloc of each row that has some to count, by name."""
    with tempfile.TemporaryDirectory() as folder:
        counter = f"{folder}/count.so"
        output("cc", "-O2", "-shared", "-fPIC", "-o", counter, "tests/heap/count.c")
        printed = output(program, "allocations", LD_PRELOAD=counter, PITH_HEAP_COUNTER=f"{folder}/counter")
    rows = (line.split("\t") for line in printed.splitlines())
    return {name: int(calls) / int(runs) for name, calls, runs in rows}


def table(counted, called):
    """The rows of the table: name, instructions, allocations, instructions of the primitives or the AEAD by themselves, ratio."""
    for name, number in counted.items():
        kind, _, what = name.partition(" ")
        if kind in ALONE:
            alone = counted[f"{ALONE[kind]} {what}"]
            yield name, str(number), "0", str(alone), f"{number / alone:.4f}"
        elif kind not in ("floor", *ALONE.values()):
            alone = counted.get(f"floor {name}")
            ratio = (str(alone), f"{number / alone:.4f}") if alone else ("", "")
            yield name, str(number), f"{called[name]:g}", *ratio


def stored():
    lines = TABLE.read_text().splitlines() if TABLE.exists() else []
    cells = (line.split("\t") for line in lines if not line.startswith("#"))
    compiler = next((line[2:] for line in lines if line.startswith("# rustc")), "")
    return {cell[0]: (int(cell[1]), float(cell[2])) for cell in cells}, compiler


def complaints(rows, before):
    for name, number, calls, _, ratio in rows:
        if name.partition(" ")[0] in ALONE and float(ratio) > MOST_OF_AEAD:
            yield f"{name} costs {ratio} of its AEAD, at most {MOST_OF_AEAD} is allowed"
        for what, now, then in zip(("instructions", "allocations"), (float(number), float(calls)), before.get(name, ())):
            most = MOST_GROWTH_NUMBERED if NUMBERED.fullmatch(name) else MOST_GROWTH
            if now > then * most:
                yield f"{name}: {now:g} {what} where there were {then:g}, more than {most} times as many"
    yield from uneven({name: int(number) for name, number, *_ in rows})
    if {row[0] for row in rows} != before.keys():
        yield "benches/instructions.tsv has other rows: run tools/instructions.py --write"


def uneven(numbers):
    """Complaints about rows that cost more the more there are of them."""
    kinds = {}
    for name, cost in numbers.items():
        found = NUMBERED.fullmatch(name)
        if found:
            kinds.setdefault((found[1], found[3]), {})[int(found[2])] = cost
    for (kind, side), costs in kinds.items():
        least, most = min(costs), max(costs)
        if costs[most] > costs[least] * MOST_BY_NUMBER:
            yield f"{kind} {side}: one of {most} costs {costs[most] / costs[least]:.2f} times one of {least}, at most {MOST_BY_NUMBER} is allowed"


def main():
    output("cargo", "build", "--locked", "--release", "--package", "pith-benches", "--bin", "count")
    folder = json.loads(output("cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"))["target_directory"]
    program = f"{folder}/release/count"
    compiler = output("rustc", "--version").strip() + ", release profile, x86-64"
    rows = list(table(instructions(program), allocations(program)))
    if "--write" in sys.argv[1:]:
        TABLE.write_text(
            "# Instructions and allocations of one handshake (ECDSA P-256, the leaf below the root) and of one write, by callgrind and a malloc\n"
            "# counter, beside the primitives that none can do without (benches/src/floor.rs); and of one record of 16,384 bytes beside its AEAD.\n"
            "# Written by tools/instructions.py --write.\n"
            f"# {compiler}\n"
            "# what\tinstructions\tallocations\tthe floor\tratio\n" + "".join("\t".join(row).rstrip() + "\n" for row in rows)
        )
    before, then = stored()
    if compiler != then:
        print(f"The file was written with {then}, this is {compiler}.")
    for name, number, calls, _, ratio in rows:
        drift = f"{int(number) / before[name][0] - 1:+.2%}" if name in before else "not in the file"
        print(f"{name:26} {number:>9} instructions ({drift}), {calls} allocations" + (f", {ratio} of the floor" if ratio else ""))
    for line in output(program, "time").splitlines():
        suite, send, receive = line.split("\t")
        print(f"{suite:26} time of a record to that of the AEAD alone: send {send}, receive {receive}")
    failed = list(complaints(rows, before))
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
