#!/usr/bin/env python3
"""Writes what `compare` measured into README.md, between its two marks, and draws it.

  compare_table.py [FILE]    FILE is what compare wrote, compare.tsv unless it is named; a copy is kept as benches/compare.tsv

Plots go to benches/plots. Every number is the file's, or that of benches/footprint.tsv; the processor and the compiler are those of this machine, the
date that of the file. So run it where and when `compare` ran. Goals are those below, and whether one is met is worked out here.
"""
import collections
import csv
import datetime
import math
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- compare: begin -->", "<!-- compare: end -->"

# What each scenario is called, in the order of the table.
TLS = {
    "full-hybrid": "full handshake, X25519MLKEM768",
    "full-x25519": "full handshake, X25519",
    "resumed-hybrid": "resumed, X25519MLKEM768",
    "mutual-hybrid": "mutual TLS, X25519MLKEM768",
    "full-hybrid-known-chain": "full handshake, chain known",
    "mutual-hybrid-known-chain": "mutual TLS, chains known",
    "bulk-16384": "writes of 16 KiB",
    "bulk-1024": "writes of 1 KiB",
    "bulk-100": "writes of 100 bytes",
    "allocations-hybrid": "allocations of a full handshake",
    "memory-idle": "memory of an idle connection",
    "memory-used": "the same after 16 KiB each way",
}
QUIC = {
    "quic-download": "one stream, a GiB",
    "quic-100-streams": "100 streams, a GiB",
    "machine-transfer": "without sockets, a GiB",
    "quic-handshake": "handshake, X25519MLKEM768",
    "quic-request": "1-byte request, blocking",
    "quic-request-tokio": "1-byte request, tokio",
    "quic-memory-idle": "heap of an idle connection",
    "quic-memory-resident": "resident of an idle connection",
}
# What is done by ever more at once, also on a rough path, and by how much one may cost more in a larger number than in the smallest.
SCALE = {
    "scale-streams": "a stream of 4 KiB",
    "scale-connections": "a connection",
    "scale-requests": "a request",
}
ROUGH = {
    "machine-loses": "a packet, a tenth lost",
    "machine-reverses": "a packet, last first",
}
GROWTH = 1.2


def floor(number):
    return f"{number:.2f} of the floor", lambda row, peers: float(row["to_floor"]) <= number


def speed(share):
    return f"{1 / share:.3f} of the floor", lambda row, peers: float(row["to_floor"]) <= 1 / share


def above(number):
    return f"the floor's and {number}", lambda row, peers: float(row["pith"]) <= float(row["floor"]) + number


def most(number):
    return f"{number:,} B", lambda row, peers: float(row["pith"]) <= number


def best(number):
    return f"{number} of the best", lambda row, peers: all(float(peer["ratio"]) <= number for peer in peers.values())


def of(name, number):
    return f"{number} of {name}", lambda row, peers: float(peers[name]["ratio"]) <= number if name in peers else None


