/* Writing rows of a source to a file of rows: converted where source and file differ, refused where
 * a value does not survive. */
#include <math.h>
#include <string.h>

#include "base/replace.h"
#include "codec/codec.h"
#include "foreign/rowfile.h"

enum { BATCH = 2 << 20, HEAD = 128, ROWS = 65536 };

/* owns: the buffers and the file */
typedef struct saving {
    ki_env env;
    ki_replace file;
    const ki_row_format *format;
    kith_source *src;
    size_t d, row_bytes, cap; /* cap: rows of `rows` */
    uint8_t *rows;            /* [cap][row_bytes], as they go to the file */
    float *f32;               /* [d] */
    double *wide;             /* [d] */
    uint64_t row;             /* written so far */
} saving;

/* ---- one row ------------------------------------------------------------------------------ */

static void widen_row(saving *s, kith_rows x, size_t i)
{
    const uint8_t *row = (const uint8_t *)x.data + i * ki_rows_stride(x, s->d);

    for (size_t j = 0; j < s->d; j++) {
        double f64;

        switch (x.dtype) {
        case KITH_F64: memcpy(&f64, row + 8 * j, 8); break;
        case KITH_I32: f64 = (double)(int32_t)ki_le32(row + 4 * j); break;
        case KITH_I64: f64 = (double)(int64_t)ki_le64(row + 8 * j); break;
        case KITH_F32:
        case KITH_F16:
        case KITH_BF16:
        case KITH_I8:
        case KITH_U8:
        case KITH_BIT:
        default: f64 = (double)s->f32[j];
        }
        s->wide[j] = f64;
    }
}

/* What the integer types hold; the last double below 2^63 ends i64. Others: an empty range. */
typedef struct range {
    double lo, hi;
} range;

static range range_of(kith_dtype t)
{
    switch (t) {
    case KITH_I8: return (range){-128, 127};
    case KITH_U8: return (range){0, 255};
    case KITH_I32: return (range){INT32_MIN, INT32_MAX};
    case KITH_I64: return (range){-0x1p63, 0x1p63 - 1024};
    case KITH_F32:
    case KITH_F64:
    case KITH_F16:
    case KITH_BF16:
    case KITH_BIT:
    default: return (range){1, 0};
    }
}

static kith_status refuse(const saving *s, size_t j, double v)
{
    return ki_fail(KITH_BAD_ARG, "row %llu, column %zu is %.9g: %s cannot hold it",
                   (unsigned long long)s->row, j, v, s->format->holds);
}

static kith_status store_integers(saving *s, uint8_t *to)
{
    const range r = range_of(s->format->dtype);

    for (size_t j = 0; j < s->d; j++) {
        const double v = s->wide[j];

        if (!(v >= r.lo && v <= r.hi && v == floor(v))) return refuse(s, j, v);
        if (s->format->dtype == KITH_I64) {
            ki_put_le64(to + 8 * j, (uint64_t)(int64_t)v);
        } else if (s->format->dtype == KITH_I32) {
            ki_put_le32(to + 4 * j, (uint32_t)(int32_t)v);
        } else {
            to[j] = (uint8_t)(int)v;
        }
    }
    return KITH_OK;
}

/* f16 in the end; what is finite must stay so. */
static kith_status store_halves(saving *s, uint8_t *to)
{
    const ki_kernels *k = ki_kernels_get();

    k->f16_from_f32(s->f32, s->d, to);
    for (size_t j = 0; j < s->d; j++)
        if ((ki_le16(to + 2 * j) & 0x7fff) == 0x7c00 && !isinf(s->f32[j]))
            return refuse(s, j, (double)s->f32[j]);
    return KITH_OK;
}

