/* Opening inputs, and rows with ids and labels from elsewhere laid over them. */
#define _POSIX_C_SOURCE 200809L /* stat */
#include "input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "output.h"
#include "pipes.h"
#include "read_csv.h"
#include "read_hdf5.h"

const option column_options[] = {
    {"vector-column", "COLUMNS",
     "CSV: the columns of the vector by name or number, as 3, 2-129, x,y,z or f0-f99; one column "
     "may hold an array [0.5,1] or a list 0.5 1 (default: the array, or every numeric column that "
     "is named like no id or label; which they are is told)",
     0},
    {"id-column", "COLUMN",
     "CSV: the column of the ids (default: the one named id, index, …Id or …_id, or the "
     "nameless one of pandas; none: no ids)",
     0},
    {"label-column", "COLUMN", "CSV: the column of the labels (default: one named label; none)", 0},
    {"delimiter", "TEXT",
     "CSV: what separates columns: one character, \\t, or several as :: (then quotes mean "
     "nothing; default: a tab in .tsv, else whichever of comma, semicolon and tab the first line "
     "has first)",
     0},
    {"no-header", NULL, "CSV: the first line is data, columns have only numbers", 0},
    {"no-quotes", NULL, "CSV: a quote is a letter like any other", 0},
    {"encoding", "NAME", "CSV and labels: utf-8 (default) or latin1", 0},
    {NULL, NULL, NULL, 0},
};

const option bit_options[] = {
    {"packed-bits", NULL, "each byte of a u8 input is 8 components, as numpy.packbits makes", 0},
    {NULL, NULL, NULL, 0},
};

const option join_options[] = {
    {"ids", "FILE", "ids of the rows: integers one a line, or an .npy; - is standard input", 0},
    {"labels", "FILE",
     "labels of the rows: one a line, an .npy of strings, or a CSV or TSV file with an id and a "
     "label a line, in any order; what comes from a pipe is lines, unless an option says where "
     "in CSV the labels are",
     0},
    {NULL, NULL, NULL, 0},
};

const option label_options[] = {
    {"labels-id-column", "COLUMN",
     "labels from CSV: the column of the id (default: one named id, else the first; none: labels "
     "are in the order of the rows)",
     0},
    {"labels-column", "COLUMN",
     "labels from CSV: the column of the label (default: one named label, else the second)", 0},
    {"labels-delimiter", "TEXT", "labels from CSV: as --delimiter", 0},
    {"labels-no-header", NULL, "labels from CSV: as --no-header", 0},
    {NULL, NULL, NULL, 0},
};

const option query_options[] = {
    {"query-id", "COLUMN", "CSV queries: the column of their ids (default: as --id-column)", 0},
    {NULL, NULL, NULL, 0},
};

/* ---- which reader ---------------------------------------------------------------------------- */

static int has_ending(const char *path, const char *const *endings)
{
    const size_t n = strlen(path);

    for (; *endings != NULL; endings++) {
        const size_t m = strlen(*endings);
        if (n > m && strcasecmp(path + n - m, *endings) == 0) return 1;
    }
    return 0;
}

/* A file without a name, as /dev/stdin: what it begins with tells. */
static int begins_binary(const char *path)
{
    FILE *file = fopen(path, "rb");
    char start[6] = "";
    size_t n = 0;

    if (file != NULL) n = fread(start, 1, sizeof start, file);
    if (file != NULL) fclose(file);
    return n == sizeof start &&
           (memcmp(start, "\x93NUMPY", 6) == 0 || memcmp(start, "kith", 4) == 0);
}

/* By its ending; and what comes from a pipe, as <(…), can only be text. */
static int is_csv(const char *path)
{
    static const char *const endings[] = {".csv", ".tsv", ".tab", ".dat", ".txt", NULL};

    return has_ending(path, endings) || is_pipe(path) ||
           (strncmp(path, "/dev/", 5) == 0 && !begins_binary(path));
}

/* FILE.hdf5, or FILE.hdf5#set: its name and the set's, NULL when none is told. */
static int is_hdf5(const char *path, char file[4096], const char **set)
{
    static const char *const endings[] = {".hdf5", ".h5", ".hdf", NULL};
    const char *mark = strrchr(path, '#');
    struct stat s;

    *set = NULL;
    snprintf(file, 4096, "%s", path);
    if (has_ending(file, endings) || mark == NULL || stat(path, &s) == 0)
        return has_ending(file, endings);
    snprintf(file, 4096, "%.*s", (int)(mark - path), path);
    *set = mark + 1;
    return has_ending(file, endings);
}

