/* .npy as numpy writes it, versions 1 to 3: magic, length of a Python dict literal, the literal,
 * values. The literal is read by a parser of just its grammar; nothing is evaluated.
 * Source: numpy/lib/format.py; `L` after a number is what Python 2 wrote. */
#include "foreign/npy.h"

#include <stdio.h>
#include <string.h>

#include "base/looks.h"
#include "foreign/rowfile.h"

enum { HEADER_MAX = 65536, DESCR = 16, DIMS = 32, PATH = 2048 };

typedef unsigned long long ull; // what %llu prints

/* ---- the literal -------------------------------------------------------------------------- */

/* A place in the literal; the text is not NUL-ended. */
typedef struct cursor {
    const char *text, *path;
    size_t at, len;
} cursor;

static char peek(cursor *c) // at the next character that is no space; NUL at the end
{
    while (c->at < c->len && strchr(" \t\r\n", c->text[c->at]) && c->text[c->at]) c->at++;
    return c->at < c->len ? c->text[c->at] : '\0';
}

static kith_status unexpected(cursor *c, const char *wanted)
{
    return ki_fail(KITH_CORRUPT, "%s: its header is damaged at character %zu: %s is expected",
                   c->path, c->at + 1, wanted);
}

static kith_status take(cursor *c, char wanted, const char *name)
{
    if (peek(c) != wanted) return unexpected(c, name);
    c->at++;
    return KITH_OK;
}

/* A quoted string without escapes; what does not fit is cut: it is no name we know then. */
static kith_status take_string(cursor *c, char *out, size_t cap)
{
    const char quote = peek(c);
    size_t n = 0;

    if (quote != '\'' && quote != '"') return unexpected(c, "a string");
    for (c->at++; c->at < c->len && c->text[c->at] != quote; c->at++)
        if (n + 1 < cap) out[n++] = c->text[c->at];
    out[n] = '\0';
    if (c->at == c->len) return unexpected(c, "the end of a string");
    c->at++;
    return KITH_OK;
}

static kith_status take_word(cursor *c, const char *word, bool *found)
{
    const size_t len = strlen(word);

    peek(c);
    *found = c->len - c->at >= len && memcmp(c->text + c->at, word, len) == 0;
    if (*found) c->at += len;
    return KITH_OK;
}

static kith_status take_number(cursor *c, uint64_t *out)
{
    uint64_t n = 0;

    if (peek(c) < '0' || c->text[c->at] > '9') return unexpected(c, "a number");
    for (; c->at < c->len && c->text[c->at] >= '0' && c->text[c->at] <= '9'; c->at++) {
        n = 10 * n + (uint64_t)(c->text[c->at] - '0');
        if (n >= (uint64_t)1 << 58) return unexpected(c, "a number below 2^58");
    }
    if (peek(c) == 'L') c->at++;
    *out = n;
    return KITH_OK;
}

static kith_status take_shape(cursor *c, ki_npy *out)
{
    uint64_t size[DIMS] = {0};
    kith_status st = KITH_OK;

    out->dims = 0;
    KI_TRY(take(c, '(', "'('"));
    while (peek(c) != ')') {
        if (out->dims == DIMS) KI_FAIL(KITH_UNSUPPORTED, "%s: too many dimensions", c->path);
        KI_TRY(take_number(c, &size[out->dims++]));
        if (peek(c) != ')') KI_TRY(take(c, ',', "',' or ')'"));
    }
    KI_TRY(take(c, ')', "')'"));
    if (out->dims < 1 || out->dims > 2)
        KI_FAIL(KITH_UNSUPPORTED, "%s: an array of %u dimensions; rows need 1 or 2", c->path,
                out->dims);
    out->shape[0] = size[0];
    out->shape[1] = out->dims == 2 ? size[1] : 1;
out:
    return st;
}

static kith_status take_bool(cursor *c, bool *out)
{
    bool no, yes;

    take_word(c, "True", &yes);
    take_word(c, "False", &no);
    *out = yes;
    return yes || no ? KITH_OK : unexpected(c, "True or False");
}

/* ---- descr -------------------------------------------------------------------------------- */

static const struct {
    const char *type;
    ki_element element;
} types[] = {{"f2", KI_EL_F16}, {"f4", KI_EL_F32}, {"f8", KI_EL_F64}, {"i1", KI_EL_I8},
             {"u1", KI_EL_U8},  {"i2", KI_EL_I16}, {"u2", KI_EL_U16}, {"i4", KI_EL_I32},
             {"u4", KI_EL_U32}, {"i8", KI_EL_I64}, {"u8", KI_EL_U64}, {"b1", KI_EL_BOOL}};

