#!/bin/sh
# make demo: index the package descriptions that ship with kith, then answer questions about them.
# KITH, KITH_DEMO: the programs. ASK: a question instead of the usual ones.
set -eu
data=$(dirname "$0")/data
work=${TMPDIR:-/tmp}/kith-demo.$$
mkdir "$work"
trap 'rm -rf "$work"' EXIT INT TERM

cut -f 1 "$data/texts.tsv" >"$work/names.txt"
"$KITH" build "$data/base.i8.npy" -o "$work/packages.kith" --spec Flat,I8 --metric cosine \
    --labels "$work/names.txt"
"$KITH" build "$data/base.i8.npy" -o "$work/graph.kith" --spec Graph,I8 --metric cosine \
    --labels "$work/names.txt"
if [ -n "${ASK:-}" ]; then
    "$KITH_DEMO" "$work/packages.kith" "$work/graph.kith" "$data" "$ASK"
else
    "$KITH_DEMO" "$work/packages.kith" "$work/graph.kith" "$data"
    printf '\nthe same as a command: which packages are like "gnome-chess"?\n\n'
    "$KITH" search "$work/packages.kith" --by-label gnome-chess --exclude-self -k 5
    printf '\nyour own question: make demo ASK="control a telescope"\n'
fi
