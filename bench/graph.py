"""The numbers of graph search: kith beside hnswlib, interleaved on one pinned core.

    graph.py BUILD OUT.json [--quick] [--set NAME|FOLDER]… [--spec SPEC]… [--ladder E:S,E:S…]
                            [--metric l2|ip|cosine] [--reuse] [--alone] [--cpu-time]

BUILD: folder with bench_search and hnswlib_worker (see bench/run). OUT.json gets every raw point,
OUT.svg the chart. A set is one of bench/make-data or a folder with base.npy, query.npy and gt.npy
(--metric tells its metric). --spec: kith's index; `hnswlib's graph` is the peer's own file, read
by `kith convert`, so that the same graph is walked by both. kith's operating points are those that
`kith tune` finds with rows held out: it sees none of the queries. --ladder: others. --reuse:
kith's index of an earlier run, if there. --alone: hnswlib only. Sets that OUT.json has of an
earlier run beside the same peer on the same CPU, and that are not measured now, stay in it.
--cpu-time: of the processes instead of the clock's, for tuning where cores are shared.
What is made for a set (queries in a shuffled order, indexes) is kept in $KITH_DATA/NAME.bench;
hnswlib's index is built once, so its build's figures are of the day of that file.

Recall@10 is by distance: ids that are distinct and whose float64 distance is at most that of the
true 10-th, so that ties count; taken once for each point over all queries, which also warms up.
Then come rounds in which all points of all sides take turns; a figure is the median of rounds.
Queries are answered one by one. QPS at a recall: on the upper front of a side's points (those that
no other beats in recall and QPS) log QPS is interpolated linearly in recall; no point, no figure.
A ratio's spread is (max - min) / median of its rounds.
"""
import json
import math
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import numpy as np                                           # noqa: E402
import chart                                                 # noqa: E402
import kithdata                                              # noqa: E402
from exact import CORE, Worker, parser                       # noqa: E402

SETS = ["sift-1m-128", "packages-256", "manuals-512", "pixels-1024"]
IMPORTED = "hnswlib's graph"
SPECS = ["Graph48", IMPORTED]
K = 10
RECALLS = (.90, .95, .98, .99, .995, .998, .999)
EFS = (10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 320, 450, 640, 900, 1280)
M, EF_CONSTRUCTION = 16, 200


class Side:
    """One index of a set in a process of its own; points are what `walk` words it takes."""

    def walk(self, i, nq, out=""):
        """Seconds of nq queries at the i-th point."""
        return self.worker.ask(self.verb, nq, K, *self.points[i], out)[0]

    def latencies(self, i, nq, out):
        self.worker.ask("latency", nq, K, *self.points[i], out)
        return np.fromfile(out, np.float64)

    def opened(self, times):
        """Median seconds of opening the file (pages in memory), and of a first query after it."""
        t = np.array([self.worker.ask(*self.open) for _ in range(times)])
        return float(np.median(t[:, 0])), float(np.median(t[:, 1] - t[:, 0]))

    def end(self):
        self.worker.end()


class Hnswlib(Side):
    verb, open = "one", ["open"]

    def __init__(self, build, data):
        self.name = os.environ.get("HNSWLIB_NAME", "hnswlib")
        self.spec = "M %d, ef_construction %d" % (M, EF_CONSTRUCTION)
        self.points = [(ef,) for ef in EFS]
        self.file = os.path.join(data.made, "hnswlib%s-m%d-efc%d.bin" % (data.mark, M,
                                                                         EF_CONSTRUCTION))
        args = [os.path.join(build, "hnswlib_worker"), data.metric, data.base, data.query,
                self.file, M, EF_CONSTRUCTION, 1]
        self.worker = Worker([str(a) for a in args])
        self.build = [float(s) for s in self.worker.more[:2]]

    def visits(self, i, nq, walk):
        walk()
        few = min(nq, 1000)                                   # these are walked once more
        return [self.worker.ask("visits", few, K, *self.points[i])[0] / few, None]


def kith(*words):
    """What the command prints."""
    program = os.environ.get("KITH", os.path.join(HERE, "..", "build", "kith"))
    return subprocess.run([program, *words], check=True, stdout=subprocess.PIPE).stdout


