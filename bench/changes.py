"""The numbers of change: kith beside hnswlib, interleaved on one pinned core.

    changes.py BUILD OUT.json [--quick] [--rows N] [--set NAME] [--spec SPEC] [--only PART]…
                              [--cpu-time]

BUILD: folder with bench_search and hnswlib_worker (see bench/run). PARTS:

churn   The set's first N rows (200,000). In each of 5 rounds a random tenth is removed and as many
        of the set's next rows come: by kith in two calls, by hnswlib with markDelete and, in the
        places of removed rows, addPoint(…, replace_deleted). Rows that were removed do not come
        back: where copies of rows lie, kith only notes one more. Recall@10 and QPS before and
        after, at the operating point of each side nearest .95 before.
adds    Into the whole set's index, of which both files are those of graph.py: the set's queries,
        which are new rows to it; 1,600 a round in one call, then 400 in a call each. hnswlib has
        but one kind of call.
grown   The set's first N rows came 1,000 a call, against the same rows built at once: the ratio of
        the two curves, as graph.py measures.
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

PARTS = ["churn", "adds", "grown"]
SHARE, CALL, MANY, SINGLE = .1, 1000, 1600, 400


class Living(graph.Data):
    """Rows of which some live."""

    def __init__(self, root, folder):
        super().__init__(root, folder, "l2")
        gt = np.load(os.path.join(folder, "gt.npy"))
        self.near = gt[np.random.default_rng(5).permutation(len(gt))]     # as the queries are
        self.to = self.distances(self.near)

    def now(self, live):
        self.live = live
        to = np.where(live[self.near], self.to, np.inf)
        self.bound = np.partition(to, graph.K - 1, 1)[:, graph.K - 1]

    def recall(self, path, nq):
        ids = np.fromfile(path, np.int64)
        np.where((ids >= 0) & self.live[ids], ids, -1).tofile(path)
        return super().recall(path, nq)


def ids_file(data, name, ids):
    kithdata.save(data.made, name, np.asarray(ids, np.int64))
    return os.path.join(data.made, name)


def near(side, recall):
    return int(np.argmin([abs(r - recall) for r in side.recalls]))


def state(data, side, i, nq, tmp):
    """Recall and QPS at a point now."""
    side.walk(i, nq, tmp)
    return {"recall": data.recall(tmp, nq), "qps": nq / side.walk(i, nq)}


def churn(args, data, tmp):
    n, each, root = len(data.rows), int(SHARE * len(data.rows)), kithdata.data_root()
    most = n + args.rounds * each
    every = Living(root, kithdata.part(root, args.set, most))
    live = np.arange(most) < n
    every.now(live)
    sides = [graph.Hnswlib(args.build, data),
             graph.Kith(args.build, data, args.spec, reuse=True)]
    nq, rng = len(data.queries), np.random.default_rng(9)
    for s in sides:
        graph.warm_up(data, s, nq, tmp, .15)
    where = [near(s, .95) for s in sides]
    report = [{"name": s.name, "point": list(s.points[i]), "removed": [], "added": [],
               "before": state(every, s, i, nq, tmp), "after": []} for s, i in zip(sides, where)]
    for r in range(args.rounds):
        gone = rng.choice(np.flatnonzero(live), each, replace=False)
        come = np.arange(n + r * each, n + (r + 1) * each)
        live[gone], live[come] = False, True
        every.now(live)
        gone, come = ids_file(data, "gone.npy", gone), ids_file(data, "come.npy", come)
        turn = list(zip(sides, report, where))
        for s, told, i in turn[r % 2:] + turn[:r % 2]:
            told["removed"].append(s.worker.ask("remove", gone)[0])
            put = ["put", every.base, come] if s.verb == "one" else ["add", every.base, come, 0]
            told["added"].append(s.worker.ask(*put)[0])
            told["after"].append(state(every, s, i, nq, tmp))
            print("%-16s round %d: removed %.3f s, added %.3f s, recall %.4f, %.0f/s" % (
                s.name, r, told["removed"][-1], told["added"][-1], told["after"][-1]["recall"],
                told["after"][-1]["qps"]), flush=True)
    for s in sides:
        s.end()
    peer, own = (sum(told["removed"]) + sum(told["added"]) for told in report)
    return {"set": data.name, "rows": n, "sides": report, "ratio": peer / own}


def ratio(peer, own):
    """Of the medians, and the spread of the rounds' ratios."""
    each = np.asarray(peer) / np.asarray(own)
    return [float(np.median(peer) / np.median(own)),
            float((each.max() - each.min()) / np.median(each))]


