"""Goal: the official qdrant-client runs unchanged, sync and async, over REST and gRPC.
Method: its own calls against a running store; answers compared with its local mode where the two
are defined to agree."""
import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import warnings

import pytest

qdrant_client = pytest.importorskip("qdrant_client")
import grpc  # noqa: E402
from qdrant_client import AsyncQdrantClient, QdrantClient, models  # noqa: E402
from qdrant_client.http.exceptions import UnexpectedResponse  # noqa: E402

from store_process import Store  # noqa: E402


WIRES = pytest.mark.parametrize("wire", ["rest", "grpc"])


@pytest.fixture(scope="module", params=["rest", "grpc"])
def client(store, request):
    # The client compares versions at its start and warns where they are too far apart.
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*version.*")
        client = store.client(request.param, QdrantClient)
    yield client
    client.close()


@contextlib.contextmanager
def refused(status):
    """The call inside fails with that HTTP status, or what stands for it over gRPC."""
    codes = {401: grpc.StatusCode.UNAUTHENTICATED, 403: grpc.StatusCode.PERMISSION_DENIED,
             404: grpc.StatusCode.NOT_FOUND, 400: grpc.StatusCode.INVALID_ARGUMENT,
             409: grpc.StatusCode.ALREADY_EXISTS, 422: grpc.StatusCode.INVALID_ARGUMENT}
    with pytest.raises((UnexpectedResponse, grpc.RpcError)) as error:
        yield error
    value = error.value
    if isinstance(value, UnexpectedResponse):
        assert value.status_code == status
    else:
        assert value.code() == codes[status], value


def vectors(n, dim, seed):
    state, rows = seed, []
    for _ in range(n):
        row = []
        for _ in range(dim):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            row.append((state >> 40) / 2**24 - 0.5)
        rows.append(row)
    return rows


def fill(client, name, n=200):
    if client.collection_exists(name):
        client.delete_collection(name)
    client.create_collection(
        name,
        vectors_config={"dense": models.VectorParams(size=8, distance=models.Distance.COSINE),
                        "late": models.VectorParams(
                            size=4, distance=models.Distance.DOT,
                            multivector_config=models.MultiVectorConfig(
                                comparator=models.MultiVectorComparator.MAX_SIM))},
        sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)})
    dense, late = vectors(n, 8, 1), vectors(2 * n, 4, 2)
    client.upsert(name, wait=True, points=[
        models.PointStruct(
            id=i, payload={"n": i, "kind": "ab"[i % 2], "at": f"2024-01-{i % 28 + 1:02d}T00:00:00Z",
                           "list": [i % 3, i % 5], "text": f"word{i % 7} common"},
            vector={"dense": dense[i], "late": late[2 * i: 2 * i + 2],
                    "sparse": models.SparseVector(indices=[i % 11, 20 + i % 4],
                                                  values=[1.0 + i % 3, 0.5])})
        for i in range(n)])
    return dense


def same(a, b):
    """Scores agree place by place; the order among equal scores is free."""
    assert [p.score for p in a] == pytest.approx([p.score for p in b], abs=1e-4)
    last = b[-1].score + 1e-4
    assert {p.id for p in a if p.score > last} == {p.id for p in b if p.score > last}


def test_answers_equal_local_mode(client):
    local = QdrantClient(":memory:")
    dense = fill(client, "agree")
    fill(local, "agree")
    flt = models.Filter(must=[models.FieldCondition(key="kind", match=models.MatchValue(value="a")),
                              models.FieldCondition(key="n", range=models.Range(lt=150))])
    queries = [
        dict(query=dense[3], using="dense", limit=10),
        dict(query=dense[3], using="dense", limit=10, query_filter=flt),
        dict(query=7, using="dense", limit=5),
        dict(query=models.RecommendQuery(recommend=models.RecommendInput(
            positive=[1, 2], negative=[3])), using="dense", limit=8),
        dict(query=models.RecommendQuery(recommend=models.RecommendInput(
            positive=[1, 2], negative=[3], strategy="best_score")), using="dense", limit=8),
        dict(query=models.RecommendQuery(recommend=models.RecommendInput(
            positive=[1, 2], negative=[3], strategy="sum_scores")), using="dense", limit=8),
        dict(query=models.DiscoverQuery(discover=models.DiscoverInput(
            target=4, context=[models.ContextPair(positive=5, negative=6)])), using="dense", limit=8),
        dict(query=models.SparseVector(indices=[3, 21], values=[1.0, 1.0]), using="sparse", limit=3),
        dict(query=[[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]], using="late", limit=6),
        dict(query=models.NearestQuery(nearest=dense[9], mmr=models.Mmr(diversity=0.4)),
             using="dense", limit=6),
        dict(prefetch=[models.Prefetch(query=dense[1], using="dense", limit=20),
                       models.Prefetch(query=dense[2], using="dense", limit=20)],
             query=models.FusionQuery(fusion=models.Fusion.DBSF), limit=10),
        dict(prefetch=models.Prefetch(query=dense[1], using="dense", limit=30),
             query=models.FormulaQuery(formula=models.SumExpression(
                 sum=["$score", models.MultExpression(mult=[0.01, "n"])])), limit=10),
    ]
    for query in queries:
        same(client.query_points("agree", **query).points, local.query_points("agree", **query).points)


