"""Writes snapshots in the form that a Qdrant server makes them, by the real engine in process
(qdrant-edge-py): for tests of `malmoi store import`.

    qdrant_snapshot.py FOLDER [--points N] [--seed N]    appendable, optimized, waiting: three
                                                         FOLDER/NAME.snapshot.gz and NAME.json

NAME.json is what the engine itself reads out of the same shard: {"points": [{id, vector, payload}]}.
`appendable`: one segment that takes writes. `optimized`: after the optimizer, with points written
since, so that segments disagree. `waiting`: the folder of a shard that was not flushed; most of what
was written is in its log alone.
"""
import argparse
import gzip
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import uuid

import qdrant_edge as edge

CONFIG = {
    "params": {
        "vectors": {
            "late": {"size": 4, "distance": "Dot", "multivector_config": {"comparator": "max_sim"}},
            "half": {"size": 4, "distance": "Dot", "datatype": "float16"},
            "d": {"size": 8, "distance": "Cosine"},
            "byte": {"size": 4, "distance": "Euclid", "datatype": "uint8"}},
        "sparse_vectors": {"idf": {"modifier": "idf"}, "s": {}},
        "shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1,
        "on_disk_payload": True},
    "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10000},
    "optimizer_config": {"deleted_threshold": 0.2, "vacuum_min_vector_number": 1000,
                         "default_segment_number": 0, "flush_interval_sec": 5},
    "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0},
    "quantization_config": None, "metadata": {"made": "for a test"}}
SCHEMA = {"schema": {"n": "integer", "t": {"type": "text", "tokenizer": "word"}}}


def edge_config(**options):
    kinds = edge.VectorStorageDatatype
    return edge.EdgeConfig(
        vectors={
            "d": edge.EdgeVectorParams(size=8, distance=edge.Distance.Cosine),
            "half": edge.EdgeVectorParams(size=4, distance=edge.Distance.Dot, datatype=kinds.Float16),
            "byte": edge.EdgeVectorParams(size=4, distance=edge.Distance.Euclid, datatype=kinds.Uint8),
            "late": edge.EdgeVectorParams(
                size=4, distance=edge.Distance.Dot,
                multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim))},
        sparse_vectors={"s": edge.EdgeSparseVectorParams(),
                        "idf": edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}, **options)


def point_id(i):
    return i if i % 3 else str(uuid.uuid5(uuid.NAMESPACE_URL, str(i)))


def point(i, draw):
    numbers = lambda n: [draw.gauss(0, 1) for _ in range(n)]
    vector = {"d": numbers(8)}
    if i % 2:
        vector["half"] = numbers(4)
    if i % 4 == 0:
        vector["byte"] = [float(draw.randint(0, 255)) for _ in range(4)]
    if i % 5:
        vector["late"] = [numbers(4) for _ in range(1 + i % 3)]
    if i % 3:
        count = draw.randint(1, 40)
        vector["s"] = edge.SparseVector(indices=sorted(draw.sample(range(1 << draw.randint(6, 32)), count)),
                                        values=numbers(count))
    vector["idf"] = edge.SparseVector(indices=[i], values=[1.5])
    payload = {"n": i, "t": f"글 {i}", "x": i + 0.5, "whole": 2.0, "l": [1, None, {"a": True}],
               "big": "".join(draw.choice("abc") for _ in range(draw.choice([0, 5, 100, 800])))}
    return edge.Point(point_id(i), vector, payload)


