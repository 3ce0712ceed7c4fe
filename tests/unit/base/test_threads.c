/* The parallel loop: every item once, the lowest failure, nested and concurrent calls, a program's
 * own executor; the pool across fork, exit, cancelled threads and systems without threads. */
#define _GNU_SOURCE 1 /* sched_setaffinity, pthread_getname_np, pthread_setattr_default_np */

#include "base/threads.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_THREAD__)
#    define HAVE_TSAN 1
#elif defined(__has_feature)
#    if __has_feature(thread_sanitizer)
#        define HAVE_TSAN 1
#    endif
#endif
#ifndef HAVE_TSAN
#    define HAVE_TSAN 0
#endif

enum { MANY = 5000, PATIENCE = 30 /* seconds: only a hang takes so long */ };

static ki_env env;

static void pause_us(long us)
{
    const struct timespec t = {us / 1000000, us % 1000000 * 1000};

    (void)nanosleep(&t, NULL);
}

/* A place where `wanted` threads must be at the same time. */
typedef struct meeting {
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    int wanted, here;
} meeting;
#define MEETING(wanted)                                                  \
    {                                                                    \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, (wanted), 0 \
    }

/* Whether they came. */
static bool meet(meeting *m)
{
    struct timespec until;
    int err = 0;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE;
    pthread_mutex_lock(&m->lock);
    if (++m->here >= m->wanted) pthread_cond_broadcast(&m->all_here);
    while (m->here < m->wanted && err == 0)
        err = pthread_cond_timedwait(&m->all_here, &m->lock, &until);
    pthread_mutex_unlock(&m->lock);
    return err == 0;
}

static kith_status meet_job(void *arg, size_t i)
{
    return meet(arg) ? KITH_OK : ki_fail(KITH_LIMIT, "item %zu met nobody", i);
}

/* OK when `n` threads, the caller's among them, work at the same time. */
static kith_status meet_many(size_t n)
{
    meeting m = MEETING((int)n);

    return ki_parallel(&env, n, n, meet_job, &m);
}

/* ---- items ---------------------------------------------------------------------------------- */

static atomic_uint seen[MANY];
static atomic_bool descended;

static kith_status see(void *arg, size_t i)
{
    static _Thread_local size_t last_call, last;
    const size_t call = *(const size_t *)arg;

    if (call == last_call && i <= last) atomic_store(&descended, true);
    last_call = call;
    last = i;
    atomic_fetch_add(&seen[i], 1);
    return KITH_OK;
}

static void every_item_is_done_once_in_ascending_order(void **state)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, 64, 1000, MANY};
    static const size_t threads[] = {0, 1, 2, 3, 5, 16, 40, 100000};
    size_t call = 0;

    (void)state;
    (void)ki_fail(KITH_IO, "before");
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
            for (size_t i = 0; i < MANY; i++) atomic_store(&seen[i], 0);
            call++;
            assert_int_equal(ki_parallel(&env, threads[t], counts[c], see, &call), KITH_OK);
            for (size_t i = 0; i < MANY; i++) assert_int_equal(seen[i], i < counts[c]);
        }
    assert_false(atomic_load(&descended));
    assert_string_equal(kith_last_error(), "before"); // success leaves it alone
}

static void threads_work_at_the_same_time(void **state)
{
    (void)state;
    for (size_t n = 2; n <= 20; n += 3) assert_int_equal(meet_many(n), KITH_OK);
    assert_int_equal(meet_many(2), KITH_OK); // of a pool that has become larger
}

typedef struct crowd {
    atomic_int inside, most;
} crowd;

static kith_status join_crowd(void *arg, size_t i)
{
    crowd *c = arg;
    const int inside = atomic_fetch_add(&c->inside, 1) + 1;
    int most = atomic_load(&c->most);

    (void)i;
    while (inside > most && !atomic_compare_exchange_weak(&c->most, &most, inside)) {
    }
    pause_us(200);
    atomic_fetch_sub(&c->inside, 1);
    return KITH_OK;
}

static kith_status count_calls(void *arg, size_t i)
{
    atomic_size_t *calls = arg;

    (void)i;
    atomic_fetch_add(calls, 1);
    return KITH_OK;
}

static atomic_bool stop_calling;

