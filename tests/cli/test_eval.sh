#!/bin/sh
# gt and eval: exact neighbours that numpy confirms, recall that ties cannot spoil, marks, plots.
. "$(dirname "$0")/common.sh"

"$python" -c "
import numpy as np
r = np.random.default_rng(7)
x = r.integers(0, 4, (600, 8)).astype('f4')  # many equal distances
q = r.integers(0, 4, (40, 8)).astype('f4')
np.save('base.npy', x); np.save('q.npy', q)
np.save('half.npy', x[::2])
f = r.normal(size=(600, 8)).astype('f4')
np.save('float.npy', f)
np.save('float_q.npy', f[:40] + np.float32(.1))
"
ok build base.npy --spec Flat -o base.kith -q
ok gt base.npy q.npy -k 10 -o gt.npy
check "
x, q = np.load('base.npy').astype('f8'), np.load('q.npy').astype('f8')
d = ((q[:, None] - x[None]) ** 2).sum(2)
order = np.lexsort((np.broadcast_to(np.arange(600), d.shape), d))[:, :10]
g, gd = np.load('gt.npy'), np.load('gt_dist.npy')
assert g.dtype == 'i8' and gd.dtype == 'f4' and g.shape == gd.shape == (40, 10)
assert (g == order).all() and (gd == np.take_along_axis(d, order, 1)).all()"
cp gt.npy first.npy
ok gt base.kith q.npy -k 10 -o gt.npy --threads 1 -q
cmp -s gt.npy first.npy || bad "gt of the index is not gt of its vectors"
"$python" -c "
import numpy as np
r = np.random.default_rng(3)
np.save('many.npy', r.normal(size=(3000, 24)).astype('f4'))
np.save('few.npy', r.normal(size=(40, 24)).astype('f4'))"
ok gt many.npy few.npy -k 10 -o exact.npy -q
for spec in 'Graph16(effort=10)' 'HNSW4(ef=10)'; do
    ok build many.npy -o walks.kith --spec "$spec" -q
    ok gt walks.kith few.npy -k 10 -o walked.npy -q
    cmp -s walked.npy exact.npy || bad "gt of $spec is not exact"
    ok search walks.kith few.npy -k 10 -o walked.npy -q
    cmp -s walked.npy exact.npy && bad "a walk of $spec finds all: it proves nothing"
done
for metric in ip cosine l1; do
    ok gt base.npy q.npy -k 700 -o g_$metric.npy --metric $metric -q
    check "
g = np.load('g_$metric.npy')
assert g.shape == (40, 700) and (np.sort(g[:, :600], 1) == np.arange(600)).all()
assert (g[:, 600:] == -1).all() and np.isnan(np.load('g_${metric}_dist.npy')[:, 600:]).all()"
done
fails 2 'has its metric' gt base.kith q.npy -o g.npy --metric ip
fails 1 'components' gt base.npy gt.npy -o g.npy
fails 2 '-o is missing' gt base.npy q.npy
fails 2 '-o q.npy is an input' gt base.npy q.npy -o q.npy

# recall ARGUMENT...: eval's recall and how it was told.
recall() {
    ok eval "$@" --json
    "$python" -c "
import json
for line in open('out'):
    e = json.loads(line)
    print('%.4f %s' % (e['recall'], e['recall_by']))" >told
}
told() {
    [ "$(cat told)" = "$1" ] || bad "$last: recall $(cat told), not $1"
}
recall base.kith q.npy --gt gt.npy
told '1.0000 distance'
check "
e = json.load(open('out'))
assert set(e) == {'effort', 'k', 'recall', 'recall_by', 'truth', 'qps', 'p50_us', 'p99_us',
                  'p999_us'}
