/* The basis of a SHORT lens: see shorten.h. It is of integers, so that a row's sums are exact. */
#include "navigate/graph/shorten.h"

#include <math.h>
#include <string.h>

#include "cluster/principal.h"
#include "navigate/graph/walk.h"

enum {
    LINE = 64,    /* bytes: what a code is a multiple of */
    PROBES = 128, /* rows whose nearest are looked for … */
    NEAREST = 10, /* … so many of each … */
    WITHIN = 20,  /* … among so many by code … */
    ONE_LOST = 50 /* … where one of so many may be missing */
};

/* By default a quarter of the components. Time and memory to find them grow with the square of how
 * many there are. */
enum { SHARE = 4, ASKED_DIM = 4096 };
static const size_t PRODUCTS_MOST = (size_t)1 << 31; // of a round: seconds

static const double ROUNDED = 1.02; /* a basis of integers is not quite straight */

size_t ki_shorten_to(size_t d, size_t n, uint32_t asked)
{
    const size_t to = ((asked ? asked : d / SHARE) + LINE - 1) / LINE * LINE;
    const bool best = ki_lens_layout(true, d, n) == KI_LAYOUT_SHORT;
    const bool can = d <= ASKED_DIM && to * d * d <= PRODUCTS_MOST;

    return to < d && can && (asked || best) ? to : d;
}

void ki_shorten_row(const ki_lens *l, const uint8_t *row, float *room)
{
    const uint8_t flip = l->rows == KI_U8 ? 0x80 : 0; // less 128: then it is I8
    uint8_t *const bytes = (uint8_t *)(room + l->wide);
    int32_t *const sum = (int32_t *)(void *)room;

    for (size_t i = 0; i < l->d; i++) bytes[i] = row[i] ^ flip;
    ki_kernels_get()->scan[KI_IP][KI_I8](bytes, l->basis, l->d, l->wide, l->d, sum);
    for (size_t i = 0; i < l->wide; i++) {
        const float x = (float)sum[i];

        memcpy(room + i, &x, sizeof x);
    }
}

/* ---- the basis ------------------------------------------------------------------------------- */

/* The directions are turned among one another and become integers; l->longest is how much longer
 * than distances of rows those of their sums are at most. */
static void round_basis(ki_lens *l, float *direction)
{
    const size_t w = l->wide, d = l->d;
    float *column = l->centre; // scratch: it is learned afterwards
    float most = 0.0f, by;

    for (size_t j = 0; j < d; j++) {
        for (size_t i = 0; i < w; i++) column[i] = direction[i * d + j];
        ki_lens_turn(l, column);
        for (size_t i = 0; i < w; i++) {
            direction[i * d + j] = column[i];
            most = fabsf(column[i]) > most ? fabsf(column[i]) : most;
        }
    }
    by = most > 0.0f ? 127.0f / most : 0.0f;
    for (size_t i = 0; i < w * d; i++) l->basis[i] = (int8_t)lrintf(direction[i] * by);
    l->longest = most > 0.0f ? (float)(127.0 / (double)most * ROUNDED) : 1.0f;
}

kith_status ki_shorten_learn(ki_lens *l, const void *const *rows, size_t m, const ki_lens_how *how)
{
    kith_status st = KITH_OK;
    float *direction = NULL, *cov = ki_array(l->env, l->d, l->d * sizeof *cov);

    KI_NEED(cov);
    direction = ki_array(l->env, l->wide, l->d * sizeof *direction);
    KI_NEED(direction);
    KI_TRY(ki_covariance(l->env, l->rows, rows, m, l->d, how->threads, how->progress, cov));
    KI_TRY(
        ki_principal(l->env, cov, l->d, l->wide, l->seed, how->threads, how->progress, direction));
    round_basis(l, direction);
out:
    ki_release(l->env, cov, l->d, l->d * sizeof *cov);
    ki_release(l->env, direction, l->wide, l->d * sizeof *direction);
    return st;
}

/* ---- whether it will do ---------------------------------------------------------------------- */

