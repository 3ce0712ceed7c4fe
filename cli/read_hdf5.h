/* A data set of an HDF5 file as a kith_source: FILE.hdf5 is its `train` (the layout of
 * ann-benchmarks), FILE.hdf5#test another one. Only where the build found HDF5 (KITH_HAVE_HDF5). */
#ifndef CLI_READ_HDF5_H
#define CLI_READ_HDF5_H

#include "say.h"

kith_status hdf5_source_open(const char *path, kith_source *out);

#endif
