#!/bin/sh
# One kith at a time changes an index; an output is never an input, whatever it is called.
. "$(dirname "$0")/common.sh"

"$python" -c "
import numpy as np
for i in range(6): np.save('part%d.npy' % i, np.full((50, 4), i / 10, 'f4'))
np.save('base.npy', np.zeros((3000, 64), 'f4'))"
# Whoever comes later waits, and sees what the others have saved.
ok build part0.npy -o a.kith -q
for i in 0 1 2 3 4 5; do
    "$KITH" add a.kith part$i.npy -q &
done
wait
ok info a.kith --json
check "assert json.load(open('out'))['count'] == 350, 'six adds at once lost rows'"
# The same for other verbs, and for an old name of the file: a link.
ln -s a.kith link.kith
"$KITH" remove a.kith 0,1,2 -q &
"$KITH" update link.kith --id 9 --label nine -q &
"$KITH" add link.kith part1.npy -q &
"$KITH" compact a.kith -q &
wait
ok info a.kith --json
check "assert json.load(open('out'))['count'] == 397, 'verbs at once lost changes'"
ok get a.kith --by-label nine

# Waiting is told, and can be interrupted: the lock is one on the file itself.
"$python" -c "
import fcntl, time
f = open('a.kith')
fcntl.flock(f, fcntl.LOCK_EX)
time.sleep(60)" &
holder=$!
while flock -n a.kith true; do sleep 0.05; done
"$KITH" remove a.kith 3 2>waiting &
pid=$!
n=0
while ! grep -q 'a.kith: waiting for another kith' waiting && [ $n -lt 100 ]; do
    sleep 0.1
    n=$((n + 1))
done
[ $n -lt 100 ] || bad "nothing is said while waiting: $(cat waiting)"
kill -INT $pid
wait $pid
[ $? = 130 ] || bad "waiting was not interrupted"
# Searching does not wait.
ok search a.kith part1.npy -k 1
kill $holder
wait $holder 2>/dev/null

# refused TEXT ARGUMENT...: exit 2, and no file changed.
sums() {
    for file in *.npy *.kith *.csv *.txt; do [ "$file" = sums ] || cksum "$file"; done
}
refused() {
    sums >sums
    fails 2 "$@"
    sums | cmp -s - sums || bad "$last changed a file"
}
ln -s base.npy other.npy
ln base.npy hard.npy
printf '0\n1\n' >ids.txt
printf '0,a\n1,b\n' >labels.csv
cp base.npy q_dist.npy
cp base.npy gt.npy
mkdir folder
refused '-o base.npy is an input' gt base.npy part0.npy -o base.npy
refused '-o ./base.npy is the input base.npy' build base.npy -o ./base.npy
refused '-o folder/../base.npy is the input base.npy' build base.npy -o folder/../base.npy
refused '-o other.npy is the input base.npy' build base.npy -o other.npy
refused '-o hard.npy is the input base.npy' build base.npy -o hard.npy
refused '-o base.npy is the input base.npy#0' build base.npy#0 -o base.npy
refused '-o labels.csv is an input' build base.npy -o labels.csv --labels labels.csv
refused '-o ids.txt is an input' build base.npy -o ids.txt --ids ids.txt
refused 'the output hard.npy is the input base.npy' convert base.npy hard.npy
refused '--ids-output base.npy is an input' convert base.npy x.npy --ids-output base.npy
refused 'the output and --ids-output are one file' convert base.npy x.npy --ids-output ./x.npy
refused 'the distances of -o q_dist.npy is an input' search a.kith q_dist.npy -k 1 -o q.npy
refused 'the distances of -o q_dist.npy is an input' gt q_dist.npy part0.npy -k 1 -o q.npy
refused '-o ids.txt is an input' search a.kith part0.npy -k 1 -o ids.txt --filter-ids ids.txt
refused '--plot gt.npy is an input' eval a.kith part0.npy --gt gt.npy --plot gt.npy
refused '--plot base.npy is an input' eval a.kith part0.npy --exact base.npy --plot base.npy
refused '--plot a.kith is an input' eval a.kith part0.npy --exact base.npy --plot a.kith
refused '-o a.kith is an input' get a.kith 9 -o a.kith
"$KITH" build - -o labels.csv --no-header <labels.csv 2>err && bad "standard input overwritten"
grep -q -- '-o labels.csv is the input -' err || bad "standard input as output: $(cat err)"
# An index takes the place of an index or of an empty file, and of nothing else.
cp base.npy precious.npy
printf 'a\n' >short.txt
for other in precious.npy short.txt; do
    cp "$other" before
    for made in "build base.npy" "compact a.kith" "merge a.kith a.kith"; do
        # shellcheck disable=SC2086
        fails 2 "-o $other is there and no index" $made -o "$other"
    done
    cmp -s "$other" before || bad "$other was overwritten"
done
: >empty.kith
ok build base.npy -o empty.kith -q
ok build base.npy -o empty.kith -q
ln -s nowhere/x.kith dangling.kith
fails 1 'dangling.kith is a symbolic link to nowhere/x.kith, which is not there' \
    build base.npy -o dangling.kith

# An index may be replaced by what is made of it.
ok build a.kith -o a.kith -q
ok compact a.kith -o ./a.kith -q
ok build base.npy -o b.kith -q --metric l2
ok convert base.npy new.npy -q
finish
