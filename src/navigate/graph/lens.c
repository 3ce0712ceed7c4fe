/* Lenses: learned; rows and queries to walk codes. */
#include "navigate/graph/lens.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernel/kernel.h"
#include "navigate/graph/shorten.h"

enum {
    SAMPLE = 4096,       /* rows that mean and scale are learned from */
    PROBES = 128,        /* of them, whose nearest are looked for in code */
    FEW_DIMENSIONS = 16, /* a code has as many components at least */
    HALF = 16            /* steps of a code that its high half does not tell apart */
};

/* The first line that fits; bench/layouts.py measures what it says (docs/GRAPH.md, "Lenses").
 * Short codes: of shorter rows the bytes are few lines, few rows stay in the cache, and components
 * of the longest take long to find. */
static const struct {
    bool bytes;
    size_t least_dim, most_dim, least_bytes; /* of a row; of all */
    ki_layout layout;
} layouts[] = {
    {true, 512, 2048, 32 << 20, KI_LAYOUT_SHORT},
    {false, 192, SIZE_MAX, 0, KI_LAYOUT_HALVES},
};

static const double SPAN = 4.0;       /* standard deviations that a code reaches to either side */
static const double HEADROOM = 1.125; /* rows to come may be longer than all before by this much */
static const double HALVED_NOISE = 5.5; /* what rounding adds to a squared distance by halves */
static const double TOO_COARSE = 6.0;   /* nearest distances in units of the code's own error */

ki_layout ki_lens_layout(bool bytes, size_t d, size_t n)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].bytes == bytes && d >= layouts[i].least_dim && d <= layouts[i].most_dim &&
            n * d >= layouts[i].least_bytes)
            return layouts[i].layout;
    return KI_LAYOUT_WHOLE;
}

static size_t power_within(size_t n)
{
    size_t p = 1;

    while (2 * p <= n) p *= 2;
    return p;
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Which part of the components round r turns: all where their number is a power of two, else the
 * first or the last so many. */
static size_t round_start(const ki_lens *l, size_t r)
{
    return r % 2 ? l->wide - power_within(l->wide) : 0;
}

static void make_turn(ki_lens *l)
{
    const size_t p = power_within(l->wide);
    const float factor = (float)(1.0 / sqrt((double)p));

    for (size_t r = 0; r < KI_LENS_ROUNDS; r++) {
        const size_t start = round_start(l, r);

        for (size_t i = 0; i < l->wide; i++) {
            const bool minus = ki_random(l->seed, KI_RNG_ROTATION, r * l->wide + i) & 1;
            const float by = i >= start && i < start + p ? factor : 1.0f;
            l->turn[r * l->wide + i] = minus ? -by : by;
        }
    }
}

/* Whether the bytes of rows are their components, all in one scale. */
static bool one_scale(const ki_codec *c)
{
    return c->type == KI_U8 || c->type == KI_I8 ||
           (c->grid && c->grid->uniform && c->grid->bits == 8);
}

kith_status ki_lens_create(ki_env *env, const ki_view *v, ki_lens_kind kind, size_t wide,
                           uint64_t seed, ki_lens **out)
{
    const size_t lifted = v->d + (v->metric == KITH_IP);
    kith_status st = KITH_OK;
    ki_lens *l = ki_zeros(env, 1, sizeof *l);

    KI_NEED(l);
    atomic_init(&l->refs, 1);
    l->env = env;
    l->kind = kind;
    l->metric = v->metric;
    l->d = v->d;
    l->seed = seed;
    l->longest = 1.0f;
    l->scale = 1.0f;
    l->unit = 1.0f;
    l->rows = v->codec->type;
    if (one_scale(v->codec) && v->codec->grid) {
        l->rows = KI_U8;
        l->low = v->codec->grid->low[0];
        l->unit = v->codec->grid->step[0];
    }
    l->type = ki_lens_codes(l) ? KI_U8 : kind == KI_LENS_OWN ? l->rows : v->codec->type;
    l->wide = v->row_bytes;
    if (kind == KI_LENS_SHORT) {
        l->wide = wide;
        l->basis = ki_array(env, l->wide, l->d);
        KI_NEED(l->basis);
    }
    if (kind == KI_LENS_CODE)
        l->wide = lifted < FEW_DIMENSIONS ? FEW_DIMENSIONS : (lifted + 15) / 16 * 16;
    if (ki_lens_codes(l)) {
        l->centre = ki_zeros(env, l->wide, sizeof *l->centre);
        KI_NEED(l->centre);
        l->turn = ki_array(env, KI_LENS_ROUNDS * l->wide, sizeof *l->turn);
        KI_NEED(l->turn);
        make_turn(l);
    }
    l->bytes = l->wide;
    *out = l;
    l = NULL;
out:
    ki_lens_release(l);
    return st;
}

ki_lens *ki_lens_share(ki_lens *l)
{
    if (l) atomic_fetch_add_explicit(&l->refs, 1, memory_order_relaxed);
    return l;
}

void ki_lens_release(ki_lens *l)
{
    if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) > 1) return;
    if (l->centre) ki_release(l->env, l->centre, l->wide, sizeof *l->centre);
    if (l->turn) ki_release(l->env, l->turn, KI_LENS_ROUNDS * l->wide, sizeof *l->turn);
    if (l->basis) ki_release(l->env, l->basis, l->wide, l->d);
    ki_release(l->env, l, 1, sizeof *l);
}

