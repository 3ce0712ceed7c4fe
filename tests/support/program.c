/* Starting programs of this build (program.h). */
#include "support/program.h"

#include <stdlib.h>
#include <unistd.h>

void exec_program(const char *path, const char *argument)
{
    if (getenv("MESON_EXE_WRAPPER"))
        (void)execl("/bin/sh", "sh", "-c", "exec $MESON_EXE_WRAPPER \"$@\"", "sh", path, argument,
                    (char *)NULL);
    else
        (void)execl(path, path, argument, (char *)NULL);
}
