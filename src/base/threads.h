/* Work on many cores: one process-wide pool, started lazily, sane after fork; or the program's own
 * executor (kith_host.parallel); or none (threads = 1). Jobs report a status; the error of the
 * lowest failing item is handed back with its sentence. */
#ifndef KI_THREADS_H
#define KI_THREADS_H

#include "base/env.h"

/* Progress of one public call: phases and cancel. Polls from one thread at a time, at most every
 * ~20 ms. A zeroed one polls nobody. */
typedef struct ki_progress {
    const kith_watch *watch; /* may be NULL */
    const char *phase;
    uint64_t total;
    _Atomic uint64_t done;
    _Atomic uint64_t last_us; /* of the last poll */
    atomic_flag busy;
    atomic_bool cancelled;
} ki_progress;

void ki_progress_init(ki_progress *p, const kith_watch *watch, const char *phase, uint64_t total);
/* Its next phase; NULL is fine. */
void ki_progress_next(ki_progress *p, const char *phase, uint64_t total);
/* Count work done; CANCELLED (with sentence) once the watcher said so. p may be NULL. */
kith_status ki_progress_add(ki_progress *p, uint64_t work);
/* The last call of a phase: polls with done = total whatever the clock says. */
kith_status ki_progress_end(ki_progress *p);

typedef kith_status ki_job(void *arg, size_t i);
/* How many threads a call gets: asked (0 = the host's; that 0 = the CPUs this process may use, by
 * affinity mask and quota), never more than n items. */
size_t ki_thread_count(const ki_env *env, uint32_t asked, size_t n);
/* job(arg, i) for each i < n on up to `threads` threads, the caller's among them. After the first
 * failure no further item starts. Nested calls run on the calling thread alone. Items are taken in
 * ascending order. */
kith_status ki_parallel(ki_env *env, size_t threads, size_t n, ki_job *job, void *arg);

/* A monotonic clock in microseconds. */
uint64_t ki_now_us(void);

#endif