/* The k-th smallest of the distances to rows that are no copies of the one they are taken from. */
static float kth_of(const int32_t *dist, const int32_t *by_rows, size_t m, size_t k)
{
    float heap[WITHIN];
    size_t n = 0;

    for (size_t j = 0; j < m; j++)
        if (by_rows[j] > 0) ki_heap_keep(heap, &n, k, (float)dist[j]);
    return n < k ? INFINITY : heap[0];
}

kith_status ki_shorten_keeps(const ki_lens *l, const void *const *rows, const uint8_t *codes,
                             size_t m, bool *keeps)
{
    const ki_kernels *k = ki_kernels_get();
    const size_t probes = m < PROBES ? m : PROBES;
    size_t lost = 0;
    kith_status st = KITH_OK;
    int32_t *by_code = NULL, *by_rows = ki_array(l->env, m, sizeof *by_rows);

    KI_NEED(by_rows);
    by_code = ki_array(l->env, m, sizeof *by_code);
    KI_NEED(by_code);
    for (size_t p = 0; p < probes; p++) {
        float near, within;

        k->visit[KI_L2][l->rows](rows[p], rows, NULL, m, l->d, by_rows);
        k->scan[KI_L2][KI_U8](codes + p * l->wide, codes, l->wide, m, l->wide, by_code);
        near = kth_of(by_rows, by_rows, m, NEAREST);
        within = kth_of(by_code, by_rows, m, WITHIN);
        for (size_t j = 0; j < m; j++)
            lost += by_rows[j] > 0 && (float)by_rows[j] <= near && (float)by_code[j] > within;
    }
    *keeps = lost * ONE_LOST <= probes * NEAREST;
out:
    ki_release(l->env, by_rows, m, sizeof *by_rows);
    ki_release(l->env, by_code, m, sizeof *by_code);
    return st;
}

/* ---- whether it still does ------------------------------------------------------------------- */

enum {
    LOOK = 512,     /* rows that are looked at, of the first and of the last */
    LEARN_SHARE = 8 /* learned anew for an eighth more rows at least */
};

static const double APART = 2.0;   /* so many times as much lies off the basis … */
static const double LITTLE = 0.02; /* … and this share of squared distances more */

static double squares_between(const float *a, const float *b, size_t n)
{
    double s = 0.0;

    for (size_t i = 0; i < n; i++)
        s += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return s;
}

/* The share of the squared distances of rows that follow one another, of LOOK from `first` on, that
 * their sums do not show. */
static kith_status off_basis(const ki_lens *l, const ki_view *v, uint32_t first, double *share)
{
    const double stretch = (double)l->longest / ROUNDED;
    const size_t room = ki_lens_room(l);
    double seen = 0.0, all = 0.0;
    kith_status st = KITH_OK;
    const void *before = NULL;
    float *last, *sums = ki_array(l->env, 2, room * sizeof *sums);

    KI_NEED(sums);
    last = sums + room;
    for (uint32_t pos = first; pos < v->n && pos < first + LOOK; pos++) {
        const void *row = ki_view_code(v, pos);

        if (!ki_view_live(v, pos)) continue;
        ki_shorten_row(l, row, sums);
        if (before) {
            int32_t apart;

            ki_kernels_get()->scan[KI_L2][l->rows](before, row, l->d, 1, l->d, &apart);
            all += apart;
            seen += squares_between(sums, last, l->wide) / (stretch * stretch);
        }
        memcpy(last, sums, l->wide * sizeof *last);
        before = row;
    }
    *share = all > 0.0 && seen < all ? 1.0 - seen / all : 0.0;
out:
    ki_release(l->env, sums, 2, room * sizeof *sums);
    return st;
}

kith_status ki_shorten_outgrown(const ki_lens *l, const ki_view *v, uint32_t first, bool *out)
{
    double old, new;
    kith_status st = KITH_OK;

    *out = false;
    if (v->n / LOOK == first / LOOK || v->n < l->learned + l->learned / LEARN_SHARE + LOOK)
        return KITH_OK; // a look costs as much as some rows, to learn as much as many
    KI_TRY(off_basis(l, v, 0, &old));
    KI_TRY(off_basis(l, v, v->n - LOOK, &new));
    *out = new > APART *old + LITTLE;
out:
    return st;
}