/* "<f4", "|S12"; UNSUPPORTED for anything else. */
static kith_status read_descr(const char *path, const char *s, ki_npy *out)
{
    const bool order = s[0] == '<' || s[0] == '>' || s[0] == '=' || s[0] == '|';
    const char *digits = s + 2;
    size_t n = 0;

    if (order && (s[1] == 'O' || s[1] == 'M' || s[1] == 'm' || s[1] == 'V' || s[1] == 'c'))
        return ki_fail(KITH_UNSUPPORTED, "%s: values of type %s (%s) cannot be read", path, s,
                       s[1] == 'O'   ? "Python objects"
                       : s[1] == 'c' ? "complex numbers"
                       : s[1] == 'V' ? "raw bytes"
                                     : "dates");
    if (!order || !s[1] || !strchr("fiubUS", s[1])) digits = "";
    out->kind = s[1];
    out->big = s[0] == '>';
    out->item = 0;
    for (; n < 9 && digits[n] >= '0' && digits[n] <= '9'; n++)
        out->item = 10 * out->item + (uint64_t)(digits[n] - '0');
    if (n == 0 || digits[n])
        return ki_fail(KITH_UNSUPPORTED, "%s: values of type %s cannot be read", path, s);
    if (out->kind == 'U') out->item *= 4;
    return KITH_OK;
}

static kith_status take_descr(cursor *c, ki_npy *out)
{
    char descr[DESCR] = "";
    kith_status st = KITH_OK;

    if (peek(c) == '[')
        KI_FAIL(KITH_UNSUPPORTED, "%s: a structured array; save its columns one by one", c->path);
    KI_TRY(take_string(c, descr, sizeof descr));
    st = read_descr(c->path, descr, out);
out:
    return st;
}

static const char *const keys[] = {"descr", "fortran_order", "shape"};

static kith_status take_entry(cursor *c, ki_npy *out, unsigned *seen)
{
    char key[DESCR] = "";
    unsigned k = 0;
    kith_status st = KITH_OK;

    KI_TRY(take_string(c, key, sizeof key));
    while (k < 3 && strcmp(key, keys[k]) != 0) k++;
    if (k == 3 || (*seen & 1u << k))
        KI_FAIL(KITH_CORRUPT, "%s: its header has the key '%s' %s", c->path, key,
                k == 3 ? "which no array has" : "twice");
    *seen |= 1u << k;
    KI_TRY(take(c, ':', "':'"));
    st = k == 0 ? take_descr(c, out) : k == 1 ? take_bool(c, &out->fortran) : take_shape(c, out);
out:
    return st;
}

static kith_status take_literal(cursor *c, ki_npy *out)
{
    unsigned seen = 0;
    kith_status st = KITH_OK;

    KI_TRY(take(c, '{', "'{'"));
    while (peek(c) != '}') {
        KI_TRY(take_entry(c, out, &seen));
        if (peek(c) != '}') KI_TRY(take(c, ',', "',' or '}'"));
    }
    c->at++;
    if (peek(c) || c->at < c->len) KI_TRY(unexpected(c, "nothing more"));
    for (unsigned k = 0; k < 3; k++)
        if (!(seen & 1u << k)) KI_FAIL(KITH_CORRUPT, "%s: its header lacks '%s'", c->path, keys[k]);
out:
    return st;
}

/* ---- one array ---------------------------------------------------------------------------- */

static bool is_magic(const uint8_t *p)
{
    return memcmp(p, "\x93NUMPY", 6) == 0;
}

/* Magic and the length of the literal. */
static kith_status read_prefix(const ki_file *f, uint64_t at, uint64_t *header, uint32_t *len)
{
    uint8_t p[KI_LOOKS_BYTES] = {0};
    char seems[KI_LOOKS_TEXT];
    const size_t have = f->len - at < sizeof p ? (size_t)(f->len - at) : sizeof p;
    kith_status st = KITH_OK;

    KI_TRY(ki_file_read(f, at, p, have));
    if (have < 6 || !is_magic(p))
        KI_FAIL(KITH_CORRUPT, "%s is no numpy array: byte %llu begins %s", f->path, (ull)at,
                ki_looks_like(p, have, seems));
    if (have > 6 && (p[6] < 1 || p[6] > 3))
        KI_FAIL(KITH_VERSION, "%s: a numpy array of version %u; 1 to 3 are known", f->path, p[6]);
    if (have < (p[6] == 1 ? 10 : 12))
        KI_FAIL(KITH_CORRUPT, "%s: the head of the array is cut off: the file ends at byte %llu",
                f->path, (ull)f->len);
    *header = at + (p[6] == 1 ? 10 : 12);
    *len = p[6] == 1 ? ki_le16(p + 8) : ki_le32(p + 8);
    if (*len > HEADER_MAX || *len > f->len - *header)
        KI_FAIL(KITH_CORRUPT, "%s: its header is said to have %u bytes, the file has %llu", f->path,
                *len, (ull)f->len);
out:
    return st;
}

