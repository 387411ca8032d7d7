#!/usr/bin/env python3
"""Builds the preset fuzz and runs each target for a while. Exit 1 when one finds something.

    fuzz_smoke.py [--seconds N] [--no-build] [TARGET ...]        (no target: all)

A new input that fails is kept in build/fuzz/findings. Seeds are the files of sample/ and, for tokenizer and model_config, those of the golden files.
"""
import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "fuzz"
SEEDS = {"reader_html": "*.html", "reader_md": "*.md", "reader_csv": "*.csv",
         "reader_zip": "*.[dh][ow][cp]x"}


def run(target, seconds):
    """Whether the target found nothing."""
    name = target.name.removeprefix("fuzz_")
    corpus, seeds = BUILD / "corpus" / name, BUILD / "seeds" / name
    for folder in (corpus, seeds, BUILD / "findings"):
        folder.mkdir(parents=True, exist_ok=True)
    if name == "tokenizer":
        for i, line in enumerate((ROOT / "tests/golden/tokenizers-0.23.3-components.jsonl").read_text().splitlines()):
            if line.startswith('{"tokenizer":'):
                (seeds / f"{i}.json").write_text(line.removeprefix('{"tokenizer":')[:-1])
    if name == "model_config":
        folders = sorted(path for path in (ROOT / "tests/golden/encoder/families").iterdir() if path.is_dir())
        for i, folder in enumerate(folders):
            if (folder / "config.json").exists():
                modules = folder / "modules.json"
                tail = b"\0" + modules.read_bytes() if modules.exists() else b""
                (seeds / folder.name).write_bytes(bytes([i]) + (folder / "config.json").read_bytes() + tail)
    if name in SEEDS:
        for path in (ROOT / "sample").rglob(SEEDS[name]):
            (seeds / path.name).write_bytes(path.read_bytes())
    try:
        done = subprocess.run(
            [target, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
             "-max_len=16384", f"-artifact_prefix={BUILD / 'findings' / name}-", corpus, seeds],
            capture_output=True, text=True, errors="replace", timeout=seconds + 60)
        failed, output = done.returncode != 0, done.stderr
    except subprocess.TimeoutExpired:
        failed, output = True, "did not end in time"
    print(f"{name}: {'FAILED' if failed else 'ok'}", flush=True)
    if failed:
        print(output[-4000:], file=sys.stderr)
    return not failed


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=int, default=10)
    arguments.add_argument("--no-build", action="store_true")
    arguments.add_argument("targets", nargs="*")
    options = arguments.parse_args()
    if not options.no_build:
        build = [sys.executable, ROOT / "tools" / "setup" / "build.py", "fuzz", "fuzz_all"]
        if subprocess.run(build).returncode:
            return 1
    targets = sorted(path for path in BUILD.glob("fuzz_*") if path.is_file() and
                     (not options.targets or path.name.removeprefix("fuzz_") in options.targets))
    if not targets:
        print("fuzz_smoke: no such target", file=sys.stderr)
        return 1
    return 0 if all([run(target, options.seconds) for target in targets]) else 1


if __name__ == "__main__":
    sys.exit(main())
