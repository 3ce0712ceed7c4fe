#!/bin/sh
# convert: indexes of hnswlib become indexes of kith, which answer as their rows say, and the other
# way round; what cannot be is said. The files that hnswlib wrote are told of in test_hnswbin.c.
goldens=$(cd "$(dirname "$0")/../golden" && pwd)
. "$(dirname "$0")/common.sh"
cp "$goldens"/hnswlib-*.bin .
cat >hnswlib.py <<'END'
"""Rows, labels and marks of hnswlib's file, by its head."""
import struct
import numpy as np


def read(path, dtype="f4"):
    b = open(path, "rb").read()
    first, room, n, size, label, row = struct.unpack_from("<6Q", b)
    assert first == 0 and n <= room, path
    e = np.frombuffer(b, "u1", n * size, 96).reshape(n, size)
    ids = e[:, label:label + 8].copy().view("<i8").ravel()
    return e[:, row:label].copy().view(dtype), ids, (e[:, 2] & 1).astype(bool)
END
export PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1
"$python" -c "
import hnswlib, numpy as np
for name, dtype in ('f32', 'f4'), ('u8', 'u1'):
    x, ids, gone = hnswlib.read(f'hnswlib-{name}.bin', dtype)
    np.save(name + '.npy', x[~gone])
    np.save(name + '_ids.npy', ids[~gone])
np.save('x.npy', np.random.default_rng(1).normal(size=(1100, 6)).astype('f4'))"

# Where an index of kith is wanted, it says what to do with another's.
for verb in 'search hnswlib-f32.bin x.npy' 'info hnswlib-u8.bin' 'verify hnswlib-f32.bin' \
    'tune hnswlib-f32.bin' 'add hnswlib-f32.bin x.npy'; do
    fails 1 '.bin: no kith index: it begins like an hnswlib index, which kith convert' $verb
done

# To kith: deleted rows are gone, ids are the labels, answers those of the rows.
ok convert hnswlib-f32.bin f32.kith --metric l2
grep -q '^f32.kith: HNSW4(ef_construction=40), l2; 190 rows of 8 components$' err ||
    bad "convert said: $(cat err)"
ok convert hnswlib-u8.bin u8.kith --metric l2 --dim 16 -q
[ -s err ] && bad "$last said: $(cat err)"
ok verify f32.kith -q
ok verify u8.kith -q
for name in f32 u8; do
    ok search $name.kith $name.npy -k 1 -o found_$name.npy
done
ok convert hnswlib-empty.bin empty.kith --metric ip -q
ok info empty.kith

# … and back: the same rows, labels and marks.
for name in f32 empty; do
    ok convert $name.kith $name.bin
done
cp f32.bin index.dat
ok convert index.dat again.kith --format hnswlib --metric l2 -q
ok convert again.kith again.hnsw -q
cmp -s f32.bin again.hnsw || bad "there and back twice: other bytes"

# An index of ours, of cosine: hnswlib has rows of length 1 there.
ok build x.npy -o x.kith --spec HNSW8 --metric cosine -q
ok remove x.kith 3,5 -q
ok convert x.kith x.bin
grep -q '^x.bin: 1098 rows of 6 components$' err || bad "convert said: $(cat err)"
ok convert x.bin y.kith --metric cosine -q
ok verify y.kith -q
for file in x y; do
    ok search $file.kith x.npy -k 3 --effort 200 -o $file.out.npy
done
check "
import hnswlib
for name in 'f32', 'u8':
    assert (np.load(f'found_{name}_dist.npy') == 0).all(), name
    assert (np.load(f'found_{name}.npy').ravel() == np.load(name + '_ids.npy').ravel()).all(), name
for name in 'f32', 'empty':
    a, b = (hnswlib.read(p + name + '.bin') for p in ('hnswlib-', ''))
    assert all((x == y).all() for x, y in zip(a, b)), name
x, ids, gone = hnswlib.read('x.bin')
assert np.allclose((x * x).sum(1), 1) and ids.tolist() == list(range(1100))
assert np.flatnonzero(gone).tolist() == [3, 5]
a, b = np.load('x.out.npy'), np.load('y.out.npy')
assert a.shape == b.shape == (1100, 3) and (a == b).mean() > .99, (a == b).mean()"

# What cannot be.
fails 2 '--metric l2, ip or cosine: f32.bin does not say what it is for' convert f32.bin no.kith
fails 2 'no metric "l3"' convert f32.bin no.kith --metric l3
fails 1 'for l2, ip or cosine, not for l1' convert f32.bin no.kith --metric l1
fails 1 'rows of 32 bytes are neither 5 f32 nor 5 u8' convert f32.bin no.kith -m l2 --dim 5
fails 2 'these are indexes' convert f32.bin no.kith -m l2 --dtype f32
fails 2 'has its metric' convert f32.kith no.bin -m l2
fails 2 'has its dimension' convert f32.kith no.bin --dim 8
fails 2 '--metric is for indexes of other programs' convert x.npy no.fvecs -m l2
fails 1 'no index format "faiss"' convert index.dat no.kith -m l2 --format faiss
fails 1 'nothere.bin' convert nothere.bin no.kith -m l2
ok build x.npy -o flat.kith --spec Flat -q
fails 1 'made of HNSW, such as HNSW16' convert flat.kith no.bin
ok build x.npy -o l1.kith --spec HNSW8 --metric l1 -q
fails 1 'hnswlib has l2, ip and cosine, not l1' convert l1.kith no.bin
printf 'id,a,b\n-3,1,2\n' >below.csv
ok build below.csv -o below.kith --spec HNSW8 -q
fails 1 'id -3: labels of hnswlib are 0 and above' convert below.kith no.bin
for cut in 0 50 96 400 17000; do
    head -c $cut hnswlib-f32.bin >cut.bin
    fails 1 cut.bin convert cut.bin no.kith -m l2
done
cp x.npy other.bin
fails 1 'no hnswlib index' convert other.bin no.kith -m l2
for left in no.*; do
    [ -e "$left" ] && bad "a failed convert left $left"
done
finish
