/* Records of CSV and TSV files. The file is cut into physical lines here (so that line numbers and
 * limits are ours); libcsv gets one line at a time and says where fields and records end. A file
 * without quotes, or with a delimiter of several characters, is split here. */
#define _POSIX_C_SOURCE 200809L
#include "csv_rows.h"

#include <csv.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "options.h"
#include "progress.h"

/* The fields of one record, NUL-ended, one after another. */
typedef struct record {
    char *text;
    size_t *start; /* [n + 1] */
    size_t len, text_cap, n, start_cap;
} record;

struct csv_rows {
    FILE *file;
    char *name;
    char delimiter[9];
    int header, latin1, no_quotes, ended, after_cr, complete;
    kith_status failed; // in a callback of libcsv
    struct csv_parser parser;
    unsigned char *raw; /* bytes read and not yet split: from…to */
    size_t cap, from, to;
    char *wide; /* a line of Latin-1 as UTF-8 */
    size_t wide_cap;
    uint64_t line, record_line; /* lines so far; the one the record begins on */
    record now, names;
    size_t columns;
};

/* ---- sentences ------------------------------------------------------------------------------- */

kith_status csv_rows_fail(const csv_rows *c, size_t column, const char *format, ...)
{
    char what[200], where[80] = "", line[40] = "";
    va_list list;

    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    if (column != SIZE_MAX && column < c->names.n)
        snprintf(where, sizeof where, ", column %zu (%.40s)", column + 1,
                 c->names.text + c->names.start[column]);
    else if (column != SIZE_MAX)
        snprintf(where, sizeof where, ", column %zu", column + 1);
    if (c->record_line > 0) // an empty file has none
        snprintf(line, sizeof line, " line %llu", (unsigned long long)c->record_line);
    return fail(KITH_BAD_ARG, "%s:%s%s%s %s", c->name, line, where, *line != '\0' ? ":" : "", what);
}

/* ---- physical lines -------------------------------------------------------------------------- */

/* More bytes behind raw[to]. */
static kith_status fill(csv_rows *c)
{
    size_t got;

    if (c->from > 0) {
        memmove(c->raw, c->raw + c->from, c->to - c->from);
        c->to -= c->from;
        c->from = 0;
    }
    if (c->to == c->cap) {
        c->record_line = c->line + 1;
        if (c->cap >= CSV_RECORD)
            return csv_rows_fail(c, SIZE_MAX, "it is longer than %d bytes", CSV_RECORD);
        if (!array_grow(&c->raw, &c->cap, 2 * c->cap + (64 << 10), 1)) return KITH_NO_MEMORY;
    }
    errno = 0;
    got = fread(c->raw + c->to, 1, c->cap - c->to, c->file);
    if (signal_caught()) return fail(KITH_CANCELLED, "cancelled");
    if (got == 0 && ferror(c->file))
        return fail(KITH_IO, "cannot read %s: %s", c->name, strerror(errno));
    c->to += got;
    if (got == 0) c->ended = 1;
    return KITH_OK;
}

/* Where the line that begins at `from` ends (after its LF or CR), 0: its end is not yet here. */
static size_t line_end(const csv_rows *c)
{
    const unsigned char *from = c->raw + c->from;
    const size_t len = c->to - c->from;
    const unsigned char *lf = len > 0 ? memchr(from, '\n', len) : NULL;
    const size_t before = lf != NULL ? (size_t)(lf - from) : len;
    const unsigned char *cr = before > 0 ? memchr(from, '\r', before) : NULL;

    if (cr != NULL) return c->from + (size_t)(cr - from) + 1;
    return lf != NULL ? c->from + before + 1 : 0;
}