/* ---- to codes -------------------------------------------------------------------------------- */

size_t ki_lens_room(const ki_lens *l)
{
    return l->kind == KI_LENS_SHORT ? l->wide + l->d : (l->wide > l->d ? l->wide : l->d) + 1;
}

static double length_of(const float *x, size_t d)
{
    double s = 0.0;

    for (size_t i = 0; i < d; i++) s += (double)x[i] * (double)x[i];
    return sqrt(s);
}

static void divide(float *x, size_t d, double by)
{
    for (size_t i = 0; i < d; i++) x[i] = (float)((double)x[i] / by);
}

/* A row of zeros has the cosine 0 with all: its place is at a right angle to them, or nearly so, at
 * length 1 in a random direction. In the middle it would be everybody's nearest, and hide them from
 * one another. */
static void place_zero(const ki_lens *l, float *x)
{
    const float by = (float)(1.0 / sqrt((double)l->wide));

    for (size_t i = 0; i < l->wide; i++)
        x[i] = ki_random(l->seed, KI_RNG_ROTATION, i) & 1 ? -by : by;
}

/* x [d] to its place among rows whose L2 is the metric; zeros up to `bytes`. */
static void place(const ki_lens *l, float *x, bool query)
{
    const double length = l->metric == KITH_L2 ? 0.0 : length_of(x, l->d);

    for (size_t i = l->d; i < l->wide; i++) x[i] = 0.0f;
    if (l->metric == KITH_COSINE && !(length > 0.0)) {
        place_zero(l, x);
    } else if (l->metric == KITH_COSINE || (l->metric == KITH_IP && query)) {
        if (length > 0.0) divide(x, l->d, length);
    } else if (l->metric == KITH_IP) {
        const double share = length / (double)l->longest;

        divide(x, l->d, (double)l->longest);
        x[l->d] = share < 1.0 ? (float)sqrt(1.0 - share * share) : 0.0f;
    }
}

void ki_lens_turn(const ki_lens *l, float *x)
{
    const size_t p = power_within(l->wide);
    const ki_kernels *k = ki_kernels_get();

    for (size_t r = 0; r < KI_LENS_ROUNDS; r++) {
        const float *by = l->turn + r * l->wide;

        for (size_t i = 0; i < l->wide; i++) x[i] *= by[i];
        k->hadamard(x + round_start(l, r), p);
    }
}

