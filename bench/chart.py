"""chart.py REPORT.json OUT.svg: the curves of bench/graph.py, one panel a set, as an SVG.

Recall grows to the right as -log10(1 - recall), so that each step halves or tenths what is missed;
QPS upwards, log. Each side's upper front is its line, with its name at the line's end; points that
another of the same side beats are faint. Colours follow the reader's light or dark scheme.
"""
import json
import math
import os
import sys

W, H, LEFT, RIGHT, TOP, BOTTOM, GAP = 430, 330, 58, 92, 40, 48, 14
# In the order in which they get a label, where one has room.
TICKS = (.9, .99, .999, .9999, .95, .98, .995, .998, .8, .7, .5, .9995, .9998)
LIGHT = ("#1668c7", "#c2410c", "#15803d", "#7c3aed", "#b45309")
DARK = ("#6cb1ff", "#ff9a62", "#5fd38a", "#c4a5ff", "#f3c14b")
STYLE = """
  .bg { fill: #ffffff } text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif;
  fill: #57606a } .title { font-weight: 600; font-size: 13px; fill: #1f2328 }
  .grid { stroke: #d8dee4; stroke-width: 1 } .axis { stroke: #8c959f; stroke-width: 1 }
  .line { fill: none; stroke-width: 2; stroke-linejoin: round } .name { font-weight: 600 }
  .off { opacity: .35 }
"""
STYLE_DARK = """  @media (prefers-color-scheme: dark) { .bg { fill: #0d1117 } text { fill: #9198a1 }
  .title { fill: #f0f6fc } .grid { stroke: #262c36 } .axis { stroke: #656c76 }
%s  }
"""


def front(points):
    """(recall, qps) by ascending recall, without those that another one beats in both."""
    best, kept = 0, []
    for recall, qps in sorted(points, reverse=True):
        if qps > best:
            kept.append((recall, qps))
            best = qps
    return kept[::-1]


def x_of(recall):
    return -math.log10(max(1 - recall, 1e-9))


def text(x, y, words, kind="", anchor="start", more=""):
    words = str(words).replace("&", "&amp;").replace("<", "&lt;")
    return '<text x="%.1f" y="%.1f"%s text-anchor="%s"%s>%s</text>' % (
        x, y, ' class="%s"' % kind if kind else "", anchor, more, words)


def spread(ys, least=14):
    """The places of labels, moved apart where they would overlap."""
    order, out = sorted(range(len(ys)), key=lambda i: ys[i]), list(ys)
    for a, b in zip(order, order[1:]):
        out[b] = max(out[b], out[a] + least)
    return out


def decades(lo, hi):
    """1, 2, 5 of each power of ten from lo to hi; only whole powers where the range is wide."""
    steps = (1, 2, 5) if hi / lo < 3000 else (1,)
    return [s * 10 ** e for e in range(math.floor(math.log10(lo)), math.ceil(math.log10(hi)) + 1)
            for s in steps if lo * .999 <= s * 10 ** e <= hi * 1.001]


def grid(px, py, xs, ys, x0, x1, y0, y1):
    """Lines, ticks and the axes' names."""
    labelled = []
    for recall in TICKS:
        x, half = px(recall), 3.4 * (len("%g" % recall) - 1) + 2
        if x0 - .1 <= x <= x1 + .1 and all(abs(x - a) >= half + b for a, b in labelled):
            labelled.append((x, half))
            yield '<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>' % (x, y0, x, y1)
            yield text(x, y1 + 16, ("%g" % recall).lstrip("0"), anchor="middle")
    for qps in decades(*ys):
        y = py(qps)
        yield '<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>' % (x0, y, x1, y)
        yield text(x0 - 6, y + 4, "%g k" % (qps / 1000) if qps >= 1000 else "%g" % qps,
                   anchor="end")
    yield '<path class="axis" fill="none" d="M%.1f %.1fV%.1fH%.1f"/>' % (x0, y0, y1, x1)
    yield text((x0 + x1) / 2, y1 + 36, "recall@10", anchor="middle")
    yield text(0, 0, "queries a second, one thread", anchor="middle",
               more=' transform="translate(%.1f %.1f) rotate(-90)"' % (x0 - 44, (y0 + y1) / 2))


