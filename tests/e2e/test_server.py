"""Goal: one port serves the page, malmoi's API and OpenAI's, to their own clients, safely.
Method: the program on a free loopback port; urllib and the official openai package."""
import json
import threading
import urllib.error
import urllib.request

import pytest

from program import SAMPLE

QUESTION = "책은 한 번에 몇 권까지 빌릴 수 있나요?"


def fetch(url, body=None, headers=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers or {})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=120) as reply:
        return reply.status, dict(reply.headers), reply.read()


def status_of(url, body=None, headers=None):
    try:
        return fetch(url, body, headers)[0]
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture(scope="module")
def server(malmoi):
    with malmoi.serve() as running:
        yield running


def test_health_metrics_and_page(server):
    assert json.loads(fetch(server.url + "/healthz")[2]) == {"status": "ok"}
    assert b"malmoi_http_requests_total" in fetch(server.url + "/metrics")[2]
    _, headers, page = fetch(server.url + "/")
    assert b"app.js" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert status_of(server.url + "/none") == 404
    assert status_of(server.url + "/api/search") == 400


def test_search_and_ask_over_http(server):
    found = json.loads(fetch(server.url + "/api/search", {"query": QUESTION, "top": 3})[2])
    assert len(found["hits"]) == 3
    answer = json.loads(fetch(server.url + "/api/ask", {"question": QUESTION})[2])
    assert answer["citations"] and not answer["abstained"]
    lines = fetch(server.url + "/api/ask", {"question": QUESTION, "stream": True})[2].splitlines()
    assert "report" in json.loads(lines[-1]) and "text" in json.loads(lines[0])
    for bad in ({}, {"query": 3}, {"query": "x", "top": 0}, {"query": "x", "mode": "y"}):
        assert status_of(server.url + "/api/search", bad) == 400
    assert status_of(server.url + "/api/search", {"query": "x", "collection": "none"}) == 404


def test_commands_use_the_running_server(server, malmoi):
    assert malmoi.json("search", QUESTION)["hits"]
    assert malmoi.json("ask", QUESTION)["citations"]
    assert malmoi.json("index", SAMPLE)["unchanged"] > 20
    assert malmoi.json("status")["documents"] > 20
    assert "[1]" in malmoi.run("ask", QUESTION).stdout


def test_searches_run_side_by_side(server):
    results = []

    def search(n):
        body = {"query": QUESTION if n % 2 else "library opening hours", "top": 4}
        results.append((n % 2, fetch(server.url + "/api/search", body)[2]))

    threads = [threading.Thread(target=search, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind in (0, 1):
        hits = {json.dumps(json.loads(r)["hits"]) for k, r in results if k == kind}
        assert len(hits) == 1, "the same query gave different results"


def test_other_sites_and_names_are_refused_without_a_key(server):
    body = {"query": "x"}
    assert status_of(server.url + "/api/search", body, {"Origin": "http://evil.example"}) == 401
    assert status_of(server.url + "/api/search", body, {"Host": "evil.example"}) == 401


def test_openai_client_unchanged(server):
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=server.url + "/v1", api_key="none")
    assert "malmoi/default" in [model.id for model in client.models.list()]
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(model="malmoi/default", messages=messages)
    text = whole.choices[0].message.content
    assert "[1]" in text and whole.choices[0].finish_reason == "stop"
    assert whole.usage.total_tokens > 0
    note = whole.choices[0].message.annotations[0].url_citation
    assert text[note.start_index:note.end_index].startswith("[")
    chunks = list(client.chat.completions.create(
        model="malmoi/default", messages=messages, stream=True,
        stream_options={"include_usage": True}))
    streamed = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert streamed == text
    assert chunks[-1].usage.completion_tokens > 0
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="malmoi/none", messages=messages)
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(model="malmoi", messages=[])


def test_beyond_loopback_only_with_a_key(fresh):
    done = fresh.run("serve", "--host", "0.0.0.0", "--port", "0", expect=2)
    assert "--api-key" in done.stderr


def test_api_key_is_asked_for(fresh):
    with fresh.serve("--api-key", "s3cret", "--model", "none") as server:
        assert status_of(server.url + "/healthz") == 200
        assert status_of(server.url + "/api/collections") == 401
        assert status_of(server.url + "/v1/models", headers={"Authorization": "Bearer s3"}) == 401
        assert status_of(server.url + "/v1/models", headers={"Authorization": "Bearer s3cret"}) == 200
