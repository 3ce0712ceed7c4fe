/* One side of a bench: kith with one index, answering timed requests from stdin, so that a driver
 * can interleave it with peers (bench/exact.py, bench/graph.py). Uses kith.h only.
 *
 *     bench_search SPEC METRIC BASE QUERIES [THREADS]
 *
 * builds, or opens BASE into memory when it is *.kith; "-" is an index without rows. First line:
 * "ready ROWS TYPE SECONDS CPU", what that took.
 *
 *     knn NQ K [OUT]            NQ queries in one call; OUT gets the ids, int64 [NQ][K]
 *     one NQ K [OUT]            the same one by one
 *     walk NQ K EFFORT SLACK [OUT]          one by one with kith_query's effort and slack
 *     batch NQ K EFFORT SLACK [OUT]         the same in one call; NQ: no more than there are
 *     latency NQ K EFFORT SLACK OUT         the same; OUT gets each query's ns, float64 [NQ]
 *     filter NQ K PERMILLE      one by one through a bound filter that passes so many rows
 *     through BITS FIRST NQ K EFFORT SLACK [OUT]
 *                               as walk, from query FIRST on, through the bound filter whose words
 *                               are the file BITS
 *     range NQ LIMIT [OUT]      one by one; OUT gets the ids, each row ended by -1
 *     stream BYTES              read bandwidth of this process, bytes/s
 *     save PATH | open PATH FLAGS | count
 *     add PATH IDS CALL         rows of a file: row (id mod its rows) for each of the ids in the
 *                               file IDS; CALL rows a call, 0 for all
 *     remove IDS                in one call
 *     rss | peak                0, and resident bytes, now or at most so far
 *     visits                    kith_stats' visits and hops so far, 0 where it has none
 *
 * Each answer is one line: seconds of the work itself, then a number of the request's own. With
 * KITH_BENCH_CPU_TIME set, k-NN searches, add and remove tell the process's CPU time. */
#define _GNU_SOURCE /* madvise */
#include <kith.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "median.h"

typedef struct bench {
    kith_index *ix;
    kith_rows queries;
    size_t d, row;
    uint32_t threads;
    clockid_t clock; // of searches and changes
} bench;

static double seconds_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double now(void)
{
    return seconds_of(CLOCK_MONOTONIC);
}

static void must(kith_status st, const char *what)
{
    if (st == KITH_OK) return;
    fprintf(stderr, "bench_search: %s: %s\n", what, kith_last_error());
    exit(1);
}

static void *need(void *p)
{
    if (!p) {
        fprintf(stderr, "bench_search: out of memory\n");
        exit(1);
    }
    return p;
}

/* All rows of a file, packed, and their dimension. Returns what is to be freed after them. */
static char *read_rows(const char *path, kith_rows *out, size_t *d)
{
    kith_source src;
    kith_batch batch;
    char *all;
    size_t n = 0, row;

    must(kith_source_open(path, NULL, &src), path);
    row = kith_row_bytes(src.dtype, src.d);
    *d = src.d;
    all = need(malloc((size_t)src.n * row));
    for (;;) {
        must(src.next(src.ctx, 4096, &batch), path);
        if (batch.rows.n == 0) break;
        for (size_t i = 0; i < batch.rows.n; i++)
            memcpy(all + (n + i) * row,
                   (const char *)batch.rows.data +
                       i * (batch.rows.stride ? batch.rows.stride : row),
                   row);
        n += batch.rows.n;
    }
    *out = KITH_ROWS(all, n, src.dtype);
    src.close(src.ctx);
    return all;
}

static kith_rows some(const bench *b, size_t from, size_t n)
{
    const size_t at = from % b->queries.n;

    return KITH_ROWS((const char *)b->queries.data + at * b->row,
                     at + n <= b->queries.n ? n : b->queries.n - at, b->queries.dtype);
}

static void store(const char *path, const void *bytes, size_t len)
{
    FILE *f = path[0] ? fopen(path, "wb") : NULL;

    if (!f) return;
    fwrite(bytes, 1, len, f);
    fclose(f);
}

