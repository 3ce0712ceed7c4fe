/* What every test includes: cmocka with the headers it wants, and a check that shows kith's
 * sentence. */
#ifndef HARNESS_H
#define HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kith.h"

/* The call is OK, or the test fails with its sentence. */
#define must(call)                                                                                 \
    do {                                                                                           \
        const kith_status must_st = (call);                                                        \
                                                                                                   \
        if (must_st != KITH_OK)                                                                    \
            fail_msg("%s: %s: %s", #call, kith_status_name(must_st), kith_last_error());           \
    } while (0)

/* The call fails with this status and a sentence that holds the words. */
#define refused(call, status, words)                                                               \
    do {                                                                                           \
        const kith_status refused_st = (call);                                                     \
                                                                                                   \
        if (refused_st != (status))                                                                \
            fail_msg("%s: %s, not %s: %s", #call, kith_status_name(refused_st),                    \
                     kith_status_name(status), kith_last_error());                                 \
        if (!strstr(kith_last_error(), (words)))                                                   \
            fail_msg("%s: \"%s\" does not say \"%s\"", #call, kith_last_error(), (words));         \
    } while (0)

#endif
