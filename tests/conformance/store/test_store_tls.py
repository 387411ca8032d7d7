"""Goal: with `service.enable_tls` both wires speak TLS and nothing else.
Method: a certificate made here; the official client over REST and gRPC that trusts it, a client
that does not, and one without TLS. Clients with and without a certificate of their own where one is
asked for; the certificate shown after its files were replaced."""
import shutil
import ssl
import subprocess
import time
import urllib.request

import pytest

from store_process import Store

grpc = pytest.importorskip("grpc")
qdrant = pytest.importorskip("qdrant_client")


def make_certificate(folder):
    done = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"),
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def secure(malmoi_binary, certificate, tmp_path_factory):
    environment = {"QDRANT__SERVICE__ENABLE_TLS": "true",
                   "QDRANT__TLS__CERT": str(certificate / "cert.pem"),
                   "QDRANT__TLS__KEY": str(certificate / "key.pem"),
                   "QDRANT__SERVICE__API_KEY": "secret"}
    with Store(malmoi_binary, tmp_path_factory.mktemp("store"), environment) as running:
        yield running


def channel(store, certificate, credentials=True):
    target = f"127.0.0.1:{store.grpc_port}"
    if not credentials:
        return grpc.insecure_channel(target)
    root = (certificate / "cert.pem").read_bytes() if certificate else None
    return grpc.secure_channel(target, grpc.ssl_channel_credentials(root))


def upsert_and_search(stub_channel):
    messages = qdrant.grpc
    metadata = (("api-key", "secret"),)
    collections = messages.CollectionsStub(stub_channel)
    points = messages.PointsStub(stub_channel)
    collections.Create(messages.CreateCollection(
        collection_name="c", vectors_config=messages.VectorsConfig(
            params=messages.VectorParams(size=2, distance=messages.Distance.Dot))),
        metadata=metadata, timeout=20)
    points.Upsert(messages.UpsertPoints(collection_name="c", wait=True, points=[
        messages.PointStruct(id=messages.PointId(num=7), vectors=messages.Vectors(
            vector=messages.Vector(data=[1, 2])))]), metadata=metadata, timeout=20)
    found = points.Query(messages.QueryPoints(collection_name="c", query=messages.Query(
        nearest=messages.VectorInput(dense=messages.DenseVector(data=[1, 1])))),
        metadata=metadata, timeout=20)
    return [(hit.id.num, hit.score, hit.version) for hit in found.result]


def test_grpc_over_tls(secure, certificate):
    with channel(secure, certificate) as trusted:
        hits = upsert_and_search(trusted)
    assert len(hits) == 1 and hits[0][:2] == (7, 3.0) and hits[0][2] > 0


def test_grpc_without_the_certificate_or_tls_is_refused(secure, certificate):
    for credentials, root in ((True, None), (False, None)):
        with channel(secure, root, credentials) as stranger:
            with pytest.raises(grpc.RpcError) as refused:
                qdrant.grpc.QdrantStub(stranger).HealthCheck(
                    qdrant.grpc.HealthCheckRequest(), timeout=5)
            assert refused.value.code() in (grpc.StatusCode.UNAVAILABLE,
                                            grpc.StatusCode.DEADLINE_EXCEEDED)


def test_rest_over_tls(secure, certificate):
    context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                         urllib.request.HTTPSHandler(context=context))
    url = f"https://127.0.0.1:{secure.port}/collections"
    with opener.open(urllib.request.Request(url, headers={"api-key": "secret"}), timeout=20) as got:
        assert got.status == 200
    with pytest.raises(OSError):
        opener.open(f"http://127.0.0.1:{secure.port}/collections", timeout=5)


def status(port, context):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                         urllib.request.HTTPSHandler(context=context))
    with opener.open(f"https://127.0.0.1:{port}/collections", timeout=20) as got:
        return got.status


def test_clients_show_a_certificate_where_one_is_asked_for(malmoi_binary, certificate, tmp_path):
    other = make_certificate(tmp_path)
    environment = {"QDRANT__SERVICE__ENABLE_TLS": "true",
                   "QDRANT__SERVICE__VERIFY_HTTPS_CLIENT_CERTIFICATE": "true",
                   "QDRANT__TLS__CERT": str(certificate / "cert.pem"),
                   "QDRANT__TLS__KEY": str(certificate / "key.pem"),
                   "QDRANT__TLS__CA_CERT": str(certificate / "cert.pem")}
    with Store(malmoi_binary, tmp_path / "store", environment) as store:
        for shown, served in ((certificate, True), (other, False), (None, False)):
            context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
            if shown is not None:
                context.load_cert_chain(shown / "cert.pem", shown / "key.pem")
            if served:
                assert status(store.port, context) == 200
            else:
                with pytest.raises(OSError):
                    status(store.port, context)
    del environment["QDRANT__TLS__CA_CERT"]
    with pytest.raises(AssertionError, match="tls.ca_cert"):
        Store(malmoi_binary, tmp_path / "none", environment).__enter__()


