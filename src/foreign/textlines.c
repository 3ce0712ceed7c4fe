/* Text with one id or one label a line: a line ends with \n or \r\n, the last may end with the
 * file, a byte order mark is passed over. */
#include <string.h>

#include "foreign/lists.h"
#include "foreign/npy.h"

enum { ID_TEXT = 40 /* of a bad id that is shown */, ROWS = 65536 };

static const char bom[] = "\xef\xbb\xbf";

/* ---- lines -------------------------------------------------------------------------------- */

/* owns: text. At the start of the next line. */
typedef struct lines {
    ki_env *env;
    char *text; /* [len + 1], NUL at the end */
    size_t len, at, line;
} lines;

static kith_status lines_open(ki_env *env, const char *path, lines *out)
{
    kith_status st = KITH_OK;
    lines l = {.env = env};
    ki_file f = {0};

    KI_TRY(ki_file_open(env, path, &f));
    if (f.len >= SIZE_MAX / 2)
        KI_FAIL(KITH_LIMIT, "%s: %llu bytes", path, (unsigned long long)f.len);
    l.len = (size_t)f.len;
    l.text = ki_array(env, l.len + 1, 1);
    KI_NEED(l.text);
    KI_TRY(ki_file_read(&f, 0, l.text, l.len));
    l.text[l.len] = '\0';
    if (l.len >= 3 && memcmp(l.text, bom, 3) == 0) l.at = 3;
    *out = l;
    l.text = NULL;
out:
    ki_release(env, l.text, l.len + 1, 1);
    ki_file_close(&f);
    return st;
}

static void lines_close(lines *l)
{
    ki_release(l->env, l->text, l->len + 1, 1);
    l->text = NULL;
}

static size_t lines_count(const lines *l)
{
    size_t n = 0, at = l->at;

    while (at < l->len) {
        const char *end = memchr(l->text + at, '\n', l->len - at);

        at = end ? (size_t)(end - l->text) + 1 : l->len;
        n++;
    }
    return n;
}

/* The next line, NUL-ended in place; its length without line end. */
static char *lines_next(lines *l, size_t *len)
{
    char *line = l->text + l->at;
    char *end = memchr(line, '\n', l->len - l->at);

    *len = end ? (size_t)(end - line) : l->len - l->at;
    l->at += *len + (end ? 1 : 0);
    l->line++;
    if (*len > 0 && line[*len - 1] == '\r') --*len;
    line[*len] = '\0';
    return line;
}

/* The same without those that are blank. */
static size_t lines_filled(const lines *l)
{
    size_t n = 0;

    for (size_t at = l->at; at < l->len; at++) {
        const char *end = memchr(l->text + at, '\n', l->len - at);
        const size_t to = end ? (size_t)(end - l->text) : l->len;

        while (at < to && strchr(" \t\r", l->text[at]) && l->text[at]) at++;
        n += at < to;
        at = to;
    }
    return n;
}

