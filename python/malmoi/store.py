"""malmoi's vector store inside a Python program: no server.

    from malmoi import Store

    with Store("./data") as store:
        store.create_collection("notes", {"size": 3, "distance": "Cosine"})
        store.upsert("notes", [{"id": 1, "vector": [1, 0, 0], "payload": {"lang": "ko"}}])
        for hit in store.query_points("notes", [1, 0.1, 0], limit=1).points:
            print(hit.id, hit.score, hit.payload)

Methods and arguments are those of qdrant-client; models of that package, dictionaries and numpy
arrays are taken. Answers are Record: dictionaries whose members are attributes too. `request` is
the whole REST interface. Store(url="qdrant://host:6333") speaks to a store on the network in the
same words. A directory has one owner. Writes are on disk when a call returns. For
many threads: calls leave the interpreter lock.
"""

import ctypes
import datetime
import enum
import json
import os
import threading
import uuid
from urllib.parse import quote


class StoreError(Exception):
    """What the engine refuses; `status` is the HTTP status that a server would give, or 0."""

    def __init__(self, text, status=0):
        super().__init__(text)
        self.status = status


class Record(dict):
    """A JSON object; members that are not there are None as attributes."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self.get(name)


def _library():
    """MALMOI_STORE_LIBRARY, else libmalmoi_store.so beside this file."""
    path = os.environ.get("MALMOI_STORE_LIBRARY") or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "libmalmoi_store.so")
    library = ctypes.CDLL(path)
    text, size = ctypes.c_char_p, ctypes.c_int64
    library.malmoi_store_error.restype = text
    library.malmoi_store_open.restype = ctypes.c_void_p
    library.malmoi_store_open.argtypes = [text, ctypes.c_int32]
    library.malmoi_store_connect.restype = ctypes.c_void_p
    library.malmoi_store_connect.argtypes = [text, text]
    library.malmoi_store_close.argtypes = [ctypes.c_void_p]
    library.malmoi_store_free.argtypes = [ctypes.c_void_p]
    library.malmoi_store_request.restype = ctypes.c_void_p
    library.malmoi_store_request.argtypes = [
        ctypes.c_void_p, text, text, text, ctypes.POINTER(ctypes.c_int32)]
    library.malmoi_store_upsert.restype = ctypes.c_int32
    library.malmoi_store_upsert.argtypes = [
        ctypes.c_void_p, text, text, ctypes.c_void_p, ctypes.c_void_p, size, size,
        ctypes.POINTER(text)]
    return library


_loaded = None
_loading = threading.Lock()


def _open_library():
    global _loaded
    with _loading:
        if _loaded is None:
            _loaded = _library()
        return _loaded


def _plain(value):
    """What JSON can say of a model, an array or a plain value."""
    if hasattr(value, "model_dump"):  # pydantic 2
        return _plain(value.model_dump(exclude_none=True))
    if isinstance(value, dict):
        return {_plain(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(v) for v in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat()
    if hasattr(value, "tolist"):  # numpy
        return value.tolist()
    return value


def _body(**members):
    return {k: _plain(v) for k, v in members.items() if v is not None}


_FILTER = {"must", "should", "must_not", "min_should"}


def _selector(points):
    """Ids, a filter, or a selector of qdrant-client, as REST has them."""
    points = _plain(points)
    if not isinstance(points, dict):
        return {"points": points if isinstance(points, list) else [points]}
    return {"filter": points} if set(points) <= _FILTER else points


class Store:
    """The store of one directory, or the one at `url`, a node or a cluster. Errors: StoreError."""

    def __init__(self, path=None, threads=0, url=None, api_key=None):
        if (path is None) == (url is None):
            raise TypeError("give either path or url")
        self._handle = None
        self._library = _open_library()
        if url is None:
            self._handle = self._library.malmoi_store_open(os.fsencode(path), threads)
        else:
            self._handle = self._library.malmoi_store_connect(
                url.encode(), None if api_key is None else api_key.encode())
        if not self._handle:
            raise StoreError(self._library.malmoi_store_error().decode())

    def close(self):
        """Ends all; no other call may be under way."""
        handle, self._handle = self._handle, None
        if handle:
            self._library.malmoi_store_close(handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_handle", None):
            self.close()

    def request(self, method, target, body=None):
        """One request of the REST interface; the member `result` of its answer."""
        if not self._handle:
            raise StoreError("the store is closed")
        status = ctypes.c_int32()
        text = None if body is None else json.dumps(_plain(body)).encode()
        pointer = self._library.malmoi_store_request(
            self._handle, method.encode(), target.encode(), text, ctypes.byref(status))
        if not pointer:
            raise StoreError(self._library.malmoi_store_error().decode())
        try:
            answer = ctypes.string_at(pointer).decode()
        finally:
            self._library.malmoi_store_free(pointer)
        try:
            parsed = json.loads(answer, object_hook=Record)
        except ValueError:
            parsed = None
        if not 200 <= status.value < 300:
            said = parsed.get("status") if isinstance(parsed, Record) else None
            raise StoreError(said.error if isinstance(said, Record) else answer, status.value)
        return parsed.get("result", parsed) if isinstance(parsed, Record) else answer

    def _call(self, method, collection, tail, body=None):
        return self.request(method, "/collections/" + quote(collection, safe="") + tail, body)

    # Collections.

    def create_collection(self, collection_name, vectors_config=None, sparse_vectors_config=None,
                          **more):
        return self._call("PUT", collection_name, "", _body(
            vectors=vectors_config, sparse_vectors=sparse_vectors_config, **more))

    def delete_collection(self, collection_name):
        return self._call("DELETE", collection_name, "")

    def collection_exists(self, collection_name):
        return self._call("GET", collection_name, "/exists").exists

    def get_collections(self):
        return self.request("GET", "/collections")

    def get_collection(self, collection_name):
        return self._call("GET", collection_name, "")

    def create_payload_index(self, collection_name, field_name, field_schema):
        return self._call("PUT", collection_name, "/index?wait=true", _body(
            field_name=field_name, field_schema=field_schema))

    def delete_payload_index(self, collection_name, field_name):
        return self._call("DELETE", collection_name,
                          "/index/" + quote(field_name, safe="") + "?wait=true")

    # Writes.

    def upsert(self, collection_name, points, **more):
        points = _plain(points)
        key = "batch" if isinstance(points, dict) else "points"
        return self._call("PUT", collection_name, "/points?wait=true", {key: points, **_body(**more)})

    def upload(self, collection_name, ids, vectors, payloads=None, using=""):
        """upsert of arrays: ids [n] whole numbers, vectors [n, dim] of numpy, payloads n objects
        (None: {}). The fastest way in; at most 100,000 at once."""
        import numpy

        ids = numpy.ascontiguousarray(ids, dtype=numpy.uint64)
        rows = numpy.ascontiguousarray(vectors, dtype=numpy.float32)
        if rows.ndim != 2 or ids.shape != rows.shape[:1]:
            raise StoreError(f"ids {ids.shape} and vectors {rows.shape} do not fit together")
        texts = None
        if payloads is not None:
            if len(payloads) != len(ids):
                raise StoreError(f"{len(payloads)} payloads for {len(ids)} points")
            texts = (ctypes.c_char_p * len(ids))(
                *[None if p is None else json.dumps(_plain(p)).encode() for p in payloads])
        if not self._handle:
            raise StoreError("the store is closed")
        if self._library.malmoi_store_upsert(
                self._handle, collection_name.encode(), using.encode(), ids.ctypes.data,
                rows.ctypes.data, rows.shape[0], rows.shape[1], texts):
            raise StoreError(self._library.malmoi_store_error().decode())

    def delete(self, collection_name, points_selector):
        return self._call("POST", collection_name, "/points/delete?wait=true",
                          _selector(points_selector))

    def set_payload(self, collection_name, payload, points, key=None):
        return self._call("POST", collection_name, "/points/payload?wait=true",
                          {**_body(payload=payload, key=key), **_selector(points)})

    def overwrite_payload(self, collection_name, payload, points):
        return self._call("PUT", collection_name, "/points/payload?wait=true",
                          {**_body(payload=payload), **_selector(points)})

    def delete_payload(self, collection_name, keys, points):
        return self._call("POST", collection_name, "/points/payload/delete?wait=true",
                          {**_body(keys=keys), **_selector(points)})

    def clear_payload(self, collection_name, points_selector):
        return self._call("POST", collection_name, "/points/payload/clear?wait=true",
                          _selector(points_selector))

    def update_vectors(self, collection_name, points):
        return self._call("PUT", collection_name, "/points/vectors?wait=true", _body(points=points))

    # Reads.

    def retrieve(self, collection_name, ids, with_payload=True, with_vectors=False):
        return self._call("POST", collection_name, "/points", _body(
            ids=ids, with_payload=with_payload, with_vector=with_vectors))

    def scroll(self, collection_name, scroll_filter=None, limit=10, order_by=None, offset=None,
               with_payload=True, with_vectors=False):
        """Points, and the id that the next page begins with (None: the last page)."""
        page = self._call("POST", collection_name, "/points/scroll", _body(
            filter=scroll_filter, limit=limit, order_by=order_by, offset=offset,
            with_payload=with_payload, with_vector=with_vectors))
        return page.points, page.next_page_offset

    def count(self, collection_name, count_filter=None, exact=True):
        return self._call("POST", collection_name, "/points/count",
                          _body(filter=count_filter, exact=exact))

    def facet(self, collection_name, key, facet_filter=None, limit=10, exact=True):
        return self._call("POST", collection_name, "/facet", _body(
            key=key, filter=facet_filter, limit=limit, exact=exact))

    def query_points(self, collection_name, query=None, using=None, prefetch=None,
                     query_filter=None, search_params=None, limit=10, offset=None,
                     with_payload=True, with_vectors=False, score_threshold=None,
                     lookup_from=None):
        return self._call("POST", collection_name, "/points/query", _body(
            query=query, using=using, prefetch=prefetch, filter=query_filter, params=search_params,
            limit=limit, offset=offset, with_payload=with_payload, with_vector=with_vectors,
            score_threshold=score_threshold, lookup_from=lookup_from))

    def query_batch_points(self, collection_name, requests):
        return self._call("POST", collection_name, "/points/query/batch", _body(searches=requests))

    def query_points_groups(self, collection_name, group_by, query=None, limit=10, group_size=3,
                            query_filter=None, with_payload=True, **more):
        return self._call("POST", collection_name, "/points/query/groups", _body(
            group_by=group_by, query=query, limit=limit, group_size=group_size,
            filter=query_filter, with_payload=with_payload, **more))
