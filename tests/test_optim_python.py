"""malmoi.optim under Debian's torch: signatures, trajectories, resume, errors, overhead of import.

Runs in the system's Python (python3-torch) against the library that the build made; skipped where
either is absent.
"""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BODY = ROOT / "tests" / "optim_python"


def library():
    binary = pathlib.Path(os.environ.get("MALMOI_BIN", ROOT / "build" / "dev" / "malmoi"))
    found = binary.parent / "libmalmoi_optim_matrix.so"
    if not found.exists():
        pytest.skip(f"no {found.name} beside {binary}")
    return found


def run(*arguments, python="/usr/bin/python3"):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "python"),
        "MALMOI_OPTIM_LIBRARY": str(library()),
        "OMP_NUM_THREADS": "1",
    }
    probe = subprocess.run([python, "-c", "import torch"], capture_output=True, timeout=120)
    if probe.returncode != 0:
        pytest.skip("python3-torch is not installed")
    done = subprocess.run(
        [python, *arguments], capture_output=True, text=True, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_import_does_not_need_torch():
    out = run("-c", "import malmoi.optim as o, sys; o.get_supported_optimizers();"
                    "print('torch' in sys.modules)")
    assert out.strip() == "False"


@pytest.mark.parametrize("part", ["steps", "resume", "errors", "edits", "wrappers", "losses"])
def test_adapter(part):
    report = json.loads(run(str(BODY / "adapter.py"), part).splitlines()[-1])
    assert report["failed"] == {}, report
    assert report["checked"] > 0


@pytest.mark.parametrize("part", ["identities", "convergence", "fewer_bytes", "pieces", "tools"])
def test_training(part):
    report = json.loads(run(str(BODY / "training.py"), part).splitlines()[-1])
    assert report["failed"] == {}, report
    assert report["checked"] > 0


def test_exchange_with_the_reference():
    """Where MALMOI_PEER_PYTHON names a Python that has pytorch-optimizer and its torch."""
    peer = os.environ.get("MALMOI_PEER_PYTHON")
    if not peer:
        pytest.skip("MALMOI_PEER_PYTHON is not set")
    out = run(str(BODY / "training.py"), "exchange", python=peer)
    report = json.loads(out.splitlines()[-1])
    assert report["failed"] == {}, report
    assert report["checked"] > 200
