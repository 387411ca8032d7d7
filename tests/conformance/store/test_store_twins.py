"""Goal: gRPC answers what REST answers, whose answers are checked against the OpenAPI document.
Method: the same calls of the official client over both wires, answers compared whole: floats to
1e-6, payloads and configurations exactly."""
import pytest

qdrant_client = pytest.importorskip("qdrant_client")
import grpc  # noqa: E402
from qdrant_client import QdrantClient, models  # noqa: E402
from qdrant_client.http.exceptions import UnexpectedResponse  # noqa: E402

from test_store_client import fill, vectors  # noqa: E402

M = models


@pytest.fixture(scope="module")
def twins(store):
    pair = [store.client(wire, QdrantClient) for wire in ("rest", "grpc")]
    dense = fill(pair[0], "twins", 80)
    pair[0].set_payload("twins", {"place": {"lon": 12.5, "lat": 7.25}, "nothing": None, "whole": 3.0,
                                  "deep": {"a": [1, "x", {"b": False}]},
                                  "items": [{"a": "x", "b": [1]}, {"a": "y"}]}, points=[1, 2, 3], wait=True)
    schemas = {"n": M.IntegerIndexParams(type="integer", range=True, lookup=True),
               "kind": M.KeywordIndexParams(type="keyword", is_tenant=True, prefix=True),
               "at": M.PayloadSchemaType.DATETIME, "list": M.PayloadSchemaType.INTEGER,
               "place": M.PayloadSchemaType.GEO,
               "text": M.TextIndexParams(
                   type="text", tokenizer="word", lowercase=True, min_token_len=2,
                   phrase_matching=True, scoring=True, stopwords=M.StopwordsSet(custom=["the"]),
                   stemmer=M.SnowballParams(type="snowball", language="english"))}
    for i, (field, schema) in enumerate(schemas.items()):  # Each wire makes its share.
        pair[i % 2].create_payload_index("twins", field, schema, wait=True)
    yield pair, dense
    for client in pair:
        client.close()


def plain(answer):
    if isinstance(answer, (list, tuple)):
        return [plain(a) for a in answer]
    answer = answer.model_dump() if hasattr(answer, "model_dump") else answer
    if isinstance(answer, dict):
        # Maps and lists have no "absent" over gRPC: no payload is an empty one.
        return {k: plain(v) for k, v in answer.items()
                if v is not None and k != "time" and (k, v) not in (("payload", {}), ("languages", []))}
    return answer


def same(a, b, at="$"):
    if isinstance(a, dict) and isinstance(b, dict):
        assert set(a) == set(b), (at, sorted(map(str, set(a) ^ set(b))))
        for key in a:
            same(a[key], b[key], f"{at}.{key}")
    elif isinstance(a, list) and isinstance(b, list):
        assert len(a) == len(b), at
        for i, (x, y) in enumerate(zip(a, b)):
            same(x, y, f"{at}[{i}]")
    elif isinstance(a, float) and isinstance(b, (int, float)):
        assert a == pytest.approx(b, rel=1e-6, abs=1e-6), at
    else:
        assert a == b and isinstance(a, bool) == isinstance(b, bool), (at, a, b)


def field(key, **test):
    return M.Filter(must=[M.FieldCondition(key=key, **test)])


FILTERS = [
    field("kind", match=M.MatchValue(value="a")),
    field("kind", match=M.MatchAny(any=["a", "c"])),
    field("n", match=M.MatchExcept(**{"except": [1, 2, 3]})),
    field("n", range=M.Range(gt=3, lte=20.5)),
    field("at", range=M.DatetimeRange(gte="2024-01-05T00:00:00Z", lt="2024-01-09T12:00:00+09:00")),
    field("text", match=M.MatchText(text="word3 common")),
    field("text", match=M.MatchTextAny(text_any="word1 word2")),
    field("text", match=M.MatchPhrase(phrase="word4 common")),
    field("kind", match=M.MatchPrefix(prefix="a")),
    field("text", match=M.MatchSubstring(substring="rd5 com")),
    field("list", values_count=M.ValuesCount(gte=2)),
    field("place", geo_radius=M.GeoRadius(center=M.GeoPoint(lon=12.5, lat=7.2), radius=1e5)),
    field("place", geo_bounding_box=M.GeoBoundingBox(top_left=M.GeoPoint(lon=10, lat=10),
                                                     bottom_right=M.GeoPoint(lon=20, lat=0))),
    field("place", geo_polygon=M.GeoPolygon(exterior=M.GeoLineString(points=[
        M.GeoPoint(lon=x, lat=y) for x, y in ((10, 0), (20, 0), (20, 10), (10, 10), (10, 0))]))),
    M.Filter(must_not=[M.IsEmptyCondition(is_empty=M.PayloadField(key="place"))]),
    M.Filter(should=[M.IsNullCondition(is_null=M.PayloadField(key="nothing")),
                     M.HasIdCondition(has_id=[5, 6])]),
    M.Filter(must=[M.HasVectorCondition(has_vector="late"),
                   M.Filter(min_should=M.MinShould(min_count=1, conditions=[
                       M.FieldCondition(key="n", range=M.Range(lt=4))]))]),
    M.Filter(must=[M.NestedCondition(nested=M.Nested(key="items", filter=field(
        "a", match=M.MatchValue(value="x"))))]),
    field("place", is_empty=True),
]


