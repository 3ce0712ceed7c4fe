/* A caller's rows of any type: as f32, and the checks they pass before anything is stored. Knows no
 * codec; the members of the table are built on it. */
#include "codec/member.h"

#include <math.h>
#include <string.h>

size_t ki_dtype_bytes(kith_dtype t, size_t d)
{
    switch (t) {
    case KITH_F32:
    case KITH_I32: return d * 4;
    case KITH_F64:
    case KITH_I64: return d * 8;
    case KITH_F16:
    case KITH_BF16: return d * 2;
    case KITH_I8:
    case KITH_U8: return d;
    case KITH_BIT: return d / 8 + (d % 8 != 0);
    }
    return 0;
}

size_t ki_rows_stride(kith_rows x, size_t d)
{
    return x.stride ? x.stride : ki_dtype_bytes(x.dtype, d);
}

/* ---- runs of f32 ----------------------------------------------------------------------------- */

ki_runs ki_rows_runs(kith_rows x, size_t first, size_t n, size_t d)
{
    const size_t stride = ki_rows_stride(x, d);
    const uint8_t *at = (const uint8_t *)x.data + first * stride;
    const bool whole = x.dtype != KITH_BIT || d % 8 == 0; // rows end where a byte ends

    if (whole && stride == ki_dtype_bytes(x.dtype, d)) return (ki_runs){at, 0, n > 0, n * d};
    return (ki_runs){at, stride, n, d};
}

static void f32_from_f64(const uint8_t *src, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        double v;

        memcpy(&v, src + 8 * i, sizeof v);
        out[i] = (float)v;
    }
}

static void f32_from_i32(const uint8_t *src, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        int32_t v;

        memcpy(&v, src + 4 * i, sizeof v);
        out[i] = (float)v;
    }
}

static void f32_from_i64(const uint8_t *src, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) {
        int64_t v;

        memcpy(&v, src + 8 * i, sizeof v);
        out[i] = (float)v;
    }
}

static void f32_from_bits(const uint8_t *src, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++) out[i] = (float)(src[i / 8] >> (7 - i % 8) & 1);
}

void ki_run_f32(const void *run, kith_dtype t, size_t at, size_t n, float *out)
{
    const ki_kernels *k = ki_kernels_get();
    const uint8_t *src = (const uint8_t *)run + ki_dtype_bytes(t, at);

    switch (t) {
    case KITH_F32: memcpy(out, src, n * sizeof *out); break;
    case KITH_F64: f32_from_f64(src, n, out); break;
    case KITH_F16: k->f32_from_f16(src, n, out); break;
    case KITH_BF16: k->f32_from_bf16(src, n, out); break;
    case KITH_I8: k->f32_from_i8(src, n, out); break;
    case KITH_U8: k->f32_from_u8(src, n, out); break;
    case KITH_BIT: f32_from_bits(src, n, out); break;
    case KITH_I32: f32_from_i32(src, n, out); break;
    case KITH_I64: f32_from_i64(src, n, out); break;
    }
}

