/* Sieves: how panels of queries meet rows, many x many (kernel.h, "block"). A sieve says what is
 * packed of the queries, what of the rows, below which number a (row, query) is out by proof, and
 * what becomes of those that pass. exact_batch.c drives; each sieve is one file:
 *   sieve_int.c    rows of bytes with integer queries, and bits: sums are exact, so hits are keys
 *   sieve_code.c   f32 rows by their scan code: hits are looked at again in f32
 *   sieve_float.c  rows as f32, or rounded to bf16: hits are looked at again, one by one
 */
#ifndef KI_SIEVE_H
#define KI_SIEVE_H

#include <stdalign.h>

#include "rows/exact_inside.h"

enum { KI_HITS = 4 * KI_HITS_MIN };

/* What a sieve knows of a query. */
typedef struct ki_lane {
    double tau;          /* that thr was computed for */
    double norm;         /* of what is packed: |q|, or its square: the sieve's affair */
    double error;        /* sieve_float: |q - what is packed of it| */
    ki_scan_terms terms; /* of scan codes */
} ki_lane;

/* Up to 32 queries of a group. */
typedef struct ki_panel {
    alignas(64) float thr[KI_PANEL];
    void *packed;
    uint32_t query[KI_PANEL]; /* in the group */
    size_t nq;
    ki_lane lane[KI_PANEL];
    float error, span; /* sieve_code: of the rows that thr is for */
    bool direct;       /* sieve_float: differences instead of products */
} ki_panel;

/* Rows that a sieve looks at together: they stay in the cache while panel after panel passes. */
typedef struct ki_stretch {
    ki_run run;
    const uint32_t *pos; /* [n] rows of the run; NULL: all of it */
    size_t n;
    const ki_scan_chunk *codes; /* of the chunk, or NULL */
} ki_stretch;

static inline uint32_t ki_stretch_row(const ki_stretch *s, size_t i)
{
    return s->pos ? s->pos[i] : (uint32_t)i;
}

typedef struct ki_batch ki_batch;

typedef struct ki_sieve {
    /* Bytes of a query in a panel, of a row in the cache. */
    size_t (*query_bytes)(const ki_view *v);
    size_t (*row_bytes)(const ki_view *v);
    /* Fill lanes and pack the queries of a panel; chunk: NULL, or whose codes they will meet. */
    void (*pack)(ki_batch *b, ki_panel *panel, const ki_scan_chunk *chunk);
    /* Make rows ready: b->job's rows, stride, d, a, b. */
    void (*rows)(ki_batch *b, const ki_stretch *s);
    /* The largest float that is at most the score of any row whose key is <= tau, for each lane. */
    void (*thresholds)(ki_batch *b, ki_panel *panel);
    /* What rows * queries are computed with. */
    ki_block_op (*op)(const ki_batch *b, const ki_panel *panel);
    /* n hits of b->hits: to their queries' collectors. */
    kith_status (*take)(ki_batch *b, ki_panel *panel, size_t n);
    /* After each step, of so many pairs: true when panels and rows have to be made ready anew.
     * NULL: never. */
    bool (*turn)(ki_batch *b, uint64_t pairs);
} ki_sieve;

extern const ki_sieve ki_sieve_int, ki_sieve_bits, ki_sieve_code, ki_sieve_float;

/* The panels of a part's group, and the buffers that sieves share, as long as a stretch. */
struct ki_batch {
    ki_part *part;
    ki_panel *panel; /* integer queries first */
    size_t panels, integer_panels;
    const ki_stretch *stretch; /* in hand */
    uint64_t seen[2], bet_at[2]; /* rows that integer panels and the others met; at the last bet */
    bool betting;
    uint64_t kept;             /* hits that were good, of those scored */
    bool halves;               /* sieve_float: bf16; of its pairs, hits that were not good: */
    uint64_t pairs, vain;
    const ki_sieve *packed_by[2];
    const ki_scan_chunk *packed_for;
    ki_block job;
    ki_hit *hits;      /* [KI_HITS] */
    uint32_t *list;    /* [KI_HITS] rows of hits by lane */
    uint32_t *pos;     /* of a filtered stretch */
    float *a, *b;      /* 64-byte aligned */
    float *number[3];  /* by row: norms, errors */
    int32_t *sums;     /* [2 * rows] */
    unsigned char *rows; /* copies of rows, or rows in another form; 64-byte aligned */
    void *queries;     /* of one panel before it is packed */
    float error, span; /* largest error and length of the stretch, but for outliers */
    bool outliers;
    double unit;       /* sieve_code: that b was divided by; 0: not yet */
};

/* Offer hits by row number: they are scored in the codec's own form first. */
kith_status ki_batch_score(ki_batch *b, ki_panel *panel, size_t n);
/* Copy the rows of a filtered stretch side by side to b->rows; of one that is whole: nothing. The
 * rows' place either way. */
const void *ki_batch_rows(ki_batch *b, const ki_stretch *s, const unsigned char *rows,
                          size_t row_bytes);
/* An edge that all but some outliers of x [n] are within, the outliers at most a 64-th of them:
 * then *outliers becomes true. Or x's largest. x >= 0, not NaN. */
float ki_batch_edge(const float *x, size_t n, bool *outliers);
/* Arrays by row are as long as the longest stretch, a multiple of this many: loops over them go in
 * such steps, each a function whose loop compilers turn into vectors without a remainder. What lies
 * behind the last row is written and never used. */
enum { KI_STRETCH_STEP = 64 };
/* thr, which may be infinite, rounded down, with room for a comparison's own rounding of `size`. */
float ki_batch_floor(double thr, double size);

#endif
