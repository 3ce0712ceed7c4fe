/* The parser of spec strings, by hand, one function a rule:
 *
 *     spec    = item {"," item}
 *     item    = name [number ["x" number]] [suffix] ["(" inner {"," inner} ")"]
 *     inner   = option | item
 *     option  = word "=" value
 *     name    = letter {letter | "_"}            suffix = {letter | digit | "_"}, after a number
 *     word    = letter {letter | digit | "_"}    value  = (letter | digit | one of "_.+-") …
 *
 * Bytes are taken as they are and letters are ASCII letters, whatever the locale. The text may come
 * from anywhere, so every length is checked before it is copied. What a name means, or an option
 * given twice, is not decided here. */
#define _POSIX_C_SOURCE 200809L /* strnlen */

#include "base/spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SHOWN = 96 }; /* bytes of a long text that its error shows, around the column */

typedef struct parser {
    ki_spec *spec;
    const char *at;
} parser;

/* ---- errors --------------------------------------------------------------------------------- */

/* "spec "TEXT": column N: WHY", of a long text the neighbourhood of the column. */
static kith_status point_at(const ki_spec *spec, size_t column, const char *why)
{
    const size_t len = strlen(spec->text);
    const size_t middle = column > SHOWN / 2 ? column - SHOWN / 2 : 0;
    const size_t last = len > SHOWN ? len - SHOWN : 0;
    const size_t from = middle < last ? middle : last;
    char shown[SHOWN + 1];
    size_t n = 0;

    for (; n < SHOWN && spec->text[from + n] != '\0'; n++) {
        const char c = spec->text[from + n];

        shown[n] = c >= ' ' && c < 0x7f ? c : '?';
    }
    shown[n] = '\0';
    return ki_fail(KITH_BAD_SPEC, "spec \"%s%s%s\": column %zu: %s", from > 0 ? "..." : "", shown,
                   from + n < len ? "..." : "", column, why);
}

kith_status ki_spec_fail(const ki_spec *spec, size_t column, const char *format, ...)
{
    char why[KI_SENTENCE];
    va_list args;

    va_start(args, format);
    if (vsnprintf(why, sizeof why, format, args) < 0) why[0] = '\0';
    va_end(args);
    return point_at(spec, column, why);
}

static size_t column_of(const parser *s)
{
    return (size_t)(s->at - s->spec->text) + 1;
}

/* "WHAT was expected", and what stands there instead. */
static kith_status expected(const parser *s, const char *what)
{
    const unsigned char c = (unsigned char)*s->at;
    const size_t column = column_of(s);

    if (c == '\0') return ki_spec_fail(s->spec, column, "%s was expected, not the end", what);
    if (c < ' ' || c >= 0x7f)
        return ki_spec_fail(s->spec, column, "%s was expected, not byte 0x%02x", what, c);
    return ki_spec_fail(s->spec, column, "%s was expected, not \"%c\"", what, c);
}

/* ---- words ---------------------------------------------------------------------------------- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool in_name(char c)
{
    return is_letter(c) || c == '_';
}

static bool in_word(char c)
{
    return in_name(c) || is_digit(c);
}

static bool in_value(char c)
{
    return in_word(c) || c == '.' || c == '+' || c == '-';
}

static size_t run_of(const char *p, bool (*in)(char c))
{
    size_t n = 0;

    while (in(p[n])) n++;
    return n;
}

/* Copy the next len bytes to out[cap] and step over them. */
static kith_status copy_word(parser *s, size_t len, char *out, size_t cap, const char *what)
{
    if (len >= cap)
        return ki_spec_fail(s->spec, column_of(s), "a %s has at most %zu characters, not %zu", what,
                            cap - 1, len);
    memcpy(out, s->at, len);
    out[len] = '\0';
    s->at += len;
    return KITH_OK;
}

static kith_status parse_number(parser *s, uint32_t *out)
{
    const size_t column = column_of(s);
    uint64_t n = 0;

    for (; is_digit(*s->at); s->at++) {
        n = n * 10 + (uint64_t)(*s->at - '0');
        if (n > UINT32_MAX)
            return ki_spec_fail(s->spec, column, "a number is at most %u", UINT32_MAX);
    }
    *out = (uint32_t)n;
    return KITH_OK;
}

/* ---- rules ---------------------------------------------------------------------------------- */

/* Options of an item lie side by side. Those of items inside the same parentheses may have come
 * before this one: they move up. */