void ki_rows_to_f32(kith_rows x, size_t first, size_t n, size_t d, float *out)
{
    const ki_runs r = ki_rows_runs(x, first, n, d);

    for (size_t i = 0; i < r.count; i++)
        ki_run_f32(r.at + i * r.stride, x.dtype, 0, r.len, out + i * r.len);
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* The sentence for a component that is not finite as f32. */
static kith_status fail_not_finite(kith_rows x, size_t row, size_t column, size_t d, float value,
                                   const char *what)
{
    double given = (double)value;

    if (x.dtype == KITH_F64)
        memcpy(&given, (const uint8_t *)x.data + row * ki_rows_stride(x, d) + 8 * column, 8);
    if (isnan(given)) return ki_fail(KITH_BAD_ARG, "%s %zu, column %zu is NaN", what, row, column);
    if (isinf(given))
        return ki_fail(KITH_BAD_ARG, "%s %zu, column %zu is infinite", what, row, column);
    return ki_fail(KITH_BAD_ARG, "%s %zu, column %zu: %g is beyond f32 (3.4e38)", what, row, column,
                   given);
}

/* Index of the first negative float, n if none. -0.0 is none. */
static size_t find_negative(const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (src[i] < 0) return i;
    return n;
}

static bool may_be_infinite(kith_dtype t)
{
    return t == KITH_F32 || t == KITH_F64 || t == KITH_F16 || t == KITH_BF16;
}

kith_status ki_rows_check_part(kith_rows x, size_t first, size_t n, size_t d, kith_metric m,
                               const char *what)
{
    const ki_kernels *k = ki_kernels_get();
    const ki_metric *metric = ki_metric_of(m);
    const bool signs = metric->nonnegative && x.dtype != KITH_U8 && x.dtype != KITH_BIT;
    const ki_runs r = ki_rows_runs(x, first, n, d);
    float piece[KI_PIECE];

    if (!signs && !may_be_infinite(x.dtype)) return KITH_OK;
    for (size_t i = 0; i < r.count; i++)
        for (size_t at = 0; at < r.len; at += KI_PIECE) {
            const uint8_t *run = r.at + i * r.stride;
            const size_t len = r.len - at < KI_PIECE ? r.len - at : KI_PIECE;
            const void *values = piece;
            size_t bad, where;

            if (x.dtype == KITH_F32 && !signs)
                values = run + 4 * at; // as they lie: at the speed of memory
            else
                ki_run_f32(run, x.dtype, at, len, piece);
            bad = k->find_nonfinite(values, len);
            where = i * r.len + at + bad;
            if (bad < len) {
                memcpy(piece, (const uint8_t *)values + 4 * bad, 4);
                return fail_not_finite(x, first + where / d, where % d, d, piece[0], what);
            }
            bad = signs ? find_negative(piece, len) : len;
            where = i * r.len + at + bad;
            if (bad < len)
                return ki_fail(KITH_BAD_ARG, "%s %zu, column %zu: %g is negative; %s takes none",
                               what, first + where / d, where % d, (double)piece[bad],
                               metric->name);
        }
    return KITH_OK;
}

kith_status ki_rows_check_shape(kith_rows x, size_t d, kith_metric m, const char *what)
{
    const ki_metric *metric = ki_metric_of(m);
    const size_t len = ki_dtype_bytes(x.dtype, d);
    size_t whole;

    if (!metric) return ki_fail(KITH_BAD_ARG, "%d is no metric", (int)m);
    if (len == 0) return ki_fail(KITH_BAD_ARG, "%d is no type of rows", (int)x.dtype);
    if (x.n > 0 && !x.data) return ki_fail(KITH_BAD_ARG, "%zu rows, but data is NULL", x.n);
    if (x.stride > 0 && x.stride < len)
        return ki_fail(KITH_BAD_ARG, "stride %zu is less than the %zu bytes of a row", x.stride,
                       len);
    if (!ki_mul3(x.n, ki_rows_stride(x, d), 1, &whole) || !ki_mul3(x.n, d, sizeof(double), &whole))
        return ki_fail(KITH_LIMIT, "%zu rows of %zu components do not fit into memory", x.n, d);
    if (x.dtype == KITH_BIT && metric->bits == 0)
        return ki_fail(KITH_UNSUPPORTED, "%s has no meaning on bits (%s of type bit)", metric->name,
                       what);
    return KITH_OK;
}

kith_status ki_rows_check(kith_rows x, size_t d, kith_metric m, const char *what)
{
    const kith_status st = ki_rows_check_shape(x, d, m, what);

    return st == KITH_OK ? ki_rows_check_part(x, 0, x.n, d, m, what) : st;
}

bool ki_rows_fit_u8_part(kith_rows x, size_t first, size_t n, size_t d)
{
    const ki_kernels *k = ki_kernels_get();
    const ki_runs r = ki_rows_runs(x, first, n, d);
    float piece[KI_PIECE];

    if (x.dtype == KITH_U8 || x.dtype == KITH_BIT) return true;
    for (size_t i = 0; i < r.count; i++)
        for (size_t at = 0; at < r.len; at += KI_PIECE) {
            const uint8_t *run = r.at + i * r.stride;
            const size_t len = r.len - at < KI_PIECE ? r.len - at : KI_PIECE;
            const void *values = piece;

            if (x.dtype == KITH_F32)
                values = run + 4 * at;
            else
                ki_run_f32(run, x.dtype, at, len, piece);
            if (k->find_noninteger(values, len, 0, 255) < len) return false;
        }
    return true;
}

bool ki_rows_fit_u8(kith_rows x, size_t d)
{
    return ki_rows_fit_u8_part(x, 0, x.n, d);
}

/* ---- narrowing ------------------------------------------------------------------------------- */

kith_status ki_encode_narrowed(const ki_narrowing *how, kith_rows x, size_t first, size_t n,
                               size_t d, void *out)
{
    const ki_runs r = ki_rows_runs(x, first, n, d);
    float piece[KI_PIECE];

    for (size_t i = 0; i < r.count; i++) {
        const uint8_t *run = r.at + i * r.stride;
        uint8_t *to = (uint8_t *)out + i * r.len * how->width;

        if (x.dtype == how->native) {
            memcpy(to, run, r.len * how->width);
            continue;
        }
        for (size_t at = 0; at < r.len; at += KI_PIECE) {
            const size_t len = r.len - at < KI_PIECE ? r.len - at : KI_PIECE;
            size_t bad;

            ki_run_f32(run, x.dtype, at, len, piece);
            bad = how->find_bad ? how->find_bad(piece, len) : len;
            if (bad < len) {
                const size_t where = i * r.len + at + bad;

                return ki_fail(KITH_BAD_ARG, "row %zu, column %zu: %.9g %s", first + where / d,
                               where % d, (double)piece[bad], how->refusal);
            }
            how->narrow(piece, len, to + at * how->width);
        }
    }
    return KITH_OK;
}