assert e['k'] == 10 and e['qps'] > 0 and 0 < e['p50_us'] <= e['p99_us'] <= e['p999_us']"
# Other rows among equals are as right.
"$python" -c "
import numpy as np
x, q = np.load('base.npy'), np.load('q.npy')
d = ((q[:, None] - x[None]) ** 2).sum(2)
np.save('ties.npy', np.lexsort((-np.broadcast_to(np.arange(600), d.shape), d))[:, :10].astype('i4'))
"
recall base.kith q.npy --gt ties.npy
told '1.0000 distance'
ok convert ties.npy ties.ivecs -q
recall base.kith q.npy --gt ties.ivecs -k 5
told '1.0000 distance'
recall base.kith q.npy --exact base.npy -k 20 --threads 2
told '1.0000 distance'
check "assert json.load(open('out'))['p50_us'] is None"
ok eval base.kith q.npy --gt gt.npy
[ -s err ] && bad "$last said: $(cat err)"
ok build base.npy --spec Flat -o ip.kith --metric ip -q
# A truth of other rows, ids or another metric is none: no recall, and an error.
no_recall() {
    text=$1
    shift
    run eval "$@" --json
    [ "$code" = 1 ] && grep -qF -- "$text" err || bad "$last: exit $code: $(cat err)"
    check "
for line in open('out'):
    e = json.loads(line)
    assert e['recall'] is None and '''$text''' in e['error'], e"
}
no_recall "is gt.npy of the index's rows and ids, and of ip?" ip.kith q.npy --gt gt.npy
"$python" -c "
import numpy as np
np.save('shifted.npy', (np.load('gt.npy') + 1) % 600)
np.save('others.npy', np.load('gt.npy') + 5000)
np.save('far.npy', np.load('base.npy') + np.float32(3))
np.save('part.npy', np.load('base.npy')[:550])
np.save('ids.npy', np.arange(600)[::-1] + 40)"
no_recall 'true neighbours are not the nearest: is shifted.npy' base.kith q.npy --gt shifted.npy
no_recall 'true neighbours are not the nearest: is far.npy' base.kith q.npy --exact far.npy
no_recall 'true neighbours are not the nearest: is part.npy' \
    base.kith q.npy --exact part.npy --effort 1,2
fails 1 'none of the ids in others.npy is in the index' eval base.kith q.npy --gt others.npy
run eval base.kith q.npy --exact far.npy
[ "$code" = 1 ] && awk 'NR == 2 { exit !($2 == "-") }' out || bad "$last: exit $code: $(cat out)"
# An index with ids of its own, with and without them in --exact.
ok build base.npy --spec Flat -o own.kith --ids ids.npy -q
recall own.kith q.npy --exact base.npy
told '1.0000 distance'
ok build float.npy -o own16.kith --ids ids.npy --spec Flat,F16 -q
recall own16.kith float_q.npy --exact float.npy --ids ids.npy
check "assert float(open('told').read().split()[0]) > .9"
no_recall 'of the answers have ids that no row of float.npy has' own16.kith float_q.npy \
    --exact float.npy
"$python" -c "import numpy as np; np.save('turned.npy', np.arange(600)[::-1].copy())"
ok build float.npy -o turned16.kith --ids turned.npy --spec Flat,F16 -q
no_recall "the rows of float.npy are the index's, but not their ids" turned16.kith float_q.npy \
    --exact float.npy
fails 2 '--ids goes with --exact' eval base.kith q.npy --gt gt.npy --ids ids.npy
# One query may be an array of one dimension.
"$python" -c "
import numpy as np
q = np.load('q.npy')
np.save('one.npy', q[0]); np.save('first.npy', q[:1]); np.save('seven.npy', q[0, :7])"
ok search base.kith first.npy -k 3
cp out first.txt
ok search base.kith one.npy -k 3
cmp -s out first.txt || bad "$last: another answer than of a row"
ok gt base.npy one.npy -k 3 -o one_gt.npy -q
recall base.kith one.npy --gt one_gt.npy -k 3
told '1.0000 distance'
fails 1 'seven.npy has 1 component a query, the index 8' search base.kith seven.npy
# Some true neighbours that are not the nearest: recall, and how many they are.
"$python" -c "
import numpy as np
r = np.random.default_rng(3)
g = np.load('gt.npy')
g[3, 0] = 599 if 599 not in g[3] else 598
np.save('one_wrong.npy', g)
x = (r.normal(size=(2000, 64)) + 100).astype('f4'); y = x[:50] + np.float32(.01)
np.save('offset.npy', x); np.save('offset_q.npy', y)
d = (y * y).sum(1)[:, None] + (x * x).sum(1) - 2 * (y @ x.T)
np.save('offset_gt.npy', np.argsort(d, 1)[:, :10])"
recall base.kith q.npy --gt one_wrong.npy
told '1.0000 distance'
grep -q '^one_wrong.npy: 1 of 400 true neighbours are not the nearest' err ||
    bad "$last said: $(cat err)"
