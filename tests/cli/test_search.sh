#!/bin/sh
# build and search: every way of asking, as text, JSON and arrays.
. "$(dirname "$0")/common.sh"

# 12 rows on a line; row i is (i, 0), so that distances are squares; two rows are equal.
"$python" -c "
import numpy as np
x = np.zeros((12, 2), 'f4'); x[:, 0] = np.arange(12); x[11] = x[3]
np.save('base.npy', x + np.float32(0.5))
np.save('one.npy', np.array([[3.5, 0.5]], 'f4'))
np.save('two.npy', np.array([[3.5, 0.5], [0.5, 1.5]], 'f8'))
np.save('ids.npy', np.arange(12) * 10 - 20)
open('labels.txt', 'w').write('\n'.join(['zero', 'one', 'two\twith a tab', 'drei ä', 'four', 'five',
    'six', 'seven', 'eight', 'nine', '', 'drei ä']) + '\n')
"
ok build base.npy -o plain.kith
grep -q '12 rows of 2 f32 components' err || bad "build said: $(cat err)"
ok build base.npy -o named.kith --ids ids.npy --labels labels.txt --quiet
[ -s err ] && bad "--quiet said: $(cat err)"
ok build base.npy -o cosine.kith --metric cosine -q

ok search plain.kith one.npy -k 4
same search_one.txt
ok search plain.kith two.npy -k 3
same search_two.txt
# An error prints nothing else: no head of a table without rows.
"$python" -c "
import numpy as np
np.save('nan.npy', np.array([[1, 2], [np.nan, 0]], 'f4'))"
fails 1 'query 1, column 0 is NaN' search plain.kith nan.npy -k 3
[ -s out ] && bad "a failed search printed: $(cat out)"
ok search named.kith one.npy -k 4
same search_labels.txt
ok search named.kith two.npy -k 3 --json
same search_labels.json
ok search named.kith --by-id 10,-20 -k 3 --exclude-self
same search_by_id.txt
ok search named.kith --by-id=-20 -k 2
same search_by_one_id.txt
ok search named.kith --by-label 'drei ä' -k 2 --json
same search_by_label.json
ok search plain.kith two.npy --max-dist 4
same search_range.txt
ok search plain.kith two.npy --max-dist 4 --json
same search_range.json
ok search plain.kith --by-id 3 --max-dist 1 --exclude-self --json
equal '{"query":3,"ids":[11,2,4],"scores":[0,1,1]}'
ok search plain.kith one.npy --max-dist 4 -k 2 --json
equal '{"query":0,"ids":[3,11],"scores":[0,0]}'
ok search plain.kith one.npy --max-dist 0.25 -k 5 --json
equal '{"query":0,"ids":[3,11],"scores":[0,0]}'
ok search cosine.kith one.npy --min-sim 0.99999 --json
equal '{"query":0,"ids":[3,11],"scores":[1,1]}'

# A filter; k beyond what can answer; k beyond the index.
printf '5\n9\n7\n12345\n' >some.txt
ok search plain.kith one.npy -k 10 --filter-ids some.txt --json
equal '{"query":0,"ids":[5,7,9],"scores":[4,16,36]}'
ok search plain.kith one.npy -k 2000000000 --json
check "assert len(json.load(open('out'))['ids']) == 12"
printf '99\n' >none.txt
ok search plain.kith two.npy --filter-ids none.txt
equal "$(printf 'query\trank\tid\tdistance')"
ok search plain.kith one.npy --filter-ids none.txt --json
equal '{"query":0,"ids":[],"scores":[]}'

# Arrays.
ok search plain.kith two.npy -k 20 -o found.npy
[ -s out ] && bad "-o printed: $(cat out)"
check "
i, d = np.load('found.npy'), np.load('found_dist.npy')
assert i.shape == d.shape == (2, 20) and i.dtype == 'i8' and d.dtype == 'f4'
assert i[0, :3].tolist() == [3, 11, 2] and (i[:, 12:] == -1).all() and np.isnan(d[:, 12:]).all()"
ok search plain.kith two.npy -k 5 -o found.ivecs
[ -s found_dist.fvecs ] || bad "no found_dist.fvecs"

# Parameters of a search, by name and alias; threads change nothing.
ok search plain.kith two.npy -k 3 --param ef=50 --param rerank=10 --effort 7 --threads 1
same search_two.txt

# Metrics.
for metric in ip l1 linf canberra bray_curtis; do
    ok build base.npy -o m.kith --metric $metric -q
    ok search m.kith one.npy -k 3 --json
    cat out >>metrics.json
done
ok build base.npy -o m.kith --metric lp --param p=3 -q
ok search m.kith one.npy -k 3 --json
cat out >>metrics.json
same search_metrics.json metrics.json
ok build base.npy -o again.kith --metric lp --spec 'Flat(p=3)' -q
cmp -s m.kith again.kith || bad "p by --param and by the spec give other files"

# What is built is told.
ok build base.npy -o m.kith --spec Flat,F16 --json
check "
b = json.load(open('out'))
assert (b['dtype'], b['dtype_given'], b['metric']) == ('f16', 'f32', 'l2')
assert (b['dim'], b['count']) == (2, 12)
import os
assert b['file_bytes'] == os.path.getsize('m.kith')"
"$python" -c "
import numpy as np
np.save('bytes.npy', np.arange(200, dtype='f4').reshape(50, 4))"
ok build bytes.npy -o m.kith --seed 5
grep -q 'kept losslessly as u8: all values are integers 0…255' err || bad "build said: $(cat err)"
finish
