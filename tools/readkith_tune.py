"""tools/readkith_tune.py: the tuned curve of a .kith file, read by the text of docs/FORMAT.md ("The
tuned curve") alone. The command is tools/readkith.py.

curve = Curve(data), the bytes of TUNE: k, rows, queries, drawn, points; a point has recall, slack,
effort, rerank, visits, us. Whatever is not right raises ValueError.
"""
import collections
import struct

HEAD = struct.Struct("<IIIIIIQ")
POINT = struct.Struct("<ffIIff")
POINTS_MOST, ROWS_MOST = 64, 2**31 - 2
Point = collections.namedtuple("Point", "recall slack effort rerank visits us")


def check(fine, what):
    if not fine:
        raise ValueError(f"section TUNE: {what}")


class Curve:
    def __init__(self, data):
        check(len(data) >= HEAD.size, f"{len(data)} bytes")
        (version, count, self.k, self.rows, self.queries, flags, later) = HEAD.unpack_from(data)
        check(version == 1 and flags < 2 and not later, f"version {version}, flags {flags}")
        check(count <= POINTS_MOST, f"{count} points")
        check(len(data) == HEAD.size + count * POINT.size, f"{len(data)} bytes")
        check(0 < self.k <= ROWS_MOST, f"k = {self.k}")
        check(0 < self.rows <= ROWS_MOST and self.queries > 0,
              f"{self.rows} rows, {self.queries} queries")
        self.drawn = flags == 1
        self.points = [Point._make(p) for p in POINT.iter_unpack(data[HEAD.size:])]
        before = 0
        for p in self.points:
            check(before < p.recall < 1, f"recall {p.recall} behind {before}")
            check(0 < p.slack <= 100 and p.effort > 0, f"slack {p.slack}, effort {p.effort}")
            check(0 <= p.visits < float("inf") and 0 <= p.us < float("inf"), "visits, us")
            before = p.recall

    def summary(self):
        last = self.points[-1].recall if self.points else 0
        return (f"curve: {len(self.points)} points up to recall {last:.5f}@{self.k}, "
                f"by {self.queries} {'rows' if self.drawn else 'queries'}")
