"""Speed of the encoder beside other engines: same model, token ids and threads, in one run.

    python3 bench/embed_vs_peers.py MODEL_DIRECTORY --driver build/release/embed_driver
        [--threads 1] [--engines malmoi-int8,ort-int8] [--groups fixed,long] [--cpu avx2]
        [--seconds 60] [--json FILE] [--work DIR]

Shapes: short (one text of 12 tokens), fixed (32 x 128) and varied (128 texts of 20 to 256 tokens,
log-normal); long (8 x 512) where --groups names it. Each engine does mean pooling and L2
normalisation, in a process of its own, and they take turns, so that a disturbance meets all; the
figure is the best of the rounds (of medians of 20 runs for the short text), since others can only
add time. Padded engines get the varied texts sorted by length in batches of 32. What is not
installed is left out by name.

--cpu limits our kernels; avx2 also those of the peers that have a variable for it (oneDNN, thus
OpenVINO and torch's bfloat16; CTranslate2; ATen). ONNX Runtime has none and uses all there is.

The ratio of a shape is our best dtype to the best engine of any dtype, and each of ours to the
best of the same dtype. `share` is of what the processor's registers alone reach in the dtype
(embed_driver measures it), counting the products with weights.
"""

import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

import embed_engines

DTYPES = ("float32", "bfloat16", "int8")


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
        "long": [text(512) for _ in range(8)],
    }


# What peers call a limit to AVX2.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2", "CT2_FORCE_CPU_ISA": "AVX2",
        "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


