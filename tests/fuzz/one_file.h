/* A file layer with one file in it, whose bytes the fuzzer chose: for targets that open paths. */
#ifndef ONE_FILE_H
#define ONE_FILE_H

#include <errno.h>
#include <string.h>

#include "kith.h"

typedef struct one_file {
    const uint8_t *bytes;
    size_t len;
} one_file;

static int one_open(void *ctx, const char *path, kith_file_mode mode, void **file)
{
    (void)path;
    if (mode != KITH_FILE_READ) return EROFS;
    *file = ctx;
    return 0;
}

static int one_length(void *ctx, void *file, uint64_t *len)
{
    (void)file;
    *len = ((const one_file *)ctx)->len;
    return 0;
}

static int one_read(void *ctx, void *file, uint64_t at, void *buf, size_t len)
{
    const one_file *f = ctx;

    (void)file;
    if (at > f->len || len > f->len - at) return ENODATA;
    if (len > 0) memcpy(buf, f->bytes + at, len);
    return 0;
}

static int one_close(void *ctx, void *file)
{
    (void)ctx;
    (void)file;
    return 0;
}

static int one_map(void *ctx, void *file, uint64_t len, const void **bytes)
{
    const one_file *f = ctx;

    (void)file;
    if (len > f->len) return ENODATA;
    *bytes = f->bytes;
    return 0;
}

static int one_unmap(void *ctx, const void *bytes, uint64_t len)
{
    (void)ctx;
    (void)bytes;
    (void)len;
    return 0;
}

static int one_write(void *ctx, void *file, uint64_t at, const void *buf, size_t len)
{
    (void)ctx;
    (void)file;
    (void)at;
    (void)buf;
    (void)len;
    return EROFS;
}

static int one_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    (void)from;
    (void)to;
    return EROFS;
}

static int one_path(void *ctx, const char *path)
{
    (void)ctx;
    (void)path;
    return EROFS;
}

/* file and files outlive the host. One thread, so that a crash is where it says. */
static kith_host one_file_host(one_file *file, kith_files *files)
{
    kith_host host = KITH_HOST_INIT;

    *files = (kith_files){sizeof *files, file,      one_open,  one_length, one_read,
                          one_write,     one_close, one_close, one_rename, one_path,
                          one_path,      one_map,   one_unmap};
    host.threads = 1;
    host.files = files;
    return host;
}

#endif
