/* A source read to its end, for targets that open files: shapes as told, every byte there. */
#ifndef READ_SOURCE_H
#define READ_SOURCE_H

#include <stdio.h>
#include <stdlib.h>

#include "kith.h"

static volatile uint8_t all_bytes; // so that no read is left out

static void stop(const char *why)
{
    (void)fprintf(stderr, "%s; the last error: %s\n", why, kith_last_error());
    abort();
}

static void touch(const kith_batch *b, size_t bytes)
{
    const uint8_t *row = b->rows.data;
    uint8_t all = 0;

    for (size_t i = 0; i < b->rows.n; i++, row += b->rows.stride ? b->rows.stride : bytes)
        for (size_t j = 0; j < bytes; j++) all ^= row[j];
    all_bytes = all;
}

static void read_source(const char *path, const kith_host *host, size_t max)
{
    kith_source src;
    kith_batch b;
    uint64_t rows = 0;
    kith_status st;

    if (kith_source_open(path, host, &src) != KITH_OK) {
        if (*kith_last_error() == '\0') stop("a failure without a sentence");
        return;
    }
    if (src.d == 0 || src.d > KITH_MAX_DIM) stop("rows of an impossible length");
    while ((st = src.next(src.ctx, max, &b)) == KITH_OK && b.rows.n > 0) {
        if (b.rows.n > max || b.rows.dtype != src.dtype) stop("another shape");
        touch(&b, kith_row_bytes(b.rows.dtype, src.d));
        rows += b.rows.n;
    }
    if (rows > src.n || (st == KITH_OK && rows != src.n)) stop("another number of rows");
    src.close(src.ctx);
}

#endif
