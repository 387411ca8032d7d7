"""What the Python tests share: importable set-up scripts, the binary, assets and extra data.

A fixture that finds nothing skips its test by name. MALMOI_BIN, MALMOI_ASSETS and MALMOI_SHARED
override where things are looked for; MALMOI_FULL=1 asks for the long forms.
"""
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tools" / "setup")]


def existing(variable, default, what):
    path = pathlib.Path(os.environ.get(variable) or default).absolute()
    if not path.exists():
        pytest.skip(f"{what} is absent: {path.name}")
    return path


@pytest.fixture(scope="session")
def malmoi_binary():
    """The program under test: build/dev/malmoi."""
    return existing("MALMOI_BIN", ROOT / "build" / "dev" / "malmoi", "the program")


@pytest.fixture(scope="session")
def malmoi_assets():
    """The folder of models, dictionary and libraries."""
    return existing("MALMOI_ASSETS", ROOT / "build" / "assets", "the folder of assets")


@pytest.fixture(scope="session")
def shared_folder():
    """The folder of extra data beside the repository."""
    return existing("MALMOI_SHARED", ROOT.parent / "shared", "../shared")


@pytest.fixture(scope="session")
def full():
    """Whether the long forms were asked for."""
    return os.environ.get("MALMOI_FULL") == "1"
