/* kith_os_files: the file layer on POSIX calls. A handle is the descriptor plus one in the bits of
 * the pointer, so that opening a file needs no memory. Every function returns 0 or an errno value;
 * ENODATA stands for a file that ends before the bytes that were asked for. */
#define _GNU_SOURCE 1 /* O_PATH */

#include "kith.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void *handle_of(int fd)
{
    const intptr_t bits = (intptr_t)fd + 1;
    void *handle;

    _Static_assert(sizeof bits == sizeof handle, "a descriptor travels in a pointer");
    memcpy(&handle, &bits, sizeof handle);
    return handle;
}

static int fd_of(const void *handle)
{
    intptr_t bits;

    memcpy(&bits, &handle, sizeof bits);
    return (int)(bits - 1);
}

/* Above stderr: where a program has closed its standard streams, a stray message of anyone's would
 * be written into the index. Returns -1 with errno set. */
static int raise_fd(int fd)
{
    int above, err;

    if (fd < 0 || fd > STDERR_FILENO) return fd;
    above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    err = errno;
    close(fd);
    errno = err;
    return above;
}

/* O_NONBLOCK: a pipe without writer is refused by its missing length rather than waited for;
 * regular files do not know it. */
static int os_open(void *ctx, const char *path, kith_file_mode mode, void **file)
{
    const int flags = mode == KITH_FILE_CREATE ? O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC
                                               : O_RDONLY | O_NONBLOCK | O_CLOEXEC;
    struct stat about;
    int fd;

    (void)ctx;
    do {
        fd = raise_fd(open(path, flags, 0666));
    } while (fd < 0 && errno == EINTR);
    if (fd < 0) return errno;
    if (fstat(fd, &about) == 0 && S_ISDIR(about.st_mode)) {
        close(fd);
        return EISDIR; // open itself does not mind
    }
    *file = handle_of(fd);
    return 0;
}

static int os_length(void *ctx, void *file, uint64_t *len)
{
    const off_t end = lseek(fd_of(file), 0, SEEK_END); // unlike fstat, right for devices too

    (void)ctx;
    if (end < 0) return errno;
    *len = (uint64_t)end;
    return 0;
}

/* Whether [at, at + len) can be told to the system at all. */
static bool in_reach(uint64_t at, uint64_t len)
{
    return at <= INT64_MAX && len <= INT64_MAX - at;
}

static size_t step(size_t left)
{
    return left < (size_t)1 << 30 ? left : (size_t)1 << 30; // some systems refuse 2 GiB and more
}

static int os_read(void *ctx, void *file, uint64_t at, void *buf, size_t len)
{
    char *to = buf;

    (void)ctx;
    if (!in_reach(at, len)) return EOVERFLOW;
    while (len > 0) {
        const ssize_t got = pread(fd_of(file), to, step(len), (off_t)at);

        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        if (got == 0) return ENODATA;
        to += got;
        at += (uint64_t)got;
        len -= (size_t)got;
    }
    return 0;
}

static int os_write(void *ctx, void *file, uint64_t at, const void *buf, size_t len)
{
    const char *from = buf;

    (void)ctx;
    if (!in_reach(at, len)) return EFBIG;
    while (len > 0) {
        const ssize_t put = pwrite(fd_of(file), from, step(len), (off_t)at);

        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return errno;
        if (put == 0) return EIO; // POSIX allows it, and it would go on for ever
        from += put;
        at += (uint64_t)put;
        len -= (size_t)put;
    }
    return 0;
}

static int sync_fd(int fd)
{
    while (fsync(fd) != 0)
        if (errno != EINTR) return errno;
    return 0;
}

static int os_sync(void *ctx, void *file)
{
    (void)ctx;
    return sync_fd(fd_of(file));
}

/* Never twice: after EINTR the descriptor is gone already, and may be another thread's by now. */
static int os_close(void *ctx, void *file)
{
    (void)ctx;
    return close(fd_of(file)) == 0 || errno == EINTR ? 0 : errno;
}

static int os_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return rename(from, to) == 0 ? 0 : errno;
}

static int os_remove(void *ctx, const char *path)
{
    (void)ctx;
    return unlink(path) == 0 ? 0 : errno;
}

/* openat that leaves only the new descriptor open. */
static int descend(int fd, const char *name, int flags)
{
    const int inner = openat(fd, name, flags | O_DIRECTORY | O_CLOEXEC);
    const int err = errno;

    close(fd);
    errno = err;
    return inner;
}

/* The folder that holds path, name by name: a copy of the path without its last name would be 4 KiB
 * of stack, and there is no allocator here. Returns a descriptor, or -1 with errno set. */
static int open_folder_of(const char *path)
{
    const char *last = strrchr(path, '/');
    char name[NAME_MAX + 1];
    int fd = open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

    while (fd >= 0 && last != NULL && path < last) {
        const size_t len = strcspn(path, "/");

        if (len > NAME_MAX) {
            close(fd);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, path, len);
        name[len] = '\0';
        if (len > 0) fd = descend(fd, name, O_PATH);
        path += len + 1;
    }
    return fd < 0 ? fd : descend(fd, ".", O_RDONLY); // O_PATH cannot be synced
}

static int os_sync_folder(void *ctx, const char *path)
{
    const int fd = open_folder_of(path);
    int err;

    (void)ctx;
    if (fd < 0) return errno;
    err = sync_fd(fd);
    close(fd);
    return err == EINVAL ? 0 : err; // a file system on which folders need no sync says EINVAL
}

/* MAP_PRIVATE: read-only pages are the page cache's own either way, but file systems that cannot
 * promise coherence between machines (FUSE with direct I/O, 9p) refuse MAP_SHARED, and a private
 * map can never write to the file. A map longer than the file would fault where it is touched. */
static int os_map(void *ctx, void *file, uint64_t len, const void **bytes)
{
    static const char nothing[1];
    uint64_t held = 0;
    void *map;
    int err;

    err = os_length(ctx, file, &held);
    if (err != 0) return err;
    if (len > held) return ENODATA;
    if (len > PTRDIFF_MAX) return EOVERFLOW;
    if (len == 0) { // which mmap refuses
        *bytes = nothing;
        return 0;
    }
    map = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, fd_of(file), 0);
    if (map == MAP_FAILED) return errno;
    *bytes = map;
    return 0;
}

static int os_unmap(void *ctx, const void *bytes, uint64_t len)
{
    void *map;

    (void)ctx;
    memcpy(&map, &bytes, sizeof map); // munmap takes a pointer that is not const
    return len == 0 || munmap(map, (size_t)len) == 0 ? 0 : errno;
}

const kith_files *kith_os_files(void)
{
    static const kith_files files = {sizeof files,   NULL,    os_open,  os_length, os_read,
                                     os_write,       os_sync, os_close, os_rename, os_remove,
                                     os_sync_folder, os_map,  os_unmap};

    return &files;
}
