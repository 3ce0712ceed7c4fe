#!/bin/sh
# What the Makefile says: nothing about having nothing to do, and why a program may not find the
# library. The tools that it calls are stood in for: nothing is built or installed.
. "$(dirname "$0")/common.sh"

[ -f "${KITH_SOURCE-}/Makefile" ] && command -v make >/dev/null || exit 77
said() {
    last="tools/quietly $*"
    "$KITH_SOURCE/tools/quietly" "$@" >out 2>err
    code=$?
}
said printf 'one\nninja: no work to do.\ntwo\n'
equal "$(printf 'one\ntwo')"
said printf 'ninja: no work to do.\n'
equal ''
said sh -c 'echo failed; exit 3'
[ "$code" = 3 ] && [ "$(cat out)" = failed ] || bad "$last: exit $code: $(cat out)"

# installs DESTDIR PREFIX: the commands that `make install` runs.
installs() {
    last="make -n install DESTDIR=$1"
    make -n -C "$KITH_SOURCE" install DESTDIR="$1" PREFIX=/usr/local >out 2>err ||
        bad "$last: $(cat err)"
}
ends() {
    sed -n '/ldconfig/,$p' out | sed '/^make/d' >ends.sh
    sed -i 's,/sbin/ldconfig,echo ldconfig runs,' ends.sh
    sh -c "$(cat ends.sh)" >out 2>err
    grep -qF -- "$1" out || bad "$last said: $(cat out err)"
}
installs ''
[ "$(id -u)" = 0 ] && ends 'ldconfig runs' || ends 'run ldconfig as root'
installs "$here"
ends 'run ldconfig as root'
finish
