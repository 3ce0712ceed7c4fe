"""tools/readkith_rows.py: the rows of a .kith file, read by the text of docs/FORMAT.md ("Sections
of rows") alone, with numpy and none of kith's code. The command is tools/readkith.py.

rows = Rows(sections), sections = {"CODE": bytes-like, …} of part 0; then rows.ids, rows.values,
rows.labels, rows.removed, by position. Everything is looked at; whatever disagrees raises
ValueError with the section's name.
"""
import struct

import numpy as np

import readkith

CHUNK = 65536
SEED = 1024
HEAD = struct.Struct("<IIIIQdIIqqIIQQ")
CODECS = {1: "F32", 2: "F16", 3: "BF16", 4: "I8", 5: "U8", 6: "Bits", 7: "SQ8", 8: "SQ6", 9: "SQ4"}
LEARNED_BITS = {"SQ8": 8, "SQ6": 6, "SQ4": 4}
METRICS = {1: "l2", 2: "ip", 3: "cosine", 4: "l1", 5: "linf", 6: "lp", 7: "canberra",
           8: "bray_curtis", 9: "jensen_shannon", 10: "jaccard", 11: "hamming"}
ADAPTIVE, SCAN, OWN_IDS = 1, 2, 4


def check(fine, section, what):
    if not fine:
        raise ValueError(f"section {section}: {what}")


