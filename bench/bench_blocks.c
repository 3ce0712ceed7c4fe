/* bench_blocks [--json] [--isa NAME] [--rows N] [--queries N] [--rounds N]: every block slot of
 * every ISA this machine runs, beside the peak of the instruction that it lives on, measured in the
 * same run by a loop that does nothing else.
 *
 * Rows of 128 and of 960 components (8 times as many bits), as many as fill a quarter of a second
 * level cache, against 256 queries in panels of 32. Then exact search as it is done: N rows of 128
 * bytes in memory (1,000,000), in superblocks of 2048 that the panels of N queries (1000) pass
 * over. Thresholds are each query's 2nd best score of 16,384 rows: what a search has after a while.
 * Figures are medians of the rounds and the best; a round goes through everything, so that a busy
 * neighbour hits all alike.
 */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
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

enum {
    ROUNDS_MAX = 101,
    THINGS_MAX = 256,
    CACHED = 512 << 10,
    PANELS = 8,
    SUPERBLOCK = 2048,
    QUERIES_MAX = 4096,
    SAMPLE = 16384, // rows
    CAP = 1 << 16
};

static const char *const op_names[KI_BLOCK_OPS] = {
    "DOT_U8", "DOT_I8", "DOT_I7", "DOT_F32", "L2_F32", "L1_F32", "DOT_BF16", "HAMMING", "ANDS"};

static uint8_t *data[3], *panels; // rows: floats, bfloat16, bytes
static float *terms; // b of each row
static ki_hit *hits;
static size_t rows = 1000000, queries = 1000, rounds = 11;
static int json;
static uint8_t settled[64];

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- peaks ----------------------------------------------------------------------------------- */

enum { CHAINS = 12, TURNS = 100000 }; // chains for two units of latency 5, and some

#if KI_CPU_X86
#    define ALL(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#    define PEAK(name, isa, type, load, join, step)                                                \
        __attribute__((target(isa))) static void name(void)                                        \
        {                                                                                          \
            const type x = load((const void *)settled);                                            \
            type ALL(DECLARE_) sum = x;                                                            \
            ALL(APART_)                                                                            \
            for (int t = 0; t < TURNS; t++) {                                                      \
                ALL(step)                                                                          \
            }                                                                                      \
            ALL(join)                                                                              \
            memcpy(settled, &sum, sizeof sum);                                                     \
        }
#    define DECLARE_(i) a##i = x,
/* The compiler must not see that all chains are the same, or it runs one. */
#    define APART_(i) __asm__("" : "+x"(a##i));
#    define FMA256(i) a##i = _mm256_fmadd_ps(x, x, a##i);
#    define FMA512(i) a##i = _mm512_fmadd_ps(x, x, a##i);
#    define MADD256(i) a##i = _mm256_add_epi32(a##i, _mm256_madd_epi16(a##i, x));
#    define MADD512(i) a##i = _mm512_add_epi32(a##i, _mm512_madd_epi16(a##i, x));
#    define PAIRS256(i)                                                                            \
        a##i = _mm256_add_epi32(a##i, _mm256_madd_epi16(_mm256_maddubs_epi16(a##i, x), x));
#    define PAIRS512(i)                                                                            \
        a##i = _mm512_add_epi32(a##i, _mm512_madd_epi16(_mm512_maddubs_epi16(a##i, x), x));
