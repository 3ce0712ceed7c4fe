/* SQ8, SQ6, SQ4: scalar quantisers, 8, 6 or 4 bits a component. They learn the range of each
 * component (or one for all) from rows and keep a value as the number of the nearest step between
 * its ends; what lies beyond an end is kept as that end. What is stored is the decoded value: keys
 * are computed from it, kith_get gives it.
 *
 * Ranges are Faiss's (IndexScalarQuantizer: minmax with its argument here `margin`, quantiles), the
 * steps are not: Faiss decodes to the middle of a step, which moves the ends; here both ends are
 * values, so that integers 0…255 come back as they are.
 *
 * Arithmetic. x = low + step * code, each operation rounded to f32, is what the code stands for. A
 * step is at least 2^-20 of the larger end, so that rounding (3 units of 2^-24 of it here, and
 * about as much on the way back) stays below half a step: what is decoded is coded to itself. So
 * rows can go from index to index, and be compacted, without loss. */
#include "codec/member.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

enum {
    VERSION = 1,
    HEAD = 16,              /* bytes before the numbers in a section */
    UNIFORM = 1,            /* flag */
    BLOCK = 16,             /* components that become values together */
    LESSON_FLOATS = 16384,  /* rows are looked at in pieces of so many components */
    SAMPLE = 16384,         /* rows that quantiles are taken from, at most */
    SAMPLE_FLOATS = 1 << 24 /* and their components */
};

static const float MOST = 0x1p126f; /* ends of ranges: their distance is a float */
static const double LEAST_STEP = 0x1p-100;
static const double STEP_OF_END = 0x1p-19; /* learned; 0x1p-20 is what reading asks for */

enum { P_UNIFORM, P_MARGIN, P_QUANTILE, PARAMS };

static const ki_param param_rows[] = {
    [P_UNIFORM] = {"uniform", "", KI_PARAM_FLAG, 0, 1, 0,
                   "one range for all components instead of one each: right where they are alike, "
                   "as in pictures"},
    [P_MARGIN] = {"margin", "rangestat_arg", KI_PARAM_FLOAT, 0, 100, 0,
                  "how far a range goes beyond the values seen, at either end, as a share of it"},
    [P_QUANTILE] = {"quantile", "", KI_PARAM_FLOAT, 0, 0.49, 0,
                    "share of the values seen that is cut off at either end, so that a few far "
                    "ones do not coarsen the others"},
};

/* owns: low, step, inverse. Immutable once made. codec comes first: the instance is its codec. */
typedef struct sq {
    ki_codec codec;
    atomic_size_t refs;
    ki_env *env;
    size_t d;
    ki_grid grid;
    float *low, *step, *inverse; /* [d] each */
} sq;

static const sq *sq_of(const ki_codec *c)
{
    return (const sq *)(const void *)c;
}

/* ---- life ------------------------------------------------------------------------------------ */

void ki_sq_share(const ki_codec *c)
{
    sq *s = ki_unconst(c);

    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
}

/* Releases our reads to whoever frees, who acquires them. */
void ki_sq_release(const ki_codec *c)
{
    sq *s = ki_unconst(c);
    ki_env *env = s->env;

    if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1) return;
    if (s->low) ki_release(env, s->low, s->d, sizeof *s->low);
    if (s->step) ki_release(env, s->step, s->d, sizeof *s->step);
    if (s->inverse) ki_release(env, s->inverse, s->d, sizeof *s->inverse);
    ki_release(env, s, 1, sizeof *s);
}

static uint32_t bits_of(const ki_codec *c)
{
    return (uint32_t)(c->row_bytes(8)); // 8 components
}

static kith_status create(const ki_codec *pattern, ki_env *env, size_t d, sq **out)
{
    kith_status st = KITH_OK;
    sq *s = ki_zeros(env, 1, sizeof *s);

    KI_NEED(s);
    s->codec = *pattern;
    atomic_init(&s->refs, 1);
    s->env = env;
    s->d = d;
    s->low = ki_array(env, d, sizeof *s->low);
    KI_NEED(s->low);
    s->step = ki_array(env, d, sizeof *s->step);
    KI_NEED(s->step);
    s->inverse = ki_array(env, d, sizeof *s->inverse);
    KI_NEED(s->inverse);
    s->grid = (ki_grid){s->low, s->step, bits_of(pattern), (1u << bits_of(pattern)) - 1, false};
    s->codec.grid = &s->grid;
    *out = s;
    s = NULL;
out:
    if (s) ki_sq_release(&s->codec);
    return st;
}

static void invert(sq *s)
{
    for (size_t j = 0; j < s->d; j++) s->inverse[j] = 1.0f / s->step[j];
}

