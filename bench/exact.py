"""The numbers of exact search, each beside its peer in the same run on one pinned core.

    exact.py BUILD OUT.json [--quick]      BUILD: folder with the programs; FAISS: see bench/run

Every side is a process that loads its data once and then answers timed requests; requests are
interleaved, so that a busy neighbour slows both. Figures are medians of rounds; spread is
(max - min) / median of the ratio's rounds. Peer: $FAISS_WORKER, named in $FAISS_NAME.
"""
import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
import kithdata                                              # noqa: E402

CORE = os.environ.get("KITH_BENCH_CORE", str(max(os.sched_getaffinity(0))))
QUICK = "--quick" in sys.argv
ROUNDS = 3 if QUICK else 5


def parser(doc):
    """With what every bench of graphs takes."""
    p = argparse.ArgumentParser(description=doc,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("build")
    p.add_argument("out")
    p.add_argument("--quick", action="store_true")
    return p


class Worker:
    """A process that answers one line for each request."""

    def __init__(self, args, cpu="", pin=True):
        env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        if cpu:
            env["KITH_CPU"] = cpu
        pre = ["taskset", "-c", CORE] if pin else []
        self.p = subprocess.Popen(pre + args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, env=env)
        words = self.p.stdout.readline().split()
        if words[:1] != ["ready"]:
            raise SystemExit("%s did not start" % args[0])
        self.count, self.dtype, self.more = int(words[1]), words[2], words[3:]

    def ask(self, *words):
        self.p.stdin.write(" ".join(str(w) for w in words) + "\n")
        self.p.stdin.flush()
        a, b = self.p.stdout.readline().split()
        return float(a), float(b)

    def end(self):
        self.p.stdin.close()
        self.p.wait()


def prepared(root):
    """Paths of sift-1m-128 in the forms the sides want: u8 and f32, plain and rotated."""
    sift = os.path.join(root, "sift-1m-128")
    made = os.path.join(root, "sift-1m-128.bench")
    os.makedirs(made, exist_ok=True)
    paths = {"base": sift + "/base.npy", "query": sift + "/query.npy", "gt": sift + "/gt.npy"}
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((128, 128)))[0].astype(np.float32)
    for part in ("base", "query"):
        raw, rot, npy = (os.path.join(made, part + e) for e in (".f32", ".rot.f32", ".rot.npy"))
        if not os.path.exists(npy):
            x = np.load(paths[part]).astype(np.float32)
            x.tofile(raw)
            (x @ turn).tofile(rot)
            np.save(npy + ".part.npy", x @ turn)
            os.replace(npy + ".part.npy", npy)
        paths[part + "_raw"], paths[part + "_rot_raw"], paths[part + "_rot"] = raw, rot, npy
    return paths


def faces(root):
    """100,000 unit vectors of 512 numbers: 20,000 people with five pictures each, and queries."""
    made = os.path.join(root, "faces.bench")
    os.makedirs(made, exist_ok=True)
    base, query = os.path.join(made, "base.npy"), os.path.join(made, "query.npy")
    if not os.path.exists(query):
        rng = np.random.default_rng(11)
        people = rng.standard_normal((20000, 512)).astype(np.float32)

        def pictures(who):
            x = people[who] + 1.1 * rng.standard_normal((len(who), 512)).astype(np.float32)
            return x / np.linalg.norm(x, axis=1, keepdims=True)
        np.save(base, pictures(np.repeat(np.arange(20000), 5)))
        np.save(query, pictures(rng.integers(0, 20000, 200)))
    return base, query


def seconds(worker, *request):
    return worker.ask(*request)[0]


def paired(ours, theirs, nq_ours, nq_theirs, k=10, how="knn", rounds=ROUNDS):
    """Queries/s of both sides, their ratio and its spread; interleaved."""
    a, b = [], []
    for _ in range(rounds):
        a.append(nq_ours / seconds(ours, how, nq_ours, k))
        b.append(nq_theirs / seconds(theirs, how, nq_theirs, k))
    ratios = [x / y for x, y in zip(a, b)]
    ratio = float(np.median(a) / np.median(b))
    return float(np.median(a)), float(np.median(b)), ratio, (max(ratios) - min(ratios)) / ratio


def same_ids(path, nq, k, gt):
    got = np.fromfile(path, np.int64).reshape(nq, k)
    return int((got == gt[:nq, :k]).all(1).sum())


class Report:
    def __init__(self):
        self.rows = []

    def add(self, what, target, measured, ok, note=""):
        self.rows.append({"what": what, "target": target, "measured": measured, "ok": bool(ok),
                          "note": note})
        print("%-58s %-16s %-26s %s %s" % (what, target, measured, "ok  " if ok else "SHORT", note),
              flush=True)