@pytest.mark.parametrize("i", range(len(FILTERS)))
def test_filters(twins, i):
    pair, _ = twins
    rest, wire = [plain(c.scroll("twins", FILTERS[i], limit=100)) for c in pair]
    assert rest[0]
    same(rest, wire)
    assert pair[0].count("twins", FILTERS[i]) == pair[1].count("twins", FILTERS[i])


def queries(dense):
    late = vectors(2, 4, 9)
    prefetch = [M.Prefetch(query=dense[1], using="dense", limit=20),
                M.Prefetch(query=M.SparseVector(indices=[1, 21], values=[1.0, 0.5]), using="sparse",
                           limit=20, filter=FILTERS[0])]
    formulas = [
        M.SumExpression(sum=["$score", M.MultExpression(mult=[0.5, "n"])]),
        M.DivExpression(div=M.DivParams(left=1.0, right="n", by_zero_default=0.25)),
        M.SumExpression(sum=["$score[0]", FILTERS[3].must[0]]),
        M.ExpDecayExpression(exp_decay=M.DecayParamsExpression(
            x=M.DatetimeKeyExpression(datetime_key="at"),
            target=M.DatetimeExpression(datetime="2024-01-05T00:00:00Z"), scale=86400, midpoint=0.5)),
        M.PowExpression(pow=M.PowParams(base=2.0, exponent=M.NegExpression(neg="$score"))),
        M.GaussDecayExpression(gauss_decay=M.DecayParamsExpression(
            x=M.GeoDistance(geo_distance=M.GeoDistanceParams(
                origin=M.GeoPoint(lon=12, lat=7), to="place")), scale=5000.0)),
    ]
    everything = {"limit": 7, "with_payload": True, "with_vectors": True}
    yield dict(query=dense[3], using="dense", **everything)
    yield dict(query=dense[3], using="dense", score_threshold=0.2, query_filter=FILTERS[0], offset=1,
               search_params=M.SearchParams(exact=True, hnsw_ef=64, quantization=M.
                                            QuantizationSearchParams(rescore=True, oversampling=2.0)))
    yield dict(query=4, using="late", with_payload=["n", "kind"], limit=4)
    yield dict(query=late, using="late", with_payload=M.PayloadSelectorExclude(exclude=["text"]))
    yield dict(query=M.SparseVector(indices=[1, 22], values=[1.0, 2.0]), using="sparse",
               with_vectors=["sparse"], search_params=M.SearchParams(
                   idf=M.IdfCorpusParams(corpus=FILTERS[0])))
    yield dict(query=M.NearestQuery(nearest=dense[2], mmr=M.Mmr(diversity=0.3, candidates_limit=20)),
               using="dense")
    for strategy in ("average_vector", "best_score", "sum_scores"):
        yield dict(query=M.RecommendQuery(recommend=M.RecommendInput(
            positive=[1, dense[5]], negative=[2], strategy=strategy)), using="dense")
    yield dict(query=M.DiscoverQuery(discover=M.DiscoverInput(
        target=dense[7], context=[M.ContextPair(positive=1, negative=2)])), using="dense")
    yield dict(query=M.ContextQuery(context=[M.ContextPair(positive=1, negative=2)]), using="dense")
    yield dict(query=M.OrderByQuery(order_by=M.OrderBy(key="n", direction="desc", start_from=50)))
    yield dict(query=M.OrderByQuery(order_by=M.OrderBy(key="at", start_from="2024-01-10T00:00:00Z")))
    yield dict(prefetch=prefetch, query=M.FusionQuery(fusion="rrf"))
    yield dict(prefetch=prefetch, query=M.FusionQuery(fusion="dbsf"))
    yield dict(prefetch=prefetch, query=M.RrfQuery(rrf=M.Rrf(k=5, weights=[1.0, 3.0])))
    yield dict(query=M.TextQuery(text="word3 common"), using="text", limit=20)
    yield dict(query=M.TextQuery(text=M.TextQueryInput(
        query="word3 word5", scoring=M.Bm25Scoring(bm25=M.Bm25Params(k=0.9, b=0.3)))), using="text")
    yield dict(query=M.RelevanceFeedbackQuery(relevance_feedback=M.RelevanceFeedbackInput(
        target=dense[1], feedback=[M.FeedbackItem(example=3, score=0.9),
                                   M.FeedbackItem(example=4, score=0.1)],
        strategy=M.NaiveFeedbackStrategy(naive=M.NaiveFeedbackStrategyParams(a=1, b=1, c=1)))),
        using="dense")
    for formula in formulas:
        yield dict(prefetch=prefetch[0], query=M.FormulaQuery(
            formula=formula, defaults={"place": {"lon": 0, "lat": 0}, "n": 1}), limit=30)


