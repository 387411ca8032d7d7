"""Goal: the gRPC interface (package tei.v1) gives what the HTTP routes give, with its streams,
status codes, health and reflection.
Method: grpcio with messages made from the repository's own tei.proto by protoc."""
import pathlib
import shutil
import signal
import subprocess
import threading

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

import tiny_models

PROTO = pathlib.Path(__file__).resolve().parents[3] / "src" / "rpc" / "tei" / "tei.proto"


class Client:
    def __init__(self, address, messages, metadata=(), root=None):
        self.channel = (grpc.insecure_channel(address) if root is None else
                        grpc.secure_channel(address, grpc.ssl_channel_credentials(root)))
        self.messages, self.metadata = messages, metadata

    def make(self, kind, fields):
        return self.messages[f"tei.v1.{kind}"](**fields)

    def _call(self, form, method, answer):
        return getattr(self.channel, form)(
            f"/tei.v1.{method}", request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=self.messages[f"tei.v1.{answer}"].FromString)

    def one(self, method, request, answer, **fields):
        return self._call("unary_unary", method, answer)(self.make(request, fields), timeout=60,
                                                         metadata=self.metadata)

    def many(self, method, request, answer, all_fields):
        requests = iter([self.make(request, fields) for fields in all_fields])
        return list(self._call("stream_stream", method, answer)(requests, timeout=60,
                                                                metadata=self.metadata))

    def last(self, method, request, answer, all_fields):
        requests = iter([self.make(request, fields) for fields in all_fields])
        return self._call("stream_unary", method, answer)(requests, timeout=60)


@pytest.fixture(scope="module")
def messages(tmp_path_factory):
    if shutil.which("protoc") is None:
        pytest.skip("the protoc command is absent")
    path = tmp_path_factory.mktemp("proto") / "tei.bin"
    subprocess.run(["protoc", f"--descriptor_set_out={path}", "-I", PROTO.parent, PROTO],
                   check=True)
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes())
    return message_factory.GetMessages(files.file, descriptor_pool.DescriptorPool())


@pytest.fixture(scope="module")
def both(serve, messages, tmp_path_factory):
    """The HTTP server and a gRPC client of it: an embedder and a reranker."""
    folder = tiny_models.write(tmp_path_factory.mktemp("grpc") / "reranker", "classifier", ["REL"])
    with serve("--model-id", "all-MiniLM-L6-v2", "--model-id", folder, "--grpc-port", "0") as server:
        yield server, Client(server.grpc_address, messages)


def code_of(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()


def test_embed(both):
    server, client = both
    expected = server.json("/embed", {"inputs": "a text"})[0]
    answer = client.one("Embed/Embed", "EmbedRequest", "EmbedResponse", inputs="a text")
    assert list(answer.embeddings) == pytest.approx(expected, abs=1e-7)
    assert answer.metadata.compute_chars == 6 and answer.metadata.compute_tokens == 4
    assert answer.metadata.total_time_ns > 0
    short = client.one("Embed/Embed", "EmbedRequest", "EmbedResponse", inputs="a text",
                       dimensions=8, normalize=False)
    assert len(short.embeddings) == 8
    rows = client.many("Embed/EmbedStream", "EmbedRequest", "EmbedResponse",
                       [{"inputs": text} for text in ("one", "a text", "three")])
    assert len(rows) == 3 and rows[1].embeddings == answer.embeddings
    tokens = client.one("Embed/EmbedAll", "EmbedAllRequest", "EmbedAllResponse", inputs="a text")
    assert len(tokens.token_embeddings) == 4 and len(tokens.token_embeddings[0].embeddings) == 384


def test_rerank_and_predict(both):
    server, client = both
    texts = ["cheese is made of milk", "neural networks", "the sky is blue"]
    expected = server.json("/rerank", {"query": "what is learning", "texts": texts})
    answer = client.one("Rerank/Rerank", "RerankRequest", "RerankResponse",
                        query="what is learning", texts=texts, return_text=True)
    assert [(r.index, r.score) for r in answer.ranks] == [
        (r["index"], pytest.approx(r["score"], abs=1e-6)) for r in expected]
    assert answer.ranks[0].text == texts[answer.ranks[0].index]
    streamed = client.last("Rerank/RerankStream", "RerankStreamRequest", "RerankResponse",
                           [{"query": "what is learning", "text": text} for text in texts])
    assert [r.index for r in streamed.ranks] == [r.index for r in answer.ranks]
    pair = client.one("Predict/PredictPair", "PredictPairRequest", "PredictResponse",
                      inputs=["what is learning", texts[0]])
    assert pair.predictions[0].label == "REL"


def test_tokenize_and_decode(both):
    server, client = both
    tokens = client.one("Tokenize/Tokenize", "EncodeRequest", "EncodeResponse", inputs="a text",
                        add_special_tokens=True).tokens
    assert [t.id for t in tokens] == [
        t["id"] for t in server.json("/tokenize", {"inputs": "a text"})[0]]
    assert tokens[0].special and not tokens[0].HasField("start") and tokens[1].stop == 1
    assert client.one("Tokenize/Decode", "DecodeRequest", "DecodeResponse",
                      ids=[t.id for t in tokens], skip_special_tokens=True).text == "a text"


def test_errors_info_health_and_reflection(both):
    _, client = both
    embed = ("Embed/Embed", "EmbedRequest", "EmbedResponse")
    assert code_of(lambda: client.one(*embed, inputs="")) == (
        grpc.StatusCode.INVALID_ARGUMENT, "Input validation error: `inputs` cannot be empty")
    assert code_of(lambda: client.one(*embed, inputs="a " * 300))[0] == (
        grpc.StatusCode.INVALID_ARGUMENT)
    sparse = ("Embed/EmbedSparse", "EmbedSparseRequest", "EmbedSparseResponse")
    assert code_of(lambda: client.one(*sparse, inputs="a"))[0] == (
        grpc.StatusCode.FAILED_PRECONDITION)
    info = client.one("Info/Info", "InfoRequest", "InfoResponse")
    assert info.model_id == "all-MiniLM-L6-v2" and info.max_input_length == 256
    raw = client.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert raw(b"", timeout=20) == b"\x08\x01"  # SERVING
    for version in ("v1", "v1alpha"):
        reflect = client.channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/"
                                               "ServerReflectionInfo")
        listed = next(iter(reflect(iter([b"\x3a\x01*"]), timeout=20)))
        assert b"tei.v1.Embed" in listed


