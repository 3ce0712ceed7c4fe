/* kith convert: vectors from one file format to another, indexes from another program and to it. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "command.h"

static const option own[] = {
    {"dtype", "TYPE", "the type of the written numbers: f32, f16, u8… (default: the input's)", 0},
    {"ids-output", "FILE.npy", "write the rows' ids there, which vector files have no place for",
     0},
    {"metric", "NAME",
     "what another program's index is for, which its file does not say: l2, ip, cosine", 'm'},
    {"dim", "D", "components of a row of another program's index (default: all are f32)", 0},
    {"format", "NAME", "IN or OUT is another program's index: hnswlib (default: by its ending)", 0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {
    own, column_options, bit_options, verify_options, common_options, NULL};

/* Passes batches through and keeps their ids. */
typedef struct keeper {
    kith_source *from;
    int64_t *ids;
    size_t n, cap;
} keeper;

static kith_status next_kept(void *ctx, size_t max, kith_batch *out)
{
    keeper *k = ctx;
    const kith_status st = k->from->next(k->from->ctx, max, out);

    if (st != KITH_OK || out->rows.n == 0) return st;
    if (!array_grow(&k->ids, &k->cap, k->n + out->rows.n, sizeof *k->ids)) return KITH_NO_MEMORY;
    for (size_t i = 0; i < out->rows.n; i++)
        k->ids[k->n + i] = out->ids != NULL ? out->ids[i] : (int64_t)(k->n + i);
    k->n += out->rows.n;
    return KITH_OK;
}

static void close_nothing(void *ctx)
{
    (void)ctx;
}

/* ---- indexes of other programs --------------------------------------------------------------- */

/* Whether a file is one by its name, or is said to be. */
static int is_foreign(const arguments *a, const char *path)
{
    const char *end = strrchr(path, '.');

    if (given_text(a, "format") != NULL) return !is_index_name(path);
    return end != NULL && (strcasecmp(end, ".bin") == 0 || strcasecmp(end, ".hnsw") == 0);
}