static void *call_until_stopped(void *arg)
{
    while (!atomic_load(&stop_calling)) {
        atomic_size_t calls = 0;

        if (ki_parallel(&env, 4, 200, count_calls, &calls) != KITH_OK) return NULL;
        if (atomic_load(&calls) != 200) return NULL;
    }
    return arg;
}

/* Beside another thread's calls, whose workers look for more to do when they are done. */
static void no_more_threads_work_than_asked(void **state)
{
    pthread_t thread;
    void *good = NULL;

    (void)state;
    assert_int_equal(meet_many(20), KITH_OK); // the pool has more
    atomic_store(&stop_calling, false);
    assert_int_equal(pthread_create(&thread, NULL, call_until_stopped, &env), 0);
    int most[9] = {0};
    for (size_t threads = 1; threads <= 8; threads++) {
        crowd c = {0};

        if (ki_parallel(&env, threads, 60, join_crowd, &c) != KITH_OK) break;
        most[threads] = atomic_load(&c.most);
    }
    atomic_store(&stop_calling, true);
    assert_int_equal(pthread_join(thread, &good), 0);
    assert_non_null(good);
    for (int threads = 1; threads <= 8; threads++)
        assert_true(most[threads] >= 1 && most[threads] <= threads);
}

/* What workers are: named, and deaf to the signals that are the program's affair. */
static kith_status look_at_worker(void *arg, size_t i)
{
    const pthread_t *caller = arg;
    char name[16] = "";
    sigset_t blocked;

    (void)i;
    pause_us(1000); // so that workers come
    if (pthread_equal(pthread_self(), *caller)) return KITH_OK;
    if (pthread_getname_np(pthread_self(), name, sizeof name) != 0 || strncmp(name, "kith", 4) != 0)
        return ki_fail(KITH_LIMIT, "a worker is called \"%s\"", name);
    if (pthread_sigmask(SIG_SETMASK, NULL, &blocked) != 0 || !sigismember(&blocked, SIGINT) ||
        !sigismember(&blocked, SIGCHLD) || sigismember(&blocked, SIGSEGV))
        return ki_fail(KITH_LIMIT, "a worker's signal mask");
    return KITH_OK;
}

static void workers_are_named_and_take_no_signals(void **state)
{
    pthread_t self = pthread_self();
    sigset_t before, after;

    (void)state;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    if (ki_parallel(&env, 24, 200, look_at_worker, &self) != KITH_OK)
        fail_msg("%s", kith_last_error());
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
    for (int s = 1; s < 32; s++) assert_int_equal(sigismember(&before, s), sigismember(&after, s));
}

/* ---- failures ------------------------------------------------------------------------------- */

enum { FIRST_BAD = 10 };

static kith_status fail_from_ten_on(void *arg, size_t i)
{
    (void)arg;
    if (i < FIRST_BAD) return KITH_OK;
    if (i == FIRST_BAD) pause_us(2000); // the lowest is not the first to fail
    return ki_fail(i == FIRST_BAD ? KITH_CORRUPT : KITH_IO, "item %zu", i);
}

static void the_lowest_failure_is_told(void **state)
{
    (void)state;
    for (size_t round = 0; round < 40; round++) {
        (void)ki_fail(KITH_IO, "before");
        assert_int_equal(ki_parallel(&env, 1 + round % 8, 100, fail_from_ten_on, NULL),
                         KITH_CORRUPT);
        assert_string_equal(kith_last_error(), "item 10");
    }
}

static kith_status fail_at_three(void *arg, size_t i)
{
    atomic_size_t *started = arg;

    atomic_fetch_add(started, 1);
    if (i == 3) return ki_fail(KITH_IO, "item 3");
    pause_us(500);
    return KITH_OK;
}

static void nothing_starts_after_a_failure(void **state)
{
    (void)state;
    for (size_t threads = 1; threads <= 4; threads++) {
        atomic_size_t started = 0;

        assert_int_equal(ki_parallel(&env, threads, 1000000, fail_at_three, &started), KITH_IO);
        assert_true(atomic_load(&started) >= 4 && atomic_load(&started) <= 100);
    }
}

/* ---- nested and concurrent calls ------------------------------------------------------------ */

typedef struct nest {
    atomic_size_t inner;
    atomic_bool strayed;
} nest;

typedef struct nested {
    nest *all;
    pthread_t outer;
} nested;

