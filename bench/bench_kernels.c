/* bench_kernels [--json] [--isa NAME] [--rows N] [--dim D] [--rounds N]: every slot for one query
 * of every ISA this machine runs, beside the machine's own peaks in the same run.
 *
 * Thrice each: rows in memory (N rows of D components, 1,000,000 x 128; floor: their bytes at the
 * stream bandwidth), rows in the first cache (floor: one multiply-add a component at the ISA's
 * peak) and 16 of those by address, visited. Then what walks over a graph need beside distances:
 * HADAMARD of 512 floats and LEAST of 128, ns a call. Stream bandwidth is the best of 1, 2, 4 and 8
 * read streams over the same buffer. Figures are medians of the rounds; a round goes through
 * everything, so that a busy neighbour hits all alike. A stream touches one word of each line:
 * arithmetic cannot hold it up.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "kernel/kernel.h"
#include "median.h"

#if KI_CPU_X86
#    include <immintrin.h>
#endif

enum { ROUNDS_MAX = 101, THINGS_MAX = 512, CACHED = 24 << 10, CACHED_TURNS = 200 };
enum { VISITED = 16, SPREAD = 512, KEYS = 128 };

static const char *const op_names[KI_OPS] = {"L2",       "IP",    "DOT2",    "L1",      "LINF",
                                             "CANBERRA", "BRAY2", "MINMAX2", "HAMMING", "ANDOR2",
                                             "DOT4",     "GRID4"};
static const char *const type_names[KI_TYPES] = {"f32", "f16", "bf16", "i8", "u8", "bits"};

static uint8_t *buffer;
static size_t len, rows = 1000000, dim = 128, rounds = 11;
static int json;
static int32_t *results; /* [2 * rows] */
static _Alignas(64) uint8_t query[4 * KITH_MAX_DIM];
static volatile uint64_t sink;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- peaks ----------------------------------------------------------------------------------- */

static void read_streams(size_t streams)
{
    const size_t part = len / streams / 64 * 64;
    uint64_t s = 0, w;
    for (size_t at = 0; at < part; at += 64)
        for (size_t i = 0; i < streams; i++) {
            memcpy(&w, buffer + i * part + at, sizeof w);
            s += w;
        }
    sink = s;
}

enum { CHAINS = 12, TURNS = 100000 }; /* chains for two units of latency 5, and some */

#if KI_CPU_X86
#    define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#    define PEAK(name, isa, type, load, join, step)                                                \
        __attribute__((target(isa))) static void name(void)                                        \
        {                                                                                          \
            const type x = load((const void *)query);                                              \
            type sum, ALL(DECLARE_) last = x;                                                      \
            for (int t = 0; t < TURNS; t++) {                                                      \
                ALL(step)                                                                          \
            }                                                                                      \
            sum = last;                                                                            \
            ALL(join)                                                                              \
            memcpy(results, &sum, sizeof sum);                                                     \
        }
#    define DECLARE_(i) a##i = x,
#    define FMA256(i) a##i = _mm256_fmadd_ps(x, x, a##i);
#    define FMA512(i) a##i = _mm512_fmadd_ps(x, x, a##i);
#    define MADD256(i) a##i = _mm256_add_epi32(a##i, _mm256_madd_epi16(a##i, x));
#    define MADD512(i) a##i = _mm512_add_epi32(a##i, _mm512_madd_epi16(a##i, x));
#    define VNNI512(i) a##i = _mm512_dpbusd_epi32(a##i, x, x);
#    define ADD256F(i) sum = _mm256_add_ps(sum, a##i);
#    define ADD512F(i) sum = _mm512_add_ps(sum, a##i);
#    define ADD256I(i) sum = _mm256_add_epi32(sum, a##i);
#    define ADD512I(i) sum = _mm512_add_epi32(sum, a##i);
#    define LOAD256I(p) _mm256_loadu_si256((const __m256i *)(p))
PEAK(fma256, "avx2,fma", __m256, _mm256_loadu_ps, ADD256F, FMA256)
PEAK(fma512, "avx512f", __m512, _mm512_loadu_ps, ADD512F, FMA512)
PEAK(madd256, "avx2", __m256i, LOAD256I, ADD256I, MADD256)
PEAK(madd512, "avx512bw", __m512i, _mm512_loadu_si512, ADD512I, MADD512)
PEAK(vnni512, "avx512vnni", __m512i, _mm512_loadu_si512, ADD512I, VNNI512)
#endif

static const struct peak {
    const char *isa, *name;
    int floats; /* of rows of floats, or of bytes */
    double adds; /* multiply-adds an instruction */
    void (*run)(void);
} peaks[] = {
#if KI_CPU_X86
    {"avx2", "f32 FMA, 256 bits", 1, 8, fma256},
    {"avx2", "16-bit multiply-add, 256 bits", 0, 16, madd256},
    {"avx512", "f32 FMA, 512 bits", 1, 16, fma512},
    {"avx512", "16-bit multiply-add, 512 bits", 0, 32, madd512},
    {"vnni", "VNNI, 512 bits", 0, 64, vnni512},
#endif
    {"", "", 0, 0, NULL},
};

