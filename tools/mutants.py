"""Changes the code a little, in a sample of places that a seed draws, and records which test notices.

  python3 tools/mutants.py [--count 40] [--again] [FOLDER ...]

All mutants stand in one build, in a copy of the tree under target/mutants, each behind a switch that the variable PITH_MUTANT turns. The unit tests of
the folder run first, then the behaviour tests, quickest first, then the other unit tests, until one fails. A row goes into assurance/mutants.tsv as soon
as it is known; what has one is not run again, but by --again if it lives. The draw is by hash, so that a change of the code moves nothing but what it
touches.
"""

import argparse
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "assurance/mutants.tsv"
TREE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "mutants"
FOLDERS = [f"tls/src/{name}" for name in ("handshake", "record", "auth", "resume")] + [f"quic/src/{name}" for name in ("protect", "path", "streams", "recovery")]
PACKAGES = ["-p", "pith-tls", "-p", "pith-quic", "-p", "pith-tests"]
CONSTANTS = [("bool$", ["true", "false"]), ("Option<", ["None"]), (r"Result<\(\)", ["Ok(())"]), ("Result<bool", ["Ok(true)", "Ok(false)"]),
             ("Result<Option<", ["Ok(None)"]), ("Result<usize", ["Ok(0)"]), ("(u8|u16|u32|u64|usize)$", ["0"]), ("Vec<", ["Vec::new()"]), ("Duration$", ["core::time::Duration::ZERO"])]
ORDER = {"<": ["<=", ">"], ">": [">=", "<"], "<=": ["<", ">="], ">=": [">", "<="]}
LEFT_OUT = ["pathological_chains"]  # measures seconds
KEYWORDS = r"(let|return|use|if|match|for|while|loop|break|continue|fn|pub|const|static|type|mod|impl|else|(debug_)?assert\w*)\b"
SWITCH = """
fn mutant(number: u32) -> bool {
    static IS: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *IS.get_or_init(|| std::env::var("PITH_MUTANT").ok().and_then(|n| n.parse().ok()).unwrap_or(0)) == number
}
fn order<A: PartialOrd<B> + ?Sized, B: ?Sized>(one: &A, other: &B, plain: &str, changed: &[(u32, &str)]) -> bool {
    match changed.iter().find(|(number, _)| mutant(*number)).map_or(plain, |(_, changed)| changed) {
        "<" => one < other,
        "<=" => one <= other,
        ">" => one > other,
        _ => one >= other,
    }
}
"""


def end(code, at, stops="", step=1):
    """From `at` on, the first place outside brackets where one of `stops` stands or an enclosing bracket is."""
    inner, outer = ("([{", ")]}")[::step]
    depth = 0
    while depth or not (code[at] in outer or any(code.startswith(stop, at) for stop in stops)):
        depth += (code[at] in inner) - (code[at] in outer)
        at += step
    return at


