/* A data set of an HDF5 file as a kith_source: ann-benchmarks has `train`, `test` and `neighbors`.
 * Only where the build found HDF5 (KITH_HAVE_HDF5). */
#ifndef CLI_READ_HDF5_H
#define CLI_READ_HDF5_H

#include "say.h"

kith_status hdf5_source_open(const char *file, const char *set, kith_source *out);
/* The file's attribute `distance`, "" when it has none. */
kith_status hdf5_distance(const char *file, char *out, size_t cap);

#endif
