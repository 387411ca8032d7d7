#!/usr/bin/env python3
"""Finds code for a wide instruction set that the linker could give to every processor.

    check_isa.py BUILD      exit 0 when all is well, 1 with one line per breach

A file compiled with -mavx... may hold its own functions only. An inline function or template of a
shared header that is emitted there, too, is a weak symbol: the linker keeps one copy for the whole
program, and when it keeps this one, a processor without the instruction set ends with SIGILL. So
each weak function of such an object file must have the set's name in its own (namespace avx2,
avx512...), which no portable file has. Objects are found through BUILD/compile_commands.json; those
that are not built yet are left out, and none at all is an error.
"""
import json
import pathlib
import re
import subprocess
import sys

WIDE = re.compile(r"-m(avx|amx|fma|f16c|bmi)")
OWN = re.compile(r"avx|amx", re.IGNORECASE)
WEAK_TEXT = re.compile(r"^[0-9a-f]+ W (?P<name>.+)$")


def wide_objects(build):
    for entry in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        command = entry.get("command") or " ".join(entry["arguments"])
        if WIDE.search(command):
            output = entry.get("output") or re.search(r" -o (\S+)", command).group(1)
            path = pathlib.Path(entry["directory"]) / output
            if path.exists():
                yield path


def breaches(objects):
    for path in objects:
        listing = subprocess.run(["nm", "--demangle", "--defined-only", path], check=True,
                                 capture_output=True, text=True, errors="replace").stdout
        for line in listing.splitlines():
            match = WEAK_TEXT.match(line)
            if match and not OWN.search(match["name"]):
                yield f"{path.name}: {match['name']}"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    objects = list(wide_objects(pathlib.Path(sys.argv[1])))
    if not objects:
        sys.exit(f"check_isa: no object compiled for a wide instruction set in {sys.argv[1]}")
    found = list(breaches(objects))
    for line in found:
        print(line)
    print(f"check_isa: {len(objects)} objects, {len(found)} shared functions in them")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
