"""tools/readkith_graph.py: the graph of a .kith file, read by the text of docs/FORMAT.md ("Sections
of graphs") alone, with numpy and none of kith's code. The command is tools/readkith.py.

graph = Graph(sections, rows), sections as for readkith_rows.Rows, rows such a Rows; then
graph.links [n][degree], graph.twin (the next of a chain, or -1), graph.reached, by position;
graph.levels, from 1 on: a Level each.
Everything is looked at, walk codes of a sample of rows; whatever disagrees raises ValueError with
the section's name.
"""
import re
import struct
from collections import namedtuple

import numpy as np

from readkith_rows import check

HEAD = struct.Struct("<IIIIIIIIfI24s")
LENS = struct.Struct("<IIQQffI28s")
LEVELS = struct.Struct("<IIIII12s")
WIDTH_MOST, LEVELS_MOST = 64, 64
OWN, CODE, ROWS, SHORT = 1, 2, 3, 4
TWIN = 1 << 31
STEP, DEGREE_MOST, ROUNDS, ROTATION = 16, 128, 3, 3
SAMPLE = 2000
MASK = (1 << 64) - 1
Level = namedtuple("Level", "pos links")  # positions, and ranks on it [rows][width]
GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    """On Python numbers and on arrays of uint64."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def draws(seed, purpose, count):
    """The numbers 0 … count - 1 of a stream."""
    stream = mix(seed + GOLDEN * purpose & MASK)
    return [mix(stream + GOLDEN * (i + 1) & MASK) for i in range(count)]


def lens_kinds(rows):
    """The kinds that rows of this metric and codec may have."""
    if rows.metric not in ("l2", "ip", "cosine") or rows.codec == "Bits":
        return (ROWS,)
    if rows.metric == "l2":
        one_scale = rows.codec in ("U8", "I8") or rows.codec == "SQ8" and rows.uniform
        return (OWN, CODE, ROWS, SHORT) if one_scale else (CODE, ROWS)
    return (CODE,)


class Lens:
    def __init__(self, data, rows, row_bytes):
        check(len(data) >= LENS.size, "GLEN", f"{len(data)} bytes")
        (self.kind, self.halved, self.bytes, self.seed, self.longest, self.scale, self.learned,
         later) = LENS.unpack_from(data)
        self.rows = rows
        check(self.kind in lens_kinds(rows), "GLEN", f"kind {self.kind} of {rows.codec} rows")
        check(self.halved <= (self.kind == CODE) and not any(later), "GLEN",
              "a newer kind of lens")
        width = rows.d + (rows.metric == "ip")
        self.wide = max(16, -(-width // 16) * 16) if self.kind == CODE else row_bytes
        if self.kind == SHORT:
            check(self.bytes % 16 == 0 and 0 < self.bytes < row_bytes, "GLEN",
                  f"short codes of {self.bytes} bytes for rows of {row_bytes}")
            self.wide = self.bytes
        want = self.wide // 2 if self.halved else self.wide
        check(self.bytes == want, "GLEN", f"walk codes of {self.bytes} bytes, should be {want}")
        self.apart = self.kind in (CODE, SHORT)  # from the rows
        centre = 4 * self.wide * self.apart
        basis = self.wide * rows.d * (self.kind == SHORT)
        check(len(data) == LENS.size + centre + basis, "GLEN", f"{len(data)} bytes")
        check(all(0 < x < np.inf for x in (self.longest, self.scale)), "GLEN", "scale, longest")
        check(self.kind == SHORT or self.learned == 0, "GLEN", "learned by no basis")
        if self.apart:
            self.centre = np.frombuffer(data, "<f4", self.wide, LENS.size)
            check(np.isfinite(self.centre).all(), "GLEN", "its centre is not finite")
            self.basis = np.frombuffer(data, np.int8, basis, LENS.size + centre)
            self.prepare()

    def prepare(self):
        """The part that each round turns, and its signs times the factor."""
        power = 1 << self.wide.bit_length() - 1
        factor = np.float32(1 / np.sqrt(np.float64(power)))
        drawn = draws(self.seed, ROTATION, ROUNDS * self.wide)
        self.odd = np.array([x & 1 for x in drawn[:self.wide]], bool)
        self.rounds = []
        for r in range(ROUNDS):
            start = self.wide - power if r % 2 else 0
            by = np.ones(self.wide, np.float32)
            by[start:start + power] = factor
            minus = np.array([x & 1 for x in drawn[r * self.wide:(r + 1) * self.wide]], bool)
            by[minus] *= -1
            self.rounds.append((start, power, by))

    def place(self, x):
        """Rows [m][d] to where L2 is the metric, [m][wide]."""
        m, d = x.shape
        out = np.zeros((m, self.wide), np.float32)
        out[:, :d] = x
        wide = x.astype(np.float64)
        length = np.sqrt(np.cumsum(wide * wide, axis=1)[:, -1])  # in the order of components
        if self.rows.metric == "cosine":
            some = length > 0
            out[some, :d] = wide[some] / length[some, None]
            by = np.float32(1 / np.sqrt(np.float64(self.wide)))
            out[~some] = np.where(self.odd, -by, by)
        elif self.rows.metric == "ip":
            share = length / np.float64(self.longest)
            out[:, :d] = wide / np.float64(self.longest)
            out[:, d] = np.sqrt(np.maximum(1 - share * share, 0))
        return out

    def turn(self, x):
        for start, power, by in self.rounds:
            x = x * by
            x[:, start:start + power] = hadamard(x[:, start:start + power])
        return x

    def sums(self, data):
        """Bytes of rows [m][d] along the basis; float64 holds all of these integers."""
        signed = data.view(np.int8) if self.rows.codec == "I8" else data.astype(np.int16) - 128
        basis = self.basis.reshape(self.wide, self.rows.d)
        return (signed.astype(np.float64) @ basis.T.astype(np.float64)).astype(np.float32)

    def codes(self, data, positions):
        """Walk codes of rows; data: their bytes, of all."""
        with np.errstate(all="ignore"):
            if self.kind == SHORT:
                x = self.sums(data[positions])
            else:
                x = self.turn(self.place(self.rows.values[positions].astype(np.float32)))
            x = (x - self.centre) * np.float32(self.scale) + np.float32(128.5)
            x = np.where(x > 0, x, np.float32(0))  # and where it is no number
        return np.minimum(x, np.float32(255)).astype(np.uint8)


def hadamard(x):
    m, n = x.shape
    h = 1
    while h < n:
        pairs = x.reshape(m, n // (2 * h), 2, h)
        a, b = pairs[:, :, 0], pairs[:, :, 1]
        x = np.stack([a + b, a - b], axis=2).reshape(m, n)
        h *= 2
    return x


class Graph:
    def __init__(self, sections, rows):
        self.sections, self.rows, self.n = dict(sections), rows, rows.n
        self.read_head()
        code = np.frombuffer(self.sections.get("CODE", b""), np.uint8)
        self.lens = Lens(self.sections.get("GLEN", b""), rows, len(code) // max(self.n, 1))
        self.codes = code.reshape(self.n, -1)
        self.read_codes()
        self.read_entries()
        self.read_links()
        self.read_chains()
        self.walk()
        self.read_levels()

    def take(self, name, length):
        data = self.sections.get(name, b"")
        check(len(data) == length, name, f"{len(data)} bytes, should be {length}")
        return data

    def read_head(self):
        head = self.sections.get("GRPH", b"")
        check(len(head) >= HEAD.size, "GRPH", f"{len(head)} bytes")
        (version, self.degree, n, self.nodes, self.twins, self.entry_count, self.code_bytes,
         self.effort, self.slack, self.since, later) = HEAD.unpack_from(head)
        check(version == 1 and not any(later), "GRPH", f"version {version}")
        check(n == self.n, "GRPH", f"a graph of {n} rows beside {self.n}")
        check(0 < self.degree <= DEGREE_MOST and self.degree % STEP == 0, "GRPH",
              f"{self.degree} links a row")
        check(0 < self.entry_count <= self.n, "GRPH", f"{self.entry_count} entries")
        check(self.effort > 0 and 0 <= self.slack <= 100, "GRPH",
              f"effort {self.effort}, slack {self.slack}")

    def read_codes(self):
        """Beside rows under CODE, maybe in halves, and SHORT; else the rows are their own."""
        check(self.code_bytes == self.lens.bytes, "GRPH", f"walk codes of {self.code_bytes} bytes")
        self.walk_codes = self.codes
        halves = [self.take(name, self.n * self.lens.bytes * there)
                  for name, there in (("GCOD", self.lens.apart),
                                      ("GCOL", self.lens.halved))]
        if not self.lens.apart:
            return
        data = self.codes
        high, low = (np.frombuffer(half, np.uint8).reshape(self.n, -1) for half in halves)
        self.walk_codes = self.codes = high
        if self.lens.halved:
            self.codes = np.concatenate([high << 4 | low & 15, high & 240 | low >> 4], axis=1)
        some = np.flatnonzero(~self.rows.removed)[::max(1, self.rows.live // SAMPLE)]
        wrong = (self.lens.codes(data, some) != self.codes[some]).any(axis=1)
        check(not wrong.any(), "GCOD",
              f"row {some[wrong.argmax()]}: its walk code is not what the row says")

    def read_entries(self):
        count, width = self.entry_count, self.lens.bytes
        head = self.take("GRPH", HEAD.size + count * (4 + width))
        self.entries = np.frombuffer(head, "<u4", count, HEAD.size)
        check((self.entries < self.n).all(), "GRPH", "an entry is no row")
        codes = np.frombuffer(head, np.uint8, count * width, HEAD.size + 4 * count)
        check((codes.reshape(count, width) == self.walk_codes[self.entries]).all(), "GRPH",
              "an entry's walk code is not its row's")

    def read_links(self):
        data = self.take("GLNK", 4 * self.n * self.degree)
        links = np.frombuffer(data, "<u4").reshape(self.n, self.degree).astype(np.int64)
        own = np.arange(self.n)
        hangs = links[:, -1] >= TWIN
        self.twin = np.where(hangs, links[:, -1] - TWIN, -1)
        check(((self.twin > own) & (self.twin < self.n))[hangs].all(), "GLNK",
              "a twin that is not further behind")
        self.links = links.copy()
        self.links[hangs, -1] = own[hangs]
        outside = (self.links >= self.n).any(axis=1)
        check(not outside.any(), "GLNK", f"row {outside.argmax()}: a link leads to no row")

    def read_chains(self):
        """node_of: the node that a row hangs on, -1 for rows that hang on none."""
        self.node_of = np.full(self.n, -1)
        hangs = np.flatnonzero(self.twin >= 0)
        for before in hangs.tolist():  # ascending, so a node before its twins
            twin = self.twin[before]
            check(self.node_of[twin] < 0, "GLNK", f"row {twin} hangs on two rows")
            node = before if self.node_of[before] < 0 else self.node_of[before]
            self.node_of[twin] = node
        twins = np.flatnonzero(self.node_of >= 0)
        check(len(twins) == self.twins, "GRPH", f"{self.twins} twins, {len(twins)} hang on rows")
        check((self.codes[twins] == self.codes[self.node_of[twins]]).all(), "GLNK",
              "a twin differs from the row it hangs on")
        last = {}
        for twin in twins.tolist():
            last[self.node_of[twin]] = twin  # ascending: the last one stays
        want = np.repeat(twins[:, None], self.degree, axis=1)
        first = self.twin[self.node_of[twins]] == twins
        want[first, 0] = [last[node] for node in self.node_of[twins[first]]]
        check((self.links[twins] == want).all(), "GLNK", "a twin has links of its own")

    def walk(self):
        """Every live row is reached from the first entry, or hangs on a row that is."""
        self.reached = np.zeros(self.n, bool)
        edge = self.entries[:1].astype(np.int64)
        while edge.size:
            self.reached[edge] = True
            edge = np.unique(self.links[edge])
            edge = edge[~self.reached[edge]]
        check(not self.reached[self.node_of >= 0].any(), "GLNK", "a link leads to a twin")
        check(self.since or self.reached[self.entries].all(), "GRPH", "an entry is out of reach")
        node = np.where(self.node_of >= 0, self.node_of, np.arange(self.n))
        lost = ~self.rows.removed & ~self.reached[node]
        check(self.since or not lost.any(), "GLNK", f"{lost.sum()} rows are out of reach, first {lost.argmax()}")
        check(self.reached.sum() <= self.nodes, "GRPH", "more nodes than it says")

    def spec(self):
        return bytes(self.sections.get("SPEC", b"")).decode(errors="replace")

    def read_levels(self):
        """What HNSW has above the level of all rows, and how many links a row may have."""
        self.levels, data = [], self.sections.get("GLEV", b"")
        if self.spec().startswith("HNSW"):
            check(len(data) >= LEVELS.size, "GLEV", f"{len(data)} bytes")
            version, self.most, width, levels, entry, later = LEVELS.unpack_from(data)
            check(version == 1 and not any(later), "GLEV", f"version {version}")
            check(0 < width <= WIDTH_MOST and levels <= LEVELS_MOST, "GLEV",
                  f"{levels} levels of {width} links a row")
            check(0 < self.most <= self.degree, "GLEV", f"{self.most} of {self.degree} links a row")
            check(self.entry_count == 1, "GLEV", f"{self.entry_count} entries")
            self.take_levels(data, width, levels)
            if levels:
                check(entry < len(self.levels[-1].pos), "GLEV", "its entry is no row")
                check(self.levels[-1].pos[entry] == self.entries[0], "GLEV", "another entry")
            else:
                check(entry == 0, "GLEV", "an entry without levels")
        else:
            check(not data, "GLEV", f"levels of {self.spec()}")
            m = re.match(r"NSW(\d+)", self.spec())
            self.most = min(2 * int(m[1]), self.degree) if m else self.degree
        own = np.arange(self.n)[:, None]
        used = (self.links != own).sum(axis=1) * (self.node_of < 0)
        check((used <= self.most).all(), "GLNK",
              f"row {(used > self.most).argmax()}: more than {self.most} links")

    def take_levels(self, data, width, levels):
        at, under = LEVELS.size, np.arange(self.n)
        for number in range(1, levels + 1):
            check(len(data) - at >= 4, "GLEV", f"it ends in level {number}")
            n = struct.unpack_from("<I", data, at)[0]
            check(0 < n <= len(under) and len(data) - at - 4 >= 4 * n * (1 + width), "GLEV",
                  f"{n} rows on level {number}, {len(under)} below")
            below = np.frombuffer(data, "<u4", n, at + 4)
            links = np.frombuffer(data, "<u4", n * width, at + 4 + 4 * n).reshape(n, width)
            check((below < len(under)).all(), "GLEV", f"level {number}: no row of the level below")
            check((links < n).all(), "GLEV", f"level {number}: a link leads to no row")
            under = under[below]
            check(len(np.unique(under)) == n, "GLEV", f"a row is twice on level {number}")
            check((self.node_of[under] < 0).all(), "GLEV",
                  f"a row of level {number} hangs on another")
            self.levels.append(Level(under, links))
            at += 4 + 4 * n * (1 + width)
        check(at == len(data), "GLEV", f"{len(data)} bytes, its levels end at {at}")

    def summary(self):
        kind = {OWN: "own", CODE: "code", ROWS: "rows", SHORT: "short"}[self.lens.kind]
        return (f"graph: {self.nodes} nodes, {self.twins} twins, {self.degree} links a row, "
                f"{self.entry_count} entries, lens {kind}"
                + (f", {len(self.levels)} levels" if self.levels else ""))

    def show(self):
        """One row a line: position, what it is, its links."""
        for pos in range(self.n):
            what = "node" if self.reached[pos] else "none"
            if self.node_of[pos] >= 0:
                what = f"twin of {self.node_of[pos]}"
            row = self.links[pos]
            links = row[row != pos].tolist() if self.node_of[pos] < 0 else []
            print(pos, what, " ".join(map(str, links)), sep="\t")
