/* Data sets of HDF5 files, a slab of rows at a time. The HDF5 library parses the file: that is for
 * files one trusts, so only what ann-benchmarks writes is let through, two dimensions of numbers or
 * bools, stored in the file itself, plain, gzipped or shuffled. */
#include "read_hdf5.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLAB_BYTES = 16 << 20 };

typedef struct hdf5_source {
    hid_t file, set, space, type; /* type: of memory, what HDF5 converts to */
    kith_dtype dtype;
    size_t d, row, cap;
    uint64_t n, at;
    int bits; /* bools, to be packed */
    unsigned char *slab, *packed;
    char name[512];
} hdf5_source;

static void close_source(void *ctx)
{
    hdf5_source *s = ctx;

    if (s == NULL) return;
    if (s->type >= 0) H5Tclose(s->type);
    if (s->space >= 0) H5Sclose(s->space);
    if (s->set >= 0) H5Dclose(s->set);
    if (s->file >= 0) H5Fclose(s->file);
    free(s->slab);
    free(s->packed);
    free(s);
}

/* [n][d] bytes 0 or 1 to bits, the first in the highest. */
static void pack(const unsigned char *in, size_t n, size_t d, unsigned char *out)
{
    const size_t len = (d + 7) / 8;

    memset(out, 0, n * len);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            if (in[i * d + j] != 0)
                out[i * len + j / 8] = (unsigned char)(out[i * len + j / 8] | 0x80 >> (j % 8));
}

static kith_status next_batch(void *ctx, size_t max, kith_batch *out)
{
    hdf5_source *s = ctx;
    const uint64_t left = s->n - s->at;
    const size_t n = max < s->cap ? max : s->cap;
    const hsize_t start[2] = {s->at, 0}, count[2] = {left < n ? left : n, s->d};
    hid_t memory;
    herr_t failed;

    memset(out, 0, sizeof *out);
    if (count[0] == 0) return KITH_OK;
    memory = H5Screate_simple(2, count, NULL);
    failed = memory < 0 ||
             H5Sselect_hyperslab(s->space, H5S_SELECT_SET, start, NULL, count, NULL) < 0 ||
             H5Dread(s->set, s->type, memory, s->space, H5P_DEFAULT, s->slab) < 0;
    if (memory >= 0) H5Sclose(memory);
    if (failed)
        return fail(KITH_CORRUPT, "%s: HDF5 cannot read rows from %llu on", s->name,
                    (unsigned long long)s->at);
    s->at += count[0];
    out->rows = KITH_ROWS(s->slab, (size_t)count[0], s->dtype);
    if (s->bits) {
        pack(s->slab, (size_t)count[0], s->d, s->packed);
        out->rows.data = s->packed;
    }
    return KITH_OK;
}

/* Which of our types holds the set's values; 64-bit floats are read as f32. */
static kith_status choose_type(hdf5_source *s)
{
    const H5T_class_t class = H5Tget_class(s->type);
    const size_t size = H5Tget_size(s->type);
    hid_t type = -1;

    s->bits = class == H5T_ENUM && size == 1; // numpy's bool
    if (s->bits) {
        s->dtype = KITH_BIT;
        return KITH_OK;
    }
    if (class == H5T_FLOAT && size <= 8) {
        s->dtype = KITH_F32;
        type = H5Tcopy(H5T_NATIVE_FLOAT);
    } else if (class == H5T_INTEGER && size == 1) {
        s->dtype = H5Tget_sign(s->type) == H5T_SGN_NONE ? KITH_U8 : KITH_I8;
        type = H5Tcopy(s->dtype == KITH_U8 ? H5T_NATIVE_UINT8 : H5T_NATIVE_INT8);
    } else if (class == H5T_INTEGER && size <= 8) {
        s->dtype = KITH_I64;
        type = H5Tcopy(H5T_NATIVE_INT64);
    }
    if (type < 0)
        return fail(KITH_UNSUPPORTED, "%s: its values are neither numbers nor bools", s->name);
    H5Tclose(s->type);
    s->type = type;
    return KITH_OK;
}

