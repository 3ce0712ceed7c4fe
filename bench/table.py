"""table.py BUILD FILE.md…: put what the benches measured between the markers of documents.

BUILD holds what exact.py, graph.py, filters.py, layouts.py, changes.py, growth.py and resources.py
wrote, as NAME.json, and the lines of bench_kernels.json and bench_blocks.json; what is not there
leaves its place as it is. A marker pair is <!-- NAME --> … <!-- /NAME -->; NAME: exact, graph,
filters, layouts, changes, growth, resources, kernels, blocks.
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
    yield "%s; peer: %s; medians of rounds: %s." % (r["cpu"], r["peer"], ", ".join(
        "%s %d in %s time, %s queries" % (s["set"], s["rounds"], s["time"],
                                          "{:,}".format(s["queries"])) for s in r["sets"]))
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


def report_of(build, name):
    with open(os.path.join(build, name + ".json")) as f:
        return json.load(f)


def median(values):
    v = sorted(values)
    return (v[len(v) // 2] + v[(len(v) - 1) // 2]) / 2


def times(ratio):
    return "**%.1f x**, %.0f %%" % (ratio[0], 100 * ratio[1])


def filters(build):
    r = report_of(build, "filters")
    yield "%s; peer: %s; %s, %s time, microseconds a query." % (r["cpu"], r["peer"], r["set"],
                                                                r["time"])
    yield ""
    yield "| rows | passing | share | recall | %s | at recall | %s | ratio |" % (
        r["spec"], r["peer"])
    yield "|---" * 8 + "|"
    for p in r["points"]:
        yield "| {:,} | {} | {:g} % | {:.4f} | {:,.0f} | {:.4f} (ef {}) | {:,.0f} | {} |".format(
            p["rows"], p["way"], 100 * p["share"], p["recall"], p["us"], p["peer_recall"],
            p["ef"], p["peer_us"], times(p["ratio"]))


def layouts(build):
    r = report_of(build, "layouts")
    yield "%s; %s time; queries a second by all bytes : by fewer, and the ratio's spread." % (
        r["cpu"], r["time"])
    yield ""
    yield "| rows | components | fewer bytes by | %s | build, CPU s |" % " | ".join(
        "at %g" % x for x in r["recalls"])
    yield "|---" * (4 + len(r["recalls"])) + "|"
    for p in r["points"]:
        cells = ["–" if not x else "{:,.0f} : {:,.0f}, {}".format(a, b, times(x))
                 for a, b, x in zip(*p["qps_at"], p["ratio"])]
        yield "| {:,} of {} | {} {} | {} | {} | {:.1f} : {:.1f} |".format(
            p["rows"], p["set"], p["d"], p["dtype"], p["other"], " | ".join(cells),
            *p["build_cpu_seconds"])


def changes(build):
    r = report_of(build, "changes")
    if "churn" in r:
        yield from churn(r["churn"])
    if "adds" in r:
        a = r["adds"]
        yield "Rows into an index of {:,} ({}), {} time, µs a row:".format(
            a["rows"], a["set"], a["time"])
        yield ""
        yield "| %s | %s, many a call | | one a call | |" % (a["peer"], a["spec"])
        yield "|---" * 5 + "|"
        yield "| %.0f | %.0f | %s | %.0f | %s |" % (
            1e6 * median(a["seconds"]["peer"]), 1e6 * median(a["seconds"]["many"]),
            times(a["ratio"]["many"]), 1e6 * median(a["seconds"]["single"]),
            times(a["ratio"]["single"]))
        yield ""
    if "grown" in r:
        yield from grown(r["grown"])


def churn(c):
    yield "A tenth removed and as many others added, {:,} rows of {}, {} rounds, {} time:".format(
        c["rows"], c["set"], len(c["sides"][0]["added"]), c["time"])
    yield ""
    yield ("| index | removed, s | added, s | recall before, after each round "
           "| QPS before, after |")
    yield "|---" * 5 + "|"
    for s in c["sides"]:
        yield "| %s at %s | %s | %s | %.4f, %s | %s, %s |" % (
            s["name"], ":".join("%g" % p for p in s["point"]),
            " ".join("%.2f" % t for t in s["removed"]), " ".join("%.1f" % t for t in s["added"]),
            s["before"]["recall"],
            " ".join("%.4f" % a["recall"] for a in s["after"]),
            "{:,.0f}".format(s["before"]["qps"]), "{:,.0f}".format(s["after"][-1]["qps"]))
    yield ""
    yield "Ratio of the times of all rounds: **%.1f x**." % c["ratio"]
    yield ""


def grown(g):
    yield "{:,} rows of {} that came little by little, {} time, queries a second:".format(
        g["rows"], g["set"], g["time"])
    yield ""
    yield "| index | CPU s | %s |" % " | ".join(("%.3f" % x).strip("0") for x in g["recalls"])
    yield "|---" * (2 + len(g["recalls"])) + "|"
    for name, took, qps in zip(g["names"], g["seconds"], g["qps_at"]):
        yield "| %s | %.1f | %s |" % (name, took, " | ".join(
            "{:,.0f}".format(q) if q else "–" for q in qps))
    yield "| ratio | | %s |" % " | ".join("%.2f" % x[0] if x else "–" for x in g["ratio"])


def growth(build):
    r = report_of(build, "growth")
    yield "| rows | index | %s | build, CPU s |" % " | ".join("QPS at %g" % x for x in r["recalls"])
    yield "|---" * (3 + len(r["recalls"])) + "|"
    for p in r["points"]:
        yield "| {:,} | {} | {} | {:.1f} |".format(p["rows"], p["name"], " | ".join(
            "{:,.0f}".format(q) if q else "–" for q in p["qps_at"]), p["build_cpu_seconds"])
    for name, e in r["exponents"].items():
        yield "| exponent | %s | %s | %.2f |" % (name, " | ".join(
            "%.2f" % x if x is not None else "–" for x in e["qps_at"]), e["build_cpu_seconds"])


def resources(build):
    r = report_of(build, "resources")
    yield "| set | recall | one by one | batch, 1 thread | batch, 2 threads |"
    yield "|---" * 5 + "|"
    for s in r["sets"]:
        for b in s["batches"]:
            yield "| %s | %.4f | %s | %s | %s |" % (
                s["set"], b["recall"], "{:,.0f}".format(b["qps"]["one by one"]),
                *("{:,.0f} ({})".format(b["qps"][w], times((b["ratio"][w], b["spread"][w])))
                  for w in ("batch, 1 thread", "batch, 2 threads")))
    yield ""
    yield "| set | peak of a build, MB | finished index, MB | ratio |"
    yield "|---" * 4 + "|"
    for s in r["sets"]:
        m = s["memory"]
        yield "| %s | %.0f | %.0f | %.2f |" % (s["set"], m["peak_bytes"] / 1e6,
                                               m["file_bytes"] / 1e6, m["ratio"])


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
        for make in (exact, graph, filters, layouts, changes, growth, resources, kernels, blocks):
            needs = {kernels: "bench_kernels", blocks: "bench_blocks"}.get(make, make.__name__)
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
