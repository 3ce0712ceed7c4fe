/* Runs a test program once for each instruction set that this machine has: the kernel table is
 * resolved once a process, so the program starts itself again with another KITH_CPU. */
#ifndef EVERYCPU_H
#define EVERYCPU_H

/* In main: `return every_cpu(argv, all_tests);`. The number of levels that failed; in the processes
 * started, what all_tests returns. */
int every_cpu(char **argv, int (*all_tests)(void));

#endif
