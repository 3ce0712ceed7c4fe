/* The pool, the parallel loop, progress and cancel.
 *
 * A call of ki_parallel is a batch on its caller's stack. It is linked to the pool, workers that
 * are free join it, and the caller itself takes items until none is left: so a call never waits for
 * a busy pool, only for items that have begun. Items are taken in ascending order and a failure
 * stops the taking, therefore the lowest failing item has always been started: which error is
 * handed back does not depend on the threads.
 *
 * Invariants, under pool.lock:
 * 1. A worker is inside a batch only while the batch is linked, and counted in its `inside`.
 * 2. A batch is unlinked, and its stack frame left, only when `inside` is 0.
 * 3. The lock is never held while a job or a poll runs. */
#define _GNU_SOURCE 1 /* pthread_setname_np, sched_getaffinity */

#include "base/threads.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/quota.h"

enum {
    POOL_MAX = 256, /* threads of one call, the caller's among them */
    POLL_US = 20000 /* between two polls of one phase */
};

/* How a batch went. Written under pool.lock. */
typedef struct outcome {
    size_t item; // the lowest that failed, SIZE_MAX when none
    kith_status st;
    char sentence[KI_SENTENCE];
} outcome;

typedef struct batch batch;
struct batch {
    ki_job *job;
    void *arg;
    size_t n;
    atomic_size_t next;  // the item to take
    size_t want, inside; // workers that may still join; that are taking items
    pthread_cond_t done; // inside has become 0
    outcome how;
    batch *link;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work; // a batch wants workers, or the pool closes
    batch *first;        // oldest first
    pthread_t thread[POOL_MAX];
    size_t threads;
    bool closed, fork_safe;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER};

/* This thread is running a job: what the job starts runs here, too. */
static KI_THREAD_LOCAL bool in_job;

/* ---- outcome -------------------------------------------------------------------------------- */

static void outcome_note(outcome *how, size_t item, kith_status st)
{
    pthread_mutex_lock(&pool.lock);
    if (item < how->item) {
        how->item = item;
        how->st = st;
        ki_sentence_get(how->sentence);
    }
    pthread_mutex_unlock(&pool.lock);
}

static kith_status outcome_tell(const outcome *how)
{
    if (how->st != KITH_OK) ki_sentence_set(how->sentence);
    return how->st;
}

/* ---- one thread ----------------------------------------------------------------------------- */

static kith_status run_here(size_t n, ki_job *job, void *arg)
{
    const bool outer = in_job;
    kith_status st = KITH_OK;

    in_job = true;
    for (size_t i = 0; i < n && st == KITH_OK; i++) st = job(arg, i);
    in_job = outer;
    return st;
}

/* ---- the program's executor ----------------------------------------------------------------- */

typedef struct lent {
    ki_job *job;
    void *arg;
    size_t n;
    atomic_size_t ran;
    atomic_bool failed;
    outcome how;
} lent;

static void lent_job(void *arg, size_t i)
{
    lent *l = arg;
    const bool outer = in_job;
    kith_status st;

    if (i >= l->n || atomic_load(&l->failed)) return;
    in_job = true;
    st = l->job(l->arg, i);
    in_job = outer;
    atomic_fetch_add(&l->ran, 1);
    if (st == KITH_OK) return;
    atomic_store(&l->failed, true);
    outcome_note(&l->how, i, st);
}

/* An executor that leaves items out would make answers wrong in silence, so they are counted. */
static kith_status run_by_host(ki_env *env, size_t n, ki_job *job, void *arg)
{
    lent l = {.job = job, .arg = arg, .n = n, .how.item = SIZE_MAX};
    size_t ran;

    env->host.parallel(env->host.ctx, n, lent_job, &l);
    ran = atomic_load(&l.ran);
    if (!atomic_load(&l.failed) && ran != n)
        return ki_fail(KITH_BAD_ARG, "kith_host.parallel ran %zu items of %zu", ran, n);
    return outcome_tell(&l.how);
}

/* ---- the pool ------------------------------------------------------------------------------- */

/* Take items until none is left. Relaxed: what items read and write is ordered by the lock, which
 * every thread takes before the first and after the last item. */