/* The next line with its end, or what is left of the file; *len = 0: the end. */
static kith_status next_line(csv_rows *c, const char **line, size_t *len)
{
    kith_status st = KITH_OK;
    size_t end;

    for (;;) {
        while ((end = line_end(c)) == 0 && !c->ended) TRY(fill(c));
        if (end == 0) end = c->to;
        // The LF of a CRLF comes as a line of its own: no line to people.
        if (!(c->after_cr && end - c->from == 1 && c->raw[c->from] == '\n')) break;
        c->after_cr = 0;
        c->from = end;
    }
    *line = (const char *)c->raw + c->from;
    *len = end - c->from;
    c->after_cr = *len > 0 && c->raw[end - 1] == '\r';
    c->from = end;
    c->line += *len > 0;
out:
    return st;
}

void latin1_to_utf8(const char *text, size_t len, char *out, size_t *out_len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        const unsigned char byte = (unsigned char)text[i];
        if (byte >= 0x80) out[n++] = (char)(0xc0 | byte >> 6);
        out[n++] = (char)(byte < 0x80 ? byte : 0x80 | (byte & 0x3f));
    }
    *out_len = n;
}

static kith_status widen(csv_rows *c, const char **line, size_t *len)
{
    if (!array_grow(&c->wide, &c->wide_cap, 2 * *len, 1)) return KITH_NO_MEMORY;
    latin1_to_utf8(*line, *len, c->wide, len);
    *line = c->wide;
    return KITH_OK;
}

/* ---- fields ---------------------------------------------------------------------------------- */

static kith_status push_field(record *r, const char *text, size_t len)
{
    if (r->n >= CSV_COLUMNS)
        return fail(KITH_LIMIT, "a record of more than %d columns", CSV_COLUMNS);
    if (!array_grow(&r->text, &r->text_cap, r->len + len + 1, 1) ||
        !array_grow(&r->start, &r->start_cap, r->n + 2, sizeof *r->start))
        return KITH_NO_MEMORY;
    r->start[r->n++] = r->len;
    if (len > 0) memcpy(r->text + r->len, text, len);
    r->len += len;
    r->text[r->len++] = '\0';
    r->start[r->n] = r->len;
    return KITH_OK;
}

/* libcsv calls these two; it cannot be stopped, so a failure is remembered. */
static void field_ended(void *text, size_t len, void *ctx)
{
    csv_rows *c = ctx;

    if (c->failed == KITH_OK) c->failed = push_field(&c->now, text, len);
}

static void record_ended(int end, void *ctx)
{
    csv_rows *c = ctx;

    (void)end;
    c->complete = 1;
}

static kith_status split_quoted(csv_rows *c, const char *line, size_t len)
{
    if (csv_parse(&c->parser, line, len, field_ended, record_ended, c) != len)
        return csv_rows_fail(c, SIZE_MAX, "%s", csv_strerror(csv_error(&c->parser)));
    return c->failed;
}

static void trim(const char **text, size_t *len)
{
    for (; *len > 0 && **text == ' '; (*len)--) (*text)++;
    while (*len > 0 && (*text)[*len - 1] == ' ') (*len)--;
}

/* At the delimiter, wherever it stands. */
static kith_status split_plain(csv_rows *c, const char *line, size_t len)
{
    const size_t width = strlen(c->delimiter);
    kith_status st = KITH_OK;
    size_t from = 0;

    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) len--;
    for (size_t i = 0; len > 0 && i <= len; i++) {
        const int ends = i == len;
        if (!ends && (len - i < width || memcmp(line + i, c->delimiter, width) != 0)) continue;
        const char *text = line + from;
        size_t n = i - from;
        trim(&text, &n);
        TRY(push_field(&c->now, text, n));
        c->complete = 1;
        if (!ends) i += width - 1;
        from = i + 1;
    }
out:
    return st;
}

static kith_status unclosed(const csv_rows *c)
{
    return csv_rows_fail(c, SIZE_MAX,
                         "a quote opened in this record is not closed up to line %llu; if quotes "
                         "mean nothing in this file, say --no-quotes",
                         (unsigned long long)c->line);
}

