/* Any bytes as a file of the TEXMEX or big-ann kinds, or as lists of text: the first byte says. */
#include "one_file.h"
#include "read_source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const paths[] = {"x.fvecs", "x.bvecs", "x.ivecs", "x.fbin",
                                        "x.u8bin", "x.i8bin", "x.ibin",  "x.txt"};
    const uint8_t how = size > 0 ? data[0] : 0;
    const size_t skip = size > 0 ? 1 : 0;
    one_file file = {malloc(size - skip + 1), size - skip};
    kith_files files;
    const kith_host host = one_file_host(&file, &files);
    const char *path = paths[how & 7];
    char **labels;
    int64_t *ids;
    size_t n;

    if (file.bytes == NULL) return 0;
    if (file.len > 0) memcpy((uint8_t *)(uintptr_t)file.bytes, data + skip, file.len);
    read_source(path, &host, (how >> 3) + 1);
    if (kith_ids_read(path, &host, &ids, &n) == KITH_OK) kith_ids_free(ids, n, &host);
    if (kith_labels_read(path, &host, &labels, &n) == KITH_OK) kith_labels_free(labels, n, &host);
    free((uint8_t *)(uintptr_t)file.bytes);
    return 0;
}
