/* Progress on a terminal and Ctrl-C everywhere: what is being done, how far, how fast, how long
 * still. Nothing is drawn into a pipe, on a dumb terminal, or when the user asked for quiet. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "say.h"

typedef struct progress {
    double begun, drawn; /* seconds; begun of the phase */
    char phase[64];
    int draws, shown; /* a terminal listens; a line stands there now */
} progress;

void progress_init(progress *p);
/* For the library's calls: draws, and cancels after Ctrl-C. Lives as long as p. */
kith_watch progress_watch(progress *p);
/* The same for the command's own loops: CANCELLED after Ctrl-C. */
kith_status progress_step(progress *p, const char *phase, uint64_t done, uint64_t total);
/* Wipe the line, so that something else can be said. */
void progress_end(progress *p);

/* From now on SIGINT and SIGTERM are remembered; a second one ends the program at once. */
void catch_signals(void);
/* Which one has come, 0 = none. */
int signal_caught(void);
/* Seconds of a clock that only goes forward. */
double seconds(void);
/* "250", "1.20k", "3.40M"; "0:12", "1:02:03". */
void rate_text(double rate, char out[16]);
void time_text(double left, char out[16]);

#endif
