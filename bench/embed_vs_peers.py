"""Speed of the encoder beside other engines: same model, token ids, threads, in one run.

    python3 bench/embed_vs_peers.py MODEL_DIRECTORY --driver build/release/embed_driver
        [--threads 1] [--engines malmoi-int8,ort-int8] [--seconds 20] [--work DIR]

Shapes: short (one text of 12 tokens), fixed (32 x 128) and varied (128 texts of 20 to 256 tokens,
log-normal). Each engine does mean pooling and L2 normalisation. All engines take turns, so that a
disturbance meets all; the figure is the best of the rounds, since others can only add time. Padded
engines get the varied texts sorted by length in batches of 32. What is not installed is left out.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

import numpy as np


def make_groups(vocabulary):
    """Token ids of real length mix; the words do not matter to the time."""
    rng = np.random.default_rng(7)

    def text(n):
        return [101, *rng.integers(1000, vocabulary - 10, n - 2).tolist(), 102]

    lengths = np.clip(np.exp(rng.normal(4.55, 0.5, 128)).astype(int), 20, 256)
    return {
        "short": [text(12)],
        "fixed": [text(128) for _ in range(32)],
        "varied": [text(int(n)) for n in lengths],
    }


def padded(texts):
    """Batches of ids and masks: sorted by length, 32 a batch."""
    order = sorted(texts, key=len)
    batches = []
    for i in range(0, len(order), 32):
        part = order[i : i + 32]
        ids = np.zeros((len(part), len(part[-1])), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, text in enumerate(part):
            ids[row, : len(text)] = text
            mask[row, : len(text)] = 1
        batches.append((ids, mask))
    return batches


def pool(states, mask):
    weights = mask[..., None].astype(np.float32)
    mean = (states * weights).sum(1) / weights.sum(1)
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


class Malmoi:
    """The driver process, which times itself."""

    def __init__(self, driver, model, dtype, threads, groups, work, cpu=None):
        ids = work / "ids.txt"
        with open(ids, "w", encoding="utf-8") as out:
            for name, texts in groups.items():
                for text in texts:
                    out.write(f"{name} {len(text)} {' '.join(map(str, text))}\n")
        environment = dict(os.environ, **({"MALMOI_CPU": cpu} if cpu else {}))
        self.process = subprocess.Popen(
            [driver, model, dtype, str(threads), str(ids)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.level = self.process.stdout.readline().strip()

    def run(self, group):
        self.process.stdin.write(f"time {group}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


class Padded:
    """An engine that takes padded batches; `forward` gives last hidden states."""

    def __init__(self, forward, groups):
        self.forward = forward
        self.batches = {name: padded(texts) for name, texts in groups.items()}

    def run(self, group):
        start = time.perf_counter()
        for ids, mask in self.batches[group]:
            pool(self.forward(ids, mask), mask)
        return time.perf_counter() - start


def load_torch(model):
    import torch
    from transformers import AutoModel

    return torch, AutoModel.from_pretrained(model, attn_implementation="sdpa").eval()


def export_onnx(model, work):
    path = work / "model.onnx"
    if path.exists():
        return path
    torch, net = load_torch(model)

    class States(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.net(input_ids=input_ids, attention_mask=attention_mask,
                            token_type_ids=token_type_ids).last_hidden_state

    ids = torch.ones((2, 16), dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]
    axes = {name: {0: "batch", 1: "length"} for name in [*names, "states"]}
    torch.onnx.export(States(), (ids, ids, ids * 0), str(path), input_names=names,
                      output_names=["states"], dynamic_axes=axes, opset_version=17, dynamo=False)
    return path


def make_ort(model, threads, work, int8):
    import onnxruntime as ort

    path = export_onnx(model, work)
    if int8:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantized = work / "model.int8.onnx"
        if not quantized.exists():
            quantize_dynamic(str(path), str(quantized), weight_type=QuantType.QInt8,
                             per_channel=True, reduce_range=False)
        path = quantized
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def forward(ids, mask):
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return session.run(None, feeds)[0]

    return forward


def make_openvino(model, threads, work, precision):
    import openvino as ov

    core = ov.Core()
    path = export_onnx(model, work)
    hint = {"f32": "f32", "bf16": "bf16", "int8": "f32"}[precision]
    if precision == "int8":
        path = work / "model.int8.onnx"  # ONNX Runtime's dynamic int8: what has no NNCF can run.
        make_ort(model, 1, work, True)
    compiled = core.compile_model(str(path), "CPU", {
        "INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1})
    request = compiled.create_infer_request()

    def forward(ids, mask):
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return request.infer(feeds)[compiled.output(0)]

    return forward


def make_torch(model, threads, dtype):
    torch, net = load_torch(model)
    torch.set_num_threads(threads)
    net = net.to(getattr(torch, dtype))

    def forward(ids, mask):
        with torch.inference_mode():
            out = net(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
            return out.last_hidden_state.float().numpy()

    return forward


class Ctranslate2:
    """Takes lists of ids and does not need padding done for it."""

    def __init__(self, model, threads, work, compute, groups):
        import ctranslate2

        path = work / "ct2"
        if not path.exists():
            ctranslate2.converters.TransformersConverter(model).convert(str(path))
        self.ct2 = ctranslate2
        self.encoder = ctranslate2.Encoder(str(path), device="cpu", compute_type=compute,
                                           intra_threads=threads, inter_threads=1)
        self.batches = {}
        for name, texts in groups.items():
            order = sorted(texts, key=len)
            self.batches[name] = [order[i : i + 32] for i in range(0, len(order), 32)]

    def run(self, group):
        start = time.perf_counter()
        for batch in self.batches[group]:
            out = self.encoder.forward_batch(batch)
            states = np.array(out.last_hidden_state)
            lengths = np.array([len(text) for text in batch])
            pool(states, np.arange(states.shape[1])[None] < lengths[:, None])
        return time.perf_counter() - start


def make_engines(arguments, groups, work):
    model, threads = str(arguments.model), arguments.threads
    makers = {}
    for dtype in ("float32", "bfloat16", "int8"):
        makers[f"malmoi-{dtype}"] = lambda d=dtype: Malmoi(
            arguments.driver, model, d, threads, groups, work, arguments.cpu)
    makers["ort-float32"] = lambda: Padded(make_ort(model, threads, work, False), groups)
    makers["ort-int8"] = lambda: Padded(make_ort(model, threads, work, True), groups)
    for name, hint in (("float32", "f32"), ("bfloat16", "bf16"), ("int8", "int8")):
        makers[f"openvino-{name}"] = lambda h=hint: Padded(
            make_openvino(model, threads, work, h), groups)
    for name in ("float32", "int8"):
        makers[f"ctranslate2-{name}"] = lambda c=name: Ctranslate2(
            model, threads, work, c, groups)
    for name in ("float32", "bfloat16"):
        makers[f"torch-{name}"] = lambda d=name: Padded(make_torch(model, threads, d), groups)
    wanted = arguments.engines.split(",") if arguments.engines else list(makers)
    engines = {}
    for name in wanted:
        try:
            engines[name] = makers[name]()
            for group in groups:
                engines[name].run(group)
        except Exception as error:  # An engine that cannot run is left out, by name.
            engines.pop(name, None)
            print(f"left out: {name}: {str(error).splitlines()[0][:150]}", file=sys.stderr)
    return engines


def measure(engines, groups, seconds):
    best = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for group in groups:
            for name, engine in engines.items():
                for _ in range(8 if group == "short" else 1):
                    taken = engine.run(group)
                    key = (name, group)
                    best[key] = min(best.get(key, taken), taken)
    return best


def report(best, engines, groups):
    tokens = {name: sum(map(len, texts)) for name, texts in groups.items()}
    print(f"{'engine':22}{'short ms':>10}{'fixed tok/s':>13}{'varied tok/s':>14}")
    for name in engines:
        print(f"{name:22}{1e3 * best[name, 'short']:10.3f}"
              f"{tokens['fixed'] / best[name, 'fixed']:13.0f}"
              f"{tokens['varied'] / best[name, 'varied']:14.0f}")
    print("\ntimes as fast as the best other engine of the same precision:")
    for name in [n for n in engines if n.startswith("malmoi-")]:
        precision = name.split("-")[1]
        others = [n for n in engines if n.endswith("-" + precision) and n != name]
        if not others:
            continue
        row = []
        for group in groups:
            other = min(others, key=lambda n, g=group: best[n, g])
            row.append(f"{group} {best[other, group] / best[name, group]:.2f} ({other})")
        print(f"{name:22}{'  '.join(row)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--engines", default="")
    parser.add_argument("--cpu", default="", help="MALMOI_CPU for our engine")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench"))
    arguments = parser.parse_args()
    work = arguments.work / arguments.model.name
    work.mkdir(parents=True, exist_ok=True)
    config = json.loads((arguments.model / "config.json").read_text(encoding="utf-8"))
    groups = make_groups(config["vocab_size"])
    engines = make_engines(arguments, groups, work)
    best = measure(engines, groups, arguments.seconds)
    levels = {e.level for e in engines.values() if isinstance(e, Malmoi)}
    print(f"{arguments.model.name}, {arguments.threads} threads, kernels {sorted(levels)}")
    report(best, engines, groups)


if __name__ == "__main__":
    main()
