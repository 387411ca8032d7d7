"""`malmoi bench store --vectors`: recall curves on a caller's file, read by scripts as JSON."""
import json
import random
import struct
import subprocess


def write_npy(path, rows):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    header += " " * ((64 - (11 + len(header)) % 64) % 64) + "\n"
    body = b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + body)


def run(malmoi_binary, tmp_path, *flags):
    return subprocess.run([str(malmoi_binary), "bench", "store", "--data", str(tmp_path / "data"), "--json", *flags],
                          capture_output=True, text=True, timeout=120)


def test_curves_on_a_file_of_vectors(malmoi_binary, tmp_path):
    rng = random.Random(1)
    centres = [[rng.gauss(0, 1) for _ in range(16)] for _ in range(20)]
    rows = [[c + rng.gauss(0, 0.4) for c in rng.choice(centres)] for _ in range(1200)]
    write_npy(tmp_path / "x.npy", rows)
    done = run(malmoi_binary, tmp_path, "--vectors", str(tmp_path / "x.npy"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["points"] == 1080 and found["queries"] == 120 and found["dim"] == 16
    filters = {m["filter"] for m in found["curve"]}
    assert {"", "u 0.1 %", "u 50.0 %", "a 10.0 %"} <= filters
    # So few vectors are scanned: every answer is exact.
    assert min(m["recall"] for m in found["curve"]) == 1
    assert found["figures"]["inserts with live index at full speed, points/s"] > 0
    assert not (tmp_path / "data" / "bench-recall").exists()


def test_inserts_alone_make_no_curves(malmoi_binary, tmp_path):
    rng = random.Random(2)
    write_npy(tmp_path / "x.npy", [[rng.gauss(0, 1) for _ in range(16)] for _ in range(4000)])
    done = run(malmoi_binary, tmp_path, "--vectors", str(tmp_path / "x.npy"), "--only", "inserts")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["curve"] == []
    assert found["figures"]["p99 while inserting 9,000 points/s / quiet"] > 0
    done = run(malmoi_binary, tmp_path, "--vectors", str(tmp_path / "x.npy"), "--only", "wire")
    assert done.returncode == 2 and "inserts" in done.stderr


def test_a_file_that_is_none_is_named(malmoi_binary, tmp_path):
    (tmp_path / "x.npy").write_bytes(b"no vectors")
    done = run(malmoi_binary, tmp_path, "--vectors", str(tmp_path / "x.npy"))
    assert done.returncode == 2 and "x.npy" in done.stderr and ".npy" in done.stderr
