/* The 8-bit scan code beside f32 rows: a derived block that lets an exact search read a quarter of
 * the bytes, and one query an eighth: the high and the low four bits of codes lie apart, and low
 * ones are read of rows that the high ones do not rule out.
 *
 * Row y (for COSINE y/|y|, computed in double) is kept as yh = centre + scale*(code-128), and
 * error >= |y - yh| in exact arithmetic, so that by the triangle inequality
 *     | |q-y| - |q-yh| | <= error,   |<q,y> - <q,yh>| <= |q| * error.
 * The centre of a chunk is the mean of its first KI_SCAN_SEED rows (doubles, index order), so that
 * the codes depend on the rows and their order alone. Chunks with fewer rows have no code yet. */
#ifndef KI_SCANCODE_H
#define KI_SCANCODE_H

#include "rows/rows.h"

enum { KI_SCAN_SEED = 1024 };

/* The arrays of a chunk's code while they are written; ki_scan_chunk says what they hold. */
typedef struct ki_scan_arrays {
    float *centre, *scale, *error, *half_norm;
    uint8_t *high, *low;
} ki_scan_arrays;

/* Whether rows of this codec under this metric can have a scan code. */
bool ki_scancode_applies(const ki_codec *c, kith_metric m);
/* Mean of the first KI_SCAN_SEED rows (f32 [KI_SCAN_SEED][d]), nearly, as floats. */
void ki_scancode_centre(kith_metric m, const float *rows, size_t d, float *centre);
/* Code n rows (f32 [n][d]) around to->centre, as rows at…at+n-1 of the arrays. Returns the largest
 * `rest` of them. */
uint32_t ki_scancode_encode(kith_metric m, const float *rows, size_t n, size_t d,
                            const ki_scan_arrays *to, size_t at);
/* The bounds of row i, checked in double: false when the code lies. *rest: the row's. */
bool ki_scancode_holds(kith_metric m, const float *row, size_t d, const ki_scan_chunk *c, size_t i,
                       uint32_t *rest);

/* ---- queries --------------------------------------------------------------------------------- */

/* A query x (L2: q - centre; IP: q; COSINE: q/|q|) as unit * w, w integers, and what that loses.
 * With v = code - 128 and M = unit*scale*<w,v>, a row's key is above tau when
 *     L2          (1 - 16u) half_norm - M > edge,
 *     IP, COSINE                      - M > edge,      u = 2^-24,
 * computed in float with any order of operations; edge is ki_scan_edge's. The proof is in
 * scancode.c. */
typedef struct ki_scan_terms {
    kith_metric metric;
    double unit;   /* a float */
    double half;   /* half the square of |unit * w| */
    double error;  /* |x - unit * w|, rounded up */
    double length; /* |unit * w|, rounded up */
    double dot;    /* IP, COSINE: <q, centre> */
    double size;   /* IP, COSINE: |q|, 1 */
    double lost;   /* IP, COSINE: what double arithmetic lost of the dot and of the key */
} ki_scan_terms;

/* max |x_j|. */
double ki_scan_most(kith_metric m, const float *q, size_t d, const float *centre);
/* To quantise to |w_j| <= levels, at most 127. */
float ki_scan_unit(double most, double levels);
/* most: ki_scan_most; unit: ki_scan_unit of at least that. w: [d]. */
void ki_scan_quantise(kith_metric m, const float *q, size_t d, const float *centre, double most,
                      float unit, int16_t *w, ki_scan_terms *out);
/* Above what a row is out, by its error: base + slope e + square e^2. IP, COSINE: of rows whose
 * |scale * v| is at most `span`. */
typedef struct ki_scan_edges {
    double base, slope, square;
} ki_scan_edges;

ki_scan_edges ki_scan_edges_of(const ki_scan_terms *t, double tau, double span);

static inline double ki_scan_edge(const ki_scan_edges *e, double error)
{
    return e->base + error * (e->slope + error * e->square);
}

/* The nearest float that is at least v. */
float ki_scan_up(double v);

/* ---- one query (scanfilter.c) ---------------------------------------------------------------- */

/* One query of 8 bits a component against the codes of one chunk. */
typedef struct ki_scan_query {
    ki_scan_terms terms;
    ki_query4 halves; /* what KI_DOT4 takes; in the caller's scratch */
    int32_t sum;      /* of its components */
    float slack;      /* what low halves can add to twice a product */
    double span;      /* IP, COSINE: a usual |scale * v|: any is right, this one is fast */
} ki_scan_query;

size_t ki_scan_query_bytes(size_t d);
void ki_scan_query_begin(kith_metric m, const float *q, size_t d, const ki_scan_chunk *c,
                         void *scratch, ki_scan_query *out);
/* Rows at…at+n-1 of the chunk (n <= KI_SCORE_ROWS) whose key may be <= tau: their numbers, counted
 * from at, to pos; returns how many. dots: [2 * KI_SCORE_ROWS]. */
size_t ki_scan_query_filter(const ki_scan_query *s, const ki_scan_chunk *c, size_t at, size_t n,
                            size_t d, double tau, int32_t *dots, uint32_t *pos);

#endif