/* In steps of the code, from its lower end on. */
static float step_of(const ki_lens *l, const float *x, size_t i)
{
    return (x[i] - l->centre[i]) * l->scale + 128.5f;
}

static void quantise(const ki_lens *l, const float *x, uint8_t *out)
{
    for (size_t i = 0; i < l->wide; i++) {
        const float at = step_of(l, x, i);
        const float low = at > 0.0f ? at : 0.0f; // and where it is no number
        out[i] = (uint8_t)(int)(low > 255.0f ? 255.0f : low);
    }
}

/* What of a row is rounded to its code: room [wide]. */
static void see(const ki_lens *l, const ki_view *v, uint32_t pos, float *room)
{
    if (l->kind == KI_LENS_SHORT) {
        ki_shorten_row(l, ki_view_code(v, pos), room);
        return;
    }
    ki_codec_decode(v->codec, ki_view_code(v, pos), v->row_bytes, 1, v->d, room);
    place(l, room, false);
    ki_lens_turn(l, room);
}

void ki_lens_row(const ki_lens *l, const ki_view *v, uint32_t pos, float *room, uint8_t *out)
{
    see(l, v, pos, room);
    quantise(l, room, out);
}

/* What is a code is that code; the rest becomes the nearest. Keys of integers are walk distances
 * where rows are integers, too. */
static bool own_query(const ki_lens *l, const float *q, uint8_t *out)
{
    const float lo = l->rows == KI_U8 ? 0.0f : -128.0f, hi = l->rows == KI_U8 ? 255.0f : 127.0f;
    const bool fits = l->d * 255 * 255 < 1 << 24; // then floats tell all distances apart
    const bool integers = l->low == 0.0f && l->unit == 1.0f;
    const bool exact =
        fits && integers && ki_kernels_get()->find_noninteger(q, l->d, lo, hi) == l->d;

    for (size_t i = 0; i < l->d; i++) {
        const float at = (q[i] - l->low) / l->unit;
        const float x = at < lo ? lo : at > hi ? hi : at;
        const int near = (int)(x - lo + 0.5f) + (int)lo;

        out[i] = (uint8_t)near; // of I8 the same eight bits
    }
    return exact;
}

bool ki_lens_query(const ki_lens *l, const float *q, float *room, uint8_t *out)
{
    if (l->kind == KI_LENS_OWN) return own_query(l, q, out);
    if (l->kind == KI_LENS_SHORT) {
        (void)own_query(l, q, out + l->wide);
        ki_shorten_row(l, out + l->wide, room);
    } else {
        memcpy(room, q, l->d * sizeof *room);
        place(l, room, true);
        ki_lens_turn(l, room);
    }
    quantise(l, room, out);
    return false;
}

float ki_lens_beyond(const ki_lens *l, const float *room)
{
    double s = 0.0;
    int any = 0; // rarely

    for (size_t i = 0; i < l->wide; i++)
        any |= (step_of(l, room, i) < 0.0f) | (step_of(l, room, i) > 256.0f);
    for (size_t i = 0; any && i < l->wide; i++) {
        const float at = step_of(l, room, i);
        const double cut = at < 0.0f ? -(double)at : at > 256.0f ? (double)at - 256.0 : 0.0;

        s += cut * cut;
    }
    return (float)sqrt(s);
}