def write(shard, draw, begin, end):
    op = edge.UpdateOperation
    for at in range(begin, end, 100):
        shard.update(op.upsert_points([point(i, draw) for i in range(at, min(at + 100, end))]))
    ids = [point_id(i) for i in range(begin, end)]
    some = lambda: draw.sample(ids, max(1, len(ids) // 9))
    gone = some()
    shard.update(op.delete_points(gone))
    ids = [i for i in ids if i not in gone]  # The engine refuses to change points that are not there.
    shard.update(op.set_payload(some(), {"later": [begin, 0.25]}))
    shard.update(op.overwrite_payload(some(), {"only": "this"}))
    shard.update(op.delete_payload(some(), ["x", "l[]"]))
    shard.update(op.clear_payload(some()))
    shard.update(op.delete_vectors(some(), ["late", "s"]))
    shard.update(op.update_vectors([edge.PointVectors(i, {"d": [draw.gauss(0, 1) for _ in range(8)]})
                                    for i in some()]))
    field = edge.FieldCondition("n", range=edge.RangeFloat(gte=begin, lt=begin + (end - begin) / 10))
    shard.update(op.delete_points_by_filter(edge.Filter(must=[field])))


def shown(vector):
    if isinstance(vector, edge.SparseVector):
        return {"indices": list(vector.indices), "values": list(vector.values)}
    return vector


def contents(folder):
    """What the engine reads from a copy of the shard."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(folder, copy, dirs_exist_ok=True)
        shard = edge.EdgeShard.load(copy)
        points, _ = shard.scroll(edge.ScrollRequest(limit=1_000_000, with_payload=True, with_vector=True))
        shard.close()
    return {"points": [{"id": p.id if isinstance(p.id, int) else str(p.id),
                        "vector": {name: shown(v) for name, v in p.vector.items()},
                        "payload": p.payload} for p in points]}


def make(kind, folder, n, seed):
    """A shard's folder."""
    draw = random.Random(seed)
    options = edge.EdgeOptimizersConfig(indexing_threshold=1, default_segment_number=1)
    shard = edge.EdgeShard.create(str(folder), edge_config(optimizers=options))
    schema = edge.PayloadSchemaType
    shard.update(edge.UpdateOperation.create_field_index("n", schema.Integer))
    write(shard, draw, 0, n)
    shard.flush()
    if kind == "optimized":
        shard.optimize()
        write(shard, draw, n // 2, n + n // 4)
        shard.flush()
    if kind == "waiting":
        write(shard, draw, n // 2, n + n // 4)
        copy = folder.with_name(folder.name + "-live")
        shutil.copytree(folder, copy)  # As it is now, its flush still to come.
        shard.close()
        return copy
    shard.close()
    return folder


def tar(folder, target, name="."):
    subprocess.run(["tar", "-C", folder, "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "-S",
                    "--format=gnu", "-cf", target, name], check=True)


def pack(shard, target, scratch):
    """A collection's snapshot around the shard: segments in archives of their own, as a server has it."""
    top = scratch / "top"
    segments = top / "0" / "segments"
    segments.mkdir(parents=True)
    shutil.copytree(shard / "wal", top / "0" / "wal")
    for i, segment in enumerate(sorted((shard / "segments").iterdir())):
        inside = scratch / f"segment{i}"
        shutil.copytree(segment, inside / "snapshot" / "files")
        tar(inside, segments / f"{segment.name}.tar", "snapshot")
    (top / "config.json").write_text(json.dumps(CONFIG))
    (top / "payload_index_schema.json").write_text(json.dumps(SCHEMA))
    (top / "version.info").write_text("0.6.0")
    subprocess.run(["cp", "-r", "--sparse=always", top, scratch / "holes"], check=True)
    tar(scratch / "holes", target)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--points", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for kind in ("appendable", "optimized", "waiting"):
        with tempfile.TemporaryDirectory() as scratch:
            scratch = pathlib.Path(scratch)
            shard = make(kind, scratch / "shard", arguments.points, arguments.seed)
            expected = contents(shard)
            (arguments.folder / f"{kind}.json").write_text(
                json.dumps(expected, ensure_ascii=False) + "\n")
            pack(shard, scratch / "snapshot", scratch)
            (arguments.folder / f"{kind}.snapshot.gz").write_bytes(
                gzip.compress((scratch / "snapshot").read_bytes(), 9, mtime=0))
            print(kind, len(expected["points"]), "points")


if __name__ == "__main__":
    main()
