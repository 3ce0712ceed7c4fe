/* The parallel loop: every item once, the lowest failure, nested and concurrent calls, a program's
 * own executor; counts; progress. What is about whole processes is in torture/test_pool.c. */
#define _GNU_SOURCE 1 /* sched_setaffinity, pthread_getname_np */

#include "base/quota.h"
#include "base/threads.h"
#include "support/jobs.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MANY = 5000 };

static ki_env env;

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
    for (size_t n = 2; n <= 20; n += 3) assert_int_equal(meet_many(&env, n), KITH_OK);
    assert_int_equal(meet_many(&env, 2), KITH_OK); // of a pool that has become larger
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

/* Beside another thread's calls, whose workers look for more to do when they are done. */
static void no_more_threads_work_than_asked(void **state)
{
    busy_caller other = {.env = &env};
    pthread_t thread;
    void *good = NULL;

    (void)state;
    assert_int_equal(meet_many(&env, 20), KITH_OK); // the pool has more
    assert_int_equal(pthread_create(&thread, NULL, call_until_stopped, &other), 0);
    int most[9] = {0};
    for (size_t threads = 1; threads <= 8; threads++) {
        crowd c = {0};

        if (ki_parallel(&env, threads, 60, join_crowd, &c) != KITH_OK) break;
        most[threads] = atomic_load(&c.most);
    }
    atomic_store(&other.stop, true);
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
    assert_int_equal(meet_many(&env, 3), KITH_OK); // after it, calls are spread again
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

/* As many threads as there can be are in items that wait; another call must end all the same. */
enum { ALL = 256 };
static meetings everyone = {MEETING(ALL + 1), MEETING(ALL + 1)}; // and who watches

static void *block_the_pool(void *arg)
{
    return ki_parallel(&env, ALL, ALL, meet_twice, &everyone) == KITH_OK ? arg : NULL;
}

static void a_busy_pool_is_not_waited_for(void **state)
{
    pthread_t thread;
    void *good = NULL;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, block_the_pool, &env), 0);
    assert_true(meet(&everyone.first));
    for (int round = 0; round < 20; round++) {
        atomic_size_t calls = 0;

        assert_int_equal(ki_parallel(&env, 8, 1000, count_calls, &calls), KITH_OK);
        assert_int_equal(calls, 1000);
    }
    assert_true(meet(&everyone.second));
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
        assert_int_equal(meet_many(&env, 3), KITH_OK);
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
    const size_t quota = ki_quota_cpus(NULL), cpus = (size_t)CPU_COUNT(&before);
    assert_int_equal(ki_thread_count(&env, 0, 1000), cpus < quota ? cpus : quota);
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

int main(void)
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
    };

    if (ki_env_init(&env, NULL) != KITH_OK) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