def test_text_queries_equal_local_mode(client):
    local = QdrantClient(":memory:")
    texts = ["the cat sat", "the dog sat on the mat and sat", "a bird", "cat cat cat", "",
             "long " * 40 + "cat", ["two values", "of one cat"], None]
    for c in (client, local):
        c.delete_collection("bm25")
        c.create_collection("bm25", models.VectorParams(size=1, distance="Dot"))
        c.create_payload_index("bm25", "t", models.TextIndexParams(
            type="text", tokenizer="word", scoring=True), wait=True)
        c.upsert("bm25", wait=True, points=[models.PointStruct(
            id=i, vector=[1.0], payload={"t": text, "n": i}) for i, text in enumerate(texts)])
    some = models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gte=1))])
    for query in [dict(query=models.TextQuery(text="Cat sat")), dict(query=models.TextQuery(text="zzz")),
                  dict(query=models.TextQuery(text="the cat"), query_filter=some, offset=1, limit=2),
                  dict(query=models.TextQuery(text=models.TextQueryInput(
                      query="sat cat cat", scoring=models.Bm25Scoring(bm25=models.Bm25Params(
                          k=0.5, b=1.0)))), score_threshold=0.1)]:
        a, b = (c.query_points("bm25", using="t", **query).points for c in (client, local))
        assert [p.id for p in a] == [p.id for p in b], query
        assert [p.score for p in a] == pytest.approx([p.score for p in b], abs=1e-5)


def test_the_clients_calls(client):
    dense = fill(client, "calls", 60)
    assert client.count("calls").count == 60
    client.create_payload_index("calls", "n", models.PayloadSchemaType.INTEGER, wait=True)
    client.create_payload_index("calls", "kind", models.PayloadSchemaType.KEYWORD, wait=True)
    client.create_payload_index("calls", "text", models.TextIndexParams(
        type="text", tokenizer=models.TokenizerType.WORD, lowercase=True), wait=True)
    assert client.facet("calls", "kind").hits[0].count == 30
    records, offset = client.scroll("calls", limit=7, order_by="n", with_vectors=True)
    assert [r.payload["n"] for r in records] == list(range(7)) and offset is None
    text = models.Filter(must=[models.FieldCondition(key="text", match=models.MatchText(text="word3"))])
    assert client.count("calls", count_filter=text).count == 9 - (60 % 7 <= 3)
    client.set_payload("calls", {"x": 1}, points=[1, 2], wait=True)
    client.overwrite_payload("calls", {"y": 1}, points=[3], wait=True)
    client.delete_payload("calls", ["x"], points=[2], wait=True)
    client.clear_payload("calls", points_selector=[4], wait=True)
    assert [r.payload for r in client.retrieve("calls", [3, 4])] == [{"y": 1}, {}]
    client.update_vectors("calls", [models.PointVectors(id=5, vector={"dense": dense[6]})], wait=True)
    client.delete_vectors("calls", ["late"], points=[5], wait=True)
    assert set(client.retrieve("calls", [5], with_vectors=True)[0].vector) == {"dense", "sparse"}
    client.batch_update_points("calls", [
        models.UpsertOperation(upsert=models.PointsList(points=[
            models.PointStruct(id=1000, vector={"dense": dense[0]})])),
        models.DeleteOperation(delete=models.PointIdsList(points=[1000]))])
    groups = client.query_points_groups("calls", query=dense[0], using="dense", group_by="kind",
                                        limit=2, group_size=2).groups
    assert {g.id for g in groups} == {"a", "b"} and all(len(g.hits) == 2 for g in groups)
    assert len(client.search_matrix_pairs("calls", sample=5, limit=2, using="dense").pairs) == 10
    client.update_collection("calls", optimizers_config=models.OptimizersConfigDiff(indexing_threshold=9))
    assert client.get_collection("calls").config.optimizer_config.indexing_threshold == 9
    client.update_collection_aliases([models.CreateAliasOperation(create_alias=models.CreateAlias(
        collection_name="calls", alias_name="calls_alias"))])
    assert client.count("calls_alias").count == 60
    snapshot = client.create_snapshot("calls")
    assert client.list_snapshots("calls")[0].name == snapshot.name
    client.delete_snapshot("calls", snapshot.name)
    client.upload_points("calls", [models.PointStruct(id=i, vector={"dense": dense[0]})
                                   for i in range(2000, 2300)], batch_size=64, wait=True)
    assert client.count("calls").count == 360
    client.delete("calls", models.Filter(must=[models.FieldCondition(
        key="kind", match=models.MatchValue(value="a"))]), wait=True)
    with refused(404):
        client.get_collection("absent")


