"""table.py BUILD FILE.md…: put what the benches measured between the markers of documents.

BUILD holds exact.json (exact.py) and the lines of bench_kernels.json and bench_blocks.json.
A marker pair is <!-- NAME --> … <!-- /NAME -->; NAME: exact, kernels, blocks.
"""
import json
import os
import re
import sys


def lines_of(path):
    with open(path) as f:
        return [json.loads(line) for line in f]


def exact(build):
    with open(os.path.join(build, "exact.json")) as f:
        r = json.load(f)
    yield "%s; peer: %s; medians of %d rounds." % (r["cpu"], r["peer"], r["rounds"])
    yield ""
    yield "| what | target | measured | |"
    yield "|---|---|---|---|"
    for row in r["rows"]:
        note = row["note"] if row["ok"] else ("**short** " + row["note"]).strip()
        yield "| %s | %s | %s | %s |" % (row["what"], row["target"], row["measured"], note)


def kernels(build):
    return slots(build, "bench_kernels.json", "Read bandwidth, GB/s: ", "%(stream)d streams "
                 "%(gb_per_s).1f", "kernel | rows in | floor, ns a row",
                 "%(op)s %(type)s, d = %(dim)d | %(rows)s", 2)


def blocks(build):
    return slots(build, "bench_blocks.json",
                 "Peaks, thousand million multiply-adds (of bits: bits) a second: ",
                 "%(peak)s %(giga_per_s).0f", "block | rows x queries | floor, ns a pair",
                 "%(op)s, d = %(dim)d | %(rows)d x %(queries)d", 3)


def slots(build, name, peaks, peak, head, what, digits):
    """A line of peaks and a table of slots; a peak's line has no `op`."""
    rows = lines_of(os.path.join(build, name))
    yield peaks + "; ".join(peak % r for r in rows if "op" not in r and peak_key(peak) in r) + "."
    yield ""
    yield "| ISA | %s | measured | fraction |" % head
    yield "|---" * 6 + "|"
    for r in rows:
        if "op" in r:
            yield "| %s | %s | %.*f | %.*f | %s |" % (
                r["isa"], what % r, digits, r["floor_ns"], digits, r["ns"],
                "%.2f" % r["fraction"] if r["floor_ns"] else "")


def peak_key(peak):
    return peak[peak.index("(") + 1:peak.index(")")]


def main(build, *documents):
    for document in documents:
        with open(document) as f:
            text = f.read()
        for make in (exact, kernels, blocks):
            name = make.__name__
            pair = re.compile("(<!-- %s -->\n).*?(<!-- /%s -->)" % (name, name), re.S)
            if pair.search(text):
                body = "\n".join(make(build)) + "\n"
                text = pair.sub(lambda m, body=body: m.group(1) + body + m.group(2), text)
        with open(document, "w") as f:
            f.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
