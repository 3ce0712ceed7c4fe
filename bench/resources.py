"""What threads and memory do: batches on two threads, and the peak of a bulk build.

    resources.py BUILD OUT.json [--quick] [--set NAME|FOLDER]… [--spec SPEC] [--cores A,B]

BUILD: folder with bench_search (see bench/run). No peer: the targets are ratios of kith to itself.

batches Queries in one call on two threads, and on one, against the same queries one by one on one
        thread, in turn, at the tuned points nearest .95 and .99; clock time, whatever else runs
        on these cores.
memory  The most that a process ever held (VmHWM) that builds the set's index from its file, reading
        the rows as they come, less what the same process holds with an empty index; against the
        size of the finished index, its file.
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
from exact import CORE, Worker, parser                       # noqa: E402


def worker(args, data, base, threads, cores, spec="-"):
    program = os.path.join(args.build, "bench_search")
    words = ["taskset", "-c", cores, program, spec, data.metric, base, data.query, str(threads)]
    return Worker(words, pin=False)


def batches(args, data, tmp):
    side = graph.Kith(args.build, data, args.spec, reuse=True)
    nq = min(len(data.queries), 2000) if args.quick else len(data.queries)
    graph.warm_up(data, side, nq, tmp, .15)
    side.end()
    one = worker(args, data, side.file, 1, CORE)
    two = worker(args, data, side.file, 2, args.cores)
    ways = (("one by one", one, "walk"), ("batch, 1 thread", one, "batch"),
            ("batch, 2 threads", two, "batch"))
    out = []
    for recall in (.95, .99):
        i = int(np.argmin([abs(r - recall) for r in side.recalls]))
        took = {name: [] for name, _, _ in ways}
        for r in range(args.rounds):
            for name, w, verb in ways[r % 3:] + ways[:r % 3]:
                took[name].append(w.ask(verb, nq, graph.K, *side.points[i])[0])
        two.ask("batch", nq, graph.K, *side.points[i], tmp)
        base = np.array(took["one by one"])
        out.append({"point": list(side.points[i]), "recall": side.recalls[i],
                    "recall_batch": data.recall(tmp, nq), "queries": nq,
                    "qps": {n: nq / float(np.median(t)) for n, t in took.items()},
                    "ratio": {n: float(np.median(base / t)) for n, t in took.items()},
                    "spread": {n: float(np.ptp(base / t) / np.median(base / t))
                               for n, t in took.items()}})
        print(data.name, json.dumps(out[-1]), flush=True)
    one.end()
    two.end()
    return out


def memory(args, data):
    """Bytes: of a build at most and after it, and of the finished index."""
    path = os.path.join(data.made, "memory.kith")
    empty = worker(args, data, "-", 2, args.cores, args.spec)
    nothing = empty.ask("peak")[1]
    empty.end()
    full = worker(args, data, data.base, 2, args.cores, args.spec)
    peak, after = (full.ask(w)[1] - nothing for w in ("peak", "rss"))
    full.ask("save", path)
    full.end()
    size = os.path.getsize(path)
    os.remove(path)
    out = {"peak_bytes": peak, "after_bytes": after, "file_bytes": size,
           "input_bytes": os.path.getsize(data.base), "ratio": peak / size}
    print(data.name, json.dumps(out), flush=True)
    return out


def main():
    p = parser(__doc__)
    p.add_argument("--set", action="append", help="(sift-1m-128, manuals-512)")
    p.add_argument("--spec", default="Graph48")
    p.add_argument("--cores", help="of two threads (the last two)")
    args = p.parse_args()
    args.rounds = 3 if args.quick else 7
    args.cores = args.cores or ",".join(str(c) for c in sorted(os.sched_getaffinity(0))[-2:])
    root, tmp = kithdata.data_root(), os.path.join(args.build, "resources.tmp")
    report = {"sets": []}
    for name in args.set or ["sift-1m-128", "manuals-512"]:
        data = graph.Data(root, name, "l2")
        report["sets"].append({"set": data.name, "rows": len(data.rows), "spec": args.spec,
                               "memory": memory(args, data), "batches": batches(args, data, tmp)})
        with open(args.out, "w") as f:
            json.dump(report, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
