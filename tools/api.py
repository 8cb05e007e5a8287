"""Writes the public interface of the libraries as text, one item a line, so that each change of it is seen in a review.

  python3 tools/api.py              compares with api/*.txt, and fails if they differ
  python3 tools/api.py --write      writes them anew; what changed belongs into CHANGELOG.md
  python3 tools/api.py pith-tls     one of them

In: what rustdoc says of a crate in JSON, with all features but those that are for tests. That output is unstable, so the compiler has to be let (RUSTC_BOOTSTRAP), and
its format has a number: FORMATS are those that this file was read against. Out: paths as a program writes them, signatures with generics, public fields, variants, methods,
and the traits that a type implements by hand or by derive. Types are named by the last part of their path.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CRATES = {
    "pith-crypto": [],
    "pith-pq": [],
    "pith-tls": ["--features", "brotli,zstd"],
    "pith-quic": ["--features", "qlog"],
    "pith-io": ["--all-features"],
}
FORMATS = range(45, 70)


def described(crate):
    """What rustdoc says."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    command = ["cargo", "rustdoc", "--locked", "-q", "-p", crate, "--lib", *CRATES[crate], "--", "-Z", "unstable-options", "--output-format", "json"]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "RUSTC_BOOTSTRAP": "1"})
    said = json.loads((ROOT / target / "doc" / f"{crate.replace('-', '_')}.json").read_text())
    version = said.get("format_version")
    if version not in FORMATS:
        sys.exit(
            f"rustdoc writes format {version} of its JSON; tools/api.py knows {FORMATS.start} to {FORMATS.stop - 1}.\n"
            "Run it with the Rust of the gate, or read rustdoc-types' changes between the two and widen FORMATS."
        )
    return said


def joined(parts, separator=", "):
    return separator.join(part for part in parts if part)


def path(named):
    """A path with its generic arguments; of the path, the last part."""
    return (named.get("path") or named.get("name", "")).rsplit("::", 1)[-1] + arguments(named.get("args"))


def arguments(given):
    if not given:
        return ""
    if "parenthesized" in given:
        inner = given["parenthesized"]
        output = f" -> {type_(inner['output'])}" if inner.get("output") else ""
        return f"({joined(map(type_, inner['inputs']))}){output}"
    if "angle_bracketed" not in given:
        return "(..)"
    parts = [argument(one) for one in given["angle_bracketed"]["args"]]
    for one in given["angle_bracketed"]["constraints"]:
        binding = one["binding"]
        if "equality" in binding:
            parts.append(f"{one['name']} = {term(binding['equality'])}")
        else:
            parts.append(f"{one['name']}: {bounds(binding['constraint'])}")
    return f"<{joined(parts)}>" if parts else ""


def argument(one):
    if one == "infer":
        return "_"
    (kind, value), = one.items()
    return {"lifetime": lambda: value, "type": lambda: type_(value), "const": lambda: value["expr"]}[kind]()


def term(one):
    return type_(one["type"]) if "type" in one else one["constant"]["expr"]


def bounds(many):
    return joined(map(bound, many), " + ")


def bound(one):
    (kind, value), = one.items()
    if kind == "outlives":
        return value
    if kind == "use":
        return f"use<{joined(part if isinstance(part, str) else next(iter(part.values())) for part in value)}>"
    mark = {"maybe": "?", "maybe_const": "~const "}.get(value["modifier"], "")
    return quantified(value["generic_params"]) + mark + path(value["trait"])


def quantified(params):
    return f"for<{joined(param['name'] for param in params)}> " if params else ""


def type_(one):
    """A type, as it is written."""
    if one is None:
        return "()"
    if one == "infer":
        return "_"
    (kind, value), = one.items()
    if kind == "resolved_path":
        return path(value)
    if kind in ("generic", "primitive"):
        return "!" if value == "never" else value
    if kind == "tuple":
        return f"({joined(map(type_, value))}{',' if len(value) == 1 else ''})"
    if kind == "slice":
        return f"[{type_(value)}]"
    if kind == "array":
        return f"[{type_(value['type'])}; {value['len']}]"
    if kind == "borrowed_ref":
        lifetime = f"{value['lifetime']} " if value["lifetime"] else ""
        return f"&{lifetime}{'mut ' if value['is_mutable'] else ''}{type_(value['type'])}"
    if kind == "raw_pointer":
        return f"*{'mut' if value['is_mutable'] else 'const'} {type_(value['type'])}"
    if kind == "impl_trait":
        return f"impl {bounds(value)}"
    if kind == "dyn_trait":
        traits = [quantified(each["generic_params"]) + path(each["trait"]) for each in value["traits"]]
        return f"dyn {joined([*traits, value['lifetime']], ' + ')}"
    if kind == "function_pointer":
        return quantified(value["generic_params"]) + header(value["header"]) + "fn" + signature(value["sig"], named=False)
    if kind == "qualified_path":
        return f"<{type_(value['self_type'])} as {path(value['trait'])}>::{value['name']}" if value.get("trait") and value["trait"].get("path") else f"{type_(value['self_type'])}::{value['name']}"
    return f"?{kind}"


