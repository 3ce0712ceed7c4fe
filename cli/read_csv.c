/* Records of a CSV file to vectors, ids and labels. The first record decides which columns the
 * vector has and how long it is; every later one must agree. */
#include "read_csv.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "options.h"
#include "output.h"

enum { BATCH_BYTES = 16 << 20, NUMBER = 400 }; /* longest number worth reading, in characters */

static const char gaps[] = " \t;|";

typedef struct csv_source {
    csv_rows *rows;
    csv_choice use; /* which columns */
    size_t d;       /* 0 until the first record is read */
    int waiting;    /* a record is read and not yet handed out */
    float *x;       /* what the last batch lends: [n][d] */
    int64_t *ids;
    char *text;          /* the labels, NUL-ended */
    const char **labels; /* [n] into text */
    size_t x_cap, ids_cap, text_cap, text_len, labels_cap;
    size_t *start; /* [n] offsets into text, SIZE_MAX: no label */
    size_t start_cap;
} csv_source;

/* ---- one vector ------------------------------------------------------------------------------ */

/* Room for one more row of d numbers behind n rows. */
static kith_status row_room(csv_source *s, size_t n, size_t d)
{
    if (d > KITH_MAX_DIM)
        return csv_rows_fail(s->rows, s->use.column[0], "%zu numbers, a vector has at most %u", d,
                             KITH_MAX_DIM);
    return array_grow(&s->x, &s->x_cap, (n + 1) * d, sizeof *s->x) ? KITH_OK : KITH_NO_MEMORY;
}

static kith_status not_a_number(const csv_source *s, size_t column, const char *text)
{
    if (*text == '\0') return csv_rows_fail(s->rows, column, "empty, a number is expected");
    return csv_rows_fail(s->rows, column, "'%.40s' is no finite number that a float holds", text);
}

static kith_status read_number(const csv_source *s, size_t column, const char *text, float *out)
{
    if (strlen(text) > NUMBER)
        return csv_rows_fail(s->rows, column, "a number of %zu characters", strlen(text));
    return parse_float(text, out) ? KITH_OK : not_a_number(s, column, text);
}

static kith_status read_columns(csv_source *s, size_t n)
{
    kith_status st = row_room(s, n, s->use.columns);

    for (size_t i = 0; i < s->use.columns && st == KITH_OK; i++)
        st = read_number(s, s->use.column[i], csv_rows_field(s->rows, s->use.column[i], NULL),
                         &s->x[n * s->use.columns + i]);
    s->d = s->use.columns;
    return st;
}

/* The first record says how many numbers there are. */
static kith_status agree(csv_source *s, size_t count, const char *what)
{
    if (count == 0) return csv_rows_fail(s->rows, s->use.column[0], "%s is empty", what);
    if (s->d == 0) s->d = count;
    if (count != s->d)
        return csv_rows_fail(s->rows, s->use.column[0], "%s has %zu number%s, the first had %zu",
                             what, count, plural(count), s->d);
    return KITH_OK;
}

/* What pandas writes of numpy arrays, [0.5 1. 2.], is told apart: it may also be cut by "...". */
static kith_status not_json(const csv_source *s, const char *text, const json_error_t *error)
{
    if (strchr(text, ',') == NULL && strpbrk(text, "0123456789") != NULL &&
        strchr(text, ' ') != NULL && strpbrk(text, "abcdfABCDF\"{}") == NULL)
        return csv_rows_fail(s->rows, s->use.column[0],
                             "the array has no commas: a numpy array as it is printed; write "
                             "x.tolist() instead");
    return csv_rows_fail(s->rows, s->use.column[0], "character %d of the array: %.80s",
                         error->position, error->text);
}

static kith_status read_array(csv_source *s, size_t n, const char *text, size_t len)
{
    kith_status st = KITH_OK;
    json_error_t error;
    json_t *array = json_loadb(text, len, JSON_DECODE_INT_AS_REAL, &error);

    if (array == NULL) TRY(not_json(s, text, &error));
    TRY(agree(s, json_array_size(array), "the array"));
    TRY(row_room(s, n, s->d));
    for (size_t i = 0; i < s->d; i++) {
        const json_t *item = json_array_get(array, i);
        const double value = json_real_value(item);
        if (!json_is_real(item))
            TRY(csv_rows_fail(s->rows, s->use.column[0], "item %zu of the array is no number",
                              i + 1));
        if (fabs(value) <= (double)FLT_MAX)
            s->x[n * s->d + i] = (float)value;
        else
            TRY(csv_rows_fail(s->rows, s->use.column[0],
                              "item %zu of the array, %g, is too large for a float", i + 1, value));
    }
out:
    json_decref(array);
    return st;
}

static kith_status read_list(csv_source *s, size_t n, const char *text)
{
    kith_status st = KITH_OK;
    char word[NUMBER + 2];
    size_t count = 0;

    for (const char *at = text + strspn(text, gaps); *at != '\0'; at += strspn(at, gaps)) {
        at += strcspn(at, gaps);
        count++;
    }
    TRY(agree(s, count, "the list"));
    TRY(row_room(s, n, s->d));
    count = 0;
    for (const char *at = text + strspn(text, gaps); *at != '\0'; at += strspn(at, gaps)) {
        const size_t len = strcspn(at, gaps), kept = len <= NUMBER ? len : NUMBER + 1;
        memcpy(word, at, kept);
        word[kept] = '\0';
        TRY(read_number(s, s->use.column[0], word, &s->x[n * s->d + count++]));
        at += len;
    }
out:
    return st;
}