static kith_status inner_job(void *arg, size_t i)
{
    nested *n = arg;

    if (!pthread_equal(n->outer, pthread_self())) atomic_store(&n->all->strayed, true);
    if (i < 2) pause_us(30); // time for others to come, who must not
    atomic_fetch_add(&n->all->inner, 1);
    return i == 70 ? ki_fail(KITH_EXISTS, "inner") : KITH_OK;
}

static kith_status outer_job(void *arg, size_t i)
{
    nested n = {arg, pthread_self()};

    return ki_parallel(&env, 8, i == 33 ? 100 : 50, inner_job, &n);
}

static void nested_calls_stay_on_their_thread(void **state)
{
    nest all = {0};

    (void)state;
    for (size_t threads = 1; threads <= 8; threads += 7) {
        atomic_store(&all.inner, 0);
        assert_int_equal(ki_parallel(&env, threads, 30, outer_job, &all), KITH_OK);
        assert_int_equal(all.inner, 30 * 50);
        assert_false(atomic_load(&all.strayed));
        assert_int_equal(ki_parallel(&env, threads, 40, outer_job, &all), KITH_EXISTS);
        assert_string_equal(kith_last_error(), "inner");
    }
    assert_int_equal(meet_many(3), KITH_OK); // after it, calls are spread again
}

static void *call_often(void *arg)
{
    for (size_t round = 0; round < 60; round++) {
        atomic_size_t calls = 0;

        if (ki_parallel(&env, 2 + round % 7, 100, count_calls, &calls) != KITH_OK) return NULL;
        if (atomic_load(&calls) != 100) return NULL;
        if (ki_parallel(&env, 4, 50, fail_from_ten_on, NULL) != KITH_CORRUPT) return NULL;
        if (strcmp(kith_last_error(), "item 10") != 0) return NULL;
    }
    return arg;
}

static void calls_from_many_threads_are_apart(void **state)
{
    pthread_t thread[8];

    (void)state;
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, call_often, &env), 0);
    for (int i = 0; i < 8; i++) {
        void *good = NULL;

        assert_int_equal(pthread_join(thread[i], &good), 0);
        assert_non_null(good);
    }
}

/* All workers and a caller are in items that wait; another call must end all the same. */
static meeting busy, go_on;

static kith_status wait_to_go_on(void *arg, size_t i)
{
    (void)arg;
    (void)i;
    return meet(&busy) && meet(&go_on) ? KITH_OK : ki_fail(KITH_LIMIT, "a hang");
}

static void *block_the_pool(void *arg)
{
    return ki_parallel(&env, 64, 64, wait_to_go_on, NULL) == KITH_OK ? arg : NULL;
}

static void a_busy_pool_is_not_waited_for(void **state)
{
    const meeting all_workers = MEETING(65), and_me = MEETING(65);
    pthread_t thread;
    void *good = NULL;

    (void)state;
    busy = all_workers;
    go_on = and_me;
    assert_int_equal(pthread_create(&thread, NULL, block_the_pool, &env), 0);
    assert_true(meet(&busy)); // 64 threads are in an item; no larger pool was ever asked for
    for (int round = 0; round < 20; round++) {
        atomic_size_t calls = 0;

        assert_int_equal(ki_parallel(&env, 8, 1000, count_calls, &calls), KITH_OK);
        assert_int_equal(calls, 1000);
    }
    assert_true(meet(&go_on));
    assert_int_equal(pthread_join(thread, &good), 0);
    assert_non_null(good);
}

static kith_status sleep_in_item(void *arg, size_t i)
{
    (void)arg;
    pause_us(i == 0 ? 10 : 300); // so that the caller, who begins, waits for the others
    return KITH_OK;
}

static void *run_until_cancelled(void *arg)
{
    while (ki_parallel(&env, 4, 4, sleep_in_item, NULL) == KITH_OK) pthread_testcancel();
    return arg;
}

/* A cancelled thread leaves its call first: it holds no lock, and no worker is on its stack. */
static void a_cancelled_thread_harms_nobody(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        pthread_t thread;
        void *end = NULL;

        assert_int_equal(pthread_create(&thread, NULL, run_until_cancelled, &env), 0);
        pause_us(500 + 37 * round);
        assert_int_equal(pthread_cancel(thread), 0);
        assert_int_equal(pthread_join(thread, &end), 0);
        assert_ptr_equal(end, PTHREAD_CANCELED);
        assert_int_equal(meet_many(3), KITH_OK);
    }
}

