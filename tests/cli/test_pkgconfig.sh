#!/bin/sh
# A program against the library as it lies in the build, through meson-uninstalled/kith.pc.
. "$(dirname "$0")/common.sh"

pc=${KITH_BUILD-}/meson-uninstalled
[ -d "$pc" ] && command -v pkg-config >/dev/null && command -v cc >/dev/null || exit 77
export PKG_CONFIG_PATH="$pc"
printf '#include <kith.h>\nint main(void) { return kith_version() != KITH_HEADER_VERSION; }\n' >a.c
last='cc $(pkg-config --cflags --libs kith)'
# Nothing of what an installed kith would give.
# shellcheck disable=SC2046
if cc a.c $(pkg-config --cflags --libs kith) -o a 2>err; then
    case $(cc -H a.c $(pkg-config --cflags --libs kith) -o a 2>&1) in
    *"$KITH_SOURCE/include/kith.h"*) ;;
    *) bad "$last: another kith.h" ;;
    esac
    LD_LIBRARY_PATH=$KITH_BUILD ./a || bad "$last: the program fails"
else
    bad "$last: $(cat err)"
fi
finish
