"""manuals-512: embeddings of passages of the manuals in Debian packages."""
import collections
import gzip
import html
import os
import re
import zlib
from multiprocessing import Pool

from kithdata import Apt, finish, jobs, row_keys, save, say, unpack
from packages import counts, tokens, unit

N_BASE, N_QUERY, SEED, DIM = 157000, 2000, 20240607, 512
MIN_DF, MAX_DF, FIT = 8, .2, 60000   # the dimensions are fitted on so many passages
LEAST, MOST = 40, 120                # words of a passage
CAP = 16000                          # passages of one package
PACKAGES = [
    "anarchism", "apache2-doc", "bind9-doc", "cmake-doc", "debian-handbook", "debian-policy",
    "debian-reference-en", "developers-reference", "erlang-manpages", "freebsd-manpages",
    "gimp-help-en", "git-doc", "glibc-doc", "installation-guide-amd64", "libboost1.74-doc",
    "libreoffice-help-en-us", "linux-doc-6.1", "manpages", "manpages-dev", "maxima-doc",
    "nodejs-doc", "octave-doc", "perl-doc", "postgresql-doc-15", "python-django-doc",
    "python-pandas-doc", "python-scipy-doc", "python-sqlalchemy-doc", "python3.11-doc",
    "racket-doc", "rust-doc", "sqlite3-doc", "vim-runtime"]
WILD = ["*.html", "*.html.gz", "*.html.en", "*.htm", "*/man/man*/*", "*.txt", "*.txt.gz", "*.rst",
        "*.rst.gz", "*.pod"]
MAN = re.compile(r"/man/man[0-9]/")
OTHER = re.compile(r"/(changelog|copyright|search|genindex|robots|license)[^/]*$"
                   r"|/(src|_sources|_modules|implementors)/"
                   r"|(^|[/.])(ar|cs|da|de|el|es|fa|fi|fr|hr|id|it|ja|ko|nb|nl|pl|pt|pt[-_]br|ro|ru"
                   r"|sv|tr|uk|vi|zh|zh[-_](cn|tw|hans|hant))(-[a-z]+)?[/.]", re.I)
NOT_TEXT = re.compile(r"<(script|style|pre|nav|head|svg|math)\b.*?</\1>|<!--.*?-->", re.S | re.I)
BLOCK = re.compile(r"</?(p|li|dd|dt|td|th|tr|h[1-6]|div|blockquote|table|section)\b[^>]*>", re.I)
ROFF_REQUEST = re.compile(r"^[.'].*$", re.M)
ROFF_ESCAPE = re.compile(r"\\(f(\[\w*\]|\(..|.)|s[-+]?\d|\((..)|[&|^/,%:])")


def paragraphs(path, text):
    if re.search(r"\.html?(\.|$)", path):
        text = BLOCK.sub("\n\n", NOT_TEXT.sub(" ", text))
        text = html.unescape(re.sub(r"<[^>]*>", " ", text))
    elif MAN.search(path):
        text = ROFF_ESCAPE.sub("", ROFF_REQUEST.sub("\n", text)).replace("\\", "")
    return [p.split() for p in re.split(r"\n\s*\n", text)]


def passages(job):
    """A document's texts: paragraphs joined to LEAST words and more, cut at MOST."""
    root, rel = job
    with open(os.path.join(root, rel), "rb") as f:
        raw = f.read()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    out, words = [], []
    for p in paragraphs(rel, raw[:4000000].decode("utf-8", "replace")):
        letters = sum(w.isalpha() for w in p)
        if len(p) < 6 or 2 * letters < len(p):         # a heading, a table, a listing
            continue
        words += p
        while len(words) >= LEAST:
            out.append(" ".join(words[:MOST]))
            words = words[MOST:]
    return rel, out


def fetch(work):
    apt = Apt(work)
    apt.update()
    debs, root = os.path.join(work, "debs"), os.path.join(work, "texts")
    apt.download(PACKAGES, debs)
    os.makedirs(root, exist_ok=True)
    todo = [(os.path.join(debs, f), os.path.join(root, f.split("_")[0]), WILD)
            for f in sorted(os.listdir(debs))]
    with Pool(jobs()) as pool:
        for name in pool.imap_unordered(unpack, todo, 1):
            say("unpacked", name)
    return root