/* ---- what is timed --------------------------------------------------------------------------- */

typedef enum place { MEMORY, CACHE, APART, PLACES } place; /* of rows; APART: by address */
static const char *const place_names[PLACES] = {"memory", "cache", "visit"};

typedef struct thing {
    size_t streams;           /* read streams, or */
    const struct peak *peak;  /* a peak, or */
    const ki_isa *isa;        /* a slot: */
    ki_op op;
    ki_type type;
    ki_scan *scan;
    ki_visit *visit;
    place place;
    void (*hadamard)(float *x, size_t n); /* or one of these */
    size_t (*least)(const float *key, size_t n);
    double seconds[ROUNDS_MAX];
} thing;

static thing things[THINGS_MAX];
static size_t n_things;

static size_t bytes_of(ki_op op, ki_type type)
{
    if (op == KI_DOT4 || op == KI_GRID4) return ki_plane(dim);
    switch (type) {
    case KI_F32: return 4 * dim;
    case KI_F16:
    case KI_BF16: return 2 * dim;
    case KI_BITS: return (dim + 7) / 8;
    case KI_I8:
    case KI_U8:
    case KI_TYPES: break;
    }
    return dim;
}

static size_t rows_of(const thing *t)
{
    const size_t row = bytes_of(t->op, t->type);
    if (t->hadamard || t->least) return 1;
    if (t->place == APART) return VISITED;
    return t->place == MEMORY ? rows : CACHED / row ? CACHED / row : 1;
}

static void plan_isa(const ki_isa *isa, const ki_kernels *k)
{
    for (int op = 0; op < KI_OPS; op++)
        for (int type = 0; type < KI_TYPES; type++)
            for (int at = 0; at < PLACES && k->scan[op][type]; at++)
                if (n_things < THINGS_MAX)
                    things[n_things++] = (thing){.isa = isa,
                                                 .op = (ki_op)op,
                                                 .type = (ki_type)type,
                                                 .scan = k->scan[op][type],
                                                 .visit = k->visit[op][type],
                                                 .place = (place)at};
    if (k->hadamard && n_things + 2 <= THINGS_MAX) {
        things[n_things++] = (thing){.isa = isa, .place = CACHE, .hadamard = k->hadamard};
        things[n_things++] = (thing){.isa = isa, .place = CACHE, .least = k->least};
    }
}

static void plan(const char *only)
{
    for (size_t s = 1; s <= 8; s *= 2) things[n_things++].streams = s;
    for (const struct peak *p = peaks; p->run; p++)
        for (size_t i = 0; ki_isa_at(i); i++)
            if (!strcmp(ki_isa_at(i)->name, p->isa) && !(ki_isa_at(i)->needs & ~ki_cpu_features()))
                things[n_things++].peak = p;
    for (size_t i = 0; ki_isa_at(i); i++) {
        const ki_isa *isa = ki_isa_at(i);
        ki_kernels k = {0};
        if (isa->needs & ~ki_cpu_features() || (only && strcmp(only, isa->name))) continue;
        isa->fill(&k);
        plan_isa(isa, &k);
    }
}

/* Rows in memory are another part of the buffer in each round, where they fill but a part. */
static void run_slot(const thing *t, size_t round)
{
    const ki_query4 halves = {(const int8_t *)query, (const int8_t *)query + ki_plane(dim)};
    const ki_grid4 grid = {.low = query, .high = query + ki_plane(dim), .level = {1, 2, 3}};
    const void *q = t->op == KI_DOT4    ? (const void *)&halves
                    : t->op == KI_GRID4 ? (const void *)&grid
                                        : query;
    const size_t n = rows_of(t), row = bytes_of(t->op, t->type);
    const size_t parts = t->place == MEMORY ? len / (n * row) : 1;
    const uint8_t *at = buffer + round % parts * (n * row);
    const void *addresses[VISITED];

    for (size_t i = 0; i < VISITED; i++) addresses[i] = at + i * 7 % VISITED * row;
    for (int i = 0; i < (t->place == MEMORY ? 1 : CACHED_TURNS); i++)
        if (t->place == APART)
            t->visit(q, addresses, NULL, n, dim, results);
        else
            t->scan(q, at, row, n, dim, results);
}

static void run_beside(const thing *t)
{
    static _Alignas(64) float zeros[SPREAD]; // which stay zeros, time and again
    const float *keys = (const float *)(const void *)buffer;

    for (int i = 0; i < CACHED_TURNS && t->hadamard; i++) t->hadamard(zeros, SPREAD);
    for (int i = 0; i < CACHED_TURNS && t->least; i++) sink = t->least(keys, KEYS);
}

static void run_thing(const thing *t, size_t round)
{
    if (t->streams) read_streams(t->streams);
    else if (t->peak) t->peak->run();
    else if (t->scan) run_slot(t, round);
    else run_beside(t);
}

static void run_once(thing *t, size_t round)
{
    double begin;

    if (t->isa && t->place != MEMORY) run_thing(t, round);
    begin = now();
    run_thing(t, round);
    t->seconds[round] = now() - begin;
}

