"""Goal: a request that cannot be served gets the status, the type and the words that clients of
text-embeddings-inference know, and harms nobody else.
Method: tables of requests; the words are those of the imitated version (1.9.3) and of the JSON
library and web framework under it, worked out from their sources."""
import json
import socket
import threading

import pytest

SHAPE = "Failed to deserialize the JSON body into the target type: "
SYNTAX = "Failed to parse the request body as JSON: "

PLAIN = [
    # path, body, status, text
    ("/embed", b"", 400, SYNTAX + "EOF while parsing a value at line 1 column 0"),
    ("/embed", b"{", 400, SYNTAX + "EOF while parsing an object at line 1 column 1"),
    ("/embed", b"nope", 400, SYNTAX + "expected ident at line 1 column 2"),
    ("/embed", b'{"inputs": "a",}', 400, SYNTAX + "trailing comma at line 1 column 16"),
    ("/embed", b'{"inputs": "a"} x', 400, SYNTAX + "trailing characters at line 1 column 17"),
    ("/embed", b"{'inputs': 1}", 400, SYNTAX + "key must be a string at line 1 column 2"),
    ("/embed", b'{"inputs": ["a" "b"]}', 400,
     SYNTAX + "inputs: expected `,` or `]` at line 1 column 17"),
    ("/embed", b'{"inputs": [1, 02]}', 400, SYNTAX + "inputs[1]: invalid number at line 1 column 17"),
    ("/embed", b'{"inputs": "\\ud800"}', 400,
     SYNTAX + "inputs: unexpected end of hex escape at line 1 column 19"),
    ("/embed", b'{"inputs": "\\udc00"}', 400,
     SYNTAX + "inputs: lone leading surrogate in hex escape at line 1 column 18"),
    ("/embed", b'{"inputs": "\\q"}', 400, SYNTAX + "inputs: invalid escape at line 1 column 14"),
    ("/embed", b'{"inputs": "\xff"}', 400,
     SYNTAX + "inputs: invalid unicode code point at line 1 column 14"),
    ("/embed", b'{"inputs":\n"a\nb"}', 400,
     SYNTAX + "inputs: control character (\\u0000-\\u001F) found while parsing a string "
     "at line 3 column 0"),
    ("/embed", b"[" * 2000, 400, None),
    ("/embed", b"{}", 422, SHAPE + "missing field `inputs` at line 1 column 2"),
    ("/embed", b"5", 422, SHAPE + "invalid type: integer `5`, expected struct EmbedRequest "
     "at line 1 column 1"),
    ("/embed", b'{"inputs": {}}', 422,
     SHAPE + "inputs: data did not match any variant of untagged enum Input at line 1 column 14"),
    ("/embed", b'{"inputs": null, "truncate": true}', 422,
     SHAPE + "inputs: data did not match any variant of untagged enum Input at line 1 column 15"),
    ("/embed", b'{"inputs": ["a", 5]}', 422,
     SHAPE + "inputs: data did not match any variant of untagged enum Input at line 1 column 20"),
    ("/embed", b'{"inputs": [[-1]]}', 422, None),
    ("/embed", b'{"inputs": "a", "truncate": "yes"}', 422,
     SHAPE + 'truncate: invalid type: string "yes", expected a boolean at line 1 column 33'),
    ("/embed", b'{"inputs": "a", "normalize": null}', 422,
     SHAPE + "normalize: invalid type: null, expected a boolean at line 1 column 33"),
    ("/embed", b'{"inputs": "a", "dimensions": -1}', 422,
     SHAPE + "dimensions: invalid value: integer `-1`, expected usize at line 1 column 32"),
    ("/embed", b'{"inputs": "a", "dimensions": 1.5}', 422,
     SHAPE + "dimensions: invalid type: floating point `1.5`, expected usize at line 1 column 33"),
    ("/embed", b'{"inputs": "a", "prompt_name": []}', 422,
     SHAPE + "prompt_name: invalid type: sequence, expected a string at line 1 column 31"),
    ("/embed", b'{"inputs": "a", "truncation_direction": "up"}', 422, None),
    ("/embed", b'{"inputs": "a", "inputs": "b"}', 422,
     SHAPE + "duplicate field `inputs` at line 1 column 24"),
    ("/rerank", b'{"query": "a"}', 422, SHAPE + "missing field `texts` at line 1 column 14"),
    ("/rerank", b'{"query": "a", "texts": ["b", 3]}', 422,
     SHAPE + "texts[1]: invalid type: integer `3`, expected a string at line 1 column 31"),
    ("/similarity", b'{"inputs": {"source_sentence": "a"}}', 422,
     SHAPE + "inputs: missing field `sentences` at line 1 column 35"),
    ("/predict", b'{"inputs": 5}', 422, None),
    ("/decode", b'{"ids": "a"}', 422,
     SHAPE + "ids: data did not match any variant of untagged enum InputIds at line 1 column 12"),
    ("/v1/embeddings", b'{"input": "a", "encoding_format": "int8"}', 422,
     SHAPE + "encoding_format: unknown variant `int8`, expected `float` or `base64` "
     "at line 1 column 40"),
]


