/* The records of a CSV or TSV file, one at a time. Fields are what libcsv says they are; this adds
 * what it leaves open: bytes to lines (LF, CRLF, CR), a byte order mark, line numbers for errors,
 * limits, Latin-1, delimiters of several characters, files without quotes. */
#ifndef CLI_CSV_ROWS_H
#define CLI_CSV_ROWS_H

#include "say.h"

enum {
    CSV_RECORD = 4 << 20, /* bytes of one record, over all its lines */
    CSV_COLUMNS = 65536
};

typedef struct csv_options {
    const char *delimiter; /* one or more characters, \t is a tab; NULL: a tab in .tsv, else what
                            * the first line has first, a comma, a semicolon or a tab */
    const char *encoding;  /* "utf-8" (or NULL), "latin1" */
    int no_header, no_quotes;
} csv_options;

typedef struct csv_rows csv_rows;

int csv_is_latin1(const char *encoding); /* NULL is not */
/* out holds 2 * len bytes. */
void latin1_to_utf8(const char *text, size_t len, char *out, size_t *out_len);

/* path "-" is stdin. The header, if there is one, is read at once. */
kith_status csv_rows_open(const char *path, const csv_options *how, csv_rows **out);
/* The same from bytes in memory, borrowed; name is for sentences. */
kith_status csv_rows_view(const void *bytes, size_t len, const char *name, const csv_options *how,
                          csv_rows **out);
/* The next record: how many fields it has, 0 at the end. They stay until the next call. */
kith_status csv_rows_next(csv_rows *c, size_t *fields);
/* NUL-ended UTF-8 of the i-th field (from 0) and its length. A NUL inside is an error of next. */
const char *csv_rows_field(const csv_rows *c, size_t i, size_t *len);
/* Columns of the file: of its header, or of its first record. 0 before that is known. */
size_t csv_rows_columns(const csv_rows *c);
/* The header of the i-th column, NULL without one; the name of the file, for sentences. */
const char *csv_column_name(const csv_rows *c, size_t i);
const char *csv_rows_name(const csv_rows *c);
/* A sentence that begins with file, line and column: "items.csv: line 3, column 2 (title): …".
 * column: from 0; SIZE_MAX: none. */
kith_status csv_rows_fail(const csv_rows *c, size_t column, const char *format, ...)
    SAY_FORMAT(3, 4);
void csv_rows_free(csv_rows *c);

/* Columns chosen by text, in order: numbers from 1 ("3", "2-129"), names of the header, ranges of
 * names ("f0-f127"), and lists of those. */
kith_status csv_columns_find(const csv_rows *c, const char *text, size_t **out, size_t *n);
/* One column by name or number. */
kith_status csv_column_find(const csv_rows *c, const char *text, size_t *out);
/* The column whose header is name, letter case aside; SIZE_MAX when there is none. */
size_t csv_column_named(const csv_rows *c, const char *name);

#endif
