"""Goal: under more load than is admitted the server refuses, counts and goes on: nothing is lost,
nobody waits for a client that has gone away, and the metrics say what the clients saw.
Method: 32 clients at once on a tiny model with room for eight inputs, some of which close the
connection without reading; then the counters, and a last request."""
import http.client
import json
import re
import threading
import time

import pytest
import tiny_models

CLIENTS, ROUNDS = 32, 12


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory):
    folder = tiny_models.write(tmp_path_factory.mktemp("models") / "splade", "splade")
    with serve("--model-id", folder, "--pooling", "splade",
               "--max-concurrent-requests", "8") as running:
        yield running


def metrics(server):
    text = server.send("/metrics")[2].decode()
    return {name: float(value)
            for name, value in re.findall(r"^(te_\w+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)}


def total(values, prefix):
    return sum(value for name, value in values.items() if name.startswith(prefix))


def leave(server, body):
    """Sends a request and closes the connection before the answer."""
    connection = http.client.HTTPConnection(server.address.hostname, server.address.port)
    connection.request("POST", "/embed_sparse", body, {"Content-Type": "application/json"})
    connection.close()


def test_more_than_is_admitted(server):
    before = metrics(server)
    body = json.dumps({"inputs": ["what is deep learning ? " * 10] * 4}).encode()
    statuses, start = [], threading.Barrier(CLIENTS)

    def client(number):
        start.wait()
        for _ in range(ROUNDS):
            if number % 8 == 7:
                leave(server, body)
            else:
                status, headers, _ = server.send("/embed_sparse", body)
                statuses.append((status, "retry-after" in headers))

    threads = [threading.Thread(target=client, args=(i,)) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(statuses) == CLIENTS // 8 * 7 * ROUNDS
    assert set(statuses) <= {(200, False), (429, True)} and (200, False) in statuses

    # What has been given up is dropped, or finished, soon: no place stays taken.
    end = time.monotonic() + 30
    while metrics(server)["te_queue_size"] and time.monotonic() < end:
        threading.Event().wait(0.05)
    after = metrics(server)
    assert after["te_queue_size"] == 0
    assert server.send("/embed_sparse", {"inputs": ["sky"] * 8})[0] == 200

    def rise(name):
        return total(after, name) - total(before, name)

    good, refused = statuses.count((200, False)), statuses.count((429, True))
    gone = CLIENTS // 8 * ROUNDS
    assert good <= rise("te_request_success") <= good + gone
    assert refused <= rise('te_request_failure{err="overloaded"}') <= refused + gone
    assert rise("te_request_count") >= good  # What was refused unread is not among them.
