#!/usr/bin/env python3
"""The project's Python environment, build/venv: Debian 12 refuses to install beside its own Python.

    environment.py [--folder DIR] [REQUIREMENTS.txt ...]   prints the path of the interpreter

Requirement files are installed with their hashes required and without dependency resolution, so
each must be complete. A file that is installed already is skipped (its own hash is the stamp).
--folder: another environment than build/venv.
"""
import argparse
import hashlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "venv"


class SetupError(Exception):
    """A step of the set-up failed; the message says which, why, and what to do."""


def run(command, what, env=None):
    """Runs a quiet command; raises SetupError with the last lines of its output."""
    done = subprocess.run([str(part) for part in command], text=True, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        tail = [line if len(line) <= 200 else line[:200] + "..."
                for line in done.stdout.splitlines() if line.strip()][-3:]
        raise SetupError("\n    ".join([f"{what} failed (exit {done.returncode}):", *tail]))
    return done.stdout


def ensure(requirements=(), folder=FOLDER):
    """Creates the environment and installs the files; returns its interpreter's path."""
    python, place = folder / "bin" / "python", f"build/{folder.name}"
    if not python.exists() or not (folder / "bin" / "pip").exists():
        print(f"python: making {place}", file=sys.stderr)
        run([sys.executable, "-m", "venv", "--clear", folder],
            f"make {place} (Debian: apt install python3-venv)")
    for path in map(pathlib.Path, requirements):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        stamp = folder / f"installed-{path.stem}"
        if stamp.exists() and stamp.read_text() == digest:
            continue
        print(f"python: installing {path.name} into {place}", file=sys.stderr)
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--require-hashes", "--only-binary=:all:", "-r", path], f"install {path.name}",
            env=dict(os.environ, PIP_PROGRESS_BAR="off"))
        stamp.write_text(digest)
    return python


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("requirements", nargs="*", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path, default=FOLDER)
    options = parser.parse_args(arguments)
    try:
        print(ensure(options.requirements, options.folder))
    except (OSError, SetupError) as error:
        print(f"python environment: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