static void take(batch *b)
{
    size_t i;

    while ((i = atomic_fetch_add_explicit(&b->next, 1, memory_order_relaxed)) < b->n) {
        const kith_status st = b->job(b->arg, i);

        if (st == KITH_OK) continue;
        atomic_store_explicit(&b->next, b->n, memory_order_relaxed); // nothing starts any more
        outcome_note(&b->how, i, st);
    }
}

static void *work(void *unused)
{
    (void)unused;
    (void)pthread_setname_np(pthread_self(), "kith-worker");
    in_job = true;
    pthread_mutex_lock(&pool.lock);
    while (!pool.closed) {
        batch *b = pool.first;

        while (b != NULL && b->want == 0) b = b->link;
        if (b == NULL) {
            pthread_cond_wait(&pool.work, &pool.lock);
            continue;
        }
        b->want--;
        b->inside++;
        pthread_mutex_unlock(&pool.lock);
        take(b);
        pthread_mutex_lock(&pool.lock);
        b->want = 0; // there is nothing left to take
        if (--b->inside == 0) pthread_cond_signal(&b->done);
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* Bring the pool to `size` workers; the lock is held. Fewer (a limit on processes) is no error: the
 * caller works too. Workers leave signals to the program's own threads, but for those that a fault
 * or a profiler sends to the thread itself. */
static void grow(size_t size)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF};
    sigset_t others, before;

    if (pool.threads >= size || pool.closed) return;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&others, own[i]);
    pthread_sigmask(SIG_SETMASK, &others, &before);
    while (pool.threads < size && pthread_create(&pool.thread[pool.threads], NULL, work, NULL) == 0)
        pool.threads++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void before_fork(void)
{
    pthread_mutex_lock(&pool.lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&pool.lock);
}

/* The child has only the thread that forked: its pool starts anew. A batch that had workers inside
 * lost the items they were at; if its caller is the thread that forked (in a job), it must hear of
 * it rather than wait for them. Batches of other threads are memory that nobody will look at. */
static void after_fork_in_child(void)
{
    for (batch *b = pool.first; b != NULL; b = b->link) {
        if (b->inside == 0) continue;
        b->inside = 0;
        atomic_store(&b->next, b->n);
        if (b->how.st != KITH_OK) continue;
        b->how.st = KITH_CANCELLED;
        (void)snprintf(b->how.sentence, KI_SENTENCE,
                       "cancelled: the process forked inside parallel work");
    }
    pool.first = NULL;
    pool.threads = 0;
    pthread_cond_init(&pool.work, NULL); // the old one has waiters that do not exist
    pthread_mutex_unlock(&pool.lock);
}

static void watch_forks(void)
{
    const int err = pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);

    pool.fork_safe = err == 0;
}

/* At dlclose the code of the workers goes away, so they must be gone before. At exit it is only
 * tidy, and left alone while some thread is still at work: nothing may hang there. */
KI_AT_UNLOAD static void close_pool(void)
{
    size_t n = 0;

    pthread_mutex_lock(&pool.lock);
    if (pool.first == NULL) {
        pool.closed = true;
        n = pool.threads;
        pthread_cond_broadcast(&pool.work);
    }
    pthread_mutex_unlock(&pool.lock);
    for (size_t i = 0; i < n; i++) pthread_join(pool.thread[i], NULL);
}

static void batch_link(batch *b)
{
    batch **at = &pool.first;

    while (*at != NULL) at = &(*at)->link;
    *at = b;
}

static void batch_unlink(const batch *b)
{
    batch **at = &pool.first;

    while (*at != NULL && *at != b) at = &(*at)->link;
    if (*at != NULL) *at = b->link; // not linked: the process forked meanwhile
}

static kith_status run_by_pool(size_t threads, size_t n, ki_job *job, void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    batch b = {.job = job,
               .arg = arg,
               .n = n,
               .want = threads - 1,
               .how.item = SIZE_MAX,
               .done = PTHREAD_COND_INITIALIZER};
    int cancelling;

    pthread_once(&once, watch_forks);
    if (!pool.fork_safe) return run_here(n, job, arg);
    // A thread that is cancelled in here would take its stack from under the workers.
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
    pthread_mutex_lock(&pool.lock);
    grow(threads - 1);
    batch_link(&b);
    for (size_t i = 0; i < b.want; i++) pthread_cond_signal(&pool.work);
    pthread_mutex_unlock(&pool.lock);

    in_job = true;
    take(&b);
    in_job = false;

    pthread_mutex_lock(&pool.lock);
    b.want = 0;
    while (b.inside > 0) pthread_cond_wait(&b.done, &pool.lock);
    batch_unlink(&b);
    pthread_mutex_unlock(&pool.lock);
    pthread_cond_destroy(&b.done);
    pthread_setcancelstate(cancelling, NULL);
    return outcome_tell(&b.how);
}

