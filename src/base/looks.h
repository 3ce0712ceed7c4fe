/* What a file seems to be by its first bytes: for the sentence that refuses it. */
#ifndef KI_LOOKS_H
#define KI_LOOKS_H

#include "base/env.h"

enum { KI_LOOKS_BYTES = 64 /* of a file are enough */, KI_LOOKS_TEXT = 64 };

/* "a numpy array", "a Git LFS pointer (the file itself was not fetched)"; for what is not known
 * "bytes 7f 45 4c 46 02 01 01 00"; "nothing" when len is 0. Returns out. */
const char *ki_looks_like(const void *bytes, size_t len, char out[KI_LOOKS_TEXT]);
/* A text file that stands for one that git-lfs did not fetch. */
bool ki_looks_lfs(const void *bytes, size_t len);

#endif
