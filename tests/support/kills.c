/* The loop of the kill tests. The children are forked before any thread is started, and save what
 * they inherited, so that a kill costs little more than the save it hits. */
#define _DEFAULT_SOURCE 1 /* POSIX beside C17 */

#include "support/kills.h"
#include "support/folder.h"
#include "support/harness.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { D = 24, SMALL = 9000, LARGE = 14000, PART = 6 /* of the rows, with a graph */ };

static float rows[LARGE][D];
static size_t sizes[2]; /* rows of each version */
static uint64_t drawn;

static uint64_t draw(uint64_t below)
{
    drawn = drawn * 6364136223846793005u + 1442695040888963407u;
    return (drawn >> 33) % below;
}

/* Version v has rows of its own and says which it is by its first one. */
static kith_index *version(const char *spec, size_t v)
{
    const size_t n = sizes[v];
    kith_host host = KITH_HOST_INIT;
    kith_index *ix;

    host.threads = 1;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++) rows[i][j] = (float)((i * 31 + j * 7 + v) % 1009) / 8;
    must(kith_create(spec, D, KITH_L2, &host, &ix));
    must(kith_add(ix, KITH_ROWS(rows, n, KITH_F32), NULL, NULL, NULL));
    return ix;
}

static void save_for_ever(kith_index *const ix[2], const char *path)
{
    for (size_t i = 0;; i++)
        if (kith_save(ix[i % 2], path, NULL) != KITH_OK) {
            (void)fprintf(stderr, "child: %s\n", kith_last_error());
            _exit(1);
        }
}

/* Which version the file holds, all of it. */
static size_t check_file(const char *path)
{
    kith_host host = KITH_HOST_INIT;
    float first[D];
    kith_index *ix;
    size_t v;

    host.threads = 1;
    must(kith_open(path, KITH_OPEN_VERIFY, &host, &ix));
    must(kith_get(ix, 0, first));
    v = first[0] > 0;
    assert_int_equal(kith_count(ix), sizes[v]);
    if (sizes[1] < LARGE) must(kith_verify(ix, NULL)); // the graph as well
    kith_free(ix);
    return v;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static void kill_one(kith_index *const ix[2], const char *path, uint64_t delay_us)
{
    const struct timespec delay = {(time_t)(delay_us / 1000000), (long)(delay_us % 1000000) * 1000};
    const pid_t child = fork();
    int how;

    assert_true(child >= 0);
    if (child == 0) save_for_ever(ix, path);
    nanosleep(&delay, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &how, 0), child);
    if (!WIFSIGNALED(how)) fail_msg("the child ended by itself");
}

void kill_saves(const char *spec, size_t n)
{
    const size_t part = strcmp(spec, "Flat") == 0 ? 1 : PART;
    const uint64_t seed = number_of("KITH_SEED", (uint64_t)time(NULL));
    const char *path = in_folder("a.kith");
    size_t seen[2] = {0}, inside = 0;
    kith_index *ix[2];
    uint64_t save_us;
    double start;

    sizes[0] = SMALL / part;
    sizes[1] = LARGE / part;
    for (size_t i = 0; i < 2; i++) ix[i] = version(spec, i);
    n = (size_t)number_of("KITH_KILLS", n);
    drawn = seed;
    start = now();
    must(kith_save(ix[1], path, NULL));
    must(kith_save(ix[0], path, NULL));
    save_us = (uint64_t)((now() - start) / 2 * 1e6) + 1;
    for (size_t i = 0; i < n; i++) {
        size_t files;

        kill_one(ix, path, draw(4 * save_us));
        files = files_in_folder();
        seen[check_file(path)]++;
        inside += files > 1;
        if (files < 1 || files > 2)
            fail_msg("%zu files after kill %zu, seed %llu", files, i, (unsigned long long)seed);
    }
    print_message("%s: %zu kills, %zu inside a save of %.1f ms; old %zu, new %zu; seed %llu\n",
                  spec, n, inside, (double)save_us / 1000, seen[0], seen[1],
                  (unsigned long long)seed);
    if (n >= 100 && (inside < n / 20 || !seen[0] || !seen[1]))
        fail_msg("the kills missed the saves, seed %llu", (unsigned long long)seed);
    must(kith_save(ix[0], path, NULL)); // which sweeps what the last kill left
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(unlink(path), 0);
    kith_free(ix[0]);
    kith_free(ix[1]);
}