def places(text):
    """Each place that can be changed: what it is, its function, where it begins and ends, what goes before and behind it."""
    text = re.split(r"#\[cfg\(test\)\]\nmod \w+ \{", text)[0]
    text = re.sub(r"^#\[cfg\(.*\)\]\nmod \w+ \{\n.*?^\}", lambda found: re.sub(r"[^\n]", " ", found[0]), text, flags=re.M | re.S)
    # Blanks for comments and for what is in quotes.
    code = re.sub(r"""//[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^\\'])'""", lambda found: re.sub(r"[^\n]", " " if found[0][0] == "/" else "_", found[0]), text)
    for found in re.finditer(r"((?:^ *#\[.*\]\n)*)^ *(?:pub(?:\(.*?\))? )?fn (\w+)", code, re.M):
        name, opens = found[2], end(code, found.end(), "{;")
        if code[opens] == ";" or name == "fmt" or "#[cfg(" in found[1]:
            continue
        body, result = (opens + 1, end(code, opens + 1)), code[found.end():opens].partition("->")[2].strip().split("\n")[0]
        for constant in next((constants for kind, constants in CONSTANTS if re.match(kind, result)), [] if result else [""]):
            if code[slice(*body)].strip() != constant:
                yield f"{name} returns {constant or 'at once'}", body[0], body[0], f" if crate::mutant(#) {{ return {constant}; }}", ""
        line = lambda at: " `" + text[text.rfind("\n", 0, at) + 1:].split("\n")[0].strip()[:60] + "`"
        for found in re.finditer(r"\b(true|false)\b(?! =>)", code[slice(*body)]):
            yield f"{found[1]} turned round in {name}:{line(body[0] + found.start())}", body[0] + found.start(), body[0] + found.end(), "(crate::mutant(#) != ", ")"
        for found in re.finditer(r"\.(saturating|checked|wrapping)_(add|sub)\(", code[slice(*body)]):
            start = body[0] + found.end()
            stop = end(code, start)
            yield f"no `{' '.join(text[start - len(found[0]):stop + 1].split())[:60]}` in {name}:{line(start)}", start, stop, "(if crate::mutant(#) { Default::default() } else { ", " })"
        conditions = set()
        for found in re.finditer(r"\bif (?!let\b)", code[slice(*body)]):
            start = body[0] + found.end()
            stop = end(code, start, ("{", "=>"))
            stop, guard = start + len(code[start:stop].rstrip()), code[stop] == "="
            conditions.add((start, stop))
            if "let " not in code[start:stop]:
                kinds = [("guard always holds", "crate::mutant(#) || ("), ("guard never holds", "!crate::mutant(#) && (")] if guard else [("condition turned round", "crate::mutant(#) != (")]
                yield from ((f"{kind} in {name}:{line(start)}", start, stop, before, ")") for kind, before in kinds)
        for found in re.finditer(r"[;{}]\s+(?=[a-z_*(])", code[body[0] - 1:body[1] - 1]):
            start = body[0] - 1 + found.end()
            stop = end(code, start, ";")
            if code[stop] == ";" and not re.match(KEYWORDS, code[start:]):
                kind = "assignment" if re.search(r" [-+*|&^]?= ", code[start:end(code, start, (" = ", "= ", ";")) + 3]) else "call"
                yield f"no {kind} in {name}:{line(start)}", start, stop + 1, "if !crate::mutant(#) { ", " }"
        for found in re.finditer(r" (<|>|<=|>=|==|!=|&&|\|\|) (?!let\b)", code[slice(*body)]):
            operator, at = found[1], body[0] + found.start(1)
            stop = end(code, found.end() + body[0], ("{", ";", ",", "=>", "&&", "||") + (() if operator in "&&||" else ("=", "|")))
            stop = at + len(code[at:stop].rstrip())
            if stop <= at + 3:
                continue
            if operator in ("&&", "||"):
                before = "(crate::mutant(#) || (" if operator == "&&" else "(!crate::mutant(#) && ("
                yield f"no `{' '.join(text[at:stop].split())[:60]}` in {name}", at + 3, stop, before, "))"
                continue
            start = end(code, at - 1, "{};,=|&" , -1) + 1
            start += len(re.match(r"(?s:.*\b(?:if|while|return|match|in)\b|>)?\s*", code[start:at])[0])
            for other in ORDER.get(operator, []):
                yield f"{operator} is {other} in {name}:{line(at)}", start, stop, (at, operator, other), ""
            if operator in ("==", "!=") and (start, stop) not in conditions:
                yield f"{operator} is {'!=' if operator == '==' else '=='} in {name}:{line(at)}", start, stop, "(crate::mutant(#) != (", "))"


def candidates(folder):
    """The mutants of a folder, in the order in which they are drawn: what it is, its file, and its place there."""
    seen = {}
    for path in sorted((ROOT / folder).rglob("*.rs")):
        relative = path.relative_to(ROOT / folder)
        if re.search("test|fuzz", str(relative)):
            continue
        for what, *place in places(path.read_text()):
            what = f"{relative}: {what}"
            number = seen[what] = seen.get(what, 0) + 1
            seen[what, number] = (folder, what + (f" ({number})" if number > 1 else ""), path.relative_to(ROOT), *place)
    every = [mutant for key, mutant in seen.items() if isinstance(key, tuple)]
    return sorted(every, key=lambda mutant: hashlib.sha256(f"pith 2026-11 {mutant[0]} {mutant[1]}".encode()).digest())