/* ---- figures --------------------------------------------------------------------------------- */

static double seconds_of(thing *t)
{
    return median(t->seconds, rounds);
}

/* ns a row. */
static double floor_of(const thing *t, double bandwidth, const double *rate)
{
    if (!t->scan) return 0.0;
    if (t->place == MEMORY) return (double)bytes_of(t->op, t->type) / bandwidth * 1e9;
    for (size_t i = 0; peaks[i].run; i++)
        if (!strcmp(peaks[i].isa, t->isa->name) && t->type != KI_BITS &&
            peaks[i].floats == (t->type <= KI_BF16))
            return (double)dim / rate[i] * 1e9;
    return 0.0;
}

static void print_slot(thing *t, double bandwidth, const double *rate)
{
    const double turns = t->place == MEMORY ? 1 : CACHED_TURNS;
    const double took = seconds_of(t) / turns / (double)rows_of(t) * 1e9;
    const double least = floor_of(t, bandwidth, rate);

    printf(json ? "{\"isa\": \"%s\", \"op\": \"%s\", \"type\": \"%s\", \"rows\": \"%s\", "
                  "\"dim\": %zu, \"floor_ns\": %.3f, \"ns\": %.3f, \"fraction\": %.3f}\n"
                : "%-10s %-9s %-5s %-7s %5zu %9.3f %9.3f %8.2f\n",
           t->isa->name, t->hadamard ? "HADAMARD" : t->least ? "LEAST" : op_names[t->op],
           type_names[t->type], place_names[t->place],
           t->hadamard ? SPREAD
           : t->least  ? KEYS
                       : dim,
           least, took, least / took);
}

static void print_all(void)
{
    double bandwidth = 0.0, rate[sizeof peaks / sizeof *peaks] = {0};
    size_t best = 0;

    for (size_t i = 0; i < n_things; i++) {
        thing *t = &things[i];
        if (t->streams && (double)len / seconds_of(t) > bandwidth) {
            best = t->streams;
            bandwidth = (double)len / seconds_of(t);
        }
        if (t->peak) rate[t->peak - peaks] = t->peak->adds * CHAINS * TURNS / seconds_of(t);
    }
    printf(json ? "{\"stream\": %zu, \"gb_per_s\": %.2f}\n"
                : "stream bandwidth: %zu streams, %.2f GB/s\n", best, bandwidth * 1e-9);
    for (size_t i = 0; peaks[i].run; i++)
        if (rate[i] > 0.0)
            printf(json ? "{\"peak\": \"%s\", \"giga_per_s\": %.1f}\n"
                        : "%s: %.1f G multiply-adds/s\n", peaks[i].name, rate[i] * 1e-9);
    if (!json)
        printf("%-10s %-9s %-5s %-7s %5s %9s %9s %8s\n", "isa", "op", "type", "rows", "dim",
               "floor ns", "ns a row", "fraction");
    for (size_t i = 0; i < n_things; i++)
        if (things[i].isa) print_slot(&things[i], bandwidth, rate);
}

static void make_data(void)
{
    len = rows * dim * sizeof(float);
    if (len < CACHED) len = CACHED;
    if (len < VISITED * dim * sizeof(float)) len = VISITED * dim * sizeof(float);
    len = (len + 63) / 64 * 64;
    buffer = aligned_alloc(64, len);
    results = malloc((rows < CACHED ? CACHED : rows) * 2 * sizeof *results);
    if (!buffer || !results) {
        fprintf(stderr, "bench_kernels: no memory for %zu bytes\n", len);
        exit(1);
    }
    /* Integers 0…255 as floats; read as halves or bytes they are as harmless. */
    for (size_t i = 0; i + 4 <= len; i += 4) {
        const float v = (float)(i * 2654435761u >> 7 & 255);
        memcpy(buffer + i, &v, sizeof v);
    }
    memcpy(query, buffer, dim * sizeof(float));
}

/* The number after an option; 0 when there is none. */
static size_t number(char **argv, int *i)
{
    return argv[*i + 1] ? strtoul(argv[++*i], NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    const char *only = NULL;
    int wrong = 0;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            json = 1;
        else if (!strcmp(argv[i], "--isa") && argv[i + 1])
            only = argv[++i];
        else if (!strcmp(argv[i], "--rows"))
            rows = number(argv, &i);
        else if (!strcmp(argv[i], "--dim"))
            dim = number(argv, &i);
        else if (!strcmp(argv[i], "--rounds"))
            rounds = number(argv, &i);
        else
            wrong = 1;
    }
    if (wrong || rows == 0 || rows > KITH_MAX_ROWS || dim == 0 || dim > KITH_MAX_DIM ||
        rounds == 0 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_kernels [--json] [--isa NAME] [--rows N] [--dim 1…%u] "
                        "[--rounds 1…%d]\n",
                KITH_MAX_DIM, ROUNDS_MAX);
        return 2;
    }
    make_data();
    plan(only);
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < n_things; i++) run_once(&things[i], round);
    print_all();
    free(buffer);
    free(results);
    return 0;
}
