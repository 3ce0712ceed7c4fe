/* Lines of files and pipes, and ids that come as such. */
#define _POSIX_C_SOURCE 200809L /* getline, stat */
#include "pipes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "options.h"
#include "progress.h"

int is_pipe(const char *path)
{
    struct stat s;

    if (strcmp(path, "-") == 0) return 1;
    return stat(path, &s) == 0 && !S_ISREG(s.st_mode) && !S_ISDIR(s.st_mode);
}

kith_status lines_open(const char *path, lines *out)
{
    const int standard = strcmp(path, "-") == 0;

    memset(out, 0, sizeof *out);
    out->name = standard ? "standard input" : path;
    out->file = standard ? stdin : fopen(path, "rb");
    if (out->file == NULL) return fail(KITH_IO, "cannot open %s: %s", path, strerror(errno));
    return KITH_OK;
}

kith_status lines_next(lines *l, char **line, size_t *len)
{
    ssize_t got;
    size_t n;

    errno = 0;
    got = getline(&l->text, &l->cap, l->file);
    *line = NULL;
    *len = 0;
    if (signal_caught()) return fail(KITH_CANCELLED, "cancelled");
    if (got < 0 && !feof(l->file))
        return fail(KITH_IO, "cannot read %s: %s", l->name, strerror(errno));
    if (got < 0) return KITH_OK;
    n = (size_t)got;
    if (n > 0 && l->text[n - 1] == '\n') n--;
    if (n > 0 && l->text[n - 1] == '\r') n--;
    l->text[n] = '\0';
    *line = l->text;
    if (l->at++ == 0 && n >= 3 && memcmp(l->text, "\xef\xbb\xbf", 3) == 0) *line += 3;
    *len = n - (size_t)(*line - l->text);
    return KITH_OK;
}

void lines_close(lines *l)
{
    if (l->file != NULL && l->file != stdin) fclose(l->file);
    free(l->text);
    memset(l, 0, sizeof *l);
}

/* One a line, blank ones passed over. */
static kith_status ids_of_lines(const char *path, int64_t **ids, size_t *n)
{
    kith_status st = KITH_OK;
    int64_t *list = NULL;
    size_t cap = 0, count = 0, len;
    char *line;
    lines l;

    TRY(lines_open(path, &l));
    for (;;) {
        TRY(lines_next(&l, &line, &len));
        if (line == NULL) break;
        const size_t before = strspn(line, " \t");
        if (before == len) continue;
        while (len > before && strchr(" \t", line[len - 1]) != NULL && line[len - 1] != '\0') len--;
        const int whole = strlen(line) >= len;
        line[len] = '\0';
        if (!array_grow(&list, &cap, count + 1, sizeof *list)) {
            st = KITH_NO_MEMORY;
            goto out;
        }
        if (!whole || !parse_int(line + before, &list[count++]))
            FAIL(KITH_BAD_ARG, "%s: line %zu, \"%.40s\", is no 64-bit whole number", l.name, l.at,
                 line + before);
    }
    if (list == NULL) list = array_new(1, sizeof *list);
    NEED(list);
    *ids = list;
    *n = count;
    list = NULL;
out:
    lines_close(&l);
    free(list);
    return st;
}

kith_status ids_read(const char *path, const kith_host *host, int64_t **ids, size_t *n)
{
    kith_status st = KITH_OK;
    int64_t *lent = NULL, *list = NULL;

    if (is_pipe(path)) return ids_of_lines(path, ids, n);
    TRY(kith_ids_read(path, host, &lent, n));
    list = array_new(*n, sizeof *list);
    NEED(list);
    if (*n > 0) memcpy(list, lent, *n * sizeof *list);
    *ids = list;
out:
    if (lent != NULL) kith_ids_free(lent, *n, host);
    return st;
}
