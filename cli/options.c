/* Parsing of the command line by tables of options. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- finding a row --------------------------------------------------------------------------- */

static const option *row_at(const option *const *tables, size_t i)
{
    for (; *tables != NULL; tables++)
        for (const option *o = *tables; o->name != NULL; o++)
            if (i-- == 0) return o;
    return NULL;
}

static const char *row_name(const void *tables, size_t i)
{
    const option *o = row_at(tables, i);

    return o != NULL ? o->name : NULL;
}

static const option *find_long(const option *const *tables, const char *name, size_t len)
{
    const option *o;

    for (size_t i = 0; (o = row_at(tables, i)) != NULL; i++)
        if (strlen(o->name) == len && memcmp(o->name, name, len) == 0) return o;
    return NULL;
}

static const option *find_letter(const option *const *tables, char letter)
{
    const option *o;

    for (size_t i = 0; (o = row_at(tables, i)) != NULL; i++)
        if (o->letter == letter) return o;
    return NULL;
}

/* Levenshtein's distance, at most 32 letters of each: longer ones are not mistyped names. */
static size_t edits(const char *a, const char *b)
{
    size_t row[33], la = strlen(a), lb = strlen(b);

    if (la > 32 || lb > 32) return 99;
    for (size_t j = 0; j <= lb; j++) row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            const size_t above = row[j];
            size_t best = corner + (a[i - 1] != b[j - 1]);
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            corner = above;
        }
    }
    return row[lb];
}

const char *most_like(const char *text, const char *(*next)(const void *ctx, size_t i),
                      const void *ctx)
{
    const char *best = NULL, *name;
    size_t least = 3;

    for (size_t i = 0; (name = next(ctx, i)) != NULL; i++) {
        const size_t n = strlen(text) > 2 && strncmp(text, name, strlen(text)) == 0
                             ? 1 // the beginning of a name
                             : edits(text, name);
        if (n < least) {
            least = n;
            best = name;
        }
    }
    return best;
}

/* ---- parsing --------------------------------------------------------------------------------- */

static kith_status unknown(const option *const *tables, const char *word, size_t len)
{
    char name[40];
    const char *like;

    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), word);
    like = most_like(name, row_name, tables);
    if (like == NULL) return wrong_usage("there is no option --%s", name);
    return wrong_usage("there is no option --%s; did you mean --%s?", name, like);
}

static void take(arguments *a, const option *o, const char *text)
{
    a->given[a->count].option = o;
    a->given[a->count++].text = text;
}

/* --name, --name=value, --name value: *i moves over a value that stands by itself. */
static kith_status parse_long(arguments *a, int argc, char **argv, int *i)
{
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    const size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const option *o = find_long(a->tables, word, len);

    if (o == NULL) return unknown(a->tables, word, len);
    if (o->argument == NULL) {
        if (equals != NULL) return wrong_usage("--%s takes no value", o->name);
        take(a, o, NULL);
    } else if (equals != NULL) {
        take(a, o, equals + 1);
    } else if (*i + 1 < argc) {
        take(a, o, argv[++*i]);
    } else {
        return wrong_usage("--%s needs a value: --%s %s", o->name, o->name, o->argument);
    }
    return KITH_OK;
}

/* -q, -k 10, -k10, -qk10. */
static kith_status parse_short(arguments *a, int argc, char **argv, int *i)
{
    for (const char *word = argv[*i] + 1; *word != '\0'; word++) {
        const option *o = find_letter(a->tables, *word);
        if (o == NULL)
            return wrong_usage("there is no option -%c",
                               isprint((unsigned char)*word) ? *word : '?');
        if (o->argument == NULL) {
            take(a, o, NULL);
        } else if (word[1] != '\0') {
            take(a, o, word + 1);
            break;
        } else if (*i + 1 < argc) {
            take(a, o, argv[++*i]);
            break;
        } else {
            return wrong_usage("-%c needs a value: -%c %s", *word, *word, o->argument);
        }
    }
    return KITH_OK;
}