class Child:
    """A process that answers "time GROUP" with the seconds of a run."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=dict(os.environ, **(environment or {})))
        self.greeting = self.process.stdout.readline().strip()

    def ask(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def start_engines(arguments, groups, work):
    ids = work / "ids.txt"
    with open(ids, "w", encoding="utf-8") as out:
        for name, texts in groups.items():
            for text in texts:
                out.write(f"{name} {len(text)} {' '.join(map(str, text))}\n")
    ours = [f"malmoi-{dtype}" for dtype in DTYPES]
    wanted = arguments.engines.split(",") if arguments.engines else ours + embed_engines.ENGINES
    engines, left_out = {}, {}
    for name in wanted:
        tail = [str(arguments.model), str(arguments.threads), str(ids)]
        if name.startswith("malmoi-"):
            tail.insert(1, name.split("-")[1])
            child = Child([arguments.driver, *tail],
                          {"MALMOI_CPU": arguments.cpu} if arguments.cpu else None)
            good = child.greeting != ""
        else:
            child = Child([sys.executable, embed_engines.__file__, name, *tail, str(work)],
                          AVX2 if arguments.cpu == "avx2" else None)
            good = child.greeting == "ready"
        if good:
            engines[name] = child
        else:
            left_out[name] = child.greeting or "it ended"
            print(f"left out: {name}: {left_out[name]}", file=sys.stderr)
    return engines, left_out


def measure(engines, groups, seconds):
    """Least seconds by engine and group. A round is every group of every engine."""
    best = {}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for group in groups:
            for name, engine in engines.items():
                runs = [engine.ask("time", group) for _ in range(20 if group == "short" else 1)]
                taken = statistics.median(runs)
                best[name, group] = min(best.get((name, group), taken), taken)
    return best


def cosines(engines, groups, work):
    """Least cosine of each engine's vectors with those of our float32, over the last group's
    texts: the varied ones, where they are measured."""
    out, group = {}, list(groups)[-1]
    for name in sorted(engines, key=lambda n: n != "malmoi-float32"):
        path = work / f"{name}.f32"
        engines[name].ask("vectors", group, str(path))
        rows = np.fromfile(path, dtype=np.float32).reshape(len(groups[group]), -1)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        out[name] = rows
    base = out.get("malmoi-float32")
    return {} if base is None else {n: float((v * base).sum(1).min()) for n, v in out.items()}


def flops_per_token(config):
    """Of the products with weights, which is what the share of the peak is counted by."""
    h, f = config["hidden_size"], config["intermediate_size"]
    return 2 * config["num_hidden_layers"] * (4 * h * h + 2 * h * f)


def figures(best, engines, groups, config, peak, threads):
    tokens = {name: sum(map(len, texts)) for name, texts in groups.items()}
    rows = {}
    for name in engines:
        def rate(group, name=name):  # NaN for what was not measured.
            return tokens.get(group, math.nan) / best.get((name, group), math.nan)
        top = peak[name.split("-")[1]] * threads
        rows[name] = {"short_ms": 1e3 * best.get((name, "short"), math.nan),
                      "fixed_tokens_s": rate("fixed"), "varied_tokens_s": rate("varied"),
                      "long_tokens_s": rate("long"),
                      "fixed_share": rate("fixed") * flops_per_token(config) / top}
    return rows


def ratios(best, engines, groups):
    """How many times as fast ours is: our best dtype against all, each dtype against its own."""
    ours = [n for n in engines if n.startswith("malmoi-")]
    out = {}
    for group in groups:
        def compare(mine, others, label):
            if not mine or not others:
                return
            a = min(mine, key=lambda n: best[n, group])
            b = min(others, key=lambda n: best[n, group])
            out.setdefault(label, {})[group] = {
                "ratio": best[b, group] / best[a, group], "ours": a, "peer": b}
        peers = [n for n in engines if n not in ours]
        compare(ours, peers, "best")
        for dtype in DTYPES:
            compare([n for n in ours if n.endswith(dtype)],
                    [n for n in peers if n.split("-")[1] == dtype], dtype)
        compare(ours, [n for n in peers if n == "ort-float32"], "ort-float32")
    return out


def report(result):
    print(f"{result['model']}, {result['threads']} threads, kernels {result['kernels']}, "
          "peak of a thread in GFLOP/s: "
          + ", ".join(f"{d} {p / 1e9:.0f}" for d, p in result["peak_flops"].items()))
    print(f"{'engine':20}{'short ms':>10}{'fixed tok/s':>13}{'share':>7}{'varied tok/s':>14}"
          f"{'long tok/s':>12}{'least cosine':>14}")
    for name, row in result["engines"].items():
        cosine = result["cosines"].get(name)
        print(f"{name:20}{row['short_ms']:10.3f}{row['fixed_tokens_s']:13.0f}"
              f"{row['fixed_share']:7.2f}"
              f"{row['varied_tokens_s']:14.0f}{row['long_tokens_s']:12.0f}"
              f"{'' if cosine is None else f'{cosine:14.5f}'}")
    print("\ntimes as fast as the best peer (of any dtype, then of the same):")
    for label, groups in result["ratios"].items():
        print(f"{label:14}" + "  ".join(
            f"{group} {r['ratio']:.2f} ({r['ours']} : {r['peer']})"
            for group, r in groups.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--driver", required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--engines", default="")
    parser.add_argument("--groups", default="short,fixed,varied", help="and long")
    parser.add_argument("--cpu", default="", help="MALMOI_CPU for our engine")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("build/bench"))
    arguments = parser.parse_args()
    work = (arguments.work / arguments.model.name).resolve()
    work.mkdir(parents=True, exist_ok=True)
    config = json.loads((arguments.model / "config.json").read_text(encoding="utf-8"))
    groups = {name: texts for name, texts in make_groups(config["vocab_size"]).items()
              if name in arguments.groups.split(",")}
    engines, left_out = start_engines(arguments, groups, work)
    best = measure(engines, groups, arguments.seconds)
    limit = {"MALMOI_CPU": arguments.cpu} if arguments.cpu else {}
    rates = subprocess.run([arguments.driver, "peak"], check=True, text=True, capture_output=True,
                           env=dict(os.environ, **limit))
    peak = dict(zip(DTYPES, map(float, rates.stdout.split())))
    result = {
        "model": arguments.model.name, "threads": arguments.threads, "peak_flops": peak,
        "kernels": sorted({e.greeting for n, e in engines.items() if n.startswith("malmoi-")}),
        "engines": figures(best, engines, groups, config, peak, arguments.threads),
        "ratios": ratios(best, engines, groups), "cosines": cosines(engines, groups, work),
        "left_out": left_out}
    for engine in engines.values():
        engine.close()
    report(result)
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
