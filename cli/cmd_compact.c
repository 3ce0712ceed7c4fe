/* kith compact: an index without the space of removed rows. */
#include "command.h"

static const option own[] = {
    {"output", "OUT", "write it there and leave INDEX as it is", 'o'},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {own, common_options, NULL};

static kith_status run(const arguments *a)
{
    const char *out = given_text(a, "output");
    kith_status st = KITH_OK;
    kith_dtype before;
    double bytes;
    job j;

    TRY(job_begin(a, &j));
    if (out == NULL) out = a->operand[0];
    TRY(job_lock(&j, out));
    TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP));
    before = kith_dtype_of(j.index);
    bytes = index_stat(j.index, "file_bytes");
    TRY(kith_compact(j.index, &j.watch));
    TRY(job_save(&j, out));
    kith_free(j.index);
    j.index = NULL;
    TRY(job_open(&j, out, KITH_OPEN_MAP));
    progress_end(&j.progress);
    note("%s: %llu row%s, %.0f bytes (before: %.0f)", out, (unsigned long long)kith_count(j.index),
         plural(kith_count(j.index)), index_stat(j.index, "file_bytes"), bytes);
    if (kith_dtype_of(j.index) != before)
        note("stored as %s, losslessly (before: %s)", kith_dtype_name(kith_dtype_of(j.index)),
             kith_dtype_name(before));
out:
    job_end(&j);
    return st;
}

const command cmd_compact = {
    "compact",
    "INDEX [-o OUT]",
    "an index without the space of removed rows",
    "Rewrites the rows without the removed ones and chooses their storage anew; ids, labels and "
    "answers stay. The links of a graph are mended; kith build makes it anew.",
    "kith compact base.kith\n",
    options,
    1,
    1,
    0,
    MAKES_INDEX,
    run,
};