/* ---- the program's executor ----------------------------------------------------------------- */

typedef struct executor {
    size_t skip, calls;
    bool twice;
} executor;

static void run_backwards(void *ctx, size_t n, void (*job)(void *arg, size_t i), void *arg)
{
    executor *e = ctx;

    e->calls++;
    for (size_t i = n; i-- > e->skip;) job(arg, i);
    if (e->twice) job(arg, n); // no such item: passed over
}

static void an_executor_is_used_when_given(void **state)
{
    executor e = {0};
    const kith_host host = {.size = sizeof host, .ctx = &e, .parallel = run_backwards};
    atomic_size_t calls = 0;
    ki_env own;

    (void)state;
    assert_int_equal(ki_env_init(&own, &host), KITH_OK);
    assert_int_equal(ki_parallel(&own, 4, 100, count_calls, &calls), KITH_OK);
    assert_int_equal(calls, 100);
    assert_int_equal(e.calls, 1);
    assert_int_equal(ki_parallel(&own, 1, 100, count_calls, &calls), KITH_OK); // 1 = none
    assert_int_equal(e.calls, 1);
    assert_int_equal(ki_parallel(&own, 4, 100, fail_from_ten_on, NULL), KITH_IO);
    assert_string_equal(kith_last_error(),
                        "item 99"); // its first, and nothing was started after it
    e.twice = true;
    atomic_store(&calls, 0);
    assert_int_equal(ki_parallel(&own, 4, 100, count_calls, &calls), KITH_OK);
    assert_int_equal(calls, 100);
    e.skip = 2;
    assert_int_equal(ki_parallel(&own, 4, 100, count_calls, &calls), KITH_BAD_ARG);
    assert_string_equal(kith_last_error(), "kith_host.parallel ran 98 items of 100");
}

static void run_on_threads(void *ctx, size_t n, void (*job)(void *arg, size_t i), void *arg);

typedef struct share {
    void (*job)(void *arg, size_t i);
    void *arg;
    size_t n;
    atomic_size_t next;
} share;

static void *take_share(void *arg)
{
    share *s = arg;

    for (size_t i; (i = atomic_fetch_add(&s->next, 1)) < s->n;) s->job(s->arg, i);
    return NULL;
}

static void run_on_threads(void *ctx, size_t n, void (*job)(void *arg, size_t i), void *arg)
{
    share s = {.job = job, .arg = arg, .n = n};
    pthread_t thread[3];

    (void)ctx;
    for (int i = 0; i < 3; i++)
        if (pthread_create(&thread[i], NULL, take_share, &s) != 0) abort();
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL);
}

static void an_executor_may_use_threads(void **state)
{
    const kith_host host = {.size = sizeof host, .parallel = run_on_threads};
    nest all = {0};
    ki_env own;

    (void)state;
    assert_int_equal(ki_env_init(&own, &host), KITH_OK);
    assert_int_equal(ki_parallel(&own, 4, 30, outer_job, &all), KITH_OK);
    assert_int_equal(all.inner, 30 * 50);
    assert_false(atomic_load(&all.strayed)); // nested calls are spread neither there nor here
    for (int round = 0; round < 20; round++) {
        const kith_status st = ki_parallel(&own, 4, 100, fail_from_ten_on, NULL);

        assert_true(st == KITH_CORRUPT || st == KITH_IO);
        assert_memory_equal(kith_last_error(), "item ", 5);
    }
}

/* ---- counts --------------------------------------------------------------------------------- */

