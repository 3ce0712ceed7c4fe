/* .fvecs .bvecs .ivecs of the TEXMEX sets: each row an i32 d, then d components; no head. */
#include "foreign/rowfile.h"

static const struct {
    const char *ending;
    ki_element element;
    ki_row_format output;
} members[] = {
    {".fvecs", KI_EL_F32, {.dtype = KITH_F32, .holds = "f32", .lead = true}},
    {".bvecs", KI_EL_U8, {.dtype = KITH_U8, .holds = "u8", .lead = true}},
    {".ivecs", KI_EL_I32, {.dtype = KITH_I32, .holds = "i32", .lead = true}},
};

static size_t member_of(const char *path)
{
    size_t i = 0;

    while (i + 1 < sizeof members / sizeof members[0] && !ki_ends_in(path, members[i].ending)) i++;
    return i;
}

/* An empty file has no dimension to give, but it has no rows either: 0 rows of 1. */
static kith_status read_layout(ki_rowfile *r, ki_element element)
{
    const uint64_t len = r->file.len;
    kith_status st = KITH_OK;
    uint8_t first[4];
    uint64_t row;

    r->layout = (ki_layout){.d = 1, .lead = 4, .element = element};
    if (len == 0) return KITH_OK;
    if (len < 4)
        KI_FAIL(KITH_CORRUPT, "%s: row 0 is cut off: the file ends at byte %llu", r->file.path,
                (unsigned long long)len);
    KI_TRY(ki_file_read(&r->file, 0, first, sizeof first));
    r->layout.d = ki_le32(first);
    if (r->layout.d == 0 || r->layout.d > KITH_MAX_DIM)
        KI_FAIL(KITH_CORRUPT, "%s: row 0 says it has %d components; 1…%u can be read", r->file.path,
                (int)(int32_t)ki_le32(first), KITH_MAX_DIM);
    row = 4 + r->layout.d * ki_element_bytes(element);
    r->layout.n = len / row;
    if (len % row != 0)
        KI_FAIL(KITH_CORRUPT, "%s: row %llu of %llu is cut off: the file ends at byte %llu",
                r->file.path, (unsigned long long)(len / row), (unsigned long long)(len / row + 1),
                (unsigned long long)len);
out:
    return st;
}

static kith_status vecs_open(const char *path, const kith_host *host, kith_source *out)
{
    kith_status st = KITH_OK;
    ki_rowfile *r = NULL;
    uint64_t end;

    KI_TRY(ki_rowfile_create(path, host, &r));
    KI_TRY(read_layout(r, members[member_of(path)].element));
    KI_TRY(ki_rowfile_check(r, &end));
    KI_TRY(ki_rowfile_start(r, out));
    r = NULL;
out:
    ki_rowfile_free(r);
    return st;
}

static kith_status vecs_save(kith_source *src, kith_dtype dtype, const char *path,
                             const kith_host *host, const kith_watch *w)
{
    const ki_row_format *f = &members[member_of(path)].output;

    if (dtype && dtype != f->dtype)
        return ki_fail(KITH_BAD_ARG, "%s: such a file holds %s", path, f->holds);
    return ki_rowfile_save(src, f, path, host, w);
}

const ki_format ki_format_vecs = {.name = "vecs",
                                  .endings = ".fvecs,.bvecs,.ivecs",
                                  .about = "rows with their dimension before each, TEXMEX",
                                  .open = vecs_open,
                                  .save = vecs_save};
