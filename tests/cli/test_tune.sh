#!/bin/sh
# tune, and searches that ask for a recall: what is stored, shown, looked up, and refused.
. "$(dirname "$0")/common.sh"
reader=${KITH_SOURCE:?}/tools/readkith.py

"$python" -c "
import numpy as np
r = np.random.default_rng(5)
c = 3 * r.normal(size=(30, 8))
x = (c[r.integers(0, 30, 1340)] + r.normal(size=(1340, 8))).astype('f4')
np.save('base.npy', x[:1200]); np.save('q.npy', x[1200:]); np.save('few.npy', x[:40])
np.save('narrow.npy', x[:, :3].copy())
"
ok build base.npy -o g.kith --spec Graph16 -q
cp g.kith before.kith
fails 1 'kith tune' search g.kith q.npy --recall 0.9
ok search g.kith q.npy --recall 0.9 -k 400 -o most.npy # so many that every row is looked at
ok search g.kith q.npy --recall 1 -k 400 -o exact.npy
cmp -s most.npy exact.npy || bad "400 of 1,200 are not exact"
ok search g.kith q.npy --recall 1 -o exact.npy
ok gt base.npy q.npy -k 10 -o gt.npy -q
cmp -s exact.npy gt.npy || bad "recall 1 is not exact"

# Given queries, to another file; the index stays as it is.
ok tune g.kith q.npy -o t.kith -n 60 --plot curve.svg
head -n 1 out | grep -q 'recall@10 *effort *slack *rerank *visits *us *qps' ||
    bad "$last: $(cat out)"
grep -q 't.kith: by 60 of the queries, k = 10;' err || bad "$last: $(cat err)"
grep -q '<svg' curve.svg || bad "no picture"
cmp -s g.kith before.kith || bad "tune -o changed the index"
ok verify t.kith
ok info t.kith
grep -q '^tuned_queries *60 queries, given' out || bad "$last: $(cat out)"
ok info t.kith --json
check "
e = json.load(open('out'))
assert e['tuned_k'] == 10 and e['tuned_rows'] == 1200 and e['tuned_queries'] == 60
c = e['curve']
assert len(c) > 1 and all(a['recall'] < b['recall'] < 1 for a, b in zip(c, c[1:])), c
assert all(a['visits'] < b['visits'] for a, b in zip(c, c[1:])), c
assert set(c[0]) == {'recall', 'k', 'effort', 'slack', 'rerank', 'visits', 'us'}"
"$python" "$reader" t.kith >read 2>&1 || bad "the second reader: $(cat read)"
grep -q '^curve: .*@10, by 60 queries' read || bad "the second reader says: $(cat read)"
ok info before.kith --json
grep -q curve out && bad "$last: $(cat out)"

# Rows, in place; the same rows and seed give the same curve, but for the times.
ok tune g.kith -k 5 -n 50 --seed 3 --json
cp out first
grep -q 'by 50 rows, held out, k = 5' err || bad "$last: $(cat err)"
ok tune before.kith -k 5 -n 50 --seed 3 --json --threads 1
check "
a, b = ([json.loads(l) for l in open(f)] for f in ('first', 'out'))
assert len(a) > 1 and all(p.pop('us') > 0 for p in a + b) and a == b, (a, b)"
ok add g.kith few.npy -q
ok remove g.kith 1,2,3 -q
ok compact g.kith -q
ok info g.kith --json
check "
e = json.load(open('out'))
assert e['tuned_rows'] == 1200 and e['count'] == 1237 and len(e['curve']) > 1"

# What is asked for is reached, on the queries that it was tuned with exactly.
ok tune t.kith q.npy -q
ok eval t.kith q.npy --gt gt.npy --recall .8,.9,.95,1 --json
check "
lines = [json.loads(l) for l in open('out')]
assert [round(e['asked'], 3) for e in lines] == [.8, .9, .95, 1]
assert all(e['recall'] >= e['asked'] and 'effort' not in e for e in lines), lines
assert lines[-1]['recall'] == 1"
ok eval t.kith q.npy --gt gt.npy --recall .9
head -n 1 out | grep -q '^ *asked' || bad "$last: $(cat out)"
ok eval t.kith q.npy --gt gt.npy --param recall=.9 --json
grep -q '"asked": *0.9,' out || bad "$last: $(cat out)"
ok search t.kith --by-id 4,5 --recall 0.95 -x
ok search t.kith q.npy --effort 50 --slack 0.2
ok search t.kith q.npy --param slack=0.2
cp t.kith kept.kith
ok eval t.kith q.npy --gt gt.npy --recall .9
cmp -s t.kith kept.kith || bad "eval wrote"

