#!/bin/sh
# info --graph and repair: what a graph looks like, and a damaged one made whole.
. "$(dirname "$0")/common.sh"

"$python" -c "
import numpy as np
r = np.random.default_rng(5)
x = r.normal(size=(1400, 12)).astype('f4')
x[700:710] = x[3]
np.save('x.npy', x); np.save('q.npy', r.normal(size=(20, 12)).astype('f4'))
np.save('few.npy', x[:200])"
ok build x.npy -o x.kith --spec Graph32 -q
cp x.kith before
ok build few.npy -o few.kith --spec Graph32 -q
ok build x.npy --spec Flat -o flat.kith -q

# What it looks like: figures, pictures, JSON.
ok info x.kith --graph
grep -q '^nodes  *1390 rows' out || bad "nodes: $(cat out)"
grep -q '^twins  *10 rows' out || bad "twins: $(cat out)"
grep -q '^reached  *1 of the nodes' out || bad "reached: $(cat out)"
ok info x.kith --graph --plot
[ "$(awk 'length($0) > 90' out)" = "" ] || bad "a picture is too wide: $(cat out)"
[ "$(grep -c '####$' out)" -ge 4 ] || bad "no picture: $(cat out)"
cp out first
ok info x.kith --graph --plot
cmp -s out first || bad "figures differ from call to call"
ok info x.kith --graph --plot --json
check "
g = json.load(open('out'))
assert g['nodes'] == 1390 and g['twins'] == 10 and g['out_of_reach'] == 0, g
for side in 'out', 'in':
    d = {int(k): v for k, v in g[side + '_degrees'].items()}
    assert sum(d.values()) == g['nodes'] and max(d) == g[side + '_most'], d
    assert abs(sum(k * v for k, v in d.items()) / g['nodes'] - g[side + '_mean']) < 1e-3
assert 1 < g['path'] < 8 and g['clustering'] > 3 * g['random_clustering'], g"
grep -q 'microseconds' first && bad "a curve that nobody made: $(cat first)"
cp x.kith tuned.kith
ok tune tuned.kith -n 30 -q
ok info tuned.kith --graph --plot
grep -q '^microseconds a query by recall@10' out || bad "no curve: $(cat out)"
ok info tuned.kith --graph --plot --json
check "assert len(json.load(open('out'))['curve']) > 1"
ok build x.npy -o levels.kith --spec HNSW8 -q
ok info levels.kith --graph --json
check "
g = json.load(open('out'))
rows = [g[f'level_{l}_rows'] for l in range(1, g['levels'] + 1)]
assert len(rows) >= 2 and rows == sorted(rows, reverse=True), g
assert all(g[f'level_{l}_reached'] > .9 and g[f'level_{l}_links'] <= 8
           for l in range(1, g['levels'] + 1)), g"
ok info few.kith --graph
grep -q 'every search looks at all rows' out || bad "no graph: $(cat out)"
ok info few.kith --graph --plot --json
fails 1 'flat.kith: Flat has no graph' info flat.kith --graph
[ -s out ] && bad "half an answer: $(cat out)"
fails 2 'goes with it' info x.kith --plot
fails 2 'one of them' info --graph --cpu

# Nothing to mend: the file stays, byte for byte.
ok repair x.kith
equal "$(echo 'x.kith: ok, 1400 rows,' "$(wc -c <x.kith)" bytes)"
cmp -s x.kith before || bad "repair changed a sound index"
ok repair flat.kith
ok repair few.kith

# A section of the graph is damaged: made anew, the same bytes as before.
"$python" - <<'END'
import struct
whole = open('before', 'rb').read()
table, count = struct.unpack_from('<Q', whole, 40)[0], struct.unpack_from('<I', whole, 16)[0]
for i in range(count):
    at = table + 64 * i
    name = whole[at:at + 4].decode().strip()
    start, length = struct.unpack_from('<QQ', whole, at + 8)
    hurt = bytearray(whole)
    hurt[start + length // 2] ^= 0x20
    open(name + '.kith', 'wb').write(hurt)
END
for section in GRPH GLEN GLNK GCOD; do
    fails 1 "section $section" verify $section.kith
    cp $section.kith hurt
    ok repair $section.kith -o mended.kith
    cmp -s $section.kith hurt || bad "repair -o changed its input"
    cmp -s mended.kith before || bad "$section: the graph is another one"
    ok repair $section.kith
    grep -q "^$section.kith: found: .*section $section" out || bad "found: $(cat out)"
    grep -q "^$section.kith: mended: 1400 rows linked anew" out || bad "mended: $(cat out)"
    cmp -s $section.kith before || bad "$section: the graph is another one"
done
# Rows are not made anew.
cp CODE.kith hurt
fails 1 'section CODE' repair CODE.kith
cmp -s CODE.kith hurt || bad "repair changed a file whose rows are damaged"
fails 1 'section ROWS' repair ROWS.kith
head -c 5000 before >cut.kith
fails 1 'cut off' repair cut.kith
fails 1 'No such file' repair nothere.kith
left=$(find . -name '*.tmp*')
[ "$left" = "" ] || bad "left $left"
finish