/* ---- ids ---------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* A decimal int64 and nothing else but blanks around it. */
static bool read_id(const char *s, int64_t *out)
{
    uint64_t n = 0;
    bool minus;

    while (is_blank(*s)) s++;
    minus = *s == '-';
    if (*s == '-' || *s == '+') s++;
    if (*s < '0' || *s > '9') return false;
    for (; *s >= '0' && *s <= '9'; s++) {
        const uint64_t digit = (uint64_t)(*s - '0');

        if (n > (((uint64_t)1 << 63) - digit) / 10) return false; // |INT64_MIN| is 2^63
        n = 10 * n + digit;
    }
    while (is_blank(*s)) s++;
    if (*s || (!minus && n > INT64_MAX)) return false;
    *out = minus ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

static kith_status ids_of_text(ki_env *env, const char *path, int64_t **ids, size_t *n)
{
    kith_status st = KITH_OK;
    lines l = {.env = env};
    int64_t *list = NULL;
    size_t count = 0, len;

    KI_TRY(lines_open(env, path, &l));
    count = lines_filled(&l);
    list = ki_array(env, count, sizeof *list);
    KI_NEED(list);
    for (size_t i = 0; i < count;) {
        const char *line = lines_next(&l, &len);

        if (strspn(line, " \t") == len) continue;
        if (strlen(line) != len || !read_id(line, &list[i++]))
            KI_FAIL(KITH_BAD_ARG, "%s: line %zu, \"%.*s\", is no 64-bit whole number", path, l.line,
                    ID_TEXT, line);
    }
    *ids = list;
    *n = count;
    list = NULL;
out:
    ki_release(env, list, count, sizeof *list);
    lines_close(&l);
    return st;
}

/* x.n components to int64. */
static void copy_ids(kith_rows x, int64_t *out)
{
    const uint8_t *p = x.data;

    for (size_t i = 0; i < x.n; i++, p += x.stride) switch (x.dtype) {
        case KITH_I64: out[i] = (int64_t)ki_le64(p); break;
        case KITH_I32: out[i] = (int32_t)ki_le32(p); break;
        case KITH_I8: out[i] = *p < 128 ? *p : *p - 256; break;
        case KITH_U8:
        case KITH_F32:
        case KITH_F64:
        case KITH_F16:
        case KITH_BF16:
        case KITH_BIT:
        default: out[i] = *p;
        }
}

static bool is_integer(kith_dtype t)
{
    return t == KITH_I64 || t == KITH_I32 || t == KITH_I8 || t == KITH_U8;
}

static kith_status ids_of_source(ki_env *env, const char *path, kith_source *src, int64_t **ids,
                                 size_t *n)
{
    kith_status st = KITH_OK;
    int64_t *list = NULL;
    size_t got = 0;

    if (src->d != 1 || !is_integer(src->dtype))
        KI_FAIL(KITH_BAD_ARG, "%s: rows of %zu %s; ids are one integer a row", path, src->d,
                is_integer(src->dtype) ? "integers" : "numbers that are no integers");
    list = ki_array(env, (size_t)src->n, sizeof *list);
    KI_NEED(list);
    while (got < src->n) {
        kith_batch b;

        KI_TRY(src->next(src->ctx, ROWS, &b));
        copy_ids(b.rows, list + got);
        got += b.rows.n;
    }
    *ids = list;
    *n = (size_t)src->n;
    list = NULL;
out:
    ki_release(env, list, (size_t)src->n, sizeof *list);
    return st;
}

kith_status ki_ids_read(ki_env *env, const char *path, int64_t **ids, size_t *n)
{
    const ki_format *format = ki_format_find(path);
    kith_source src = {0};
    kith_status st;

    if (!format) return ids_of_text(env, path, ids, n);
    st = format->open(path, &env->host, &src);
    if (st != KITH_OK) return st;
    st = ids_of_source(env, path, &src, ids, n);
    src.close(src.ctx);
    return st;
}

/* ---- labels ------------------------------------------------------------------------------- */

/* Before the pointers, so that freeing needs nothing else. */
typedef struct labels_head {
    char *text;
    size_t text_len;
} labels_head;

enum { HEAD = 64 };
_Static_assert(sizeof(labels_head) <= HEAD, "pointers follow the head");

kith_status ki_labels_create(ki_env *env, char *text, size_t text_len, size_t n, char ***out)
{
    size_t bytes;
    uint8_t *block = NULL;

    if (ki_mul(n, sizeof **out, &bytes) && ki_add(bytes, HEAD, &bytes))
        block = ki_array(env, bytes, 1);
    else
        ki_fail(KITH_LIMIT, "%zu labels", n);
    if (!block) {
        ki_release(env, text, text_len, 1);
        return KITH_NO_MEMORY;
    }
    *(labels_head *)(void *)block = (labels_head){text, text_len};
    *out = (char **)(void *)(block + HEAD);
    return KITH_OK;
}

void ki_labels_free(ki_env *env, char **labels, size_t n)
{
    const labels_head *head;
    uint8_t *block;

    if (!labels) return;
    block = (uint8_t *)labels - HEAD;
    head = (const labels_head *)(const void *)block;
    ki_release(env, head->text, head->text_len, 1);
    ki_release(env, block, HEAD + n * sizeof *labels, 1);
}

size_t ki_utf8_check(const char *text, size_t len)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const uint8_t *s = (const uint8_t *)text;

    for (size_t i = 0; i < len;) {
        const size_t more = s[i] < 0x80   ? 0
                            : s[i] < 0xc0 ? 4
                            : s[i] < 0xe0 ? 1
                            : s[i] < 0xf0 ? 2
                                          : 3;
        uint32_t c = more == 0 ? s[i] : s[i] & (0x3fu >> more);

        if (more == 4 || s[i] > 0xf4 || s[i] == 0 || more > len - i - 1) return i;
        for (size_t j = 1; j <= more; j++) {
            if ((s[i + j] & 0xc0) != 0x80) return i;
            c = c << 6 | (s[i + j] & 0x3f);
        }
        if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return i;
        i += more + 1;
    }
    return len;
}

static kith_status labels_of_text(ki_env *env, const char *path, char ***labels, size_t *n)
{
    kith_status st = KITH_OK;
    lines l = {.env = env};
    char **list = NULL;
    size_t count, len;

    KI_TRY(lines_open(env, path, &l));
    count = lines_count(&l);
    st = ki_labels_create(env, l.text, l.len + 1, count, &list); // the text is the list's now
    if (st != KITH_OK) return st;
    for (size_t i = 0; i < count; i++) {
        size_t good;

        list[i] = lines_next(&l, &len);
        good = ki_utf8_check(list[i], len);
        if (good < len)
            st = ki_fail(KITH_BAD_ARG, "%s: line %zu, byte %zu is %02x: no UTF-8 text", path,
                         l.line, good + 1, (uint8_t)list[i][good]);
        else if (len > KITH_MAX_LABEL)
            st = ki_fail(KITH_LIMIT, "%s: line %zu has %zu bytes; a label has up to %u", path,
                         l.line, len, KITH_MAX_LABEL);
        if (st != KITH_OK) {
            ki_labels_free(env, list, count);
            return st;
        }
    }
    *labels = list;
    *n = count;
out:
    return st;
}

kith_status ki_labels_read(ki_env *env, const char *path, char ***labels, size_t *n)
{
    const ki_format *format = ki_format_find(path);

    return format == &ki_format_npy ? ki_npy_labels(env, path, labels, n)
                                    : labels_of_text(env, path, labels, n);
}
