"""Goal: malmoi.Store answers in a process what the server answers.

Runs against the library that the build made; qdrant-client's models and its local mode are used
where that package is there."""
import os
import pathlib
import random
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def malmoi():
    binary = pathlib.Path(os.environ.get("MALMOI_BIN", ROOT / "build" / "dev" / "malmoi"))
    library = binary.parent / "libmalmoi_store.so"
    if not library.exists():
        pytest.skip(f"{library} is not built")
    os.environ["MALMOI_STORE_LIBRARY"] = str(library)
    sys.path.insert(0, str(ROOT / "python"))
    try:
        import malmoi
        yield malmoi
    finally:
        sys.path.remove(str(ROOT / "python"))


POINTS = [
    {"id": 1, "vector": [1, 0, 0], "payload": {"lang": "ko", "n": 1}},
    {"id": 2, "vector": [0, 1, 0], "payload": {"lang": "en", "n": 2}},
    {"id": 3, "vector": [0.7, 0.7, 0], "payload": {"lang": "ko", "n": 3}},
]
KO = {"must": [{"key": "lang", "match": {"value": "ko"}}]}


def test_life_of_a_store(malmoi, tmp_path):
    with malmoi.Store(tmp_path / "s") as store:
        store.create_collection("c", {"size": 3, "distance": "Cosine"})
        assert store.collection_exists("c") and not store.collection_exists("d")
        store.upsert("c", POINTS)
        with pytest.raises(malmoi.StoreError):
            malmoi.Store(tmp_path / "s")
        with pytest.raises(malmoi.StoreError) as refused:
            store.upsert("c", [{"id": 4, "vector": [1]}])
        assert refused.value.status == 400
        store.set_payload("c", {"seen": True}, KO)
        store.delete("c", [2])
    with pytest.raises(malmoi.StoreError):
        store.count("c")
    with malmoi.Store(tmp_path / "s") as store:
        assert store.count("c").count == 2
        hits = store.query_points("c", [1, 0.1, 0], limit=1).points
        assert hits[0].id == 1 and hits[0].payload == {"lang": "ko", "n": 1, "seen": True}
        assert hits[0].version > 0 and hits[0].vector is None
        store.create_payload_index("c", "lang", "keyword")
        assert store.facet("c", "lang").hits[0].count == 2
        page, after = store.scroll("c", limit=1)
        assert page[0].id == 1 and after == 3
        assert store.retrieve("c", [3], with_vectors=True)[0].vector[2] == 0
        assert [c.name for c in store.get_collections().collections] == ["c"]
        assert store.delete_collection("c") is True


def test_a_store_on_the_network(malmoi, tmp_path):
    binary = pathlib.Path(os.environ.get("MALMOI_BIN", ROOT / "build" / "dev" / "malmoi"))
    server = subprocess.Popen([binary, "serve", "store", "--storage", tmp_path / "s", "--port", "0"],
                              stderr=subprocess.PIPE, text=True)
    try:
        address = next(found.group(1) for line in server.stderr
                       if (found := re.search(r"http://([^\s/]+)", line)))
        with malmoi.Store(url=f"qdrant://{address}") as store:
            store.create_collection("c", {"size": 3, "distance": "Cosine"})
            store.upsert("c", POINTS)
            hits = store.query_points("c", [1, 0.1, 0], query_filter=KO, limit=5).points
            assert [h.id for h in hits] == [1, 3] and hits[0].payload == POINTS[0]["payload"]
            with pytest.raises(malmoi.StoreError) as missing:
                store.count("none")
            assert missing.value.status == 404
    finally:
        server.terminate()
        assert server.wait(timeout=30) == 0
    with pytest.raises(malmoi.StoreError):
        malmoi.Store(url="qdrant://127.0.0.1:1")
    with pytest.raises(TypeError):
        malmoi.Store()


def test_arrays(malmoi, tmp_path):
    numpy = pytest.importorskip("numpy")
    rows = numpy.random.default_rng(1).standard_normal((500, 16)).astype("float32")
    with malmoi.Store(tmp_path / "s") as store:
        store.create_collection("a", {"size": 16, "distance": "Dot"})
        store.upload("a", numpy.arange(500), rows, [{"n": i} for i in range(500)])
        with pytest.raises(malmoi.StoreError):
            store.upload("a", [1], rows[:1, :3])
        for q in range(0, 500, 50):
            found = [h.id for h in store.query_points("a", rows[q], limit=5).points]
            assert found == numpy.argsort(-(rows @ rows[q]), kind="stable")[:5].tolist()


def test_models_and_local_mode(malmoi, tmp_path):
    qdrant = pytest.importorskip("qdrant_client")
    m = qdrant.models
    local = qdrant.QdrantClient(":memory:")
    rng = random.Random(3)
    with malmoi.Store(tmp_path / "s") as store:
        for each in (local, store):
            each.create_collection("c", vectors_config=m.VectorParams(
                size=4, distance=m.Distance.COSINE))
        points = [m.PointStruct(id=i, vector=[rng.random() for _ in range(4)],
                                payload={"n": i % 7}) for i in range(60)]
        for each in (local, store):
            each.upsert("c", points=points)
            each.delete("c", points_selector=m.FilterSelector(filter=m.Filter(
                must=[m.FieldCondition(key="n", match=m.MatchValue(value=3))])))
        query = dict(query=[0.1, 0.9, 0.3, 0.2], limit=7, query_filter=m.Filter(
            must=[m.FieldCondition(key="n", range=m.Range(gte=2))]))
        ours, theirs = (each.query_points("c", **query).points for each in (store, local))
        assert [h.id for h in ours] == [h.id for h in theirs]
        assert [h.score for h in ours] == pytest.approx([h.score for h in theirs], abs=1e-5)
        assert store.count("c").count == local.count("c").count