ok build offset.npy --spec Flat -o offset.kith -q
recall offset.kith offset_q.npy --gt offset_gt.npy
told '1.0000 distance'
# The same rows normalised in float32: other roundings, nothing that the index lacks.
ok build float.npy --spec Flat -o angle.kith --metric cosine -q
"$python" -c "
import numpy as np
x = np.load('float.npy')
np.save('unit.npy', x / np.linalg.norm(x, axis=1, keepdims=True))"
recall angle.kith float_q.npy --exact unit.npy
told '1.0000 distance'
[ -s err ] && bad "$last said: $(cat err)"
# An index of half the rows finds half the neighbours, more or less.
"$python" -c "
import numpy as np
np.save('half_ids.npy', np.arange(0, 600, 2))"
ok build half.npy --spec Flat -o half.kith --ids half_ids.npy -q
recall half.kith q.npy --gt gt.npy
check "
r, by = open('told').read().split()
assert by == 'id' and .3 < float(r) < .7, (r, by)"
recall half.kith q.npy --exact base.npy
grep -q 'base.npy has neighbours that are not in the index' err || bad "$last said: $(cat err)"
check "
r, by = open('told').read().split()
assert by == 'distance' and .4 < float(r) < 1, (r, by)"

# Rounded values: by id, or by what the answers are really worth.
ok build float.npy -o f16.kith --spec Flat,F16 -q
ok gt float.npy float_q.npy -k 10 -o fgt.npy -q
recall f16.kith float_q.npy --gt fgt.npy
check "
r, by = open('told').read().split()
assert by == 'id' and .9 < float(r) <= 1, (r, by)"
recall f16.kith float_q.npy --exact float.npy
check "
r, by = open('told').read().split()
assert by == 'distance' and .9 < float(r) <= 1, (r, by)"

# Codecs that learn round, too: what they lost is in the recall of the values themselves, and not in
# that of the index's own rows, which is what walks miss. The lines say which of both they tell.
shares() { # INDEX: by numpy, what share of its answers to few.npy is right, of both truths
    ok search "$1" few.npy -k 10 -o found.npy -q
    ok gt "$1" few.npy -k 10 -o own.npy -q
    "$python" -c "
import numpy as np
f = np.load('found.npy')
for name in 'exact', 'own':
    t = np.load(name + '.npy')
    print('%.4f' % np.mean([len(set(a) & set(b)) / 10 for a, b in zip(f, t)]))" >shares
}
for spec in 'Graph16(effort=10),SQ8' 'Graph16(effort=10),SQ8(uniform=on)' 'HNSW4(ef=10),SQ4' \
    'Graph16(effort=10),SQ6' 'Graph16(effort=10),F16' Flat,SQ4 Flat,BF16; do
    ok build many.npy -o coded.kith --spec "$spec" -q
    shares coded.kith
    recall coded.kith few.npy --gt exact.npy
    told "$(sed -n 1p shares) id"
    grep -q rounded err && bad "$last said: $(cat err)"
    check "assert json.load(open('out'))['truth'] == 'gt'"
    recall coded.kith few.npy --exact many.npy
    told "$(sed -n 1p shares) distance"
    [ -s err ] && bad "$last said: $(cat err)"
    check "assert json.load(open('out'))['truth'] == 'exact'"
    recall coded.kith few.npy
    told "$(sed -n 2p shares) distance"
    grep -q '^coded.kith stores rounded values, and this is the recall of what it stores' err ||
        bad "$last said: $(cat err)"
    check "assert json.load(open('out'))['truth'] == 'index'"
    case $spec in
    Flat*) told '1.0000 distance' ;;
    *) [ "$(cat told)" != '1.0000 distance' ] || bad "$spec finds all: it proves nothing" ;;
    esac
