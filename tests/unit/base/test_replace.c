/* Replacing a file whole: what is there afterwards, what is left behind, what is refused. */
#define _DEFAULT_SOURCE 1 /* POSIX beside C17 */

#include "base/replace.h"
#include "support/failing.h"
#include "support/folder.h"
#include "support/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_text(const char *path, const char *text)
{
    write_file(path, text, strlen(text));
}

static void holds(const char *path, const char *text)
{
    char got[64] = "";
    FILE *f = fopen(path, "rb");

    assert_non_null(f);
    got[fread(got, 1, sizeof got - 1, f)] = '\0';
    fclose(f);
    assert_string_equal(got, text);
}

static kith_status replace(ki_env *env, const char *path, const char *text)
{
    ki_replace r = {0};
    kith_status st = KITH_OK;

    KI_TRY(ki_replace_begin(env, path, &r));
    KI_TRY(ki_replace_write(&r, text, strlen(text)));
    st = ki_replace_commit(&r);
out:
    ki_replace_end(&r);
    return st;
}

static ki_env *own_env(void)
{
    static ki_env env;

    must(ki_env_init(&env, NULL));
    return &env;
}

static void a_file_is_made_and_replaced(void **state)
{
    const char *path = in_folder("a");

    (void)state;
    must(replace(own_env(), path, "one"));
    holds(path, "one");
    must(replace(own_env(), path, "two"));
    holds(path, "two");
    must(replace(own_env(), path, ""));
    holds(path, "");
    assert_int_equal(files_in_folder(), 1);
    unlink(path);
}

static void the_head_can_come_last(void **state)
{
    const char *path = in_folder("a");
    ki_replace r;

    (void)state;
    must(ki_replace_begin(own_env(), path, &r));
    must(ki_replace_write(&r, "????", 4));
    must(ki_replace_write(&r, "tail", 4));
    must(ki_replace_patch(&r, 0, "head", 4));
    must(ki_replace_write(&r, "!", 1));
    assert_int_equal(access(path, F_OK), -1); // not before it is whole
    must(ki_replace_commit(&r));
    ki_replace_end(&r);
    ki_replace_end(&r); // an ended one is empty
    holds(path, "headtail!");
    unlink(path);
}

static void what_is_given_up_leaves_nothing(void **state)
{
    const char *path = in_folder("a");
    ki_replace r = {0};

    (void)state;
    ki_replace_end(&r);
    write_text(path, "old");
    must(ki_replace_begin(own_env(), path, &r));
    assert_int_equal(files_in_folder(), 2);
    ki_replace_end(&r);
    assert_int_equal(files_in_folder(), 1);
    holds(path, "old");
    unlink(path);
}

static void a_name_without_folder_is_here(void **state)
{
    char before[512];

    (void)state;
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder_path()), 0);
    write_text("a.tmp-00000000000000aa", "left");
    must(replace(own_env(), "a", "here"));
    holds("a", "here");
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(unlink("a"), 0);
    assert_int_equal(chdir(before), 0);
}

static void a_link_stays_a_link(void **state)
{
    const char *link = in_folder("link"), *target = in_folder("target");
    struct stat s;

    (void)state;
    write_text(target, "old");
    assert_int_equal(symlink("target", link), 0);
    must(replace(own_env(), link, "new"));
    assert_int_equal(lstat(link, &s), 0);
    assert_true(S_ISLNK(s.st_mode));
    holds(target, "new");
    unlink(target);
    must(replace(own_env(), link, "led nowhere")); // then it is a name like any other
    holds(link, "led nowhere");
    unlink(link);
}

static void only_files_are_replaced(void **state)
{
    const char *fifo = in_folder("fifo");
    ki_replace r;
    struct stat s;

    (void)state;
    refused(ki_replace_begin(own_env(), folder_path(), &r), KITH_BAD_ARG, "is a folder");
    ki_replace_end(&r);
    refused(replace(own_env(), "/dev/null", "x"), KITH_BAD_ARG, "is a device or pipe");
    assert_int_equal(stat("/dev/null", &s), 0);
    assert_true(S_ISCHR(s.st_mode));
    assert_int_equal(mkfifo(fifo, 0600), 0);
    refused(replace(own_env(), fifo, "x"), KITH_BAD_ARG, "is a device or pipe");
    unlink(fifo);
    refused(replace(own_env(), in_folder("no/such"), "x"), KITH_IO, "No such file or directory");
    refused(replace(own_env(), "/dev/null/x", "x"), KITH_IO, "Not a directory");
    assert_int_equal(files_in_folder(), 0);
}

static void rights_are_kept(void **state)
{
    const char *path = in_folder("a");
    const mode_t before = umask(022);
    struct stat s;

    (void)state;
    must(replace(own_env(), path, "new"));
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0644);
    assert_int_equal(chmod(path, 0600), 0);
    if (geteuid() == 0) assert_int_equal(chown(path, 12345, 54321), 0);
    must(replace(own_env(), path, "private"));
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0600);
    if (geteuid() == 0) assert_true(s.st_uid == 12345 && s.st_gid == 54321);
    umask(before);
    unlink(path);
}

