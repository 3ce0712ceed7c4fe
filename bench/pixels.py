"""pixels-1024: squares of 32 x 32 grey pixels of the photographs of sift-1m-128."""
import os
import zlib
from multiprocessing import Pool

from kithdata import finish, jobs, save, say
from sift import fetch, group_of, list_images, load_photo

N_BASE, N_QUERY, SEED = 200000, 2000, 20240607
SIDE, DIM = 32, 1024
CAP = 400               # squares of one picture; of one that asks a tenth
LEAST_SPREAD = 4        # standard deviation: a plain sky shows nothing


def cut(job):
    """Squares at random places of a picture, in the order drawn; None unless a photograph."""
    import cv2
    import numpy as np
    root, rel = job
    cv2.setNumThreads(1)
    g = load_photo(os.path.join(root, rel))
    if g is None:
        return rel, None
    rng = np.random.default_rng(zlib.crc32(rel.encode()))
    tops = rng.integers(0, g.shape[0] - SIDE + 1, 2 * CAP)
    lefts = rng.integers(0, g.shape[1] - SIDE + 1, 2 * CAP)
    squares = np.stack([g[t:t + SIDE, l:l + SIDE].ravel() for t, l in zip(tops, lefts)])
    return rel, squares[squares.std(1) >= LEAST_SPREAD][:CAP]


def is_query(rel):
    """Pictures of one group go all to the base or all to the queries, as in sift-1m-128."""
    return zlib.crc32(group_of(rel).encode()) % 12 == 0


def make(out, work, keep):
    import numpy as np
    root = fetch(work)
    images = list_images(root)
    say("%d picture files to look at" % len(images))
    base, query = [], []
    with Pool(jobs()) as pool:
        for rel, squares in pool.imap(cut, [(root, r) for r in images], 4):
            if squares is not None and len(squares):
                if is_query(rel):
                    query.append(squares[:CAP // 10])
                else:
                    base.append(squares)
    say("%d pictures used in the base, %d for queries" % (len(base), len(query)))
    rng = np.random.default_rng(SEED)
    base, query = np.concatenate(base), np.concatenate(query)
    say("%d and %d squares" % (len(base), len(query)))
    if len(base) < N_BASE or len(query) < N_QUERY:
        raise SystemExit("too few squares: %d, %d" % (len(base), len(query)))
    base = base[rng.permutation(len(base))[:N_BASE]]
    # Pictures come in several packages: a square of the base is no question.
    known = {row.tobytes() for row in base}
    query = [q for q in query[rng.permutation(len(query))] if q.tobytes() not in known]
    query = np.stack(query[:N_QUERY])
    save(out, "base.npy", base)
    save(out, "query.npy", query)
    finish(out, base, query)
