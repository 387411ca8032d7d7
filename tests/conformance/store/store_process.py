"""The store's program, and plain requests to it."""
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import urllib.error
import urllib.request


class Store:
    """`malmoi serve store` on a free loopback port, ended by its own process id."""

    def __init__(self, binary, storage, environment=None, arguments=()):
        self.binary, self.storage, self.arguments = str(binary), pathlib.Path(storage), arguments
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("QDRANT__")}
        self.environment.update(environment or {})

    def __enter__(self):
        self.process = subprocess.Popen(
            [self.binary, "serve", "store", "--storage", str(self.storage), "--port", "0",
             *self.arguments],
            env=self.environment, stderr=subprocess.PIPE, text=True)
        lines = []
        while not (found := re.search(r"(https?://\S+):(\d+)/ ", "".join(lines))):
            line = self.process.stderr.readline()
            assert line, (lines, self.process.wait(timeout=10))
            lines.append(line)
        self.port = int(found.group(2))
        grpc = re.search(r"gRPC is at \S+:(\d+)\n", "".join(lines))
        self.grpc_port = int(grpc.group(1)) if grpc else None
        self.url = f"{found.group(1)}:{self.port}"
        self.log = []  # Lines of its standard error from here on.
        self.drain = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.drain.start()
        return self

    def client(self, wire, kind, **options):
        """A client of class `kind` that goes over "rest" or "grpc"."""
        ports = {"prefer_grpc": True, "grpc_port": self.grpc_port} if wire == "grpc" else {}
        return kind(url=self.url, timeout=30, **ports, **options)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0


class Http:
    """Plain requests; answers are validated when the OpenAPI document is there."""

    def __init__(self, url, document):
        self.url, self.document = url, document
        self.headers = {}  # Of every request.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def raw(self, method, path, body=None, headers=None):
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method,
                                         headers={"Content-Type": "application/json",
                                                  **self.headers, **(headers or {})})
        try:
            with self.opener.open(request, timeout=60) as reply:
                return reply.status, reply.read(), dict(reply.headers)
        except urllib.error.HTTPError as error:
            return error.code, error.read(), dict(error.headers)

    def __call__(self, method, path, body=None, status=200):
        got, text, _ = self.raw(method, path, body)
        answer = json.loads(text) if text[:1] in b"{[" and text else text
        assert got == status, (method, path, got, answer)
        if self.document and isinstance(answer, dict):
            self.document.check(method, path.split("?")[0], got, answer)
        return answer

    def result(self, method, path, body=None):
        return self(method, path, body)["result"]

    def error(self, method, path, body=None):
        """Status and text of a refusal."""
        got, text, _ = self.raw(method, path, body)
        assert got >= 400, (got, text)
        return got, json.loads(text)["status"]["error"]
