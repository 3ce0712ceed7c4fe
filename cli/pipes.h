/* What lies one a line in a file or comes through a pipe, as - or <(…) of a shell, which can be
 * read only once and from its beginning on: the library, which reads files, cannot. */
#ifndef CLI_PIPES_H
#define CLI_PIPES_H

#include <stdio.h>

#include "say.h"

int is_pipe(const char *path); /* "-", standard input, is one */

typedef struct lines {
    FILE *file;
    const char *name; /* for sentences */
    char *text;       /* owned: the line */
    size_t cap, at;   /* at: the number of the line, from 1 */
} lines;
/* path "-" is stdin. Always followed by lines_close, whatever it returns. */
kith_status lines_open(const char *path, lines *out);
/* The next line without its end, NUL-ended, *len 0 and *line NULL at the end; a byte order mark is
 * passed over. */
kith_status lines_next(lines *l, char **line, size_t *len);
void lines_close(lines *l);

/* What kith_ids_read reads, from pipes too; free() them. */
kith_status ids_read(const char *path, const kith_host *host, int64_t **ids, size_t *n);

#endif
