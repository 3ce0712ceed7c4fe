/* First bytes of the files that people confuse with each other. Not complete: one row for each kind
 * that lies beside vectors. */
#include "base/looks.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef struct kind {
    const char *start;
    size_t len;
    const char *is;
} kind;

static const char lfs_start[] = "version https://git-lfs";

#define KIND(start, is)                  \
    {                                    \
        (start), sizeof(start) - 1, (is) \
    }
static const kind kinds[] = {
    KIND("kith\r\n\x1a\n", "a kith index"),
    KIND("\x93NUMPY", "a numpy array"),
    KIND("\x89HDF\r\n\x1a\n", "an HDF5 file"),
    KIND(lfs_start, "a Git LFS pointer (the file itself was not fetched)"),
    KIND("PAR1", "a Parquet file"),
    KIND("ARROW1", "an Arrow file"),
    KIND("PK\x03\x04", "a zip archive (.npz?)"),
    KIND("\x1f\x8b", "a gzip file"),
    KIND("\x28\xb5\x2f\xfd", "a zstd file"),
    KIND("SQLite format 3", "an SQLite database"),
};

/* An index of Faiss is a dump that starts with four letters of its type, most with the dimension
 * behind them, which no four letters would be. */
static bool is_faiss(const uint8_t *s, size_t len)
{
    return len >= 4 && s[0] == 'I' && s[1] && strchr("xwHNBPRvLS", s[1]) && isalnum(s[2]) &&
           isalnum(s[3]) && (len < 8 || ki_le32(s + 4) < 1u << 20);
}

/* hnswlib's index begins with sizes that fit one another: elements of equal length end in a label
 * of 8 bytes, before it the row, before that the links. */
static bool is_hnswlib(const uint8_t *s, size_t len)
{
    enum { ROOM = 8, COUNT = 16, STRIDE = 24, LABEL = 32, ROW = 40, HEAD = 48 };

    return len >= HEAD && ki_le64(s) == 0 && ki_le64(s + COUNT) <= ki_le64(s + ROOM) &&
           ki_le64(s + ROOM) <= UINT32_MAX && ki_le64(s + LABEL) <= UINT32_MAX &&
           ki_le64(s + STRIDE) == ki_le64(s + LABEL) + 8 && ki_le64(s + ROW) > 4 &&
           ki_le64(s + ROW) < ki_le64(s + LABEL);
}

static bool is_text(const uint8_t *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (s[i] < 0x20 && s[i] != '\n' && s[i] != '\r' && s[i] != '\t') return false;
    return true;
}

bool ki_looks_lfs(const void *bytes, size_t len)
{
    return len >= sizeof lfs_start - 1 && memcmp(bytes, lfs_start, sizeof lfs_start - 1) == 0;
}

const char *ki_looks_like(const void *bytes, size_t len, char out[KI_LOOKS_TEXT])
{
    const uint8_t *s = bytes;
    size_t used;

    if (len > KI_LOOKS_BYTES) len = KI_LOOKS_BYTES;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (len >= kinds[i].len && memcmp(s, kinds[i].start, kinds[i].len) == 0) {
            snprintf(out, KI_LOOKS_TEXT, "%s", kinds[i].is);
            return out;
        }
    if (len == 0) {
        snprintf(out, KI_LOOKS_TEXT, "nothing");
    } else if (is_faiss(s, len)) {
        snprintf(out, KI_LOOKS_TEXT, "a Faiss index (%.4s)", (const char *)bytes);
    } else if (is_hnswlib(s, len)) {
        snprintf(out, KI_LOOKS_TEXT, "an hnswlib index, which kith convert (kith_import) reads");
    } else if (is_text(s, len)) {
        used = (size_t)snprintf(out, KI_LOOKS_TEXT, "text \"");
        for (size_t i = 0; i < len && s[i] >= 0x20 && (i < 20 || (s[i] >> 6 == 2 && i < 24)); i++)
            out[used++] = (char)s[i]; // up to where a character ends
        snprintf(out + used, KI_LOOKS_TEXT - used, "…\"");
    } else {
        used = (size_t)snprintf(out, KI_LOOKS_TEXT, "bytes");
        for (size_t i = 0; i < len && i < 8; i++)
            used += (size_t)snprintf(out + used, KI_LOOKS_TEXT - used, " %02x", s[i]);
    }
    return out;
}