/* Read lines until a record is whole; none when the file ends. */
static kith_status read_record(csv_rows *c)
{
    kith_status st = KITH_OK;
    const char *line;
    size_t len, bytes = 0;

    c->now.n = c->now.len = 0;
    c->complete = 0;
    c->failed = KITH_OK;
    while (!c->complete) {
        TRY(next_line(c, &line, &len));
        if (bytes == 0) c->record_line = c->line;
        if (len == 0) {
            if (bytes == 0) break;
            TRY(unclosed(c));
        }
        if (memchr(line, '\0', len) != NULL)
            FAIL(KITH_BAD_ARG, "%s: line %llu: a zero byte: this is no text%s", c->name,
                 (unsigned long long)c->line,
                 c->line == 1 ? " (UTF-16? write it as UTF-8 first: iconv -f utf-16 -t utf-8)"
                              : "");
        if (c->latin1) TRY(widen(c, &line, &len));
        bytes += len;
        if (bytes > CSV_RECORD) {
            if (c->parser.quoted) TRY(unclosed(c));
            TRY(csv_rows_fail(c, SIZE_MAX, "a record longer than %d bytes", CSV_RECORD));
        }
        TRY(c->no_quotes ? split_plain(c, line, len) : split_quoted(c, line, len));
        // The last line of a file may lack its end.
        if (!c->complete && !c->no_quotes && line[len - 1] != '\n' && line[len - 1] != '\r')
            TRY(split_quoted(c, "\n", 1));
        if (!c->complete && (c->no_quotes || !c->parser.quoted)) bytes = 0; // it was blank
    }
out:
    return st;
}

kith_status csv_rows_next(csv_rows *c, size_t *fields)
{
    const kith_status st = read_record(c);

    *fields = c->now.n;
    if (st != KITH_OK) return st;
    if (c->columns == 0) c->columns = c->now.n;
    if (c->now.n > 0 && c->now.n != c->columns)
        return csv_rows_fail(c, SIZE_MAX, "%zu column%s, the first line has %zu", c->now.n,
                             plural(c->now.n), c->columns);
    return KITH_OK;
}

const char *csv_rows_field(const csv_rows *c, size_t i, size_t *len)
{
    if (len != NULL) *len = c->now.start[i + 1] - c->now.start[i] - 1;
    return c->now.text + c->now.start[i];
}

