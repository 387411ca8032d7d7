"""What bfloat16 and int8 cost in retrieval: nDCG@10 of dense search by dtype.

    python3 bench/embed_quality.py build/release/malmoi MODEL SET... [--data DIR]

Runs `malmoi eval SET --mode dense` for each dtype and prints the change from float32.
"""

import argparse
import json
import pathlib
import subprocess


def ndcg(program, model, dtype, folder, data):
    run = subprocess.run(
        [program, "eval", str(folder), "--mode", "dense", "--model", model, "--dtype", dtype,
         "--json", "--data", str(data)],
        capture_output=True, text=True, check=True)
    return json.loads(run.stdout)["modes"]["dense"]["ndcg@10"]["mean"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("sets", nargs="+", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("build/bench/quality"))
    arguments = parser.parse_args()
    changes = {"bfloat16": [], "int8": []}
    print(f"{'set':24}{'float32':>10}{'bfloat16':>11}{'int8':>11}")
    for folder in arguments.sets:
        base = ndcg(arguments.program, arguments.model, "float32", folder, arguments.data)
        row = f"{folder.name:24}{base:10.4f}"
        for dtype, list_of in changes.items():
            change = ndcg(arguments.program, arguments.model, dtype, folder, arguments.data) - base
            list_of.append(abs(change))
            row += f"{change:+11.4f}"
        print(row, flush=True)
    print(f"{'mean |change|':34}" + "".join(f"{sum(v) / len(v):11.4f}" for v in changes.values()))


if __name__ == "__main__":
    main()
