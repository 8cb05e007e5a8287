"""Writes what a package runs on as a software bill of materials: CycloneDX 1.5, in JSON, to stdout.

  python3 tools/sbom.py pith-tls > pith-tls.cdx.json
  python3 tools/sbom.py pith-io --features quic,tokio
  python3 tools/sbom.py pith-tls --no-default-features --expect "NAME NAME..."     writes nothing: checks the document, and that its foreign crates are exactly these

In: `cargo tree`, which says what a package has with these features alone, `cargo metadata`, which has licences and who needs whom, and the checksums of Cargo.lock.
Dependencies at run time alone, on every platform: what builds and tests need is not in it. The same commit gives the same bytes, so there is no time in it.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def used(arguments):
    """Name and version of the package and of all that it runs on."""
    features = ["--no-default-features"] * arguments.no_default_features
    features += ["--features", arguments.features] if arguments.features else []
    lines = cargo("tree", "--locked", "-p", arguments.package, "-e", "normal", "--target", "all", "--prefix", "none", *features)
    return {(line.split()[0], line.split()[1].removeprefix("v")) for line in lines.splitlines() if line.strip()}


def checksums():
    """The SHA-256 of each crate that comes from a registry."""
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(package["name"], package["version"]): package["checksum"] for package in lock["package"] if "checksum" in package}


def component(package, sums):
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    binary = all("lib" not in kind and "cdylib" not in kind for target in package["targets"] for kind in target["kind"])
    made = {"type": "application" if binary else "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if package["license"]:
        made["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if (name, version) in sums:
        made["hashes"] = [{"alg": "SHA-256", "content": sums[name, version]}]
    if package["repository"]:
        made["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return made


def document(arguments):
    wanted, sums = used(arguments), checksums()
    metadata = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--all-features"))
    packages = {package["id"]: package for package in metadata["packages"] if (package["name"], package["version"]) in wanted}
    made = {id: component(package, sums) for id, package in packages.items()}
    needs = []
    for node in metadata["resolve"]["nodes"]:
        if node["id"] in made:
            normal = [dep["pkg"] for dep in node["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]
            refs = sorted({made[id]["bom-ref"] for id in normal if id in made})
            needs.append({"ref": made[node["id"]]["bom-ref"], "dependsOn": refs})
    own = next(part for part in made.values() if part["name"] == arguments.package)
    rest = sorted((part for part in made.values() if part is not own), key=lambda part: part["bom-ref"])
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": own},
        "components": rest,
        "dependencies": sorted(needs, key=lambda need: need["ref"]),
    }


def faults(made, expected):
    """What is wrong with a document: the fields that the format asks for, references to nothing, crates nobody expected."""
    found = []
    if (made["bomFormat"], made["specVersion"]) != ("CycloneDX", "1.5"):
        found.append("it is not CycloneDX 1.5")
    parts = [made["metadata"]["component"], *made["components"]]
    refs = [part["bom-ref"] for part in parts]
    if len(set(refs)) != len(refs):
        found.append("a component stands twice")
    for part in parts:
        name, foreign = part["name"], not part["name"].startswith("pith")
        if part["type"] not in ("library", "application") or not re.fullmatch(r"pkg:cargo/[\w-]+@[\w.+-]+", part["purl"]):
            found.append(f"{name}: no type or purl")
        if not part.get("licenses"):
            found.append(f"{name}: no licence")
        if foreign and not re.fullmatch(r"[0-9a-f]{64}", part.get("hashes", [{}])[0].get("content", "")):
            found.append(f"{name}: no checksum")
    if {need["ref"] for need in made["dependencies"]} != set(refs):
        found.append("not each component says what it needs")
    reached, todo = set(), [refs[0]]
    needs = {need["ref"]: need["dependsOn"] for need in made["dependencies"]}
    while todo:
        ref = todo.pop()
        if ref not in reached:
            reached.add(ref)
            todo += needs.get(ref, [])
    if reached != set(refs):
        found.append(f"nothing needs {' '.join(sorted(set(refs) - reached))}, or it is not there")
    have = {part["name"] for part in parts if not part["name"].startswith("pith")}
    if have != expected:
        found.append(f"foreign crates: {' '.join(sorted(have))}")
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package")
    parser.add_argument("--features")
    parser.add_argument("--no-default-features", action="store_true")
    parser.add_argument("--expect")
    arguments = parser.parse_args()
    made = document(arguments)
    if arguments.expect is None:
        json.dump(made, sys.stdout, indent=2)
        print()
        return
    found = faults(made, set(arguments.expect.split()))
    if found:
        sys.exit(f"{arguments.package}: " + "; ".join(found))
    print(f"{arguments.package}: a bill of materials with {len(made['components'])} components")


main()