#    define VNNI512(i) a##i = _mm512_dpbusd_epi32(a##i, x, x);
#    define COUNT512(i) a##i = _mm512_popcnt_epi32(a##i);
#    define BF16_512(i) a##i = _mm512_dpbf16_ps(a##i, (__m512bh)x, (__m512bh)x);
#    define ADD256F(i) sum = _mm256_add_ps(sum, a##i);
#    define ADD512F(i) sum = _mm512_add_ps(sum, a##i);
#    define ADD256I(i) sum = _mm256_add_epi32(sum, a##i);
#    define ADD512I(i) sum = _mm512_add_epi32(sum, a##i);
#    define LOAD256I(p) _mm256_loadu_si256((const __m256i *)(p))
PEAK(fma256, "avx2,fma", __m256, _mm256_loadu_ps, ADD256F, FMA256)
PEAK(fma512, "avx512f", __m512, _mm512_loadu_ps, ADD512F, FMA512)
PEAK(madd256, "avx2", __m256i, LOAD256I, ADD256I, MADD256)
PEAK(madd512, "avx512bw", __m512i, _mm512_loadu_si512, ADD512I, MADD512)
PEAK(pairs256, "avx2", __m256i, LOAD256I, ADD256I, PAIRS256)
PEAK(pairs512, "avx512bw", __m512i, _mm512_loadu_si512, ADD512I, PAIRS512)
PEAK(vnni512, "avx512vnni", __m512i, _mm512_loadu_si512, ADD512I, VNNI512)
PEAK(count512, "avx512vpopcntdq", __m512i, _mm512_loadu_si512, ADD512I, COUNT512)
PEAK(bf16_512, "avx512bf16", __m512, _mm512_loadu_ps, ADD512F, BF16_512)

static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t tile_rows[16];
} tiles = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

/* Four sums of tiles 4 and 5 with 6 and 7: as many products at a time as there are registers for.
 */
#    define TILES(name, needs, product)                                                            \
        __attribute__((target(needs))) static void name(void)                                      \
        {                                                                                          \
            _tile_loadconfig(&tiles);                                                              \
            for (int t = 0; t < TURNS / 10; t++) {                                                 \
                product(0, 4, 6);                                                                  \
                product(1, 4, 7);                                                                  \
                product(2, 5, 6);                                                                  \
                product(3, 5, 7);                                                                  \
            }                                                                                      \
            _tile_release();                                                                       \
        }
TILES(tiles_u8, "amx-tile,amx-int8", _tile_dpbusd)
TILES(tiles_bf16, "amx-tile,amx-bf16", _tile_dpbf16ps)
#endif

/* Which operations a peak is the peak of. */
enum { FLOATS = 1, BYTES = 2, BFLOATS = 4, BITS = 8, SHORT = 16 };

static const struct peak {
    const char *isa, *name;
    unsigned of;
    double adds; // multiply-adds (of bits: bits) of a run
    void (*run)(void);
} peaks[] = {
#if KI_CPU_X86
    {"avx2", "f32 FMA, 256 bits", FLOATS | BFLOATS, 8.0 * CHAINS * TURNS, fma256},
    {"avx2", "16-bit multiply-add, 256 bits", BYTES, 16.0 * CHAINS * TURNS, madd256},
    {"avx512", "f32 FMA, 512 bits", FLOATS | BFLOATS, 16.0 * CHAINS * TURNS, fma512},
    {"avx512", "16-bit multiply-add, 512 bits", BYTES, 32.0 * CHAINS * TURNS, madd512},
    {"avx2", "bytes in pairs, 256 bits", SHORT, 32.0 * CHAINS * TURNS, pairs256},
    {"avx512", "bytes in pairs, 512 bits", SHORT, 64.0 * CHAINS * TURNS, pairs512},
    {"vnni", "vpdpbusd, 512 bits", BYTES | SHORT, 64.0 * CHAINS * TURNS, vnni512},
    {"popcnt512", "vpopcntd, 512 bits", BITS, 512.0 * CHAINS * TURNS, count512},
    {"avx512bf16", "vdpbf16ps, 512 bits", BFLOATS, 32.0 * CHAINS * TURNS, bf16_512},
    {"amx", "tdpbusd", BYTES | SHORT, 4.0 * 16 * 16 * 64 * (TURNS / 10), tiles_u8},
    {"amx", "tdpbf16ps", BFLOATS, 4.0 * 16 * 16 * 32 * (TURNS / 10), tiles_bf16},
#endif
    {"", "", 0, 0.0, NULL},
};

