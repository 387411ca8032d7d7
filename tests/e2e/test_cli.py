"""Goal: the command line keeps its contract: exit codes, JSON shapes, citations true to the bytes.
Method: the program itself on the sample folder, as a person would type it."""
import json
import pathlib
import shutil

import pytest

from program import SAMPLE

KOREAN = "책은 한 번에 몇 권까지 빌릴 수 있나요?"


def quotes_hold(answer):
    assert answer["citations"]
    for c in answer["citations"]:
        path = pathlib.Path(c["root"]) / c["path"]
        if path.suffix in (".md",):
            assert path.read_bytes()[c["start"]:c["end"]] == c["quote"].encode()
        assert c["verified"] and c["quote"] and c["n"] >= 1


def test_help_names_every_command_and_usage_errors_exit_2(fresh):
    text = fresh.run("--help").stdout
    for command in ("index", "search", "ask", "verify", "eval", "serve", "models", "doctor",
                    "bench", "config", "status"):
        assert command in text
        assert "--json" in fresh.run(command, "--help").stdout or command == "models"
    fresh.run(expect=2)
    assert "usage: malmoi search [OPTIONS] query" in fresh.run("search", expect=2).stderr
    assert "did you mean 'search'" in fresh.run("serch", "x", expect=2).stderr
    fresh.run("search", "x", "--mode", "psychic", expect=2)
    fresh.run("search", "x", "--filter", "nonsense", expect=2)


def test_a_set_that_is_not_there_is_named_with_the_remedy(fresh, tmp_path):
    told = fresh.run("embed", "quality", tmp_path / "none", expect=3).stderr
    assert f"{tmp_path}/none/corpus.jsonl" in told and "give folders in BEIR form" in told


def test_search_without_an_index_fails_with_the_remedy(fresh):
    done = fresh.run("search", "x", expect=3)
    assert "malmoi index" in done.stderr


def test_a_second_run_changes_nothing(malmoi):
    report = malmoi.json("index", SAMPLE)
    assert report["added"] == report["changed"] == report["removed"] == 0
    assert report["unchanged"] == report["files"] > 20
    assert report["vectors_added"] == 0


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_search_finds_the_loan_page_in_korean_and_english(malmoi, mode):
    found = malmoi.json("search", KOREAN, "--mode", mode, "--top", 5)
    assert any("대출" in hit["path"] for hit in found["hits"])
    for hit in found["hits"]:
        assert set(hit) >= {"path", "start", "end", "page", "line", "score", "scores", "text"}
        path = SAMPLE / hit["path"]
        if path.suffix == ".md":
            assert path.read_bytes()[hit["start"]:hit["end"]].decode() == hit["text"]
    english = malmoi.json("search", "how long does an inter-library loan take", "--mode", mode)
    assert "interlibrary" in english["hits"][0]["path"]


def test_search_filter_keeps_a_folder_and_nothing_found_exits_1(malmoi):
    found = malmoi.json("search", "loan", "--filter", "path=en/*")
    assert found["hits"] and all(hit["path"].startswith("en/") for hit in found["hits"])
    malmoi.run("search", "loan", "--filter", "path=nowhere/*", expect=1)


def test_ask_cites_the_bytes_and_verify_agrees(malmoi, tmp_path):
    answer = malmoi.json("ask", KOREAN)
    assert not answer["abstained"]
    quotes_hold(answer)
    saved = tmp_path / "answer.json"
    saved.write_text(json.dumps(answer), encoding="utf-8")
    malmoi.run("verify", saved)
    answer["citations"][0]["quote"] += "!"
    saved.write_text(json.dumps(answer), encoding="utf-8")
    checks = malmoi.json("verify", saved, expect=1)
    assert checks["citations"][0]["holds"] is False and checks["citations"][0]["reason"]
    malmoi.run("verify", tmp_path / "missing.json", expect=3)


def test_changed_and_deleted_files_are_followed(fresh, tmp_path):
    folder = tmp_path / "docs"
    shutil.copytree(SAMPLE / "ko", folder)
    fresh.json("index", folder, "--model", "none")
    page = folder / "기증.md"
    page.write_text("# 기증\n\n기린자리유성우 관측 장비를 기증받습니다.\n", encoding="utf-8")
    (folder / "어린이실.md").unlink()
    report = fresh.json("index", folder, "--model", "none")
    assert (report["changed"], report["removed"], report["added"]) == (1, 1, 0), report
    hits = fresh.json("search", "기린자리유성우", "--model", "none")["hits"]
    assert hits[0]["path"] == "기증.md"
    everything = fresh.json("search", "어린이실", "--top", 100, "--model", "none")["hits"]
    assert all(hit["path"] != "어린이실.md" for hit in everything)


