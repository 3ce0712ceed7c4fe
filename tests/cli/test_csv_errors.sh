#!/bin/sh
# CSV files that cannot be right: each is refused with file, line and column, and no index appears.
. "$(dirname "$0")/common.sh"

# refused TEXT FILE [OPTION]...: the build of FILE must say TEXT.
refused() {
    text=$1 file=$2
    shift 2
    fails 1 "$text" build "$file" -o x.kith "$@"
    [ -e x.kith ] && bad "$last left a file"
}
# csv FORMAT: the file a.csv.
csv() {
    printf "$1" >a.csv
}

csv 'id,v\n1,"[1,2,3]"\n2,"[1,2]"\n'
refused 'kith: a.csv: line 3, column 2 (v): the array has 2 numbers, the first had 3' a.csv
csv 'v\n"[1,2"\n'
refused 'a.csv: line 2, column 1 (v): character' a.csv
csv 'v\n"[]"\n'
refused 'the array is empty' a.csv
csv 'v\n"[1,null]"\n'
refused 'item 2 of the array is no number' a.csv
csv 'v\n"[1e999]"\n'
refused 'line 2, column 1 (v): character' a.csv
csv 'v\n"[1,1e39]"\n'
refused 'item 2 of the array, 1e+39, is too large for a float' a.csv
csv 'v\n"[NaN]"\n'
refused 'line 2, column 1 (v)' a.csv
csv 'v,w\n"[1]","[2]"\n'
refused '2 columns hold arrays: choose one by --vector-column' a.csv
csv 'v\n1 2\n3\n'
refused 'line 3, column 1 (v): the list has 1 number, the first had 2' a.csv --vector-column v
csv 'x,y\n1,2\n3,abc\n'
refused "a.csv: line 3, column 2 (y): 'abc' is no finite number" a.csv
csv 'x,y\n1,2\n3,\n'
refused 'line 3, column 2 (y): empty, a number is expected' a.csv
csv 'x,y\n1,2\n1e999,4\n'
refused "line 3, column 1 (x): '1e999' is no finite number" a.csv
csv 'x,y\n1,2\n3,inf\n'
refused "'inf' is no finite number" a.csv
csv 'x,y\n1,2\n0x10,4\n'
refused "'0x10' is no finite number" a.csv
# A bad cell in the first row drops no column.
for cell in nan NaN inf -inf '' 1e99 - 0x10 1_000 N/A null 5%%; do
    csv "x,y,z\n1,$cell,3\n4,5,6\n"
    refused 'a.csv: line 2, column 2 (y): ' a.csv
done
csv 'x;y\n2,5;1,5\n'
refused "line 2, column 1 (x): '2,5' is no finite number that a float holds (the decimal sign" a.csv
csv 'x;y\n2,5;1\n'
refused "line 2, column 1 (x): '2,5' is no finite number" a.csv
csv '1,5;2,5\n'
refused "'5;2' is no finite number" a.csv --no-header --vector-column 1-3
refused 'a list of numbers, and other columns hold numbers' a.csv --no-header
csv 'id,v,w\n7,1 2,3 4\n'
refused '2 columns hold lists: choose one by --vector-column' a.csv
csv 'v\n[0.5 1. 2.]\n'
refused 'the array has no commas: a numpy array as it is printed; write x.tolist()' a.csv
# A first line of data is not eaten as names.
csv 'foo,7,9\nbar,1,2\n'
refused 'line 1: the names of the columns are expected here' a.csv
csv 'foo,0.5\nbar,1\n'
refused 'line 1: the names of the columns are expected here' a.csv
csv 'x,y\n1,2\n3\n'
refused 'a.csv: line 3: 1 column, the first line has 2' a.csv
csv 'x,y\n1,2\n3,4,5\n'
refused 'a.csv: line 3: 3 columns, the first line has 2' a.csv
csv 'x,y\n1,2\n3\0004,5\n'
refused 'a.csv: line 3: a zero byte: this is no text' a.csv
csv 'title,x\na,1\n"b,2\nc,3\n'
refused 'a.csv: line 3: a quote opened in this record is not closed up to line 4' a.csv
csv 'id,x\n1.5,2\n'
refused "line 2, column 1 (id): '1.5' is no id" a.csv
csv 'id,x\n9223372036854775808,2\n'
refused "'9223372036854775808' is no id" a.csv
csv 'id,x\n-1,2\n'
refused 'line 2, column 1 (id): -1 is the one number that is no id' a.csv
csv 'id,x\n7,2\n7,3\n'
refused 'id 7' a.csv
csv 'id,label,x\n1,Caf\351,2\n'
refused 'is not UTF-8; is it --encoding latin1?' a.csv
csv '1.5,2\n3,4.5\n'
refused 'line 1: the names of the columns are expected here, not numbers' a.csv
csv ''
refused 'kith: a.csv: the file has no rows' a.csv
csv 'x,y\n'
refused 'the file has no rows' a.csv
csv 'x,y\na,b\n'
refused 'line 2: no column of numbers' a.csv
printf 'x,y\n1,2\n' | iconv -f utf-8 -t utf-16 >a.csv
refused 'a.csv: UTF-16; write it as UTF-8 first' a.csv
csv 'x,y\n1,2\n'
refused "there is no column 'yy'; did you mean 'y'?" a.csv --vector-column yy
refused 'there is no column 3: it has 2' a.csv --vector-column 3
refused 'there is no column 0' a.csv --id-column 0
refused "there is no column '1-3'" a.csv --vector-column 1-3
fails 2 "'' cannot be a delimiter" build a.csv -o x.kith --delimiter ''
fails 2 "there is no encoding 'ebcdic' here" build a.csv -o x.kith --encoding ebcdic
csv 'x,x\n1,2\n'
refused "two columns are named 'x'" a.csv --vector-column x
csv '1,2\n'
refused "column 'x': without a header" a.csv --no-header --vector-column x
refused 'cannot open nothere.csv: No such file' nothere.csv