/* ann-benchmarks keeps rows, queries and neighbours in one file: the role says which is meant. */
static kith_status open_hdf5(const char *file, const char *set, input_role role, kith_source *out)
{
    struct stat s;

    if (stat(file, &s) != 0) return fail(KITH_IO, "cannot open %s: %s", file, strerror(errno));
    if (set == NULL)
        set = role == INPUT_QUERIES ? "test" : role == INPUT_TRUTH ? "neighbors" : "train";
#if defined(KITH_HAVE_HDF5)
    return hdf5_source_open(file, set, out);
#else
    (void)set;
    (void)out;
    return fail(KITH_UNSUPPORTED, "%s: this kith was built without HDF5 (make HDF5=1)", file);
#endif
}

static int is_read_as_csv(const char *path, const arguments *a)
{
    char file[4096];
    const char *set;

    return !is_hdf5(path, file, &set) && (is_csv(path) || given_text(a, "delimiter") != NULL);
}

kith_status input_failed(kith_status st, const char *path, const arguments *a)
{
    char why[400];

    fail_in(st, path);
    if (st != KITH_EXISTS || !is_read_as_csv(path, a) || given_text(a, "ids") != NULL ||
        given_text(a, "id-column") != NULL)
        return st;
    snprintf(why, sizeof why, "%s", kith_last_error());
    return fail(st,
                "%s; the column of the ids was guessed: --id-column names another, none does "
                "without",
                why);
}

kith_status input_metric(const char *path, const char **out)
{
    static char distance[32];
    char file[4096];
    const char *set;
    static const char *const names[][2] = {{"euclidean", "l2"}, {"angular", "cosine"}};
    kith_status st = KITH_OK;
    kith_metric metric;

    *out = "l2";
    if (!is_hdf5(path, file, &set)) return KITH_OK;
#if defined(KITH_HAVE_HDF5)
    TRY(hdf5_distance(file, distance, sizeof distance));
#endif
    if (*distance == '\0') goto out;
    *out = distance;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(distance, names[i][0]) == 0) *out = names[i][1];
    if (kith_metric_find(*out, &metric) != KITH_OK)
        FAIL(KITH_UNSUPPORTED,
             "%s is made for the distance '%s', which kith does not have: say "
             "--metric",
             path, distance);
    note("%s: made for the distance %s: --metric %s", path, distance, *out);
out:
    return st;
}

/* Bytes of which each is 8 components: the same batches under another type. */
static kith_status next_bits(void *ctx, size_t max, kith_batch *out)
{
    kith_source *bytes = ctx;
    const kith_status st = bytes->next(bytes->ctx, max, out);

    out->rows.dtype = KITH_BIT;
    return st;
}

static void close_bits(void *ctx)
{
    kith_source *bytes = ctx;

    bytes->close(bytes->ctx);
    free(bytes);
}

static kith_status as_bits(const char *path, kith_source *src)
{
    kith_status st = KITH_OK;
    kith_source *bytes = NULL;

    if (src->dtype != KITH_U8)
        FAIL(KITH_BAD_ARG, "%s holds %s: --packed-bits is for u8", path,
             kith_dtype_name(src->dtype));
    bytes = array_new(1, sizeof *bytes);
    NEED(bytes);
    *bytes = *src;
    *src =
        (kith_source){sizeof *src, bytes, KITH_BIT, 8 * bytes->d, bytes->n, next_bits, close_bits};
    return KITH_OK;
out:
    src->close(src->ctx);
    memset(src, 0, sizeof *src);
    return st;
}

/* Options of columns for what has none: of two inputs, one may be CSV. */
static kith_status check_columns(const char *path, input_role role, const arguments *a)
{
    static const char *const any[] = {"vector-column", "no-header", "no-quotes", NULL};
    static const char *const base[] = {"id-column", "label-column", NULL};
    static const char *const queries[] = {"query-id", NULL}, *const none[] = {NULL};
    const char *const *mine = role == INPUT_QUERIES ? queries : role == INPUT_TRUTH ? none : base;
    const char *exact = given_text(a, "exact");
    int csv = exact != NULL && is_csv(exact);

    for (size_t i = 0; i < a->operands; i++) csv = csv || is_csv(a->operand[i]);
    for (size_t i = 0; mine[i] != NULL; i++)
        if (given_text(a, mine[i]) != NULL)
            return wrong_usage("--%s: %s is no CSV file and has no columns", mine[i], path);
    for (size_t i = 0; !csv && any[i] != NULL; i++)
        if (given_flag(a, any[i]))
            return wrong_usage("--%s: %s is no CSV file and has no columns", any[i], path);
    return KITH_OK;
}

