/* What a walk sees of a row: its walk code, short integers whose L2 orders rows as the metric does.
 *
 *   OWN    the row's own bytes, where all are in one scale (U8, I8, uniform SQ8; L2): distances of
 *          rows are exact, or of SQ8 as near as decoding rounds
 *   CODE   8 bits a component of the row turned by a random rotation (L2, IP, COSINE of any codec):
 *          near enough to decide where to go; answers are ranked by the rows themselves. Where it
 *          has many components a walk reads the high 4 bits of each, which lie apart: half the
 *          bytes; what it found is looked at again with all 8
 *   SHORT  8 bits of each of fewer components, the principal ones of long rows of bytes
 *          (shorten.h); ranked by the rows as well
 *   ROWS   the rows as they are, under their metric (all others; L2 where 8 bits are too coarse)
 *
 * COSINE walks among rows at length 1. IP does, too: a row x is divided by the largest length M and
 * lifted by one component to length 1 (Bachrach et al. 2014), which turns the largest product into
 * the nearest; the query has 0 there. Rotation: rounds of random signs and Hadamard transforms on
 * powers of two (Ailon and Chazelle 2006), so that no component is heavy-tailed and one scale fits
 * all. All arithmetic here is the same on every machine: a code is a pure function of the row, the
 * lens and the seed. */
#ifndef KI_LENS_H
#define KI_LENS_H

#include "rows/exact.h"

typedef enum ki_lens_kind {
    KI_LENS_OWN = 1,
    KI_LENS_CODE = 2,
    KI_LENS_ROWS = 3,
    KI_LENS_SHORT = 4
} ki_lens_kind;

/* Halves of codes would lump near rows; they tell them apart, if not well; they do. */
typedef enum ki_halves { KI_HALVES_LUMP, KI_HALVES_POOR, KI_HALVES_GOOD } ki_halves;

/* What walks read by default: a row or code as it is, halves of codes, short codes of bytes. */
typedef enum ki_layout { KI_LAYOUT_WHOLE, KI_LAYOUT_HALVES, KI_LAYOUT_SHORT } ki_layout;

enum { KI_LENS_ROUNDS = 3 };

/* How a lens is learned. */
typedef struct ki_lens_how {
    uint64_t seed;
    uint32_t dims; /* components of codes of long rows; 0: what is best (ki_shorten_to) */
    size_t threads;
    ki_progress *progress; /* polled; NULL: none */
} ki_lens_how;

/* owns: centre, turn, basis. Immutable once its graph is made; shared by structures. */
typedef struct ki_lens {
    atomic_size_t refs;
    ki_env *env;
    ki_lens_kind kind;
    ki_type type; /* of walk codes, for kernel slots */
    ki_type rows; /* of the rows themselves */
    kith_metric metric;
    size_t d;         /* components of a row */
    size_t wide;      /* bytes of a code, which are its components, too (but for ROWS) */
    size_t bytes;     /* of a walk code: the whole code, or its high halves alone */
    bool halved;      /* CODE: walks see the high halves */
    ki_halves halves; /* what was learned of them; not in files */
    uint64_t seed;    /* of the rotation */
    /* M of IP: at least the length of each row that was there. SHORT: by so much at most are sums
     * farther apart than their rows' bytes. */
    float longest;
    float scale;      /* CODE, SHORT: code = (turned or sums - centre) * scale + 128 */
    float low, unit;  /* OWN, SHORT: a component is low + unit * byte */
    float *centre;    /* [wide] */
    float *turn;      /* [KI_LENS_ROUNDS][wide] signs, times the round's factor */
    uint32_t learned; /* SHORT: rows that there were */
    int8_t *basis;    /* SHORT: [wide][d] */
} ki_lens;

/* A lens of which nothing but the seed is known; wide: SHORT, components of a code. */
kith_status ki_lens_create(ki_env *env, const ki_view *v, ki_lens_kind kind, size_t wide,
                           uint64_t seed, ki_lens **out);
/* By measurement, for n rows of d components: bytes that are walked as they are, or codes. */
ki_layout ki_lens_layout(bool bytes, size_t d, size_t n);
/* Whether rows may be seen through a lens of this kind. */
bool ki_lens_fits(const ki_view *v, uint32_t kind);
/* A lens for the n rows at pos, learned from a sample of them; not halved. CANCELLED. */
kith_status ki_lens_learn(ki_env *env, const ki_view *v, const uint32_t *pos, size_t n,
                          const ki_lens_how *how, ki_lens **out);
/* A lens that was just learned and nobody reads yet becomes a halved one, for codes of up to 4 bits
 * (more, and where halves lump near rows: it stays; 0: what is best by measurement). Whether. */
bool ki_lens_halve(ki_lens *l, uint32_t bits);
/* The same from its section: what ki_lens_put wrote. CORRUPT when it does not fit the view. */
kith_status ki_lens_read(ki_env *env, const ki_view *v, ki_span bytes, ki_lens **out);
size_t ki_lens_put_bytes(const ki_lens *l);
void ki_lens_put(const ki_lens *l, uint8_t *out);
/* Whether the live rows from `first` on cannot be seen well: one is longer than any that can be
 * lifted; they lie apart from the basis of short codes. */
kith_status ki_lens_outgrown(const ki_lens *l, const ki_view *v, uint32_t first, bool *out);

ki_lens *ki_lens_share(ki_lens *l); /* NULL is fine, here and below */
void ki_lens_release(ki_lens *l);

/* Whether codes lie beside the rows. */
static inline bool ki_lens_codes(const ki_lens *l)
{
    return l->kind == KI_LENS_CODE || l->kind == KI_LENS_SHORT;
}

/* Bytes of what is looked for. */
static inline size_t ki_lens_query_bytes(const ki_lens *l)
{
    return l->wide + (l->kind == KI_LENS_SHORT ? l->d : 0);
}

/* Floats of scratch for the next two. */
size_t ki_lens_room(const ki_lens *l);
/* CODE, SHORT: the code of a stored row to out [wide]. */
void ki_lens_row(const ki_lens *l, const ki_view *v, uint32_t pos, float *room, uint8_t *out);
/* All but ROWS: that of a query, float[d], and SHORT: behind it the nearest bytes of a row, [d].
 * True when walk distances are the metric's own keys. */
bool ki_lens_query(const ki_lens *l, const float *q, float *room, uint8_t *out);
/* CODE, SHORT: how far the query whose code was just made in room lies from it, being beyond what a
 * code reaches; in its steps. */
float ki_lens_beyond(const ki_lens *l, const float *room);
/* Halved: a code [wide] to its halves, [bytes] each, in the layout of planes (kernel.h). */
void ki_lens_split(const ki_lens *l, const uint8_t *code, uint8_t *high, uint8_t *low);
/* The walk distance within which rows with keys up to `key` lie, `off` of the square root more
 * allowed for; INFINITY when it cannot be told. */
float ki_lens_reach(const ki_lens *l, const float *q, double key, float off);
/* Turn x [wide] at random, which leaves its length. */
void ki_lens_turn(const ki_lens *l, float *x);

#endif
