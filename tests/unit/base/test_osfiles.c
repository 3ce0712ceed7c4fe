/* The system's files: modes, errors, short and interrupted transfers, maps, folders, descriptors.
 * The program's own pread, pwrite, fsync and close stand before libc's, to interrupt and cut short
 * what a real disk hardly ever does. */
#define _GNU_SOURCE 1 /* syscall */

#include "kith.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a system that interrupts --------------------------------------------------------------- */

static struct {
    int interrupts; /* calls still to end with EINTR */
    size_t at_most; /* bytes a transfer moves; 0 = as asked */
    int sync_error, calls;
} disturb;

static bool interrupted(void)
{
    disturb.calls++;
    if (disturb.interrupts == 0) return false;
    disturb.interrupts--;
    errno = EINTR;
    return true;
}

static size_t moved(size_t len)
{
    return disturb.at_most != 0 && disturb.at_most < len ? disturb.at_most : len;
}

ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
    return interrupted() ? -1 : syscall(SYS_pread64, fd, buf, moved(len), at);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
    return interrupted() ? -1 : syscall(SYS_pwrite64, fd, buf, moved(len), at);
}

int fsync(int fd)
{
    if (interrupted()) return -1;
    if (disturb.sync_error == 0) return (int)syscall(SYS_fsync, fd);
    errno = disturb.sync_error;
    return -1;
}

/* ---- a folder for each test ----------------------------------------------------------------- */

static const kith_files *os;
static char folder[64], path_room[4][128];

/* A path in the folder; good until four more were asked for. */
static const char *in_folder(const char *name)
{
    static int turn;
    char *path = path_room[turn++ % 4];

    (void)snprintf(path, sizeof path_room[0], "%s/%s", folder, name);
    return path;
}

static int count_descriptors(void)
{
    DIR *list = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(list);
    while (readdir(list) != NULL) n++;
    (void)closedir(list);
    return n;
}

static int descriptors_before;

