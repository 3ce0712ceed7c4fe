"""Which walk codes serve rows of which length: the layouts of docs/GRAPH.md beside one another.

    layouts.py BUILD OUT.json [--quick] [--set NAME]… [--rows N] [--cpu-time]

BUILD: folder with bench_search (see bench/run). Of the first N rows (61,981) of packages-256 (f32)
and pixels-1024 (u8) the first components, more and more of them; for each number the same graph,
walked by whole codes and by halves, or by the rows' bytes and by short codes, both measured as
graph.py does, in turn, one query at a time, at the points that `kith tune` finds with rows held
out. What wins at .95 and .99 is what the tables in src/navigate/graph/lens.c and shorten.c say.
"""
import json
import os
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import numpy as np                                           # noqa: E402
import graph                                                 # noqa: E402
import kithdata                                              # noqa: E402
from exact import CORE, parser                               # noqa: E402

RECALLS, QUERIES, ROWS = (.95, .99), 1000, 61981
# components; what the other codes are; the specs of whole and of other codes
SETS = {"packages-256": ((64, 96, 128, 192, 256), "halves",
                         "Graph48(code_bits=8)", "Graph48(code_bits=4)"),
        "pixels-1024": ((256, 384, 512, 768, 1024), "short codes",
                        "Graph48(code_dims=4096)", "Graph48(code_dims={quarter})")}


def cut(root, name, rows, d):
    """The folder with the first d components of a set's first rows, made if it is not there."""
    folder = os.path.join(root, "%s.%d-of-%d" % (name, d, rows))
    if not os.path.exists(os.path.join(folder, "gt.npy")):
        os.makedirs(folder, exist_ok=True)
        base, query = (np.load(os.path.join(root, name, f), mmap_mode="r")
                       for f in ("base.npy", "query.npy"))
        base = np.ascontiguousarray(base[:rows, :d])
        query = np.ascontiguousarray(query[:QUERIES, :d])
        kithdata.save(folder, "base.npy", base)
        kithdata.save(folder, "query.npy", query)
        kithdata.save(folder, "gt.npy", kithdata.exact_knn(base, query, graph.K)[0])
    return folder


def measure(args, root, name, d):
    _, other, *specs = SETS[name]
    data = graph.Data(root, cut(root, name, args.rows, d), "l2")
    tmp = os.path.join(args.build, "layouts.tmp")
    sides = [graph.Kith(args.build, data, s.format(quarter=d // 4), reuse=True) for s in specs]
    for s in sides:
        graph.warm_up(data, s, len(data.queries), tmp, .15 if args.quick else .4)
    graph.rounds(sides, 5 if args.quick else 9)
    for s in sides:
        s.end()
    os.remove(tmp)
    whole, less = ([graph.qps_at(graph.curve(s), r) for r in RECALLS] for s in sides)
    ratio = graph.ratios(sides[1], sides[0])
    return {"set": name, "rows": len(data.rows), "d": d, "dtype": str(data.rows.dtype),
            "other": other, "qps_at": [whole, less],
            "ratio": [ratio[graph.RECALLS.index(r)] for r in RECALLS],
            "build_cpu_seconds": [s.build[1] for s in sides]}


def main():
    p = parser(__doc__)
    p.add_argument("--set", action="append", choices=list(SETS))
    p.add_argument("--rows", type=int, default=ROWS)
    p.add_argument("--cpu-time", action="store_true")
    args = p.parse_args()
    if args.cpu_time:
        os.environ["KITH_BENCH_CPU_TIME"] = "1"
    os.sched_setaffinity(0, {c for c in os.sched_getaffinity(0) if c != int(CORE)} or {int(CORE)})
    report = {"cpu": graph.first_of("/proc/cpuinfo", "model name"), "recalls": RECALLS,
              "time": "CPU" if args.cpu_time else "clock", "points": []}
    for name in args.set or SETS:
        for d in SETS[name][0]:
            report["points"].append(measure(args, kithdata.data_root(), name, d))
            print(json.dumps(report["points"][-1]), flush=True)
            with open(args.out, "w") as f:
                json.dump(report, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
