/* kith get: stored rows by id or label. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"
#include "hits.h"
#include "output.h"

static const option own[] = {
    {"ids", "FILE", "the rows whose ids are in this file (one a line, or .npy)", 0},
    {"by-label", "LABEL", "the rows with this label", 0},
    {"output", "OUT.npy", "write the vectors there, in any vector format, and print nothing", 'o'},
    {"json", NULL, "one object a row: id, label where stored, vector", 0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {own, verify_options, common_options, NULL};

static void put_json(hits_printer *p, int64_t id, const char *label, const float *x, size_t d)
{
    json j = {stdout, 0};

    json_open(&j, NULL, '{');
    json_int(&j, "id", id);
    if (p->labels) json_text(&j, "label", *label != '\0' ? label : NULL);
    json_open(&j, "vector", '[');
    for (size_t i = 0; i < d; i++) json_float(&j, NULL, x[i]);
    json_close(&j, ']');
    json_close(&j, '}');
    json_line(&j);
}

/* id, numbers with blanks between, label: as search, the vector in the distance's place. */
static void put_line(hits_printer *p, int64_t id, const char *label, const float *x, size_t d)
{
    char text[16];

    printf("%" PRId64 "\t", id);
    for (size_t i = 0; i < d; i++) {
        float_text(x[i], text);
        printf("%s%s", i > 0 ? " " : "", text);
    }
    if (p->labels) putchar('\t');
    put_text(stdout, label);
    putchar('\n');
}

static kith_status print_rows(const job *j, const int64_t *ids, size_t n, int as_json)
{
    hits_printer p = {j->index, as_json, 1, index_stat(j->index, "label_bytes") > 0, 0, NULL, 0};
    const size_t d = kith_dim(j->index);
    float *x = array_new(d, sizeof *x);
    kith_status st = KITH_OK;

    NEED(x);
    for (size_t i = 0; i < n; i++) {
        const char *label;
        TRY(fail_in(kith_get(j->index, ids[i], x), j->path));
        label = hits_label(&p, ids[i]);
        NEED(label);
        if (as_json)
            put_json(&p, ids[i], label, x, d);
        else
            put_line(&p, ids[i], label, x, d);
        TRY(check_stdout());
    }
out:
    hits_end(&p);
    free(x);
    return st;
}

static kith_status save_rows(const job *j, const int64_t *ids, size_t n, const char *path)
{
    const size_t d = kith_dim(j->index);
    float *x = array_new(n, d * sizeof *x);
    kith_status st = KITH_OK;

    NEED(x);
    for (size_t i = 0; i < n; i++) TRY(fail_in(kith_get(j->index, ids[i], x + i * d), j->path));
    TRY(matrix_save(x, n, d, KITH_F32, path));
    note("%s: %zu row%s of %zu component%s", path, n, plural(n), d, plural(d));
out:
    free(x);
    return st;
}

static kith_status run(const arguments *a)
{
    const char *path = given_text(a, "output");
    kith_status st = KITH_OK;
    int64_t *ids = NULL;
    size_t n;
    job j;

    TRY(job_begin(a, &j));
    TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP | KITH_OPEN_READ_ONLY | given_verify(a)));
    TRY(job_ids(&j, a->operands == 2 ? a->operand[1] : NULL, given_text(a, "by-label"),
                given_text(a, "ids"), &ids, &n));
    TRY(path != NULL ? save_rows(&j, ids, n, path) : print_rows(&j, ids, n, given_flag(a, "json")));
out:
    free(ids);
    job_end(&j);
    return st;
}

const command cmd_get = {
    "get",
    "INDEX I,J,…|--ids FILE|--by-label LABEL [--json] [-o OUT.npy]",
    "stored rows by id or label",
    "Prints rows as they are stored: id, the numbers with blanks between, the label where rows "
    "have some, with tabs between.",
    "kith get movies.kith --by-label 'Heat (1995)' --json\n"
    "kith get base.kith 3,17 -o two.npy\n",
    options,
    1,
    2,
    0,
    MAKES_FILE,
    run,
};