def switched(text, mutants):
    """The text with all of them behind their switches. No line moves."""
    edits, orders = [], {}
    for number, (_, _, _, start, stop, before, behind) in mutants:
        if isinstance(before, tuple):
            orders.setdefault((start, stop, *before[:2]), []).append(f'({number}, "{before[2]}")')
            continue
        edits += [(start, 1, start - stop, 0, before.replace("#", str(number))), (stop, 0, stop - start, 0, behind)]
    for (start, stop, at, operator), changed in orders.items():
        edits += [(start, 1, start - stop, 0, "crate::order(&("), (at, 1, 0, len(operator), "), &("), (stop, 0, stop - start, 0, f'), "{operator}", &[{", ".join(changed)}])')]
    for at, _, _, length, new in sorted(edits, key=lambda edit: edit[:3], reverse=True):
        text = text[:at] + new + text[at + length:]
    return text


def write(mutants):
    """Makes the copy with these mutants. What only tests compile is in it, as `--cfg pith_test` would have it."""
    hooks = [f"{crate}/build.rs" for crate in ("crypto", "tls", "quic", "tests")]
    for name in subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")[:-1] + hooks:
        new = b'fn main() { println!("cargo::rustc-cfg=pith_test"); }' if name in hooks else (ROOT / name).read_bytes()
        here = [(number, mutant) for number, mutant in mutants.items() if str(mutant[2]) == name]
        if here:
            new = switched(new.decode(), here).encode()
        elif name in ("tls/src/lib.rs", "quic/src/lib.rs"):
            new += SWITCH.encode()
        elif name == "Cargo.toml":
            new = new.replace(b'"deny"', b'"allow"')
        path = TREE / name
        if not path.exists() or path.read_bytes() != new:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(new)


def cargo(*arguments):
    """What cargo says, message by message."""
    out = subprocess.run(["cargo", *arguments, "--message-format=json"], cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return [json.loads(line) for line in out.decode().splitlines()]


def compilable(wanted):
    """The first mutants of each list, as many as are wanted of it, that compile, by number; and the copy with them."""
    bad = set()
    while True:
        chosen = [mutant for count, mutants in wanted for mutant in [mutant for mutant in mutants if mutant[:2] not in bad][:count]]
        numbered = dict(enumerate(chosen, 1))
        write(numbered)
        spans = [span for line in cargo("check", *PACKAGES[:4]) if line["reason"] == "compiler-message" and line["message"]["level"] == "error"
                 for span in line["message"]["spans"] if span["is_primary"]]
        if not spans:
            return numbered
        for span in spans:
            # The one that stands closest, and of those the shortest: it, and what is as close and as short.
            near = []
            for folder, what, path, start, stop, *_ in chosen:
                first, last = ((ROOT / path).read_text().count("\n", 0, at) + 1 for at in (start, stop))
                if str(path) == span["file_name"]:
                    near.append((max(first - span["line_start"], span["line_start"] - last, 0), last - first, (folder, what)))
            if not near:
                sys.exit(f"an error that no mutant makes: {span}")
            bad.update(key for distance, length, key in near if (distance, length) == min(near)[:2])


def binaries():
    """The test binaries: name, path, the folder to run in, whether QUIC is in it."""
    for line in cargo("test", "--no-run", *PACKAGES, "--lib", "--tests"):
        if line["reason"] == "compiler-artifact" and line["executable"] and line["profile"]["test"]:
            source, home = Path(line["target"]["src_path"]), Path(line["manifest_path"]).parent
            files = source.parent.glob("*.rs") if source.name == "main.rs" else [source]
            yield line["target"]["name"], line["executable"], home, home.name == "quic" or any("pith_quic" in file.read_text() for file in files)


def run(binary, number, limit, only=""):
    """Runs a test binary, or what is in one module of it, with one mutant. Gives the test that fails first, or that it took more processor time than `limit`."""
    name, program, home, _ = binary
    process = subprocess.Popen([program, *only.split()], cwd=home, env={**os.environ, "PITH_MUTANT": str(number), "CARGO_MANIFEST_DIR": str(home)},
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                               preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (limit, limit)))
    asleep = threading.Timer(60 * limit, process.kill)
    asleep.start()
    failed = next((found[1] for line in process.stdout if (found := re.match(r"test (?:\S+::)?(\w+)(?: - .*)? \.\.\. FAILED", line))), None)
    process.kill() if failed else None
    code = process.wait()
    asleep.cancel()
    return f"`{failed}`" if failed else "hangs" if code in (-signal.SIGXCPU, -signal.SIGKILL) else f"`{name}` ends" if code else None