def header(flags):
    abi = flags["abi"] if isinstance(flags["abi"], str) else next(iter(flags["abi"]))
    words = ["const" * flags["is_const"], "async" * flags["is_async"], "unsafe" * flags["is_unsafe"], "" if abi == "Rust" else f'extern "{abi}"']
    return "".join(f"{word} " for word in words if word)


def signature(sig, named=True):
    inputs = []
    for name, of in sig["inputs"]:
        written = type_(of)
        short = {"Self": "self", "&Self": "&self", "&mut Self": "&mut self"}.get(written)
        inputs.append(short if name == "self" and short else f"{name}: {written}" if named else written)
    return f"({joined(inputs)})" + (f" -> {type_(sig['output'])}" if sig["output"] else "")


def generics(of):
    """What stands in angle brackets, and the where clause."""
    params, clauses = [], []
    for param in of["params"]:
        (kind, value), = param["kind"].items()
        if kind == "lifetime":
            params.append(param["name"] + (f": {joined(value['outlives'], ' + ')}" if value["outlives"] else ""))
        elif kind == "const":
            params.append(f"const {param['name']}: {type_(value['type'])}")
        elif not value["is_synthetic"]:
            limit = f": {bounds(value['bounds'])}" if value["bounds"] else ""
            default = f" = {type_(value['default'])}" if value["default"] else ""
            params.append(param["name"] + limit + default)
    for clause in of["where_predicates"]:
        (kind, value), = clause.items()
        if kind == "bound_predicate":
            clauses.append(f"{quantified(value['generic_params'])}{type_(value['type'])}: {bounds(value['bounds'])}")
        elif kind == "lifetime_predicate":
            clauses.append(f"{value['lifetime']}: {joined(value['outlives'], ' + ')}")
        else:
            clauses.append(f"{type_(value['lhs'])} == {term(value['rhs'])}")
    return (f"<{joined(params)}>" if params else "", f" where {joined(clauses)}" if clauses else "")


