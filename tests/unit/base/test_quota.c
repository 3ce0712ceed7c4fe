/* Quotas of control groups, read from files that a table stands for. */
#include "base/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct small_file {
    const char *path, *text;
} small_file;

enum { FILES = 8 };

static const small_file *files; // [FILES], the rest NULL

static bool get(const char *path, char *text, size_t cap)
{
    for (size_t i = 0; i < FILES && files[i].path; i++) {
        if (strcmp(files[i].path, path) != 0) continue;
        assert_true(strlen(files[i].text) < cap);
        (void)snprintf(text, cap, "%s", files[i].text);
        return true;
    }
    return false;
}

static void check(const small_file *given, size_t cpus)
{
    files = given;
    assert_true(ki_quota_cpus(get) == cpus);
}

#define SELF    "/proc/self/cgroup"
#define UNIFIED "/sys/fs/cgroup"
#define SPLIT   "/sys/fs/cgroup/cpu"

static void version_2(void **state)
{
    static const struct {
        const char *max;
        size_t cpus;
    } one[] = {{"max 100000\n", SIZE_MAX}, {"200000 100000\n", 2}, {"150000 100000\n", 2},
               {"1000 100000\n", 1},       {"100001 100000\n", 2}, {"6400000 100000\n", 64},
               {"0 100000\n", SIZE_MAX},   {"5 0\n", SIZE_MAX},    {"-1 100000\n", SIZE_MAX},
               {"100000\n", SIZE_MAX},     {"", SIZE_MAX},         {"two of ten\n", SIZE_MAX}};

    (void)state;
    for (size_t i = 0; i < sizeof one / sizeof one[0]; i++) {
        const small_file in_group[FILES] = {{SELF, "0::/a.slice/b.service\n"},
                                            {UNIFIED "/a.slice/b.service/cpu.max", one[i].max}};
        const small_file in_container[FILES] = {{SELF, "0::/\n"}, {UNIFIED "/cpu.max", one[i].max}};
        check(in_group, one[i].cpus);
        check(in_container, one[i].cpus);
    }
}

static void the_least_of_all_around(void **state)
{
    static const small_file outer[FILES] = {{SELF, "0::/a/b/c\n"},
                                            {UNIFIED "/a/b/c/cpu.max", "800000 100000\n"},
                                            {UNIFIED "/a/b/cpu.max", "max 100000\n"},
                                            {UNIFIED "/a/cpu.max", "300000 100000\n"}};
    static const small_file inner[FILES] = {{SELF, "0::/a/b\n"},
                                            {UNIFIED "/a/b/cpu.max", "100000 50000\n"},
                                            {UNIFIED "/a/cpu.max", "300000 100000\n"}};
    static const small_file other[FILES] = {{SELF, "0::/a/b\n"},
                                            {UNIFIED "/a/bc/cpu.max", "100000 100000\n"}};

    (void)state;
    check(outer, 3);
    check(inner, 2);
    check(other, SIZE_MAX);
}

static void version_1(void **state)
{
    static const char self[] =
        "12:cpuset:/\n4:cpu,cpuacct:/docker/0123\n1:name=systemd:/x\n0::/x\n";
    static const small_file group[FILES] = {{SELF, self},
                                            {SPLIT "/docker/0123/cpu.cfs_quota_us", "250000\n"},
                                            {SPLIT "/docker/0123/cpu.cfs_period_us", "100000\n"}};
    static const small_file mounted_alone[FILES] = {
        {SELF, self}, // the container's group is the root
        {SPLIT "/cpu.cfs_quota_us", "400000\n"},
        {SPLIT "/cpu.cfs_period_us", "100000\n"}};
    static const small_file both_names[FILES] = {
        {SELF, "3:cpuacct,cpu:/a\n"},
        {UNIFIED "/cpu,cpuacct/a/cpu.cfs_quota_us", "100000\n"},
        {UNIFIED "/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"}};
    static const small_file none[FILES] = {{SELF, self},
                                           {SPLIT "/docker/0123/cpu.cfs_quota_us", "-1\n"},
                                           {SPLIT "/docker/0123/cpu.cfs_period_us", "100000\n"}};
    static const small_file no_period[FILES] = {{SELF, self},
                                                {SPLIT "/docker/0123/cpu.cfs_quota_us", "1000\n"}};
    static const small_file cpuset_only[FILES] = {{SELF, "12:cpuset:/a\n3:cpuacct:/a\n"},
                                                  {SPLIT "/a/cpu.cfs_quota_us", "100000\n"},
                                                  {SPLIT "/a/cpu.cfs_period_us", "100000\n"}};

    (void)state;
    check(group, 3);
    check(mounted_alone, 4);
    check(both_names, 1);
    check(none, SIZE_MAX);
    check(no_period, SIZE_MAX);
    check(cpuset_only, SIZE_MAX);
}

static void nothing_to_go_by(void **state)
{
    static char long_path[900] = "0::/";
    static const small_file empty[FILES] = {{NULL, NULL}};
    static const small_file odd[FILES] = {{SELF, "\n:\n::\n0:\nno line\n0::\n"}};
    static const small_file too_long[FILES] = {{SELF, long_path}, {UNIFIED "/cpu.max", "1 1\n"}};

    (void)state;
    memset(long_path + 4, 'x', sizeof long_path - 5);
    check(empty, SIZE_MAX);
    check(odd, SIZE_MAX);
    check(too_long, SIZE_MAX);
    assert_true(ki_quota_cpus(NULL) > 0); // the system's own files, whatever they say
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_2),
        cmocka_unit_test(the_least_of_all_around),
        cmocka_unit_test(version_1),
        cmocka_unit_test(nothing_to_go_by),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