/* Rows at length 1 lie 2 - 2 cos apart, squared. */
float ki_lens_reach(const ki_lens *l, const float *q, double key, float off)
{
    double reach = key, length;

    if (l->metric == KITH_JACCARD) reach = 1.0 + key;
    if (l->kind == KI_LENS_OWN || l->kind == KI_LENS_SHORT)
        reach /= (double)l->unit * (double)l->unit;
    if (l->kind == KI_LENS_OWN && off > 0.0f) {
        reach = sqrt(reach < 0.0 ? 0.0 : reach) + (double)off;
        reach *= reach;
    }
    if (!ki_lens_codes(l)) return reach < 0.0 ? 0.0f : (float)(reach * (1.0 + 0x1p-20));
    if (l->kind == KI_LENS_SHORT) reach *= (double)l->longest * (double)l->longest;
    if (l->metric == KITH_COSINE) reach = 2.0 + 2.0 * key;
    if (l->metric == KITH_IP) {
        length = length_of(q, l->d);
        if (!(length > 0.0)) return INFINITY;
        reach = 2.0 + 2.0 * key / (length * (double)l->longest);
    }
    reach = sqrt(reach < 0.0 ? 0.0 : reach) * (double)l->scale / (l->halved ? 2 : 1) + (double)off;
    return (float)(reach * reach + (l->halved ? HALVED_NOISE * (double)l->wide : 0.0));
}

/* ---- learning -------------------------------------------------------------------------------- */

static bool lifts(kith_metric m)
{
    return m == KITH_L2 || m == KITH_IP || m == KITH_COSINE;
}

/* Long rows of reals are walked faster by halves of codes than by their own bytes. SHORT goes
 * before OWN, and where it is asked for. */
static ki_lens_kind first_kind(const ki_view *v)
{
    if (!lifts(v->metric) || v->codec->type == KI_BITS) return KI_LENS_ROWS;
    if (v->metric == KITH_L2 && one_scale(v->codec) &&
        (!v->codec->grid || ki_lens_layout(false, v->d, v->n) == KI_LAYOUT_WHOLE))
        return KI_LENS_OWN;
    return KI_LENS_CODE;
}

/* Whether rows can be seen so; first_kind says what is best. */
bool ki_lens_fits(const ki_view *v, uint32_t kind)
{
    const bool lifted = lifts(v->metric) && v->codec->type != KI_BITS;

    if (kind == KI_LENS_OWN || kind == KI_LENS_SHORT)
        return v->metric == KITH_L2 && one_scale(v->codec);
    if (kind == KI_LENS_CODE) return lifted;
    return kind == KI_LENS_ROWS && (!lifted || v->metric == KITH_L2);
}

/* The longest of all rows, and which it is: one that is longer cannot be lifted. */
static uint32_t find_longest(ki_lens *l, const ki_view *v, const uint32_t *pos, size_t n,
                             float *room)
{
    double longest = 0.0;
    uint32_t which = pos[0];

    for (size_t i = 0; i < n; i++) {
        double length;

        ki_codec_decode(v->codec, ki_view_code(v, pos[i]), v->row_bytes, 1, v->d, room);
        length = length_of(room, v->d);
        if (!(length > longest)) continue;
        longest = length;
        which = pos[i];
    }
    longest *= HEADROOM;
    if (longest > 0.0) l->longest = (float)(longest < 3e38 ? longest : 3e38);
    return which;
}

/* Mean and scale of turned rows x [m][bytes]. Components far out are cut off, but under inner
 * product, where the longest rows are what is looked for. False when these are too large to be
 * turned, or all look the same along a SHORT basis: then so would any rows to come. */
static bool fit(ki_lens *l, const float *x, size_t m)
{
    double spread = 0.0, widest = 0.0;

    for (size_t i = 0; i < l->wide; i++) {
        double sum = 0.0;

        for (size_t j = 0; j < m; j++) sum += (double)x[j * l->wide + i];
        l->centre[i] = (float)(sum / (double)m);
        for (size_t j = 0; j < m; j++) {
            const double t = (double)x[j * l->wide + i] - (double)l->centre[i];
            spread += t * t;
            if (fabs(t) > widest) widest = fabs(t);
        }
    }
    spread = sqrt(spread / (double)m / (double)l->wide);
    if (l->metric == KITH_IP && widest > SPAN * spread) spread = widest / SPAN;
    l->scale = spread > 1e-30 && spread < 1e30 ? (float)(127.0 / (SPAN * spread)) : 1.0f;
    return isfinite(spread) && (l->kind != KI_LENS_SHORT || spread > 0.0);
}