size_t csv_rows_columns(const csv_rows *c)
{
    return c->columns;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int ends_in(const char *name, const char *ending)
{
    const size_t n = strlen(name), m = strlen(ending);

    return n >= m && strcasecmp(name + n - m, ending) == 0;
}

/* What the first line has first, outside of quotes and of arrays: ',', ';' or a tab. */
static const char *usual_delimiter(const csv_rows *c)
{
    int quoted = 0, depth = 0;

    if (ends_in(c->name, ".tsv") || ends_in(c->name, ".tab")) return "\t";
    for (size_t i = c->from; i < c->to; i++) {
        const unsigned char byte = c->raw[i];
        if (byte == '"') quoted = !quoted;
        if (quoted) continue;
        if ((byte == '\n' || byte == '\r') && i > c->from) break;
        depth += (byte == '[') - (byte == ']');
        if (depth > 0) continue;
        if (byte == ',') return ",";
        if (byte == ';') return ";";
        if (byte == '\t') return "\t";
    }
    return ",";
}

int csv_is_latin1(const char *encoding)
{
    return encoding != NULL &&
           (strcasecmp(encoding, "latin1") == 0 || strcasecmp(encoding, "iso-8859-1") == 0);
}

static kith_status take_options(csv_rows *c, const csv_options *how)
{
    const char *delimiter = how->delimiter, *encoding = how->encoding;

    if (delimiter == NULL) delimiter = usual_delimiter(c);
    if (strcmp(delimiter, "\\t") == 0 || strcmp(delimiter, "tab") == 0) delimiter = "\t";
    if (*delimiter == '\0' || strlen(delimiter) >= sizeof c->delimiter ||
        strpbrk(delimiter, "\"\r\n") != NULL)
        return wrong_usage(
            "'%s' cannot be a delimiter: it is 1 to %zu characters, no quotes and no line ends",
            delimiter, sizeof c->delimiter - 1);
    memcpy(c->delimiter, delimiter, strlen(delimiter) + 1);
    if (encoding != NULL && !csv_is_latin1(encoding) && strcasecmp(encoding, "utf-8") != 0 &&
        strcasecmp(encoding, "utf8") != 0)
        return wrong_usage("there is no encoding '%s' here: utf-8 or latin1", encoding);
    c->latin1 = csv_is_latin1(encoding);
    c->header = !how->no_header;
    c->no_quotes = how->no_quotes || delimiter[1] != '\0';
    return KITH_OK;
}

/* A number or a list of them in the place of a name; whole numbers that count on from column to
 * column are names, as pandas writes them. */
static int looks_like_data(const csv_rows *c)
{
    int64_t last = 0, name;
    size_t numbers = 0, at = 0;

    for (size_t i = 0; i < c->now.n; i++) {
        const char *text = csv_rows_field(c, i, NULL);
        if (text[0] == '[') return 1;
        if (strpbrk(text, "0123456789") == NULL || text[strspn(text, "0123456789+-.eE ;|")] != '\0')
            continue;
        if (!parse_int(text, &name)) return 1;
        if (numbers++ > 0 && (name != last + 1 || i != at + 1)) return 1;
        last = name;
        at = i;
    }
    return numbers == 1 && c->now.n == 1;
}

static kith_status read_header(csv_rows *c)
{
    kith_status st = KITH_OK;
    size_t n;

    TRY(csv_rows_next(c, &n));
    if (n == 0) goto out;
    if (looks_like_data(c))
        TRY(csv_rows_fail(c, SIZE_MAX,
                          "the names of the columns are expected here, not numbers; if the data "
                          "begin here, say --no-header"));
    c->names = c->now;
    memset(&c->now, 0, sizeof c->now);
out:
    return st;
}

static kith_status open_stream(FILE *file, const char *name, const csv_options *how, csv_rows **out)
{
    kith_status st = KITH_OK;
    csv_rows *c = array_new(1, sizeof *c);

    NEED(c);
    c->file = file;
    file = NULL;
    c->name = text_copy(name, strlen(name));
    NEED(c->name);
    if (csv_init(&c->parser, 0) != 0) FAIL(KITH_NO_MEMORY, "out of memory: libcsv");
    TRY(fill(c));
    if (c->to >= 2 && (memcmp(c->raw, "\xff\xfe", 2) == 0 || memcmp(c->raw, "\xfe\xff", 2) == 0))
        FAIL(KITH_UNSUPPORTED, "%s: UTF-16; write it as UTF-8 first: iconv -f utf-16 -t utf-8",
             name);
    if (c->to >= 3 && memcmp(c->raw, "\xef\xbb\xbf", 3) == 0) c->from = 3; // byte order mark
    TRY(take_options(c, how));
    csv_set_delim(&c->parser, (unsigned char)c->delimiter[0]);
    csv_set_blk_size(&c->parser, 32 << 10);
    if (c->header) TRY(read_header(c));
    *out = c;
    c = NULL;
out:
    if (file != NULL) fclose(file);
    csv_rows_free(c);
    return st;
}

kith_status csv_rows_open(const char *path, const csv_options *how, csv_rows **out)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");

    if (file == NULL) return fail(KITH_IO, "cannot open %s: %s", path, strerror(errno));
    return open_stream(file, strcmp(path, "-") == 0 ? "standard input" : path, how, out);
}

kith_status csv_rows_view(const void *bytes, size_t len, const char *name, const csv_options *how,
                          csv_rows **out)
{
    void *copy = NULL;
    FILE *file;

    memcpy(&copy, &bytes, sizeof copy); // read only, whatever fmemopen's type says
    file = fmemopen(copy, len, "rb");
    if (file == NULL) return fail(KITH_NO_MEMORY, "%s: %s", name, strerror(errno));
    return open_stream(file, name, how, out);
}

static void record_free(record *r)
{
    free(r->text);
    free(r->start);
}