class Times:
    """Seconds of the processor that binaries and modules take without a mutant, and whether they pass: kept from run to run, since that takes longer than the mutants do."""

    def __init__(self):
        self.path = TREE / "seconds.json"
        self.known = json.loads(self.path.read_text()) if self.path.exists() else {}

    def of(self, binary, only="", of_this_build=False):
        key, built = f"{binary[0]} {only}", Path(binary[1]).stat().st_mtime
        if key not in self.known or of_this_build and self.known[key][0] != built:
            spent = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
            begun = spent()
            if failed := run(binary, 0, 1800, only):
                sys.exit(f"{failed} without a mutant")
            self.known[key] = [built, spent() - begun]
            print(f"{self.known[key][1]:7.1f} s  {key}", flush=True)
            self.path.write_text(json.dumps(self.known))
        return self.known[key][1]

    def run(self, binary, number, only):
        """What notices a mutant, which without it passes; or nothing."""
        failed = run(binary, number, int(4 * self.of(binary, only)) + 10, only)
        if failed:
            self.of(binary, only, of_this_build=True)
        return failed


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--count", type=int, default=40)
    options.add_argument("--again", action="store_true")
    options.add_argument("--slowest", type=float, default=30, help="seconds of the slowest tests that run, but for those of the crate")
    options.add_argument("folders", nargs="*", default=FOLDERS)
    options = options.parse_args()
    rows = {tuple(line.split("\t")[:2]): line.split("\t")[2] for line in TABLE.read_text().splitlines() if line.strip() and not line.startswith("#")}
    lives = lambda mutant: rows.get(mutant[:2], "").startswith("lives")
    drawn = [(options.count, candidates(folder)) for folder in options.folders]
    numbered = compilable([(sum(map(lives, mutants)), list(filter(lives, mutants))) for _, mutants in drawn] if options.again else drawn)
    todo = {number: mutant for number, mutant in numbered.items() if options.again or mutant[:2] not in rows}
    print(f"{len(numbered)} mutants drawn, {len(todo)} to run", flush=True)
    tests, times = [binary for binary in binaries() if binary[0] not in LEFT_OUT], Times()
    for number, mutant in todo.items():
        crate, _, module = mutant[0].split("/")
        own = next(binary for binary in tests if binary[0] == f"pith_{crate}")
        others = sorted((binary for binary in tests if binary != own and (binary[3] or crate == "tls")), key=times.of)
        runs = [(own, f"{module}::"), *((binary, "") for binary in others if times.of(binary) <= options.slowest), (own, "")]
        result = next((failed for binary, only in runs if (failed := times.run(binary, number, only))), "lives")
        rows[mutant[:2]] = rows.get(mutant[:2], result) if result == "lives" else result
        comments = [line for line in TABLE.read_text().splitlines() if line.startswith("#")]
        TABLE.write_text("\n".join([*comments, *("\t".join([*key, row]) for key, row in sorted(rows.items(), key=lambda item: FOLDERS.index(item[0][0])))]) + "\n")
        print(*mutant[:2], result, sep="\t", flush=True)


main()
