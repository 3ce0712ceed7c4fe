/* Sources over memory, and all of a source in memory. */
#include "support/memory_source.h"
#include "support/harness.h"

#include <stdlib.h>
#include <string.h>

static size_t stride_of(const memory_source *m)
{
    return m->rows.stride ? m->rows.stride : kith_row_bytes(m->rows.dtype, m->d);
}

static kith_status next(void *ctx, size_t max, kith_batch *out)
{
    memory_source *m = ctx;
    size_t n = m->rows.n - m->at;

    if (m->fail_at && m->at >= m->fail_at) return kith_fail(KITH_CANCELLED, "the source failed");
    if (n > max) n = max;
    if (m->batch && n > m->batch) n = m->batch;
    *out = (kith_batch){.rows = m->rows};
    out->rows.data = (const char *)m->rows.data + m->at * stride_of(m);
    out->rows.n = n;
    out->ids = m->ids ? m->ids + m->at : NULL;
    out->labels = m->labels ? m->labels + m->at : NULL;
    m->at += n;
    return KITH_OK;
}

static void close_source(void *ctx)
{
    (void)ctx;
}

void memory_source_init(memory_source *m, kith_rows rows, size_t d, int known)
{
    *m = (memory_source){.rows = rows, .d = d};
    m->source = (kith_source){.size = sizeof m->source,
                              .ctx = m,
                              .dtype = rows.dtype,
                              .d = d,
                              .n = known ? rows.n : UINT64_MAX,
                              .next = next,
                              .close = close_source};
}

void *source_drain(kith_source *src, size_t max, size_t *n, kith_status *st)
{
    const size_t bytes = kith_row_bytes(src->dtype, src->d);
    uint8_t *all = malloc(1);
    kith_batch b;

    assert_non_null(all);
    for (*n = 0; (*st = src->next(src->ctx, max, &b)) == KITH_OK && b.rows.n > 0; *n += b.rows.n) {
        const size_t stride = b.rows.stride ? b.rows.stride : bytes;

        assert_true(b.rows.n <= max);
        assert_int_equal(b.rows.dtype, src->dtype);
        all = realloc(all, (*n + b.rows.n) * bytes);
        assert_non_null(all);
        for (size_t i = 0; i < b.rows.n; i++)
            memcpy(all + (*n + i) * bytes, (const uint8_t *)b.rows.data + i * stride, bytes);
    }
    if (*st == KITH_OK) return all;
    free(all);
    return NULL;
}
