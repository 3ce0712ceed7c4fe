/* The head of a numpy array, for vectors (npy.c) and labels (lists.c). */
#ifndef KI_NPY_H
#define KI_NPY_H

#include "foreign/foreign.h"

typedef struct ki_npy {
    uint64_t at;   /* first byte of the values */
    uint64_t len;  /* bytes of the values, inside the file */
    char kind;     /* 'f' 'i' 'u' 'b' 'U' 'S', as in descr */
    uint64_t item; /* bytes of a value */
    bool big;      /* big-endian */
    bool fortran;  /* column after column */
    uint32_t dims; /* 1 or 2 */
    uint64_t shape[2];
} ki_npy;

/* The which-th array of the file (np.save appends when it is called again). CORRUPT for a damaged
 * or cut file, also when what follows the array is no further array; UNSUPPORTED for what kith
 * cannot read (pickles, structures, three dimensions). */
kith_status ki_npy_read(const ki_file *f, uint64_t which, ki_npy *out);
/* path without "#1" into bare (cap bytes), and the number, 0 when there is none: also where a file
 * is called so. */
kith_status ki_npy_split(ki_env *env, const char *path, char *bare, size_t cap, uint64_t *which);

#endif
