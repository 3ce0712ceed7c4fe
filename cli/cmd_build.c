/* kith build: an index from a file of vectors. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "output.h"

static const option own[] = {
    {"output", "INDEX", "the file to write; an old one is replaced when the new one is whole", 'o'},
    {"spec", "SPEC",
     "what to build: Flat, Graph48, Flat,F16… (default: auto, which is Graph48 "
     "under l2, ip and cosine, else Flat)",
     's'},
    {"metric", "NAME",
     "l2 (default), ip, cosine, l1, linf, lp, hamming, jaccard… (kith docs parameters)", 'm'},
    {"param", "NAME=VALUE", "a parameter of the spec or the metric; may be repeated", 'p'},
    {"seed", "S", "the seed of whatever is drawn at random; the same one gives the same file", 0},
    {"json", NULL, "say what was built as one JSON object on stdout", 0},
    {NULL, NULL, NULL, 0},
};
static const option *const options[] = {own,         join_options,   label_options, column_options,
                                        bit_options, common_options, NULL};

/* Values that are stored otherwise than they came, without loss. */
static const char *why_this_type(kith_dtype came_as, kith_dtype stored)
{
    if (stored != KITH_U8 || came_as == KITH_U8) return "";
    return " (kept losslessly as u8: all values are integers 0…255)";
}

static void say_text(const job *j, kith_dtype came_as, const char *path)
{
    const kith_dtype stored = kith_dtype_of(j->index);
    char rows[16];
    const double spent = seconds() - j->begun;

    rate_text(spent > 0 ? (double)kith_count(j->index) / spent : 0, rows);
    note("%s: %llu row%s of %zu %s component%s%s", path, (unsigned long long)kith_count(j->index),
         plural(kith_count(j->index)), kith_dim(j->index), kith_dtype_name(stored),
         plural(kith_dim(j->index)), why_this_type(came_as, stored));
    note("%s, %s; %.0f bytes; %.2f s, %s rows/s", kith_spec(j->index),
         kith_metric_name(kith_metric_of(j->index)), index_stat(j->index, "file_bytes"), spent,
         rows);
}

static void say_json(const job *j, kith_dtype came_as, const char *path)
{
    json out = {stdout, 0};
    const kith_dtype stored = kith_dtype_of(j->index);

    json_open(&out, NULL, '{');
    json_text(&out, "index", path);
    json_text(&out, "spec", kith_spec(j->index));
    json_text(&out, "metric", kith_metric_name(kith_metric_of(j->index)));
    json_text(&out, "dtype", kith_dtype_name(stored));
    json_text(&out, "dtype_given", kith_dtype_name(came_as));
    json_int(&out, "dim", (int64_t)kith_dim(j->index));
    json_int(&out, "count", (int64_t)kith_count(j->index));
    json_double(&out, "file_bytes", index_stat(j->index, "file_bytes"));
    json_double(&out, "seconds", seconds() - j->begun);
    json_close(&out, '}');
    json_line(&out);
}

static kith_status run(const arguments *a)
{
    const char *path, *spec = given_text(a, "spec");
    kith_status st = KITH_OK;
    kith_source src = {0};
    kith_metric metric;
    kith_dtype came_as;
    job j;

    TRY(job_begin(a, &j));
    TRY(given_output(a, &path));
    TRY(given_metric(a, a->operand[0], &metric));
    TRY(job_lock(&j, path));
    TRY(input_open(a->operand[0], INPUT_FRESH, a, &j.host, &src));
    came_as = src.dtype;
    TRY(kith_create(spec != NULL ? spec : "auto", src.d, metric, &j.host, &j.index));
    TRY(job_set_params(&j, a));
    TRY(input_failed(kith_add_source(j.index, &src, &j.watch), a->operand[0], a));
    if (kith_count(j.index) == 0) FAIL(KITH_BAD_ARG, "%s has no rows", a->operand[0]);
    TRY(job_settle(&j));
    TRY(job_save(&j, path));
    // Open what was written: the numbers that are told are those of the file.
    kith_free(j.index);
    j.index = NULL;
    TRY(job_open(&j, path, KITH_OPEN_MAP));
    progress_end(&j.progress);
    if (given_flag(a, "json"))
        say_json(&j, came_as, path);
    else
        say_text(&j, came_as, path);
out:
    if (src.close != NULL) src.close(src.ctx);
    job_end(&j);
    return st;
}

const command cmd_build = {
    "build",
    "BASE -o INDEX [--spec SPEC] [--metric NAME] [option]…",
    "an index from a file of vectors",
    "Reads the vectors of BASE a batch at a time and writes an index of them.\n\n"
    "BASE is an .npy (FILE.npy#1 is its second array), .fvecs, .bvecs, .ivecs, .fbin, .u8bin, "
    ".i8bin, CSV or TSV file, an .hdf5 file in the layout of ann-benchmarks (its train; "
    "FILE.hdf5#test is another data set; its attribute distance is the metric), another kith "
    "index, or - for CSV on standard input. The rows' ids are 0, 1, 2… unless the file or --ids "
    "has others.\n\n"
    "Labels may be joined by id from a second file, with --labels movies.csv --labels-id-column "
    "movieId --labels-column title.",
    "kith build base.npy -o base.kith\n"
    "kith build items.csv -o items.kith --metric cosine --id-column item \\\n"
    "    --vector-column features\n"
    "kith build factors.dat -o m.kith --delimiter :: --no-header --id-column 1 \\\n"
    "    --labels movies.dat --labels-delimiter :: --labels-no-header \\\n"
    "    --labels-id-column 1 --labels-column 2 --encoding latin1\n",
    options,
    1,
    1,
    0,
    MAKES_INDEX,
    run,
};
