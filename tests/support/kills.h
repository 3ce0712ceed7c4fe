/* kill -9 in the middle of save, as often as one likes. */
#ifndef KILLS_H
#define KILLS_H

#include <stddef.h>

/* A child saves two indexes of this spec in turn over one file and is killed at a random moment;
 * afterwards the file must be one of the two, whole, and at most one temporary file may lie beside
 * it. Then the next child. A failure is a failure of the running test. KITH_KILLS replaces n,
 * KITH_SEED the seed, which a failure prints. */
void kill_saves(const char *spec, size_t n);

#endif
