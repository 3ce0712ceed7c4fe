#!/bin/sh
# HDF5 files in the layout of ann-benchmarks, where the command was built with HDF5.
. "$(dirname "$0")/common.sh"

: >none.hdf5
run build none.hdf5 -o x.kith
grep -q 'built without HDF5' err && exit 77
fails 1 'cannot open none.hdf5 as HDF5' build none.hdf5 -o x.kith

# Written by the HDF5 library itself, through ctypes: Debian's numpy has no h5py beside it.
"$python" - <<'END' || exit 77
import ctypes, ctypes.util, glob, sys
import numpy as np
names = glob.glob("/usr/lib/*/libhdf5_serial.so.*") + [ctypes.util.find_library("hdf5")]
if not names[0]:
    sys.exit("no HDF5 library to write a test file with")
h = ctypes.CDLL(names[0])
hid, size = ctypes.c_int64, ctypes.c_uint64
for f in ("H5Fcreate H5Screate_simple H5Dcreate2 H5Tcopy H5Tenum_create H5Pcreate "
          "H5Acreate2").split():
    getattr(h, f).restype = hid
h.H5open()
known = lambda name: hid.in_dll(h, name + "_g")
types = {"f4": known("H5T_NATIVE_FLOAT"), "f8": known("H5T_NATIVE_DOUBLE"),
         "i4": known("H5T_NATIVE_INT32"), "u1": known("H5T_NATIVE_UINT8")}
boolean = hid(h.H5Tenum_create(known("H5T_NATIVE_INT8")))
for i, name in enumerate((b"FALSE", b"TRUE")):
    h.H5Tenum_insert(boolean, name, ctypes.byref(ctypes.c_int8(i)))
types["b1"] = boolean
def dims(shape):
    return (size * len(shape))(*shape)
def write(path, sets, distance):
    file = hid(h.H5Fcreate(path.encode(), ctypes.c_uint(2), hid(0), hid(0)))
    for name, (x, zipped) in sets.items():
        space = hid(h.H5Screate_simple(x.ndim, dims(x.shape), None))
        plist = hid(0)
        if zipped:
            plist = hid(h.H5Pcreate(known("H5P_CLS_DATASET_CREATE_ID")))
            h.H5Pset_chunk(plist, x.ndim, dims([min(n, 16) for n in x.shape]))
            assert h.H5Pset_deflate(plist, ctypes.c_uint(4)) >= 0
        t = types[x.dtype.str[1:]]
        d = hid(h.H5Dcreate2(file, name.encode(), t, space, hid(0), plist, hid(0)))
        x = np.ascontiguousarray(x)
        assert h.H5Dwrite(d, t, hid(0), hid(0), hid(0), x.ctypes.data_as(ctypes.c_void_p)) >= 0
        h.H5Dclose(d)
    if distance:
        text = hid(h.H5Tcopy(known("H5T_C_S1")))
        h.H5Tset_size(text, ctypes.c_size_t(len(distance)))
        space = hid(h.H5Screate_simple(1, dims((1,)), None))
        a = hid(h.H5Acreate2(file, b"distance", text, space, hid(0), hid(0)))
        assert h.H5Awrite(a, text, distance.encode()) >= 0
        h.H5Aclose(a)
    h.H5Fclose(file)
r = np.random.default_rng(5)
x, q = r.normal(size=(300, 12)).astype("f4"), r.normal(size=(9, 12)).astype("f4")
d = ((q[:, None].astype("f8") - x[None]) ** 2).sum(2)
near = np.argsort(d, 1)[:, :20]
write("a.hdf5", {"train": (x, 0), "test": (q.astype("f8"), 1), "neighbors": (near.astype("i4"), 0),
                 "bytes": (r.integers(0, 255, (70, 3)).astype("u1"), 1), "line": (x[0], 0),
                 "bools": (x[:, :10] > 0, 0)}, "euclidean")
write("angular.hdf5", {"train": (x, 0), "test": (q, 0)}, "angular")
write("odd.hdf5", {"train": (x, 0)}, "odd")
write("plain.hdf5", {"train": (x, 0)}, "")
np.save("x.npy", x); np.save("q.npy", q); np.save("bools.npy", (x[:, :10] > 0).astype("u1"))
END

ok convert a.hdf5 x2.npy -q
check "assert (np.load('x.npy') == np.load('x2.npy')).all()"
ok convert 'a.hdf5#test' q2.npy -q
check "assert (np.load('q.npy') == np.load('q2.npy')).all()"
ok build a.hdf5 -o x.kith -q
ok eval x.kith 'a.hdf5#test' --gt 'a.hdf5#neighbors' -k 20 --json
check "
e = json.load(open('out'))
assert e['recall'] == 1 and e['recall_by'] == 'distance'"
# One file for all of it: rows, queries, neighbours; its distance is the metric.
ok build a.hdf5 -o x.kith
grep -q 'a.hdf5: made for the distance euclidean: --metric l2' err || bad "build said: $(cat err)"
ok eval x.kith a.hdf5 --gt a.hdf5 -k 20 --json
check "assert json.load(open('out'))['recall'] == 1"
ok build angular.hdf5 -o c.kith -q
ok info c.kith --json
check "assert json.load(open('out'))['metric'] == 'cosine'"
ok gt angular.hdf5 angular.hdf5 -k 5 -o c.npy -q
ok eval c.kith angular.hdf5 --gt c.npy -k 5 --json
check "assert json.load(open('out'))['recall'] == 1"
ok build angular.hdf5 -o c.kith --metric ip
ok info c.kith --json
check "assert json.load(open('out'))['metric'] == 'ip'"
fails 1 "made for the distance 'odd', which kith does not have: say --metric" \
    build odd.hdf5 -o c.kith
ok build odd.hdf5 -o c.kith --metric l1 -q
ok build plain.hdf5 -o c.kith
grep -q 'made for' err && bad "$last said: $(cat err)"
cp plain.hdf5 'a#b.hdf5'
cp plain.hdf5 'plain.hdf5#c.hdf5'
ok build 'a#b.hdf5' -o c.kith -q
ok build 'a#b.hdf5#train' -o c.kith -q
ok build 'plain.hdf5#c.hdf5' -o c.kith -q
fails 1 "plain.hdf5 has no data set 'test'" search c.kith plain.hdf5
fails 1 'cannot open nothere.hdf5: No such file' build nothere.hdf5 -o c.kith
ok build 'a.hdf5#bytes' -o b.kith --json
check "assert json.load(open('out'))['dtype'] == 'u8'"
ok build 'a.hdf5#bools' -o b.kith --metric hamming -q
ok build bools.npy -o c.kith --metric hamming -q
ok search b.kith 'a.hdf5#bools' -k 3 --json
cp out first
ok search c.kith bools.npy -k 3 --json
cmp -s out first || bad "bools of HDF5 are other bits than those of numpy"
fails 1 "has no data set 'none'" convert 'a.hdf5#none' y.npy
fails 1 '1 dimensions' convert 'a.hdf5#line' y.npy
head -c 3000 a.hdf5 >cut.hdf5
fails 1 'cut.hdf5' convert cut.hdf5 y.npy
finish
