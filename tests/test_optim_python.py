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


def run(*arguments, python="/usr/bin/python3", timeout=600):
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
        [python, *arguments], capture_output=True, text=True, env=environment, timeout=timeout
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


@pytest.mark.parametrize("part", ["schedulers", "groups"])
def test_hosts(part):
    report = json.loads(run(str(BODY / "hosts.py"), part).splitlines()[-1])
    assert report["failed"] == {} and report["checked"] > 0, report


def test_states_in_fewer_bits():
    """Rules whose last losses stay within 1 % on two small networks; docs/optimizers/choosing.md
    names those that do not."""
    chosen = ("adamw", "adam", "adan", "ademamix", "adabelief", "lamb", "radam", "sgd")
    report = json.loads(run(str(BODY / "recipes.py"), "states", *chosen).splitlines()[-1])
    assert report["failed"] == {} and report["checked"] == 4 * len(chosen), report


def test_curves_in_fewer_bits():
    """The elementwise rules on text without end, 800 steps: docs/optimizers/curves.md is their table."""
    if not os.environ.get("MALMOI_FULL"):
        pytest.skip("MALMOI_FULL is not set")
    out = run(str(BODY / "recipes.py"), "curves", "text", "elementwise", timeout=3600)
    report = json.loads(out.splitlines()[-1])
    assert report["failed"] == {} and report["checked"] >= 110, report


# With pytorch-optimizer, its torch, accelerate and lightning: several GB, so a Python that has them
# is named by MALMOI_PEER_PYTHON. Each is a run of a part, and what it must at least have checked.
PEER = {
    "exchange": ("training.py", ("exchange",), 240),
    "hosts": ("hosts.py", ("schedulers", "groups", "scaler", "accelerator", "lightning"), 17),
    "refusals": ("hosts.py", ("refusals",), 200),
    "recipes": ("recipes.py", ("against",), 230),
}


def test_golden_data_are_the_references(tmp_path):
    """Recorded anew, losses, schedules and rules without eigenvectors are what the tests read."""
    peer = os.environ.get("MALMOI_PEER_PYTHON")
    if not peer:
        pytest.skip("MALMOI_PEER_PYTHON is not set")
    out = run(str(ROOT / "tools" / "make_golden" / "optim_record.py"),
              str(ROOT / "tests" / "golden" / "optim"), str(tmp_path), "--compare", "--only",
              "adamw,lion,lamb,adafactor,muon,kron,sam,alig,adahessian,lomo", python=peer)
    *lines, last = out.splitlines()
    far = {series: float(worst) for series, worst in
           (line.rsplit(": ", 1) for line in lines if "Error" not in line)}
    assert len(far) + int(last.split()[0]) > 200, last
    assert {s: w for s, w in far.items() if w > 1e-5} == {}


@pytest.mark.parametrize("what", PEER)
def test_beside_the_reference(what):
    peer = os.environ.get("MALMOI_PEER_PYTHON")
    if not peer:
        pytest.skip("MALMOI_PEER_PYTHON is not set")
    file, parts, least = PEER[what]
    report = json.loads(run(str(BODY / file), *parts, python=peer, timeout=1800).splitlines()[-1])
    assert report["failed"] == {} and not report.get("absent"), report
    assert report["checked"] >= least, report