kith_status arguments_parse(const option *const *tables, int argc, char **argv, arguments *out)
{
    kith_status st = KITH_OK;
    arguments a = {tables, NULL, NULL, 0, 0};
    size_t letters = 0;
    int ended = 0;

    // -qqq gives three: never more options than letters.
    for (int i = 0; i < argc; i++) letters += strlen(argv[i]);
    a.operand = array_new((size_t)argc, sizeof *a.operand);
    NEED(a.operand);
    a.given = array_new(letters, sizeof *a.given);
    NEED(a.given);
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        // `-` is stdin, -5 an id: no option's letter is a digit.
        if (ended || word[0] != '-' || word[1] == '\0' || isdigit((unsigned char)word[1]))
            a.operand[a.operands++] = word;
        else if (strcmp(word, "--") == 0)
            ended = 1;
        else
            TRY(word[1] == '-' ? parse_long(&a, argc, argv, &i) : parse_short(&a, argc, argv, &i));
    }
    *out = a;
    a.operand = NULL;
    a.given = NULL;
out:
    arguments_free(&a);
    return st;
}

void arguments_free(arguments *a)
{
    free(a->operand);
    free(a->given);
    a->operand = NULL;
    a->given = NULL;
}

/* ---- what was given -------------------------------------------------------------------------- */

const char *given_text(const arguments *a, const char *name)
{
    const char *last = NULL, *text;

    for (size_t i = 0; (text = given_nth(a, name, i)) != NULL; i++) last = text;
    return last;
}

const char *given_nth(const arguments *a, const char *name, size_t i)
{
    for (size_t j = 0; j < a->count; j++)
        if (strcmp(a->given[j].option->name, name) == 0 && i-- == 0) return a->given[j].text;
    return NULL;
}

int given_flag(const arguments *a, const char *name)
{
    for (size_t j = 0; j < a->count; j++)
        if (strcmp(a->given[j].option->name, name) == 0) return 1;
    return 0;
}

kith_status given_count(const arguments *a, const char *name, uint64_t lo, uint64_t hi,
                        uint64_t preset, uint64_t *out)
{
    const char *text = given_text(a, name);
    int64_t value;

    *out = preset;
    if (text == NULL) return KITH_OK;
    if (!parse_int(text, &value) || value < 0 || (uint64_t)value < lo || (uint64_t)value > hi)
        return wrong_usage("%s%s %s: it must be a whole number from %llu to %llu",
                           strlen(name) == 1 ? "-" : "--", name, text, (unsigned long long)lo,
                           (unsigned long long)hi);
    *out = (uint64_t)value;
    return KITH_OK;
}

kith_status given_number(const arguments *a, const char *name, float *out)
{
    const char *text = given_text(a, name);

    *out = NAN;
    if (text == NULL) return KITH_OK;
    if (!parse_float(text, out))
        return wrong_usage("--%s %s: that is no finite number", name, text);
    return KITH_OK;
}

int parse_int(const char *text, int64_t *out)
{
    const char *digits = text + (*text == '-' || *text == '+');
    long long value;

    if (!isdigit((unsigned char)*digits) || digits[strspn(digits, "0123456789")] != '\0') return 0;
    errno = 0;
    value = strtoll(text, NULL, 10);
    if (errno != 0) return 0;
    *out = value;
    return 1;
}

/* The grammar is checked first, because strtof also takes "inf", "nan" and hexadecimal; the command
 * never calls setlocale, so the decimal sign is a point. */
int parse_float(const char *text, float *out)
{
    const char *at = text + (*text == '-' || *text == '+');
    const size_t whole = strspn(at, "0123456789");
    size_t part = 0;

    at += whole;
    if (*at == '.') {
        part = strspn(at + 1, "0123456789");
        at += 1 + part;
    }
    if (whole + part == 0) return 0;
    if (*at == 'e' || *at == 'E') {
        at += at[1] == '-' || at[1] == '+' ? 2 : 1;
        if (!isdigit((unsigned char)*at)) return 0;
        at += strspn(at, "0123456789");
    }
    if (*at != '\0') return 0;
    *out = strtof(text, NULL);
    return isfinite(*out);
}

kith_status parse_ids(const char *text, int64_t **out, size_t *n)
{
    kith_status st = KITH_OK;
    int64_t *ids = NULL;
    size_t cap = 0, count = 0;

    for (const char *at = text;; at++) {
        const size_t len = strcspn(at, ",");
        char word[24];
        snprintf(word, sizeof word, "%.*s", (int)(len < sizeof word ? len : sizeof word - 1), at);
        if (len >= sizeof word || !array_grow(&ids, &cap, count + 1, sizeof *ids) ||
            !parse_int(word, &ids[count]))
            TRY(wrong_usage("'%s' is no id: ids are whole numbers, written 1,2,5", word));
        count++;
        at += len;
        if (*at == '\0') break;
    }
    *out = ids;
    *n = count;
    ids = NULL;
out:
    free(ids);
    return st;
}
