/* A Graph (or HNSW, NSW) and a Flat index that hold the same rows: what one may only find, the
 * other proves. And rows for them. Any failure fails the test. */
#ifndef TWOINDEXES_H
#define TWOINDEXES_H

#include "support/harness.h"

#include <stdbool.h>

/* Sanitizers take their time: so many rows fewer. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#    define FEWER(rows, then) (then)
#    define SANITIZED         1
#else
#    define FEWER(rows, then) (rows)
#    define SANITIZED         0
#endif

typedef struct two_indexes {
    kith_index *graph, *flat;
    size_t d;
    const char *what; /* for messages */
} two_indexes;

/* codec: "", ",F16" and so on. threads: 0 = all. */
void two_open(two_indexes *t, const char *codec, size_t d, kith_metric m, uint32_t threads);
/* The same with another navigator than Graph: "HNSW16". */
void two_open_as(two_indexes *t, const char *navigator, const char *codec, size_t d, kith_metric m,
                 uint32_t threads);
void two_close(two_indexes *t);
void two_add(two_indexes *t, kith_rows x, const int64_t *ids);
void two_upsert(two_indexes *t, kith_rows x, const int64_t *ids);
void two_remove(two_indexes *t, const int64_t *ids, size_t n);
/* Ask both. The graph's answers are right: ids distinct, best first, equal ones by id, distances
 * Flat's to the bit; not fewer than Flat's unless cut short. Returns the share of Flat's answers
 * that it has, equally near ones taken for one another. */
double two_recall(const two_indexes *t, kith_rows q, const kith_query *how);
/* Fails when two_recall is below the floor, with both numbers. */
void two_floor(const two_indexes *t, kith_rows q, const kith_query *how, double floor);
/* The index verifies; each of a sample of queries is answered with this recall. */
void two_sound(const two_indexes *t, kith_rows q, double floor);

/* What kith_write gives: to be freed. */
uint8_t *bytes_of(const kith_index *ix, size_t *len);
void same_bytes(const kith_index *a, const kith_index *b, const char *what);

/* Random numbers: below n; about normal. `at` is the stream's place and moves on. */
uint32_t draw_below(uint64_t *at, uint32_t n);
float draw_normal(uint64_t *at);
/* n rows around random centres of spread 1: x [n][d]; negative ones become positive on request. */
void clustered_rows(uint64_t seed, size_t n, size_t d, size_t centres, float spread, bool positive,
                    float *x);
float *need_floats(size_t n); /* zeros, to be freed */

#endif
