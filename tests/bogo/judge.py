"""Judges one full run of the runner: judge.py RESULTS REASONS CONFIG COUNTS.

The run fails when a test fails that is not disabled, when a disabled test does not exist or passes, or when the counts of tests that passed, and of those
that need what Pith does not have, by what that is, are not those of COUNTS. With BOGO_WRITE set they are written there instead. REASONS has a line of the
shim for each test that needs something.
"""

import json
import os
import re
import sys
from collections import Counter

# What a test needs, by what the shim says of it: the first that fits.
FEATURES = [
    ("DTLS", r"-dtls|-mtu|-initial-timeout-duration-ms"),
    ("TLS 1.2 and before", r"not speak TLS 1\.3|before TLS 1\.3|-no-tls13|-cipher|-psk$|-false-start|renegotiat|-session-id|-expect-session-id|-tls-unique|jdk11|-signing-prefs (513|515|1025|1281|1537)|-verify-prefs 65281|-signing-prefs 65281"),
    ("compliance policies of BoringSSL", r"-fips-|-cnsa|-wpa-"),
    ("ECH", r"-ech|ech-|-expect-ech"),
    ("ALPS", r"-application-settings|alps"),
    ("Channel ID", r"channel-id"),
    ("NPN", r"npn|-select-next-proto"),
    ("signed certificate timestamps", r"signed-cert-timestamps"),
    ("SRTP", r"srtp"),
    ("SPAKE2+", r"spake2plus"),
    ("delegated credentials", r"delegated-credential"),
    ("trust anchor identifiers", r"trust-anchors|-cert-properties"),
    ("QUIC of drafts", r"quic-use-legacy"),
    ("Brainpool curves", r"prefs 1056"),
]


def counted(reasons):
    """How many tests need what."""
    counts = Counter()
    for reason in reasons:
        fits = (feature for feature, pattern in FEATURES if re.search(pattern, reason))
        counts[next(fits, "an option of BoringSSL's API")] += 1
    return counts


def table(passed, reasons):
    """The file of counts."""
    lines = ["# What became of BoringSSL's protocol tests. Written by BOGO_WRITE=1 bash tests/bogo/run.sh", "# what\tcount", f"passed\t{passed}"]
    for feature, count in sorted(counted(reasons).items(), key=lambda pair: (-pair[1], pair[0])):
        lines.append(f"unimplemented: {feature}\t{count}")
    return "\n".join(lines) + "\n"


def main(results_path, reasons_path, config_path, counts_path):
    try:
        with open(results_path) as file:
            tests = json.load(file)["tests"]
    except OSError:
        sys.exit("bogo: the runner left no results; its output is in BOGO_LOG=FILE if that is set")
    with open(config_path) as file:
        disabled = json.load(file)["DisabledTests"]
    with open(reasons_path) as file:
        reasons = file.read().splitlines()

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
    if len(reasons) != len(by_result["SKIP"]):
        complaints.append(f"the shim gave {len(reasons)} reasons for {len(by_result['SKIP'])} tests")
    counts = table(len(passed), reasons)
    if os.environ.get("BOGO_WRITE"):
        with open(counts_path, "w") as file:
            file.write(counts)
    with open(counts_path) as file:
        if file.read() != counts:
            complaints.append(f"{counts_path} should be\n{counts}")

    for complaint in complaints:
        print(complaint)
    print(f"bogo: {len(passed)} passed, {len(failed)} failed, {len(disabled)} disabled, {len(by_result['SKIP'])} unimplemented")
    sys.exit(1 if complaints else 0)


main(*sys.argv[1:])
