/* kith convert: vectors from one file format to another. */
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const option own[] = {
    {"dtype", "TYPE", "the type of the written numbers: f32, f16, u8… (default: the input's)", 0},
    {"ids-output", "FILE.npy", "write the rows' ids there, which vector files have no place for",
     0},
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

static kith_status run(const arguments *a)
{
    const char *type = given_text(a, "dtype"), *ids_path = given_text(a, "ids-output");
    kith_dtype dtype = KITH_AS_STORED;
    kith_status st = KITH_OK;
    kith_source src = {0}, kept;
    keeper k = {&src, NULL, 0, 0};
    job j;

    TRY(job_begin(a, &j));
    if (type != NULL && kith_dtype_find(type, &dtype) != KITH_OK)
        TRY(wrong_usage("--dtype: %s", kith_last_error()));
    if (is_index_name(a->operand[1]))
        TRY(wrong_usage("%s would be an index: kith build %s -o %s makes one", a->operand[1],
                        a->operand[0], a->operand[1]));
    if (given_verify(a) != 0)
        TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP | KITH_OPEN_READ_ONLY));
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
    "IN OUT [--dtype TYPE] [option]…",
    "vectors from one file format to another",
    "Writes the vectors of IN (any file kith build reads, an index too) to OUT, whose name tells "
    "the format: .npy .fvecs .bvecs .ivecs .fbin .u8bin .i8bin .ibin. OUT appears when it is "
    "whole.",
    "kith convert base.fvecs base.npy\n"
    "kith convert items.csv items.fbin --vector-column features\n",
    options,
    2,
    2,
    2,
    MAKES_FILE,
    run,
};