fails 2 '--recall 2: recall is a number from 0 to 1' search t.kith q.npy --recall 2
fails 2 '--slack -1: slack is a number from 0 to 100' search t.kith q.npy --slack -1
fails 2 '--param recall=2: recall is a number from 0 to 1' search t.kith q.npy --param recall=2
fails 1 'no effort, slack or rerank' search t.kith q.npy --recall .9 --effort 50
fails 2 'not both' eval t.kith q.npy --gt gt.npy --recall .9 --effort 50
fails 2 'numbers above 0 and up to 1' eval t.kith q.npy --gt gt.npy --recall .9,2
fails 2 'numbers above 0 and up to 1' eval t.kith q.npy --gt gt.npy --recall .9,,1
fails 1 'the index has 8' tune t.kith narrow.npy
fails 2 'it draws an .svg' tune t.kith --plot curve.png
fails 2 '-k' tune t.kith -k 0
cmp -s t.kith kept.kith || bad "a tune that failed wrote"

# Nothing to tune: exact indexes, few rows.
ok build few.npy -o few.kith --spec Graph16 -q
ok build base.npy -o flat.kith --spec Flat -q
for index in few flat; do
    cp $index.kith kept.kith
    ok tune $index.kith
    grep -q 'nothing to tune' err || bad "$last: $(cat err)"
    cmp -s $index.kith kept.kith || bad "$last wrote"
    ok search $index.kith q.npy --recall .9
done
# Nothing worth storing: what was stored stays. One query proves no recall.
cp g.kith kept.kith
for out in g.kith new.kith; do
    fails 1 'k = 400 of 1237 rows: such searches look at every row' tune g.kith -k 400 -o $out
    fails 1 'by 1 query no walk is sure to reach a recall of 0.8' tune g.kith -k 1 -n 1 -o $out
done
cmp -s g.kith kept.kith || bad "a tune without points wrote"
[ -e new.kith ] && bad "a tune without points wrote new.kith"
ok search g.kith q.npy -k 400 --recall .9
"$python" "$reader" g.kith | grep -q '^curve: [1-9]' || bad "the second reader of g.kith"

# A curve that the few rows left have no use for is not shown as if it were measured.
cp g.kith lost.kith
seq 100 1199 >ids.txt
ok remove lost.kith --ids ids.txt -q
cp lost.kith kept.kith
ok tune lost.kith
grep -q 'nothing to tune' err || bad "$last: $(cat err)"
equal ''
cmp -s lost.kith kept.kith || bad "$last wrote"

# Both readers refuse the same damage under a right checksum.
"$python" -c "
import struct, sys
sys.path.insert(0, '${KITH_SOURCE}/tools')
import readkith, xxh3
data = open('t.kith', 'rb').read()
file = readkith.File(data)
number = [s.name for s in file.sections].index('TUNE')
at = file.sections[number].at
for name, place, new in (('nan', 32, struct.pack('<f', float('nan'))),
                         ('more', 4, struct.pack('<I', 60))):
    out = bytearray(data)
    out[at + place:at + place + 4] = new
    section = bytes(out[at:at + file.sections[number].length])
    struct.pack_into('<Q', out, file.table_at + 64 * number + 32, xxh3.digest(section))
    struct.pack_into('<Q', out, len(out) - 16, xxh3.digest(bytes(out[file.table_at:-16])))
    open('bad_%s.kith' % name, 'wb').write(out)
"
for damaged in bad_*.kith; do
    fails 1 'section TUNE' verify "$damaged"
    "$python" "$reader" "$damaged" >read 2>&1 && bad "the second reader takes $damaged"
    grep -q 'section TUNE' read || bad "the second reader of $damaged says: $(cat read)"
done
ok repair bad_more.kith -o mended.kith
grep -q 'section TUNE' out err || bad "$last: $(cat out err)"
ok verify mended.kith
fails 1 'kith tune' search mended.kith q.npy --recall 0.9
finish