class Kith(Side):
    verb = "walk"

    def __init__(self, build, data, spec, ladder=None, reuse=False, peer=None):
        self.name, self.spec, self.peer = self.title(spec), spec, peer
        safe = "".join(c if c.isalnum() else "-" for c in self.name)
        self.file = os.path.join(data.made, "kith%s-%s.kith" % (data.mark, safe))
        self.open = ["open", self.file, 0]
        side, program = self.file + ".json", os.path.join(build, "bench_search")
        if not (reuse and os.path.exists(self.file) and os.path.exists(side)):
            took = self.make(program, data)
            with open(side, "w") as f:
                json.dump(took, f)
        with open(side) as f:
            self.build = json.load(f)
        self.points = ladder or tuned(self.file)
        self.worker = Worker([program, "-", data.metric, self.file, data.query])

    def title(self, spec):
        return spec

    def make(self, program, data):
        """Writes the index; clock and CPU seconds of its build."""
        builder = Worker([program, self.spec, data.metric, data.base, data.query])
        builder.ask("save", self.file)
        builder.end()
        return [float(s) for s in builder.more[:2]]

    def visits(self, i, nq, walk):
        before = self.worker.ask("visits")
        walk()
        return [(a - b) / nq for a, b in zip(self.worker.ask("visits"), before)]


class Imported(Kith):
    """The peer's own file: the same graph, walked by kith."""

    def title(self, spec):
        return "HNSW%d, %s" % (M, spec)

    def make(self, program, data):
        kith("convert", self.peer.file, self.file, "--metric", data.metric, "--quiet")
        return self.peer.build


def tuned(path):
    """(effort, slack) of the index's curve; it is tuned first if it has none."""
    info = json.loads(kith("info", "--json", path))
    if not info.get("curve"):
        kith("tune", path, "-k", str(K), "--quiet")
        return tuned(path)
    return [(p["effort"], p["slack"]) for p in info["curve"] if p["rerank"] == 0]


class Data:
    """A set: base and gt as they are, its queries shuffled, so that the first are like the rest."""

    def __init__(self, root, name, metric):
        folder = name if os.path.isdir(name) else os.path.join(root, name)
        self.name, self.metric = os.path.basename(os.path.abspath(folder)), metric
        self.mark = "" if metric == "l2" else "-" + metric         # in the names of indexes
        self.made = os.path.join(root, self.name + ".bench")
        os.makedirs(self.made, exist_ok=True)
        self.base, query = (os.path.join(folder, f) for f in ("base.npy", "query.npy"))
        self.rows = np.load(self.base, mmap_mode="r")
        q = np.load(query)
        order = np.random.default_rng(5).permutation(len(q))
        self.query = os.path.join(self.made, "query.npy")
        self.queries = np.ascontiguousarray(q[order])
        np.save(self.query + ".part.npy", self.queries)
        os.replace(self.query + ".part.npy", self.query)
        gt = np.load(os.path.join(folder, "gt.npy"))[order, :K]
        true = self.distances(gt)
        if (np.diff(true) < -1e-4 * np.abs(true[:, 1:])).any():
            raise SystemExit("%s: gt.npy is of another metric than %s" % (folder, metric))
        self.bound = true.max(1)

    def distances(self, ids):
        """float64 [nq][k] of the first nq queries, smaller is nearer; no row: infinity."""
        out = np.empty(ids.shape)
        for i in range(0, len(ids), 500):
            some = ids[i:i + 500]
            x = self.rows[np.clip(some, 0, len(self.rows) - 1)].astype(np.float64)
            q = self.queries[i:i + len(some)].astype(np.float64)[:, None]
            if self.metric == "l2":
                out[i:i + 500] = ((x - q) ** 2).sum(2)
            else:
                out[i:i + 500] = -(x * q).sum(2)
            if self.metric == "cosine":
                length = np.sqrt((x * x).sum(2) * (q * q).sum(2))
                out[i:i + 500] /= np.where(length > 0, length, 1)
        out[(ids < 0) | (ids >= len(self.rows))] = np.inf
        return out

    def recall(self, path, nq):
        """Of K neighbours, tie-safe: within the true K-th distance, and no id twice."""
        ids = np.fromfile(path, np.int64).reshape(nq, K)
        bound = self.bound[:nq, None]
        good = self.distances(ids) <= bound + 1e-12 * np.abs(bound)
        ids = np.sort(np.where(good, ids, -1), 1)
        return float(((ids[:, 1:] != ids[:, :-1]) & (ids[:, 1:] >= 0)).sum()
                     + (ids[:, 0] >= 0).sum()) / ids.size


