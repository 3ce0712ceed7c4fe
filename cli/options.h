/* Options from tables: each option is one row, and what is parsed, what --help shows and what the
 * man page says are made from the rows. A verb has several tables (its own, those of its inputs,
 * those all verbs have). */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include "say.h"

/* A table ends with a row without name. */
typedef struct option {
    const char *name;     /* "spec": written --spec VALUE or --spec=VALUE */
    const char *argument; /* "SPEC" in the help; NULL: a flag */
    const char *about;
    char letter; /* 'o' for -o VALUE and -oVALUE; 0 = none */
} option;

typedef struct given {
    const option *option;
    const char *text; /* NULL: a flag */
} given;

/* A command line, taken apart. Borrows argv. */
typedef struct arguments {
    const option *const *tables; /* NULL-ended */
    const char **operand;        /* owns the array, as given */
    given *given;
    size_t operands, count;
} arguments;

/* argv: what follows the verb. Options and operands may be mixed; `--` ends the options. */
kith_status arguments_parse(const option *const *tables, int argc, char **argv, arguments *out);
void arguments_free(arguments *a);

/* What was given for an option, the last one if several: NULL when it was not. */
const char *given_text(const arguments *a, const char *name);
/* The i-th one of an option that may be repeated, or NULL. */
const char *given_nth(const arguments *a, const char *name, size_t i);
int given_flag(const arguments *a, const char *name);
/* A whole number in lo…hi; preset when it was not given. */
kith_status given_count(const arguments *a, const char *name, uint64_t lo, uint64_t hi,
                        uint64_t preset, uint64_t *out);
/* A finite number; NAN when it was not given. */
kith_status given_number(const arguments *a, const char *name, float *out);
/* 1 when the whole text is a decimal integer (float) in range, whatever the locale. */
int parse_int(const char *text, int64_t *out);
int parse_float(const char *text, float *out);
/* Ids written 1,2,5: array of *n to be freed. */
kith_status parse_ids(const char *text, int64_t **out, size_t *n);

/* The name of a list that is most like the text, NULL when none is near. next gives the i-th name,
 * NULL after the last. */
const char *most_like(const char *text, const char *(*next)(const void *ctx, size_t i),
                      const void *ctx);

#endif
