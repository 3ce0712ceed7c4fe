#!/bin/sh
# The command line itself: help, exit codes, suggestions, what is made from the tables.
. "$(dirname "$0")/common.sh"
verbs="build search eval gt add update remove get merge compact info verify repair convert docs"

printf 'x,y\n1,2\n3,4\n5,6\n' >base.csv
ok build base.csv -o base.kith -q

run
[ "$code" = 2 ] && grep -q 'usage: kith' err || bad "kith alone: exit $code: $(cat err)"
ok --help
cp out help
for verb in $verbs; do
    grep -q "^  $verb " help || bad "kith --help does not name $verb"
    ok help $verb
    cp out verb
    grep -q "^usage: kith $verb " verb || bad "kith help $verb: $(head -n 1 verb)"
    ok $verb --help
    cmp -s out verb || bad "kith $verb --help is not kith help $verb"
    [ "$(wc -l <verb)" -lt 70 ] || bad "kith help $verb is long"
    [ "$(awk 'length($0) > 110' verb)" = "" ] || bad "kith help $verb has long lines"
done
ok --version
grep -Eq '^kith [0-9]+\.[0-9]+\.[0-9]+$' out || bad "--version: $(cat out)"

ok help csv
grep -q -- '--vector-column' out && grep -q -- '--labels-column' out || bad "help csv: $(cat out)"
ok help add
grep -q 'kith help csv' out && ! grep -q -- '--labels-column' out || bad "help add: $(cat out)"
fails 2 "there is no verb 'serch'; did you mean search?" serch
fails 2 "there is no verb 'frobnicate'" frobnicate
fails 2 "did you mean info?" help inof
fails 2 "there is no option --maxdist; did you mean --max-dist?" search base.kith --maxdist 3
fails 2 "there is no option --frob" search base.kith base.csv --frob
fails 2 "there is no option -z" search base.kith base.csv -z
fails 2 "--json takes no value" info base.kith --json=1
fails 2 "-k needs a value" search base.kith base.csv -k
fails 2 "--effort needs a value" search base.kith base.csv --effort
fails 2 "search: 0 operands were given, 1 or 2 are expected" search
fails 2 "convert: 3 operands were given, 2 are expected" convert a b c
fails 2 "convert: 1 operand was given, 2 are expected" convert a
fails 2 "merge: 1 operand was given, at least 2 are expected" merge a
fails 2 "'x' is no id" remove base.kith 1,x
fails 2 "'' is no id" get base.kith 1,,2
fails 2 "-o is missing" build base.csv
fails 2 "-o base.csv is an input, and would be overwritten" build base.csv -o base.csv
fails 2 "-k 0: it must be a whole number from 1 to" search base.kith base.csv -k 0
fails 2 "-k -3: it must be" search base.kith base.csv -k -3
fails 2 "-k 1.5: it must be" search base.kith base.csv -k 1.5
fails 2 "--threads 99999: it must be" search base.kith base.csv --threads 99999
fails 2 "--max-dist inf: that is no finite number" search base.kith base.csv --max-dist inf
fails 2 "--min-sim: l2 is a distance, use --max-dist" search base.kith base.csv --min-sim 1
fails 2 "--exclude-self goes with" search base.kith base.csv --exclude-self
fails 2 "what is asked?" search base.kith
fails 2 "what is asked?" search base.kith base.csv --by-id 1
fails 2 "-o needs -k" search base.kith base.csv --max-dist 3 -o x.npy
fails 2 "it is written name=value" search base.kith base.csv --param effort
fails 2 "a search has no parameter 'frob'" search base.kith base.csv --param frob=1
fails 2 "effort is a number from 0 to" search base.kith base.csv --param effort=x
fails 2 "no metric \"frob\"" build base.csv -o x.kith --metric frob
fails 2 "--seed x: it must be a whole number" build base.csv -o x.kith --seed x
fails 2 "--param p=3: p is the exponent of --metric lp" build base.csv -o x.kith -p p=3
fails 2 "--spec Flat(p=3): p is the exponent of --metric lp" build base.csv -o x.kith \
    --spec 'Flat(p=3)'
fails 2 "--param p=3: only p of --metric lp is one here" gt base.csv base.csv -o g.npy \
    -p p=3
ok build base.csv -o p.kith --metric lp -p p=3 -q
"$KITH" convert base.csv base.npy -q
for option in id-column label-column vector-column; do
    fails 2 "--$option: base.npy is no CSV file" build base.npy -o x.kith --$option x
