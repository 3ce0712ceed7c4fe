/* Programs of this build, started in place of the process that asks. */
#ifndef PROGRAM_H
#define PROGRAM_H

/* argument: NULL, or the only one. Goes through what meson runs foreign programs with (qemu).
 * Returns if it could not be started. */
void exec_program(const char *path, const char *argument);

#endif