kith_status ki_parallel(ki_env *env, size_t threads, size_t n, ki_job *job, void *arg)
{
    if (threads > n) threads = n;
    if (threads > POOL_MAX) threads = POOL_MAX;
    if (threads <= 1 || in_job) return run_here(n, job, arg);
    if (env->host.parallel != NULL) return run_by_host(env, n, job, arg);
    return run_by_pool(threads, n, job, arg);
}

/* Read once: a quota is files, and this is asked by every search. */
static size_t quota;

static void ask_quota(void)
{
    quota = ki_quota_cpus(NULL);
}

/* The calling thread's mask (taskset and cpusets are in it, and workers inherit it), or less where
 * a quota gives less time than that. */
static size_t count_cpus(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    cpu_set_t set;
    size_t cpus = 1;

    (void)pthread_once(&once, ask_quota);
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        cpus = (size_t)CPU_COUNT(&set);
    } else { // more CPUs than a cpu_set_t holds
        const long online = sysconf(_SC_NPROCESSORS_ONLN);

        if (online > 0) cpus = (size_t)online;
    }
    return cpus < quota ? cpus : quota;
}

size_t ki_thread_count(const ki_env *env, uint32_t asked, size_t n)
{
    size_t threads;

    if (n <= 1) return 1;
    threads = asked != 0 ? asked : env->host.threads;
    if (threads == 0) threads = count_cpus();
    if (threads > POOL_MAX) threads = POOL_MAX;
    return threads < n ? threads : n;
}

/* ---- progress ------------------------------------------------------------------------------- */

void ki_progress_init(ki_progress *p, const kith_watch *watch, const char *phase, uint64_t total)
{
    p->watch = watch;
    p->phase = phase;
    p->total = total;
    atomic_init(&p->done, 0);
    atomic_init(&p->last_us, 0);
    atomic_init(&p->cancelled, false);
    atomic_flag_clear(&p->busy);
}

void ki_progress_next(ki_progress *p, const char *phase, uint64_t total)
{
    if (p) ki_progress_init(p, p->watch, phase, total);
}

static kith_status cancelled(ki_progress *p)
{
    return ki_fail(KITH_CANCELLED, "cancelled: %s, at %" PRIu64 " of %" PRIu64, p->phase,
                   atomic_load(&p->done), p->total);
}

static void poll_watcher(ki_progress *p, uint64_t done)
{
    if (p->watch->poll(p->watch->ctx, p->phase, done, p->total) != 0)
        atomic_store(&p->cancelled, true);
    atomic_store(&p->last_us, ki_now_us());
}

static bool is_due(ki_progress *p)
{
    const uint64_t last = atomic_load_explicit(&p->last_us, memory_order_relaxed);

    return last == 0 || ki_now_us() - last >= POLL_US;
}

kith_status ki_progress_add(ki_progress *p, uint64_t work_done)
{
    if (p == NULL) return KITH_OK;
    atomic_fetch_add_explicit(&p->done, work_done, memory_order_relaxed);
    if (p->watch == NULL || p->watch->poll == NULL) return KITH_OK;
    if (is_due(p) && !atomic_flag_test_and_set(&p->busy)) {
        // Asked again: another thread may have polled between the clock and the flag.
        if (!atomic_load(&p->cancelled) && is_due(p)) poll_watcher(p, atomic_load(&p->done));
        atomic_flag_clear(&p->busy);
    }
    return atomic_load(&p->cancelled) ? cancelled(p) : KITH_OK;
}

kith_status ki_progress_end(ki_progress *p)
{
    if (p == NULL || p->watch == NULL || p->watch->poll == NULL) return KITH_OK;
    if (!atomic_load(&p->cancelled)) {
        if (p->total != 0) atomic_store(&p->done, p->total);
        poll_watcher(p, atomic_load(&p->done));
    }
    return atomic_load(&p->cancelled) ? cancelled(p) : KITH_OK;
}

uint64_t ki_now_us(void)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}
