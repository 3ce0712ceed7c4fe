/* Atomic replacement of a file through the host's file layer. On the operating system's own files
 * what that layer cannot say is added: a symbolic link is followed (and stays one), what is no
 * regular file is refused, owner and permissions are kept, and the temporary file is locked while
 * its writer lives. A killed writer leaves PATH.tmp-<16 hex digits>, unlocked; the next save to
 * PATH removes it. */
#define _DEFAULT_SOURCE /* flock, realpath, openat beside C17 */
#include "base/replace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/threads.h"

enum { DIGITS = 16, TRIES = 64, LINK_PATH = 4096 };

/* Locked names are swept by any saver that can lock them; those of a lent file layer cannot be
 * locked, so they are called otherwise and left alone. */
static const char os_infix[] = ".tmp-", lent_infix[] = ".new-";

static bool on_os_files(const ki_env *env)
{
    return env->host.files == kith_os_files();
}

/* ---- the operating system's part ---------------------------------------------------------- */

/* As the file layer does: a descriptor that stands in for a closed stdout would let the program
 * write its messages into the file. */
static int raise_fd(int fd)
{
    int above;

    if (fd < 0 || fd > STDERR_FILENO) return fd;
    above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1); // shares the lock
    close(fd);
    return above;
}

/* The lock tells a living writer from a killed one across processes, containers and reboots, where
 * process numbers would lie. False: somebody swept the file between its creation and the lock. No
 * lock at all on this file system (then nobody sweeps either) counts as locked. */
static bool lock_temp(const char *temp, int *lock)
{
    struct stat s;
    const int fd = raise_fd(open(temp, O_RDWR | O_CLOEXEC | O_NOFOLLOW));

    *lock = -1;
    if (fd < 0) return errno != ENOENT;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const bool swept = errno == EWOULDBLOCK;

        close(fd);
        return !swept;
    }
    *lock = fd;
    if (fstat(fd, &s) == 0 && s.st_nlink > 0) return true;
    close(fd);
    *lock = -1;
    return false;
}

static bool is_temp_of(const char *name, const char *base, size_t base_len)
{
    const size_t infix = sizeof os_infix - 1;

    return strncmp(name, base, base_len) == 0 && strncmp(name + base_len, os_infix, infix) == 0 &&
           strlen(name + base_len + infix) == DIGITS &&
           strspn(name + base_len + infix, "0123456789abcdef") == DIGITS;
}

/* Best effort: what cannot be listed, locked or removed stays. */
static void sweep(ki_env *env, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    const size_t folder_len = slash ? (size_t)(slash - path) + 1 : 2;
    char *folder = ki_array(env, folder_len + 1, 1);
    DIR *dir = NULL;

    if (!folder) return;
    memcpy(folder, slash ? path : "./", folder_len);
    folder[folder_len] = '\0';
    dir = opendir(folder);
    ki_release(env, folder, folder_len + 1, 1);
    if (!dir) return;
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        int fd;

        if (!is_temp_of(e->d_name, base, strlen(base))) continue;
        fd = raise_fd(openat(dirfd(dir), e->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW));
        if (fd < 0) continue;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) unlinkat(dirfd(dir), e->d_name, 0);
        close(fd);
    }
    closedir(dir);
}

/* Where a link leads; what is no link, or leads nowhere yet, is taken as it is called. */
static kith_status follow(ki_env *env, const char **path, char *space)
{
    struct stat s;

    if (lstat(*path, &s) == 0 && S_ISLNK(s.st_mode) && realpath(*path, space)) *path = space;
    if (stat(*path, &s) == 0 && !S_ISREG(s.st_mode))
        return ki_fail(KITH_BAD_ARG, "%s is a %s: only a regular file can be replaced", *path,
                       S_ISDIR(s.st_mode) ? "folder" : "device or pipe");
    sweep(env, *path);
    return KITH_OK;
}

/* Who may read the old file may read the new one, and nobody else. Best effort: another's file can
 * only be given back to them by root. The owner goes first, since that takes some bits away. */
static void keep_rights(const ki_replace *r)
{
    bool kept; // the group: without it its permissions would be another group's
    struct stat s;

    if (stat(r->path, &s) != 0) return;
    kept = chown(r->temp, s.st_uid, s.st_gid) == 0 || chown(r->temp, (uid_t)-1, s.st_gid) == 0;
    (void)chmod(r->temp, s.st_mode & (kept ? 0777 : 0707));
}

