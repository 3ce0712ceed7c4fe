/* Whole sources in memory, and memory as a source. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "input.h"

enum { BATCH_ROWS = 4096 };

static kith_status take_ids(matrix *m, const kith_batch *b, size_t *cap)
{
    if (m->n > 0 && (b->ids != NULL) != (m->ids != NULL))
        return fail(KITH_BAD_ARG, "some rows have ids and others none");
    if (b->ids == NULL) return KITH_OK;
    if (!array_grow(&m->ids, cap, m->n + b->rows.n, sizeof *m->ids)) return KITH_NO_MEMORY;
    memcpy(m->ids + m->n, b->ids, b->rows.n * sizeof *m->ids);
    return KITH_OK;
}

kith_status matrix_read(kith_source *src, progress *p, matrix *out)
{
    kith_status st = KITH_OK;
    matrix m = {NULL, NULL, 0, src->d, src->dtype};
    const size_t row = kith_row_bytes(src->dtype, src->d);
    size_t cap = 0, ids_cap = 0;
    kith_batch b;

    if (src->n != UINT64_MAX && src->n < SIZE_MAX && src->n > 0 &&
        !array_grow(&m.data, &cap, (size_t)src->n, row)) // all at once where it is known
        FAIL(KITH_NO_MEMORY, "out of memory: %llu rows of %zu bytes", (unsigned long long)src->n,
             row);
    for (;;) {
        TRY(progress_step(p, "reading", m.n, src->n));
        TRY(src->next(src->ctx, BATCH_ROWS, &b));
        if (b.rows.n == 0) break;
        if (!array_grow(&m.data, &cap, m.n + b.rows.n, row)) {
            st = KITH_NO_MEMORY;
            goto out;
        }
        TRY(take_ids(&m, &b, &ids_cap));
        for (size_t i = 0, stride = b.rows.stride > 0 ? b.rows.stride : row; i < b.rows.n; i++)
            memcpy((char *)m.data + (m.n + i) * row, (const char *)b.rows.data + i * stride, row);
        m.n += b.rows.n;
    }
    *out = m;
    m.data = NULL;
    m.ids = NULL;
out:
    matrix_free(&m);
    return st;
}

void matrix_fit(matrix *m, size_t d)
{
    if (m->d != 1 || m->n != d || m->dtype == KITH_BIT) return;
    m->n = 1;
    m->d = d;
    free(m->ids); // of its components
    m->ids = NULL;
}

kith_rows matrix_rows(const matrix *m, size_t i, size_t n)
{
    return KITH_ROWS((const char *)m->data + i * kith_row_bytes(m->dtype, m->d), n, m->dtype);
}

void matrix_free(matrix *m)
{
    free(m->data);
    free(m->ids);
    m->data = NULL;
    m->ids = NULL;
}

/* ---- memory as a source ---------------------------------------------------------------------- */

typedef struct memory_source {
    const char *data;
    size_t n, row, at;
    kith_dtype dtype;
} memory_source;

static kith_status next_memory(void *ctx, size_t max, kith_batch *out)
{
    memory_source *m = ctx;
    const size_t left = m->n - m->at, n = max < left ? max : left;

    memset(out, 0, sizeof *out);
    out->rows = KITH_ROWS(m->data + m->at * m->row, n, m->dtype);
    m->at += n;
    return KITH_OK;
}

static void close_nothing(void *ctx)
{
    (void)ctx;
}

kith_status matrix_save(const void *data, size_t n, size_t d, kith_dtype dtype, const char *path)
{
    memory_source memory = {data, n, kith_row_bytes(dtype, d), 0, dtype};
    kith_source src = {sizeof src, &memory, dtype, d, n, next_memory, close_nothing};

    return kith_source_save(&src, KITH_AS_STORED, path, NULL, NULL);
}

char *distances_path(const char *path)
{
    static const char *const pairs[][2] = {{".ivecs", ".fvecs"}, {".ibin", ".fbin"}};
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    const char *ending;
    size_t cap;
    char *out;

    if (dot == NULL || (slash != NULL && dot < slash)) dot = path + strlen(path);
    ending = dot;
    for (size_t i = 0; i < 2; i++)
        if (strcasecmp(dot, pairs[i][0]) == 0) ending = pairs[i][1];
    cap = (size_t)(dot - path) + sizeof "_dist" + strlen(ending);
    out = array_new(cap, 1);
    if (out != NULL) snprintf(out, cap, "%.*s_dist%s", (int)(dot - path), path, ending);
    return out;
}
