"""The program on a free loopback port, under the calls of qdrant-client that
tools/store_operations.py makes: over REST with a body and one connection, so that a call costs a
tenth of what it costs through the client, which tests/conformance/store drives instead; over gRPC
through the client."""
import http.client
import json
import re
import shutil
import signal
import subprocess
import tempfile
from types import SimpleNamespace

from pydantic_core import to_json
from qdrant_client import QdrantClient, models


class Refused(Exception):
    """An answer that is no success."""


class Row:
    """A point of an answer."""
    __slots__ = ("id", "score", "payload", "vector")

    def __init__(self, found):
        self.id, self.score = found["id"], found.get("score")
        self.payload, self.vector = found.get("payload"), found.get("vector")


def selected(points):
    return {"filter" if isinstance(points, models.Filter) else "points": points}


class Server:
    """`malmoi serve store` on a folder of its own."""

    def __init__(self, binary):
        self.binary, self.folder = binary, tempfile.mkdtemp(prefix="malmoi-difference-")
        self._start()

    def _start(self):
        self.process = subprocess.Popen(
            [self.binary, "serve", "store", "--storage", self.folder, "--port", "0"],
            stderr=subprocess.PIPE, text=True)
        text = ""
        while not (found := re.search(r"gRPC is at \S+:(\d+)\n(?s:.*)http://[^:]+:(\d+)/", text)):
            line = self.process.stderr.readline()
            if not line:
                raise SystemExit(f"the store did not start: {text}")
            text += line
        self._connect(int(found.group(2)), int(found.group(1)))

    def _end(self):
        self._disconnect()
        self.process.send_signal(signal.SIGTERM)
        self.process.stderr.read()  # Ends when the program does; waiting with a limit would poll.
        if self.process.wait():
            raise SystemExit(f"the store ended with {self.process.returncode}")

    def restart(self):
        self._end()
        self._start()

    def close(self):
        self._end()
        shutil.rmtree(self.folder)


class Grpc(Server):
    """Its gRPC side, through qdrant-client."""

    def _connect(self, port, grpc_port):
        self.client = QdrantClient(host="127.0.0.1", port=port, grpc_port=grpc_port,
                                   prefer_grpc=True, check_compatibility=False)

    def _disconnect(self):
        self.client.close()

    def create_collection(self, name, vectors_config, sparse_vectors_config):
        self.client.delete_collection(name)
        self.client.create_collection(name, vectors_config=vectors_config,
                                      sparse_vectors_config=sparse_vectors_config)

    # A map has no presence on this wire: the client takes an empty payload for none.
    def scroll(self, name, **arguments):
        rows, then = self.client.scroll(name, **arguments)
        return self._with_payload(rows, arguments), then

    def query_points(self, name, **arguments):
        found = self.client.query_points(name, **arguments)
        self._with_payload(found.points, arguments)
        return found

    @staticmethod
    def _with_payload(rows, arguments):
        for row in rows:
            if arguments.get("with_payload") and row.payload is None:
                row.payload = {}
        return rows

    def __getattr__(self, call):
        return getattr(self.client, call)


class Wire(Server):
    """Its REST side, with a body and one connection."""

    def _connect(self, port, _):
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def _disconnect(self):
        self.connection.close()

    def _call(self, method, name, tail, **body):
        text = to_json({k: v for k, v in body.items() if v is not None}, by_alias=True,
                       exclude_none=True)  # Members of models; a payload keeps its nulls.
        for again in (True, False):
            try:
                self.connection.request(method, f"/collections/{name}{tail}", text,
                                        {"Content-Type": "application/json"})
                answer = self.connection.getresponse()
                break
            except ConnectionError:
                # The server closes what was idle for long, as after this process was stopped.
                self.connection.close()
                if not again:
                    raise SystemExit("the store no longer answers")
        parsed = json.loads(answer.read())
        if answer.status != 200:
            raise Refused(parsed["status"]["error"])
        return parsed["result"]

    def create_collection(self, name, vectors_config, sparse_vectors_config):
        self._call("DELETE", name, "")
        self._call("PUT", name, "", vectors=vectors_config, sparse_vectors=sparse_vectors_config)

    # Writes.
    def upsert(self, name, points, update_filter=None, update_mode=None, wait=True):
        self._call("PUT", name, "/points?wait=true", points=points, update_filter=update_filter,
                   update_mode=update_mode)

    def delete(self, name, points_selector, wait=True):
        self._call("POST", name, "/points/delete?wait=true", **selected(points_selector))

    def set_payload(self, name, payload, points, key=None, wait=True):
        self._call("POST", name, "/points/payload?wait=true", payload=payload, key=key,
                   **selected(points))

    def overwrite_payload(self, name, payload, points, wait=True):
        self._call("PUT", name, "/points/payload?wait=true", payload=payload, **selected(points))

    def delete_payload(self, name, keys, points, wait=True):
        self._call("POST", name, "/points/payload/delete?wait=true", keys=keys, **selected(points))

    def clear_payload(self, name, points_selector, wait=True):
        self._call("POST", name, "/points/payload/clear?wait=true", **selected(points_selector))

    def delete_vectors(self, name, vectors, points, wait=True):
        self._call("POST", name, "/points/vectors/delete?wait=true", vector=vectors,
                   **selected(points))

    def update_vectors(self, name, points, wait=True):
        self._call("PUT", name, "/points/vectors?wait=true", points=points)

    def create_payload_index(self, name, field_name, field_schema, wait=True):
        self._call("PUT", name, "/index?wait=true", field_name=field_name,
                   field_schema=field_schema)

    # Reads.
    def count(self, name, count_filter=None, exact=True):
        return SimpleNamespace(**self._call("POST", name, "/points/count", filter=count_filter,
                                            exact=exact))

    def scroll(self, name, scroll_filter=None, limit=10, order_by=None, with_payload=True,
               with_vectors=False):
        page = self._call("POST", name, "/points/scroll", filter=scroll_filter, limit=limit,
                          order_by=order_by, with_payload=with_payload, with_vector=with_vectors)
        return [Row(p) for p in page["points"]], page["next_page_offset"]

    def facet(self, name, key, facet_filter=None, limit=10, exact=True):
        found = self._call("POST", name, "/facet", key=key, filter=facet_filter, limit=limit,
                           exact=exact)
        return SimpleNamespace(hits=[SimpleNamespace(**h) for h in found["hits"]])

    def query_points(self, name, query=None, using=None, prefetch=None, limit=10, offset=None,
                     query_filter=None, with_payload=False, score_threshold=None):
        found = self._call("POST", name, "/points/query", query=query, using=using,
                           prefetch=prefetch, limit=limit, offset=offset, filter=query_filter,
                           with_payload=with_payload, score_threshold=score_threshold)
        return SimpleNamespace(points=[Row(p) for p in found["points"]])

    def query_points_groups(self, name, group_by, query=None, using=None, limit=10, group_size=3,
                            query_filter=None):
        found = self._call("POST", name, "/points/query/groups", query=query, using=using,
                           group_by=group_by, limit=limit, group_size=group_size,
                           filter=query_filter)
        return SimpleNamespace(groups=[
            SimpleNamespace(id=g["id"], hits=[Row(h) for h in g["hits"]]) for g in found["groups"]])
