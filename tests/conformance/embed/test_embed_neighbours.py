"""Goal: bad input harms nobody else: requests that cannot be served change no bit of those beside
them, and a model that cannot be read is refused with a reason before the port opens.
Method: the tables of test_embed_errors from several clients at once, beside clients whose vectors
are compared with those that an idle server gave; then folders of a tiny model, each with one
fault."""
import itertools
import json
import random
import struct
import subprocess
import threading

import pytest
import tiny_models
from test_embed_errors import PLAIN, TYPED

TEXTS = ["deep learning", "the sky is blue and 서울 날씨가 좋습니다 " * 6, "a", "word " * 180,
         "naïve café 12,345 🙂 привет мир", "x" * 900]


def run(workers):
    """All of them side by side; what they raise is raised here."""
    errors = []

    def guarded(work):
        try:
            work()
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in threads)


def test_bad_requests_beside_good_ones(minilm):
    quiet = [minilm.json("/embed", {"inputs": text})[0] for text in TEXTS]
    bad = [(path, body, status, None) for path, body, status, _ in PLAIN]
    bad += [(path, body, status, text) for path, body, status, text, _ in TYPED]
    done = threading.Event()
    compared = itertools.count()

    def wrong(seed):
        order = random.Random(seed).sample(bad, len(bad))
        for path, body, status, text in order:
            got, _, data = minilm.send(path, body)
            assert got == status, (path, data)
            assert text is None or json.loads(data)["error"] == text

    def right(seed):
        rng = random.Random(seed)
        while not done.is_set():
            chosen = rng.choices(range(len(TEXTS)), k=rng.randint(1, 4))
            rows = minilm.json("/embed", {"inputs": [TEXTS[i] for i in chosen]})
            assert rows == [quiet[i] for i in chosen]
            next(compared)

    def wrongs():
        try:
            run([lambda seed=seed: wrong(seed) for seed in range(3)])
        finally:
            done.set()

    run([wrongs, *(lambda seed=seed: right(seed) for seed in range(3))])
    assert next(compared) > 3


def test_one_bad_text_fails_its_own_request_only(minilm):
    """Of texts that wait for one batch, those of the request with a bad one alone are refused."""
    long = "a " * 300
    answers = {}

    def ask(name, body):
        answers[name] = minilm.send("/embed", body)[0]

    run([lambda i=i: ask(i, {"inputs": [TEXTS[i % 3], long] if i % 2 else TEXTS[i % 3],
                             "truncate": False}) for i in range(8)])
    assert answers == {i: 422 if i % 2 else 200 for i in range(8)}


def with_header(change):
    """Replaces the header of a safetensors file by what `change` makes of it."""
    def spoil(folder):
        path = folder / "model.safetensors"
        data = path.read_bytes()
        size, = struct.unpack("<Q", data[:8])
        header = json.loads(data[8:8 + size])
        text = change(header)
        text = (json.dumps(header) if text is None else text).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size:])
    return spoil


def with_bytes(name, change):
    def spoil(folder):
        (folder / name).write_bytes(change((folder / name).read_bytes()))
    return spoil


def with_json(name, change):
    def spoil(folder):
        tree = json.loads((folder / name).read_text())
        change(tree)
        (folder / name).write_text(json.dumps(tree))
    return spoil


WORD = "bert.embeddings.word_embeddings.weight"
FAULTS = {
    "NaN among the weights": (with_bytes(
        "model.safetensors", lambda b: b[:-8] + struct.pack("<f", float("nan")) + b[-4:]),
        "no finite numbers"),
    "weights cut off": (with_bytes("model.safetensors", lambda b: b[:len(b) // 2]), "safetensors"),
    "no weights": (with_bytes("model.safetensors", lambda b: b""), "safetensors"),
    "a header of 2^63 bytes": (with_bytes(
        "model.safetensors", lambda b: struct.pack("<Q", 1 << 63) + b[8:]), "safetensors"),
    "a header that is no JSON": (with_header(lambda h: "{" * 1000), "safetensors"),
    "a tensor past the end": (with_header(
        lambda h: h[WORD].update(data_offsets=[0, 1 << 40], shape=[1 << 33, 32])), "safetensors"),
    "offsets that turn back": (with_header(
        lambda h: h[WORD].update(data_offsets=[64, 0])), "safetensors"),
    "a shape that overflows": (with_header(
        lambda h: h[WORD].update(shape=[1 << 62, 1 << 62])), "safetensors"),
    "an unknown dtype": (with_header(lambda h: h[WORD].update(dtype="F7")), "F7"),
    "a tensor missing": (with_header(lambda h: h.update(other=h.pop(WORD))), "word_embeddings"),
    "tokenizer cut off": (with_bytes("tokenizer.json", lambda b: b[:len(b) // 2]), "tokenizer"),
    "no tokenizer": (with_bytes("tokenizer.json", lambda b: b""), "tokenizer"),
    "a tokenizer of brackets": (with_bytes("tokenizer.json", lambda b: b"[" * 100_000),
                                "tokenizer"),
    "an unknown kind of tokenizer": (with_json(
        "tokenizer.json", lambda t: t["model"].update(type="Magic")), "Magic"),
    "an id of 2^40": (with_json(
        "tokenizer.json", lambda t: t["model"]["vocab"].update(sky=1 << 40)), "tokenizer"),
    "a negative id": (with_json(
        "tokenizer.json", lambda t: t["model"]["vocab"].update(sky=-5)), "tokenizer"),
    "config cut off": (with_bytes("config.json", lambda b: b[:40]), "config"),
    "no layers' width": (with_json("config.json", lambda c: c.update(hidden_size=0)),
                         "hidden_size"),
    "a width of 10^12": (with_json("config.json", lambda c: c.update(hidden_size=10 ** 12)),
                         "hidden_size"),
    "negative layers": (with_json("config.json", lambda c: c.update(num_hidden_layers=-1)),
                        "num_hidden_layers"),
    "heads that do not divide": (with_json("config.json", lambda c: c.update(
        num_attention_heads=5)), "num_attention_heads"),
    "an unknown family": (with_json("config.json", lambda c: c.update(model_type="magic")),
                          "magic"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_models_that_cannot_be_read(serve, tmp_path, fault):
    spoil, word = FAULTS[fault]
    folder = tiny_models.write(tmp_path / "model", "splade")
    spoil(folder)
    server = serve("--model-id", folder, "--pooling", "splade")
    done = subprocess.run(server.command, env=server.environment, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode in (2, 3), (done.returncode, done.stderr)
    assert word in done.stderr, done.stderr
