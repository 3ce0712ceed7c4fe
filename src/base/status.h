/* Status and sentence: the lowest function that knows writes the thread's sentence with numbers;
 * upper floors pass the code on, may prefix a path, and never replace it. Needs no memory. */
#ifndef KI_STATUS_H
#define KI_STATUS_H

#include "base/compiler.h"
#include "kith.h"

enum { KI_SENTENCE = 256 }; /* bytes, closing NUL included */

/* Write the sentence and return st. */
kith_status ki_fail(kith_status st, const char *format, ...) KI_PRINTF(2, 3);
/* Put "prefix: " before the sentence there is; returns st. */
kith_status ki_fail_prefix(kith_status st, const char *format, ...) KI_PRINTF(2, 3);
/* IO with the words of an errno value: "cannot WHAT PATH: No space left on device". */
kith_status ki_fail_errno(int err, const char *what, const char *path);
/* Carry a sentence from one thread to another. */
void ki_sentence_get(char out[KI_SENTENCE]);
void ki_sentence_set(const char *sentence);

/* The only macros that change control flow: they set the local `st` and jump to the local `out`. */
#define KI_TRY(call)                                                                               \
    do {                                                                                           \
        st = (call);                                                                               \
        if (KI_UNLIKELY(st != KITH_OK)) goto out;                                                  \
    } while (0)
#define KI_NEED(ptr)                                                                               \
    do {                                                                                           \
        if (KI_UNLIKELY((ptr) == NULL)) {                                                          \
            st = KITH_NO_MEMORY; /* its sentence is written by the allocation */                   \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)
#define KI_FAIL(code, ...)                                                                         \
    do {                                                                                           \
        st = (code);                                                                               \
        (void)ki_fail(st, __VA_ARGS__);                                                            \
        goto out;                                                                                  \
    } while (0)

#endif
