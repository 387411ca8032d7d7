"""Goal: the sample folder is what the README promises, and its office documents are the script's.

Method: count pages by language, decode what is not UTF-8, write the documents anew and compare.
"""
import pathlib
import re
import zipfile

import make_sample_documents

SAMPLE = pathlib.Path(__file__).resolve().parents[1] / "sample"
HANGUL = re.compile(r"[가-힣]")


def test_pages_in_two_languages():
    pages = [p for p in SAMPLE.rglob("*") if p.suffix in (".md", ".txt", ".html")]
    korean = [p for p in pages if p.parent.name == "ko"]
    english = [p for p in pages if p.parent.name == "en"]
    assert len(pages) >= 22 and len(korean) >= 10 and len(english) >= 10
    for page in korean:
        raw = page.read_bytes()
        text = raw.decode("cp949" if page.name == "여름-공지.txt" else "utf-8")
        assert len(HANGUL.findall(text)) > 100, page.name


def test_one_page_is_cp949_only():
    raw = (SAMPLE / "ko/여름-공지.txt").read_bytes()
    assert raw.decode("cp949").startswith("여름 공지")
    assert raw.decode("utf-8", "ignore") != raw.decode("cp949")


def contents(path):
    if path.suffix == ".pdf":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_documents_are_the_scripts(tmp_path):
    make_sample_documents.write_all(tmp_path)
    made = {p.name: contents(p) for p in tmp_path.iterdir()}
    held = {p.name: contents(p) for p in (SAMPLE / "documents").iterdir()}
    assert made == held and len(made) == 3
    assert all(p.stat().st_size < 50_000 for p in (SAMPLE / "documents").iterdir())
