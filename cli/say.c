/* Sentences, notes and checked memory of the command. */
#include "say.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage_failed, quiet_asked;

static kith_status fail_list(kith_status st, const char *format, va_list list) SAY_FORMAT(2, 0);
static kith_status fail_list(kith_status st, const char *format, va_list list)
{
    char sentence[256];

    vsnprintf(sentence, sizeof sentence, format, list);
    return kith_fail(st, sentence);
}

kith_status fail(kith_status st, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    st = fail_list(st, format, list);
    va_end(list);
    return st;
}

kith_status fail_in(kith_status st, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    char sentence[256];

    if (st == KITH_OK || usage_failed || st == KITH_CANCELLED || st == KITH_NO_MEMORY ||
        strstr(kith_last_error(), name) != NULL)
        return st;
    snprintf(sentence, sizeof sentence, "%s", kith_last_error());
    return fail(st, "%s: %s", name, sentence);
}

kith_status wrong_usage(const char *format, ...)
{
    va_list list;

    usage_failed = 1;
    va_start(list, format);
    fail_list(KITH_BAD_ARG, format, list);
    va_end(list);
    return KITH_BAD_ARG;
}

const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

int was_wrong_usage(void)
{
    return usage_failed;
}

void set_quiet(int quiet)
{
    quiet_asked = quiet;
}

int is_quiet(void)
{
    return quiet_asked;
}

void note(const char *format, ...)
{
    va_list list;

    if (quiet_asked) return;
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
    fputc('\n', stderr);
}

void *array_new(size_t n, size_t size)
{
    void *p = NULL;

    if (size == 0 || n <= SIZE_MAX / size) p = calloc(n > 0 ? n : 1, size > 0 ? size : 1);
    if (p == NULL) fail(KITH_NO_MEMORY, "out of memory: %zu times %zu bytes", n, size);
    return p;
}

int array_grow(void *p, size_t *cap, size_t need, size_t size)
{
    size_t want = *cap < SIZE_MAX / 2 ? 2 * *cap : need;
    void *old, *grown = NULL;

    if (need <= *cap) return 1;
    if (want < need) want = need;
    if (want < 16) want = 16;
    memcpy(&old, p, sizeof old); // *p is a pointer of some other type
    if (want <= SIZE_MAX / size) grown = realloc(old, want * size);
    if (grown == NULL) {
        fail(KITH_NO_MEMORY, "out of memory: %zu times %zu bytes", want, size);
        return 0;
    }
    memcpy(p, &grown, sizeof grown);
    *cap = want;
    return 1;
}

char *text_copy(const char *text, size_t len)
{
    char *copy = array_new(len + 1, 1);

    if (copy != NULL && len > 0) memcpy(copy, text, len);
    return copy;
}