static unsigned kind_of(ki_block_op op)
{
    switch (op) {
    case KI_BLOCK_DOT_F32:
    case KI_BLOCK_L2_F32:
    case KI_BLOCK_L1_F32: return FLOATS;
    case KI_BLOCK_DOT_BF16: return BFLOATS;
    case KI_BLOCK_HAMMING:
    case KI_BLOCK_ANDS: return BITS;
    case KI_BLOCK_DOT_U8:
    case KI_BLOCK_DOT_I8:
    case KI_BLOCK_DOT_I7:
    case KI_BLOCK_OPS: break;
    }
    return BYTES;
}

/* ---- what is timed --------------------------------------------------------------------------- */

typedef struct thing {
    const struct peak *peak; // a peak, or
    const ki_isa *isa;       // a slot:
    ki_block_op op;
    ki_block_fn *block;
    size_t d, n, nq, superblock;
    float *thr; // [nq], up to a whole panel
    double seconds[ROUNDS_MAX];
    size_t n_hits;
} thing;

static thing things[THINGS_MAX];
static size_t n_things;

static size_t row_bytes(const thing *t)
{
    const unsigned kind = kind_of(t->op);

    return kind == FLOATS ? 4 * t->d : kind == BFLOATS ? 2 * t->d : kind == BITS ? t->d / 8 : t->d;
}

static void plan_slots(const ki_isa *isa)
{
    static const size_t dims[] = {128, 960};
    ki_kernels k = {0};

    isa->fill(&k);
    for (int op = 0; op < KI_BLOCK_OPS; op++)
        for (size_t i = 0; i < 2 && k.block[op] && n_things < THINGS_MAX; i++) {
            thing *t = &things[n_things++];
            *t = (thing){.isa = isa, .op = (ki_block_op)op, .block = k.block[op], .d = dims[i],
                         .nq = PANELS * KI_PANEL};
            // Bits come in thousands.
            if (kind_of(t->op) == BITS) t->d *= 8;
            t->n = t->superblock = CACHED / row_bytes(t);
        }
    if (k.block[KI_BLOCK_DOT_U8] && isa->needs && n_things < THINGS_MAX)
        things[n_things++] = (thing){.isa = isa, .op = KI_BLOCK_DOT_U8, .d = 128, .n = rows,
                                     .block = k.block[KI_BLOCK_DOT_U8], .nq = queries,
                                     .superblock = SUPERBLOCK};
}

static void plan(const char *only)
{
    const ki_isa *isa;

    for (size_t i = 0; (isa = ki_isa_at(i)); i++) {
        if (isa->needs & ~ki_cpu_features() || (only && strcmp(only, isa->name))) continue;
        for (const struct peak *p = peaks; p->run; p++)
            if (!strcmp(isa->name, p->isa)) things[n_things++].peak = p;
        plan_slots(isa);
    }
}

static size_t panel_bytes(const thing *t)
{
    return ki_panel_bytes(row_bytes(t));
}

static const uint8_t *data_of(const thing *t)
{
    return data[kind_of(t->op) == FLOATS ? 0 : kind_of(t->op) == BFLOATS ? 1 : 2];
}

static void pack_panels(const thing *t)
{
    const size_t row = row_bytes(t);

    for (size_t q = 0; q < t->nq; q += KI_PANEL)
        ki_pack_panel(data_of(t) + (SAMPLE + q) * row, row,
                      t->nq - q < KI_PANEL ? t->nq - q : KI_PANEL, row,
                      panels + q / KI_PANEL * panel_bytes(t));
    if (t->op == KI_BLOCK_DOT_I7) // queries of -64…64
        for (size_t i = 0; i < panel_bytes(t) * ((t->nq + KI_PANEL - 1) / KI_PANEL); i++)
            panels[i] = (uint8_t)((int8_t)panels[i] / 2);
}