/* Bytes of all values: checked against the file. */
static kith_status measure(const ki_file *f, ki_npy *a)
{
    const uint64_t room = f->len - a->at, most = UINT64_MAX / 2;
    uint64_t row = 0, all = 0;
    bool fits = a->item == 0 || a->shape[1] <= most / a->item;

    if (fits) row = a->shape[1] * a->item;
    fits = fits && (row == 0 || a->shape[0] <= most / row);
    if (fits) all = a->shape[0] * row;
    if (!fits)
        return ki_fail(KITH_CORRUPT, "%s: %llu x %llu values are more than any file has", f->path,
                       (ull)a->shape[0], (ull)a->shape[1]);
    a->len = all;
    if (all > room && a->fortran && a->dims == 2)
        return ki_fail(KITH_CORRUPT,
                       "%s: column %llu of %llu is cut off: the file ends at byte %llu", f->path,
                       (ull)(room / (all / a->shape[1])), (ull)a->shape[1], (ull)f->len);
    if (all > room)
        return ki_fail(KITH_CORRUPT, "%s: row %llu of %llu is cut off: the file ends at byte %llu",
                       f->path, (ull)(room / row), (ull)a->shape[0], (ull)f->len);
    return KITH_OK;
}

static kith_status read_array(const ki_file *f, uint64_t at, ki_npy *out)
{
    cursor c = {.path = f->path};
    kith_status st = KITH_OK;
    char *text = NULL;
    uint64_t header = 0;
    uint32_t len = 0;

    KI_TRY(read_prefix(f, at, &header, &len));
    text = ki_array(f->env, len, 1);
    KI_NEED(text);
    KI_TRY(ki_file_read(f, header, text, len));
    c.text = text;
    c.len = len;
    KI_TRY(take_literal(&c, out));
    out->at = header + len;
    st = measure(f, out);
out:
    ki_release(f->env, text, len, 1);
    return st;
}

kith_status ki_npy_read(const ki_file *f, uint64_t which, ki_npy *out)
{
    uint64_t at = 0;
    uint8_t start[6];
    kith_status st = KITH_OK;

    for (uint64_t i = 0; i <= which; i++) {
        if (i > 0 && at == f->len)
            KI_FAIL(KITH_BAD_ARG, "%s holds %llu arrays: there is no #%llu", f->path, (ull)i,
                    (ull)which);
        KI_TRY(read_array(f, at, out));
        at = out->at + out->len;
    }
    if (at == f->len) goto out;
    if (f->len - at >= sizeof start) KI_TRY(ki_file_read(f, at, start, sizeof start));
    if (f->len - at < sizeof start || !is_magic(start))
        KI_FAIL(KITH_CORRUPT, "%s: %llu bytes follow the array and are none", f->path,
                (ull)(f->len - at));
out:
    return st;
}

static bool is_there(ki_env *env, const char *path)
{
    const kith_files *files = env->host.files;
    void *file;

    if (files->open(files->ctx, path, KITH_FILE_READ, &file) != 0) return false;
    files->close(files->ctx, file);
    return true;
}

kith_status ki_npy_split(ki_env *env, const char *path, char *bare, size_t cap, uint64_t *which)
{
    const char *mark = strrchr(path, '#');
    const char *digits = mark ? mark + 1 : "";
    const size_t n = strspn(digits, "0123456789");
    const bool part = n > 0 && n < 10 && !digits[n] && !is_there(env, path);
    const size_t len = part ? (size_t)(mark - path) : strlen(path);

    if (len >= cap) return ki_fail(KITH_BAD_ARG, "a path of %zu bytes is too long", len);
    memcpy(bare, path, len);
    bare[len] = '\0';
    *which = 0;
    for (size_t i = 0; path[len] && i < n; i++) *which = 10 * *which + (uint64_t)(digits[i] - '0');
    return KITH_OK;
}

