/* Tables of parameters: each tunable is one row; help, man page, docs/PARAMETERS.md, bindings,
 * range checks and error messages are made from the rows. */
#ifndef KI_PARAM_H
#define KI_PARAM_H

#include "base/env.h"

typedef enum ki_param_type { KI_PARAM_INT, KI_PARAM_FLOAT, KI_PARAM_FLAG } ki_param_type;

typedef struct ki_param {
    const char *name;
    const char *aliases; /* comma-separated, may be "" */
    ki_param_type type;  /* FLAG: off 0, on 1, auto 2 where hi is 2 */
    double lo, hi, preset;
    const char *about; /* one sentence: meaning, unit, cost */
} ki_param;

/* A table of one owner ("Flat", "search"). values of an owner are double[count] in this order. */
typedef struct ki_param_table {
    const char *owner;
    const ki_param *row;
    size_t count;
} ki_param_table;

void ki_param_presets(const ki_param_table *t, double *values);
/* Index of a name or alias (letter case does not matter), or -1. */
int ki_param_find(const ki_param_table *t, const char *name);
/* Parse text ("on", "off", "auto", "3", "0.5") for row i into *value; BAD_ARG names the range. */
kith_status ki_param_parse(const ki_param_table *t, size_t i, const char *text, double *value);
/* Canonical text of a value ("off", "3"). */
void ki_param_text(const ki_param_table *t, size_t i, double value, char *out, size_t cap);

#endif
