/* The files that a command line names: no output may be an input or another output, whatever the
 * names they are called by, and only one kith at a time changes an index. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include "command.h"

/* Before a verb runs: every file it would write against every file it reads and against the others
 * it writes. -o of build, merge and compact may be the index they read; what is there and no index
 * they do not replace. */
kith_status files_check(const command *c, const arguments *a);

/* Wait until no other kith changes the index in this file, and keep others waiting until
 * file_unlock: call it before the index is opened. *lock: 0 when there is nothing to lock. */
kith_status file_lock(const char *path, int *lock);
void file_unlock(int *lock); /* 0 is fine */

#endif