# By scenario and side: what is aimed at, and whether a row reaches it. Shares of the AEAD's speed are turned into times of its cost.
GOALS = {
    ("full-hybrid", "client"): floor(1.06),
    ("full-hybrid", "server"): floor(1.08),
    ("full-x25519", "client"): floor(1.06),
    ("full-x25519", "server"): floor(1.09),
    ("resumed-hybrid", "client"): floor(1.10),
    ("resumed-hybrid", "server"): floor(1.12),
    ("mutual-hybrid", "client"): floor(1.06),
    ("mutual-hybrid", "server"): floor(1.06),
    ("bulk-16384", "send"): speed(0.97),
    ("bulk-16384", "receive"): speed(0.97),
    ("bulk-1024", "send"): speed(0.92),
    ("bulk-1024", "receive"): speed(0.90),
    ("bulk-100", "send"): speed(0.88),
    ("bulk-100", "receive"): speed(0.85),
    ("allocations-hybrid", "client"): above(30),
    ("allocations-hybrid", "server"): above(25),
    ("memory-idle", "client"): most(2048),
    ("memory-idle", "server"): most(2048),
    ("memory-used", "client"): most(2048),
    ("memory-used", "server"): most(2048),
    ("quic-download", "client"): best(0.65),
    ("quic-download", "server"): best(0.65),
    ("quic-download", "wall"): best(0.667),
    ("quic-100-streams", "client"): best(0.65),
    ("quic-100-streams", "server"): best(0.65),
    ("machine-transfer", "both"): of("quinn", 0.55),
    ("quic-handshake", "client"): best(0.75),
    ("quic-handshake", "server"): best(0.60),
    ("quic-request", "p50"): of("quiche", 0.9),
    ("quic-request", "p99"): of("quiche", 0.9),
    ("quic-request-tokio", "p50"): of("quinn", 0.8),
    ("quic-request-tokio", "p99"): of("quinn", 0.8),
    ("quic-memory-idle", "client"): most(6000),
    ("quic-memory-idle", "server"): most(6000),
}
# Of what users link: name, what is aimed at (of Pith's own number, or of the peer's).
FOOTPRINT = {
    "size-tls": ("TLS client above the primitives", 450_000, None),
    "size-quic": ("QUIC client above the primitives", 800_000, None),
    "crates-tls": ("crates in the tree, TLS", 17, None),
    "crates-quic": ("crates in the tree, QUIC core", 17, None),
    "build-tls": ("clean build, TLS", None, 1.0),
    "build-quic": ("clean build, QUIC core", None, 1.15),
}
NAMES = {"boringssl": "BoringSSL", "openssl": "OpenSSL", "pith": "Pith"}
COLOURS = ["#1b6ca8", "#e07b39", "#6a9a3b", "#8e5ea2", "#7f7f7f", "#c0504d"]


def amount(value, unit):
    """A number as a person reads it."""
    if unit.startswith("ns/"):
        for factor, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
            if value >= factor:
                return f"{value / factor:.3g} {name}"
        return f"{value:.0f} ns"
    if unit == "bytes":
        return f"{value:,.0f} B" if value < 1e5 else f"{value / 1000:,.0f} kB"
    if unit == "seconds":
        return f"{value:.0f} s"
    return f"{value:,.0f}"


def grouped(rows, names):
    """Rows by scenario and side, in order."""
    groups = collections.OrderedDict()
    for scenario in names:
        for row in rows:
            if row["scenario"] == scenario:
                groups.setdefault((scenario, row["side"]), {})[row["peer"]] = row
    return groups


def title(peer, rows):
    version = next(row["version"] for row in rows if row["peer"] == peer)
    return f"{NAMES.get(peer, peer)} {version}"


def table(rows, names, with_floor):
    groups = grouped(rows, names)
    peers = list(collections.OrderedDict.fromkeys(row["peer"] for row in rows if row["scenario"] in names))
    head = ["", "Pith takes", "goal", "met"] + (["of the floor"] if with_floor else []) + [f"of {title(peer, rows)}" for peer in peers]
    lines = [head, ["---"] + ["--:"] * (len(head) - 1)]
    for (scenario, side), by_peer in groups.items():
        any_row = next(iter(by_peer.values()))
        goal, reaches = GOALS.get((scenario, side), ("–", None))
        met = verdict(any_row, by_peer, reaches)
        cells = [f"{names[scenario]}, {side}", amount(float(any_row["pith"]), any_row["unit"]), goal, met]
        if with_floor:
            cells.append(f"{float(any_row['to_floor']):.2f}" if any_row["to_floor"] else "–")
        for peer in peers:
            cells.append(f"{float(by_peer[peer]['ratio']):.2f}" if peer in by_peer else "–")
        lines.append(cells)
    return markdown(lines)


def markdown(lines):
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def verdict(row, peers, reaches):
    try:
        reached = reaches and reaches(row, peers)
    except ValueError:  # the floor was not measured
        reached = None
    return {None: "–", True: "yes", False: "**no**"}[reached]