/* Rows first…first + n against all panels. best: NULL, or each query's two best scores. */
static size_t run_panels(const thing *t, ki_block_fn *block, size_t first, size_t n,
                         const float *thr, float (*best)[2])
{
    size_t total = 0;

    for (size_t q = 0; q < t->nq; q += KI_PANEL) {
        ki_block job = {.rows = data_of(t) + first * row_bytes(t), .stride = row_bytes(t), .n = n,
                        .d = t->d, .panel = panels + q / KI_PANEL * panel_bytes(t),
                        .nq = t->nq - q < KI_PANEL ? t->nq - q : KI_PANEL, .b = terms + first,
                        .thr = thr + q, .hits = hits, .cap = CAP};

        while (job.row < job.n) {
            const size_t got = block(&job);

            total += got;
            for (size_t i = 0; best && i < got; i++) {
                const float c = kind_of(t->op) & (BYTES | BITS) ? (float)hits[i].c.i : hits[i].c.f;
                const float score = c - job.b[hits[i].row];
                float *const two = best[q + hits[i].query];

                if (score > two[0]) {
                    two[1] = two[0];
                    two[0] = score;
                } else if (score > two[1]) {
                    two[1] = score;
                }
            }
        }
    }
    return total;
}

static void find_thresholds(thing *t)
{
    static float best[QUERIES_MAX][2];
    const size_t lanes = (t->nq + KI_PANEL - 1) / KI_PANEL * KI_PANEL;

    t->thr = aligned_alloc(64, lanes * sizeof *t->thr);
    if (!t->thr) exit(1);
    for (size_t q = 0; q < lanes; q++) t->thr[q] = q < t->nq ? -INFINITY : INFINITY;
    for (size_t q = 0; q < t->nq; q++) best[q][0] = best[q][1] = -INFINITY;
    pack_panels(t);
    run_panels(t, ki_kernels_get()->block[t->op], 0, SAMPLE, t->thr, best);
    for (size_t q = 0; q < t->nq; q++) t->thr[q] = best[q][1];
}

static void run_slot(thing *t, size_t round)
{
    double begin;

    if (!t->thr) find_thresholds(t);
    pack_panels(t);
    t->n_hits = 0;
    begin = now();
    for (size_t at = 0; at < t->n; at += t->superblock)
        t->n_hits += run_panels(
            t, t->block, at, t->n - at < t->superblock ? t->n - at : t->superblock, t->thr, NULL);
    t->seconds[round] = now() - begin;
}

static void run_once(thing *t, size_t round)
{
    double begin;

    if (!t->peak) {
        run_slot(t, round);
        return;
    }
    memset(settled, 0, sizeof settled); // sums of zeros: no denormals, no infinities
    begin = now();
    t->peak->run();
    t->seconds[round] = now() - begin;
}

/* ---- figures --------------------------------------------------------------------------------- */

static double seconds_of(thing *t)
{
    return median(t->seconds, rounds);
}

/* Multiply-adds a second. */
static double peak_of(const thing *t, const double *rate)
{
    const unsigned kind = t->op == KI_BLOCK_DOT_I7 ? SHORT : kind_of(t->op);

    for (size_t i = 0; peaks[i].run; i++)
        if (!strcmp(peaks[i].isa, t->isa->name) && peaks[i].of & kind) return rate[i];
    return 0.0;
}

static void print_slot(thing *t, const double *rate)
{
    const double pairs = (double)t->n * (double)t->nq, took = seconds_of(t) / pairs * 1e9;
    const double peak = peak_of(t, rate);
    const double least = peak > 0.0 ? (double)t->d / peak * 1e9 : 0.0;

    printf(json
               ? "{\"isa\": \"%s\", \"op\": \"%s\", \"dim\": %zu, \"rows\": %zu, \"queries\": %zu, "
                 "\"floor_ns\": %.4f, \"ns\": %.4f, \"best_ns\": %.4f, \"fraction\": %.3f, "
                 "\"queries_per_s\": %.0f, \"hits\": %zu}\n"
               : "%-10s %-8s %5zu %8zu %7zu %9.4f %9.4f %9.4f %8.2f %10.0f %8zu\n",
           t->isa->name, op_names[t->op], t->d, t->n, t->nq, least, took,
           t->seconds[0] / pairs * 1e9, least / took, (double)t->nq / seconds_of(t), t->n_hits);
}

