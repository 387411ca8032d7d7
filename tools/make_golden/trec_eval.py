#!/usr/bin/env python3
"""Writes tests/golden/trec_eval.json: random judgements and runs with trec_eval's figures.

Needs the package pytrec-eval-terrier (trec_eval 9 behind a Python interface). The runs have tied
scores, unjudged documents, graded and zero judgements, and queries without a run.
"""
import json
import pathlib
import random
import sys

import pytrec_eval

MEASURES = {"ndcg_cut.10", "map", "recall.10,100", "recip_rank"}


def random_set(rng):
    qrels, run = {}, {}
    for q in range(12):
        name = f"q{q}"
        documents = [f"d{rng.randrange(400)}" for _ in range(rng.randrange(1, 40))]
        qrels[name] = {d: rng.choice([0, 1, 1, 2]) for d in documents}
        if max(qrels[name].values()) == 0:
            qrels[name][documents[0]] = 1
        if q == 11:
            continue
        retrieved = set(rng.sample(documents, min(len(documents), rng.randrange(0, 20))))
        while len(retrieved) < rng.randrange(20, 150):
            retrieved.add(f"d{rng.randrange(400)}")
        run[name] = {d: rng.randrange(30) / 8 for d in sorted(retrieved)}
    return qrels, run


def main():
    rng = random.Random(7)
    sets = []
    for _ in range(6):
        qrels, run = random_set(rng)
        expected = pytrec_eval.RelevanceEvaluator(qrels, MEASURES).evaluate(run)
        for query, figures in expected.items():
            ranked = sorted(run[query].items(), key=lambda item: (item[1], item[0]), reverse=True)
            top = {d: s for d, s in ranked[:10]}
            cut = pytrec_eval.RelevanceEvaluator({query: qrels[query]}, {"recip_rank"})
            figures["recip_rank_10"] = cut.evaluate({query: top})[query]["recip_rank"]
        sets.append({"qrels": qrels, "run": run, "expected": expected})
    out = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/trec_eval.json")
    out.write_text(json.dumps(sets, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
