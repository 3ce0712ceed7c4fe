/* The verbs of the command and what they share. A verb is a row here and a file cmd_<verb>.c; its
 * help, the man page and the parsing of its options are made from the row. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include <stdio.h>

#include "input.h"
#include "options.h"
#include "progress.h"

typedef enum makes {
    MAKES_FILE,      /* of any kind, or nothing */
    MAKES_INDEX,     /* of indexes, or of what may be one: it may replace it */
    MAKES_DISTANCES, /* ids, and distances in a file beside them */
} makes;

typedef struct command {
    const char *name;
    const char *usage;            /* "BASE -o INDEX [option]…", of lines */
    const char *about;            /* one line */
    const char *text;             /* paragraphs; blank lines between them */
    const char *examples;         /* command lines, one a line */
    const option *const *options; /* tables, NULL-ended */
    size_t least, most;           /* operands */
    size_t written;               /* the operand that is an output, from 1; 0: none */
    makes makes;                  /* what -o is */
    kith_status (*run)(const arguments *a);
} command;

extern const command cmd_add, cmd_build, cmd_compact, cmd_convert, cmd_docs, cmd_eval, cmd_get,
    cmd_gt, cmd_info, cmd_merge, cmd_remove, cmd_repair, cmd_search, cmd_tune, cmd_update,
    cmd_verify;
/* NULL after the last. */
const command *command_at(size_t i);
/* The help of one verb, as `kith help VERB` shows it. */
void command_help(const command *c, FILE *to);

extern const option common_options[]; /* --threads --quiet --help */
extern const option verify_options[]; /* --verify */

/* ---- an index being worked on ---- */

typedef struct job {
    kith_host host;
    progress progress;
    kith_watch watch;
    kith_index *index; /* owned; NULL until opened */
    const char *path;  /* of the index; borrowed */
    int lock;          /* owned: see files.h; 0: none */
    double begun;
} job;

/* Always followed by job_end, whatever it returns. */
kith_status job_begin(const arguments *a, job *j);
kith_status job_open(job *j, const char *path, uint32_t flags);
uint32_t given_verify(const arguments *a); /* the flag of job_open that --verify asks for */
/* Before job_open of an index to be saved at path: until job_end no other kith changes it. */
kith_status job_lock(job *j, const char *path);
kith_status job_save(job *j, const char *path);
int is_index_name(const char *path); /* ends in .kith */
/* Of -o: wrong usage when it is missing. */
kith_status given_output(const arguments *a, const char **out);
/* All rows are in: floats that are whole numbers 0…255 become u8, without loss. */
kith_status job_settle(job *j);
void job_end(job *j);
/* What kith_stats tells of one name, 0 when it tells nothing. */
double index_stat(const kith_index *ix, const char *name);
/* The exponent of lp in a spec, "3" of Flat(p=3), to out; NULL where it has none. */
const char *spec_exponent(const char *spec, char out[32]);

/* --metric; preset: what the file of the vectors says, else l2. */
kith_status given_metric(const arguments *a, const char *path, kith_metric *out);
/* What exact neighbours are looked for in, into j->index: an index (*.kith) as it is, of other
 * files a Flat index of their vectors in memory, by --metric. */
kith_status job_open_exact(job *j, const char *path, const arguments *a);
/* The Flat index, with a metric already known; p: the exponent of lp, or NULL. */
kith_status job_build_exact(job *j, const char *path, kith_metric metric, const char *p,
                            const arguments *a);
/* --param name=value, each one, for the index before its first row. */
kith_status job_set_params(job *j, const arguments *a);
/* -k, --effort, --recall, --slack, --param… for searches; k 0: not given. */
kith_status given_query(const arguments *a, kith_query *out);
/* The ids of an operand I,J,…, of --ids FILE or of all rows with --by-label: exactly one of them.
 * free() them. */
kith_status job_ids(job *j, const char *list, const char *label, const char *file, int64_t **ids,
                    size_t *n);

#endif
