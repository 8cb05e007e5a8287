"""Judges one full run of the runner: judge.py RESULTS CONFIG FLOOR.

The run fails when a test fails that is not disabled, when a disabled test does not exist or passes, or when fewer tests
pass than the floor says. The floor may only rise.
"""

import json
import sys


def main(results_path, config_path, floor_path):
    try:
        with open(results_path) as file:
            tests = json.load(file)["tests"]
    except OSError:
        sys.exit("bogo: the runner left no results; its output is in BOGO_LOG=FILE if that is set")
    with open(config_path) as file:
        disabled = json.load(file)["DisabledTests"]
    with open(floor_path) as file:
        floor = int(file.read())

    by_result = {"PASS": [], "FAIL": [], "SKIP": []}
    for name, test in tests.items():
        by_result[test["actual"]].append(name)
    passed = [name for name in by_result["PASS"] if name not in disabled]
    failed = [name for name in by_result["FAIL"] if name not in disabled]

    complaints = []
    for name in failed:
        complaints.append(f"FAILED ({name})\n{tests[name]['error']}")
    for name, reason in disabled.items():
        if name not in tests:
            complaints.append(f"disabled test {name} does not exist")
        elif tests[name]["actual"] != "FAIL":
            complaints.append(f"disabled test {name} does not fail ({tests[name]['actual']}): remove it from config.json")
        if not reason:
            complaints.append(f"disabled test {name} has no reason")
    if len(passed) < floor:
        complaints.append(f"{len(passed)} tests passed, but passed.txt says at least {floor}")
    elif len(passed) > floor:
        print(f"bogo: passed.txt may rise from {floor} to {len(passed)}")

    for complaint in complaints:
        print(complaint)
    print(f"bogo: {len(passed)} passed, {len(failed)} failed, {len(disabled)} disabled, {len(by_result['SKIP'])} unimplemented")
    sys.exit(1 if complaints else 0)


main(*sys.argv[1:])
