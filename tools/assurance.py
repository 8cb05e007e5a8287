"""Writes ASSURANCE.md and KNOWN-ATTACKS.md from the tables and records of this repository.

  python3 tools/assurance.py           writes both
  python3 tools/assurance.py --check   fails if they are not what would be written

In: tests/requirements/*.ids and *.tsv, tests/attacks.tsv, tests/precedents.tsv, tests/bogo/counts.tsv and config.json, assurance/*.tsv (what long runs
left, a row a run) and assurance/page.md, the text, in which {name} stands for a number or a table that is made here. No number is written by hand.
"""

import csv
import json
import re
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ATTACKS = {
    "R": "Records and flow",
    "S": "State machine and negotiation",
    "P": "Post-quantum and the crypto boundary",
    "T": "Identity, certificates, tickets",
    "Q": "QUIC",
    "A": "QUIC, by finer classes",
}


def rows(path):
    """The rows of a tab-separated table, without its comments."""
    with open(ROOT / path, newline="") as file:
        lines = (line for line in file if line.strip() and not line.startswith("#"))
        return list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def table(head, body):
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def requirements():
    """A row an RFC: requirements, tested, not applicable, missing."""
    body, sums = [], Counter()
    for path in sorted((ROOT / "tests/requirements").glob("*.ids")):
        ids = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        status = Counter(row[1] for row in rows(path.with_suffix(".tsv").relative_to(ROOT)))
        counts = [len(ids), status["test"], status["n/a"], len(ids) - status["test"] - status["n/a"]]
        body.append([path.stem, *counts])
        sums.update(dict(zip("atnm", counts)))
    body.append(["**all**", *(sums[key] for key in "atnm")])
    return table(["text", "requirements", "tested", "not applicable", "missing"], body)


def attacks():
    """What known attacks come to, and the page of them."""
    what = dict(row[:2] for row in rows("tests/precedents.tsv"))
    kinds, pages = Counter(), {}
    for name, defence, tests in rows("tests/attacks.tsv"):
        waived = tests.startswith("n/a")
        later = "later:" in tests
        kinds["waived" if waived else "later" if later else "tested" if tests != "-" else "missing"] += 1
        cell = tests if waived or later else ", ".join(f"`{test}`" for test in re.split(r"[ ,]+", tests))
        pages.setdefault(name[0], []).append([name, what[name], defence, cell])
    parts = [f"## {ATTACKS[letter]}\n\n" + table(["id", "what it is, and whom it has hurt", "what Pith does", "tests"], body)
             for letter, body in pages.items()]
    head = (
        "# Known attacks\n\nWhat has hurt implementations of TLS 1.3 and QUIC, what Pith does about it, and the tests that show it. Made by\n"
        "`tools/assurance.py` from `tests/attacks.tsv` and `tests/precedents.tsv`; `cargo test -p pith-tests --test tables` checks that each test\n"
        "exists. Identifiers of others' flaws are as their advisories give them.\n\n"
    )
    return kinds, head + "\n\n".join(parts) + "\n"


def bogo():
    """What BoringSSL's protocol tests come to."""
    counts = {row[0]: int(row[1]) for row in rows("tests/bogo/counts.tsv")}
    disabled = Counter(json.loads((ROOT / "tests/bogo/config.json").read_text())["DisabledTests"].values())
    left = [(name.removeprefix("unimplemented: "), count) for name, count in counts.items() if name.startswith("unimplemented: ")]
    by_count = lambda pair: (-pair[1], pair[0])
    return {
        "bogo_passed": counts["passed"],
        "bogo_disabled": sum(disabled.values()),
        "bogo_unimplemented": sum(count for _, count in left),
        "bogo_features": table(["not implemented", "tests"], sorted(left, key=by_count)),
        "bogo_reasons": table(["disabled, since", "tests"], sorted(disabled.items(), key=by_count)),
    }


def record(name):
    """The table of a record of runs; its heading is the last comment."""
    path = ROOT / "assurance" / name
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    head = comments[-1].lstrip("# ").split("\t")
    return table(head, [row + [""] * (len(head) - len(row)) for row in rows(f"assurance/{name}")])


def fuzz():
    """What each target is to be run for, what it was run for, and what is short of it."""
    sums, runs, coverage = Counter(), Counter(), Counter()
    for target, executions, edges, *_rest in rows("assurance/fuzz.tsv"):
        sums[target] += int(executions)
        runs[target] += 1
        # Another build has other edges: the most that one run covered.
        coverage[target] = max(coverage[target], int(edges))
    body, public, short = [], set(), 0
    for target, goal, _length, why in rows("fuzz/targets.tsv"):
        left = max(0, int(goal) - sums[target])
        short += left > 0
        if why.startswith("public key"):
            public.add(target)
        key = "yes" if target in public else ""
        body.append([f"`{target}`", key, f"{sums[target]:,}", f"{int(goal):,}", f"{left:,}" if left else "", coverage[target], runs[target]])
    head = ["target", "public key", "executions", "goal", "short of it", "most edges of a run", "runs"]
    return {
        "fuzz": table(head, body),
        "fuzz_targets": len(body),
        "fuzz_public": len(public),
        "fuzz_sum": f"{sum(sums.values()):,}",
        "fuzz_there": len(body) - short,
        "fuzz_short": short,
    }


def ceilings():
    """What a peer may make a connection hold, and the test that says so."""
    body = [[what, against, f"{int(held):,}", f"`{test}`"] for _, what, against, held, test in rows("assurance/ceilings.tsv")]
    return table(["what is held", "attacks", "bytes at most", "asserted by"], body)


def mutants():
    """What became of small changes to the code: a row a folder, and those that no test notices."""
    body, living = [], []
    counts = {}
    for folder, mutant, result in rows("assurance/mutants.tsv"):
        count = counts.setdefault(folder, Counter())
        count["equal" if result.startswith("changes nothing") else "lives" if result.startswith("lives") else "killed"] += 1
        if not result.startswith("`") and result != "hangs":
            living.append([folder, mutant, result])
    counts["**all**"] = sum(counts.values(), Counter())
    for folder, count in counts.items():
        body.append([folder, count.total(), count["killed"], count["equal"], count["lives"], f"{100 * count['lives'] / count.total():.1f}"])
    return {
        "mutants": table(["folder", "mutants", "killed", "change nothing", "live", "in 100"], body),
        "mutants_living": table(["folder", "mutant", "why it lives"], living),
    }


def pages():
    kinds, known = attacks()
    values = {
        "requirements": requirements(),
        "attacks_tested": kinds["tested"],
        "attacks_waived": kinds["waived"],
        "attacks_left": kinds["later"] + kinds["missing"],
        **bogo(),
        **mutants(),
    }
    text = (ROOT / "assurance/page.md").read_text()
    values.update(fuzz())
    if "{ceilings}" in text:
        values["ceilings"] = ceilings()
    for name in re.findall(r"\{record:([a-z-]+\.tsv)\}", text):
        values[f"record:{name}"] = record(name)
    filled = re.sub(r"\{([a-z_]+|record:[a-z-]+\.tsv)\}", lambda found: str(values[found[1]]), text)
    return {"ASSURANCE.md": filled, "KNOWN-ATTACKS.md": known}


def main():
    stale = []
    for name, text in pages().items():
        path = ROOT / name
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    if stale:
        sys.exit(f"{' and '.join(stale)}: not what tools/assurance.py writes; run it and commit")


main()