class Interface:
    """The lines of one crate."""

    def __init__(self, said):
        self.index, self.lines, self.seen = said["index"], set(), {}
        root = self.item(said["root"])
        self.module(root, root["name"])

    def item(self, id):
        return self.index.get(str(id))

    def add(self, line, item=None):
        marks = ""
        for attribute in (item or {}).get("attrs", []):
            written = attribute if isinstance(attribute, str) else next(iter(attribute))
            marks += "#[non_exhaustive] " if "non_exhaustive" in written else ""
        gone = "#[deprecated] " if item and item.get("deprecation") else ""
        self.lines.add(gone + marks + line)

    def module(self, item, at):
        self.seen[item["id"]] = at
        for id in item["inner"]["module"]["items"]:
            self.visit(id, at)

    def visit(self, id, at, name=None):
        item = self.item(id)
        if item is None or item["visibility"] not in ("public", "default") and item["inner"].keys() != {"impl"}:
            return
        (kind, value), = item["inner"].items()
        if kind == "use":
            return self.use(value, at)
        place = f"{at}::{name or item['name']}"
        if id in self.seen:
            if self.seen[id] != place and kind != "impl":
                self.add(f"use {place} = {self.seen[id]}")
            return
        self.seen[id] = place
        if kind == "module":
            self.add(f"mod {place}")
            return self.module(item, place)
        getattr(self, f"on_{kind}", self.on_other)(item, value, place)

    def use(self, value, at):
        target = self.item(value["id"]) if value["id"] is not None else None
        if target is None:
            self.add(f"use {at}::{'*' if value['is_glob'] else value['name']} = {value['source']}")
        elif not value["is_glob"]:
            self.visit(value["id"], at, value["name"])
        else:
            (kind, inner), = target["inner"].items()
            for id in inner["items"] if kind == "module" else inner.get("variants", []):
                self.visit(id, at)

    def on_struct(self, item, value, place):
        own, where = generics(value["generics"])
        kind = value["kind"]
        shape = ""
        if isinstance(kind, dict) and "tuple" in kind:
            shape = self.tuple(kind["tuple"])
        elif isinstance(kind, dict):
            shape = " { .. }" if kind["plain"]["has_stripped_fields"] else " {}"
            self.fields(kind["plain"]["fields"], place)
        self.add(f"struct {place}{own}{shape}{where}", item)
        self.impls(value["impls"], place)

    def tuple(self, ids):
        fields = [self.item(id) if id is not None else None for id in ids]
        return f"({joined(type_(field['inner']['struct_field']) if field else '_' for field in fields)})"

    def fields(self, ids, place):
        for id in ids:
            field = self.item(id)
            if field:
                self.add(f"field {place}::{field['name']}: {type_(field['inner']['struct_field'])}", field)

    def on_enum(self, item, value, place):
        own, where = generics(value["generics"])
        self.add(f"enum {place}{own}{where}", item)
        for id in value["variants"]:
            variant = self.item(id)
            if variant is None:
                continue
            kind = variant["inner"]["variant"]["kind"]
            at, shape = f"{place}::{variant['name']}", ""
            if isinstance(kind, dict) and "tuple" in kind:
                shape = self.tuple(kind["tuple"])
            elif isinstance(kind, dict):
                shape = " { .. }" if kind["struct"]["has_stripped_fields"] else " {}"
                self.fields(kind["struct"]["fields"], at)
            self.add(f"variant {at}{shape}", variant)
        self.impls(value["impls"], place)

    def on_function(self, item, value, place):
        own, where = generics(value["generics"])
        self.add(f"{header(value['header'])}fn {place}{own}{signature(value['sig'])}{where}", item)

    def on_trait(self, item, value, place):
        own, where = generics(value["generics"])
        above = f": {bounds(value['bounds'])}" if value["bounds"] else ""
        self.add(f"{'unsafe ' * value['is_unsafe']}trait {place}{own}{above}{where}", item)
        self.members(value["items"], place, "provided ", value)

    def members(self, ids, place, mark="", trait=None):
        for id in ids:
            member = self.item(id)
            if member is None:
                continue
            (kind, value), = member["inner"].items()
            at = f"{place}::{member['name']}"
            if kind == "function":
                own, where = generics(value["generics"])
                provided = mark if trait and value["has_body"] else ""
                self.add(f"{provided}{header(value['header'])}fn {at}{own}{signature(value['sig'])}{where}", member)
            elif kind == "assoc_const":
                self.add(f"const {at}: {type_(value['type'])}", member)
            elif kind == "assoc_type":
                limit = f": {bounds(value['bounds'])}" if value["bounds"] else ""
                default = f" = {type_(value['type'])}" if value["type"] else ""
                self.add(f"type {at}{limit}{default}", member)

    def impls(self, ids, place):
        for id in ids:
            item = self.item(id)
            if item is None:
                continue
            value = item["inner"]["impl"]
            if value["is_synthetic"] or value["blanket_impl"]:
                continue
            own, where = generics(value["generics"])
            if value["trait"] is None:
                # Methods of another instance of one type would otherwise look like the same.
                written = type_(value["for"])
                plain = own == where == ""
                self.members(value["items"], place if plain else f"{place}[impl{own} {written}{where}]")
                continue
            name = path(value["trait"])
            if name in DERIVED_ALONG:
                continue
            negative = "!" if value["is_negative"] else ""
            own_name = rf"\b{place.rsplit('::', 1)[-1]}\b"
            of = re.sub(own_name, place, type_(value["for"]), count=1)
            of += "" if place in of else f" ({place})"  # an impl for another type that has this one in it
            self.add(f"impl{own} {negative}{name} for {of}{where}")
            for each in value["items"]:
                inner = self.item(each)
                if inner and "assoc_type" in inner["inner"]:
                    self.add(f"type <{of} as {name}>::{inner['name']} = {type_(inner['inner']['assoc_type']['type'])}")

    def on_constant(self, item, value, place):
        shown = value["const"]
        known = shown.get("value") or shown["expr"]
        self.add(f"const {place}: {type_(value['type'])} = {known}" if known != "_" else f"const {place}: {type_(value['type'])}", item)

    def on_type_alias(self, item, value, place):
        own, where = generics(value["generics"])
        self.add(f"type {place}{own} = {type_(value['type'])}{where}", item)

    def on_macro(self, item, value, place):
        self.add(f"macro {place}!", item)

    def on_other(self, item, _value, place):
        self.add(f"{next(iter(item['inner']))} {place}", item)


# What the compiler puts beside a derived PartialEq.
DERIVED_ALONG = {"StructuralPartialEq"}


def order(line):
    """By path, so that the lines of an item lie together."""
    found = re.search(r"\bpith_\w+(::\w+)*", line)
    return found[0] if found else "", line


def main():
    wanted = [name for name in sys.argv[1:] if not name.startswith("-")] or list(CRATES)
    stale = False
    for crate in wanted:
        lines = sorted(Interface(described(crate)).lines, key=order)
        if len(lines) < 10:
            sys.exit(f"{crate}: only {len(lines)} lines: rustdoc's format has changed in a way that tools/api.py does not see")
        text = f"# The public interface of {crate}. Made by tools/api.py.\n" + "".join(f"{line}\n" for line in lines)
        file = ROOT / "api" / f"{crate}.txt"
        if "--write" in sys.argv:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
            print(f"{crate}: {len(lines)} items")
            continue
        known = set(file.read_text().splitlines()[1:]) if file.exists() else set()
        changes = [f"- {line}" for line in sorted(known - set(lines), key=order)]
        changes += [f"+ {line}" for line in sorted(set(lines) - known, key=order)]
        print("\n".join([f"{crate}: {len(lines)} items, {len(changes)} changes", *changes]))
        stale |= bool(changes)
    if stale:
        sys.exit("The public interface is not what api/*.txt says. If that is meant: python3 tools/api.py --write, and a line in CHANGELOG.md")


main()