/* What a killed save leaves is removed by the next; what a living one writes is not. */
static void the_dead_are_swept_the_living_stay(void **state)
{
    const char *path = in_folder("a"), *dead = in_folder("a.tmp-0123456789abcdef");
    static const char *const strangers[] = {"a.tmp-0123456789abcde",
                                            "a.tmp-0123456789abcdef0",
                                            "a.tmp-0123456789abcdeg",
                                            "b.tmp-0123456789abcdef",
                                            "a.new-0123456789abcdef",
                                            "a.tmp",
                                            "a"};
    ki_replace living;
    int fd;

    (void)state;
    for (size_t i = 0; i < 7; i++) write_text(in_folder(strangers[i]), "stays");
    write_text(dead, "left");
    must(ki_replace_begin(own_env(), path, &living));
    assert_int_equal(access(dead, F_OK), -1);
    assert_int_equal(files_in_folder(), 8);
    must(ki_replace_write(&living, "late", 4));
    must(replace(own_env(), path, "early"));
    holds(path, "early");
    must(ki_replace_commit(&living));
    ki_replace_end(&living);
    holds(path, "late");

    write_text(dead, "held");
    fd = open(dead, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    must(replace(own_env(), path, "x"));
    assert_int_equal(access(dead, F_OK), 0);
    close(fd);
    must(replace(own_env(), path, "y"));
    assert_int_equal(access(dead, F_OK), -1);
    for (size_t i = 0; i < 7; i++) assert_int_equal(unlink(in_folder(strangers[i])), 0);
    assert_int_equal(files_in_folder(), 0);
}

/* A message of the program to its closed stdout must not end up in the file. */
static void closed_streams_are_not_taken(void **state)
{
    const char *path = in_folder("a");
    const int kept = dup(0);
    ki_replace r;

    (void)state;
    assert_true(kept >= 0);
    close(0);
    must(ki_replace_begin(own_env(), path, &r));
    assert_true(r.lock > 2);
    assert_int_equal(fcntl(0, F_GETFD), -1);
    must(ki_replace_commit(&r));
    ki_replace_end(&r);
    dup2(kept, 0);
    close(kept);
    unlink(path);
}

static char many[160];

static void *replace_often(void *arg)
{
    ki_env env;
    char text[32];

    if (ki_env_init(&env, NULL) != KITH_OK) return arg;
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "%s %d", (const char *)arg, i);
        if (replace(&env, many, text) != KITH_OK) return arg;
    }
    return NULL;
}

static void many_may_replace_one_file(void **state)
{
    static char names[4][2] = {"a", "b", "c", "d"};
    pthread_t t[4];
    char got[32] = "";
    void *failed;
    FILE *f;

    (void)state;
    snprintf(many, sizeof many, "%s", in_folder("many"));
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, replace_often, names[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(t[i], &failed);
        assert_null(failed);
    }
    f = fopen(many, "rb");
    assert_non_null(f);
    assert_int_equal(fread(got, 1, sizeof got - 1, f), 4);
    fclose(f);
    assert_string_equal(got + 1, " 99"); // the last of one of them
    unlink(many);
}

/* A file layer of the program's own: its temporary files have another name, never swept. */
static void lent_files_work_too(void **state)
{
    const char *path = in_folder("a");
    failing_host f;
    ki_env env;

    (void)state;
    failing_init(&f);
    must(ki_env_init(&env, &f.host));
    write_text(in_folder("a.new-0123456789abcdef"), "another's");
    must(replace(&env, path, "lent"));
    holds(path, "lent");
    assert_null(failing_complaint(&f));
    assert_int_equal(files_in_folder(), 2);
    unlink(in_folder("a.new-0123456789abcdef"));
    failing_files_at(&f, FAILING_OPEN, 1, true, EEXIST); // no name is ever free
    refused(replace(&env, path, "x"), KITH_IO, "File exists");
    failing_files_at(&f, FAILING_SYNC_FOLDER, 1, false, EIO);
    refused(replace(&env, path, "placed"), KITH_IO, "written, but");
    holds(path, "placed");
    for (failing_op op = FAILING_WRITE; op <= FAILING_RENAME; op++) {
        failing_files_at(&f, op, 1, false, ENOSPC);
        refused(replace(&env, path, "never"), KITH_IO, "No space left on device");
        holds(path, "placed");
        assert_int_equal(files_in_folder(), 1);
    }
    assert_null(failing_complaint(&f));
    unlink(path);
}

static void no_memory_leaves_the_file(void **state)
{
    const char *path = in_folder("a");
    failing_host f;
    ki_env env;

    (void)state;
    write_text(path, "old");
    for (size_t n = 1;; n++) {
        kith_status st;

        failing_init(&f);
        f.host.files = NULL; // the system's, where links are followed
        must(ki_env_init(&env, &f.host));
        failing_alloc_at(&f, n, false);
        st = replace(&env, path, "new");
        assert_null(failing_complaint(&f));
        assert_int_equal(files_in_folder(), 1);
        if (!failing_happened(&f)) {
            must(st);
            break;
        }
        if (st != KITH_OK) assert_int_equal(st, KITH_NO_MEMORY); // the sweep may be left out
        if (st != KITH_OK) holds(path, "old");
        write_text(path, "old");
    }
    holds(path, "new");
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_made_and_replaced),
        cmocka_unit_test(the_head_can_come_last),
        cmocka_unit_test(what_is_given_up_leaves_nothing),
        cmocka_unit_test(a_name_without_folder_is_here),
        cmocka_unit_test(a_link_stays_a_link),
        cmocka_unit_test(only_files_are_replaced),
        cmocka_unit_test(rights_are_kept),
        cmocka_unit_test(the_dead_are_swept_the_living_stay),
        cmocka_unit_test(closed_streams_are_not_taken),
        cmocka_unit_test(many_may_replace_one_file),
        cmocka_unit_test(lent_files_work_too),
        cmocka_unit_test(no_memory_leaves_the_file),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
