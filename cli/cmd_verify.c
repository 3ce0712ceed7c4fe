/* kith verify: is a file what was written, and is the index in it sound? */
#include <limits.h>
#include <stdio.h>

#include "command.h"
#include "output.h"

static const option *const options[] = {common_options, NULL};

static kith_status run(const arguments *a)
{
    kith_status st = KITH_OK;
    job j;

    TRY(job_begin(a, &j));
    for (size_t i = 0; i < a->operands; i++) {
        TRY(job_open(&j, a->operand[i], KITH_OPEN_MAP | KITH_OPEN_READ_ONLY));
        TRY(fail_in(kith_verify(j.index, &j.watch), a->operand[i]));
        progress_end(&j.progress);
        put_text(stdout, a->operand[i]);
        printf(": ok, %llu row%s, %.0f bytes\n", (unsigned long long)kith_count(j.index),
               plural(kith_count(j.index)), index_stat(j.index, "file_bytes"));
        kith_free(j.index);
        j.index = NULL;
    }
out:
    job_end(&j);
    return st;
}

const command cmd_verify = {
    "verify",
    "INDEX…",
    "compare every checksum and check every invariant",
    "Reads each file whole. Prints a line that ends in its number of bytes when it is as it was "
    "written, else says which part is damaged; the exit code is 1 then.",
    "kith verify base.kith\n",
    options,
    1,
    INT_MAX,
    0,
    MAKES_FILE,
    run,
};
