#!/bin/sh
# Vectors, ids and labels from CSV and TSV, in all the ways people write them.
. "$(dirname "$0")/common.sh"

# rows NAME: what is in index x.kith, one row a line: id, numbers, label.
rows() {
    ok convert x.kith x.npy --ids-output x_ids.npy -q
    # The numbers behind the 128 bytes of the head, without waiting for numpy each time.
    ok get x.kith -- "$(od -An -v -j 128 -w8 -t d8 x_ids.npy | tr -d ' ' | paste -s -d , -)"
}
# built TEXT ARGUMENT...: `kith build ARGUMENT...` makes an index with these rows.
built() {
    text=$1
    shift
    ok build "$@" -o x.kith -q
    made="kith build $*"
    rows
    last=$made
    equal "$(printf -- "$text")"
}

printf 'id,x,y\n7,0.5,-2e-3\n3,+1.,.25\n' >a.csv
built '7\t0.5 -0.002\n3\t1 0.25' a.csv
built '0\t0.5 -0.002\n1\t1 0.25' a.csv --id-column none
built '0\t7 0.5 -0.002\n1\t3 1 0.25' a.csv --id-column none --vector-column 1-3
built '7\t-0.002\n3\t0.25' a.csv --vector-column y
built '0\t-0.002 0.5\n1\t0.25 1' a.csv --vector-column y,x --id-column none
built '7\t0.5 -0.002\n3\t1 0.25' a.csv --vector-column 2-3 --id-column 1
built '7\t0.5 -0.002\n3\t1 0.25' a.csv --vector-column x-y --id-column id
cat a.csv >from_stdin
"$KITH" build - -o x.kith -q <from_stdin || bad "build from standard input"
rows
equal "$(printf '7\t0.5 -0.002\n3\t1 0.25')"

mkfifo pipe
cat a.csv >pipe &
built '7\t0.5 -0.002\n3\t1 0.25' pipe
cat a.csv | "$KITH" build /dev/stdin -o x.kith -q || bad "build /dev/stdin from a pipe"
rows
equal "$(printf '7\t0.5 -0.002\n3\t1 0.25')"
"$KITH" build /dev/stdin -o x.kith -q <a.csv || bad "build /dev/stdin from a file"
rows
equal "$(printf '7\t0.5 -0.002\n3\t1 0.25')"
"$KITH" build /dev/stdin -o y.kith -q <x.kith || bad "build /dev/stdin from an index"

# Line ends, a byte order mark, blank lines, no end of the last line.
printf '\357\273\277id,x,y\r\n7,1,2\r\n\r\n3,4,5' >a.csv
built '7\t1 2\n3\t4 5' a.csv
printf 'id,x,y\r7,1,2\r3,4,5\r' >a.csv
built '7\t1 2\n3\t4 5' a.csv
printf '1,2\n   \n4,5\n' >a.csv
built '0\t1 2\n1\t4 5' a.csv --no-header

# Quotes, commas and line ends in labels.
printf 'label,x,id\n"one, ""two""\nthree",1,5\n  plain  ,2,6\n,3,7\n' >a.csv
built '5\t1\tone, "two"\\nthree\n6\t2\tplain\n7\t3\t' a.csv
built '0\t1\n1\t2\n2\t3' a.csv --id-column none --label-column none
printf 'x\ttitle\n1\t"open\n2\tclose"\n' >a.tsv
built '0\t1\t"open\n1\t2\tclose"' a.tsv --no-quotes --label-column title

# Arrays in one column, other numbers beside it; lists without brackets.
printf 'id,year,features,label\n10,1999,"[0.58, -0.56,3]",a\n11,2000,"[1,2,1e1]",b\n' >a.csv
built '10\t0.58 -0.56 3\ta\n11\t1 2 10\tb' a.csv
built '1999\t0.58 -0.56 3\ta\n2000\t1 2 10\tb' a.csv --vector-column 3 --id-column year
printf 'item;v\n4;1 2 3\n5;4  5|6 \n' >a.csv
built '4\t1 2 3\n5\t4 5 6' a.csv --delimiter ';' --id-column item --vector-column v
printf '1 2 3\n4 5 6\n' >a.txt
built '0\t1 2 3\n1\t4 5 6' a.txt --no-header