static kith_status read_vector(csv_source *s, size_t n)
{
    const char *text;
    size_t len;

    if (s->use.columns > 1) return read_columns(s, n);
    text = csv_rows_field(s->rows, s->use.column[0], &len);
    return text[strspn(text, " \t")] == '[' ? read_array(s, n, text, len) : read_list(s, n, text);
}

/* ---- one record ------------------------------------------------------------------------------ */

static kith_status read_id(csv_source *s, size_t n)
{
    const char *text = csv_rows_field(s->rows, s->use.id, NULL);
    int64_t id;

    if (!array_grow(&s->ids, &s->ids_cap, n + 1, sizeof *s->ids)) return KITH_NO_MEMORY;
    if (!parse_int(text, &id))
        return csv_rows_fail(s->rows, s->use.id,
                             "'%.40s' is no id: a whole number is (--label-column takes names, "
                             "--id-column none numbers the rows)",
                             text);
    if (id == KITH_NO_ID)
        return csv_rows_fail(s->rows, s->use.id, "%d is the one number that is no id",
                             (int)KITH_NO_ID);
    s->ids[n] = id;
    return KITH_OK;
}

static kith_status read_label(csv_source *s, size_t n)
{
    size_t len;
    const char *text = csv_rows_field(s->rows, s->use.label, &len);

    if (!array_grow(&s->start, &s->start_cap, n + 1, sizeof *s->start) ||
        !array_grow(&s->text, &s->text_cap, s->text_len + len + 1, 1))
        return KITH_NO_MEMORY;
    if (len > KITH_MAX_LABEL)
        return csv_rows_fail(s->rows, s->use.label, "a label of %zu bytes, at most %u", len,
                             KITH_MAX_LABEL);
    if (!is_utf8(text))
        return csv_rows_fail(s->rows, s->use.label,
                             "'%.40s' is not UTF-8; is it --encoding latin1?", text);
    s->start[n] = len > 0 ? s->text_len : SIZE_MAX;
    memcpy(s->text + s->text_len, text, len + 1);
    s->text_len += len + 1;
    return KITH_OK;
}

static kith_status next_batch(void *ctx, size_t max, kith_batch *out)
{
    csv_source *s = ctx;
    kith_status st = KITH_OK;
    const size_t room = BATCH_BYTES / sizeof(float) / s->d;
    size_t n = 0, fields = 1;

    memset(out, 0, sizeof *out);
    if (max > room) max = room > 0 ? room : 1;
    s->text_len = 0;
    while (n < max) {
        if (!s->waiting) TRY(csv_rows_next(s->rows, &fields));
        s->waiting = 0;
        if (fields == 0) break;
        TRY(read_vector(s, n));
        if (s->use.id != SIZE_MAX) TRY(read_id(s, n));
        if (s->use.label != SIZE_MAX) TRY(read_label(s, n));
        n++;
    }
    out->rows = KITH_ROWS(s->x, n, KITH_F32);
    if (s->use.id != SIZE_MAX) out->ids = s->ids;
    if (s->use.label != SIZE_MAX && n > 0) {
        if (!array_grow(&s->labels, &s->labels_cap, n, sizeof *s->labels)) return KITH_NO_MEMORY;
        for (size_t i = 0; i < n; i++)
            s->labels[i] = s->start[i] != SIZE_MAX ? s->text + s->start[i] : NULL;
        out->labels = s->labels;
    }
out:
    return st;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void close_source(void *ctx)
{
    csv_source *s = ctx;

    if (s == NULL) return;
    csv_rows_free(s->rows);
    csv_choice_free(&s->use);
    free(s->x);
    free(s->ids);
    free(s->text);
    free(s->labels);
    free(s->start);
    free(s);
}

/* Owns rows from here on. */
static kith_status open_rows(csv_rows *rows, const csv_layout *layout, kith_source *out)
{
    kith_status st = KITH_OK;
    csv_source *s = array_new(1, sizeof *s);
    size_t fields;

    NEED(s);
    s->rows = rows;
    rows = NULL;
    TRY(csv_rows_next(s->rows, &fields));
    if (fields == 0) TRY(csv_rows_fail(s->rows, SIZE_MAX, "the file has no rows"));
    s->waiting = 1;
    TRY(csv_choose(s->rows, layout, &s->use));
    TRY(read_vector(s, 0)); // for d; read again with its batch
    csv_choice_tell(s->rows, layout, &s->use);
    *out = (kith_source){sizeof *out, s, KITH_F32, s->d, UINT64_MAX, next_batch, close_source};
    s = NULL;
out:
    csv_rows_free(rows);
    close_source(s);
    return st;
}

kith_status csv_source_open(const char *path, const csv_layout *layout, kith_source *out)
{
    csv_rows *rows;
    const kith_status st = csv_rows_open(path, &layout->text, &rows);

    return st == KITH_OK ? open_rows(rows, layout, out) : st;
}

kith_status csv_source_view(const void *bytes, size_t len, const char *name,
                            const csv_layout *layout, kith_source *out)
{
    csv_rows *rows;
    const kith_status st = csv_rows_view(bytes, len, name, &layout->text, &rows);

    return st == KITH_OK ? open_rows(rows, layout, out) : st;
}
