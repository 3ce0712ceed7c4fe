/* A data set of an HDF5 file as a kith_source: in the layout of ann-benchmarks `train`, `test` and
 * `neighbors`; FILE.hdf5#name is the one that is named. Only where the build found HDF5
 * (KITH_HAVE_HDF5). */
#ifndef CLI_READ_HDF5_H
#define CLI_READ_HDF5_H

#include "say.h"

/* preset: the set of a path without "#". */
kith_status hdf5_source_open(const char *path, const char *preset, kith_source *out);
/* The file's attribute `distance`, "" when it has none. */
kith_status hdf5_distance(const char *path, char *out, size_t cap);

#endif
