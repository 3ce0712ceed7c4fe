/* One side of a bench: kith with one index, answering timed requests from stdin, so that a driver
 * can interleave it with peers (bench/exact.py). Uses kith.h only.
 *
 *     bench_search SPEC METRIC BASE QUERIES [THREADS]       builds, or opens BASE when it is *.kith
 *
 *     knn NQ K [OUT]            NQ queries in one call; OUT gets the ids, int64 [NQ][K]
 *     one NQ K [OUT]            the same one by one
 *     filter NQ K PERMILLE      one by one through a bound filter that passes so many rows
 *     range NQ LIMIT [OUT]      one by one; OUT gets the ids, each row ended by -1
 *     stream BYTES              read bandwidth of this process, bytes/s
 *     save PATH | open PATH FLAGS | count
 *
 * Each answer is one line: seconds of the work itself, then a number of the request's own. */
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
} bench;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
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

static void read_queries(const char *path, bench *b)
{
    kith_source src;
    kith_batch batch;
    char *all;
    size_t n = 0;

    must(kith_source_open(path, NULL, &src), path);
    b->row = kith_row_bytes(src.dtype, src.d);
    b->d = src.d;
    all = need(malloc((size_t)src.n * b->row));
    for (;;) {
        must(src.next(src.ctx, 4096, &batch), path);
        if (batch.rows.n == 0) break;
        for (size_t i = 0; i < batch.rows.n; i++)
            memcpy(all + (n + i) * b->row,
                   (const char *)batch.rows.data +
                       i * (batch.rows.stride ? batch.rows.stride : b->row),
                   b->row);
        n += batch.rows.n;
    }
    b->queries = KITH_ROWS(all, n, src.dtype);
    src.close(src.ctx);
}

static kith_rows some(const bench *b, size_t from, size_t n)
{
    const size_t at = from % b->queries.n;

    return KITH_ROWS((const char *)b->queries.data + at * b->row,
                     at + n <= b->queries.n ? n : b->queries.n - at, b->queries.dtype);
}

static void store(const char *path, const int64_t *ids, size_t n)
{
    FILE *f = path[0] ? fopen(path, "wb") : NULL;

    if (!f) return;
    fwrite(ids, sizeof *ids, n, f);
    fclose(f);
}

static void knn(const bench *b, size_t nq, uint32_t k, size_t call, const kith_filter *filter,
                const char *out)
{
    kith_query how = KITH_QUERY_K(k);
    int64_t *ids = need(malloc(nq * k * sizeof *ids));
    float *dist = need(malloc(nq * k * sizeof *dist));
    double t;

    how.threads = b->threads;
    how.filter = filter;
    t = now();
    for (size_t i = 0; i < nq; i += call)
        must(kith_search(b->ix, some(b, i, call), &how, ids + i * k, dist + i * k), "search");
    t = now() - t;
    store(out, ids, nq * k);
    printf("%.9f %zu\n", t, nq);
    free(ids);
    free(dist);
}

static void filtered(const bench *b, size_t nq, uint32_t k, unsigned permille)
{
    const uint64_t n = kith_count(b->ix);
    uint64_t *words = need(calloc(n / 64 + 1, sizeof *words));
    kith_filter *bits, *bound;
    uint64_t x = 88172645463325252u;

    for (uint64_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        if (x % 1000 < permille) words[i / 64] |= (uint64_t)1 << (i % 64);
    }
    must(kith_filter_bits(words, n, NULL, &bits), "filter");
    must(kith_filter_bind(b->ix, bits, &bound), "bind");
    knn(b, nq, k, 1, bound, "");
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

static void serve(const bench *b)
{
    char line[2048], path[1024];
    size_t nq, bytes;
    unsigned permille, flags;
    uint32_t k;
    float limit;

    while (fgets(line, sizeof line, stdin)) {
        path[0] = 0;
        if (sscanf(line, "knn %zu %u %1023s", &nq, &k, path) >= 2) {
            knn(b, nq, k, nq, NULL, path);
        } else if (sscanf(line, "one %zu %u %1023s", &nq, &k, path) >= 2) {
            knn(b, nq, k, 1, NULL, path);
        } else if (sscanf(line, "filter %zu %u %u", &nq, &k, &permille) == 3) {
            filtered(b, nq, k, permille);
        } else if (sscanf(line, "range %zu %f %1023s", &nq, &limit, path) >= 2) {
            range(b, nq, limit, path);
        } else if (sscanf(line, "stream %zu", &bytes) == 1) {
            stream(bytes);
        } else if (sscanf(line, "save %1023s", path) == 1) {
            const double start = now();

            must(kith_save(b->ix, path, NULL), path);
            printf("%.9f %llu\n", now() - start, (unsigned long long)kith_count(b->ix));
        } else if (sscanf(line, "open %1023s %u", path, &flags) == 2) {
            reopen(path, flags, b);
        } else if (strcmp(line, "count\n") == 0) {
            printf("0 %llu\n", (unsigned long long)kith_count(b->ix));
        } else {
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
    size_t len;

    if (argc < 5) {
        fprintf(stderr, "usage: bench_search SPEC METRIC BASE QUERIES [THREADS]\n");
        return 2;
    }
    b.threads = argc > 5 ? (uint32_t)atoi(argv[5]) : 1;
    read_queries(argv[4], &b);
    len = strlen(argv[3]);
    if (len > 5 && strcmp(argv[3] + len - 5, ".kith") == 0) {
        must(kith_open(argv[3], KITH_OPEN_COPY, NULL, &b.ix), argv[3]);
    } else {
        must(kith_metric_find(argv[2], &metric), argv[2]);
        must(kith_create(argv[1], b.d, metric, NULL, &b.ix), argv[1]);
        must(kith_source_open(argv[3], NULL, &src), argv[3]);
        must(kith_add_source(b.ix, &src, NULL), argv[3]);
        src.close(src.ctx);
    }
    printf("ready %llu %s\n", (unsigned long long)kith_count(b.ix),
           kith_dtype_name(kith_dtype_of(b.ix)));
    fflush(stdout);
    serve(&b);
    kith_free(b.ix);
    return 0;
}
