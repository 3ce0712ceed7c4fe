#!/bin/sh
# add, update, remove, get, merge, compact, info, verify: an index on disk through its life.
. "$(dirname "$0")/common.sh"

printf 'id,label,x,y\n1,one,1,1\n2,two,2,2\n3,,3,3.5\n' >a.csv
ok build a.csv --spec Flat -o a.kith -q
ok verify a.kith
equal "a.kith: ok, 3 rows, $(wc -c <a.kith) bytes"

# add: more rows; ids that exist are refused, or replaced when asked.
printf 'id,label,x,y\n9,nine,9,9\n' >b.csv
ok add a.kith b.csv
[ "$(tail -n 1 err)" = 'a.kith: 1 row added, 4 in all' ] || bad "add said: $(cat err)"
cp a.kith before
fails 1 'id 9' add a.kith b.csv
printf 'id,label,x,y\n20,t,1,1\n9,other,8,8\n' >c.csv
fails 1 'id 9' add a.kith c.csv
cmp -s a.kith before || bad "a refused add changed the index"
ok add a.kith c.csv --replace
[ "$(tail -n 1 err)" = 'a.kith: 1 row added, 1 replaced, 5 in all' ] || bad "$last: $(cat err)"
ok get a.kith 9,20
equal "$(printf '9\t8 8\tother\n20\t1 1\tt')"
printf 'x,y\n4,4\n5,5\n' >d.csv
ok add a.kith d.csv -q
ok get a.kith 21,22
equal "$(printf '21\t4 4\t\n22\t5 5\t')"
fails 2 '--replace needs ids' add a.kith d.csv --replace
printf 'x,y,z\n4,4,4\n' >e.csv
fails 1 '3 components' add a.kith e.csv
printf 'id,label\n0,a\n' >l.csv
fails 1 'has no ids that labels could be joined by' add a.kith d.csv --labels l.csv

# get
ok get a.kith 1,3 --json
equal '{"id":1,"label":"one","vector":[1,1]}
{"id":3,"label":null,"vector":[3,3.5]}'
ok get a.kith --by-label two
equal "$(printf '2\t2 2\ttwo')"
printf '2\n3\n' >ids.txt
ok get a.kith --ids ids.txt -o g.npy -q
check "assert np.load('g.npy').tolist() == [[2, 2], [3, 3.5]]"
fails 1 'a.kith: id 77 is not stored' get a.kith 1,77
fails 1 "a.kith: no row has the label 'none such'" get a.kith --by-label 'none such'
fails 2 'which rows?' get a.kith

# update: vectors (labels stay), labels, one label.
printf 'id,x,y\n1,7,7\n3,0,0\n' >u.csv
ok update a.kith u.csv
[ "$(tail -n 1 err)" = 'a.kith: 2 rows updated, 7 in all' ] || bad "update said: $(cat err)"
ok update a.kith --id 3 --label three -q
ok get a.kith 1,3
equal "$(printf '1\t7 7\tone\n3\t0 0\tthree')"
printf 'id,x,y\n1,8,8\n77,0,0\n' >u.csv
cp a.kith before
fails 1 'id 77' update a.kith u.csv
cmp -s a.kith before || bad "a refused update changed the index"
fails 2 'which rows are these?' update a.kith d.csv
fails 2 'update needs ROWS, or --id and --label' update a.kith --id 3
fails 1 'id 77' update a.kith --id 77 --label x
ok update a.kith --id 3 --label '' -q
ok get a.kith 3
equal "$(printf '3\t0 0\t')"

