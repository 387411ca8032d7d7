"""What Qdrant refuses, or takes for something else than it seems: requests that name nothing, names
that stand for other collections, vectors that are there. Texts and statuses are the server's."""
import grpc
import pytest
from qdrant_client import QdrantClient
from qdrant_client import grpc as q

POINTS = [{"id": i, "vector": {"d": [i, 1], "s": {"indices": [1], "values": [1]}}} for i in (1, 2, 3)]


@pytest.fixture
def named(collection, http):
    path = collection({"d": {"size": 2, "distance": "Dot"}}, sparse_vectors={"s": {}})
    http("PUT", path + "/points?wait=true", {"points": POINTS})
    return path


@pytest.mark.parametrize("wait", ["true", "false"])
@pytest.mark.parametrize("method, path, body", [
    ("PUT", "", {"points": []}),
    ("PUT", "", {"batch": {"ids": [], "vectors": []}}),
    ("POST", "/delete", {"points": []}),
    ("POST", "/payload", {"payload": {"a": 1}, "points": []}),
    ("PUT", "/payload", {"payload": {"a": 1}, "points": [], "filter": {}}),
    ("POST", "/payload/delete", {"keys": ["a"], "points": []}),
    ("POST", "/payload/clear", {"points": []}),
    ("POST", "/vectors/delete", {"vector": ["s"], "points": []}),
    ("POST", "/batch", {"operations": [{"delete": {"points": []}}]}),
])
def test_a_request_that_names_no_point_is_refused(named, http, method, path, body, wait):
    status, text = http.error(method, f"{named}/points{path}?wait={wait}", body)
    assert (status, text) == (400, "Bad request: Empty update request")
    assert http.result("POST", named + "/points/count", {})["count"] == 3


def test_deleting_vectors_needs_points_or_a_filter_and_takes_both(named, http):
    path = named + "/points/vectors/delete?wait=true"
    status, text = http.error("POST", path, {"vector": ["s"]})
    assert (status, text) == (400, "Bad request: No filter or points provided")
    http("POST", path, {"vector": ["s"], "points": [1], "filter": {"must": [{"has_id": [2]}]}})
    left = http.result("POST", named + "/points/scroll", {"filter": {"must": [{"has_vector": "s"}]}})
    assert [p["id"] for p in left["points"]] == [3]


def test_an_alias_is_no_collection_to_delete_or_create(named, http):
    name = named.rsplit("/", 1)[1]
    http("POST", "/collections/aliases", {"actions": [
        {"create_alias": {"collection_name": name, "alias_name": "other_name"}}]})
    assert http.result("DELETE", "/collections/other_name") is False
    assert http.result("POST", "/collections/other_name/points/count", {})["count"] == 3
    status, text = http.error("PUT", "/collections/other_name", {"vectors": {}})
    assert (status, text) == (400, "Wrong input: Can't create collection with name other_name. "
                                   "Alias with the same name already exists")


def test_a_vector_that_is_there_may_be_made_again_but_not_changed(named, http):
    def refused(vector, body):
        status, text = http.error("PUT", f"{named}/vectors/{vector}?wait=true", body)
        assert status == 400
        return text.removeprefix("Wrong input: ")

    http("PATCH", named, {"vectors": {"d": {"on_disk": True}}})
    http("PUT", named + "/vectors/d?wait=true", {"dense": {"size": 2, "distance": "Dot"}})
    http("PUT", named + "/vectors/s?wait=true", {"sparse": {}})
    assert http.result("GET", named)["config"]["params"]["vectors"]["d"]["on_disk"] is True
    other = "already exists with a different configuration"
    assert refused("d", {"dense": {"size": 3, "distance": "Dot"}}) == f"Vector `d` {other}"
    assert refused("s", {"sparse": {"modifier": "idf"}}) == f"Sparse vector `s` {other}"
    assert refused("s", {"dense": {"size": 2, "distance": "Dot"}}) == \
        "Vector `s` already exists as a sparse vector"
    assert refused("d", {"sparse": {}}) == "Vector `d` already exists as a dense vector"


