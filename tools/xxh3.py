"""tools/xxh3.py: XXH3, 64 bits, seed 0, as its specification words it (xxHash 0.8, XXH3_64bits).

    digest(data)            one hash
    digests(data, size)     of each `size` bytes of data in turn, the last shorter

Plain Python, which is slow; with numpy long pieces are hashed side by side, a hundred times faster.
Debian's python3-xxhash is used where it is installed. For tools/readkith.py, which must not use kith's code.
"""
import struct

try:
    import numpy as np
except ImportError:
    np = None
try:
    import xxhash
except ImportError:
    xxhash = None

SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")
MASK = (1 << 64) - 1
P32 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P64 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
       0x27D4EB2F165667C5)
START = P32[2], P64[0], P64[1], P64[2], P64[3], P32[1], P64[4], P32[0]
STRIPE, STRIPES = 64, (len(SECRET) - 64) // 8
ROUND = STRIPE * STRIPES
SIDE_BY_SIDE = 256  # pieces at once: what numpy works on stays small


def u32(data, at):
    return struct.unpack_from("<I", data, at)[0]


def u64(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def fold(a, b):
    product = a * b
    return (product & MASK) ^ (product >> 64)


def swap(value):
    return int.from_bytes(value.to_bytes(8, "little"), "big")


def rotate(value, by):
    return (value << by | value >> (64 - by)) & MASK


def avalanche(h):
    h ^= h >> 37
    h = h * 0x165667919E3779F9 & MASK
    return h ^ h >> 32


def avalanche64(h):
    h ^= h >> 33
    h = h * P64[1] & MASK
    h ^= h >> 29
    h = h * P64[2] & MASK
    return h ^ h >> 32


def mix16(data, at, secret):
    return fold(u64(data, at) ^ u64(SECRET, secret), u64(data, at + 8) ^ u64(SECRET, secret + 8))


def up_to_16(data):
    n = len(data)
    if n > 8:
        low = u64(data, 0) ^ u64(SECRET, 24) ^ u64(SECRET, 32)
        high = u64(data, n - 8) ^ u64(SECRET, 40) ^ u64(SECRET, 48)
        return avalanche((n + swap(low) + high + fold(low, high)) & MASK)
    if n >= 4:
        h = (u32(data, n - 4) + (u32(data, 0) << 32)) ^ u64(SECRET, 8) ^ u64(SECRET, 16)
        h ^= rotate(h, 49) ^ rotate(h, 24)
        h = h * 0x9FB21C651E98DF25 & MASK
        h ^= (h >> 35) + n
        h = h * 0x9FB21C651E98DF25 & MASK
        return h ^ h >> 28
    if n > 0:
        h = data[0] << 16 | data[n >> 1] << 24 | data[n - 1] | n << 8
        return avalanche64(h ^ u32(SECRET, 0) ^ u32(SECRET, 4))
    return avalanche64(u64(SECRET, 56) ^ u64(SECRET, 64))


def up_to_240(data):
    n = len(data)
    h = n * P64[0]
    if n <= 128:
        for i in reversed(range((n - 1) // 32 + 1)):
            h += mix16(data, 16 * i, 32 * i) + mix16(data, n - 16 * (i + 1), 32 * i + 16)
        return avalanche(h & MASK)
    for i in range(8):
        h += mix16(data, 16 * i, 16 * i)
    h = avalanche(h & MASK)
    for i in range(8, n // 16):
        h += mix16(data, 16 * i, 16 * (i - 8) + 3)
    return avalanche((h + mix16(data, n - 16, 136 - 17)) & MASK)


def accumulate(lanes, data, at, secret):
    values = struct.unpack_from("<8Q", data, at)
    keys = struct.unpack_from("<8Q", SECRET, secret)
    for i in range(8):
        keyed = values[i] ^ keys[i]
        lanes[i ^ 1] = (lanes[i ^ 1] + values[i]) & MASK
        lanes[i] = (lanes[i] + (keyed & 0xFFFFFFFF) * (keyed >> 32)) & MASK


def merge(lanes, n):
    h = n * P64[0]
    for i in range(4):
        h += fold(lanes[2 * i] ^ u64(SECRET, 11 + 16 * i),
                  lanes[2 * i + 1] ^ u64(SECRET, 19 + 16 * i))
    return avalanche(h & MASK)


def long_one(data):
    n = len(data)
    lanes = list(START)
    rounds = (n - 1) // ROUND
    for r in range(rounds):
        for s in range(STRIPES):
            accumulate(lanes, data, r * ROUND + s * STRIPE, 8 * s)
        for i in range(8):
            lanes[i] ^= lanes[i] >> 47
            lanes[i] = (lanes[i] ^ u64(SECRET, 128 + 8 * i)) * P32[0] & MASK
    for s in range((n - 1 - rounds * ROUND) // STRIPE):
        accumulate(lanes, data, rounds * ROUND + s * STRIPE, 8 * s)
    accumulate(lanes, data, n - STRIPE, len(SECRET) - 64 - 7)
    return merge(lanes, n)


def digest(data):
    data = bytes(data)
    if xxhash:
        return xxhash.xxh3_64_intdigest(data)
    if len(data) <= 16:
        return up_to_16(data)
    if len(data) <= 240:
        return up_to_240(data)
    return long_by_numpy(np.frombuffer(data, np.uint8)[None])[0] if np else long_one(data)


def keys_of(at, count):
    """Keys of `count` stripes, [count][8], each 8 bytes on from the one before."""
    return np.stack([np.frombuffer(SECRET, "<u8", 8, at + 8 * s) for s in range(count)])


def gather(values, keys):
    """What stripes [n][stripes][8] add to the lanes [n][8]: sums do not mind the order."""
    keyed = values ^ keys
    products = (keyed & np.uint64(0xFFFFFFFF)) * (keyed >> np.uint64(32))
    swapped = values.reshape(*values.shape[:2], 4, 2)[..., ::-1].reshape(values.shape)
    return (products + swapped).sum(axis=1, dtype=np.uint64)


def long_by_numpy(pieces):
    """pieces [n][bytes], more than 240 bytes each: n hashes."""
    count, n = pieces.shape
    lanes = np.tile(np.array(START, "<u8"), (count, 1))
    rounds = (n - 1) // ROUND
    stripes = (n - 1 - rounds * ROUND) // STRIPE

    def words(at, length):
        piece = np.ascontiguousarray(pieces[:, at:at + length])
        return piece.view("<u8").reshape(count, -1, 8)

    for r in range(rounds):
        lanes += gather(words(r * ROUND, ROUND), keys_of(0, STRIPES))
        lanes ^= lanes >> np.uint64(47)
        lanes ^= np.frombuffer(SECRET, "<u8", 8, 128)
        lanes *= np.uint64(P32[0])
    if stripes:
        lanes += gather(words(rounds * ROUND, stripes * STRIPE), keys_of(0, stripes))
    lanes += gather(words(n - STRIPE, STRIPE), keys_of(len(SECRET) - 64 - 7, 1))
    return [merge([int(x) for x in row], n) for row in lanes]


def digests(data, size):
    whole = len(data) // size
    hashes = []
    if np and not xxhash and size > 240:
        pieces = np.frombuffer(data, np.uint8, whole * size).reshape(whole, size)
        for at in range(0, whole, SIDE_BY_SIDE):
            hashes += long_by_numpy(pieces[at:at + SIDE_BY_SIDE])
    else:
        hashes = [digest(data[at:at + size]) for at in range(0, whole * size, size)]
    if len(data) % size:
        hashes.append(digest(data[whole * size:]))
    return hashes