static int set_up(void **state)
{
    (void)state;
    memset(&disturb, 0, sizeof disturb);
    os = kith_os_files();
    (void)snprintf(folder, sizeof folder, "/tmp/kith-osfiles-XXXXXX");
    descriptors_before = count_descriptors();
    return mkdtemp(folder) == NULL;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    assert_int_equal(count_descriptors(),
                     descriptors_before); // every test gave back what it opened
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static void *create(const char *path, const void *bytes, size_t len)
{
    void *file = NULL;

    assert_int_equal(os->open(os->ctx, path, KITH_FILE_CREATE, &file), 0);
    assert_int_equal(os->write(os->ctx, file, 0, bytes, len), 0);
    return file;
}

static void *open_to_read(const char *path)
{
    void *file = NULL;

    assert_int_equal(os->open(os->ctx, path, KITH_FILE_READ, &file), 0);
    return file;
}

static void close_file(void *file)
{
    assert_int_equal(os->close(os->ctx, file), 0);
}

/* ---- reading and writing -------------------------------------------------------------------- */

static void what_is_written_is_read(void **state)
{
    char buf[16] = {0};
    uint64_t len = 0;
    void *file = create(in_folder("f"), "hello, world", 12);

    (void)state;
    assert_int_equal(os->read(os->ctx, file, 0, buf, 5), 0); // a new file can be read back
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(os->write(os->ctx, file, 20, "!", 1), 0);
    assert_int_equal(os->write(os->ctx, file, 0, "J", 1), 0);
    assert_int_equal(os->length(os->ctx, file, &len), 0);
    assert_int_equal(len, 21);
    assert_int_equal(os->sync(os->ctx, file), 0);
    close_file(file);

    file = open_to_read(in_folder("f"));
    assert_int_equal(os->read(os->ctx, file, 7, buf, 14), 0);
    assert_memory_equal(buf, "world\0\0\0\0\0\0\0\0!", 14);
    assert_int_equal(os->read(os->ctx, file, 0, buf, 1), 0);
    assert_int_equal(buf[0], 'J');
    assert_int_equal(os->read(os->ctx, file, 21, buf, 0), 0);
    assert_int_equal(os->write(os->ctx, file, 0, "x", 1), EBADF);
    close_file(file);
}

static void a_short_file_is_told(void **state)
{
    char buf[16];
    void *file = create(in_folder("f"), "abc", 3);

    (void)state;
    assert_int_equal(os->read(os->ctx, file, 0, buf, 4), ENODATA);
    assert_int_equal(os->read(os->ctx, file, 3, buf, 1), ENODATA);
    assert_int_equal(os->read(os->ctx, file, 1000, buf, 1), ENODATA);
    close_file(file);
}

static void far_offsets_are_refused(void **state)
{
    char buf[2] = "x";
    void *file = create(in_folder("f"), "abc", 3);

    (void)state;
    assert_int_equal(os->read(os->ctx, file, UINT64_MAX, buf, 1), EOVERFLOW);
    assert_int_equal(os->read(os->ctx, file, INT64_MAX, buf, 1), EOVERFLOW);
    assert_int_equal(os->read(os->ctx, file, 0, buf, SIZE_MAX), EOVERFLOW);
    assert_int_equal(os->write(os->ctx, file, UINT64_MAX, buf, 1), EFBIG);
    assert_int_equal(os->write(os->ctx, file, INT64_MAX, buf, 1), EFBIG);
    close_file(file);
}

static void interrupted_transfers_go_on(void **state)
{
    uint8_t out[1000], in[1000];
    void *file;

    (void)state;
    for (size_t i = 0; i < sizeof out; i++) out[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t at_most = 1; at_most < 1000; at_most = at_most * 3 + 1) {
        disturb.at_most = at_most;
        disturb.interrupts = 3;
        file = create(in_folder("f"), out, sizeof out);
        assert_true(disturb.calls >= 3);
        disturb.interrupts = 2;
        memset(in, 0, sizeof in);
        assert_int_equal(os->read(os->ctx, file, 0, in, sizeof in), 0);
        assert_memory_equal(in, out, sizeof out);
        disturb.interrupts = 5;
        assert_int_equal(os->sync(os->ctx, file), 0);
        disturb.interrupts = 5;
        assert_int_equal(os->sync_folder(os->ctx, in_folder("f")), 0);
        assert_int_equal(disturb.interrupts, 0);
        close_file(file);
        assert_int_equal(os->remove(os->ctx, in_folder("f")), 0);
    }
}

/* A limit on file sizes acts like a full disk: a part is written, then an error comes. */
static void a_full_disk_is_told(void **state)
{
    struct rlimit before, small;
    uint64_t len = 0;
    static char bytes[5000];
    void *file;

    (void)state;
    memset(bytes, 'x', sizeof bytes);
    file = create(in_folder("f"), "", 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 4097;
    void (*const old)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const int err = os->write(os->ctx, file, 0, bytes, sizeof bytes);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, old);
    assert_int_equal(err, EFBIG);
    assert_int_equal(os->length(os->ctx, file, &len), 0);
    assert_int_equal(len, 4097);
    close_file(file);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void create_is_for_new_files(void **state)
{
    struct stat about;
    void *file = NULL;
    const mode_t mask = umask(027);

    (void)state;
    close_file(create(in_folder("f"), "abc", 3));
    (void)umask(mask);
    assert_int_equal(stat(in_folder("f"), &about), 0);
    assert_int_equal(about.st_mode & 07777, 0640);
    assert_int_equal(os->open(os->ctx, in_folder("f"), KITH_FILE_CREATE, &file), EEXIST);
    assert_int_equal(symlink("nowhere", in_folder("link")), 0);
    assert_int_equal(os->open(os->ctx, in_folder("link"), KITH_FILE_CREATE, &file), EEXIST);
    assert_int_equal(os->open(os->ctx, in_folder("no/f"), KITH_FILE_CREATE, &file), ENOENT);
    assert_int_equal(os->open(os->ctx, in_folder("f/g"), KITH_FILE_CREATE, &file), ENOTDIR);
    assert_null(file);
}

static void what_is_no_file_is_refused(void **state)
{
    uint64_t len = 0;
    void *file = NULL;

    (void)state;
    assert_int_equal(os->open(os->ctx, in_folder("none"), KITH_FILE_READ, &file), ENOENT);
    assert_int_equal(os->open(os->ctx, folder, KITH_FILE_READ, &file), EISDIR);
    assert_int_equal(os->open(os->ctx, "", KITH_FILE_READ, &file), ENOENT);
    assert_null(file);
    assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
    file = open_to_read(in_folder("pipe")); // and does not wait for a writer
    assert_int_equal(os->length(os->ctx, file, &len), ESPIPE);
    close_file(file);
    if (geteuid() != 0) { // root may read anything
        close_file(create(in_folder("f"), "abc", 3));
        assert_int_equal(chmod(in_folder("f"), 0), 0);
        assert_int_equal(os->open(os->ctx, in_folder("f"), KITH_FILE_READ, &file), EACCES);
    }
}

/* Whether every descriptor of the folder's file f is closed by exec; fails when there is none. */
static bool closes_on_exec(void)
{
    struct stat own, about;
    int found = 0, closing = 0;

    assert_int_equal(stat(in_folder("f"), &own), 0);
    for (int fd = 0; fd < 60; fd++) {
        if (fstat(fd, &about) != 0 || about.st_ino != own.st_ino) continue;
        found++;
        closing += (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
    }
    assert_int_equal(found, 1);
    return closing == found;
}

static void descriptors_are_kept_from_others(void **state)
{
    void *file;
    int in;

    (void)state;
    file = create(in_folder("f"), "abc", 3);
    assert_true(closes_on_exec());
    close_file(file);
    file = open_to_read(in_folder("f"));
    assert_true(closes_on_exec());
    close_file(file);

    in = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 50);
    assert_true(in >= 0);
    assert_int_equal(close(STDIN_FILENO), 0);
    file = open_to_read(in_folder("f"));
    assert_int_equal(fcntl(STDIN_FILENO, F_GETFD), -1); // not even when it is free
    assert_true(closes_on_exec());
    close_file(file);
    assert_int_equal(dup2(in, STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(close(in), 0);
}

/* ---- maps ----------------------------------------------------------------------------------- */

static void a_map_outlives_its_file(void **state)
{
    static char bytes[10000];
    const void *map = NULL;
    void *file;

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i % 127);
    close_file(create(in_folder("f"), bytes, sizeof bytes));
    close_file(create(in_folder("g"), "new", 3));
    file = open_to_read(in_folder("f"));
    assert_int_equal(os->map(os->ctx, file, sizeof bytes, &map), 0);
    close_file(file);
    assert_memory_equal(map, bytes, sizeof bytes);
    assert_int_equal(os->rename(os->ctx, in_folder("g"), in_folder("f")), 0); // as save does
    assert_memory_equal(map, bytes, sizeof bytes);
    assert_int_equal(os->unmap(os->ctx, map, sizeof bytes), 0);
}

static void a_map_is_never_longer_than_its_file(void **state)
{
    const void *map = NULL;
    void *file = create(in_folder("f"), "abc", 3);

    (void)state;
    assert_int_equal(os->map(os->ctx, file, 4, &map), ENODATA);
    assert_int_equal(os->map(os->ctx, file, UINT64_MAX, &map), ENODATA);
    assert_null(map);
    assert_int_equal(os->map(os->ctx, file, 2, &map), 0);
    assert_memory_equal(map, "ab", 2);
    assert_int_equal(os->unmap(os->ctx, map, 2), 0);
    map = NULL;
    assert_int_equal(os->map(os->ctx, file, 0, &map), 0); // no bytes, but a pointer
    assert_non_null(map);
    assert_int_equal(os->unmap(os->ctx, map, 0), 0);
    close_file(file);
}

/* ---- names and folders ---------------------------------------------------------------------- */

static void names_change_and_go(void **state)
{
    char buf[4] = {0};
    void *file;

    (void)state;
    close_file(create(in_folder("old"), "old", 3));
    close_file(create(in_folder("new"), "new", 3));
    assert_int_equal(os->rename(os->ctx, in_folder("new"), in_folder("old")), 0);
    file = open_to_read(in_folder("old"));
    assert_int_equal(os->read(os->ctx, file, 0, buf, 3), 0);
    assert_string_equal(buf, "new");
    close_file(file);
    assert_int_equal(os->rename(os->ctx, in_folder("new"), in_folder("old")), ENOENT);
    assert_int_equal(os->remove(os->ctx, in_folder("old")), 0);
    assert_int_equal(os->remove(os->ctx, in_folder("old")), ENOENT);
}

static void folders_are_synced(void **state)
{
    char here[1024];

    (void)state;
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(os->sync_folder(os->ctx, in_folder("not-looked-at")), 0);
    assert_int_equal(os->sync_folder(os->ctx, in_folder("none/f")), ENOENT);
    close_file(create(in_folder("f"), "abc", 3));
    assert_int_equal(os->sync_folder(os->ctx, in_folder("f/g")), ENOTDIR);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(mkdir("sub", 0777), 0);
    assert_int_equal(os->sync_folder(os->ctx, "f"), 0);
    assert_int_equal(os->sync_folder(os->ctx, "./f"), 0);
    assert_int_equal(os->sync_folder(os->ctx, "sub/f"), 0);
    assert_int_equal(os->sync_folder(os->ctx, "sub//..///sub/f"), 0);
    assert_int_equal(os->sync_folder(os->ctx, "/f"), 0);
    disturb.calls = 0;
    disturb.sync_error = EINVAL; // a file system whose folders need none
    assert_int_equal(os->sync_folder(os->ctx, "sub/f"), 0);
    disturb.sync_error = EIO;
    assert_int_equal(os->sync_folder(os->ctx, "sub/f"), EIO);
    assert_int_equal(disturb.calls, 2);
    assert_int_equal(chdir(here), 0);
}

/* A path nearly as long as the system takes, and names longer than it takes. */
static void long_paths_are_walked(void **state)
{
    static char path[4096];
    size_t len = (size_t)snprintf(path, sizeof path, "%s", folder);

    (void)state;
    while (len + 201 < 4000) {
        path[len] = '/';
        memset(path + len + 1, 'd', 200);
        len += 201;
        path[len] = '\0';
        assert_int_equal(mkdir(path, 0777), 0);
    }
    (void)snprintf(path + len, sizeof path - len, "/f");
    close_file(create(path, "abc", 3));
    assert_int_equal(os->sync_folder(os->ctx, path), 0);
    memset(path, 'd', 300);
    (void)snprintf(path + 300, sizeof path - 300, "/f");
    assert_int_equal(os->sync_folder(os->ctx, path), ENAMETOOLONG);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(what_is_written_is_read),    EACH(a_short_file_is_told),
        EACH(far_offsets_are_refused),    EACH(interrupted_transfers_go_on),
        EACH(a_full_disk_is_told),        EACH(create_is_for_new_files),
        EACH(what_is_no_file_is_refused), EACH(descriptors_are_kept_from_others),
        EACH(a_map_outlives_its_file),    EACH(a_map_is_never_longer_than_its_file),
        EACH(names_change_and_go),        EACH(folders_are_synced),
        EACH(long_paths_are_walked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