def test_a_matrix_says_which_vectors_there_are(named, collection, http):
    path = named + "/points/search/matrix/pairs"
    assert http.error("POST", path, {}) == (
        400, "Wrong input: Collection requires specified vector name in the request, "
             "available names: d, s")
    assert http.error("POST", path, {"using": "q"}) == (
        400, "Wrong input: Vector with name `q` is not configured in this collection, "
             "available names: d, s")
    one = collection({"size": 2, "distance": "Dot"})
    assert http.error("POST", one + "/points/search/matrix/offsets", {"using": "q"}) == (
        400, "Wrong input: Vector with name q is not configured in this collection")


@pytest.mark.parametrize("method, path, body, status, text", [
    ("GET", "/optimizations?with=queued,foo", None, 400,
     "Wrong input: Unknown field in 'with' parameter: foo"),
    ("PUT", "/snapshots/recover", {"location": "file://host/x"}, 400,
     "Bad request: Invalid snapshot URI, file path must be absolute or on localhost"),
    ("PUT", "/points", {"points": [{"id": 1, "vector": {
        "d": {"image": "x", "model": "qdrant/bm25"}}}]}, 400,
     "Wrong input: Only text input is supported for qdrant/bm25."),
    ("PUT", "/points", {"points": [{"id": 1, "vector": {"text": "x", "model": "qdrant/bm25"}}]}, 400,
     "Bad request: Sparse vector from document inference should be named"),
    ("POST", "/points/query", {"prefetch": {"query": [1, 2], "using": "d"},
                               "query": {"formula": "a["}}, 400,
     "Wrong input: Validation failed: failed to parse variable ID a[: "
     "Invalid payload variable: a["),
    ("POST", "/points/count", {"filter": {"must": [{"slice": {"total": 0, "index": 0}}]}}, 400,
     "Format error in JSON body: data did not match any variant of untagged enum Condition"),
])
def test_texts_of_refusals(named, http, method, path, body, status, text):
    assert http.error(method, named + path, body) == (status, text)


def test_a_vector_to_look_up_that_is_not_there_is_named(named, http):
    lookup = {"collection": named.rsplit("/", 1)[1], "vector": "q"}
    assert http.error("POST", named + "/points/query",
                      {"query": 1, "using": "d", "lookup_from": lookup}) == (
        400, "Wrong input: Not existing vector name error: q")


def test_several_slashes_count_as_one(named, http):
    assert http.result("POST", named.replace("/collections/", "//collections//") + "/points//count/",
                       {})["count"] == 3


def test_refusals_over_grpc(store, named):
    name = named.rsplit("/", 1)[1]
    client = store.client("grpc", QdrantClient)
    points, none = client.grpc_points, q.PointsSelector(points=q.PointsIdsList(ids=[]))
    vectors = q.VectorsSelector(names=["s"])
    empty, missing = "Bad request: Empty update request", "points_selector is expected"
    cases = [
        (points.Upsert, q.UpsertPoints(collection_name=name), empty),
        (points.Delete, q.DeletePoints(collection_name=name, points=none), empty),
        (points.Delete, q.DeletePoints(collection_name=name), "PointSelector is missing"),
        (points.ClearPayload, q.ClearPayloadPoints(collection_name=name), "PointSelector is missing"),
        (points.SetPayload, q.SetPayloadPoints(collection_name=name, points_selector=none), empty),
        (points.SetPayload, q.SetPayloadPoints(collection_name=name), missing),
        (points.DeletePayload, q.DeletePayloadPoints(collection_name=name), missing),
        (points.DeleteVectors, q.DeletePointVectors(collection_name=name, vectors=vectors), missing),
        (points.Count, q.CountPoints(),
         'Validation error in body: [collection_name: value "" invalid, must be from 1 to 255 '
         "characters]"),
    ]
    for call, request, text in cases:
        with pytest.raises(grpc.RpcError) as refused:
            call(request)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert refused.value.details() == text