/* ---- as a source, and back ---------------------------------------------------------------- */

static kith_status layout_of(const ki_npy *a, const char *path, ki_layout *out)
{
    size_t i = 0;

    while (i < sizeof types / sizeof types[0] &&
           (types[i].type[0] != a->kind || (uint64_t)(types[i].type[1] - '0') != a->item))
        i++;
    if (i == sizeof types / sizeof types[0])
        return ki_fail(KITH_UNSUPPORTED, "%s: %s of %llu bytes are no vectors", path,
                       a->kind == 'U' || a->kind == 'S' ? "strings" : "numbers", (ull)a->item);
    *out = (ki_layout){.at = a->at,
                       .n = a->shape[0],
                       .d = (size_t)a->shape[1],
                       .element = types[i].element,
                       .swap = a->big && a->item > 1,
                       .columns = a->fortran && a->dims == 2};
    return KITH_OK;
}

static kith_status npy_open(const char *path, const kith_host *host, kith_source *out)
{
    kith_status st = KITH_OK;
    ki_rowfile *r = NULL;
    char bare[PATH];
    uint64_t which = 0, end;
    ki_npy a = {0};
    ki_env env;

    KI_TRY(ki_env_init(&env, host));
    KI_TRY(ki_npy_split(&env, path, bare, sizeof bare, &which));
    KI_TRY(ki_rowfile_create(bare, host, &r));
    KI_TRY(ki_npy_read(&r->file, which, &a));
    KI_TRY(layout_of(&a, bare, &r->layout));
    KI_TRY(ki_rowfile_check(r, &end));
    KI_TRY(ki_rowfile_start(r, out));
    r = NULL;
out:
    ki_rowfile_free(r);
    return st;
}

/* 128 bytes, as numpy itself writes for all shapes of two dimensions. */
static kith_status npy_head(const ki_row_format *f, uint64_t n, size_t d, uint8_t *head)
{
    static const uint8_t begin[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 118, 0};
    int len;

    memset(head, ' ', 128);
    memcpy(head, begin, sizeof begin);
    len = snprintf((char *)head + 10, 118,
                   "{'descr': '%s', 'fortran_order': False, 'shape': (%llu, %zu), }", f->descr,
                   (ull)n, d);
    head[10 + len] = ' ';
    head[127] = '\n';
    return KITH_OK;
}

static const ki_row_format outputs[] = {
    {.dtype = KITH_F32, .descr = "<f4", .holds = "f32", .head_len = 128, .head = npy_head},
    {.dtype = KITH_F64, .descr = "<f8", .holds = "f64", .head_len = 128, .head = npy_head},
    {.dtype = KITH_F16, .descr = "<f2", .holds = "f16", .head_len = 128, .head = npy_head},
    {.dtype = KITH_I8, .descr = "|i1", .holds = "i8", .head_len = 128, .head = npy_head},
    {.dtype = KITH_U8, .descr = "|u1", .holds = "u8", .head_len = 128, .head = npy_head},
    {.dtype = KITH_I32, .descr = "<i4", .holds = "i32", .head_len = 128, .head = npy_head},
    {.dtype = KITH_I64, .descr = "<i8", .holds = "i64", .head_len = 128, .head = npy_head},
};
static const ki_row_format bool_output = {
    .dtype = KITH_U8, .descr = "|b1", .holds = "bool", .head_len = 128, .head = npy_head};

/* numpy has no bf16, which f32 holds, and no bits but one to a byte. */
static kith_status npy_save(kith_source *src, kith_dtype dtype, const char *path,
                            const kith_host *host, const kith_watch *w)
{
    const kith_dtype wanted = dtype ? dtype : src->dtype == KITH_BF16 ? KITH_F32 : src->dtype;

    if (!dtype && src->dtype == KITH_BIT) return ki_rowfile_save(src, &bool_output, path, host, w);
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
        if (outputs[i].dtype == wanted) return ki_rowfile_save(src, &outputs[i], path, host, w);
    return ki_fail(KITH_UNSUPPORTED, "%s: .npy holds f32 f64 f16 i8 u8 i32 i64", path);
}

const ki_format ki_format_npy = {.name = "npy",
                                 .endings = ".npy",
                                 .about = "numpy arrays; FILE.npy#1 is the second array in a file",
                                 .open = npy_open,
                                 .save = npy_save};