@pytest.mark.parametrize("path,body,status,text", PLAIN, ids=range(len(PLAIN)))
def test_bodies_that_cannot_be_read(minilm, path, body, status, text):
    got, headers, data = minilm.send(path, body)
    assert got == status, data
    assert headers["content-type"].startswith("text/plain")
    if text is not None:
        assert data.decode() == text


EMPTY = "Input validation error: `inputs` cannot be empty"
TYPED = [
    ("/embed", {"inputs": ""}, 400, EMPTY, "Empty"),
    ("/embed", {"inputs": []}, 400, EMPTY, "Empty"),
    ("/embed", {"inputs": [[]]}, 400, EMPTY, "Empty"),
    ("/embed", {"inputs": ["a", ""]}, 400, EMPTY, "Empty"),
    ("/embed_all", {"inputs": ""}, 400, EMPTY, "Empty"),
    ("/tokenize", {"inputs": []}, 400, "`inputs` cannot be empty", "Empty"),
    ("/tokenize", {"inputs": ""}, 400, EMPTY, "Empty"),
    ("/decode", {"ids": []}, 400, "Input validation error: `input_ids` cannot be empty", "Empty"),
    ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, 400,
     "`inputs.sentences` cannot be empty", "Empty"),
    ("/rerank", {"query": "a", "texts": []}, 400, "`texts` cannot be empty", "Empty"),
    ("/embed", {"inputs": ["a"] * 1025}, 422, "batch size 1025 > maximum allowed batch size 1024",
     "Validation"),
    ("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b"] * 1024}}, 422,
     "batch size 1025 > maximum allowed batch size 1024", "Validation"),
    ("/tokenize", {"inputs": ["a"] * 1100}, 422,
     "batch size 1100 > maximum allowed batch size 1024", "Validation"),
    ("/embed", {"inputs": "a", "dimensions": 0}, 422,
     "Input validation error: `dimensions` should be positive", "Validation"),
    ("/embed", {"inputs": "a", "dimensions": 385}, 422,
     "Input validation error: `dimensions` should be smaller than the maximum embedding "
     "dimension.", "Validation"),
    ("/embed", {"inputs": "a " * 300, "truncate": False}, 422,
     "Input validation error: `inputs` must have less than 256 tokens. Given: 302", "Validation"),
    ("/embed", {"inputs": "a" * 64001, "truncate": False}, 422,
     "Input validation error: `inputs` must have less than 64000 characters. Given: 64001",
     "Validation"),
    ("/embed", {"inputs": "a", "prompt_name": "query"}, 422,
     "Input validation error: `default-prompt-name` is set to `query` but no prompts were found "
     "in the Sentence Transformers configuration", "Validation"),
    ("/rerank", {"query": "a", "texts": ["b"]}, 424,
     "Backend error: model is not a re-ranker model", "Backend"),
    ("/predict", {"inputs": "a"}, 424, "Backend error: Model is not a classifier model", "Backend"),
    ("/embed_sparse", {"inputs": "a"}, 424,
     "Backend error: Model is not an embedding model with SPLADE pooling", "Backend"),
]


@pytest.mark.parametrize("path,body,status,text,kind", TYPED, ids=range(len(TYPED)))
def test_requests_that_cannot_be_served(minilm, path, body, status, text, kind):
    assert minilm.json(path, body, expect=status) == {"error": text, "error_type": kind}


def test_errors_in_other_shapes(minilm):
    assert minilm.json("/v1/embeddings", {"input": ""}, expect=400) == {
        "message": EMPTY, "code": 400, "type": "Empty"}
    assert minilm.json("/v1/rerank", {"query": "a", "documents": ["b"]}, expect=424)["code"] == 424
    assert minilm.json("/api/embed", {"input": ""}, expect=400) == {"error": EMPTY}