class Rows:
    def __init__(self, sections):
        self.sections = dict(sections)
        self.read_head()
        self.read_learned()
        self.read_removed()
        self.read_ids()
        self.read_values()
        self.read_labels()
        self.read_scan()

    def take(self, name, length):
        """The section's bytes; a section of no bytes is absent."""
        data = self.sections.get(name, b"")
        check(len(data) == length, name, f"{len(data)} bytes, should be {length}")
        return data

    def read_head(self):
        head = self.sections.get("ROWS", b"")
        check(len(head) >= HEAD.size, "ROWS", f"{len(head)} bytes")
        (version, codec, metric, flags, self.d, self.arg, self.n, self.live, self.first_id,
         self.next_id, self.labelled, self.scan_chunks, self.text_len,
         later) = HEAD.unpack_from(head)
        check(version == 1, "ROWS", f"version {version}")
        check(codec in CODECS and metric in METRICS, "ROWS", f"codec {codec}, metric {metric}")
        check(flags < 8 and later == 0, "ROWS", f"flags {flags}")
        check(self.live <= self.n and self.labelled <= self.live, "ROWS", "its counts disagree")
        self.codec, self.metric = CODECS[codec], METRICS[metric]
        self.adaptive, self.scan_wanted = bool(flags & ADAPTIVE), bool(flags & SCAN)
        self.own_ids = bool(flags & OWN_IDS)
        check(len(head) == HEAD.size + 12 * self.scan_chunks, "ROWS", f"{len(head)} bytes")
        self.scan_entries = [struct.unpack_from("<IfI", head, HEAD.size + 12 * c)
                             for c in range(self.scan_chunks)]

    def read_learned(self):
        """Where each component begins, and its steps."""
        bits = LEARNED_BITS.get(self.codec, 0)
        data = self.take("CLRN", 16 + 8 * self.d if bits else 0)
        if not bits:
            return
        version, has, flags, zero = struct.unpack_from("<4I", data)
        check((version, has, zero) == (1, bits, 0) and flags < 2, "CLRN", f"{version} {has} {flags}")
        self.low, self.step = np.frombuffer(data, "<f4", offset=16).reshape(2, self.d)
        end = np.abs(self.low + np.float64(2 ** bits - 1) * self.step)
        end = np.maximum(end, np.abs(self.low))
        check(np.isfinite(self.low).all() and (self.step > 0).all() and
              (self.step >= end * 2.0 ** -20).all(), "CLRN", "no steps")
        check(not flags or (self.low == self.low[0]).all() and (self.step == self.step[0]).all(),
              "CLRN", "not uniform")
        self.uniform = bool(flags)

    def read_removed(self):
        words = (self.n + 63) // 64 if self.live < self.n else 0
        bits = np.unpackbits(np.frombuffer(self.take("GONE", 8 * words), np.uint8),
                             bitorder="little")
        self.removed = bits[:self.n].astype(bool) if words else np.zeros(self.n, bool)
        check(not bits[self.n:].any(), "GONE", "rows behind the last one")
        check(self.removed.sum() == self.n - self.live, "GONE", "another number of rows")

    def read_ids(self):
        if not self.own_ids:
            self.take("IDS ", 0)
            self.take("IDPO", 0)
            self.ids = self.first_id + np.arange(self.n, dtype=np.int64)
            return
        self.ids = np.frombuffer(self.take("IDS ", 8 * self.n), "<i8")
        by_id = np.frombuffer(self.take("IDPO", 4 * self.live), "<u4")
        check((by_id < self.n).all() and not self.removed[by_id].any(), "IDPO", "no live rows")
        check((np.diff(self.ids[by_id]) > 0).all(), "IDPO", "ids do not ascend")
        check((self.ids != -1).all(), "IDS ", "an id is -1")

    def read_values(self):
        kinds = {"F32": "<f4", "F16": "<f2", "BF16": "<u2", "I8": "i1", "U8": "u1"}
        if self.codec == "Bits":
            row = (self.d + 7) // 8
            data = np.frombuffer(self.take("CODE", self.n * row), np.uint8).reshape(self.n, row)
            bits = np.unpackbits(data, axis=1) if self.n else np.zeros((0, 8 * row), np.uint8)
            check(not bits[:, self.d:].any(), "CODE", "bits behind the last component")
            self.values = bits[:, :self.d]
            return
        if self.codec in LEARNED_BITS:
            self.read_steps(LEARNED_BITS[self.codec])
            return
        kind = np.dtype(kinds[self.codec])
        data = self.take("CODE", self.n * self.d * kind.itemsize)
        self.values = np.frombuffer(data, kind).reshape(self.n, self.d)
        if self.codec == "BF16":
            self.values = (self.values.astype(np.uint32) << 16).view(np.float32)

    def read_steps(self, bits):
        row = (self.d * bits + 7) // 8
        data = np.frombuffer(self.take("CODE", self.n * row), np.uint8).reshape(self.n, row)
        each = np.unpackbits(data, axis=1, bitorder="little") if self.n else np.zeros((0, 8 * row))
        check(not each[:, self.d * bits:].any(), "CODE", "bits behind the last component")
        each = each[:, :self.d * bits].reshape(self.n, self.d, bits)
        code = (each << np.arange(bits)).sum(axis=2).astype(np.float32)
        self.values = self.low + self.step * code

    def read_labels(self):
        self.labels = [None] * self.n
        some = self.labelled > 0
        at = np.frombuffer(self.take("LOFF", 8 * (self.n + 1) if some else 0), "<u8").tolist()
        text = bytes(self.take("LTXT", self.text_len))
        by_label = np.frombuffer(self.take("LPOS", 4 * self.labelled), "<u4").tolist()
        if not some:
            return
        check(at[0] == 0 and at[-1] == self.text_len, "LOFF", "does not cover LTXT")
        for i in range(self.n):
            check(at[i] <= at[i + 1], "LOFF", f"row {i}: descends")
            label = text[at[i]:at[i + 1]]
            if not label:
                continue
            check(not self.removed[i], "LOFF", f"row {i} is removed")
            check(label[-1] == 0 and 0 not in label[:-1], "LTXT", f"row {i}: NUL")
            self.labels[i] = label[:-1].decode("utf-8")
        check(sorted(i for i in range(self.n) if self.labels[i] is not None) == sorted(by_label),
              "LPOS", "other rows than LOFF")
        keys = [(self.labels[i].encode("utf-8"), i) for i in by_label]
        check(keys == sorted(keys), "LPOS", "labels do not ascend")

    def read_scan(self):
        """The scan code of each chunk: rebuilt rows are within `error` of the rows."""
        rows = sum(entry[0] for entry in self.scan_entries)
        coded = sum(entry[0] > 0 for entry in self.scan_entries)
        width = (self.d + 1) // 2
        centres = np.frombuffer(self.take("SCEN", 4 * self.d * coded), "<f4")
        terms = np.frombuffer(self.take("STRM", 12 * rows), "<f4")
        planes = np.frombuffer(self.take("SCOD", 2 * width * rows), np.uint8)
        for c, (n, error_max, rest_max) in enumerate(self.scan_entries):
            full = min(CHUNK, self.n - c * CHUNK)
            check(n == (full if full >= SEED else 0), "ROWS", f"chunk {c}: {n} scan codes")
            if n == 0:
                check(error_max == 0 and rest_max == 0, "ROWS", f"chunk {c}: errors of no codes")
                continue
            first = c * CHUNK
            scale, error, half_norm = terms[3 * first:3 * (first + n)].reshape(3, n)
            high, low = planes[2 * width * first:2 * width * (first + n)].reshape(2, n, width)
            high, low = self.halves(high), self.halves(low)
            self.check_scan(c, centres[c * self.d:(c + 1) * self.d], 16 * high + low, scale, error,
                            half_norm)
            check(error.max() == np.float32(error_max), "ROWS", f"chunk {c}: its largest error")
            check(((2 * low - 15) ** 2).sum(axis=1).max() == rest_max, "ROWS",
                  f"chunk {c}: its largest rest")

    def halves(self, plane):
        """A plane's 4-bit halves by component."""
        both = np.concatenate([plane & 15, plane >> 4], axis=1).astype(np.int64)
        check((both[:, self.d:] == 0).all(), "SCOD", "halves behind the last component")
        return both[:, :self.d]

    def check_scan(self, chunk, centre, code, scale, error, half_norm):
        first = chunk * CHUNK
        rows = self.values[first:first + len(code)].astype(np.float64)
        if self.metric == "cosine":
            norm = np.sqrt((rows * rows).sum(axis=1, keepdims=True))
            rows = np.divide(rows, norm, out=np.zeros_like(rows), where=norm > 0)
        steps = scale[:, None].astype(np.float64) * (code - 128)
        missed = np.sqrt(((rows - centre - steps) ** 2).sum(axis=1))
        check((missed <= error * (1 + 1e-9)).all(), "SCOD", f"chunk {chunk}: a code lies")
        half = (steps * steps).sum(axis=1) / 2
        check(np.allclose(half_norm, half, rtol=1e-6, atol=1e-37), "STRM", f"chunk {chunk}")

    def summary(self):
        return (f"rows: {self.n}, {self.live} live, {self.labelled} with a label, {self.d} "
                f"components, {self.codec}, {self.metric}")

    def show(self):
        for i in range(self.n):
            state = "removed" if self.removed[i] else "live"
            values = " ".join(f"{v:.9g}" for v in self.values[i].astype(np.float64))
            print(self.ids[i], self.labels[i] or "-", state, values, sep="\t")

    def export(self, name):
        live = ~self.removed
        labels = [label or "" for label, keep in zip(self.labels, live) if keep]
        if any("\n" in label for label in labels):
            raise ValueError("a label has more than one line: a text file cannot hold it")
        np.save(f"{name}.npy", self.values[live])
        np.save(f"{name}_ids.npy", self.ids[live])
        if self.labelled:
            with open(f"{name}_labels.txt", "w", encoding="utf-8", newline="\n") as out:
                out.writelines(f"{label}\n" for label in labels)


def read(path):
    with open(path, "rb") as stream:
        file = readkith.File(stream.read())
    return Rows({s.name: s.data for s in file.sections if s.part == 0})
