/* .fbin .u8bin .i8bin .ibin of the big-ann benchmarks: u32 n, u32 d, then n rows of d components.
 * Nothing in the file says what the components are: its ending does. */
#include "foreign/rowfile.h"

enum { BIN_HEAD = 8 };

static kith_status bin_head(const ki_row_format *f, uint64_t n, size_t d, uint8_t *head)
{
    (void)f;
    if (n > UINT32_MAX)
        return ki_fail(KITH_LIMIT, "%llu rows: such a file counts up to %u", (unsigned long long)n,
                       UINT32_MAX);
    ki_put_le32(head, (uint32_t)n);
    ki_put_le32(head + 4, (uint32_t)d);
    return KITH_OK;
}

static const struct {
    const char *ending;
    ki_element element;
    ki_row_format output;
} members[] = {
    {".u8bin", KI_EL_U8, {.dtype = KITH_U8, .holds = "u8", .head_len = BIN_HEAD, .head = bin_head}},
    {".i8bin", KI_EL_I8, {.dtype = KITH_I8, .holds = "i8", .head_len = BIN_HEAD, .head = bin_head}},
    {".ibin",
     KI_EL_I32,
     {.dtype = KITH_I32, .holds = "i32", .head_len = BIN_HEAD, .head = bin_head}},
    {".fbin",
     KI_EL_F32,
     {.dtype = KITH_F32, .holds = "f32", .head_len = BIN_HEAD, .head = bin_head}},
};

static size_t member_of(const char *path)
{
    size_t i = 0;

    while (i + 1 < sizeof members / sizeof members[0] && !ki_ends_in(path, members[i].ending)) i++;
    return i;
}

static kith_status bin_open(const char *path, const kith_host *host, kith_source *out)
{
    kith_status st = KITH_OK;
    ki_rowfile *r = NULL;
    uint8_t head[BIN_HEAD];
    uint64_t end;

    KI_TRY(ki_rowfile_create(path, host, &r));
    if (r->file.len < sizeof head)
        KI_FAIL(KITH_CORRUPT, "%s: %llu bytes are no head: 8 say rows and components", r->file.path,
                (unsigned long long)r->file.len);
    KI_TRY(ki_file_read(&r->file, 0, head, sizeof head));
    r->layout = (ki_layout){.at = sizeof head,
                            .n = ki_le32(head),
                            .d = ki_le32(head + 4),
                            .element = members[member_of(path)].element};
    KI_TRY(ki_rowfile_check(r, &end));
    if (end != r->file.len)
        KI_FAIL(KITH_CORRUPT, "%s: %llu bytes long; %llu rows of %zu %s end at %llu", r->file.path,
                (unsigned long long)r->file.len, (unsigned long long)r->layout.n, r->layout.d,
                members[member_of(path)].output.holds, (unsigned long long)end);
    KI_TRY(ki_rowfile_start(r, out));
    r = NULL;
out:
    ki_rowfile_free(r);
    return st;
}

static kith_status bin_save(kith_source *src, kith_dtype dtype, const char *path,
                            const kith_host *host, const kith_watch *w)
{
    const ki_row_format *f = &members[member_of(path)].output;

    if (dtype && dtype != f->dtype)
        return ki_fail(KITH_BAD_ARG, "%s: such a file holds %s", path, f->holds);
    return ki_rowfile_save(src, f, path, host, w);
}

const ki_format ki_format_bin = {.name = "bin",
                                 .endings = ".fbin,.u8bin,.i8bin,.ibin",
                                 .about = "n, d, then the rows: big-ann benchmarks",
                                 .open = bin_open,
                                 .save = bin_save};