def qps_at(points, recall):
    """QPS at a recall, None above the last point. Below the first, that point's: it has more."""
    kept = chart.front(points)
    for i, (r, q) in enumerate(kept):
        if r >= recall:
            if i == 0:
                return q
            r0, q0 = kept[i - 1]
            part = (recall - r0) / (r - r0)
            return math.exp((1 - part) * math.log(q0) + part * math.log(q))
    return None


def warm_up(data, side, nq, tmp, seconds):
    """Recall, visits and hops a query of each point, and how many queries a timed request has."""
    side.recalls, side.seen, side.nq = [], [], []
    for i in range(len(side.points)):
        took = []
        side.seen.append(side.visits(i, nq, lambda i=i, t=took: t.append(side.walk(i, nq, tmp))))
        side.recalls.append(data.recall(tmp, nq))
        side.nq.append(int(min(max(seconds * nq / took[0], 200), 100000)))
        print("  %-28s %-14s recall %.5f %9.0f/s %8.0f visits"
              % (side.name, ":".join("%g" % w for w in side.points[i]), side.recalls[-1],
                 nq / took[0], side.seen[-1][0]), flush=True)
    side.qps = [[] for _ in side.points]


def rounds(sides, n):
    """n rounds: a point of each side in turn, the side that begins changing from round to round."""
    for r in range(n):
        turn = sides[r % len(sides):] + sides[:r % len(sides)]
        for i in range(max(len(s.points) for s in sides)):
            for s in turn:
                if i < len(s.points):
                    s.qps[i].append(s.nq[i] / s.walk(i, s.nq[i]))


def percentiles(sides, nq, tmp, n):
    """p50 and p99 in microseconds at each side's point nearest .95, sides in turn."""
    where = [int(np.argmin([abs(r - .95) for r in s.recalls])) for s in sides]
    took = [[] for _ in sides]
    for _ in range(n):
        for s, i, t in zip(sides, where, took):
            t.append(np.percentile(s.latencies(i, nq, tmp), (50, 99)) / 1e3)
    p50, p99 = np.median(np.array(took), 1).T
    return [{"point": list(s.points[i]), "recall": s.recalls[i], "p50_us": float(p50[j]),
             "p99_us": float(p99[j])} for j, (s, i) in enumerate(zip(sides, where))]


def curve(side, r=None):
    """(recall, qps) of round r, or of the medians."""
    return [(a, float(np.median(q)) if r is None else q[r]) for a, q in zip(side.recalls, side.qps)]


def ratios(side, peer):
    """For each recall: [ratio of the medians' curves, spread of the rounds' ratios] or None."""
    out = []
    for recall in RECALLS:
        a, b = qps_at(curve(side), recall), qps_at(curve(peer), recall)
        each = [(qps_at(curve(side, r), recall), qps_at(curve(peer, r), recall))
                for r in range(len(side.qps[0]))]
        if not a or not b or not all(x and y for x, y in each):
            out.append(None)
            continue
        each = [x / y for x, y in each]
        out.append([a / b, (max(each) - min(each)) / float(np.median(each))])
    return out


def results(side, peer, resident, latency, opened):
    return {"name": side.name, "spec": side.spec,
            "points": [{"at": list(p), "recall": r, "visits": v, "hops": h, "queries": n, "qps": q}
                       for p, r, (v, h), n, q in zip(side.points, side.recalls, side.seen, side.nq,
                                                     side.qps)],
            "qps_at": [qps_at(curve(side), r) for r in RECALLS],
            "ratio": None if side is peer else ratios(side, peer),
            "latency": latency, "build_seconds": side.build[0], "build_cpu_seconds": side.build[1],
            "resident_bytes": resident, "file_bytes": os.path.getsize(side.file),
            "open_seconds": opened[0], "first_query_seconds": opened[1]}


