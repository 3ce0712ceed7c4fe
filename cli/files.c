/* Which file is which, and whose turn it is to change one. Files are told apart by device and
 * inode; one that is yet to be written, by those of its folder and its name in there. */
#define _DEFAULT_SOURCE /* flock, lstat, readlink beside C17 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH = 4096 };

/* ---- which file ------------------------------------------------------------------------------ */

typedef struct place {
    dev_t dev;
    ino_t ino;
    char name[NAME_MAX + 1]; /* of what is not there yet; "": dev and ino are the file's own */
    int regular;             /* or not there yet: pipes and devices may be named twice */
} place;

/* Where a path leads; 0 when nothing can be said. */
static int find_place(const char *path, place *out)
{
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    const size_t len = slash != NULL ? (size_t)(slash - path) + 1 : 1;
    char folder[PATH];
    struct stat s;
    int found;

    memset(out, 0, sizeof *out);
    found = strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &s) == 0 : stat(path, &s) == 0;
    out->regular = !found || S_ISREG(s.st_mode);
    if (!found) {
        if (len >= sizeof folder || strlen(name) >= sizeof out->name) return 0;
        memcpy(folder, slash != NULL ? path : ".", len);
        folder[len] = '\0';
        memcpy(out->name, name, strlen(name) + 1);
        found = stat(folder, &s) == 0;
    }
    if (!found) return 0;
    out->dev = s.st_dev;
    out->ino = s.st_ino;
    return 1;
}

/* The same for a name that may end in "#1" or "#test", a part of the file. */
static int find_input(const char *path, place *out)
{
    const char *mark = strrchr(path, '#');
    char bare[PATH];
    int found = find_place(path, out);

    if (mark == NULL || (found && out->name[0] == '\0')) return found;
    snprintf(bare, sizeof bare, "%.*s", (int)(mark - path), path);
    return find_place(bare, out);
}

static int same_place(const place *a, const place *b)
{
    return a->dev == b->dev && a->ino == b->ino && strcmp(a->name, b->name) == 0 && a->regular &&
           b->regular;
}

/* ---- what a command line reads and writes ---------------------------------------------------- */

/* Options that name files, all of them. */
static const char *const inputs[] = {"ids",      "labels",     "gt", "exact",
                                     "relevant", "filter-ids", NULL};
static const char *const outputs[] = {"output", "ids-output", "plot", NULL};

typedef struct written {
    const char *path;
    char *owned; /* NULL, or what path points to */
    char what[40];
    int index; /* made of indexes: it may replace one of them */
    place at;
    int known;
} written;

enum { WRITTEN = 5 }; /* an operand, three options, the distances beside -o */

static kith_status add_output(written *list, size_t *n, const char *path, const char *what)
{
    written *w = &list[(*n)++];
    char target[PATH];
    struct stat s;
    ssize_t len;

    memset(w, 0, sizeof *w);
    w->path = path;
    snprintf(w->what, sizeof w->what, "%s", what);
    w->known = find_place(path, &w->at);
    if (lstat(path, &s) != 0 || !S_ISLNK(s.st_mode) || stat(path, &s) == 0) return KITH_OK;
    len = readlink(path, target, sizeof target - 1);
    target[len > 0 ? len : 0] = '\0';
    return fail(KITH_IO, "%s is a symbolic link to %s, which is not there", path, target);
}

static kith_status list_outputs(const command *c, const arguments *a, written *list, size_t *n)
{
    kith_status st = KITH_OK;
    char what[40];

    if (c->written > 0 && c->written <= a->operands)
        TRY(add_output(list, n, a->operand[c->written - 1], "the output"));
    for (size_t i = 0; outputs[i] != NULL; i++) {
        const char *path = given_text(a, outputs[i]);
        if (path == NULL) continue;
        if (i == 0)
            snprintf(what, sizeof what, "-o");
        else
            snprintf(what, sizeof what, "--%s", outputs[i]);
        TRY(add_output(list, n, path, what));
        if (i > 0) continue;
        list[*n - 1].index = c->makes == MAKES_INDEX;
        if (c->makes != MAKES_DISTANCES) continue;
        char *beside = distances_path(path);
        NEED(beside);
        st = add_output(list, n, beside, "the distances of -o");
        list[*n - 1].owned = beside;
        TRY(st);
    }
out:
    return st;
}