static kith_status open_vectors(const char *path, input_role role, const arguments *a,
                                const kith_host *host, kith_source *out)
{
    kith_status st = KITH_OK;
    char file[4096];
    const char *set;
    const int hdf5 = is_hdf5(path, file, &set);
    const int csv = is_read_as_csv(path, a);
    const char *delimiter = given_text(a, "delimiter");
    const csv_layout layout = {
        {delimiter, given_text(a, "encoding"), given_flag(a, "no-header"),
         given_flag(a, "no-quotes")},
        given_text(a, "vector-column"),
        role >= INPUT_QUERIES ? given_text(a, "query-id") : given_text(a, "id-column"),
        role >= INPUT_QUERIES ? "none" : given_text(a, "label-column"),
        role >= INPUT_QUERIES ? TELL_OMITTED : TELL_ALWAYS,
    };

    if (!csv) st = check_columns(path, role, a);
    if (st != KITH_OK) return st;
    if (hdf5)
        st = open_hdf5(file, set, role, out);
    else if (csv)
        st = csv_source_open(path, &layout, out);
    else
        st = kith_source_open(path, host, out);
    return st == KITH_OK && given_flag(a, "packed-bits") ? as_bits(path, out) : st;
}

/* ---- ids and labels from other files --------------------------------------------------------- */

/* Options that only a table of labels has. */
static const char *const of_labels[] = {"labels-id-column", "labels-column", "labels-delimiter",
                                        "labels-no-header", NULL};

typedef struct named {
    int64_t id;
    char *label; /* owned */
} named;

typedef struct joined {
    kith_source inner;
    const char *path, *ids_path, *labels_path; /* borrowed, for sentences */
    int64_t *ids;
    char **labels;
    named *table;      /* labels by id, ascending */
    const char **lent; /* labels of the last batch */
    size_t n_ids, n_labels, n_table, table_cap, lent_cap;
    uint64_t at, unlabelled;
    input_role role;
    int by_row, header; /* the labels file has no ids: its i-th label is row i's; has names */
} joined;

static int by_id(const void *a, const void *b)
{
    const int64_t x = ((const named *)a)->id, y = ((const named *)b)->id;

    return (x > y) - (x < y);
}

static void close_joined(void *ctx)
{
    joined *j = ctx;

    if (j == NULL) return;
    if (j->inner.close != NULL) j->inner.close(j->inner.ctx);
    free(j->ids);
    if (j->labels != NULL) kith_labels_free(j->labels, j->n_labels, NULL);
    for (size_t i = 0; i < j->n_table; i++) free(j->table[i].label);
    free(j->table);
    free(j->lent);
    free(j);
}

static const char *label_of(joined *j, const int64_t *ids, size_t i)
{
    const named key = {ids != NULL && !j->by_row ? ids[i] : (int64_t)(j->at + i), NULL};
    const named *found =
        j->n_table > 0 ? bsearch(&key, j->table, j->n_table, sizeof key, by_id) : NULL;

    if (found == NULL) j->unlabelled++;
    return found != NULL && *found->label != '\0' ? found->label : NULL;
}

/* Fewer or more of them than rows would shift every answer. */
static kith_status check_count(const joined *j, const char *what, const char *path, size_t have,
                               uint64_t rows, int ended)
{
    if (have >= rows && (!ended || have == rows)) return KITH_OK;
    return fail(
        KITH_BAD_ARG, "%s has %zu %s%s, %s has %s%llu row%s%s", path, have, what, plural(have),
        j->path, ended ? "" : "at least ", (unsigned long long)rows, plural(rows),
        j->header && have < rows ? "; its first line was taken as names (--labels-no-header)" : "");
}