def measure(args, root, name):
    data = Data(root, name, args.metric)
    tmp = os.path.join(args.build, "graph.tmp")
    print("%s: %d x %d %s, %d queries" % (data.name, *data.rows.shape, data.rows.dtype,
                                          len(data.queries)), flush=True)
    peer = Hnswlib(args.build, data)
    sides = [peer]
    for spec in [] if args.alone else args.spec or SPECS:
        kind = Imported if spec == IMPORTED else Kith
        sides.append(kind(args.build, data, spec, args.ladder, args.reuse, peer))
    nq = min(len(data.queries), 2000) if args.quick else len(data.queries)
    resident = [int(s.worker.ask("rss")[1]) for s in sides]
    for s in sides:
        warm_up(data, s, nq, tmp, .15 if args.quick else .6)
    rounds(sides, args.rounds)
    latency = percentiles(sides, nq, tmp, args.rounds)
    opened = [s.opened(7) for s in sides]
    for s in sides:
        s.end()
    os.remove(tmp)
    return {"set": data.name, "rows": len(data.rows), "dim": int(data.rows.shape[1]),
            "dtype": str(data.rows.dtype), "metric": data.metric, "queries": nq,
            "time": "CPU" if args.cpu_time else "clock", "rounds": args.rounds,
            "sides": [results(s, peer, *r) for s, *r in zip(sides, resident, latency, opened)]}


def ladder(text):
    pairs = [p.split(":") for p in text.split(",")]
    return [(int(e), float(s)) for e, s in pairs]


def arguments():
    p = parser(__doc__)
    p.add_argument("--set", action="append", help="(%s)" % ", ".join(SETS))
    p.add_argument("--spec", action="append", help="(%s)" % ", ".join(SPECS))
    p.add_argument("--ladder", type=ladder)
    p.add_argument("--metric", default="l2", choices=("l2", "ip", "cosine"))
    p.add_argument("--reuse", action="store_true")
    p.add_argument("--alone", action="store_true")
    p.add_argument("--cpu-time", action="store_true")
    args = p.parse_args()
    args.rounds = 3 if args.quick else 5
    return args


def first_of(path, begin):
    with open(path) as f:
        return next((l.split(":", 1)[-1].strip() for l in f if l.startswith(begin)), "")


def sets_of(path, report):
    """By name, what an earlier run of the same kind measured."""
    if not os.path.exists(path):
        return {}
    with open(path) as f:
        there = json.load(f)
    same = all(there.get(w) == report[w] for w in ("peer", "cpu"))
    return {s["set"]: s for s in there["sets"]} if same else {}


def main():
    args = arguments()
    root = kithdata.data_root()
    if args.cpu_time:
        os.environ["KITH_BENCH_CPU_TIME"] = "1"
    os.sched_setaffinity(0, {c for c in os.sched_getaffinity(0) if c != int(CORE)} or {int(CORE)})
    report = {"peer": os.environ.get("HNSWLIB_NAME", "hnswlib"),
              "cpu": first_of("/proc/cpuinfo", "model name"),
              "huge_pages": first_of("/sys/kernel/mm/transparent_hugepage/enabled", ""),
              "k": K, "recalls": RECALLS, "sets": []}
    earlier = sets_of(args.out, report)
    for name in args.set or SETS:
        earlier[os.path.basename(os.path.abspath(name))] = measure(args, root, name)
        report["sets"] = sorted(earlier.values(), key=lambda s: (
            SETS.index(s["set"]) if s["set"] in SETS else len(SETS), s["set"]))
        with open(args.out, "w") as f:
            json.dump(report, f, indent=1)
    chart.write(os.path.splitext(args.out)[0] + ".svg", report)
    for s in report["sets"]:
        for side in s["sides"]:
            print(s["set"], side["name"],
                  " ".join("-" if q is None else "%.0f" % q for q in side["qps_at"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
