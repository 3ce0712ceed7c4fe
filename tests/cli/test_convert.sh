#!/bin/sh
# convert: every vector format to every other, and what does not fit.
. "$(dirname "$0")/common.sh"

"$python" -c "
import numpy as np
x = np.random.default_rng(1).integers(0, 100, (37, 5))
for t in 'f4 f8 f2 i1 u1 i4 i8'.split(): np.save(t + '.npy', x.astype(t))
np.save('fortran.npy', np.asfortranarray(x.astype('f4')))
np.save('big.npy', x.astype('>f4'))
with open('two.npy', 'wb') as f: np.save(f, x[:3].astype('f4')); np.save(f, x.astype('f4'))
"
# Any input gives the same numbers through any format that holds them.
for from in f4 f8 f2 i1 u1 i4 i8 fortran big two.npy#1; do
    case $from in *#*) in=$from ;; *) in=$from.npy ;; esac
    for to in fvecs fbin npy; do
        ok convert "$in" a.$to --dtype f32 -q
        ok convert a.$to "through_${to}_from_$from.npy" -q
    done
done
check "
import glob
a, files = np.load('f4.npy'), glob.glob('through_*.npy')
assert len(files) == 30
for f in files:
    b = np.load(f)
    assert b.dtype == 'f4' and (a == b).all(), f"
for to in bvecs u8bin; do
    ok convert u1.npy a.$to -q
    ok convert a.$to b.npy
    check "
a, b = np.load('u1.npy'), np.load('b.npy')
assert b.dtype == 'u1' and (a == b).all()"
done
for to in ivecs ibin; do
    ok convert i4.npy a.$to -q
    ok convert a.$to b.npy -q
    check "
a, b = np.load('i4.npy'), np.load('b.npy')
assert b.dtype == 'i4' and (a == b).all()"
done
grep -q . err && bad "$last said: $(cat err)"
ok convert i1.npy a.i8bin
grep -q '^a.i8bin: 37 rows of 5 components$' err || bad "convert said: $(cat err)"
check "
b = open('a.i8bin', 'rb').read()
assert np.frombuffer(b, 'u4', 2).tolist() == [37, 5]
assert b[8:] == np.load('i1.npy').tobytes()"

# From an index: its rows, and their ids beside them.
printf 'id,x,y\n7,0.5,1\n-3,2,3\n' >a.csv
ok build a.csv -o a.kith -q
ok convert a.kith a.npy --ids-output ids.npy -q
check "
assert np.load('a.npy').tolist() == [[.5, 1], [2, 3]]
assert np.load('ids.npy').ravel().tolist() == [7, -3]"
ok convert a.csv a.fbin -q
check "assert np.fromfile('a.fbin', 'f4')[2:].tolist() == [.5, 1, 2, 3]"

# A name with a mark is the file of this name, if there is one.
cp a.npy 'x.npy#1'
ok convert 'x.npy#1' b.npy -q
cmp -s a.npy b.npy || bad "$last: other bytes"
rm 'x.npy#1'

# What does not fit or is not there.
fails 1 'x.npy#1: that names an array inside a file' convert f4.npy 'x.npy#1'
fails 2 'x.kith would be an index: kith build f4.npy -o x.kith makes one' convert f4.npy x.kith
fails 1 'x.foo' convert f4.npy x.foo
fails 2 'no type "f12"' convert f4.npy x.npy --dtype f12
fails 1 'nothere.npy' convert nothere.npy x.npy
fails 1 'two.npy' convert two.npy#2 x.npy
fails 1 'nofolder' convert f4.npy nofolder/x.npy
fails 1 'a.csv' convert f4.npy a.csv
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n' >lfs.fbin
fails 1 'lfs.fbin' convert lfs.fbin x.npy
head -c 300 f4.npy >cut.npy
fails 1 'cut.npy' convert cut.npy x.npy
printf '\003\000\000\000\000\000' >cut.fvecs
fails 1 'cut.fvecs' convert cut.fvecs x.npy
: >empty.npy
fails 1 'empty.npy' convert empty.npy x.npy
[ -e x.npy ] && bad "a failed convert left x.npy"
finish
