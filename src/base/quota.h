/* How much processor time the control groups of this process allow (cgroup, version 1 or 2): what
 * containers and services are limited by, and what no affinity mask tells. */
#ifndef KI_QUOTA_H
#define KI_QUOTA_H

#include <stdbool.h>
#include <stddef.h>

/* The text of a small file, NUL-ended; false when there is none. */
typedef bool ki_quota_read(const char *path, char *text, size_t cap);

/* Processors' worth of time, rounded up; SIZE_MAX: no limit. get NULL: the system's files. */
size_t ki_quota_cpus(ki_quota_read *get);

#endif
