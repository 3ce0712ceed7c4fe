/* Reading and writing parameter values by their tables. Numbers are read and written as in the "C"
 * locale, whatever the program's is: a spec means the same everywhere. */
#define _POSIX_C_SOURCE 200809L /* uselocale */

#include "base/param.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"

/* ---- names ---------------------------------------------------------------------------------- */

int ki_param_find(const ki_param_table *t, const char *name)
{
    for (size_t i = 0; i < t->count; i++) {
        const ki_param *row = &t->row[i];

        if (ki_named(name, row->name, row->aliases)) return (int)i;
    }
    return -1;
}

void ki_param_presets(const ki_param_table *t, double *values)
{
    for (size_t i = 0; i < t->count; i++) values[i] = t->row[i].preset;
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* A whole text as a finite number, or false. strtod alone would also take blanks, hexadecimal
 * digits, "inf" and "nan". */
static bool read_number(const char *text, double *value)
{
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t own;
    char *end;

    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') return false;
    own = uselocale(c); // c = 0 would only ask
    *value = strtod(text, &end);
    uselocale(own);
    if (c != (locale_t)0) freelocale(c);
    return *end == '\0' && isfinite(*value);
}

/* The shortest decimal that reads back as the same number. */
static void write_number(double value, char *out, size_t cap)
{
    const locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    const locale_t own = uselocale(c);
    char text[32];

    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    uselocale(own);
    if (c != (locale_t)0) freelocale(c);
    (void)snprintf(out, cap, "%s", text);
}

/* ---- values --------------------------------------------------------------------------------- */

static kith_status refuse(const ki_param_table *t, const ki_param *row, const char *text)
{
    char lo[32], hi[32];

    if (row->type == KI_PARAM_FLAG)
        return ki_fail(KITH_BAD_ARG, "%s: %s = \"%.40s\": %s was expected", t->owner, row->name,
                       text, row->hi >= 2 ? "on, off or auto" : "on or off");
    write_number(row->lo, lo, sizeof lo);
    write_number(row->hi, hi, sizeof hi);
    return ki_fail(KITH_BAD_ARG, "%s: %s = \"%.40s\": %s from %s to %s was expected", t->owner,
                   row->name, text, row->type == KI_PARAM_INT ? "an integer" : "a number", lo, hi);
}

static bool read_flag(const char *text, double hi, double *value)
{
    static const char *const words[] = {"off,no,false,0", "on,yes,true,1", "auto"};

    for (int i = 0; i < 3 && i <= hi; i++) {
        if (!ki_listed(text, words[i])) continue;
        *value = i;
        return true;
    }
    return false;
}

static bool read_integer(const char *text, double *value)
{
    const char *digits = text + (*text == '-' || *text == '+');

    return digits[strspn(digits, "0123456789")] == '\0' && read_number(text, value);
}

kith_status ki_param_parse(const ki_param_table *t, size_t i, const char *text, double *value)
{
    const ki_param *row = &t->row[i];
    double v = 0;
    bool good = false;

    switch (row->type) {
    case KI_PARAM_FLAG: good = read_flag(text, row->hi, &v); break;
    case KI_PARAM_INT: good = read_integer(text, &v); break;
    case KI_PARAM_FLOAT: good = read_number(text, &v); break;
    }
    if (!good || v < row->lo || v > row->hi) return refuse(t, row, text);
    *value = v + 0.0; // "-0" is 0
    return KITH_OK;
}

void ki_param_text(const ki_param_table *t, size_t i, double value, char *out, size_t cap)
{
    if (t->row[i].type == KI_PARAM_FLAG)
        (void)snprintf(out, cap, "%s", value >= 2 ? "auto" : value >= 1 ? "on" : "off");
    else if (t->row[i].type == KI_PARAM_INT)
        (void)snprintf(out, cap, "%.0f", value);
    else
        write_number(value, out, cap);
}
