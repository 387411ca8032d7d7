"""A server of `malmoi serve embed` shared by the tests of a module, and a client for raw bytes."""
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import urllib.parse

import pytest


class EmbedServer:
    """The program on a free port of loopback, ended by its own process id."""

    def __init__(self, binary, assets, *flags, environment=None):
        self.command = [str(binary), "serve", "embed", "--hostname", "127.0.0.1", "--port", "0",
                        *map(str, flags)]
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("MALMOI_")}
        self.environment.update(MALMOI_ASSETS=str(assets), MALMOI_CONFIG=os.devnull,
                                **(environment or {}))

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=self.environment,
                                        stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if grpc := re.search(r"gRPC .* is at (\S+)", line):
                self.grpc_address = grpc.group(1)
            if found := re.search(r"is at (https?://\S+)/ ", line):
                break
        else:
            raise AssertionError((self.command, self.process.wait()))
        self.url = found.group(1)
        self.address = urllib.parse.urlsplit(self.url)
        threading.Thread(target=self.process.stderr.read, daemon=True).start()
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=60) == 0

    def send(self, path, body=None, method=None, headers=None):
        """Status, headers (names in lower case) and bytes of one exchange. `body`: bytes, or what
        becomes JSON."""
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port,
                                                timeout=120)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if body is not None else {}
        sent.update(headers or {})
        connection.request(method or ("GET" if body is None else "POST"), path, body,
                           {k: v for k, v in sent.items() if v is not None})
        reply = connection.getresponse()
        answer = reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read()
        connection.close()
        return answer

    def json(self, path, body=None, expect=200, **more):
        status, _, data = self.send(path, body, **more)
        assert status == expect, (path, status, data)
        return json.loads(data)


@pytest.fixture(scope="session")
def serve(malmoi_binary, malmoi_assets):
    return lambda *flags, **more: EmbedServer(malmoi_binary, malmoi_assets, *flags, **more)


@pytest.fixture(scope="session")
def minilm(serve):
    with serve("--model-id", "all-MiniLM-L6-v2") as server:
        yield server
