/* Choosing columns. Names of ids: "id"; else "index", the nameless first column that pandas writes
 * (and "Unnamed: 0", what becomes of it when it is read back), and names that end in Id or _id, if
 * there is one such column of whole numbers. None of these, nor "label", is ever guessed to be a
 * component: --vector-column can still say so. */
#include "csv_choice.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "options.h"

static const char gaps[] = " \t;|";

/* ---- names ----------------------------------------------------------------------------------- */

/* The i-th column is one of ids, by its name. */
static int is_id_name(const csv_rows *rows, size_t i)
{
    const char *name = csv_column_name(rows, i);
    const size_t len = name != NULL ? strlen(name) : 0;
    const char *end = len > 2 ? name + len - 2 : "";

    if (name == NULL) return 0;
    if (len == 0) return i == 0;
    if (strcasecmp(name, "id") == 0 || strcasecmp(name, "index") == 0 ||
        strcmp(name, "Unnamed: 0") == 0)
        return 1;
    if (strcasecmp(end, "id") != 0) return 0;
    return strchr("_-. ", end[-1]) != NULL || (*end == 'I' && islower((unsigned char)end[-1]));
}

static kith_status pick_id(const csv_rows *rows, const char *asked, size_t *out)
{
    const size_t usual = csv_column_named(rows, "id");
    size_t like = 0;
    int64_t id;

    *out = SIZE_MAX;
    if (asked != NULL && strcmp(asked, "none") == 0) return KITH_OK;
    if (asked != NULL) return csv_column_find(rows, asked, out);
    if (usual != SIZE_MAX) {
        *out = usual;
        return KITH_OK;
    }
    for (size_t i = 0; i < csv_rows_columns(rows); i++) {
        if (!is_id_name(rows, i)) continue;
        *out = i;
        like++;
    }
    // Two are a pair of ids, as of a rating: neither is the row's.
    if (like != 1 || !parse_int(csv_rows_field(rows, *out, NULL), &id) || id == KITH_NO_ID)
        *out = SIZE_MAX;
    return KITH_OK;
}

/* ---- cells ----------------------------------------------------------------------------------- */

typedef enum kind { NUMBER, ARRAY, LIST, NEARLY, TEXT } kind;

size_t csv_list_count(const char *text)
{
    char word[64];
    size_t n = 0;
    float value;

    for (const char *at = text + strspn(text, gaps); *at != '\0'; at += strspn(at, gaps)) {
        const size_t len = strcspn(at, gaps);
        snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1), at);
        if (len >= sizeof word || !parse_float(word, &value)) return 0;
        at += len;
        n++;
    }
    return n;
}

/* What is meant as a number and is none: a missing value, not finite, too large, hexadecimal, with
 * a decimal comma, a group of thousands, a percent sign. A date is none of these. */
static int is_nearly(const char *text)
{
    static const char *const words[] = {"",  "nan", "inf", "infinity", "na",   "n/a",
                                        "-", "--",  "?",   ".",        "null", "none"};
    const char *at = text + (*text == '-' || *text == '+');
    char *end;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(text, words[i]) == 0 || strcasecmp(at, words[i]) == 0) return 1;
    strtod(text, &end);
    if (end != text && *end == '\0') return 1; // hexadecimal; what overflows
    if (!isdigit((unsigned char)*at) && *at != '.' && *at != ',') return 0;
    for (; *at != '\0'; at++) {
        const int signs = (*at == '-' || *at == '+') && (at[-1] == 'e' || at[-1] == 'E');
        if (!isdigit((unsigned char)*at) && !signs && strchr(".,eE;|'_ \t%", *at) == NULL) return 0;
    }
    return 1;
}

static kind kind_of(const char *text)
{
    float value;

    if (text[strspn(text, " \t")] == '[') return ARRAY;
    if (parse_float(text, &value)) return NUMBER;
    if (csv_list_count(text) > 1) return LIST;
    return is_nearly(text) ? NEARLY : TEXT;
}

/* ---- the vector ------------------------------------------------------------------------------ */

static kith_status several(const csv_rows *rows, size_t column, size_t n, const char *what)
{
    return csv_rows_fail(rows, column, "%zu columns hold %s: choose one by --vector-column", n,
                         what);
}

static kith_status nearly(const csv_rows *rows, size_t column)
{
    const char *text = csv_rows_field(rows, column, NULL);
    const int comma = strchr(text, ',') != NULL;

    if (*text == '\0')
        return csv_rows_fail(rows, column,
                             "empty, a number is expected (--vector-column leaves columns out)");
    return csv_rows_fail(rows, column, "'%.40s' is no finite number that a float holds%s", text,
                         comma ? " (the decimal sign is a point)"
                               : " (--vector-column leaves columns out)");
}

