"""The numbers of filtered search: kith beside hnswlib, interleaved on one pinned core.

    filters.py BUILD OUT.json [--quick] [--set NAME|FOLDER] [--rows N] [--way WAY]… [--spec SPEC]
                              [--no-peer] [--cpu-time]

BUILD: folder with bench_search and hnswlib_worker (see bench/run). --rows: the set's first N rows.
--way: only these. Points that OUT.json has of an earlier run on the same set beside the same peer
on the same CPU, and that are not measured now, stay in it.
Shares of 0.1, 0.3, 1, 3, 10, 30 % of the rows pass, in three ways: at random; `far`, those farthest
from the query's anchor; `half`, a random part of the half that is farther. Anchors are queries, and
the queries asked through an anchor's filter are the nearest to it, so that the last two are
anti-correlated with their queries. Recall@10 is by distance, as in graph.py, against all rows that
pass. kith answers at the default effort. hnswlib has its filter functor on the same bits; its
figure is that of the least ef that comes to kith's recall, or of the largest ef, marked `<`.
--cpu-time: of the processes instead of the clock's. The median of rounds counts; a ratio's spread
is (max - min) / median of its rounds.
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

WAYS = ("random", "far", "half")
SHARES = (.001, .003, .01, .03, .1, .3)
EFS = (10, 20, 40, 80, 160, 320, 640, 1280, 2560)
K, ANCHORS, EACH = 10, 4, 25


class Set:
    """Rows, and queries in groups around anchors."""

    def __init__(self, args, root):
        folder = args.set if os.path.isdir(args.set) else os.path.join(root, args.set)
        self.name = os.path.basename(os.path.abspath(folder))
        rows = np.load(os.path.join(folder, "base.npy"), mmap_mode="r")
        n = min(args.rows or len(rows), len(rows))
        self.made = os.path.join(root, "%s.filters-%d" % (self.name, n))
        os.makedirs(self.made, exist_ok=True)
        self.rows = np.ascontiguousarray(rows[:n])
        q = np.load(os.path.join(folder, "query.npy"))
        anchors = np.random.default_rng(3).choice(len(q), ANCHORS, replace=False)
        near = [np.argsort(self.squares(q, q[a]), kind="stable")[:EACH] for a in anchors]
        self.queries = np.ascontiguousarray(q[np.concatenate(near)])
        self.base = self.keep("base.npy", self.rows)
        self.query = self.keep("query.npy", self.queries)
        self.to = np.stack([self.squares(self.rows, x) for x in self.queries])

    def keep(self, name, array):
        """hnswlib's index is of this base as long as it is not written again."""
        path = os.path.join(self.made, name)
        if not os.path.exists(path) or not np.array_equal(np.load(path, mmap_mode="r"), array):
            kithdata.save(self.made, name, array)
        return path

    @staticmethod
    def squares(x, y):
        out = np.empty(len(x))
        for i in range(0, len(x), 20000):
            d = x[i:i + 20000].astype(np.float32) - y.astype(np.float32)
            out[i:i + 20000] = np.einsum("ij,ij->i", d, d, dtype=np.float64)
        return out

    def filters(self, way, share):
        """(bits file, first query, queries, mask) of each group."""
        n, rng = len(self.rows), np.random.default_rng(int(share * 1e6))
        many = max(int(share * n), K)
        for g in range(1 if way == "random" else ANCHORS):
            order = np.argsort(self.to[g * EACH], kind="stable")
            pool = {"random": order, "far": order[n - many:], "half": order[n // 2:]}[way]
            mask = np.zeros(n, bool)
            mask[rng.choice(pool, many, replace=False)] = True
            path = os.path.join(self.made, "%s-%g-%d.bits" % (way, share, g))
            bits = np.zeros((n + 63) // 64 * 64, bool)
            bits[:n] = mask
            np.packbits(bits, bitorder="little").tofile(path)
            nq = len(self.queries) if way == "random" else EACH
            yield path, g * EACH, nq, mask

    def recall(self, path, first, nq, mask):
        ids = np.fromfile(path, np.int64).reshape(nq, K)
        found = 0
        for i in range(nq):
            to = np.where(mask, self.to[first + i], np.inf)
            some = np.unique(ids[i][ids[i] >= 0])
            found += (to[some] <= np.partition(to, K - 1)[K - 1]).sum()
        return found / ids.size


def sweep(worker, data, groups, point, tmp):
    """Recall over all groups, and seconds a query."""
    good = took = asked = 0
    for path, first, nq, mask in groups:
        took += worker.ask("through", path, first, nq, K, *point, tmp)[0]
        good += nq * data.recall(tmp, first, nq, mask)
        asked += nq
    return good / asked, took / asked


def again(worker, groups, point):
    took = [worker.ask("through", p, first, nq, K, *point)[0] for p, first, nq, _ in groups]
    return sum(took) / sum(g[2] for g in groups)


def measure(data, kith, peer, way, share, rounds):
    tmp = os.path.join(data.made, "ids.tmp")
    groups = list(data.filters(way, share))
    before = kith.ask("visits")[0]
    recall, _ = sweep(kith, data, groups, (0, 0), tmp)
    seen = (kith.ask("visits")[0] - before) / sum(g[2] for g in groups)
    r = {"rows": len(data.rows), "way": way, "share": share, "recall": recall, "visits": seen}
    if peer:
        for ef in EFS:
            there, _ = sweep(peer, data, groups, (ef,), tmp)
            if there >= recall - 1e-9:
                break
        r.update(ef=ef, peer_recall=there)
    times = [(again(kith, groups, (0, 0)), again(peer, groups, (r["ef"],)) if peer else 0)
             for _ in range(rounds)]
    r["us"], r["peer_us"] = (1e6 * float(np.median(t)) for t in zip(*times))
    ratios = [b / a for a, b in times]
    if peer:
        spread = (max(ratios) - min(ratios)) / float(np.median(ratios))
        r["ratio"] = [r["peer_us"] / r["us"], spread]
    if peer:
        print("%-7s %5.1f %%  recall %.4f %8.0f us %7.0f visits   peer ef %4d %s%.4f %9.0f us"
              "   %6.1f x (%.0f %%)" % (way, 100 * share, recall, r["us"], seen, r["ef"],
                                       "<" if r["peer_recall"] < recall - 1e-9 else " ",
                                       r["peer_recall"], r["peer_us"], r["ratio"][0],
                                       100 * r["ratio"][1]), flush=True)
    else:
        print("%-7s %5.1f %%  recall %.4f %8.0f us %7.0f visits"
              % (way, 100 * share, recall, r["us"], seen), flush=True)
    return r


def earlier(path, report):
    """Points of an earlier run of the same kind."""
    if not os.path.exists(path):
        return []
    with open(path) as f:
        there = json.load(f)
    same = all(there.get(w) == report[w] for w in ("set", "spec", "peer", "cpu", "time"))
    return there["points"] if same else []


def main():
    p = parser(__doc__)
    p.add_argument("--set", default="sift-1m-128")
    p.add_argument("--rows", type=int)
    p.add_argument("--way", action="append", choices=WAYS)
    p.add_argument("--spec", default="Graph48")
    p.add_argument("--cpu-time", action="store_true")
    p.add_argument("--no-peer", action="store_true")
    args = p.parse_args()
    if args.cpu_time:
        os.environ["KITH_BENCH_CPU_TIME"] = "1"
    os.sched_setaffinity(0, {c for c in os.sched_getaffinity(0) if c != int(CORE)} or {int(CORE)})
    data = Set(args, kithdata.data_root())
    index = os.path.join(data.made, "kith.kith")
    program = os.path.join(args.build, "bench_search")
    if not os.path.exists(index):
        builder = Worker([program, args.spec, "l2", data.base, data.query])
        builder.ask("save", index)
        builder.end()
    kith = Worker([program, "-", "l2", index, data.query])
    peer = None if args.no_peer else Worker([os.path.join(args.build, "hnswlib_worker"), "l2",
                                             data.base, data.query,
                                             os.path.join(data.made, "hnswlib.bin"), "16", "200"])
    report = {"set": data.name, "spec": args.spec, "time": "CPU" if args.cpu_time else "clock",
              "peer": os.environ.get("HNSWLIB_NAME", "hnswlib") if peer else None,
              "cpu": graph.first_of("/proc/cpuinfo", "model name"), "points": []}
    report["points"] = [x for x in earlier(args.out, report)
                        if x["rows"] != len(data.rows) or x["way"] not in (args.way or WAYS)]
    for way in args.way or WAYS:
        for share in SHARES:
            report["points"].append(measure(data, kith, peer, way, share, 3 if args.quick else 5))
            with open(args.out, "w") as f:
                json.dump(report, f, indent=1)
    for side in (kith, peer):
        if side:
            side.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