def test_queries(twins):
    pair, dense = twins
    for i, query in enumerate(queries(dense)):
        rest, wire = [plain(c.query_points("twins", **query)) for c in pair]
        assert rest["points"], i
        same(rest, wire, f"query {i}")
    groups = [plain(c.query_points_groups(
        "twins", "kind", query=dense[0], using="dense", group_size=2, limit=3,
        with_lookup=M.WithLookup(collection="twins", with_payload=["n"]))) for c in pair]
    same(*groups)
    batch = [q for q in queries(dense) if "offset" not in q][:4]
    requests = [M.QueryRequest(query=q["query"] if isinstance(q["query"], (M.SparseVector, int, list))
                               else q["query"], using=q.get("using"), limit=5) for q in batch]
    same(*[plain(c.query_batch_points("twins", requests)) for c in pair])


def test_reads(twins):
    pair, _ = twins
    for call in [
        lambda c: c.retrieve("twins", [1, 5, 9999], with_vectors=True),
        lambda c: c.retrieve("twins", [1, 2], with_payload=["deep.a", "whole"], with_vectors=["late"]),
        lambda c: c.scroll("twins", limit=5, offset=7, with_payload=False),
        lambda c: c.scroll("twins", limit=5, order_by=M.OrderBy(key="n", direction="desc")),
        lambda c: c.facet("twins", "kind", exact=True), lambda c: c.facet("twins", "list", limit=3),
        lambda c: c.get_collection("twins"), lambda c: c.get_collections(),
        lambda c: c.get_aliases(), lambda c: c.collection_exists("twins"),
        lambda c: c.count("twins", exact=False), lambda c: c.list_full_snapshots(),
    ]:
        same(*[plain(call(c)) for c in pair])
    pairs = [c.search_matrix_pairs("twins", sample=100, limit=2, using="dense") for c in pair]
    same(*[sorted(([str(p.a), str(p.b), p.score] for p in m.pairs)) for m in pairs])


CONFIGURATIONS = [
    dict(vectors_config=M.VectorParams(
        size=4, distance="Euclid", datatype="float16", on_disk=True,
        hnsw_config=M.HnswConfigDiff(m=8, payload_m=4, ef_construct=40, full_scan_threshold=50),
        quantization_config=M.ScalarQuantization(scalar=M.ScalarQuantizationConfig(
            type="int8", quantile=0.95, always_ram=True)))),
    dict(vectors_config={"a": M.VectorParams(size=2, distance="Dot", memory="cached",
                                             quantization_config=M.BinaryQuantization(
        binary=M.BinaryQuantizationConfig(encoding="one_and_half_bits",
                                          query_encoding="scalar8bits")))},
         sparse_vectors_config={"s": M.SparseVectorParams(
             modifier="idf", index=M.SparseIndexParams(on_disk=False, datatype="uint8"))},
         quantization_config=M.TurboQuantization(turbo=M.TurboQuantQuantizationConfig(bits="bits2"))),
    dict(vectors_config=M.VectorParams(size=4, distance="Manhattan", datatype="turbo4"),
         quantization_config=M.ProductQuantization(product=M.ProductQuantizationConfig(
             compression="x16")),
         optimizers_config=M.OptimizersConfigDiff(
             deleted_threshold=0.5, max_optimization_threads=3, indexing_threshold=77),
         wal_config=M.WalConfigDiff(wal_capacity_mb=4), on_disk_payload=False,
         metadata={"a": [1, 2.5, None], "b": {"c": True}},
         strict_mode_config=M.StrictModeConfig(
             enabled=True, max_query_limit=9, search_allow_exact=False, search_max_oversampling=1.5,
             multivector_config={"m": M.StrictModeMultivector(max_vectors=3)})),
]