/* The array, if the first record has one; else every column with a number; else the only list. */
static kith_status guess(const csv_rows *rows, csv_choice *c)
{
    const size_t n = csv_rows_columns(rows);
    size_t count[TEXT + 1] = {0}, last[TEXT + 1] = {0};

    for (size_t i = 0; i < n; i++) {
        const kind k = kind_of(csv_rows_field(rows, i, NULL));
        if (i == c->id || i == c->label) continue;
        // An array may have any name; a column of ids or classes is left out, told below.
        if (k != ARRAY && (is_id_name(rows, i) || csv_column_named(rows, "label") == i)) continue;
        if (count[k]++ == 0) last[k] = i;
        if (k == NUMBER) c->column[c->columns++] = i;
    }
    if (count[ARRAY] > 1) return several(rows, last[ARRAY], count[ARRAY], "arrays");
    if (count[ARRAY] == 0 && count[NEARLY] > 0) return nearly(rows, last[NEARLY]);
    if (count[ARRAY] == 0 && count[LIST] > 1)
        return several(rows, last[LIST], count[LIST], "lists");
    if (count[ARRAY] == 0 && count[LIST] == 1 && count[NUMBER] > 0)
        return csv_rows_fail(rows, last[LIST],
                             "a list of numbers, and other columns hold numbers: choose by "
                             "--vector-column");
    if (count[ARRAY] + count[LIST] == 1) {
        c->column[0] = last[count[ARRAY] == 1 ? ARRAY : LIST];
        c->columns = 1;
    }
    if (c->columns == 0)
        return csv_rows_fail(rows, SIZE_MAX, "no column of numbers and no array like [0.5, 1]");
    return KITH_OK;
}

static int is_taken(const csv_choice *c, size_t i)
{
    if (i == c->id || i == c->label) return 1;
    for (size_t j = 0; j < c->columns; j++)
        if (c->column[j] == i) return 1;
    return 0;
}

kith_status csv_choose(const csv_rows *rows, const csv_layout *layout, csv_choice *out)
{
    const size_t n = csv_rows_columns(rows);
    const char *label = layout->label_column;
    kith_status st = KITH_OK;

    memset(out, 0, sizeof *out);
    out->id = out->label = SIZE_MAX;
    TRY(pick_id(rows, layout->id_column, &out->id));
    if (label == NULL)
        out->label = csv_column_named(rows, "label");
    else if (strcmp(label, "none") != 0)
        TRY(csv_column_find(rows, label, &out->label));
    if (layout->vector_column != NULL) {
        TRY(csv_columns_find(rows, layout->vector_column, &out->column, &out->columns));
    } else {
        out->column = array_new(n, sizeof *out->column);
        NEED(out->column);
        TRY(guess(rows, out));
    }
    out->omitted = array_new(n, sizeof *out->omitted);
    NEED(out->omitted);
    for (size_t i = 0; i < n; i++)
        if (!is_taken(out, i)) out->omitted[out->omits++] = i;
out:
    return st;
}

void csv_choice_free(csv_choice *c)
{
    free(c->column);
    free(c->omitted);
    c->column = c->omitted = NULL;
}

/* ---- telling --------------------------------------------------------------------------------- */

typedef struct line {
    char text[400];
    size_t len;
} line;

static void put(line *l, const char *format, ...) SAY_FORMAT(2, 3);
static void put(line *l, const char *format, ...)
{
    va_list list;
    int n;

    va_start(list, format);
    n = vsnprintf(l->text + l->len, sizeof l->text - l->len, format, list);
    va_end(list);
    if (n > 0) l->len += (size_t)n;
    if (l->len >= sizeof l->text) l->len = sizeof l->text - 1;
}

/* "2-129 (f0…f127), 131 (g)", at most five of them. */
static void put_columns(line *l, const csv_rows *rows, const size_t *column, size_t n)
{
    enum { MOST = 5 };
    size_t shown = 0;

    for (size_t i = 0, j; i < n; i = j, shown++) {
        for (j = i + 1; j < n && column[j] == column[j - 1] + 1;) j++;
        if (shown == MOST) {
            put(l, " and %zu more", n - i);
            return;
        }
        const char *first = csv_column_name(rows, column[i]);
        const char *last = csv_column_name(rows, column[j - 1]);
        put(l, shown > 0 ? ", %zu" : " %zu", column[i] + 1);
        if (j - i > 1) put(l, "-%zu", column[j - 1] + 1);
        if (first != NULL && last != NULL && j - i > 1) put(l, " (%.24s…%.24s)", first, last);
        if (first != NULL && j - i == 1) put(l, " (%.24s)", first);
    }
}

void csv_choice_tell(const csv_rows *rows, const csv_layout *layout, const csv_choice *c)
{
    line l = {{0}, 0};

    if (layout->tell == TELL_NOTHING) return;
    if (layout->tell == TELL_OMITTED && (c->omits == 0 || layout->vector_column != NULL)) return;
    put(&l, "the vector is column%s", c->columns == 1 ? "" : "s");
    put_columns(&l, rows, c->column, c->columns);
    if (c->id != SIZE_MAX) put(&l, "; ids:");
    if (c->id != SIZE_MAX) put_columns(&l, rows, &c->id, 1);
    if (c->label != SIZE_MAX) put(&l, "; labels:");
    if (c->label != SIZE_MAX) put_columns(&l, rows, &c->label, 1);
    if (c->omits > 0) put(&l, "; left out:");
    put_columns(&l, rows, c->omitted, c->omits);
    note("%s: %s", csv_rows_name(rows), l.text);
}
