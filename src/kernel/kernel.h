/* The kernel table: arithmetic on vectors, loops only. What lives here: the slots that every floor
 * above calls, and how they are resolved. What does not: types of rows, ids, thresholds' meaning.
 *
 * A slot never allocates, never fails, never branches on the CPU. The plain C version (isa/scalar)
 * defines each slot and fills all of them; the other ISAs override what they do better. The table
 * is resolved once from CPUID and the operating system's word and narrowed by KITH_CPU.
 *
 * Shapes of work:
 *   scan    one query x contiguous rows (n = 1: one pair)
 *   gather  one query x rows given by position, prefetched
 *   visit   one query x rows given by address, which the caller has asked for; meanwhile the rows
 *           that it will ask about next are asked for
 *   block   a panel of up to 32 queries x contiguous rows, fused with a threshold filter
 *   products6   a panel x rows of short bytes, all sums
 *
 * No alignment is assumed of queries and rows (memcpy or unaligned loads); out, panels, a, b and
 * thr are 64-byte aligned. Nothing is read before the first or after the last byte of what is
 * passed: rows may end at a guard page.
 */
#ifndef KI_KERNEL_H
#define KI_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#include "kith.h"

/* Element type of stored rows. CODED: only a codec reads them, and there are no slots. */
typedef enum ki_type {
    KI_F32,
    KI_F16,
    KI_BF16,
    KI_I8,
    KI_U8,
    KI_BITS,
    KI_TYPES,
    KI_CODED = KI_TYPES
} ki_type;

/* Operations of scan, gather and visit. The query is float[d] for rows of f32, f16, bf16; int8_t[d]
 * for i8, uint8_t[d] for u8, packed bits ((d + 7) / 8 bytes, padding bits zero) for bits; for DOT4
 * it is a ki_query4 and the rows are one of the two planes of u8 scan codes; for GRID4 it is a
 * ki_grid4 and the rows are codes of four bits in the layout of such a plane.
 *
 * Results: float for rows of f32, f16, bf16; int32_t for i8, u8 and bits. TWO results a row
 * (out[2*i], out[2*i+1]) where "two" is said. d <= KITH_MAX_DIM, so int32 sums never overflow.
 *
 * Float error bound, which callers rely on: each sum is over at most d products or differences in
 * some order, each term rounded at most 3 times, so |err| <= (d + 4) * 2^-24 * (sum of |terms|)
 * + d * 2^-149 (gradual underflow; no flush to zero). Where the |terms| add up to more than
 * FLT_MAX the result may be infinite or NaN: such a caller decides by the definition. */
typedef enum ki_op {
    KI_L2,       /* sum (q-x)^2                        f32 f16 bf16 i8 u8 */
    KI_IP,       /* sum q*x                            f32 f16 bf16 i8 u8 */
    KI_DOT2,     /* two: sum q*x, sum x*x              f32 f16 bf16 i8 u8 */
    KI_L1,       /* sum |q-x|                          f32 f16 bf16 i8 u8 */
    KI_LINF,     /* max |q-x|                          f32 */
    KI_CANBERRA, /* sum |q-x| / (|q|+|x|), 0/0 = 0     f32; each term within 4 * 2^-24 relative */
    KI_BRAY2,    /* two: sum |q-x|, sum |q+x|          f32 */
    KI_MINMAX2,  /* two: sum min(q,x), sum max(q,x)    f32 */
    KI_HAMMING,  /* bits that differ                   bits */
    KI_ANDOR2,   /* two: bits in both, bits in either  bits */
    KI_DOT4,     /* sum w*h of 8-bit query w and a plane of 4-bit halves h    u8 only */
    KI_GRID4,    /* sum (q-level[c])^2 of 7-bit query q and 4-bit codes c     u8 only */
    KI_OPS
} ki_op;

/* Planes: the high and the low four bits of bytes apart, half a byte a component. Byte j of a row's
 * ki_plane(d) bytes holds component j in its low half and component j + ki_plane(d) in its high
 * half, 0 where there is none. */
static inline size_t ki_plane(size_t d)
{
    return (d + 1) / 2;
}

/* The query of KI_DOT4: the components that meet the low halves and those that meet the high ones,
 * [ki_plane(d)] each; 0 where there is none. */
typedef struct ki_query4 {
    const int8_t *low, *high;
} ki_query4;

/* The query of KI_GRID4: 0…127 each. Components as in ki_query4, and what each of the 16 codes
 * stands for. Where d is odd, a plane's last high half is a component too many: the row has code 0
 * there, the query level[0], and so it adds nothing. */
typedef struct ki_grid4 {
    const uint8_t *low, *high; /* [ki_plane(d)] each */
    uint8_t level[16];
} ki_grid4;

/* stride: bytes from row to row, >= the row's bytes. */
typedef void ki_scan(const void *q, const void *rows, size_t stride, size_t n, size_t d, void *out);
/* Row i is rows + pos[i] * stride. */
typedef void ki_gather(const void *q, const void *rows, size_t stride, const uint32_t *pos,
                       size_t n, size_t d, void *out);
