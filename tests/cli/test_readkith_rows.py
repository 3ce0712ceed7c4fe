#!/usr/bin/python3
"""The rows of our files as an independent reader sees them (tools/readkith_rows.py, written from
docs/FORMAT.md): of the golden files, and of what the command builds and changes."""
import glob
import os
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(os.environ["KITH_SOURCE"])
KITH = os.path.abspath(os.environ["KITH"])
sys.path.insert(0, os.path.join(SOURCE, "tools"))
import numpy as np
from readkith_rows import read


def kith(*words):
    run = subprocess.run([KITH, *words], capture_output=True, text=True)
    assert run.returncode == 0, (words, run.stderr)


def golden_files_are_read():
    files = glob.glob(os.path.join(SOURCE, "tests/golden/*.kith"))
    assert files
    for path in files:
        rows = read(path)
        assert rows.n >= rows.live > 0 and np.isfinite(rows.values.astype(np.float64)).all(), path


def build(folder, values, ids, labels, *options):
    np.save(f"{folder}/x.npy", values)
    np.save(f"{folder}/ids.npy", ids)
    with open(f"{folder}/labels.txt", "w", encoding="utf-8") as out:
        out.writelines(f"{label}\n" for label in labels)
    path = f"{folder}/x.kith"
    kith("build", f"{folder}/x.npy", "-o", path, "--ids", f"{folder}/ids.npy", "--labels",
         f"{folder}/labels.txt", *options)
    return path


def what_is_built_is_read(folder):
    draw = np.random.default_rng(1)
    for n, spec, metric in ((1, "Flat", "l2"), (1500, "Flat", "cosine"), (1500, "Flat,F16", "l1"),
                            (70000, "Flat", "ip"), (900, "Flat,I8", "l2")):
        values = draw.integers(-100, 100, (n, 6)).astype(np.float32)
        ids = draw.permutation(3 * n)[:n].astype(np.int64) - n
        ids[ids == -1] = 5 * n
        labels = [f"é{i % 40}" for i in range(n)]
        path = build(folder, values, ids, labels, "--spec", spec, "--metric", metric)
        rows = read(path)
        assert rows.n == rows.live == n and rows.metric == metric
        assert np.array_equal(rows.values.astype(np.float32), values)
        assert np.array_equal(rows.ids, ids) and rows.labels == labels
        assert bool(rows.scan_entries) == (spec == "Flat" and n >= 1024)
        os.remove(path)


def what_is_removed_is_read(folder):
    values = np.arange(60, dtype=np.float32).reshape(20, 3)
    ids = np.arange(100, 120, dtype=np.int64)
    path = build(folder, values, ids, [f"l{i}" for i in range(20)])
    kith("remove", path, "103,107")
    rows = read(path)
    assert rows.codec == "U8" and rows.live == 18 and not rows.own_ids
    assert set(rows.ids[rows.removed].tolist()) == {103, 107}
    assert rows.labels[3] is None and rows.labels[4] == "l4" and rows.next_id == 120


def main():
    golden_files_are_read()
    with tempfile.TemporaryDirectory() as folder:
        what_is_built_is_read(folder)
        what_is_removed_is_read(folder)


main()
