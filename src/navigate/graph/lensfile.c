/* Lenses to their section and back; docs/FORMAT.md, "GLEN", describes its bytes. */
#include <math.h>
#include <string.h>

#include "navigate/graph/lens.h"

enum { HEAD = 64 }; /* bytes before the centre */

/* Of what follows the head. */
static size_t put_centre(const ki_lens *l)
{
    return ki_lens_codes(l) ? l->wide * sizeof(float) : 0;
}

static size_t put_basis(const ki_lens *l)
{
    return l->kind == KI_LENS_SHORT ? l->wide * l->d : 0;
}

size_t ki_lens_put_bytes(const ki_lens *l)
{
    return HEAD + put_centre(l) + put_basis(l);
}

void ki_lens_put(const ki_lens *l, uint8_t *out)
{
    memset(out, 0, HEAD);
    ki_put_le32(out, (uint32_t)l->kind);
    ki_put_le32(out + 4, l->halved);
    ki_put_le64(out + 8, l->bytes);
    ki_put_le64(out + 16, l->seed);
    ki_put_le_f32(out + 24, l->longest);
    ki_put_le_f32(out + 28, l->scale);
    ki_put_le32(out + 32, l->kind == KI_LENS_SHORT ? l->learned : 0);
    if (!ki_lens_codes(l)) return;
    for (size_t i = 0; i < l->wide; i++) ki_put_le_f32(out + HEAD + 4 * i, l->centre[i]);
    if (l->basis) memcpy(out + HEAD + put_centre(l), l->basis, put_basis(l));
}

/* Components of a code, as a head of `kind` says; 0 where it may not. */
static size_t read_wide(const ki_view *v, uint32_t kind, uint64_t bytes)
{
    return kind == KI_LENS_SHORT && bytes < v->row_bytes && bytes % 16 == 0 ? (size_t)bytes : 0;
}

/* The numbers of l: those of the head, and the centre. */
static kith_status read_numbers(ki_lens *l, const uint8_t *from)
{
    l->longest = ki_le_f32(from + 24);
    l->scale = ki_le_f32(from + 28);
    l->learned = ki_le32(from + 32);
    if (!(l->longest > 0.0f && isfinite(l->longest) && l->scale > 0.0f && isfinite(l->scale)))
        return ki_fail(KITH_CORRUPT, "section GLEN: scale %g, longest %g", (double)l->scale,
                       (double)l->longest);
    for (size_t i = 0; ki_lens_codes(l) && i < l->wide; i++) {
        l->centre[i] = ki_le_f32(from + HEAD + 4 * i);
        if (!isfinite(l->centre[i]))
            return ki_fail(KITH_CORRUPT, "section GLEN: component %zu of the centre is not finite",
                           i);
    }
    return KITH_OK;
}

kith_status ki_lens_read(ki_env *env, const ki_view *v, ki_span bytes, ki_lens **out)
{
    kith_status st = KITH_OK;
    ki_lens *l = NULL;
    uint32_t kind;
    uint64_t width;
    size_t wide;

    if (bytes.len < HEAD) KI_FAIL(KITH_CORRUPT, "section GLEN has %zu bytes, no head", bytes.len);
    kind = ki_le32(bytes.ptr);
    width = ki_le64(bytes.ptr + 8);
    wide = read_wide(v, kind, width);
    if (!ki_lens_fits(v, kind))
        KI_FAIL(KITH_CORRUPT, "section GLEN: kind %u does not fit %s rows", kind, v->codec->name);
    if (ki_le32(bytes.ptr + 4) > (kind == KI_LENS_CODE))
        KI_FAIL(KITH_CORRUPT, "section GLEN: halved is %u", ki_le32(bytes.ptr + 4));
    if (kind == KI_LENS_SHORT && wide == 0)
        KI_FAIL(KITH_CORRUPT, "section GLEN: short codes of %llu bytes for rows of %zu",
                (unsigned long long)width, v->row_bytes);
    if (wide > 0 && bytes.len < wide * v->d) // before there is room for them
        KI_FAIL(KITH_CORRUPT, "section GLEN has %zu bytes, no basis of %zu by %zu", bytes.len, wide,
                v->d);
    KI_TRY(ki_lens_create(env, v, (ki_lens_kind)kind, wide, ki_le64(bytes.ptr + 16), &l));
    l->halved = ki_le32(bytes.ptr + 4) == 1;
    if (l->halved) l->bytes = ki_plane(l->wide);
    if (width != l->bytes)
        KI_FAIL(KITH_CORRUPT, "section GLEN: walk codes of %llu bytes; %zu were expected",
                (unsigned long long)width, l->bytes);
    if (bytes.len != ki_lens_put_bytes(l))
        KI_FAIL(KITH_CORRUPT, "section GLEN has %zu bytes; %zu were expected", bytes.len,
                ki_lens_put_bytes(l));
    KI_TRY(read_numbers(l, bytes.ptr));
    if (l->basis) memcpy(l->basis, bytes.ptr + HEAD + put_centre(l), put_basis(l));
    *out = l;
    l = NULL;
out:
    ki_lens_release(l);
    return st;
}