done
fails 2 "--no-header: base.npy is no CSV file" build base.npy -o x.kith --no-header
fails 2 "--query-id: base.npy is no CSV file" search base.kith base.npy --query-id x
fails 2 "--labels-column goes with --labels" build base.npy -o x.kith --labels-column x
ok gt base.npy base.csv -k 1 -o gt.npy --vector-column x,y -q
KITH_CPU=avx9 "$KITH" info base.kith 2>err && bad "KITH_CPU=avx9 passed"
grep -q "KITH_CPU=avx9: there are no kernels 'avx9' for this machine" err || bad "$(cat err)"
KITH_CPU=scalar,avx9 "$KITH" info base.kith 2>err && bad "KITH_CPU=scalar,avx9 passed"
KITH_CPU=scalar "$KITH" info base.kith >out 2>err || bad "KITH_CPU=scalar: $(cat err)"
fails 2 "info needs an INDEX, or --cpu" info
fails 2 "which rows?" remove base.kith
fails 2 "there is no page 'frob'" docs frob
fails 2 "'x' is no id" search base.kith --by-id 1,x
fails 1 "no navigator \"Flot\"" build base.csv -o x.kith --spec Flot
fails 1 "has no parameter \"frob\"" build base.csv -o x.kith --param frob=1
[ -e x.kith ] && bad "a failed build left a file"
grep -q . out && bad "an error printed to stdout"

# Options and operands in any order and spelling; `--` ends the options.
ok search -k2 base.kith --json base.csv --threads=1
cp out first
ok search --json --k 2 -t 1 -- base.kith base.csv
cmp -s out first || bad "$last: other answers"
ok search -k 1 -k 2 base.kith base.csv --json
cmp -s out first || bad "$last: the last -k counts"
cp base.kith ./-x
ok info -- -x

# Standard output that cannot be written is an error.
if [ -w /dev/full ]; then
    "$KITH" search base.kith base.csv >/dev/full 2>err
    [ $? = 1 ] && grep -q 'cannot write to standard output: No space left' err ||
        bad "search >/dev/full: $(cat err)"
    "$KITH" --help >/dev/full 2>err && bad "help >/dev/full passed"
fi
(
    trap '' PIPE
    "$KITH" search base.kith base.csv 2>err
    echo $? >status
) | true
[ "$(cat status)" = 0 ] || grep -q 'cannot write to standard output: Broken pipe' err ||
    bad "a closed pipe: exit $(cat status): $(cat err)"

# The pages from the tables: complete, and the ones in docs/ are these.
ok docs man
for verb in $verbs; do
    grep -q "^.SS kith $verb" out || bad "the man page has no $verb"
done
[ -n "${KITH_SOURCE-}" ] && [ -f "$KITH_SOURCE/docs/kith.1" ] &&
    { cmp -s out "$KITH_SOURCE/docs/kith.1" || bad "docs/kith.1 is old: make docs"; }
ok docs parameters
for name in Flat F16 cosine jensen_shannon bf16 scan effort efSearch npy; do
    grep -q "\`$name\`" out || bad "PARAMETERS.md does not name $name"
done
[ -n "${KITH_SOURCE-}" ] && [ -f "$KITH_SOURCE/docs/PARAMETERS.md" ] &&
    { cmp -s out "$KITH_SOURCE/docs/PARAMETERS.md" || bad "docs/PARAMETERS.md is old: make docs"; }
ok help search
"$python" -c "
lines = open('out', encoding='utf-8').read().split('\n')
at = [l.index('the queries are') for l in lines if l.startswith('  --by-')]
assert len(at) == 2 and set(at) == {30}, at" || bad "help search: columns: $(grep -e --by- out)"
ok info --cpu
grep -q ' $' out && bad "info --cpu: blanks at the end of lines"
grep -Eq '^scan l2 +f32:[a-z0-9]+ f16:' out || bad "info --cpu: no kernels: $(cat out)"
[ "$(KITH_CPU=scalar "$KITH" info --cpu | grep -c 'block dot.*u8:scalar')" = 1 ] ||
    bad "info --cpu: KITH_CPU=scalar does not show"
grep -q '^scalar  *yes' out || bad "info --cpu: $(cat out)"
ok info --cpu --json
check "assert json.load(open('out'))['scalar'] == 1"

# No line of help is wider than a terminal.
ok docs man
for verb in csv $(sed -n 's/^.SS kith //p' out); do
    ok help "$verb"
    check "
for line in open('out', encoding='utf-8'):
    assert len(line.rstrip('\\n')) <= 80, line"
done
fails 2 '                   INDEX --id I --label TEXT' update
# 0 threads, as in kith_query: as many as there are; eval has one only when none are given.
ok search base.kith base.csv --threads 0 -k 1
ok eval base.kith base.csv --exact base.csv -k 1 --threads 0 --json
check "assert json.load(open('out'))['p50_us'] is None"
ok eval base.kith base.csv --exact base.csv -k 1 --json
check "assert json.load(open('out'))['p50_us'] > 0"
finish