static kith_status only_vectors(const arguments *a)
{
    static const char *const names[] = {"dtype", "ids-output"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (given_text(a, names[i]) != NULL)
            return wrong_usage("--%s is for vectors, and these are indexes", names[i]);
    return KITH_OK;
}

static kith_status run_import(const arguments *a, job *j)
{
    const char *in = a->operand[0], *out = a->operand[1], *name = given_text(a, "metric");
    kith_status st = KITH_OK;
    kith_metric metric;
    uint64_t d;

    TRY(only_vectors(a));
    if (name == NULL)
        TRY(wrong_usage("--metric l2, ip or cosine: %s does not say what it is for", in));
    if (kith_metric_find(name, &metric) != KITH_OK)
        TRY(wrong_usage("--metric: %s", kith_last_error()));
    TRY(given_count(a, "dim", 1, KITH_MAX_DIM, 0, &d));
    TRY(job_lock(j, out));
    TRY(kith_import(in, given_text(a, "format"), (size_t)d, metric, &j->host, &j->watch,
                    &j->index));
    TRY(job_save(j, out));
    progress_end(&j->progress);
    note("%s: %s, %s; %llu row%s of %zu component%s", out, kith_spec(j->index),
         kith_metric_name(metric), (unsigned long long)kith_count(j->index),
         plural(kith_count(j->index)), kith_dim(j->index), plural(kith_dim(j->index)));
out:
    return st;
}

static kith_status run_export(const arguments *a, job *j)
{
    const char *in = a->operand[0], *out = a->operand[1];
    kith_status st = KITH_OK;

    TRY(only_vectors(a));
    if (given_text(a, "metric") != NULL)
        TRY(wrong_usage("%s is an index and has its metric: no --metric", in));
    if (given_text(a, "dim") != NULL)
        TRY(wrong_usage("%s is an index and has its dimension: no --dim", in));
    TRY(job_open(j, in, KITH_OPEN_MAP | KITH_OPEN_READ_ONLY | given_verify(a)));
    TRY(kith_export(j->index, out, given_text(a, "format"), &j->watch));
    progress_end(&j->progress);
    note("%s: %llu row%s of %zu component%s", out, (unsigned long long)kith_count(j->index),
         plural(kith_count(j->index)), kith_dim(j->index), plural(kith_dim(j->index)));
out:
    return st;
}

static kith_status only_indexes(const arguments *a)
{
    static const char *const names[] = {"metric", "dim", "format"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (given_text(a, names[i]) != NULL)
            return wrong_usage("--%s is for indexes of other programs; one of %s and %s ends in "
                               ".kith then",
                               names[i], a->operand[0], a->operand[1]);
    return KITH_OK;
}

/* ---- vectors --------------------------------------------------------------------------------- */

static kith_status run(const arguments *a)
{
    const char *type = given_text(a, "dtype"), *ids_path = given_text(a, "ids-output");
    kith_dtype dtype = KITH_AS_STORED;
    kith_status st = KITH_OK;
    kith_source src = {0}, kept;
    keeper k = {&src, NULL, 0, 0};
    job j;

    TRY(job_begin(a, &j));
    if (is_index_name(a->operand[1]) && is_foreign(a, a->operand[0])) {
        st = run_import(a, &j);
        goto out;
    }
    if (is_index_name(a->operand[0]) && is_foreign(a, a->operand[1])) {
        st = run_export(a, &j);
        goto out;
    }
    TRY(only_indexes(a));
    if (type != NULL && kith_dtype_find(type, &dtype) != KITH_OK)
        TRY(wrong_usage("--dtype: %s", kith_last_error()));
    if (is_index_name(a->operand[1]))
        TRY(wrong_usage("%s would be an index: kith build %s -o %s makes one", a->operand[1],
                        a->operand[0], a->operand[1]));
    if (given_verify(a) != 0) TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP | KITH_OPEN_READ_ONLY));
    TRY(input_open(a->operand[0], INPUT_FRESH, a, &j.host, &src));
    kept = (kith_source){sizeof kept, &k, src.dtype, src.d, src.n, next_kept, close_nothing};
    TRY(kith_source_save(&kept, dtype, a->operand[1], &j.host, &j.watch));
    if (ids_path != NULL) TRY(matrix_save(k.ids, k.n, 1, KITH_I64, ids_path));
    progress_end(&j.progress);
    note("%s: %zu row%s of %zu component%s", a->operand[1], k.n, plural(k.n), src.d, plural(src.d));
out:
    if (src.close != NULL) src.close(src.ctx);
    free(k.ids);
    job_end(&j);
    return st;
}

const command cmd_convert = {
    "convert",
    "IN OUT [--dtype TYPE] [option]…\n"
    "INDEX.bin INDEX.kith --metric NAME\n"
    "INDEX.kith INDEX.bin",
    "vectors from one file format to another; hnswlib's indexes to kith's and back",
    "Writes the vectors of IN (any file kith build reads, an index too) to OUT, whose name tells "
    "the format: .npy .fvecs .bvecs .ivecs .fbin .u8bin .i8bin .ibin. OUT appears when it is "
    "whole.\n\n"
    "An index of hnswlib (.bin, .hnsw, or --format hnswlib) becomes an index of kith, links, "
    "levels, "
    "ids and deleted rows as they are; --metric says what it is for, because its file does not. An "
    "index of HNSW (kith build --spec HNSW16) becomes one of hnswlib.",
    "kith convert base.fvecs base.npy\n"
    "kith convert items.csv items.fbin --vector-column features\n"
    "kith convert hnsw.bin items.kith --metric cosine\n"
    "kith convert items.kith hnsw.bin\n",
    options,
    2,
    2,
    2,
    MAKES_FILE,
    run,
};
