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
    rows = lines_of(os.path.join(build, "bench_kernels.json"))
    peaks = ["%d streams %.1f" % (r["stream"], r["gb_per_s"]) for r in rows if "stream" in r]
    yield "Read bandwidth, GB/s: %s." % ", ".join(peaks)
    yield ""
    yield "| ISA | kernel | rows in | floor, ns a row | measured | fraction |"
    yield "|---|---|---|---|---|---|"
    for r in rows:
        if "op" in r:
            yield "| %s | %s %s, d = %d | %s | %.2f | %.2f | %.2f |" % (
                r["isa"], r["op"], r["type"], r["dim"], r["rows"], r["floor_ns"], r["ns"],
                r["fraction"])


def blocks(build):
    rows = lines_of(os.path.join(build, "bench_blocks.json"))
    peaks = ["%s %.0f" % (r["peak"], r["giga_per_s"]) for r in rows if "peak" in r]
    yield "Peaks, thousand million multiply-adds (of bits: bits) a second: %s." % "; ".join(peaks)
    yield ""
    yield "| ISA | block | rows x queries | floor, ns a pair | measured | fraction |"
    yield "|---|---|---|---|---|---|"
    for r in rows:
        if "op" in r:
            yield "| %s | %s, d = %d | %d x %d | %.3f | %.3f | %s |" % (
                r["isa"], r["op"], r["dim"], r["rows"], r["queries"], r["floor_ns"], r["ns"],
                "%.2f" % r["fraction"] if r["floor_ns"] else "")


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
