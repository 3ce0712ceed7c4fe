/* Labels from numpy's string arrays: U (UCS-4) and S (bytes, which must be UTF-8), NUL-padded to
 * one length. Read twice, a batch at a time: to learn how long the text will be, then to write
 * it. */
#include <string.h>

#include "foreign/lists.h"
#include "foreign/npy.h"

enum { BATCH = 1 << 20, PATH = 2048, ITEM_MAX = 1 << 24 };

/* owns: buffer. With text, a second pass: strings go there. */
typedef struct strings {
    ki_env *env;
    const ki_file *file;
    const ki_npy *array;
    uint8_t *buffer; /* [per][array->item] */
    size_t per, item;
    char *text;
    size_t cap, used; /* of text */
    char **label;
} strings;

static size_t put_utf8(uint32_t c, char out[4])
{
    const size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0x00, 0xc0, 0xe0, 0xf0};

    for (size_t i = n; i-- > 1; c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

static uint32_t character(const strings *s, const uint8_t *p)
{
    const uint32_t c = ki_le32(p);

    return s->array->big ? c >> 24 | (c >> 8 & 0xff00) | (c << 8 & 0xff0000) | c << 24 : c;
}

/* Append; in the first pass only count. The file may change between the passes: cap is minded. */
static bool append(strings *s, const char *bytes, size_t len)
{
    if (s->text && len > s->cap - s->used) return false;
    if (s->text) memcpy(s->text + s->used, bytes, len);
    s->used += len;
    return true;
}

static bool put_characters(strings *s, const uint8_t *p, size_t item)
{
    char out[4];

    while (item > 0 && character(s, p + item - 4) == 0) item -= 4;
    for (size_t i = 0; i < item; i += 4) {
        const uint32_t c = character(s, p + i);

        if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return false;
        if (!append(s, out, put_utf8(c, out))) return false;
    }
    return true;
}

static bool put_bytes(strings *s, const uint8_t *p, size_t item)
{
    const char *text = (const char *)p;

    while (item > 0 && p[item - 1] == 0) item--;
    return ki_utf8_check(text, item) == item && append(s, text, item);
}

static kith_status put_string(strings *s, uint64_t row, const uint8_t *p)
{
    const size_t start = s->used;
    const bool good =
        s->array->kind == 'U' ? put_characters(s, p, s->item) : put_bytes(s, p, s->item);

    if (!good)
        return ki_fail(KITH_BAD_ARG, "%s: string %llu is no Unicode text", s->file->path,
                       (unsigned long long)row);
    if (s->used - start > KITH_MAX_LABEL)
        return ki_fail(KITH_LIMIT, "%s: string %llu has %zu bytes; a label has up to %u",
                       s->file->path, (unsigned long long)row, s->used - start, KITH_MAX_LABEL);
    if (!append(s, "", 1)) return ki_fail(KITH_IO, "%s changed while it was read", s->file->path);
    if (s->text) s->label[row] = s->text + start;
    return KITH_OK;
}

static kith_status pass(strings *s)
{
    const uint64_t n = s->array->shape[0];
    kith_status st = KITH_OK;

    s->used = 0;
    for (uint64_t row = 0; row < n;) {
        const size_t got = n - row < s->per ? (size_t)(n - row) : s->per;

        KI_TRY(ki_file_read(s->file, s->array->at + row * s->item, s->buffer, got * s->item));
        for (size_t i = 0; i < got; i++, row++) KI_TRY(put_string(s, row, s->buffer + i * s->item));
    }
out:
    return st;
}

static kith_status check(const ki_file *f, const ki_npy *a)
{
    if (a->kind != 'U' && a->kind != 'S')
        return ki_fail(KITH_BAD_ARG, "%s: numbers; labels are strings (U or S)", f->path);
    if (a->shape[1] != 1 || a->item > ITEM_MAX || (a->item == 0 && a->shape[0] > 0))
        return ki_fail(KITH_BAD_ARG, "%s: %llu x %llu strings of %llu bytes; labels are a column",
                       f->path, (unsigned long long)a->shape[0], (unsigned long long)a->shape[1],
                       (unsigned long long)a->item);
    return KITH_OK;
}

kith_status ki_npy_labels(ki_env *env, const char *path, char ***labels, size_t *n)
{
    kith_status st = KITH_OK;
    char bare[PATH], *text = NULL, **list = NULL;
    strings s = {.env = env};
    ki_file f = {0};
    uint64_t which;
    ki_npy a;

    KI_TRY(ki_npy_split(env, path, bare, sizeof bare, &which));
    KI_TRY(ki_file_open(env, bare, &f));
    KI_TRY(ki_npy_read(&f, which, &a));
    KI_TRY(check(&f, &a));
    s.file = &f;
    s.array = &a;
    s.item = (size_t)a.item;
    s.per = s.item < BATCH && s.item > 0 ? BATCH / s.item : 1;
    s.buffer = ki_array(env, s.per, s.item);
    KI_NEED(s.buffer);
    KI_TRY(pass(&s));
    s.cap = s.used;
    text = ki_array(env, s.cap, 1);
    KI_NEED(text);
    KI_TRY(ki_labels_create(env, text, s.cap, (size_t)a.shape[0], &list));
    s.text = text;
    s.label = list;
    KI_TRY(pass(&s));
    *labels = list;
    *n = (size_t)a.shape[0];
    list = NULL;
out:
    ki_labels_free(env, list, list ? (size_t)a.shape[0] : 0);
    ki_release(env, s.buffer, s.per, s.item);
    ki_file_close(&f);
    return st;
}