static void counts_are_asked_lent_or_the_machines(void **state)
{
    kith_host host = KITH_HOST_INIT;
    cpu_set_t before, one;
    ki_env own;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    host.threads = 3;
    assert_int_equal(ki_env_init(&own, &host), KITH_OK);
    assert_int_equal(ki_thread_count(&own, 0, 100), 3);
    assert_int_equal(ki_thread_count(&own, 5, 100), 5);
    assert_int_equal(ki_thread_count(&own, 5, 4), 4);
    assert_int_equal(ki_thread_count(&own, 5, 1), 1);
    assert_int_equal(ki_thread_count(&own, 5, 0), 1);
    assert_int_equal(ki_thread_count(&own, UINT32_MAX, SIZE_MAX), 256);
    assert_int_equal(ki_thread_count(&env, 0, 1000), CPU_COUNT(&before));
    CPU_ZERO(&one);
    for (size_t i = 0; CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    const size_t count = ki_thread_count(&env, 0, 1000);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(count, 1);
}

/* ---- progress ------------------------------------------------------------------------------- */

typedef struct watcher {
    kith_watch watch;
    atomic_int inside;
    bool together, too_soon, other_phase;
    uint64_t last, done, total, polls, cancel_at; /* the poll that cancels, 1 = first; 0 = none */
} watcher;

static int poll_watcher(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    watcher *w = ctx;
    const uint64_t now = ki_now_us();

    if (atomic_fetch_add(&w->inside, 1) != 0) w->together = true;
    if (w->polls > 0 && now - w->last < 20000) w->too_soon = true;
    if (strcmp(phase, "phase") != 0) w->other_phase = true;
    w->last = now;
    w->done = done;
    w->total = total;
    w->polls++;
    pause_us(300);
    atomic_fetch_sub(&w->inside, 1);
    return w->polls == w->cancel_at;
}

static kith_status progress_job(void *arg, size_t i)
{
    (void)i;
    pause_us(200);
    return ki_progress_add(arg, 2);
}

static void progress_is_polled_now_and_then(void **state)
{
    watcher w = {.watch = {poll_watcher, &w}};
    ki_progress p;

    (void)state;
    ki_progress_init(&p, &w.watch, "phase", 2000);
    assert_int_equal(ki_parallel(&env, 4, 1000, progress_job, &p), KITH_OK);
    assert_true(w.polls >= 1 && w.polls <= 1000);
    assert_false(w.too_soon);
    const uint64_t polls = w.polls;
    assert_int_equal(ki_progress_end(&p), KITH_OK); // whatever the clock says
    assert_int_equal(w.polls, polls + 1);
    assert_int_equal(w.done, 2000);
    assert_int_equal(w.total, 2000);
    assert_false(w.together);
    assert_false(w.other_phase);
}

static void an_unknown_total_ends_with_what_was_done(void **state)
{
    watcher w = {.watch = {poll_watcher, &w}};
    ki_progress p;

    (void)state;
    ki_progress_init(&p, &w.watch, "phase", 0);
    for (int i = 0; i < 5; i++) assert_int_equal(ki_progress_add(&p, 3), KITH_OK);
    assert_int_equal(ki_progress_end(&p), KITH_OK);
    assert_int_equal(w.done, 15);
    assert_int_equal(w.total, 0);
}

static void a_watcher_cancels(void **state)
{
    watcher w = {.watch = {poll_watcher, &w}, .cancel_at = 1};
    ki_progress p;

    (void)state;
    ki_progress_init(&p, &w.watch, "phase", 2000000);
    assert_int_equal(ki_parallel(&env, 4, 1000000, progress_job, &p), KITH_CANCELLED);
    assert_memory_equal(kith_last_error(), "cancelled: phase, at ", 21);
    assert_non_null(strstr(kith_last_error(), " of 2000000"));
    assert_int_equal(w.polls, 1);
    assert_int_equal(ki_progress_add(&p, 1), KITH_CANCELLED); // and stays cancelled, unasked
    assert_int_equal(ki_progress_end(&p), KITH_CANCELLED);
    assert_int_equal(w.polls, 1);

    w.polls = 0;
    w.cancel_at = 2;
    ki_progress_init(&p, &w.watch, "phase", 10);
    assert_int_equal(ki_progress_add(&p, 10), KITH_OK);
    assert_int_equal(ki_progress_end(&p), KITH_CANCELLED);
    assert_string_equal(kith_last_error(), "cancelled: phase, at 10 of 10");
}

static void nobody_need_watch(void **state)
{
    const kith_watch no_poll = {NULL, NULL};
    ki_progress p, zeroed;

    (void)state;
    assert_int_equal(ki_progress_add(NULL, 1), KITH_OK);
    assert_int_equal(ki_progress_end(NULL), KITH_OK);
    memset(&zeroed, 0, sizeof zeroed);
    assert_int_equal(ki_progress_add(&zeroed, 1), KITH_OK);
    assert_int_equal(ki_progress_end(&zeroed), KITH_OK);
    for (int i = 0; i < 2; i++) {
        ki_progress_init(&p, i ? &no_poll : NULL, "phase", 10);
        assert_int_equal(ki_progress_add(&p, 4), KITH_OK);
        assert_int_equal(ki_progress_end(&p), KITH_OK);
    }
}

static void the_clock_goes_on(void **state)
{
    const uint64_t before = ki_now_us();

    (void)state;
    pause_us(3000);
    assert_true(ki_now_us() - before >= 3000);
}

/* ---- processes ------------------------------------------------------------------------------ */

static bool is_child;

/* Run body in a child; true when it says so. A child that hangs is ended by its alarm. */
static bool in_child(bool (*body)(void))
{
    int status = -1;
    pid_t child;

    (void)fflush(NULL);
    child = fork();
    if (child == 0) {
        is_child = true;
        (void)alarm(2 * PATIENCE);
        _exit(body() ? 0 : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* ThreadSanitizer knows no threads that start after a fork; the rest of it is watched. */
static bool three_meet(void)
{
    return (HAVE_TSAN && is_child) || meet_many(3) == KITH_OK;
}

static bool three_meet_and_grandchildren_too(void)
{
    return three_meet() && in_child(three_meet) && three_meet();
}

static void a_child_has_a_pool_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(meet_many(3), KITH_OK);
    for (int round = 0; round < 5; round++) assert_true(in_child(three_meet_and_grandchildren_too));
    assert_int_equal(meet_many(3), KITH_OK);
}

static void a_process_forks_while_others_work(void **state)
{
    pthread_t thread[2];

    (void)state;
    atomic_store(&stop_calling, false);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, call_until_stopped, &env), 0);
    bool good = true;
    for (int round = 0; round < 30; round++) good = in_child(three_meet) && good;
    atomic_store(&stop_calling, true);
    for (int i = 0; i < 2; i++) {
        void *fine = NULL;

        assert_int_equal(pthread_join(thread[i], &fine), 0);
        assert_non_null(fine);
    }
    assert_true(good);
}

static pid_t forked;

/* The caller's thread forks in its item while a worker is in another. */
static kith_status fork_in_item(void *arg, size_t i)
{
    const pthread_t *caller = arg;

    (void)i;
    if (!meet(&busy)) return ki_fail(KITH_LIMIT, "nobody came");
    if (pthread_equal(pthread_self(), *caller)) forked = fork();
    return meet(&go_on) || forked == 0 ? KITH_OK : ki_fail(KITH_LIMIT, "nobody came back");
}

static bool fork_inside(void)
{
    const meeting both = MEETING(2);
    pthread_t self = pthread_self();
    int status = -1;
    kith_status st;

    busy = both;
    go_on = both;
    st = ki_parallel(&env, 2, 2, fork_in_item, &self);
    if (forked == 0) {
        is_child = true;
        (void)alarm(2 * PATIENCE);
        // The other item's thread does not exist here: the call tells it, and the next one works.
        _exit(st == KITH_CANCELLED && strstr(kith_last_error(), "forked") && three_meet() ? 0 : 1);
    }
    return st == KITH_OK && waitpid(forked, &status, 0) == forked && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void a_fork_inside_an_item_is_told(void **state)
{
    (void)state;
    assert_true(fork_inside());
    assert_int_equal(meet_many(3), KITH_OK);
}

/* exit() while items run on other threads, and from within an item. */
static void *never_ending(void *arg)
{
    (void)ki_parallel(&env, 3, 100, wait_to_go_on, NULL);
    return arg;
}

static bool exit_beside_work(void)
{
    const meeting four = MEETING(4), nobody = MEETING(1000);
    pthread_t thread;

    busy = four;
    go_on = nobody;
    if (pthread_create(&thread, NULL, never_ending, NULL) != 0 || !meet(&busy)) return false;
    exit(0);
}

static kith_status exit_in_item(void *arg, size_t i)
{
    (void)arg;
    if (!meet(&busy)) return ki_fail(KITH_LIMIT, "nobody came");
    if (i == 1) exit(0);
    (void)meet(&go_on);
    return KITH_OK;
}

static bool exit_from_an_item(void)
{
    const meeting two = MEETING(2), nobody = MEETING(1000);

    busy = two;
    go_on = nobody;
    (void)ki_parallel(&env, 2, 2, exit_in_item, NULL);
    return false;
}

static bool exit_after_work(void)
{
    if (!three_meet()) return false;
    exit(0);
}

/* ---- systems without threads ---------------------------------------------------------------- */

static bool set_stack(size_t size)
{
    pthread_attr_t attr;

    return pthread_attr_init(&attr) == 0 && pthread_attr_setstacksize(&attr, size) == 0 &&
           pthread_setattr_default_np(&attr) == 0;
}

/* No address space holds a stack of 64 TiB: no thread can be made. */
static bool work_without_threads(void)
{
    atomic_size_t calls = 0;

    return set_stack((size_t)1 << 46) &&
           ki_parallel(&env, 8, 1000, count_calls, &calls) == KITH_OK &&
           atomic_load(&calls) == 1000 &&
           ki_parallel(&env, 8, 100, fail_from_ten_on, NULL) == KITH_CORRUPT &&
           set_stack((size_t)1 << 20) && three_meet(); // threads can be made again
}

/* Room for two stacks of 1 GiB, not for seven. (ThreadSanitizer's own memory fits no limit.) */
static bool work_with_fewer_threads(void)
{
    unsigned long pages = 0;
    atomic_size_t calls = 0;
    struct rlimit limit;
    FILE *file = fopen("/proc/self/statm", "r");
    const bool known = file != NULL && fscanf(file, "%lu", &pages) == 1;

    if (file != NULL) (void)fclose(file);
    if (HAVE_TSAN) return true;
    limit.rlim_cur = limit.rlim_max =
        (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)5 << 29);
    return known && set_stack((size_t)1 << 30) && setrlimit(RLIMIT_AS, &limit) == 0 &&
           ki_parallel(&env, 8, 1000, count_calls, &calls) == KITH_OK &&
           atomic_load(&calls) == 1000 && three_meet();
}

/* ---- programs of their own ------------------------------------------------------------------ */

/* What is about a whole process runs in a new one: this program with the name as its argument. */
static const struct {
    const char *name;
    bool (*body)(void);
} programs[] = {
    {"exit after work", exit_after_work},
    {"exit beside work", exit_beside_work},
    {"exit from an item", exit_from_an_item},
    {"work without threads", work_without_threads},
    {"work with fewer threads", work_with_fewer_threads},
};

static int run_program(const char *name)
{
    (void)alarm(2 * PATIENCE);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (strcmp(name, programs[i].name) == 0) return programs[i].body() ? 0 : 1;
    return 2;
}

static bool run(size_t i)
{
    const pid_t child = fork();
    int status = -1;

    if (child == 0) {
        (void)execl("/proc/self/exe", "test_threads", programs[i].name, (char *)NULL);
        _exit(3);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void processes_end_and_manage_with_few_threads(void **state)
{
    (void)state;
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
            if (!run(i)) fail_msg("%s", programs[i].name);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_are_named_and_take_no_signals), // first: it watches the pool grow
        cmocka_unit_test(every_item_is_done_once_in_ascending_order),
        cmocka_unit_test(threads_work_at_the_same_time),
        cmocka_unit_test(no_more_threads_work_than_asked),
        cmocka_unit_test(the_lowest_failure_is_told),
        cmocka_unit_test(nothing_starts_after_a_failure),
        cmocka_unit_test(nested_calls_stay_on_their_thread),
        cmocka_unit_test(calls_from_many_threads_are_apart),
        cmocka_unit_test(a_busy_pool_is_not_waited_for),
        cmocka_unit_test(a_cancelled_thread_harms_nobody),
        cmocka_unit_test(an_executor_is_used_when_given),
        cmocka_unit_test(an_executor_may_use_threads),
        cmocka_unit_test(counts_are_asked_lent_or_the_machines),
        cmocka_unit_test(progress_is_polled_now_and_then),
        cmocka_unit_test(an_unknown_total_ends_with_what_was_done),
        cmocka_unit_test(a_watcher_cancels),
        cmocka_unit_test(nobody_need_watch),
        cmocka_unit_test(the_clock_goes_on),
        cmocka_unit_test(a_child_has_a_pool_of_its_own),
        cmocka_unit_test(a_process_forks_while_others_work),
        cmocka_unit_test(a_fork_inside_an_item_is_told),
        cmocka_unit_test(processes_end_and_manage_with_few_threads),
    };

    if (ki_env_init(&env, NULL) != KITH_OK) return 1;
    if (argc == 2) return run_program(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