/* Whether rows that differ are often closer together than the rounding of their codes, and of their
 * high halves: then these would lump them. codes [m][wide]; x the turned rows. */
static void look_how_coarse(const ki_lens *l, const float *x, const uint8_t *codes, size_t m,
                            bool *coarse, ki_halves *halves)
{
    const size_t w = l->wide, probes = m < PROBES ? m : PROBES;
    const double limit = TOO_COARSE * sqrt((double)FEW_DIMENSIONS / 6.0);
    size_t lumped = 0, poor = 0, lumped_halves = 0;

    for (size_t p = 0; p < probes; p++) {
        double least = INFINITY;

        for (size_t j = 0; j < m; j++) {
            int64_t s = 0;

            if (j == p || memcmp(x + p * w, x + j * w, w * sizeof *x) == 0) continue;
            for (size_t i = 0; i < w; i++) {
                const int t = codes[p * w + i] - codes[j * w + i];
                s += t * t;
            }
            if ((double)s < least) least = (double)s;
        }
        lumped += sqrt(least) < limit;
        poor += sqrt(least) < HALF * limit;
        lumped_halves += sqrt(least) < 2 * HALF;
    }
    *coarse = lumped > probes / 4;
    *halves = lumped_halves > probes / 4 ? KI_HALVES_LUMP
              : poor > probes / 4        ? KI_HALVES_POOR
                                         : KI_HALVES_GOOD;
}

/* m of the n rows at pos; by inner product the longest of all is the first of them. */
static void draw_sample(const ki_lens *l, const uint32_t *pos, size_t n, uint32_t longest,
                        uint32_t *sample, size_t m)
{
    for (size_t j = 0; j < m; j++) {
        const size_t i = n <= SAMPLE ? j : ki_random_below(l->seed, KI_RNG_SAMPLE, j, (uint32_t)n);

        sample[j] = pos[i];
    }
    if (longest != UINT32_MAX && n > SAMPLE) sample[0] = longest;
}

/* What is learned of a sample x [m][wide], of rows as the lens sees them. */
static kith_status learn_scale(ki_lens *l, const void *const *rows, const float *x, size_t m,
                               bool *coarse, bool *keeps)
{
    kith_status st = KITH_OK;
    uint8_t *codes = ki_array(l->env, m, l->wide);
    const bool fits = fit(l, x, m);

    KI_NEED(codes);
    for (size_t j = 0; j < m; j++) quantise(l, x + j * l->wide, codes + j * l->wide);
    look_how_coarse(l, x, codes, m, coarse, &l->halves);
    *coarse |= !fits;
    *keeps = true;
    if (l->kind == KI_LENS_SHORT) KI_TRY(ki_shorten_keeps(l, rows, codes, m, keeps));
out:
    ki_release(l->env, codes, m, l->wide);
    return st;
}

static kith_status learn_code(ki_lens *l, const ki_view *v, const uint32_t *pos, size_t n,
                              const ki_lens_how *how, bool *coarse, bool *keeps)
{
    const size_t m = n < SAMPLE ? n : SAMPLE;
    kith_status st = KITH_OK;
    uint32_t longest = UINT32_MAX, *sample = NULL;
    const void **rows = NULL;
    float *x, *room = NULL;

    x = ki_array(l->env, m * l->wide, sizeof *x);
    KI_NEED(x);
    sample = ki_array(l->env, m, sizeof *sample);
    KI_NEED(sample);
    rows = ki_array(l->env, m, sizeof *rows);
    KI_NEED(rows);
    room = ki_array(l->env, ki_lens_room(l), sizeof *room);
    KI_NEED(room);
    if (l->metric == KITH_IP) longest = find_longest(l, v, pos, n, room);
    draw_sample(l, pos, n, longest, sample, m);
    for (size_t j = 0; j < m; j++) rows[j] = ki_view_code(v, sample[j]);
    if (l->kind == KI_LENS_SHORT) KI_TRY(ki_shorten_learn(l, rows, m, how));
    for (size_t j = 0; j < m; j++) {
        see(l, v, sample[j], room);
        memcpy(x + j * l->wide, room, l->wide * sizeof *x);
    }
    KI_TRY(learn_scale(l, rows, x, m, coarse, keeps));
out:
    ki_release(l->env, x, m * l->wide, sizeof *x);
    ki_release(l->env, sample, m, sizeof *sample);
    ki_release(l->env, rows, m, sizeof *rows);
    if (room) ki_release(l->env, room, ki_lens_room(l), sizeof *room);
    return st;
}

