/* The quota of a process is the least of its group's and of all groups around that one. Which group
 * it is says /proc/self/cgroup, a line a hierarchy: "0::/PATH" is version 2, "N:cpu,cpuacct:/PATH"
 * version 1. Inside a container that path may be the one outside, where no such folder is: so each
 * folder from PATH up to the mount is asked, and those that are not there say nothing.
 * Sources: cgroups(7); Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst of
 * Linux. */
#define _POSIX_C_SOURCE 200809L /* open, read beside C17 */
#include "base/quota.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEXT = 2560, PATH = 512, NUMBERS = 64 };

typedef struct hierarchy {
    const char *mount, *quota, *period; // period NULL: both numbers are in the quota's file
} hierarchy;

static const hierarchy unified = {"/sys/fs/cgroup", "cpu.max", NULL};
static const hierarchy split[] = {
    {"/sys/fs/cgroup/cpu", "cpu.cfs_quota_us", "cpu.cfs_period_us"},
    {"/sys/fs/cgroup/cpu,cpuacct", "cpu.cfs_quota_us", "cpu.cfs_period_us"},
};

static bool read_system(const char *path, char *text, size_t cap)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    ssize_t n;

    if (file < 0) return false;
    while ((n = read(file, text + len, cap - 1 - len)) > 0) len += (size_t)n;
    text[len] = '\0';
    (void)close(file);
    return n == 0;
}

static bool ask(const hierarchy *h, const char *folder, const char *name, ki_quota_read *get,
                char text[NUMBERS])
{
    char path[PATH];
    const int len = snprintf(path, sizeof path, "%s%s/%s", h->mount, folder, name);

    return len > 0 && len < PATH && get(path, text, NUMBERS);
}

/* One folder's. "max" and -1 are no limit, and so is whatever cannot be understood. */
static size_t folder_cpus(const hierarchy *h, const char *folder, ki_quota_read *get)
{
    long long quota, period = 0;
    char text[NUMBERS];

    if (!ask(h, folder, h->quota, get, text)) return SIZE_MAX;
    if (sscanf(text, "%lld %lld", &quota, &period) < 1) return SIZE_MAX;
    if (h->period && (!ask(h, folder, h->period, get, text) || sscanf(text, "%lld", &period) < 1))
        return SIZE_MAX;
    if (quota <= 0 || period <= 0) return SIZE_MAX;
    return (size_t)(quota / period + (quota % period != 0));
}

static size_t least(const hierarchy *h, const char *group, ki_quota_read *get)
{
    char folder[PATH];
    size_t best = SIZE_MAX;
    char *slash;

    if (strlen(group) >= sizeof folder) return SIZE_MAX;
    memcpy(folder, group, strlen(group) + 1);
    do {
        const size_t cpus = folder_cpus(h, folder, get);

        if (cpus < best) best = cpus;
        slash = strrchr(folder, '/');
        if (slash) *slash = '\0';
    } while (slash);
    return best;
}

/* Whether the comma-separated words of a line's second field have "cpu". */
static bool has_cpu(const char *words)
{
    while (*words && *words != ':') {
        const size_t len = strcspn(words, ",:");

        if (len == 3 && memcmp(words, "cpu", 3) == 0) return true;
        words += len + (words[len] == ',');
    }
    return false;
}

static size_t line_cpus(const char *line, ki_quota_read *get)
{
    const char *words = strchr(line, ':'), *group = words ? strchr(words + 1, ':') : NULL;
    size_t best = SIZE_MAX;

    if (!group) return SIZE_MAX;
    if (group == words + 1) return least(&unified, group + 1, get);
    for (size_t i = 0; has_cpu(words + 1) && i < sizeof split / sizeof split[0]; i++) {
        const size_t cpus = least(&split[i], group + 1, get);

        if (cpus < best) best = cpus;
    }
    return best;
}

size_t ki_quota_cpus(ki_quota_read *get)
{
    char text[TEXT], *rest;
    size_t best = SIZE_MAX;

    if (!get) get = read_system;
    if (!get("/proc/self/cgroup", text, sizeof text)) return SIZE_MAX;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const size_t cpus = line_cpus(line, get);

        if (cpus < best) best = cpus;
    }
    return best;
}