def documents(root):
    found = []
    for folder, dirs, files in os.walk(root):
        dirs.sort()
        for f in sorted(files):
            path = os.path.join(folder, f)
            rel = os.path.relpath(path, root)
            if not os.path.islink(path) and not OTHER.search(rel):
                found.append(rel)
    return found


def read(root):
    """(text, is it a query) in a fixed order; no two of the same words. Documents ask whole."""
    seen, taken = set(), collections.Counter()
    docs = sorted(documents(root), key=lambda r: zlib.crc32(r.encode()))
    say("%d documents" % len(docs))
    with Pool(jobs()) as pool:
        for rel, texts in pool.imap(passages, [(root, r) for r in docs], 16):
            package, asks = rel.split("/")[0], zlib.crc32(("q:" + rel).encode()) % 25 == 0
            for text in texts:
                key = hash(tuple(tokens(text)))
                if taken[package, asks] < (CAP // 50 if asks else CAP) and key not in seen:
                    seen.add(key)
                    taken[package, asks] += 1
                    yield text, asks
    for p in PACKAGES:
        say("  %-26s base %6d, queries %4d" % (p, taken[p, False], taken[p, True]))


def embedding(toks):
    """Words, and the vector of each: its part in the right singular vectors of TF-IDF."""
    import numpy as np
    import scipy.sparse as sp
    from sklearn.utils.extmath import randomized_svd
    df = collections.Counter(w for t in toks for w in set(t))
    words = sorted(w for w, n in df.items() if MIN_DF <= n <= MAX_DF * len(toks)
                   and 1 < len(w) <= 24 and not w.isdigit())
    vocab = {w: i for i, w in enumerate(words)}
    idf = np.log((1 + len(toks)) / (1 + np.array([df[w] for w in words]))) + 1
    x = counts(toks[:FIT], vocab) @ sp.diags(idf)
    length = np.sqrt(np.asarray(x.multiply(x).sum(1)).ravel())
    x = (sp.diags(1 / np.where(length > 0, length, 1)) @ x).astype(np.float32)
    say("truncated SVD of", x.shape, "with", x.nnz, "entries")
    _, s, vt = randomized_svd(x, DIM, n_iter=3, n_oversamples=16, random_state=SEED)
    say("singular values %.2f, %.2f, ... %.2f; %.1f %% of the squared norm"
        % (s[0], s[1], s[-1], 100 * float((s * s).sum()) / len(length)))
    return vocab, idf[:, None] * vt.T.astype(np.float64)


def make(out, work, keep):
    import numpy as np
    both = list(read(fetch(work)))
    rng = np.random.default_rng(SEED)
    base = [t for t, asks in both if not asks]
    query = [t for t, asks in both if asks]
    say("%d passages, %d of documents that ask" % (len(base), len(query)))
    if len(base) < N_BASE or len(query) < N_QUERY:
        raise SystemExit("too few passages: %d, %d" % (len(base), len(query)))
    base = [tokens(base[i]) for i in rng.permutation(len(base))[:N_BASE]]
    query = [tokens(query[i]) for i in rng.permutation(len(query))]
    vocab, vectors = embedding(base)
    say("%d words" % len(vocab))

    def embed(texts):
        return np.concatenate([unit(counts(texts[i:i + 10000], vocab) @ vectors)
                               for i in range(0, len(texts), 10000)]).astype(np.float32)
    base, query = embed(base), embed(query)
    base = base[base.any(axis=1)]  # a few are of no word that is known: zeros, near to everything
    query = query[~np.isin(row_keys(query), row_keys(base))][:N_QUERY]
    save(out, "base.npy", base)
    save(out, "query.npy", query)
    say("base", base.shape, "query", query.shape, "written")
    finish(out, base, query, "kurtosis of a coordinate, over rows: median %.1f, most %.1f "
           "(normal: 3)" % kurtosis(base[:20000]))


def kurtosis(a):
    import numpy as np
    a = a.astype(np.float64) - a.mean(0)
    k = (a ** 4).mean(0) / (a ** 2).mean(0) ** 2
    return float(np.median(k)), float(k.max())
