#!/usr/bin/env python3
"""Adds up the results that ./malmoi-test left in a folder; the last line is the total.

    summary.py FOLDER       exit 0 when nothing failed, 1 otherwise

Counted are test cases: doctest's own count for a unit-test binary (one failure where it died
before printing it), else one per ctest entry, pytest item and browser test. A set that a test left
out says so in a line "skipped: NAME: REASON" of its output; each counts as one skipped and is
named. A step that failed without any failed case (a build that broke) counts as one failure.
"""
import dataclasses
import pathlib
import re
import sys
import xml.etree.ElementTree

DOCTEST = re.compile(r"\[doctest\] test cases:\s*(\d+) \|\s*(\d+) passed \|\s*(\d+) failed"
                     r" \|\s*(\d+) skipped")
SKIPPED = re.compile(r"^skipped: .+", re.MULTILINE)
TAP = re.compile(r"^# (pass|fail|cancelled|skipped|todo) (\d+)", re.MULTILINE)


@dataclasses.dataclass
class Count:
    passed: int = 0
    failed: int = 0
    names: list = dataclasses.field(default_factory=list)  # One per skipped set or case.

    def __add__(self, other):
        return Count(self.passed + other.passed, self.failed + other.failed,
                     self.names + other.names)

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {len(self.names)} skipped"


def count_ctest(path):
    total = Count()
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        output = case.findtext("system-out") or ""
        total.names += SKIPPED.findall(output)
        status = case.get("status")
        found = DOCTEST.search(output)
        if status in ("notrun", "disabled"):
            missing = case.find("skipped")
            reason = missing.get("message", "not run") if missing is not None else "not run"
            total += Count(failed=1) if status == "notrun" else Count(
                names=[f"skipped: {case.get('name')}: {reason}"])
        elif found:
            failed = int(found[3])
            total += Count(int(found[2]), max(failed, status == "fail"))
        else:
            total += Count(passed=status != "fail", failed=status == "fail")
    return total


def count_pytest(path):
    total = Count()
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            total.failed += 1
        elif skipped is not None:
            total.names.append(f"skipped: {case.get('name')}: {skipped.get('message', '')}")
        else:
            total.passed += 1
        total.names += SKIPPED.findall(case.findtext("system-out") or "")
    return total


def count_tap(path):
    text = path.read_text(errors="replace")
    found = {name: int(count) for name, count in TAP.findall(text)}
    skipped = re.findall(r"^ok \d+ - (.*?) # SKIP ?(.*)$", text, re.MULTILINE)
    return Count(found.get("pass", 0), found.get("fail", 0) + found.get("cancelled", 0),
                 [f"skipped: {name}: {reason}" for name, reason in skipped])


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    folder = pathlib.Path(arguments[0])
    counts = {}
    for path in sorted(folder.iterdir()):
        count = {".xml": count_pytest if path.stem == "pytest" else count_ctest,
                 ".tap": count_tap}.get(path.suffix)
        if count:
            counts[path.stem] = count(path)
    for path in sorted(folder.glob("*.failed")):
        if counts.get(path.stem, Count()).failed == 0:
            counts[path.stem] = counts.get(path.stem, Count()) + Count(failed=1)
    for name, count in counts.items():
        print(f"{name}: {count}")
    total = sum(counts.values(), Count())
    for line in sorted(set(total.names)):
        print(line)
    print(total)
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
