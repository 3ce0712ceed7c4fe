/* What goes to stdout: JSON, one object a line, and text that a person reads and awk parses.
 * Integers are exact, floats the shortest that read back as the same float; text is escaped, so
 * that a label can neither break a line nor command a terminal. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdio.h>

#include "say.h"

/* ---- text ---- */

/* "0.1", "1e-05", "nan"; out holds 16 bytes. */
void float_text(float value, char *out);
/* Bytes of the well-formed UTF-8 sequence at text (1…4), 0 when there is none. */
size_t utf8_len(const char *text);
int is_utf8(const char *text);
/* UTF-8 with control bytes, tabs, newlines, backslashes and invalid bytes as \n, \t, \\, \xNN. */
void put_text(FILE *to, const char *text);

/* ---- JSON ---- */

typedef struct json {
    FILE *to;
    int more; /* a value stands before the next one */
} json;

/* key: NULL inside an array and for the outermost object. */
void json_open(json *j, const char *key, char bracket); /* '{' or '[' */
void json_close(json *j, char bracket);                 /* '}' or ']' */
void json_int(json *j, const char *key, int64_t value);
void json_float(json *j, const char *key, float value);      /* not finite: null */
void json_double(json *j, const char *key, double value);    /* the same */
void json_text(json *j, const char *key, const char *value); /* NULL: null; invalid UTF-8: U+FFFD */
/* End of one object's line. */
void json_line(json *j);

/* ---- the end ---- */

/* What was written to stdout so far has arrived, or IO: a full disk, a closed pipe. */
kith_status check_stdout(void);

#endif