def adds(args, data, tmp):
    peer = graph.Hnswlib(args.build, data)
    own = graph.Kith(args.build, data, args.spec, reuse=True)
    # A row of the file is told by id mod nq; hnswlib has room for all before the clock runs.
    n, nq = len(data.rows), len(data.queries)
    rounds = min(args.rounds, nq // (MANY + SINGLE))
    peer.worker.ask("room", n + nq)
    first = -(-n // nq) * nq
    took = {"peer": [], "many": [], "single": []}
    for r in range(rounds):
        at = first + r * (MANY + SINGLE)
        many = ids_file(data, "many.npy", np.arange(at, at + MANY))
        single = ids_file(data, "single.npy", np.arange(at + MANY, at + MANY + SINGLE))
        for turn in ("peer", "own") if r % 2 else ("own", "peer"):
            if turn == "peer":
                both = [peer.worker.ask("add", data.query, f)[0] for f in (many, single)]
                took["peer"].append(sum(both) / (MANY + SINGLE))
            else:
                took["many"].append(own.worker.ask("add", data.query, many, 0)[0] / MANY)
                took["single"].append(own.worker.ask("add", data.query, single, 1)[0] / SINGLE)
        print("added: hnswlib %.0f us a row, kith %.0f, one a call %.0f" % tuple(
            1e6 * took[w][-1] for w in ("peer", "many", "single")), flush=True)
    peer.end()
    own.end()
    return {"set": data.name, "rows": n, "peer": peer.name, "spec": own.spec, "seconds": took,
            "ratio": {w: ratio(took["peer"], took[w]) for w in ("many", "single")}}


class Grown(graph.Kith):
    """The same rows, CALL in each call."""

    def title(self, spec):
        return "%s, %d rows a call" % (spec, CALL)

    def make(self, program, data):
        grower = Worker([program, self.spec, data.metric, "-", data.query])
        ids = ids_file(data, "all.npy", np.arange(len(data.rows)))
        took = grower.ask("add", data.base, ids, CALL)[0]
        grower.ask("save", self.file)
        grower.end()
        return [took, took]


def grown(args, data, tmp):
    bulk = graph.Kith(args.build, data, args.spec, reuse=True)
    added = Grown(args.build, data, args.spec, reuse=args.reuse)
    # The same points for both: a curve of one is not the other's.
    added.points = bulk.points
    nq = min(len(data.queries), 2000) if args.quick else len(data.queries)
    for s in (bulk, added):
        graph.warm_up(data, s, nq, tmp, .15 if args.quick else .6)
    graph.rounds([bulk, added], args.rounds)
    for s in (bulk, added):
        s.end()
    return {"set": data.name, "rows": len(data.rows), "recalls": graph.RECALLS,
            "qps_at": [[graph.qps_at(graph.curve(s), r) for r in graph.RECALLS]
                       for s in (bulk, added)],
            "names": [bulk.name, added.name], "seconds": [bulk.build[1], added.build[1]],
            "ratio": graph.ratios(added, bulk)}


def arguments():
    p = parser(__doc__)
    p.add_argument("--set", default="sift-1m-128")
    p.add_argument("--rows", type=int, default=200000)
    p.add_argument("--spec", default="Graph48")
    p.add_argument("--only", action="append", choices=PARTS)
    p.add_argument("--reuse", action="store_true", help="the grown index of an earlier run")
    p.add_argument("--cpu-time", action="store_true")
    args = p.parse_args()
    args.rounds = 3 if args.quick else 5
    if args.cpu_time:
        os.environ["KITH_BENCH_CPU_TIME"] = "1"
    return args


def main():
    args = arguments()
    os.sched_setaffinity(0, {c for c in os.sched_getaffinity(0) if c != int(CORE)} or {int(CORE)})
    root, tmp = kithdata.data_root(), os.path.join(args.build, "changes.tmp")
    report = {}
    if os.path.exists(args.out):
        with open(args.out) as f:
            report = json.load(f)
    for part in args.only or PARTS:
        folder = args.set if part == "adds" else kithdata.part(root, args.set, args.rows)
        data = graph.Data(root, folder, "l2")
        report[part] = {"churn": churn, "adds": adds, "grown": grown}[part](args, data, tmp)
        report[part]["time"] = "CPU" if args.cpu_time else "clock"
        with open(args.out, "w") as f:
            json.dump(report, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
