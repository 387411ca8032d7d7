"""Goal: the Python package works as it is installed: libraries in their places, nothing named.

Method: the package's files and `cmake --install --component python` of the build under test, in a
folder of their own, which is what a wheel holds; with MALMOI_FULL=1 (or MALMOI_WHEEL naming one) the
wheel itself, made by pip and installed into an environment without torch, and then run with it.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import venv

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
SYSTEM = "/usr/bin/python3"
WITHOUT_TORCH = """
import pathlib, sys, tempfile, time
begin = time.perf_counter()
import malmoi.optim
took = time.perf_counter() - begin
names = malmoi.optim.get_supported_optimizers()
assert len(names) >= 128 and "torch" not in sys.modules, len(names)
assert len(malmoi.optim.get_supported_lr_schedulers()) == 16
from malmoi import Store, StoreError
with tempfile.TemporaryDirectory() as folder:
    with Store(pathlib.Path(folder) / "s") as store:
        store.create_collection("c", {"size": 2, "distance": "Dot"})
        store.upsert("c", [{"id": 1, "vector": [1, 0]}, {"id": 2, "vector": [0, 1]}])
        assert [h.id for h in store.query_points("c", [0.1, 1.0]).points] == [2, 1]
        try:
            store.count("d")
            raise SystemExit("a collection that is not there was counted")
        except StoreError as e:
            assert e.status == 404, e.status
print(malmoi.__file__)
print(f"import {1e3 * took:.1f} ms", file=sys.stderr)
"""


def run(python, *arguments, path=None, timeout=600):
    """Output of a Python that finds the package at `path` or as installed, and no library by name."""
    environment = {k: v for k, v in os.environ.items()
                   if not k.startswith("MALMOI_") and k != "PYTHONPATH"}
    environment["OMP_NUM_THREADS"] = "1"
    if path:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run([str(python), *map(str, arguments)], capture_output=True, text=True,
                          env=environment, timeout=timeout, cwd="/")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def adapter_passes(path):
    if subprocess.run([SYSTEM, "-c", "import torch"], capture_output=True).returncode:
        pytest.skip("python3-torch is not installed")
    for file, part in (("adapter", "steps"), ("adapter", "resume"), ("adapter", "edits"),
                       ("training", "pieces")):
        out = run(SYSTEM, ROOT / "tests" / "optim_python" / f"{file}.py", part, path=path)
        report = json.loads(out.splitlines()[-1])
        assert report["failed"] == {} and report["checked"] > 0, report


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with what a wheel of this build would hold."""
    build = pathlib.Path(os.environ.get("MALMOI_BIN", ROOT / "build" / "dev" / "malmoi")).parent
    for library in ("libmalmoi_optim_matrix.so", "libmalmoi_store.so"):
        if not (build / library).exists():
            pytest.skip(f"{build / library} is not built")
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "python" / "malmoi", site / "malmoi",
                    ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    subprocess.run(["cmake", "--install", build, "--component", "python", "--prefix", site],
                   check=True, capture_output=True, text=True)
    return site


def test_installed_files(installed):
    found = sorted(p.relative_to(installed).as_posix() for p in installed.rglob("*.so"))
    assert found == ["malmoi/libmalmoi_store.so", "malmoi/optim/libmalmoi_optim_matrix.so"]


def test_without_torch(installed):
    where = run(sys.executable, "-c", WITHOUT_TORCH, path=installed).strip()
    assert where == str(installed / "malmoi" / "__init__.py")


def test_with_torch(installed):
    adapter_passes(installed)


def test_wheel(full, tmp_path):
    wheel = os.environ.get("MALMOI_WHEEL")
    if not wheel and not full:
        pytest.skip("MALMOI_FULL is not set")
    if not wheel:
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path,
             ROOT / "python"], check=True, timeout=3600, env={**os.environ, "CMAKE_GENERATOR": "Ninja"})
        (wheel,) = tmp_path.glob("malmoi-*.whl")
    assert pathlib.Path(wheel).stat().st_size < 8 << 20
    folder = tmp_path / "venv"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    where = pathlib.Path(run(python, "-c", WITHOUT_TORCH).strip())
    assert folder in where.parents
    adapter_passes(where.parents[1])