/* nq queries, `call` in each call. */
static void knn(const bench *b, size_t nq, kith_query how, size_t call, const char *out)
{
    const uint32_t k = how.k;
    int64_t *ids = need(malloc(nq * k * sizeof *ids));
    float *dist = need(malloc(nq * k * sizeof *dist));
    double t;

    how.threads = b->threads;
    t = seconds_of(b->clock);
    for (size_t i = 0; i < nq; i += call)
        must(kith_search(b->ix, some(b, i, call), &how, ids + i * k, dist + i * k), "search");
    t = seconds_of(b->clock) - t;
    store(out, ids, nq * k * sizeof *ids);
    printf("%.9f %zu\n", t, nq);
    free(ids);
    free(dist);
}

static kith_query at_point(uint32_t k, uint32_t effort, float slack)
{
    kith_query how = KITH_QUERY_K(k);

    how.effort = effort;
    how.slack = slack;
    return how;
}

/* Each query's nanoseconds, one by one. */
static void latency(const bench *b, size_t nq, kith_query how, const char *out)
{
    int64_t *ids = need(malloc(how.k * sizeof *ids));
    float *dist = need(malloc(how.k * sizeof *dist));
    double *each = need(malloc(nq * sizeof *each));
    const double start = seconds_of(b->clock);
    double last = start;

    how.threads = b->threads;
    for (size_t i = 0; i < nq; i++) {
        double t;

        must(kith_search(b->ix, some(b, i, 1), &how, ids, dist), "search");
        t = seconds_of(b->clock);
        each[i] = 1e9 * (t - last);
        last = t;
    }
    store(out, each, nq * sizeof *each);
    printf("%.9f %zu\n", last - start, nq);
    free(ids);
    free(dist);
    free(each);
}

static void filtered(const bench *b, size_t nq, uint32_t k, unsigned permille)
{
    const uint64_t n = kith_count(b->ix);
    uint64_t *words = need(calloc(n / 64 + 1, sizeof *words));
    kith_filter *bits, *bound;
    kith_query how = KITH_QUERY_K(k);
    uint64_t x = 88172645463325252u;

    for (uint64_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        if (x % 1000 < permille) words[i / 64] |= (uint64_t)1 << (i % 64);
    }
    must(kith_filter_bits(words, n, NULL, &bits), "filter");
    must(kith_filter_bind(b->ix, bits, &bound), "bind");
    how.filter = bound;
    knn(b, nq, how, 1, "");
    kith_filter_free(bound);
    kith_filter_free(bits);
    free(words);
}

/* Queries first … first + nq - 1 through a filter that is the words of a file. */
static void through(const bench *b, const char *path, size_t first, size_t nq, kith_query how,
                    const char *out)
{
    const uint64_t n = kith_count(b->ix);
    uint64_t *words = need(calloc(n / 64 + 1, sizeof *words));
    FILE *f = fopen(path, "rb");
    kith_filter *bits, *bound;
    bench part = *b;

    if (!f || fread(words, sizeof *words, (n + 63) / 64, f) != (n + 63) / 64) {
        fprintf(stderr, "bench_search: %s is no filter of %llu rows\n", path,
                (unsigned long long)n);
        exit(1);
    }
    fclose(f);
    must(kith_filter_bits(words, n, NULL, &bits), "filter");
    must(kith_filter_bind(b->ix, bits, &bound), "bind");
    how.filter = bound;
    part.queries = some(b, first, nq);
    knn(&part, nq, how, 1, out);
    kith_filter_free(bound);
    kith_filter_free(bits);
    free(words);
}

static void range(const bench *b, size_t nq, float limit, const char *out)
{
    FILE *f = out[0] ? fopen(out, "wb") : NULL;
    kith_query how = KITH_QUERY_INIT;
    size_t found = 0;
    double t = 0;

    how.threads = b->threads;
    how.limit = limit;
    for (size_t i = 0; i < nq; i++) {
        const int64_t *ids, end = -1;
        const double start = now();
        kith_hits *hits;
        size_t n;

        must(kith_range(b->ix, some(b, i, 1), &how, &hits), "range");
        t += now() - start;
        n = kith_hits_row(hits, 0, &ids, NULL);
        found += n;
        if (f) {
            fwrite(ids, sizeof *ids, n, f);
            fwrite(&end, sizeof end, 1, f);
        }
        kith_hits_free(hits);
    }
    if (f) fclose(f);
    printf("%.9f %zu\n", t, found);
}