kith_status ki_lens_learn(ki_env *env, const ki_view *v, const uint32_t *pos, size_t n,
                          const ki_lens_how *how, ki_lens **out)
{
    const ki_lens_kind first = first_kind(v);
    const bool may = first == KI_LENS_OWN || (how->dims && ki_lens_fits(v, KI_LENS_SHORT));
    const size_t wide = may ? ki_shorten_to(v->d, n, how->dims) : v->d;
    ki_lens_kind kind = wide < v->d ? KI_LENS_SHORT : first;
    kith_status st = KITH_OK;
    ki_lens *l = NULL;

    for (;; kind = kind == KI_LENS_SHORT ? first : KI_LENS_ROWS) {
        bool coarse = false, keeps = true;

        KI_TRY(ki_lens_create(env, v, kind, wide, how->seed, &l));
        if (ki_lens_codes(l) && n > 0) KI_TRY(learn_code(l, v, pos, n, how, &coarse, &keeps));
        if (kind == KI_LENS_SHORT ? !coarse && (keeps || how->dims)
                                  : !coarse || v->metric != KITH_L2)
            break;
        ki_lens_release(l);
        l = NULL;
    }
    l->learned = (uint32_t)n;
    *out = l;
    l = NULL;
out:
    ki_lens_release(l);
    return st;
}

bool ki_lens_halve(ki_lens *l, uint32_t bits)
{
    const bool best =
        l->halves == KI_HALVES_GOOD && ki_lens_layout(false, l->wide, 1) == KI_LAYOUT_HALVES;

    if (l->kind != KI_LENS_CODE || l->halves == KI_HALVES_LUMP) return false;
    if (bits > 0 ? bits > 4 : !best) return false;
    l->halved = true;
    l->bytes = ki_plane(l->wide);
    return true;
}

void ki_lens_split(const ki_lens *l, const uint8_t *code, uint8_t *high, uint8_t *low)
{
    const uint8_t *other = code + l->bytes;

    for (size_t i = 0; i < l->bytes; i++) {
        high[i] = (uint8_t)(code[i] >> 4 | (other[i] & 0xf0));
        low[i] = (uint8_t)((code[i] & 0x0f) | other[i] << 4);
    }
}

kith_status ki_lens_outgrown(const ki_lens *l, const ki_view *v, uint32_t first, bool *out)
{
    const size_t len = ki_lens_room(l);
    kith_status st = KITH_OK;
    float *room = NULL;

    *out = false;
    if (l->kind == KI_LENS_SHORT) return ki_shorten_outgrown(l, v, first, out);
    if (l->kind != KI_LENS_CODE || l->metric != KITH_IP) goto out;
    room = ki_array(l->env, len, sizeof *room);
    KI_NEED(room);
    for (uint32_t pos = first; pos < v->n && !*out; pos++) {
        if (!ki_view_live(v, pos)) continue;
        ki_codec_decode(v->codec, ki_view_code(v, pos), v->row_bytes, 1, v->d, room);
        *out = length_of(room, v->d) > (double)l->longest && l->longest < 3e38f;
    }
out:
    ki_release(l->env, room, len, sizeof *room);
    return st;
}
