/* What a search is measured by: recall against exact neighbours, success against marks of
 * relevance, times, and the picture of it. Computation only; cmd_eval.c runs the searches. */
#ifndef CLI_MEASURE_H
#define CLI_MEASURE_H

#include <stdio.h>

#include "input.h"

/* One line of an evaluation. NAN: not measured. */
typedef struct measured {
    float asked; /* the recall that was wanted; 0: an effort was given */
    uint32_t effort, k;
    double recall, success, mrr; /* 0…1 */
    const char *recall_by;       /* "distance", "id"; NULL: no recall */
    const char *truth;           /* what it is of: "gt", "exact", "index" */
    double qps, p50_us, p99_us, p999_us;
} measured;

/* The exact neighbours that answers are compared with. */
typedef struct truth {
    size_t n, k;  /* queries, neighbours wanted */
    int64_t *ids; /* owned [n][k], KITH_NO_ID where there are fewer */
    float *dist;  /* owned [n][k], best first: how near they are; NULL: known by id only */
    int similar;  /* larger is nearer */
} truth;
void truth_free(truth *t);
/* The share of true neighbours among the answers of query i. By distance every answer as near as
 * the last true neighbour is right, whichever of equally near rows it is; distances that differ by
 * a few roundings are equal. */
double truth_recall(const truth *t, size_t i, const int64_t *ids, const float *dist);
/* How many of the true neighbours of query i are, by its answers, not the nearest, by more than the
 * rounding of whoever made the truth; answers best first. */
size_t truth_strays(const truth *t, size_t i, const int64_t *ids, const float *dist);

/* Marks: which rows are good answers to which query. */
typedef struct mark {
    int64_t query, id;
} mark;
typedef struct marks {
    mark *mark; /* owned, ascending: those with a grade above 0 */
    size_t n, cap;
} marks;
/* Lines of query, id and grade (1 where there is none), with or without a header. */
kith_status marks_read(const char *path, const arguments *a, marks *out);
void marks_free(marks *m);
/* 1 / the rank of the first relevant answer, 0 when there is none; NAN when no row is marked for
 * the query. */
double marks_reciprocal(const marks *m, int64_t query, const int64_t *ids, size_t k);

/* The smallest of n ascending values that at least the share p of them does not exceed. */
double percentile(const double *ascending, size_t n, double p);
void sort_numbers(double *x, size_t n);

/* Wrong usage unless it is NULL or a name that ends in .svg. */
kith_status check_plot(const char *path);
/* Recall (or success, where there is no recall) against queries per second, as an SVG. */
kith_status plot_save(const char *path, const char *title, const measured *m, size_t n);

/* One line of a picture in text. */
typedef struct bar {
    char name[24];
    double value; /* at least 0 */
} bar;
/* Bars one below another, as long as their share of the largest, with the numbers before them. */
void plot_bars(FILE *to, const char *title, const bar *b, size_t n);

#endif