@WIRES
def test_async_client(store, wire):
    async def run():
        client = store.client(wire, AsyncQdrantClient)
        await client.create_collection("async", models.VectorParams(size=2, distance="Euclid"))
        await asyncio.gather(*[
            client.upsert("async", [models.PointStruct(id=i, vector=[i, 0])], wait=True)
            for i in range(40)])
        found = (await client.query_points("async", query=[3.2, 0], limit=2)).points
        assert [p.id for p in found] == [3, 4] and found[0].score == pytest.approx(0.2, abs=1e-5)
        await client.delete_collection("async")
        await client.close()

    asyncio.run(run())


def token(claims, key):
    def part(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")
    head = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (head + b"." + part(hmac.new(key.encode(), head, hashlib.sha256).digest())).decode()


@WIRES
def test_keys_and_tokens(malmoi_binary, tmp_path, wire):
    environment = {"QDRANT__SERVICE__API_KEY": "secret", "QDRANT__SERVICE__READ_ONLY_API_KEY": "look",
                   "QDRANT__SERVICE__JWT_RBAC": "true"}
    with warnings.catch_warnings(), Store(malmoi_binary, tmp_path, environment) as store:
        warnings.filterwarnings("ignore", message=".*(insecure|compatibility).*")

        def connect(key):
            return store.client(wire, QdrantClient, api_key=key)

        def of(*access, **claims):
            return connect(token({"access": list(access), **claims}, "secret"))

        full, point = connect("secret"), [models.PointStruct(id=1, vector=[1, 2], payload={"who": "me"})]
        for name in ("kept", "other"):
            full.create_collection(name, models.VectorParams(size=2, distance="Dot"))
        full.upsert("other", point, wait=True)
        reader, only = connect("look"), of({"collection": "kept", "access": "r"})
        assert reader.collection_exists("kept") and only.count("kept").count == 0
        assert [c.name for c in only.get_collections().collections] == ["kept"]
        for client in (reader, only):
            with refused(403):
                client.upsert("kept", point)
        with refused(403):
            only.count("other")
        points, both = (of({"collection": "kept", "access": a}) for a in ("prw", "rw"))
        for client in (points, both):
            client.upsert("kept", point, wait=True)
        with refused(403):
            points.create_payload_index("kept", "who", models.PayloadSchemaType.KEYWORD, wait=True)
        both.create_payload_index("kept", "who", models.PayloadSchemaType.KEYWORD, wait=True)
        with refused(403):
            both.delete_collection("kept")
        for who, status in (("me", None), ("you", 401)):
            claim = {"collection": "other", "matches": [{"key": "who", "value": who}]}
            client = connect(token({"value_exists": claim, "access": "r"}, "secret"))
            with refused(status) if status else contextlib.nullcontext():
                assert client.count("kept").count == 1
        with refused(403):  # Not checked by this server, so refused.
            of({"collection": "kept", "access": "r", "payload": {"owner": 1}}).count("kept")
        for key in (None, "wrong", token({"access": "m"}, "other"), token({"exp": 1}, "secret")):
            with refused(401):
                connect(key).get_collections()


def test_a_restart_keeps_everything(malmoi_binary, tmp_path):
    with Store(malmoi_binary, tmp_path) as store:
        client = QdrantClient(url=store.url)
        fill(client, "kept", 50)
        client.create_payload_index("kept", "n", models.PayloadSchemaType.INTEGER, wait=True)
        client.update_collection_aliases([models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name="kept", alias_name="name"))])
        before = client.get_collection("kept").config
    with Store(malmoi_binary, tmp_path) as store:
        client = QdrantClient(url=store.url)
        assert client.count("name").count == 50
        assert client.get_collection("kept").config == before
        assert "n" in client.get_collection("kept").payload_schema


def test_settings_file(malmoi_binary, tmp_path):
    settings = tmp_path / "config.yaml"
    settings.write_text(f"storage:\n  storage_path: {tmp_path}/elsewhere  # kept apart\n"
                        "service:\n  api_key: \"from file\"\n  http_port: 0\n")
    with Store(malmoi_binary, tmp_path / "elsewhere", arguments=["--config-path", str(settings)]) as s:
        assert QdrantClient(url=s.url, api_key="from file").get_collections().collections == []
