/* What every file of the command says things with: sentences for errors, notes for people on
 * stderr, checked memory. A function that can fail returns a kith_status and leaves its sentence
 * with kith_last_error, so that errors of the command and of the library are one. */
#ifndef CLI_SAY_H
#define CLI_SAY_H

#include <stddef.h>

#include "kith.h"

#if defined(__GNUC__)
#    define SAY_FORMAT(at, first) __attribute__((format(printf, at, first)))
#else
#    define SAY_FORMAT(at, first)
#endif

/* Leave the sentence and return st. */
kith_status fail(kith_status st, const char *format, ...) SAY_FORMAT(2, 3);
/* Put "path: " before the sentence of a failure that does not name the file yet; returns st. */
kith_status fail_in(kith_status st, const char *path);
/* As fail, for what is wrong with the command line itself: BAD_ARG, and exit code 2. */
kith_status wrong_usage(const char *format, ...) SAY_FORMAT(1, 2);
int was_wrong_usage(void);

/* "row" and plural(n): an s, where n is not 1. */
const char *plural(uint64_t n);
/* One line on stderr, unless the user asked for quiet. */
void note(const char *format, ...) SAY_FORMAT(1, 2);
void set_quiet(int quiet);
int is_quiet(void);

/* Zeroed memory for n things of this size, at least one byte; NULL with the sentence written. */
void *array_new(size_t n, size_t size);
/* Make *p hold `need` things, at least doubling; 0 (and *p as before) when memory is out. */
int array_grow(void *p, size_t *cap, size_t need, size_t size);
/* A copy of len bytes with a closing NUL. */
char *text_copy(const char *text, size_t len);

/* They set the local `st` and jump to the local `out`. */
#define TRY(call)                    \
    do {                             \
        st = (call);                 \
        if (st != KITH_OK) goto out; \
    } while (0)
#define NEED(ptr)                                                                \
    do {                                                                         \
        if ((ptr) == NULL) {                                                     \
            st = KITH_NO_MEMORY; /* its sentence is written by the allocation */ \
            goto out;                                                            \
        }                                                                        \
    } while (0)
#define FAIL(code, ...)               \
    do {                              \
        st = fail(code, __VA_ARGS__); \
        goto out;                     \
    } while (0)

#endif
