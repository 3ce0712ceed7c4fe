/* Progress, signals and the clock. */
#define _POSIX_C_SOURCE 200809L
#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void remember(int sig)
{
    caught = sig;
}

/* No SA_RESTART: a read that waits for input returns, so that the wait ends too. */
void catch_signals(void)
{
    struct sigaction action;

    memset(&action, 0, sizeof action);
    action.sa_handler = remember;
    action.sa_flags = (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

int signal_caught(void)
{
    return caught;
}

double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void rate_text(double rate, char out[16])
{
    if (rate < 1e3)
        snprintf(out, 16, "%.0f", rate);
    else if (rate < 1e6)
        snprintf(out, 16, "%.3gk", rate / 1e3);
    else
        snprintf(out, 16, "%.3gM", rate < 1e12 ? rate / 1e6 : 999e3);
}

void time_text(double left, char out[16])
{
    const unsigned s = left < 359999 ? (unsigned)(left + 0.5) : 359999;

    if (s < 3600)
        snprintf(out, 16, "%u:%02u", s / 60, s % 60);
    else
        snprintf(out, 16, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
}

void progress_init(progress *p)
{
    const char *term = getenv("TERM");

    memset(p, 0, sizeof *p);
    p->draws = !is_quiet() && isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

void progress_end(progress *p)
{
    if (p->shown) fputs("\r\033[K", stderr);
    p->shown = 0;
    p->phase[0] = '\0';
}

/* Nothing for the first third of a second: short work stays silent. */
static void draw(progress *p, const char *phase, uint64_t done, uint64_t total)
{
    const double now = seconds(), spent = now - p->begun;
    const double rate = spent > 0 ? (double)done / spent : 0;
    char rates[16], left[16];

    if (strcmp(p->phase, phase) != 0) {
        snprintf(p->phase, sizeof p->phase, "%s", phase);
        p->begun = p->drawn = now;
        return;
    }
    if (spent < 0.3 || now - p->drawn < 0.1) return;
    p->drawn = now;
    p->shown = 1;
    rate_text(rate, rates);
    fprintf(stderr, "\r\033[K%s ", phase);
    if (total > 0 && total != UINT64_MAX && done <= total && rate > 0) {
        time_text((double)(total - done) / rate, left);
        fprintf(stderr, "%3.0f%%  %s/s  %s left", 100 * (double)done / (double)total, rates, left);
    } else {
        fprintf(stderr, "%llu  %s/s", (unsigned long long)done, rates);
    }
    fflush(stderr);
}

static int poll(void *ctx, const char *phase, uint64_t done, uint64_t total)
{
    progress *p = ctx;

    if (p->draws) draw(p, phase, done, total);
    return caught != 0;
}

kith_watch progress_watch(progress *p)
{
    return (kith_watch){poll, p};
}

kith_status progress_step(progress *p, const char *phase, uint64_t done, uint64_t total)
{
    return poll(p, phase, done, total) ? fail(KITH_CANCELLED, "cancelled") : KITH_OK;
}