static kith_status join_batch(joined *j, kith_batch *out)
{
    const size_t n = out->rows.n;

    if (j->ids != NULL) out->ids = j->ids + j->at;
    if (j->labels != NULL) {
        if (!array_grow(&j->lent, &j->lent_cap, n, sizeof *j->lent)) return KITH_NO_MEMORY;
        for (size_t i = 0; i < n; i++)
            j->lent[i] = *j->labels[j->at + i] != '\0' ? j->labels[j->at + i] : NULL;
        out->labels = j->lent;
    } else if (j->labels_path != NULL) {
        if (out->ids == NULL && !j->by_row && j->role != INPUT_FRESH)
            return fail(KITH_BAD_ARG,
                        "%s has no ids that labels could be joined by: give --ids or "
                        "--id-column, or --labels-id-column none",
                        j->path);
        if (!array_grow(&j->lent, &j->lent_cap, n, sizeof *j->lent)) return KITH_NO_MEMORY;
        for (size_t i = 0; i < n; i++) j->lent[i] = label_of(j, out->ids, i);
        out->labels = j->lent;
    }
    return KITH_OK;
}

static kith_status next_joined(void *ctx, size_t max, kith_batch *out)
{
    kith_status st = KITH_OK;
    joined *j = ctx;
    uint64_t rows;
    int ended;

    TRY(j->inner.next(j->inner.ctx, max, out));
    ended = out->rows.n == 0;
    rows = j->at + out->rows.n;
    if (j->ids != NULL) TRY(check_count(j, "id", j->ids_path, j->n_ids, rows, ended));
    if (j->labels != NULL) TRY(check_count(j, "label", j->labels_path, j->n_labels, rows, ended));
    if (j->by_row) TRY(check_count(j, "label", j->labels_path, j->n_table, rows, ended));
    if (ended && j->unlabelled > 0) {
        note("%llu of %llu rows have no label in %s", (unsigned long long)j->unlabelled,
             (unsigned long long)j->at, j->labels_path);
        j->unlabelled = 0;
    }
    if (!ended) TRY(join_batch(j, out));
    j->at = rows;
out:
    return st;
}

static kith_status push_name(joined *j, int64_t id, const char *label, size_t len)
{
    if (!array_grow(&j->table, &j->table_cap, j->n_table + 1, sizeof *j->table))
        return KITH_NO_MEMORY;
    j->table[j->n_table].id = id;
    j->table[j->n_table].label = text_copy(label, len);
    return j->table[j->n_table++].label != NULL ? KITH_OK : KITH_NO_MEMORY;
}

/* One more (id, label); in the order of the rows without an id column. */
static kith_status take_name(joined *j, const csv_rows *rows, size_t id_column, size_t label_column)
{
    size_t len;
    const char *label = csv_rows_field(rows, label_column, &len);
    int64_t id = (int64_t)j->n_table;

    if (id_column != SIZE_MAX && !parse_int(csv_rows_field(rows, id_column, NULL), &id))
        return csv_rows_fail(rows, id_column,
                             "'%.40s' is no id (--labels-id-column says where ids are, none that "
                             "there are none)",
                             csv_rows_field(rows, id_column, NULL));
    if (!is_utf8(label))
        return csv_rows_fail(rows, label_column, "'%.40s' is not UTF-8; is it --encoding latin1?",
                             label);
    return push_name(j, id, label, len);
}

static kith_status find_label_columns(const csv_rows *rows, const arguments *a, size_t *id,
                                      size_t *label)
{
    const char *id_text = given_text(a, "labels-id-column");
    const char *label_text = given_text(a, "labels-column");
    kith_status st = KITH_OK;
    int64_t number;

    *id = csv_column_named(rows, "id");
    if (*id == SIZE_MAX) *id = 0;
    if (id_text != NULL && strcmp(id_text, "none") == 0)
        *id = SIZE_MAX;
    else if (id_text != NULL)
        TRY(csv_column_find(rows, id_text, id));
    // Names are no numbers: a first row that is taken for them would lose its label.
    if (*id != SIZE_MAX && csv_column_name(rows, *id) != NULL &&
        parse_int(csv_column_name(rows, *id), &number))
        FAIL(KITH_BAD_ARG,
             "%s: line 1: '%.40s' is an id, the names of the columns are expected; if the labels "
             "begin here, say --labels-no-header",
             csv_rows_name(rows), csv_column_name(rows, *id));
    *label = csv_column_named(rows, "label");
    if (*label == SIZE_MAX) *label = *id == SIZE_MAX ? 0 : *id + 1;
    if (label_text != NULL) TRY(csv_column_find(rows, label_text, label));
    if (*label >= csv_rows_columns(rows))
        TRY(csv_rows_fail(rows, SIZE_MAX, "%zu columns, and which is the label? --labels-column",
                          csv_rows_columns(rows)));
out:
    return st;
}

