"""Goal: nothing but `models pull` and a configured endpoint uses the network; no Python inside.
Method: the program in an empty network namespace, where every connection fails; ldd."""
import os
import shutil
import subprocess

import pytest

from program import SAMPLE


@pytest.fixture(scope="module")
def no_network():
    """A command prefix that runs in a new network namespace without even loopback up."""
    prefix = ("unshare", "-n")
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"],
                                                         capture_output=True).returncode != 0:
        pytest.skip("network namespaces need root")
    return prefix


def test_index_search_ask_verify_work_without_network(fresh, no_network, tmp_path):
    report = fresh.json("index", SAMPLE / "ko", prefix=no_network)
    assert report["vectors_complete"]
    assert fresh.json("search", "대출 기간", prefix=no_network)["hits"]
    answer = fresh.run("ask", "책은 몇 권까지 빌릴 수 있나요?", "--json", prefix=no_network).stdout
    saved = tmp_path / "answer.json"
    saved.write_text(answer, encoding="utf-8")
    fresh.run("verify", saved, prefix=no_network)
    fresh.run("doctor", prefix=no_network)


def test_pull_without_network_fails_at_once_and_says_why(fresh, no_network, tmp_path):
    fresh.environment["HF_HOME"] = str(tmp_path / "hf")
    done = fresh.run("models", "pull", "org/name", expect=3, prefix=no_network)
    assert "org/name" in done.stderr


def test_no_python_in_the_binary(malmoi_binary):
    linked = subprocess.run(["ldd", str(malmoi_binary)], capture_output=True, text=True, check=True)
    assert "python" not in linked.stdout.lower()
    assert os.access(malmoi_binary, os.X_OK)