/* One pass over n words in `streams` interleaved streams, a cache line of each at a time. */
static uint64_t read_all(const uint64_t *p, size_t n, size_t streams)
{
    const size_t part = n / streams / 8 * 8;
    uint64_t sum[8] = {0};

    for (size_t i = 0; i < part; i += 8)
        for (size_t s = 0; s < streams; s++)
            for (size_t j = 0; j < 8; j++) sum[j] += p[s * part + i + j];
    return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

/* The best of 1, 2, 4, 8 read streams over one buffer on huge pages, each the median of 11. */
static void stream(size_t bytes)
{
    const size_t n = bytes / sizeof(uint64_t), len = (bytes + (1 << 21) - 1) >> 21 << 21;
    uint64_t *p = need(aligned_alloc(1 << 21, len));
    uint64_t sink = 0;
    double best = 0;

    madvise(p, len, MADV_HUGEPAGE);
    memset(p, 1, len);
    for (size_t streams = 1; streams <= 8; streams *= 2) {
        double t[11];

        for (int i = 0; i < 11; i++) {
            const double start = now();

            sink += read_all(p, n, streams);
            t[i] = now() - start;
        }
        if (streams == 1 || median(t, 11) < best) best = median(t, 11);
    }
    free(p);
    if (sink == 0) exit(1); // what was read is used
    printf("%.9f %.0f\n", best, (double)bytes / best);
}

static void reopen(const char *path, uint32_t flags, const bench *b)
{
    const double start = now();
    kith_index *ix;
    double opened;
    int64_t ids[10];

    must(kith_open(path, flags, NULL, &ix), path);
    opened = now() - start;
    must(kith_search(ix, some(b, 0, 1), NULL, ids, NULL), "search");
    printf("%.9f %.9f\n", opened, now() - start);
    kith_free(ix);
}

/* Rows of a file into the index, `call` in each call; they are copied before the clock runs. */
static void add(const bench *b, const char *path, const char *ids_path, size_t call)
{
    size_t d, n, row;
    kith_rows from;
    char *all = read_rows(path, &from, &d), *rows;
    int64_t *ids;
    double t;

    must(kith_ids_read(ids_path, NULL, &ids, &n), ids_path);
    row = kith_row_bytes(from.dtype, d);
    rows = need(malloc(n * row));
    for (size_t i = 0; i < n; i++) memcpy(rows + i * row, all + (size_t)ids[i] % from.n * row, row);
    t = seconds_of(b->clock);
    for (size_t i = 0; i < n; i += call)
        must(kith_add(b->ix, KITH_ROWS(rows + i * row, call < n - i ? call : n - i, from.dtype),
                      ids + i, NULL, NULL),
             "add");
    printf("%.9f %zu\n", seconds_of(b->clock) - t, n);
    kith_ids_free(ids, n, NULL);
    free(rows);
    free(all);
}

static void remove_ids(const bench *b, const char *path)
{
    size_t n, removed;
    int64_t *ids;
    double t;

    must(kith_ids_read(path, NULL, &ids, &n), path);
    t = seconds_of(b->clock);
    must(kith_remove(b->ix, ids, n, &removed), "remove");
    printf("%.9f %zu\n", seconds_of(b->clock) - t, removed);
    kith_ids_free(ids, n, NULL);
}

/* The bytes of a line of /proc/self/status. */
static size_t memory(const char *name)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    size_t kb = 0, len = strlen(name);

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, len) == 0 && sscanf(line + len, ": %zu", &kb) == 1) break;
    if (f) fclose(f);
    return kb * 1024;
}

static void see_walks(void *ctx, const char *name, const char *text, double value)
{
    double *seen = ctx;

    (void)text;
    if (strcmp(name, "visits") == 0) seen[0] = value;
    if (strcmp(name, "hops") == 0) seen[1] = value;
}

/* Requests of k nearest neighbours; 0 when the line is none. */
static int serve_knn(const bench *b, const char *line)
{
    char path[1024] = "", bits[1024];
    size_t first, nq;
    uint32_t k, effort;
    float slack;

    if (sscanf(line, "knn %zu %u %1023s", &nq, &k, path) >= 2)
        knn(b, nq, at_point(k, 0, 0), nq, path);
    else if (sscanf(line, "one %zu %u %1023s", &nq, &k, path) >= 2)
        knn(b, nq, at_point(k, 0, 0), 1, path);
    else if (sscanf(line, "walk %zu %u %u %f %1023s", &nq, &k, &effort, &slack, path) >= 4)
        knn(b, nq, at_point(k, effort, slack), 1, path);
    else if (sscanf(line, "batch %zu %u %u %f %1023s", &nq, &k, &effort, &slack, path) >= 4)
        knn(b, nq, at_point(k, effort, slack), nq, path);
    else if (sscanf(line, "through %1023s %zu %zu %u %u %f %1023s", bits, &first, &nq, &k, &effort,
                    &slack, path) >= 6)
        through(b, bits, first, nq, at_point(k, effort, slack), path);
    else if (sscanf(line, "latency %zu %u %u %f %1023s", &nq, &k, &effort, &slack, path) == 5)
        latency(b, nq, at_point(k, effort, slack), path);
    else
        return 0;
    return 1;
}