@pytest.mark.parametrize("i", range(len(CONFIGURATIONS)))
def test_configurations(twins, i):
    pair, _ = twins
    shown = []
    for name, client in zip(("of_rest", "of_grpc"), pair):
        client.delete_collection(name)
        client.create_collection(name, **CONFIGURATIONS[i])
        shown += [plain(c.get_collection(name)) for c in pair]
    times = [info.pop("created_at") for info in shown]
    assert times[0] == times[1] <= times[2] == times[3]  # Two collections over both wires.
    for other in shown[1:]:
        same(shown[0], other)
    for name, client in zip(("of_rest", "of_grpc"), pair):
        client.update_collection(
            name, hnsw_config=M.HnswConfigDiff(m=32), metadata={"new": 1},
            optimizers_config=M.OptimizersConfigDiff(max_optimization_threads="auto"),
            quantization_config=M.Disabled.DISABLED, strict_mode_config=M.StrictModeConfig(
                enabled=True, max_timeout=5))
    shown = [plain(c.get_collection(n)) for c, n in zip(pair, ("of_rest", "of_grpc"))]
    assert [info.pop("created_at") for info in shown] == [times[0], times[3]]
    same(*shown)


def test_refusals(twins):
    """The same text, but for how a body is called, and the code that stands for the status."""
    pair, dense = twins
    code = {400: grpc.StatusCode.INVALID_ARGUMENT, 404: grpc.StatusCode.NOT_FOUND,
            422: grpc.StatusCode.INVALID_ARGUMENT, 409: grpc.StatusCode.ALREADY_EXISTS}
    calls = [
        lambda c: c.query_points("absent", query=dense[0]),
        lambda c: c.query_points("twins", query=[1.0, 2.0], using="dense"),
        lambda c: c.query_points("twins", query=dense[0], using="nothing"),
        lambda c: c.query_points("twins", query=12345, using="dense"),
        lambda c: c.create_collection("twins", vectors_config=M.VectorParams(size=2, distance="Dot")),
        lambda c: c.upsert("twins", [M.PointStruct(id=1, vector={"dense": [1.0]})], wait=True),
        lambda c: c.scroll("twins", order_by="text"), lambda c: c.facet("twins", "text"),
        lambda c: c.update_vectors("twins", [M.PointVectors(id=999, vector={"dense": dense[0]})],
                                   wait=True),
        lambda c: c.query_points("twins", query=M.FusionQuery(fusion="rrf")),
        lambda c: c.query_points("twins", query=M.TextQuery(text="x"), using="kind"),
    ]
    for i, call in enumerate(calls):
        with pytest.raises(UnexpectedResponse) as rest:
            call(pair[0])
        with pytest.raises(grpc.RpcError) as wire:
            call(pair[1])
        text = rest.value.structured()["status"]["error"].replace(" in JSON body", " in body")
        assert wire.value.details() == text, i
        assert wire.value.code() == code[rest.value.status_code], i


def test_health_and_reflection(store):
    """Standard services beside Qdrant's, with messages written by hand: no stubs are needed."""
    channel = grpc.insecure_channel(f"127.0.0.1:{store.grpc_port}")
    check = channel.unary_unary("/grpc.health.v1.Health/Check", lambda b: b, lambda b: b)
    assert check(b"", timeout=10) == b"\x08\x01"  # status: SERVING
    answers = {}
    for version in ("v1", "v1alpha"):
        info = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/"
                                     "ServerReflectionInfo", lambda b: b, lambda b: b)
        # list_services: ""; file_containing_symbol; file_by_filename, which there is not.
        asked = (b"\x3a\x00", b"\x22\x0dqdrant.Points", b"\x1a\x01x")
        answers[version] = list(info(iter(asked), timeout=10))
        listed, described, missing = answers[version]
        for service in (b"qdrant.Points", b"qdrant.Collections", b"qdrant.Snapshots", b"qdrant.Qdrant",
                        b"grpc.reflection.v1.ServerReflection"):
            assert service in listed, (version, service)
        for name in (b"UpsertPoints", b"rpc/qdrant/payload.proto"):
            assert name in described, (version, name)
        assert b"\x3a" in missing and b"\x08\x05" in missing  # error_response: NOT_FOUND
    assert len(answers["v1"][1]) == len(answers["v1alpha"][1])  # The same files.
    channel.close()