static ki_spec_option *insert_option(ki_spec *spec, size_t owner)
{
    ki_spec_item *item = &spec->item[owner];
    const size_t at = (size_t)item->first_option + item->options;
    ki_spec_option *option = &spec->option[at];

    memmove(option + 1, option, (spec->option_count - at) * sizeof *option);
    for (size_t i = owner + 1; i < spec->items; i++)
        if (spec->item[i].first_option >= at) spec->item[i].first_option++;
    spec->option_count++;
    item->options++;
    return option;
}

static kith_status parse_option(parser *s, size_t owner, size_t name_len)
{
    const size_t column = column_of(s);
    ki_spec_option *option;
    kith_status st = KITH_OK;
    size_t len;

    if (s->spec->option_count == KI_SPEC_OPTIONS)
        return ki_spec_fail(s->spec, column, "a spec has at most %d options", KI_SPEC_OPTIONS);
    option = insert_option(s->spec, owner);
    option->column = (uint16_t)column;
    KI_TRY(copy_word(s, name_len, option->name, sizeof option->name, "name"));
    s->at++; // "="
    len = run_of(s->at, in_value);
    if (len == 0)
        return ki_spec_fail(s->spec, column_of(s), "a value was expected after \"%s=\"",
                            option->name);
    KI_TRY(copy_word(s, len, option->value, sizeof option->value, "value"));
out:
    return st;
}

static kith_status parse_item(parser *s, int depth, int16_t *index);

/* What stands in the parentheses of an item; s is behind "(". */
static kith_status parse_inner(parser *s, size_t owner, int depth)
{
    int16_t *link = &s->spec->item[owner].child;
    kith_status st = KITH_OK;

    for (;;) {
        const size_t len = is_letter(*s->at) ? run_of(s->at, in_word) : 0;

        if (len == 0) return expected(s, "a name");
        if (s->at[len] == '=') {
            KI_TRY(parse_option(s, owner, len));
        } else {
            KI_TRY(parse_item(s, depth + 1, link));
            link = &s->spec->item[*link].next;
        }
        if (*s->at == ')') break;
        if (*s->at != ',') return expected(s, "\",\" or \")\"");
        s->at++;
    }
    s->at++;
out:
    return st;
}

/* One item into the next slot, whose index goes to *index. */
static kith_status parse_item(parser *s, int depth, int16_t *index)
{
    ki_spec *spec = s->spec;
    const size_t column = column_of(s), own = spec->items;
    ki_spec_item *item = &spec->item[own];
    kith_status st = KITH_OK;

    if (!is_letter(*s->at)) return expected(s, "a name");
    if (depth > KI_SPEC_DEPTH)
        return ki_spec_fail(spec, column, "parentheses nest at most %d deep", KI_SPEC_DEPTH - 1);
    if (own == KI_SPEC_ITEMS)
        return ki_spec_fail(spec, column, "a spec has at most %d items", KI_SPEC_ITEMS);
    memset(item, 0, sizeof *item);
    item->column = (uint16_t)column;
    item->first_option = (uint16_t)spec->option_count;
    item->child = item->next = -1;
    spec->items++;
    *index = (int16_t)own;

    KI_TRY(copy_word(s, run_of(s->at, in_name), item->name, sizeof item->name, "name"));
    if (is_digit(*s->at)) {
        item->has_number = true;
        KI_TRY(parse_number(s, &item->number));
        if (*s->at == 'x' && is_digit(s->at[1])) {
            s->at++;
            item->has_number2 = true;
            KI_TRY(parse_number(s, &item->number2));
        }
        KI_TRY(copy_word(s, run_of(s->at, in_word), item->suffix, sizeof item->suffix, "suffix"));
    }
    if (*s->at == '(') {
        s->at++;
        KI_TRY(parse_inner(s, own, depth));
    }
out:
    return st;
}

kith_status ki_spec_parse(const char *text, ki_spec *out)
{
    const size_t len = text != NULL ? strnlen(text, KI_SPEC_TEXT) : 0;
    parser s = {out, out->text};
    kith_status st = KITH_OK;
    int16_t first = 0, *link = &first;

    if (text == NULL) return ki_fail(KITH_BAD_SPEC, "spec is NULL");
    if (len == KI_SPEC_TEXT)
        return ki_fail(KITH_BAD_SPEC, "spec \"%.40s...\": longer than %d characters", text,
                       KI_SPEC_TEXT - 1);
    memcpy(out->text, text, len + 1);
    out->items = out->option_count = 0;
    for (;;) {
        KI_TRY(parse_item(&s, 1, link));
        if (*s.at == '\0') break;
        if (*s.at != ',') return expected(&s, "\",\" or the end");
        s.at++;
        link = &out->item[*link].next;
    }
out:
    return st;
}
