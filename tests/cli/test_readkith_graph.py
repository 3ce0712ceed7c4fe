#!/usr/bin/python3
"""The graph of our files as an independent reader sees it (tools/readkith_graph.py, written from
docs/FORMAT.md): of every lens, built and changed, as `kith verify` sees it; and both refuse the
same damage under correct checksums."""
import os
import struct
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(os.environ["KITH_SOURCE"])
KITH = os.path.abspath(os.environ["KITH"])
sys.path.insert(0, os.path.join(SOURCE, "tools"))
import numpy as np
import readkith
import xxh3
from readkith_graph import CODE, LENS, OWN, ROWS, SHORT, Graph
from readkith_rows import Rows

N, MORE, D = 1400, 150, 24


def run_kith(*words):
    return subprocess.run([KITH, *words], capture_output=True, text=True)


def kith(*words):
    run = run_kith(*words)
    assert run.returncode == 0, (words, run.stderr)


def load(data):
    sections = {s.name: s.data for s in readkith.File(data).sections}
    return Graph(sections, Rows(sections))


def read(path):
    """The graph of a file that kith verify takes."""
    kith("verify", path)
    with open(path, "rb") as file:
        return load(file.read())


def inputs():
    """Clusters with copies in them: values, metric, spec, lens."""
    draw = np.random.default_rng(3)
    x = draw.normal(size=(30, D))[draw.integers(0, 30, N + MORE)]
    x = (3 * x + draw.normal(size=x.shape)).astype(np.float32)
    x[N - 100:N] = x[:100]
    x[N - 150] = 0
    x[N:N + 20] = x[5]  # new copies of a row without and with copies of its own
    x[N + 20:N + 40] = x[N - 300]
    u8 = np.clip(12 * x + 128, 0, 255).astype(np.uint8)
    long = x @ draw.normal(size=(D, 130)).astype(np.float32) / 5  # few directions, many components
    long_u8 = np.clip(12 * long + 128, 0, 255).astype(np.uint8)
    return {"u8": (u8, "l2", "Graph48", OWN), "i8": (u8.view(np.int8), "l2", "Graph,I8", OWN),
            "f32": (x, "l2", "Graph32", CODE), "cosine": (x, "cosine", "Graph48", CODE),
            "f16": (x, "cosine", "Graph,F16", CODE), "bf16": (x, "l2", "Graph,BF16", CODE),
            "sq8": (x, "l2", "Graph32,SQ8(uniform=on)", OWN),
            "sq8_ip": (x, "ip", "Graph32,SQ8(uniform=on)", CODE),
            "sq8_each": (x, "l2", "HNSW12,SQ8", CODE),
            "sq6": (x, "l2", "Graph,SQ6(uniform=on)", CODE),
            "sq8_long": (np.tile(x, 192 // D), "l2", "Graph16,SQ8(uniform=on)", CODE),
            "halved": (x, "cosine", "Graph32(code_bits=4)", CODE),
            "halved_ip": (u8, "ip", "HNSW16(code_bits=4)", CODE),
            "short": (long_u8, "l2", "Graph32(code_dims=64)", SHORT),
            "short_i8": ((long_u8 ^ 128).view(np.int8), "l2", "HNSW8(code_dims=128),I8", SHORT),
            "short_sq8": (long, "l2", "NSW8(code_dims=64),SQ8(uniform=on)", SHORT),
            "short_sq8_long": (np.tile(long, 2), "l2", "Graph16(code_dims=64),SQ8(uniform=on)",
                               SHORT),
            "ip": (x, "ip", "Graph16(seed=7)", CODE), "u8_ip": (u8, "ip", "Graph16", CODE),
            "l1": (x, "l1", "Graph16", ROWS), "bits": (x > 0, "hamming", "Graph16", ROWS),
            "hnsw": (x, "l2", "HNSW5", CODE), "nsw": (u8, "l2", "NSW6", OWN)}


def what_kith_builds_is_read(folder):
    for name, (x, metric, spec, lens) in inputs().items():
        path, base, more = (f"{folder}/{name}{end}" for end in (".kith", ".npy", "_more.npy"))
        np.save(base, x[:N])
        np.save(more, x[N:])
        kith("build", base, "-o", path, "--spec", spec, "--metric", metric, "--param", "effort=77")
        graph = read(path)
        assert graph.lens.kind == lens and graph.effort == 77, name
        assert lens != SHORT or graph.lens.bytes < x.shape[1], name
        assert graph.nodes + graph.twins == N and graph.twins >= 100, name
        assert graph.nodes == len(np.unique(graph.codes, axis=0)), name
        nodes, before = graph.nodes, graph.twins
        kith("remove", path, ",".join(str(i) for i in (3, 5, 5 + N - 100, N - 300)))
        kith("add", path, more)
        graph = read(path)
        assert graph.n == N + MORE and graph.nodes + graph.twins == N + MORE, name
        assert graph.twins >= before + 40 and graph.nodes > nodes or name == "bits", name
        kith("compact", path)
        graph = read(path)
        assert graph.n == graph.nodes + graph.twins == N + MORE - 4, name


def what_is_searched_is_linked(folder):
    """The nearest rows of a node are its neighbours, mostly: links mean what the page says."""
    graph = read(f"{folder}/u8.kith")
    codes = graph.codes.astype(np.int64)
    right = 0
    for pos in range(0, graph.n, 10):
        if graph.node_of[pos] >= 0:
            continue
        dist = ((codes - codes[pos]) ** 2).sum(axis=1)
        dist[(graph.node_of >= 0) | (np.arange(graph.n) == pos)] = dist.max() + 1
        right += dist.argmin() in graph.links[pos]
    assert right > 0.95 * graph.n / 10 * graph.nodes / graph.n, right


def levels_are_read(folder):
    """Each level has some of the rows of the one below, as many as drawn; links lead near."""
    graph = read(f"{folder}/hnsw.kith")
    assert graph.most == 10 and len(graph.levels) >= 2, (graph.most, graph.levels)
    assert not read(f"{folder}/nsw.kith").levels
    counts = [graph.nodes] + [len(level.pos) for level in graph.levels]
    assert all(3 * b < a for a, b in zip(counts[:2], counts[1:])), counts
    level = graph.levels[0]
    codes = graph.codes[level.pos].astype(np.int64)
    dist = ((codes[:, None] - codes) ** 2).sum(axis=2)
    np.fill_diagonal(dist, dist.max() + 1)
    right = [dist[i].argmin() in level.links[i] for i in range(len(level.pos))]
    assert np.mean(right) > 0.8, np.mean(right)


def damaged_levels_are_refused(folder):
    path = f"{folder}/hnsw.kith"
    graph = read(path)
    with open(path, "rb") as file:
        data = file.read()
    word, n = struct.Struct("<I").pack, len(graph.levels[0].pos)
    first = int(graph.levels[0].pos[0])
    links = 36 + 4 * n
    twin = int(np.flatnonzero(graph.node_of >= 0)[0])
    for what, at, new, *words in (
            ("no links", 4, word(0), "links a row"), ("more links", 4, word(17), "links a row"),
            ("fewer links", 4, word(1), "more than 1 links"), ("wide", 8, word(65), "65 links"),
            ("levels", 12, word(len(graph.levels) + 1)), ("an entry", 16, word(N), "entry"),
            ("no rows", 32, word(0), "level 1"), ("rows", 32, word(n + 1)),
            ("a row outside", 36, word(graph.n), "no row"), ("a twin", 36, word(twin), "hangs"),
            ("a row twice", 40, word(first), "twice"),
            ("a link outside", links, word(n), "leads to no row")):
        verifiers_refuse(folder, resealed(data, "GLEV", at, new), what, *words)


def few_rows_have_no_graph(folder):
    path, base = f"{folder}/few.kith", f"{folder}/few.npy"
    np.save(base, np.arange(90, dtype=np.float32).reshape(30, 3))
    kith("build", base, "-o", path, "--spec", "Graph48")
    kith("verify", path)
    run = reader(path)
    assert run.returncode == 0 and "graph:" not in run.stdout, run
    run = reader(path, "--graph")
    assert run.returncode == 1 and "no graph" in run.stderr, run


def resealed(data, name, at, new):
    """The file with other bytes in a section, and the sums that go with them."""
    out = bytearray(data)
    file = readkith.File(data)
    number = [s.name for s in file.sections].index(name)
    section = file.sections[number]
    out[section.at + at:section.at + at + len(new)] = new
    summed = out[section.at:section.at + section.length]
    if section.rows:
        sums = xxh3.digests(bytes(summed), readkith.BLOCK)
        summed = struct.pack(f"<{len(sums)}Q", *sums)
        out[section.sums_at:section.sums_at + len(summed)] = summed
    struct.pack_into("<Q", out, file.table_at + 64 * number + 32, xxh3.digest(bytes(summed)))
    struct.pack_into("<Q", out, len(out) - 16, xxh3.digest(bytes(out[file.table_at:-16])))
    return bytes(out)


def verifiers_refuse(folder, data, what, *words):
    """Damage that no checksum tells."""
    path = f"{folder}/damaged.kith"
    with open(path, "wb") as file:
        file.write(data)
    try:
        load(data)
        raise AssertionError(f"{what}: taken by the reader")
    except ValueError as error:
        assert all(word in str(error) for word in words), (what, str(error))
    run = run_kith("verify", path)
    assert run.returncode == 1 and ("graph" in run.stderr or "section G" in run.stderr), (what, run)


def both_refuse(folder, data, what, *words):
    """The same; a search in such a file ends in order, whatever it finds."""
    path = f"{folder}/damaged.kith"
    verifiers_refuse(folder, data, what, *words)
    run = run_kith("search", path, f"{folder}/f32.npy", "-o", f"{folder}/out.npy")
    assert run.returncode in (0, 1), (what, run)
    assert reader(path).returncode == 1, what


def damage_is_refused(folder):
    path = f"{folder}/f32.kith"
    kith("build", f"{folder}/f32.npy", "-o", path, "--spec", "Graph16")
    graph = read(path)
    with open(path, "rb") as file:
        data = file.read()
    row, word = 4 * graph.degree, struct.Struct("<I").pack
    assert resealed(data, "GLNK", 0, b"") == data
    far = int(np.flatnonzero(graph.node_of < 0)[50])
    twin = int(np.flatnonzero(graph.node_of >= 0)[0])
    node = int(graph.node_of[twin])
    plain = int(np.flatnonzero((graph.node_of < 0) & (graph.twin < 0))[9])
    for what, name, at, new, *words in (
            ("a link outside", "GLNK", far * row, word(N), "leads to no row"),
            ("a link far outside", "GLNK", far * row, word(2**31 - 1), "leads to no row"),
            ("a twin in the middle", "GLNK", far * row, word(far + 1 | 1 << 31), "no row"),
            ("a twin before", "GLNK", plain * row + row - 4, word(1 << 31), "further behind"),
            ("a twin outside", "GLNK", plain * row + row - 4, word(N | 1 << 31), "further behind"),
            ("a link to a twin", "GLNK", plain * row, word(twin), "a link leads to a twin"),
            ("a node that differs", "GLNK", plain * row + row - 4, word(N - 101 | 1 << 31)),
            ("no twin any more", "GLNK", node * row + row - 4, word(node)),
            ("a walk code", "GCOD", graph.lens.bytes * plain,
             bytes([graph.codes[plain, 0] ^ 1]), "walk code"),
            ("an entry outside", "GRPH", 64, word(N), "no row"),
            ("another entry", "GRPH", 64, word(plain), "entry"),
            ("rows beside", "GRPH", 8, word(N - 1), "beside"),
            ("degree", "GRPH", 4, word(17), "links a row"),
            ("scale", "GLEN", 28, struct.pack("<f", -1)),
            ("another scale", "GLEN", 28, struct.pack("<f", graph.lens.scale * 1.01), "walk code"),
            ("another seed", "GLEN", 16, word(9), "walk code")):
        both_refuse(folder, resealed(data, name, at, new), what, *words)
    links = np.frombuffer(readkith.File(data).section("GLNK").data, "<u4").reshape(N, -1).copy()
    lost = next(i for i in range(N) if i not in graph.entries and graph.node_of[i] < 0)
    owner = np.arange(N, dtype=np.uint32)[:, None]
    links = np.where(links == lost, owner, links)
    both_refuse(folder, resealed(data, "GLNK", 0, links.tobytes()), "a row out of reach", "reach")


def damaged_short_codes_are_refused(folder):
    path = f"{folder}/short.kith"
    graph = read(path)
    with open(path, "rb") as file:
        data = file.read()
    plain = int(np.flatnonzero(graph.node_of < 0)[9])
    word, wide, basis = struct.Struct("<I").pack, graph.lens.bytes, LENS.size + 4 * graph.lens.bytes
    assert wide == 64 and graph.rows.d == 130
    for what, name, at, new, *words in (
            ("a walk code", "GCOD", wide * plain, bytes([graph.codes[plain, 0] ^ 1]), "walk code"),
            ("halves", "GLEN", 4, word(1), "newer"), ("wide", "GLEN", 8, word(144), "short codes"),
            ("as the row", "GLEN", 8, word(130), "short codes"),
            ("none", "GLEN", 8, word(0), "short codes"),
            ("half of 16", "GLEN", 8, word(8), "short codes"),
            ("narrower", "GLEN", 8, word(48), "bytes"),
            ("CODE", "GLEN", 0, word(CODE), "walk codes"),
            ("OWN", "GLEN", 0, word(OWN), "walk codes"), ("scale", "GLEN", 28, word(0), "scale"),
            ("longest", "GLEN", 24, struct.pack("<f", np.nan), "longest"),
            ("a centre", "GLEN", LENS.size + 8, struct.pack("<f", np.inf), "centre"),
            ("another basis", "GLEN", basis + 130, bytes(130), "walk code")):
        verifiers_refuse(folder, resealed(data, name, at, new), what, *words)


def reader(*words):
    return subprocess.run([sys.executable, os.path.join(SOURCE, "tools/readkith.py"), *words],
                          capture_output=True, text=True)


def the_command_shows_the_graph(folder):
    path = f"{folder}/u8.kith"
    graph = read(path)
    run = reader(path)
    assert f"graph: {graph.nodes} nodes, {graph.twins} twins, 48 links a row" in run.stdout, run
    lines = reader(path, "--graph").stdout.splitlines()
    assert len(lines) == graph.n
    for pos in (0, 1, graph.n - 1):
        number, what, links = lines[pos].split("\t")
        assert int(number) == pos and what.split()[0] == ("twin" if graph.node_of[pos] >= 0
                                                          else "node")
        assert all(int(link) in graph.links[pos] for link in links.split()), lines[pos]


def main():
    with tempfile.TemporaryDirectory() as folder:
        what_kith_builds_is_read(folder)
        what_is_searched_is_linked(folder)
        levels_are_read(folder)
        damaged_levels_are_refused(folder)
        few_rows_have_no_graph(folder)
        the_command_shows_the_graph(folder)
        damage_is_refused(folder)
        damaged_short_codes_are_refused(folder)


if __name__ == "__main__":
    main()