/* ---- codes of a row -------------------------------------------------------------------------- */

static size_t bytes_of(size_t d, size_t bits)
{
    return d / 8 * bits + (d % 8 * bits + 7) / 8;
}

/* n codes, from the lowest bit of the first byte on. */
static void pack(const uint8_t *code, size_t n, uint32_t bits, uint8_t *out)
{
    uint32_t have = 0, word = 0;

    for (size_t i = 0; i < n; i++) {
        word |= (uint32_t)code[i] << have;
        for (have += bits; have >= 8; have -= 8, word >>= 8) *out++ = (uint8_t)word;
    }
    if (have > 0) *out = (uint8_t)word;
}

static void unpack4(const uint8_t *src, size_t n, uint8_t *code)
{
    for (size_t i = 0; i + 2 <= n; i += 2) {
        code[i] = src[i / 2] & 15;
        code[i + 1] = src[i / 2] >> 4;
    }
    if (n % 2) code[n - 1] = src[n / 2] & 15;
}

static void unpack6(const uint8_t *src, size_t n, uint8_t *code)
{
    size_t i = 0;

    for (; i + 4 <= n; i += 4, src += 3) {
        const uint32_t word = src[0] | (uint32_t)src[1] << 8 | (uint32_t)src[2] << 16;
        code[i] = word & 63;
        code[i + 1] = word >> 6 & 63;
        code[i + 2] = word >> 12 & 63;
        code[i + 3] = (uint8_t)(word >> 18);
    }
    for (uint32_t word = 0, have = 0; i < n; i++, word >>= 6, have -= 6) {
        if (have < 6) {
            word |= (uint32_t)*src++ << have;
            have += 8;
        }
        code[i] = word & 63;
    }
}

/* The nearest step; beyond the ends, the end. */
static void to_codes(const sq *s, const float *x, size_t at, size_t n, uint8_t *code)
{
    const float *low = s->low + at, *inverse = s->inverse + at;
    const float most = (float)s->grid.most + 0.5f;

    for (size_t i = 0; i < n; i++) {
        const float up = (x[i] - low[i]) * inverse[i] + 0.5f;
        const float floor = up > 0.0f ? up : 0.0f;
        code[i] = (uint8_t)(int)(floor < most ? floor : most);
    }
}

static kith_status encode(const ki_codec *c, kith_rows x, size_t first, size_t n, size_t d,
                          void *out)
{
    const size_t stride = ki_rows_stride(x, d), len = c->row_bytes(d);
    const uint32_t bits = c->grid->bits;
    float piece[KI_PIECE];
    uint8_t code[KI_PIECE];

    for (size_t i = 0; i < n; i++) {
        const uint8_t *row = (const uint8_t *)x.data + (first + i) * stride;
        uint8_t *to = (uint8_t *)out + i * len;

        for (size_t at = 0; at < d; at += KI_PIECE) {
            const size_t m = d - at < KI_PIECE ? d - at : KI_PIECE;

            ki_run_f32(row, x.dtype, at, m, piece);
            to_codes(sq_of(c), piece, at, m, bits == 8 ? to + at : code);
            if (bits != 8) pack(code, m, bits, to + at / 8 * bits);
        }
    }
    return KITH_OK;
}

/* In blocks of a known length, which compilers make vectors of at -O2, too. */
static void to_values(const float *restrict low, const float *restrict step, size_t n,
                      float *restrict x)
{
    size_t i = 0;

    for (; i + BLOCK <= n; i += BLOCK)
        for (size_t j = i; j < i + BLOCK; j++) x[j] = low[j] + step[j] * x[j];
    for (; i < n; i++) x[i] = low[i] + step[i] * x[i];
}

static void decode(const ki_codec *c, const void *rows, size_t stride, size_t n, size_t d,
                   float *out)
{
    const ki_kernels *k = ki_kernels_get();
    const ki_grid *g = c->grid;
    uint8_t code[KI_PIECE];

    for (size_t i = 0; i < n; i++)
        for (size_t at = 0; at < d; at += KI_PIECE) {
            const size_t m = d - at < KI_PIECE ? d - at : KI_PIECE;
            const uint8_t *from = (const uint8_t *)rows + i * stride + at / 8 * g->bits;
            float *to = out + i * d + at;

            if (g->bits == 4) unpack4(from, m, code);
            if (g->bits == 6) unpack6(from, m, code);
            k->f32_from_u8(g->bits == 8 ? from : code, m, to);
            to_values(g->low + at, g->step + at, m, to);
        }
}

/* ---- learning -------------------------------------------------------------------------------- */

