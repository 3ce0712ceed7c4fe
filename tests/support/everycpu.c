/* One process for each instruction set (everycpu.h). */
#define _GNU_SOURCE /* setenv, fork */
#include "support/everycpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cpu.h"
#include "kernel/kernel.h"
#include "support/program.h"

static const char mark[] = "KITH_TEST_LEVEL";

/* level NULL: everything that is allowed already. */
static int run_level(char **argv, const char *level)
{
    int status = 1;
    pid_t child;

    printf("# instruction set: %s\n", level ? level : "all");
    fflush(stdout);
    child = fork();
    if (child == 0) {
        setenv(mark, "1", 1);
        if (level) setenv("KITH_CPU", level, 1);
        exec_program(argv[0], NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) return 1;
    return status != 0;
}

int every_cpu(char **argv, int (*all_tests)(void))
{
    int failed = 0;

    if (getenv(mark)) return all_tests();
    for (size_t i = 0; ki_isa_at(i); i++)
        if (!(ki_isa_at(i)->needs & ~ki_cpu_features()))
            failed += run_level(argv, ki_isa_at(i)->name);
    return failed + run_level(argv, NULL);
}