def one_by_one(r, paths, build, faiss):
    tmp = os.path.join(build, "ids.bin")
    gt = np.load(paths["gt"])
    run = [os.path.join(build, "bench_search")]
    plain = Worker(run + ["Flat(scan=off)", "l2", paths["base_rot"], paths["query_rot"]])
    coded = Worker(run + ["Flat", "l2", paths["base_rot"], paths["query_rot"]])
    u8 = Worker(run + ["Flat", "l2", paths["base"], paths["query"]])
    bw, off, on = [], [], []
    for w in (plain, coded):
        w.ask("one", 3, 10)
    for _ in range(ROUNDS):
        bw.append(plain.ask("stream", 1000000 * 512)[1] / 512e6)
        off.append(5 / seconds(plain, "one", 5, 10))
        on.append(15 / seconds(coded, "one", 15, 10))
    share = np.median([a / b for a, b in zip(off, bw)])
    r.add("one query, f32 rows, scan=off", ">= 95 % of stream",
          "%.0f %% (%.1f of %.1f/s)" % (100 * share, np.median(off), np.median(bw)), share >= .95)
    gain = np.median([a / b for a, b in zip(on, off)])
    plain.ask("one", 50, 10, tmp)
    want = np.fromfile(tmp, np.int64).reshape(50, 10)
    coded.ask("one", 50, 10, tmp)
    right = same_ids(tmp, 50, 10, want)
    r.add("one query, f32 rows with the scan code", ">= 3 x", "%.2f x (%.1f/s)"
          % (gain, np.median(on)), gain >= 3 and right == 50, "%d of 50 the same ids" % right)
    ours, theirs, ratio, spread = paired(u8, faiss, 20, 5, how="one")
    u8.ask("one", 100, 10, tmp)
    r.add("one query, lossless u8 rows, against Faiss", ">= 4.5 x", "%.2f x (%.1f : %.1f/s)"
          % (ratio, ours, theirs), ratio >= 4.5, "spread %.0f %%; %d of 100 right"
          % (100 * spread, same_ids(tmp, 100, 10, gt)))
    full, some = [], []
    for _ in range(ROUNDS):
        full.append(10 / seconds(u8, "one", 10, 10))
        some.append(50 / seconds(u8, "filter", 50, 10, 10))
    part = np.median([f / s for f, s in zip(full, some)])
    r.add("filter that passes 1 %, bound once", "<= 10 % of a scan", "%.1f %%" % (100 * part),
          part <= .10)
    return plain, coded, u8


def batches(r, paths, build, faiss, faiss_rot, coded, u8):
    tmp = os.path.join(build, "ids.bin")
    gt = np.load(paths["gt"])
    run = [os.path.join(build, "bench_search")]
    for nq, target in ((1000, 25), (100, 80), (32, 50)):
        ours, theirs, ratio, spread = paired(u8, faiss, nq, min(nq, 1000))
        u8.ask("knn", nq, 10, tmp)
        r.add("batch of %d, u8, against Faiss" % nq, ">= %d x" % target, "%.1f x (%.0f : %.1f/s)"
              % (ratio, ours, theirs), ratio >= target, "spread %.0f %%; %d of %d right"
              % (100 * spread, same_ids(tmp, nq, 10, gt), nq))
    for nq, target in ((1000, 8), (100, 40)):
        ours, theirs, ratio, spread = paired(coded, faiss_rot, nq, nq)
        r.add("batch of %d, f32 (rotated), against Faiss" % nq, ">= %d x" % target,
              "%.1f x (%.0f : %.1f/s)" % (ratio, ours, theirs), ratio >= target,
              "spread %.0f %%" % (100 * spread))
    vnni = Worker(run + ["Flat", "l2", paths["base"], paths["query"]], cpu="avx2,avx512,vnni")
    for nq, target in ((1000, 6), (100, 40)):
        ours, theirs, ratio, _ = paired(vnni, faiss, nq, nq)
        r.add("without AMX: batch of %d, u8 by VNNI" % nq, ">= %d x" % target,
              "%.1f x (%.0f : %.1f/s)" % (ratio, ours, theirs), ratio >= target)
    vnni.end()
    wide = Worker(run + ["Flat", "l2", paths["base_rot"], paths["query_rot"]], cpu="avx2,avx512")
    ours, theirs, ratio, _ = paired(wide, faiss_rot, 1000, 1000)
    r.add("without AMX: batch of 1000, f32 by AVX-512", ">= 1.7 x", "%.2f x (%.0f : %.1f/s)"
          % (ratio, ours, theirs), ratio >= 1.7)
    wide.end()
    for name, w in (("u8", u8), ("f32 (rotated)", coded)):
        qps = {}
        for nq in (1, 2, 3, 4, 6, 8, 12, 15, 16, 17, 24, 31, 32, 33, 40, 48, 56, 63, 64):
            qps[nq] = float(np.median([nq / seconds(w, "knn", nq, 10) for _ in range(ROUNDS)]))
        worst = min(qps[n] / max(v for m, v in qps.items() if m < n) for n in qps if n > 1)
        r.add("batch sizes 1 … 64, %s: against the best smaller" % name, ">= 0.95", "%.2f" % worst,
              worst >= .95, " ".join("%d:%.0f" % p for p in qps.items()))
        ten, hundred = [], []
        for _ in range(ROUNDS):
            ten.append(seconds(w, "knn", 1000, 10))
            hundred.append(seconds(w, "knn", 1000, 100))
        more = np.median([b / a for a, b in zip(ten, hundred)]) - 1
        r.add("k = 100 against k = 10, batch of 1000, %s" % name, "<= 25 % more",
              "%+.0f %%" % (100 * more), more <= .25)


