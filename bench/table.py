"""table.py BUILD FILE.md…: put what the benches measured between the markers of documents.

BUILD holds exact.json (exact.py), graph.json (graph.py) and the lines of bench_kernels.json and
bench_blocks.json; what is not there leaves its place as it is.
A marker pair is <!-- NAME --> … <!-- /NAME -->; NAME: exact, graph, kernels, blocks.
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


def graph(build):
    with open(os.path.join(build, "graph.json")) as f:
        r = json.load(f)
    yield "%s; peer: %s; medians of %d rounds in %s time." % (
        r["cpu"], r["peer"], r["rounds"], " and ".join(sorted({s["time"] for s in r["sets"]})))
    yield ""
    yield "Queries a second at recall@10; in brackets the ratio to the peer and its rounds' spread."
    yield ""
    yield "| set | index | %s |" % " | ".join(("%.3f" % x).strip("0") for x in r["recalls"])
    yield "|---|---" + "|---" * len(r["recalls"]) + "|"
    for s in r["sets"]:
        for side in s["sides"]:
            ratios = side["ratio"] or [None] * len(r["recalls"])
            yield "| %s | %s | %s |" % (s["set"], side["name"], " | ".join(
                "–" if not q else "{:,.0f}".format(q) if not x else
                "{:,.0f} (**{:.1f} x**, {:.0f} %)".format(q, x[0], 100 * x[1])
                for q, x in zip(side["qps_at"], ratios)))
    yield ""
    yield ("| set | index | p50, p99 near .95, µs | build, s (CPU s) | resident MB | file MB "
           "| open, ms | first query, ms |")
    yield "|---" * 8 + "|"
    for s in r["sets"]:
        for side in s["sides"]:
            at = side["latency"]
            yield "| %s | %s | %.0f, %.0f (%.4f) | %.1f (%.1f) | %.0f | %.0f | %.2f | %.2f |" % (
                s["set"], side["name"], at["p50_us"], at["p99_us"], at["recall"],
                side["build_seconds"], side["build_cpu_seconds"], side["resident_bytes"] / 1e6,
                side["file_bytes"] / 1e6, 1e3 * side["open_seconds"],
                1e3 * side["first_query_seconds"])


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
        for make, needs in ((exact, "exact"), (graph, "graph"), (kernels, "bench_kernels"),
                            (blocks, "bench_blocks")):
            name = make.__name__
            if not os.path.exists(os.path.join(build, needs + ".json")):
                continue
            pair = re.compile("(<!-- %s -->\n).*?(<!-- /%s -->)" % (name, name), re.S)
            if pair.search(text):
                body = "\n".join(make(build)) + "\n"
                text = pair.sub(lambda m, body=body: m.group(1) + body + m.group(2), text)
        with open(document, "w") as f:
            f.write(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
