/* kith update: other vectors or labels for stored rows. */
#include <stdlib.h>
#include <string.h>

#include "command.h"

static const option own[] = {
    {"label", "TEXT", "without ROWS: the new label of the row --id", 0},
    {"id", "I", "without ROWS: the row that gets --label", 0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {own,         join_options,   label_options, column_options,
                                        bit_options, common_options, NULL};

static kith_status update_rows(job *j, const char *path, const arguments *a, uint64_t *n)
{
    kith_status st = KITH_OK;
    kith_source src = {0};
    kith_batch b;

    TRY(input_open(path, INPUT_MORE, a, &j->host, &src));
    if (src.d != kith_dim(j->index))
        FAIL(KITH_BAD_ARG, "%s has %zu components a row, the index %zu", path, src.d,
             kith_dim(j->index));
    for (;;) {
        TRY(src.next(src.ctx, 65536, &b));
        if (b.rows.n == 0) break;
        if (b.ids == NULL) TRY(wrong_usage("which rows are these? --ids FILE or --id-column"));
        TRY(fail_in(kith_update(j->index, b.rows, b.ids, b.labels, &j->watch), path));
        *n += b.rows.n;
    }
out:
    if (src.close != NULL) src.close(src.ctx);
    return st;
}

static kith_status update_label(job *j, const arguments *a, uint64_t *n)
{
    const char *id_text = given_text(a, "id"), *label = given_text(a, "label");
    int64_t id;

    if (id_text == NULL || label == NULL)
        return wrong_usage("update needs ROWS, or --id and --label");
    if (!parse_int(id_text, &id)) return wrong_usage("--id %s: an id is a whole number", id_text);
    *n = 1;
    return fail_in(kith_set_label(j->index, id, *label != '\0' ? label : NULL), j->path);
}

static kith_status run(const arguments *a)
{
    kith_status st = KITH_OK;
    uint64_t n = 0;
    job j;

    TRY(job_begin(a, &j));
    TRY(job_lock(&j, a->operand[0]));
    TRY(job_open(&j, a->operand[0], KITH_OPEN_MAP));
    TRY(a->operands == 2 ? update_rows(&j, a->operand[1], a, &n) : update_label(&j, a, &n));
    TRY(job_save(&j, a->operand[0]));
    progress_end(&j.progress);
    note("%s: %llu row%s updated, %llu in all", a->operand[0], (unsigned long long)n, plural(n),
         (unsigned long long)kith_count(j.index));
out:
    job_end(&j);
    return st;
}

const command cmd_update = {
    "update",
    "INDEX ROWS --ids FILE|--id-column C [option]… |\nINDEX --id I --label TEXT",
    "other vectors or labels for stored rows",
    "Replaces the vectors of stored rows, and their labels where the input has some, and saves "
    "the index over its own file: all rows or none. An id that is not stored is an error.",
    "kith update items.kith changed.csv --id-column item\n"
    "kith update items.kith --id 7 --label 'seven'\n",
    options,
    1,
    2,
    0,
    MAKES_FILE,
    run,
};
