#!/usr/bin/python3
"""tools/readkith.py FILE: a .kith file, read by the text of docs/FORMAT.md alone, with none of
kith's code: every checksum is compared, every byte accounted for, and what the sections say of the
rows and of their graph is held against each other (tools/readkith_rows.py and readkith_graph.py,
with numpy; readkith_tune.py). Status 1 and a sentence for a file that is not right.

    readkith.py FILE                        lists the sections, sums up the rows and the graph
    readkith.py FILE --rows                 one row a line: id, label ("-" for none), "live" or
                                            "removed", values
    readkith.py FILE --graph                one row a line: position, "node", "twin of …" or "none",
                                            positions of its neighbours
    readkith.py FILE --export NAME          live rows: NAME.npy, NAME_ids.npy and, where there are
                                            any, NAME_labels.txt (an empty line: no label)
    readkith.py FILE --extract TYPE[.PART] OUT    the bytes of one section ("-" is stdout)
"""
import argparse
import struct
import sys

import readkith_tune
import xxh3

MAGIC, END = b"kith\r\n\x1a\n", b"kith end"
HEAD = struct.Struct("<8sIIIIQQQQQ")
ENTRY = struct.Struct("<IIQQIIQQQQ")
TAIL = struct.Struct("<Q8s")
VERSION, BLOCK, ALIGN, GAP = 1, 65536, 64, 65536


def check(fine, what):
    if not fine:
        raise ValueError(what)


def up(number):
    return -(-number // ALIGN) * ALIGN


class Section:
    def __init__(self, entry):
        (self.type, self.part, self.at, self.length, flags, zero, self.sum, self.sums_at, later,
         later2) = ENTRY.unpack(entry)
        self.rows = flags == 1
        check(flags < 2 and not zero and not later and not later2, "a newer kind of section")
        check(self.rows or self.sums_at == 0, "sums for a section without blocks")
        self.name = struct.pack("<I", self.type).decode("latin-1")
        self.blocks = -(-self.length // BLOCK) if self.rows else 0
        self.data = None


class File:
    """sections: all, in order; section(name): one or None. ValueError says what is wrong."""

    def __init__(self, data):
        self.data = memoryview(data)
        self.read_head()
        self.read_table()
        for section in self.sections:
            self.read_section(section)

    def section(self, name, part=0):
        for section in self.sections:
            if (section.name, section.part) == (name.ljust(4), part):
                return section
        return None

    def read_head(self):
        check(len(self.data) >= HEAD.size, f"{len(self.data)} bytes, a head has {HEAD.size}")
        (magic, version, flags, self.count, zero, length, self.sums_at, self.table_at, later,
         head_sum) = HEAD.unpack_from(self.data)
        check(magic == MAGIC, "no kith index")
        check(xxh3.digest(self.data[:56]) == head_sum, "its head is damaged")
        check(version == VERSION and flags == 0 and zero == 0 and later == 0,
              f"format version {version}, flags {flags:x}")
        check(length == len(self.data), f"{len(self.data)} bytes long, should be {length}")
        check(self.sums_at % ALIGN == 0 and self.table_at % ALIGN == 0, "sums, table: no alignment")
        check(self.table_at + self.count * ENTRY.size + TAIL.size == length, "no table at its end")

    def read_table(self):
        table = self.data[self.table_at:-TAIL.size]
        table_sum, end_mark = TAIL.unpack(self.data[-TAIL.size:])
        check(end_mark == END, "no end mark")
        check(xxh3.digest(table) == table_sum, "its section table is damaged")
        self.sections = [Section(table[i:i + ENTRY.size])
                         for i in range(0, len(table), ENTRY.size)]
        end, sums = HEAD.size, self.sums_at
        for section in self.sections:
            check(section.at % ALIGN == 0 and end <= section.at < end + GAP,
                  f"section {section.name} starts at {section.at}, the one before ends at {end}")
            self.check_zeros(end, section.at)
            end = section.at + section.length
            check(not section.rows or section.sums_at == sums,
                  f"section {section.name}: its sums are at {section.sums_at}, not {sums}")
            sums += 8 * section.blocks
        check(up(end) == self.sums_at and up(sums) == self.table_at, "a hole before sums or table")
        self.check_zeros(end, self.sums_at)
        self.check_zeros(sums, self.table_at)
        names = {(s.type, s.part) for s in self.sections}
        check(len(names) == self.count, "a section is there twice")

    def check_zeros(self, start, end):
        check(not any(self.data[start:end]), f"bytes {start}…{end - 1} are not all zero")

    def read_section(self, section):
        section.data = self.data[section.at:section.at + section.length]
        summed = section.data
        if section.rows:
            summed = self.data[section.sums_at:section.sums_at + 8 * section.blocks]
            sums = struct.unpack(f"<{section.blocks}Q", summed)
            for block, found in enumerate(xxh3.digests(section.data, BLOCK)):
                check(found == sums[block], f"section {section.name}: block {block} is damaged")
        check(xxh3.digest(summed) == section.sum, f"section {section.name} is damaged")


def extract(file, name, out):
    name, _, part = name.partition(".")
    section = file.section(name, int(part or 0))
    check(section, f"no section {name}.{part or 0}")
    with open(out, "wb") if out != "-" else sys.stdout.buffer as stream:
        stream.write(section.data)


def show(file):
    print(f"version {VERSION}, {len(file.data)} bytes, {file.count} sections")
    for s in file.sections:
        kind = f"rows, {s.blocks} blocks" if s.rows else f"sum {s.sum:016x}"
        print(f"{s.name:4}.{s.part}  at {s.at:>10}  bytes {s.length:>10}  {kind}")


def rows_of(file, needed):
    """None where numpy is missing and the rows are not needed."""
    try:
        import readkith_rows  # which imports this module: numpy is for rows only
    except ImportError:
        check(not needed, "reading rows needs numpy (Debian: python3-numpy)")
        return None
    return readkith_rows.Rows({s.name: s.data for s in file.sections if s.part == 0})


def graph_of(file, rows, needed):
    """None where there is none, or where the rows were not read."""
    if not rows or not file.section("GRPH"):
        check(not needed, "no graph")
        return None
    import readkith_graph
    return readkith_graph.Graph({s.name: s.data for s in file.sections if s.part == 0}, rows)


def main():
    parser = argparse.ArgumentParser(description="Check and read a .kith file.")
    parser.add_argument("file")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--rows", action="store_true", help="one row a line")
    what.add_argument("--graph", action="store_true", help="one row a line, with its links")
    what.add_argument("--export", metavar="NAME",
                      help="NAME.npy, NAME_ids.npy, NAME_labels.txt of the live rows")
    what.add_argument("--extract", nargs=2, metavar=("TYPE", "OUT"), help="bytes of a section")
    arguments = parser.parse_args()
    try:
        with open(arguments.file, "rb") as stream:
            file = File(stream.read())
        rows = rows_of(file, arguments.rows or arguments.graph or arguments.export)
        graph = graph_of(file, rows, arguments.graph)
        tuned = file.section("TUNE")
        curve = tuned and readkith_tune.Curve(tuned.data)
        if arguments.extract:
            extract(file, *arguments.extract)
        elif arguments.export:
            rows.export(arguments.export)
        elif arguments.rows:
            rows.show()
        elif arguments.graph:
            graph.show()
        else:
            show(file)
            print(rows.summary() if rows else "rows: not looked at, which needs numpy")
            if graph:
                print(graph.summary())
            if curve:
                print(curve.summary())
    except (ValueError, OSError) as error:
        sys.exit(f"{arguments.file}: {error}")


if __name__ == "__main__":
    main()
