/* Jobs for ki_parallel that several tests give it, and ways to make threads meet. */
#ifndef JOBS_H
#define JOBS_H

#include "base/threads.h"

#include <pthread.h>

enum { PATIENCE = 30 /* seconds: only a hang takes so long */ };

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

/* Wait for the others; whether they came. */
bool meet(meeting *m);
/* OK when `n` threads, the caller's among them, work at the same time. */
kith_status meet_many(ki_env *env, size_t n);

/* A job: both meetings of a meetings, one after the other. */
typedef struct meetings {
    meeting first, second;
} meetings;
kith_status meet_twice(void *meetings_, size_t i);

/* A job: adds one to an atomic_size_t. */
kith_status count_calls(void *counter, size_t i);
/* A job: all from item 10 on fail, with IO and "item N"; item 10 late, and with CORRUPT. */
kith_status fail_from_ten_on(void *unused, size_t i);

/* A thread: calls with four threads each until `stop`; returns NULL when one went wrong. */
typedef struct busy_caller {
    ki_env *env;
    atomic_bool stop;
} busy_caller;
void *call_until_stopped(void *caller_);

void pause_us(long us);

#endif
