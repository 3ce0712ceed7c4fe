#!/bin/sh
# What happens to files when things go wrong: the old one stays, whole, and nothing is left behind.
. "$(dirname "$0")/common.sh"

"$python" -c "
import numpy as np
r = np.random.default_rng(1)
np.save('a.npy', r.normal(size=(500, 8)).astype('f4'))
np.save('b.npy', r.normal(size=(700, 8)).astype('f4'))
x = r.normal(size=(5, 8)).astype('f4'); x[3, 5] = np.nan
np.save('nan.npy', x)
x[3, 5] = -np.inf
np.save('inf.npy', x)
np.save('none.npy', np.zeros((0, 8), 'f4'))
np.save('wide.npy', np.zeros((2, 40000), 'u1'))
np.save('flat.npy', np.zeros(8, 'f4'))
np.save('cube.npy', np.zeros((2, 2, 2), 'f4'))
np.save('complex.npy', np.zeros((2, 2), 'c8'))
"
ok build a.npy -o a.kith -q
cp a.kith before
# same_index: a.kith is as it was, and no temporary file lies about.
same_index() {
    cmp -s a.kith before || bad "$last: the index changed"
    left=$(find . -name '*.tmp*' -o -name '*.new')
    [ "$left" = "" ] || bad "$last left $left"
}

# Bad vectors, in and as queries.
fails 1 'nan.npy: row 3, column 5 is NaN' build nan.npy -o a.kith
same_index
fails 1 'inf.npy: row 3, column 5 is' build inf.npy -o a.kith
fails 1 'nan.npy: query 3, column 5 is NaN' search a.kith nan.npy
fails 1 'row 3, column 5 is' add a.kith inf.npy
fails 1 'none.npy has no rows' build none.npy -o a.kith
fails 1 'none.npy has no rows' gt none.npy a.npy -o g.npy
fails 1 'none.npy has no queries' gt a.npy none.npy -o g.npy
fails 1 'none.npy has no queries' search a.kith none.npy
fails 1 '32768' build wide.npy -o a.kith
fails 1 'cube.npy' build cube.npy -o a.kith
fails 1 'complex.npy' build complex.npy -o a.kith
fails 1 'rows of 40000 components' search a.kith wide.npy
fails 1 'nothere.npy: No such file' build nothere.npy -o a.kith
same_index

# Places that cannot be written.
fails 1 'No such file or directory' build a.npy -o nofolder/x.kith
mkdir folder shut
fails 1 'folder' build a.npy -o folder
if [ "$(id -u)" != 0 ]; then
    chmod 500 shut
    fails 1 'Permission denied' build a.npy -o shut/x.kith
    chmod 700 shut
fi
if [ -w /dev/full ]; then
    fails 1 '' gt a.npy a.npy -k 3 -o /dev/full/x.npy
fi
# A small disk: a limit of this shell on the size of files stands in for it.
(
    trap '' XFSZ
    ulimit -f 8
    "$KITH" build b.npy -o a.kith -q 2>err
    echo $? >status
)
[ "$(cat status)" = 1 ] || bad "a full disk: exit $(cat status): $(cat err)"
grep -q 'File too large' err || bad "a full disk: $(cat err)"
same_index

# What a killed writer left is removed by the next one, and only that.
: >a.kith.tmp-0123456789abcdef
: >a.kith.tmp-notes
ok build a.npy -o a.kith -q
[ -e a.kith.tmp-0123456789abcdef ] && bad "a stale temporary file stays"
[ -e a.kith.tmp-notes ] || bad "a file of somebody else's is gone"
rm a.kith.tmp-notes

# An index is replaced as a whole, by a build over it, too.
ok build b.npy -o a.kith -q
ok verify a.kith
grep -q '700 rows' out || bad "verify: $(cat out)"
ok build a.kith -o a.kith -q
ok verify a.kith
cp a.kith before

# Ctrl-C while a build waits for more of its input: 130 at once, and the old file stays.
mkfifo pipe
"$KITH" build - -o a.kith <pipe 2>err &
pid=$!
{
    printf 'x,y\n1,2\n'
    sleep 0.5
    kill -INT $pid
    wait $pid
    echo $? >status
} >pipe
[ "$(cat status)" = 130 ] || bad "SIGINT: exit $(cat status)"
grep -q 'interrupted' err || bad "SIGINT: $(cat err)"
same_index
"$KITH" build - -o a.kith <pipe 2>err &
pid=$!
{
    printf 'x,y\n1,2\n'
    sleep 0.5
    kill -TERM $pid
    wait $pid
    echo $? >status
} >pipe
[ "$(cat status)" = 143 ] || bad "SIGTERM: exit $(cat status)"
same_index

# The same input gives the same file.
ok build b.npy -o one.kith -q --threads 1
ok build b.npy -o two.kith -q --threads 3
cmp -s one.kith two.kith || bad "one thread and three give other files"

# Bits: bytes of eight components, or numbers 0 and 1.
"$python" -c "
import numpy as np
b = np.random.default_rng(2).integers(0, 2, (50, 24)).astype('u1')
np.save('bits.npy', b); np.save('packed.npy', np.packbits(b, axis=1))"
ok build bits.npy -o bits.kith --metric hamming -q
ok build packed.npy -o packed.kith --metric hamming --packed-bits -q
ok search bits.kith bits.npy -k 4 --json
cp out first
ok search packed.kith packed.npy --packed-bits -k 4 --json
cmp -s out first || bad "packed bits give other answers"
check "
b = np.load('bits.npy').astype(int)
d = (b[:, None] != b[None]).sum(2)
for i, line in enumerate(open('out')):
    assert json.loads(line)['ids'] == sorted(range(50), key=lambda j: (d[i, j], j))[:4]"
fails 1 '--packed-bits is for u8' build a.npy -o x.kith --packed-bits
finish