/* Row i begins at rows[i]. What gather gives, bit for bit, without its prefetching: next is NULL or
 * n addresses of rows, or of anything, whose lines are asked for between the steps of those of
 * rows (plain C does not). All at once they would wait for one another, and all else for them. */
typedef void ki_visit(const void *q, const void *const *rows, const void *const *next, size_t n,
                      size_t d, void *out);

/* ---- many x many ----------------------------------------------------------------------------- */

enum { KI_PANEL = 32, KI_LANES = 16 }; /* queries of a panel; of each of its halves */

/* What a block computes for each (row, query): C = …, then keeps it if
 *     !(a[row] * C - b[row] < thr[query])       (so a NaN is kept)
 * in float arithmetic rounded at most once an operation: C from int32 to float (exactly rounded),
 * times a, minus b. Callers widen thr by what that can lose. */
typedef enum ki_block_op {
    KI_BLOCK_DOT_U8,   /* int32 sum of u8 row x s8 query  */
    KI_BLOCK_DOT_I8,   /* int32 sum of i8 row x s8 query  */
    KI_BLOCK_DOT_I7,   /* the same with queries of -KI_SHORT…KI_SHORT: faster on some ISAs */
    KI_BLOCK_DOT_F32,  /* float sum of f32 row x f32 query;
                         |err| <= (d+4) 2^-24 sum|terms| + d 2^-149 */
    KI_BLOCK_L2_F32,   /* float sum (q-x)^2, f32          */
    KI_BLOCK_L1_F32,   /* float sum |q-x|, f32            */
    KI_BLOCK_DOT_BF16, /* float sum of bf16 row x bf16 query; denormals may be flushed, in inputs
                          and sums: |err| <= (d+4) 2^-24 sum|terms|
                                             + 2 d 2^-126 (1 + max|q| + max|x|) */
    KI_BLOCK_HAMMING,  /* int32 bits that differ          */
    KI_BLOCK_ANDS,     /* int32 bits in both              */
    KI_BLOCK_OPS
} ki_block_op;
enum { KI_SHORT = 64 }; /* the largest component of a query of DOT_I7, either sign */

/* C is kept as its 32 bits: int32 or float, by the op. */
typedef struct ki_hit {
    uint32_t row, query; /* row of the block, lane of the panel */
    union {
        int32_t i;
        float f;
    } c;
} ki_hit;

typedef struct ki_block {
    const void *rows; /* [n] rows, row-major */
    size_t stride, n, d;
    const void *panel;  /* packed queries: ki_pack_panel */
    size_t nq;          /* 1…KI_PANEL; <= KI_LANES computes the first half only */
    const float *a, *b; /* [n] each; NULL = all 1, all 0 */
    const float *thr;   /* [KI_PANEL]; +INFINITY in unused lanes */
    ki_hit *hits;       /* [cap], cap >= KI_HITS_MIN */
    size_t cap;
    size_t row; /* in: first row to do; out: first row not done (n: all done) */
} ki_block;
/* Scan rows from job->row on and append what passes; returns the number of hits. Ends early, with
 * job->row < job->n, when a further tile of rows might not fit into hits. Hits come in no order. */
typedef size_t ki_block_fn(ki_block *job);
enum { KI_ROW_TILE = 32, KI_HITS_MIN = 2 * KI_ROW_TILE * KI_PANEL };

/* Layout of a panel, the same for every ISA: two halves of 16 queries; a half is lines of 64 bytes,
 * line g holds for each of its 16 queries 4 bytes: the g-th 4 bytes of that query (4 x s8, 2 x
 * bf16, 1 x f32, 32 bits). Lines are padded with zeros to a multiple of 16; missing queries are
 * zero. */
size_t ki_panel_bytes(size_t row_bytes); /* both halves */
/* queries: nq rows of row_bytes bytes each, stride apart. panel: ki_panel_bytes, 64-byte
 * aligned. */
void ki_pack_panel(const void *queries, size_t stride, size_t nq, size_t row_bytes, void *panel);

/* All sums of n rows with a panel's nq queries to out [n][KI_PANEL], 64-byte aligned (what is
 * beyond nq is whatever it is): rows of 0…63, queries of -32…31, so that an ISA without exact sums
 * of products can add some before it widens them. For rows of our own making: n >= KI_LANES, d a
 * multiple of KI_PANEL. */
typedef void ki_products(const void *rows, size_t stride, size_t n, size_t d, const void *panel,
                         size_t nq, int32_t *out);

/* ---- conversions and checks ------------------------------------------------------------------ */

/* A test of scan codes by the products of their halves (rows/scanfilter.c): row i passes when
 *     !(k * half_norm - unit * scale * (I + slack) > edge),   I = 32 high + 2 low - bias,
 * I in int32, the rest in float with any order of operations. */