static void print_all(void)
{
    double rate[sizeof peaks / sizeof *peaks] = {0};

    for (size_t i = 0; i < n_things; i++)
        if (things[i].peak)
            rate[things[i].peak - peaks] = things[i].peak->adds / seconds_of(&things[i]);
    for (size_t i = 0; peaks[i].run; i++)
        if (rate[i] > 0.0)
            printf(json ? "{\"peak\": \"%s\", \"giga_per_s\": %.1f}\n"
                        : "%s: %.1f G multiply-adds/s\n", peaks[i].name, rate[i] * 1e-9);
    if (!json)
        printf("%-10s %-8s %5s %8s %7s %9s %9s %9s %8s %10s %8s\n", "isa", "op", "dim", "rows",
               "queries", "floor ns", "ns a pair", "best", "fraction", "queries/s", "hits");
    for (size_t i = 0; i < n_things; i++)
        if (things[i].isa) print_slot(&things[i], rate);
}

static uint32_t draw(void)
{
    static uint64_t state = 20240607;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

/* Integers 0…255 as floats and as bfloat16; bytes. Rows and terms for what is timed, for the sample
 * and, behind it, for the queries. */
static void make_data(void)
{
    const size_t largest = (SAMPLE + PANELS * KI_PANEL) * 960;
    const size_t many = (SAMPLE > rows ? SAMPLE : rows) + queries;
    const size_t bytes = largest > many * 128 ? largest : many * 128; // all are multiples of 64

    data[0] = aligned_alloc(64, 4 * largest); // as rows are stored; astride lines costs up to twice
    data[1] = aligned_alloc(64, 2 * largest);
    data[2] = aligned_alloc(64, bytes);
    panels = aligned_alloc(64, ki_panel_bytes(960 * 4) * (PANELS + queries / KI_PANEL + 1));
    terms = aligned_alloc(64, (many + 15) / 16 * 16 * sizeof *terms);
    hits = malloc(CAP * sizeof *hits);
    if (!data[0] || !data[1] || !data[2] || !panels || !terms || !hits) {
        fprintf(stderr, "bench_blocks: no memory for %zu bytes\n", 6 * largest + bytes);
        exit(1);
    }
    for (size_t i = 0; i < largest; i++) {
        const float v = (float)(draw() & 255);
        uint32_t u;

        memcpy(&u, &v, sizeof u);
        memcpy(data[0] + 4 * i, &u, 4);
        memcpy(data[1] + 2 * i, &(uint16_t){(uint16_t)(u >> 16)}, 2);
    }
    for (size_t i = 0; i < bytes; i++) data[2][i] = (uint8_t)draw();
    for (size_t i = 0; i < many; i++) terms[i] = (float)(draw() & 1023);
}

/* 0, which no option takes, for what is no number. */
static size_t number(const char *text)
{
    return text ? strtoul(text, NULL, 10) : 0;
}

int main(int argc, char **argv)
{
    const char *only = NULL;

    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--json"))
            json = 1;
        else if (!strcmp(argv[i], "--isa"))
            only = argv[++i];
        else if (!strcmp(argv[i], "--rows"))
            rows = number(argv[++i]);
        else if (!strcmp(argv[i], "--queries"))
            queries = number(argv[++i]);
        else if (!strcmp(argv[i], "--rounds"))
            rounds = number(argv[++i]);
        else
            rows = 0;
    }
    if (rows == 0 || queries == 0 || queries > QUERIES_MAX || rounds == 0 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_blocks [--json] [--isa NAME] [--rows N] [--queries 1…%d] "
                        "[--rounds 1…%d]\n", QUERIES_MAX, ROUNDS_MAX);
        return 2;
    }
    make_data();
    plan(only);
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < n_things; i++) run_once(&things[i], round);
    print_all();
    for (size_t i = 0; i < n_things; i++) free(things[i].thr);
    for (size_t i = 0; i < 3; i++) free(data[i]);
    free(panels);
    free(terms);
    free(hits);
    return 0;
}