def series(number, points, px, py):
    """A side's front as a line with dots, its other points faint."""
    kept = front(points)
    kind = "s%d" % number
    for r, q in points:
        if (r, q) not in kept:
            yield '<circle class="%s dot off" cx="%.1f" cy="%.1f" r="2"/>' % (kind, px(r), py(q))
    yield '<polyline class="line %s" points="%s"/>' % (
        kind, " ".join("%.1f,%.1f" % (px(r), py(q)) for r, q in kept))
    for r, q in kept:
        yield '<circle class="%s dot" cx="%.1f" cy="%.1f" r="2.6"/>' % (kind, px(r), py(q))


def median(values):
    v = sorted(values)
    return (v[len(v) // 2] + v[(len(v) - 1) // 2]) / 2


def panel(s, left, top, numbers):
    x0, x1, y0, y1 = left + LEFT, left + W - RIGHT, top + TOP, top + H - BOTTOM
    # Who finds everything in so many queries misses less than half a neighbour; the panel ends at
    # .9999, and what lies beyond is drawn there.
    most = min(1 - .5 / (10 * s["queries"]), .9999)
    lines = [[(min(p["recall"], most), median(p["qps"])) for p in side["points"]]
             for side in s["sides"]]
    flat = [p for line in lines for p in line if p[0] >= .7] or sum(lines, [])
    xs = (x_of(max(.7, min(r for r, _ in flat) - .02)),
          x_of(max(r for r, _ in flat)) + .08)
    ys = (min(q for _, q in flat) / 1.25, max(q for _, q in flat) * 1.25)

    def px(recall):
        return x0 + (x_of(recall) - xs[0]) / (xs[1] - xs[0]) * (x1 - x0)

    def py(qps):
        return y1 - math.log(qps / ys[0]) / math.log(ys[1] / ys[0]) * (y1 - y0)

    yield text(x0, top + 18, s["set"], "title")
    yield text(x0, top + 32, "{:,} x {} {}, {:,} queries{}".format(
        s["rows"], s["dim"], s["dtype"], s["queries"], ", CPU time" if s["time"] == "CPU" else ""))
    yield from grid(px, py, xs, ys, x0, x1, y0, y1)
    shown = [[p for p in line if xs[0] <= x_of(p[0]) <= xs[1] and ys[0] <= p[1] <= ys[1]]
             or line[-1:] for line in lines]
    for side, line in zip(s["sides"], shown):
        yield from series(numbers[side["name"]], line, px, py)
    ends = [front(line)[-1] for line in shown]
    for side, (r, _), y in zip(s["sides"], ends, spread([py(q) for _, q in ends])):
        yield text(px(r) + 8, y + 4, side["name"], "name t%d" % numbers[side["name"]])


def svg(report):
    names = []
    for s in report["sets"]:
        names += [side["name"] for side in s["sides"] if side["name"] not in names]
    # The peer is always the second colour, so that kith's is the same without it.
    numbers = {n: i - 1 if i else len(names) - 1 for i, n in enumerate(names)}
    columns = min(2, len(report["sets"]))
    rows = -(-len(report["sets"]) // columns)
    width, height = columns * W + (columns - 1) * GAP, rows * H + (20 if columns > 1 else 36)
    rule = "  .s%d { stroke: %s } .s%d.dot { fill: %s; stroke: none } .t%d { fill: %s }\n"
    colours = ["".join(rule % (i, c, i, c, i, c) for i, c in enumerate(two))
               for two in (LIGHT, DARK)]
    size = (width, height, width, height)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
           'role="img" aria-label="Queries a second against recall">' % size,
           "<style>%s%s%s</style>" % (STYLE, colours[0], STYLE_DARK % colours[1]),
           '<rect class="bg" width="100%" height="100%"/>']
    for i, s in enumerate(report["sets"]):
        out += panel(s, i % columns * (W + GAP), i // columns * H, numbers)
    how = ["%s, one pinned core, one query at a time" % report["cpu"], "medians of rounds"]
    for i, line in enumerate(["; ".join(how)] if columns > 1 else how):
        out.append(text(LEFT, rows * H + 10 + 16 * i, line))
    return "\n".join(out) + "\n</svg>\n"


def write(path, report):
    with open(path + ".part", "w") as f:
        f.write(svg(report))
    os.replace(path + ".part", path)


if __name__ == "__main__":
    with open(sys.argv[1]) as source:
        write(sys.argv[2], json.load(source))
