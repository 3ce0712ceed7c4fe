/* Rows that are hard on bounds: what searches and scores are tested with. */
#ifndef HARDROWS_H
#define HARDROWS_H

#include "codec/codec.h"

typedef enum hard_kind {
    HARD_RANDOM,
    HARD_REPEATED, /* few different rows */
    HARD_OFFSET,   /* 1e6 + noise */
    HARD_DENORMAL,
    HARD_CONSTANT,
    HARD_ZERO,
    HARD_HUGE,     /* near the largest float, either sign */
    HARD_SCALES,   /* rows of lengths 2^-80 … 2^80 */
    HARD_OUTLIERS, /* some rows 1e15 times as long as the others */
    HARD_KINDS
} hard_kind;
const char *hard_name(hard_kind kind);

/* n rows that codec c can hold and metric m is defined for, x [n][d]. For U8 and I8 they are
 * integers, for Bits 0 and 1. */
void hard_rows(hard_kind kind, const ki_codec *c, kith_metric m, uint64_t seed, size_t n, size_t d,
               float *x);
/* Queries for such rows: of the same kind or another one, some of them rows themselves; with
 * `whole`, integers wherever the rows are. */
void hard_queries(hard_kind kind, const ki_codec *c, kith_metric m, uint64_t seed, const float *x,
                  size_t n, size_t nq, size_t d, bool whole, float *q);

#endif
