/* A kith_host that fails on demand, for torture tests: its allocator and its file layer count their
 * calls and fail the n-th, or all from the n-th on. It also watches: what is allocated, open or
 * mapped must be given back, as it was got. Safe from any thread; set it up while no call runs.
 *
 *     failing_host f;
 *     for (size_t n = 1;; n++) {
 *         failing_init(&f);
 *         failing_alloc_at(&f, n, false);
 *         st = kith_create("Flat", 8, KITH_L2, &f.host, &ix);
 *         … st is OK or NO_MEMORY …
 *         kith_free(ix);
 *         assert_null(failing_complaint(&f));
 *         if (!failing_happened(&f)) break; // fewer than n calls were made
 *     }
 */
#ifndef FAILING_H
#define FAILING_H

#include "kith.h"
#include <stdatomic.h>
#include <stdbool.h>

/* Which calls of the file layer a failure is for; each counts for itself and in ANY. */
typedef enum failing_op {
    FAILING_ANY,
    FAILING_OPEN,
    FAILING_LENGTH,
    FAILING_READ,
    FAILING_WRITE,
    FAILING_SYNC,
    FAILING_CLOSE,
    FAILING_RENAME,
    FAILING_REMOVE,
    FAILING_SYNC_FOLDER,
    FAILING_MAP,
    FAILING_UNMAP,
    FAILING_OPS
} failing_op;

typedef struct failing_host {
    kith_host host; /* to give to kith_create and the like; host.threads and parallel may be set */
    kith_files files;
    size_t alloc_n; /* the call that fails, 1 = the first; 0 = none */
    bool alloc_on;  /* and all after it */
    failing_op op;
    size_t op_n;
    bool op_on;
    int err;
    _Atomic uint64_t room;                      /* bytes that files may still grow by */
    atomic_size_t allocs, ops[FAILING_OPS];     /* calls so far */
    atomic_size_t blocks, bytes, handles, maps; /* now held */
    atomic_size_t failures;
    _Atomic(const char *) wrong; /* the first misuse that was seen */
} failing_host;

/* Nothing fails, nothing was counted. f must not move afterwards. */
void failing_init(failing_host *f);
/* From now on, counting anew: the n-th allocation fails; with `on`, every later one, too. */
void failing_alloc_at(failing_host *f, size_t n, bool on);
/* The n-th call of op gives err. A failing write has written half of its bytes; a failing close or
 * unmap has given its thing back all the same. */
void failing_files_at(failing_host *f, failing_op op, size_t n, bool on, int err);
/* Files may grow by so many bytes more; then ENOSPC, after what fits. UINT64_MAX: no limit. */
void failing_disk(failing_host *f, uint64_t room);
/* Whether anything was made to fail since the last call that set something. */
bool failing_happened(const failing_host *f);
/* NULL when all is given back and was used rightly, else what is wrong: a leak, a release with
 * another length or alignment, a write outside a block. Static text, valid until the next call. */
const char *failing_complaint(const failing_host *f);

#endif
