/* The k nearest of a block of rows to each of many others, by L2 of bytes: what partitions and
 * leaves of a graph are made of. Products go through the block kernels (a matrix unit where there
 * is one), those of small rows through one of their own; they are exact integers, so that what is
 * decided by them is the same on every machine. */
#ifndef KI_NEAREST_H
#define KI_NEAREST_H

#include "base/env.h"
#include "kernel/kernel.h"

typedef struct ki_near {
    uint32_t dist, row; /* squared; of the block */
} ki_near;

enum { KI_NEAREST_MOST = 32, KI_PAIRS_MOST = 512 }; /* k; rows whose pairs are kept */
#define KI_NEAREST_NONE UINT32_MAX

/* Scratch of one thread, with the block in hand. owns: all arrays. */
typedef struct ki_nearest {
    ki_env *env;
    ki_type type; /* KI_U8 or KI_I8 */
    bool small;   /* rows and queries are of 0…63, which is faster */
    size_t bytes, cap, n;
    uint8_t *rows; /* [cap][bytes]: filled by the caller */
    int32_t *sums; /* [cap][2]: sum of components, of squares */
    float *b;      /* [cap] */
    float b_most;  /* largest |b| */
    uint8_t *panel, *query;
    ki_hit *hits;
    float *thr; /* [KI_PANEL] */
    /* Small: */
    int32_t *products; /* [cap][KI_PANEL] */
    int16_t *dist;     /* [KI_PANEL][cap], or [n][width] of up to KI_PAIRS_MOST rows; rounded */
    size_t width;
    uint16_t *passed; /* [cap] */
} ki_nearest;

/* Room for blocks of up to cap rows. What was there is given back. small: of type KI_U8, and bytes
 * is a multiple of KI_PANEL. NO_MEMORY leaves it empty. */
kith_status ki_nearest_init(ki_nearest *x, ki_env *env, ki_type type, bool small, size_t bytes,
                            size_t cap);
void ki_nearest_deinit(ki_nearest *x); /* a zeroed one, too */
/* rows[0…n-1] are filled: make them the block. */
void ki_nearest_block(ki_nearest *x, size_t n);
/* The k nearest rows of the block to each of nq <= KI_PANEL queries of x->bytes bytes, side by
 * side: near [nq][k] ascending by (dist, row), count [nq] how many there are. self: the block's row
 * that is query 0 itself (query i is row self + i), which is passed over; KI_NEAREST_NONE:
 * none is. */
void ki_nearest_find(ki_nearest *x, const uint8_t *queries, size_t nq, size_t k, uint32_t self,
                     ki_near *near, uint32_t *count);
/* The k nearest of each row of the block among the others, as above, near [n][k], but by distances
 * in 16 bits: dist is at most 2^16 - 1, and says no more than the order. (Of rows that are not
 * small or more than KI_PAIRS_MOST the nearest are chosen first and rounded then.) */
void ki_nearest_each(ki_nearest *x, size_t k, ki_near *near, uint32_t *count);

#endif