static kith_status convert_row(saving *s, kith_rows x, size_t i, uint8_t *to)
{
    const uint8_t *row = (const uint8_t *)x.data + i * ki_rows_stride(x, s->d);

    if (x.dtype == s->format->dtype) {
        memcpy(to, row, s->row_bytes - (s->format->lead ? 4 : 0));
        return KITH_OK;
    }
    ki_rows_to_f32(x, i, 1, s->d, s->f32);
    if (s->format->dtype == KITH_F32) {
        memcpy(to, s->f32, 4 * s->d);
        return KITH_OK;
    }
    if (s->format->dtype == KITH_F16) return store_halves(s, to);
    widen_row(s, x, i);
    if (s->format->dtype == KITH_F64) {
        memcpy(to, s->wide, 8 * s->d);
        return KITH_OK;
    }
    return store_integers(s, to);
}

/* ---- the file ----------------------------------------------------------------------------- */

static kith_status save_batch(saving *s, kith_rows x, ki_progress *p)
{
    const size_t lead = s->format->lead ? 4 : 0;
    kith_status st = KITH_OK;

    for (size_t i = 0; i < x.n;) {
        size_t n = 0;

        for (; n < s->cap && i < x.n; n++, i++, s->row++) {
            uint8_t *to = s->rows + n * s->row_bytes;

            if (lead) ki_put_le32(to, (uint32_t)s->d);
            KI_TRY(convert_row(s, x, i, to + lead));
        }
        KI_TRY(ki_replace_write(&s->file, s->rows, n * s->row_bytes));
        KI_TRY(ki_progress_add(p, n));
    }
out:
    return st;
}

static kith_status saving_init(saving *s, const char *path)
{
    kith_status st = KITH_OK;

    s->row_bytes = (s->format->lead ? 4 : 0) + ki_dtype_bytes(s->format->dtype, s->d);
    s->cap = s->row_bytes < BATCH ? BATCH / s->row_bytes : 1;
    s->rows = ki_array(&s->env, s->cap, s->row_bytes);
    KI_NEED(s->rows);
    s->f32 = ki_array(&s->env, s->d, sizeof *s->f32);
    KI_NEED(s->f32);
    s->wide = ki_array(&s->env, s->d, sizeof *s->wide);
    KI_NEED(s->wide);
    st = ki_replace_begin(&s->env, path, &s->file);
out:
    return st;
}

static void saving_deinit(saving *s)
{
    ki_replace_end(&s->file);
    ki_release(&s->env, s->rows, s->cap, s->row_bytes);
    ki_release(&s->env, s->f32, s->d, sizeof *s->f32);
    ki_release(&s->env, s->wide, s->d, sizeof *s->wide);
}

kith_status ki_rowfile_save(kith_source *src, const ki_row_format *f, const char *path,
                            const kith_host *host, const kith_watch *w)
{
    const char *mark = strrchr(path, '#');
    uint8_t head[HEAD] = {0};
    saving s = {.format = f, .src = src, .d = src->d};
    kith_status st = KITH_OK;
    kith_batch batch;
    ki_progress p;

    ki_assert(f->head_len <= HEAD);
    KI_TRY(ki_env_init(&s.env, host));
    if (mark && mark[1] && mark[1 + strspn(mark + 1, "0123456789")] == '\0')
        KI_FAIL(KITH_BAD_ARG, "%s: that names an array inside a file; a file is written whole",
                path);
    if (src->d == 0 || src->d > KITH_MAX_DIM)
        KI_FAIL(KITH_LIMIT, "rows of %zu components; 1…%u can be written", src->d, KITH_MAX_DIM);
    KI_TRY(saving_init(&s, path));
    ki_progress_init(&p, w, "write", src->n == UINT64_MAX ? 0 : src->n);
    if (f->head_len) KI_TRY(ki_replace_write(&s.file, head, f->head_len)); // its place
    for (;;) {
        KI_TRY(src->next(src->ctx, ROWS, &batch));
        if (batch.rows.n == 0) break;
        KI_TRY(save_batch(&s, batch.rows, &p));
    }
    if (f->head_len) {
        KI_TRY(f->head(f, s.row, s.d, head));
        KI_TRY(ki_replace_patch(&s.file, 0, head, f->head_len));
    }
    KI_TRY(ki_progress_end(&p));
    st = ki_replace_commit(&s.file);
out:
    saving_deinit(&s);
    return st;
}