def commands(r, paths, build):
    """Whole commands and files: gt, open, verified load, save."""
    kith = os.environ.get("KITH", os.path.join(build, "../kith"))
    out = os.path.join(build, "gt.npy")
    times = []
    for _ in range(3):
        t = time.time()
        subprocess.run([kith, "gt", paths["base"], paths["query"], "-k", "100", "-o", out,
                        "--threads", "2"], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        times.append(time.time() - t)
    right = int((np.load(out) == np.load(paths["gt"])).all(1).sum())
    r.add("kith gt, 10,000 queries, k = 100, 2 threads", "<= 4 s", "%.2f s" % np.median(times),
          np.median(times) <= 4 and right == 10000, "%d of 10000 right" % right)
    index = os.path.join(build, "sift.kith")
    subprocess.run([kith, "build", paths["base"], "-o", index], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    size = os.path.getsize(index)
    w = Worker([os.path.join(build, "bench_search"), "Flat", "l2", index, paths["query"]],
               pin=False)
    w.ask("open", index, 2)
    opened = np.median([w.ask("open", index, 0)[0] for _ in range(11)])
    r.add("open by mmap, 1M x 128", "<= 2 ms", "%.2f ms" % (1e3 * opened), opened <= .002)
    loaded = np.median([w.ask("open", index, 3)[0] for _ in range(7)])
    r.add("verified load, page cache warm", ">= 3 GB/s", "%.1f GB/s" % (size / loaded / 1e9),
          size / loaded >= 3e9)
    copy = os.path.join(build, "copy.kith")
    ratios = []
    for _ in range(5):
        t = time.time()
        subprocess.run(["dd", "if=" + index, "of=" + copy + ".dd", "bs=1M", "conv=fsync"],
                       check=True, stderr=subprocess.DEVNULL)
        dd = time.time() - t
        ratios.append(dd / w.ask("save", copy)[0])
    r.add("save against dd conv=fsync of the same bytes", ">= 70 %", "%.0f %%"
          % (100 * np.median(ratios)), np.median(ratios) >= .7,
          "%.0f…%.0f %%" % (100 * min(ratios), 100 * max(ratios)))
    w.end()
    for path in (copy, copy + ".dd", out, out.replace(".npy", "_dist.npy")):
        if os.path.exists(path):
            os.remove(path)


def face_search(r, root, build):
    base, query = faces(root)
    x, q = np.load(base), np.load(query)
    tmp = os.path.join(build, "ids.bin")
    w = Worker([os.path.join(build, "bench_search"), "Flat", "cosine", base, query])
    w.ask("range", 5, .35)
    ratios, ours, theirs = [], [], []
    for _ in range(ROUNDS):
        a = w.ask("range", 20, .35, tmp)[0] / 20
        t = time.perf_counter()
        hits = [np.flatnonzero(x @ v >= .35) for v in q[:20]]
        b = (time.perf_counter() - t) / 20
        ours.append(a)
        theirs.append(b)
        ratios.append(b / a)
    got, at = np.fromfile(tmp, np.int64), 0
    same = 0
    for h in hits:
        end = at + int(np.flatnonzero(got[at:] == -1)[0])
        same += sorted(got[at:end]) == list(h)
        at = end + 1
    r.add("faces, 100,000 x 512, cosine >= 0.35, against numpy", ">= 4 x", "%.2f x (%.2f : %.2f ms)"
          % (np.median(ratios), 1e3 * np.median(ours), 1e3 * np.median(theirs)),
          np.median(ratios) >= 4 and same == 20, "%d of 20 the same faces" % same)
    w.end()


def main():
    build, out = sys.argv[1], sys.argv[2]
    os.sched_setaffinity(0, {int(CORE)})                  # numpy is a peer too
    root = kithdata.data_root()
    paths = prepared(root)
    worker = os.environ["FAISS_WORKER"]
    r = Report()
    face_search(r, root, build)
    faiss = Worker([worker, "Flat", "l2", paths["base_raw"], paths["query_raw"], "128"])
    faiss_rot = Worker([worker, "Flat", "l2", paths["base_rot_raw"], paths["query_rot_raw"], "128"])
    plain, coded, u8 = one_by_one(r, paths, build, faiss)
    plain.end()
    batches(r, paths, build, faiss, faiss_rot, coded, u8)
    for w in (faiss, faiss_rot, coded, u8):
        w.end()
    os.sched_setaffinity(0, range(os.cpu_count()))
    commands(r, paths, build)
    cpu = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")][0]
    with open(out, "w") as f:
        json.dump({"peer": os.environ.get("FAISS_NAME", ""), "cpu": cpu, "rounds": ROUNDS,
                   "rows": r.rows}, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
