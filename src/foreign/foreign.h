/* Other people's files as sources: each format in its own file, opened through the host's file
 * layer, read in batches so that what is larger than memory streams. kith_source is public; these
 * are the members behind kith_source_open and kith_source_save. */
#ifndef KI_FOREIGN_H
#define KI_FOREIGN_H

#include "base/threads.h"

/* A whole readable file of the host's file layer with its length. */
typedef struct ki_file {
    ki_env *env; /* borrowed */
    void *handle;
    uint64_t len;
    char path[512]; /* for sentences, cut to fit */
} ki_file;
kith_status ki_file_open(ki_env *env, const char *path, ki_file *out);
kith_status ki_file_read(const ki_file *f, uint64_t at, void *buf,
                         size_t len); /* cut: IO + sentence */
void ki_file_close(ki_file *f);

/* A reader of one format: fills *out (a kith_source that owns everything it needs, its env too). */
typedef struct ki_format {
    const char *name;    /* "npy" */
    const char *endings; /* ".npy" or ".fvecs,.bvecs,.ivecs" */
    const char *about;
    kith_status (*open)(const char *path, const kith_host *host, kith_source *out);
    /* Write all rows of src; AS_STORED: the format's or the source's type. NULL: cannot write. */
    kith_status (*save)(kith_source *src, kith_dtype dtype, const char *path, const kith_host *host,
                        const kith_watch *w);
} ki_format;
extern const ki_format ki_format_npy, ki_format_vecs, ki_format_bin;
const ki_format *ki_format_at(size_t i); /* NULL after the last */
/* By ending (letter case does not matter; "x.npy#1" ends in .npy); NULL if none. */
const ki_format *ki_format_find(const char *path);

#endif
