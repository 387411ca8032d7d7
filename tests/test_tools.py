"""Goal: the checks of the source tree catch what they are for, and nothing else.

Method: small trees written into a temporary folder, one breach each; and the real tree is clean.
"""
import json
import pathlib
import shutil
import subprocess

import pytest

import check_isa
import check_layers
import tidy

LAYERS = "base:\nos: base\nvec: base os\n"


def tree(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def layer_breaches(root, layers, files):
    tree(root, {"layers.txt": layers, **files})
    return check_layers.check(root / "src", root / "layers.txt")[0]


@pytest.mark.parametrize("files", [
    {"src/vec/a.cc": '#include "os/file.h"\n#include <vector>\n'},
    {"src/vec/a.cc": '#include "vec/wal_internal.h"\n#include <zstd.h>\n'},
    {"src/vec/a_internal.h": "#include <zstd.h>\n"},
])
def test_layers_accepts(tmp_path, files):
    assert layer_breaches(tmp_path, LAYERS, files) == []


@pytest.mark.parametrize("layers, files, words", [
    (LAYERS, {"src/os/a.cc": '\n#include "vec/store.h"\n'}, ["a.cc:2", "os may not use vec"]),
    (LAYERS, {"src/vec/a.cc": '#include "os/x_internal.h"\n'}, ["private to os"]),
    (LAYERS, {"src/vec/a.h": "#include <simdjson.h>\n"}, ["third-party", "simdjson.h"]),
    (LAYERS, {"src/vec/a.cc": '#include "tools/x.h"\n'}, ["does not begin with a module"]),
    (LAYERS, {"src/vec/a.cc": '#include "wal.h"\n'}, ["does not begin with a module"]),
    (LAYERS, {"src/new/a.cc": "\n"}, ["module new is not in layers.txt"]),
    ("base: os\nos: base\n", {}, ["layers.txt:1", "base may not use os, which is not above it"]),
    ("base:\nbase:\n", {}, ["base is listed twice"]),
    ("base\n", {}, ["not of the form"]),
])
def test_layers_refuses(tmp_path, layers, files, words):
    found = layer_breaches(tmp_path, layers, files)
    assert len(found) == 1
    assert all(word in found[0] for word in words), found


def function_of(lines, head="int F(int x)"):
    return head + " {\n" + "  x += 1;\n" * (lines - 2) + "}\n"


@pytest.mark.parametrize("text", [
    function_of(70),
    function_of(70, "template <class T = int>\nvoid F(T x)").replace("  x += 1;\n", "", 1),
    "namespace a {\n" + "int x;\n" * 100 + "}  // namespace a\n",
    "constexpr int kTable[] = {\n" + "  1,\n" * 100 + "};\n",
    "const std::vector<int> kTable = Make({\n" + "  1,\n" * 100 + "});\n",
    "struct A {\n" + "  int F() const { return 1; }\n" * 100 + "};\n",
    "enum class A : int {\n" + "  kX,\n" * 100 + "};\n",
    "// void F() {\n" * 100,
    'auto s = R"(\n' + "void F() {\n" * 100 + ')";\n',
])
def test_tidy_accepts_lengths(tmp_path, text):
    tree(tmp_path, {"src/vec/a.cc": text})
    assert tidy.check(tmp_path, format_too=False) == []


@pytest.mark.parametrize("text, line", [
    (function_of(71), 1),
    ("namespace a {\nclass B {\n" + function_of(71) + "};\n}\n", 3),
    (function_of(71, "A::A(int x) : b_(x), c_{x}"), 1),
    (function_of(71, "auto A::F(int x) const -> std::vector<int>"), 1),
    (function_of(71, 'TEST_CASE("a { brace")'), 1),
    (function_of(71).replace("x += 1;", "G([&](int) { return '{'; });", 1), 1),
    ("#if A\nvoid G(int) {\n#else\nvoid G() {\n#endif\n}\n" + function_of(71), 7),
    ("const char* kBrace = \"}\";\nconst int kBig = 1'000;\n" + function_of(71), 3),
])
def test_tidy_refuses_long_function(tmp_path, text, line):
    tree(tmp_path, {"src/vec/a.cc": text})
    found = tidy.check(tmp_path, format_too=False)
    assert len(found) == 1
    assert found[0].startswith(f"src/vec/a.cc:{line}: function of 71 lines"), found


@pytest.mark.parametrize("name, text, word", [
    ("src/vec/a.cc", "int x;\n" * 801, "801 lines"),
    ("src/vec/a.cc", "// TODO: more\n", "TODO"),
    ("docs/a.md", "FIXME\n", "FIXME"),
    ("src/vec/a.cc", "void F() { throw 1; }\n", "throw"),
    ("src/vec/a.cc", "#include <regex>\n", "<regex>"),
    ("src/vec/a_test.cc", "void F() { std::this_thread::sleep_for(x); }\n", "sleep_for"),
    ("src/vec/README.md", "see /work/there\n", "/work/t"),
    ("docs/a.md", "write /tmp/x\n", "/tmp/x"),
    ("src/vec/string_util.h", "\n", "string_util.h"),
    ("src/common/a.h", "\n", "common"),
])
def test_tidy_refuses_words_and_names(tmp_path, name, text, word):
    tree(tmp_path, {name: text})
    found = tidy.check(tmp_path, format_too=False)
    assert len(found) == 1 and word in found[0], found


@pytest.mark.parametrize("name, text", [
    ("src/vec/a.cc", '// a throw in a comment\nconst char* s = "throw";\nvoid* p = nothrow;\n'),
    ("src/vec/a_test.cc", 'auto t = "/tmp/malmoi-XXXXXX";\n'),
    ("src/vec/commonness.h", "\n"),
    ("docs/a.md", "$HOME/work/notes and https://example.org/home/page\n"),
])
def test_tidy_accepts_words(tmp_path, name, text):
    tree(tmp_path, {name: text})
    assert tidy.check(tmp_path, format_too=False) == []


def test_exit_codes(tmp_path, capsys):
    tree(tmp_path, {"layers.txt": LAYERS, "src/os/a.cc": '#include "vec/a.h"\n'})
    paths = [str(tmp_path / "src"), str(tmp_path / "layers.txt")]
    assert check_layers.main(paths) == 1
    assert "a.cc:1" in capsys.readouterr().out
    assert check_layers.main([]) == 2
    assert tidy.main([str(tmp_path), "--no-format"]) == 0
    assert tidy.main(["--what"]) == 2


def test_this_tree_is_clean():
    root = pathlib.Path(__file__).resolve().parents[1]
    assert check_layers.check(root / "src", root / "layers.txt")[0] == []
    assert tidy.check(root) == []


@pytest.mark.skipif(not (shutil.which("g++") and shutil.which("nm")), reason="needs g++ and nm")
@pytest.mark.parametrize("flags, code, count", [
    ("-mavx2", "inline int shared(int x) { return x; }\nint (*f)(int) = shared;", 1),
    ("-mavx2", "namespace avx2 { inline int own(int x) { return x; } int (*f)(int) = own; }", 0),
    ("-O2", "inline int shared(int x) { return x; }\nint (*f)(int) = shared;", None),
])
def test_isa_finds_shared_functions(tmp_path, flags, code, count):
    (tmp_path / "a.cc").write_text(code, encoding="utf-8")
    command = f"g++ {flags} -o a.o -c a.cc"
    subprocess.run(command.split(), cwd=tmp_path, check=True)
    (tmp_path / "compile_commands.json").write_text(
        json.dumps([{"directory": str(tmp_path), "command": command, "file": "a.cc"}]))
    objects = list(check_isa.wide_objects(tmp_path))
    if count is None:
        assert objects == []
    else:
        assert len(list(check_isa.breaches(objects))) == count
