/* The pool and whole processes: forks beside, between and inside calls; exit at any moment; systems
 * that give few threads or none. */
#define _GNU_SOURCE 1 /* pthread_setattr_default_np */

#include "support/jobs.h"
#include "support/program.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

static ki_env env;

/* ---- fork ----------------------------------------------------------------------------------- */

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
    return (HAVE_TSAN && is_child) || meet_many(&env, 3) == KITH_OK;
}

static bool three_meet_and_grandchildren_too(void)
{
    return three_meet() && in_child(three_meet) && three_meet();
}

static void a_child_has_a_pool_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(meet_many(&env, 3), KITH_OK);
    for (int round = 0; round < 5; round++) assert_true(in_child(three_meet_and_grandchildren_too));
    assert_int_equal(meet_many(&env, 3), KITH_OK);
}

static void a_process_forks_while_others_work(void **state)
{
    busy_caller other = {.env = &env};
    pthread_t thread[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, call_until_stopped, &other), 0);
    bool good = true;
    for (int round = 0; round < 30; round++) good = in_child(three_meet) && good;
    atomic_store(&other.stop, true);
    for (int i = 0; i < 2; i++) {
        void *fine = NULL;

        assert_int_equal(pthread_join(thread[i], &fine), 0);
        assert_non_null(fine);
    }
    assert_true(good);
}

/* The caller's thread forks in its item while a worker is in another. */
typedef struct fork_scene {
    meetings both;
    pthread_t caller;
    pid_t child;
} fork_scene;

static kith_status fork_in_item(void *arg, size_t i)
{
    fork_scene *scene = arg;

    if (!meet(&scene->both.first)) return ki_fail(KITH_LIMIT, "item %zu met nobody", i);
    if (pthread_equal(pthread_self(), scene->caller)) {
        scene->child = fork();
        is_child = scene->child == 0;
        if (is_child) return KITH_OK; // there is nobody to meet
    }
    return meet(&scene->both.second) ? KITH_OK : ki_fail(KITH_LIMIT, "item %zu met nobody", i);
}

static void a_fork_inside_an_item_is_told(void **state)
{
    fork_scene scene = {{MEETING(2), MEETING(2)}, pthread_self(), -1};
    const kith_status st = ki_parallel(&env, 2, 2, fork_in_item, &scene);
    int status = -1;

    (void)state;
    if (is_child) { // the call tells that the other item is lost, and the next call works
        (void)alarm(2 * PATIENCE);
        _exit(st == KITH_CANCELLED && strstr(kith_last_error(), "forked") && three_meet() ? 0 : 1);
    }
    assert_int_equal(st, KITH_OK);
    assert_int_equal(waitpid(scene.child, &status, 0), scene.child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(meet_many(&env, 3), KITH_OK);
}

/* ---- exit ----------------------------------------------------------------------------------- */

/* Those who are in items when the process exits wait for people who will never come. */
static void *work_for_ever(void *arg)
{
    (void)ki_parallel(&env, 3, 100, meet_twice, arg);
    return NULL;
}

static bool exit_beside_work(void)
{
    static meetings never = {MEETING(4), MEETING(1000)};
    pthread_t thread;

    if (pthread_create(&thread, NULL, work_for_ever, &never) != 0 || !meet(&never.first))
        return false;
    exit(0);
}

static kith_status exit_in_item(void *arg, size_t i)
{
    meetings *never = arg;

    if (!meet(&never->first)) return ki_fail(KITH_LIMIT, "item %zu met nobody", i);
    if (i == 1) exit(0);
    (void)meet(&never->second);
    return KITH_OK;
}

static bool exit_from_an_item(void)
{
    static meetings never = {MEETING(2), MEETING(1000)};

    (void)ki_parallel(&env, 2, 2, exit_in_item, &never);
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

/* No address space holds a stack of 4 PiB: no thread can be made. */
static bool work_without_threads(void)
{
    atomic_size_t calls = 0;

    return set_stack((size_t)1 << 52) &&
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

static const char *self;

static bool run(size_t i)
{
    const pid_t child = fork();
    int status = -1;

    if (child == 0) {
        exec_program(self, programs[i].name);
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
        cmocka_unit_test(a_child_has_a_pool_of_its_own),
        cmocka_unit_test(a_process_forks_while_others_work),
        cmocka_unit_test(a_fork_inside_an_item_is_told),
        cmocka_unit_test(processes_end_and_manage_with_few_threads),
    };

    if (ki_env_init(&env, NULL) != KITH_OK) return 1;
    self = argv[0];
    if (argc == 2) return run_program(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