def test_replaced_certificates_are_shown_without_a_restart(malmoi_binary, certificate, tmp_path):
    folder = make_certificate(tmp_path)
    environment = {"QDRANT__SERVICE__ENABLE_TLS": "true", "QDRANT__TLS__CERT_TTL": "1",
                   "QDRANT__TLS__CERT": str(folder / "cert.pem"),
                   "QDRANT__TLS__KEY": str(folder / "key.pem")}
    with Store(malmoi_binary, tmp_path / "store", environment) as store:
        before = ssl.get_server_certificate(("127.0.0.1", store.port))
        assert before == ssl.get_server_certificate(("127.0.0.1", store.grpc_port))
        for wrong in ("none", (certificate / "cert.pem").read_text()):  # The second: another key's.
            (folder / "cert.pem").write_text(wrong)  # Unusable files change nothing.
            begin, deadline, refused = len(store.log), time.monotonic() + 30, set()
            while len(refused) < 2:  # Each wire has looked at them: REST when somebody connects.
                assert time.monotonic() < deadline, store.log
                for port in (store.port, store.grpc_port):
                    assert before == ssl.get_server_certificate(("127.0.0.1", port))
                refused = {"grpc" in line for line in store.log[begin:] if "tls_reload_failed" in line}
        for name in ("key.pem", "cert.pem"):
            shutil.copy(certificate / name, folder / name)
        wanted = ssl.PEM_cert_to_DER_cert((certificate / "cert.pem").read_text())
        deadline = time.monotonic() + 30
        for port in (store.port, store.grpc_port):
            while ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port))) != wanted:
                assert time.monotonic() < deadline


def test_clients_show_a_certificate_over_grpc(malmoi_binary, certificate, tmp_path):
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    environment = {"QDRANT__SERVICE__ENABLE_TLS": "true", "QDRANT__TLS__CERT_TTL": "1",
                   "QDRANT__SERVICE__VERIFY_GRPC_CLIENT_CERTIFICATE": "true",
                   "QDRANT__TLS__CERT": str(certificate / "cert.pem"),
                   "QDRANT__TLS__KEY": str(certificate / "key.pem"),
                   "QDRANT__TLS__CA_CERT": str(certificate / "cert.pem")}
    root = (certificate / "cert.pem").read_bytes()
    for ttl in ("1", "0"):
        environment["QDRANT__TLS__CERT_TTL"] = ttl
        with Store(malmoi_binary, tmp_path / f"store{ttl}", environment) as store:
            for shown, served in ((certificate, True), (other, False), (None, False)):
                pair = [(shown / name).read_bytes() for name in ("key.pem", "cert.pem")] if shown else []
                with grpc.secure_channel(f"127.0.0.1:{store.grpc_port}",
                                         grpc.ssl_channel_credentials(root, *pair)) as stub_channel:
                    stub = qdrant.grpc.QdrantStub(stub_channel)
                    if served:
                        assert stub.HealthCheck(qdrant.grpc.HealthCheckRequest(), timeout=20).version
                    else:
                        with pytest.raises(grpc.RpcError):
                            stub.HealthCheck(qdrant.grpc.HealthCheckRequest(), timeout=5)
            # The program's own client shows one too.
            copy = [str(malmoi_binary), "store", "copy", f"grpcs://localhost:{store.grpc_port}",
                    str(tmp_path / f"copy{ttl}"), "--from-ca", str(certificate / "cert.pem")]
            assert subprocess.run(copy, capture_output=True, timeout=60).returncode == 3
            shown = ["--from-cert", str(certificate / "cert.pem"),
                     "--from-cert-key", str(certificate / "key.pem")]
            assert subprocess.run(copy + shown, capture_output=True, timeout=60).returncode == 1
            half = subprocess.run(copy + shown[:2], capture_output=True, text=True, timeout=60)
            assert half.returncode == 2 and "its key" in half.stderr
    del environment["QDRANT__TLS__CA_CERT"]
    with pytest.raises(AssertionError, match="tls.ca_cert"):
        Store(malmoi_binary, tmp_path / "none", environment).__enter__()
