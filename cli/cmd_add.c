/* kith add: more rows into an index. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const option own[] = {
    {"replace", NULL, "rows whose id is stored are replaced; without it they are an error", 0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {own,         join_options,   label_options, column_options,
                                        bit_options, common_options, NULL};

/* The file is written only when all batches are in, so they may go in one by one. */
static kith_status upsert_all(job *j, kith_source *src, uint64_t *replaced)
{
    kith_status st = KITH_OK;
    kith_batch b;

    for (;;) {
        TRY(src->next(src->ctx, 65536, &b));
        if (b.rows.n == 0) break;
        if (b.ids == NULL) {
            st = wrong_usage("--replace needs ids: --ids or --id-column");
            goto out;
        }
        for (size_t i = 0; i < b.rows.n; i++)
            *replaced += (uint64_t)kith_contains(j->index, b.ids[i]);
        TRY(kith_upsert(j->index, b.rows, b.ids, b.labels, &j->watch));
    }
out:
    return st;
}

static kith_status run(const arguments *a)
{
    kith_status st = KITH_OK;
    kith_source src = {0};
    uint64_t before, now, replaced = 0;
    char also[48] = "";
    job j;

    TRY(job_begin(a, &j));
    TRY(job_lock(&j, a->operand[0]));
    TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP));
    before = kith_count(j.index);
    TRY(input_open(a->operand[1], INPUT_MORE, a, &j.host, &src));
    st = given_flag(a, "replace") ? upsert_all(&j, &src, &replaced)
                                  : kith_add_source(j.index, &src, &j.watch);
    TRY(input_failed(st, a->operand[1], a));
    TRY(job_save(&j, a->operand[0]));
    progress_end(&j.progress);
    now = kith_count(j.index);
    if (given_flag(a, "replace"))
        snprintf(also, sizeof also, ", %llu replaced", (unsigned long long)replaced);
    note("%s: %llu row%s added%s, %llu in all", a->operand[0], (unsigned long long)(now - before),
         plural(now - before), also, (unsigned long long)now);
out:
    if (src.close != NULL) src.close(src.ctx);
    job_end(&j);
    return st;
}

const command cmd_add = {
    "add",
    "INDEX ROWS [--ids FILE] [--replace] [option]…",
    "more rows into an index",
    "Adds the rows of a file (of any format kith build reads) and saves the index over its own "
    "file: all rows or none. Without ids the rows get the next numbers after the largest id.",
    "kith add base.kith more.npy\n"
    "kith add items.kith new.csv --id-column item --replace\n",
    options,
    2,
    2,
    0,
    MAKES_FILE,
    run,
};