void csv_rows_free(csv_rows *c)
{
    if (c == NULL) return;
    if (c->file != NULL && c->file != stdin) fclose(c->file);
    csv_free(&c->parser); // of zeroes: nothing to free
    record_free(&c->now);
    record_free(&c->names);
    free(c->name);
    free(c->raw);
    free(c->wide);
    free(c);
}

/* ---- columns by name or number --------------------------------------------------------------- */

const char *csv_column_name(const csv_rows *c, size_t i)
{
    return i < c->names.n ? c->names.text + c->names.start[i] : NULL;
}

const char *csv_rows_name(const csv_rows *c)
{
    return c->name;
}

static const char *name_at(const void *ctx, size_t i)
{
    return csv_column_name(ctx, i);
}

size_t csv_column_named(const csv_rows *c, const char *name)
{
    for (size_t i = 0; i < c->names.n; i++)
        if (strcasecmp(name_at(c, i), name) == 0) return i;
    return SIZE_MAX;
}

/* By number or exact name; SIZE_MAX when there is none, with *twice set when the name has two. */
static size_t look_up(const csv_rows *c, const char *text, int *twice)
{
    size_t found = SIZE_MAX;
    int64_t number;

    *twice = 0;
    if (parse_int(text, &number))
        return number >= 1 && (uint64_t)number <= c->columns ? (size_t)number - 1 : SIZE_MAX;
    for (size_t i = 0; i < c->names.n; i++) {
        if (strcmp(name_at(c, i), text) != 0) continue;
        *twice = found != SIZE_MAX;
        if (found == SIZE_MAX) found = i;
    }
    return found;
}

kith_status csv_column_find(const csv_rows *c, const char *text, size_t *out)
{
    const char *like;
    int64_t number;
    int twice;

    *out = look_up(c, text, &twice);
    if (twice)
        return fail(KITH_BAD_ARG, "%s: two columns are named '%s': give its number", c->name, text);
    if (*out != SIZE_MAX) return KITH_OK;
    if (parse_int(text, &number))
        return fail(KITH_NOT_FOUND, "%s: there is no column %s: it has %zu", c->name, text,
                    c->columns);
    if (c->names.n == 0)
        return fail(KITH_NOT_FOUND, "%s: column '%s': without a header columns have only numbers",
                    c->name, text);
    like = most_like(text, name_at, c);
    if (like == NULL) return fail(KITH_NOT_FOUND, "%s: there is no column '%s'", c->name, text);
    return fail(KITH_NOT_FOUND, "%s: there is no column '%s'; did you mean '%s'?", c->name, text,
                like);
}

/* One item of a list: a column, or first-last. */
static kith_status find_range(const csv_rows *c, char *item, size_t *first, size_t *last)
{
    int twice;

    *first = *last = look_up(c, item, &twice);
    if (*first != SIZE_MAX && !twice) return KITH_OK;
    // A name may hold a '-' itself: try each one.
    for (char *dash = strchr(item, '-'); dash != NULL; dash = strchr(dash + 1, '-')) {
        *dash = '\0';
        *first = look_up(c, item, &twice);
        *last = look_up(c, dash + 1, &twice);
        *dash = '-';
        if (*first != SIZE_MAX && *last != SIZE_MAX && *first <= *last) return KITH_OK;
    }
    return csv_column_find(c, item, first); // says what is wrong
}

kith_status csv_columns_find(const csv_rows *c, const char *text, size_t **out, size_t *n)
{
    kith_status st = KITH_OK;
    char *copy = text_copy(text, strlen(text));
    size_t *columns = NULL, cap = 0, count = 0, first, last;

    NEED(copy);
    for (char *item = copy, *end; item != NULL; item = end) {
        end = strchr(item, ',');
        if (end != NULL) *end++ = '\0';
        TRY(find_range(c, item, &first, &last));
        if (!array_grow(&columns, &cap, count + (last - first) + 1, sizeof *columns)) {
            st = KITH_NO_MEMORY;
            goto out;
        }
        for (size_t i = first; i <= last; i++) columns[count++] = i;
    }
    *out = columns;
    *n = count;
    columns = NULL;
out:
    free(columns);
    free(copy);
    return st;
}