/* In this file, in one piece or in chunks that HDF5 itself unpacks. */
static kith_status check_storage(const hdf5_source *s)
{
    const hid_t plist = H5Dget_create_plist(s->set);
    int filters, plain;

    if (plist < 0) return fail(KITH_CORRUPT, "%s: HDF5 cannot read how it is stored", s->name);
    plain = H5Pget_layout(plist) != H5D_VIRTUAL && H5Pget_external_count(plist) == 0;
    filters = H5Pget_nfilters(plist);
    for (int i = 0; i < filters; i++) {
        unsigned flags, config;
        size_t values = 0;
        const H5Z_filter_t id =
            H5Pget_filter2(plist, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        plain = plain && (id == H5Z_FILTER_DEFLATE || id == H5Z_FILTER_SHUFFLE);
    }
    H5Pclose(plist);
    if (!plain)
        return fail(KITH_UNSUPPORTED, "%s: only data in the file itself, plain or gzipped",
                    s->name);
    return KITH_OK;
}

static kith_status measure(hdf5_source *s)
{
    kith_status st = KITH_OK;
    hsize_t dims[2] = {0, 0};
    size_t value;

    if (H5Sget_simple_extent_ndims(s->space) != 2)
        FAIL(KITH_UNSUPPORTED, "%s: %d dimensions, rows of vectors have 2", s->name,
             H5Sget_simple_extent_ndims(s->space));
    H5Sget_simple_extent_dims(s->space, dims, NULL);
    if (dims[1] == 0 || dims[1] > KITH_MAX_DIM)
        FAIL(KITH_LIMIT, "%s: %llu columns, 1 to %u are possible", s->name,
             (unsigned long long)dims[1], KITH_MAX_DIM);
    TRY(check_storage(s));
    TRY(choose_type(s));
    s->n = dims[0];
    s->d = (size_t)dims[1];
    value = s->bits ? 1 : kith_row_bytes(s->dtype, 1);
    s->cap = SLAB_BYTES / (s->d * value); // at least 64 rows: d is bounded
    s->slab = array_new(s->cap, s->d * value);
    NEED(s->slab);
    if (s->bits) {
        s->packed = array_new(s->cap, (s->d + 7) / 8);
        NEED(s->packed);
    }
out:
    return st;
}

/* A string of fixed or of variable length. */
static void read_text(hid_t attribute, char *out, size_t cap)
{
    const hid_t type = H5Aget_type(attribute);
    char *text = NULL;

    if (type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) > 0) {
        const hid_t memory = H5Tcopy(type);
        if (memory >= 0 && H5Aread(attribute, memory, &text) >= 0 && text != NULL)
            snprintf(out, cap, "%s", text);
        if (text != NULL) H5free_memory(text);
        if (memory >= 0) H5Tclose(memory);
    } else if (type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tget_size(type) < cap) {
        if (H5Aread(attribute, type, out) >= 0) out[H5Tget_size(type)] = '\0';
    }
    if (type >= 0) H5Tclose(type);
}

kith_status hdf5_distance(const char *file, char *out, size_t cap)
{
    hid_t f, attribute;

    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); // it would print
    H5PLset_loading_state(0);              // no code named by a file
    memset(out, 0, cap);
    f = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (f < 0) return KITH_OK; // opening its rows says what is wrong
    attribute = H5Aexists(f, "distance") > 0 ? H5Aopen(f, "distance", H5P_DEFAULT) : -1;
    if (attribute >= 0) {
        read_text(attribute, out, cap);
        H5Aclose(attribute);
    }
    H5Fclose(f);
    return KITH_OK;
}

kith_status hdf5_source_open(const char *file, const char *set, kith_source *out)
{
    kith_status st = KITH_OK;
    hdf5_source *s = array_new(1, sizeof *s);

    NEED(s);
    s->file = s->set = s->space = s->type = -1;
    snprintf(s->name, sizeof s->name, "%s#%s", file, set);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); // it would print
    H5PLset_loading_state(0);              // no code named by a file
    s->file = H5Fopen(file, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (s->file < 0) FAIL(KITH_IO, "cannot open %s as HDF5", file);
    s->set = H5Dopen2(s->file, set, H5P_DEFAULT);
    if (s->set < 0) FAIL(KITH_NOT_FOUND, "%s has no data set '%s'", file, set);
    s->space = H5Dget_space(s->set);
    s->type = H5Dget_type(s->set);
    TRY(measure(s));
    *out = (kith_source){sizeof *out, s, s->dtype, s->d, s->n, next_batch, close_source};
    s = NULL;
out:
    close_source(s);
    return st;
}
