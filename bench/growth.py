"""How QPS and build time grow with the rows: kith beside hnswlib, as graph.py measures both.

    growth.py BUILD OUT.json [--quick] [--rows N]… [--peer-rows N] [--spec SPEC] [--cpu-time]

BUILD: folder with bench_search and hnswlib_worker (see bench/run). The first 62,500, 250,000 and
1,000,000 rows of sift-1m-128, and 4,000,000, of which three in four are its rows again with normal
noise (kithdata.part). hnswlib is left out above --peer-rows (1,000,000), where its build alone
would take more than an hour. The exponents are those of least squares through the logarithms.
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

SET, ROWS, RECALLS = "sift-1m-128", [62500, 250000, 1000000, 4000000], (.95, .99)


def exponent(rows, values):
    return float(np.polyfit(np.log(rows), np.log(values), 1)[0])


def measure(args, folder, n, tmp):
    data = graph.Data(kithdata.data_root(), folder, "l2")
    peers = [graph.Hnswlib(args.build, data)] if n <= args.peer_rows else []
    sides = peers + [graph.Kith(args.build, data, args.spec, reuse=args.reuse)]
    nq = min(len(data.queries), 2000)
    for s in sides:
        graph.warm_up(data, s, nq, tmp, .15 if args.quick else .4)
    graph.rounds(sides, args.rounds)
    for s in sides:
        s.end()
    return [{"name": s.name, "rows": n,
             "qps_at": [graph.qps_at(graph.curve(s), r) for r in RECALLS],
             "build_seconds": s.build[0], "build_cpu_seconds": s.build[1]} for s in sides]


def fitted(points):
    """Of each side, over the sizes that it was measured at."""
    out = {}
    for name in dict.fromkeys(p["name"] for p in points):
        own = [p for p in points if p["name"] == name]
        rows = [p["rows"] for p in own]
        if len(own) < 2:
            continue
        out[name] = {"build_cpu_seconds": exponent(rows, [p["build_cpu_seconds"] for p in own]),
                     "qps_at": [exponent(rows, [p["qps_at"][i] for p in own])
                                if all(p["qps_at"][i] for p in own) else None
                                for i in range(len(RECALLS))]}
    return out


def main():
    p = parser(__doc__)
    p.add_argument("--rows", type=int, action="append", help="(%s)" % ", ".join(map(str, ROWS)))
    p.add_argument("--peer-rows", type=int, default=1000000)
    p.add_argument("--spec", default="Graph48")
    p.add_argument("--reuse", action="store_true", help="kith's indexes of an earlier run")
    p.add_argument("--cpu-time", action="store_true")
    args = p.parse_args()
    args.rounds = 3 if args.quick else 5
    if args.cpu_time:
        os.environ["KITH_BENCH_CPU_TIME"] = "1"
    os.sched_setaffinity(0, {c for c in os.sched_getaffinity(0) if c != int(CORE)} or {int(CORE)})
    tmp = os.path.join(args.build, "growth.tmp")
    report = {"set": SET, "recalls": RECALLS, "time": "CPU" if args.cpu_time else "clock",
              "points": []}
    whole = np.load(os.path.join(kithdata.data_root(), SET, "base.npy"), mmap_mode="r")
    for n in args.rows or ROWS:
        folder = SET if n == len(whole) else kithdata.part(kithdata.data_root(), SET, n)
        report["points"] += measure(args, folder, n, tmp)
        report["exponents"] = fitted(report["points"])
        print(json.dumps(report["exponents"]), flush=True)
        with open(args.out, "w") as f:
            json.dump(report, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
