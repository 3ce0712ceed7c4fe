/* kith gt: the exact neighbours of queries, as arrays that others are measured with. */
#include <stdlib.h>
#include <string.h>

#include "command.h"

enum { BLOCK = 1024 };

static const option own[] = {
    {"k", "K", "neighbours of each query (default 100)", 'k'},
    {"output", "GT.npy", "ids [queries][k]; the distances go to GT_dist.npy", 'o'},
    {"metric", "NAME", "l2 (default), ip, cosine, l1…; an index has its own", 'm'},
    {"param", "p=P", "the exponent of lp", 'p'},
    {"ids", "FILE", "ids of the rows of BASE (default: 0, 1, 2…)", 0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {own,         query_options,  column_options,
                                        bit_options, common_options, NULL};

static kith_status find(job *j, const matrix *q, uint32_t k, int64_t *ids, float *dist)
{
    kith_query how = KITH_QUERY_K(k);
    kith_status st = KITH_OK;

    how.watch = &j->watch;
    how.recall = 1; // BASE may be an index that finds most by itself
    for (size_t i = 0; i < q->n; i += BLOCK) {
        const size_t n = q->n - i < BLOCK ? q->n - i : BLOCK;
        TRY(progress_step(&j->progress, "searching", i, q->n));
        TRY(kith_search(j->index, matrix_rows(q, i, n), &how, ids + i * k, dist + i * k));
    }
out:
    return st;
}

static kith_status run(const arguments *a)
{
    const char *path;
    kith_status st = KITH_OK;
    kith_source src = {0};
    matrix q = {0};
    int64_t *ids = NULL;
    float *dist = NULL;
    char *dist_path = NULL;
    uint64_t k;
    job j;

    TRY(job_begin(a, &j));
    TRY(given_output(a, &path));
    TRY(given_count(a, "k", 1, KITH_MAX_ROWS, 100, &k));
    dist_path = distances_path(path);
    NEED(dist_path);
    TRY(input_open(a->operand[1], INPUT_QUERIES, a, &j.host, &src));
    TRY(matrix_read(&src, &j.progress, &q));
    TRY(job_open_exact(&j, a->operand[0], a));
    matrix_fit(&q, kith_dim(j.index));
    if (q.d != kith_dim(j.index))
        FAIL(KITH_BAD_ARG, "%s has %zu components a row, %s %zu", a->operand[1], q.d, a->operand[0],
             kith_dim(j.index));
    ids = array_new(q.n, k * sizeof *ids);
    NEED(ids);
    dist = array_new(q.n, k * sizeof *dist);
    NEED(dist);
    if (kith_count(j.index) == 0) FAIL(KITH_BAD_ARG, "%s has no rows", a->operand[0]);
    if (q.n == 0) FAIL(KITH_BAD_ARG, "%s has no queries", a->operand[1]);
    TRY(fail_in(find(&j, &q, (uint32_t)k, ids, dist), a->operand[1]));
    TRY(matrix_save(ids, q.n, k, KITH_I64, path));
    TRY(matrix_save(dist, q.n, k, KITH_F32, dist_path));
    progress_end(&j.progress);
    note("%s, %s: %llu exact neighbour%s of %zu quer%s among %llu row%s; %.2f s", path, dist_path,
         (unsigned long long)k, plural(k), q.n, q.n == 1 ? "y" : "ies",
         (unsigned long long)kith_count(j.index), plural(kith_count(j.index)), seconds() - j.begun);
out:
    if (src.close != NULL) src.close(src.ctx);
    matrix_free(&q);
    free(ids);
    free(dist);
    free(dist_path);
    job_end(&j);
    return st;
}

const command cmd_gt = {
    "gt",
    "BASE QUERIES -o GT.npy [-k K] [--metric NAME] [option]…",
    "the exact neighbours of queries, to measure others with",
    "Searches all rows of BASE (any file kith build reads, or an index of any kind) exactly and "
    "writes two arrays: the ids, int64, best first, ties by the smaller id, -1 where there are "
    "fewer than K rows, and beside it the distances or similarities, float32.",
    "kith gt base.npy query.npy -k 100 -o gt.npy\n",
    options,
    2,
    2,
    0,
    MAKES_DISTANCES,
    run,
};
