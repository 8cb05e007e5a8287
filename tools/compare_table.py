#!/usr/bin/env python3
"""Writes what `compare` measured into README.md, between its two marks, and draws it.

  compare_table.py [FILE]    FILE is what compare wrote, compare.tsv unless it is named; a copy is kept as benches/compare.tsv

Plots go to benches/plots. Every number is the file's; the processor and the compiler are those of this machine, the date that of the file.
So run it where and when `compare` ran.
"""
import collections
import csv
import datetime
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
    "quic-memory-transfer": "without sockets, a GiB",
    "quic-handshake": "handshake, X25519MLKEM768",
    "quic-request": "1-byte request, blocking",
    "quic-request-tokio": "1-byte request, tokio",
    "quic-memory-idle": "heap of an idle connection",
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
        return f"{value:,.0f} B"
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
    head = ["", "Pith takes"] + (["of the floor"] if with_floor else []) + [f"of {title(peer, rows)}" for peer in peers]
    lines = [head, ["---"] + ["--:"] * (len(head) - 1)]
    for (scenario, side), by_peer in groups.items():
        any_row = next(iter(by_peer.values()))
        cells = [f"{names[scenario]}, {side}", amount(float(any_row["pith"]), any_row["unit"])]
        if with_floor:
            cells.append(f"{float(any_row['to_floor']):.2f}" if any_row["to_floor"] else "–")
        for peer in peers:
            cells.append(f"{float(by_peer[peer]['ratio']):.2f}" if peer in by_peer else "–")
        lines.append(cells)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


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
            "nobody can do without, called on AWS-LC in the same run; that of records is the AEAD over the same buffers. Peers that read and write by themselves copy what goes over the wire, as "
            "they would with a socket.",
            table(rows, TLS, True),
            "![Handshakes](benches/plots/handshake.svg)\n![Records](benches/plots/bulk.svg)",
        ]
    if any(row["scenario"] in QUIC for row in rows):
        parts += [
            "QUIC over the loopback with each library's own defaults, client and server in a process and on a core each; processor time by side, and time by the clock (wall); memory is the heap, without the "
            "runtime's.",
            table(rows, QUIC, False),
        ]
    if any(row["scenario"].startswith("scale-") for row in rows):
        parts.append("![Scale](benches/plots/scale.svg)")
    return "\n\n".join(parts)


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
    """Cost of a unit as the number of units grows, in times that of the smallest number."""
    series = collections.OrderedDict()
    for row in rows:
        found = re.fullmatch(r"scale-(\w+)-(\d+)", row["scenario"])
        if found:
            number, own = int(found[2]), float(row["pith"])
            series.setdefault((found[1], row["side"], "pith"), {})[number] = own
            series.setdefault((found[1], row["side"], row["peer"]), {})[number] = own / float(row["ratio"])
    if not series:
        return None
    most = max(len(str(number)) for points in series.values() for number in points)
    top = max(max(points.values()) for points in series.values())
    left, height, step = 60, 260, 90
    parts = [label(10, 20, heading, kind=' class="t"')]
    for power in range(most):
        parts.append(label(left + step * power, height + 60, f"{10 ** power:,}", "middle"))
    for part in range(5):
        y = 40 + height * (1 - part / 4)
        parts += [f'<line x1="{left}" y1="{y}" x2="{left + step * most}" y2="{y}"/>', label(left - 4, y + 4, f"{top * part / 4 / 1000:.0f} µs", "end")]
    kinds = list(collections.OrderedDict.fromkeys((what, side) for what, side, _ in series))
    for place, ((what, side, peer), points) in enumerate(series.items()):
        spots = [(left + step * (len(str(number)) - 1), 40 + height * (1 - value / top)) for number, value in sorted(points.items())]
        look = f'fill="none" stroke="{COLOURS[kinds.index((what, side))]}" stroke-width="2"' + ("" if peer == "pith" else ' stroke-dasharray="5 4"')
        parts.append(f'<polyline {look} points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in spots)}"/>')
        x, y = left + step * most + 20, 45 + 16 * place
        parts += [f'<path {look} d="M{x} {y}h24"/>', label(x + 30, y + 4, f"{NAMES.get(peer, peer)}, {what}, {side}")]
    return svg(left + step * most + 260, height + 80, parts)


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
        "scale": lines(rows, "Processor time of one as their number grows"),
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
