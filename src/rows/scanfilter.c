/* One query against scan codes, in two steps (scancode.h). The rough one reads the high halves of
 * all codes and tells which rows may still be near; the fine one reads the low halves of those, or
 * of all when they are many.
 *
 * The rough test. v = 16 h + l - 128 with halves h and l of 0…15; vh = 16 h - 120.5 is in their
 * middle, and 2 (v - vh) = 2 l - 15, whose squares add up to at most rest_max. So
 *     2 <w,v> = 2 <w,vh> + <w,2l-15> <= (32 <w,h> - 241 sum w) + |w| sqrt(rest_max),
 * and the test of scancode.h holds with half of that in the place of <w,v>. The first part, I, is
 * exact in int32: 241 * 127 * d and 32 * 15 * 127 * d are below 2^31. In float, with P for the
 * second: conversion, sum, two factors and the subtraction cost 5 u t s (|I| + P) / 2, and
 * |I| <= 2 |w| |v| + P: what comes of |v| is within the 8 u Q |sv| of scancode.c, the rest within
 * the 64 u that P is taken larger by. */
#include <math.h>
#include <string.h>

#include "rows/scancode.h"

#define U 0x1p-24

enum { LEVELS = 127 }; /* of the query, either sign */

/* With fewer than one in so many of a block's rows left, their own errors are looked at, and their
 * low halves fetched one by one. */
enum { LOOK_BELOW = 4, GATHER_BELOW = 8 };

/* ---- the query ------------------------------------------------------------------------------- */

static size_t padded(size_t n)
{
    return (n + 63) / 64 * 64;
}

size_t ki_scan_query_bytes(size_t d)
{
    return padded(d + 1) + padded(d * sizeof(int16_t));
}

/* The median |scale * v| of some rows: one that is far longer or shorter than the rest would make
 * the test pass them all. */
static double usual_length(const ki_scan_chunk *c)
{
    enum { SOME = 9 };
    float h[SOME];

    for (size_t i = 0; i < SOME; i++) {
        const float x = c->half_norm[i * c->n / SOME];
        size_t at = i;
        for (; at > 0 && h[at - 1] > x; at--) h[at] = h[at - 1];
        h[at] = x;
    }
    return h[SOME / 2] > 0.0f ? sqrt(2.0 * (double)h[SOME / 2]) : 1.0;
}

void ki_scan_query_begin(kith_metric m, const float *q, size_t d, const ki_scan_chunk *c,
                         void *scratch, ki_scan_query *out)
{
    int8_t *byte = scratch;
    int16_t *w = (int16_t *)(void *)(byte + padded(d + 1));
    const double most = ki_scan_most(m, q, d, c->centre);
    const float unit = ki_scan_unit(most, LEVELS);
    double length;

    *out = (ki_scan_query){.halves = {byte, byte + ki_plane(d)}};
    ki_scan_quantise(m, q, d, c->centre, most, unit, w, &out->terms);
    for (size_t j = 0; j < d; j++) {
        byte[j] = (int8_t)w[j];
        out->sum += w[j];
    }
    byte[d] = 0; // what an odd number of components lacks of the upper half
    length = unit > 0.0f ? out->terms.length / out->terms.unit : 0.0; // of w
    out->slack = ki_scan_up(length * sqrt((double)c->rest_max) * (1.0 + 64.0 * U));
    out->span = usual_length(c);
}

/* ---- the test -------------------------------------------------------------------------------- */

/* L2: score = (1 - 16u) h - M. Else: e |sv| <= e (span/2 + |sv|^2 / (2 span)) for any span > 0, so
 * what depends on the row joins its score: -(e/span) h - M. */
typedef struct test {
    ki_code_test rough, fine; /* by the chunk's largest error */
    ki_scan_edges own;        /* by a row's own */
    const float *error;
} test;

static test test_of(const ki_scan_query *s, const ki_scan_chunk *c, size_t at, double tau,
                    int32_t *dots)
{
    const ki_scan_terms *t = &s->terms;
    test f = {.own = ki_scan_edges_of(t, tau, s->span / 2.0), .error = c->error + at};

    f.rough = (ki_code_test){.high = dots,
                             .half_norm = c->half_norm + at,
                             .scale = c->scale + at,
                             .bias = 241 * s->sum,
                             .slack = s->slack,
                             .k = (float)(1.0 - 16.0 * U),
                             .unit = (float)(0.5 * t->unit),
                             .edge = ki_scan_up(ki_scan_edge(&f.own, (double)c->error_max))};
    if (t->metric != KITH_L2)
        f.rough.k = -ki_scan_up((t->error + 16.0 * U * t->length) / s->span * (1.0 + 16.0 * U));
    f.fine = f.rough;
    f.fine.low = dots + KI_SCORE_ROWS;
    f.fine.bias = 256 * s->sum;
    f.fine.slack = 0.0f;
    return f;
}

/* Rows that pass with their own error move to the front of pos; low: of the rows in that order
 * (by_place) or of all; NULL: the rough test. */
static size_t look_again(const ki_code_test *t, const test *f, bool by_place, uint32_t *pos,
                         size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        const uint32_t row = pos[i];
        const int32_t low = t->low ? t->low[by_place ? i : row] : 0;
        const float twice = (float)(32 * t->high[row] + 2 * low - t->bias) + t->slack;
        const float score = t->k * t->half_norm[row] - t->unit * t->scale[row] * twice;
        pos[kept] = row;
        kept += !((double)score > ki_scan_edge(&f->own, (double)f->error[row]));
    }
    return kept;
}

size_t ki_scan_query_filter(const ki_scan_query *s, const ki_scan_chunk *c, size_t at, size_t n,
                            size_t d, double tau, int32_t *dots, uint32_t *pos)
{
    const ki_kernels *k = ki_kernels_get();
    const size_t plane = ki_plane(d);
    const test f = test_of(s, c, at, tau, dots);
    const uint8_t *low = c->low + at * plane;
    int32_t *low_dots = dots + KI_SCORE_ROWS;
    size_t left;

    k->scan[KI_DOT4][KI_U8](&s->halves, c->high + at * plane, plane, n, d, dots);
    left = k->code_test(&f.rough, n, pos);
    if (left < n / LOOK_BELOW) left = look_again(&f.rough, &f, false, pos, left);
    if (left == 0) return 0;
    if (left < n / GATHER_BELOW) {
        k->gather[KI_DOT4][KI_U8](&s->halves, low, plane, pos, left, d, low_dots);
        return look_again(&f.fine, &f, true, pos, left);
    }
    k->scan[KI_DOT4][KI_U8](&s->halves, low, plane, n, d, low_dots);
    left = k->code_test(&f.fine, n, pos);
    return look_again(&f.fine, &f, false, pos, left);
}