# Limits: long numbers, long lines, long records, many columns, deep arrays.
"$python" -c "
open('number.csv', 'w').write('x,y\n' + '9' * 100000 + ',1\n')
open('line.csv', 'w').write('x,y\n' + ' ' * (5 << 20) + '1,1\n')
open('record.csv', 'w').write('t,x\n\"' + 'some text\n' * 600000 + '\",1\n')
open('columns.csv', 'w').write(','.join(map(str, range(70000))) + '\n')
open('deep.csv', 'w').write('v\n\"' + '[' * 100000 + '\"\n')"
refused 'line 2, column 1 (x): a number of 100000 characters' number.csv --vector-column x,y
refused 'line.csv: line 2: a record longer than 4194304 bytes' line.csv
refused 'record.csv: line 2: a quote opened in this record is not closed' record.csv
refused 'a record of more than 65536 columns' columns.csv
refused 'deep.csv: line 2, column 1 (v): character' deep.csv

# Who is given ids of a column that nobody named is told how to do without.
printf 'id,x\n5,1\n5,2\n' >twice.csv
refused 'id 5 is in row 0 and in row 1; the column of the ids was guessed: --id-column names' \
    twice.csv
ok build twice.csv -o twice.kith --id-column none -q
run build twice.csv -o x.kith --id-column id
grep -q guessed err && bad "$last: $(cat err)"
# Ids and labels from other files must fit the rows.
csv 'x,y\n1,2\n3,4\n'
printf '1\n' >ids.txt
printf 'a\nb\nc\n' >labels.txt
refused 'ids.txt has 1 id, a.csv has' a.csv --ids ids.txt
refused 'labels.txt has 3 labels, a.csv has 2 rows' a.csv --labels labels.txt
printf 'id,label\n0,a\n0,b\n' >labels.csv
refused 'labels.csv: id 0 stands there twice' a.csv --labels labels.csv
printf 'a\nb\n' >labels.csv
refused 'labels.csv has 1 label, a.csv has at least 2 rows; its first line was taken as names' \
    a.csv --labels labels.csv --labels-id-column none
printf 'label\na\nb\nc\n' >labels.csv
refused 'labels.csv has 3 labels, a.csv has 2 rows' a.csv --labels labels.csv \
    --labels-id-column none
printf '0,a\n1,b\n' >labels.csv
refused "labels.csv: line 1: '0' is an id, the names of the columns are expected" a.csv \
    --labels labels.csv
printf 'a\n\351\nc\n' >latin1.txt
refused 'latin1.txt has 3 labels, a.csv has 2 rows' a.csv --labels latin1.txt --encoding latin1
printf 'id,label\nx,a\n' >labels.csv
refused "labels.csv: line 2, column 1 (id): 'x' is no id" a.csv --labels labels.csv
printf 'id,label\n0,\351\n' >labels.csv
refused 'is not UTF-8; is it --encoding latin1?' a.csv --labels labels.csv

# An error in row 100,000 of a stream loses nothing of the old index.
"$KITH" build a.csv -o old.kith -q
cp old.kith before
"$python" -c "
open('b.csv', 'w').write('x,y\n' + '1,2\n' * 100000 + '1,two\n')"
fails 1 "b.csv: line 100002, column 2 (y): 'two' is no finite number" add old.kith b.csv
fails 1 "b.csv: line 100002" build b.csv -o old.kith
cmp -s before old.kith || bad "a failed add or build changed the index"
finish
