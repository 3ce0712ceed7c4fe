#!/usr/bin/python3
"""The rows of our files as an independent reader sees them (tools/readkith_rows.py, written from
docs/FORMAT.md): of the golden files, of what the command builds and changes, and as
tools/readkith.py exports them."""
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


def what_is_learned_is_read(folder):
    """Steps of 8, 6 and 4 bits, in dimensions that fill no byte: what kith says is stored."""
    draw = np.random.default_rng(3)
    for n, d, spec in ((1500, 7, "SQ8"), (1500, 7, "SQ6"), (1100, 5, "SQ4"), (30, 5, "SQ4"),
                       (1100, 4, "SQ8(uniform=on)")):
        values = draw.normal(size=(n, d)).astype(np.float32)
        path = build(folder, values, np.arange(n), ["x"] * n, "--spec", f"Flat,{spec}")
        rows = read(path)
        stored, _, _ = exported(folder, path)
        assert rows.codec == (spec[:3] if n >= 1024 else "F32")
        assert np.array_equal(rows.values, stored)
        kith("convert", path, f"{folder}/out.npy")
        assert np.array_equal(np.load(f"{folder}/out.npy"), stored)
        step = np.ptp(values, axis=None if "uniform" in spec else 0) / (2 ** int(spec[2]) - 1)
        assert (np.abs(stored - values) <= 0.501 * step).all(), spec
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


def reader(*words):
    return subprocess.run([sys.executable, os.path.join(SOURCE, "tools/readkith.py"), *words],
                          capture_output=True, text=True)


def exported(folder, path):
    """What readkith.py --export writes: vectors, ids, labels (None without a file of labels)."""
    name = f"{folder}/out"
    run = reader(path, "--export", name)
    assert run.returncode == 0 and not run.stdout, run
    text = None
    if os.path.exists(f"{name}_labels.txt"):
        with open(f"{name}_labels.txt", encoding="utf-8") as file:
            text = file.read().split("\n")[:-1]
        os.remove(f"{name}_labels.txt")
    return np.load(f"{name}.npy"), np.load(f"{name}_ids.npy"), text


def what_is_exported_is_what_was_built(folder):
    """Every codec that the command chooses by itself, with and without labels and removed rows."""
    draw = np.random.default_rng(2)
    n, d = 1100, 13
    inputs = {"F32": (draw.normal(size=(n, d)).astype(np.float32), "l2"),
              "U8": (draw.integers(0, 256, (n, d)).astype(np.float32), "cosine"),
              "Bits": (draw.integers(0, 2, (n, d)).astype(bool), "hamming")}
    ids = np.sort(draw.permutation(9 * n)[:n]).astype(np.int64)
    texts = [f"ü{i % 300}" if i % 3 else "" for i in range(n)]
    np.save(f"{folder}/ids.npy", ids)
    with open(f"{folder}/labels.txt", "w", encoding="utf-8") as out:
        out.writelines(f"{text}\n" for text in texts)
    for codec, (values, metric) in inputs.items():
        np.save(f"{folder}/x.npy", values)
        for labels in (None, texts):
            options = ["--labels", f"{folder}/labels.txt"] if labels else []
            path = f"{folder}/{codec}.kith"
            kith("build", f"{folder}/x.npy", "-o", path, "--metric", metric, "--ids",
                 f"{folder}/ids.npy", *options)
            for gone in ([], [0, 7, 8, n - 1]):
                if gone:
                    kith("remove", path, ",".join(str(ids[i]) for i in gone))
                assert read(path).codec == codec
                got, got_ids, got_labels = exported(folder, path)
                assert np.array_equal(got, np.delete(values, gone, axis=0)), (codec, gone)
                assert np.array_equal(got_ids, np.delete(ids, gone)), (codec, gone)
                want = labels and [text for i, text in enumerate(labels) if i not in gone]
                assert got_labels == want, (codec, gone)


def the_command_shows_rows(folder):
    path = build(folder, np.float32([[0.5, 2], [3, 4], [5, 6]]), np.int64([7, 5, 6]), "xyz")
    kith("remove", path, "5")
    run = reader(path, "--rows")
    assert run.returncode == 0
    assert run.stdout == "7\tx\tlive\t0.5 2\n5\t-\tremoved\t3 4\n6\tz\tlive\t5 6\n", run.stdout
    run = reader(path)
    assert "rows: 3, 2 live, 2 with a label, 2 components, F32, l2\n" in run.stdout, run.stdout


def main():
    golden_files_are_read()
    with tempfile.TemporaryDirectory() as folder:
        what_is_exported_is_what_was_built(folder)
        the_command_shows_rows(folder)
        what_is_built_is_read(folder)
        what_is_learned_is_read(folder)
        what_is_removed_is_read(folder)


main()
