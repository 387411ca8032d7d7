#!/usr/bin/env python3
"""The project's Python environment, build/venv: Debian 12 refuses to install beside its own Python.

    environment.py [--folder F] [REQUIREMENTS.txt ...]    prints the path of the environment's interpreter

F is build/venv where it is not given. Requirement files are installed with their hashes required and without dependency resolution, so
each must be complete. A file that is installed already is skipped (its own hash is the stamp).
"""
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
    python, name = folder / "bin" / "python", f"build/{folder.name}"
    if not python.exists() or not (folder / "bin" / "pip").exists():
        print(f"python: making {name}", file=sys.stderr)
        run([sys.executable, "-m", "venv", "--clear", folder],
            f"make {name} (Debian: apt install python3-venv)")
    for path in map(pathlib.Path, requirements):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        stamp = folder / f"installed-{path.stem}"
        if stamp.exists() and stamp.read_text() == digest:
            continue
        print(f"python: installing {path.name} into {name}", file=sys.stderr)
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--require-hashes", "--only-binary=:all:", "-r", path], f"install {path.name}",
            env=dict(os.environ, PIP_PROGRESS_BAR="off"))
        stamp.write_text(digest)
    return python


def main(arguments):
    folder = FOLDER
    if arguments[:1] == ["--folder"] and len(arguments) > 1:
        folder, arguments = pathlib.Path(arguments[1]).resolve(), arguments[2:]
    try:
        print(ensure(arguments, folder))
    except (OSError, SetupError) as error:
        print(f"python environment: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