# remove: by id, by file, by label; what is not there is told and passed over.
ok remove a.kith 1,77
[ "$(cat err)" = 'a.kith: 1 of the ids is not stored
a.kith: 1 row removed, 6 in all' ] || bad "remove said: $(cat err)"
ok remove a.kith --ids ids.txt
ok remove a.kith --by-label other -q
fails 1 'id 9 is not stored' get a.kith 9
ok search a.kith --by-id 20 -k 10 --json
equal '{"query":20,"ids":[20,21,22],"scores":[0,18,32],"labels":["t",null,null]}'
ok info a.kith --json
check "
i = json.load(open('out'))
assert (i['type'], i['spec'], i['metric'], i['dtype'], i['dim'], i['count']) == \
    ('Flat', 'Flat', 'l2', 'f32', 2, 3), i
assert i['removed'] > 0
import os
assert i['bytes'] == i['file_bytes'] == os.path.getsize('a.kith')"

# compact: removed rows go, answers stay, integers become bytes.
ok compact a.kith
grep -q 'stored as u8, losslessly (before: f32)' err || bad "compact said: $(cat err)"
ok info a.kith --json
check "
i = json.load(open('out'))
assert i['removed'] == 0 and i['count'] == 3 and i['dtype'] == 'u8', i"
ok search a.kith --by-id 20 -k 10 --json
equal '{"query":20,"ids":[20,21,22],"scores":[0,18,32],"labels":["t",null,null]}'
printf 'id,x,y\n50,0.5,0.5\n' >f.csv
ok add a.kith f.csv -q
ok get a.kith 50,20
equal "$(printf '50\t0.5 0.5\t\n20\t1 1\tt')"
cp a.kith before
ok compact a.kith -o small.kith -q
cmp -s a.kith before || bad "compact -o changed its input"
ok info a.kith
grep -q '^count  *4 rows' out || bad "info: $(cat out)"

# merge
printf 'id,label,x,y\n100,hundred,1,2\n' >m.csv
ok build m.csv --spec Flat -o m.kith -q
printf 'id,x,y\n200,3,4\n' >n.csv
ok build n.csv --spec Flat -o n.kith -q
ok merge a.kith m.kith n.kith -o all.kith
grep -q 'all.kith: 6 rows of 3 indexes' err || bad "merge said: $(cat err)"
ok get all.kith 100,200,20
equal "$(printf '100\t1 2\thundred\n200\t3 4\t\n20\t1 1\tt')"
cmp -s a.kith before || bad "merge -o changed its input"
fails 1 'id 100' merge all.kith m.kith
ok build n.csv --spec Flat -o ip.kith --metric ip -q
fails 1 'ip.kith: ' merge a.kith ip.kith
cmp -s a.kith before || bad "a refused merge changed the index"
ok merge a.kith n.kith -q
ok verify a.kith all.kith small.kith
[ "$(wc -l <out)" = 3 ] || bad "verify: $(cat out)"

# A damaged file is refused with its section, by verify always.
"$python" -c "
b = bytearray(open('all.kith', 'rb').read())
b[len(b) // 2] ^= 1
open('flipped.kith', 'wb').write(b)
open('cut.kith', 'wb').write(b[:len(b) // 2])
import numpy as np
np.save('rows.npy', np.random.default_rng(1).normal(size=(2000, 16)).astype('f4'))
open('text.kith', 'w').write('this is no index, but as long as one could be\n' * 99)"
fails 1 'flipped.kith' verify flipped.kith
# Where a row is damaged, a mapped open does not see it; --verify does.
ok build rows.npy -o rows.kith --spec 'Flat(scan=off)' -q
"$python" -c "
b = bytearray(open('rows.kith', 'rb').read())
b[len(b) // 2] ^= 1
open('row.kith', 'wb').write(b)"
ok get row.kith 0
fails 1 'row.kith' get row.kith 0 --verify
fails 1 'row.kith' search row.kith --by-id 0 --verify
fails 1 'row.kith' eval row.kith rows.npy --exact rows.npy --verify
fails 1 'row.kith' convert row.kith row.npy --verify
[ -e row.npy ] && bad "$last left a file"
ok search rows.kith --by-id 0 --verify -k 1
ok convert rows.kith row.npy --verify -q
fails 1 'rows.npy' convert rows.npy row.npy --verify
fails 1 'cut.kith' verify cut.kith
fails 1 'text.kith' verify text.kith
fails 1 'text.kith' info text.kith
fails 1 'No such file' verify nothere.kith
ok verify all.kith
finish