static kith_status read_table(joined *j, const arguments *a)
{
    const csv_options how = {given_text(a, "labels-delimiter"), given_text(a, "encoding"),
                             given_flag(a, "labels-no-header"), given_flag(a, "no-quotes")};
    kith_status st = KITH_OK;
    csv_rows *rows = NULL;
    size_t fields, id = 0, label = 0;

    TRY(csv_rows_open(j->labels_path, &how, &rows));
    for (;;) {
        TRY(csv_rows_next(rows, &fields));
        if (fields == 0) break;
        if (j->n_table == 0) TRY(find_label_columns(rows, a, &id, &label));
        TRY(take_name(j, rows, id, label));
    }
    j->by_row = id == SIZE_MAX;
    j->header = !how.no_header;
    if (j->n_table == 0) FAIL(KITH_BAD_ARG, "%s has no labels", j->labels_path);
    qsort(j->table, j->n_table, sizeof *j->table, by_id);
    for (size_t i = 1; i < j->n_table; i++)
        if (j->table[i].id == j->table[i - 1].id)
            FAIL(KITH_BAD_ARG, "%s: id %lld stands there twice", j->labels_path,
                 (long long)j->table[i].id);
out:
    csv_rows_free(rows);
    return st;
}

/* One a line, in the order of the rows: Latin-1, or from a pipe; the library reads UTF-8 files. */
static kith_status read_lines(joined *j, int latin1)
{
    kith_status st = KITH_OK;
    char *line, *wide = NULL;
    size_t wide_cap = 0, n;
    lines l;

    TRY(lines_open(j->labels_path, &l));
    for (;;) {
        TRY(lines_next(&l, &line, &n));
        if (line == NULL) break;
        if (!array_grow(&wide, &wide_cap, 2 * n + 1, 1)) {
            st = KITH_NO_MEMORY;
            goto out;
        }
        if (latin1)
            latin1_to_utf8(line, n, wide, &n);
        else
            memcpy(wide, line, n);
        wide[n] = '\0';
        if (strlen(wide) != n || !is_utf8(wide))
            FAIL(KITH_BAD_ARG, "%s: line %zu is not UTF-8; is it --encoding latin1?", l.name, l.at);
        if (n > KITH_MAX_LABEL)
            FAIL(KITH_LIMIT, "%s: line %zu has %zu bytes; a label has up to %u", l.name, l.at, n,
                 KITH_MAX_LABEL);
        TRY(push_name(j, (int64_t)j->n_table, wide, n));
    }
    j->by_row = 1;
out:
    lines_close(&l);
    free(wide);
    return st;
}

/* A table where the name or an option says so, else lines; a pipe is read as a file would be. */
static kith_status read_labels(joined *j, const arguments *a, const kith_host *host)
{
    static const char *const tables[] = {".csv", ".tsv", ".tab", ".dat", NULL};
    static const char *const arrays[] = {".npy", NULL};
    const int latin1 = csv_is_latin1(given_text(a, "encoding"));
    const char *path = j->labels_path;
    int table = has_ending(path, tables);

    for (size_t i = 0; of_labels[i] != NULL; i++) table = table || given_flag(a, of_labels[i]);
    if (table) return read_table(j, a);
    if (is_pipe(path) || (latin1 && !has_ending(path, arrays))) return read_lines(j, latin1);
    return kith_labels_read(path, host, &j->labels, &j->n_labels);
}

kith_status input_open(const char *path, input_role role, const arguments *a, const kith_host *host,
                       kith_source *out)
{
    kith_status st = KITH_OK;
    joined *j = NULL;

    for (size_t i = 0; of_labels[i] != NULL; i++)
        if (given_flag(a, of_labels[i]) && given_text(a, "labels") == NULL)
            return wrong_usage("--%s goes with --labels", of_labels[i]);
    if (role >= INPUT_QUERIES || (given_text(a, "ids") == NULL && given_text(a, "labels") == NULL))
        return open_vectors(path, role, a, host, out);
    j = array_new(1, sizeof *j);
    NEED(j);
    j->role = role;
    j->path = path;
    j->ids_path = given_text(a, "ids");
    j->labels_path = given_text(a, "labels");
    TRY(open_vectors(path, role, a, host, &j->inner));
    if (j->ids_path != NULL) TRY(ids_read(j->ids_path, host, &j->ids, &j->n_ids));
    if (j->labels_path != NULL) TRY(read_labels(j, a, host));
    *out = (kith_source){sizeof *out, j,           j->inner.dtype, j->inner.d,
                         j->inner.n,  next_joined, close_joined};
    j = NULL;
out:
    close_joined(j);
    return st;
}