/* Requests that change the index; 0 when the line is none. */
static int serve_change(const bench *b, const char *line)
{
    char path[1024], ids[1024];
    size_t call;

    if (sscanf(line, "add %1023s %1023s %zu", path, ids, &call) == 3)
        add(b, path, ids, call ? call : SIZE_MAX);
    else if (sscanf(line, "remove %1023s", ids) == 1)
        remove_ids(b, ids);
    else
        return 0;
    return 1;
}

static void serve(const bench *b)
{
    char line[2048], path[1024];
    size_t nq, bytes;
    unsigned permille, flags;
    uint32_t k;
    float limit;

    while (fgets(line, sizeof line, stdin)) {
        path[0] = 0;
        if (sscanf(line, "filter %zu %u %u", &nq, &k, &permille) == 3) {
            filtered(b, nq, k, permille);
        } else if (sscanf(line, "range %zu %f %1023s", &nq, &limit, path) >= 2) {
            range(b, nq, limit, path);
        } else if (sscanf(line, "stream %zu", &bytes) == 1) {
            stream(bytes);
        } else if (strcmp(line, "rss\n") == 0) {
            printf("0 %zu\n", memory("VmRSS"));
        } else if (strcmp(line, "peak\n") == 0) {
            printf("0 %zu\n", memory("VmHWM"));
        } else if (strcmp(line, "visits\n") == 0) {
            double seen[2] = {0};

            kith_stats(b->ix, see_walks, seen);
            printf("%.0f %.0f\n", seen[0], seen[1]);
        } else if (sscanf(line, "save %1023s", path) == 1) {
            const double start = now();

            must(kith_save(b->ix, path, NULL), path);
            printf("%.9f %llu\n", now() - start, (unsigned long long)kith_count(b->ix));
        } else if (sscanf(line, "open %1023s %u", path, &flags) == 2) {
            reopen(path, flags, b);
        } else if (strcmp(line, "count\n") == 0) {
            printf("0 %llu\n", (unsigned long long)kith_count(b->ix));
        } else if (!serve_knn(b, line) && !serve_change(b, line)) {
            printf("? %s", line);
        }
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    bench b = {0};
    kith_metric metric;
    kith_source src;
    double start, start_cpu;
    size_t len;

    if (argc < 5) {
        fprintf(stderr, "usage: bench_search SPEC METRIC BASE QUERIES [THREADS]\n");
        return 2;
    }
    b.clock = getenv("KITH_BENCH_CPU_TIME") ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC;
    b.threads = argc > 5 ? (uint32_t)atoi(argv[5]) : 1;
    read_rows(argv[4], &b.queries, &b.d);
    b.row = kith_row_bytes(b.queries.dtype, b.d);
    len = strlen(argv[3]);
    start = now();
    start_cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    if (len > 5 && strcmp(argv[3] + len - 5, ".kith") == 0) {
        must(kith_open(argv[3], KITH_OPEN_COPY, NULL, &b.ix), argv[3]);
    } else {
        must(kith_metric_find(argv[2], &metric), argv[2]);
        must(kith_create(argv[1], b.d, metric, NULL, &b.ix), argv[1]);
        if (strcmp(argv[3], "-") != 0) {
            must(kith_source_open(argv[3], NULL, &src), argv[3]);
            must(kith_add_source(b.ix, &src, NULL), argv[3]);
            src.close(src.ctx);
        }
    }
    printf("ready %llu %s %.3f %.3f\n", (unsigned long long)kith_count(b.ix),
           kith_dtype_name(kith_dtype_of(b.ix)), now() - start,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - start_cpu);
    fflush(stdout);
    serve(&b);
    kith_free(b.ix);
    return 0;
}