# Names of pandas; names that are numbers; the usual names in any letter case.
printf ',0,1,2\n0,1,2,3\n1,4,5,6\n' >a.csv
built '0\t1 2 3\n1\t4 5 6' a.csv --id-column 1
printf '0,1,2\n7,8,9\n' >a.csv
built '0\t7 8 9' a.csv
printf 'ID,Label,x\n7,seven,1\n' >a.csv
built '7\t1\tseven' a.csv

# What was taken is told, in one line, and what was left out; searches tell only the latter.
said() {
    [ "$(head -n 1 err)" = "$1" ] || bad "$last said: $(cat err), not: $1"
}
printf 'title,year,id,x,y,z\na,1999,7,1,2,3\nb,2000,8,4,5,6\n' >a.csv
ok build a.csv -o x.kith
said 'a.csv: the vector is columns 2 (year), 4-6 (x…z); ids: 3 (id); left out: 1 (title)'
ok add x.kith a.csv --id-column none --vector-column x-z,2
said 'a.csv: the vector is columns 4-6 (x…z), 2 (year); left out: 1 (title), 3 (id)'
ok build a.csv -o x.kith -q
[ -s err ] && bad "$last said: $(cat err)"
ok search x.kith a.csv -k 1
said 'a.csv: the vector is columns 2 (year), 4-6 (x…z); ids: 3 (id); left out: 1 (title)'
ok search x.kith a.csv -k 1 --vector-column year,x-z
[ -s err ] && bad "$last said: $(cat err)"

# Columns named like ids are ids, or are left out; never components.
for name in index movieId item_id ITEM-ID 'Unnamed: 0' ''; do
    printf '%s,x,y\n5,1,2\n6,3,4\n' "$name" >a.csv
    built '5\t1 2\n6\t3 4' a.csv
done
printf 'userId,itemId,x\n5,6,1\n6,7,3\n' >a.csv
built '0\t1\n1\t3' a.csv
printf 'valid,grid,x\n5,6,1\n6,7,3\n' >a.csv
built '0\t5 6 1\n1\t6 7 3' a.csv
printf 'itemId,x\na7,1\na8,3\n' >a.csv
built '0\t1\n1\t3' a.csv
printf 'x,y,label\n1,2,3\n' >a.csv
built '0\t1 2\t3' a.csv
ok search x.kith a.csv -k 1

# The delimiter is what the first line has first.
printf 'id;x;y\n7;0.5;2\n8;1;3\n' >a.csv
built '7\t0.5 2\n8\t1 3' a.csv
printf 'id\tx\ty\n7\t0.5\t2\n' >a.csv
built '7\t0.5 2' a.csv
printf '"a;b, c";id;x\n"one, two";7;2\n' >a.csv
built '7\t2' a.csv
printf '[1;2],8\n' >a.csv
fails 1 'character' build a.csv -o x.kith --no-header
printf 'id,v\n7,1 2 3\n8,4 5 6\n' >a.csv
built '7\t1 2 3\n8\t4 5 6' a.csv
printf 'v\n" [1,2]"\n"[3 ,4] "\n' >a.csv
built '0\t1 2\n1\t3 4' a.csv

# Latin-1.
printf 'id,label,x\n1,Caf\351,2\n' >a.csv
built '1\t2\tCafé' a.csv --encoding latin1

# The files of MovieLens, and labels joined by id in any order.
printf '2::0.5::1\n1::0.25::3\n9::1::1\n' >factors.dat
printf '1::Toy Story (1995)::Animation|Comedy\n2::Am\351lie "a" (2001)::Comedy\n' >movies.dat
ok build factors.dat -o x.kith --delimiter :: --no-header --id-column 1 --labels movies.dat \
    --labels-delimiter :: --labels-no-header --labels-id-column 1 --labels-column 2 \
    --encoding latin1
grep -q '1 of 3 rows have no label in movies.dat' err || bad "$last said: $(cat err)"
rows
equal "$(printf '2\t0.5 1\tAmélie "a" (2001)\n1\t0.25 3\tToy Story (1995)\n9\t1 1\t')"
printf 'x,y\n1,2\n3,4\n' >a.csv
printf 'movieId,title\n1,b\n0,"a, and more"\n' >movies.csv
built '0\t1 2\ta, and more\n1\t3 4\tb' a.csv --labels movies.csv
built '0\t1 2\ta, and more\n1\t3 4\tb' a.csv --labels movies.csv --labels-id-column movieId \
    --labels-column title