def test_key(serve, messages):
    with serve("--model-id", "all-MiniLM-L6-v2", "--api-key", "k", "--grpc-port", "0") as server:
        embed = ("Embed/Embed", "EmbedRequest", "EmbedResponse")
        assert code_of(lambda: Client(server.grpc_address, messages).one(*embed, inputs="a"))[0] == (
            grpc.StatusCode.UNAUTHENTICATED)
        client = Client(server.grpc_address, messages, [("authorization", "Bearer k")])
        assert len(client.one(*embed, inputs="a").embeddings) == 384


def test_streams_are_in_order_and_end_at_the_first_error(both):
    _, client = both
    embed = ("Embed/EmbedStream", "EmbedRequest", "EmbedResponse")
    texts = [f"{'word ' * (i * 37 % 50)}{i}" for i in range(90)]  # Longer than what is read ahead.
    rows = client.many(*embed, [{"inputs": text} for text in texts])
    assert [r.metadata.compute_chars for r in rows] == [len(text) for text in texts]
    alone = client.one("Embed/Embed", *embed[1:], inputs=texts[77])
    assert rows[77].embeddings == alone.embeddings
    fields = [{"inputs": text} for text in ["a"] * 20 + [""] + ["a"] * 60]
    requests = iter([client.make("EmbedRequest", f) for f in fields])
    got = []
    with pytest.raises(grpc.RpcError) as caught:
        for answer in client._call("stream_stream", "Embed/EmbedStream", "EmbedResponse")(
                requests, timeout=60):
            got.append(answer)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT and len(got) == 20


def test_an_idle_stream_does_not_hold_up_the_end(serve, messages):
    with serve("--model-id", "all-MiniLM-L6-v2", "--grpc-port", "0") as server:
        client = Client(server.grpc_address, messages)
        more = threading.Event()

        def requests():
            yield client.make("EmbedRequest", {"inputs": "a"})
            more.wait(60)

        answers = client._call("stream_stream", "Embed/EmbedStream", "EmbedResponse")(requests())
        assert len(next(answers).embeddings) == 384
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0  # Not the 30 seconds of the drain.
        more.set()


def test_tls(serve, messages, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command is absent")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                    "-out", cert], check=True, capture_output=True)
    with serve("--model-id", "all-MiniLM-L6-v2", "--grpc-port", "0", "--tls-cert", cert,
               "--tls-key", key) as server:
        embed = ("Embed/Embed", "EmbedRequest", "EmbedResponse")
        client = Client(server.grpc_address, messages, root=cert.read_bytes())
        assert len(client.one(*embed, inputs="a").embeddings) == 384
        assert code_of(lambda: Client(server.grpc_address, messages).one(*embed, inputs="a"))[0] == (
            grpc.StatusCode.UNAVAILABLE)