def test_verify_names_a_citation_whose_file_has_changed(fresh, tmp_path):
    folder = tmp_path / "docs"
    shutil.copytree(SAMPLE / "ko", folder)
    fresh.json("index", folder, "--model", "none")
    answer = fresh.run("ask", KOREAN, "--model", "none", "--evidence-min", 0, "--json").stdout
    cited = folder / json.loads(answer)["citations"][0]["path"]
    cited.write_text("# 비었음\n", encoding="utf-8")
    fresh.json("index", folder, "--model", "none")
    saved = tmp_path / "a.json"
    saved.write_text(answer, encoding="utf-8")
    checks = fresh.json("verify", saved, expect=1)["citations"]
    assert any(not c["holds"] and c["reason"] for c in checks)


def test_settings_rise_from_file_over_environment_to_flags(fresh, tmp_path):
    config = tmp_path / "config"
    config.write_text("port = 7001  # from the file\nhost = 127.0.0.2\n")
    fresh.environment["MALMOI_CONFIG"] = str(config)
    fresh.environment["MALMOI_HOST"] = "127.0.0.3"
    shown = fresh.json("config", "--collection", "mine")
    assert shown["port"]["value"] == "7001" and str(config) in shown["port"]["origin"]
    assert shown["host"] == {"value": "127.0.0.3", "origin": "environment MALMOI_HOST"}
    assert shown["collection"]["origin"] == "flag --collection"
    config.write_text("prot = 7001\n")
    assert "prot" in fresh.run("config", expect=2).stderr


def test_doctor_and_models(malmoi):
    states = {c["name"]: c["state"] for c in malmoi.json("doctor")["checks"]}
    assert states["processor"] == states["model"] == states["index"] == "ok"
    models = {m["id"]: m for m in malmoi.json("models", "list")["models"]}
    assert "4-bit" in models["multilingual-e5-small"]["label"]


def test_eval_prints_intervals_caches_and_gates(fresh, tmp_path):
    folder = tmp_path / "tiny"
    (folder / "qrels").mkdir(parents=True)
    texts = {"a": "사과는 가을에 익는다", "b": "자동차는 바퀴가 넷이다", "c": "The moon orbits the earth"}
    (folder / "corpus.jsonl").write_text("".join(
        json.dumps({"_id": k, "title": "", "text": v}) + "\n" for k, v in texts.items()))
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q", "text": "사과가 익는 때"}) + "\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\ta\t1\n")
    report = fresh.json("eval", folder, "--gate", "ndcg@10>=0.9")
    assert set(report["modes"]) == {"lexical", "dense", "hybrid"}
    for mode in report["modes"].values():
        assert mode["ndcg@10"] == {"mean": 1, "low": 1, "high": 1}
        assert mode["latency_ms"]["p99"] >= mode["latency_ms"]["p50"] > 0
    assert not report["index_cached"]
    again = fresh.json("eval", folder, "--mode", "hybrid", "--gate", "hybrid:map<=0.5", expect=1)
    assert again["index_cached"] and list(again["modes"]) == ["hybrid"]
    fresh.run("eval", folder, "--gate", "ndcg@10", expect=2)
    fresh.run("eval", tmp_path / "missing", expect=3)


def test_a_forced_processor_level_is_used_and_finds_the_same(malmoi):
    def found():
        return [hit["path"] for hit in malmoi.json("search", KOREAN, "--top", 3)["hits"]]

    expected = found()
    available = malmoi.json("doctor")["checks"][0]["detail"].split(" of ")[-1].split()
    assert available[0] == "scalar"
    try:
        for level in available:
            malmoi.environment["MALMOI_CPU"] = level
            assert f"level {level} of" in malmoi.json("doctor")["checks"][0]["detail"]
            assert found() == expected
        malmoi.environment["MALMOI_CPU"] = "abacus"
        assert "abacus" in malmoi.run("doctor", expect=2).stderr
    finally:
        del malmoi.environment["MALMOI_CPU"]
