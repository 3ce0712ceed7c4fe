/* kith tune: what each recall takes, measured and stored in the index. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "measure.h"
#include "output.h"
#include "points.h"

static const option own[] = {
    {"k", "K", "neighbours of each query, as they will be asked for (default 10)", 'k'},
    {"sample", "N", "queries to measure with (default 1000)", 'n'},
    {"seed", "S", "of what is drawn (default 0)", 's'},
    {"output", "OUT", "write it there and leave INDEX as it is", 'o'},
    {"plot", "OUT.svg", "draw recall against queries per second", 0},
    {"json", NULL, "one object a point", 0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {
    own, query_options, column_options, bit_options, verify_options, common_options, NULL};

static kith_status read_how(const arguments *a, kith_tuning *how)
{
    static const kith_tuning preset = KITH_TUNING_INIT;
    kith_status st = KITH_OK;
    uint64_t k, sample;

    *how = preset;
    TRY(given_count(a, "k", 1, KITH_MAX_ROWS, preset.k, &k));
    TRY(given_count(a, "sample", 1, UINT32_MAX, preset.sample, &sample));
    TRY(given_count(a, "seed", 0, INT64_MAX, preset.seed, &how->seed));
    how->k = (uint32_t)k;
    how->sample = (uint32_t)sample;
out:
    return st;
}

static kith_status read_queries(job *j, const char *path, const arguments *a, matrix *out)
{
    kith_status st = KITH_OK;
    kith_source src = {0};

    TRY(input_open(path, INPUT_QUERIES, a, &j->host, &src));
    TRY(matrix_read(&src, &j->progress, out));
    matrix_fit(out, kith_dim(j->index));
    if (out->n == 0 || out->d != kith_dim(j->index))
        FAIL(KITH_BAD_ARG, "%s is %zu x %zu, the index has %zu components a row", path, out->n,
             out->d, kith_dim(j->index));
out:
    if (src.close != NULL) src.close(src.ctx);
    return st;
}

static kith_status tune(job *j, const arguments *a)
{
    const char *path = a->operands > 1 ? a->operand[1] : NULL;
    kith_status st = KITH_OK;
    matrix queries = {0};
    kith_tuning how;
    kith_rows rows;

    TRY(read_how(a, &how));
    if (path == NULL) {
        st = kith_tune(j->index, NULL, &how, &j->watch);
    } else {
        TRY(read_queries(j, path, a, &queries));
        rows = matrix_rows(&queries, 0, queries.n);
        st = fail_in(kith_tune(j->index, &rows, &how, &j->watch), path);
    }
out:
    matrix_free(&queries);
    return st;
}

static kith_status run(const arguments *a)
{
    const char *out = given_text(a, "output"), *plot = given_text(a, "plot");
    kith_status st = KITH_OK;
    curve c = {0};
    int exact;
    job j;

    TRY(job_begin(a, &j));
    if (out == NULL) out = a->operand[0];
    TRY(check_plot(plot));
    TRY(job_lock(&j, out));
    TRY(job_open(&j, a->operand[0], KITH_OPEN_COPY | given_verify(a)));
    exact = kith_count(j.index) == 0 || index_stat(j.index, "nodes") == 0;
    TRY(tune(&j, a));
    if (exact) note("%s: every search is exact; there is nothing to tune", a->operand[0]);
    if (exact && strcmp(out, a->operand[0]) == 0) goto out; // nothing was stored
    TRY(curve_read(j.index, &c));
    TRY(job_save(&j, out));
    progress_end(&j.progress);
    if (exact) goto out;
    curve_put(&c, given_flag(a, "json"));
    TRY(check_stdout());
    if (plot != NULL) TRY(curve_plot(&c, plot, out));
    note("%s: by %.0f %s, k = %u; %.2f s", out, c.queries,
         a->operands > 1 ? "of the queries" : "rows, held out", c.k, seconds() - j.begun);
out:
    curve_free(&c);
    job_end(&j);
    return st;
}

const command cmd_tune = {
    "tune",
    "INDEX [QUERIES] [-k K] [-o OUT] [option]…",
    "measures what each recall takes, and stores it",
    "Searches with many settings, compares the answers with the exact ones, and keeps for each "
    "recall the setting that reached it with the fewest distances: effort, slack, rerank. Then "
    "--recall 0.99 of kith search and kith eval looks it up. It is printed: recall, the setting, "
    "distances and microseconds a query on one thread, queries per second. Only the times depend "
    "on the machine.\n\n"
    "QUERIES is a file as for kith search: the more like the queries that will come, the better. "
    "Without it rows of the index are drawn. Each is held out while it is looked for, so that it "
    "is "
    "found like one that is not there; where queries are of another kind than the rows, their "
    "recall will differ.\n\n"
    "A recall is what was measured less its standard error: other queries of the same kind reach "
    "it five times in six. The curve holds for K neighbours and fewer; for more, effort grows with "
    "their number. It goes with the index, through every change: tune again when the rows have "
    "become many more, or others.\n\n"
    "Where no setting is worth storing (so large a K that every row is looked at, or no walk that "
    "is sure to reach a recall of 0.8) the exit code is 1, a sentence says why, and the curve that "
    "was there stays. Where every search is exact anyway (Flat, few rows) there is nothing to tune "
    "and --recall needs no curve: the exit code is 0.",
    "kith tune base.kith\n"
    "kith tune base.kith queries.npy -k 100 --plot curve.svg\n"
    "kith search base.kith query.npy --recall 0.99\n",
    options,
    1,
    2,
    0,
    MAKES_INDEX,
    run,
};