built '0\t1 2\tb\n1\t3 4\ta, and more' a.csv --labels movies.csv --labels-id-column none \
    --labels-column title
printf 'Caf\351\n\n' >latin1.txt
built '0\t1 2\tCafé\n1\t3 4\t' a.csv --labels latin1.txt --encoding latin1
printf 'eins\nzwei\n' >pipe &
built '0\t1 2\teins\n1\t3 4\tzwei' a.csv --labels pipe
printf 'eins\nzwei\n' >labels.txt
printf '%s\n' -5 9223372036854775807 >ids.txt
built '-5\t1 2\teins\n9223372036854775807\t3 4\tzwei' a.csv --ids ids.txt --labels labels.txt
# Pipes are read as files are: marks, ids, tables, standard input.
printf '\357\273\277eins\r\nzwei' >pipe &
built '0\t1 2\teins\n1\t3 4\tzwei' a.csv --labels pipe
printf '1,eins\n0,zwei\n' >table.csv
for from in table.csv pipe; do
    [ "$from" = pipe ] && cat table.csv >pipe &
    built '0\t1 2\tzwei\n1\t3 4\teins' a.csv --labels "$from" --labels-no-header
    wait
done
mkfifo pipe.csv
printf 'id,label\n1,eins\n0,zwei\n' >pipe.csv &
built '0\t1 2\tzwei\n1\t3 4\teins' a.csv --labels pipe.csv
built '0\t1 2\teins\n1\t3 4\tzwei' a.csv --labels - <labels.txt
built '0\t1 2\tzwei\n1\t3 4\teins' a.csv --labels - --labels-no-header <table.csv
printf '\357\273\277 7 \r\n\n\t-8' >pipe &
built '7\t1 2\n-8\t3 4' a.csv --ids pipe
built '5\t1 2\n6\t3 4' a.csv --ids - <<END
5
6
END
printf '6\n' >pipe &
ok search x.kith a.csv -k 2 --filter-ids pipe --json
check "assert [json.loads(line)['ids'] for line in open('out')] == [[6], [6]]"
printf '5\n' >pipe &
ok get x.kith --ids pipe
printf '5\n6x\n' >pipe &
fails 1 'pipe: line 2, "6x", is no 64-bit whole number' build a.csv -o x.kith --ids pipe
run build a.csv -o x.kith --ids - <labels.txt
grep -q 'standard input: line 1, "eins", is no' err || bad "$last: $(cat err)"
fails 2 '2 inputs are -, and standard input can be only one' build - -o x.kith --labels -
built '-5\t1 2\teins\n9223372036854775807\t3 4\tzwei' a.csv --ids ids.txt --labels labels.txt

# Queries: their ids name them, and columns are chosen as in the base.
printf 'q,x,y\n77,1,2\n78,3,4.5\n' >q.csv
ok search x.kith q.csv -k 1 --query-id q --json
check "
a = [json.loads(line) for line in open('out')]
assert [r['query'] for r in a] == [77, 78]
assert a[1]['ids'] == [2**63 - 1] and a[1]['scores'] == [0.25]"
ok search x.kith - -k 1 --vector-column x,y <q.csv
[ "$(awk '{print $3}' out | tail -n 2 | tr '\n' ' ')" = '-5 9223372036854775807 ' ] ||
    bad "$last: $(cat out)"

# Wide and long files: every number arrives.
"$python" -c "
import numpy as np
x = np.random.default_rng(3).normal(size=(3000, 300)).astype('f4')
np.save('x.npy', x)
np.savetxt('x.csv', x, '%.9g', ',', header=','.join('f%d' % i for i in range(300)), comments='')
open('y.csv', 'w').write('id,v\n' + ''.join('%d,\"%s\"\n' % (i, [float('%.9g' % v) for v in r])
                                               for i, r in enumerate(x)))"
for file in x.csv y.csv; do
    ok convert $file z.npy
    check "assert (np.load('z.npy') == np.load('x.npy')).all()"
done
finish