def series(rows, names):
    """Costs by what is done by ever more at once, side and program: number to value."""
    found = collections.OrderedDict()
    for row in rows:
        name, _, number = row["scenario"].rpartition("-")
        if name in names and row["side"] != "both":
            own = float(row["pith"])
            found.setdefault((name, row["side"], "pith"), {})[int(number)] = own
            found.setdefault((name, row["side"], row["peer"]), {})[int(number)] = own / float(row["ratio"])
    return found


def growth(points):
    """The most that one costs, in times of what it costs in the smallest number."""
    return max(points.values()) / points[min(points)]


def scale_table(rows, names):
    by_kind = series(rows, names)
    numbers = sorted({number for points in by_kind.values() for number in points})
    lines = [["", *(f"{number:,}" for number in numbers), "at most, to the first", "goal", "met"], ["---"] + ["--:"] * (len(numbers) + 3)]
    for (name, side, peer), points in by_kind.items():
        grown = growth(points)
        goal, met = ("–", "–") if peer != "pith" else (str(GROWTH), "yes" if grown <= GROWTH else "**no**")
        cells = [amount(points[number], "ns/") if number in points else "–" for number in numbers]
        lines.append([f"{names[name]}, {side}, {NAMES.get(peer, peer)}", *cells, f"{grown:.2f}", goal, met])
    return markdown(lines)


def rates(rows):
    """Handshakes in a second, by the number of cores."""
    cores = collections.OrderedDict()
    for row in rows:
        found = re.fullmatch(r"scale-cores-(\d+)", row["scenario"])
        if found:
            by_peer = cores.setdefault(int(found[1]), collections.OrderedDict())
            by_peer.setdefault("pith", float(row["pith"]))
            by_peer[row["peer"]] = float(row["pith"]) * float(row["ratio"])
    peers = list(collections.OrderedDict.fromkeys(peer for by_peer in cores.values() for peer in by_peer))
    head = ["full handshakes a second, both sides", *(NAMES.get(peer, peer) for peer in peers)]
    lines = [head, ["---"] + ["--:"] * len(peers)]
    for number, by_peer in cores.items():
        cells = [f"{by_peer[peer]:,.0f}" if peer in by_peer else "–" for peer in peers]
        lines.append([f"on {number} core{'s' if number > 1 else ''}", *cells])
    return markdown(lines)


def footprint():
    """The table of what users link, if it was measured."""
    file = ROOT / "benches" / "footprint.tsv"
    if not file.exists():
        return []
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text, delimiter="\t"))
    lines = [["", "Pith", "goal", "met", "a peer"], ["---", "--:", "--:", "--:", "--:"]]
    for row in rows:
        words, number, ratio = FOOTPRINT[row["what"]]
        own, theirs = float(row["pith"]), float(row["theirs"])
        bound = number or ratio * theirs
        goal = amount(number, row["unit"]) if number else f"{ratio} of {row['peer']}"
        peer = f"{row['peer']} {row['version']}: {amount(theirs, row['unit'])}"
        lines.append([words, amount(own, row["unit"]), goal, "yes" if own <= bound else "**no**", peer])
    words = f"What users link, measured on {rows[0]['date']}: stripped clients (-O3, fat LTO) in bytes above a program that only calls the same primitives of AWS-LC; crates with those of build scripts " \
        "and the library's own"
    if any(row["what"].startswith("build-") for row in rows):
        words += "; a build of the library in that profile with nothing built before"
    words += ". Repeat it by `python3 tools/footprint.py`."
    return [words, markdown(lines)]


