/* Jobs and meetings; see the header. */
#define _POSIX_C_SOURCE 200809L /* nanosleep */

#include "support/jobs.h"

#include <time.h>

void pause_us(long us)
{
    const struct timespec t = {us / 1000000, us % 1000000 * 1000};

    (void)nanosleep(&t, NULL);
}

bool meet(meeting *m)
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

kith_status meet_many(ki_env *env, size_t n)
{
    meeting m = MEETING((int)n);

    return ki_parallel(env, n, n, meet_job, &m);
}

kith_status meet_twice(void *meetings_, size_t i)
{
    meetings *m = meetings_;

    if (meet(&m->first) && meet(&m->second)) return KITH_OK;
    return ki_fail(KITH_LIMIT, "item %zu met nobody", i);
}

kith_status count_calls(void *counter, size_t i)
{
    atomic_size_t *calls = counter;

    (void)i;
    atomic_fetch_add(calls, 1);
    return KITH_OK;
}

enum { FIRST_BAD = 10 };

kith_status fail_from_ten_on(void *unused, size_t i)
{
    (void)unused;
    if (i < FIRST_BAD) return KITH_OK;
    if (i == FIRST_BAD) pause_us(2000); // the lowest is not the first to fail
    return ki_fail(i == FIRST_BAD ? KITH_CORRUPT : KITH_IO, "item %zu", i);
}

void *call_until_stopped(void *caller_)
{
    busy_caller *c = caller_;

    while (!atomic_load(&c->stop)) {
        atomic_size_t calls = 0;

        if (ki_parallel(c->env, 4, 200, count_calls, &calls) != KITH_OK) return NULL;
        if (atomic_load(&calls) != 200) return NULL;
    }
    return c;
}