/* ---- any file layer ----------------------------------------------------------------------- */

static char *copy_text(ki_env *env, const char *text, size_t room, size_t *len)
{
    char *copy;

    *len = strlen(text) + room + 1;
    copy = ki_array(env, *len, 1);
    if (copy) memcpy(copy, text, strlen(text) + 1);
    return copy;
}

static uint64_t draw(void)
{
    static _Atomic uint64_t counter;
    const uint64_t turn = atomic_fetch_add(&counter, 1);

    return ki_mix64(ki_mix64(ki_now_us() + turn) + (uint64_t)getpid());
}

static kith_status create_temp(ki_replace *r)
{
    const kith_files *files = r->env->host.files;
    const bool os = on_os_files(r->env);
    const size_t room = r->temp_len - strlen(r->path);
    int err = EEXIST;

    for (int i = 0; i < TRIES; i++) {
        snprintf(r->temp + strlen(r->path), room, "%s%016llx", os ? os_infix : lent_infix,
                 (unsigned long long)draw());
        err = files->open(files->ctx, r->temp, KITH_FILE_CREATE, &r->file);
        if (err == EEXIST) continue;
        if (err != 0) break;
        r->created = !os || lock_temp(r->temp, &r->lock);
        if (r->created) return KITH_OK;
        files->close(files->ctx, r->file);
        r->file = NULL;
        err = EEXIST;
    }
    r->file = NULL;
    return ki_fail_errno(err, "create", r->temp);
}

kith_status ki_replace_begin(ki_env *env, const char *path, ki_replace *out)
{
    kith_status st = KITH_OK;
    ki_replace r = {.env = env, .lock = -1};
    char *space = NULL;

    memset(out, 0, sizeof *out);
    out->lock = -1;
    if (on_os_files(env)) {
        space = ki_array(env, LINK_PATH, 1);
        KI_NEED(space);
        KI_TRY(follow(env, &path, space));
    }
    r.path = copy_text(env, path, 0, &r.path_len);
    KI_NEED(r.path);
    r.temp = copy_text(env, path, sizeof os_infix - 1 + DIGITS, &r.temp_len);
    KI_NEED(r.temp);
    KI_TRY(create_temp(&r));
    if (on_os_files(env)) keep_rights(&r);
    *out = r;
    memset(&r, 0, sizeof r);
    r.lock = -1;
out:
    ki_release(env, space, LINK_PATH, 1);
    ki_replace_end(&r);
    return st;
}

kith_status ki_replace_write(ki_replace *r, const void *bytes, size_t len)
{
    const kith_status st = ki_replace_patch(r, r->at, bytes, len);

    if (st == KITH_OK) r->at += len;
    return st;
}

kith_status ki_replace_patch(ki_replace *r, uint64_t at, const void *bytes, size_t len)
{
    const kith_files *files = r->env->host.files;
    const int err = len ? files->write(files->ctx, r->file, at, bytes, len) : 0;

    return err ? ki_fail_errno(err, "write", r->temp) : KITH_OK;
}

kith_status ki_replace_commit(ki_replace *r)
{
    const kith_files *files = r->env->host.files;
    int err = files->sync(files->ctx, r->file);

    if (err) return ki_fail_errno(err, "sync", r->temp);
    err = files->close(files->ctx, r->file);
    r->file = NULL;
    if (err) return ki_fail_errno(err, "close", r->temp);
    err = files->rename(files->ctx, r->temp, r->path);
    if (err) return ki_fail_errno(err, "replace", r->path);
    r->placed = true;
    err = files->sync_folder(files->ctx, r->path);
    if (err) {
        ki_fail_errno(err, "sync the folder of", r->path);
        return ki_fail_prefix(KITH_IO, "written, but a power cut may undo it");
    }
    return KITH_OK;
}

void ki_replace_end(ki_replace *r)
{
    const kith_files *files = r->env ? r->env->host.files : NULL;

    if (!files) return;
    if (r->file) files->close(files->ctx, r->file);
    if (r->created && !r->placed) files->remove(files->ctx, r->temp);
    if (r->lock >= 0) close(r->lock);
    ki_release(r->env, r->path, r->path_len, 1);
    ki_release(r->env, r->temp, r->temp_len, 1);
    memset(r, 0, sizeof *r);
    r->lock = -1;
}
