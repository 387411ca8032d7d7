#!/usr/bin/env python3
"""Configures a CMake preset and builds targets, with the time that is left.

    build.py PRESET [-D...] [TARGET ...]        (no target: everything)

-D settings apply to the first configuration only, so they never change a build folder that a
developer has set up. MALMOI_BUILD_JOBS overrides the number of jobs (one per core, 1.5 GB each).
"""
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
STATUS = re.compile(r"\[(\d+)/(\d+)\] (.*)")


def jobs():
    if os.environ.get("MALMOI_BUILD_JOBS"):
        return int(os.environ["MALMOI_BUILD_JOBS"])
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(len(os.sched_getaffinity(0)), int(memory / 1.5e9)))


def configure(preset, settings):
    if (ROOT / "build" / preset / "build.ninja").exists():
        return 0  # Ninja configures again by itself where CMake files changed.
    print(f"build: configuring {preset}", flush=True)
    done = subprocess.run(["cmake", "--preset", preset, *settings], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        print(done.stdout, file=sys.stderr)
    return done.returncode


def left(start, finished, total):
    seconds = (time.monotonic() - start) * (total - finished) / finished
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s left"


def build(preset, targets):
    """Runs ninja; steps become one progress line, all other output (warnings, errors) is shown.

    It goes on after an error (-k), so that one broken target does not hide the tests of others.
    """
    folder = ROOT / "build" / preset
    settings = dict(os.environ, NINJA_STATUS="[%f/%t] ", CCACHE_NOHASHDIR="1",
                    CCACHE_BASEDIR=str(ROOT), CCACHE_SLOPPINESS="time_macros")
    terminal, start, shown = sys.stdout.isatty(), time.monotonic(), -60.0
    with subprocess.Popen(["ninja", "-C", str(folder), f"-j{jobs()}",
                           "-k20", *targets], text=True,
                          errors="replace", env=settings, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as ninja:
        for line in ninja.stdout:
            step = STATUS.match(line)
            if not step:
                if not line.startswith("ninja: Entering"):
                    print(line, end="", flush=True)
                continue
            finished, total = int(step[1]), int(step[2])
            now = time.monotonic()
            if not finished:
                continue  # CMake runs again.
            if now - shown < (0.2 if terminal else 10) and finished < total:
                continue
            shown = now
            text = f"build {preset}: {finished} of {total} steps, {left(start, finished, total)}"
            print(f"\r{text:<78}" if terminal else text, end="" if terminal else "\n", flush=True)
    if terminal:
        print()
    return ninja.returncode


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    preset, rest = arguments[0], arguments[1:]
    settings = [word for word in rest if word.startswith("-D")]
    return configure(preset, settings) or build(preset, [w for w in rest if w not in settings])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
