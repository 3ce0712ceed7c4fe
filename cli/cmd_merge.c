/* kith merge: the rows of other indexes into one. */
#include <limits.h>

#include "command.h"

static const option own[] = {
    {"output", "OUT", "write the merged index there and leave INDEX as it is", 'o'},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {own, common_options, NULL};

static kith_status run(const arguments *a)
{
    const char *out = given_text(a, "output");
    kith_index *from = NULL;
    kith_status st = KITH_OK;
    job j;

    TRY(job_begin(a, &j));
    if (out == NULL) out = a->operand[0];
    TRY(job_lock(&j, out));
    TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP));
    for (size_t i = 1; i < a->operands; i++) {
        TRY(kith_open(a->operand[i], KITH_OPEN_MAP | KITH_OPEN_READ_ONLY, &j.host, &from));
        TRY(fail_in(kith_merge(j.index, from, &j.watch), a->operand[i]));
        kith_free(from);
        from = NULL;
    }
    TRY(job_save(&j, out));
    progress_end(&j.progress);
    note("%s: %llu row%s of %zu indexes", out, (unsigned long long)kith_count(j.index),
         plural(kith_count(j.index)), a->operands);
out:
    kith_free(from);
    job_end(&j);
    return st;
}

const command cmd_merge = {
    "merge",
    "INDEX OTHER… [-o OUT]",
    "the rows of other indexes into one",
    "Adds all rows of the other indexes, which must have the same dimension and metric, and "
    "saves INDEX over its own file, or OUT. An id that two of them have is an error, and nothing "
    "is written.",
    "kith merge monday.kith tuesday.kith wednesday.kith -o week.kith\n",
    options,
    2,
    INT_MAX,
    0,
    MAKES_INDEX,
    run,
};
