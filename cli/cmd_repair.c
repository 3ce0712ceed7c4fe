/* kith repair: a damaged graph mended, or made anew from its rows. */
#include <math.h>
#include <stdio.h>

#include "command.h"
#include "output.h"

static const option own[] = {
    {"output", "OUT", "write it there and leave INDEX as it is", 'o'},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {own, common_options, NULL};

typedef struct findings {
    const char *path;
    int any;
} findings;

static void show_finding(void *ctx, const char *name, const char *text, double value)
{
    findings *f = ctx;

    (void)name;
    f->any = 1;
    put_text(stdout, f->path);
    fputs(isnan(value) ? ": found: " : ": mended: ", stdout);
    if (!isnan(value)) printf("%.0f ", value);
    put_text(stdout, text);
    putchar('\n');
}

static kith_status run(const arguments *a)
{
    const char *out = given_text(a, "output");
    findings f = {a->operand[0], 0};
    kith_status st = KITH_OK;
    job j;

    TRY(job_begin(a, &j));
    if (out == NULL) out = a->operand[0];
    TRY(job_lock(&j, out));
    TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP | KITH_OPEN_REPAIR));
    TRY(fail_in(kith_repair(j.index, show_finding, &f, &j.watch), a->operand[0]));
    if (f.any || out != a->operand[0]) TRY(job_save(&j, out));
    kith_free(j.index);
    j.index = NULL;
    TRY(job_open(&j, out, KITH_OPEN_MAP | KITH_OPEN_READ_ONLY));
    if (f.any) TRY(fail_in(kith_verify(j.index, &j.watch), out));
    progress_end(&j.progress);
    put_text(stdout, out);
    printf(": ok, %llu row%s, %.0f bytes\n", (unsigned long long)kith_count(j.index),
           plural(kith_count(j.index)), index_stat(j.index, "file_bytes"));
out:
    job_end(&j);
    return st;
}

const command cmd_repair = {
    "repair",
    "INDEX [-o OUT]",
    "a damaged graph mended, or made anew from its rows",
    "Does what kith verify does, and mends what is wrong beside the rows: links that lead nowhere, "
    "chains of equal rows, entries, counts, rows that cannot be reached; where that is not enough, "
    "or where that part of the file is damaged, the graph is made anew. Says what it found and "
    "mended, saves the index when there was something, and verifies it. Damaged rows are not "
    "mended: that is an error, and the file stays.",
    "kith repair base.kith\n",
    options,
    1,
    1,
    0,
    MAKES_INDEX,
    run,
};