/* Smallest and largest of each component. */
static kith_status see_ends(const ki_lesson *rows, float *room, float *low, float *high)
{
    const size_t d = rows->d, piece = d < LESSON_FLOATS ? LESSON_FLOATS / d : 1;
    kith_status st = KITH_OK;

    for (size_t j = 0; j < d; j++) {
        low[j] = INFINITY;
        high[j] = -INFINITY;
    }
    for (size_t at = 0; at < rows->n; at += piece) {
        const size_t n = rows->n - at < piece ? rows->n - at : piece;

        rows->take(rows->ctx, at, n, room);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < d; j++) {
                const float x = room[i * d + j];
                low[j] = x < low[j] ? x : low[j];
                high[j] = x > high[j] ? x : high[j];
            }
        KI_TRY(ki_progress_add(rows->progress, 0));
    }
out:
    return st;
}

static int by_size(const void *a, const void *b)
{
    float x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* The ends of what is left of a sample, evenly drawn, when `share` of it is cut off at each. */
static kith_status see_quantiles(ki_env *env, const ki_lesson *rows, double share, float *low,
                                 float *high)
{
    const size_t d = rows->d, fit = SAMPLE_FLOATS / d < SAMPLE ? SAMPLE_FLOATS / d : SAMPLE;
    const size_t m = rows->n < fit ? rows->n : fit, cut = (size_t)(share * (double)(m - 1));
    kith_status st = KITH_OK;
    float *x, *one = NULL;

    x = ki_array(env, m * d, sizeof *x);
    KI_NEED(x);
    one = ki_array(env, m, sizeof *one);
    KI_NEED(one);
    for (size_t i = 0; i < m; i++)
        rows->take(rows->ctx, (size_t)((uint64_t)i * rows->n / m), 1, x + i * d);
    for (size_t j = 0; j < d; j++) {
        for (size_t i = 0; i < m; i++) one[i] = x[i * d + j];
        qsort(one, m, sizeof *one, by_size);
        low[j] = one[cut];
        high[j] = one[m - 1 - cut];
        KI_TRY(ki_progress_add(rows->progress, 0));
    }
out:
    if (x) ki_release(env, x, m * d, sizeof *x);
    if (one) ki_release(env, one, m, sizeof *one);
    return st;
}

static float within(double x, float least)
{
    return x < (double)least ? least : x > (double)MOST ? MOST : (float)x;
}

/* From what was seen to low and step. */
static void set_grid(sq *s, const float *high, double margin, bool nonnegative)
{
    for (size_t j = 0; j < s->d; j++) {
        const double more = margin * ((double)high[j] - (double)s->low[j]);
        const float low = within((double)s->low[j] - more, nonnegative ? 0.0f : -MOST);
        const float up = within((double)high[j] + more, -MOST);
        const double end = fmax(fabs((double)low), fabs((double)up));
        const double step = ((double)up - (double)low) / (double)s->grid.most;

        s->low[j] = low;
        s->step[j] = (float)fmax(fmax(step, end * STEP_OF_END), LEAST_STEP);
    }
    invert(s);
}

static kith_status learn(const ki_codec *c, ki_env *env, const ki_lesson *rows,
                         const double *params, const ki_codec **out)
{
    const size_t d = rows->d, room_n = d < LESSON_FLOATS ? LESSON_FLOATS : d;
    kith_status st = KITH_OK;
    float *room = NULL, *high = NULL;
    sq *s = NULL;

    ki_assert(rows->n > 0);
    KI_TRY(create(c, env, d, &s));
    room = ki_array(env, room_n, sizeof *room);
    KI_NEED(room);
    high = ki_array(env, d, sizeof *high);
    KI_NEED(high);
    if (params[P_QUANTILE] > 0)
        KI_TRY(see_quantiles(env, rows, params[P_QUANTILE], s->low, high));
    else
        KI_TRY(see_ends(rows, room, s->low, high));
    s->grid.uniform = params[P_UNIFORM] > 0;
    if (s->grid.uniform) {
        for (size_t j = 1; j < d; j++) {
            s->low[0] = s->low[j] < s->low[0] ? s->low[j] : s->low[0];
            high[0] = high[j] > high[0] ? high[j] : high[0];
        }
        for (size_t j = 1; j < d; j++) {
            s->low[j] = s->low[0];
            high[j] = high[0];
        }
    }
    set_grid(s, high, params[P_MARGIN], ki_metric_of(rows->metric)->nonnegative);
    *out = &s->codec;
    s = NULL;
out:
    if (s) ki_sq_release(&s->codec);
    if (room) ki_release(env, room, room_n, sizeof *room);
    if (high) ki_release(env, high, d, sizeof *high);
    return st;
}

/* ---- files ----------------------------------------------------------------------------------- */

size_t ki_codec_learned_bytes(const ki_codec *c, size_t d)
{
    return c->learn ? HEAD + 8 * d : 0;
}

void ki_codec_put_learned(const ki_codec *c, size_t d, uint8_t *out)
{
    const ki_grid *g = c->grid;

    ki_put_le32(out, VERSION);
    ki_put_le32(out + 4, g->bits);
    ki_put_le32(out + 8, g->uniform ? UNIFORM : 0);
    ki_put_le32(out + 12, 0);
    for (size_t j = 0; j < d; j++) {
        ki_put_le_f32(out + HEAD + 4 * j, g->low[j]);
        ki_put_le_f32(out + HEAD + 4 * (d + j), g->step[j]);
    }
}

/* Ends and step as learn makes them, or nearly. */
static bool fair(const ki_grid *g, size_t j, bool nonnegative)
{
    const double low = (double)g->low[j], step = (double)g->step[j];
    const double end = fmax(fabs(low), fabs(low + step * g->most));

    return isfinite(low) && fabs(low) <= (double)MOST && (!nonnegative || low >= 0.0) &&
           step >= LEAST_STEP / 2 && end <= (double)MOST * 2 && step >= end * STEP_OF_END / 2;
}

kith_status ki_codec_read_learned(const ki_codec *c, ki_env *env, size_t d, kith_metric m,
                                  ki_span bytes, const ki_codec **out)
{
    const bool nonnegative = ki_metric_of(m)->nonnegative;
    kith_status st = KITH_OK;
    uint32_t flags;
    sq *s = NULL;

    if (bytes.len != ki_codec_learned_bytes(c, d))
        KI_FAIL(KITH_CORRUPT, "section CLRN: its bytes are %zu, should be %zu", bytes.len,
                ki_codec_learned_bytes(c, d));
    flags = ki_le32(bytes.ptr + 8);
    if (ki_le32(bytes.ptr) != VERSION || flags > UNIFORM || ki_le32(bytes.ptr + 12) != 0)
        KI_FAIL(KITH_VERSION, "section CLRN: version %u, flags %x are unknown here",
                ki_le32(bytes.ptr), flags);
    if (ki_le32(bytes.ptr + 4) != bits_of(c))
        KI_FAIL(KITH_CORRUPT, "section CLRN: %u bits a component, %s has %u",
                ki_le32(bytes.ptr + 4), c->name, bits_of(c));
    KI_TRY(create(c, env, d, &s));
    s->grid.uniform = flags & UNIFORM;
    for (size_t j = 0; j < d; j++) {
        s->low[j] = ki_le_f32(bytes.ptr + HEAD + 4 * j);
        s->step[j] = ki_le_f32(bytes.ptr + HEAD + 4 * (d + j));
        if (!fair(&s->grid, j, nonnegative))
            KI_FAIL(KITH_CORRUPT, "section CLRN: component %zu begins at %g in steps of %g", j,
                    (double)s->low[j], (double)s->step[j]);
        if (s->grid.uniform && (s->low[j] != s->low[0] || s->step[j] != s->step[0]))
            KI_FAIL(KITH_CORRUPT, "section CLRN: components 0 and %zu differ in a uniform range",
                    j);
    }
    invert(s);
    *out = &s->codec;
    s = NULL;
out:
    if (s) ki_sq_release(&s->codec);
    return st;
}

/* ---- members --------------------------------------------------------------------------------- */

static size_t row_bytes8(size_t d)
{
    return d;
}

static size_t row_bytes6(size_t d)
{
    return bytes_of(d, 6);
}

static size_t row_bytes4(size_t d)
{
    return bytes_of(d, 4);
}

#define SQ(BITS, ID, ABOUT)                         \
    const ki_codec ki_codec_sq##BITS = {            \
        .name = "SQ" #BITS,                         \
        .aliases = "",                              \
        .about = ABOUT,                             \
        .dtype = KITH_F32,                          \
        .type = KI_CODED,                           \
        .file_id = ID,                              \
        .row_bytes = row_bytes##BITS,               \
        .encode = encode,                           \
        .decode = decode,                           \
        .params = {"SQ" #BITS, param_rows, PARAMS}, \
        .learn = learn,                             \
    };

SQ(8, 7, "256 steps a component between ends learned from rows; what lies beyond is clamped")
SQ(6, 8, "64 steps a component, as SQ8, in 6 bits")
SQ(4, 9, "16 steps a component, as SQ8, in 4 bits")
