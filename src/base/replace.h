/* A new file that takes the place of an old one whole, or leaves it alone: temporary file beside
 * it, sync, rename, sync of the folder. For everything the library saves. */
#ifndef KI_REPLACE_H
#define KI_REPLACE_H

#include "base/env.h"

/* owns: path, temp, the open file and the lock on it. Zeroed is a valid empty one. */
typedef struct ki_replace {
    ki_env *env; /* borrowed */
    char *path;  /* what will be replaced, symbolic links followed */
    char *temp;
    size_t path_len, temp_len; /* as allocated */
    void *file;
    uint64_t at; /* bytes written */
    int lock;    /* descriptor that marks temp as alive, -1 none */
    bool created, placed;
} ki_replace;

/* Create the temporary file. Removes what killed saves of the same path left behind. IO: the folder
 * cannot be written; BAD_ARG: path is there and no regular file. */
kith_status ki_replace_begin(ki_env *env, const char *path, ki_replace *out);
/* Append. Not buffered: give it much at a time. */
kith_status ki_replace_write(ki_replace *r, const void *bytes, size_t len);
/* Overwrite what was written already (a head known only at the end). */
kith_status ki_replace_patch(ki_replace *r, uint64_t at, const void *bytes, size_t len);
/* Sync, close, rename, sync the folder. After a failure the old file is whole; only when the last
 * step alone fails, the new one is in place already (and the sentence says so). */
kith_status ki_replace_commit(ki_replace *r);
/* Removes the temporary file unless it was committed. */
void ki_replace_end(ki_replace *r);

#endif
