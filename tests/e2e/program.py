"""The program with a data directory of its own, and its server."""
import json
import os
import pathlib
import re
import signal
import subprocess
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample"


class Malmoi:
    """The program with one data directory."""

    def __init__(self, binary, assets, data):
        self.binary, self.data = str(binary), pathlib.Path(data)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("MALMOI_")}
        self.environment.update(MALMOI_ASSETS=str(assets), MALMOI_DATA=str(data),
                                MALMOI_CONFIG=os.devnull)

    def run(self, *arguments, expect=0, prefix=(), stdin=None):
        done = subprocess.run([*prefix, self.binary, *map(str, arguments)], env=self.environment,
                              capture_output=True, text=True, timeout=600, input=stdin)
        assert done.returncode == expect, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *arguments, expect=0, prefix=()):
        return json.loads(self.run(*arguments, "--json", expect=expect, prefix=prefix).stdout)

    def serve(self, *arguments):
        return Server(self, arguments)


class Server:
    """`malmoi serve` on a free port of loopback, ended by its own process id."""

    def __init__(self, malmoi, arguments):
        self.malmoi, self.arguments = malmoi, arguments

    def __enter__(self):
        self.process = subprocess.Popen(
            [self.malmoi.binary, "serve", "--port", "0", *self.arguments],
            env=self.malmoi.environment, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        found = re.search(r"(http://\S+)/ ", line)
        assert found, (line, self.process.poll())
        self.url = found.group(1)
        self.drain = threading.Thread(target=self.process.stderr.read, daemon=True)
        self.drain.start()
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=30) == 0