done
grep -qF 1.0000 shares || bad "Flat lost rows: $(cat shares)"
ok eval coded.kith few.npy -q
[ -s err ] && bad "$last said: $(cat err)"
awk 'NR == 2 { exit !($2 == "1.00000" && $3 == "distance" && $4 == "index") }' out ||
    bad "$last: $(cat out)"
# Values that are kept as they are: one truth, whoever tells it.
for spec in 'Graph16(effort=10)' 'Graph16(effort=10),SQ4,RFlat'; do
    ok build many.npy -o walks.kith --spec "$spec" -q
    recall walks.kith few.npy --gt exact.npy
    cp told first
    recall walks.kith few.npy --threads 2
    told "$(cat first)"
    [ -s err ] && bad "$last said: $(cat err)"
done

# Similarities and lp.
for metric in ip cosine; do
    ok build float.npy --spec Flat -o s.kith --metric $metric -q
    recall s.kith float_q.npy --exact float.npy
    told '1.0000 distance'
done
ok build float.npy --spec Flat -o p.kith --metric lp --param p=1.5 -q
recall p.kith float_q.npy --exact float.npy
told '1.0000 distance'

# Several settings, a line each; a plot that is XML.
ok eval base.kith q.npy --gt gt.npy --effort 1,10,100 --plot curve.svg
[ "$(wc -l <out)" = 4 ] || bad "three settings: $(cat out)"
awk 'NR == 1 { exit !($1 == "effort" && $2 == "recall@10" && $4 == "truth" && $5 == "qps") }' out ||
    bad "the head of eval: $(head -n 1 out)"
awk 'NR > 1 && ($2 != 1 || $3 != "distance" || $4 != "gt") { exit 1 }' out || bad "eval: $(cat out)"
check "
import xml.etree.ElementTree as e
assert len(e.parse('curve.svg').getroot().findall('.//{*}circle')) == 3"

# Marks of relevance, by the number of the query and by its id, with a head and without.
printf 'query\tid\tgrade\n0\t%s\t2\n0\t599\t0\n1\t598\t1\n' \
    "$("$python" -c "import numpy as np; print(np.load('gt.npy')[0, 3])")" >marks.tsv
ok eval base.kith q.npy --relevant marks.tsv -k 10 --json
check "
e = json.load(open('out'))
hit = 598 in np.load('gt.npy')[1]
assert e['success'] == .5 + .5 * hit and 'recall' not in e
assert hit or abs(e['mrr'] - .125) < 1e-6, e"
ok eval base.kith q.npy --relevant marks.tsv --gt gt.npy -k 10
awk 'NR == 1 { exit !($5 == "success@10" && $6 == "mrr") }' out || bad "eval: $(cat out)"
printf '77,599\n' >marks.csv
fails 1 'marks.csv marks none of these queries' eval base.kith q.npy --relevant marks.csv
printf 'q\ti\n1\tx\n' >marks.tsv
fails 1 'marks.tsv: line 2, column 2' eval base.kith q.npy --relevant marks.tsv

fails 2 '--plot curve.png: it draws an .svg' eval base.kith q.npy --gt gt.npy --plot curve.png
fails 2 'not both' eval base.kith q.npy --gt gt.npy --exact base.npy
fails 1 '40 queries and 50 neighbours are to be compared' eval base.kith q.npy --gt gt.npy -k 50
fails 1 'ids are i32 or i64' eval base.kith q.npy --gt gt_dist.npy
fails 1 'components' eval base.kith gt.npy --gt gt.npy
fails 2 '--effort 1,x' eval base.kith q.npy --gt gt.npy --effort 1,x
finish