def test_content_type_and_size(minilm):
    for kind in (None, "text/plain"):
        status, _, text = minilm.send("/embed", b'{"inputs":"a"}', headers={"Content-Type": kind})
        assert status == 415
        assert text == b"Expected request with `Content-Type: application/json`"
    assert minilm.send("/embed", {"inputs": "a"},
                       headers={"Content-Type": "application/x+json; charset=utf-8"})[0] == 200
    status, _, text = minilm.send("/embed", {"inputs": "a" * 2_100_000})
    assert status == 413 and b"length limit exceeded" in text


def test_key(serve):
    with serve("--model-id", "all-MiniLM-L6-v2", "--api-key", "secret") as server:
        body = {"inputs": "a"}
        for wrong in (None, "Bearer other!", "secret", "Basic secret"):
            status, _, text = server.send("/embed", body, headers={"Authorization": wrong})
            assert (status, text) == (401, b"")
        server.json("/embed", body, headers={"Authorization": "Bearer secret"})
        for path in ("/health", "/metrics", "/", "/ping", "/docs"):
            assert server.send(path)[0] == 200
        assert server.send("/info")[0] == 401


def test_overload_is_429_and_ends(serve):
    """With room for two inputs, a client that sends many at once is refused some, never all."""
    with serve(environment={"MODEL_ID": "all-MiniLM-L6-v2", "MAX_CONCURRENT_REQUESTS": "2",
                            "CORS_ALLOW_ORIGIN": "http://page"}) as server:
        answers = []

        def client():
            for _ in range(10):
                answers.append(server.send("/embed", {"inputs": ["word " * 200] * 2}))

        threads = [threading.Thread(target=client) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = [a for a in answers if a[0] == 429]
        assert refused and {a[0] for a in answers} == {200, 429}
        for _, headers, body in refused:
            assert json.loads(body) == {"error": "Model is overloaded", "error_type": "Overloaded"}
            assert headers["retry-after"].isdigit()
        _, headers, _ = server.send("/embed", {"inputs": "a"}, headers={"Origin": "http://page"})
        assert headers["access-control-allow-origin"] == "http://page"
        _, headers, _ = server.send("/embed", {"inputs": "a"}, headers={"Origin": "http://other"})
        assert "access-control-allow-origin" not in headers


def test_clients_that_go_away_do_not_stop_others(minilm):
    body = json.dumps({"inputs": ["word " * 200] * 32}).encode()
    head = (f"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode()
    for cut in (len(head) // 2, len(head) + 10, len(head) + len(body)):
        for _ in range(4):
            with socket.create_connection((minilm.address.hostname, minilm.address.port)) as s:
                s.sendall((head + body)[:cut])
    assert len(minilm.json("/embed", {"inputs": "still here"})[0]) == 384


def test_flags_that_do_not_fit(malmoi_binary, malmoi_assets, serve):
    import subprocess
    for flags, words in (
            ([], "--model-id"), (["--model-id", "none-such"], "none-such"),
            (["--model-id", "all-MiniLM-L6-v2", "--max-batch-tokens", "128",
              "--auto-truncate", "false"], "--max-batch-tokens"),
            (["--model-id", "all-MiniLM-L6-v2", "--default-prompt-name", "x"],
             "(it has none)"),
            (["--model-id", "all-MiniLM-L6-v2", "--pooling", "best"], "best")):
        server = serve(*flags)
        done = subprocess.run(server.command, env=server.environment, capture_output=True,
                              text=True, timeout=60)
        assert done.returncode in (2, 3) and words in done.stderr, (flags, done.stderr)


def test_tls(serve, tmp_path):
    """The port speaks HTTPS with a certificate, and nothing else."""
    import http.client
    import ssl
    import subprocess
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                        "-out", cert], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("the openssl command is absent")
    with serve("--model-id", "all-MiniLM-L6-v2", "--tls-cert", cert, "--tls-key", key) as server:
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=str(cert))
        connection = http.client.HTTPSConnection("127.0.0.1", server.address.port, context=context,
                                                 timeout=60)
        for _ in range(2):  # Keep-alive.
            connection.request("POST", "/embed", json.dumps({"inputs": ["a" * 3000] * 32}),
                               {"Content-Type": "application/json"})
            reply = connection.getresponse()
            assert reply.status == 200 and len(json.loads(reply.read())) == 32
        connection.close()
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            server.send("/health")
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        connection.close()
    wrong = serve("--model-id", "all-MiniLM-L6-v2", "--tls-cert", key, "--tls-key", key)
    done = subprocess.run(wrong.command, env=wrong.environment, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 2 and "TLS certificate" in done.stderr
