/* What kith_write gives, in memory: append is a sink. */
#ifndef SUPPORT_SINK_H
#define SUPPORT_SINK_H

#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

/* owns: p, to be freed. */
typedef struct bytes {
    uint8_t *p;
    size_t len, cap;
} bytes;

static inline int append(void *ctx, const void *p, size_t len)
{
    bytes *b = ctx;

    while (b->len + len > b->cap) {
        b->cap = b->cap ? 2 * b->cap : 1 << 16;
        b->p = realloc(b->p, b->cap);
        assert_non_null(b->p);
    }
    memcpy(b->p + b->len, p, len);
    b->len += len;
    return 0;
}

#endif
