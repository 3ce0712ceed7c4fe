# tests/cli/common.sh: read by every test of the command. A test runs in a folder of its own, says
# what went wrong and goes on; its exit code is 1 when anything did. KITH is the command;
# KITH_GOLDEN=write writes the golden files instead of comparing with them.
set -u
export LC_ALL=C.UTF-8 NO_COLOR=1
: "${KITH:?the path to the command}"
case $KITH in /*) ;; *) KITH=$PWD/$KITH ;; esac
golden=$(cd "$(dirname "$0")" && pwd)/golden
python=/usr/bin/python3
here=$(mktemp -d "${TMPDIR:-/tmp}/kith-cli.XXXXXX") || exit 1
trap 'cd / && chmod -R u+w "$here" && rm -rf "$here"' EXIT
cd "$here" || exit 1
wrong=0
code=0

bad() {
    echo "WRONG: $*"
    wrong=1
}

# run ARGUMENT...: the command; what it says lies in out and err, its exit code in $code.
run() {
    "$KITH" "$@" >out 2>err
    code=$?
    last="kith $*"
}

# ok ARGUMENT...: it must exit with 0.
ok() {
    run "$@"
    [ "$code" = 0 ] || bad "$last: exit $code: $(cat err)"
}

# fails CODE TEXT ARGUMENT...: it must exit with CODE and its stderr hold TEXT.
fails() {
    want=$1 text=$2
    shift 2
    run "$@"
    [ "$code" = "$want" ] || bad "$last: exit $code instead of $want: $(cat err)"
    grep -qF -- "$text" err || bad "$last: said '$(cat err)', not '$text'"
    [ "$(grep -vc -e ': the vector is column' -e '^        ' err)" -le 2 ] ||
        bad "$last: more than a sentence: $(cat err)"
}

# same NAME [FILE]: out (or FILE) is golden/NAME.
same() {
    if [ "${KITH_GOLDEN-}" = write ]; then
        cp "${2-out}" "$golden/$1"
    elif ! diff -u "$golden/$1" "${2-out}" >difference; then
        bad "$last: not golden/$1:"
        cat difference
    fi
}

# equal TEXT: out is this text.
equal() {
    [ "$(cat out)" = "$1" ] || bad "$last: printed '$(cat out)', not '$1'"
}

# check CODE-OF-PYTHON: with numpy as np and json at hand; assertions say what is wrong.
check() {
    "$python" -c "import json, numpy as np
$1" >python.out 2>&1 || bad "$last: $(tail -n 3 python.out)"
}

finish() {
    exit "$wrong"
}