static kith_status check_input(const written *list, size_t n, const char *path, int operand)
{
    place at;

    if (!find_input(path, &at)) return KITH_OK;
    for (size_t i = 0; i < n; i++) {
        if (!list[i].known || !same_place(&list[i].at, &at)) continue;
        if (list[i].index && operand && is_index_name(path) && is_index_name(list[i].path))
            continue;
        if (strcmp(list[i].path, path) == 0)
            return wrong_usage("%s %s is an input, and would be overwritten", list[i].what, path);
        return wrong_usage("%s %s is the input %s, and would be overwritten", list[i].what,
                           list[i].path, path);
    }
    return KITH_OK;
}

/* An index takes the place of nothing that is plainly none. */
static kith_status check_replaced(const written *w)
{
    char start[4];
    struct stat s;
    FILE *file;
    int other;

    if (!w->index || stat(w->path, &s) != 0 || !S_ISREG(s.st_mode) || s.st_size == 0)
        return KITH_OK;
    file = fopen(w->path, "rb");
    if (file == NULL) return KITH_OK; // saving says what is wrong
    other = fread(start, 1, sizeof start, file) != sizeof start || memcmp(start, "kith", 4) != 0;
    fclose(file);
    if (!other) return KITH_OK;
    return wrong_usage("%s %s is there and no index: it would be overwritten; remove it first, or "
                       "give another name",
                       w->what, w->path);
}

/* Standard input is there once. */
static kith_status check_standard(const command *c, const arguments *a)
{
    size_t n = 0;

    for (size_t i = 0; i < a->operands; i++)
        n += i + 1 != c->written && strcmp(a->operand[i], "-") == 0;
    for (size_t i = 0; inputs[i] != NULL; i++)
        n += given_text(a, inputs[i]) != NULL && strcmp(given_text(a, inputs[i]), "-") == 0;
    if (n < 2) return KITH_OK;
    return wrong_usage("%zu inputs are -, and standard input can be only one of them", n);
}

kith_status files_check(const command *c, const arguments *a)
{
    written list[WRITTEN];
    kith_status st = KITH_OK;
    const char *path;
    size_t n = 0;

    TRY(check_standard(c, a));
    TRY(list_outputs(c, a, list, &n));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (list[i].known && list[j].known && same_place(&list[i].at, &list[j].at))
                TRY(wrong_usage("%s and %s are one file, %s", list[j].what, list[i].what,
                                list[i].path));
    for (size_t i = 0; i < a->operands; i++)
        if (i + 1 != c->written) TRY(check_input(list, n, a->operand[i], 1));
    for (size_t i = 0; inputs[i] != NULL; i++)
        if ((path = given_text(a, inputs[i])) != NULL) TRY(check_input(list, n, path, 0));
    for (size_t i = 0; i < n; i++) TRY(check_replaced(&list[i]));
out:
    for (size_t i = 0; i < n; i++) free(list[i].owned);
    return st;
}

/* ---- whose turn ------------------------------------------------------------------------------ */

static kith_status wait_for(int fd, const char *path)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return KITH_OK;
    if (errno == EWOULDBLOCK) {
        note("%s: waiting for another kith that changes it", path);
        while (flock(fd, LOCK_EX) != 0) {
            if (signal_caught()) return fail(KITH_CANCELLED, "cancelled");
            if (errno != EINTR) return fail(KITH_IO, "cannot lock %s: %s", path, strerror(errno));
        }
        return KITH_OK;
    }
    // A file system without locks: one kith at a time is then the user's affair.
    note("%s cannot be locked (%s): do not change it by two commands at once", path,
         strerror(errno));
    return KITH_OK;
}

/* The lock is on the file, not on its name, and a save puts another file under the name: who got
 * the lock of the old one begins again. */
kith_status file_lock(const char *path, int *lock)
{
    struct stat held, there;
    kith_status st;

    *lock = 0;
    for (;;) {
        int fd = -1, above;
        if (stat(path, &there) == 0 && S_ISREG(there.st_mode)) {
            fd = open(path, O_RDWR | O_CLOEXEC); // some file systems lock only what can be written
            if (fd < 0) fd = open(path, O_RDONLY | O_CLOEXEC);
        }
        if (fd < 0) return KITH_OK; // opening the index says what is wrong
        above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1); // never 0, which means none
        close(fd);
        if (above < 0) return fail(KITH_IO, "cannot open %s: %s", path, strerror(errno));
        st = wait_for(above, path);
        if (st == KITH_OK && fstat(above, &held) == 0 && stat(path, &there) == 0 &&
            held.st_dev == there.st_dev && held.st_ino == there.st_ino) {
            *lock = above;
            return KITH_OK;
        }
        close(above);
        if (st != KITH_OK) return st;
    }
}

void file_unlock(int *lock)
{
    if (*lock > 0) close(*lock);
    *lock = 0;
}
