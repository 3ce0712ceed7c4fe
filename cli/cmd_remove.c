/* kith remove: rows out of an index. */
#include <stdlib.h>

#include "command.h"

static const option own[] = {
    {"ids", "FILE", "the rows whose ids are in this file (one a line, or .npy)", 0},
    {"by-label", "LABEL", "the rows with this label", 0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {own, common_options, NULL};

static kith_status run(const arguments *a)
{
    kith_status st = KITH_OK;
    int64_t *ids = NULL;
    size_t n, removed;
    job j;

    TRY(job_begin(a, &j));
    TRY(job_lock(&j, a->operand[0]));
    TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP));
    TRY(job_ids(&j, a->operands == 2 ? a->operand[1] : NULL, given_text(a, "by-label"),
                given_text(a, "ids"), &ids, &n));
    TRY(kith_remove(j.index, ids, n, &removed));
    if (removed > 0) TRY(job_save(&j, a->operand[0]));
    progress_end(&j.progress);
    if (removed < n)
        note("%s: %zu of the ids %s not stored", a->operand[0], n - removed,
             n - removed == 1 ? "is" : "are");
    note("%s: %zu row%s removed, %llu in all", a->operand[0], removed, plural(removed),
         (unsigned long long)kith_count(j.index));
out:
    free(ids);
    job_end(&j);
    return st;
}

const command cmd_remove = {
    "remove",
    "INDEX I,J,…|--ids FILE|--by-label LABEL",
    "rows out of an index",
    "Removes rows and saves the index over its own file. Ids that are not stored are passed "
    "over. The space of removed rows comes back with kith compact; in a graph also by itself, once "
    "a fifth of the rows is removed (sweep).",
    "kith remove base.kith 3,17\n"
    "kith remove base.kith --ids gone.txt\n",
    options,
    1,
    2,
    0,
    MAKES_FILE,
    run,
};