def profiles():
    """Where CONTRIBUTING.md says what goals that are not met come to."""
    found = re.findall(r"^#+ (Where the time goes.*)$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    links = [f"[{words}](CONTRIBUTING.md#{re.sub(r'[^a-z0-9 _-]', '', words.lower()).replace(' ', '-')})" for words in found]
    return ["Where a goal is not met, these say where the time goes and what was tried: " + ", ".join(links) + "."] if links else []


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    return re.search(r"^model name\s*: (.*)$", text, re.M)[1], len(re.findall(r"^processor\s*:", text, re.M))


def compiler():
    return subprocess.run(["rustc", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.split(" (")[0]


def text(rows, day):
    name, count = processor()
    parts = [
        f"Measured on {day:%Y-%m-%d} on {count} cores of an {name}, shared with other work (which times by the clock show most), with {compiler()}. Each number is a median of ratios taken in turns; under 1 means that Pith takes "
        "less, of time, memory or calls. Differences under 3 in 100 (10 in 100 for QUIC) mean nothing. Repeat it, with the peers built by the way:",
        "```sh\ncargo run --release -p pith-benches --bin compare    # --quick for fewer turns\npython3 tools/compare_table.py\n```",
    ]
    if any(row["scenario"] in TLS for row in rows):
        parts += [
            "TLS 1.3 with AES-128-GCM, ECDSA P-256, the leaf right below the root and certificates not compressed, both sides in one process and joined by memory, each side's processor time by itself, dropping the connection included. The floor is the sum of the primitives that "
            "nobody can do without, called on AWS-LC in the same run; that of records is the AEAD over the same buffers. Key generation counts everywhere. Chains are verified each time, but in the rows where they are known: there Pith remembers that it "
            "accepted them (`known_chains`), the floor has one verification less on each side that is shown a chain, and peers, which have no such thing, do the whole handshake. Peers that read and write by themselves copy what goes over the wire, as "
            "they would with a socket.",
            table(rows, TLS, True),
            "![Handshakes](benches/plots/handshake.svg)\n![Records](benches/plots/bulk.svg)",
        ]
    if any(row["scenario"] in QUIC for row in rows):
        parts += [
            "QUIC over the loopback with each library's own defaults, client and server in a process and on a core each; processor time by side, and time by the clock (wall). Without sockets both sides "
            "run in one thread, joined by memory. Memory is the heap without the runtime's, and resident is what the system counts of the whole process for each connection more. The best is that of the peers in the same run.",
            table(rows, QUIC, False),
        ]
    if any(row["scenario"].startswith("scale-cores-") for row in rows):
        parts += ["As work grows: threads with a core each, which share their configuration.", rates(rows)]
    if series(rows, SCALE):
        parts += [
            f"Processor time of one as their number grows, which is to stay within {GROWTH} times that of the smallest number: streams that are open at the same time on a connection, without sockets; connections that are open at the "
            "same time over the loopback, from the handshake by way of a request to the end; and requests that go round open connections, 16 at a time.",
            scale_table(rows, SCALE),
            "![Scale](benches/plots/scale.svg)",
        ]
    if series(rows, ROUGH):
        parts += [
            "The same of a packet of a stream, where a window holds so many, on a path of 20 ms without sockets. Of packets and of streams `tools/instructions.py` counts the instructions, and the gate fails where they grow faster.",
            scale_table(rows, ROUGH),
        ]
    return "\n\n".join(parts + footprint() + profiles())


def svg(width, height, parts):
    style = "<style>text{font:12px sans-serif;fill:#444}.t{font-size:14px}line{stroke:#ccc}</style>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">\n{style}\n' + "\n".join(parts) + "\n</svg>\n"


def label(x, y, words, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{words}</text>'


def bars(rows, names, heading):
    """Horizontal bars of what each takes, in times the floor."""
    groups = grouped(rows, names)
    peers = ["pith", *collections.OrderedDict.fromkeys(row["peer"] for row in rows if row["scenario"] in names)]
    left, width, y, parts = 290, 420, 56, [label(10, 20, heading, kind=' class="t"')]
    values = {}
    for key, by_peer in groups.items():
        for peer in peers:
            row = by_peer.get(peer) or next(iter(by_peer.values()))
            if row["to_floor"] and (peer == "pith" or peer in by_peer):
                own = float(row["to_floor"])
                values[key, peer] = own if peer == "pith" else own / float(row["ratio"])
    if not values:
        return None
    scale = width / max(values.values())
    for place, peer in enumerate(peers):
        x = left + 90 * place
        parts += [f'<rect x="{x}" y="30" width="10" height="10" fill="{COLOURS[place]}"/>', label(x + 14, 40, NAMES.get(peer, peer))]
    for key in groups:
        parts.append(label(left - 8, y + 7 * len(peers), f"{names[key[0]]}, {key[1]}", "end"))
        for place, peer in enumerate(peers):
            if (key, peer) in values:
                value = values[key, peer]
                parts.append(f'<rect x="{left}" y="{y}" width="{value * scale:.1f}" height="10" fill="{COLOURS[place]}"/>')
                parts.append(label(left + value * scale + 4, y + 9, f"{value:.2f}"))
            y += 12
        y += 10
    parts.append(f'<line x1="{left + scale:.1f}" y1="50" x2="{left + scale:.1f}" y2="{y}" stroke-dasharray="4 3"/>')
    return svg(left + width + 60, y + 10, parts)


def lines(rows, heading):
    """Cost of one as their number grows, in times that of the smallest number."""
    by_kind = series(rows, SCALE)
    if not by_kind:
        return None
    powers = max(len(str(number)) for points in by_kind.values() for number in points)
    values = {kind: {number: cost / points[min(points)] for number, cost in points.items()} for kind, points in by_kind.items()}
    top = 0.4 * math.ceil(max(2, *(max(points.values()) for points in values.values())) / 0.4)
    left, height, step = 50, 300, 100
    right = left + step * (powers - 1)
    parts = [label(10, 20, heading, kind=' class="t"')]
    for power in range(powers):
        parts.append(label(left + step * power, height + 60, f"{10 ** power:,}", "middle"))
    for part in range(5):
        y = 40 + height * (1 - part / 4)
        parts += [f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}"/>', label(left - 4, y + 4, f"{top * part / 4:.1f}", "end")]
    goal = 40 + height * (1 - GROWTH / top)
    parts += [f'<line x1="{left}" y1="{goal:.1f}" x2="{right}" y2="{goal:.1f}" style="stroke:#888" stroke-dasharray="2 3"/>', label(right + 4, goal + 4, "goal")]
    colours = {kind: COLOURS[place % len(COLOURS)] for place, kind in enumerate(dict.fromkeys(kind[:1] for kind in values))}
    for place, ((name, side, peer), points) in enumerate(values.items()):
        spots = [(left + step * (len(str(number)) - 1), 40 + height * (1 - value / top)) for number, value in sorted(points.items())]
        dash = {("pith", False): "", ("pith", True): ' stroke-dasharray="9 3"', ("peer", False): ' stroke-dasharray="2 3"', ("peer", True): ' stroke-dasharray="1 5"'}
        look = f'fill="none" stroke="{colours[(name,)]}" stroke-width="2"' + dash["pith" if peer == "pith" else "peer", side == "server"]
        parts.append(f'<polyline {look} points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in spots)}"/>')
        x, y = right + 50, 45 + 16 * place
        parts += [f'<path {look} d="M{x} {y}h24"/>', label(x + 30, y + 4, f"{NAMES.get(peer, peer)}, {SCALE[name]}, {side}")]
    return svg(right + 460, max(height + 80, 60 + 16 * len(values)), parts)


def main():
    source = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "compare.tsv")
    with source.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    day = datetime.datetime.fromtimestamp(source.stat().st_mtime, datetime.timezone.utc)
    kept = ROOT / "benches" / "compare.tsv"
    if source.resolve() != kept:
        shutil.copy2(source, kept)
    plots = ROOT / "benches" / "plots"
    plots.mkdir(exist_ok=True)
    shakes = {name: words for name, words in TLS.items() if words.startswith(("full", "resumed", "mutual"))}
    writes = {name: words for name, words in TLS.items() if name.startswith("bulk")}
    drawn = {
        "handshake": bars(rows, shakes, "Processor time of a handshake, in times the floor"),
        "bulk": bars(rows, writes, "Processor time of a write, in times the AEAD alone"),
        "scale": lines(rows, "Processor time of one as their number grows, in times that of the smallest"),
    }
    for name, plot in drawn.items():
        if plot:
            (plots / f"{name}.svg").write_text(plot)
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(BEGIN, 1)
    after = rest.split(END, 1)[1]
    readme.write_text(f"{before}{BEGIN}\n{text(rows, day)}\n{END}{after}")


if __name__ == "__main__":
    main()