typedef struct ki_code_test {
    const int32_t *high, *low;      /* [n] each; low NULL: 0 */
    const float *half_norm, *scale; /* [n] each */
    int32_t bias;
    float slack, k, unit, edge;
} ki_code_test;

typedef struct ki_kernels {
    ki_scan *scan[KI_OPS][KI_TYPES];
    ki_gather *gather[KI_OPS][KI_TYPES];
    ki_visit *visit[KI_OPS][KI_TYPES];
    ki_block_fn *block[KI_BLOCK_OPS];
    ki_products *products6;
    ki_block_op code_op;  /* DOT_I8, or DOT_I7 where it is much faster: for scan codes */
    size_t code_least;    /* queries from which a panel beats DOT4 for each of them */
    ki_block_op float_op; /* DOT_F32, or DOT_BF16 where it is much faster: to sieve floats */
    void (*f32_from_f16)(const void *src, size_t n, float *out);
    void (*f32_from_bf16)(const void *src, size_t n, float *out);
    void (*f16_from_f32)(const void *src, size_t n, void *out);  /* nearest even; overflow = inf */
    void (*bf16_from_f32)(const void *src, size_t n, void *out); /* nearest even */
    void (*f32_from_u8)(const void *src, size_t n, float *out);
    void (*f32_from_i8)(const void *src, size_t n, float *out);
    /* Index of the first float that is NaN or infinite, n if none. */
    size_t (*find_nonfinite)(const void *src, size_t n);
    /* Index of the first float that is no integer in lo…hi (-0.0 counts as none), n if none; */
    size_t (*find_noninteger)(const void *src, size_t n, float lo, float hi);
    /* Sum of components and of squares of each u8 or i8 row: out[2*i], out[2*i+1] (int32). */
    void (*sums_u8)(const void *rows, size_t stride, size_t n, size_t d, int32_t *out);
    void (*sums_i8)(const void *rows, size_t stride, size_t n, size_t d, int32_t *out);
    /* The numbers of the rows of 0…n-1 that pass, ascending, to pos [n]; returns how many. */
    size_t (*code_test)(const ki_code_test *t, size_t n, uint32_t *pos);
    /* The n rows of d bytes whose planes these are, side by side, with the bits of `flip` flipped
     * in each byte. */
    void (*join_planes)(const void *high, const void *low, size_t n, size_t d, uint8_t flip,
                        void *out);
    /* Index of the smallest of n >= 1 floats, none a NaN, the first of those that are equal; n <=
     * 2^24. key is 64-byte aligned and readable up to the next multiple of 16 floats: what is there
     * is no NaN and not below the smallest, +INFINITY for one. */
    size_t (*least)(const float *key, size_t n);
    /* The fast Walsh-Hadamard transform in place, not normalised; n is a power of two. For h = 1,
     * 2, 4…: (a, b) becomes (a + b, a - b) for components h apart. Each result is one rounded
     * operation, so that all ISAs give the same bits. */
    void (*hadamard)(float *x, size_t n);
} ki_kernels;

/* The table in use, resolved at the first call (thread-safe); never changes afterwards. */
const ki_kernels *ki_kernels_get(void);

/* ---- ISAs: for tests, benches and kith_list -------------------------------------------------- */

typedef struct ki_isa {
    const char *name;
    uint64_t needs;              /* KI_CPU_* of base/cpu.h */
    void (*fill)(ki_kernels *k); /* sets the slots this ISA has, leaves the others */
} ki_isa;
/* The i-th ISA this build knows, best last ("scalar" is 0); NULL after the last. Whether the CPU
 * runs it: (isa->needs & ~ki_cpu_features()) == 0. */
const ki_isa *ki_isa_at(size_t i);
/* The table made of scalar and of each ISA that `features` allow, in order. */
void ki_kernels_resolve(uint64_t features, ki_kernels *out);
/* Which ISA's function a slot of the table in use is; "?" if none. */
const char *ki_kernels_origin(const void *slot_address, const ki_kernels *k);

/* ---- metrics and their definition ------------------------------------------------------------ */

typedef struct ki_metric {
    kith_metric id;
    const char *name, *aliases, *about;
    int similarity;  /* larger is nearer, outside */
    int nonnegative; /* rows and queries must be >= 0 */
    int bits;        /* 0: not on bits, 1: on bits too, 2: on bits only */
} ki_metric;
const ki_metric *ki_metric_at(size_t i);      /* NULL after the last */
const ki_metric *ki_metric_of(kith_metric m); /* NULL when unknown */

/* The canonical key of two rows: smaller is nearer (a similarity is negated, never to -0). Doubles,
 * summed in index order, no fused operation: the definition that every answer comes from. arg: p of
 * LP. Unaligned rows are fine. */
double ki_canon_f32(kith_metric m, double arg, const void *q, const void *x, size_t d);
/* HAMMING, JACCARD on packed bits. */
double ki_canon_bits(kith_metric m, const void *q, const void *x, size_t d);
/* From key to the reported number and back. */
double ki_report(kith_metric m, double key);

#endif
